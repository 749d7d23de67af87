/*!
A record's metadata: which values the service takes, how large they may be, and how it keeps them.
*/

use serde_json::{Map, Number, Value};

use crate::answer::{Outcome, Refusal};
use crate::limits::METADATA_BYTES;

/// Checks metadata as it was sent and gives it as it is kept: every number is a 64-bit float.
pub(crate) fn keep(sent: Map<String, Value>) -> Outcome<Map<String, Value>> {
    size(&sent)?;
    sent.into_iter().map(|(key, value)| kept_value(&key, value).map(|value| (key, value))).collect()
}

/// Changes the named fields of `kept`, as an update does.
pub(crate) fn merge(kept: &Map<String, Value>, changes: &Map<String, Value>) -> Outcome<Map<String, Value>> {
    let mut merged = kept.clone();
    for (key, value) in changes {
        merged.insert(key.clone(), kept_value(key, value.clone())?);
    }
    size(&merged)?;
    Ok(merged)
}

fn kept_value(key: &str, value: Value) -> Outcome<Value> {
    if key.starts_with('$') {
        return Err(Refusal::invalid(format!("Metadata key must not start with '$', got '{key}'")));
    }
    match value {
        Value::String(_) | Value::Bool(_) => Ok(value),
        Value::Number(number) => match number.as_f64().and_then(Number::from_f64) {
            Some(number) => Ok(Value::Number(number)),
            None => Err(unfit(key, &Value::Number(number))),
        },
        Value::Array(ref values) if values.iter().all(Value::is_string) => Ok(value),
        other => Err(unfit(key, &other)),
    }
}

fn unfit(key: &str, value: &Value) -> Refusal {
    let text: String = value.to_string().chars().take(80).collect();
    Refusal::invalid(format!(
        "Metadata value must be a string, number, boolean or list of strings, got '{text}' for field '{key}'"
    ))
}

/// The service says "40 KB" and counts bytes "per vector"; compact JSON is the measure that its users can compute.
fn size(metadata: &Map<String, Value>) -> Outcome<()> {
    let bytes = serde_json::to_string(metadata).map_or(usize::MAX, |text| text.len());
    if bytes > METADATA_BYTES {
        return Err(Refusal::invalid(format!(
            "Metadata size is {bytes} bytes, which exceeds the limit of {METADATA_BYTES} bytes per vector"
        )));
    }
    Ok(())
}
