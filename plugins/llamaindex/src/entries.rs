/*! The members of an object too large for memory: where each stands, and a digest of its name. 16 bytes a member. */

use std::hash::{DefaultHasher, Hash, Hasher};

use vecferry_sdk::Result;

use crate::json::FileScanner;

/// A member of an object, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) digest: u64,
    /// Where the name's opening quote stands.
    pub(crate) offset: u64,
}

/// What a name becomes in an [`Entry`]. Equal ones are told apart by reading them again.
pub(crate) fn digest(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

/// Reads the name of the next member into an entry; the value is next.
pub(crate) fn entry(scanner: &mut FileScanner) -> Result<Entry> {
    scanner.token()?;
    let offset = scanner.offset();
    Ok(Entry { digest: digest(&scanner.name()?), offset })
}

/// Leaves the last of several entries with the same name, as Python's `json` does; the order of the others stays.
pub(crate) fn keep_last(entries: &mut Vec<Entry>, scanner: &mut FileScanner) -> Result<()> {
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_unstable_by_key(|at| (entries.get(*at).map(|entry| entry.digest), *at));
    let digest_at = |at: &usize| entries.get(*at).map(|entry| entry.digest);
    let mut replaced = Vec::new();
    for run in order.chunk_by(|a, b| digest_at(a) == digest_at(b)).filter(|run| run.len() > 1) {
        let mut later: Vec<String> = Vec::new();
        for at in run.iter().rev() {
            let Some(entry) = entries.get(*at) else { continue };
            scanner.seek(entry.offset);
            let name = scanner.name()?;
            if later.contains(&name) {
                replaced.push(*at);
            } else {
                later.push(name);
            }
        }
    }
    if !replaced.is_empty() {
        replaced.sort_unstable();
        let mut at = 0;
        entries.retain(|_| {
            at += 1;
            replaced.binary_search(&(at - 1)).is_err()
        });
    }
    Ok(())
}
