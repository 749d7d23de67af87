/*!
Queries: exact, over every visible record of a namespace. Equal scores are ordered by id, so answers repeat.
*/

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::write::{SparseValues, checked_sparse, dense_fits};
use super::{Request, USAGE, Usage};
use crate::answer::{Answer, Code, Outcome, Refusal};
use crate::filter::Filter;
use crate::limits::{self, RESULT_BYTES, TOP_K};
use crate::lock;
use crate::store::{Metric, Record, Shape, Sparse};

const LSN: &str = "x-pinecone-max-indexed-lsn";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Query {
    #[serde(default)]
    namespace: Option<String>,
    #[serde(default)]
    top_k: u64,
    #[serde(default)]
    filter: Option<Map<String, Value>>,
    #[serde(default)]
    include_values: bool,
    #[serde(default)]
    include_metadata: bool,
    #[serde(default)]
    vector: Vec<f32>,
    #[serde(default)]
    sparse_vector: Option<SparseValues>,
    #[serde(default)]
    id: Option<String>,
}

#[derive(Serialize)]
struct Found<'a> {
    matches: Vec<Match<'a>>,
    namespace: &'a str,
    usage: Usage,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Match<'a> {
    id: &'a str,
    score: f32,
    #[serde(skip_serializing_if = "<[f32]>::is_empty")]
    values: &'a [f32],
    #[serde(skip_serializing_if = "Option::is_none")]
    sparse_values: Option<&'a Sparse>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a Map<String, Value>>,
}

pub(super) fn query(request: &Request) -> Outcome {
    let query: Query = request.parse()?;
    let namespace = request.namespace(query.namespace.as_deref())?;
    let top_k = usize::try_from(query.top_k)
        .ok()
        .filter(|_| (1..=TOP_K).contains(&query.top_k))
        .ok_or_else(|| Refusal::invalid(format!("topK must be between 1 and {TOP_K}, got {}", query.top_k)))?;
    let filter = query.filter.as_ref().filter(|filter| !filter.is_empty()).map(Filter::parse).transpose()?;
    let sparse = query.sparse_vector.map(checked_sparse).transpose()?;
    let id = query.id.as_deref().filter(|id| !id.is_empty());

    let mut index = lock(request.index);
    let shape = index.shape;
    check_sought(shape, &query.vector, sparse.as_ref(), id)?;
    let Some(space) = index.spaces.get_mut(namespace) else {
        return Ok(Answer::json(200, &Found { matches: Vec::new(), namespace, usage: USAGE }).header(LSN, 0));
    };
    if space.holds_sparse && !takes_sparse(shape) {
        return Err(no_sparse());
    }
    let (visible, indexed) = space.read(request.now);
    let sought = match id {
        None => Some((query.vector.as_slice(), sparse.as_ref())),
        Some(id) => visible.get(id).map(|record| (record.values.as_slice(), record.sparse.as_ref())),
    };
    let mut scored: Vec<(f32, &Record)> = Vec::new();
    if let Some((values, sparse)) = sought {
        let metric = shape.metric();
        let passing = visible.values().filter(|record| filter.as_ref().is_none_or(|f| f.passes(&record.metadata)));
        scored.extend(passing.filter_map(|record| Some((score(metric, values, sparse, record)?, record.as_ref()))));
        // Records come in the order of their ids, and a stable sort keeps it among equals.
        scored.sort_by(|(a, _), (b, _)| match metric {
            Metric::Euclidean => a.partial_cmp(b).unwrap_or(Ordering::Equal),
            Metric::Cosine | Metric::Dot => b.partial_cmp(a).unwrap_or(Ordering::Equal),
        });
        scored.truncate(top_k);
    }
    let matches: Vec<Match> = scored
        .into_iter()
        .map(|(score, record)| Match {
            id: &record.id,
            score,
            values: if query.include_values { &record.values } else { &[] },
            sparse_values: record.sparse.as_ref().filter(|_| query.include_values),
            metadata: Some(&record.metadata).filter(|metadata| query.include_metadata && !metadata.is_empty()),
        })
        .collect();
    let rows = matches.len();
    let answer = Answer::json(200, &Found { matches, namespace, usage: USAGE }).rows(rows).header(LSN, indexed);
    if answer.body.len() > RESULT_BYTES {
        return Err(Refusal::new(
            Code::OutOfRange,
            format!("The query's result is {} bytes, the limit is {RESULT_BYTES} bytes", answer.body.len()),
        ));
    }
    Ok(answer)
}

/// Checks what is sought: a vector, or a record's id, and of the kind that the index holds.
fn check_sought(shape: Shape, vector: &[f32], sparse: Option<&Sparse>, id: Option<&str>) -> Outcome<()> {
    let by_vector = !vector.is_empty() || sparse.is_some();
    match (by_vector, id) {
        (true, Some(_)) => return Err(Refusal::invalid("Only one of id and vector can be given")),
        (false, None) => return Err(Refusal::invalid("Either id or vector must be given")),
        (false, Some(id)) => return limits::id(id),
        (true, None) => {}
    }
    match shape {
        Shape::Dense { dimension, .. } => {
            if sparse.is_some() && !takes_sparse(shape) {
                return Err(no_sparse());
            }
            dense_fits(dimension, vector)
        }
        Shape::Sparse if !vector.is_empty() => {
            Err(Refusal::invalid("Index configuration does not support dense values - the index is sparse"))
        }
        Shape::Sparse => Ok(()),
    }
}

fn takes_sparse(shape: Shape) -> bool {
    shape.metric() == Metric::Dot
}

fn no_sparse() -> Refusal {
    Refusal::invalid(
        "Index configuration does not support sparse values - only indexes that are sparse or using dotproduct are \
         supported",
    )
}

/// The similarity of a record; none where it has no part that was sought.
fn score(metric: Metric, values: &[f32], sparse: Option<&Sparse>, record: &Record) -> Option<f32> {
    let pairs = || values.iter().zip(&record.values).map(|(a, b)| (f64::from(*a), f64::from(*b)));
    let sum = match metric {
        Metric::Euclidean => pairs().map(|(a, b)| (a - b) * (a - b)).sum(),
        Metric::Dot => {
            let parts = sparse.zip(record.sparse.as_ref()).map(|(a, b)| sparse_dot(a, b));
            if values.is_empty() && parts == Some(0.0) {
                return None;
            }
            let dense: f64 = pairs().map(|(a, b)| a * b).sum();
            dense + parts.unwrap_or(0.0)
        }
        Metric::Cosine => {
            let (dot, a, b) =
                pairs().fold((0.0, 0.0, 0.0), |(dot, aa, bb), (a, b)| (dot + a * b, aa + a * a, bb + b * b));
            let length = f64::sqrt(a * b);
            if length == 0.0 { 0.0 } else { dot / length }
        }
    };
    Some(sum as f32)
}

/// Both have ascending indices.
fn sparse_dot(a: &Sparse, b: &Sparse) -> f64 {
    let (mut left, mut right) =
        (a.indices.iter().zip(&a.values).peekable(), b.indices.iter().zip(&b.values).peekable());
    let mut sum = 0.0;
    while let (Some((i, x)), Some((j, y))) = (left.peek(), right.peek()) {
        match i.cmp(j) {
            Ordering::Less => drop(left.next()),
            Ordering::Greater => drop(right.next()),
            Ordering::Equal => {
                sum += f64::from(**x) * f64::from(**y);
                left.next();
                right.next();
            }
        }
    }
    sum
}
