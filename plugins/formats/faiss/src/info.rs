/*! What an index says about itself. */

use vecferry_sdk::Metric;

/// Whether the vectors are those that were added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fidelity {
    /// Bit for bit, or to the last digits of a rotation.
    Exact,
    /// Approximations, and why: "scalar quantizer, 8 bits a value".
    Lossy(String),
}

impl Fidelity {
    /// Whether the vectors are approximations.
    pub fn is_lossy(&self) -> bool {
        matches!(self, Fidelity::Lossy(_))
    }
}

/// What an index says about itself.
#[derive(Clone, Debug)]
pub struct Info {
    /// The file's first four characters: `IxF2`.
    pub fourcc: String,
    /// The C++ library's class: `IndexFlatL2`.
    pub class: String,
    /// Values per vector.
    pub dimension: u32,
    /// Records that a scan yields.
    pub rows: u64,
    /// How it compares vectors.
    pub metric: Metric,
    /// The same in FAISS's own words: `L2`, `Canberra`.
    pub metric_name: String,
    /// Whether the vectors are those that were added.
    pub fidelity: Fidelity,
    /// Whether the index keeps ids; otherwise a record's id is its position.
    pub own_ids: bool,
    /// For people: what it is made of.
    pub details: Vec<(String, String)>,
}
