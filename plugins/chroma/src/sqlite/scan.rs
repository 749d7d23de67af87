/*! The scan over one collection of a `chroma.sqlite3`: pages in the order of the table `embeddings`. */

use vecferry_hnswlib_format::Index;
use vecferry_sdk::{Batch, Dense, Error, Host, Page, Result, Scan, Unreadable, Value};

use super::catalog::{Catalog, Entry};
use super::dimension_of;
use super::locate::{self, Located, LocatedRecords, Mode, Place};
use super::records::{Loader, Queries, Record};
use super::segment::VectorSegment;
use super::table::{self, Tables};
use crate::notes::Tally;
use crate::settings::SKIP_HINT;

/// Rows loaded at a time, at most.
const MAX_ROWS: usize = 1024;

/// Bytes of document and metadata that a record is taken to have before the first was seen.
const GUESSED_BYTES: u64 = 2048;

/// A place between two records; what a page's cursor holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    /// After the row with this number.
    Row(i64),
    /// After this many of the records that only the log has.
    Added(u64),
}

impl Position {
    fn encode(self) -> Vec<u8> {
        let (kind, number) = match self {
            Position::Row(row) => (0, row.to_le_bytes()),
            Position::Added(count) => (1, count.to_le_bytes()),
        };
        [&[kind], number.as_slice()].concat()
    }

    fn decode(bytes: &[u8]) -> Result<Position> {
        match bytes.split_first().map(|(kind, number)| (kind, number.try_into())) {
            Some((0, Ok(number))) => Ok(Position::Row(i64::from_le_bytes(number))),
            Some((1, Ok(number))) => Ok(Position::Added(u64::from_le_bytes(number))),
            _ => Err(Error::config("chroma/cursor", "this cursor was made by another version of the plugin")),
        }
    }
}

pub(crate) struct SqliteScan {
    tables: Tables,
    booleans: bool,
    arrays: bool,
    index: Option<Index>,
    dimension: u32,
    mode: Mode,
    records: LocatedRecords,
    /// Why vectors that should be there are not.
    problem: Option<Error>,
    /// The next of `records.rows`.
    next_row: usize,
    /// The next of `records.added`.
    next_added: usize,
    /// The rows after those that are loaded, which the host reads meanwhile.
    ahead: Option<Ahead>,
    loaded: Loaded,
    /// Bytes of a record without its vector, as the last chunk had them.
    record_bytes: u64,
}

/// Rows `records.rows[..to]` from the next one on, as they were asked for.
struct Ahead {
    to: usize,
    queries: Queries,
}

/// Some records, and how many of them were given out.
#[derive(Default)]
struct Loaded {
    items: Vec<Item>,
    values: Vec<f32>,
    given: usize,
}

struct Item {
    after: Position,
    what: Result<Record, Unreadable>,
}

impl SqliteScan {
    /// Opens a scan of collection `name` in the database `file`.
    ///
    /// # Errors
    /// `corrupt` when records have no readable vector, with their number and the first ids, unless
    /// `mode.salvage`; `config` for a cursor that is none.
    pub(crate) fn open(host: &Host, file: &str, name: &str, mode: Mode, after: Option<&[u8]>) -> Result<SqliteScan> {
        let after = after.map(Position::decode).transpose()?;
        let tables = Tables::open(host, file)?;
        let catalog = Catalog::read(&tables)?;
        let entry = catalog.find(name)?;
        let vectors = match mode.vectors {
            true => VectorSegment::open(host, file, entry)?,
            false => VectorSegment::default(),
        };
        let records = locate::locate(&tables, &catalog.features, entry, &vectors, mode)?;
        report(host, entry, &records, &vectors, mode)?;
        let of_index = vectors.index.as_ref().map(|index| index.header().dimension);
        let dimension = match entry.dimension.or(of_index) {
            Some(dimension) => dimension,
            None => dimension_of(&tables, entry)?.unwrap_or(0),
        };
        let next_row = match after {
            None => 0,
            Some(Position::Row(row)) => records.rows.partition_point(|located| located.row <= row),
            Some(Position::Added(_)) => records.rows.len(),
        };
        let next_added = match after {
            Some(Position::Added(count)) => usize::try_from(count).unwrap_or(usize::MAX),
            _ => 0,
        };
        let features = &catalog.features;
        Ok(SqliteScan {
            booleans: features.booleans,
            arrays: features.arrays,
            tables,
            index: vectors.index,
            problem: vectors.problem,
            dimension,
            mode,
            records,
            next_row,
            next_added,
            ahead: None,
            loaded: Loaded::default(),
            record_bytes: GUESSED_BYTES,
        })
    }

    fn loader(&self) -> Loader<'_> {
        Loader { tables: &self.tables, booleans: self.booleans, arrays: self.arrays, index: self.index.as_ref() }
    }

    /// Loads the next records; nothing at the end.
    fn load(&mut self, max_bytes: u64) -> Result<()> {
        let each = self.record_bytes + u64::from(self.dimension) * 4;
        let count = usize::try_from(max_bytes / each).unwrap_or(MAX_ROWS).clamp(1, MAX_ROWS);
        let upto = |from: usize| from.saturating_add(count).min(self.records.rows.len());
        let (to, queries) = match self.ahead.take() {
            Some(Ahead { to, queries }) => (to, Some(queries)),
            None => (upto(self.next_row), None),
        };
        let rows = self.records.rows.get(self.next_row..to).unwrap_or_default().to_vec();
        self.loaded = if rows.is_empty() {
            let from = self.next_added.min(self.records.added.len());
            let to = (from + count).min(self.records.added.len());
            self.next_added = to;
            self.load_added(from, to)?
        } else {
            let after = upto(to);
            if after > to {
                // What fails here fails again when the rows are wanted.
                let queries = self.loader().query(&numbers(self.records.rows.get(to..after).unwrap_or_default()));
                self.ahead = queries.ok().map(|queries| Ahead { to: after, queries });
            }
            self.next_row = to;
            self.load_rows(&rows, queries)?
        };
        let bytes = |item: &Item| item.what.as_ref().map_or(0, weight);
        let items = &self.loaded.items;
        if !items.is_empty() {
            self.record_bytes = items.iter().map(bytes).sum::<u64>() / items.len() as u64 + 64;
        }
        Ok(())
    }

    fn load_rows(&self, rows: &[Located], queries: Option<Queries>) -> Result<Loaded> {
        let read = || {
            let numbers = numbers(rows);
            let queries = queries.map_or_else(|| self.loader().query(&numbers), Ok)?;
            let records = self.loader().records(queries, &numbers, &self.records.changes)?;
            let places: Vec<Place> = rows.iter().map(|located| located.place).collect();
            self.joined(records, &places, |at| Position::Row(rows[at].row))
        };
        match read() {
            Err(error) if self.mode.salvage && table::is_damage(&error) => match rows {
                [one] => Ok(self.unreadable(self.id_of(one.row), error, Position::Row(one.row))),
                // One damaged record must not take its neighbours with it.
                many => many.chunks(many.len().div_ceil(2)).map(|half| self.load_rows(half, None)).try_fold(
                    Loaded::default(),
                    |mut all, half| {
                        all.append(half?);
                        Ok(all)
                    },
                ),
            },
            other => other,
        }
    }

    fn load_added(&self, from: usize, to: usize) -> Result<Loaded> {
        let added = self.records.added.get(from..to).unwrap_or_default();
        let read = || {
            let records = self.loader().added(added)?;
            let places: Vec<Place> = added.iter().map(|record| record.place).collect();
            self.joined(records, &places, |at| Position::Added((from + at + 1) as u64))
        };
        match read() {
            Err(error) if self.mode.salvage && table::is_damage(&error) => match added {
                [one] => Ok(self.unreadable(one.id.clone(), error, Position::Added(to as u64))),
                _ => {
                    let middle = from + added.len() / 2;
                    let mut all = self.load_added(from, middle)?;
                    all.append(self.load_added(middle, to)?);
                    Ok(all)
                }
            },
            other => other,
        }
    }

    fn joined(&self, records: Vec<Record>, places: &[Place], after: impl Fn(usize) -> Position) -> Result<Loaded> {
        let (values, narrowed) = match self.mode.vectors {
            true => self.loader().vectors(places, self.dimension)?,
            false => (Vec::new(), Vec::new()),
        };
        let items = records.into_iter().zip(places).enumerate().map(|(at, (mut record, place))| {
            record.notes.narrowed = narrowed.contains(&at);
            let what = match place {
                Place::Lost => Err(Unreadable { reason: self.lost(&record.id), id: record.id }),
                _ => Ok(record),
            };
            Item { after: after(at), what }
        });
        Ok(Loaded { items: items.collect(), values, given: 0 })
    }

    fn lost(&self, id: &str) -> Error {
        let problem = self.problem.clone().unwrap_or_else(|| {
            Error::corrupt("chroma/vector-missing", "the record has no vector, neither in the index nor in the log")
        });
        problem.at("id", id)
    }

    fn unreadable(&self, id: String, error: Error, after: Position) -> Loaded {
        let reason = error.at("id", &id);
        let values = vec![0.0; if self.mode.vectors { self.dimension as usize } else { 0 }];
        Loaded { items: vec![Item { after, what: Err(Unreadable { id, reason }) }], values, given: 0 }
    }

    /// The id of a record that cannot be read whole, as far as it can be found.
    fn id_of(&self, row: i64) -> String {
        let sql = "SELECT embedding_id FROM embeddings WHERE id = ?1";
        let found = self.tables.first(sql, &[Value::Integer(row)]).ok().flatten();
        found.and_then(|mut row| row.optional_text(0)).unwrap_or_else(|| format!("row {row} of embeddings"))
    }

    /// A page of what is loaded.
    fn page(&mut self, max_rows: u32, max_bytes: u64) -> Result<Option<Page>> {
        let width = if self.mode.vectors { self.dimension as usize } else { 0 };
        let mut page = Page::default();
        let (mut documents, mut metadata, mut values) = (Vec::new(), Vec::new(), Vec::new());
        let mut tally = Tally::default();
        let mut bytes = 0;
        let mut last = None;
        let vectors = self.loaded.values.chunks_exact(width.max(1)).map(Some).chain(std::iter::repeat(None));
        for (item, vector) in self.loaded.items.iter_mut().zip(vectors).skip(self.loaded.given) {
            if page.rows.ids.len() >= max_rows.max(1) as usize || (last.is_some() && bytes >= max_bytes) {
                break;
            }
            let what = std::mem::replace(&mut item.what, Ok(Record::default()));
            self.loaded.given += 1;
            last = Some(item.after);
            match what {
                Ok(record) => {
                    bytes += weight(&record) + width as u64 * 4;
                    tally.add(record.notes);
                    page.rows.ids.push(record.id);
                    documents.push(record.document);
                    metadata.push(text(&record.metadata)?);
                    values.extend_from_slice(vector.unwrap_or_default());
                }
                Err(unreadable) => page.unreadable.push(unreadable),
            }
        }
        let Some(last) = last else { return Ok(None) };
        page.cursor = last.encode();
        page.changes = tally.changes();
        let dense = if width > 0 { vec![Dense::new(self.dimension, values)] } else { Vec::new() };
        page.rows = Batch { dense, documents: Some(documents), metadata: Some(metadata), ..page.rows };
        Ok(Some(page))
    }
}

impl Loaded {
    fn append(&mut self, more: Loaded) {
        self.items.extend(more.items);
        self.values.extend(more.values);
    }
}

impl Scan for SqliteScan {
    fn next(&mut self, max_rows: u32, max_bytes: u64) -> Result<Option<Page>> {
        if self.loaded.given == self.loaded.items.len() {
            self.load(max_bytes)?;
        }
        self.page(max_rows, max_bytes)
    }
}

fn numbers(rows: &[Located]) -> Vec<i64> {
    rows.iter().map(|located| located.row).collect()
}

fn text(metadata: &serde_json::Map<String, serde_json::Value>) -> Result<String> {
    serde_json::to_string(metadata)
        .map_err(|error| Error::internal("chroma/metadata", format!("metadata cannot be written as JSON: {error}")))
}

/// Bytes of a record without its vector, roughly.
fn weight(record: &Record) -> u64 {
    let metadata: usize = record
        .metadata
        .iter()
        .map(|(key, value)| {
            key.len() + value.as_str().map_or(24, str::len) + value.as_array().map_or(0, |a| a.len() * 24)
        })
        .sum();
    (record.id.len() + record.document.as_ref().map_or(0, String::len) + metadata) as u64
}

/// Refuses lost vectors, and says what else was found.
fn report(host: &Host, entry: &Entry, records: &LocatedRecords, vectors: &VectorSegment, mode: Mode) -> Result<()> {
    let total = records.rows.len() + records.added.len();
    let (lost, strays) = (&records.lost, &records.strays);
    if let Some(error) = &records.incomplete {
        host.warn(&format!(
            "collection {}: pages of the list of records are damaged, {total} records were found: {error}",
            entry.name
        ));
    }
    if strays.count > 0 && records.incomplete.is_none() {
        host.warn(&format!(
            "collection {}: {} ids have a vector but no record ({}); Chroma does not return them, and they are left out",
            entry.name,
            strays.count,
            strays.names(),
        ));
    }
    if lost.count == 0 {
        if let Some(problem) = &vectors.problem {
            host.warn(&format!("collection {}: damage that concerns no record: {problem}", entry.name));
        }
        return Ok(());
    }
    let what = format!("{} of {total} records of collection {} have no readable vector", lost.count, entry.name);
    if mode.salvage {
        host.warn(&format!("{what} and are reported as unreadable ({})", lost.names()));
        return Ok(());
    }
    let cause = vectors
        .problem
        .clone()
        .unwrap_or_else(|| Error::corrupt("chroma/vector-missing", "they are neither in the index nor in the log"));
    let mut error = Error::corrupt(cause.code, format!("{what} ({}): {}", lost.names(), cause.message))
        .hint(SKIP_HINT)
        .at("collection", &entry.name)
        .at("records", lost.count);
    error.context.extend(cause.context);
    Err(error)
}
