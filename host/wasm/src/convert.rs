/*! The contract's types to and from the bindings' types, field by field. Columns are moved, never copied. */

use vecferry_contract::{
    Alteration, Batch, Capability, Change, Claim, Collection, Dense, Error, ErrorKind, Hit, IdOrigin, IdPage, Level,
    Limits, Method, Metric, Page, PluginSpec, PrepareMode, Receipt, Rejection, Sparse, Split, Target, Unreadable,
    Value,
};

use crate::bindings::{batches, http, sink, source, sqlite, telemetry, types};

/// Converts each.
pub(crate) fn each<T: Into<U>, U>(values: Vec<T>) -> Vec<U> {
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
    ErrorKind = types::ErrorKind { Config, Auth, NotFound, Unsupported, Corrupt, Throttled, Transient, Denied, Internal }
    Metric = types::Metric { Cosine, Dot, L2, Unknown }
    Capability = types::Capability { SourceFiles, Sqlite, Http, SinkFiles }
    IdOrigin = types::IdOrigin { Store, Position }
    Level = telemetry::Level { Trace, Debug, Info, Warn, Error }
    Method = http::Method { Get, Post, Put, Patch, Delete }
    PrepareMode = sink::PrepareMode { MustExist, CreateIfMissing, MustBeEmpty }
}

impl From<Error> for types::Error {
    fn from(error: Error) -> Self {
        let Error { kind, code, message, hint, retry_after_ms, context } = error;
        types::Error { kind: kind.into(), code, message, hint, retry_after_ms, context }
    }
}

impl From<types::Error> for Error {
    fn from(error: types::Error) -> Self {
        let types::Error { kind, code, message, hint, retry_after_ms, context } = error;
        Error { kind: kind.into(), code, message, hint, retry_after_ms, context }
    }
}

impl From<types::PluginSpec> for PluginSpec {
    fn from(spec: types::PluginSpec) -> Self {
        let types::PluginSpec { name, version, summary, config_schema, schemes, capabilities, features } = spec;
        PluginSpec { name, version, summary, config_schema, schemes, capabilities: each(capabilities), features }
    }
}

impl From<types::Collection> for Collection {
    fn from(collection: types::Collection) -> Self {
        Collection {
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

impl From<types::Change> for Change {
    fn from(change: types::Change) -> Self {
        Change { code: change.code, records: change.records }
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

impl From<source::Claim> for Claim {
    fn from(claim: source::Claim) -> Self {
        let source::Claim { name, confidence, files } = claim;
        Claim { name, confidence, files }
    }
}

impl From<&Split> for source::Split {
    fn from(split: &Split) -> Self {
        source::Split { id: split.id.clone(), payload: split.payload.clone(), rows: split.rows }
    }
}

impl From<source::Split> for Split {
    fn from(split: source::Split) -> Self {
        let source::Split { id, payload, rows } = split;
        Split { id, payload, rows }
    }
}

impl From<source::Unreadable> for Unreadable {
    fn from(record: source::Unreadable) -> Self {
        Unreadable { id: record.id, reason: record.reason.into() }
    }
}

impl From<source::Page> for Page {
    fn from(page: source::Page) -> Self {
        let source::Page { rows, cursor, changes, unreadable } = page;
        Page { rows: rows.into(), cursor, changes: each(changes), unreadable: each(unreadable) }
    }
}

impl From<&Target> for sink::Target {
    fn from(target: &Target) -> Self {
        let Target { collection, dimension, metric } = target;
        sink::Target { collection: collection.clone(), dimension: *dimension, metric: (*metric).into() }
    }
}

impl From<sink::Limits> for Limits {
    fn from(limits: sink::Limits) -> Self {
        let sink::Limits { max_rows, max_bytes, max_metadata_bytes, max_id_bytes, max_concurrency } = limits;
        Limits { max_rows, max_bytes, max_metadata_bytes, max_id_bytes, max_concurrency }
    }
}

impl From<sink::Rejection> for Rejection {
    fn from(rejection: sink::Rejection) -> Self {
        Rejection { row: rejection.row, reason: rejection.reason.into() }
    }
}

impl From<sink::Receipt> for Receipt {
    fn from(receipt: sink::Receipt) -> Self {
        let sink::Receipt { accepted, rejected, altered } = receipt;
        Receipt { accepted, rejected: each(rejected), altered: each(altered) }
    }
}

impl From<sink::Alteration> for Alteration {
    fn from(alteration: sink::Alteration) -> Self {
        let sink::Alteration { row, field, code } = alteration;
        Alteration { row, field, code }
    }
}

impl From<sink::IdPage> for IdPage {
    fn from(page: sink::IdPage) -> Self {
        let sink::IdPage { ids, cursor } = page;
        IdPage { ids, cursor }
    }
}

impl From<sink::Hit> for Hit {
    fn from(sink::Hit { id, score }: sink::Hit) -> Self {
        Hit { id, score }
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
