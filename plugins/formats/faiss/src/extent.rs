/*! A run of bytes in a file that was checked to be there: what parsing leaves behind instead of the bytes. */

use std::fmt;

use vecferry_sdk::{Error, File, Result};

/// Bytes of one call to the file; larger reads are made in pieces.
const PIECE: usize = 8 << 20;
/// A gather reads the whole span of its rows when that costs less than this many bytes per row.
const DENSE_BYTES_PER_ROW: u64 = 4096;
/// … and no more than this in all.
const DENSE_BYTES: u64 = 8 << 20;

/// `len` bytes at `offset`, all within the file's size at the time of parsing.
#[derive(Clone)]
pub(crate) struct Extent {
    pub(crate) file: File,
    pub(crate) offset: u64,
    pub(crate) len: u64,
}

impl Extent {
    /// An extent of a file.
    ///
    /// # Errors
    /// `corrupt` where it reaches past the file's end.
    pub(crate) fn new(file: &File, offset: u64, len: u64) -> Result<Extent> {
        let extent = Extent { file: file.clone(), offset, len };
        match offset.checked_add(len) {
            Some(end) if end <= file.size() => Ok(extent),
            _ => Err(extent.corrupt(0, format!("{len} bytes are promised here, the file has {}", file.size()))),
        }
    }

    /// An error of kind `corrupt` at `at` bytes from the extent's start.
    pub(crate) fn corrupt(&self, at: u64, message: impl Into<String>) -> Error {
        Error::corrupt("faiss/corrupt", message)
            .at("file", self.file.name())
            .at("offset", self.offset.saturating_add(at))
    }

    /// A part of it.
    ///
    /// # Errors
    /// `corrupt` where the part reaches past the end.
    pub(crate) fn part(&self, at: u64, len: u64) -> Result<Extent> {
        match at.checked_add(len) {
            Some(end) if end <= self.len => {
                Ok(Extent { file: self.file.clone(), offset: self.offset.saturating_add(at), len })
            }
            _ => Err(self.corrupt(at, format!("{len} bytes are needed here, this part ends after {}", self.len))),
        }
    }

    /// Reads `len` bytes from `at` on.
    ///
    /// # Errors
    /// `corrupt` past the end; what the file says.
    pub(crate) fn read(&self, at: u64, len: usize) -> Result<Vec<u8>> {
        let part = self.part(at, len as u64)?;
        let mut out = Vec::new();
        while out.len() < len {
            let want = (len - out.len()).min(PIECE);
            let offset = part.offset.saturating_add(out.len() as u64);
            let piece = part.file.read_at(offset, u32::try_from(want).unwrap_or(u32::MAX))?;
            if piece.len() != want {
                return Err(part.corrupt(out.len() as u64, "the file became shorter while it was read"));
            }
            if out.is_empty() && want == len {
                return Ok(piece);
            }
            out.reserve_exact(len - out.len());
            out.extend_from_slice(&piece);
        }
        Ok(out)
    }

    /// Reads `count` rows of `width` bytes from the `first`-th on.
    ///
    /// # Errors
    /// As [`Extent::read`].
    pub(crate) fn rows(&self, width: usize, first: u64, count: usize) -> Result<Vec<u8>> {
        let at = first.checked_mul(width as u64);
        match (at, count.checked_mul(width)) {
            (Some(at), Some(len)) => self.read(at, len),
            _ => Err(self.corrupt(0, format!("row {first} of {width} bytes is out of any file"))),
        }
    }

    /// Reads the rows of `width` bytes that `keys` name, in that order.
    ///
    /// # Errors
    /// As [`Extent::read`]; `corrupt` for a key that names no row.
    pub(crate) fn gather(&self, width: usize, keys: &[i64]) -> Result<Vec<u8>> {
        let rows = self.len.checked_div(width as u64).unwrap_or(0);
        if let Some(key) = keys.iter().find(|&&key| u64::try_from(key).map_or(true, |key| key >= rows)) {
            return Err(self.corrupt(0, format!("a record's id is {key}, this part has {rows} rows")));
        }
        let (Some(&low), Some(&high)) = (keys.iter().min(), keys.iter().max()) else { return Ok(Vec::new()) };
        let span = (high.abs_diff(low) + 1).saturating_mul(width as u64);
        let low = low.unsigned_abs();
        let mut out = Vec::with_capacity(keys.len().saturating_mul(width));
        if span <= DENSE_BYTES && span <= DENSE_BYTES_PER_ROW.saturating_mul(keys.len() as u64) {
            let block = self.read(low * width as u64, usize::try_from(span).unwrap_or(usize::MAX))?;
            for key in keys {
                let at = usize::try_from(key.unsigned_abs() - low).unwrap_or(usize::MAX).saturating_mul(width);
                out.extend_from_slice(block.get(at..at.saturating_add(width)).unwrap_or_default());
            }
        } else {
            for key in keys {
                out.extend(self.rows(width, key.unsigned_abs(), 1)?);
            }
        }
        Ok(out)
    }
}

impl fmt::Debug for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}; {}]", self.file.name(), self.offset, self.len)
    }
}

/// Little-endian i64 out of bytes.
pub(crate) fn i64s(bytes: &[u8]) -> impl Iterator<Item = i64> + '_ {
    bytes.as_chunks::<8>().0.iter().map(|word| i64::from_le_bytes(*word))
}

/// Little-endian f32 out of bytes.
pub(crate) fn f32s(bytes: &[u8]) -> impl Iterator<Item = f32> + '_ {
    bytes.as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word))
}
