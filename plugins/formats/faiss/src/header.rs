/*! What almost every index starts with: dimension, rows and metric. */

use vecferry_sdk::Metric;

/// Dimension, rows and metric of one index.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    /// Values per vector.
    pub(crate) dimension: usize,
    /// `ntotal`: vectors the index believes to hold.
    pub(crate) rows: u64,
    /// Whether it was trained; an index that was not holds nothing.
    pub(crate) trained: bool,
    /// `MetricType` as a number.
    pub(crate) metric: i32,
}

/// `faiss/MetricType.h`: numbers, and names without their prefix.
const METRICS: &[(i32, &str)] = &[
    (0, "INNER_PRODUCT"),
    (1, "L2"),
    (2, "L1"),
    (3, "Linf"),
    (4, "Lp"),
    (20, "Canberra"),
    (21, "BrayCurtis"),
    (22, "JensenShannon"),
    (23, "Jaccard"),
    (24, "NaNEuclidean"),
    (25, "GOWER"),
];

/// A metric's name in FAISS.
pub(crate) fn metric_name(metric: i32) -> Option<&'static str> {
    METRICS.iter().find(|(number, _)| *number == metric).map(|(_, name)| *name)
}

impl Header {
    /// The metric in the contract's words.
    pub(crate) fn contract_metric(&self) -> Metric {
        match self.metric {
            0 => Metric::Dot,
            1 => Metric::L2,
            _ => Metric::Unknown,
        }
    }
}
