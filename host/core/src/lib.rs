/*!
Domain types, the [`Source`], [`Sink`] and [`Embedder`] traits with their contracts, and the migration
engine.

Invariants: nothing here knows wasmtime, a dynamic library, a terminal, an environment variable or a
configuration file. Runtimes implement the traits; the command line renders what the engine reports.
*/

pub mod catalog;
mod embedder;
pub mod engine;
pub mod ids;
mod plugin;
pub mod report;
mod seen;
mod sink;
mod source;

pub use embedder::Embedder;
pub use plugin::{Grants, Plugin, SinkGrant, SourceGrant};
pub use sink::{Sink, Writer};
pub use source::{Scan, Source};
pub use vecferry_contract::{
    Alteration, Batch, Capability, Change, Claim, Collection, Dense, Error, ErrorKind, Hit, IdOrigin, IdPage, Limits,
    Metric, Page, PluginSpec, PrepareMode, Receipt, Rejection, Result, Sparse, Split, Target, Unreadable,
};
