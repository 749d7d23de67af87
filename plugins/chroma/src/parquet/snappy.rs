/*!
Snappy's raw format, decompressed as a stream.

DuckDB writes pages of up to 100 MB; decompressed whole they would not fit a guest next to each other. Snappy's
compressors work in blocks of 64 KiB, so no copy reaches back further, and a window of that size is all that must be
kept. Source: `format_description.txt` of google/snappy.
*/

use vecferry_sdk::{Error, Reader, Result};

use super::thrift;

/// How far back a copy may reach.
const WINDOW: usize = 64 * 1024;
/// Bytes that are decompressed before they are asked for.
const AHEAD: usize = 32 * 1024;

pub(super) struct Snappy {
    reader: Reader,
    /// Where the compressed bytes end.
    end: u64,
    /// Bytes of output that are still to be made.
    left: u64,
    /// Bytes of the current literal that are still to be taken.
    literal: u64,
    /// Output, of which the first `taken` bytes were given out and are kept for copies.
    window: Vec<u8>,
    taken: usize,
}

impl Snappy {
    /// A stream over the compressed bytes from the reader's position to `end`.
    ///
    /// # Errors
    /// `corrupt` when the length in front of it is not `bytes`.
    pub(super) fn new(mut reader: Reader, end: u64, bytes: u64) -> Result<Snappy> {
        let promised = thrift::unsigned(&mut reader)?;
        if promised != bytes {
            return Err(reader.corrupt(format!("a page of {bytes} bytes is said to have {promised} when decompressed")));
        }
        Ok(Snappy { reader, end, left: promised, literal: 0, window: Vec::new(), taken: 0 })
    }

    /// Bytes that are left.
    pub(super) fn remaining(&self) -> u64 {
        self.left + (self.window.len() - self.taken) as u64
    }

    /// An error at this place.
    pub(super) fn corrupt(&self, message: &str) -> Error {
        self.reader.corrupt(message)
    }

    /// Some bytes, at most `max`; none only at the end.
    pub(super) fn take(&mut self, max: usize) -> Result<&[u8]> {
        if self.taken == self.window.len() {
            self.decompress()?;
        }
        let end = self.window.len().min(self.taken.saturating_add(max));
        let start = std::mem::replace(&mut self.taken, end);
        Ok(self.window.get(start..end).unwrap_or_default())
    }

    fn decompress(&mut self) -> Result<()> {
        if self.taken > WINDOW {
            self.window.drain(..self.taken - WINDOW);
            self.taken = WINDOW;
        }
        let goal = self.taken + AHEAD;
        while self.window.len() < goal && self.left > 0 {
            if self.literal > 0 {
                let room = (goal - self.window.len()) as u64;
                let bytes = self.reader.bytes(self.literal.min(room).min(self.left))?;
                self.literal -= bytes.len() as u64;
                self.left -= bytes.len() as u64;
                self.window.extend_from_slice(&bytes);
            } else {
                self.element()?;
            }
            if self.reader.position() > self.end {
                return Err(self.reader.corrupt("a compressed page is longer than it is said to be"));
            }
        }
        Ok(())
    }

    fn element(&mut self) -> Result<()> {
        let tag = self.reader.u8()?;
        let (len, offset) = match tag & 3 {
            0 => {
                let short = u64::from(tag >> 2);
                self.literal = 1 + match short {
                    0..60 => short,
                    _ => self.little_endian(short - 59)?,
                };
                if self.literal > self.left {
                    return Err(self.reader.corrupt("a compressed page holds more than it is said to"));
                }
                return Ok(());
            }
            1 => (4 + usize::from(tag >> 2 & 7), u64::from(tag >> 5) << 8 | self.little_endian(1)?),
            2 => (1 + usize::from(tag >> 2), self.little_endian(2)?),
            _ => (1 + usize::from(tag >> 2), self.little_endian(4)?),
        };
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let start = self.window.len().checked_sub(offset).filter(|_| offset > 0);
        let start = start.ok_or_else(|| self.reader.corrupt("a compressed page copies from before its start"))?;
        if len as u64 > self.left {
            return Err(self.reader.corrupt("a compressed page holds more than it is said to"));
        }
        // A copy may overlap what it makes: byte by byte.
        for at in start..start + len {
            let byte = self.window.get(at).copied().unwrap_or_default();
            self.window.push(byte);
        }
        self.left -= len as u64;
        Ok(())
    }

    fn little_endian(&mut self, bytes: u64) -> Result<u64> {
        let mut value = 0;
        for shift in 0..bytes {
            value |= u64::from(self.reader.u8()?) << (8 * shift);
        }
        Ok(value)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#[path = "snappy_tests.rs"]
mod tests;
