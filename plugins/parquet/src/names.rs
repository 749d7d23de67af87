/*!
Names of folders and files below the destination.

A collection is a folder, its records are in `part-00000.parquet`, `part-00001.parquet`, … A collection's name becomes a
folder's by writing every byte that is not safe in file names everywhere as `%XX`; what its files note is the name
itself.
*/

use vecferry_pinecone_format::percent;

/// The folder of a collection.
pub(crate) fn folder(collection: &str) -> String {
    if collection.is_empty() {
        return "%".to_owned();
    }
    let folder =
        percent::encode("", collection, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    match folder.strip_prefix('.') {
        // Hidden, or another folder altogether.
        Some(rest) => format!("%2E{rest}"),
        None => folder,
    }
}

/// A part's file name.
pub(crate) fn part(number: u32) -> String {
    format!("part-{number:05}.parquet")
}

/// The number of a part, if this is the name of one.
pub(crate) fn part_number(file: &str) -> Option<u32> {
    let digits = file.strip_prefix("part-")?.strip_suffix(".parquet")?;
    let number = digits.parse().ok()?;
    (part(number) == file).then_some(number)
}

/// A file's folder, "" or with a slash at its end, and its name there.
pub(crate) fn split(file: &str) -> (&str, &str) {
    match file.rfind('/') {
        Some(slash) => file.split_at(slash + 1),
        None => ("", file),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#[path = "names_tests.rs"]
mod tests;
