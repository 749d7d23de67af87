/*!
What was done: counts, and per split the cursor up to which everything is at the destination.

Writers acknowledge out of order; a cursor is committed only when every page before it is acknowledged too.
*/

use std::collections::{BTreeMap, HashMap};

use vecferry_contract::Result;

use super::{Route, Tally};
use crate::report::{CollectionReport, Counts, Report};

/// One split of one collection of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SplitKey {
    /// The collection's number in the run, store after store.
    pub collection: u32,
    /// The split's number in the collection's plan.
    pub split: u32,
}

/// Keeps cursors, so that a run can continue where another ended.
pub trait Checkpoint: Send {
    /// Where to continue: (store, collection, split id) → cursor.
    fn resume_points(&self) -> HashMap<(String, String, String), Vec<u8>>;
    /// Everything of this split up to `cursor` is at the destination.
    ///
    /// # Errors
    /// When it cannot be kept; the run ends then.
    fn commit(&mut self, split: SplitKey, cursor: &[u8]) -> Result<()>;
}

/// Keeps cursors for as long as the process lives.
#[derive(Debug, Default)]
pub struct MemoryCheckpoint(pub BTreeMap<SplitKey, Vec<u8>>);

impl Checkpoint for MemoryCheckpoint {
    fn resume_points(&self) -> HashMap<(String, String, String), Vec<u8>> {
        HashMap::new()
    }
    fn commit(&mut self, split: SplitKey, cursor: &[u8]) -> Result<()> {
        self.0.insert(split, cursor.to_vec());
        Ok(())
    }
}

/// A page whose rows are all flushed, rejected, or left out.
#[derive(Debug)]
pub(super) struct Ack {
    pub(super) at: SplitKey,
    pub(super) sequence: u64,
    pub(super) cursor: Vec<u8>,
    pub(super) tally: Tally,
}

/// How far one split is: pages below `next` are committed; later ones wait.
#[derive(Default)]
struct Watermark {
    next: u64,
    waiting: BTreeMap<u64, Vec<u8>>,
}

impl Watermark {
    /// The cursor that may now be committed, if it moved.
    fn acknowledge(&mut self, sequence: u64, cursor: Vec<u8>) -> Option<Vec<u8>> {
        self.waiting.insert(sequence, cursor);
        let mut reached = None;
        while let Some(cursor) = self.waiting.remove(&self.next) {
            self.next += 1;
            reached = Some(cursor);
        }
        reached
    }
}

pub(super) struct Ledger {
    report: Report,
    splits: HashMap<SplitKey, Watermark>,
}

impl Ledger {
    pub(super) fn new(routes: &[Route]) -> Self {
        let collections = routes
            .iter()
            .map(|route| CollectionReport {
                store: route.store.clone(),
                collection: route.job.collection.name.clone(),
                target: route.job.target.collection.clone(),
                counts: Counts::default(),
            })
            .collect();
        Ledger { report: Report { collections, ..Report::default() }, splits: HashMap::new() }
    }

    pub(super) fn acknowledge(&mut self, ack: Ack, checkpoint: &mut dyn Checkpoint) -> Result<()> {
        let tally = ack.tally;
        if let Some(collection) = self.report.collections.get_mut(ack.at.collection as usize) {
            add(&mut collection.counts, &tally);
        }
        add(&mut self.report.counts, &tally);
        for change in tally.changes {
            *self.report.changes.entry(change.code).or_default() += u64::from(change.records);
        }
        if self.report.sample_ids.len() < 3 {
            self.report.sample_ids.extend(tally.first_id);
        }
        match self.splits.entry(ack.at).or_default().acknowledge(ack.sequence, ack.cursor) {
            Some(cursor) => checkpoint.commit(ack.at, &cursor),
            None => Ok(()),
        }
    }

    pub(super) fn counts(&self) -> Counts {
        self.report.counts
    }

    pub(super) fn into_report(self) -> Report {
        self.report
    }
}

fn add(counts: &mut Counts, tally: &Tally) {
    counts.found += tally.found;
    counts.duplicates += tally.duplicates;
    counts.embedded += tally.embedded;
    counts.migrated += tally.migrated;
    counts.rejected += tally.rejected;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_committed_only_when_all_before_it_are() {
        let mut watermark = Watermark::default();
        let cursor = |n: u8| vec![n];
        assert_eq!(watermark.acknowledge(2, cursor(2)), None);
        assert_eq!(watermark.acknowledge(1, cursor(1)), None);
        assert_eq!(watermark.acknowledge(0, cursor(0)), Some(cursor(2)));
        assert_eq!(watermark.acknowledge(4, cursor(4)), None);
        assert_eq!(watermark.acknowledge(3, cursor(3)), Some(cursor(4)));
    }
}
