/*! What every part of an index offers to the part around it: rows, forward from any position. */

use std::rc::Rc;

use vecferry_sdk::{Error, Result};

use super::Chunk;
use super::centroids::Centroids;
use super::duplicates::Duplicates;
use super::lists::ListRows;
use crate::codec::Codec;
use crate::extent::{Extent, i64s};
use crate::node::{Kind, Node};
use crate::packing::Packing;
use crate::transform::Transform;

/// Rows of one part of an index, in the order it stores them.
pub(crate) trait Rows {
    /// Appends up to `max` rows; none at the end, and only there.
    fn next(&mut self, max: usize, out: &mut Chunk) -> Result<()>;
    /// Continues at the `position`-th row.
    fn seek(&mut self, position: u64) -> Result<()>;
}

/// The rows of `node`, from the first on.
pub(crate) fn rows(node: &Node) -> Result<Box<dyn Rows>> {
    Ok(match &node.kind {
        Kind::Codes(codes) => Box::new(CodeRows {
            codec: codes.codec.clone(),
            packing: codes.packing,
            codes: codes.codes.clone(),
            place: Place::new(node.rows),
        }),
        Kind::TwoLayer { quantizer, codec, codes, key_bytes } => Box::new(TwoLayerRows {
            centroids: Centroids::new(quantizer)?,
            codec: codec.clone(),
            codes: codes.clone(),
            key_bytes: *key_bytes,
            place: Place::new(node.rows),
        }),
        Kind::IdMap { inner, ids } => {
            Box::new(IdMapRows { by_id: inner.own_ids(), inner: rows(inner)?, ids: ids.clone() })
        }
        Kind::Graph { storage: inner } | Kind::Refined { refine: inner, .. } => rows(inner)?,
        Kind::Ivf(ivf) => {
            let lists = ListRows::new(ivf)?;
            match &ivf.duplicates {
                Some(pairs) => Box::new(Duplicates::new(lists, pairs, node.header.dimension)?),
                None => Box::new(lists),
            }
        }
        Kind::Transformed { chain, inner } => Box::new(TransformedRows { inner: rows(inner)?, chain: chain.clone() }),
        Kind::Grid(codec) => Box::new(GridRows { codec: codec.clone(), place: Place::new(node.rows) }),
        Kind::Opaque(why) => return Err(Error::unsupported("faiss/unsupported-type", *why)),
    })
}

/// A position among a known number of rows.
struct Place {
    rows: u64,
    at: u64,
}

impl Place {
    fn new(rows: u64) -> Place {
        Place { rows, at: 0 }
    }

    /// Moves on by up to `max` rows: the first of them, and how many. `None` at the end.
    fn take(&mut self, max: usize) -> Option<(u64, usize)> {
        let left = usize::try_from(self.rows.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let (first, count) = (self.at, left.min(max));
        self.at = first.saturating_add(count as u64);
        (count > 0).then_some((first, count))
    }
}

fn positions(first: u64, count: usize) -> impl Iterator<Item = i64> {
    (first..first.saturating_add(count as u64)).map(|row| i64::try_from(row).unwrap_or(i64::MAX))
}

struct CodeRows {
    codec: Rc<Codec>,
    packing: Packing,
    codes: Extent,
    place: Place,
}

impl Rows for CodeRows {
    fn next(&mut self, max: usize, out: &mut Chunk) -> Result<()> {
        let Some((first, count)) = self.place.take(max) else { return Ok(()) };
        let codes = self.packing.read(&self.codes, first, count)?;
        self.codec.decode(&codes, self.packing.code_bytes(), &mut out.values);
        out.ids.extend(positions(first, count));
        Ok(())
    }

    fn seek(&mut self, position: u64) -> Result<()> {
        self.place.at = position;
        Ok(())
    }
}

struct TwoLayerRows {
    centroids: Centroids,
    codec: Rc<Codec>,
    codes: Extent,
    key_bytes: usize,
    place: Place,
}

impl Rows for TwoLayerRows {
    fn next(&mut self, max: usize, out: &mut Chunk) -> Result<()> {
        let Some((first, count)) = self.place.take(max) else { return Ok(()) };
        let stride = self.key_bytes + self.codec.code_bytes();
        let codes = self.codes.rows(stride, first, count)?;
        for code in codes.chunks_exact(stride.max(1)) {
            let (key, code) = code.split_at(self.key_bytes.min(code.len()));
            let mut number = [0; 8];
            number[..key.len()].copy_from_slice(key);
            let start = out.values.len();
            self.codec.decode(code, code.len(), &mut out.values);
            let centroid = self.centroids.get(u64::from_le_bytes(number))?;
            out.values[start..].iter_mut().zip(centroid).for_each(|(value, base)| *value += base);
        }
        out.ids.extend(positions(first, count));
        Ok(())
    }

    fn seek(&mut self, position: u64) -> Result<()> {
        self.place.at = position;
        Ok(())
    }
}

/// Row r is the codec's vector for the bits of r.
struct GridRows {
    codec: Rc<Codec>,
    place: Place,
}

impl Rows for GridRows {
    fn next(&mut self, max: usize, out: &mut Chunk) -> Result<()> {
        let Some((first, count)) = self.place.take(max) else { return Ok(()) };
        let size = self.codec.code_bytes();
        for row in first..first.saturating_add(count as u64) {
            let mut code = row.to_le_bytes().to_vec();
            code.resize(size.max(8), 0);
            self.codec.decode(&code[..size], size, &mut out.values);
        }
        out.ids.extend(positions(first, count));
        Ok(())
    }

    fn seek(&mut self, position: u64) -> Result<()> {
        self.place.at = position;
        Ok(())
    }
}

struct IdMapRows {
    inner: Box<dyn Rows>,
    /// Whether what the inner rows carry are ids, in any order, rather than ascending positions.
    by_id: bool,
    ids: Extent,
}

impl Rows for IdMapRows {
    fn next(&mut self, max: usize, out: &mut Chunk) -> Result<()> {
        let before = out.ids.len();
        self.inner.next(max, out)?;
        let inner = out.ids.split_off(before);
        let outer = match inner.first() {
            None => return Ok(()),
            Some(_) if self.by_id => self.ids.gather(8, &inner)?,
            Some(&first) => self.ids.rows(8, first.unsigned_abs(), inner.len())?,
        };
        out.ids.extend(i64s(&outer));
        Ok(())
    }

    fn seek(&mut self, position: u64) -> Result<()> {
        self.inner.seek(position)
    }
}

struct TransformedRows {
    inner: Box<dyn Rows>,
    chain: Rc<[Transform]>,
}

impl Rows for TransformedRows {
    fn next(&mut self, max: usize, out: &mut Chunk) -> Result<()> {
        let mut inner = Chunk::default();
        self.inner.next(max, &mut inner)?;
        let mut values = inner.values;
        for transform in self.chain.iter().rev() {
            let mut back = Vec::with_capacity(inner.ids.len().saturating_mul(transform.input));
            for vector in values.chunks_exact(transform.output.max(1)) {
                transform.reverse(vector, &mut back);
            }
            values = back;
        }
        out.values.append(&mut values);
        out.ids.append(&mut inner.ids);
        Ok(())
    }

    fn seek(&mut self, position: u64) -> Result<()> {
        self.inner.seek(position)
    }
}
