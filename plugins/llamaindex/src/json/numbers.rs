/*! Arrays of numbers as 32-bit floats. */

/// Appends the numbers of `array`, the text of one JSON array, each read as a 64-bit float and then rounded: what
/// `numpy.array(values, "float32")` makes of them. `NaN` and the infinities of Python's `json` are numbers here.
///
/// # Errors
/// Where in `array` something else stands. What was appended before it stays.
pub(crate) fn numbers(array: &[u8], out: &mut Vec<f32>) -> Result<(), usize> {
    let inside = array.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")).ok_or(0_usize)?;
    if inside.trim_ascii().is_empty() {
        return Ok(());
    }
    let mut start = 1;
    for item in inside.split(|byte| *byte == b',') {
        out.push(number(item.trim_ascii()).ok_or(start)?);
        start += item.len() + 1;
    }
    Ok(())
}

#[allow(clippy::cast_possible_truncation)] // the rounding that is meant
fn number(token: &[u8]) -> Option<f32> {
    match token {
        b"NaN" => Some(f32::NAN),
        b"Infinity" => Some(f32::INFINITY),
        b"-Infinity" => Some(f32::NEG_INFINITY),
        _ if is_number(token) => std::str::from_utf8(token).ok()?.parse::<f64>().ok().map(|value| value as f32),
        _ => None,
    }
}

/// The grammar of RFC 8259: Rust reads more than that as a number.
fn is_number(token: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let rest = token.strip_prefix(b"-").unwrap_or(token);
    let whole = digits(rest);
    if whole == 0 || (whole > 1 && rest.starts_with(b"0")) {
        return false;
    }
    let mut rest = rest.get(whole..).unwrap_or_default();
    if let Some(fraction) = rest.strip_prefix(b".") {
        let count = digits(fraction);
        if count == 0 {
            return false;
        }
        rest = fraction.get(count..).unwrap_or_default();
    }
    if let Some(exponent) = rest.strip_prefix(b"e").or_else(|| rest.strip_prefix(b"E")) {
        let exponent = exponent.strip_prefix(b"+").or_else(|| exponent.strip_prefix(b"-")).unwrap_or(exponent);
        let count = digits(exponent);
        return count > 0 && count == exponent.len();
    }
    rest.is_empty()
}
