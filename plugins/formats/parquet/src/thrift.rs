/*!
Thrift's compact protocol, as far as parquet's footer and page headers need it: a reader that walks the fields of a
struct and skips those that nobody asked for.

Source: thrift's `doc/specs/thrift-compact-protocol.md`. Nesting is counted, not recursed into; every length is checked
against the bytes that are left.
*/

use vecferry_sdk::{Reader, Result};

/// Containers inside containers; parquet's own structures have six levels.
const MAX_DEPTH: usize = 32;

/// The type of a field or an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Boolean,
    /// Any integer of more than one byte: all are zigzag varints.
    Integer,
    Byte,
    Double,
    Binary,
    List,
    Map,
    Struct,
}

impl Kind {
    fn of(code: u8) -> Option<Kind> {
        Some(match code {
            1 | 2 => Kind::Boolean,
            3 => Kind::Byte,
            4..=6 => Kind::Integer,
            7 => Kind::Double,
            8 => Kind::Binary,
            9 | 10 => Kind::List,
            11 => Kind::Map,
            12 => Kind::Struct,
            _ => return None,
        })
    }
}

/// Walks a struct's fields.
pub(crate) struct Fields {
    last: i64,
    /// The value of the boolean field that was met last.
    truth: bool,
}

impl Fields {
    pub(crate) fn new() -> Fields {
        Fields { last: 0, truth: false }
    }

    /// The next field's number and type; `None` at the struct's end. Its value must be read or skipped next. The
    /// value of a boolean is in the type and needs neither.
    pub(crate) fn next(&mut self, reader: &mut Reader) -> Result<Option<(i64, Kind)>> {
        let byte = reader.u8()?;
        if byte == 0 {
            return Ok(None);
        }
        self.last = match byte >> 4 {
            0 => integer(reader)?,
            delta => self.last.saturating_add(i64::from(delta)),
        };
        self.truth = byte & 15 == 1;
        match Kind::of(byte & 15) {
            Some(kind) => Ok(Some((self.last, kind))),
            None => Err(reader.corrupt(format!("a field has the unknown type {}", byte & 15))),
        }
    }
}

impl Fields {
    /// The value of the boolean field that [`Fields::next`] named.
    pub(crate) fn truth(&self) -> bool {
        self.truth
    }
}

/// An unsigned varint.
pub(crate) fn unsigned(reader: &mut Reader) -> Result<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = reader.u8()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(reader.corrupt("a number has too many digits"))
}

/// A zigzag varint.
pub(crate) fn integer(reader: &mut Reader) -> Result<i64> {
    let value = unsigned(reader)?;
    Ok((value >> 1).cast_signed() ^ -((value & 1).cast_signed()))
}

/// Bytes, as text where they are valid UTF-8.
pub(crate) fn text(reader: &mut Reader) -> Result<String> {
    let len = unsigned(reader)?;
    Ok(String::from_utf8_lossy(&reader.bytes(len)?).into_owned())
}

/// The number of elements of a list and their type. An element takes a byte at least, so that a length beyond the
/// bytes that are left is refused here.
pub(crate) fn list(reader: &mut Reader) -> Result<(u64, Kind)> {
    let byte = reader.u8()?;
    let count = match byte >> 4 {
        15 => unsigned(reader)?,
        count => u64::from(count),
    };
    reader.need(count)?;
    match Kind::of(byte & 15) {
        Some(kind) => Ok((count, kind)),
        None => Err(reader.corrupt(format!("a list has the unknown type {}", byte & 15))),
    }
}

/// What is still to be skipped.
enum Rest {
    Elements(u64, Kind),
    Pairs(u64, Kind, Kind),
    Fields(Fields),
}

/// Skips a field's value.
pub(crate) fn skip(reader: &mut Reader, kind: Kind) -> Result<()> {
    let mut open = Vec::new();
    // A boolean field has no value of its own; as an element it takes a byte.
    if kind != Kind::Boolean {
        skip_one(reader, kind, &mut open)?;
    }
    while let Some(rest) = open.last_mut() {
        match rest {
            Rest::Elements(0, _) | Rest::Pairs(0, ..) => drop(open.pop()),
            Rest::Elements(left, kind) => {
                let kind = *kind;
                *left -= 1;
                skip_one(reader, kind, &mut open)?;
            }
            Rest::Pairs(left, key, value) => {
                let (key, value) = (*key, *value);
                *left -= 1;
                skip_one(reader, value, &mut open)?;
                skip_one(reader, key, &mut open)?;
            }
            Rest::Fields(fields) => match fields.next(reader)? {
                None => drop(open.pop()),
                Some((_, Kind::Boolean)) => {}
                Some((_, kind)) => skip_one(reader, kind, &mut open)?,
            },
        }
        if open.len() > MAX_DEPTH {
            return Err(reader.corrupt("structures are nested too deeply"));
        }
    }
    Ok(())
}

fn skip_one(reader: &mut Reader, kind: Kind, open: &mut Vec<Rest>) -> Result<()> {
    match kind {
        Kind::Boolean | Kind::Byte => reader.skip(1)?,
        Kind::Integer => drop(unsigned(reader)?),
        Kind::Double => reader.skip(8)?,
        Kind::Binary => {
            let len = unsigned(reader)?;
            reader.skip(len)?;
        }
        Kind::List => {
            let (count, kind) = list(reader)?;
            open.push(Rest::Elements(count, kind));
        }
        Kind::Map => {
            let count = unsigned(reader)?;
            if count > 0 {
                reader.need(count)?;
                let kinds = reader.u8()?;
                match (Kind::of(kinds >> 4), Kind::of(kinds & 15)) {
                    (Some(key), Some(value)) => open.push(Rest::Pairs(count, key, value)),
                    _ => return Err(reader.corrupt("a map has an unknown type")),
                }
            }
        }
        Kind::Struct => open.push(Rest::Fields(Fields::new())),
    }
    Ok(())
}

/// An integer that counts something.
pub(crate) fn count(reader: &mut Reader, what: &str) -> Result<u64> {
    let value = integer(reader)?;
    u64::try_from(value).map_err(|_| reader.corrupt(format!("{what}: {value} is impossible")))
}
