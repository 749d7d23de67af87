/*! What a run tells while it goes on, and when it ends. Rendering is the caller's. */

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use vecferry_contract::Error;

/// Receives a run's events, from several threads.
pub trait Observer: Send + Sync {
    /// Something happened.
    fn event(&self, event: Event<'_>);
}

/// A step of a run.
#[derive(Debug)]
pub enum Event<'a> {
    /// A collection's scan begins.
    Collection {
        /// The store's name.
        store: &'a str,
        /// The collection's name.
        collection: &'a str,
    },
    /// Totals so far.
    Progress(Counts),
    /// A call failed and will be tried again.
    Retrying {
        /// What was tried: "read", "embed", "write".
        stage: &'static str,
        /// Why it failed.
        error: &'a Error,
        /// Until the next try.
        wait: Duration,
        /// The number of the try that failed, from 1.
        attempt: u32,
    },
    /// All is written; verification begins.
    Verifying,
}

/// Records, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Read from the source, unreadable ones included.
    pub found: u64,
    /// Left out, since an earlier store of the run yielded the same document.
    pub duplicates: u64,
    /// Given a vector by the run's model.
    pub embedded: u64,
    /// Acknowledged by the sink.
    pub migrated: u64,
    /// Given to the dead letter.
    pub rejected: u64,
}

impl Counts {
    /// Adds another page's or collection's.
    pub fn add(&mut self, other: &Counts) {
        let Counts { found, duplicates, embedded, migrated, rejected } = other;
        self.found += found;
        self.duplicates += duplicates;
        self.embedded += embedded;
        self.migrated += migrated;
        self.rejected += rejected;
    }
}

/// One collection of a finished run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CollectionReport {
    /// The store's name.
    pub store: String,
    /// The collection's name.
    pub collection: String,
    /// Where its records went.
    pub target: String,
    /// Records.
    pub counts: Counts,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// Everything was read.
    #[default]
    Complete,
    /// The user stopped it; what was in flight was finished.
    Interrupted,
}

/// A finished run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// All collections together.
    pub counts: Counts,
    /// One by one, in the order they were read.
    pub collections: Vec<CollectionReport>,
    /// What was made to fit, by code, in how many records.
    pub changes: BTreeMap<String, u64>,
    /// Bytes of the records that would be written, about; 0 where they were.
    pub bytes: u64,
    /// Bytes of their documents.
    pub document_bytes: u64,
    /// How it ended.
    pub ended: Ended,
    /// Wall time.
    pub seconds: f64,
    /// Up to three ids as they stand at the destination.
    pub sample_ids: Vec<String>,
    /// `None` when it was not asked for, or nothing was written.
    pub verification: Option<Verification>,
}

/// What reading the source once more and reading back from the destination showed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Verification {
    /// Records compared field by field.
    pub compared: u64,
    /// One by one.
    pub targets: Vec<TargetProof>,
    /// One line for each finding; empty = everything arrived.
    pub differences: Vec<String>,
}

/// One target, verified.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TargetProof {
    /// The collection, table or namespace.
    pub target: String,
    /// Records that were to arrive.
    pub expected: u64,
    /// Records that it held before the run.
    pub before: u64,
    /// Records that it says it holds.
    pub count: u64,
    /// Of those that were to arrive; `None` until it was looked for.
    pub missing: Option<u64>,
    /// Records that are not of the run; `None` where the destination cannot list its ids.
    pub extra: Option<u64>,
    /// Ids that the destination lists twice.
    pub twice: u64,
    /// The share of exact nearest neighbours that the destination's search finds; `None` where it was not measured.
    pub recall: Option<f64>,
    /// A digest of the records that were to arrive (ids, documents, metadata), whatever their order.
    pub content: String,
}

impl Verification {
    /// Whether everything arrived.
    pub fn holds(&self) -> bool {
        self.differences.is_empty()
    }
}
