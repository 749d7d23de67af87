/*! How codes lie in a block of bytes: row after row, or interleaved for the processor's sake. */

use vecferry_sdk::Result;

use crate::extent::Extent;

/// Vectors of one FastScan sub-block: 16 bytes, the low nibbles for the first half, the high ones for the second.
const NIBBLE_GROUP: usize = 32;

/// How codes lie in their extent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    /// One after the other.
    Rows { code_bytes: usize },
    /// Panorama (`faiss/impl/Panorama.cpp`): batches of `batch` vectors; within a batch, `level_bytes` of every
    /// vector, then the next `level_bytes` of every vector, the last level being what is left.
    Levels { code_bytes: usize, level_bytes: usize, batch: usize },
    /// FastScan (`faiss/impl/pq4_fast_scan.cpp`): blocks of `batch` vectors of `pairs` bytes each (two 4-bit codes
    /// to a byte); the blocks are `block_bytes` apart.
    Nibbles { pairs: usize, batch: usize, block_bytes: usize },
}

impl Packing {
    /// Bytes of one vector's code once it is unpacked.
    pub(crate) fn code_bytes(self) -> usize {
        match self {
            Packing::Rows { code_bytes } | Packing::Levels { code_bytes, .. } => code_bytes,
            Packing::Nibbles { pairs, .. } => pairs,
        }
    }

    /// Bytes that `rows` vectors take; `None` when that is no number.
    pub(crate) fn bytes(self, rows: u64) -> Option<u64> {
        match self {
            Packing::Rows { code_bytes } => rows.checked_mul(code_bytes as u64),
            Packing::Levels { code_bytes, batch, .. } => {
                rows.div_ceil(batch.max(1) as u64).checked_mul(batch as u64)?.checked_mul(code_bytes as u64)
            }
            Packing::Nibbles { batch, block_bytes, .. } => {
                rows.div_ceil(batch.max(1) as u64).checked_mul(block_bytes as u64)
            }
        }
    }

    /// The codes of `count` vectors from the `first`-th on, one after the other.
    ///
    /// # Errors
    /// As [`Extent::read`].
    pub(crate) fn read(self, extent: &Extent, first: u64, count: usize) -> Result<Vec<u8>> {
        match self {
            Packing::Rows { code_bytes } => extent.rows(code_bytes, first, count),
            Packing::Levels { code_bytes, level_bytes, batch } => {
                let mut out = vec![0; code_bytes.saturating_mul(count)];
                each_block(first, count, batch, |block, within, rows, done| {
                    let start = block.saturating_mul(batch.saturating_mul(code_bytes) as u64);
                    let mut column = 0;
                    while column < code_bytes {
                        let width = level_bytes.min(code_bytes - column);
                        let at = start.saturating_add((column * batch + within * width) as u64);
                        let level = extent.read(at, rows * width)?;
                        for (row, piece) in level.chunks_exact(width).enumerate() {
                            let to = (done + row) * code_bytes + column;
                            out[to..to + width].copy_from_slice(piece);
                        }
                        column += width;
                    }
                    Ok(())
                })?;
                Ok(out)
            }
            Packing::Nibbles { pairs, batch, block_bytes } => {
                let mut out = vec![0; pairs.saturating_mul(count)];
                each_block(first, count, batch, |block, within, rows, done| {
                    let bytes = extent.read(block.saturating_mul(block_bytes as u64), pairs.saturating_mul(batch))?;
                    for row in 0..rows {
                        let vector = within + row;
                        let (group, lane) = (vector / NIBBLE_GROUP, vector % NIBBLE_GROUP);
                        let (half, lane) = (lane / 16, lane % 16);
                        let slot = if lane < 8 { lane * 2 } else { (lane - 8) * 2 + 1 };
                        for pair in 0..pairs {
                            let at = pair * batch + group * NIBBLE_GROUP + slot;
                            let low = (bytes[at] >> (half * 4)) & 15;
                            let high = (bytes[at + 16] >> (half * 4)) & 15;
                            out[(done + row) * pairs + pair] = low | (high << 4);
                        }
                    }
                    Ok(())
                })?;
                Ok(out)
            }
        }
    }
}

/// Calls `block(number, first row within it, rows, rows done before)` for every block that the rows touch.
fn each_block(
    first: u64,
    count: usize,
    batch: usize,
    mut block: impl FnMut(u64, usize, usize, usize) -> Result<()>,
) -> Result<()> {
    let batch = batch.max(1);
    let mut done = 0;
    while done < count {
        let row = first.saturating_add(done as u64);
        let within = usize::try_from(row % batch as u64).unwrap_or(0);
        let rows = (batch - within).min(count - done);
        block(row / batch as u64, within, rows, done)?;
        done += rows;
    }
    Ok(())
}
