/*! Which files are LangChain stores: by name, and by the class that their first bytes name. */

use std::collections::BTreeMap;

use vecferry_sdk::{Claim, Entry, Host, Result};

/// The pickle begins with the docstore's class; every generation calls it so.
const DOCSTORE: &[u8] = b"InMemoryDocstore";
const HEAD: u32 = 512;

/// One claim a folder: all its pairs.
pub(crate) fn claims(host: &Host) -> Result<Vec<Claim>> {
    let entries = host.list_files()?;
    let mut folders: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for stem in stems(&entries) {
        let head = host.open_file(&pickle_name(&stem))?.read_at(0, HEAD)?;
        if !head.windows(DOCSTORE.len()).any(|window| window == DOCSTORE) {
            continue;
        }
        let folder = stem.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        let files = folders.entry(folder).or_default();
        files.push(pickle_name(&stem));
        files.extend(Some(index_name(&stem)).filter(|index| entries.iter().any(|entry| entry.name == *index)));
    }
    let claim = |(folder, files): (String, Vec<String>)| Claim {
        name: if folder.is_empty() { "langchain".to_owned() } else { folder },
        confidence: 97,
        files,
    };
    Ok(folders.into_iter().map(claim).collect())
}

/// What stands before `.pkl`, with the folder.
pub(crate) fn stems(entries: &[Entry]) -> Vec<String> {
    entries.iter().filter_map(|entry| entry.name.strip_suffix(".pkl")).map(str::to_owned).collect()
}

pub(crate) fn pickle_name(stem: &str) -> String {
    format!("{stem}.pkl")
}

pub(crate) fn index_name(stem: &str) -> String {
    format!("{stem}.faiss")
}

/// LangChain's `index_name`.
pub(crate) fn collection_name(stem: &str) -> &str {
    stem.rsplit_once('/').map_or(stem, |(_, name)| name)
}
