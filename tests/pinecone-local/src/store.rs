/*!
Indexes, namespaces and records, in memory, and when a write becomes visible to reads.

A namespace is kept twice: as it was written, and as reads see it. The two differ only while a schedule delays
visibility. Records are shared between the two.
*/

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::faults::Visibility;

/// A stored record.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// 1 to 512 ASCII characters.
    pub id: String,
    /// One value for each dimension; empty in an index of sparse vectors.
    pub values: Vec<f32>,
    /// The sparse part, if it has one.
    pub sparse: Option<Sparse>,
    /// Strings, booleans, lists of strings, and numbers, all of which are kept as 64-bit floats.
    pub metadata: Map<String, Value>,
}

/// A sparse vector: as many indices as values, the indices ascending and unique.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sparse {
    /// Positions of the values.
    pub indices: Vec<u32>,
    /// Values, in the order of the indices.
    pub values: Vec<f32>,
}

/// How similarity is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metric {
    Cosine,
    Dot,
    Euclidean,
}

impl Metric {
    pub(crate) fn parse(name: &str) -> Option<Metric> {
        match name {
            "cosine" => Some(Metric::Cosine),
            "dotproduct" => Some(Metric::Dot),
            "euclidean" => Some(Metric::Euclidean),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Metric::Cosine => "cosine",
            Metric::Dot => "dotproduct",
            Metric::Euclidean => "euclidean",
        }
    }
}

/// What an index holds: dense vectors of one dimension (and, by dot product, sparse parts), or sparse vectors only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Dense { dimension: u32, metric: Metric },
    Sparse,
}

impl Shape {
    pub(crate) fn metric(self) -> Metric {
        match self {
            Shape::Dense { metric, .. } => metric,
            Shape::Sparse => Metric::Dot,
        }
    }
}

pub(crate) struct Index {
    pub(crate) name: String,
    pub(crate) shape: Shape,
    /// Whether the newest form of creation declared a sparse field beside the dense one.
    pub(crate) declares_sparse: bool,
    pub(crate) cloud: String,
    pub(crate) region: String,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) protected: bool,
    /// Descriptions that still say "not ready".
    pub(crate) unready: u32,
    pub(crate) spaces: BTreeMap<String, Space>,
}

/// What a write does.
pub(crate) enum Write {
    Put(Vec<Arc<Record>>),
    Remove(Vec<String>),
    Clear,
}

struct Pending {
    lsn: u64,
    write: Write,
    polls: u32,
    due: Instant,
}

/// A namespace.
#[derive(Default)]
pub(crate) struct Space {
    written: BTreeMap<String, Arc<Record>>,
    visible: BTreeMap<String, Arc<Record>>,
    pending: VecDeque<Pending>,
    lsn: u64,
    indexed: u64,
    /// Whether some record came with a sparse part: see the query.
    pub(crate) holds_sparse: bool,
}

impl Space {
    /// Applies a write and gives its log sequence number.
    pub(crate) fn commit(&mut self, write: Write, visibility: Visibility, now: Instant) -> u64 {
        self.lsn += 1;
        if let Write::Put(records) = &write {
            self.holds_sparse |= records.iter().any(|record| record.sparse.is_some());
        }
        apply(&mut self.written, &write);
        if self.pending.is_empty() && visibility == Visibility::default() {
            apply(&mut self.visible, &write);
            self.indexed = self.lsn;
        } else {
            let due = now + Duration::from_millis(visibility.ms);
            self.pending.push_back(Pending { lsn: self.lsn, write, polls: visibility.polls, due });
        }
        self.lsn
    }

    /// What a read that arrives now sees, and up to which log sequence number. The read counts as a poll.
    pub(crate) fn read(&mut self, now: Instant) -> (&BTreeMap<String, Arc<Record>>, u64) {
        while let Some(next) = self.pending.pop_front_if(|next| next.polls == 0 && next.due <= now) {
            apply(&mut self.visible, &next.write);
            self.indexed = next.lsn;
        }
        for pending in &mut self.pending {
            pending.polls = pending.polls.saturating_sub(1);
        }
        (&self.visible, self.indexed)
    }

    /// Everything that was written, whether visible or not.
    pub(crate) fn written(&self) -> &BTreeMap<String, Arc<Record>> {
        &self.written
    }
}

fn apply(records: &mut BTreeMap<String, Arc<Record>>, write: &Write) {
    match write {
        Write::Put(new) => records.extend(new.iter().map(|record| (record.id.clone(), Arc::clone(record)))),
        Write::Remove(ids) => {
            for id in ids {
                records.remove(id);
            }
        }
        Write::Clear => records.clear(),
    }
}
