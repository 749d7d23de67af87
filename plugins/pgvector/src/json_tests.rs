//! What `jsonb` cannot hold.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::fit;

#[test]
fn what_is_left_out() {
    for (name, text, want, altered) in [
        ("nothing", r#"{"b":1,"a":"x\ny"}"#, r#"{"b":1,"a":"x\ny"}"#, vec![]),
        ("space around", " {\"b\":1}\n", r#"{"b":1}"#, vec![]),
        ("a text", r#"{"b":[1.50,"x\u0000y"],"a":1}"#, r#"{"a":1,"b":[1.50,"xy"]}"#, vec!["b"]),
        ("two in a row", r#"{"b":"\u0000\u0000"}"#, r#"{"b":""}"#, vec!["b"]),
        ("a key", r#"{"b\u0000":{"c":2}}"#, r#"{"b":{"c":2}}"#, vec!["b\0"]),
        ("an inner key", r#"{"b":{"\u0000c":2}}"#, r#"{"b":{"c":2}}"#, vec!["b"]),
        ("a backslash before u0000", r#"{"b":"\\u0000"}"#, r#"{"b":"\\u0000"}"#, vec![]),
        ("a backslash, then U+0000", r#"{"b":"\\\u0000"}"#, r#"{"b":"\\"}"#, vec!["b"]),
        ("a pair", r#"{"b":"\ud83d\udea2"}"#, r#"{"b":"\ud83d\udea2"}"#, vec![]),
        ("a pair beside U+0000", r#"{"b":"\uD83D\uDEA2\u0000é"}"#, r#"{"b":"\uD83D\uDEA2é"}"#, vec!["b"]),
        ("a key with a quote", r#"{"b\"\u0000":"ü"}"#, r#"{"b\"":"ü"}"#, vec!["b\"\0"]),
    ] {
        let fitted = fit(text).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(fitted.text, want, "{name}");
        let keys: Vec<&str> = fitted.altered.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, altered, "{name}");
    }
}

#[test]
fn what_is_rejected() {
    for (text, code) in [
        (r#"{"a":"\ud83d"}"#, "metadata/surrogate"),
        (r#"{"a":"\ud83dx"}"#, "metadata/surrogate"),
        (r#"{"a":"\ud83d\n"}"#, "metadata/surrogate"),
        (r#"{"a":"\ud83d\u0041"}"#, "metadata/surrogate"),
        (r#"{"a":{"\udea2":1}}"#, "metadata/surrogate"),
        (r#"{"\ud83d":1}"#, "metadata/json"),
        (r#"{"a":1,"a\u0000":2}"#, "metadata/nul-key"),
        (r#"["\u0000"]"#, "metadata/no-object"),
        (r#"{"a":"#, "metadata/json"),
    ] {
        assert_eq!(fit(text).unwrap_err().code, code, "{text}");
    }
}
