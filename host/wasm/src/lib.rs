/*!
Runs plugins that are WebAssembly components, behind the traits of `vecferry_core`.

A [`Runtime`] compiles components (once: compiled code is kept on disk) and hands out a [`WasmPlugin`] for each.
A plugin's source or sink runs in a store of its own, under a cap of memory and a deadline for every call; what it
may reach is what `vecferry_powers` allows it. One file here adapts each power: `files`, `sqlite`, `http`,
`sink_files`, `telemetry`.

Invariants: a component imports our interfaces and nothing else; a fault of a plugin (trap, panic, deadline, memory
cap, malformed answer) is an error of kind `internal` and never takes the host or another instance with it; no
policy of powers is decided here; no `unsafe`.
*/

mod bindings;
mod cache;
mod contract;
mod convert;
mod faults;
mod files;
mod http;
mod limits;
mod plugin;
mod runtime;
mod session;
mod sink;
mod sink_files;
mod source;
mod sqlite;
mod state;
mod telemetry;
mod ticker;

pub use plugin::WasmPlugin;
pub use runtime::{Options, Runtime};
