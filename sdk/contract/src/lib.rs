/*!
The contract's types: what host and plugins say to each other.

The same records stand in `wit/0.1.0/plugin.wit` for WebAssembly; here they are plain Rust, shared by
the host (`host/`) and the SDK (`sdk/rust`), and serialised across the native border (see [`abi`]).

Invariants: no behaviour beyond construction and checks; no I/O; no dependency on a runtime.
*/

pub mod abi;
mod batch;
mod bulk;
mod check;
mod error;
mod powers;
mod store;

pub use batch::{Batch, Dense, Page, Shape, Sparse, Unreadable};
pub use check::printable;
pub use error::{Error, ErrorKind, Result};
pub use powers::{Entry, Level, Method, Request, Response, Value};
pub use store::{
    Alteration, Capability, Change, Claim, Collection, Hit, IdOrigin, IdPage, Limits, Metric, PluginSpec, PrepareMode,
    Receipt, Rejection, Split, Target,
};
