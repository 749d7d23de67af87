/*!
Parquet's hybrid of runs and bit-packed groups: small integers of a fixed width, as levels and as positions in a
dictionary. Source: `Encodings.md` of apache/parquet-format, "RLE / Bit-Packing Hybrid".
*/

use vecferry_sdk::Result;

use crate::bytes::PageBytes;

/// Where the bytes come from.
pub(crate) trait Bytes {
    /// The next byte.
    fn byte(&mut self) -> Result<u8>;
    /// An error at this place.
    fn wrong(&self, message: &str) -> vecferry_sdk::Error;
}

impl Bytes for PageBytes {
    fn byte(&mut self) -> Result<u8> {
        PageBytes::byte(self)
    }
    fn wrong(&self, message: &str) -> vecferry_sdk::Error {
        self.corrupt(message)
    }
}

/// A decoder; the bytes are passed to each call.
pub(crate) struct Hybrid {
    width: u32,
    /// A run: the value and how often it is still to come.
    value: u32,
    run: u64,
    /// Groups of eight that are still to be unpacked, and the current one.
    groups: u64,
    group: [u32; 8],
    next: usize,
}

impl Hybrid {
    /// A decoder of values of `width` bits, at most 32.
    pub(crate) fn new(width: u32) -> Hybrid {
        Hybrid { width: width.min(32), value: 0, run: 0, groups: 0, group: [0; 8], next: 8 }
    }

    /// The next value.
    pub(crate) fn next(&mut self, bytes: &mut impl Bytes) -> Result<u32> {
        loop {
            if self.run > 0 {
                self.run -= 1;
                return Ok(self.value);
            }
            if let Some(value) = self.group.get(self.next) {
                self.next += 1;
                return Ok(*value);
            }
            if self.groups > 0 {
                self.groups -= 1;
                self.unpack(bytes)?;
                continue;
            }
            let header = varint(bytes)?;
            if header & 1 == 1 {
                self.groups = header >> 1;
            } else {
                self.run = header >> 1;
                self.value = 0;
                for at in 0..self.width.div_ceil(8) {
                    self.value |= u32::from(bytes.byte()?) << (8 * at);
                }
            }
            if self.groups == 0 && self.run == 0 {
                return Err(bytes.wrong("a run of no values"));
            }
        }
    }

    fn unpack(&mut self, bytes: &mut impl Bytes) -> Result<()> {
        let (mut buffer, mut bits) = (0u64, 0);
        for value in &mut self.group {
            while bits < self.width {
                buffer |= u64::from(bytes.byte()?) << bits;
                bits += 8;
            }
            *value = u32::try_from(buffer & ((1 << self.width) - 1)).unwrap_or(u32::MAX);
            buffer >>= self.width;
            bits -= self.width;
        }
        self.next = 0;
        Ok(())
    }
}

fn varint(bytes: &mut impl Bytes) -> Result<u64> {
    let mut value = 0;
    for shift in (0..35).step_by(7) {
        let byte = bytes.byte()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(bytes.wrong("a run's length has too many digits"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#[path = "levels_tests.rs"]
mod tests;
