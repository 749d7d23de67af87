/*! What a sink plugin implements. */

use crate::{Batch, Config, Dense, Error, Hit, Host, IdPage, Limits, PluginSpec, PrepareMode, Receipt, Result, Target};

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
    /// What `write` would answer, told without any power: for dry runs and plans. A sink that alters or refuses
    /// records by rules of its own says so here too.
    ///
    /// # Errors
    /// What `write` would fail with for the batch as a whole.
    fn rehearse(_config: &Config, _target: &Target, batch: &Batch) -> Result<Receipt> {
        Ok(Receipt { accepted: u32::try_from(batch.len()).unwrap_or(u32::MAX), ..Receipt::default() })
    }
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
    /// Returns once what this writer flushed is seen by every writer's `count`, `list`, `fetch` and `query`.
    ///
    /// # Errors
    /// `transient` or `throttled`, with the time to wait, while it is not; as `write`.
    fn settle(&mut self) -> Result<()> {
        Ok(())
    }
    /// Records in the target.
    ///
    /// # Errors
    /// As `write`.
    fn count(&mut self) -> Result<u64>;
    /// All ids of the target, about `max` at a time, in any order that does not change; `None` at the end.
    ///
    /// # Errors
    /// `unsupported` where the store cannot list; as `write`.
    fn list(&mut self, _after: Option<&[u8]>, _max: u32) -> Result<Option<IdPage>> {
        Err(Error::unsupported("sink/list", "this destination cannot list its ids"))
    }
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
