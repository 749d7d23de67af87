/*!
Metadata as `jsonb` takes it. `jsonb` keeps values: numbers exactly, keys in an order of its own, of equal keys the last.
Two things that JSON can say it cannot hold (PostgreSQL's manual, "JSON Types"):

- `\u0000` is left out of texts and keys: `metadata/nul-dropped`. Where two keys become one by that, the record is
  rejected.
- half of a surrogate pair is no character at all: the record is rejected.
*/

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;
use vecferry_sdk::{Error, Result, metadata_object};

/// What is noted of a field from which U+0000 was left out.
const NUL_DROPPED: &str = "metadata/nul-dropped";

/// Metadata that `jsonb` takes.
#[derive(Debug, PartialEq, Eq)]
pub struct Fitted<'t> {
    /// One JSON object.
    pub text: Cow<'t, str>,
    /// The top-level keys under which something was changed, and what.
    pub altered: Vec<(String, &'static str)>,
}

/// Fits one record's metadata.
///
/// # Errors
/// `corrupt`: no JSON object, or one that `jsonb` cannot hold.
pub fn fit(text: &str) -> Result<Fitted<'_>> {
    let text = metadata_object(text)?;
    if !["\\u0000", "\\ud", "\\uD"].iter().any(|escape| text.contains(escape)) {
        return Ok(Fitted { text: Cow::Borrowed(text), altered: Vec::new() });
    }
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(text)
        .map_err(|e| Error::corrupt("metadata/json", format!("the metadata has a key that is no text: {e}")))?;
    let mut kept: BTreeMap<String, Cow<'_, str>> = BTreeMap::new();
    let mut altered = Vec::new();
    for (key, value) in fields {
        let value = without_nul(value.get())?;
        if key.contains('\0') || matches!(value, Cow::Owned(_)) {
            altered.push((key.clone(), NUL_DROPPED));
        }
        let key = key.replace('\0', "");
        if kept.insert(key.clone(), value).is_some() {
            let message = format!("two of the metadata's keys differ only in U+0000, which jsonb cannot hold: '{key}'");
            return Err(Error::corrupt("metadata/nul-key", message));
        }
    }
    if altered.is_empty() {
        return Ok(Fitted { text: Cow::Borrowed(text), altered });
    }
    let mut out = String::with_capacity(text.len());
    for (key, value) in &kept {
        out.push(if out.is_empty() { '{' } else { ',' });
        out.push_str(&serde_json::Value::from(key.as_str()).to_string());
        out.push(':');
        out.push_str(value);
    }
    out.push('}');
    Ok(Fitted { text: Cow::Owned(out), altered })
}

/// A JSON value without the escape `\u0000`. Outside of its texts JSON has no backslash.
fn without_nul(json: &str) -> Result<Cow<'_, str>> {
    let mut out = String::new();
    let (mut kept, mut at) = (0, 0);
    while let Some(found) = json.get(at..).and_then(|rest| rest.find('\\')) {
        let start = at + found;
        let Some(unit) = unit(json, start) else {
            at = start + 2;
            continue;
        };
        at = start + 6;
        match unit {
            0 => {
                out.push_str(json.get(kept..start).unwrap_or_default());
                kept = at;
            }
            0xd800..0xdc00 if json.get(at..).is_some_and(|rest| rest.starts_with('\\')) => match self::unit(json, at) {
                Some(0xdc00..0xe000) => at += 6,
                _ => return Err(half()),
            },
            0xd800..0xe000 => return Err(half()),
            _ => {}
        }
    }
    if kept == 0 {
        return Ok(Cow::Borrowed(json));
    }
    out.push_str(json.get(kept..).unwrap_or_default());
    Ok(Cow::Owned(out))
}

/// The number of the escape `\uXXXX` whose backslash stands at `start`.
fn unit(json: &str, start: usize) -> Option<u16> {
    let digits = json.get(start + 1..start + 6)?.strip_prefix('u')?;
    u16::from_str_radix(digits, 16).ok()
}

fn half() -> Error {
    Error::corrupt("metadata/surrogate", "a text of the metadata holds half of a surrogate pair, which is no character")
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
