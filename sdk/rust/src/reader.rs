/*! Ranged reads over a granted file: what every decoder stands on. */

use std::rc::Rc;

use crate::{Error, Result};

/// Something of known size that can be read in ranges.
pub trait ReadAt {
    /// The name used in errors.
    fn name(&self) -> &str;
    /// Bytes.
    fn size(&self) -> u64;
    /// Up to `len` bytes; fewer only at the end.
    ///
    /// # Errors
    /// `transient` when the disk fails.
    fn read_at(&self, offset: u64, len: u32) -> Result<Vec<u8>>;
}

/// Reads forward through a file in blocks, with a position, little-endian numbers, and errors that name
/// file and offset. Never allocates more than the file still holds.
pub struct Reader {
    file: Rc<dyn ReadAt>,
    position: u64,
    block: Vec<u8>,
    block_start: u64,
    block_bytes: u32,
}

macro_rules! numbers {
    ($($name:ident: $type:ty),*) => {
        $(
            /// Reads one little-endian number.
            ///
            /// # Errors
            /// `corrupt` at the end of the file.
            pub fn $name(&mut self) -> Result<$type> {
                Ok(<$type>::from_le_bytes(self.array()?))
            }
        )*
    };
}

impl Reader {
    /// A reader at the file's start, with blocks of 256 KiB.
    pub fn new(file: Rc<dyn ReadAt>) -> Self {
        Self::with_block(file, 256 * 1024)
    }

    /// A reader with blocks of `block_bytes` bytes.
    pub fn with_block(file: Rc<dyn ReadAt>, block_bytes: u32) -> Self {
        Reader { file, position: 0, block: Vec::new(), block_start: 0, block_bytes: block_bytes.max(1) }
    }

    /// The file.
    pub fn file(&self) -> &Rc<dyn ReadAt> {
        &self.file
    }

    /// Bytes from the file's start.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Continues at another place; past the end is allowed, reading there is not.
    pub fn seek(&mut self, position: u64) {
        self.position = position;
    }

    /// Moves forward without reading.
    ///
    /// # Errors
    /// `corrupt` when fewer than `bytes` are left.
    pub fn skip(&mut self, bytes: u64) -> Result<()> {
        self.need(bytes)?;
        self.position += bytes;
        Ok(())
    }

    /// Bytes left.
    pub fn remaining(&self) -> u64 {
        self.file.size().saturating_sub(self.position)
    }

    /// Checks that `bytes` more are there: call before believing a length that was read.
    ///
    /// # Errors
    /// `corrupt`, naming file, offset, and what was promised and is there.
    pub fn need(&self, bytes: u64) -> Result<()> {
        if bytes > self.remaining() {
            return Err(self.corrupt(format!(
                "the file ends too early: {bytes} bytes are needed here, {} are left",
                self.remaining()
            )));
        }
        Ok(())
    }

    /// An error of kind `corrupt` here.
    pub fn corrupt(&self, message: impl Into<String>) -> Error {
        Error::corrupt("file/corrupt", message).at("file", self.file.name()).at("offset", self.position)
    }

    /// Reads exactly `out.len()` bytes.
    ///
    /// # Errors
    /// `corrupt` at the end of the file.
    pub fn fill(&mut self, out: &mut [u8]) -> Result<()> {
        self.need(out.len() as u64)?;
        let mut done = 0;
        while done < out.len() {
            let ahead = self.ahead()?;
            let take = ahead.len().min(out.len() - done);
            out[done..done + take].copy_from_slice(&ahead[..take]);
            done += take;
            self.position += take as u64;
        }
        Ok(())
    }

    /// The bytes from here on that are in memory: at least one, none only at the end of the file. Whoever reads them
    /// passes them with [`Reader::skip`].
    ///
    /// # Errors
    /// `transient` when the disk fails; `corrupt` when the file became shorter.
    pub fn ahead(&mut self) -> Result<&[u8]> {
        if self.remaining() == 0 {
            return Ok(&[]);
        }
        let in_block = |reader: &Self| usize::try_from(reader.position.checked_sub(reader.block_start)?).ok();
        let offset = match in_block(self) {
            Some(offset) if offset < self.block.len() => offset,
            _ => {
                self.load()?;
                0
            }
        };
        Ok(self.block.get(offset..).unwrap_or_default())
    }

    /// Reads up to the next line end and past it: the line without `\n` or `\r\n`. `None` at the end of the file.
    ///
    /// # Errors
    /// `corrupt` for a line of more than `max_bytes`, naming where it begins.
    pub fn line(&mut self, max_bytes: u64) -> Result<Option<Vec<u8>>> {
        let start = self.position;
        let mut line = Vec::new();
        while self.remaining() > 0 {
            let ahead = self.ahead()?;
            let end = ahead.iter().position(|&byte| byte == b'\n');
            let piece = ahead.get(..end.unwrap_or(ahead.len())).unwrap_or_default();
            if (line.len() + piece.len()) as u64 > max_bytes {
                self.position = start;
                return Err(self.corrupt(format!("the line that begins here has more than {max_bytes} bytes")));
            }
            line.extend_from_slice(piece);
            self.position += piece.len() as u64 + u64::from(end.is_some());
            if end.is_some() {
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(Some(line));
            }
        }
        Ok((self.position > start).then_some(line))
    }

    fn load(&mut self) -> Result<()> {
        self.block = self.file.read_at(self.position, self.block_bytes)?;
        self.block_start = self.position;
        if self.block.is_empty() {
            return Err(self.corrupt("the file became shorter while it was read"));
        }
        Ok(())
    }

    /// Reads `N` bytes.
    ///
    /// # Errors
    /// `corrupt` at the end of the file.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut out = [0; N];
        self.fill(&mut out)?;
        Ok(out)
    }

    /// Reads `len` bytes; checked against the file's size before anything is allocated.
    ///
    /// # Errors
    /// `corrupt` at the end of the file.
    pub fn bytes(&mut self, len: u64) -> Result<Vec<u8>> {
        self.need(len)?;
        let len = usize::try_from(len)
            .map_err(|_| self.corrupt(format!("a piece of {len} bytes does not fit into memory")))?;
        let mut out = vec![0; len];
        self.fill(&mut out)?;
        Ok(out)
    }

    /// Reads `count` little-endian 32-bit floats.
    ///
    /// # Errors
    /// `corrupt` at the end of the file.
    pub fn f32s(&mut self, count: u64) -> Result<Vec<f32>> {
        let bytes =
            count.checked_mul(4).ok_or_else(|| self.corrupt(format!("a count of {count} values is impossible")))?;
        let bytes = self.bytes(bytes)?;
        Ok(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
    }

    numbers!(u8: u8, u16: u16, u32: u32, u64: u64, i32: i32, i64: i64, f32: f32, f64: f64);
}

/// A short digest of what identifies a file's state: sizes, names, samples. FNV-1a, 64 bits; it notices
/// change, it does not resist forgery.
#[derive(Clone, Debug)]
pub struct Fingerprint(u64);

impl Default for Fingerprint {
    fn default() -> Self {
        Fingerprint(0xcbf2_9ce4_8422_2325)
    }
}

impl Fingerprint {
    /// Adds bytes, and where they end.
    pub fn add(&mut self, bytes: &[u8]) -> &mut Self {
        for &byte in bytes.iter().chain(&(bytes.len() as u64).to_le_bytes()) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        self
    }

    /// Adds a file: its name, its size, and its first, middle and last 64 KiB.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn add_file(&mut self, file: &dyn ReadAt) -> Result<&mut Self> {
        const SAMPLE: u32 = 64 * 1024;
        let size = file.size();
        self.add(file.name().as_bytes()).add(&size.to_le_bytes());
        for offset in [0, size / 2, size.saturating_sub(u64::from(SAMPLE))] {
            self.add(&file.read_at(offset, SAMPLE)?);
        }
        Ok(self)
    }

    /// Sixteen hexadecimal digits.
    pub fn finish(&self) -> String {
        format!("{:016x}", self.0)
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests;
