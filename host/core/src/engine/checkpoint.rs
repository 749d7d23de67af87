/*!
What a run keeps so that it can be interrupted at any instruction and go on: cursors, counts, and what is to be said
of single records.

The engine commits whole pages, in the order in which their split yielded them: when [`Checkpoint::commit`] has
returned for a cursor, everything before it is at the destination, and everything behind it will be read again. What
belongs to a page (its counts, its rejected records, the digests of what it held) is committed with it or not at all.
So nothing is counted twice and nothing is forgotten, whatever the instruction at which the process ends.
*/

use std::collections::{BTreeMap, HashMap};

use vecferry_contract::{Batch, Change, Error, Result};

use crate::report::Counts;

/// 128 bits of BLAKE3: of a target and an id, or of a document.
pub type Digest = [u8; 16];

/// One split of one collection of one store, by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SplitName {
    /// The store's name.
    pub store: String,
    /// The collection's name.
    pub collection: String,
    /// The split's id.
    pub split: String,
}

/// A page of which every row is at the destination, rejected, or left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settled {
    /// Its records.
    pub counts: Counts,
    /// What was made to fit.
    pub changes: Vec<Change>,
    /// What is to be said of single records.
    pub letters: Vec<Letter>,
    /// Of each (target, id) that the page held.
    pub ids: Vec<Digest>,
    /// Of each document that the page held; empty in a run over one store.
    pub documents: Vec<Digest>,
}

/// What is to be said of one record.
#[derive(Clone, Debug, PartialEq)]
pub enum Letter {
    /// It did not arrive.
    Rejected(Rejected),
    /// A part of it reads back otherwise than it was.
    Altered(Altered),
}

/// A record that did not arrive.
#[derive(Clone, Debug, PartialEq)]
pub struct Rejected {
    /// Where it was to go.
    pub target: String,
    /// The id at the destination; the source's, where the destination was never asked.
    pub id: String,
    /// Why.
    pub reason: Error,
    /// Whether the destination refused it, rather than the run itself.
    pub at_destination: bool,
    /// The record, one row with the id above, where it could be read. It holds a vector only where that was known.
    pub row: Option<Batch>,
}

/// A part of a record that the destination could not hold as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Altered {
    /// Where it went.
    pub target: String,
    /// The id at the destination.
    pub id: String,
    /// `document`, `vector`, `sparse`, or `metadata/KEY`.
    pub field: String,
    /// What was done: `metadata/null-dropped`.
    pub code: String,
}

/// What earlier processes of the same run committed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resumed {
    /// The cursor up to which each split is done.
    pub cursors: HashMap<SplitName, Vec<u8>>,
    /// What was done of each collection, by (store, collection).
    pub counts: BTreeMap<(String, String), Counts>,
    /// What was made to fit, by code, in how many records.
    pub changes: BTreeMap<String, u64>,
    /// Records that each target held before the run.
    pub before: BTreeMap<String, u64>,
    /// Records that the destination refused: targets and ids.
    pub refused: Vec<(String, String)>,
}

impl Resumed {
    /// Whether the run did anything yet.
    pub fn is_empty(&self) -> bool {
        self.cursors.is_empty()
    }
}

/// Keeps what a run did.
///
/// # Contract
/// - **Atomic.** A commit is kept whole or not at all, also when the process is killed during the call.
/// - **Durable** against the end of the process. Against the machine's, too, unless the commits that are lost are the
///   last ones: those are done again.
/// - **Fenced.** When another process took the run over, `commit` fails and keeps nothing.
pub trait Checkpoint: Send {
    /// What earlier processes committed.
    ///
    /// # Errors
    /// `corrupt` when it cannot be read.
    fn resumed(&self) -> Result<Resumed>;
    /// Hands over every digest that was committed: first all ids, then all documents with their store's name, in
    /// blocks, in the order of the commits.
    ///
    /// # Errors
    /// `corrupt` when they cannot be read; what `each` answers.
    fn digests(&self, each: &mut dyn FnMut(Seen<'_>) -> Result<()>) -> Result<()>;
    /// Records that a target holds before the run's first write to it. Kept once: later calls change nothing.
    ///
    /// # Errors
    /// When it cannot be kept; the run ends then.
    fn before(&mut self, target: &str, records: u64) -> Result<()>;
    /// These pages of the split are settled, and with them everything up to `cursor`.
    ///
    /// # Errors
    /// When it cannot be kept; the run ends then.
    fn commit(&mut self, split: &SplitName, cursor: &[u8], pages: Vec<Settled>) -> Result<()>;
}

/// A block of digests that were committed.
#[derive(Clone, Copy, Debug)]
pub enum Seen<'a> {
    /// Of targets and ids.
    Ids(&'a [Digest]),
    /// Of documents of a store.
    Documents(&'a str, &'a [Digest]),
}

/// Keeps cursors, and the letters of what was committed, for as long as the process lives.
#[derive(Debug, Default)]
pub struct MemoryCheckpoint {
    /// Where each split is.
    pub cursors: HashMap<SplitName, Vec<u8>>,
    /// What was said of single records.
    pub letters: Vec<Letter>,
}

impl Checkpoint for MemoryCheckpoint {
    fn resumed(&self) -> Result<Resumed> {
        Ok(Resumed::default())
    }
    fn digests(&self, _each: &mut dyn FnMut(Seen<'_>) -> Result<()>) -> Result<()> {
        Ok(())
    }
    fn before(&mut self, _target: &str, _records: u64) -> Result<()> {
        Ok(())
    }
    fn commit(&mut self, split: &SplitName, cursor: &[u8], pages: Vec<Settled>) -> Result<()> {
        self.cursors.insert(split.clone(), cursor.to_vec());
        self.letters.extend(pages.into_iter().flat_map(|page| page.letters));
        Ok(())
    }
}
