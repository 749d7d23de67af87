/*! What a sink plugin implements. */

use crate::{Batch, Config, Dense, Hit, Host, Limits, PluginSpec, PrepareMode, Receipt, Result, Target};

/// Writes one kind of store. `config` holds `location`: what stood after the colon in `--to`.
///
/// # Contract
/// - `check` and `spec` write nothing.
/// - `prepare` stops with `config` when the target exists with another dimension or metric, before anything
///   is written; it says both.
/// - Every write is an upsert by id: the same batch twice leaves what one write leaves.
/// - `finish` is called once, after every writer was flushed and the run is complete.
pub trait SinkPlugin: 'static {
    /// What it is and what it asks for. Calls no power.
    fn spec() -> PluginSpec;
    /// Settings, credentials, reachability.
    ///
    /// # Errors
    /// `config`, `auth`, `not-found`, `transient`.
    fn check(host: &Host, config: &Config) -> Result<()>;
    /// Makes the target ready and says what one write may hold.
    ///
    /// # Errors
    /// `config` for a mismatch, `not-found` with [`PrepareMode::MustExist`].
    fn prepare(host: &Host, config: &Config, target: &Target, mode: PrepareMode) -> Result<Limits>;
    /// A writer to a prepared target.
    ///
    /// # Errors
    /// As `prepare`.
    fn open(host: &Host, config: &Config, target: &Target) -> Result<Box<dyn Writer>>;
    /// The run is complete: what only becomes visible at the end becomes visible.
    ///
    /// # Errors
    /// `transient` when it can be tried again.
    fn finish(_host: &Host, _config: &Config) -> Result<()> {
        Ok(())
    }
}

/// Writes to, and reads back from, one target.
pub trait Writer {
    /// Upserts by id. Each row is accepted or rejected in the receipt; an error concerns the whole batch,
    /// of which then nothing or anything may have been written.
    ///
    /// # Errors
    /// `throttled`, `transient`, `auth`, `internal`.
    fn write(&mut self, batch: &Batch) -> Result<Receipt>;
    /// When this returns, all accepted rows survive a crash.
    ///
    /// # Errors
    /// As `write`.
    fn flush(&mut self) -> Result<()>;
    /// Records in the target.
    ///
    /// # Errors
    /// As `write`.
    fn count(&mut self) -> Result<u64>;
    /// The records that exist, in any order; unknown ids are left out.
    ///
    /// # Errors
    /// As `write`.
    fn fetch(&mut self, ids: &[String]) -> Result<Batch>;
    /// The k nearest of each row of `vectors`, best first; greater scores are nearer.
    ///
    /// # Errors
    /// As `write`; `unsupported` where the target holds no vectors.
    fn query(&mut self, vectors: &Dense, k: u32) -> Result<Vec<Vec<Hit>>>;
}
