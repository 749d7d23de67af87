/*! Where a string's or byte string's content stands in the file, and how it is written there. */

use vecferry_sdk::Result;

use crate::input::Input;
use crate::opcode as op;

/// How content is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// The bytes themselves.
    Raw,
    /// UTF-8, lone surrogates encoded like other code points.
    Utf8,
    /// `raw-unicode-escape`: Latin-1 with `\uXXXX` and `\UXXXXXXXX`.
    UnicodeEscape,
    /// A Python 2 string literal, quoted and escaped.
    Literal,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) offset: u64,
    pub(crate) len: u64,
    pub(crate) encoding: Encoding,
}

/// The content of the string or bytes opcode at `offset`. Its length was checked against the file when the
/// machine ran.
pub(crate) fn locate(input: &mut Input, offset: u64) -> Result<Span> {
    input.seek(offset);
    let opcode = input.u8()?;
    let (encoding, len) = match opcode {
        op::SHORT_BINUNICODE => (Encoding::Utf8, u64::from(input.u8()?)),
        op::BINUNICODE => (Encoding::Utf8, u64::from(input.u32()?)),
        op::BINUNICODE8 => (Encoding::Utf8, input.u64()?),
        op::SHORT_BINBYTES | op::SHORT_BINSTRING => (Encoding::Raw, u64::from(input.u8()?)),
        op::BINBYTES | op::BINSTRING => (Encoding::Raw, u64::from(input.u32()?)),
        op::BINBYTES8 | op::BYTEARRAY8 => (Encoding::Raw, input.u64()?),
        op::UNICODE | op::STRING => {
            let encoding = if opcode == op::UNICODE { Encoding::UnicodeEscape } else { Encoding::Literal };
            let line = input.line()?;
            return Ok(Span { offset: line.offset, len: line.len, encoding });
        }
        _ => return Err(input.corrupt("the file changed while it was read: a string stood here before")),
    };
    input.need(len)?;
    Ok(Span { offset: input.offset(), len, encoding })
}
