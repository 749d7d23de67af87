/*! Rows of inverted lists: list by list, each with the ids it keeps. */

use std::rc::Rc;

use vecferry_sdk::Result;

use super::Chunk;
use super::centroids::Centroids;
use super::rows::Rows;
use crate::codec::{Codec, Product};
use crate::extent::{Extent, i64s};
use crate::lists::{List, Lists, Walk};
use crate::node::Ivf;
use crate::packing::Packing;

pub(crate) struct ListRows {
    lists: Rc<Lists>,
    packing: Packing,
    codec: Rc<Codec>,
    refine: Option<(Rc<Product>, Extent)>,
    /// Present where codes are of the difference to them.
    centroids: Option<Centroids>,
    walk: Walk,
    list: Option<List>,
    /// Rows of the list that are done.
    done: u64,
}

impl ListRows {
    pub(crate) fn new(ivf: &Ivf) -> Result<ListRows> {
        let centroids = match &ivf.quantizer {
            Some(quantizer) if ivf.by_residual => Some(Centroids::new(quantizer)?),
            _ => None,
        };
        let mut walk = Walk::new(&ivf.lists, ivf.packing);
        let list = walk.next()?;
        Ok(ListRows {
            lists: ivf.lists.clone(),
            packing: ivf.packing,
            codec: ivf.codec.clone(),
            refine: ivf.refine.clone(),
            centroids,
            walk,
            list,
            done: 0,
        })
    }

    /// Up to `max` rows of the current list; none when it is done.
    fn piece(&mut self, max: usize, out: &mut Chunk) -> Result<usize> {
        let Some(list) = &self.list else { return Ok(0) };
        let left = usize::try_from(list.rows - self.done).unwrap_or(usize::MAX);
        let count = left.min(max);
        let codes = self.packing.read(&list.codes, self.done, count)?;
        let ids = list.ids.rows(8, self.done, count)?;
        let (first_id, first_value) = (out.ids.len(), out.values.len());
        out.ids.extend(i64s(&ids));
        self.codec.decode(&codes, self.packing.code_bytes(), &mut out.values);
        let values = &mut out.values[first_value..];
        let dimension = self.codec.dimension().max(1);
        if let Some(centroids) = &mut self.centroids {
            let centroid = centroids.get(list.number)?;
            for vector in values.chunks_exact_mut(dimension) {
                vector.iter_mut().zip(centroid).for_each(|(value, base)| *value += base);
            }
        }
        if let Some((product, codes)) = &self.refine {
            let size = product.code_bytes();
            let codes = codes.gather(size, &out.ids[first_id..])?;
            let mut part = vec![0.0; dimension];
            for (code, vector) in codes.chunks_exact(size.max(1)).zip(values.chunks_exact_mut(dimension)) {
                product.decode_one(code, &mut part);
                vector.iter_mut().zip(&part).for_each(|(value, part)| *value += part);
            }
        }
        self.done += count as u64;
        Ok(count)
    }
}

impl Rows for ListRows {
    fn next(&mut self, max: usize, out: &mut Chunk) -> Result<()> {
        let mut left = max;
        while left > 0 && self.list.is_some() {
            left -= self.piece(left, out)?;
            if self.list.as_ref().is_some_and(|list| self.done >= list.rows) {
                self.list = self.walk.next()?;
                self.done = 0;
            }
        }
        Ok(())
    }

    fn seek(&mut self, position: u64) -> Result<()> {
        self.walk = Walk::new(&self.lists, self.packing);
        self.list = self.walk.next()?;
        self.done = position;
        while let Some(list) = self.list.as_ref().filter(|list| self.done >= list.rows) {
            self.done -= list.rows;
            self.list = self.walk.next()?;
        }
        Ok(())
    }
}
