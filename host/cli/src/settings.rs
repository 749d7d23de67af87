/*! `--set KEY=VALUE` as the JSON objects that plugins take. */

use serde_json::{Map, Value};
use vecferry_core::{Error, Result};

/// The settings of both ends.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Settings {
    /// For the source.
    pub(crate) source: Map<String, Value>,
    /// For the sink.
    pub(crate) sink: Map<String, Value>,
}

impl Settings {
    /// Parses `KEY=VALUE`, `source.KEY=VALUE`, `sink.KEY=VALUE`. A value that is JSON is taken as such, any
    /// other as text.
    pub(crate) fn parse(given: &[String]) -> Result<Settings> {
        let mut settings = Settings::default();
        for text in given {
            let (key, value) = text.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or_else(|| {
                Error::config("settings/syntax", format!("'--set {text}' is not of the form KEY=VALUE"))
            })?;
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
            if let Some(key) = key.strip_prefix("source.") {
                settings.source.insert(key.to_owned(), value);
            } else if let Some(key) = key.strip_prefix("sink.") {
                settings.sink.insert(key.to_owned(), value);
            } else {
                settings.source.insert(key.to_owned(), value.clone());
                settings.sink.insert(key.to_owned(), value);
            }
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn values_are_json_where_they_can_be() {
        let given = ["a=1", "b=x y", "source.c=true", "sink.d={\"e\":[2]}", "f="].map(str::to_owned);
        let settings = Settings::parse(&given).unwrap();
        assert_eq!(Value::Object(settings.source), serde_json::json!({"a": 1, "b": "x y", "c": true, "f": ""}));
        assert_eq!(Value::Object(settings.sink), serde_json::json!({"a": 1, "b": "x y", "d": {"e": [2]}, "f": ""}));
    }

    #[test]
    fn a_setting_without_a_key_is_refused() {
        for wrong in ["a", "=1", ""] {
            assert_eq!(Settings::parse(&[wrong.to_owned()]).unwrap_err().code, "settings/syntax");
        }
    }
}
