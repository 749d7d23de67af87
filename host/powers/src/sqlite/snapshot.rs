/*!
A file that SQLite can read without changing a byte beside the source.

SQLite makes or removes files beside a database even when it only reads: `-shm` and `-wal` for one in WAL mode, and
a hot `-journal` is rolled back. So:

- a database without such a file is opened with `immutable=1`, which makes SQLite take the file as it is, without
  locks, and look for nothing beside it;
- one with a write-ahead log or a hot journal is copied with it into a private temporary folder; there SQLite brings
  the copy up to date, and from then on it is read as immutable too.
*/

use std::fmt::Write;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rusqlite::OpenFlags;
use tempfile::TempDir;
use vecferry_contract::{Error, Result};

use super::{fault, guard};
use crate::files::{Granted, Store};
use crate::io;

/// First and last eight bytes of a rollback journal that matters (sqlite.org/fileformat2.html, "The Rollback
/// Journal"; at its end only when it names a super-journal).
const JOURNAL_MAGIC: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
/// Bytes of a write-ahead log's header; a shorter one holds nothing.
const WAL_HEADER_BYTES: u64 = 32;
/// How often a copy is tried while another process writes.
const ATTEMPTS: usize = 3;

pub(super) struct Snapshot {
    name: String,
    uri: String,
    /// Of the file that is read in place; a copy cannot change.
    source: Option<(PathBuf, Stamp)>,
    /// Holds the copy; removed with the last handle.
    _folder: Option<TempDir>,
}

/// What changes when a file is written.
#[derive(Clone, Copy, PartialEq)]
struct Stamp {
    size: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    fn of(path: &Path) -> std::io::Result<Self> {
        let meta = fs::metadata(path)?;
        Ok(Stamp { size: meta.len(), modified: meta.modified().ok() })
    }
}

impl Snapshot {
    pub(super) fn take(store: &Store<'_>, name: &str) -> Result<Self> {
        let granted = store.granted(name)?;
        let stamp = Stamp::of(&granted.path).map_err(|e| io::fault("open", name, &e))?;
        let log = store.beside(&granted, "-wal")?.filter(|log| log.size > WAL_HEADER_BYTES);
        let journal = match store.beside(&granted, "-journal")? {
            Some(journal) if is_hot(&journal)? => Some(journal),
            _ => None,
        };
        if log.is_none() && journal.is_none() {
            // A file that the user cannot read is told apart from one that SQLite cannot open.
            File::open(&granted.path).map_err(|e| io::fault("open", name, &e))?;
            let uri = uri(&granted.path, "mode=ro&immutable=1");
            return Ok(Snapshot { name: name.to_owned(), uri, source: Some((granted.path, stamp)), _folder: None });
        }
        let folder = tempfile::Builder::new()
            .prefix("vecferry-")
            .tempdir()
            .map_err(|e| io::fault("make a temporary folder for", name, &e))?;
        let copy = folder.path().join("copy.db");
        let beside: Vec<(Granted, &str)> =
            log.map(|log| (log, "-wal")).into_iter().chain(journal.map(|journal| (journal, "-journal"))).collect();
        copy_unchanged(&granted, &beside, &copy)?;
        bring_up_to_date(&copy).map_err(|e| fault(name, &e))?;
        let uri = uri(&copy, "mode=ro&immutable=1");
        Ok(Snapshot { name: name.to_owned(), uri, source: None, _folder: Some(folder) })
    }

    /// The file as the plugin calls it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// For SQLite.
    pub(super) fn uri(&self) -> &str {
        &self.uri
    }

    /// An immutable file is read without locks: what is read while another process writes it may not belong
    /// together.
    ///
    /// # Errors
    /// `transient` when the file is not as it was when it was opened.
    pub(super) fn check_unchanged(&self) -> Result<()> {
        match &self.source {
            Some((path, stamp)) if Stamp::of(path).ok() != Some(*stamp) => Err(being_written(&self.name)),
            _ => Ok(()),
        }
    }
}

fn being_written(name: &str) -> Error {
    Error::transient("sqlite/changed", format!("{name} was changed by another process while it was read"))
        .hint("stop the application that writes the store, and try again")
        .at("file", name)
}

/// Whether a rollback journal belongs to a transaction that was cut short. One that was finished is empty, or its
/// header is zeros.
///
/// # Errors
/// `unsupported` when it names a super-journal. SQLite would open the file of that name, wherever it is, and may
/// delete it: a journal from a stranger must not have that power.
fn is_hot(journal: &Granted) -> Result<bool> {
    let read = || -> std::io::Result<(bool, bool)> {
        let mut file = File::open(&journal.path)?;
        let mut first = [0; 8];
        if journal.size < 28 {
            return Ok((false, false));
        }
        file.read_exact(&mut first)?;
        let mut last = [0; 8];
        file.read_exact_at(&mut last, journal.size - 8)?;
        Ok((first == JOURNAL_MAGIC, last == JOURNAL_MAGIC))
    };
    let (hot, names_another) = read().map_err(|e| io::fault("read", &journal.name, &e))?;
    if hot && names_another {
        let message = format!("{} is part of an unfinished transaction over several databases", journal.name);
        return Err(Error::unsupported("sqlite/super-journal", message)
            .hint("open the store once with the application that wrote it, which repairs it, and try again")
            .at("file", &journal.name));
    }
    Ok(hot)
}

/// Copies the database and what belongs to it, and makes sure that nobody wrote meanwhile.
fn copy_unchanged(database: &Granted, beside: &[(Granted, &str)], copy: &Path) -> Result<()> {
    let all = || std::iter::once((database, "")).chain(beside.iter().map(|(granted, suffix)| (granted, *suffix)));
    let stamps = || all().map(|(granted, _)| Stamp::of(&granted.path)).collect::<std::io::Result<Vec<_>>>();
    for _ in 0..ATTEMPTS {
        let before = stamps().map_err(|_| being_written(&database.name))?;
        for (granted, suffix) in all() {
            let mut target = copy.as_os_str().to_owned();
            target.push(suffix);
            let copied = File::open(&granted.path)
                .and_then(|mut from| std::io::copy(&mut from, &mut File::create(target)?))
                .map_err(|e| io::fault("copy to the folder for temporary files (TMPDIR)", &granted.name, &e))?;
            tracing::debug!(file = granted.name, bytes = copied, "copied: it has a log or a journal beside it");
        }
        if stamps().is_ok_and(|after| after == before) {
            return Ok(());
        }
    }
    Err(being_written(&database.name))
}

/// Lets SQLite do on the copy what it does when an application opens the database.
fn bring_up_to_date(copy: &Path) -> rusqlite::Result<()> {
    let connection = guard::harden(&uri(copy, "mode=rw"), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

/// A path as a URI (sqlite.org/uri.html): every byte that could mean something else is written in hexadecimal.
fn uri(path: &Path, query: &str) -> String {
    let mut out = String::from("file:");
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out.push('?');
    out.push_str(query);
    out
}
