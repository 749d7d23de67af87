#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::*;
use crate::restore::{Reader, Restored};

fn layout() -> Layout {
    Layout {
        text_field: "page_content".to_owned(),
        namespace: "default".to_owned(),
        embedding: None,
        max_metadata_bytes: 40_000,
        overlong: Overlong::Shorten,
    }
}

fn embedding() -> Option<Embedding> {
    let (provider, model) = ("fastembed".to_owned(), Some("all-MiniLM-L6-v2".to_owned()));
    Some(Embedding { provider, model, dimension: Some(384) })
}

fn parsed(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

fn restored(layout: &Layout, id: &str, fitted: &Fitted) -> Restored {
    let raw = RawValue::from_string(fitted.metadata.clone()).unwrap();
    layout.restore(&ids::encode(id), Some(&raw), Reader::Sink).unwrap()
}

#[test]
fn every_rule_is_applied_and_told() {
    type Told = &'static [(&'static str, &'static str)];
    let cases: &[(&str, &str, Value, Told)] = &[
        (
            "what fits stays",
            r#"{"a":"é","b":-1.5e3,"c":true,"d":["x","y"],"e":[],"f":9007199254740992}"#,
            json!({"a": "é", "b": -1500.0, "c": true, "d": ["x", "y"], "e": [], "f": 9_007_199_254_740_992_u64}),
            &[],
        ),
        ("null", r#"{"a":null,"b":1}"#, json!({"b": 1}), &[("metadata/a", NULL_DROPPED)]),
        (
            "an object",
            r#"{"a":{"b":[1,null,{"c":"é"}]}}"#,
            json!({"a": r#"{"b":[1,null,{"c":"é"}]}"#}),
            &[("metadata/a", NESTED_TO_JSON)],
        ),
        ("a list of lists", r#"{"a":[[1],"b"]}"#, json!({"a": r#"[[1],"b"]"#}), &[("metadata/a", NESTED_TO_JSON)]),
        ("a list with null", r#"{"a":["b",null]}"#, json!({"a": r#"["b",null]"#}), &[("metadata/a", NESTED_TO_JSON)]),
        (
            "a list of scalars",
            r#"{"a":[1,2.50,true,"x"]}"#,
            json!({"a": ["1", "2.50", "true", "x"]}),
            &[("metadata/a", LIST_TO_STRINGS)],
        ),
        (
            "an integer that no double holds",
            r#"{"a":9007199254740993,"b":-123456789012345678901234567890}"#,
            json!({"a": "9007199254740993", "b": "-123456789012345678901234567890"}),
            &[("metadata/a", NUMBER_TO_TEXT), ("metadata/b", NUMBER_TO_TEXT)],
        ),
        ("a number beyond all doubles", r#"{"a":1e400}"#, json!({"a": "1e400"}), &[("metadata/a", NUMBER_TO_TEXT)]),
        (
            "names that are not free",
            r#"{"$in":1,"_$in":2,"":3,"_":4,"page_content":"own","_page_content":"other","vecferry_id":"x","_x":5}"#,
            json!({
                "_$in": 1, "__$in": 2, "_": 3, "__": 4, "_page_content": "own", "__page_content": "other",
                "_vecferry_id": "x", "_x": 5
            }),
            &[
                ("metadata/$in", KEY_RENAMED),
                ("metadata/_$in", KEY_RENAMED),
                ("metadata/", KEY_RENAMED),
                ("metadata/_", KEY_RENAMED),
                ("metadata/page_content", KEY_RENAMED),
                ("metadata/_page_content", KEY_RENAMED),
                ("metadata/vecferry_id", KEY_RENAMED),
            ],
        ),
        ("escapes that need not be", r#"{"\u0061":"\u00e9\/"}"#, json!({"a": "é/"}), &[]),
    ];
    for (name, metadata, want, told) in cases {
        let fitted = layout().fit("id", Some("text"), metadata).unwrap();
        let mut want = want.clone();
        want["page_content"] = json!("text");
        want["chunk_id"] = json!("id");
        assert_eq!(parsed(&fitted.metadata), want, "{name}");
        let have: Vec<(&str, &str)> = fitted.altered.iter().map(|(field, code)| (field.as_str(), *code)).collect();
        assert_eq!(have, *told, "{name}");
    }
}

#[test]
fn the_layout_adds_what_applications_read_and_takes_it_back() {
    let embedded = Layout { embedding: embedding(), ..layout() };
    type Told = &'static [(&'static str, &'static str)];
    type Case<'a> = (&'a str, &'a Layout, &'a str, Option<&'a str>, &'a str, Value, Told);
    let cases: &[Case<'_>] = &[
        (
            "an id that tells the chunk",
            &embedded,
            "default_docs/a.pdf_7",
            Some("text"),
            r#"{"source":"docs/a.pdf","page":1}"#,
            json!({
                "page_content": "text", "source": "docs/a.pdf", "chunk_id": "7", "page": 1,
                "embedding_provider": "fastembed", "embedding_model": "all-MiniLM-L6-v2", "embedding_dimension": 384
            }),
            &[],
        ),
        (
            "an id of the store's own",
            &embedded,
            "7f3a",
            None,
            "{}",
            json!({
                "chunk_id": "7f3a", "embedding_provider": "fastembed", "embedding_model": "all-MiniLM-L6-v2",
                "embedding_dimension": 384
            }),
            &[],
        ),
        (
            "a chunk id of its own",
            &embedded,
            "default_a_7",
            Some(""),
            r#"{"chunk_id":7,"source":"a"}"#,
            json!({
                "page_content": "", "source": "a", "chunk_id": 7, "embedding_provider": "fastembed",
                "embedding_model": "all-MiniLM-L6-v2", "embedding_dimension": 384
            }),
            &[],
        ),
        (
            "reused vectors keep what was said of them",
            &layout(),
            "a",
            Some("text"),
            r#"{"embedding_provider":"openai","embedding_dimension":384}"#,
            json!({"page_content": "text", "chunk_id": "a", "embedding_provider": "openai", "embedding_dimension": 384}),
            &[],
        ),
        (
            "an id that is encoded",
            &layout(),
            "Größe 1",
            None,
            r#"{"vecferry_id":"own"}"#,
            json!({"chunk_id": "Größe 1", "vecferry_id": "Größe 1", "_vecferry_id": "own"}),
            &[("metadata/vecferry_id", KEY_RENAMED)],
        ),
    ];
    for (name, layout, id, document, metadata, want, told) in cases {
        let fitted = layout.fit(id, *document, metadata).unwrap();
        assert_eq!(parsed(&fitted.metadata), *want, "{name}");
        let have: Vec<(&str, &str)> = fitted.altered.iter().map(|(field, code)| (field.as_str(), *code)).collect();
        assert_eq!(have, *told, "{name}");
        let back = restored(layout, id, &fitted);
        assert_eq!((back.id.as_str(), back.document.as_deref()), (*id, *document), "{name}, read back");
        assert_eq!(parsed(&back.metadata), parsed(metadata), "{name}, read back");
    }
}

#[test]
fn what_does_not_read_back_is_told() {
    let embedded = Layout { embedding: embedding(), ..layout() };
    let cases = [
        (&layout(), r#"{"chunk_id":"a"}"#, "metadata/chunk_id", CHUNK_ID_IMPLIED),
        (&embedded, r#"{"embedding_provider":"openai"}"#, "metadata/embedding_provider", EMBEDDING_REPLACED),
        (&embedded, r#"{"embedding_dimension":384}"#, "metadata/embedding_dimension", EMBEDDING_REPLACED),
    ];
    for (layout, metadata, field, code) in cases {
        let fitted = layout.fit("a", None, metadata).unwrap();
        assert_eq!(fitted.altered, [(field.to_owned(), code)], "{metadata}");
        assert_eq!(restored(layout, "a", &fitted).metadata, "{}", "{metadata}");
    }
}

#[test]
fn a_document_that_is_too_long_keeps_its_beginning() {
    let small = Layout { max_metadata_bytes: 1_000, ..layout() };
    // One to four bytes, and characters that JSON escapes.
    for unit in ["x", "é", "語", "🚢", "\"", "\u{1}", "a\\é\n語🚢"] {
        let document = unit.repeat(2_000);
        let fitted = small.fit("id", Some(&document), r#"{"a":1}"#).unwrap();
        let size = fitted.metadata.len();
        assert!((990..=1_000).contains(&size), "{unit:?}: {size} bytes");
        assert_eq!(fitted.altered, [("document".to_owned(), DOCUMENT_SHORTENED)], "{unit:?}");
        let kept = restored(&small, "id", &fitted).document.unwrap();
        assert!(document.starts_with(&kept) && kept.len() > 100, "{unit:?}: {kept}");
    }
    // To the byte.
    let overhead = small.fit("id", Some(""), "{}").unwrap().metadata.len();
    let fits = "x".repeat(1_000 - overhead);
    assert!(small.fit("id", Some(&fits), "{}").unwrap().altered.is_empty());
    let fitted = small.fit("id", Some(&format!("{fits}y")), "{}").unwrap();
    assert_eq!((fitted.metadata.len(), fitted.altered.len()), (1_000, 1));
    assert_eq!(restored(&small, "id", &fitted).document.unwrap(), fits);
}

#[test]
fn what_cannot_be_made_to_fit_is_refused() {
    let small = Layout { max_metadata_bytes: 1_000, ..layout() };
    let strict = Layout { overlong: Overlong::Reject, ..small.clone() };
    let (long, large) = ("x".repeat(1_000), format!(r#"{{"a":"{}"}}"#, "y".repeat(1_000)));
    let cases = [
        ("a long document that may not be cut", &strict, Some(long.as_str()), "{}", "pinecone/document-too-long"),
        ("large metadata", &small, None, large.as_str(), "pinecone/metadata-too-large"),
        ("large metadata and a document", &small, Some("text"), &large, "pinecone/metadata-too-large"),
        ("metadata that is cut off", &small, None, r#"{"a":"#, "metadata/json"),
        ("half a surrogate", &small, None, r#"{"a":"\ud800"}"#, "metadata/json"),
        ("no object", &small, None, "[1]", "metadata/no-object"),
    ];
    for (name, layout, document, metadata, code) in cases {
        let error = layout.fit("id", document, metadata).unwrap_err();
        assert_eq!(error.code, code, "{name}: {error}");
    }
}

#[test]
fn nesting_without_end_is_no_danger() {
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(15_000), "]".repeat(15_000));
    let fitted = layout().fit("id", None, &deep).unwrap();
    assert_eq!(fitted.altered, [("metadata/a".to_owned(), NESTED_TO_JSON)]);
}

fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "(?s:.{0,8})".prop_map(Value::from),
    ];
    scalar.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-c$_]{0,3}", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    /// What the service gets obeys its rules, and what is not told as altered reads back as it was.
    #[test]
    fn what_fits_obeys_and_reads_back(
        metadata in prop::collection::hash_map("[$_]{0,2}(page_content|vecferry_id|chunk_id|source|embedding_model|a|é|)", value(), 0..6),
        document in prop::option::of("(?s:.{0,30})"),
        id in "(default_)?(é|a)?_?[0-9]{0,2}",
        embeds in any::<bool>(),
    ) {
        let layout = Layout { embedding: embedding().filter(|_| embeds), ..layout() };
        let given = Value::Object(metadata.into_iter().collect());
        let fitted = layout.fit(&id, document.as_deref(), &given.to_string()).unwrap();
        let stored = parsed(&fitted.metadata);
        for (key, value) in stored.as_object().unwrap() {
            prop_assert!(!key.is_empty() && !key.starts_with('$'), "{}", key);
            let legal = match value {
                Value::String(_) | Value::Number(_) | Value::Bool(_) => true,
                Value::Array(items) => items.iter().all(Value::is_string),
                _ => false,
            };
            prop_assert!(legal, "{}: {}", key, value);
        }
        let back = restored(&layout, &id, &fitted);
        prop_assert_eq!(&back.id, &id);
        prop_assert_eq!(&back.document, &document);
        let back = parsed(&back.metadata);
        let is_told = |key: &str| fitted.altered.iter().any(|(field, _)| field == &format!("metadata/{key}"));
        for (key, value) in given.as_object().unwrap() {
            let same = match (value, &back[key]) {
                (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
                (a, b) => a == b,
            };
            prop_assert!(same || is_told(key), "{}: {} for {}", key, back[key], value);
        }
        for key in back.as_object().unwrap().keys() {
            prop_assert!(given.get(key).is_some(), "{} came from nowhere", key);
        }
    }
}
