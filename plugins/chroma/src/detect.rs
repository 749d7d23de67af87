/*!
Which of the listed files are stores of Chroma, by their names and first bytes.

A store of 0.4 and later is `chroma.sqlite3` with what SQLite keeps beside it and the folders of vector segments,
which are named by UUIDs; one of 0.3 and earlier is two parquet files and the folder `index`. Everything below the
store's folder that has these names belongs to it.
*/

use vecferry_sdk::{Claim, Entry, Host, ReadAt, Result};

/// SQLite's magic.
const SQLITE_MAGIC: &[u8] = b"SQLite format 3\0";
/// Magic at both ends of a parquet file.
const PARQUET_MAGIC: &[u8] = b"PAR1";
/// The schema stands in the file's first pages: a table that only Chroma has.
const TABLE: &[u8] = b"embeddings_queue";
/// Bytes that are searched for it.
const SEARCHED: u32 = 256 * 1024;

/// A store's file from which everything else follows.
pub(crate) const DATABASE: &str = "chroma.sqlite3";
/// The same for 0.3.
pub(crate) const EMBEDDINGS: &str = "chroma-embeddings.parquet";
/// Names and metadata of 0.3's collections.
pub(crate) const COLLECTIONS: &str = "chroma-collections.parquet";

/// The folder of a file, "" or with a slash at its end.
pub(crate) fn folder_of(file: &str) -> &str {
    file.rfind('/').and_then(|slash| file.get(..=slash)).unwrap_or_default()
}

/// All stores among the granted files.
///
/// # Errors
/// When the files cannot be listed or read.
pub(crate) fn detect(host: &Host) -> Result<Vec<Claim>> {
    let files = host.list_files()?;
    let mut claims: Vec<Claim> = Vec::new();
    for file in &files {
        let folder = folder_of(&file.name);
        let inside = |entry: &Entry| entry.name.strip_prefix(folder).map(str::to_owned);
        let (confidence, kind, belongs): (u8, &str, fn(&str) -> bool) = match file.name.strip_prefix(folder) {
            Some(DATABASE) => (sqlite_confidence(host, &file.name)?, "sqlite", belongs_to_sqlite),
            Some(EMBEDDINGS) => (parquet_confidence(host, &file.name)?, "parquet", belongs_to_parquet),
            _ => continue,
        };
        let belonging = files.iter().filter(|entry| inside(entry).is_some_and(|name| belongs(&name)));
        let name = match folder.trim_end_matches('/') {
            "" => "chroma",
            folder => folder,
        };
        let taken = claims.iter().any(|claim| claim.name == name);
        claims.push(Claim {
            name: if taken { format!("{name} ({kind})") } else { name.to_owned() },
            confidence,
            files: belonging.map(|entry| entry.name.clone()).collect(),
        });
    }
    Ok(claims)
}

fn belongs_to_sqlite(name: &str) -> bool {
    match name.split_once('/') {
        Some((folder, _)) => is_uuid(folder),
        None => ["", "-wal", "-shm", "-journal"].iter().any(|end| name.strip_prefix(DATABASE) == Some(*end)),
    }
}

fn belongs_to_parquet(name: &str) -> bool {
    name == EMBEDDINGS || name == COLLECTIONS || name.starts_with("index/")
}

fn is_uuid(name: &str) -> bool {
    let groups = [8, 4, 4, 4, 12];
    let mut parts = name.split('-');
    groups.iter().all(|len| parts.next().is_some_and(|part| part.len() == *len && is_hex(part)))
        && parts.next().is_none()
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A file of that name that is none of Chroma's is claimed too, with little confidence: if nobody else wants it, an
/// error about it is better than silence.
fn sqlite_confidence(host: &Host, name: &str) -> Result<u8> {
    let start = host.open_file(name)?.read_at(0, SEARCHED)?;
    Ok(match start.starts_with(SQLITE_MAGIC) {
        true if start.windows(TABLE.len()).any(|window| window == TABLE) => 95,
        true => 60,
        false => 30,
    })
}

fn parquet_confidence(host: &Host, name: &str) -> Result<u8> {
    let file = host.open_file(name)?;
    let is_magic = |offset: u64| Ok::<bool, vecferry_sdk::Error>(file.read_at(offset, 4)? == PARQUET_MAGIC);
    let whole = file.size() >= 12 && is_magic(0)? && is_magic(ReadAt::size(&*file) - 4)?;
    Ok(if whole { 95 } else { 40 })
}
