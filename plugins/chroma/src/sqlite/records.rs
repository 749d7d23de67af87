/*!
Reads records: ids, documents, metadata and vectors of a handful of rows at a time.

The values are those that Chroma's `get` returns (`_record` in `chromadb/segment/impl/metadata/sqlite.py`): of the
typed columns the first that is not NULL counts; a key whose columns are all NULL (a NaN that was stored) does not
exist; `chroma:document` is the document. Chroma's other reserved key, `chroma:uri`, stays in the metadata, so that
it is not lost.
*/

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value as Json};
use vecferry_hnswlib_format::{Index, Wanted};
use vecferry_sdk::{Error, Result, Value};

use super::locate::{Added, Place};
use super::log::Operation;
use super::table::{Row, TableRows, Tables};
use crate::notes::Notes;
use crate::python_json;

const DOCUMENT: &str = "chroma:document";

/// Parameters of a statement, at most; several sizes, so that the host can keep prepared statements.
const LIST_SIZES: [usize; 4] = [1, 16, 128, 1024];

/// A record without its vector.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) document: Option<String>,
    pub(crate) metadata: Map<String, Json>,
    pub(crate) notes: Notes,
}

/// A row of the log that changes a record.
struct Patch {
    operation: Operation,
    metadata: Option<Map<String, Json>>,
    notes: Notes,
}

/// Reads from one collection.
pub(crate) struct Loader<'a> {
    pub(crate) tables: &'a Tables,
    pub(crate) booleans: bool,
    pub(crate) arrays: bool,
    pub(crate) index: Option<&'a Index>,
}

impl Loader<'_> {
    /// Starts reading some rows of the table `embeddings`, ascending: the host goes on with it while the plugin does
    /// other things.
    ///
    /// # Errors
    /// `corrupt` when a page is damaged.
    pub(crate) fn query(&self, rows: &[i64]) -> Result<Queries> {
        let boolean = if self.booleans { "bool_value" } else { "NULL" };
        // A document's key is told by a number: it would be as long as many a value.
        let metadata = format!(
            "SELECT id, CASE key WHEN '{DOCUMENT}' THEN 0 ELSE key END, coalesce(string_value, int_value, float_value), \
             {boolean} FROM embedding_metadata WHERE id"
        );
        let arrays = "SELECT id, key, coalesce(string_value, int_value, float_value), bool_value \
                      FROM embedding_metadata_array WHERE id";
        Ok(Queries {
            ids: self.select("SELECT id, embedding_id FROM embeddings WHERE id", rows, "")?,
            metadata: self.select(&metadata, rows, "")?,
            arrays: match self.arrays {
                true => Some(self.select(arrays, rows, "ORDER BY id, key, rowid")?),
                false => None,
            },
        })
    }

    /// The records whose reading was started, with the changes that the log still has for them; in the order of `rows`.
    ///
    /// # Errors
    /// `corrupt` when a row is missing or a page is damaged.
    pub(crate) fn records(
        &self,
        queries: Queries,
        rows: &[i64],
        changes: &BTreeMap<i64, Vec<i64>>,
    ) -> Result<Vec<Record>> {
        let mut found = Found { rows, records: vec![None; rows.len()] };
        queries.ids.each(|mut row| {
            let number = row.integer(0, "embeddings.id")?;
            let id = row.text(1, "embeddings.embedding_id")?;
            if let Some(place) = found.place(number) {
                found.records[place] = Some(Record { id, ..Record::default() });
            }
            Ok(())
        })?;
        metadata(queries.metadata, &mut found)?;
        if let Some(arrays) = queries.arrays {
            array_metadata(arrays, &mut found)?;
        }
        let pending: Vec<i64> = rows.iter().filter_map(|row| changes.get(row)).flatten().copied().collect();
        let patches = self.patches(&pending)?;
        rows.iter()
            .zip(found.records)
            .map(|(row, record)| {
                let record = record.ok_or_else(|| {
                    Error::corrupt(
                        "chroma/embeddings",
                        format!("record {row} of the table embeddings is in its index and not in the table"),
                    )
                    .at("file", self.tables.file())
                })?;
                Ok(changes
                    .get(row)
                    .into_iter()
                    .flatten()
                    .filter_map(|at| patches.get(at))
                    .fold(record, Record::patched))
            })
            .collect()
    }

    /// Records that are in the log only.
    ///
    /// # Errors
    /// `corrupt` when a page or a text of the log is damaged.
    pub(crate) fn added(&self, added: &[Added]) -> Result<Vec<Record>> {
        let pending: Vec<i64> = added.iter().flat_map(|record| record.changes.iter().copied()).collect();
        let patches = self.patches(&pending)?;
        Ok(added
            .iter()
            .map(|record| {
                let start = Record { id: record.id.clone(), ..Record::default() };
                record.changes.iter().filter_map(|at| patches.get(at)).fold(start, Record::patched)
            })
            .collect())
    }

    fn patches(&self, sequences: &[i64]) -> Result<HashMap<i64, Patch>> {
        let mut out = HashMap::with_capacity(sequences.len());
        if sequences.is_empty() {
            return Ok(out);
        }
        let sql = "SELECT seq_id, operation, metadata FROM embeddings_queue WHERE seq_id";
        self.select(sql, sequences, "")?.each(|mut row| {
            let sequence = row.integer(0, "embeddings_queue.seq_id")?;
            let code = row.integer(1, "embeddings_queue.operation")?;
            let wrong = |message: String| {
                Error::corrupt("chroma/log", format!("row {sequence} of the log: {message}"))
                    .at("file", self.tables.file())
            };
            let operation = Operation::from_code(code).ok_or_else(|| wrong(format!("operation {code} is unknown")))?;
            let text = row.optional_text(2);
            let mended = text.as_deref().map(python_json::mend_change);
            let mut notes = Notes::default();
            let metadata = match &mended {
                Some(mended) => {
                    notes = Notes { non_finite: mended.non_finite, invalid_text: mended.surrogates, narrowed: false };
                    let metadata: Option<Map<String, Json>> = serde_json::from_str(&mended.text)
                        .map_err(|error| wrong(format!("its metadata is no JSON: {error}")))?;
                    metadata
                }
                None => None,
            };
            out.insert(sequence, Patch { operation, metadata, notes });
            Ok(())
        })?;
        Ok(out)
    }

    /// The vectors of some places, `places.len() × dimension` values, row-major. Places without a vector are left
    /// zero. The answer says whose values were narrowed.
    ///
    /// # Errors
    /// `corrupt` when a vector is missing or has another dimension.
    pub(crate) fn vectors(&self, places: &[Place], dimension: u32) -> Result<(Vec<f32>, Vec<usize>)> {
        let width = dimension as usize;
        let mut out = vec![0.0; places.len().saturating_mul(width)];
        let mut narrowed = Vec::new();
        let slots: Vec<(usize, Wanted)> = places
            .iter()
            .enumerate()
            .filter_map(|(at, place)| if let Place::Slot(wanted) = place { Some((at, *wanted)) } else { None })
            .collect();
        if let Some(index) = self.index.filter(|_| !slots.is_empty()) {
            let wanted: Vec<Wanted> = slots.iter().map(|(_, wanted)| *wanted).collect();
            if wanted.len() == places.len() {
                index.read(&wanted, &mut out)?;
            } else {
                let mut values = vec![0.0; wanted.len() * width];
                index.read(&wanted, &mut values)?;
                for ((at, _), row) in slots.iter().zip(values.chunks_exact(width.max(1))) {
                    out[at * width..(at + 1) * width].copy_from_slice(row);
                }
            }
        }
        let in_log: BTreeMap<i64, usize> = places
            .iter()
            .enumerate()
            .filter_map(|(at, place)| if let Place::Log(sequence) = place { Some((*sequence, at)) } else { None })
            .collect();
        let sequences: Vec<i64> = in_log.keys().copied().collect();
        let mut read = 0;
        let sql = "SELECT seq_id, encoding, vector FROM embeddings_queue WHERE seq_id";
        self.select(sql, &sequences, "")?.each(|mut row| {
            let sequence = row.integer(0, "embeddings_queue.seq_id")?;
            let encoding = row.optional_text(1);
            let Some(&at) = in_log.get(&sequence) else { return Ok(()) };
            let values = &mut out[at * width..(at + 1) * width];
            if decode(row.take(2), encoding.as_deref(), values)
                .map_err(|error| error.at("file", self.tables.file()).at("log row", sequence))?
            {
                narrowed.push(at);
            }
            read += 1;
            Ok(())
        })?;
        if read != sequences.len() {
            return Err(Error::corrupt("chroma/log", "rows of the log disappeared while it was read")
                .at("file", self.tables.file()));
        }
        Ok((out, narrowed))
    }

    /// Starts `sql` over all of `keys`, some at a time, or over the range that they are.
    fn select(&self, sql: &str, keys: &[i64], tail: &str) -> Result<Steps> {
        let range = keys.first().zip(keys.last()).filter(|_| keys.windows(2).all(|pair| pair[0] + 1 == pair[1]));
        if let Some((&first, &last)) = range {
            let bounds = [Value::Integer(first), Value::Integer(last)];
            return Ok(Steps(vec![self.tables.rows(&format!("{sql} BETWEEN ?1 AND ?2 {tail}"), &bounds)?]));
        }
        let most = LIST_SIZES[LIST_SIZES.len() - 1];
        let steps = keys.chunks(most).map(|keys| {
            let size = LIST_SIZES.into_iter().find(|size| *size >= keys.len()).unwrap_or(most);
            let places: Vec<String> = (1..=size).map(|number| format!("?{number}")).collect();
            let mut values: Vec<Value> = keys.iter().map(|key| Value::Integer(*key)).collect();
            values.resize(size, Value::Null);
            self.tables.rows(&format!("{sql} IN ({}) {tail}", places.join(",")), &values)
        });
        steps.collect::<Result<_>>().map(Steps)
    }
}

/// The queries that together give some records.
pub(crate) struct Queries {
    ids: Steps,
    metadata: Steps,
    arrays: Option<Steps>,
}

/// One query, in as many as its parameters need.
struct Steps(Vec<TableRows>);

impl Steps {
    fn each(self, mut each: impl FnMut(Row<'_>) -> Result<()>) -> Result<()> {
        self.0.into_iter().try_for_each(|rows| rows.each(&mut each))
    }
}

/// Records by their row numbers, which ascend.
struct Found<'a> {
    rows: &'a [i64],
    records: Vec<Option<Record>>,
}

impl Found<'_> {
    fn place(&self, number: i64) -> Option<usize> {
        // Most collections have every number of their range.
        let near = self.rows.first().and_then(|first| usize::try_from(number.checked_sub(*first)?).ok());
        let near = near.filter(|&place| self.rows.get(place) == Some(&number));
        near.or_else(|| self.rows.binary_search(&number).ok())
    }

    fn get_mut(&mut self, number: i64) -> Option<&mut Record> {
        let place = self.place(number)?;
        self.records.get_mut(place)?.as_mut()
    }
}

fn metadata(rows: Steps, found: &mut Found<'_>) -> Result<()> {
    rows.each(|mut row| {
        let number = row.integer(0, "embedding_metadata.id")?;
        let key = match row.take(1) {
            Value::Integer(0) => None,
            key => Some(row.text_of(key, "embedding_metadata.key")?),
        };
        let (value, boolean) = (row.take(2), row.take(3));
        let Some(record) = found.get_mut(number) else { return Ok(()) };
        match (key, scalar(value, boolean, &mut record.notes)) {
            (None, Some(Json::String(text))) => record.document = Some(text),
            (key, Some(value)) => drop(record.metadata.insert(key.unwrap_or_else(|| DOCUMENT.to_owned()), value)),
            (_, None) => {}
        }
        Ok(())
    })
}

/// Arrays stand in a table of their own, one row per element in the order in which they were written.
fn array_metadata(rows: Steps, found: &mut Found<'_>) -> Result<()> {
    rows.each(|mut row| {
        let number = row.integer(0, "embedding_metadata_array.id")?;
        let key = row.text(1, "embedding_metadata_array.key")?;
        let (value, boolean) = (row.take(2), row.take(3));
        if let Some(record) = found.get_mut(number) {
            let value = scalar(value, boolean, &mut record.notes).unwrap_or(Json::Null);
            match record.metadata.get_mut(&key) {
                Some(Json::Array(array)) => array.push(value),
                _ => drop(record.metadata.insert(key, Json::Array(vec![value]))),
            }
        }
        Ok(())
    })
}

impl Record {
    /// Applies a row of the log.
    fn patched(mut self, patch: &Patch) -> Record {
        if patch.operation == Operation::Delete {
            return Record { id: self.id, ..Record::default() };
        }
        for (key, value) in patch.metadata.iter().flatten() {
            match value {
                Json::String(text) if key == DOCUMENT => self.document = Some(text.clone()),
                Json::Null if key == DOCUMENT => self.document = None,
                Json::Null => drop(self.metadata.remove(key)),
                value => drop(self.metadata.insert(key.clone(), without_infinities(value))),
            }
        }
        self.notes.non_finite |= patch.notes.non_finite;
        self.notes.invalid_text |= patch.notes.invalid_text;
        self
    }
}

/// A value of a change, as JSON has it.
fn without_infinities(value: &Json) -> Json {
    match value {
        Json::Array(items) => items.iter().map(without_infinities).collect(),
        infinite if python_json::is_infinite(infinite) => Json::Null,
        other => other.clone(),
    }
}

/// A metadata value from its columns: the first typed one that is not NULL, and the boolean.
fn scalar(value: Value, boolean: Value, notes: &mut Notes) -> Option<Json> {
    match (value, boolean) {
        (Value::Text(text), _) => Some(Json::from(text)),
        (Value::Integer(number), _) => Some(Json::from(number)),
        (Value::Real(number), _) => {
            notes.non_finite |= !number.is_finite();
            Some(Json::from(number))
        }
        (Value::Blob(bytes), _) => {
            notes.invalid_text = true;
            Some(Json::from(String::from_utf8_lossy(&bytes)))
        }
        (Value::Null, Value::Integer(flag)) => Some(Json::from(flag == 1)),
        (Value::Null, _) => None,
    }
}

/// Decodes a vector of the log (`chromadb/ingest/impl/utils.py`, `decode_vector`); whether a value was narrowed.
fn decode(value: Value, encoding: Option<&str>, out: &mut [f32]) -> Result<bool> {
    let Value::Blob(bytes) = value else {
        return Err(Error::corrupt("chroma/vector", "a vector of the log is no sequence of bytes"));
    };
    let want = out.len().saturating_mul(4);
    if bytes.len() != want {
        let message = format!("a vector of the log has {} bytes, {} dimensions need {want}", bytes.len(), out.len());
        return Err(Error::corrupt("chroma/dimension", message));
    }
    let quads = bytes.chunks_exact(4).map(|quad| [quad[0], quad[1], quad[2], quad[3]]);
    match encoding {
        Some("FLOAT32") | None => {
            out.iter_mut().zip(quads).for_each(|(value, quad)| *value = f32::from_le_bytes(quad));
            Ok(false)
        }
        Some("INT32") => {
            let mut narrowed = false;
            for (value, quad) in out.iter_mut().zip(quads) {
                let number = i32::from_le_bytes(quad);
                #[expect(clippy::cast_precision_loss, reason = "checked in the next line")]
                let float = number as f32;
                narrowed |= f64::from(float) != f64::from(number);
                *value = float;
            }
            Ok(narrowed)
        }
        Some(other) => Err(Error::unsupported(
            "chroma/encoding",
            format!("vectors of the log are encoded as {other:?}, which is unknown"),
        )),
    }
}
