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
    pub values: Vec<f32>,
    /// Rows without a vector, ascending: their values are zero and mean nothing.
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
    pub offsets: Vec<u32>,
    /// Positions of the non-zero values.
    pub indices: Vec<u32>,
    /// The non-zero values.
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
            let spans = sparse.offsets.first() == Some(&0) && sparse.offsets.last() == u32::try_from(values).ok().as_ref();
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
        let kept = |row: usize| keep.get(row).copied().unwrap_or(false);
        let rows: Vec<usize> = (0..self.len()).filter(|&row| kept(row)).collect();
        if rows.len() == self.len() {
            return self;
        }
        let dense = self.dense.iter().map(|dense| dense.select(&rows)).collect();
        let sparse = self.sparse.iter().map(|sparse| sparse.select(&rows)).collect();
        Batch {
            dense,
            sparse,
            ids: select(self.ids, &kept),
            documents: self.documents.map(|column| select(column, &kept)),
            metadata: self.metadata.map(|column| select(column, &kept)),
        }
    }
}

fn select<T>(column: Vec<T>, kept: &dyn Fn(usize) -> bool) -> Vec<T> {
    column.into_iter().enumerate().filter(|(row, _)| kept(*row)).map(|(_, value)| value).collect()
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
    pub cursor: Vec<u8>,
    /// What was made to fit while reading.
    pub changes: Vec<Change>,
    /// Records that could not be read whole.
    pub unreadable: Vec<Unreadable>,
}
