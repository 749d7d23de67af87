/*!
Exact nearest neighbours by a scan: for sinks whose store has no index of its own, and as the judge of
those that have one. Rows are offered one at a time, so memory follows `queries × k`, never the store.
*/

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use crate::{Dense, Metric};

/// How near two vectors are; greater is nearer. Cosine: the cosine, 0 where a vector is zero. Dot: the
/// inner product. L2: the Euclidean distance, negated. Unknown: as cosine. What is not
/// finite is infinitely far. Vectors of unequal length are compared over the shorter.
pub fn score(metric: Metric, a: &[f32], b: &[f32]) -> f32 {
    between(metric, (a, length(metric, a)), (b, length(metric, b)))
}

/// A vector's length, where the metric needs it.
fn length(metric: Metric, vector: &[f32]) -> f32 {
    match metric {
        Metric::Dot | Metric::L2 => 1.0,
        Metric::Cosine | Metric::Unknown => lanes(vector, vector, |x, y| x * y).sqrt(),
    }
}

/// [`score`] of two vectors whose lengths are known.
fn between(metric: Metric, (a, a_length): (&[f32], f32), (b, b_length): (&[f32], f32)) -> f32 {
    let score = match metric {
        Metric::Dot => lanes(a, b, |x, y| x * y),
        Metric::L2 => -lanes(a, b, |x, y| (x - y) * (x - y)).sqrt(),
        Metric::Cosine | Metric::Unknown if a_length == 0.0 || b_length == 0.0 => 0.0,
        Metric::Cosine | Metric::Unknown => (lanes(a, b, |x, y| x * y) / a_length / b_length).clamp(-1.0, 1.0),
    };
    if score.is_finite() { score } else { f32::NEG_INFINITY }
}

/// Sums over pairs in eight independent lanes, which the compiler turns into vector instructions.
fn lanes(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let (a_blocks, a_rest) = a.as_chunks::<8>();
    let (b_blocks, b_rest) = b.as_chunks::<8>();
    let mut sums = [0.0_f32; 8];
    for (x, y) in a_blocks.iter().zip(b_blocks) {
        for lane in 0..8 {
            sums[lane] += term(x[lane], y[lane]);
        }
    }
    // Where the lengths differ, the shorter one's rest stands against part of the other's block.
    let done = a_blocks.len().min(b_blocks.len()) * 8;
    let rest_a = if done == a_blocks.len() * 8 { a_rest } else { &a[done..] };
    let rest_b = if done == b_blocks.len() * 8 { b_rest } else { &b[done..] };
    sums.iter().sum::<f32>() + rest_a.iter().zip(rest_b).map(|(x, y)| term(*x, *y)).sum::<f32>()
}

/// The `k` nearest of each query among the rows offered so far. `T` says which row it was.
pub struct Nearest<'q, T> {
    metric: Metric,
    k: usize,
    queries: Vec<Query<'q, T>>,
    offered: u64,
}

struct Query<'q, T> {
    /// `None` where the row is absent.
    values: Option<&'q [f32]>,
    length: f32,
    best: BinaryHeap<Reverse<Ranked<T>>>,
}

struct Ranked<T> {
    score: f32,
    /// Among equals the row offered first is the nearer one, so that answers do not depend on chance.
    offered: u64,
    row: T,
}

impl<T> Ord for Ranked<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then(other.offered.cmp(&self.offered))
    }
}
impl<T> PartialOrd for Ranked<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> PartialEq for Ranked<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl<T> Eq for Ranked<T> {}

impl<'q, T> Nearest<'q, T> {
    /// For each of the `rows` rows of `queries`; those that are absent find nothing.
    pub fn new(metric: Metric, queries: &'q Dense, rows: usize, k: u32) -> Self {
        let query = |row| {
            let values = queries.row(row);
            let length = values.map_or(0.0, |values| length(metric, values));
            Query { values, length, best: BinaryHeap::new() }
        };
        Nearest { metric, k: k as usize, queries: (0..rows).map(query).collect(), offered: 0 }
    }

    /// Takes one stored vector into account; `row` is called only where it is among the nearest.
    pub fn offer(&mut self, vector: &[f32], row: impl Fn() -> T) {
        self.offered += 1;
        let vector = (vector, length(self.metric, vector));
        for Query { values, length, best } in &mut self.queries {
            let Some(values) = *values else { continue };
            let score = between(self.metric, (values, *length), vector);
            if best.len() >= self.k {
                match best.peek() {
                    Some(Reverse(last)) if score > last.score => drop(best.pop()),
                    _ => continue,
                }
            }
            best.push(Reverse(Ranked { score, offered: self.offered, row: row() }));
        }
    }

    /// Per query, the nearest first, each with its score.
    pub fn finish(self) -> Vec<Vec<(T, f32)>> {
        let ranked = |best: BinaryHeap<Reverse<Ranked<T>>>| {
            best.into_sorted_vec().into_iter().map(|Reverse(hit)| (hit.row, hit.score)).collect()
        };
        self.queries.into_iter().map(|query| ranked(query.best)).collect()
    }
}

#[cfg(test)]
mod tests;
