/*! The contract's types to and from the bindings' types, field by field. Columns are moved, never copied. */

use super::host::vecferry::plugin::{batches, sqlite, telemetry, types as wit};
use super::sink_plugin::exports::vecferry::plugin::sink;
use super::source_plugin::exports::vecferry::plugin::source;
use crate::{
    Alteration, Batch, Capability, Change, Claim, Collection, Dense, Error, ErrorKind, Hit, IdOrigin, IdPage, Level,
    Limits, Metric, Page, PluginSpec, PrepareMode, Receipt, Rejection, Sparse, Split, Target, Unreadable, Value,
};

pub(super) fn strings(pairs: &[(&str, String)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
}

fn each<T: Into<U>, U>(values: Vec<T>) -> Vec<U> {
    values.into_iter().map(Into::into).collect()
}

/// An enum and its twin in the bindings, both ways.
macro_rules! twins {
    ($($ours:ident = $theirs:path { $($case:ident),+ })+) => {
        $(
            impl From<$ours> for $theirs {
                fn from(value: $ours) -> Self {
                    match value { $($ours::$case => Self::$case,)+ }
                }
            }
            impl From<$theirs> for $ours {
                fn from(value: $theirs) -> Self {
                    type Theirs = $theirs;
                    match value { $(Theirs::$case => Self::$case,)+ }
                }
            }
        )+
    };
}

twins! {
    ErrorKind = wit::ErrorKind { Config, Auth, NotFound, Unsupported, Corrupt, Throttled, Transient, Denied, Internal }
    Metric = wit::Metric { Cosine, Dot, L2, Unknown }
    Capability = wit::Capability { SourceFiles, Sqlite, Http, SinkFiles }
    IdOrigin = wit::IdOrigin { Store, Position }
    Level = telemetry::Level { Trace, Debug, Info, Warn, Error }
    PrepareMode = sink::PrepareMode { MustExist, CreateIfMissing, MustBeEmpty }
}

impl From<Error> for wit::Error {
    fn from(error: Error) -> Self {
        let Error { kind, code, message, hint, retry_after_ms, context } = error;
        wit::Error { kind: kind.into(), code, message, hint, retry_after_ms, context }
    }
}

impl From<wit::Error> for Error {
    fn from(error: wit::Error) -> Self {
        let wit::Error { kind, code, message, hint, retry_after_ms, context } = error;
        Error { kind: kind.into(), code, message, hint, retry_after_ms, context }
    }
}

impl From<PluginSpec> for wit::PluginSpec {
    fn from(spec: PluginSpec) -> Self {
        let PluginSpec { name, version, summary, config_schema, schemes, capabilities, features } = spec;
        wit::PluginSpec { name, version, summary, config_schema, schemes, capabilities: each(capabilities), features }
    }
}

impl From<Collection> for wit::Collection {
    fn from(collection: Collection) -> Self {
        wit::Collection {
            name: collection.name,
            rows: collection.rows,
            dimension: collection.dimension,
            metric: collection.metric.into(),
            has_documents: collection.has_documents,
            has_vectors: collection.has_vectors,
            id_origin: collection.id_origin.into(),
            lossy_vectors: collection.lossy_vectors,
            aside: collection.aside,
            fingerprint: collection.fingerprint,
            details: collection.details,
        }
    }
}

impl From<Change> for wit::Change {
    fn from(Change { code, records }: Change) -> Self {
        wit::Change { code, records }
    }
}

impl From<Dense> for batches::Dense {
    fn from(Dense { name, dimension, values, absent }: Dense) -> Self {
        batches::Dense { name, dimension, values, absent }
    }
}

impl From<batches::Dense> for Dense {
    fn from(dense: batches::Dense) -> Self {
        let batches::Dense { name, dimension, values, absent } = dense;
        Dense { name, dimension, values, absent }
    }
}

impl From<Sparse> for batches::Sparse {
    fn from(Sparse { name, offsets, indices, values }: Sparse) -> Self {
        batches::Sparse { name, offsets, indices, values }
    }
}

impl From<batches::Sparse> for Sparse {
    fn from(sparse: batches::Sparse) -> Self {
        let batches::Sparse { name, offsets, indices, values } = sparse;
        Sparse { name, offsets, indices, values }
    }
}

impl From<Batch> for batches::Batch {
    fn from(Batch { ids, dense, sparse, documents, metadata }: Batch) -> Self {
        batches::Batch { ids, dense: each(dense), sparse: each(sparse), documents, metadata }
    }
}

impl From<batches::Batch> for Batch {
    fn from(batch: batches::Batch) -> Self {
        let batches::Batch { ids, dense, sparse, documents, metadata } = batch;
        Batch { ids, dense: each(dense), sparse: each(sparse), documents, metadata }
    }
}

impl From<Claim> for source::Claim {
    fn from(Claim { name, confidence, files }: Claim) -> Self {
        source::Claim { name, confidence, files }
    }
}

impl From<Split> for source::Split {
    fn from(Split { id, payload, rows }: Split) -> Self {
        source::Split { id, payload, rows }
    }
}

impl From<source::Split> for Split {
    fn from(split: source::Split) -> Self {
        let source::Split { id, payload, rows } = split;
        Split { id, payload, rows }
    }
}

impl From<Unreadable> for source::Unreadable {
    fn from(Unreadable { id, reason }: Unreadable) -> Self {
        source::Unreadable { id, reason: reason.into() }
    }
}

impl From<Page> for source::Page {
    fn from(Page { rows, cursor, changes, unreadable }: Page) -> Self {
        source::Page { rows: rows.into(), cursor, changes: each(changes), unreadable: each(unreadable) }
    }
}

impl From<sink::Target> for Target {
    fn from(target: sink::Target) -> Self {
        let sink::Target { collection, dimension, metric } = target;
        Target { collection, dimension, metric: metric.into() }
    }
}

impl From<Limits> for sink::Limits {
    fn from(limits: Limits) -> Self {
        let Limits { max_rows, max_bytes, max_metadata_bytes, max_id_bytes, max_concurrency } = limits;
        sink::Limits { max_rows, max_bytes, max_metadata_bytes, max_id_bytes, max_concurrency }
    }
}

impl From<Rejection> for sink::Rejection {
    fn from(Rejection { row, reason }: Rejection) -> Self {
        sink::Rejection { row, reason: reason.into() }
    }
}

impl From<Receipt> for sink::Receipt {
    fn from(Receipt { accepted, rejected, altered }: Receipt) -> Self {
        sink::Receipt { accepted, rejected: each(rejected), altered: each(altered) }
    }
}

impl From<Alteration> for sink::Alteration {
    fn from(Alteration { row, field, code }: Alteration) -> Self {
        sink::Alteration { row, field, code }
    }
}

impl From<IdPage> for sink::IdPage {
    fn from(IdPage { ids, cursor }: IdPage) -> Self {
        sink::IdPage { ids, cursor }
    }
}

impl From<Hit> for sink::Hit {
    fn from(Hit { id, score }: Hit) -> Self {
        sink::Hit { id, score }
    }
}

impl From<Value> for sqlite::Value {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Integer(value) => Self::Integer(value),
            Value::Real(value) => Self::Real(value),
            Value::Text(value) => Self::Text(value),
            Value::Blob(value) => Self::Blob(value),
        }
    }
}

impl From<sqlite::Value> for Value {
    fn from(value: sqlite::Value) -> Self {
        match value {
            sqlite::Value::Null => Self::Null,
            sqlite::Value::Integer(value) => Self::Integer(value),
            sqlite::Value::Real(value) => Self::Real(value),
            sqlite::Value::Text(value) => Self::Text(value),
            sqlite::Value::Blob(value) => Self::Blob(value),
        }
    }
}
