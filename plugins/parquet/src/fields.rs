/*! Columns of other programs as fields of the metadata: values as JSON. */

use std::collections::HashSet;
use std::fmt::Write;

use vecferry_parquet_format::{Column, Leaf, Meaning, Shape, Unit, Value};
use vecferry_pinecone_format::json::{Fields, quoted};
use vecferry_sdk::Result;

/// Years that are written as dates: others have no form that every reader takes.
const YEARS: std::ops::RangeInclusive<i64> = 0..=9999;

/// What was made to fit while a row became JSON.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fitted {
    /// A number that JSON does not have became null.
    pub(crate) non_finite: bool,
    /// What is no text was replaced by U+FFFD.
    pub(crate) invalid_text: bool,
    /// A field of the metadata has the name of a column, which was left out.
    pub(crate) shadowed: bool,
}

/// The next row's value as JSON.
///
/// # Errors
/// `corrupt` with file and offset.
pub(crate) fn next(leaf: &Leaf, column: &mut Column, fitted: &mut Fitted) -> Result<String> {
    if leaf.shape == Shape::Scalar {
        let value = column.value()?;
        return Ok(value.map_or_else(|| "null".to_owned(), |value| json(leaf, &value, fitted)));
    }
    let Some(values) = column.list()? else { return Ok("null".to_owned()) };
    let mut out = String::from("[");
    for value in &values {
        if out.len() > 1 {
            out.push(',');
        }
        match value {
            Some(value) => out.push_str(&json(leaf, value, fitted)),
            None => out.push_str("null"),
        }
    }
    out.push(']');
    Ok(out)
}

/// One object of the metadata's own fields and those of columns, by their names.
pub(crate) fn join(metadata: &str, columns: &[(&str, String)], fitted: &mut Fitted) -> String {
    let Fields(own) = serde_json::from_str(metadata).unwrap_or_default();
    let own: HashSet<&str> = own.iter().map(|(name, _)| &**name).collect();
    let mut out = metadata.strip_suffix('}').unwrap_or("{").trim_end().to_owned();
    for (name, value) in columns {
        if own.contains(name) {
            fitted.shadowed = true;
            continue;
        }
        if out.len() > 1 {
            out.push(',');
        }
        let _ = write!(out, "{}:{value}", quoted(name));
    }
    out.push('}');
    out
}

fn json(leaf: &Leaf, value: &Value, fitted: &mut Fitted) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => match leaf.meaning {
            Meaning::Date => date(*value).map_or_else(|| value.to_string(), |date| format!("\"{date}\"")),
            Meaning::Timestamp { unit, utc } => {
                timestamp(*value, unit, utc).map_or_else(|| value.to_string(), |time| format!("\"{time}\""))
            }
            _ => value.to_string(),
        },
        Value::Unsigned(value) => value.to_string(),
        Value::Float(value) => number(serde_json::to_value(value).ok(), fitted),
        Value::Double(value) => number(serde_json::to_value(value).ok(), fitted),
        Value::Bytes(bytes) => {
            let text = String::from_utf8_lossy(bytes);
            fitted.invalid_text |= matches!(text, std::borrow::Cow::Owned(_));
            quoted(&text)
        }
    }
}

fn number(value: Option<serde_json::Value>, fitted: &mut Fitted) -> String {
    let value = value.unwrap_or_default();
    fitted.non_finite |= value.is_null();
    value.to_string()
}

/// Days since 1970-01-01 as a date; after Howard Hinnant's `civil_from_days`.
fn date(days: i64) -> Option<String> {
    let days = days.checked_add(719_468)?;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    YEARS.contains(&year).then(|| format!("{year:04}-{month:02}-{day:02}"))
}

/// As Python's `datetime.isoformat` writes it: six digits of a second, nine of the finest unit, none where all are zero.
fn timestamp(value: i64, unit: Unit, utc: bool) -> Option<String> {
    let (per_second, to_digits, digits) = match unit {
        Unit::Millis => (1_000, 1_000, 6),
        Unit::Micros => (1_000_000, 1, 6),
        Unit::Nanos => (1_000_000_000, 1, 9),
    };
    let (seconds, fraction) = (value.div_euclid(per_second), value.rem_euclid(per_second));
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let mut out = date(days)?;
    let _ = write!(out, "T{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
    if fraction > 0 {
        let _ = write!(out, ".{:0digits$}", fraction * to_digits);
    }
    if utc {
        out.push_str("+00:00");
    }
    Some(out)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#[path = "fields_tests.rs"]
mod tests;
