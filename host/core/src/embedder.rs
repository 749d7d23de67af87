/*! What turns documents into vectors. */

use vecferry_contract::{Dense, Result};

/// A model that is loaded and ready.
///
/// # Contract
/// - Deterministic: a text gives the same vector whatever stands beside it in the call, up to rounding.
/// - `dimension` is what the model really returns.
/// - Memory follows the call's texts, never the corpus; the engine calls with one batch at a time.
/// - An empty text is embedded as it is, never skipped: row r of the answer belongs to text r.
pub trait Embedder: Send + Sync {
    /// Who runs the model: `fastembed`.
    fn provider(&self) -> &str;
    /// The model's name: `all-MiniLM-L6-v2`.
    fn model(&self) -> &str;
    /// Values per vector.
    fn dimension(&self) -> u32;
    /// One vector per text.
    ///
    /// # Errors
    /// `throttled` and `transient` are retried; other kinds end the run.
    fn embed(&self, texts: &[&str]) -> Result<Dense>;
}
