/*!
IVFFlatDedup: vectors that were added more than once are stored once; pairs name the stored record and the other.

Every stored record is followed by its duplicates. The pairs are kept in memory, 16 bytes each.
*/

use vecferry_sdk::Result;

use super::Chunk;
use super::lists::ListRows;
use super::rows::Rows;
use crate::extent::{Extent, i64s};

/// Stored records read at a time; fewer than any caller asks for would read small pieces.
const STEP: usize = 256;

pub(crate) struct Duplicates {
    stored: ListRows,
    dimension: usize,
    /// (stored id, duplicate id), sorted.
    pairs: Vec<(i64, i64)>,
    /// Stored records being yielded, how many of them are done, and how many duplicates of the current one.
    chunk: Chunk,
    done: usize,
    copies: usize,
}

impl Duplicates {
    pub(crate) fn new(stored: ListRows, pairs: &Extent, dimension: usize) -> Result<Duplicates> {
        let bytes = pairs.read(0, usize::try_from(pairs.len).unwrap_or(usize::MAX))?;
        let mut numbers = i64s(&bytes);
        let mut sorted = Vec::with_capacity(bytes.len() / 16);
        while let (Some(kept), Some(other)) = (numbers.next(), numbers.next()) {
            sorted.push((kept, other));
        }
        sorted.sort_unstable();
        Ok(Duplicates { stored, dimension, pairs: sorted, chunk: Chunk::default(), done: 0, copies: 0 })
    }

    /// The next record's id, and which stored vector it has.
    fn step(&mut self) -> Result<Option<(i64, usize)>> {
        if let Some(last) = self.done.checked_sub(1)
            && let Some(&id) = self.chunk.ids.get(last)
        {
            let first = self.pairs.partition_point(|(kept, _)| *kept < id);
            if let Some((kept, other)) = self.pairs.get(first + self.copies)
                && *kept == id
            {
                self.copies += 1;
                return Ok(Some((*other, last)));
            }
        }
        if self.done == self.chunk.ids.len() {
            self.chunk = Chunk::default();
            self.done = 0;
            self.stored.next(STEP, &mut self.chunk)?;
        }
        self.copies = 0;
        Ok(self.chunk.ids.get(self.done).map(|id| {
            self.done += 1;
            (*id, self.done - 1)
        }))
    }
}

impl Rows for Duplicates {
    fn next(&mut self, max: usize, out: &mut Chunk) -> Result<()> {
        for _ in 0..max {
            let Some((id, row)) = self.step()? else { break };
            let start = row * self.dimension;
            out.ids.push(id);
            out.values.extend_from_slice(self.chunk.values.get(start..start + self.dimension).unwrap_or_default());
        }
        Ok(())
    }

    fn seek(&mut self, position: u64) -> Result<()> {
        self.stored.seek(0)?;
        self.chunk = Chunk::default();
        self.done = 0;
        self.copies = 0;
        for _ in 0..position {
            if self.step()?.is_none() {
                break;
            }
        }
        Ok(())
    }
}
