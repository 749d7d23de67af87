/*! Records out of an index, a chunk at a time. */

mod centroids;
mod duplicates;
mod lists;
mod rows;

use vecferry_sdk::{Error, Result};

use crate::node::Node;
use rows::{Rows, rows};

/// Bytes of values that one chunk may hold, unless a single record is larger.
const MAX_CHUNK_BYTES: usize = 16 << 20;

/// Some records: as many ids as rows of values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chunk {
    /// The index's own ids, or positions (see [`Info::own_ids`](crate::Info::own_ids)).
    pub ids: Vec<i64>,
    /// `ids × dimension` values, row-major.
    pub values: Vec<f32>,
}

/// A running scan.
pub struct VectorScan {
    rows: Box<dyn Rows>,
    dimension: usize,
    most: usize,
    total: u64,
    position: u64,
}

impl VectorScan {
    pub(crate) fn new(node: &Node) -> Result<VectorScan> {
        let most = MAX_CHUNK_BYTES / node.row_bytes().max(1);
        Ok(VectorScan { rows: rows(node)?, dimension: node.header.dimension, most, total: node.rows, position: 0 })
    }

    /// The next records: at least one, at most `max_rows` (taken as 1 when 0). `None` at the end.
    ///
    /// # Errors
    /// `corrupt` with file and offset; `transient` when the disk fails.
    pub fn next(&mut self, max_rows: usize) -> Result<Option<Chunk>> {
        let mut chunk = Chunk::default();
        self.rows.next(max_rows.min(self.most).max(1), &mut chunk)?;
        self.position = self.position.saturating_add(chunk.ids.len() as u64);
        if chunk.ids.is_empty() && self.position < self.total {
            let message = format!("the index ended after {} of {} records", self.position, self.total);
            return Err(Error::corrupt("faiss/too-few-records", message));
        }
        Ok((!chunk.ids.is_empty()).then_some(chunk))
    }

    /// Continues at the `position`-th record. In an index of lists this passes over their sizes, in one with
    /// duplicates over the records before.
    ///
    /// # Errors
    /// As [`VectorScan::next`].
    pub fn seek(&mut self, position: u64) -> Result<()> {
        self.rows.seek(position)?;
        self.position = position;
        Ok(())
    }

    /// Records before the next one.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Values per vector.
    pub fn dimension(&self) -> usize {
        self.dimension
    }
}
