/*! Faults of SQLite and of the file system in the contract's words. */

use std::io;
use std::path::Path;

use rusqlite::ErrorCode;
use vecferry_core::{Error, Result};

const ELSEWHERE: &str = "give your user the right to write there, or choose another state folder with --state DIR";
const BEGIN_ANEW: &str = "the run cannot go on; what it wrote is at the destination, and writing it again is harmless: \
                          begin a new run";

/// A fault of the file system; `doing` completes "cannot …".
pub(crate) fn io(doing: &str, path: &Path, error: &io::Error) -> Error {
    let message = format!("cannot {doing}: {error}");
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Error::transient("state/disk-full", message).hint("free some space and resume the run")
        }
        io::ErrorKind::PermissionDenied
        | io::ErrorKind::ReadOnlyFilesystem
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::NotFound => Error::config("state/unwritable", message).hint(ELSEWHERE),
        _ => Error::config("state/io", message).hint(ELSEWHERE),
    }
    .at("file", path.display())
}

/// A fault of a run's database; `doing` completes "cannot …".
pub(crate) fn database(doing: &str, path: &Path, error: &rusqlite::Error) -> Error {
    let message = format!("cannot {doing}: {error}");
    let transient = |code: &str, hint: &str| Error::transient(code, message.clone()).hint(hint);
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => transient(
            "state/locked",
            "another program holds the run's database (a backup, a database browser): end it and resume the run",
        ),
        Some(ErrorCode::DiskFull) => transient("state/disk-full", "free some space and resume the run"),
        Some(ErrorCode::SystemIoFailure) => {
            transient("state/io", "see that the disk is well and not full, and resume the run")
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            Error::config("state/unwritable", message).hint(ELSEWHERE)
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            Error::corrupt("state/damaged", message).hint(BEGIN_ANEW)
        }
        // SQLITE_ERROR: statements are ours and fixed, so what is wrong are the tables.
        Some(ErrorCode::Unknown) => Error::corrupt("state/damaged", message).hint(BEGIN_ANEW),
        Some(_) => Error::internal("state/database", message),
        // Not of SQLite: a value of another type or range than was written, or none where there must be one.
        None => Error::corrupt("state/damaged", message).hint(BEGIN_ANEW),
    }
    .at("file", path.display())
}

/// A run's file does not hold what was written.
pub(crate) fn damaged(path: &Path, what: impl Into<String>) -> Error {
    Error::corrupt("state/damaged", what).hint(BEGIN_ANEW).at("file", path.display())
}

/// Names what was being done when a result of SQLite is a fault.
pub(crate) trait Doing<T> {
    /// `doing` completes "cannot …".
    fn doing(self, doing: &str, path: &Path) -> Result<T>;
}

impl<T> Doing<T> for rusqlite::Result<T> {
    fn doing(self, doing: &str, path: &Path) -> Result<T> {
        self.map_err(|error| database(doing, path, &error))
    }
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, doing: &str, path: &Path) -> Result<T> {
        self.map_err(|error| io(doing, path, &error))
    }
}
