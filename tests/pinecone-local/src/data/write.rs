/*!
Upserts, updates and deletions. A request is carried out whole or not at all.
*/

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Request;
use crate::answer::{Answer, Code, Outcome, Refusal};
use crate::filter::Filter;
use crate::limits::{self, IDS_PER_REQUEST, SPARSE_VALUES, UPSERT_RECORDS};
use crate::lock;
use crate::metadata;
use crate::store::{Index, Record, Shape, Sparse, Write};

const LSN: &str = "x-pinecone-request-lsn";

#[derive(Deserialize)]
struct Upsert {
    #[serde(default)]
    vectors: Vec<Vector>,
    #[serde(default)]
    namespace: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    #[serde(default)]
    id: String,
    #[serde(default)]
    values: Option<Vec<f32>>,
    #[serde(default)]
    sparse_values: Option<SparseValues>,
    #[serde(default)]
    metadata: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
pub(super) struct SparseValues {
    #[serde(default)]
    indices: Vec<u64>,
    #[serde(default)]
    values: Vec<f32>,
}

pub(super) fn upsert(request: &Request) -> Outcome {
    let upsert: Upsert = request.parse()?;
    let namespace = request.namespace(upsert.namespace.as_deref())?;
    if upsert.vectors.is_empty() {
        return Err(Refusal::invalid("At least one vector must be given"));
    }
    let count = upsert.vectors.len();
    if count > UPSERT_RECORDS {
        return Err(Refusal::invalid(format!(
            "Too many vectors in one request: got {count}, the limit is {UPSERT_RECORDS}"
        )));
    }
    let shape = lock(request.index).shape;
    let mut records = Vec::with_capacity(count);
    for vector in upsert.vectors {
        limits::id(&vector.id)?;
        let sparse = vector.sparse_values.map(checked_sparse).transpose()?;
        let values = vector.values.unwrap_or_default();
        fits(shape, &vector.id, &values, sparse.as_ref())?;
        let metadata = metadata::keep(vector.metadata.unwrap_or_default())?;
        records.push(Arc::new(Record { id: vector.id, values, sparse, metadata }));
    }
    if !request.faults.admit(count) {
        return Err(Refusal::new(
            Code::QuotaExceeded,
            "Request failed. You've reached the max storage allowed for your plan. Upgrade your plan to add more data.",
        ));
    }
    let mut index = lock(request.index);
    let lsn = commit(&mut index, namespace, Write::Put(records), request);
    Ok(Answer::json(200, &json!({ "upsertedCount": count })).rows(count).header(LSN, lsn))
}

fn commit(index: &mut Index, namespace: &str, write: Write, request: &Request) -> u64 {
    let space = index.spaces.entry(namespace.to_owned()).or_default();
    space.commit(write, request.visibility, request.now)
}

/// Checks a sparse vector. The service takes indices in any order (its own example is out of order) but none twice.
pub(super) fn checked_sparse(sparse: SparseValues) -> Outcome<Sparse> {
    let SparseValues { indices, values } = sparse;
    if indices.len() != values.len() {
        return Err(Refusal::invalid(format!(
            "Sparse vector indices and values must have the same length, got {} and {}",
            indices.len(),
            values.len()
        )));
    }
    if values.is_empty() {
        return Err(Refusal::invalid("Sparse vector must contain at least one value"));
    }
    if values.len() > SPARSE_VALUES {
        return Err(Refusal::invalid(format!(
            "Sparse vector size {} exceeds the maximum allowed size of {SPARSE_VALUES}",
            values.len()
        )));
    }
    let mut pairs = Vec::with_capacity(values.len());
    for (position, value) in indices.into_iter().zip(values) {
        let position = u32::try_from(position).map_err(|_| {
            Refusal::invalid(format!("Sparse vector indices must be unsigned 32-bit integers, got {position}"))
        })?;
        finite(value)?;
        pairs.push((position, value));
    }
    pairs.sort_by_key(|(position, _)| *position);
    if pairs.windows(2).any(|pair| matches!(pair, [(a, _), (b, _)] if a == b)) {
        return Err(Refusal::invalid("Sparse vector indices must be unique"));
    }
    let (indices, values) = pairs.into_iter().unzip();
    Ok(Sparse { indices, values })
}

fn finite(value: f32) -> Outcome<()> {
    if value.is_finite() { Ok(()) } else { Err(Refusal::invalid("Vector values must fit 32-bit floats")) }
}

/// Checks the vectors of one record against what the index holds.
fn fits(shape: Shape, id: &str, values: &[f32], sparse: Option<&Sparse>) -> Outcome<()> {
    match shape {
        Shape::Dense { dimension, .. } => {
            dense_fits(dimension, values)?;
            if values.iter().all(|value| *value == 0.0) {
                return Err(Refusal::invalid(format!(
                    "Dense vectors must contain at least one non-zero value. Vector ID '{id}' contains only zeros"
                )));
            }
            Ok(())
        }
        Shape::Sparse if !values.is_empty() => {
            Err(Refusal::invalid("Index configuration does not support dense values - the index is sparse"))
        }
        Shape::Sparse if sparse.is_none() => Err(Refusal::invalid("Sparse vector must contain at least one value")),
        Shape::Sparse => Ok(()),
    }
}

pub(super) fn dense_fits(dimension: u32, values: &[f32]) -> Outcome<()> {
    if u32::try_from(values.len()) != Ok(dimension) {
        return Err(Refusal::invalid(format!(
            "Vector dimension {} does not match the dimension of the index {dimension}",
            values.len()
        )));
    }
    values.iter().try_for_each(|value| finite(*value))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Update {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    values: Option<Vec<f32>>,
    #[serde(default)]
    sparse_values: Option<SparseValues>,
    #[serde(default)]
    set_metadata: Option<Map<String, Value>>,
    #[serde(default)]
    namespace: Option<String>,
    #[serde(default)]
    filter: Option<Map<String, Value>>,
    #[serde(default)]
    dry_run: bool,
}

pub(super) fn update(request: &Request) -> Outcome {
    let update: Update = request.parse()?;
    let namespace = request.namespace(update.namespace.as_deref())?.to_owned();
    match (update.id.clone().filter(|id| !id.is_empty()), update.filter.clone()) {
        (Some(_), Some(_)) => Err(Refusal::invalid("Only one of id and filter can be given")),
        (None, None) => Err(Refusal::invalid("Either id or filter must be given")),
        (Some(id), None) => update_one(request, &namespace, &id, update),
        (None, Some(filter)) => update_matching(request, &namespace, &filter, &update),
    }
}

fn update_one(request: &Request, namespace: &str, id: &str, update: Update) -> Outcome {
    limits::id(id)?;
    let sparse = update.sparse_values.map(checked_sparse).transpose()?;
    let mut index = lock(request.index);
    let shape = index.shape;
    if let Some(values) = update.values.as_ref().filter(|values| !values.is_empty()) {
        fits(shape, id, values, sparse.as_ref())?;
    }
    let Some(kept) = index.spaces.get(namespace).and_then(|space| space.written().get(id)) else {
        // As the service does: an update of what is not there changes nothing and is no error.
        return Ok(Answer::json(200, &json!({})));
    };
    let mut record = Record::clone(kept);
    if let Some(changes) = &update.set_metadata {
        record.metadata = metadata::merge(&record.metadata, changes)?;
    }
    record.values = update.values.filter(|values| !values.is_empty()).unwrap_or(record.values);
    record.sparse = sparse.or(record.sparse);
    let lsn = commit(&mut index, namespace, Write::Put(vec![Arc::new(record)]), request);
    Ok(Answer::json(200, &json!({})).rows(1).header(LSN, lsn))
}

fn update_matching(request: &Request, namespace: &str, filter: &Map<String, Value>, update: &Update) -> Outcome {
    if filter.is_empty() {
        return Err(Refusal::invalid("Update with empty metadata filter is not allowed"));
    }
    if update.values.is_some() || update.sparse_values.is_some() {
        return Err(Refusal::invalid("An update by filter changes metadata only"));
    }
    let filter = Filter::parse(filter)?;
    let changes = update.set_metadata.clone().unwrap_or_default();
    let mut index = lock(request.index);
    let mut changed = Vec::new();
    if let Some(space) = index.spaces.get(namespace) {
        for record in space.written().values().filter(|record| filter.passes(&record.metadata)) {
            let metadata = metadata::merge(&record.metadata, &changes)?;
            changed.push(Arc::new(Record { metadata, ..Record::clone(record) }));
        }
    }
    let matched = changed.len();
    let answer = Answer::json(200, &json!({ "matchedRecords": matched }));
    if update.dry_run || matched == 0 {
        return Ok(answer);
    }
    let lsn = commit(&mut index, namespace, Write::Put(changed), request);
    Ok(answer.rows(matched).header(LSN, lsn))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delete {
    #[serde(default)]
    ids: Vec<String>,
    #[serde(default)]
    delete_all: bool,
    #[serde(default)]
    namespace: Option<String>,
    #[serde(default)]
    filter: Option<Map<String, Value>>,
}

pub(super) fn delete(request: &Request) -> Outcome {
    let delete: Delete = request.parse()?;
    let namespace = request.namespace(delete.namespace.as_deref())?.to_owned();
    let ways =
        usize::from(!delete.ids.is_empty()) + usize::from(delete.delete_all) + usize::from(delete.filter.is_some());
    if ways != 1 {
        return Err(Refusal::invalid("Exactly one of ids, deleteAll and filter must be given"));
    }
    if delete.ids.len() > IDS_PER_REQUEST {
        return Err(Refusal::invalid(format!(
            "Too many ids in one request: got {}, the limit is {IDS_PER_REQUEST}",
            delete.ids.len()
        )));
    }
    delete.ids.iter().try_for_each(|id| limits::id(id))?;
    let filter = match &delete.filter {
        Some(filter) if filter.is_empty() => {
            return Err(Refusal::invalid("Delete with empty metadata filter is not allowed"));
        }
        filter => filter.as_ref().map(Filter::parse).transpose()?,
    };
    let mut index = lock(request.index);
    let Some(space) = index.spaces.get(&namespace) else {
        return Err(Refusal::new(Code::NotFound, "Namespace not found"));
    };
    let write = match filter {
        Some(filter) => {
            let matching = space.written().values().filter(|record| filter.passes(&record.metadata));
            Write::Remove(matching.map(|record| record.id.clone()).collect())
        }
        None if delete.delete_all => Write::Clear,
        None => Write::Remove(delete.ids),
    };
    let lsn = commit(&mut index, &namespace, write, request);
    Ok(Answer::json(200, &json!({})).header(LSN, lsn))
}
