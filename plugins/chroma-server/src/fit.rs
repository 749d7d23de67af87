/*!
How a record's metadata becomes Chroma's. Pure: the write and the dry run both ask here.

Chroma's metadata is flat: a value is a text, an integer of 64 bits, a float of 64 bits, a boolean, or a list of one of
these kinds (its server's `MetadataValue`). What does not fit is changed by these rules, and every change is told:

| what | becomes | code |
|---|---|---|
| `null`, an empty list | nothing: the field is left out | [`NULL_DROPPED`], [`EMPTY_LIST_DROPPED`] |
| an object, or a list of several kinds, of lists or of objects (with `lists=json` any list) | its JSON text | [`NESTED_TO_JSON`] |
| an integer beyond 64 bits, a number beyond a float's range | its text | [`NUMBER_TO_TEXT`] |
| a name that is empty or begins with `$`, `#` or `chroma:` | the name with `_` before it | [`KEY_RENAMED`] |

The server refuses `$` and `#`, and it keeps the document under `chroma:document`: metadata that names it makes
its 1.5 fail until it is started again.
*/

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;
use vecferry_sdk::{Error, Result, metadata_object};

/// A field that was null is left out.
pub const NULL_DROPPED: &str = "metadata/null-dropped";
/// A field that was a list of nothing is left out.
pub const EMPTY_LIST_DROPPED: &str = "metadata/empty-list-dropped";
/// An object or a list of mixed things became its JSON text.
pub const NESTED_TO_JSON: &str = "metadata/nested-to-json";
/// A number that Chroma's types do not hold became its text.
pub const NUMBER_TO_TEXT: &str = "metadata/number-to-text";
/// A name that Chroma does not leave free got a `_` in front.
pub const KEY_RENAMED: &str = "metadata/key-renamed";

/// A record's metadata as Chroma takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fitted {
    /// Names and JSON values; none where there is nothing.
    pub fields: BTreeMap<String, String>,
    /// The names, as they were, of what was changed, and how.
    pub altered: Vec<(String, &'static str)>,
}

/// Fits one record's metadata.
///
/// # Errors
/// `corrupt`: no JSON object, a text that is none, or two names that become one.
pub fn fit(metadata: &str, keeps_lists: bool) -> Result<Fitted> {
    let own: BTreeMap<String, &RawValue> = serde_json::from_str(metadata_object(metadata)?).map_err(|e| no_json(&e))?;
    let mut fitted = Fitted { fields: BTreeMap::new(), altered: Vec::new() };
    for (key, value) in own {
        match fit_value(value.get(), keeps_lists)? {
            Value::Dropped(code) => fitted.altered.push((key, code)),
            Value::Kept(json, code) => {
                fitted.altered.extend(code.map(|code| (key.clone(), code)));
                let is_free = !key.is_empty() && !["$", "#", "chroma:"].iter().any(|taken| key.starts_with(taken));
                let stored = if is_free { key.clone() } else { format!("_{key}") };
                if !is_free {
                    fitted.altered.push((key, KEY_RENAMED));
                }
                if fitted.fields.insert(stored.clone(), json.into_owned()).is_some() {
                    let message = format!("two fields of the metadata would be called '{stored}' in Chroma");
                    return Err(Error::corrupt("metadata/key-clash", message));
                }
            }
        }
    }
    Ok(fitted)
}

enum Value<'v> {
    Dropped(&'static str),
    Kept(Cow<'v, str>, Option<&'static str>),
}

/// What a value is, by its first character.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Null,
    Bool,
    Integer,
    Float,
    Unfit,
    Text,
    List,
    Object,
}

fn kind(json: &str) -> Kind {
    match json.as_bytes().first() {
        Some(b'n') | None => Kind::Null,
        Some(b't' | b'f') => Kind::Bool,
        Some(b'"') => Kind::Text,
        Some(b'[') => Kind::List,
        Some(b'{') => Kind::Object,
        Some(_) if json.contains(['.', 'e', 'E']) || json == "-0" => match json.parse::<f64>() {
            Ok(value) if value.is_finite() => Kind::Float,
            _ => Kind::Unfit,
        },
        Some(_) if json.parse::<i64>().is_ok() => Kind::Integer,
        Some(_) => Kind::Unfit,
    }
}

fn fit_value(json: &str, keeps_lists: bool) -> Result<Value<'_>> {
    Ok(match kind(json) {
        Kind::Null => Value::Dropped(NULL_DROPPED),
        Kind::Bool | Kind::Integer | Kind::Float => Value::Kept(json.into(), None),
        Kind::Unfit => Value::Kept(quoted(json).into(), Some(NUMBER_TO_TEXT)),
        Kind::Text => {
            check_text(json)?;
            Value::Kept(json.into(), None)
        }
        Kind::Object => Value::Kept(quoted(json).into(), Some(NESTED_TO_JSON)),
        Kind::List => {
            let items: Vec<&RawValue> = serde_json::from_str(json).map_err(|e| no_json(&e))?;
            let kinds: Vec<Kind> = items.iter().map(|item| kind(item.get())).collect();
            let all = |wanted: &[Kind]| kinds.iter().all(|kind| wanted.contains(kind));
            // Beside a float, an integer becomes one.
            let is_exact = |item: &&RawValue| kind(item.get()) != Kind::Integer || item.get().len() <= 15;
            if items.is_empty() && keeps_lists {
                Value::Dropped(EMPTY_LIST_DROPPED)
            } else if keeps_lists && all(&[Kind::Text]) {
                items.iter().try_for_each(|item| check_text(item.get()))?;
                Value::Kept(json.into(), None)
            } else if keeps_lists
                && (all(&[Kind::Bool])
                    || all(&[Kind::Integer])
                    || (all(&[Kind::Integer, Kind::Float]) && items.iter().all(is_exact)))
            {
                Value::Kept(json.into(), None)
            } else {
                Value::Kept(quoted(json).into(), Some(NESTED_TO_JSON))
            }
        }
    })
}

/// Half of a surrogate pair passes for JSON until somebody wants the text.
fn check_text(json: &str) -> Result<()> {
    serde_json::from_str::<String>(json).map(drop).map_err(|e| no_json(&e))
}

/// A text as JSON.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn no_json(error: &serde_json::Error) -> Error {
    Error::corrupt("metadata/json", format!("the metadata is no valid JSON: {error}"))
}

#[cfg(test)]
#[path = "fit_tests.rs"]
mod tests;
