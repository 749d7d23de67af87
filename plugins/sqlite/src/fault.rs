/*! SQLite's errors in the contract's words. */

use rusqlite::ErrorCode as Code;
use vecferry_sdk::{Error, ErrorKind};

/// What `doing` to `file` ran into.
pub(crate) fn fault(doing: &str, file: &str, error: &rusqlite::Error) -> Error {
    let (kind, code, hint) = match error.sqlite_error_code() {
        Some(Code::DatabaseBusy | Code::DatabaseLocked) => (
            ErrorKind::Transient,
            "sqlite/locked",
            Some("another program has the database open; close it there, and go on"),
        ),
        Some(Code::DiskFull) => {
            (ErrorKind::Transient, "sqlite/disk-full", Some("the disk is full; make room, and go on"))
        }
        Some(Code::SystemIoFailure | Code::FileLockingProtocolFailed) => (ErrorKind::Transient, "sqlite/io", None),
        Some(Code::OutOfMemory) => (ErrorKind::Transient, "sqlite/memory", None),
        Some(Code::OperationInterrupted) => (ErrorKind::Transient, "sqlite/interrupted", None),
        Some(Code::ReadOnly | Code::PermissionDenied) => (
            ErrorKind::Config,
            "sqlite/read-only",
            Some("the file or its folder may not be written; change that, or write elsewhere"),
        ),
        Some(Code::CannotOpen) => {
            (ErrorKind::Config, "sqlite/cannot-open", Some("check that the folder exists and that you may write there"))
        }
        Some(Code::NotADatabase | Code::DatabaseCorrupt) => {
            (ErrorKind::Corrupt, "sqlite/damaged", Some("the file is damaged; migrate into a new one"))
        }
        // One value beyond SQLite's limit of 1,000,000,000 bytes: the record at fault is found by halving.
        Some(Code::TooBig) => (ErrorKind::Unsupported, "sqlite/too-big", None),
        _ => (ErrorKind::Internal, "sqlite/statement", None),
    };
    let error = Error::new(kind, code, format!("cannot {doing} {file}: {error}")).at("file", file);
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}
