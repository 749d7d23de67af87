/*!
`sink-files`: files of the granted destination, by name; each appears whole or not at all.

A file is written under a temporary name in the folder it belongs to, and takes its own name at the commit: by
one atomic rename, once its bytes and then the folder's entry are on disk.
*/

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};
use vecferry_contract::{Error, Result};

use crate::files::MAX_READ_BYTES;
use crate::io::fault;
use crate::names;
use crate::slots::Slot;

/// A destination file being written. Dropped before its commit it leaves nothing behind.
pub struct Output {
    name: String,
    destination: PathBuf,
    state: State,
    written: u64,
    /// Declared after `state`, so that the temporary file is gone when they are removed.
    folders: NewFolders,
    _slot: Slot,
}

enum State {
    Writing(NamedTempFile),
    Committed(File),
}

impl Output {
    pub(crate) fn create(root: &Path, name: &str, slot: Slot) -> Result<Self> {
        let destination = root.join(names::relative(name)?);
        let folder = destination.parent().unwrap_or(root);
        let outside = || {
            Error::denied("file/outside", format!("{name} leads out of the granted folder through a symbolic link"))
                .hint("name the folder that it leads to as the destination")
                .at("file", name)
        };
        let prepare = |e: std::io::Error| fault("make the folder of", name, &e);
        let mut folders = NewFolders::default();
        folders.make(root).map_err(prepare)?;
        let real_root = root.canonicalize().map_err(prepare)?;
        // Before anything is made: the part that is there already must lie within the root.
        let existing = folder.ancestors().find(|path| path.exists()).unwrap_or(root);
        if !existing.canonicalize().map_err(prepare)?.starts_with(&real_root) {
            return Err(outside());
        }
        folders.make(folder).map_err(prepare)?;
        let real_folder = folder.canonicalize().map_err(prepare)?;
        if !real_folder.starts_with(&real_root) {
            return Err(outside());
        }
        let destination = match destination.file_name() {
            Some(own_name) => real_folder.join(own_name),
            None => destination,
        };
        if destination.is_dir() {
            return Err(Error::config("file/is-folder", format!("{name} is a folder; a file is to be written there"))
                .hint("choose another destination")
                .at("file", name));
        }
        // The process's umask takes from these rights as it does for any new file.
        let file = Builder::new()
            .prefix(".vecferry-")
            .suffix(".partial")
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(&real_folder)
            .map_err(|e| fault("write", name, &e))?;
        Ok(Output { name: name.to_owned(), destination, state: State::Writing(file), written: 0, folders, _slot: slot })
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Appends.
    ///
    /// # Errors
    /// `transient` when the disk is full or fails; `internal` after the commit.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let name = &self.name;
        match &mut self.state {
            // At the counted end, not at the file's: a write that failed half-way leaves bytes that do not count.
            State::Writing(file) => {
                file.as_file().write_all_at(bytes, self.written).map_err(|e| fault("write", name, &e))?;
            }
            State::Committed(_) => return Err(self.over()),
        }
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Brings what was written to the disk; bytes written so far.
    ///
    /// # Errors
    /// As [`Output::write`].
    pub fn sync(&mut self) -> Result<u64> {
        self.file().sync_data().map_err(|e| fault("write", &self.name, &e))?;
        Ok(self.written)
    }

    /// Up to `len` bytes of what was written; fewer only at its end.
    ///
    /// # Errors
    /// `unsupported` for more than [`MAX_READ_BYTES`] that are there; `transient` when the disk fails.
    pub fn read_at(&self, offset: u64, len: u32) -> Result<Vec<u8>> {
        let len = self.written.saturating_sub(offset).min(u64::from(len));
        if len > u64::from(MAX_READ_BYTES) {
            let message = format!("one read asked for {len} bytes, more than the {MAX_READ_BYTES} that are allowed");
            return Err(Error::unsupported("file/read-too-large", message).at("file", &self.name).at("offset", offset));
        }
        let mut out = vec![0; usize::try_from(len).unwrap_or_default()];
        self.file().read_exact_at(&mut out, offset).map_err(|e| fault("read", &self.name, &e).at("offset", offset))?;
        Ok(out)
    }

    /// Puts the file under its name, whole, in place of what was there. It can be read afterwards, not written.
    ///
    /// # Errors
    /// As [`Output::write`]; what stood under the name before then stands there still.
    pub fn commit(&mut self) -> Result<()> {
        if matches!(self.state, State::Committed(_)) {
            return Err(self.over());
        }
        let whole = self.file().set_len(self.written).and_then(|()| self.file().sync_all());
        whole.map_err(|e| fault("write", &self.name, &e))?;
        let handle = self.file().try_clone().map_err(|e| fault("write", &self.name, &e))?;
        match std::mem::replace(&mut self.state, State::Committed(handle)) {
            State::Writing(file) => {
                if let Err(failed) = file.persist(&self.destination) {
                    self.state = State::Writing(failed.file);
                    return Err(fault("write", &self.name, &failed.error));
                }
            }
            State::Committed(_) => return Err(self.over()),
        }
        self.folders.keep();
        let folder = self.destination.parent().unwrap_or_else(|| Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(|e| fault("write", &self.name, &e))
    }

    fn file(&self) -> &File {
        match &self.state {
            State::Writing(file) => file.as_file(),
            State::Committed(file) => file,
        }
    }

    fn over(&self) -> Error {
        Error::internal("file/committed", format!("{} was committed already", self.name)).at("file", &self.name)
    }
}

/// Folders made for an output, innermost first; removed again when it is not committed.
#[derive(Default)]
struct NewFolders(Vec<PathBuf>);

impl NewFolders {
    fn make(&mut self, folder: &Path) -> std::io::Result<()> {
        let missing = folder.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists());
        let missing: Vec<PathBuf> = missing.map(Path::to_owned).collect();
        self.0.splice(0..0, missing);
        fs::create_dir_all(folder)
    }

    fn keep(&mut self) {
        self.0.clear();
    }
}

impl Drop for NewFolders {
    fn drop(&mut self) {
        for folder in &self.0 {
            // Another output may live there by now; then it stays.
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
    }
}
