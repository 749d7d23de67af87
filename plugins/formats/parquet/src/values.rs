/*! The values of a page, whatever their encoding: each as the bytes that PLAIN would have. */

use vecferry_sdk::Result;

use crate::bytes::PageBytes;
use crate::delta::Delta;
use crate::levels::Hybrid;
use crate::page::{Encoding, PageHeader};
use crate::schema::{Leaf, Meaning, Physical};

/// Bytes of a dictionary, which is held in memory; writers give up on one at a megabyte or two.
const MAX_DICTIONARY: u64 = 32 << 20;
/// Bytes of one value. Compression makes a larger one cheap to claim, and no document is as large.
const MAX_VALUE: u64 = 64 << 20;
/// Values of a page whose lengths are held in memory.
const MAX_LENGTHS: u64 = 4 << 20;

/// One value of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A boolean.
    Bool(bool),
    /// An integer with sign.
    Int(i64),
    /// An integer without.
    Unsigned(u64),
    /// A number of 32 bits, or of 16.
    Float(f32),
    /// A number of 64 bits.
    Double(f64),
    /// Text or bytes.
    Bytes(Vec<u8>),
}

impl Physical {
    /// Bytes of a value; `None` where each has its own length.
    pub(crate) fn width(self) -> Option<u32> {
        match self {
            Physical::Boolean => Some(1),
            Physical::Int32 | Physical::Float => Some(4),
            Physical::Int64 | Physical::Double => Some(8),
            Physical::Int96 => Some(12),
            Physical::Fixed(width) => Some(width),
            Physical::ByteArray => None,
        }
    }
}

impl Leaf {
    /// What the bytes of a value say.
    pub(crate) fn value(&self, bytes: &[u8]) -> Value {
        match (self.physical, self.meaning, bytes) {
            (Physical::Boolean, _, [byte]) => Value::Bool(*byte != 0),
            (Physical::Int32, Meaning::Unsigned, &[a, b, c, d]) => {
                Value::Unsigned(u64::from(u32::from_le_bytes([a, b, c, d])))
            }
            (Physical::Int32, _, &[a, b, c, d]) => Value::Int(i64::from(i32::from_le_bytes([a, b, c, d]))),
            (Physical::Float, _, &[a, b, c, d]) => Value::Float(f32::from_le_bytes([a, b, c, d])),
            (Physical::Fixed(2), Meaning::Half, &[a, b]) => Value::Float(half(u16::from_le_bytes([a, b]))),
            (Physical::Int64, Meaning::Unsigned, &[a, b, c, d, e, f, g, h]) => {
                Value::Unsigned(u64::from_le_bytes([a, b, c, d, e, f, g, h]))
            }
            (Physical::Int64, _, &[a, b, c, d, e, f, g, h]) => Value::Int(i64::from_le_bytes([a, b, c, d, e, f, g, h])),
            (Physical::Double, _, &[a, b, c, d, e, f, g, h]) => {
                Value::Double(f64::from_le_bytes([a, b, c, d, e, f, g, h]))
            }
            _ => Value::Bytes(bytes.to_vec()),
        }
    }
}

/// A number of 16 bits (IEEE 754 binary16), exactly.
fn half(bits: u16) -> f32 {
    let (sign, exponent, fraction) = (u32::from(bits >> 15) << 31, u32::from(bits >> 10 & 31), u32::from(bits & 0x3ff));
    let magnitude = match exponent {
        // 2^-24, exactly.
        0 => return f32::from_bits(sign | (f32::from(bits & 0x3ff) * 5.960_464_5e-8).to_bits()),
        31 => 0x7f80_0000 | fraction << 13,
        _ => (exponent + 112) << 23 | fraction << 13,
    };
    f32::from_bits(sign | magnitude)
}

/// The values of a dictionary, one after the other.
#[derive(Default)]
pub(crate) struct Dictionary {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Dictionary {
    /// Reads a dictionary page.
    pub(crate) fn read(leaf: &Leaf, header: &PageHeader, bytes: &mut PageBytes) -> Result<Dictionary> {
        if bytes.remaining() > MAX_DICTIONARY {
            let message = format!("a dictionary of {} bytes", bytes.remaining());
            return Err(vecferry_sdk::Error::unsupported("parquet/dictionary", message)
                .hint("write the file anew without dictionaries for this column")
                .at("column", &leaf.name));
        }
        let mut dictionary = Dictionary::default();
        for _ in 0..header.values {
            let len = match leaf.physical.width() {
                Some(width) => width,
                None => bytes.u32()?,
            };
            bytes.append(u64::from(len), &mut dictionary.bytes)?;
            // Only empty texts take no bytes, and those have a length.
            dictionary.ends.push(dictionary.bytes.len());
        }
        Ok(dictionary)
    }

    fn get(&self, position: u32) -> Option<&[u8]> {
        let position = position as usize;
        let end = *self.ends.get(position)?;
        let start = if position == 0 { 0 } else { *self.ends.get(position - 1)? };
        self.bytes.get(start..end)
    }
}

/// How the values of a page are decoded.
pub(crate) enum Values {
    /// As they are.
    Plain,
    /// Booleans in bits, the lowest first: what is left of the current byte, and how many bits.
    Bits { byte: u8, left: u32 },
    /// Positions in the dictionary.
    Positions(Hybrid),
    /// Booleans in runs.
    Runs(Hybrid),
    /// Integers.
    Delta(Box<Delta>),
    /// The lengths first, all; which comes next.
    Lengths { lengths: Vec<u32>, next: usize },
    /// How much of the value before is kept, for all; then as above.
    Prefixes { prefixes: Vec<u32>, lengths: Vec<u32>, next: usize, last: Vec<u8> },
    /// All first bytes, all second bytes, …; which value comes next.
    Split { bytes: Vec<u8>, next: usize },
}

impl Values {
    /// A decoder for a page's values, of which `bytes` are the first.
    pub(crate) fn open(leaf: &Leaf, header: &PageHeader, bytes: &mut PageBytes) -> Result<Values> {
        let wrong = |bytes: &PageBytes| bytes.corrupt("values are encoded as their type cannot be");
        Ok(match (header.encoding, leaf.physical) {
            (Encoding::Plain, Physical::Boolean) => Values::Bits { byte: 0, left: 0 },
            (Encoding::Plain, _) => Values::Plain,
            // A page of nulls alone may leave out the width.
            (Encoding::Dictionary, _) if bytes.remaining() == 0 => Values::Positions(Hybrid::new(0)),
            (Encoding::Dictionary, _) => match bytes.byte()? {
                width @ 0..=32 => Values::Positions(Hybrid::new(u32::from(width))),
                width => return Err(bytes.corrupt(&format!("positions of {width} bits"))),
            },
            (Encoding::Runs, Physical::Boolean) => {
                // Their length stands in front, of all that is left.
                if bytes.remaining() > 0 {
                    bytes.u32()?;
                }
                Values::Runs(Hybrid::new(1))
            }
            (Encoding::DeltaBinary, Physical::Int32 | Physical::Int64) => Values::Delta(Box::new(Delta::open(bytes)?)),
            (Encoding::DeltaLength, Physical::ByteArray) => Values::Lengths { lengths: lengths(bytes)?, next: 0 },
            (Encoding::DeltaBytes, Physical::ByteArray | Physical::Fixed(_)) => {
                let (prefixes, lengths) = (lengths(bytes)?, lengths(bytes)?);
                Values::Prefixes { prefixes, lengths, next: 0, last: Vec::new() }
            }
            (Encoding::ByteStreamSplit, physical) if physical.width().is_some() => {
                Values::Split { bytes: bytes.rest()?, next: 0 }
            }
            _ => return Err(wrong(bytes)),
        })
    }

    /// Puts the next value's bytes behind `out`.
    pub(crate) fn next(
        &mut self,
        leaf: &Leaf,
        bytes: &mut PageBytes,
        dictionary: &Dictionary,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        match self {
            Values::Plain => match leaf.physical.width() {
                Some(width) => bytes.append(u64::from(width), out),
                None => {
                    let len = bytes.u32()?;
                    value(bytes, len, out)
                }
            },
            Values::Bits { byte, left } => {
                if *left == 0 {
                    (*byte, *left) = (bytes.byte()?, 8);
                }
                out.push(*byte & 1);
                *byte >>= 1;
                *left -= 1;
                Ok(())
            }
            Values::Positions(positions) => {
                let position = positions.next(bytes)?;
                let value = dictionary.get(position);
                out.extend_from_slice(
                    value.ok_or_else(|| bytes.corrupt(&format!("position {position} is beyond the dictionary")))?,
                );
                Ok(())
            }
            Values::Runs(runs) => {
                out.push(u8::from(runs.next(bytes)? == 1));
                Ok(())
            }
            Values::Delta(delta) => {
                let value = delta.next(bytes)?.to_le_bytes();
                let width = leaf.physical.width().unwrap_or(8) as usize;
                out.extend_from_slice(value.get(..width).unwrap_or_default());
                Ok(())
            }
            Values::Lengths { lengths, next } => {
                let len = lengths.get(*next).copied().ok_or_else(|| too_few(bytes))?;
                *next += 1;
                value(bytes, len, out)
            }
            Values::Prefixes { prefixes, lengths, next, last } => {
                let (prefix, len) =
                    prefixes.get(*next).copied().zip(lengths.get(*next).copied()).ok_or_else(|| too_few(bytes))?;
                if prefix as usize > last.len() {
                    return Err(bytes.corrupt("a value keeps more of the one before than that has"));
                }
                *next += 1;
                last.truncate(prefix as usize);
                check_size(bytes, u64::from(prefix) + u64::from(len))?;
                bytes.append(u64::from(len), last)?;
                if leaf.physical.width().is_some_and(|width| width as usize != last.len()) {
                    return Err(bytes.corrupt("a value is not as long as its type"));
                }
                out.extend_from_slice(last);
                Ok(())
            }
            Values::Split { bytes: all, next } => {
                let width = leaf.physical.width().unwrap_or(1) as usize;
                let count = all.len() / width.max(1);
                if *next >= count {
                    return Err(too_few(bytes));
                }
                out.extend((0..width).filter_map(|byte| all.get(byte * count + *next)));
                *next += 1;
                Ok(())
            }
        }
    }
}

/// Puts the next `len` bytes behind `out`.
fn value(bytes: &mut PageBytes, len: u32, out: &mut Vec<u8>) -> Result<()> {
    check_size(bytes, u64::from(len))?;
    bytes.append(u64::from(len), out)
}

fn check_size(bytes: &PageBytes, len: u64) -> Result<()> {
    if len > MAX_VALUE {
        return Err(bytes.corrupt(&format!("a value of {len} bytes, which none has")));
    }
    Ok(())
}

fn too_few(bytes: &PageBytes) -> vecferry_sdk::Error {
    bytes.corrupt("a page has fewer values than it claims")
}

/// The lengths in front of a page's values.
fn lengths(bytes: &mut PageBytes) -> Result<Vec<u32>> {
    let mut delta = Delta::open(bytes)?;
    if delta.left() > MAX_LENGTHS {
        return Err(bytes.corrupt(&format!("a page of {} values", delta.left())));
    }
    let mut out = Vec::new();
    while delta.left() > 0 {
        let length = delta.next(bytes)?;
        out.push(u32::try_from(length).map_err(|_| bytes.corrupt(&format!("a value of {length} bytes")))?);
    }
    Ok(out)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#[path = "values_tests.rs"]
mod tests;
