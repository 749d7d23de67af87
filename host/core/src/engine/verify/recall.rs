/*!
Recall: how many of the exact nearest neighbours a destination's own search finds.

Some vectors are taken as queries. Their exact neighbours are found by looking at every vector; the destination is
asked for the same. A hit counts when it is as near as the last exact neighbour, so that ties are no losses.
*/

use vecferry_contract::{Batch, Dense, ErrorKind, Hit, Metric, Result};

/// Neighbours that are asked for.
pub(super) const K: u32 = 10;
/// Queries of one target.
const QUERIES: usize = 16;
/// Neighbours that are kept, for ties.
const KEPT: usize = 4 * K as usize;
/// Beyond this many vectors the exact search is not worth its time.
pub(super) const MAX_VECTORS: u64 = 200_000;

/// The queries of one target with their exact neighbours so far.
pub(super) struct Exact {
    metric: Metric,
    width: usize,
    queries: Vec<Query>,
    seen: u64,
}

struct Query {
    vector: Vec<f32>,
    /// Scores and ids, best first.
    nearest: Vec<(f64, String)>,
}

impl Exact {
    /// `None` where the target's metric or dimension is not known.
    pub(super) fn new(metric: Metric, dimension: Option<u32>) -> Option<Exact> {
        let width = dimension? as usize;
        (metric != Metric::Unknown).then(|| Exact { metric, width, queries: Vec::new(), seen: 0 })
    }

    /// Takes the batch's first vectors as queries.
    pub(super) fn ask(&mut self, batch: &Batch) {
        let Some(dense) = batch.vectors() else { return };
        for vector in (0..batch.len()).filter_map(|row| dense.row(row)) {
            if self.queries.len() >= QUERIES {
                return;
            }
            if vector.len() == self.width && vector.iter().any(|value| *value != 0.0) {
                self.queries.push(Query { vector: vector.to_vec(), nearest: Vec::new() });
            }
        }
    }

    /// Looks at the vectors of the rows that are `wanted`.
    pub(super) fn offer(&mut self, batch: &Batch, wanted: impl Fn(usize) -> bool) {
        let Some(dense) = batch.vectors().filter(|_| self.seen <= MAX_VECTORS) else { return };
        for (row, id) in batch.ids.iter().enumerate().filter(|(row, _)| wanted(*row)) {
            let Some(vector) = dense.row(row).filter(|vector| vector.len() == self.width) else { continue };
            self.seen += 1;
            for query in &mut self.queries {
                query.offer(score(self.metric, &query.vector, vector), id);
            }
        }
    }

    /// The share of exact neighbours that the destination finds; `None` where it was not, or cannot be, measured.
    /// `ask` is given one query at a time, so that an answer that breaks off costs that one alone.
    pub(super) fn recall(&self, mut ask: impl FnMut(Dense) -> Result<Vec<Hit>>) -> Result<Option<f64>> {
        if self.queries.is_empty() || self.seen > MAX_VECTORS {
            return Ok(None);
        }
        let width = u32::try_from(self.width).unwrap_or(u32::MAX);
        let (mut found, mut wanted) = (0_u32, 0_u32);
        for query in &self.queries {
            let hits = match ask(Dense::new(width, query.vector.clone())) {
                Ok(hits) => hits,
                Err(error) if error.kind == ErrorKind::Unsupported => return Ok(None),
                Err(error) => return Err(error),
            };
            let count = query.nearest.len().min(K as usize);
            wanted += u32::try_from(count).unwrap_or(0);
            let near: Vec<&str> = query.as_near_as(count).collect();
            let right = hits.iter().take(count).filter(|hit| near.contains(&hit.id.as_str())).count();
            found += u32::try_from(right).unwrap_or(0);
        }
        Ok((wanted > 0).then(|| f64::from(found) / f64::from(wanted)))
    }
}

impl Query {
    fn offer(&mut self, score: f64, id: &str) {
        if score.is_nan() || (self.nearest.len() == KEPT && self.nearest.last().is_some_and(|(last, _)| score <= *last))
        {
            return;
        }
        let at = self.nearest.partition_point(|(kept, _)| *kept >= score);
        self.nearest.insert(at, (score, id.to_owned()));
        self.nearest.truncate(KEPT);
    }

    /// The ids that are as near as number `count`.
    fn as_near_as(&self, count: usize) -> impl Iterator<Item = &str> {
        let last =
            count.checked_sub(1).and_then(|last| self.nearest.get(last)).map_or(f64::INFINITY, |(score, _)| *score);
        let tie = last - 1e-5 * last.abs().max(1e-3);
        self.nearest.iter().take_while(move |(score, _)| *score >= tie).map(|(_, id)| id.as_str())
    }
}

/// Greater is nearer.
fn score(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| f64::from(a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>());
    match metric {
        Metric::Dot => dot(a, b),
        Metric::L2 => -f64::from(a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum::<f32>()),
        Metric::Cosine | Metric::Unknown => dot(a, b) / (dot(a, a) * dot(b, b)).sqrt(),
    }
}
