/*! The reader of what Python's json module writes is itself held to account. */

#![allow(clippy::unwrap_used)]

use vecferry_e2e::python_lines;

#[test]
fn what_json_does_not_know_becomes_null_or_a_replacement() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = r#"{"a": NaN, "b": [-Infinity, "NaN \ud800 \ud83d\ude00 \\ud800 \""], "c": Infinity}"#;
    std::fs::write(file.path(), text).unwrap();
    let expected = serde_json::json!({"a": null, "b": [null, "NaN \u{fffd} 😀 \\ud800 \""], "c": null});
    assert_eq!(python_lines(file.path()), [expected]);
}
