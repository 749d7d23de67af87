/*!
The source's side: reading a database back through the host's powers, in the order of `record`.

A split is a range of record numbers, a cursor the last number of a page.
*/

use serde::{Deserialize, Serialize};
use vecferry_sdk::{
    Claim, Collection, Config, Database, Entry, Error, Fingerprint, Host, IdOrigin, Page, PluginSpec, Result, Scan,
    SourcePlugin, Split, Value,
};

use crate::SqliteSource;
use crate::records::{RECORD, Rows};
use crate::schema::{self, Header, Kind, Sql, Stored, VERSION, check_version};

/// Rows that are asked for at a time.
const STEP: u32 = 64;
const MAX_PAGE_ROWS: u32 = 4096;

/// Which part of which collection.
#[derive(Serialize, Deserialize)]
struct Range {
    collection: String,
    /// Records with greater numbers than this …
    after: i64,
    /// … up to this.
    through: i64,
}

impl SourcePlugin for SqliteSource {
    fn spec() -> PluginSpec {
        crate::spec()
    }

    fn detect(host: &Host) -> Result<Vec<Claim>> {
        let listed = host.list_files()?;
        let mut claims: Vec<Claim> = Vec::new();
        for entry in &listed {
            if !matches!(header(host, entry)?, Header::Ours { .. }) {
                continue;
            }
            let is_beside = |other: &&Entry| {
                let suffix = other.name.strip_prefix(&entry.name);
                matches!(suffix, Some("-wal" | "-shm" | "-journal"))
            };
            let mut files = vec![entry.name.clone()];
            files.extend(listed.iter().filter(is_beside).map(|other| other.name.clone()));
            let stem = entry.name.rsplit_once('.').map_or(entry.name.as_str(), |(stem, _)| stem);
            let taken = claims.iter().any(|claim| claim.name == stem);
            let name = if taken { entry.name.clone() } else { stem.to_owned() };
            claims.push(Claim { name, confidence: 100, files });
        }
        Ok(claims)
    }

    fn discover(host: &Host, _config: &Config) -> Result<Vec<Collection>> {
        let store = Store::open(host)?;
        schema::collections(&store)?.iter().map(|stored| store.describe(stored)).collect()
    }

    fn plan(host: &Host, _config: &Config, collection: &str, desired: u32) -> Result<Vec<Split>> {
        let store = Store::open(host)?;
        let stored = store.collection(collection)?;
        let count = stored.count(&store)?;
        let ends = store.rows(&format!("SELECT min(record), max(record) FROM {}", stored.records()), &[])?;
        let (first, last) = match ends.first().map(Vec::as_slice) {
            Some([Value::Integer(first), Value::Integer(last)]) => (*first, *last),
            Some([Value::Null, Value::Null]) => (1, 0),
            _ => return Err(store.corrupt("a record's number is no number".to_owned())),
        };
        let parts = i64::from(desired.max(1)).min(i64::try_from(count).unwrap_or(i64::MAX)).max(1);
        let width = (i128::from(last) - i128::from(first) + 1).max(0);
        let bound = |part: i64| {
            let offset = width * i128::from(part) / i128::from(parts);
            i64::try_from(i128::from(first) - 1 + offset).unwrap_or(i64::MIN)
        };
        let split = |part: i64| {
            let range = Range { collection: collection.to_owned(), after: bound(part), through: bound(part + 1) };
            let payload = serde_json::to_vec(&range)
                .map_err(|e| Error::internal("sqlite/split", format!("a split cannot be written: {e}")))?;
            Ok(Split { id: part.to_string(), payload, rows: (parts == 1).then_some(count) })
        };
        (0..parts).map(split).collect()
    }

    fn open(host: &Host, _config: &Config, split: &Split, after: Option<&[u8]>) -> Result<Box<dyn Scan>> {
        let store = Store::open(host)?;
        let stale = |what: &str| {
            Error::config("sqlite/cursor", format!("a {what} of this plugin was expected")).hint("start the run anew")
        };
        let Range { collection, after: start, through } =
            serde_json::from_slice(&split.payload).map_err(|_| stale("split"))?;
        let last = match after {
            None => start,
            Some(cursor) => i64::from_le_bytes(cursor.try_into().map_err(|_| stale("cursor"))?),
        };
        let stored = store.collection(&collection)?;
        Ok(Box::new(RecordScan { store, stored, last, through }))
    }
}

/// What a listed file's first bytes say. Only files that can be databases are looked into.
fn header(host: &Host, entry: &Entry) -> Result<Header> {
    let base = entry.name.rsplit('/').next().unwrap_or_default();
    let extension = base.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    let may_be = matches!(extension.as_deref(), None | Some("db" | "sqlite" | "sqlite3" | "db3"));
    // A database is made of pages of at least 512 bytes.
    if !may_be || entry.size < 512 || !entry.size.is_multiple_of(512) {
        return Ok(Header::Other);
    }
    Ok(Header::parse(&host.open_file(&entry.name)?.read_at(0, Header::BYTES)?))
}

/// The granted database.
struct Store {
    name: String,
    /// The header's change counter.
    changes: u32,
    database: Box<dyn Database>,
}

impl Store {
    fn open(host: &Host) -> Result<Self> {
        let mut found: Option<(String, u32, u32)> = None;
        for entry in host.list_files()? {
            if let Header::Ours { version, changes } = header(host, &entry)? {
                if let Some((first, ..)) = found {
                    let message = format!("two databases are granted, {first} and {}", entry.name);
                    return Err(Error::config("sqlite/several", message).hint("name one of them"));
                }
                found = Some((entry.name, version, changes));
            }
        }
        let Some((name, version, changes)) = found else {
            return Err(Error::not_found("sqlite/not-found", "no database that vecferry wrote is granted"));
        };
        check_version(version, &name)?;
        let database = host.open_sqlite(&name)?;
        Ok(Store { name, changes, database })
    }

    fn collection(&self, name: &str) -> Result<Stored> {
        schema::collection(self, name)?.ok_or_else(|| {
            Error::not_found("sqlite/no-collection", format!("there is no collection '{name}'")).at("file", &self.name)
        })
    }

    fn describe(&self, stored: &Stored) -> Result<Collection> {
        let rows = stored.count(self)?;
        let mut fingerprint = Fingerprint::default();
        fingerprint.add(stored.name.as_bytes());
        for number in [stored.number as u64, stored.revision as u64, rows, u64::from(self.changes)] {
            fingerprint.add(&number.to_le_bytes());
        }
        let mut details = vec![("format".to_owned(), format!("vecferry sqlite, version {VERSION}"))];
        for column in stored.columns.iter().filter(|column| column.ordinal != 0) {
            let what = match column.kind {
                Kind::Dense { dimension } => format!("dense, {dimension} values"),
                Kind::Sparse => "sparse".to_owned(),
            };
            details.push((format!("vector '{}'", column.name), what));
        }
        if let Some(Ok(Config::Object(embedding))) = stored.embedding.as_deref().map(serde_json::from_str) {
            for (key, value) in embedding {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                details.push((format!("embedding {key}"), text));
            }
        }
        Ok(Collection {
            name: stored.name.clone(),
            rows: Some(rows),
            dimension: stored.dimension,
            metric: stored.metric,
            has_documents: stored.has_documents,
            has_vectors: stored.first().is_some(),
            id_origin: IdOrigin::Store,
            lossy_vectors: false,
            aside: None,
            fingerprint: fingerprint.finish(),
            details,
        })
    }
}

impl Sql for Store {
    fn rows(&self, sql: &str, params: &[Value]) -> Result<Vec<Vec<Value>>> {
        let mut rows = self.database.query(sql, params)?;
        let mut out = Vec::new();
        loop {
            let more = rows.next(STEP)?;
            if more.is_empty() {
                return Ok(out);
            }
            out.extend(more);
        }
    }

    fn file(&self) -> &str {
        &self.name
    }
}

struct RecordScan {
    store: Store,
    stored: Stored,
    /// The number of the last record that was read.
    last: i64,
    through: i64,
}

impl Scan for RecordScan {
    fn next(&mut self, max_rows: u32, max_bytes: u64) -> Result<Option<Page>> {
        let max_rows = max_rows.clamp(1, MAX_PAGE_ROWS);
        let vectors: u64 = self.stored.columns.iter().map(width).sum();
        let query = format!(
            "SELECT {RECORD} FROM {} WHERE record > ?1 AND record <= ?2 ORDER BY record LIMIT ?3",
            self.stored.records()
        );
        let params = [Value::Integer(self.last), Value::Integer(self.through), Value::Integer(i64::from(max_rows))];
        let mut found = self.store.database.query(&query, &params)?;
        let mut rows = Rows::default();
        let mut bytes = 0_u64;
        let mut ends = None;
        'page: loop {
            let more = found.next(STEP)?;
            if more.is_empty() {
                break;
            }
            for row in more {
                let (record, size) = rows.push(&self.store, row)?;
                ends = Some((ends.map_or(record, |(first, _)| first), record));
                bytes = bytes.saturating_add(size).saturating_add(vectors);
                if bytes >= max_bytes || rows.len() >= max_rows as usize {
                    break 'page;
                }
            }
        }
        drop(found);
        let Some((first, last)) = ends else { return Ok(None) };
        let between = [vec![Value::Integer(first), Value::Integer(last)]];
        let (rows, unreadable) = rows.with_vectors(&self.store, &self.stored, "record BETWEEN ?1 AND ?2", &between)?;
        self.last = last;
        Ok(Some(Page { rows, cursor: last.to_le_bytes().to_vec(), changes: Vec::new(), unreadable }))
    }
}

/// About how many bytes a record has in a column.
fn width(column: &schema::Column) -> u64 {
    match column.kind {
        Kind::Dense { dimension } => u64::from(dimension) * 4,
        Kind::Sparse => 1024,
    }
}
