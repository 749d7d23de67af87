/*!
`sqlite`: read-only SQL over one granted file, whatever the file holds and whatever the plugin asks.

[`snapshot`] finds or makes a file that SQLite can open without changing a byte beside the source;
[`guard`] makes a connection that can only read, within limits. Here are the handles that borders keep.

A cursor borrows its statement, and that its connection, so the three live together on the stack of a thread
of their own, a *lane*: it answers over channels, and is free for the next query once its rows were used up or
dropped. Several cursors of one database are several lanes over the same unchanging file.
*/

mod guard;
mod lane;
mod snapshot;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use vecferry_contract::{Error, Result, Value};

use crate::files::Store;
use crate::slots::{Slot, Slots};
use lane::Lane;
use snapshot::Snapshot;

/// What one query may cost.
#[derive(Clone, Copy)]
struct Limits {
    /// Instructions of SQLite's machine that one call may take, in thousands. A full scan of ten million rows is
    /// some 100,000; what is here takes minutes.
    kilo_steps: u64,
    /// Bytes of one value.
    value_bytes: i32,
    /// Bytes of values that one answer carries, except that it always carries one row; twice as many for that row.
    answer_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { kilo_steps: 10_000_000, value_bytes: 256 << 20, answer_bytes: 16 << 20 }
    }
}

/// One granted SQLite file, read-only.
pub struct Database {
    shared: Arc<Shared>,
}

struct Shared {
    snapshot: Arc<Snapshot>,
    limits: Limits,
    cancelled: Arc<AtomicBool>,
    idle: Mutex<Vec<Lane>>,
    slots: Slots,
    _slot: Slot,
}

/// The rows of a query, fetched in steps.
pub struct Rows {
    columns: Vec<String>,
    /// None once the rows are used up.
    lane: Option<Lane>,
    shared: Arc<Shared>,
    _slot: Slot,
}

impl Database {
    pub(crate) fn open(store: &Store<'_>, name: &str, cancelled: Arc<AtomicBool>, slot: Slot) -> Result<Self> {
        Database::open_limited(store, name, cancelled, slot, Limits::default())
    }

    fn open_limited(
        store: &Store<'_>,
        name: &str,
        cancelled: Arc<AtomicBool>,
        slot: Slot,
        limits: Limits,
    ) -> Result<Self> {
        let snapshot = Arc::new(Snapshot::take(store, name)?);
        let slots = slot.slots();
        let shared = Shared { snapshot, limits, cancelled, idle: Mutex::default(), slots, _slot: slot };
        // The first lane reads the schema, so that a file that is no database is refused here.
        let lane = shared.start_lane()?;
        shared.release(lane);
        Ok(Database { shared: Arc::new(shared) })
    }

    /// Starts a query. Parameters bind to `?1`, `?2`, …
    ///
    /// # Errors
    /// `denied` for anything but reading; `corrupt` for a damaged file; `unsupported` for tables or columns that the
    /// file does not have, and past the step limit; `internal` for other faults of the statement; `transient` when
    /// the run was cancelled or the file changed since it was opened.
    pub fn query(&self, sql: &str, params: &[Value]) -> Result<Rows> {
        let slot = self.shared.slots.take("open queries")?;
        self.shared.snapshot.check_unchanged()?;
        let idle = self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut lane = match idle {
            Some(lane) => lane,
            None => self.shared.start_lane()?,
        };
        match lane.query(sql, params) {
            Ok(columns) => Ok(Rows { columns, lane: Some(lane), shared: Arc::clone(&self.shared), _slot: slot }),
            Err(error) => {
                self.shared.release(lane);
                Err(error)
            }
        }
    }
}

impl Rows {
    /// Column names.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Up to `max` rows, fewer when they are large; empty at the end, and after an error.
    ///
    /// # Errors
    /// As [`Database::query`].
    pub fn next(&mut self, max: u32) -> Result<Vec<Vec<Value>>> {
        let Some(lane) = &mut self.lane else { return Ok(Vec::new()) };
        let answer = lane.next(max.max(1));
        if let Ok((_, false)) = answer {
            return answer.map(|(rows, _)| rows);
        }
        if let Some(lane) = self.lane.take() {
            self.shared.release(lane);
        }
        let (rows, _) = answer?;
        self.shared.snapshot.check_unchanged()?;
        Ok(rows)
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        if let Some(mut lane) = self.lane.take() {
            lane.close();
            self.shared.release(lane);
        }
    }
}

impl Shared {
    fn start_lane(&self) -> Result<Lane> {
        Lane::start(Arc::clone(&self.snapshot), self.limits, Arc::clone(&self.cancelled))
    }

    fn release(&self, lane: Lane) {
        if lane.is_alive() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(lane);
        }
    }
}

/// A fault of SQLite in the contract's words. `name` is the file as the plugin calls it.
fn fault(name: &str, error: &rusqlite::Error) -> Error {
    use rusqlite::Error as Sqlite;
    use rusqlite::ErrorCode;
    let message = format!("{name}: {error}");
    let missing = |text: &str| text.starts_with("no such table") || text.starts_with("no such column");
    match error {
        Sqlite::SqlInputError { msg, .. } if missing(msg) => {
            Error::unsupported("sqlite/schema", format!("{name}: {msg}"))
        }
        Sqlite::SqliteFailure(_, Some(msg)) if missing(msg) => {
            Error::unsupported("sqlite/schema", format!("{name}: {msg}"))
        }
        _ => match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => {
                Error::corrupt("sqlite/not-a-database", format!("{name} is no SQLite database"))
                    .hint("it may be encrypted, cut short, or another kind of file under that name")
            }
            Some(ErrorCode::DatabaseCorrupt) => Error::corrupt("sqlite/corrupt", message)
                .hint("the sqlite3 tool can often rescue what is left: sqlite3 FILE .recover"),
            Some(ErrorCode::TooBig) => Error::unsupported("sqlite/too-big", message),
            Some(ErrorCode::AuthorizationForStatementDenied | ErrorCode::ReadOnly) => {
                Error::denied("sqlite/denied", message).hint("plugins may only read a source: SELECT, and nothing else")
            }
            Some(ErrorCode::DiskFull) => Error::transient("sqlite/disk-full", message)
                .hint("free some space in the folder for temporary files (TMPDIR), or name another"),
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::DatabaseBusy) => {
                Error::transient("sqlite/io", message)
            }
            _ => Error::internal("sqlite/sql", message),
        },
    }
    .at("file", name)
}

#[cfg(test)]
mod tests;
