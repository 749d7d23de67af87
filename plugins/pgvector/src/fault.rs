/*! PostgreSQL's errors in the contract's words. */

use std::error::Error as _;
use std::io;

use postgres::error::{DbError, SqlState};
use vecferry_sdk::{Error, ErrorKind};

/// Bytes of the server's own words.
const MAX_WORDS: usize = 1_000;

/// What `doing`, at `place` (a database and a host, never a password), ran into.
pub(crate) fn fault(doing: &str, place: &str, error: &postgres::Error) -> Error {
    match error.as_db_error() {
        Some(said) => refused(doing, place, said),
        None => broken(doing, place, error),
    }
}

/// The server answered with an error.
fn refused(doing: &str, place: &str, said: &DbError) -> Error {
    let (kind, code, hint) = meaning(said.code());
    let mut words = said.message().to_owned();
    if let Some(detail) = said.detail() {
        words = format!("{words}: {detail}");
    }
    words.truncate(words.floor_char_boundary(MAX_WORDS));
    let error = Error::new(kind, code, format!("cannot {doing}: {words}"))
        .at("server", place)
        .at("sqlstate", said.code().code());
    match hint.or(said.hint()) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// Kind, code and hint of a SQLSTATE (PostgreSQL's manual, appendix A).
fn meaning(state: &SqlState) -> (ErrorKind, &'static str, Option<&'static str>) {
    use ErrorKind::{Auth, Config, Corrupt, Internal, NotFound, Throttled, Transient, Unsupported};
    match state.code() {
        "28P01" | "28000" => {
            (Auth, "pgvector/login", Some("check the user, and the password in PGPASSWORD or ~/.pgpass"))
        }
        "42501" => (Auth, "pgvector/privilege", Some("the database's owner must grant it to this user")),
        "3D000" => (NotFound, "pgvector/no-database", Some("check the name at the location's end; createdb makes it")),
        "3F000" => (NotFound, "pgvector/no-schema", None),
        "42P01" => (NotFound, "pgvector/no-table", None),
        "53300" => (Throttled, "pgvector/connections", None),
        "53100" => (Transient, "pgvector/disk-full", Some("make room on the server's disk, and go on")),
        "25006" => (Config, "pgvector/read-only", Some("this server is a standby or read-only; write to its primary")),
        // Serialization failure, deadlock, lock timeout, statement timeout: the same transaction may pass later. So may
        // the creation of what another session has just created.
        "40001" | "40P01" | "55P03" | "57014" | "42P07" | "42701" | "42710" => (Transient, "pgvector/busy", None),
        "57P01" | "57P02" | "57P03" => (Transient, "pgvector/restarting", None),
        "0A000" => (Unsupported, "pgvector/unsupported", None),
        "55000" | "42703" | "42804" => (Config, "pgvector/table", None),
        // Broken connections; out of memory and alike; operator's intervention; the system itself.
        code => match code.get(..2) {
            Some("08") => (Transient, "pgvector/connection", None),
            Some("53" | "57" | "58") => (Transient, "pgvector/server", None),
            // Data, a constraint of the table, or a limit of the server: of a write, some row is at fault.
            Some("22" | "23" | "54") => (Corrupt, "pgvector/refused", None),
            _ => (Internal, "pgvector/statement", None),
        },
    }
}

/// There was no answer, or none that can be understood.
fn broken(doing: &str, place: &str, error: &postgres::Error) -> Error {
    // The library keeps its kinds to itself; its words are these.
    let words = error.to_string();
    let source = error.source();
    let why = source.map_or_else(|| words.clone(), ToString::to_string);
    let is_io = source.is_some_and(|source| source.is::<io::Error>());
    let (kind, code, hint) = if error.is_closed() {
        (ErrorKind::Transient, "pgvector/connection", None)
    } else if words.starts_with("error performing TLS handshake") {
        (
            ErrorKind::Config,
            "pgvector/tls",
            Some("check sslmode and sslrootcert; without encryption nothing is sent in this mode"),
        )
    } else if words.starts_with("invalid configuration") || words.starts_with("authentication error") {
        (ErrorKind::Auth, "pgvector/login", Some("check the user, and the password in PGPASSWORD or ~/.pgpass"))
    } else if words.starts_with("error connecting to server") || words.starts_with("timeout") {
        (ErrorKind::Transient, "pgvector/connection", Some("check the location's host and port, and that it runs"))
    } else if is_io {
        (ErrorKind::Transient, "pgvector/connection", None)
    } else {
        (ErrorKind::Internal, "pgvector/answer", None)
    };
    let error = Error::new(kind, code, format!("cannot {doing}: {why}")).at("server", place);
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}
