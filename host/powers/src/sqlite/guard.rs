/*!
A connection that can only read, within limits, on a file that nobody vouches for.

After SQLite's own advice for untrusted files (sqlite.org/security.html): defensive mode, an untrusted schema, cell
size checks, no memory mapping, an authorizer, limits, and a progress handler that ends what does not end.
*/

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Statement};
use vecferry_contract::{Error, Result};

use super::{Limits, fault};

/// Bytes of memory that SQLite may use in the whole process.
const HEAP_BYTES: i64 = 1 << 30;
/// Bytes of the longest statement.
const MAX_SQL_BYTES: i32 = 1 << 20;

/// What plugins may call: what computes on its arguments alone. Everything else of SQLite, and whatever an
/// extension brings, is refused.
#[rustfmt::skip]
const FUNCTIONS: &[&str] = &[
    "->", "->>", "abs", "acos", "asin", "atan", "atan2", "avg", "bm25", "ceil", "ceiling", "char", "coalesce",
    "concat", "concat_ws", "cos", "count", "cume_dist", "current_date", "current_time", "current_timestamp",
    "date", "datetime", "degrees", "dense_rank", "exp", "first_value", "floor", "format", "glob",
    "group_concat", "hex", "highlight", "if", "ifnull", "iif", "instr", "json", "json_array",
    "json_array_length", "json_error_position", "json_extract", "json_group_array", "json_group_object",
    "json_object", "json_quote", "json_type", "json_valid", "jsonb", "jsonb_extract", "julianday", "lag",
    "last_value", "lead", "length", "like", "likelihood", "likely", "ln", "log", "log10", "log2", "lower",
    "ltrim", "match", "max", "min", "mod", "nth_value", "ntile", "nullif", "octet_length", "percent_rank", "pi",
    "pow", "power", "printf", "quote", "radians", "rank", "replace", "round", "row_number", "rtrim", "sign",
    "sin", "snippet", "sqrt", "strftime", "string_agg", "substr", "substring", "subtype", "sum", "tan", "time",
    "timediff", "total", "trim", "trunc", "typeof", "unhex", "unicode", "unistr", "unixepoch", "unlikely",
    "upper", "zeroblob",
];

/// Pragmas that tell and change nothing, and whether their argument is a name to tell about. FTS5 asks for
/// `data_version` itself.
const PRAGMAS: &[(&str, bool)] = &[
    ("application_id", false),
    ("data_version", false),
    ("encoding", false),
    ("index_info", true),
    ("index_list", true),
    ("index_xinfo", true),
    ("page_count", false),
    ("page_size", false),
    ("schema_version", false),
    ("table_info", true),
    ("table_list", true),
    ("table_xinfo", true),
    ("user_version", false),
];

/// A guarded connection, and what its hooks saw.
pub(super) struct Guarded {
    pub(super) connection: Connection,
    name: String,
    watch: Arc<Watch>,
    limits: Limits,
    stop: Stop,
    /// Whether all names of the schema are UTF-8. Names of columns that are not would be a panic in rusqlite.
    named: bool,
}

/// What ends a query from outside.
#[derive(Clone)]
pub(super) struct Stop {
    /// The run is.
    pub(super) cancelled: Arc<AtomicBool>,
    /// Nobody wants the query's rows any more.
    pub(super) given_up: Arc<AtomicBool>,
}

#[derive(Default)]
struct Watch {
    kilo_steps: AtomicU64,
    denied: Mutex<Option<String>>,
}

/// Opens `uri` and hardens the connection; what SQLite does from here on it does within SQLite's own defences,
/// and without an authorizer.
pub(super) fn harden(uri: &str, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection =
        Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, false)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    connection.set_limit(Limit::SQLITE_LIMIT_WORKER_THREADS, 0)?;
    connection.set_limit(Limit::SQLITE_LIMIT_SQL_LENGTH, MAX_SQL_BYTES)?;
    connection.set_limit(Limit::SQLITE_LIMIT_EXPR_DEPTH, 200)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000)?;
    connection.execute_batch(&format!(
        "PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; PRAGMA hard_heap_limit = {HEAP_BYTES};"
    ))?;
    Ok(connection)
}

impl Guarded {
    /// A guarded connection to a file that nothing changes while it is open.
    pub(super) fn open(uri: &str, name: &str, limits: Limits, stop: Stop) -> Result<Self> {
        let watch = Arc::new(Watch::default());
        let open = || -> rusqlite::Result<(Connection, bool)> {
            let mut connection = harden(uri, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, limits.value_bytes)?;
            // 4 MiB of pages; SQLite's own default is 2. Several queries are several connections.
            connection.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -4096;")?;
            let (seen, stop) = (Arc::clone(&watch), stop.clone());
            connection.progress_handler(
                1000,
                Some(move || {
                    let steps = seen.kilo_steps.fetch_add(1, Ordering::Relaxed);
                    let stopped = stop.cancelled.load(Ordering::Relaxed) || stop.given_up.load(Ordering::Relaxed);
                    steps >= limits.kilo_steps || stopped
                }),
            )?;
            let seen = Arc::clone(&watch);
            connection.authorizer(Some(move |context: AuthContext<'_>| match refusal(&context) {
                None => Authorization::Allow,
                Some(what) => {
                    *seen.denied.lock().unwrap_or_else(PoisonError::into_inner) = Some(what);
                    Authorization::Deny
                }
            }))?;
            // Reads the first page and the schema: what is no database is found here.
            let named = has_only_names(&connection)?;
            Ok((connection, named))
        };
        let (connection, named) = open().map_err(|e| fault(name, &e))?;
        Ok(Guarded { connection, name: name.to_owned(), watch, limits, stop, named })
    }

    /// Starts counting anew: a call of the plugin begins.
    pub(super) fn start_call(&self) {
        self.watch.kilo_steps.store(0, Ordering::Relaxed);
        *self.watch.denied.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The query that nobody wanted any more has ended.
    pub(super) fn resume(&self) {
        self.stop.given_up.store(false, Ordering::Relaxed);
    }

    /// The names of a query's columns; `column_1`, `column_2`, … in a database whose own names are no UTF-8.
    pub(super) fn columns(&self, statement: &Statement<'_>) -> Vec<String> {
        if self.named {
            return statement.column_names().map(str::to_owned).collect();
        }
        (1..=statement.column_count()).map(|place| format!("column_{place}")).collect()
    }

    /// SQLite's fault in the contract's words, with what the hooks know about it.
    pub(super) fn fault(&self, error: &rusqlite::Error) -> Error {
        let denied = self.watch.denied.lock().unwrap_or_else(PoisonError::into_inner).take();
        let code = error.sqlite_error_code();
        if code == Some(rusqlite::ErrorCode::OperationInterrupted) {
            return if self.stop.cancelled.load(Ordering::Relaxed) {
                Error::transient("sqlite/cancelled", "the query was given up: the run was cancelled")
            } else {
                let millions = self.limits.kilo_steps / 1000;
                Error::unsupported("sqlite/step-limit", format!("the query took more than {millions} million steps"))
                    .hint("this is a fault of the plugin: it must ask for less at a time, or along an index")
            }
            .at("file", &self.name);
        }
        match denied {
            // The authorizer cannot even be asked about such a name.
            None if !self.named && code == Some(rusqlite::ErrorCode::AuthorizationForStatementDenied) => {
                let message = format!("{}: the statement meets a name that is no text", self.name);
                Error::corrupt("sqlite/name", message)
                    .hint("the schema of the database is damaged; the sqlite3 tool can often rescue what is left: sqlite3 FILE .recover")
                    .at("file", &self.name)
            }
            Some(what) => Error::denied("sqlite/denied", format!("a plugin may only read; its statement would {what}"))
                .hint("this is a fault of the plugin: only SELECT is allowed, with functions that only compute")
                .at("file", &self.name),
            None => fault(&self.name, error),
        }
    }

    /// The file as the plugin calls it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

/// Whether everything that the schema names is UTF-8. A statement is UTF-8 itself, so other names cannot come up.
fn has_only_names(connection: &Connection) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare("SELECT name, sql FROM sqlite_schema")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        for column in 0..2 {
            if let ValueRef::Text(bytes) | ValueRef::Blob(bytes) = row.get_ref(column)?
                && std::str::from_utf8(bytes).is_err()
            {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// What a statement would do that it may not; `None` when it may.
fn refusal(context: &AuthContext<'_>) -> Option<String> {
    match context.action {
        AuthAction::Select | AuthAction::Read { .. } => None,
        AuthAction::Function { function_name } => {
            let known = FUNCTIONS.iter().any(|name| name.eq_ignore_ascii_case(function_name));
            (!known).then(|| format!("call the function {function_name}"))
        }
        AuthAction::Pragma { pragma_name, pragma_value } => {
            let known = PRAGMAS.iter().find(|(name, _)| name.eq_ignore_ascii_case(pragma_name));
            let allowed = known.is_some_and(|(_, takes_name)| *takes_name || pragma_value.is_none());
            (!allowed).then(|| format!("run PRAGMA {pragma_name}"))
        }
        AuthAction::Recursive => Some("recurse".to_owned()),
        AuthAction::Attach { .. } => Some("attach another file".to_owned()),
        AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => Some("control a transaction".to_owned()),
        _ => Some("change the database".to_owned()),
    }
}
