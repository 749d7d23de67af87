/*! What a run tells while it goes on, and when it ends. Rendering is the caller's. */

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use vecferry_contract::{Batch, Error};

/// Receives a run's events, from several threads.
pub trait Observer: Send + Sync {
    /// Something happened.
    fn event(&self, event: Event<'_>);
    /// One record did not arrive. `row` holds what is known of it: a batch of one row (or none, when the
    /// source could not read the record).
    ///
    /// # Errors
    /// When the dead letter cannot be kept; the run ends then, since the record would be lost.
    fn rejected(&self, rejected: Rejected<'_>) -> vecferry_contract::Result<()>;
    /// A part of one record reads back otherwise than it was: the destination cannot hold it as it is.
    ///
    /// # Errors
    /// When it cannot be kept; the run ends then.
    fn altered(&self, altered: Altered<'_>) -> vecferry_contract::Result<()>;
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

/// A record that did not arrive.
#[derive(Debug)]
pub struct Rejected<'a> {
    /// The store's name.
    pub store: &'a str,
    /// The collection's name.
    pub collection: &'a str,
    /// The id at the destination, or the source's where none could be made.
    pub id: &'a str,
    /// Why.
    pub reason: &'a Error,
    /// The record, one row, where it could be read.
    pub row: Option<&'a Batch>,
}

/// A part of a record that was made to fit.
#[derive(Clone, Copy, Debug)]
pub struct Altered<'a> {
    /// The store's name.
    pub store: &'a str,
    /// The collection's name.
    pub collection: &'a str,
    /// The id at the destination.
    pub id: &'a str,
    /// `document`, `vector`, `sparse`, or `metadata/KEY`.
    pub field: &'a str,
    /// What was done: `metadata/null-dropped`.
    pub code: &'a str,
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
    /// How it ended.
    pub ended: Ended,
    /// Wall time.
    pub seconds: f64,
    /// Up to three ids as they stand at the destination.
    pub sample_ids: Vec<String>,
    /// `None` when it was not asked for, or nothing was written.
    pub verification: Option<Verification>,
}

/// What reading back from the destination showed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Verification {
    /// Records compared field by field.
    pub compared: u64,
    /// One line for each finding; empty = everything arrived.
    pub differences: Vec<String>,
}

impl Verification {
    /// Whether everything arrived.
    pub fn holds(&self) -> bool {
        self.differences.is_empty()
    }
}
