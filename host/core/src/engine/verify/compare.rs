/*! Whether a record that was read back is the one that was to arrive. */

use serde_json::Value;
use vecferry_contract::Batch;

/// Vectors that a model made anew are the same when their cosine is above this.
const SAME_DIRECTION: f64 = 0.9999;

/// What a record should be.
pub(super) struct Wanted<'a> {
    /// One row.
    pub(super) record: &'a Batch,
    /// The fields that the sink says will read back otherwise.
    pub(super) altered: &'a [String],
    pub(super) vector: Vector,
}

/// What is known of a record's vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Vector {
    /// It is the record's, value by value.
    Exact,
    /// A model made it; the record's was made anew.
    Close,
    /// A model made it; only that there is one can be said.
    Any,
}

/// How row `row` of what came back differs from what was to arrive.
pub(super) fn difference(wanted: &Wanted<'_>, back: &Batch, row: usize) -> Option<String> {
    let Wanted { record, altered, vector } = wanted;
    let same = |field: &str| !altered.iter().any(|known| known == field);
    if same("document") && record.document(0) != back.document(row) {
        return Some("has another document".to_owned());
    }
    let (sent, stored) = (record.metadata(0), back.metadata(row));
    if sent != stored && !same_metadata(sent, stored, altered) {
        return Some(format!("has other metadata: {stored} instead of {sent}"));
    }
    if !same("vector") {
        return None;
    }
    let sent = record.vectors().and_then(|dense| dense.row(0));
    let stored = back.vectors().and_then(|dense| dense.row(row));
    match (vector, sent, stored) {
        (Vector::Any, _, Some(stored)) if stored.iter().all(|value| value.is_finite()) => None,
        (Vector::Exact, None, None) => None,
        (_, _, None) => Some("has no vector".to_owned()),
        (_, None, Some(_)) => Some("has a vector, and should have none".to_owned()),
        (_, Some(a), Some(b)) if a.len() != b.len() => {
            Some(format!("has a vector of {} values, expected {}", b.len(), a.len()))
        }
        (Vector::Close, Some(a), Some(b)) => {
            let cosine = cosine(a, b);
            (cosine < SAME_DIRECTION)
                .then(|| format!("has another vector than the model makes of it (cosine {cosine:.4})"))
        }
        (_, Some(a), Some(b)) => a
            .iter()
            .zip(b)
            .position(|(x, y)| x.to_bits() != y.to_bits() && !is_near(*x, *y))
            .and_then(|at| Some(format!("differs in its vector at {at}: {} instead of {}", b.get(at)?, a.get(at)?))),
    }
}

/// False for what is not a number.
fn is_near(x: f32, y: f32) -> bool {
    (x - y).abs() <= 1e-5 * x.abs().max(1.0)
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// Whether metadata read back is what was sent, but for the fields that the sink said it altered. A number is the same
/// whether it comes back as an integer or as a float.
fn same_metadata(sent: &str, stored: &str, altered: &[String]) -> bool {
    let object = |text: &str| match serde_json::from_str(text) {
        Ok(Value::Object(fields)) => Some(fields),
        _ => None,
    };
    let (Some(sent), Some(stored)) = (object(sent), object(stored)) else { return false };
    let is_altered = |key: &str| altered.iter().any(|field| field.strip_prefix("metadata/") == Some(key));
    let arrived =
        sent.iter().all(|(key, value)| is_altered(key) || stored.get(key).is_some_and(|back| same_value(value, back)));
    // What a sink made of an altered field may stand under other keys; with nothing altered nothing may be added.
    arrived && (!altered.is_empty() || stored.keys().all(|key| sent.contains_key(key)))
}

fn same_value(sent: &Value, stored: &Value) -> bool {
    // Values nest no deeper than the JSON parser lets them.
    match (sent, stored) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_value(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| same_value(value, other)))
        }
        (a, b) => a == b,
    }
}
