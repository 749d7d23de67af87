/*!
`sink-files`: files of the granted destination, by name; each appears whole or not at all.

A file is written under another name in the folder it belongs to, and takes its own at the commit: by one atomic
rename, once its bytes and then the folder's entry are on disk. In a run that may be interrupted and go on, that other
name says which run it is, and the unfinished file stays: [`Output::reopen`] finds it. It is locked while a process
has it.
*/

use std::fs::{self, File, Permissions, TryLockError};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};
use vecferry_contract::{Entry, Error, Result};
use vecferry_core::SinkGrant;

use crate::files::{self, MAX_READ_BYTES};
use crate::io::fault;
use crate::names;
use crate::slots::Slot;

/// A destination file: being written, or standing under its name.
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
    /// Removed when dropped.
    Writing(NamedTempFile),
    /// Stays for the run to go on with.
    Unfinished(File, PathBuf),
    Committed(File),
}

/// The files of a destination that stand under their names, sorted.
pub(crate) fn list(grant: &SinkGrant) -> Result<Vec<Entry>> {
    let below = |folder: &Path| if folder.is_dir() { files::list(folder) } else { Ok(Vec::new()) };
    let Some(name) = &grant.name else { return below(&grant.folder) };
    let place = grant.folder.join(names::relative(name)?);
    if let Ok(meta) = fs::metadata(&place)
        && meta.is_file()
    {
        return Ok(vec![Entry { name: name.clone(), size: meta.len() }]);
    }
    let mut entries = below(&place)?;
    entries.retain(|entry| !is_partial(&entry.name));
    for entry in &mut entries {
        entry.name = format!("{name}/{}", entry.name);
    }
    Ok(entries)
}

const PARTIAL_PREFIX: &str = ".vecferry-";
const PARTIAL_SUFFIX: &str = ".partial";

fn is_partial(name: &str) -> bool {
    let last = name.rsplit('/').next().unwrap_or(name);
    last.starts_with(PARTIAL_PREFIX) && last.ends_with(PARTIAL_SUFFIX)
}

fn granted(grant: &SinkGrant, name: &str) -> Result<()> {
    let is = grant
        .name
        .as_deref()
        .is_none_or(|own| name.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
    if is && !is_partial(name) {
        return Ok(());
    }
    Err(Error::denied("file/not-granted", format!("{name} is not the destination that was granted to the plugin"))
        .hint("a sink writes the location's own name, or below it")
        .at("file", name))
}

/// Where a file will stand: its real folder, made where it is missing, and its name there.
fn place(grant: &SinkGrant, name: &str, folders: &mut NewFolders) -> Result<PathBuf> {
    let root = &grant.folder;
    let destination = root.join(names::relative(name)?);
    granted(grant, name)?;
    let folder = destination.parent().unwrap_or(root);
    let outside = || {
        Error::denied("file/outside", format!("{name} leads out of the granted folder through a symbolic link"))
            .hint("name the folder that it leads to as the destination")
            .at("file", name)
    };
    let prepare = |e: std::io::Error| fault("make the folder of", name, &e);
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
    Ok(destination)
}

/// Where a run keeps its unfinished file.
fn unfinished(destination: &Path, run: &str) -> PathBuf {
    let own = destination.file_name().unwrap_or_default().to_string_lossy();
    destination.with_file_name(format!("{PARTIAL_PREFIX}{own}.{run}{PARTIAL_SUFFIX}"))
}

impl Output {
    pub(crate) fn create(grant: &SinkGrant, name: &str, slot: Slot) -> Result<Self> {
        let mut folders = NewFolders::default();
        let destination = place(grant, name, &mut folders)?;
        let write = |e: std::io::Error| fault("write", name, &e);
        let kept = match &grant.run {
            Some(run) => {
                let path = unfinished(&destination, run);
                let file = File::options().read(true).write(true).create(true).truncate(false).open(&path);
                let file = file.map_err(write)?;
                match file.try_lock() {
                    Ok(()) => {
                        file.set_len(0).map_err(write)?;
                        Some(State::Unfinished(file, path))
                    }
                    // This run has it open already; a second one is not for going on with.
                    Err(TryLockError::WouldBlock) => None,
                    Err(TryLockError::Error(error)) => return Err(write(error)),
                }
            }
            None => None,
        };
        let state = match kept {
            Some(state) => state,
            // The process's umask takes from these rights as it does for any new file.
            None => State::Writing(
                Builder::new()
                    .prefix(PARTIAL_PREFIX)
                    .suffix(PARTIAL_SUFFIX)
                    .permissions(Permissions::from_mode(0o666))
                    .tempfile_in(destination.parent().unwrap_or(&grant.folder))
                    .map_err(write)?,
            ),
        };
        if matches!(state, State::Unfinished(..)) {
            folders.keep();
        }
        Ok(Output { name: name.to_owned(), destination, state, written: 0, folders, _slot: slot })
    }

    pub(crate) fn reopen(grant: &SinkGrant, name: &str, slot: Slot) -> Result<Option<Self>> {
        let mut folders = NewFolders::default();
        let destination = place(grant, name, &mut folders)?;
        let Some(run) = &grant.run else { return Ok(None) };
        let path = unfinished(&destination, run);
        let file = match File::options().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fault("open", name, &error)),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::config("file/in-use", format!("another process is writing {name}"))
                    .hint("wait until it ends, or stop it")
                    .at("file", path.display()));
            }
            Err(TryLockError::Error(error)) => return Err(fault("lock", name, &error)),
        }
        let written = file.metadata().map_err(|e| fault("open", name, &e))?.len();
        folders.keep();
        let state = State::Unfinished(file, path);
        Ok(Some(Output { name: name.to_owned(), destination, state, written, folders, _slot: slot }))
    }

    pub(crate) fn open(grant: &SinkGrant, name: &str, slot: Slot) -> Result<Self> {
        granted(grant, name)?;
        let (file, destination) = files::open_below(&grant.folder, name)?;
        let written = file.metadata().map_err(|e| fault("open", name, &e))?.len();
        let state = State::Committed(file);
        Ok(Output { name: name.to_owned(), destination, state, written, folders: NewFolders::default(), _slot: slot })
    }

    /// Bytes of it.
    pub fn size(&self) -> u64 {
        self.written
    }

    /// Takes back what was written after the first `size` bytes.
    ///
    /// # Errors
    /// As [`Output::write`].
    pub fn truncate(&mut self, size: u64) -> Result<()> {
        if matches!(self.state, State::Committed(_)) {
            return Err(self.over());
        }
        let size = size.min(self.written);
        self.file().set_len(size).map_err(|e| fault("write", &self.name, &e))?;
        self.written = size;
        Ok(())
    }

    /// Appends.
    ///
    /// # Errors
    /// `transient` when the disk is full or fails; `internal` after the commit.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if matches!(self.state, State::Committed(_)) {
            return Err(self.over());
        }
        // At the counted end, not at the file's: a write that failed half-way leaves bytes that do not count.
        self.file().write_all_at(bytes, self.written).map_err(|e| fault("write", &self.name, &e))?;
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
            State::Unfinished(file, path) => {
                if let Err(error) = fs::rename(&path, &self.destination) {
                    self.state = State::Unfinished(file, path);
                    return Err(fault("write", &self.name, &error));
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
            State::Unfinished(file, _) | State::Committed(file) => file,
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
