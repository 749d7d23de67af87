//! What Python writes, and what any JSON parser reads.

use super::mend;

#[test]
fn python_only_json_becomes_json() {
    // (written by json.dumps, read by everybody, a number was not finite, a surrogate was alone)
    let cases = [
        (r#"{"a": 1, "b": "x"}"#, r#"{"a": 1, "b": "x"}"#, false, false),
        (r#"{"a": NaN}"#, r#"{"a": null}"#, true, false),
        (r#"{"a": Infinity, "b": -Infinity}"#, r#"{"a": null, "b": null}"#, true, false),
        (r#"{"NaN": "NaN", "q": "\"NaN"}"#, r#"{"NaN": "NaN", "q": "\"NaN"}"#, false, false),
        (r#"{"a": "\\", "b": NaN}"#, r#"{"a": "\\", "b": null}"#, true, false),
        (r#"{"a": "\u00e9"}"#, r#"{"a": "\u00e9"}"#, false, false),
        (r#"{"a": "\ud83d\ude00"}"#, r#"{"a": "\ud83d\ude00"}"#, false, false),
        (r#"{"a": "\ud800 x"}"#, r#"{"a": "\ufffd x"}"#, false, true),
        (r#"{"a": "\ude00\ud83d"}"#, r#"{"a": "\ufffd\ufffd"}"#, false, true),
        (r#"{"a": "\\ud800"}"#, r#"{"a": "\\ud800"}"#, false, false),
        (r#"[1.5, NaN, "é NaN"]"#, r#"[1.5, null, "é NaN"]"#, true, false),
        ("NaN", "null", true, false),
        // No JSON: passed on for the parser to refuse.
        (r#"{"a": "\u12"#, r#"{"a": "\u12"#, false, false),
        ("\"\\", "\"\\", false, false),
    ];
    for (python, json, non_finite, surrogates) in cases {
        let mended = mend(python);
        assert_eq!((&*mended.text, mended.non_finite, mended.surrogates), (json, non_finite, surrogates), "{python}");
    }
}
