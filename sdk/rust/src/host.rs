/*! The host's powers, as a plugin sees them: one handle, the same in WebAssembly, native and tests. */

use std::rc::Rc;

use vecferry_contract::{Entry, Level, Request, Response, Value};

use crate::kept::Kept;
use crate::{ReadAt, Result};

/// The handle through which a plugin does everything that reaches outside its own memory.
/// Cheap to clone.
#[derive(Clone)]
pub struct Host {
    powers: Rc<dyn HostPowers>,
    kept: Kept,
}

/// A file of the granted store, open for ranged reads. Cheap to clone.
pub type File = Rc<dyn ReadAt>;

/// One granted SQLite file, read-only.
pub trait Database {
    /// Starts a query. Parameters bind to `?1`, `?2`, …
    ///
    /// # Errors
    /// `corrupt` for a damaged file, `denied` for anything but reading, `unsupported` past the step limit.
    fn query(&self, sql: &str, params: &[Value]) -> Result<Box<dyn Rows>>;
}

/// The rows of a query, fetched in steps.
pub trait Rows {
    /// Column names.
    fn columns(&self) -> Vec<String>;
    /// Up to `max` rows; empty at the end.
    ///
    /// # Errors
    /// As [`Database::query`].
    fn next(&mut self, max: u32) -> Result<Vec<Vec<Value>>>;
}

/// A destination file being written, which appears under its name at [`Output::commit`]; or one that stands under its
/// name already and can be read.
pub trait Output {
    /// Appends.
    ///
    /// # Errors
    /// `transient` when the disk is full or fails.
    fn write(&mut self, bytes: &[u8]) -> Result<()>;
    /// Bytes written so far.
    fn size(&self) -> u64;
    /// Takes back what was written after the first `size` bytes.
    ///
    /// # Errors
    /// As [`Output::write`].
    fn truncate(&mut self, size: u64) -> Result<()>;
    /// Brings what was written to the disk; bytes written so far.
    ///
    /// # Errors
    /// As [`Output::write`].
    fn sync(&mut self) -> Result<u64>;
    /// Up to `len` bytes of what was written.
    ///
    /// # Errors
    /// `transient` when the disk fails.
    fn read_at(&self, offset: u64, len: u32) -> Result<Vec<u8>>;
    /// Puts the file under its name, whole.
    ///
    /// # Errors
    /// As [`Output::write`].
    fn commit(&mut self) -> Result<()>;
}

/// The capabilities behind [`Host`]; plugin authors call `Host`, which has the same methods.
pub trait HostPowers {
    /// The files of the granted store, sorted by name.
    ///
    /// # Errors
    /// `denied` without the capability.
    fn list_files(&self) -> Result<Vec<Entry>>;
    /// Opens one of them.
    ///
    /// # Errors
    /// `not-found`, `denied`.
    fn open_file(&self, name: &str) -> Result<File>;
    /// Opens a granted SQLite file, read-only.
    ///
    /// # Errors
    /// `not-found`, `denied`, `corrupt`.
    fn open_sqlite(&self, name: &str) -> Result<Box<dyn Database>>;
    /// Sends a request. Any status is a success here.
    ///
    /// # Errors
    /// `denied` for a host that is not on the list, `transient` for connection faults and time-outs.
    fn send(&self, request: Request) -> Result<Response>;
    /// Starts a destination file anew.
    ///
    /// # Errors
    /// `denied`, `transient`.
    fn create_output(&self, name: &str) -> Result<Box<dyn Output>>;
    /// The unfinished file of this name that an interrupted run left. What was written after its last
    /// [`Output::sync`] may be missing or torn.
    ///
    /// # Errors
    /// `denied`, `transient`; `config` while another process writes it.
    fn reopen_output(&self, name: &str) -> Result<Option<Box<dyn Output>>>;
    /// A file of the destination that stands under its name, to be read.
    ///
    /// # Errors
    /// `not-found`, `denied`, `transient`.
    fn open_output(&self, name: &str) -> Result<Box<dyn Output>>;
    /// The files of the destination that stand under their names, sorted.
    ///
    /// # Errors
    /// `denied`, `transient`.
    fn list_outputs(&self) -> Result<Vec<Entry>>;
    /// Whether a log line of this level would be shown.
    fn log_enabled(&self, level: Level) -> bool;
    /// Logs.
    fn log(&self, level: Level, message: &str, fields: &[(&str, String)]);
    /// True once the user asked to stop: return soon, with an error of kind `transient`.
    fn cancelled(&self) -> bool;
}

impl Host {
    /// Wraps a set of powers.
    pub fn new(powers: Rc<dyn HostPowers>) -> Self {
        Host { powers, kept: Kept::default() }
    }

    /// Wraps a set of powers, with what the instance kept.
    #[cfg(target_arch = "wasm32")]
    pub(crate) fn with_kept(powers: Rc<dyn HostPowers>, kept: Kept) -> Self {
        Host { powers, kept }
    }

    pub(crate) fn kept(&self) -> &Kept {
        &self.kept
    }

    /// Logs at [`Level::Warn`], without fields.
    pub fn warn(&self, message: &str) {
        self.powers.log(Level::Warn, message, &[]);
    }

    /// Logs at [`Level::Info`], without fields.
    pub fn info(&self, message: &str) {
        self.powers.log(Level::Info, message, &[]);
    }
}

impl std::ops::Deref for Host {
    type Target = dyn HostPowers;
    fn deref(&self) -> &Self::Target {
        &*self.powers
    }
}
