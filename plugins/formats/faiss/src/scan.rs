/*! Records out of an index, a chunk at a time. */

use vecferry_sdk::Result;

use crate::extent::Extent;
use crate::node::{Kind, Node};

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
    position: u64,
}

/// What every part of an index offers to the part around it.
pub(crate) trait Rows {
    /// Up to `max` rows, appended; fewer only at the end.
    fn next(&mut self, max: usize, out: &mut Chunk) -> Result<()>;
    /// Continues at the `position`-th row.
    fn seek(&mut self, position: u64) -> Result<()>;
}

/// Bytes of values that one chunk may hold, unless a single row is larger.
const MAX_CHUNK_BYTES: usize = 32 << 20;

impl VectorScan {
    pub(crate) fn new(node: &Node) -> Result<VectorScan> {
        Ok(VectorScan { rows: rows(node)?, dimension: node.header.dimension, position: 0 })
    }

    /// The next records: at least one, at most `max_rows` (taken as 1 when 0). `None` at the end.
    ///
    /// # Errors
    /// `corrupt` with file and offset; `transient` when the disk fails.
    pub fn next(&mut self, max_rows: usize) -> Result<Option<Chunk>> {
        let fits = MAX_CHUNK_BYTES / (self.dimension * 4).max(8);
        let mut chunk = Chunk::default();
        self.rows.next(max_rows.min(fits).max(1), &mut chunk)?;
        self.position += chunk.ids.len() as u64;
        Ok((!chunk.ids.is_empty()).then_some(chunk))
    }

    /// Continues at the `position`-th record.
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

fn rows(node: &Node) -> Result<Box<dyn Rows>> {
    Ok(match &node.kind {
        Kind::Flat(extent) => {
            Box::new(Flat { extent: extent.clone(), dimension: node.header.dimension, rows: node.header.rows, at: 0 })
        }
        Kind::IdMap { inner, ids } => Box::new(IdMap { inner: rows(inner)?, ids: ids.clone() }),
    })
}

struct Flat {
    extent: Extent,
    dimension: usize,
    rows: u64,
    at: u64,
}

impl Rows for Flat {
    fn next(&mut self, max: usize, out: &mut Chunk) -> Result<()> {
        let left = self.rows.saturating_sub(self.at);
        let take = usize::try_from(left).unwrap_or(usize::MAX).min(max);
        let width = self.dimension * 4;
        let bytes = self.extent.read(self.at.saturating_mul(width as u64), take.saturating_mul(width))?;
        out.values.extend(bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)));
        let end = self.at + take as u64;
        out.ids.extend((self.at..end).filter_map(|row| i64::try_from(row).ok()));
        self.at = end;
        Ok(())
    }

    fn seek(&mut self, position: u64) -> Result<()> {
        self.at = position;
        Ok(())
    }
}

struct IdMap {
    inner: Box<dyn Rows>,
    ids: Extent,
}

impl Rows for IdMap {
    fn next(&mut self, max: usize, out: &mut Chunk) -> Result<()> {
        let before = out.ids.len();
        self.inner.next(max, out)?;
        let inner = out.ids.split_off(before);
        if let Some(&first) = inner.first() {
            let first = u64::try_from(first).unwrap_or(u64::MAX);
            out.ids.extend(self.ids.i64s(first, inner.len())?);
        }
        Ok(())
    }

    fn seek(&mut self, position: u64) -> Result<()> {
        self.inner.seek(position)
    }
}
