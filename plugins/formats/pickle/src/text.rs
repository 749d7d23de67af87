/*! Texts, from every way a pickle writes them, to Rust strings. */

use std::borrow::Cow;

use vecferry_sdk::{Error, Result};

use crate::input::Input;
use crate::notes::{self, Notes};
use crate::span::{Encoding, Span, locate};

/// A text of the pickle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// The text.
    pub string: String,
    /// Lone surrogates that were replaced by U+FFFD: no Unicode text can hold them.
    pub surrogates: u32,
    /// A Python 2 string that is no UTF-8 and was taken as Latin-1.
    pub guessed: bool,
}

impl Text {
    /// Notes what was done to it.
    pub fn note(&self, notes: &mut Notes) {
        if self.surrogates > 0 {
            notes.add(notes::SURROGATE);
        }
        if self.guessed {
            notes.add(notes::LATIN1);
        }
    }
}

/// Reads the text whose opcode stands at `offset`.
pub(crate) fn read(input: &mut Input, offset: u64) -> Result<Text> {
    let span = locate(input, offset)?;
    let bytes = content(input, span)?;
    match span.encoding {
        Encoding::Utf8 => match utf8(bytes) {
            Some(text) => Ok(text),
            None => {
                input.seek(offset);
                Err(input.corrupt("a text is not valid UTF-8"))
            }
        },
        Encoding::UnicodeEscape => Ok(from_code_points(unicode_escape(&bytes).into_iter())),
        Encoding::Literal => match literal(&bytes) {
            Some(bytes) => Ok(python2(bytes)),
            None => {
                input.seek(offset);
                Err(input.corrupt("a text is not a valid string literal"))
            }
        },
        Encoding::Raw => Ok(python2(bytes)),
    }
}

/// The text whose opcode stands at `offset`, as it lies in memory; `None` for one of more than `max` bytes, one that
/// is longer than a block, and one that has to be decoded.
pub(crate) fn plain(input: &mut Input, offset: u64, max: u64) -> Result<Option<&str>> {
    let span = locate(input, offset)?;
    let longest = max.min(u64::from(input.block_bytes()));
    match usize::try_from(span.len) {
        Ok(len) if span.encoding == Encoding::Utf8 && span.len <= longest => {
            input.seek(span.offset);
            Ok(std::str::from_utf8(input.slice(len)?).ok())
        }
        _ => Ok(None),
    }
}

/// A text's length as it is written in the file, without reading it (but for the text protocols).
pub(crate) fn encoded_len(input: &mut Input, offset: u64) -> Result<u64> {
    Ok(locate(input, offset)?.len)
}

pub(crate) fn content(input: &mut Input, span: Span) -> Result<Vec<u8>> {
    input.seek(span.offset);
    input.bytes(span.len)
}

/// Python 2's `str` is bytes. Texts in it are UTF-8 nearly always.
fn python2(bytes: Vec<u8>) -> Text {
    match String::from_utf8(bytes) {
        Ok(string) => Text { string, ..Text::default() },
        Err(error) => {
            let string = error.as_bytes().iter().copied().map(char::from).collect();
            Text { string, guessed: true, ..Text::default() }
        }
    }
}

/// UTF-8 in which surrogates may stand ("surrogatepass"); `None` if it is not even that.
pub(crate) fn utf8(bytes: Vec<u8>) -> Option<Text> {
    let bytes = match String::from_utf8(bytes) {
        Ok(string) => return Some(Text { string, ..Text::default() }),
        Err(error) => error.into_bytes(),
    };
    let mut points = Vec::with_capacity(bytes.len());
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        match std::str::from_utf8(rest) {
            Ok(valid) => {
                points.extend(valid.chars().map(u32::from));
                break;
            }
            Err(error) => {
                let (valid, bad) = rest.split_at(error.valid_up_to());
                points.extend(String::from_utf8_lossy(valid).chars().map(u32::from));
                let &[0xed, second @ 0xa0..=0xbf, third @ 0x80..=0xbf, ref tail @ ..] = bad else { return None };
                points.push(0xd000 | (u32::from(second & 0x3f) << 6) | u32::from(third & 0x3f));
                rest = tail;
            }
        }
    }
    Some(from_code_points(points.into_iter()))
}

/// Joins surrogate pairs; replaces and counts lone ones.
pub(crate) fn from_code_points(points: impl Iterator<Item = u32>) -> Text {
    let mut text = Text::default();
    let mut points = points.peekable();
    while let Some(point) = points.next() {
        let low = points.peek().copied().filter(|low| (0xdc00..0xe000).contains(low));
        let joined = match (point, low) {
            (0xd800..0xdc00, Some(low)) => {
                points.next();
                0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00)
            }
            _ => point,
        };
        match char::from_u32(joined) {
            Some(char) => text.string.push(char),
            None => {
                text.string.push(char::REPLACEMENT_CHARACTER);
                text.surrogates = text.surrogates.saturating_add(1);
            }
        }
    }
    text
}

/// The code points of `raw-unicode-escape`, as CPython's `_PyUnicode_DecodeRawUnicodeEscape` reads it: a
/// backslash that starts no escape stands for itself, and so does what follows it.
pub(crate) fn unicode_escape(bytes: &[u8]) -> Vec<u32> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((point, taken)) = unicode_escape_step(rest) {
        out.push(point);
        rest = rest.get(taken..).unwrap_or_default();
    }
    out
}

/// One code point, and the bytes it takes; `None` at the end.
pub(crate) fn unicode_escape_step(bytes: &[u8]) -> Option<(u32, usize)> {
    let first = *bytes.first()?;
    let digits = match bytes.get(1) {
        Some(b'u') if first == b'\\' => 4,
        Some(b'U') if first == b'\\' => 8,
        _ => return Some((u32::from(first), 1)),
    };
    let hex = bytes.get(2..2 + digits).and_then(|hex| std::str::from_utf8(hex).ok());
    let point = hex.filter(|hex| !hex.starts_with('+')).and_then(|hex| u32::from_str_radix(hex, 16).ok());
    match point {
        Some(point) => Some((point, 2 + digits)),
        None => Some((u32::from(first), 1)),
    }
}

/// The bytes of a quoted Python 2 literal; `None` without its quotes or with an escape cut short.
pub(crate) fn literal(line: &[u8]) -> Option<Vec<u8>> {
    // Some picklers on Windows wrote "\r\n".
    let line = line.trim_ascii_end();
    let quote = *line.first().filter(|&&quote| quote == b'\'' || quote == b'"')?;
    let inner = line.get(1..line.len().checked_sub(1)?).filter(|_| line.len() > 1 && line.last() == Some(&quote))?;
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while !rest.is_empty() {
        let (byte, taken) = literal_step(rest)?;
        out.extend(byte);
        rest = rest.get(taken..).unwrap_or_default();
    }
    Some(out)
}

/// One byte of a literal (none for an escaped newline), and the characters it takes.
pub(crate) fn literal_step(bytes: &[u8]) -> Option<(Option<u8>, usize)> {
    let (&first, rest) = bytes.split_first()?;
    if first != b'\\' {
        return Some((Some(first), 1));
    }
    let &escape = rest.first()?;
    let simple = match escape {
        b'\n' => return Some((None, 2)),
        b'\\' | b'\'' | b'"' => escape,
        b'a' => 7,
        b'b' => 8,
        b't' => 9,
        b'n' => 10,
        b'v' => 11,
        b'f' => 12,
        b'r' => 13,
        b'x' => {
            let hex = rest.get(1..3).and_then(|hex| std::str::from_utf8(hex).ok())?;
            return Some((Some(u8::from_str_radix(hex, 16).ok()?), 4));
        }
        b'0'..=b'7' => {
            let digits = rest.iter().take(3).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
            let value = rest.iter().take(digits).fold(0_u32, |value, digit| value * 8 + u32::from(digit - b'0'));
            return Some((Some((value & 0xff) as u8), 1 + digits));
        }
        // Not an escape: the backslash stands for itself.
        _ => return Some((Some(b'\\'), 1)),
    };
    Some((Some(simple), 2))
}

/// Bytes that should be UTF-8, for people: an excerpt that cannot break a terminal.
pub(crate) fn excerpt(text: &str) -> Cow<'_, str> {
    const LETTERS: usize = 40;
    if text.chars().count() <= LETTERS && !text.chars().any(char::is_control) {
        return text.into();
    }
    let short: String = text.chars().take(LETTERS).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().count() > LETTERS { format!("{short}…").into() } else { short.into() }
}

/// What else a file is, by its first bytes: some of these begin with a byte that is an opcode too.
pub(crate) fn foreign(head: &[u8]) -> Option<Error> {
    let (what, hint) = match head {
        [0x1f, 0x8b, ..] => ("it is gzip-compressed", "unpack it first: gunzip"),
        [b'P', b'K', 3, 4, ..] => ("it is a zip archive, as torch.save and numpy.savez write it", ""),
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => {
            ("it is zlib-compressed, as joblib writes it", "load it in Python and write it with pickle.dump")
        }
        [0xfd, b'7', b'z', b'X', b'Z', ..] => ("it is xz-compressed", "unpack it first: unxz"),
        [b'B', b'Z', b'h', b'1'..=b'9', b'1', b'A', b'Y', ..] => ("it is bzip2-compressed", "unpack it first: bunzip2"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => ("it is zstd-compressed", "unpack it first: unzstd"),
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => ("it is a numpy .npy file", "write it with pickle.dump"),
        [0x89, b'H', b'D', b'F', ..] => ("it is an HDF5 file", ""),
        _ => return None,
    };
    let error = Error::corrupt("pickle/not-a-pickle", format!("the file is no pickle: {what}"));
    Some(if hint.is_empty() { error } else { error.hint(hint) })
}
