/*! A session with the database: reaching it, and where in it tables and types are. */

use std::str::FromStr as _;
use std::time::Duration;

use postgres::config::{Host as Address, SslMode};
use postgres::{Client, NoTls};
use vecferry_sdk::{Error, Host, Result};

use crate::fault::fault;
use crate::password;
use crate::settings::{Settings, quoted};
use crate::tls::{self, Trust};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// A connection, and what was found at its start.
pub(crate) struct Session {
    pub(crate) client: Client,
    /// Database and host, for errors.
    pub(crate) place: String,
    /// The schema in which tables are.
    pub(crate) schema: String,
    /// The extension's version, where it is installed.
    pub(crate) extension: Option<String>,
}

impl Session {
    /// Connects.
    ///
    /// # Errors
    /// `config`: a location or a schema that cannot be; `auth`, `not-found`, `throttled`, `transient`: the server's.
    pub(crate) fn connect(powers: &Host, settings: &Settings) -> Result<Session> {
        let Location { mut config, trust } = Location::parse(&settings.location)?;
        password::find(powers, &mut config);
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if config.get_application_name().is_none() {
            config.application_name("vecferry");
        }
        let place = place(&config);
        let client = match config.get_ssl_mode() {
            SslMode::Disable => config.connect(NoTls),
            _ => config.connect(tls::connector(&trust)?),
        };
        let client = client.map_err(|e| fault("connect to the database", &place, &e))?;
        let mut session = Session { client, place, schema: String::new(), extension: None };
        session.schema = session.find_schema(settings.schema.as_deref())?;
        session.find_extension()?;
        Ok(session)
    }

    fn find_schema(&mut self, wanted: Option<&str>) -> Result<String> {
        let found: Option<String> = match wanted {
            None => self.one("SELECT current_schema()::text", &[])?,
            Some(name) => self.one("SELECT max(nspname::text) FROM pg_namespace WHERE nspname = $1", &[&name])?,
        };
        found.ok_or_else(|| {
            let message = match wanted {
                Some(name) => format!("the database has no schema '{name}'"),
                None => "the session's search_path names no schema that exists".to_owned(),
            };
            Error::config("pgvector/no-schema", message)
                .hint("create it with CREATE SCHEMA, or name another with --set sink.schema=NAME")
                .at("server", &self.place)
        })
    }

    /// Looks for the extension. Its types and operators may be in any schema; ours are named in full.
    pub(crate) fn find_extension(&mut self) -> Result<()> {
        let sql = "SELECT e.extversion, n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace \
                   WHERE e.extname = 'vector'";
        let rows = self.client.query(sql, &[]).map_err(|e| self.fault("look for the extension", &e))?;
        let Some(row) = rows.first() else { return Ok(()) };
        let get =
            |column: usize| row.try_get::<_, String>(column).map_err(|e| self.fault("look for the extension", &e));
        let (version, schema) = (get(0)?, get(1)?);
        self.extension = Some(version);
        self.run(&format!("SET search_path TO {}", quoted(&schema)), "use the extension")
    }

    /// The one value that a query answers.
    pub(crate) fn one<T>(&mut self, sql: &str, params: &[&(dyn postgres::types::ToSql + Sync)]) -> Result<T>
    where
        T: for<'r> postgres::types::FromSql<'r>,
    {
        let row = self.client.query_one(sql, params);
        row.and_then(|row| row.try_get(0)).map_err(|e| self.fault("ask the database", &e))
    }

    /// Runs a statement that answers nothing.
    pub(crate) fn run(&mut self, sql: &str, doing: &str) -> Result<()> {
        self.client.batch_execute(sql).map_err(|e| self.fault(doing, &e))
    }

    pub(crate) fn fault(&self, doing: &str, error: &postgres::Error) -> Error {
        fault(doing, &self.place, error)
    }

    /// A table's name in SQL.
    pub(crate) fn table_name(&self, table: &str) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(table))
    }
}

/// A location, taken apart.
struct Location {
    config: postgres::Config,
    trust: Trust,
}

impl Location {
    /// `sslmode` and `sslrootcert` are read here, as the library does not know all of their values.
    fn parse(url: &str) -> Result<Location> {
        // What the library says about a URL may quote a part of a password.
        let wrong = |why: &str| {
            Error::config("pgvector/location", format!("the location is no URL of a PostgreSQL database: {why}")).hint(
                "postgres://USER@HOST:PORT/DATABASE; in a user or password, characters such as @ : / ? # % are written \
                 %40 %3A %2F %3F %23 %25",
            )
        };
        // As the library does it: what stands before the @ is user and password, whatever is in it.
        let named = url.find('@').unwrap_or(0);
        let mark = url.get(named..).and_then(|rest| rest.find('?')).map_or(url.len(), |mark| named + mark);
        let (base, query) = (url.get(..mark).unwrap_or(url), url.get(mark + 1..).unwrap_or_default());
        let mut rest = Vec::new();
        let (mut mode, mut roots) = (None, None);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value.to_owned()),
                Some(("sslrootcert", value)) => roots = Some(decoded(value).ok_or_else(|| wrong("sslrootcert"))?),
                _ => rest.push(pair),
            }
        }
        let plain = if rest.is_empty() { base.to_owned() } else { format!("{base}?{}", rest.join("&")) };
        let mut config = postgres::Config::from_str(&plain).map_err(|_| wrong("a part of it cannot be read"))?;
        let mode = mode.as_deref().unwrap_or("prefer");
        config.ssl_mode(match mode {
            "disable" => SslMode::Disable,
            "prefer" => SslMode::Prefer,
            "require" | "verify-full" => SslMode::Require,
            _ => return Err(wrong("sslmode is one of disable, prefer, require, verify-full")),
        });
        let trust = match roots {
            Some(path) if path != "system" => Trust::File(path),
            Some(_) => Trust::Public,
            None if mode == "verify-full" => Trust::Public,
            None => Trust::Anyone,
        };
        Ok(Location { config, trust })
    }
}

/// The text that a part of a URL stands for.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &rest[2..];
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// Database and host.
fn place(config: &postgres::Config) -> String {
    let host = match config.get_hosts().first() {
        Some(Address::Tcp(host)) => host.clone(),
        Some(Address::Unix(path)) => path.display().to_string(),
        None => "localhost".to_owned(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let database = config.get_dbname().or(config.get_user()).unwrap_or_default();
    format!("{host}:{port}/{database}")
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
