/*! A run of bytes in a file that was checked to be there: what parsing leaves behind instead of the bytes. */

use std::rc::Rc;

use vecferry_sdk::{Error, File, Result};

/// `len` bytes at `offset`, all within the file's size at the time of parsing.
#[derive(Clone)]
pub(crate) struct Extent {
    pub(crate) file: File,
    pub(crate) offset: u64,
    pub(crate) len: u64,
}

impl Extent {
    /// An error of kind `corrupt` at `at` bytes from the extent's start.
    pub(crate) fn corrupt(&self, at: u64, message: impl Into<String>) -> Error {
        Error::corrupt("faiss/corrupt", message)
            .at("file", self.file.name())
            .at("offset", self.offset.saturating_add(at))
    }

    /// Reads `len` bytes from `at` on.
    pub(crate) fn read(&self, at: u64, len: usize) -> Result<Vec<u8>> {
        let inside = (len as u64).checked_add(at).is_some_and(|end| end <= self.len);
        let (Ok(length), true) = (u32::try_from(len), inside) else {
            return Err(self.corrupt(at, format!("{len} bytes reach past the {} bytes of this part", self.len)));
        };
        let bytes = self.file.read_at(self.offset + at, length)?;
        if bytes.len() != len {
            return Err(self.corrupt(at, "the file became shorter while it was read"));
        }
        Ok(bytes)
    }

    /// Reads `count` little-endian i64 from the `first`-th on.
    pub(crate) fn i64s(&self, first: u64, count: usize) -> Result<Vec<i64>> {
        let bytes = self.read(first.saturating_mul(8), count.saturating_mul(8))?;
        Ok(bytes.as_chunks::<8>().0.iter().map(|b| i64::from_le_bytes(*b)).collect())
    }
}

impl std::fmt::Debug for Extent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}[{}; {}]", Rc::as_ref(&self.file).name(), self.offset, self.len)
    }
}
