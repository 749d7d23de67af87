/*!
Which files are FAISS indexes: those that begin with the code of an index type, and those that are named like one
(so that a damaged one is refused instead of overlooked).
*/

use vecferry_sdk::{Claim, Entry, Host, Result};

use crate::base_name;

/// Names that say "this is an index".
const INDEX_NAMES: [&str; 5] = [".index", ".faiss", ".ivf", ".faissindex", ".idx"];
/// Names of files that are something else, whatever they begin with.
const OTHER_NAMES: [&str; 20] = [
    ".bin", ".csv", ".db", ".html", ".ivfdata", ".json", ".jsonl", ".md", ".npy", ".npz", ".parquet", ".pdf",
    ".pickle", ".pkl", ".py", ".sqlite", ".sqlite3", ".txt", ".vec", ".zip",
];
/// The data files of on-disk inverted lists.
const LISTS_NAME: &str = ".ivfdata";
/// The smallest header of an index.
const SMALLEST: u64 = 32;

/// One claim an index file, with the files beside it that it needs.
pub(crate) fn claims(host: &Host) -> Result<Vec<Claim>> {
    let entries = host.list_files()?;
    let mut claims = Vec::new();
    for entry in &entries {
        let Some(confidence) = confidence(host, entry)? else { continue };
        let mut files = vec![entry.name.clone()];
        files.extend(lists_of(host, &entries, &entry.name));
        claims.push(Claim { name: base_name(&entry.name).to_owned(), confidence, files });
    }
    Ok(claims)
}

/// The index files among the granted ones.
pub(crate) fn indexes(host: &Host) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for entry in host.list_files()? {
        if confidence(host, &entry)?.is_some() {
            files.push(entry.name);
        }
    }
    Ok(files)
}

fn confidence(host: &Host, entry: &Entry) -> Result<Option<u8>> {
    let name = base_name(&entry.name).to_ascii_lowercase();
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    let named = ends(&INDEX_NAMES);
    if !named && (entry.size < SMALLEST || ends(&OTHER_NAMES)) {
        return Ok(None);
    }
    let begins = vecferry_faiss_format::is_index(&host.open_file(&entry.name)?.read_at(0, 4)?);
    Ok(match (named, begins) {
        (true, true) => Some(95),
        (false, true) => Some(75),
        (true, false) => Some(30),
        (false, false) => None,
    })
}

/// The data files that an index names. Only where there are such files is the index's structure read for it; a
/// damaged index is left for `discover` to refuse.
fn lists_of(host: &Host, entries: &[Entry], index: &str) -> Vec<String> {
    let folder = |name: &str| name.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned());
    let beside = |entry: &&Entry| folder(&entry.name) == folder(index) && entry.name.ends_with(LISTS_NAME);
    if !entries.iter().any(|entry| beside(&entry)) {
        return Vec::new();
    }
    let mut needed = crate::open(host, index).map_or_else(|_| Vec::new(), |(_, needed)| needed);
    needed.retain(|name| entries.iter().any(|entry| entry.name == *name));
    needed
}
