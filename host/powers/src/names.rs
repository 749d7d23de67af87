/*! The names by which plugins speak of files: relative, `/` between folders, never a path of their own. */

use std::path::PathBuf;

use vecferry_contract::{Error, Result};

/// Bytes of the longest name.
const MAX_NAME_BYTES: usize = 4096;

/// A name as a path below some root; it cannot lead out of it except through a symbolic link, which whoever
/// opens it must check.
///
/// # Errors
/// `denied` for an absolute name, for `.` and `..`, for empty parts and for what no file can be called.
pub(crate) fn relative(name: &str) -> Result<PathBuf> {
    let foreign = |part: &str| cfg!(windows) && part.contains(['\\', ':']);
    let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\0') && !foreign(part);
    if name.len() > MAX_NAME_BYTES || !name.split('/').all(plain) {
        let shown: String = name.chars().take(200).collect();
        return Err(Error::denied("file/name", format!("{shown:?} is no name of a file in the granted folder"))
            .hint("names are relative to the granted folder, with / between folders and without . or .."));
    }
    Ok(name.split('/').collect())
}
