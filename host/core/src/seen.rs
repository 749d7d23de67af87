/*!
What a run has seen: ids (so that no record silently overwrites another) and documents (so that several
stores of the same documents yield each once).

Holds 128-bit digests, not texts. A table keeps its first entries in memory and moves to a temporary file when there
are more, so that memory does not grow with the store.
*/

mod table;

use vecferry_contract::Result;

use crate::engine::Digest;
pub(crate) use table::Table;

/// Of several parts, without ambiguity about where one ends.
pub(crate) fn digest(parts: &[&[u8]]) -> Digest {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let mut first = [0; 16];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    first
}

/// Of a record's place at the destination.
pub(crate) fn id_digest(target: &str, id: &str) -> Digest {
    digest(&[target.as_bytes(), id.as_bytes()])
}

/// Of a document.
pub(crate) fn document_digest(document: &str) -> Digest {
    digest(&[document.as_bytes()])
}

/// The ids written to each target.
#[derive(Default)]
pub(crate) struct SeenIds(Table);

impl SeenIds {
    /// Whether this [`id_digest`] is new; from now on it is not.
    ///
    /// # Errors
    /// `transient` when the temporary file fails.
    pub(crate) fn insert(&mut self, id: &Digest) -> Result<bool> {
        let mut is_new = false;
        self.0.update(id, |known| {
            is_new = known.is_none();
            [1, 0, 0]
        })?;
        Ok(is_new)
    }
}

/// The documents that each store of a run yielded, with how often.
///
/// A document that one store holds twice stays twice: only what an *earlier* store already yielded is a
/// duplicate, as often as that store yielded it.
#[derive(Default)]
pub(crate) struct SeenDocuments(Table);

impl SeenDocuments {
    /// Whether store number `store` (ascending) adds this [`document_digest`], or only repeats an earlier store's.
    ///
    /// # Errors
    /// `transient` when the temporary file fails.
    pub(crate) fn insert(&mut self, store: u32, document: &Digest) -> Result<bool> {
        let mut adds = false;
        self.0.update(document, |known| {
            // Times yielded so far over all stores; the store that is being read; how often it held the document.
            let [mut kept, last, mut here] = known.unwrap_or([0, store, 0]);
            if last != store {
                here = 0;
            }
            here = here.saturating_add(1);
            adds = here > kept;
            if adds {
                kept = here;
            }
            [kept, store, here]
        })?;
        Ok(adds)
    }
}

#[cfg(test)]
mod tests;
