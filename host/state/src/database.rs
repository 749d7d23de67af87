/*! Opening a run's `state.db`: for work, and for reading beside the process that works on it. */

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, params};
use vecferry_core::{Error, Result};

use crate::fault::{Doing, damaged};
use crate::files;
use crate::moment::Moment;
use crate::schema;

/// How long a call waits for another program that holds the database.
const BUSY: Duration = Duration::from_secs(3);
/// More than there are statements.
const STATEMENTS: usize = 48;

/// A connection, and where it leads.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) connection: Connection,
    pub(crate) path: PathBuf,
}

impl Database {
    /// Makes the database of a run. It stands at `path` when it is whole.
    pub(crate) fn make(path: &Path, plan_sha256: &str, created: Moment) -> Result<()> {
        const DOING: &str = "make the run's database";
        let new = path.with_extension("new");
        // SQLite gives the files beside a database the database's own mode.
        files::make(&new, &[]).doing(DOING, &new)?;
        let connection = connect(&new, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let statements = || {
            connection.pragma_update(None, "journal_mode", "WAL")?;
            let transaction = connection.unchecked_transaction()?;
            transaction.execute_batch(schema::CREATE)?;
            transaction.execute(
                "INSERT INTO run VALUES (1, ?1, ?2, ?2, 'planned', NULL, 0, 0, NULL, NULL)",
                params![plan_sha256, to_sql(created.0)],
            )?;
            transaction.commit()
        };
        statements().doing(DOING, &new)?;
        connection.close().map_err(|(_, error)| error).doing(DOING, &new)?;
        std::fs::rename(&new, path).doing(DOING, path)
    }

    /// Opens for work: the caller holds the lease.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        const DOING: &str = "open the run's database";
        let database =
            Database { connection: connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?, path: path.to_owned() };
        database.check_schema()?;
        // A cursor that lies would lose records without a word, so all pages are looked at once.
        let verdict: String = database
            .connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .doing("check the run's database", path)?;
        if verdict != "ok" {
            let verdict = verdict.replace('\n', " ");
            return Err(damaged(path, format!("the run's database is damaged: {verdict}")));
        }
        // A commit then survives the end of the process, and all but the last ones the machine's.
        database.connection.pragma_update(None, "synchronous", "NORMAL").doing(DOING, path)?;
        Ok(database)
    }

    /// Opens to read, also while another process works on it.
    pub(crate) fn open_to_read(path: &Path) -> Result<Self> {
        let beside = |connection| Database { connection, path: path.to_owned() };
        let database = beside(connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?);
        match database.check_schema() {
            // Reading a WAL database takes files beside it. Where they cannot be made, and no log holds anything,
            // the file alone is all there is.
            Err(error) if error.code == "state/unwritable" && !has_log(path) => {
                let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
                let database = beside(connect(Path::new(&immutable(path)), flags)?);
                database.check_schema()?;
                Ok(database)
            }
            Err(error) => Err(error),
            Ok(()) => Ok(database),
        }
    }

    /// # Errors
    /// `state/damaged` (corrupt), `state/newer` and `state/older` (unsupported).
    fn check_schema(&self) -> Result<()> {
        let path = &self.path;
        let number = |pragma: &str| {
            let read = self.connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
            read.doing("read the run's database", path)
        };
        if number("application_id")? != schema::APPLICATION_ID {
            return Err(damaged(path, "the file is no database of a run"));
        }
        let version = number("user_version")?;
        let (code, hint) = match version.cmp(&schema::VERSION) {
            std::cmp::Ordering::Equal => return Ok(()),
            std::cmp::Ordering::Greater => {
                ("state/newer", "go on with the vecferry that began the run, or a newer one")
            }
            std::cmp::Ordering::Less => ("state/older", "finish the run with the vecferry that began it"),
        };
        let known = schema::VERSION;
        let message = format!("the run's state is of version {version}, and this vecferry reads version {known}");
        Err(Error::unsupported(code, message).hint(hint).at("file", path.display()))
    }
}

fn connect(path: &Path, access: OpenFlags) -> Result<Connection> {
    const DOING: &str = "open the run's database";
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX).doing(DOING, path)?;
    connection.busy_timeout(BUSY).doing(DOING, path)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// Whether there is a write-ahead log with something in it.
fn has_log(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    std::fs::metadata(log).is_ok_and(|meta| meta.len() > 0)
}

/// The URI under which SQLite reads a file without locks and without files beside it.
fn immutable(path: &Path) -> String {
    let mut uri = String::from("file:");
    for &byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => uri.push(char::from(byte)),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    uri
}

/// A number as SQLite holds it. None that is counted here comes near the limit.
pub(crate) fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number that was kept with [`to_sql`].
pub(crate) fn from_sql(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}
