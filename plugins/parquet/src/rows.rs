/*! Records read from the rows of a file: all columns of a row group, side by side. */

use serde_json::value::RawValue;
use vecferry_parquet_format::{Column, Footer, Leaf, Value};
use vecferry_pinecone_format::fit::Layout;
use vecferry_pinecone_format::restore::Reader as Restorer;
use vecferry_sdk::{Batch, Change, Dense, Error, File, Result, Sparse, Unreadable, metadata_object};

use crate::fields::{self, Fitted};
use crate::mapping::Mapping;

/// What is done with a row before it is a record.
#[derive(Clone, Debug)]
pub(crate) enum View {
    /// Nothing: columns as they stand, for writing them anew.
    Raw,
    /// Texts are records' documents and metadata.
    Records,
    /// The document is in the metadata, the id may be encoded.
    Pinecone(Layout, Restorer),
}

/// The columns of a row group, all before the same row.
pub(crate) struct GroupReader {
    /// Rows that are left.
    pub(crate) left: u64,
    view: View,
    id: Option<Column>,
    document: Option<Column>,
    metadata: Option<Column>,
    vectors: Vec<Column>,
    sparse: Vec<(Column, Column)>,
    others: Vec<(Leaf, Column)>,
    scratch: Vec<u8>,
    floats: Vec<f32>,
}

/// Records in columns, while they are read.
#[derive(Default)]
pub(crate) struct Rows {
    ids: Vec<String>,
    documents: Vec<Option<String>>,
    metadata: Vec<String>,
    dense: Vec<DenseRows>,
    sparse: Vec<Sparse>,
    /// Bytes of it all, about.
    pub(crate) bytes: u64,
    pub(crate) unreadable: Vec<Unreadable>,
    rounded: u32,
    fitted: [u32; 3],
}

#[derive(Default)]
struct DenseRows {
    name: String,
    /// Unknown until the first vector, where the file does not note it.
    dimension: Option<u32>,
    values: Vec<f32>,
    absent: Vec<u32>,
}

/// A row before it is a record.
struct Row {
    id: Option<String>,
    document: Option<String>,
    metadata: String,
}

impl GroupReader {
    /// The row group of this number, before its first row.
    ///
    /// # Errors
    /// `internal` where the file has no such row group.
    pub(crate) fn open(file: &File, footer: &Footer, group: usize, mapping: &Mapping, view: View) -> Result<Self> {
        let missing = || Error::internal("parquet/columns", "a row group or column that is not there was asked for");
        let group = footer.groups.get(group).ok_or_else(missing)?;
        let column = |at: usize| match (footer.leaves.get(at), group.chunks.get(at)) {
            (Some(leaf), Some(chunk)) => Ok(Column::open(file, leaf, chunk)),
            _ => Err(missing()),
        };
        let others = mapping.others.iter().filter_map(|at| Some((footer.leaves.get(*at)?.clone(), *at)));
        Ok(GroupReader {
            left: group.rows,
            view,
            id: mapping.id.map(column).transpose()?,
            document: mapping.document.map(column).transpose()?,
            metadata: mapping.metadata.map(column).transpose()?,
            vectors: mapping.vectors.iter().map(|vector| column(vector.leaf)).collect::<Result<_>>()?,
            sparse: mapping
                .sparse
                .iter()
                .map(|sparse| Ok((column(sparse.indices)?, column(sparse.values)?)))
                .collect::<Result<_>>()?,
            others: others.map(|(leaf, at)| Ok((leaf, column(at)?))).collect::<Result<_>>()?,
            scratch: Vec::new(),
            floats: Vec::new(),
        })
    }

    /// Moves over some rows.
    ///
    /// # Errors
    /// `corrupt` with file and offset.
    pub(crate) fn skip(&mut self, rows: u64) -> Result<()> {
        let rows = rows.min(self.left);
        self.left -= rows;
        let single = [&mut self.id, &mut self.document, &mut self.metadata].into_iter().flatten();
        let sparse = self.sparse.iter_mut().flat_map(|(indices, values)| [indices, values]);
        let others = self.others.iter_mut().map(|(_, column)| column);
        single.chain(&mut self.vectors).chain(sparse).chain(others).try_for_each(|column| column.skip(rows))
    }

    /// Reads the next row into `out`, as a record or as an unreadable one. `position` is its number in the collection:
    /// its id, where records have none.
    ///
    /// # Errors
    /// `corrupt` with file and offset, where the columns are not at the same row any more.
    pub(crate) fn next(&mut self, position: u64, out: &mut Rows) -> Result<()> {
        self.left = self.left.saturating_sub(1);
        let mut fitted = Fitted::default();
        let row = self.texts(position, &mut fitted)?;
        let at = out.ids.len();
        let (mut fault, mut rounded) = (None, false);
        for (column, rows) in self.vectors.iter_mut().zip(&mut out.dense) {
            match rows.read(column, at)? {
                Ok(was_rounded) => rounded |= was_rounded,
                Err(reason) => fault = fault.or(Some(reason)),
            }
        }
        for ((indices, values), rows) in self.sparse.iter_mut().zip(&mut out.sparse) {
            if let Err(reason) = read_sparse(indices, values, rows, &mut self.floats)? {
                fault = fault.or(Some(reason));
            }
        }
        let unnamed = row.id.clone().unwrap_or_else(|| format!("row {position}"));
        let record = match fault {
            Some(reason) => Err(reason),
            None => self.view.record(row),
        };
        match record {
            Ok((id, document, metadata)) => {
                out.bytes += (id.len() + document.as_ref().map_or(0, String::len) + metadata.len()) as u64 + 16;
                out.bytes += out.dense.iter().map(|rows| u64::from(rows.dimension.unwrap_or(0)) * 4).sum::<u64>();
                out.ids.push(id);
                out.documents.push(document);
                out.metadata.push(metadata);
                out.rounded += u32::from(rounded);
                for (count, is) in out.fitted.iter_mut().zip([fitted.non_finite, fitted.invalid_text, fitted.shadowed])
                {
                    *count += u32::from(is);
                }
            }
            Err(reason) => {
                out.take_back(at);
                out.unreadable.push(Unreadable { reason: reason.at("id", &unnamed).at("row", position), id: unnamed });
            }
        }
        Ok(())
    }

    fn texts(&mut self, position: u64, fitted: &mut Fitted) -> Result<Row> {
        let id = match &mut self.id {
            None => Some(position.to_string()),
            Some(column) => match column.value()? {
                None => None,
                Some(Value::Bytes(bytes)) => Some(text(bytes, fitted)),
                Some(Value::Int(number)) => Some(number.to_string()),
                Some(Value::Unsigned(number)) => Some(number.to_string()),
                Some(_) => None,
            },
        };
        let mut next = |column: &mut Option<Column>, scratch: &mut Vec<u8>| -> Result<Option<String>> {
            let Some(column) = column else { return Ok(None) };
            scratch.clear();
            Ok(column.bytes(scratch)?.then(|| text(scratch.clone(), fitted)))
        };
        let document = next(&mut self.document, &mut self.scratch)?;
        let metadata = next(&mut self.metadata, &mut self.scratch)?;
        let mut metadata = match metadata {
            Some(text) if text.trim() != "null" && !text.is_empty() => text,
            _ => "{}".to_owned(),
        };
        if !self.others.is_empty() {
            let mut columns = Vec::with_capacity(self.others.len());
            for (leaf, column) in &mut self.others {
                columns.push((leaf.name.as_str(), fields::next(leaf, column, fitted)?));
            }
            // What is no object is told of where the record is made.
            if let Ok(object) = metadata_object(&metadata) {
                metadata = fields::join(object, &columns, fitted);
            }
        }
        Ok(Row { id, document, metadata })
    }
}

fn text(bytes: Vec<u8>, fitted: &mut Fitted) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| {
        fitted.invalid_text = true;
        String::from_utf8_lossy(error.as_bytes()).into_owned()
    })
}

impl View {
    fn record(&self, row: Row) -> Result<(String, Option<String>, String)> {
        let id = row.id.ok_or_else(|| Error::corrupt("parquet/id", "the row has no id"))?;
        match self {
            View::Raw => Ok((id, row.document, row.metadata)),
            View::Records => {
                let metadata = metadata_object(&row.metadata)?;
                let metadata = if metadata.len() == row.metadata.len() { row.metadata } else { metadata.to_owned() };
                Ok((id, row.document, metadata))
            }
            View::Pinecone(layout, reader) => {
                let object = metadata_object(&row.metadata)?.to_owned();
                let raw = RawValue::from_string(object)
                    .map_err(|error| Error::corrupt("metadata/json", format!("the metadata is no JSON: {error}")))?;
                let restored = layout.restore(&id, Some(&raw), *reader)?;
                Ok((restored.id, restored.document, restored.metadata))
            }
        }
    }
}

impl DenseRows {
    /// Reads row `at`'s vector; whether a value was rounded, or why the row cannot be read.
    fn read(&mut self, column: &mut Column, at: usize) -> Result<Result<bool>> {
        let start = self.values.len();
        let list = column.floats(&mut self.values)?;
        let len = self.values.len() - start;
        let (Some(list), 1..) = (list, len) else {
            self.absent.extend(u32::try_from(at));
            self.values.resize(start + self.dimension.unwrap_or(0) as usize, 0.0);
            return Ok(Ok(false));
        };
        let has = u32::try_from(len).unwrap_or(u32::MAX);
        let reason = match self.dimension {
            _ if list.nulls > 0 => {
                Error::corrupt("vector/null-value", format!("{} of the vector's {len} values are null", list.nulls))
            }
            Some(dimension) if dimension != has => {
                let message = format!("the vector has {has} values, those before it have {dimension}");
                Error::corrupt("vector/dimension", message)
            }
            Some(_) => return Ok(Ok(list.rounded)),
            None => {
                // The rows before this one have no vector.
                self.dimension = Some(has);
                self.values.splice(start..start, std::iter::repeat_n(0.0, at.saturating_mul(len)));
                return Ok(Ok(list.rounded));
            }
        };
        Ok(Err(reason))
    }
}

/// Reads the next row's sparse vector.
fn read_sparse(
    indices: &mut Column,
    values: &mut Column,
    out: &mut Sparse,
    scratch: &mut Vec<f32>,
) -> Result<Result<()>> {
    let found = indices.list()?.unwrap_or_default();
    scratch.clear();
    values.floats(scratch)?;
    let positions = found.iter().map(|index| match index {
        Some(Value::Unsigned(index)) => u32::try_from(*index).ok(),
        Some(Value::Int(index)) => u32::try_from(*index).ok(),
        _ => None,
    });
    let fault = if found.len() == scratch.len() {
        let before = out.indices.len();
        out.indices.extend(positions.flatten());
        out.values.extend_from_slice(scratch);
        (out.indices.len() - before != found.len()).then_some("an index of the sparse vector is impossible")
    } else {
        Some("the sparse vector has another number of indices than of values")
    };
    out.offsets.push(u32::try_from(out.indices.len()).unwrap_or(u32::MAX));
    Ok(match fault {
        Some(what) => Err(Error::corrupt("vector/sparse", what)),
        None => Ok(()),
    })
}

impl Rows {
    /// None yet, for the vectors of a mapping. `dimensions` are those that are known although the file does not note
    /// them.
    pub(crate) fn new(mapping: &Mapping, dimension: Option<u32>) -> Rows {
        let dense = mapping.vectors.iter().enumerate().map(|(at, vector)| DenseRows {
            name: vector.name.clone(),
            dimension: vector.dimension.or(dimension.filter(|_| at == 0)),
            ..DenseRows::default()
        });
        let sparse = mapping.sparse.iter().map(|sparse| Sparse {
            name: sparse.name.clone(),
            offsets: vec![0],
            ..Sparse::default()
        });
        Rows { dense: dense.collect(), sparse: sparse.collect(), ..Rows::default() }
    }

    /// Rows that were looked at.
    pub(crate) fn len(&self) -> usize {
        self.ids.len() + self.unreadable.len()
    }

    /// Values of the first vector, where one was seen.
    pub(crate) fn dimension(&self) -> Option<u32> {
        self.dense.first()?.dimension
    }

    /// Forgets what was read of a row that is no record.
    fn take_back(&mut self, rows: usize) {
        for dense in &mut self.dense {
            dense.values.truncate(rows.saturating_mul(dense.dimension.unwrap_or(0) as usize));
            dense.absent.truncate(dense.absent.partition_point(|row| (*row as usize) < rows));
        }
        for sparse in &mut self.sparse {
            sparse.offsets.truncate(rows + 1);
            let end = sparse.offsets.last().copied().unwrap_or(0) as usize;
            sparse.indices.truncate(end);
            sparse.values.truncate(end);
        }
    }

    /// What was made to fit, and in how many records.
    pub(crate) fn changes(&self) -> Vec<Change> {
        let [non_finite, invalid_text, shadowed] = self.fitted;
        [
            ("metadata/non-finite-to-null", non_finite),
            ("text/invalid-replaced", invalid_text),
            ("metadata/column-left-out", shadowed),
            ("vector/rounded-to-f32", self.rounded),
        ]
        .into_iter()
        .filter(|(_, records)| *records > 0)
        .map(|(code, records)| Change { code: code.to_owned(), records })
        .collect()
    }

    /// The records, and those that are none.
    pub(crate) fn finish(self) -> (Batch, Vec<Unreadable>) {
        let dense = self.dense.into_iter().filter_map(|rows| {
            let DenseRows { name, dimension, values, absent } = rows;
            Some(Dense { name, dimension: dimension?, values, absent })
        });
        let batch = Batch {
            ids: self.ids,
            dense: dense.collect(),
            sparse: self.sparse,
            documents: Some(self.documents),
            metadata: Some(self.metadata),
        };
        (batch, self.unreadable)
    }
}
