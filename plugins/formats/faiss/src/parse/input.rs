/*! Numbers, vectors and extents out of a file, each checked before it is believed. */

use vecferry_sdk::{Error, File, Reader, Result};

use super::HINT;
use crate::extent::Extent;
use crate::header::{Header, metric_name};

/// Bytes read at a time: structure is hopped over in small steps.
const BLOCK: u32 = 16 * 1024;
/// FAISS's own limit of a dimension.
const MAX_DIMENSION: u64 = 1 << 20;
/// Bytes of one codebook or matrix that are kept in memory.
const MAX_TABLE_BYTES: u64 = 256 << 20;

/// A reader that knows what FAISS writes.
pub(crate) struct Parser<'a> {
    pub(super) reader: Reader,
    pub(super) sibling: &'a dyn Fn(&str) -> Result<File>,
    pub(super) depth: u32,
}

impl<'a> Parser<'a> {
    /// A parser at the file's start; `sibling` opens a file beside it.
    pub(crate) fn new(file: File, sibling: &'a dyn Fn(&str) -> Result<File>) -> Self {
        Parser { reader: Reader::with_block(file, BLOCK), sibling, depth: 0 }
    }

    /// An error of kind `corrupt` here.
    pub(super) fn corrupt(&self, message: impl Into<String>) -> Error {
        self.corrupt_at(self.reader.position(), message)
    }

    /// An error of kind `corrupt` at an offset.
    pub(super) fn corrupt_at(&self, offset: u64, message: impl Into<String>) -> Error {
        Error::corrupt("faiss/corrupt", message).at("file", self.reader.file().name()).at("offset", offset)
    }

    /// An error of kind `unsupported` here.
    pub(super) fn unsupported(&self, code: &str, message: impl Into<String>) -> Error {
        self.unsupported_at(self.reader.position(), code, message)
    }

    /// An error of kind `unsupported` at an offset.
    pub(super) fn unsupported_at(&self, offset: u64, code: &str, message: impl Into<String>) -> Error {
        Error::unsupported(code, message).hint(HINT).at("file", self.reader.file().name()).at("offset", offset)
    }

    /// `read_index_header`: i32 d, i64 ntotal, two i64 of no meaning, u8 is_trained, i32 metric, and f32
    /// metric_arg where metric > 1.
    pub(super) fn header(&mut self) -> Result<Header> {
        let dimension = self.dimension()?;
        let rows = self.rows()?;
        self.reader.skip(16)?;
        let trained = self.flag()?;
        let at = self.reader.position();
        let metric = self.reader.i32()?;
        if metric_name(metric).is_none() {
            return Err(self.corrupt_at(at, format!("{metric} is no metric")));
        }
        if metric > 1 {
            self.reader.skip(4)?;
        }
        Ok(Header { dimension, rows, trained, metric })
    }

    /// An i32 dimension.
    pub(super) fn dimension(&mut self) -> Result<usize> {
        let at = self.reader.position();
        let d = self.reader.i32()?;
        match u64::try_from(d).ok().filter(|d| *d <= MAX_DIMENSION) {
            Some(d) => Ok(usize::try_from(d).unwrap_or(0)),
            None => Err(self.corrupt_at(at, format!("{d} is no dimension"))),
        }
    }

    /// An i64 count of vectors.
    pub(super) fn rows(&mut self) -> Result<u64> {
        let at = self.reader.position();
        let n = self.reader.i64()?;
        u64::try_from(n).map_err(|_| self.corrupt_at(at, format!("{n} is no number of vectors")))
    }

    /// A u64 that is at most `most`, as a size in memory.
    pub(super) fn size(&mut self, what: &str, most: u64) -> Result<usize> {
        let n = self.reader.u64()?;
        match usize::try_from(n) {
            Ok(size) if n <= most => Ok(size),
            _ => Err(self.corrupt(format!("{n} is no {what}"))),
        }
    }

    /// A u64 dimension, which must be the index's.
    pub(super) fn same_dimension(&mut self, dimension: usize) -> Result<()> {
        let d = self.reader.u64()?;
        if d != dimension as u64 {
            return Err(self.corrupt(format!("a quantizer of dimension {d} in an index of dimension {dimension}")));
        }
        Ok(())
    }

    /// A byte that is 0 or 1.
    pub(super) fn flag(&mut self) -> Result<bool> {
        match self.reader.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(self.corrupt(format!("{other} is neither yes nor no"))),
        }
    }

    /// Passes over `count` items of `width` bytes and keeps their place.
    pub(super) fn extent(&mut self, count: u64, width: u64) -> Result<Extent> {
        let len = count
            .checked_mul(width)
            .ok_or_else(|| self.corrupt(format!("{count} items of {width} bytes are impossible")))?;
        let offset = self.reader.position();
        self.reader.skip(len)?;
        Ok(Extent { file: self.reader.file().clone(), offset, len })
    }

    /// All that is left.
    pub(super) fn rest(&self) -> Extent {
        let offset = self.reader.position();
        Extent { file: self.reader.file().clone(), offset, len: self.reader.remaining() }
    }

    /// `vec<T>`: u64 count, then the items, `width` bytes each.
    pub(super) fn vector(&mut self, width: u64) -> Result<Extent> {
        let count = self.reader.u64()?;
        self.extent(count, width)
    }

    /// A `vec<T>` that must hold `count` items.
    pub(super) fn vector_of(&mut self, what: &str, count: Option<u64>, width: u64) -> Result<Extent> {
        let at = self.reader.position();
        let have = self.reader.u64()?;
        if Some(have) != count {
            let want = count.map_or("an impossible number".to_owned(), |count| count.to_string());
            return Err(self.corrupt_at(at, format!("{have} {what}, where {want} belong")));
        }
        self.extent(have, width)
    }

    /// `vec<f32>` of a codebook or matrix, into memory.
    pub(super) fn table(&mut self) -> Result<Vec<f32>> {
        let count = self.reader.u64()?;
        self.reader.need(count.saturating_mul(4))?;
        if count.saturating_mul(4) > MAX_TABLE_BYTES {
            return Err(self.unsupported(
                "faiss/table-too-large",
                format!("a table of {count} values does not fit into memory ({} MiB)", MAX_TABLE_BYTES >> 20),
            ));
        }
        self.reader.f32s(count)
    }

    /// A table of exactly `count` values, or an empty one in an index that holds nothing.
    pub(super) fn table_of(&mut self, what: &str, count: Option<usize>, header: &Header) -> Result<Vec<f32>> {
        let at = self.reader.position();
        let table = self.table()?;
        if Some(table.len()) == count || (table.is_empty() && !header.trained) {
            return Ok(table);
        }
        let want = count.map_or("an impossible number".to_owned(), |count| count.to_string());
        Err(self.corrupt_at(at, format!("{} {what}, where {want} belong", table.len())))
    }
}
