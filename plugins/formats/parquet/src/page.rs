/*! Pages of a column chunk: their headers, and which bytes are theirs. */

use vecferry_sdk::{Error, File, Reader, Result};

use crate::bytes::{Codec, PageBytes};
use crate::footer::Chunk;
use crate::thrift::{self, Fields, Kind};

/// Bytes read at a time.
pub(crate) const BLOCK_BYTES: u32 = 64 * 1024;

/// What kind of page it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PageKind {
    /// Levels stand in front of the values, with their lengths, and are compressed with them.
    Data,
    /// Levels stand apart: bytes of repetition and definition levels.
    DataV2 {
        repetition: u64,
        definition: u64,
        compressed: bool,
    },
    Dictionary,
    /// An index, which nothing here needs.
    Other,
}

/// How values are written (`Encoding` of `parquet.thrift`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Plain,
    /// Positions in the chunk's dictionary.
    Dictionary,
    /// Booleans as runs.
    Runs,
    DeltaBinary,
    DeltaLength,
    DeltaBytes,
    ByteStreamSplit,
}

impl Encoding {
    fn of(number: i64) -> Option<Encoding> {
        Some(match number {
            0 => Encoding::Plain,
            // 2 is the old name of 8; both also stand in a dictionary page, for plain values.
            2 | 8 => Encoding::Dictionary,
            3 => Encoding::Runs,
            5 => Encoding::DeltaBinary,
            6 => Encoding::DeltaLength,
            7 => Encoding::DeltaBytes,
            9 => Encoding::ByteStreamSplit,
            _ => return None,
        })
    }
}

/// A page's header, and where its bytes are.
pub(crate) struct PageHeader {
    pub(crate) kind: PageKind,
    pub(crate) values: u64,
    pub(crate) encoding: Encoding,
    start: u64,
    compressed: u64,
    uncompressed: u64,
}

/// A page's parts.
pub(crate) struct Opened {
    /// Repetition and definition levels, where they stand apart.
    pub(crate) levels: Option<(Vec<u8>, Vec<u8>)>,
    /// What follows, decompressed.
    pub(crate) bytes: PageBytes,
}

/// Reads the pages of a chunk one after the other.
pub(crate) struct Pages {
    reader: Reader,
    end: u64,
    codec: i64,
}

impl Pages {
    pub(crate) fn new(file: &File, chunk: &Chunk) -> Pages {
        let mut reader = Reader::with_block(file.clone(), BLOCK_BYTES);
        reader.seek(chunk.start);
        Pages { reader, end: chunk.start.saturating_add(chunk.bytes), codec: chunk.codec }
    }

    /// The next page's header; `None` at the chunk's end.
    ///
    /// # Errors
    /// `corrupt`; `unsupported` for encodings that are not read.
    pub(crate) fn next(&mut self) -> Result<Option<PageHeader>> {
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
    /// `corrupt`; `unsupported` for compressions that are not read.
    pub(crate) fn open(&self, header: &PageHeader) -> Result<Opened> {
        let file = self.reader.file().clone();
        let mut codec = Codec::of(self.codec).map_err(|what| self.unsupported(&format!("the compression {what}")))?;
        let (start, end) = (header.start, header.start + header.compressed);
        let PageKind::DataV2 { repetition, definition, compressed } = header.kind else {
            let bytes = PageBytes::open(file, start, end, header.uncompressed, codec)?;
            return Ok(Opened { levels: None, bytes });
        };
        let apart = repetition.checked_add(definition);
        let apart = apart.filter(|apart| *apart <= header.compressed && *apart <= header.uncompressed);
        let apart = apart.ok_or_else(|| self.corrupt("a page's levels are said to be larger than the page"))?;
        let mut levels = Reader::with_block(file.clone(), BLOCK_BYTES);
        levels.seek(start);
        let levels = (levels.bytes(repetition)?, levels.bytes(definition)?);
        if !compressed {
            codec = Codec::None;
        }
        let bytes = PageBytes::open(file, start + apart, end, header.uncompressed - apart, codec)?;
        Ok(Opened { levels: Some(levels), bytes })
    }

    /// An error at the next page.
    pub(crate) fn corrupt(&self, message: &str) -> Error {
        self.reader.corrupt(message)
    }

    fn unsupported(&self, what: &str) -> Error {
        Error::unsupported("parquet/unsupported", format!("this Parquet file uses {what}, which is not read"))
            .at("file", self.reader.file().name())
            .at("offset", self.reader.position())
            .hint("write it anew with another program's usual settings: pyarrow's, DuckDB's and Polars' are read")
    }

    fn header(&mut self) -> Result<PageHeader> {
        let (mut kind, mut uncompressed, mut compressed) = (None, None, None);
        let (mut values, mut encoding) = (None, None);
        // Of version 2.
        let (mut apart, mut is_compressed) = ([None; 2], true);
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
                (8, Kind::Struct) => {
                    let mut inner = Fields::new();
                    while let Some((number, field)) = inner.next(&mut self.reader)? {
                        match (number, field) {
                            (1, Kind::Integer) => values = Some(thrift::integer(&mut self.reader)?),
                            (4, Kind::Integer) => encoding = Some(thrift::integer(&mut self.reader)?),
                            (5, Kind::Integer) => apart[1] = Some(thrift::integer(&mut self.reader)?),
                            (6, Kind::Integer) => apart[0] = Some(thrift::integer(&mut self.reader)?),
                            (7, Kind::Boolean) => is_compressed = inner.truth(),
                            _ => thrift::skip(&mut self.reader, field)?,
                        }
                    }
                }
                _ => thrift::skip(&mut self.reader, field)?,
            }
        }
        let size = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok());
        let kind = match kind {
            Some(0) => PageKind::Data,
            Some(2) => PageKind::Dictionary,
            Some(1) => PageKind::Other,
            Some(3) => match apart.map(size) {
                [Some(repetition), Some(definition)] => {
                    PageKind::DataV2 { repetition, definition, compressed: is_compressed }
                }
                _ => return Err(self.reader.corrupt("a page does not say how large its levels are")),
            },
            _ => return Err(self.reader.corrupt("a page of no known kind")),
        };
        let encoding = encoding.unwrap_or(0);
        let encoding = Encoding::of(encoding).ok_or_else(|| self.unsupported(&format!("the encoding {encoding}")))?;
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
