/*! Stores, collections, splits, targets: what source and sink say about themselves and their data. */

use serde::{Deserialize, Serialize};

use crate::Error;

/// How a collection compares vectors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// Angle.
    Cosine,
    /// Inner product.
    Dot,
    /// Euclidean distance.
    L2,
    /// Not recorded, or another one.
    #[default]
    Unknown,
}

impl Metric {
    /// The name as users and JSON see it.
    pub fn as_str(self) -> &'static str {
        match self {
            Metric::Cosine => "cosine",
            Metric::Dot => "dot",
            Metric::L2 => "l2",
            Metric::Unknown => "unknown",
        }
    }
}

/// A power of the host that a plugin asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    /// Named files of the granted store, ranged reads.
    SourceFiles,
    /// Read-only SQL over a granted file.
    Sqlite,
    /// Requests to allow-listed hosts.
    Http,
    /// Named files of the granted destination.
    SinkFiles,
}

impl Capability {
    /// The name as users and JSON see it.
    pub fn as_str(self) -> &'static str {
        match self {
            Capability::SourceFiles => "source-files",
            Capability::Sqlite => "sqlite",
            Capability::Http => "http",
            Capability::SinkFiles => "sink-files",
        }
    }
}

/// What a plugin says about itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PluginSpec {
    /// Short, lower case: `chroma`.
    pub name: String,
    /// Semantic version.
    pub version: String,
    /// One line for people.
    pub summary: String,
    /// JSON Schema (an object) of the settings taken by `--set`.
    pub config_schema: String,
    /// What stands before the colon in `--to SCHEME:LOCATION`, and in a SOURCE that is no path. The location comes
    /// as the setting `location`.
    pub schemes: Vec<String>,
    /// What it asks of the host.
    pub capabilities: Vec<Capability>,
    /// Open-ended: `lossy-vectors`, `read-back`.
    pub features: Vec<String>,
}

/// One store that a source recognises among the listed files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// For people, unique within the answer.
    pub name: String,
    /// 1 = the name looks right, 100 = certainly mine.
    pub confidence: u8,
    /// All the files that belong to it; after detection only these are granted.
    pub files: Vec<String>,
}

/// Who made a record's ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdOrigin {
    /// The store keeps them.
    Store,
    /// The record's position in the collection: 0, 1, 2, …
    #[default]
    Position,
}

/// One collection of a store.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Collection {
    /// Unique within the store.
    pub name: String,
    /// Records, where the store tells without a full read.
    pub rows: Option<u64>,
    /// Values per vector.
    pub dimension: Option<u32>,
    /// How it compares vectors.
    pub metric: Metric,
    /// Whether records carry texts.
    pub has_documents: bool,
    /// Whether records carry vectors.
    pub has_vectors: bool,
    /// Who made the ids.
    pub id_origin: IdOrigin,
    /// Vectors come from a lossy code (PQ, SQ, PCA): approximations of what was stored.
    pub lossy_vectors: bool,
    /// Why it is not moved unless it is asked for by name; `None` for what users of the store see by default.
    pub aside: Option<String>,
    /// Changes when the stored data changes.
    pub fingerprint: String,
    /// For people, in this order.
    pub details: Vec<(String, String)>,
}

/// A part of a collection that is scanned on its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// Unique within the collection.
    pub id: String,
    /// Opaque to the host.
    #[serde(with = "crate::bulk")]
    pub payload: Vec<u8>,
    /// Records, where known.
    pub rows: Option<u64>,
}

/// Something that was made to fit on the way, and in how many records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// `metadata/non-finite-to-null`.
    pub code: String,
    /// Records it happened in.
    pub records: u32,
}

/// Where a sink writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The collection, table or namespace.
    pub collection: String,
    /// Values per vector; `None` when records carry no vectors.
    pub dimension: Option<u32>,
    /// How it will compare vectors.
    pub metric: Metric,
}

/// What a sink may do to a target that is, or is not, there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PrepareMode {
    /// Fails with `not-found` where the target is missing.
    MustExist,
    /// Makes it where it is missing.
    CreateIfMissing,
    /// Fails with `config` where it holds records.
    MustBeEmpty,
}

/// What a sink takes at a time; 0 = no limit known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Rows of one write.
    pub max_rows: u32,
    /// Bytes of one write.
    pub max_bytes: u64,
    /// Bytes of one record's metadata as JSON.
    pub max_metadata_bytes: u64,
    /// Bytes of one id.
    pub max_id_bytes: u32,
    /// Writers at a time; 1 = write in order, from one instance.
    pub max_concurrency: u32,
}

/// One row that a sink refused, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rejection {
    /// Index in the batch that was written.
    pub row: u32,
    /// Why.
    pub reason: Error,
}

/// A sink's answer to one write: every row is accepted or rejected.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// Rows taken.
    pub accepted: u32,
    /// Rows refused.
    pub rejected: Vec<Rejection>,
    /// What was made to fit.
    pub altered: Vec<Alteration>,
}

/// A part of an accepted row that will read back otherwise than it was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alteration {
    /// Index in the batch that was written.
    pub row: u32,
    /// `document`, `vector`, `sparse`, or `metadata/KEY`.
    pub field: String,
    /// What was done to it: `metadata/null-dropped`.
    pub code: String,
}

/// Ids that a target holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdPage {
    /// In any order.
    pub ids: Vec<String>,
    /// Where to go on after them.
    #[serde(with = "crate::bulk")]
    pub cursor: Vec<u8>,
}

/// One neighbour.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    /// The record's id.
    pub id: String,
    /// Greater is nearer, whatever the metric.
    pub score: f32,
}
