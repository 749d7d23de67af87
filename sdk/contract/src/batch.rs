/*! Records in columns: what a scan yields and a writer takes. */

use serde::{Deserialize, Serialize};

use crate::{Change, Error, Result};

/// One dense vector per row, row-major, `rows × dimension`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Dense {
    /// "" where a store has one vector per record.
    pub name: String,
    /// Values per row.
    pub dimension: u32,
    /// `rows × dimension` values.
    #[serde(with = "crate::bulk")]
    pub values: Vec<f32>,
    /// Rows without a vector, ascending: their values are zero and mean nothing.
    #[serde(with = "crate::bulk")]
    pub absent: Vec<u32>,
}

impl Dense {
    /// A column in which every row has a vector.
    pub fn new(dimension: u32, values: Vec<f32>) -> Self {
        Dense { name: String::new(), dimension, values, absent: Vec::new() }
    }

    /// Row `row`'s vector; `None` where it is absent or out of range.
    pub fn row(&self, row: usize) -> Option<&[f32]> {
        if self.absent.binary_search(&u32::try_from(row).ok()?).is_ok() {
            return None;
        }
        let width = self.dimension as usize;
        let start = row.checked_mul(width)?;
        self.values.get(start..start.checked_add(width)?)
    }
}

/// One sparse vector per row, in compressed rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sparse {
    /// "" where a store has one sparse vector per record.
    pub name: String,
    /// `rows + 1` entries: row r owns `indices[offsets[r]..offsets[r + 1]]`.
    #[serde(with = "crate::bulk")]
    pub offsets: Vec<u32>,
    /// Positions of the non-zero values.
    #[serde(with = "crate::bulk")]
    pub indices: Vec<u32>,
    /// The non-zero values.
    #[serde(with = "crate::bulk")]
    pub values: Vec<f32>,
}

/// Records in columns; every present column has `ids.len()` rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// The records' ids (see `Collection::id_origin` for who made them).
    pub ids: Vec<String>,
    /// Dense vector columns, usually one or none.
    pub dense: Vec<Dense>,
    /// Sparse vector columns.
    pub sparse: Vec<Sparse>,
    /// The records' texts; a row may have none.
    pub documents: Option<Vec<Option<String>>>,
    /// The records' metadata: one JSON object a row, as text.
    pub metadata: Option<Vec<String>>,
}

/// What a batch must satisfy at a border.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Rows.
    pub rows: usize,
    /// Bytes of everything it holds.
    pub bytes: u64,
}

impl Batch {
    /// Rows.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The first dense column: the one vector of stores that have one per record.
    pub fn vectors(&self) -> Option<&Dense> {
        self.dense.first()
    }

    /// Row `row`'s document.
    pub fn document(&self, row: usize) -> Option<&str> {
        self.documents.as_ref()?.get(row)?.as_deref()
    }

    /// Row `row`'s metadata as JSON text; "{}" where there is none.
    pub fn metadata(&self, row: usize) -> &str {
        self.metadata.as_ref().and_then(|column| column.get(row)).map_or("{}", String::as_str)
    }

    /// Checks that all columns agree, and measures.
    ///
    /// # Errors
    /// `batch/shape` (internal): a column's length does not fit the number of ids.
    pub fn check(&self) -> Result<Shape> {
        let rows = self.ids.len();
        let wrong = |what: &str, have: usize, want: usize| {
            Error::internal("batch/shape", format!("a batch of {rows} rows has {have} {what}, expected {want}"))
        };
        let mut bytes: u64 = self.ids.iter().map(|id| id.len() as u64).sum();
        for dense in &self.dense {
            let want = rows.saturating_mul(dense.dimension as usize);
            if dense.values.len() != want {
                return Err(wrong("vector values", dense.values.len(), want));
            }
            let ascending = dense.absent.windows(2).all(|w| w[0] < w[1]);
            if !ascending || dense.absent.last().is_some_and(|&last| last as usize >= rows) {
                return Err(wrong("rows marked absent, unsorted or out of range", dense.absent.len(), rows));
            }
            bytes += dense.values.len() as u64 * 4;
        }
        for sparse in &self.sparse {
            let values = sparse.values.len();
            let ordered = sparse.offsets.windows(2).all(|w| w[0] <= w[1]);
            let spans =
                sparse.offsets.first() == Some(&0) && sparse.offsets.last() == u32::try_from(values).ok().as_ref();
            if sparse.offsets.len() != rows + 1 || !ordered || !spans || sparse.indices.len() != values {
                return Err(wrong("sparse offsets", sparse.offsets.len(), rows + 1));
            }
            bytes += values as u64 * 8;
        }
        if let Some(documents) = &self.documents {
            if documents.len() != rows {
                return Err(wrong("documents", documents.len(), rows));
            }
            bytes += documents.iter().flatten().map(|text| text.len() as u64).sum::<u64>();
        }
        if let Some(metadata) = &self.metadata {
            if metadata.len() != rows {
                return Err(wrong("metadata rows", metadata.len(), rows));
            }
            bytes += metadata.iter().map(|json| json.len() as u64).sum::<u64>();
        }
        Ok(Shape { rows, bytes })
    }

    /// The rows for which `keep` says yes, in order, in a new batch.
    #[must_use]
    pub fn filter(self, keep: &[bool]) -> Batch {
        let rows: Vec<usize> = (0..self.len()).filter(|&row| keep.get(row).copied().unwrap_or(false)).collect();
        if rows.len() == self.len() { self } else { self.select(&rows) }
    }

    /// The named rows, in that order, in a new batch. Rows that do not exist are left out.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Batch {
        let documents = self.documents.as_ref().map(|column| select(column, rows));
        let metadata = self.metadata.as_ref().map(|column| select(column, rows));
        let existing: Vec<usize> = rows.iter().copied().filter(|&row| row < self.len()).collect();
        Batch {
            ids: select(&self.ids, rows),
            dense: self.dense.iter().map(|dense| dense.select(&existing)).collect(),
            sparse: self.sparse.iter().map(|sparse| sparse.select(&existing)).collect(),
            documents,
            metadata,
        }
    }

    /// Bytes of one row's payload.
    pub fn row_bytes(&self, row: usize) -> u64 {
        let dense: u64 = self.dense.iter().map(|dense| u64::from(dense.dimension) * 4).sum();
        let sparse: u64 = self
            .sparse
            .iter()
            .filter_map(|sparse| Some((sparse.offsets.get(row + 1)? - sparse.offsets.get(row)?, 8)))
            .map(|(values, bytes)| u64::from(values) * bytes)
            .sum();
        let id = self.ids.get(row).map_or(0, String::len);
        let document = self.document(row).map_or(0, str::len);
        (id + document + self.metadata(row).len()) as u64 + dense + sparse
    }

    /// Cuts into batches of at most `max_rows` rows and about `max_bytes` bytes (0 = no limit), each of at
    /// least one row.
    #[must_use]
    pub fn cut(self, max_rows: usize, max_bytes: u64) -> Vec<Batch> {
        let max_rows = if max_rows == 0 { usize::MAX } else { max_rows };
        let max_bytes = if max_bytes == 0 { u64::MAX } else { max_bytes };
        let mut cuts: Vec<Vec<usize>> = Vec::new();
        let mut bytes = 0u64;
        for row in 0..self.len() {
            let size = self.row_bytes(row);
            match cuts.last_mut() {
                Some(rows) if rows.len() < max_rows && bytes.saturating_add(size) <= max_bytes => {
                    rows.push(row);
                    bytes += size;
                }
                _ => {
                    cuts.push(vec![row]);
                    bytes = size;
                }
            }
        }
        if cuts.len() <= 1 { vec![self] } else { cuts.iter().map(|rows| self.select(rows)).collect() }
    }
}

fn select<T: Clone>(column: &[T], rows: &[usize]) -> Vec<T> {
    rows.iter().filter_map(|&row| column.get(row).cloned()).collect()
}

impl Dense {
    fn select(&self, rows: &[usize]) -> Dense {
        let width = self.dimension as usize;
        let mut values = Vec::with_capacity(rows.len() * width);
        let mut absent = Vec::new();
        for (new, &old) in rows.iter().enumerate() {
            match self.row(old) {
                Some(row) => values.extend_from_slice(row),
                None => {
                    values.resize(values.len() + width, 0.0);
                    absent.extend(u32::try_from(new));
                }
            }
        }
        Dense { name: self.name.clone(), dimension: self.dimension, values, absent }
    }
}

impl Sparse {
    fn select(&self, rows: &[usize]) -> Sparse {
        let mut out = Sparse { name: self.name.clone(), offsets: vec![0], ..Sparse::default() };
        for &row in rows {
            let bounds = self.offsets.get(row).zip(self.offsets.get(row + 1));
            if let Some((&start, &end)) = bounds {
                let span = start as usize..end as usize;
                out.indices.extend_from_slice(self.indices.get(span.clone()).unwrap_or_default());
                out.values.extend_from_slice(self.values.get(span).unwrap_or_default());
            }
            out.offsets.push(u32::try_from(out.indices.len()).unwrap_or(u32::MAX));
        }
        out
    }
}

/// A record that is there but cannot be read whole; it goes to the dead letter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unreadable {
    /// The record's id as far as it is known.
    pub id: String,
    /// Why.
    pub reason: Error,
}

/// What one call of a scan yields.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// The records.
    pub rows: Batch,
    /// Opaque; points *after* this page's rows.
    #[serde(with = "crate::bulk")]
    pub cursor: Vec<u8>,
    /// What was made to fit while reading.
    pub changes: Vec<Change>,
    /// Records that could not be read whole.
    pub unreadable: Vec<Unreadable>,
}
