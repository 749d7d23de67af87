/*!
What was done: counts, and per split the cursor up to which everything is at the destination.

Writers acknowledge out of order; a page is committed only when every page that was shaped before it is acknowledged
too, of whatever split or store. What is left out of one page (a document that an earlier store has, an id that is
taken) rests on the pages before it: were it committed without them, a run that dies in between would lose both.
*/

use std::collections::BTreeMap;
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

/// How far the run is: pages below `next` are committed; later ones wait.
#[derive(Default)]
struct Watermark {
    next: u64,
    waiting: BTreeMap<u64, Waiting>,
}

struct Waiting {
    split: Arc<SplitName>,
    cursor: Vec<u8>,
    page: Settled,
}

/// Pages of one split in a row, and the last one's cursor.
#[derive(Debug, PartialEq)]
struct Reached {
    split: Arc<SplitName>,
    cursor: Vec<u8>,
    pages: Vec<Settled>,
}

impl Watermark {
    /// What may now be committed, in this order.
    fn acknowledge(&mut self, sequence: u64, page: Waiting) -> Vec<Reached> {
        self.waiting.insert(sequence, page);
        let mut reached: Vec<Reached> = Vec::new();
        while let Some(Waiting { split, cursor, page }) = self.waiting.remove(&self.next) {
            self.next += 1;
            match reached.last_mut() {
                Some(last) if last.split == split => {
                    last.cursor = cursor;
                    last.pages.push(page);
                }
                _ => reached.push(Reached { split, cursor, pages: vec![page] }),
            }
        }
        reached
    }
}

pub(super) struct Ledger {
    report: Report,
    watermark: Watermark,
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
        Ledger { report, watermark: Watermark::default(), refused: resumed.refused.clone() }
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
        let reached = self.watermark.acknowledge(sequence, Waiting { split: name, cursor, page });
        reached.into_iter().try_for_each(|reached| checkpoint.commit(&reached.split, &reached.cursor, reached.pages))
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
    fn a_page_is_committed_only_when_all_before_it_are() {
        let mut watermark = Watermark::default();
        let split = |name: &str| {
            Arc::new(SplitName { store: "s".to_owned(), collection: "c".to_owned(), split: name.to_owned() })
        };
        let page = |found| Settled { counts: Counts { found, ..Counts::default() }, ..Settled::default() };
        let mut acknowledge = |sequence: u8, name: &str| {
            let page = page(u64::from(sequence));
            let reached = watermark
                .acknowledge(u64::from(sequence), Waiting { split: split(name), cursor: vec![sequence], page });
            let seen = |reached: &Reached| {
                let pages: Vec<u64> = reached.pages.iter().map(|page| page.counts.found).collect();
                (reached.split.split.clone(), reached.cursor[0], pages)
            };
            reached.iter().map(seen).collect::<Vec<_>>()
        };
        assert_eq!(acknowledge(2, "b"), []);
        assert_eq!(acknowledge(1, "a"), []);
        let reached = [("a".to_owned(), 1, vec![0, 1]), ("b".to_owned(), 2, vec![2])];
        assert_eq!(acknowledge(0, "a"), reached, "no page of another split goes before");
        assert_eq!(acknowledge(4, "a"), []);
        assert_eq!(acknowledge(3, "a"), [("a".to_owned(), 4, vec![3, 4])]);
    }
}
