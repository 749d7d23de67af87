/*!
`source-files`: the files of the granted store by name, and ranged reads of them. Never written.

A name reaches a file only when it was granted, stays below the root once every symbolic link is followed, and
is a regular file.
*/

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::warn;
use vecferry_contract::{Entry, Error, Result};
use vecferry_core::SourceGrant;

use crate::io::fault;
use crate::names;
use crate::slots::Slot;

/// Bytes that one read may ask for.
pub const MAX_READ_BYTES: u32 = 64 << 20;

/// Directory entries of any kind that a listing walks through: beyond it the folder is no vector store but, say,
/// a whole home folder.
const MAX_LISTED: usize = 200_000;
/// Folders within folders.
const MAX_DEPTH: usize = 64;

/// The granted store.
pub(crate) struct Store<'a> {
    grant: &'a SourceGrant,
}

/// A granted file: its name and where it really is.
pub(crate) struct Granted {
    pub(crate) name: String,
    /// Without symbolic links; a regular file when it was looked at.
    pub(crate) path: PathBuf,
    pub(crate) size: u64,
}

impl<'a> Store<'a> {
    pub(crate) fn new(grant: &'a SourceGrant) -> Self {
        Store { grant }
    }

    fn root(&self) -> Result<PathBuf> {
        self.grant.root.canonicalize().map_err(|e| fault("open the store", &self.grant.root.display().to_string(), &e))
    }

    /// The granted files that are there, sorted by name.
    pub(crate) fn list(&self) -> Result<Vec<Entry>> {
        let root = self.root()?;
        let mut entries = match &self.grant.files {
            Some(names) => names.iter().filter_map(|name| locate(&root, name).ok()).map(Granted::entry).collect(),
            None => walk(&root, MAX_LISTED)?,
        };
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        entries.dedup_by(|a, b| a.name == b.name);
        Ok(entries)
    }

    /// Looks a name up.
    pub(crate) fn granted(&self, name: &str) -> Result<Granted> {
        if let Some(names) = &self.grant.files
            && !names.iter().any(|granted| granted == name)
        {
            return Err(Error::denied(
                "file/not-granted",
                format!("{name} is not among the files granted to the plugin"),
            )
            .hint("a source is granted the files that it claimed when the store was detected")
            .at("file", name));
        }
        locate(&self.root()?, name)
    }

    /// A file that belongs to a granted one and is called as it with `suffix` behind, as SQLite's `-wal` is.
    /// `None` where there is none, or it leads out of the store.
    pub(crate) fn beside(&self, granted: &Granted, suffix: &str) -> Result<Option<Granted>> {
        let root = self.root()?;
        let mut path = granted.path.clone().into_os_string();
        path.push(suffix);
        let name = format!("{}{suffix}", granted.name);
        match resolve(&root, Path::new(&path), &name) {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.code == "file/not-found" => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Granted {
    fn entry(self) -> Entry {
        Entry { name: self.name, size: self.size }
    }
}

/// Every file below a folder, sorted by name.
pub(crate) fn list(root: &Path) -> Result<Vec<Entry>> {
    let mut entries = walk(root, MAX_LISTED)?;
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

/// Opens a file below a folder; and where it really is.
pub(crate) fn open_below(root: &Path, name: &str) -> Result<(File, PathBuf)> {
    let root = root.canonicalize().map_err(|e| fault("open", name, &e))?;
    let found = locate(&root, name)?;
    let file = File::open(&found.path).map_err(|e| fault("open", name, &e))?;
    Ok((file, found.path))
}

fn locate(root: &Path, name: &str) -> Result<Granted> {
    resolve(root, &root.join(names::relative(name)?), name)
}

fn resolve(root: &Path, path: &Path, name: &str) -> Result<Granted> {
    let path = path.canonicalize().map_err(|e| fault("open", name, &e))?;
    if !path.starts_with(root) {
        return Err(Error::denied(
            "file/outside",
            format!("{name} leads out of the granted store through a symbolic link"),
        )
        .hint("copy the file into the store, or name the folder that holds both as the source")
        .at("file", name));
    }
    let meta = fs::metadata(&path).map_err(|e| fault("open", name, &e))?;
    if !meta.is_file() {
        return Err(Error::not_found("file/not-regular", format!("{name} is no regular file")).at("file", name));
    }
    Ok(Granted { name: name.to_owned(), path, size: meta.len() })
}

/// All regular files below `root`. Symbolic links to folders are not followed: a folder within the store is
/// reached by its own name anyway, and one outside is not granted.
fn walk(root: &Path, max_listed: usize) -> Result<Vec<Entry>> {
    let mut out = Vec::new();
    let mut folders = vec![(root.to_owned(), String::new(), 0)];
    let mut seen = 0;
    while let Some((folder, prefix, depth)) = folders.pop() {
        let listing = match fs::read_dir(&folder) {
            Ok(listing) => listing,
            Err(error) if prefix.is_empty() => return Err(fault("list", &root.display().to_string(), &error)),
            Err(error) => {
                warn!("leaving out the folder {prefix}: {error}");
                continue;
            }
        };
        for entry in listing {
            let entry = entry.map_err(|e| fault("list", &prefix, &e))?;
            seen += 1;
            if seen > max_listed {
                return Err(Error::unsupported(
                    "file/too-many",
                    format!("the folder holds more than {max_listed} files and folders"),
                )
                .hint("name a folder further down that holds the store")
                .at("folder", root.display()));
            }
            let Ok(own_name) = entry.file_name().into_string() else {
                warn!("leaving out {}: its name is not UTF-8", entry.path().display());
                continue;
            };
            let name = format!("{prefix}{own_name}");
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                if depth < MAX_DEPTH {
                    folders.push((entry.path(), format!("{name}/"), depth + 1));
                } else {
                    warn!("leaving out {name}: more than {MAX_DEPTH} folders deep");
                }
            } else if (kind.is_file() || kind.is_symlink())
                && let Ok(found) = resolve(root, &entry.path(), &name)
            {
                out.push(found.entry());
            }
        }
    }
    Ok(out)
}

/// A file of the granted store, open for ranged reads.
pub struct SourceFile {
    name: Arc<str>,
    file: File,
    size: u64,
    _slot: Slot,
}

impl SourceFile {
    pub(crate) fn open(store: &Store<'_>, name: &str, slot: Slot) -> Result<Self> {
        let granted = store.granted(name)?;
        let file = File::open(&granted.path).map_err(|e| fault("open", name, &e))?;
        let meta = file.metadata().map_err(|e| fault("open", name, &e))?;
        Ok(SourceFile { name: name.into(), file, size: meta.len(), _slot: slot })
    }

    /// The name it was opened by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Bytes, when it was opened.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Up to `len` bytes; fewer only at the end of the file.
    ///
    /// # Errors
    /// `unsupported` for more than [`MAX_READ_BYTES`] that are there; `corrupt` when the file became shorter;
    /// `transient` when the disk fails.
    pub fn read_at(&self, offset: u64, len: u32) -> Result<Vec<u8>> {
        let len = self.size.saturating_sub(offset).min(u64::from(len));
        if len > u64::from(MAX_READ_BYTES) {
            let message = format!("one read asked for {len} bytes, more than the {MAX_READ_BYTES} that are allowed");
            return Err(Error::unsupported("file/read-too-large", message)
                .hint("this is a fault of the plugin: it must read in smaller pieces")
                .at("file", &self.name)
                .at("offset", offset));
        }
        let mut out = vec![0; usize::try_from(len).unwrap_or_default()];
        let read = self.read_into(offset, &mut out)?;
        out.truncate(read);
        Ok(out)
    }

    /// Fills `out`, and returns how many bytes that took: fewer than its length only at the end of the file.
    ///
    /// # Errors
    /// `corrupt` when the file became shorter; `transient` when the disk fails.
    pub fn read_into(&self, offset: u64, out: &mut [u8]) -> Result<usize> {
        let len = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX).min(out.len());
        let out = out.get_mut(..len).unwrap_or_default();
        match self.file.read_exact_at(out, offset) {
            Ok(()) => Ok(len),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                let message = format!("{} became shorter than its {} bytes while it was read", self.name, self.size);
                Err(Error::corrupt("file/changed", message)
                    .hint("stop the application that writes the store, and try again")
                    .at("file", &self.name)
                    .at("offset", offset))
            }
            Err(error) => Err(fault("read", &self.name, &error).at("offset", offset)),
        }
    }
}
