/*!
Fetches, lists and statistics: what reads of a namespace see, by id, by metadata, by prefix, and counted.
*/

use std::collections::BTreeMap;
use std::ops::Bound;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{DEFAULT_PAGE, Pagination, Request, Shown, USAGE, Usage, page_limit, skip_past, token};
use crate::answer::{Answer, Outcome, Refusal};
use crate::filter::Filter;
use crate::limits::{self, IDS_PER_REQUEST, METADATA_PAGE, PAGE};
use crate::lock;
use crate::store::Shape;

#[derive(Serialize)]
struct Fetched<'a> {
    vectors: BTreeMap<&'a str, Shown<'a>>,
    namespace: &'a str,
    usage: Usage,
    #[serde(skip_serializing_if = "Option::is_none")]
    pagination: Option<Pagination>,
}

pub(super) fn fetch(request: &Request) -> Outcome {
    let ids: Vec<&str> = request.parameters.iter().filter(|(key, _)| key == "ids").map(|(_, id)| id.as_str()).collect();
    if ids.is_empty() {
        return Err(Refusal::invalid("At least one id must be given"));
    }
    if ids.len() > IDS_PER_REQUEST {
        return Err(Refusal::invalid(format!(
            "Too many ids in one request: got {}, the limit is {IDS_PER_REQUEST}",
            ids.len()
        )));
    }
    ids.iter().try_for_each(|id| limits::id(id))?;
    let namespace = request.namespace(request.parameter("namespace"))?;
    let mut index = lock(request.index);
    let mut vectors = BTreeMap::new();
    if let Some(space) = index.spaces.get_mut(namespace) {
        let (visible, _) = space.read(request.now);
        let found = ids.iter().filter_map(|id| visible.get(*id));
        vectors.extend(found.map(|record| (record.id.as_str(), Shown::whole(record))));
    }
    let count = vectors.len();
    Ok(Answer::json(200, &Fetched { vectors, namespace, usage: USAGE, pagination: None }).rows(count))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FetchByMetadata {
    #[serde(default)]
    namespace: Option<String>,
    #[serde(default)]
    filter: Map<String, Value>,
    #[serde(default)]
    limit: Option<u64>,
    #[serde(default)]
    pagination_token: Option<String>,
}

pub(super) fn fetch_by_metadata(request: &Request) -> Outcome {
    let wanted: FetchByMetadata = request.parse()?;
    let namespace = request.namespace(wanted.namespace.as_deref())?;
    if wanted.filter.is_empty() {
        return Err(Refusal::invalid("Empty filter provided for fetch by metadata request"));
    }
    let filter = Filter::parse(&wanted.filter)?;
    let limit = match wanted.limit {
        None => DEFAULT_PAGE,
        Some(limit) => page_limit(Some(limit), &limit.to_string(), METADATA_PAGE)?,
    };
    let after = skip_past(wanted.pagination_token.as_deref())?;
    let mut index = lock(request.index);
    let mut vectors = BTreeMap::new();
    let mut pagination = None;
    if let Some(space) = index.spaces.get_mut(namespace) {
        let (visible, _) = space.read(request.now);
        let mut last = "";
        for (id, record) in visible.range::<str, _>(from(after.as_deref())) {
            if !filter.passes(&record.metadata) {
                continue;
            }
            if vectors.len() == limit {
                pagination = token(last);
                break;
            }
            last = id;
            vectors.insert(id.as_str(), Shown::whole(record));
        }
    }
    let count = vectors.len();
    Ok(Answer::json(200, &Fetched { vectors, namespace, usage: USAGE, pagination }).rows(count))
}

/// Everything after a name, or everything.
pub(super) fn from(after: Option<&str>) -> (Bound<&str>, Bound<&str>) {
    (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded)
}

#[derive(Serialize)]
struct Listed<'a> {
    vectors: Vec<ListedId<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pagination: Option<Pagination>,
    namespace: &'a str,
    usage: Usage,
}

#[derive(Serialize)]
struct ListedId<'a> {
    id: &'a str,
}

pub(super) fn list(request: &Request) -> Outcome {
    let namespace = request.namespace(request.parameter("namespace"))?;
    let prefix = request.parameter("prefix").unwrap_or_default();
    if !prefix.is_ascii() {
        return Err(Refusal::invalid(format!("Prefix must be ASCII, but got '{prefix}'")));
    }
    let limit = request.limit(PAGE)?;
    let after = skip_past(request.parameter("paginationToken"))?;
    let mut index = lock(request.index);
    let mut vectors = Vec::new();
    let mut pagination = None;
    if let Some(space) = index.spaces.get_mut(namespace) {
        let (visible, _) = space.read(request.now);
        let start = match after.as_deref() {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let matching = visible.range::<str, _>((start, Bound::Unbounded)).take_while(|(id, _)| id.starts_with(prefix));
        for (id, _) in matching {
            if vectors.len() == limit {
                pagination = vectors.last().and_then(|last: &ListedId| token(last.id));
                break;
            }
            vectors.push(ListedId { id });
        }
    }
    let count = vectors.len();
    Ok(Answer::json(200, &Listed { vectors, pagination, namespace, usage: USAGE }).rows(count))
}

#[derive(Deserialize)]
struct DescribeStats {
    #[serde(default)]
    filter: Option<Map<String, Value>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Stats<'a> {
    namespaces: BTreeMap<&'a str, Summary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimension: Option<u32>,
    index_fullness: f32,
    total_vector_count: usize,
    metric: &'a str,
    vector_type: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    vector_count: usize,
}

pub(super) fn stats(request: &Request) -> Outcome {
    if !request.body.is_empty() {
        let wanted: DescribeStats = request.parse()?;
        if wanted.filter.is_some_and(|filter| !filter.is_empty()) {
            return Err(Refusal::invalid(
                "Serverless and Starter indexes do not support describing index stats with metadata filtering",
            ));
        }
    }
    // The rate of this call is the index's.
    request.namespace(None)?;
    let mut index = lock(request.index);
    let shape = index.shape;
    let mut namespaces = BTreeMap::new();
    for (name, space) in &mut index.spaces {
        let vector_count = space.read(request.now).0.len();
        if vector_count > 0 {
            namespaces.insert(limits::shown(name), Summary { vector_count });
        }
    }
    let total_vector_count = namespaces.values().map(|summary| summary.vector_count).sum();
    let (dimension, vector_type) = match shape {
        Shape::Dense { dimension, .. } => (Some(dimension), "dense"),
        Shape::Sparse => (None, "sparse"),
    };
    let metric = shape.metric().name();
    let stats = Stats { namespaces, dimension, index_fullness: 0.0, total_vector_count, metric, vector_type };
    Ok(Answer::json(200, &stats))
}
