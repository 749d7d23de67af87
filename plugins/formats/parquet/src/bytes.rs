/*! A page's bytes, decompressed, read forward. */

use std::io::Read;

use vecferry_sdk::{Error, File, Reader, Result};

use crate::page::BLOCK_BYTES;
use crate::snappy::Snappy;

/// Bytes of a page that has to be in memory whole.
const MAX_WHOLE: u64 = 64 << 20;

/// How a chunk's pages are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    None,
    Snappy,
    Gzip,
    Zstd,
    Lz4Raw,
}

impl Codec {
    /// By its number (`CompressionCodec` of `parquet.thrift`); else the name of one that is not read.
    pub(crate) fn of(number: i64) -> std::result::Result<Codec, String> {
        Err(match number {
            0 => return Ok(Codec::None),
            1 => return Ok(Codec::Snappy),
            2 => return Ok(Codec::Gzip),
            6 => return Ok(Codec::Zstd),
            7 => return Ok(Codec::Lz4Raw),
            3 => "LZO".to_owned(),
            4 => "Brotli".to_owned(),
            5 => "LZ4 (the deprecated framing of Hadoop)".to_owned(),
            other => format!("number {other}"),
        })
    }
}

/// A page's bytes.
pub(crate) enum PageBytes {
    Plain { reader: Reader, end: u64 },
    Snappy(Box<Snappy>),
    Stream(Box<Stream>),
    Whole { bytes: Vec<u8>, at: usize, place: Place },
}

/// A decompressor over a part of a file.
pub(crate) struct Stream {
    decoder: Box<dyn Read>,
    /// Bytes that the page still has.
    left: u64,
    place: Place,
}

/// Where a page begins, for errors: a decompressor does not tell how far it has come.
#[derive(Clone)]
pub(crate) struct Place {
    file: File,
    offset: u64,
}

impl Place {
    fn corrupt(&self, message: &str) -> Error {
        Error::corrupt("parquet/page", message).at("file", self.file.name()).at("offset", self.offset)
    }
}

/// A part of a file, as the decompressors want it.
struct Part {
    reader: Reader,
    end: u64,
}

impl Read for Part {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let left = self.end.saturating_sub(self.reader.position());
        let len = out.len().min(usize::try_from(left).unwrap_or(usize::MAX)).min(BLOCK_BYTES as usize);
        match out.get_mut(..len) {
            Some(out) if len > 0 => {
                self.reader.fill(out).map_err(|error| std::io::Error::other(error.to_string()))?;
                Ok(len)
            }
            _ => Ok(0),
        }
    }
}

impl PageBytes {
    /// The bytes of `file` from `start` to `end`, which are `uncompressed` when decompressed.
    ///
    /// # Errors
    /// `corrupt`; `unsupported` for a page too large to be decompressed whole, where that is needed.
    pub(crate) fn open(file: File, start: u64, end: u64, uncompressed: u64, codec: Codec) -> Result<PageBytes> {
        let place = Place { file: file.clone(), offset: start };
        let mut reader = Reader::with_block(file.clone(), BLOCK_BYTES);
        reader.seek(start);
        if end == start && uncompressed == 0 {
            // A page of nulls alone may be nothing at all, whatever its compression.
            return Ok(PageBytes::Plain { reader, end });
        }
        let stream =
            |decoder| PageBytes::Stream(Box::new(Stream { decoder, left: uncompressed, place: place.clone() }));
        let part = Part { reader, end };
        Ok(match codec {
            Codec::None if end - start != uncompressed => return Err(place.corrupt("a page has two different sizes")),
            Codec::None => PageBytes::Plain { reader: part.reader, end },
            Codec::Snappy => PageBytes::Snappy(Box::new(Snappy::new(file, start, end, uncompressed)?)),
            Codec::Gzip => stream(Box::new(flate2::read::MultiGzDecoder::new(part))),
            Codec::Zstd => {
                let decoder = ruzstd::decoding::StreamingDecoder::new(part)
                    .map_err(|error| place.corrupt(&format!("a page cannot be decompressed: {error}")))?;
                stream(Box::new(decoder))
            }
            Codec::Lz4Raw => {
                let mut reader = part.reader;
                whole_size(&place, uncompressed.max(end - start))?;
                let packed = reader.bytes(end - start)?;
                // LZ4 makes at most 255 bytes of one.
                if uncompressed > packed.len() as u64 * 255 {
                    return Err(place.corrupt("a page is said to hold more than its bytes can"));
                }
                let mut bytes = vec![0; usize::try_from(uncompressed).unwrap_or(0)];
                match lz4_flex::block::decompress_into(&packed, &mut bytes) {
                    Ok(len) if len == bytes.len() => PageBytes::Whole { bytes, at: 0, place },
                    Ok(_) => return Err(place.corrupt("a compressed page holds less than it is said to")),
                    Err(error) => return Err(place.corrupt(&format!("a page cannot be decompressed: {error}"))),
                }
            }
        })
    }

    /// Bytes that are left.
    pub(crate) fn remaining(&self) -> u64 {
        match self {
            PageBytes::Plain { reader, end } => end.saturating_sub(reader.position()),
            PageBytes::Snappy(stream) => stream.remaining(),
            PageBytes::Stream(stream) => stream.left,
            PageBytes::Whole { bytes, at, .. } => bytes.len().saturating_sub(*at) as u64,
        }
    }

    /// Fills `out`.
    ///
    /// # Errors
    /// `corrupt` at the page's end.
    pub(crate) fn fill(&mut self, out: &mut [u8]) -> Result<()> {
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
            PageBytes::Stream(stream) => {
                let read = stream.decoder.read_exact(out);
                read.map_err(|error| stream.place.corrupt(&format!("a page cannot be decompressed: {error}")))?;
                stream.left -= out.len() as u64;
                Ok(())
            }
            PageBytes::Whole { bytes, at, place } => {
                let end = at.saturating_add(out.len());
                let piece = bytes.get(*at..end).ok_or_else(|| place.corrupt("a page ends too early"))?;
                out.copy_from_slice(piece);
                *at = end;
                Ok(())
            }
        }
    }

    /// Moves over some bytes.
    ///
    /// # Errors
    /// As [`PageBytes::fill`].
    pub(crate) fn skip(&mut self, bytes: u64) -> Result<()> {
        self.need(bytes)?;
        match self {
            PageBytes::Plain { reader, .. } => reader.skip(bytes),
            _ => {
                let mut scrap = [0; 4096];
                let mut left = bytes;
                while left > 0 {
                    let piece = usize::try_from(left).unwrap_or(usize::MAX).min(scrap.len());
                    self.fill(scrap.get_mut(..piece).unwrap_or_default())?;
                    left -= piece as u64;
                }
                Ok(())
            }
        }
    }

    /// Appends `len` bytes to `out`; memory grows with what is really there.
    ///
    /// # Errors
    /// As [`PageBytes::fill`].
    pub(crate) fn append(&mut self, len: u64, out: &mut Vec<u8>) -> Result<()> {
        self.need(len)?;
        let mut left = len;
        while left > 0 {
            let piece = left.min(u64::from(BLOCK_BYTES));
            let start = out.len();
            out.resize(start + usize::try_from(piece).unwrap_or(0), 0);
            self.fill(out.get_mut(start..).unwrap_or_default())?;
            left -= piece;
        }
        Ok(())
    }

    /// Reads `len` bytes.
    ///
    /// # Errors
    /// As [`PageBytes::fill`].
    pub(crate) fn bytes(&mut self, len: u64) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        self.append(len, &mut out)?;
        Ok(out)
    }

    /// All that is left, where it has to be in memory whole.
    ///
    /// # Errors
    /// As [`PageBytes::fill`]; `unsupported` above 64 MiB.
    pub(crate) fn rest(&mut self) -> Result<Vec<u8>> {
        whole_size(&self.place(), self.remaining())?;
        self.bytes(self.remaining())
    }

    /// Reads one byte.
    ///
    /// # Errors
    /// As [`PageBytes::fill`].
    pub(crate) fn byte(&mut self) -> Result<u8> {
        let mut out = [0];
        self.fill(&mut out)?;
        Ok(out[0])
    }

    /// Reads a little-endian number of four bytes.
    ///
    /// # Errors
    /// As [`PageBytes::fill`].
    pub(crate) fn u32(&mut self) -> Result<u32> {
        let mut out = [0; 4];
        self.fill(&mut out)?;
        Ok(u32::from_le_bytes(out))
    }

    /// An error at this place.
    pub(crate) fn corrupt(&self, message: &str) -> Error {
        match self {
            PageBytes::Plain { reader, .. } => reader.corrupt(message),
            PageBytes::Snappy(stream) => stream.corrupt(message),
            PageBytes::Stream(stream) => stream.place.corrupt(message),
            PageBytes::Whole { place, .. } => place.corrupt(message),
        }
    }

    fn place(&self) -> Place {
        match self {
            PageBytes::Plain { reader, .. } => Place { file: reader.file().clone(), offset: reader.position() },
            PageBytes::Snappy(stream) => {
                let (file, offset) = stream.place();
                Place { file, offset }
            }
            PageBytes::Stream(stream) => stream.place.clone(),
            PageBytes::Whole { place, .. } => place.clone(),
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

fn whole_size(place: &Place, bytes: u64) -> Result<()> {
    if bytes > MAX_WHOLE {
        let message = format!("a page of {bytes} bytes, which is written so that it has to be held whole");
        return Err(Error::unsupported("parquet/page-size", message)
            .at("file", place.file.name())
            .at("offset", place.offset)
            .hint("write the file anew with smaller pages, or uncompressed"));
    }
    Ok(())
}
