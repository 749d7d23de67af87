/*! A package's files on disk: whether they are here, and whether they are what they should be. */

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};
use vecferry_core::{Error, ErrorKind, Result};

use crate::registry::{Package, PackedFile};

/// Whether all files are there in full length. Their bytes are not looked at.
pub(crate) fn are_here(package: &Package, folder: &Path) -> bool {
    package.files.iter().all(|file| {
        fs::metadata(folder.join(file.name)).is_ok_and(|found| found.is_file() && found.len() == file.bytes)
    })
}

/// Reads a file and checks its digest.
///
/// # Errors
/// `model/missing` (not-found), `model/unreadable` (internal), `model/digest` (corrupt).
pub(crate) fn read(file: &PackedFile, folder: &Path) -> Result<Vec<u8>> {
    let path = folder.join(file.name);
    let bytes = fs::read(&path).map_err(|error| {
        let (kind, code) = match error.kind() {
            std::io::ErrorKind::NotFound => (ErrorKind::NotFound, "model/missing"),
            _ => (ErrorKind::Internal, "model/unreadable"),
        };
        Error::new(kind, code, format!("cannot read a file of the embedding model: {error}")).at("file", path.display())
    })?;
    check(file, &bytes).map_err(|error| error.at("file", path.display()))?;
    Ok(bytes)
}

/// Whether these bytes are the file's.
///
/// # Errors
/// `model/digest` (corrupt).
pub(crate) fn check(file: &PackedFile, bytes: &[u8]) -> Result<()> {
    let found = hexadecimal(&Sha256::digest(bytes));
    if found == file.digest {
        return Ok(());
    }
    let message = format!("{} is not the file that belongs to this version: its SHA-256 is {found}", file.name);
    Err(Error::corrupt("model/digest", message).at("expected", file.digest))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
