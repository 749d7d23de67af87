/*! The scan over one collection of a store of 0.3: the rows of `chroma-embeddings.parquet` that are its own. */

use serde_json::{Map, Value as Json};
use vecferry_sdk::{Batch, Dense, Error, ErrorKind, Host, Page, Result, Scan, Unreadable};

use super::column::Column;
use super::{Named, Table};
use crate::notes::{Notes, Tally};
use crate::python_json;
use crate::settings::Settings;

pub(crate) struct ParquetScan {
    table: Table,
    /// UUID of the collection.
    owner: Vec<u8>,
    settings: Settings,
    dimension: Option<u32>,
    /// Rows of the file that were passed. A page's cursor holds this and the dimension.
    passed: u64,
    /// The row group being read, the next one's number.
    group: Option<Group>,
    next_group: usize,
}

/// The columns of a row group, all before the same row.
struct Group {
    left: u64,
    owners: Column,
    ids: Column,
    documents: Column,
    metadata: Column,
    vectors: Column,
    /// Why nothing but owners and ids can be read any more.
    broken: Option<Error>,
}

/// Columns of a row as they stand in the file.
#[derive(Default)]
struct Texts {
    document: Option<Vec<u8>>,
    metadata: Option<Vec<u8>>,
}

/// A record without its vector.
struct Row {
    id: String,
    document: Option<String>,
    metadata: String,
    notes: Notes,
}

/// What a row of the file is.
enum Found {
    /// Another collection's.
    Other,
    Whole(Row),
    Broken(Unreadable),
}

impl ParquetScan {
    /// Opens a scan of collection `name`; the embeddings are in `file`.
    ///
    /// # Errors
    /// `corrupt`, `not-found`, `config` for a cursor that is none.
    pub(crate) fn open(host: &Host, file: &str, name: &str, settings: Settings, after: Option<&[u8]>) -> Result<Self> {
        let owner = Named::read(host, file)?.id(name)?.into_bytes();
        let table = Table::open(host, file)?;
        let mut scan = ParquetScan { table, owner, settings, dimension: None, passed: 0, group: None, next_group: 0 };
        if let Some(cursor) = after {
            let parts = cursor.split_first_chunk().and_then(|(row, dimension)| Some((row, dimension.try_into().ok()?)));
            let (row, dimension) = parts.ok_or_else(|| {
                Error::config("chroma/cursor", "this cursor was made by another version of the plugin")
            })?;
            scan.dimension = Some(u32::from_le_bytes(dimension)).filter(|dimension| *dimension > 0);
            scan.skip_to(u64::from_le_bytes(*row))?;
        }
        Ok(scan)
    }

    fn skip_to(&mut self, row: u64) -> Result<()> {
        while let Some(group) = self.table.footer.groups.get(self.next_group) {
            if self.passed.saturating_add(group.rows) > row {
                break;
            }
            self.passed += group.rows;
            self.next_group += 1;
        }
        while self.passed < row && self.enter_group()? {
            let Some(group) = &mut self.group else { break };
            if let Err(error) = group.skip_row() {
                if !self.settings.skip_unreadable {
                    return Err(error);
                }
                group.broken.get_or_insert(error);
            }
            self.passed += 1;
        }
        Ok(())
    }

    /// Makes sure that there is a row group with rows left.
    fn enter_group(&mut self) -> Result<bool> {
        while self.group.as_ref().is_none_or(|group| group.left == 0) {
            let Some(group) = self.table.footer.groups.get(self.next_group) else { return Ok(false) };
            let column = |name| self.table.column(self.next_group, name);
            self.group = Some(Group {
                left: group.rows,
                owners: column("collection_uuid")?,
                ids: column("id")?,
                documents: column("document")?,
                metadata: column("metadata")?,
                vectors: column("embedding")?,
                broken: None,
            });
            self.next_group += 1;
        }
        Ok(true)
    }

    /// The next row of the file; its vector is left in `vector`.
    fn row(&mut self, vector: &mut Vec<f64>) -> Result<Found> {
        let Some(group) = &mut self.group else { return Ok(Found::Other) };
        group.left -= 1;
        self.passed += 1;
        let owner = group.owners.text()?.unwrap_or_default();
        let id = group.ids.text()?;
        let is_ours = owner == self.owner;
        let id = id.map(|id| String::from_utf8_lossy(&id).into_owned());
        let broken = |id: Option<String>, error: Error, row: u64| {
            let id = id.unwrap_or_else(|| format!("row {row}"));
            Found::Broken(Unreadable { reason: error.at("id", &id), id })
        };
        if let Some(error) = &group.broken {
            return Ok(if is_ours { broken(id, error.clone(), self.passed) } else { Found::Other });
        }
        let read = group.rest(is_ours, self.settings.vectors, vector);
        let texts = match read {
            Ok(texts) => texts,
            // The columns are not at the same row any more.
            Err(error) if self.settings.skip_unreadable => {
                group.broken = Some(error.clone());
                return Ok(if is_ours { broken(id, error, self.passed) } else { Found::Other });
            }
            Err(error) => return Err(error),
        };
        if !is_ours {
            return Ok(Found::Other);
        }
        match self.record(id.clone(), texts, vector) {
            Ok(row) => Ok(Found::Whole(row)),
            Err(error) if self.settings.skip_unreadable => Ok(broken(id, error, self.passed)),
            Err(error) => Err(error.at("row", self.passed).at("file", self.table.file.name())),
        }
    }

    fn record(&mut self, id: Option<String>, texts: Texts, vector: &[f64]) -> Result<Row> {
        let id = id.ok_or_else(|| Error::corrupt("chroma/id", "a record has no id"))?;
        let mut notes = Notes::default();
        if self.settings.vectors {
            let dimension = u32::try_from(vector.len()).unwrap_or(u32::MAX);
            if dimension == 0 || dimension != *self.dimension.get_or_insert(dimension) {
                let want = self.dimension.unwrap_or_default();
                return Err(Error::corrupt(
                    "chroma/dimension",
                    format!("the vector has {dimension} values, those before it have {want}"),
                )
                .at("id", &id));
            }
            notes.narrowed = vector.iter().any(|value| f64::from(narrow(*value)) != *value && !value.is_nan());
        }
        let mut text = |bytes: Vec<u8>| {
            String::from_utf8(bytes).unwrap_or_else(|error| {
                notes.invalid_text = true;
                String::from_utf8_lossy(error.as_bytes()).into_owned()
            })
        };
        let document = texts.document.map(&mut text);
        let metadata = texts.metadata.map(text).unwrap_or_else(|| "null".to_owned());
        let mended = python_json::mend(&metadata);
        notes.non_finite = mended.non_finite;
        notes.invalid_text |= mended.surrogates;
        // Parsed to know that it is an object; passed on as it stands, so that no number loses digits.
        let parsed: Option<Map<String, Json>> = serde_json::from_str(&mended.text).map_err(|error| {
            Error::corrupt("chroma/metadata", format!("metadata is no JSON: {error}")).at("id", &id)
        })?;
        let metadata = if parsed.is_some() { mended.text.into_owned() } else { "{}".to_owned() };
        Ok(Row { id, document, metadata, notes })
    }
}

impl Group {
    /// The row's other columns; the vector's only where it is wanted.
    fn rest(&mut self, wanted: bool, vectors: bool, vector: &mut Vec<f64>) -> Result<Texts> {
        vector.clear();
        if !wanted {
            self.documents.skip_text()?;
            self.metadata.skip_text()?;
            if vectors {
                self.vectors.skip_numbers()?;
            }
            return Ok(Texts::default());
        }
        if vectors {
            self.vectors.numbers(vector)?;
        }
        Ok(Texts { document: self.documents.text()?, metadata: self.metadata.text()? })
    }

    fn skip_row(&mut self) -> Result<()> {
        self.left -= 1;
        self.owners.skip_text()?;
        self.ids.skip_text()?;
        match &self.broken {
            None => self.rest(false, true, &mut Vec::new()).map(drop),
            Some(_) => Ok(()),
        }
    }
}

impl Scan for ParquetScan {
    fn next(&mut self, max_rows: u32, max_bytes: u64) -> Result<Option<Page>> {
        let mut page = Page::default();
        let (mut documents, mut metadata, mut values) = (Vec::new(), Vec::new(), Vec::new());
        let mut tally = Tally::default();
        let mut vector = Vec::new();
        let mut bytes = 0;
        let taken = |page: &Page| page.rows.ids.len() + page.unreadable.len();
        while taken(&page) < max_rows.max(1) as usize
            && (taken(&page) == 0 || bytes < max_bytes)
            && self.enter_group()?
        {
            let found = match self.row(&mut vector) {
                // Without owners and ids nothing of the row group can be attributed: it is passed over, and said.
                Err(error) if self.settings.skip_unreadable && error.kind == ErrorKind::Corrupt => {
                    let left = self.group.take().map_or(0, |group| group.left);
                    self.passed += left;
                    let id = format!("rows up to {}", self.passed);
                    Found::Broken(Unreadable { id, reason: error })
                }
                other => other?,
            };
            match found {
                Found::Other => {}
                Found::Broken(unreadable) => page.unreadable.push(unreadable),
                Found::Whole(row) => {
                    let weight = row.id.len() + row.document.as_ref().map_or(0, String::len) + row.metadata.len();
                    bytes += (weight + vector.len() * 4) as u64;
                    tally.add(row.notes);
                    page.rows.ids.push(row.id);
                    documents.push(row.document);
                    metadata.push(row.metadata);
                    values.extend(vector.iter().map(|value| narrow(*value)));
                }
            }
        }
        if taken(&page) == 0 {
            return Ok(None);
        }
        let dimension = self.dimension.unwrap_or(0);
        page.cursor = [self.passed.to_le_bytes().as_slice(), &dimension.to_le_bytes()].concat();
        page.changes = tally.changes();
        let dense = match self.dimension {
            Some(dimension) if self.settings.vectors => vec![Dense::new(dimension, values)],
            _ => Vec::new(),
        };
        page.rows = Batch { dense, documents: Some(documents), metadata: Some(metadata), ..page.rows };
        Ok(Some(page))
    }
}

/// DuckDB keeps vectors with 64 bits per value; what a model made has 32.
#[expect(clippy::cast_possible_truncation, reason = "rounding is what is meant, and is counted")]
fn narrow(value: f64) -> f32 {
    value as f32
}
