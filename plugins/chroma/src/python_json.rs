/*! JSON as Python's `json.dumps` writes it: with `NaN` and `Infinity`, and with escaped lone surrogates. */

use std::borrow::Cow;

/// What [`mend_change`] puts in the place of an infinity: no value of Chroma's metadata is an object.
const INFINITE: &str = r#"{"chroma:infinite":null}"#;

/// JSON in which every reader's parser agrees.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mended<'a> {
    pub(crate) text: Cow<'a, str>,
    /// `NaN`, `Infinity` or `-Infinity` became `null`.
    pub(crate) non_finite: bool,
    /// Escaped surrogates without their other half became U+FFFD.
    pub(crate) surrogates: bool,
}

/// Replaces what Python writes and JSON does not have. What is no JSON at all passes through.
pub(crate) fn mend(text: &str) -> Mended<'_> {
    mend_with(text, "null")
}

/// The same for a change of metadata, where null takes a key away, as a NaN does (SQLite keeps it as NULL). An infinity
/// stays a value: [`is_infinite`] finds it.
pub(crate) fn mend_change(text: &str) -> Mended<'_> {
    mend_with(text, INFINITE)
}

/// Whether an infinity was written here.
pub(crate) fn is_infinite(value: &serde_json::Value) -> bool {
    value.as_object().is_some_and(|object| object.len() == 1 && object.contains_key("chroma:infinite"))
}

fn mend_with<'a>(text: &'a str, infinite: &'static str) -> Mended<'a> {
    let may_need_it = text.contains("NaN") || text.contains("Infinity") || text.contains("\\u");
    if !may_need_it {
        return Mended { text: Cow::Borrowed(text), non_finite: false, surrogates: false };
    }
    let mut out = String::with_capacity(text.len());
    let (mut non_finite, mut surrogates) = (false, false);
    let mut rest = text;
    let mut in_string = false;
    while let Some(next) = rest.chars().next() {
        let (written, used) = match next {
            '"' => {
                in_string = !in_string;
                ("\"", 1)
            }
            '\\' if in_string => match escape(rest) {
                (used, true) => (&rest[..used], used),
                (used, false) => {
                    surrogates = true;
                    ("\\ufffd", used)
                }
            },
            _ if !in_string => match ["NaN", "-Infinity", "Infinity"].into_iter().find(|word| rest.starts_with(word)) {
                Some(word) => {
                    non_finite = true;
                    (if word == "NaN" { "null" } else { infinite }, word.len())
                }
                None => (&rest[..next.len_utf8()], next.len_utf8()),
            },
            _ => (&rest[..next.len_utf8()], next.len_utf8()),
        };
        out.push_str(written);
        rest = &rest[used..];
    }
    Mended { text: Cow::Owned(out), non_finite, surrogates }
}

/// Bytes of the escape at the start of `text`, and whether it is a character.
fn escape(text: &str) -> (usize, bool) {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u32::from_str_radix(digits, 16).ok()
    };
    match (unit(0), unit(6)) {
        (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => (12, true),
        (Some(0xD800..=0xDFFF), _) => (6, false),
        (Some(_), _) => (6, true),
        // A backslash and the character behind it.
        (None, _) => (1 + text[1..].chars().next().map_or(0, char::len_utf8), true),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#[path = "python_json_tests.rs"]
mod tests;
