/*! Numbers, from every way a pickle writes them. */

use vecferry_sdk::Result;

use crate::input::Input;
use crate::opcode as op;

/// A whole number of any size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Integer {
    /// One that fits.
    Small(i64),
    /// Decimal digits, with a sign where negative.
    Big(String),
    /// Larger than any decimal that would be written out: its size in bits, about.
    Huge(u64),
}

impl Integer {
    /// Its digits, with a sign where negative; `None` where it is too large to be written out.
    pub fn decimal(&self) -> Option<String> {
        match self {
            Integer::Small(number) => Some(number.to_string()),
            Integer::Big(digits) => Some(digits.clone()),
            Integer::Huge(_) => None,
        }
    }
}

/// Bits of the largest number that is written out. CPython refuses to at 4,300 digits, 14,284 bits.
const BIG_BITS: u64 = 14_000;

/// The whole number whose opcode stands at `offset`: one that did not fit the graph.
pub(crate) fn read_integer(input: &mut Input, offset: u64) -> Result<Integer> {
    input.seek(offset);
    let len = match input.u8()? {
        op::BININT => return Ok(Integer::Small(i64::from(input.i32()?))),
        op::INT | op::LONG => {
            let line = input.line()?;
            if line.len > BIG_BITS / 3 {
                return Ok(Integer::Huge(line.len.saturating_mul(10) / 3));
            }
            input.seek(line.offset);
            let digits = input.bytes(line.len)?;
            return Ok(from_digits(&digits));
        }
        op::LONG1 => u64::from(input.u8()?),
        op::LONG4 => u64::from(input.u32()?),
        _ => return Err(input.corrupt("the file changed while it was read: a number stood here before")),
    };
    if len > BIG_BITS / 8 {
        return Ok(Integer::Huge(len.saturating_mul(8)));
    }
    let bytes = input.bytes(len)?;
    Ok(from_twos_complement(&bytes))
}

/// The float whose opcode stands at `offset`.
pub(crate) fn read_float(input: &mut Input, offset: u64) -> Result<f64> {
    input.seek(offset);
    if input.u8()? == op::BINFLOAT {
        return Ok(f64::from_be_bytes(input.array()?));
    }
    let line = input.short_line(64 * 1024)?;
    match float(&line) {
        Some(value) => Ok(value),
        None => Err(input.corrupt("the file changed while it was read: a number stood here before")),
    }
}

/// FLOAT's argument: Python's `repr` of a float.
pub(crate) fn float(line: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(line).ok()?.trim();
    // Rust reads "inf" and "nan" too, in any case and with a sign, as Python does.
    text.parse().ok()
}

fn without_suffix(digits: &[u8]) -> &[u8] {
    let digits = digits.trim_ascii();
    digits.strip_suffix(b"L").unwrap_or(digits)
}

/// INT's and LONG's argument, where it fits.
pub(crate) fn small_integer(digits: &[u8]) -> Option<i64> {
    std::str::from_utf8(without_suffix(digits)).ok()?.parse().ok()
}

/// Whether it is a decimal number of any size.
pub(crate) fn is_integer(digits: &[u8]) -> bool {
    let digits = without_suffix(digits);
    let digits = digits.strip_prefix(b"-").or(digits.strip_prefix(b"+")).unwrap_or(digits);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

fn from_digits(digits: &[u8]) -> Integer {
    if let Some(small) = small_integer(digits) {
        return Integer::Small(small);
    }
    let text = String::from_utf8_lossy(without_suffix(digits));
    let (sign, magnitude) = match text.strip_prefix('-') {
        Some(magnitude) => ("-", magnitude),
        None => ("", text.trim_start_matches('+')),
    };
    let magnitude = magnitude.trim_start_matches('0');
    Integer::Big(format!("{sign}{magnitude}"))
}

/// Little-endian, two's complement.
fn from_twos_complement(bytes: &[u8]) -> Integer {
    let negative = bytes.last().is_some_and(|&last| last >= 0x80);
    if bytes.len() <= 8 {
        let mut wide = [if negative { 0xff } else { 0 }; 8];
        if let Some(low) = wide.get_mut(..bytes.len()) {
            low.copy_from_slice(bytes);
        }
        return Integer::Small(i64::from_le_bytes(wide));
    }
    let fill = if negative { 0xff_u8 } else { 0 };
    let mut words: Vec<u32> = bytes
        .chunks(4)
        .map(|chunk| {
            let mut wide = [fill; 4];
            if let Some(low) = wide.get_mut(..chunk.len()) {
                low.copy_from_slice(chunk);
            }
            u32::from_le_bytes(wide)
        })
        .collect();
    if negative {
        let mut carry = true;
        for word in &mut words {
            let (next, overflow) = (!*word).overflowing_add(u32::from(carry));
            *word = next;
            carry = overflow;
        }
    }
    let magnitude = decimal(words);
    let text = if negative { format!("-{magnitude}") } else { magnitude };
    match text.parse() {
        Ok(small) => Integer::Small(small),
        Err(_) => Integer::Big(text),
    }
}

/// Little-endian 32-bit words as decimal digits. Quadratic, for at most [`BIG_BITS`].
fn decimal(mut words: Vec<u32>) -> String {
    const CHUNK: u64 = 1_000_000_000;
    let mut chunks = Vec::new();
    while words.last() == Some(&0) {
        words.pop();
    }
    while !words.is_empty() {
        let mut remainder = 0_u64;
        for word in words.iter_mut().rev() {
            let value = (remainder << 32) | u64::from(*word);
            *word = u32::try_from(value / CHUNK).unwrap_or(u32::MAX);
            remainder = value % CHUNK;
        }
        chunks.push(remainder);
        while words.last() == Some(&0) {
            words.pop();
        }
    }
    let mut out = chunks.pop().unwrap_or(0).to_string();
    for chunk in chunks.iter().rev() {
        out.push_str(&format!("{chunk:09}"));
    }
    out
}
