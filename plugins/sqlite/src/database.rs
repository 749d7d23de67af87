/*!
Opening the sink's database: is the file ours, and how is it written?

A file is looked at before it is opened for writing, so that another program's database, or what is no database,
stays as it is to the byte: opening it for writing could roll back its journal or take in its log. The
look goes through SQLite (`immutable`, no locks) and not through a file handle of our own: closing one would drop
every POSIX lock that this process holds on the file, those of a writer at work included.
*/

use std::path::Path;
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, Value as Owned, ValueRef};
use rusqlite::{Connection, OpenFlags, ToSql};
use vecferry_sdk::{Config, Error, Result, Value};

use crate::fault::fault;
use crate::schema::{APPLICATION_ID, CREATE, Sql, check_version};

const BUSY_TIMEOUT_MS: u64 = 5_000;
/// Of the page cache, in KiB.
const CACHE_KIB: i64 = 16 * 1024;

/// Where, and how patiently.
#[derive(Clone, Debug)]
pub(crate) struct Location {
    pub(crate) path: String,
    busy_timeout: Duration,
}

/// What stands at a location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum There {
    Nothing,
    /// An empty file, as `touch` or an interrupted start leaves it.
    Empty,
    Ours,
}

impl Location {
    pub(crate) fn new(config: &Config) -> Result<Self> {
        let path = config.get("location").and_then(Config::as_str).unwrap_or_default();
        if path.is_empty() || path.ends_with('/') {
            return Err(Error::config("sqlite/location", format!("'{path}' names no file"))
                .hint("name the database file, as in --to sqlite:demo.db"));
        }
        let busy_timeout = match config.get("busy-timeout-ms") {
            None => BUSY_TIMEOUT_MS,
            Some(value) => value.as_u64().filter(|ms| *ms <= i32::MAX as u64).ok_or_else(|| {
                Error::config(
                    "sqlite/busy-timeout",
                    format!("busy-timeout-ms is {value}, which is no number of milliseconds"),
                )
            })?,
        };
        Ok(Location { path: path.to_owned(), busy_timeout: Duration::from_millis(busy_timeout) })
    }

    /// Looks, and changes nothing.
    ///
    /// # Errors
    /// `config`: a folder, another program's database, no database, or no folder to make one in.
    pub(crate) fn look(&self) -> Result<There> {
        let path = Path::new(&self.path);
        let refuse = |code: &str, what: &str| {
            Err(Error::config(code, format!("{} {what}; it is left as it is", self.path))
                .hint("name a file that does not exist yet, or one that vecferry wrote")
                .at("file", &self.path))
        };
        let metadata = match path.metadata() {
            Ok(metadata) => metadata,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
                if !folder.is_dir() {
                    let message = format!("the folder of {} does not exist", self.path);
                    return Err(Error::config("sqlite/no-folder", message)
                        .hint("make it first")
                        .at("file", &self.path));
                }
                return Ok(There::Nothing);
            }
            Err(e) => {
                let message = format!("{} cannot be looked at: {e}", self.path);
                return Err(Error::config("sqlite/cannot-open", message).at("file", &self.path));
            }
        };
        if metadata.is_dir() {
            return refuse("sqlite/folder", "is a folder");
        }
        if metadata.len() == 0 {
            return Ok(There::Empty);
        }
        let pragma =
            |name| self.peek().and_then(|sqlite| sqlite.pragma_query_value(None, name, |row| row.get::<_, i64>(0)));
        match pragma("application_id") {
            Ok(id) if id == i64::from(APPLICATION_ID) => {}
            Ok(_) => return refuse("sqlite/foreign", "is another program's database"),
            Err(e) if e.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) => {
                return refuse("sqlite/no-database", "is no SQLite database");
            }
            Err(e) => return Err(self.fault("open", &e)),
        }
        let version = pragma("user_version").map_err(|e| self.fault("open", &e))?;
        check_version(u32::try_from(version).unwrap_or(0), &self.path)?;
        Ok(There::Ours)
    }

    /// The file's first page and nothing beside it, without locks.
    fn peek(&self) -> rusqlite::Result<Connection> {
        // With an empty authority, so that a path that begins with two slashes is none.
        let mut uri = String::from(if self.path.starts_with('/') { "file://" } else { "file:" });
        for c in self.path.chars() {
            match c {
                '%' => uri.push_str("%25"),
                '?' => uri.push_str("%3f"),
                '#' => uri.push_str("%23"),
                c => uri.push(c),
            }
        }
        uri.push_str("?mode=ro&immutable=1");
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(uri, flags)?;
        // Of a file whose first commit was cut short the first page may be all there is. This is the switch by which
        // SQLite reads the header all the same.
        connection.pragma_update(None, "writable_schema", "ON")?;
        Ok(connection)
    }

    /// Opens what is there; `None` where there is nothing, or nothing in it.
    ///
    /// # Errors
    /// As [`Location::look`]; `transient` when it is locked.
    pub(crate) fn open(&self) -> Result<Option<Database>> {
        if self.look()? != There::Ours {
            return Ok(None);
        }
        let database = self.connect(OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        // A first start that was cut short was undone just now.
        let tables = database.rows("SELECT 1 FROM sqlite_schema LIMIT 1", &[])?;
        Ok((!tables.is_empty()).then_some(database))
    }

    /// Opens what is there, and makes it and its tables where they are missing.
    ///
    /// # Errors
    /// As [`Location::open`].
    pub(crate) fn create(&self) -> Result<Database> {
        self.look()?;
        let mut database = self.connect(OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        database.initialise()?;
        Ok(database)
    }

    fn connect(&self, flags: OpenFlags) -> Result<Database> {
        let open = || {
            let connection = Connection::open_with_flags(&self.path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
            connection.busy_timeout(self.busy_timeout)?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.pragma_update(None, "trusted_schema", "OFF")?;
            connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
            connection.set_prepared_statement_cache_capacity(64);
            Ok(connection)
        };
        let connection = open().map_err(|e| self.fault("open", &e))?;
        Ok(Database { connection, path: self.path.clone() })
    }

    fn fault(&self, doing: &str, error: &rusqlite::Error) -> Error {
        fault(doing, &self.path, error)
    }
}

/// An open connection.
pub(crate) struct Database {
    pub(crate) connection: Connection,
    pub(crate) path: String,
}

impl Database {
    pub(crate) fn fault(&self, doing: &str, error: &rusqlite::Error) -> Error {
        fault(doing, &self.path, error)
    }

    /// Makes the tables if there is nothing at all; two processes may try at once.
    fn initialise(&mut self) -> Result<()> {
        let path = &self.path;
        let failed = |e: rusqlite::Error| fault("create", path, &e);
        // Takes effect only before the first page is written.
        self.connection.pragma_update(None, "page_size", 16_384).map_err(failed)?;
        let transaction =
            self.connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(failed)?;
        let tables: i64 =
            transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(failed)?;
        if tables == 0 {
            transaction.execute_batch(CREATE).map_err(failed)?;
        }
        transaction.commit().map_err(failed)
    }

    /// Writes go to a log from now on, where the file system can hold one.
    pub(crate) fn use_log(&self) -> Result<()> {
        let set = self.connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0));
        set.map(drop).map_err(|e| self.fault("write", &e))
    }

    /// Brings the log into the file and removes it. `false` when another program holds it open: then it stays, and
    /// loses nothing.
    pub(crate) fn end_log(&self) -> Result<bool> {
        let end = || {
            self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
            self.connection.pragma_update_and_check(None, "journal_mode", "DELETE", |row| row.get::<_, String>(0))
        };
        match end() {
            Ok(mode) => Ok(mode == "delete"),
            Err(e) if e.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) => Ok(false),
            Err(e) => Err(self.fault("finish", &e)),
        }
    }
}

/// A parameter as SQLite takes it, without a copy.
struct Bound<'a>(&'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            Value::Null => ToSqlOutput::Owned(Owned::Null),
            Value::Integer(value) => ToSqlOutput::Owned(Owned::Integer(*value)),
            Value::Real(value) => ToSqlOutput::Owned(Owned::Real(*value)),
            Value::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Value::Blob(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        })
    }
}

fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => Value::Integer(value),
        ValueRef::Real(value) => Value::Real(value),
        ValueRef::Text(text) => match str::from_utf8(text) {
            Ok(text) => Value::Text(text.to_owned()),
            Err(_) => Value::Blob(text.to_vec()),
        },
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    }
}

impl Sql for Database {
    fn rows(&self, sql: &str, params: &[Value]) -> Result<Vec<Vec<Value>>> {
        let read = || {
            let mut statement = self.connection.prepare_cached(sql)?;
            let width = statement.column_count();
            let mut cursor = statement.query(rusqlite::params_from_iter(params.iter().map(Bound)))?;
            let mut rows = Vec::new();
            while let Some(row) = cursor.next()? {
                rows.push((0..width).map(|column| row.get_ref(column).map(value)).collect::<rusqlite::Result<_>>()?);
            }
            Ok(rows)
        };
        read().map_err(|e: rusqlite::Error| self.fault("read", &e))
    }

    fn file(&self) -> &str {
        &self.path
    }
}
