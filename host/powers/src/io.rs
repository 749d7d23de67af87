/*! Faults of the file system in the contract's words. */

use std::io;

use vecferry_contract::Error;

/// `action` is what was tried: "read", "list", "write"; `name` is what the plugin calls the file, never a path.
pub(crate) fn fault(action: &str, name: &str, error: &io::Error) -> Error {
    let message = format!("cannot {action} {name}: {error}");
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Error::not_found("file/not-found", message),
        io::ErrorKind::PermissionDenied => {
            Error::config("file/permission", message).hint("give your user the right to read it, or to write there")
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Error::transient("file/disk-full", message).hint("free some space and try again")
        }
        _ => Error::transient("file/io", message),
    }
    .at("file", name)
}
