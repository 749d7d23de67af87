/*! JSON as Python's `json.dumps` writes it, made JSON as everybody reads it. */

use std::borrow::Cow;

use super::escape::{Dialect, escape};
use crate::notes::Notes;

/// Replaces the numbers that JSON does not have by `null`, and escaped surrogates without their other half by U+FFFD.
/// All else stays as it is, byte by byte; what is no JSON stays no JSON.
pub(crate) fn mend(text: &str, notes: &mut Notes) -> String {
    mended(text, notes).into_owned()
}

fn mended<'a>(text: &'a str, notes: &mut Notes) -> Cow<'a, str> {
    if !["NaN", "Infinity", "\\u"].into_iter().any(|needle| text.contains(needle)) {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut out = String::new();
    let (mut copied, mut at, mut in_string) = (0, 0, false);
    while let Some(&byte) = bytes.get(at) {
        let ahead = bytes.get(at..).unwrap_or_default();
        let (length, instead) = match byte {
            b'"' => {
                in_string = !in_string;
                (1, None)
            }
            b'\\' if in_string => match escape(ahead, Dialect::Json) {
                Some(escape) if escape.lone_surrogate => {
                    notes.surrogate = true;
                    (escape.length, Some("\\ufffd"))
                }
                Some(escape) => (escape.length, None),
                None => (1, None),
            },
            b'N' | b'I' | b'-' if !in_string => {
                match ["NaN", "Infinity", "-Infinity"].into_iter().find(|word| ahead.starts_with(word.as_bytes())) {
                    Some(word) => {
                        notes.non_finite = true;
                        (word.len(), Some("null"))
                    }
                    None => (1, None),
                }
            }
            _ => (1, None),
        };
        if let Some(instead) = instead {
            out.push_str(text.get(copied..at).unwrap_or_default());
            out.push_str(instead);
            copied = at + length;
        }
        at += length;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(out)
}
