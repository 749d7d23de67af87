//! The rules, one by one.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::fit;

fn fitted(metadata: &str, keeps_lists: bool) -> (String, Vec<String>) {
    let fitted = fit(metadata, keeps_lists).unwrap_or_else(|e| panic!("{metadata}: {e}"));
    let fields: Vec<String> = fitted.fields.iter().map(|(key, json)| format!("{key}={json}")).collect();
    let altered = fitted.altered.iter().map(|(key, code)| format!("{key}: {code}")).collect();
    (fields.join(" "), altered)
}

#[test]
fn what_fits() {
    for (metadata, want) in [
        ("{}", ""),
        (r#"{"a":"x","b":-1,"c":1.50,"d":true,"e":1e-7}"#, r#"a="x" b=-1 c=1.50 d=true e=1e-7"#),
        (r#"{"a":9223372036854775807,"b":-9223372036854775808}"#, "a=9223372036854775807 b=-9223372036854775808"),
        (
            r#"{"a":["x","y"],"b":[1,2],"c":[1.5],"d":[true,false],"e":[1,2.5]}"#,
            r#"a=["x","y"] b=[1,2] c=[1.5] d=[true,false] e=[1,2.5]"#,
        ),
        (r#"{"a":1,"a":2}"#, "a=2"),
        (r#"{"ü \" $":"🚢","chroma":1,"-#":2}"#, r#"-#=2 chroma=1 ü " $="🚢""#),
    ] {
        assert_eq!(fitted(metadata, true), (want.to_owned(), vec![]), "{metadata}");
    }
}

#[test]
fn what_is_made_to_fit() {
    for (metadata, want, altered) in [
        (r#"{"a":null}"#, "", &["a: metadata/null-dropped"][..]),
        (r#"{"a":[]}"#, "", &["a: metadata/empty-list-dropped"]),
        (r#"{"a":{"b":["c"]}}"#, r#"a="{\"b\":[\"c\"]}""#, &["a: metadata/nested-to-json"]),
        (r#"{"a":[1,"x"]}"#, r#"a="[1,\"x\"]""#, &["a: metadata/nested-to-json"]),
        (r#"{"a":[null]}"#, r#"a="[null]""#, &["a: metadata/nested-to-json"]),
        (r#"{"a":[[1]]}"#, r#"a="[[1]]""#, &["a: metadata/nested-to-json"]),
        (r#"{"a":[9007199254740993,0.5]}"#, r#"a="[9007199254740993,0.5]""#, &["a: metadata/nested-to-json"]),
        (r#"{"a":9223372036854775808}"#, r#"a="9223372036854775808""#, &["a: metadata/number-to-text"]),
        (r#"{"a":1e999}"#, r#"a="1e999""#, &["a: metadata/number-to-text"]),
        (r#"{"":1}"#, "_=1", &[": metadata/key-renamed"]),
        (r##"{"$a":1,"#b":2}"##, "_#b=2 _$a=1", &["#b: metadata/key-renamed", "$a: metadata/key-renamed"]),
        (
            r#"{"chroma:document":{}}"#,
            r#"_chroma:document="{}""#,
            &["chroma:document: metadata/nested-to-json", "chroma:document: metadata/key-renamed"],
        ),
    ] {
        assert_eq!(
            fitted(metadata, true),
            (want.to_owned(), altered.iter().map(ToString::to_string).collect()),
            "{metadata}"
        );
    }
    let (fields, altered) = fitted(r#"{"a":["x"],"b":[],"c":1}"#, false);
    assert_eq!(fields, r#"a="[\"x\"]" b="[]" c=1"#);
    assert_eq!(altered.len(), 2);
}

#[test]
fn what_is_rejected() {
    for (metadata, code) in [
        ("[]", "metadata/no-object"),
        ("", "metadata/json"),
        (r#"{"a":"\ud800"}"#, "metadata/json"),
        (r#"{"a":["\ud800"]}"#, "metadata/json"),
        (r#"{"\ud800":1}"#, "metadata/json"),
        (r#"{"$a":1,"_$a":2}"#, "metadata/key-clash"),
    ] {
        assert_eq!(fit(metadata, true).unwrap_err().code, code, "{metadata}");
    }
}
