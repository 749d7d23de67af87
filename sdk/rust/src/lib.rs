/*!
Write a vecferry plugin: implement [`SourcePlugin`] or [`SinkPlugin`], name it in [`export!`], and build
the crate as a WebAssembly component (`--target wasm32-unknown-unknown`) or as a native library. The
code is the same.

A plugin has no power of its own. What it may do it does through [`Host`]: read the files of the store
that the user granted, query a SQLite file, send a request, write a destination file, log. A capability
that was not granted answers with an error of kind `denied`.

In a WebAssembly guest there are no threads, no clock, no file system and no unwinding: a panic ends the
instance. Return errors instead.
*/

mod export;
mod host;
mod kept;
mod metadata;
#[cfg(not(target_arch = "wasm32"))]
#[doc(hidden)]
pub mod native;
mod nearest;
mod reader;
mod sink;
mod source;
#[cfg(all(feature = "testing", not(target_arch = "wasm32")))]
pub mod testing;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod wasm;

pub use host::{Database, File, Host, HostPowers, Output, Rows};
pub use metadata::metadata_object;
pub use nearest::{Nearest, score};
pub use reader::{Fingerprint, ReadAt, Reader};
pub use sink::{SinkPlugin, Writer};
pub use source::{Scan, SourcePlugin};
pub use vecferry_contract::{
    Alteration, Batch, Capability, Change, Claim, Collection, Dense, Entry, Error, ErrorKind, Hit, IdOrigin, IdPage,
    Level, Limits, Method, Metric, Page, PluginSpec, PrepareMode, Receipt, Rejection, Request, Response, Result,
    Sparse, Split, Target, Unreadable, Value,
};

/// The settings of a run as a JSON object: `--set key=value`, and for sinks `location`.
pub type Config = serde_json::Value;
