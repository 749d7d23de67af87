/*! Pages of a column chunk: their headers, and their bytes as a stream. */

use vecferry_sdk::{Error, File, Reader, Result};

use super::footer::Chunk;
use super::snappy::Snappy;
use super::thrift::{self, Fields, Kind};

/// Bytes read at a time.
const BLOCK_BYTES: u32 = 64 * 1024;

/// What kind of page it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PageKind {
    Data,
    Dictionary,
    /// An index, which nothing here needs.
    Other,
}

/// How values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Plain,
    /// Positions in the chunk's dictionary.
    Dictionary,
}

/// A page's header, and where its bytes are.
pub(super) struct PageHeader {
    pub(super) kind: PageKind,
    pub(super) values: u64,
    pub(super) encoding: Encoding,
    start: u64,
    compressed: u64,
    uncompressed: u64,
}

/// Reads the pages of a chunk one after the other.
pub(super) struct Pages {
    reader: Reader,
    end: u64,
    codec: i64,
}

impl Pages {
    pub(super) fn new(file: &File, chunk: &Chunk) -> Pages {
        let mut reader = Reader::with_block(file.clone(), BLOCK_BYTES);
        reader.seek(chunk.start);
        Pages { reader, end: chunk.start.saturating_add(chunk.bytes), codec: chunk.codec }
    }

    /// The next page's header; `None` at the chunk's end.
    ///
    /// # Errors
    /// `corrupt`; `unsupported` for encodings that Chroma's files do not have.
    pub(super) fn next(&mut self) -> Result<Option<PageHeader>> {
        if self.reader.position() >= self.end {
            return Ok(None);
        }
        let header = self.header()?;
        let end = header.start.checked_add(header.compressed).filter(|end| *end <= self.end);
        self.reader.seek(end.ok_or_else(|| {
            self.reader.corrupt(format!("a page is said to have {} bytes, beyond its column's end", header.compressed))
        })?);
        Ok(Some(header))
    }

    /// A page's bytes.
    ///
    /// # Errors
    /// `unsupported` for compressions that Chroma's files do not have.
    pub(super) fn open(&self, header: &PageHeader) -> Result<PageBytes> {
        let file = self.reader.file().clone();
        let end = header.start + header.compressed;
        match self.codec {
            0 if header.compressed != header.uncompressed => Err(self.reader.corrupt("a page has two different sizes")),
            0 => {
                let mut reader = Reader::with_block(file, BLOCK_BYTES);
                reader.seek(header.start);
                Ok(PageBytes::Plain { reader, end })
            }
            1 => Ok(PageBytes::Snappy(Box::new(Snappy::new(file, header.start, end, header.uncompressed)?))),
            other => Err(self.unsupported(format!("compression {other}"))),
        }
    }

    /// An error at the next page.
    pub(super) fn corrupt(&self, message: &str) -> Error {
        self.reader.corrupt(message)
    }

    fn unsupported(&self, what: String) -> Error {
        Error::unsupported("parquet/unsupported", format!("this parquet file uses {what}, which Chroma's own do not"))
            .at("file", self.reader.file().name())
            .at("offset", self.reader.position())
    }

    fn header(&mut self) -> Result<PageHeader> {
        let (mut kind, mut uncompressed, mut compressed) = (None, None, None);
        let (mut values, mut encoding) = (None, None);
        let mut fields = Fields::new();
        while let Some((number, field)) = fields.next(&mut self.reader)? {
            match (number, field) {
                (1, Kind::Integer) => kind = Some(thrift::integer(&mut self.reader)?),
                (2, Kind::Integer) => uncompressed = Some(thrift::integer(&mut self.reader)?),
                (3, Kind::Integer) => compressed = Some(thrift::integer(&mut self.reader)?),
                // The headers of data and dictionary pages both begin with the number of values and their encoding.
                (5 | 7, Kind::Struct) => {
                    let mut inner = Fields::new();
                    while let Some((number, field)) = inner.next(&mut self.reader)? {
                        match (number, field) {
                            (1, Kind::Integer) => values = Some(thrift::integer(&mut self.reader)?),
                            (2, Kind::Integer) => encoding = Some(thrift::integer(&mut self.reader)?),
                            _ => thrift::skip(&mut self.reader, field)?,
                        }
                    }
                }
                _ => thrift::skip(&mut self.reader, field)?,
            }
        }
        let kind = match kind {
            Some(0) => PageKind::Data,
            Some(2) => PageKind::Dictionary,
            Some(1) => PageKind::Other,
            Some(3) => return Err(self.unsupported("data pages of version 2".to_owned())),
            _ => return Err(self.reader.corrupt("a page of no known kind")),
        };
        let encoding = match encoding {
            Some(0) | None => Encoding::Plain,
            // 2 is the old name of 8; both also stand in a dictionary page, for plain values.
            Some(2 | 8) => Encoding::Dictionary,
            Some(other) => return Err(self.unsupported(format!("encoding {other}"))),
        };
        let size = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok());
        let (Some(uncompressed), Some(compressed)) = (size(uncompressed), size(compressed)) else {
            return Err(self.reader.corrupt("a page has no size"));
        };
        Ok(PageHeader {
            kind,
            values: size(values).unwrap_or(0),
            encoding,
            start: self.reader.position(),
            compressed,
            uncompressed,
        })
    }
}

/// A page's bytes, decompressed, read forward.
pub(super) enum PageBytes {
    Plain { reader: Reader, end: u64 },
    Snappy(Box<Snappy>),
}

impl PageBytes {
    /// Bytes that are left.
    pub(super) fn remaining(&self) -> u64 {
        match self {
            PageBytes::Plain { reader, end } => end.saturating_sub(reader.position()),
            PageBytes::Snappy(stream) => stream.remaining(),
        }
    }

    /// Fills `out`.
    ///
    /// # Errors
    /// `corrupt` at the page's end.
    pub(super) fn fill(&mut self, out: &mut [u8]) -> Result<()> {
        self.need(out.len() as u64)?;
        match self {
            PageBytes::Plain { reader, .. } => reader.fill(out),
            PageBytes::Snappy(stream) => {
                let mut rest = out;
                while !rest.is_empty() {
                    let piece = stream.take(rest.len())?;
                    if piece.is_empty() {
                        return Err(stream.corrupt("a page ends too early"));
                    }
                    let (now, later) = rest.split_at_mut(piece.len());
                    now.copy_from_slice(piece);
                    rest = later;
                }
                Ok(())
            }
        }
    }

    /// Moves over some bytes.
    ///
    /// # Errors
    /// As [`PageBytes::fill`].
    pub(super) fn skip(&mut self, bytes: u64) -> Result<()> {
        self.need(bytes)?;
        match self {
            PageBytes::Plain { reader, .. } => reader.skip(bytes),
            PageBytes::Snappy(stream) => {
                let mut left = bytes;
                while left > 0 {
                    let piece = stream.take(usize::try_from(left).unwrap_or(usize::MAX))?.len();
                    if piece == 0 {
                        return Err(stream.corrupt("a page ends too early"));
                    }
                    left -= piece as u64;
                }
                Ok(())
            }
        }
    }

    /// Reads `len` bytes; memory grows with what is really there.
    ///
    /// # Errors
    /// As [`PageBytes::fill`].
    pub(super) fn bytes(&mut self, len: u64) -> Result<Vec<u8>> {
        self.need(len)?;
        let mut out = Vec::new();
        let mut left = len;
        while left > 0 {
            let piece = left.min(u64::from(BLOCK_BYTES));
            let start = out.len();
            out.resize(start + usize::try_from(piece).unwrap_or(0), 0);
            self.fill(&mut out[start..])?;
            left -= piece;
        }
        Ok(out)
    }

    /// Reads one byte.
    ///
    /// # Errors
    /// As [`PageBytes::fill`].
    pub(super) fn byte(&mut self) -> Result<u8> {
        let mut out = [0];
        self.fill(&mut out)?;
        Ok(out[0])
    }

    /// Reads a little-endian number of four bytes.
    ///
    /// # Errors
    /// As [`PageBytes::fill`].
    pub(super) fn u32(&mut self) -> Result<u32> {
        let mut out = [0; 4];
        self.fill(&mut out)?;
        Ok(u32::from_le_bytes(out))
    }

    /// An error at this place.
    pub(super) fn corrupt(&self, message: &str) -> Error {
        match self {
            PageBytes::Plain { reader, .. } => reader.corrupt(message),
            PageBytes::Snappy(stream) => stream.corrupt(message),
        }
    }

    fn need(&self, bytes: u64) -> Result<()> {
        if bytes > self.remaining() {
            let message = format!("{bytes} bytes are needed here, the page has {} left", self.remaining());
            return Err(self.corrupt(&message));
        }
        Ok(())
    }
}
