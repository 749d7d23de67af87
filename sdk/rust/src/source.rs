/*! What a source plugin implements. */

use crate::{Claim, Collection, Config, Host, Page, PluginSpec, Result, Split};

/// Reads one kind of store.
///
/// # Contract
/// - `detect` looks at names and first bytes only, and claims every file that belongs to a store: after
///   detection only these are granted.
/// - `discover` reads no records where the store can tell without; it never guesses: what is not known
///   is `None`.
/// - `plan` is deterministic. Its splits are disjoint and together complete.
/// - `open` with a cursor continues exactly after the page that carried it: no record twice, none left out.
/// - The same input gives the same records in the same order.
/// - Damaged input gives an error of kind `corrupt` with `file` and `offset` (or `id`). Never a panic, a
///   loop without end, or memory out of proportion to the input.
pub trait SourcePlugin: 'static {
    /// What it is and what it asks for. Calls no power.
    fn spec() -> PluginSpec;
    /// The stores it recognises among the listed files.
    ///
    /// # Errors
    /// Only when a file cannot be read; not recognising anything is an empty answer.
    fn detect(host: &Host) -> Result<Vec<Claim>>;
    /// The collections of the granted store.
    ///
    /// # Errors
    /// `corrupt`, `unsupported`, each naming file and offset.
    fn discover(host: &Host, config: &Config) -> Result<Vec<Collection>>;
    /// The parts of one collection, about `desired` of them (at least one; one is always allowed).
    ///
    /// # Errors
    /// As `discover`; `not-found` for an unknown collection.
    fn plan(host: &Host, config: &Config, collection: &str, desired: u32) -> Result<Vec<Split>>;
    /// Scans one part, from its start or from after a cursor.
    ///
    /// # Errors
    /// As `discover`; `config` for a cursor or split that this version does not understand.
    fn open(host: &Host, config: &Config, split: &Split, after: Option<&[u8]>) -> Result<Box<dyn Scan>>;
}

/// A running scan.
pub trait Scan {
    /// The next page: at most `max_rows` rows (at least 1), and about `max_bytes` bytes, but always at least
    /// one row, so that a record larger than the limit passes. `None` at the end.
    ///
    /// # Errors
    /// `corrupt` with file and offset or id. After an error the scan is over.
    fn next(&mut self, max_rows: u32, max_bytes: u64) -> Result<Option<Page>>;
}
