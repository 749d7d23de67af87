/*! The sink side of the engine: what a runtime (WebAssembly, native) offers over a plugin. */

use vecferry_contract::{Batch, Dense, Hit, IdPage, Limits, PrepareMode, Receipt, Result, Target};

/// One sink plugin with its location and settings already bound.
///
/// # Contract
/// - **Threads.** As `Source`. Where `Limits::max_concurrency` allows more than one writer, the engine makes
///   more instances, one a thread; with 1 it keeps one instance and writes in order.
/// - **Order.** `check` → `prepare` (once per target, before the first write anywhere) → `open` → writes and
///   `flush` → `settle` → reads → `finish` (once, when all is flushed).
/// - **Idempotence.** `write` upserts by id: the engine may write a batch again after any error or crash.
/// - **Receipts.** Each row is accepted or rejected. Rejected rows go to the dead letter; the rest goes on. An
///   error concerns the whole batch: `throttled` and `transient` are retried with back-off, `corrupt` and
///   `unsupported` make the engine bisect the batch down to the rows at fault, the other kinds end the run.
/// - **Durability.** A cursor is committed only after a `flush` that followed its rows.
pub trait Sink: Send {
    /// Settings, credentials, reachability. Writes nothing.
    ///
    /// # Errors
    /// See the contract.
    fn check(&mut self) -> Result<()>;
    /// Makes the target ready and says what one write may hold.
    ///
    /// # Errors
    /// `config` when the target exists with another dimension or metric; nothing was written then.
    fn prepare(&mut self, target: &Target, mode: PrepareMode) -> Result<Limits>;
    /// What `write` would answer, without any power of the host. `prepare` need not come first.
    ///
    /// # Errors
    /// What `write` would fail with for the batch as a whole.
    fn rehearse(&mut self, target: &Target, batch: Batch) -> Result<Receipt>;
    /// A writer to a prepared target.
    ///
    /// # Errors
    /// See the contract.
    fn open<'a>(&'a mut self, target: &Target) -> Result<Box<dyn Writer + 'a>>;
    /// The run is complete.
    ///
    /// # Errors
    /// See the contract.
    fn finish(&mut self) -> Result<()>;
}

/// Writes to, and reads back from, one target.
pub trait Writer {
    /// Upserts by id.
    ///
    /// # Errors
    /// See [`Sink`].
    fn write(&mut self, batch: Batch) -> Result<Receipt>;
    /// When this returns, all accepted rows survive a crash.
    ///
    /// # Errors
    /// See [`Sink`].
    fn flush(&mut self) -> Result<()>;
    /// Returns once what this writer flushed is seen by every writer's reads.
    ///
    /// # Errors
    /// `transient` or `throttled` while it is not; the engine asks again.
    fn settle(&mut self) -> Result<()>;
    /// All ids of the target, about `max` at a time; `None` at the end.
    ///
    /// # Errors
    /// `unsupported` where the destination cannot list. See [`Sink`].
    fn list(&mut self, after: Option<&[u8]>, max: u32) -> Result<Option<IdPage>>;
    /// Records in the target.
    ///
    /// # Errors
    /// See [`Sink`].
    fn count(&mut self) -> Result<u64>;
    /// The records that exist, in any order; unknown ids are left out.
    ///
    /// # Errors
    /// See [`Sink`].
    fn fetch(&mut self, ids: &[String]) -> Result<Batch>;
    /// The k nearest of each row, best first; greater scores are nearer.
    ///
    /// # Errors
    /// See [`Sink`].
    fn query(&mut self, vectors: Dense, k: u32) -> Result<Vec<Vec<Hit>>>;
}
