/*! DELTA_BINARY_PACKED: integers as differences in bit-packed blocks (`Encodings.md`, "Delta Encoding"). */

use vecferry_sdk::Result;

use crate::bytes::PageBytes;

/// Values of a block; writers use 128 or 256.
const MAX_BLOCK: u64 = 1 << 16;

/// A decoder; the bytes are passed to each call.
pub(crate) struct Delta {
    /// Values that are still to come.
    left: u64,
    value: i64,
    /// The first value stands in the header.
    is_first: bool,
    miniblocks: usize,
    per_miniblock: u64,
    /// Of the current block.
    least: i64,
    widths: Vec<u8>,
    next_miniblock: usize,
    /// Of the current miniblock.
    width: u32,
    in_miniblock: u64,
    buffer: u128,
    bits: u32,
}

impl Delta {
    /// Reads the header. A page of no values may have none.
    pub(crate) fn open(bytes: &mut PageBytes) -> Result<Delta> {
        let mut delta = Delta {
            left: 0,
            value: 0,
            is_first: true,
            miniblocks: 0,
            per_miniblock: 0,
            least: 0,
            widths: Vec::new(),
            next_miniblock: 0,
            width: 0,
            in_miniblock: 0,
            buffer: 0,
            bits: 0,
        };
        if bytes.remaining() == 0 {
            return Ok(delta);
        }
        let (block, miniblocks) = (unsigned(bytes)?, unsigned(bytes)?);
        delta.left = unsigned(bytes)?;
        delta.value = signed(bytes)?;
        let per_miniblock =
            block.checked_div(miniblocks).filter(|values| values * miniblocks == block && values % 8 == 0);
        match per_miniblock {
            Some(values @ 1..) if block <= MAX_BLOCK => {
                delta.per_miniblock = values;
                delta.miniblocks = usize::try_from(miniblocks).unwrap_or(0);
                Ok(delta)
            }
            _ => Err(bytes.corrupt(&format!("blocks of {block} values in {miniblocks} parts"))),
        }
    }

    /// Values that are still to come, as the header says.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// The next value.
    pub(crate) fn next(&mut self, bytes: &mut PageBytes) -> Result<i64> {
        self.left = self.left.checked_sub(1).ok_or_else(|| bytes.corrupt("a page has fewer values than it claims"))?;
        if std::mem::take(&mut self.is_first) {
            return Ok(self.value);
        }
        if self.in_miniblock == 0 {
            self.miniblock(bytes)?;
        }
        self.in_miniblock -= 1;
        let difference = self.unpack(bytes)?;
        self.value = self.value.wrapping_add(self.least).wrapping_add(difference);
        // Only the miniblock's end tells where the next one begins: padding is read over.
        if self.left == 0 {
            while self.in_miniblock > 0 {
                self.in_miniblock -= 1;
                self.unpack(bytes)?;
            }
        }
        Ok(self.value)
    }

    fn miniblock(&mut self, bytes: &mut PageBytes) -> Result<()> {
        if self.next_miniblock == self.widths.len() {
            self.least = signed(bytes)?;
            self.widths = bytes.bytes(self.miniblocks as u64)?;
            self.next_miniblock = 0;
        }
        let width = self.widths.get(self.next_miniblock).copied().unwrap_or(0);
        if width > 64 {
            return Err(bytes.corrupt(&format!("differences of {width} bits")));
        }
        self.next_miniblock += 1;
        self.width = u32::from(width);
        self.in_miniblock = self.per_miniblock;
        (self.buffer, self.bits) = (0, 0);
        Ok(())
    }

    fn unpack(&mut self, bytes: &mut PageBytes) -> Result<i64> {
        while self.bits < self.width {
            self.buffer |= u128::from(bytes.byte()?) << self.bits;
            self.bits += 8;
        }
        let value = self.buffer & ((1 << self.width) - 1);
        self.buffer >>= self.width;
        self.bits -= self.width;
        Ok(u64::try_from(value).unwrap_or(0).cast_signed())
    }
}

fn unsigned(bytes: &mut PageBytes) -> Result<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = bytes.byte()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(bytes.corrupt("a number has too many digits"))
}

fn signed(bytes: &mut PageBytes) -> Result<i64> {
    let value = unsigned(bytes)?;
    Ok((value >> 1).cast_signed() ^ -((value & 1).cast_signed()))
}
