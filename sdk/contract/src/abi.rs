/*!
The native border: how host and plugin call each other when the plugin is a dynamic library.

A plugin library exports one function, [`ENTRY`], of type [`Entry`]. It returns a [`PluginTable`] that lives as long as
the process: libraries are never unloaded. The host hands its powers over as a [`HostTable`] with a context number.

# Rules
- **Tables** start with their size in bytes and only ever grow at the end: a reader takes what both sides know, and
  a function beyond the other's size does not exist there. What cannot be said that way raises [`ABI_VERSION`].
- **Data** crosses as [postcard](https://postcard.jamesmunns.com/wire-format) messages: the types of this crate, and the
  argument types below. [`Bytes`] are the caller's and valid during the call; a [`Buffer`] belongs to the receiver,
  who gives it back to its own `free`.
- **Answers.** A function returns [`OK`], [`FAILED`] or [`PANICKED`], and fills `out` accordingly. `out` points to an
  empty buffer when the call is made.
- **Panics** never cross; each side catches its own. Hence both are built with `panic = "unwind"`.
- **Threads.** Any thread may call, several at a time; what one `open` returned is used, one call at a time, on the
  thread that opened it. Powers are called on the thread, and during the call, for which they were handed over.
- **Contexts.** A context number that is no longer valid makes every power answer with an error; it is never reused.

Invariant: this module holds declarations only. The code that follows pointers is in `host/native` and in the SDK's
native half.
*/

use std::borrow::Cow;
use std::ffi::c_void;

use serde::{Deserialize, Serialize};

use crate::{Batch, Dense, PrepareMode, Split, Target, Value};

/// Raised when the two sides could misunderstand each other.
pub const ABI_VERSION: u32 = 1;

/// The name of the exported function.
pub const ENTRY: &str = "vecferry_plugin_entry";

/// The exported function. Its result is valid for ever.
pub type Entry = unsafe extern "C" fn() -> *const PluginTable;

/// The call worked; `out` holds its result as a message.
pub const OK: u32 = 0;
/// The call failed; `out` holds a [`crate::Error`] as a message.
pub const FAILED: u32 = 1;
/// The called side panicked; `out` holds the panic's message as UTF-8.
pub const PANICKED: u32 = 2;

/// Bytes lent for the length of a call. `data` may be null when `len` is 0.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Bytes {
    /// The first one.
    pub data: *const u8,
    /// How many.
    pub len: usize,
}

/// Bytes handed over. `data` may be null when `len` is 0.
#[repr(C)]
pub struct Buffer {
    /// The first one.
    pub data: *mut u8,
    /// How many.
    pub len: usize,
    /// For `free`.
    pub capacity: usize,
    /// Called once, with the three fields above, when the receiver is done; absent for an empty buffer.
    pub free: Option<unsafe extern "C" fn(*mut u8, usize, usize)>,
}

impl Buffer {
    /// What `out` points to when a call is made.
    pub const EMPTY: Buffer = Buffer { data: std::ptr::null_mut(), len: 0, capacity: 0, free: None };
}

/// A function of a plugin without an object: host, arguments, out.
pub type PluginFn = unsafe extern "C" fn(HostHandle, Bytes, *mut Buffer) -> u32;
/// One that makes an object: host, arguments, object, out. `out` holds nothing when it worked.
pub type OpenFn = unsafe extern "C" fn(HostHandle, Bytes, *mut *mut c_void, *mut Buffer) -> u32;
/// One of an object: object, arguments, out.
pub type ObjectFn = unsafe extern "C" fn(*mut c_void, Bytes, *mut Buffer) -> u32;

/// What a plugin library offers.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct PluginTable {
    /// Bytes of this table.
    pub struct_size: usize,
    /// [`ABI_VERSION`] of the plugin. Stands here in every version.
    pub abi_version: u32,
    /// Null when it is no source.
    pub source: *const SourceTable,
    /// Null when it is no sink.
    pub sink: *const SinkTable,
}

/// A source's functions; their arguments and results are named behind them.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct SourceTable {
    /// Bytes of this table.
    pub struct_size: usize,
    /// `()` → [`crate::PluginSpec`]
    pub spec: Option<PluginFn>,
    /// `()` → `Vec<`[`crate::Claim`]`>`
    pub detect: Option<PluginFn>,
    /// [`Settings`] → `Vec<`[`crate::Collection`]`>`
    pub discover: Option<PluginFn>,
    /// [`Plan`] → `Vec<`[`crate::Split`]`>`
    pub plan: Option<PluginFn>,
    /// [`OpenScan`] → a scan
    pub open: Option<OpenFn>,
    /// Scan, [`Next`] → `Option<`[`crate::Page`]`>`
    pub scan_next: Option<ObjectFn>,
    /// Scan, `()` → `()`; the scan is gone afterwards, whatever is returned
    pub scan_close: Option<ObjectFn>,
}

/// A sink's functions; their arguments and results are named behind them.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct SinkTable {
    /// Bytes of this table.
    pub struct_size: usize,
    /// `()` → [`crate::PluginSpec`]
    pub spec: Option<PluginFn>,
    /// [`Settings`] → `()`
    pub check: Option<PluginFn>,
    /// [`Prepare`] → [`crate::Limits`]
    pub prepare: Option<PluginFn>,
    /// [`OpenWriter`] → a writer
    pub open: Option<OpenFn>,
    /// [`Settings`] → `()`
    pub finish: Option<PluginFn>,
    /// Writer, [`crate::Batch`] → [`crate::Receipt`]
    pub writer_write: Option<ObjectFn>,
    /// Writer, `()` → `()`
    pub writer_flush: Option<ObjectFn>,
    /// Writer, `()` → `u64`
    pub writer_count: Option<ObjectFn>,
    /// Writer, `Vec<String>` → [`crate::Batch`]
    pub writer_fetch: Option<ObjectFn>,
    /// Writer, [`Query`] → `Vec<Vec<`[`crate::Hit`]`>>`
    pub writer_query: Option<ObjectFn>,
    /// Writer, `()` → `()`; the writer is gone afterwards, whatever is returned
    pub writer_close: Option<ObjectFn>,
    /// [`Rehearse`] → [`crate::Receipt`]
    pub rehearse: Option<PluginFn>,
    /// Writer, `()` → `()`
    pub writer_settle: Option<ObjectFn>,
    /// Writer, [`List`] → `Option<`[`crate::IdPage`]`>`
    pub writer_list: Option<ObjectFn>,
}

/// The powers as they are handed to a plugin's function.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct HostHandle {
    /// Valid for ever.
    pub table: *const HostTable,
    /// Whose powers; goes into every call.
    pub context: u64,
}

/// A power: context, handle (0 where none is meant), arguments, out.
pub type PowerFn = unsafe extern "C" fn(u64, u64, Bytes, *mut Buffer) -> u32;
/// A ranged read into the plugin's own memory: context, handle, offset, destination, its length, bytes read, out.
/// `out` holds nothing when it worked.
pub type ReadFn = unsafe extern "C" fn(u64, u64, u64, *mut u8, usize, *mut usize, *mut Buffer) -> u32;

/// The host's powers. Handles are numbers, given by `file_open`, `sqlite_open`, `sqlite_query` and the functions that open
/// outputs, and given back through `close`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct HostTable {
    /// Bytes of this table.
    pub struct_size: usize,
    /// `()` → `Vec<`[`crate::Entry`]`>`
    pub list_files: Option<PowerFn>,
    /// `&str` → [`Opened`]
    pub file_open: Option<PowerFn>,
    /// Of a file.
    pub file_read: Option<ReadFn>,
    /// `&str` → `u64`: a database
    pub sqlite_open: Option<PowerFn>,
    /// Database, [`Statement`] → [`Cursor`]
    pub sqlite_query: Option<PowerFn>,
    /// Cursor, `u32` → `Vec<Vec<`[`crate::Value`]`>>`
    pub sqlite_next: Option<PowerFn>,
    /// [`crate::Request`] → [`crate::Response`]
    pub http_send: Option<PowerFn>,
    /// `&str` → `u64`: an output
    pub output_create: Option<PowerFn>,
    /// Output, the bytes as they are → `()`
    pub output_write: Option<PowerFn>,
    /// Output, `()` → `u64`
    pub output_sync: Option<PowerFn>,
    /// Of an output.
    pub output_read: Option<ReadFn>,
    /// Output, `()` → `()`
    pub output_commit: Option<PowerFn>,
    /// Any handle, `()` → `()`
    pub close: Option<PowerFn>,
    /// [`crate::Level`] → `bool`
    pub log_enabled: Option<PowerFn>,
    /// [`Line`] → `()`
    pub log: Option<PowerFn>,
    /// `()` → `bool`
    pub cancelled: Option<PowerFn>,
    /// `()` → `Vec<`[`crate::Entry`]`>`: of the destination
    pub output_list: Option<PowerFn>,
    /// `&str` → `Option<`[`Opened`]`>`: an output
    pub output_reopen: Option<PowerFn>,
    /// `&str` → [`Opened`]: an output that can only be read
    pub output_open: Option<PowerFn>,
    /// Output, `u64` → `()`
    pub output_truncate: Option<PowerFn>,
}

/// Arguments of `discover`, `check` and `finish`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Settings<'a> {
    /// A JSON object.
    pub config: &'a str,
}

/// Arguments of `plan`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Plan<'a> {
    /// A JSON object.
    pub config: &'a str,
    /// Its name.
    pub collection: &'a str,
    /// About how many splits.
    pub desired: u32,
}

/// Arguments of a source's `open`.
#[derive(Debug, Serialize, Deserialize)]
pub struct OpenScan<'a> {
    /// A JSON object.
    pub config: &'a str,
    /// What to scan.
    pub split: Cow<'a, Split>,
    /// The cursor to continue after.
    pub after: Option<&'a [u8]>,
}

/// Arguments of `scan_next`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Next {
    /// At most.
    pub max_rows: u32,
    /// About.
    pub max_bytes: u64,
}

/// Arguments of `prepare`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Prepare<'a> {
    /// A JSON object.
    pub config: &'a str,
    /// Where to write.
    pub target: Cow<'a, Target>,
    /// What may be there.
    pub mode: PrepareMode,
}

/// Arguments of a sink's `open`.
#[derive(Debug, Serialize, Deserialize)]
pub struct OpenWriter<'a> {
    /// A JSON object.
    pub config: &'a str,
    /// Where to write.
    pub target: Cow<'a, Target>,
}

/// Arguments of `rehearse`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Rehearse<'a> {
    /// A JSON object.
    pub config: &'a str,
    /// Where it would go.
    pub target: Cow<'a, Target>,
    /// What would be written.
    pub batch: Cow<'a, Batch>,
}

/// Arguments of `writer_list`.
#[derive(Debug, Serialize, Deserialize)]
pub struct List<'a> {
    /// The cursor of the page before.
    pub after: Option<&'a [u8]>,
    /// About how many ids.
    pub max: u32,
}

/// Arguments of `writer_query`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Query<'a> {
    /// One a row.
    pub vectors: Cow<'a, Dense>,
    /// Neighbours of each.
    pub k: u32,
}

/// The result of `file_open`, `output_reopen` and `output_open`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Opened {
    /// The file or output.
    pub handle: u64,
    /// Bytes.
    pub size: u64,
}

/// Arguments of `sqlite_query`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Statement<'a> {
    /// SQL.
    pub sql: &'a str,
    /// For `?1`, `?2`, …
    pub params: Cow<'a, [Value]>,
}

/// The result of `sqlite_query`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Cursor {
    /// The rows.
    pub handle: u64,
    /// Column names.
    pub columns: Vec<String>,
}

/// Arguments of `log`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Line<'a> {
    /// How loud.
    pub level: crate::Level,
    /// What happened.
    pub message: &'a str,
    /// Names and values.
    pub fields: Vec<(&'a str, Cow<'a, str>)>,
}
