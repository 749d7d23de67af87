/*!
What was done: counts, and per split the cursor up to which everything is at the destination.

Writers acknowledge out of order; a cursor is committed, with the pages before it, only when every page before it is
acknowledged too.
*/

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use vecferry_contract::Result;

use super::checkpoint::{Checkpoint, Letter, Resumed, Settled, SplitName};
use super::{Route, SplitKey};
use crate::report::{CollectionReport, Counts, Report};

/// A page whose rows are all flushed, rejected, or left out.
#[derive(Debug)]
pub(super) struct Ack {
    pub(super) at: SplitKey,
    pub(super) name: Arc<SplitName>,
    pub(super) sequence: u64,
    pub(super) cursor: Vec<u8>,
    pub(super) page: Settled,
    pub(super) first_id: Option<String>,
    /// What it would take to write it; told by rehearsals only.
    pub(super) size: Size,
}

/// Bytes of a page's records, about, and of their documents alone.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Size {
    pub(super) bytes: u64,
    pub(super) documents: u64,
}

/// How far one split is: pages below `next` are committed; later ones wait.
#[derive(Default)]
struct Watermark {
    next: u64,
    waiting: BTreeMap<u64, (Vec<u8>, Settled)>,
}

impl Watermark {
    /// What may now be committed: the pages that are contiguous with those before, and the last one's cursor.
    fn acknowledge(&mut self, sequence: u64, cursor: Vec<u8>, page: Settled) -> Option<(Vec<u8>, Vec<Settled>)> {
        self.waiting.insert(sequence, (cursor, page));
        let mut reached = None;
        let mut pages = Vec::new();
        while let Some((cursor, page)) = self.waiting.remove(&self.next) {
            self.next += 1;
            reached = Some(cursor);
            pages.push(page);
        }
        reached.map(|cursor| (cursor, pages))
    }
}

pub(super) struct Ledger {
    report: Report,
    splits: HashMap<SplitKey, Watermark>,
    /// Targets and ids that the destination refused.
    refused: Vec<(String, String)>,
}

impl Ledger {
    pub(super) fn new(routes: &[Route], resumed: &Resumed) -> Self {
        let collections: Vec<CollectionReport> = routes
            .iter()
            .map(|route| {
                let (store, collection) = (route.store.clone(), route.job.collection.name.clone());
                let counts = resumed.counts.get(&(store.clone(), collection.clone())).copied().unwrap_or_default();
                CollectionReport { store, collection, target: route.job.target.collection.clone(), counts }
            })
            .collect();
        let mut counts = Counts::default();
        collections.iter().for_each(|collection| counts.add(&collection.counts));
        let changes = resumed.changes.clone();
        let report = Report { counts, collections, changes, ..Report::default() };
        Ledger { report, splits: HashMap::new(), refused: resumed.refused.clone() }
    }

    pub(super) fn acknowledge(&mut self, ack: Ack, checkpoint: &mut dyn Checkpoint) -> Result<()> {
        let Ack { at, name, sequence, cursor, page, first_id, size } = ack;
        self.report.bytes += size.bytes;
        self.report.document_bytes += size.documents;
        if let Some(collection) = self.report.collections.get_mut(at.collection as usize) {
            collection.counts.add(&page.counts);
        }
        self.report.counts.add(&page.counts);
        for change in &page.changes {
            *self.report.changes.entry(change.code.clone()).or_default() += u64::from(change.records);
        }
        for letter in &page.letters {
            if let Letter::Rejected(rejected) = letter
                && rejected.at_destination
            {
                self.refused.push((rejected.target.clone(), rejected.id.clone()));
            }
        }
        if self.report.sample_ids.len() < 3 {
            self.report.sample_ids.extend(first_id);
        }
        match self.splits.entry(at).or_default().acknowledge(sequence, cursor, page) {
            Some((cursor, pages)) => checkpoint.commit(&name, &cursor, pages),
            None => Ok(()),
        }
    }

    pub(super) fn counts(&self) -> Counts {
        self.report.counts
    }

    pub(super) fn refused(&self) -> &[(String, String)] {
        &self.refused
    }

    pub(super) fn into_report(self) -> Report {
        self.report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_committed_only_when_all_before_it_are() {
        let mut watermark = Watermark::default();
        let page = |found| Settled { counts: Counts { found, ..Counts::default() }, ..Settled::default() };
        let mut acknowledge = |n: u8| {
            let reached = watermark.acknowledge(u64::from(n), vec![n], page(u64::from(n)));
            reached.map(|(cursor, pages)| (cursor[0], pages.iter().map(|page| page.counts.found).collect::<Vec<_>>()))
        };
        assert_eq!(acknowledge(2), None);
        assert_eq!(acknowledge(1), None);
        assert_eq!(acknowledge(0), Some((2, vec![0, 1, 2])));
        assert_eq!(acknowledge(4), None);
        assert_eq!(acknowledge(3), Some((4, vec![3, 4])));
    }
}
