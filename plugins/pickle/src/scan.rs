/*! A running scan: row by row from all columns at once, in pages. */

use std::rc::Rc;

use vecferry_faiss_format::{Chunk, VectorScan};
use vecferry_pickle_format::{Json, Limits, Member, Notes, Tally, notes};
use vecferry_sdk::{Batch, Dense, Error, Page, Result, Unreadable};

use crate::cell;
use crate::layout::Layout;
use crate::record::Parts;
use crate::sequence::{Cell, Walk};
use crate::settings::Settings;
use crate::shape::Reading;
use crate::words::Role;

/// A scan of a store.
pub(crate) struct Scan {
    layout: Rc<Layout>,
    settings: Settings,
    walks: Vec<Walk>,
    vectors: Option<VectorScan>,
    json: Json,
    row: u64,
}

/// What a number of a list costs to read, in bytes that are written.
const VALUE: u64 = 16;

/// One record.
#[derive(Default)]
struct Record {
    id: Option<String>,
    document: Option<String>,
    metadata: Option<String>,
    vector: Option<Vec<f32>>,
}

impl Scan {
    /// A scan from this row on.
    pub(crate) fn new(layout: Rc<Layout>, settings: Settings, row: u64) -> Result<Scan> {
        if row > layout.rows {
            let message = format!("the cursor says row {row}, and there are {}", layout.rows);
            return Err(Error::config("pickle/cursor", message));
        }
        let walks = layout.columns.iter().map(|column| column.values.walk(row)).collect();
        let vectors = layout.index.as_ref().map(|index| index.vectors_at(row)).transpose()?;
        let json = Json::new(&Limits::default(), layout.file_bytes);
        Ok(Scan { layout, settings, walks, vectors, json, row })
    }

    /// The vectors of the next rows that stand in a matrix or an index, row-major.
    fn block(&mut self, rows: u64) -> Result<Option<Vec<f32>>> {
        if let Some(matrix) = &self.layout.matrix {
            return matrix.array.rows(self.row, rows).map(Some);
        }
        let Some(vectors) = &mut self.vectors else { return Ok(None) };
        let mut all = Chunk::default();
        while (all.ids.len() as u64) < rows {
            let left = usize::try_from(rows).unwrap_or(usize::MAX) - all.ids.len();
            let Some(chunk) = vectors.next(left)? else { break };
            let start = self.row + all.ids.len() as u64;
            let in_order = chunk.ids.iter().zip(start..).all(|(&id, row)| u64::try_from(id) == Ok(row));
            if !in_order {
                return Err(Error::unsupported("pickle/index", "the index keeps its vectors in another order"));
            }
            all.ids.extend(chunk.ids);
            all.values.extend(chunk.values);
        }
        Ok(Some(all.values))
    }

    /// Takes the next row from every column. `found` is noted only for records that are whole.
    fn record(&mut self, found: &mut Notes) -> Result<Record> {
        let mut record = Record::default();
        let mut members: Vec<(Rc<str>, Member<'_>)> = Vec::new();
        let mut cells = Vec::with_capacity(self.walks.len());
        // Every walk moves on, whatever happens to the record.
        for (column, walk) in self.layout.columns.iter().zip(&mut self.walks) {
            cells.push(walk.next(&column.values)?);
        }
        for (index, (column, cell)) in self.layout.columns.iter().zip(cells).enumerate() {
            let Some(cell) = cell else { continue };
            match (&column.reading, cell) {
                (Reading::Text, Cell::Node(node)) => {
                    self.json.spend(node.text_bytes()?, node)?;
                    record.document = cell::text(node, found)?;
                }
                (Reading::Text, cell) => record.document = cell.text(found)?,
                (Reading::Id, cell) => record.id = cell.id(&self.json)?,
                (Reading::Vector, Cell::Node(node)) => {
                    self.json.spend(node.len() as u64 * VALUE, node)?;
                    record.vector = cell::vector(node, found)?;
                }
                (Reading::Metadata, Cell::Node(node)) if node.is_none() => {}
                (Reading::Metadata, Cell::Node(node)) if node.kind() == vecferry_pickle_format::Kind::Dict => {
                    members.extend(self.json.members(node, found)?);
                }
                (Reading::Metadata, cell) => {
                    found.add(notes::WRAPPED);
                    members.push(("metadata".into(), member(cell)));
                }
                (Reading::Field(name), cell) => members.push((Rc::clone(name), member(cell))),
                (Reading::Record(fields), Cell::Node(node)) => {
                    let parts: Parts<'_> = fields.parts(node, &mut self.json, found)?;
                    members.extend(parts.members(&mut self.json, found)?);
                    if let Some(text) = parts.text {
                        self.json.spend(text.text_bytes()?, text)?;
                        record.document = cell::text(text, found)?;
                    }
                    if let Some(vector) = parts.vector {
                        self.json.spend(vector.len() as u64 * VALUE, vector)?;
                        record.vector = cell::vector(vector, found)?;
                    }
                    if let Some(id) = parts.id.filter(|_| self.layout.ids == Some(index)) {
                        record.id = cell::id(id, &self.json)?;
                    }
                }
                (Reading::Vector | Reading::Record(_), Cell::Element(_)) => {}
            }
        }
        if self.layout.has(Role::Metadata) {
            record.metadata = Some(self.json.object(members, found)?);
        }
        Ok(record)
    }
}

fn member(cell: Cell<'_>) -> Member<'_> {
    match cell {
        Cell::Node(node) => Member::Node(node),
        Cell::Element(element) => Member::Element(element),
    }
}

impl vecferry_sdk::Scan for Scan {
    fn next(&mut self, max_rows: u32, max_bytes: u64) -> Result<Option<Page>> {
        let left = self.layout.rows - self.row;
        if left == 0 {
            return Ok(None);
        }
        let width = self.layout.dimension.map_or(0, |dimension| dimension as usize);
        let fits = (max_bytes / (width as u64 * 4).max(1)).max(1);
        let want = u64::from(max_rows.max(1)).min(left).min(fits);
        let block = self.block(want)?;
        let mut columns = Columns::default();
        let mut tally = Tally::default();
        let mut unreadable = Vec::new();
        let (start, mut bytes, mut block_row) = (self.row, 0_u64, 0_usize);
        while self.row - start < want && (bytes < max_bytes || self.row == start) {
            let row = self.row;
            let mut found = Notes::default();
            let record = self.record(&mut found);
            self.row += 1;
            let from_block = block.as_deref().and_then(|block| block.get(block_row * width..(block_row + 1) * width));
            block_row += 1;
            match record {
                Ok(mut record) => {
                    let own = record.vector.take();
                    let vector = own.as_deref().or(from_block);
                    if vector.is_some_and(|vector| vector.len() != width) {
                        return Err(Error::corrupt(
                            "pickle/dimension",
                            format!("the vector of row {row} has another length"),
                        ));
                    }
                    bytes += columns.push(row, record, vector, width);
                    tally.add(&found);
                }
                Err(reason) if self.settings.skip_unreadable && !reason.kind.is_retryable() => {
                    unreadable.push(Unreadable { id: row.to_string(), reason });
                }
                Err(reason) => return Err(reason.at("row", row)),
            }
        }
        if block.is_some()
            && self.row - start < want
            && let Some(vectors) = &mut self.vectors
        {
            vectors.seek(self.row)?;
        }
        let rows = columns.batch(&self.layout, width);
        Ok(Some(Page { rows, cursor: self.row.to_le_bytes().to_vec(), changes: tally.changes(), unreadable }))
    }
}

/// A page's columns while they grow.
#[derive(Default)]
struct Columns {
    ids: Vec<String>,
    documents: Vec<Option<String>>,
    metadata: Vec<String>,
    values: Vec<f32>,
    absent: Vec<u32>,
}

impl Columns {
    /// Adds a record; its bytes.
    fn push(&mut self, row: u64, record: Record, vector: Option<&[f32]>, width: usize) -> u64 {
        let metadata = record.metadata.unwrap_or_else(|| "{}".to_owned());
        let id = record.id.unwrap_or_else(|| row.to_string());
        let text = record.document.as_ref().map_or(0, String::len);
        let bytes = id.len() + text + metadata.len() + width * 4;
        match vector {
            Some(vector) => self.values.extend_from_slice(vector),
            None => {
                self.values.resize(self.values.len() + width, 0.0);
                self.absent.extend(u32::try_from(self.ids.len()));
            }
        }
        self.ids.push(id);
        self.documents.push(record.document);
        self.metadata.push(metadata);
        bytes as u64
    }

    fn batch(self, layout: &Layout, width: usize) -> Batch {
        let dense =
            layout.dimension.map(|dimension| Dense { absent: self.absent, ..Dense::new(dimension, self.values) });
        debug_assert!(dense.as_ref().is_none_or(|dense| dense.values.len() == self.ids.len() * width));
        Batch {
            dense: dense.into_iter().collect(),
            sparse: Vec::new(),
            documents: layout.has(Role::Texts).then_some(self.documents),
            metadata: layout.has(Role::Metadata).then_some(self.metadata),
            ids: self.ids,
        }
    }
}
