/*! The source side of the engine: what a runtime (WebAssembly, native) offers over a plugin. */

use vecferry_contract::{Claim, Collection, Page, Result, Split};

/// One source plugin over one granted store, with its settings already bound.
///
/// # Contract
/// - **Threads.** A source is `Send` but not shared: one thread at a time. The engine calls it from a thread
///   where blocking is allowed; every call may take as long as the runtime's deadline.
/// - **Order.** `detect` may be called on an instance that saw no settings; `discover`, `plan`, `open` may be
///   called any number of times, in any order. A scan is used up before the next is opened on one instance.
/// - **Cursors.** The cursor of a page points *after* its rows. Opening the same split after it yields exactly
///   the records that would have followed: none twice, none left out. Cursors are opaque and stay valid as
///   long as the collection's fingerprint does.
/// - **Splits** of a collection are disjoint and together complete; the same for the same input.
/// - **Errors.** `corrupt`, `unsupported`, `config`, `not-found`, `denied`, `internal` end the run: nothing more
///   is read. `transient` and `throttled` are retried by opening anew after the last committed cursor. After a
///   trap (`internal`) the runtime answers the next call with a fresh instance.
pub trait Source: Send {
    /// The stores it recognises among the granted files.
    ///
    /// # Errors
    /// See the contract.
    fn detect(&mut self) -> Result<Vec<Claim>>;
    /// The store's collections.
    ///
    /// # Errors
    /// See the contract.
    fn discover(&mut self) -> Result<Vec<Collection>>;
    /// A collection's parts, about `desired` of them.
    ///
    /// # Errors
    /// See the contract.
    fn plan(&mut self, collection: &str, desired: u32) -> Result<Vec<Split>>;
    /// Scans a part from its start, or from after a cursor.
    ///
    /// # Errors
    /// See the contract.
    fn open<'a>(&'a mut self, split: &Split, after: Option<&[u8]>) -> Result<Box<dyn Scan + 'a>>;
}

/// A running scan over one split.
pub trait Scan {
    /// The next page: at least one row (or unreadable record), at most `max_rows`, about `max_bytes`.
    /// `None` at the end.
    ///
    /// # Errors
    /// See [`Source`]. After an error the scan is over.
    fn next(&mut self, max_rows: u32, max_bytes: u64) -> Result<Option<Page>>;
}
