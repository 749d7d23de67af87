/*!
JSON as text: objects whose values stay as they were written, and numbers that keep all their digits.

What it is not: a JSON library. serde_json reads and checks everything; this only keeps it from turning numbers into
doubles before anybody asked whether a double holds them.
*/

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The fields of an object, in order. Of a key that stands twice the last value counts.
#[derive(Debug, Default)]
pub struct Fields<'a>(pub Vec<(Cow<'a, str>, &'a RawValue)>);

/// A string, borrowed where it holds no escapes.
#[derive(Deserialize)]
pub struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields: Vec<(Cow<'de, str>, &'de RawValue)> = Vec::new();
                let mut places: HashMap<Cow<'de, str>, usize> = HashMap::new();
                while let Some((Text(key), value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
                    match places.get(&key).and_then(|&place| fields.get_mut(place)) {
                        Some(field) => field.1 = value,
                        None => {
                            places.insert(key.clone(), fields.len());
                            fields.push((key, value));
                        }
                    }
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// What a JSON value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number.
    Number,
    /// A string.
    Text,
    /// `[…]`
    List,
    /// `{…}`
    Object,
}

/// The kind of a value that serde_json took as one.
pub fn kind(value: &str) -> Kind {
    match value.as_bytes().first() {
        Some(b'n') | None => Kind::Null,
        Some(b't' | b'f') => Kind::Bool,
        Some(b'"') => Kind::Text,
        Some(b'[') => Kind::List,
        Some(b'{') => Kind::Object,
        Some(_) => Kind::Number,
    }
}

/// `text` as a JSON string.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Bytes that a character takes in [`quoted`].
pub fn quoted_len(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' => 2,
        c if c < ' ' => 6,
        c => c.len_utf8(),
    }
}

/// Whether a number as JSON writes it is one that a 64-bit float holds: finite, and, if it is an integer, with all its
/// digits. (A fraction is taken for the float that is nearest to it, as every JSON reader does.)
pub fn fits_double(number: &str) -> bool {
    let is_integer = !number.contains(['.', 'e', 'E']);
    if is_integer && number.len() <= 15 {
        return true;
    }
    match number.parse::<f64>() {
        Ok(value) if value.is_finite() => !is_integer || format!("{value:.0}") == number,
        _ => false,
    }
}

/// A number as the service answers it (an integer comes back as `7.0`), written as an integer where it is one.
pub fn plain_number(number: &str) -> Cow<'_, str> {
    /// 2^63: below it an integral double is an `i64`.
    const END: f64 = 9_223_372_036_854_775_808.0;
    match number.parse::<f64>() {
        Ok(value) if value.fract() == 0.0 && (-END..END).contains(&value) => {
            if value == 0.0 && value.is_sign_negative() { "-0.0".into() } else { format!("{value:.0}").into() }
        }
        // What is no finite double stays as it came.
        Ok(value) if value.is_finite() => serde_json::to_string(&value).map_or(number.into(), Cow::Owned),
        _ => number.into(),
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
