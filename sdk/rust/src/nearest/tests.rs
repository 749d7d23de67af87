#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

fn naive(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    let pairs = || a.iter().zip(b).map(|(&x, &y)| (f64::from(x), f64::from(y)));
    let dot: f64 = pairs().map(|(x, y)| x * y).sum();
    let length = |v: &[f32]| v.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
    match metric {
        Metric::Dot => dot,
        Metric::L2 => -pairs().map(|(x, y)| (x - y).powi(2)).sum::<f64>().sqrt(),
        Metric::Cosine | Metric::Unknown => dot / (length(a) * length(b)),
    }
}

/// A repeatable stream of values in -0.5..0.5 (xorshift).
fn values(count: usize, mut state: u64) -> Vec<f32> {
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / 16_777_216.0 - 0.5
    };
    (0..count).map(|_| next()).collect()
}

#[test]
fn scores_agree_with_double_precision_at_every_length() {
    for metric in [Metric::Cosine, Metric::Dot, Metric::L2, Metric::Unknown] {
        for length in [1, 2, 7, 8, 9, 15, 16, 17, 384, 1000] {
            let (a, b) = (values(length, 11), values(length, 77));
            let (have, want) = (f64::from(score(metric, &a, &b)), naive(metric, &a, &b));
            assert!((have - want).abs() < 1e-4, "{metric:?}, {length} values: {have} for {want}");
        }
    }
}

#[test]
fn unequal_lengths_compare_over_the_shorter() {
    for (a, b) in [(3, 20), (20, 3), (9, 17), (16, 8)] {
        let (a, b) = (values(a, 5), values(b, 6));
        let want = naive(Metric::Dot, &a, &b);
        assert!((f64::from(score(Metric::Dot, &a, &b)) - want).abs() < 1e-6, "{} against {}", a.len(), b.len());
    }
}

#[test]
fn edges_of_the_score() {
    type Edge = (&'static str, Metric, &'static [f32], &'static [f32], f32);
    let cases: [Edge; 6] = [
        ("zero vector has no angle", Metric::Cosine, &[0.0, 0.0], &[1.0, 2.0], 0.0),
        ("the same direction is 1, not above", Metric::Cosine, &[0.1, 0.2, 0.3], &[0.1, 0.2, 0.3], 1.0),
        ("the same place", Metric::L2, &[1.0, 2.0], &[1.0, 2.0], 0.0),
        ("not a number is far", Metric::Dot, &[f32::NAN, 1.0], &[1.0, 1.0], f32::NEG_INFINITY),
        ("infinity against infinity is far", Metric::L2, &[f32::INFINITY], &[f32::INFINITY], f32::NEG_INFINITY),
        ("no values", Metric::Dot, &[], &[], 0.0),
    ];
    for (name, metric, a, b, want) in cases {
        let have = score(metric, a, b);
        assert!((have == want) || (have - want).abs() < 1e-6, "{name}: {have} for {want}");
    }
}

#[test]
fn keeps_the_k_best_of_each_query_in_order() {
    let rows = values(100 * 4, 3);
    for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
        let queries = Dense { absent: vec![1], ..Dense::new(4, values(3 * 4, 9)) };
        let mut nearest = Nearest::new(metric, &queries, 3, 5);
        for (row, vector) in rows.chunks(4).enumerate() {
            nearest.offer(vector, || row);
        }
        let found = nearest.finish();
        assert!(found[1].is_empty(), "an absent query finds nothing");
        for query in [0, 2] {
            let mut all: Vec<(usize, f64)> = rows
                .chunks(4)
                .enumerate()
                .map(|(row, v)| (row, naive(metric, queries.row(query).unwrap(), v)))
                .collect();
            all.sort_by(|a, b| b.1.total_cmp(&a.1));
            let want: Vec<usize> = all[..5].iter().map(|(row, _)| *row).collect();
            let have: Vec<usize> = found[query].iter().map(|(row, _)| *row).collect();
            assert_eq!(have, want, "{metric:?}, query {query}");
        }
    }
}

#[test]
fn ties_keep_the_order_in_which_rows_came() {
    let queries = Dense::new(1, vec![1.0]);
    for (k, want) in [(0, vec![]), (2, vec![0, 1]), (9, vec![0, 1, 2, 3])] {
        let mut nearest = Nearest::new(Metric::Dot, &queries, 1, k);
        for row in 0..4 {
            nearest.offer(&[1.0], || row);
        }
        let have: Vec<i32> = nearest.finish()[0].iter().map(|(row, _)| *row).collect();
        assert_eq!(have, want, "k = {k}");
    }
}
