/*! numpy's element types, as far as they are read, and one element's value. */

use vecferry_sdk::{ErrorKind, Result};

use crate::calendar::{self, Unit};
use crate::class::Known;
use crate::node::Node;
use crate::text::{self, Text};

/// The type of an array's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DType {
    pub(crate) kind: ElementKind,
    /// Bytes of one element.
    pub(crate) size: u32,
    big_endian: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ElementKind {
    Bool,
    Signed,
    Unsigned,
    Float,
    Complex,
    /// UTF-32, padded with zeros.
    Text,
    /// Padded with zeros.
    Bytes,
    /// Count of a unit since 1970, or between two moments; `i64::MIN` is "not a time".
    DateTime(Unit, u32),
    Duration(Unit, u32),
    /// Any Python objects; they stand in a list.
    Object,
}

/// One element.
#[derive(Clone, Debug, PartialEq)]
pub enum Element {
    /// A bool.
    Bool(bool),
    /// A signed number, or an unsigned one that fits.
    Int(i64),
    /// An unsigned number.
    UInt(u64),
    /// A float.
    Float(f64),
    /// Real and imaginary part.
    Complex(f64, f64),
    /// Text.
    Text(Text),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A date or time in ISO 8601.
    DateTime(String),
    /// Seconds.
    Duration(f64),
    /// "not a time"
    None,
}

/// The longest text or byte string in one element, bytes.
const ELEMENT_BYTES: u32 = 1 << 26;

/// Reads `numpy.dtype(code, align, copy)` with its state `(version, byte order, subarray, names, fields,
/// element size, alignment, flags[, metadata])`: numpy's `arraydescr_reduce`.
pub(crate) fn read(node: Node<'_>) -> Result<DType> {
    if let Some(&dtype) = node.pickle.types.borrow().get(&node.value) {
        return Ok(dtype);
    }
    let dtype = parse(node)?;
    node.pickle.keep_type(node.value, dtype);
    Ok(dtype)
}

fn parse(node: Node<'_>) -> Result<DType> {
    let corrupt =
        |what: &str| node.error(ErrorKind::Corrupt, "pickle/corrupt", format!("no valid numpy dtype: {what}"));
    if node.known() != Some(Known::NumpyType) {
        let message = format!("arrays of a type other than numpy's own are not read: {}", node.describe());
        return Err(node.error(ErrorKind::Unsupported, "pickle/dtype", message));
    }
    let code = match node.args().next() {
        Some(code) => code.short()?.ok_or_else(|| corrupt("its code is no short text"))?,
        None => return Err(corrupt("it has no code")),
    };
    let state: Vec<Node<'_>> = node.state().map(|state| state.items().take(16).collect()).unwrap_or_default();
    let structured = [2, 3, 4].iter().any(|&i| state.get(i).is_some_and(|part| !part.is_none()));
    let order = match state.get(1) {
        Some(order) => order.short()?,
        None => None,
    };
    let (letter, digits) = code.split_at(code.chars().next().map_or(0, char::len_utf8));
    let number: u32 =
        if digits.is_empty() { 1 } else { digits.parse().map_err(|_| corrupt("its size is no number"))? };
    let (kind, size) = match (letter, number) {
        ("b", 1) | ("?", _) => (ElementKind::Bool, 1),
        ("i", 1 | 2 | 4 | 8) => (ElementKind::Signed, number),
        ("u", 1 | 2 | 4 | 8) => (ElementKind::Unsigned, number),
        ("f", 2 | 4 | 8) => (ElementKind::Float, number),
        ("c", 8 | 16) => (ElementKind::Complex, number),
        ("U", 0..=ELEMENT_BYTES) => (ElementKind::Text, number.saturating_mul(4)),
        ("S" | "a", 0..=ELEMENT_BYTES) => (ElementKind::Bytes, number),
        ("O", _) => (ElementKind::Object, 0),
        ("M" | "m", 8) => {
            let (unit, count) = unit(state.get(8).copied())?.ok_or_else(|| corrupt("its time unit is unknown"))?;
            let kind = if letter == "M" { ElementKind::DateTime } else { ElementKind::Duration };
            (kind(unit, count), 8)
        }
        _ => {
            let message = format!("numpy arrays of type '{}' are not read", text::excerpt(&code));
            return Err(node.error(ErrorKind::Unsupported, "pickle/dtype", message));
        }
    };
    if structured {
        let message = "numpy arrays of a structured type are not read".to_owned();
        return Err(node.error(ErrorKind::Unsupported, "pickle/dtype", message));
    }
    Ok(DType { kind, size, big_endian: order.as_deref() == Some(">") })
}

/// From the metadata of a datetime type: `(metadata, (unit, count, divisor, event))`.
fn unit(metadata: Option<Node<'_>>) -> Result<Option<(Unit, u32)>> {
    let parts = metadata.and_then(|pair| pair.items().nth(1));
    let mut parts = match parts {
        Some(parts) => parts.items(),
        None => return Ok(None),
    };
    let (Some(name), Some(count)) = (parts.next(), parts.next()) else { return Ok(None) };
    let name = match name.blob()? {
        Some(blob) => blob.read_all(16)?,
        None => name.short()?.map(String::into_bytes).unwrap_or_default(),
    };
    let count = count.as_i64()?.and_then(|count| u32::try_from(count).ok()).filter(|&count| count > 0);
    Ok(Unit::parse(&name).zip(count))
}

impl DType {
    pub(crate) fn new(kind: ElementKind, size: u32, big_endian: bool) -> Self {
        DType { kind, size, big_endian }
    }

    /// Whether elements are numbers that a vector can hold.
    pub(crate) fn is_number(self) -> bool {
        matches!(self.kind, ElementKind::Bool | ElementKind::Signed | ElementKind::Unsigned | ElementKind::Float)
    }

    fn little<const N: usize>(self, bytes: &[u8]) -> [u8; N] {
        let mut out = [0; N];
        if self.big_endian {
            for (to, from) in out.iter_mut().zip(bytes.iter().rev()) {
                *to = *from;
            }
        } else {
            for (to, from) in out.iter_mut().zip(bytes) {
                *to = *from;
            }
        }
        out
    }

    fn signed(self, bytes: &[u8]) -> i64 {
        let negative = if self.big_endian { bytes.first() } else { bytes.last() }.is_some_and(|&byte| byte >= 0x80);
        let mut wide: [u8; 8] = self.little(bytes);
        if negative && let Some(high) = wide.get_mut(bytes.len()..) {
            high.fill(0xff);
        }
        i64::from_le_bytes(wide)
    }

    fn float(self, bytes: &[u8]) -> f64 {
        match bytes.len() {
            2 => f64::from(half(u16::from_le_bytes(self.little(bytes)))),
            4 => f64::from(f32::from_le_bytes(self.little(bytes))),
            _ => f64::from_le_bytes(self.little(bytes)),
        }
    }

    /// One number as a vector's component. Doubles and large integers are rounded to the nearest.
    pub(crate) fn component(self, bytes: &[u8]) -> f32 {
        match (self.kind, bytes.len()) {
            (ElementKind::Float, 4) => f32::from_le_bytes(self.little(bytes)),
            (ElementKind::Float, 2) => half(u16::from_le_bytes(self.little(bytes))),
            (ElementKind::Float, _) => f64::from_le_bytes(self.little(bytes)) as f32,
            (ElementKind::Signed, _) => self.signed(bytes) as f32,
            _ => u64::from_le_bytes(self.little(bytes)) as f32,
        }
    }

    /// One element from its bytes.
    pub(crate) fn element(self, bytes: &[u8]) -> Option<Element> {
        Some(match self.kind {
            ElementKind::Bool => Element::Bool(bytes.iter().any(|&byte| byte != 0)),
            ElementKind::Signed => Element::Int(self.signed(bytes)),
            ElementKind::Unsigned => {
                let number = u64::from_le_bytes(self.little(bytes));
                i64::try_from(number).map_or(Element::UInt(number), Element::Int)
            }
            ElementKind::Float => Element::Float(self.float(bytes)),
            ElementKind::Complex => {
                let (real, imaginary) = bytes.split_at(bytes.len() / 2);
                Element::Complex(self.float(real), self.float(imaginary))
            }
            ElementKind::Text => {
                let mut points: Vec<u32> =
                    bytes.chunks_exact(4).map(|point| u32::from_le_bytes(self.little(point))).collect();
                while points.last() == Some(&0) {
                    points.pop();
                }
                if points.iter().any(|&point| point > 0x0010_ffff) {
                    return None;
                }
                Element::Text(text::from_code_points(points.into_iter()))
            }
            ElementKind::Bytes => {
                let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
                Element::Bytes(bytes.get(..end)?.to_vec())
            }
            ElementKind::DateTime(unit, count) => match self.signed(bytes) {
                i64::MIN => Element::None,
                value => Element::DateTime(calendar::since_1970(value, unit, count)?),
            },
            ElementKind::Duration(unit, count) => match self.signed(bytes) {
                i64::MIN => Element::None,
                value => Element::Duration(unit.seconds()? * f64::from(count) * value as f64),
            },
            ElementKind::Object => return None,
        })
    }
}

/// IEEE 754 binary16.
pub(crate) fn half(bits: u16) -> f32 {
    let sign = u32::from(bits >> 15) << 31;
    let exponent = u32::from(bits >> 10) & 0x1f;
    let fraction = u32::from(bits) & 0x3ff;
    let magnitude = match exponent {
        // Zero and subnormals: fraction × 2^-24, exact in a float.
        0 => (fraction as f32 * (1.0 / 16_777_216.0)).to_bits(),
        31 => 0x7f80_0000 | (fraction << 13),
        _ => ((exponent + 112) << 23) | (fraction << 13),
    };
    f32::from_bits(sign | magnitude)
}
