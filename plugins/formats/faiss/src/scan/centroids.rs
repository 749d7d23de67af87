/*! The centroids of inverted lists: one row of the coarse quantizer at a time, by its number. */

use std::collections::HashMap;

use vecferry_sdk::{Error, Result};

use super::Chunk;
use super::rows::{Rows, rows};
use crate::node::Node;

/// Bytes of centroids that are kept where they lie in no order.
const MAX_KEPT_BYTES: u64 = 256 << 20;
/// Centroids read at a time while they are collected.
const STEP: usize = 1024;

/// The rows of a quantizer, by number.
pub(crate) struct Centroids {
    rows: u64,
    place: Lookup,
    /// The one that was asked for last.
    current: Chunk,
    key: Option<u64>,
}

enum Lookup {
    /// A number is a position.
    Position(Box<dyn Rows>),
    /// A number is an id of an index of lists: all of them, collected.
    Id(HashMap<u64, Vec<f32>>),
}

impl Centroids {
    pub(crate) fn new(quantizer: &Node) -> Result<Centroids> {
        let mut all = rows(quantizer)?;
        let place = if quantizer.own_ids() {
            let bytes = quantizer.rows.saturating_mul(quantizer.header.dimension as u64 * 4);
            if bytes > MAX_KEPT_BYTES {
                let message = format!("{bytes} bytes of centroids in an index of lists do not fit into memory");
                return Err(Error::unsupported("faiss/table-too-large", message).hint(crate::parse::HINT));
            }
            let mut kept = HashMap::new();
            loop {
                let mut chunk = Chunk::default();
                all.next(STEP, &mut chunk)?;
                if chunk.ids.is_empty() {
                    break;
                }
                for (id, centroid) in chunk.ids.iter().zip(chunk.values.chunks_exact(quantizer.header.dimension.max(1)))
                {
                    kept.insert(id.cast_unsigned(), centroid.to_vec());
                }
            }
            Lookup::Id(kept)
        } else {
            Lookup::Position(all)
        };
        Ok(Centroids { rows: quantizer.rows, place, current: Chunk::default(), key: None })
    }

    /// The `key`-th centroid.
    ///
    /// # Errors
    /// `corrupt` where there is none.
    pub(crate) fn get(&mut self, key: u64) -> Result<&[f32]> {
        let missing =
            || Error::corrupt("faiss/no-centroid", format!("list {key} has no centroid, there are {}", self.rows));
        match &mut self.place {
            Lookup::Id(kept) => kept.get(&key).map(Vec::as_slice).ok_or_else(missing),
            Lookup::Position(_) if key >= self.rows => Err(missing()),
            Lookup::Position(all) => {
                if self.key != Some(key) {
                    self.current = Chunk::default();
                    all.seek(key)?;
                    all.next(1, &mut self.current)?;
                    self.key = Some(key);
                }
                Ok(&self.current.values)
            }
        }
    }
}
