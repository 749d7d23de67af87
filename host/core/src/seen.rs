/*!
What a run has seen: ids (so that no record silently overwrites another) and documents (so that several
stores of the same documents yield each once).

Holds 128-bit digests, not texts: 20 to 40 bytes a record, the only memory of a run that grows with the store.
*/

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

type Digest = u128;

fn digest(parts: &[&[u8]]) -> Digest {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let mut first = [0; 16];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    Digest::from_le_bytes(first)
}

/// A digest is its own hash.
#[derive(Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 ^= u64::from_le_bytes(word);
        }
    }
    #[allow(clippy::cast_possible_truncation)]
    fn write_u128(&mut self, value: u128) {
        self.0 = value as u64;
    }
}

type DigestMap<V> = HashMap<Digest, V, BuildHasherDefault<Identity>>;

/// The ids written to each target.
#[derive(Default)]
pub(crate) struct SeenIds(DigestMap<()>);

impl SeenIds {
    /// Whether this id is new in this target; from now on it is not.
    pub(crate) fn insert(&mut self, target: &str, id: &str) -> bool {
        self.0.insert(digest(&[target.as_bytes(), id.as_bytes()]), ()).is_none()
    }
}

/// The documents that each store of a run yielded, with how often.
///
/// A document that one store holds twice stays twice: only what an *earlier* store already yielded is a
/// duplicate, as often as that store yielded it.
#[derive(Default)]
pub(crate) struct SeenDocuments(DigestMap<Occurrences>);

struct Occurrences {
    /// Times yielded so far, over all stores.
    kept: u32,
    /// The store that is being read, and how often it held the document.
    store: u32,
    here: u32,
}

impl SeenDocuments {
    /// Whether store number `store` (ascending) adds this document, or only repeats an earlier store's.
    pub(crate) fn insert(&mut self, store: u32, document: &str) -> bool {
        let entry = self.0.entry(digest(&[document.as_bytes()])).or_insert(Occurrences { kept: 0, store, here: 0 });
        if entry.store != store {
            entry.store = store;
            entry.here = 0;
        }
        entry.here = entry.here.saturating_add(1);
        let adds = entry.here > entry.kept;
        if adds {
            entry.kept = entry.here;
        }
        adds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_a_duplicate_only_of_an_earlier_stores() {
        let mut seen = SeenDocuments::default();
        let script = [
            (0, "a", true),
            (0, "a", true), // the same store may hold it twice
            (0, "b", true),
            (1, "a", false),
            (1, "a", false),
            (1, "a", true), // a third time is one more than the first store had
            (1, "c", true),
            (2, "a", false),
            (2, "c", false),
            (2, "", true),
        ];
        for (store, document, expected) in script {
            assert_eq!(seen.insert(store, document), expected, "store {store}, document {document:?}");
        }
    }

    #[test]
    fn ids_are_kept_apart_by_target_without_ambiguity() {
        let mut seen = SeenIds::default();
        assert!(seen.insert("a", "bc"));
        assert!(seen.insert("ab", "c"));
        assert!(!seen.insert("a", "bc"));
    }
}
