/*! Fetched records, put together as a batch. */

use serde_json::value::RawValue;
use vecferry_sdk::{Batch, Dense, Error, Response, Result, Sparse};

use crate::answers::{Fetched, Vector, floats, parse};
use vecferry_pinecone_format::fit::Layout;
use vecferry_pinecone_format::restore::{Reader, Restored};

/// Records of one namespace.
pub(crate) struct Rows<'l> {
    layout: &'l Layout,
    reader: Reader,
    /// `None` until a vector says it, where the index does not.
    dimension: Option<u32>,
    ids: Vec<String>,
    values: Vec<f32>,
    absent: Vec<u32>,
    sparse: Sparse,
    documents: Vec<Option<String>>,
    metadata: Vec<String>,
}

impl<'l> Rows<'l> {
    pub(crate) fn new(layout: &'l Layout, reader: Reader, dimension: Option<u32>) -> Self {
        Rows {
            layout,
            reader,
            dimension,
            ids: Vec::new(),
            values: Vec::new(),
            absent: Vec::new(),
            sparse: Sparse { offsets: vec![0], ..Sparse::default() },
            documents: Vec::new(),
            metadata: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Adds all records of a fetch's answer, sorted by their stored ids: the answer is a map, in any order.
    pub(crate) fn push_all(&mut self, response: &Response) -> Result<()> {
        let mut fetched: Fetched<'_> = parse(response, "fetch records")?;
        fetched.vectors.0.sort_by(|(a, _), (b, _)| a.cmp(b));
        fetched.vectors.0.iter().try_for_each(|(id, record)| self.push(id, record))
    }

    fn push(&mut self, stored: &str, record: &RawValue) -> Result<()> {
        let wrong = |why: String| Error::corrupt("pinecone/answer", why).at("id", stored);
        let vector: Vector<'_> = serde_json::from_str(record.get())
            .map_err(|e| wrong(format!("a record in Pinecone's answer cannot be read: {e}")))?;
        let Restored { id, document, metadata } = self.layout.restore(stored, vector.metadata, self.reader)?;
        let before = self.values.len();
        let count = match vector.values {
            Some(values) => floats(values, &mut self.values).map_err(|e| e.at("id", stored))?,
            None => 0,
        };
        if count == 0 {
            self.absent.push(u32::try_from(self.ids.len()).unwrap_or(u32::MAX));
            self.values.resize(before + self.width(), 0.0);
        } else {
            match self.dimension {
                None => self.widen(count),
                Some(dimension) if dimension as usize != count => {
                    return Err(wrong(format!("a vector of {count} values came out of an index of {dimension}")));
                }
                Some(_) => {}
            }
        }
        if let Some(sparse) = vector.sparse_values {
            if let Some(values) = sparse.values {
                floats(values, &mut self.sparse.values).map_err(|e| e.at("id", stored))?;
            }
            self.sparse.indices.extend(sparse.indices);
            if self.sparse.indices.len() != self.sparse.values.len() {
                return Err(wrong("a sparse vector has not as many indices as values".to_owned()));
            }
        }
        self.sparse.offsets.push(u32::try_from(self.sparse.indices.len()).unwrap_or(u32::MAX));
        self.ids.push(id);
        self.documents.push(document);
        self.metadata.push(metadata);
        Ok(())
    }

    fn width(&self) -> usize {
        self.dimension.map_or(0, |dimension| dimension as usize)
    }

    /// The first vector says how many values there are; the rows before it have none.
    fn widen(&mut self, count: usize) {
        self.dimension = u32::try_from(count).ok();
        let mut values = vec![0.0; self.ids.len() * count];
        values.append(&mut self.values);
        self.values = values;
    }

    pub(crate) fn into_batch(self) -> Batch {
        let has_sparse = !self.sparse.indices.is_empty();
        let dense = self.dimension.map(|dimension| Dense {
            name: String::new(),
            dimension,
            values: self.values,
            absent: self.absent,
        });
        Batch {
            ids: self.ids,
            dense: dense.into_iter().collect(),
            sparse: if has_sparse { vec![self.sparse] } else { Vec::new() },
            documents: Some(self.documents),
            metadata: Some(self.metadata),
        }
    }
}
