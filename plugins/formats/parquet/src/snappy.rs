/*!
Snappy's raw format, decompressed as a stream.

DuckDB writes pages of up to 100 MB; decompressed whole they would not fit a guest next to each other. Snappy's
compressors work in blocks of 64 KiB, so no copy reaches back further, and a window of that size is all that must be
kept. Source: `format_description.txt` of google/snappy.
*/

use vecferry_sdk::{Error, File, Result};

/// How far back a copy may reach.
const WINDOW: usize = 64 * 1024;
/// Bytes that are decompressed before they are asked for.
const AHEAD: usize = 32 * 1024;
/// Compressed bytes read at a time.
const BLOCK_BYTES: u32 = 64 * 1024;

pub(crate) struct Snappy {
    input: Input,
    /// Bytes of output that are still to be made.
    left: u64,
    /// Bytes of the current literal that are still to be taken.
    literal: u64,
    /// Output, of which the first `taken` bytes were given out and are kept for copies.
    window: Vec<u8>,
    taken: usize,
}

/// The compressed bytes.
struct Input {
    file: File,
    /// Where the block ends, and the whole page.
    next: u64,
    end: u64,
    block: Vec<u8>,
    at: usize,
}

impl Input {
    /// Some bytes, at most `max` and at least one.
    fn take(&mut self, max: u64) -> Result<&[u8]> {
        if self.at == self.block.len() {
            let len = u64::from(BLOCK_BYTES).min(self.end.saturating_sub(self.next));
            self.block = self.file.read_at(self.next, u32::try_from(len).unwrap_or(BLOCK_BYTES))?;
            self.at = 0;
            self.next += self.block.len() as u64;
            if self.block.is_empty() {
                return Err(self.corrupt("a compressed page ends too early"));
            }
        }
        let rest = self.block.len() - self.at;
        let start = self.at;
        self.at += rest.min(usize::try_from(max).unwrap_or(usize::MAX));
        Ok(self.block.get(start..self.at).unwrap_or_default())
    }

    fn byte(&mut self) -> Result<u8> {
        if let Some(byte) = self.block.get(self.at) {
            self.at += 1;
            return Ok(*byte);
        }
        Ok(self.take(1)?.first().copied().unwrap_or_default())
    }

    fn little_endian(&mut self, bytes: u64) -> Result<u64> {
        let mut value = 0;
        for shift in 0..bytes {
            value |= u64::from(self.byte()?) << (8 * shift);
        }
        Ok(value)
    }

    fn corrupt(&self, message: &str) -> Error {
        let offset = self.next.saturating_sub((self.block.len() - self.at) as u64);
        Error::corrupt("parquet/snappy", message).at("file", self.file.name()).at("offset", offset)
    }
}

impl Snappy {
    /// A stream over the compressed bytes of `file` from `start` to `end`.
    ///
    /// # Errors
    /// `corrupt` when the length in front of it is not `bytes`.
    pub(crate) fn new(file: File, start: u64, end: u64, bytes: u64) -> Result<Snappy> {
        let mut input = Input { file, next: start, end, block: Vec::new(), at: 0 };
        let mut promised = 0;
        for shift in (0..35).step_by(7) {
            let byte = input.byte()?;
            promised |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        if promised != bytes {
            return Err(input.corrupt(&format!("a page of {bytes} bytes is said to have {promised} when decompressed")));
        }
        Ok(Snappy { input, left: promised, literal: 0, window: Vec::new(), taken: 0 })
    }

    /// Bytes that are left.
    pub(crate) fn remaining(&self) -> u64 {
        self.left + (self.window.len() - self.taken) as u64
    }

    /// The file, and how far it has been read, to the block.
    pub(crate) fn place(&self) -> (File, u64) {
        let offset = self.input.next.saturating_sub((self.input.block.len() - self.input.at) as u64);
        (self.input.file.clone(), offset)
    }

    /// An error at this place.
    pub(crate) fn corrupt(&self, message: &str) -> Error {
        self.input.corrupt(message)
    }

    /// Some bytes, at most `max`; none only at the end.
    pub(crate) fn take(&mut self, max: usize) -> Result<&[u8]> {
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
                let bytes = self.input.take(self.literal.min(room))?;
                self.window.extend_from_slice(bytes);
                self.literal -= bytes.len() as u64;
                self.left -= bytes.len() as u64;
            } else {
                self.element()?;
            }
        }
        Ok(())
    }

    /// A literal's beginning, or a whole copy.
    fn element(&mut self) -> Result<()> {
        let tag = self.input.byte()?;
        let (len, offset) = match tag & 3 {
            0 => {
                let short = u64::from(tag >> 2);
                self.literal = 1 + match short {
                    0..60 => short,
                    _ => self.input.little_endian(short - 59)?,
                };
                if self.literal > self.left {
                    return Err(self.corrupt("a compressed page holds more than it is said to"));
                }
                return Ok(());
            }
            1 => (4 + usize::from(tag >> 2 & 7), u64::from(tag >> 5) << 8 | self.input.little_endian(1)?),
            2 => (1 + usize::from(tag >> 2), self.input.little_endian(2)?),
            _ => (1 + usize::from(tag >> 2), self.input.little_endian(4)?),
        };
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let start = self.window.len().checked_sub(offset).filter(|_| offset > 0);
        let start = start.ok_or_else(|| self.corrupt("a compressed page copies from before its start"))?;
        if len as u64 > self.left {
            return Err(self.corrupt("a compressed page holds more than it is said to"));
        }
        if offset >= len {
            self.window.extend_from_within(start..start + len);
        } else {
            // It overlaps what it makes: byte by byte.
            for at in start..start + len {
                let byte = self.window.get(at).copied().unwrap_or_default();
                self.window.push(byte);
            }
        }
        self.left -= len as u64;
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#[path = "snappy_tests.rs"]
mod tests;
