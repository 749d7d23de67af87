/*! What crosses a border: messages keep every bit, broken ones are errors, and answers are held to the contract. */
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use vecferry_contract::{
    Batch, Capability, Dense, Error, ErrorKind, Page, PluginSpec, Sparse, Split, Unreadable, Value, printable,
};

fn page() -> Page {
    let odd = [f32::NAN, -0.0, f32::NEG_INFINITY, 1e-45, 0.1, f32::MAX];
    Page {
        rows: Batch {
            ids: vec!["a".into(), "ü".into()],
            dense: vec![Dense { name: "d".into(), dimension: 3, values: odd.to_vec(), absent: vec![1] }],
            sparse: vec![Sparse {
                name: String::new(),
                offsets: vec![0, 0, 1],
                indices: vec![u32::MAX],
                values: vec![2.5],
            }],
            documents: Some(vec![None, Some("text".into())]),
            metadata: Some(vec!["{}".into(), "{\"k\":1}".into()]),
        },
        cursor: vec![0, 255, 7],
        changes: vec![],
        unreadable: vec![Unreadable { id: "u".into(), reason: Error::corrupt("c/d", "why").at("offset", 4096) }],
    }
}

#[test]
fn messages_keep_every_bit() {
    let page = page();
    let message = postcard::to_stdvec(&page).unwrap();
    let back: Page = postcard::from_bytes(&message).unwrap();
    let bits = |page: &Page| page.rows.dense[0].values.iter().map(|value| value.to_bits()).collect::<Vec<u32>>();
    assert_eq!(bits(&back), bits(&page));
    // NaN is not equal to itself: compared above, and taken out here.
    let without_nan = |mut page: Page| {
        page.rows.dense[0].values.clear();
        page
    };
    assert_eq!(without_nan(back), without_nan(page));
    let blob = Value::Blob((0..=255).collect());
    assert_eq!(postcard::from_bytes::<Value>(&postcard::to_stdvec(&blob).unwrap()).unwrap(), blob);
}

#[test]
fn for_people_numbers_are_lists() {
    let split = Split { id: "s".into(), payload: vec![1, 2], rows: None };
    let json = serde_json::to_string(&split).unwrap();
    assert_eq!(json, r#"{"id":"s","payload":[1,2],"rows":null}"#);
    assert_eq!(serde_json::from_str::<Split>(&json).unwrap(), split);
    let dense = Dense::new(2, vec![0.5, 1.0]);
    let json = serde_json::to_string(&dense).unwrap();
    assert_eq!(json, r#"{"name":"","dimension":2,"values":[0.5,1.0],"absent":[]}"#);
    assert_eq!(serde_json::from_str::<Dense>(&json).unwrap(), dense);
}

#[test]
fn broken_messages_are_errors() {
    let message = postcard::to_stdvec(&page()).unwrap();
    for len in 0..message.len() {
        postcard::from_bytes::<Page>(&message[..len]).expect_err("a message that was cut short");
    }
    for at in 0..message.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut broken = message.clone();
            broken[at] ^= flip;
            // Either it is refused, or it is another page; the checks below say whether that one may pass.
            if let Ok(page) = postcard::from_bytes::<Page>(&broken) {
                let _ = page.checked(10);
            }
        }
    }
    // Three bytes are no float.
    postcard::from_bytes::<Dense>(&[0, 1, 3, 0, 0, 0, 0]).expect_err("a block of three bytes");
}

#[test]
fn pages_are_held_to_what_was_asked() {
    page().checked(2).expect("two rows where two were asked for");
    let only_unreadable = Page { rows: Batch::default(), ..page() };
    only_unreadable.checked(1).expect("a page may report unreadable records alone");
    let too_many = page().checked(1).unwrap_err();
    let empty = Page::default().checked(1).unwrap_err();
    let mut odd = page();
    odd.rows.ids.pop();
    let odd = odd.checked(2).unwrap_err();
    for (case, error, code) in
        [("too many", too_many, "plugin/page"), ("empty", empty, "plugin/page"), ("odd", odd, "batch/shape")]
    {
        assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Internal, code), "{case}");
    }
}

fn spec() -> PluginSpec {
    PluginSpec {
        name: "chroma".into(),
        version: "0.1.0".into(),
        summary: "s".into(),
        config_schema: "{}".into(),
        schemes: vec!["chroma".into()],
        capabilities: vec![Capability::SourceFiles],
        features: vec!["f".into()],
    }
}

#[test]
fn specs_are_checked() {
    spec().checked().expect("a good one");
    type Spoil = fn(&mut PluginSpec);
    let cases: [(&str, Spoil); 8] = [
        ("no name", |spec| spec.name.clear()),
        ("a name in capitals", |spec| spec.name = "Chroma".into()),
        ("a name that moves the cursor", |spec| spec.name = "a\x1b[A".into()),
        ("a scheme with a colon", |spec| spec.schemes.push("a:b".into())),
        ("no version", |spec| spec.version.clear()),
        ("a version of two words", |spec| spec.version = "1 2".into()),
        ("a schema that is a list", |spec| spec.config_schema = "[]".into()),
        ("a schema that is no JSON", |spec| spec.config_schema = "{".into()),
    ];
    for (case, spoil) in cases {
        let mut spec = spec();
        spoil(&mut spec);
        let error = spec.checked().expect_err(case);
        assert_eq!(error.code, "plugin/spec", "{case}");
        assert!(!error.message.contains('\x1b'), "{case}");
    }
}

#[test]
fn two_roles_make_one_spec() {
    let sink = PluginSpec {
        schemes: vec!["other".into()],
        capabilities: vec![Capability::SinkFiles, Capability::SourceFiles],
        features: vec!["f".into(), "g".into()],
        ..spec()
    };
    let both = spec().joined(sink.clone()).unwrap();
    assert_eq!(both.schemes, ["chroma", "other"]);
    assert_eq!(both.capabilities, [Capability::SourceFiles, Capability::SinkFiles]);
    assert_eq!(both.features, ["f", "g"]);
    let error = spec().joined(PluginSpec { version: "0.2.0".into(), ..sink }).unwrap_err();
    assert!(error.message.contains("0.1.0") && error.message.contains("0.2.0"), "{error}");
}

#[test]
fn texts_cannot_steer_the_terminal() {
    for (case, text, max, expected) in [
        ("plain", "naïve\nlines", 100, "naïve\nlines"),
        ("escape", "a\x1b[31mb\r\u{9b}c\t", 100, "a\\u{1b}[31mb\\r\\u{9b}c\\t"),
        ("cut", "abcdef", 3, "abc…"),
        ("cut within a letter", "aüb", 2, "a…"),
        ("empty", "", 0, ""),
    ] {
        assert_eq!(printable(text, max), expected, "{case}");
    }
    let error = Error::new(ErrorKind::Config, "c\x07", "m\x07").hint("h\x07").at("k\x07", "v\x07");
    let error = error.checked();
    let (key, value) = &error.context[0];
    for text in [&error.code, &error.message, error.hint.as_ref().unwrap(), key, value] {
        assert!(text.ends_with("\\u{7}") && !text.contains('\x07'), "{text:?}");
    }
    let long = (0..1000).fold(Error::corrupt("c", "x".repeat(1 << 20)), |error, n| error.at(&format!("k{n}"), n));
    let long = long.checked();
    assert!(long.message.len() < 10_000 && long.context.len() < 100);
}
