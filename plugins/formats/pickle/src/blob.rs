/*!
Bytes of a pickle, read in ranges.

Most are a plain range of the file. Protocols 0 to 2 write bytes as text, one character a byte, and
Python 2 as an escaped literal: there the place of a byte is found by decoding up to it, from the nearest
of the marks that the first pass sets.
*/

use std::cell::RefCell;

use vecferry_sdk::{Error, File, Result};

use crate::input::Input;
use crate::span::{Encoding, Span};
use crate::text;

/// A byte string of a pickle.
pub struct Blob {
    file: File,
    span: Span,
    decoded: RefCell<Option<Marks>>,
}

/// Where each [`MARK_EVERY`]-th decoded byte begins in the file.
struct Marks {
    offsets: Vec<u64>,
    len: u64,
}

const MARK_EVERY: u64 = 16 * 1024;
const BLOCK: u32 = 64 * 1024;
/// No encoding writes a byte in more than this many.
const LONGEST_STEP: usize = 10;

impl Blob {
    pub(crate) fn new(file: File, span: Span) -> Self {
        Blob { file, span, decoded: RefCell::new(None) }
    }

    pub(crate) fn empty(file: File) -> Self {
        Blob::new(file, Span { offset: 0, len: 0, encoding: Encoding::Raw })
    }

    /// Bytes.
    ///
    /// # Errors
    /// `pickle/corrupt` when they are written in a way that cannot be decoded.
    pub fn len(&self) -> Result<u64> {
        if self.span.encoding == Encoding::Raw {
            return Ok(self.span.len);
        }
        self.with_marks(|marks| marks.len)
    }

    /// Whether there are none.
    ///
    /// # Errors
    /// As [`Blob::len`].
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Exactly `len` bytes from `offset` on.
    ///
    /// # Errors
    /// `pickle/corrupt` past the end.
    pub fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>> {
        let available = self.len()?;
        if offset.checked_add(len as u64).is_none_or(|end| end > available) {
            return Err(self.corrupt(format!("{len} bytes from {offset} on are needed, and there are {available}")));
        }
        if self.span.encoding == Encoding::Raw {
            let mut input = Input::new(self.file.clone(), 64);
            input.seek(self.span.offset + offset);
            return input.bytes(len as u64);
        }
        let (start, mut skip) = self.with_marks(|marks| {
            let mark = usize::try_from(offset / MARK_EVERY).unwrap_or(usize::MAX);
            (marks.offsets.get(mark).copied().unwrap_or(self.span.offset), offset % MARK_EVERY)
        })?;
        let mut out = Vec::with_capacity(len);
        if len > 0 {
            self.decode(start, |_, byte| {
                if skip > 0 {
                    skip -= 1;
                } else {
                    out.push(byte);
                }
                out.len() < len
            })?;
        }
        Ok(out)
    }

    /// All of it, where it is at most `max` bytes.
    ///
    /// # Errors
    /// `pickle/too-large` (unsupported) where it is more.
    pub fn read_all(&self, max: u64) -> Result<Vec<u8>> {
        let len = self.len()?;
        let fits = usize::try_from(len).ok().filter(|_| len <= max);
        let fits = fits.ok_or_else(|| {
            Error::unsupported("pickle/too-large", format!("{len} bytes in one value; at most {max} are read"))
                .at("file", self.file.name())
                .at("offset", self.span.offset)
        })?;
        self.read(0, fits)
    }

    fn corrupt(&self, message: String) -> Error {
        self.place(Error::corrupt("pickle/corrupt", message))
    }

    /// Adds to an error where the bytes begin.
    pub(crate) fn place(&self, error: Error) -> Error {
        error.at("file", self.file.name()).at("offset", self.span.offset)
    }

    fn with_marks<T>(&self, ask: impl FnOnce(&Marks) -> T) -> Result<T> {
        let mut decoded = self.decoded.borrow_mut();
        let marks = match &mut *decoded {
            Some(marks) => marks,
            none => none.insert(self.mark()?),
        };
        Ok(ask(marks))
    }

    fn mark(&self) -> Result<Marks> {
        let mut marks = Marks { offsets: Vec::new(), len: 0 };
        let start = match self.span.encoding {
            Encoding::Literal => {
                let line = self.quoted()?;
                self.span.offset + line
            }
            _ => self.span.offset,
        };
        self.decode(start, |offset, _| {
            if marks.len.is_multiple_of(MARK_EVERY) {
                marks.offsets.push(offset);
            }
            marks.len += 1;
            true
        })?;
        Ok(marks)
    }

    /// Bytes before a literal's content; checks its quotes.
    fn quoted(&self) -> Result<u64> {
        let mut input = Input::new(self.file.clone(), 64);
        input.seek(self.span.offset);
        let first = if self.span.len < 2 { 0 } else { input.u8()? };
        input.seek(self.span.offset + self.span.len.saturating_sub(1));
        let last = if self.span.len < 2 { 1 } else { input.u8()? };
        if first != last || !matches!(first, b'\'' | b'"') {
            return Err(self.corrupt("a byte string is not a valid string literal".to_owned()));
        }
        Ok(1)
    }

    /// Decodes from `start` on, giving each byte and its offset in the file, until told to stop.
    fn decode(&self, start: u64, mut each: impl FnMut(u64, u8) -> bool) -> Result<()> {
        let trailer = u64::from(self.span.encoding == Encoding::Literal);
        let end = self.span.offset + self.span.len - trailer.min(self.span.len);
        let mut block: Vec<u8> = Vec::new();
        let mut at = start;
        let mut next = 0;
        while at < end {
            let left = usize::try_from(end - at).unwrap_or(usize::MAX);
            if block.len() - next < LONGEST_STEP.min(left) {
                block = self.file.read_at(at, BLOCK)?;
                block.truncate(left);
                next = 0;
                if block.len() < LONGEST_STEP.min(left) {
                    return Err(self.corrupt("the file became shorter while it was read".to_owned()));
                }
            }
            let rest = block.get(next..).unwrap_or_default();
            let (byte, taken) = self.step(rest).ok_or_else(|| {
                self.corrupt("bytes are written as text, and a character of it stands for no byte".to_owned())
                    .at("character-offset", at)
            })?;
            if let Some(byte) = byte
                && !each(at, byte)
            {
                return Ok(());
            }
            next += taken;
            at += taken as u64;
        }
        Ok(())
    }

    fn step(&self, rest: &[u8]) -> Option<(Option<u8>, usize)> {
        match self.span.encoding {
            Encoding::Raw => rest.first().map(|&byte| (Some(byte), 1)),
            Encoding::Utf8 => match *rest {
                [ascii @ 0..=0x7f, ..] => Some((Some(ascii), 1)),
                [lead @ 0xc2..=0xc3, low @ 0x80..=0xbf, ..] => Some((Some((lead << 6) | (low & 0x3f)), 2)),
                _ => None,
            },
            Encoding::UnicodeEscape => {
                let (point, taken) = text::unicode_escape_step(rest)?;
                Some((Some(u8::try_from(point).ok()?), taken))
            }
            Encoding::Literal => text::literal_step(rest),
        }
    }
}
