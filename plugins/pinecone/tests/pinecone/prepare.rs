//! Making an index ready: what is created, what is refused, and when to wait.

use serde_json::{Value, json};
use vecferry_pinecone_local::{Operation, Schedule};
use vecferry_plugin_pinecone::PineconeSink;
use vecferry_sdk::{Config, ErrorKind, Method, Metric, PrepareMode, Request, SinkPlugin, Target};

use crate::common::{Place, host, records, target};

/// What the control plane says of an index.
fn described(place: &Place, index: &str) -> Value {
    let key = |value: &str| ("api-key".to_owned(), value.to_owned());
    let request = Request {
        method: Method::Get,
        url: format!("{}/indexes/{index}", place.server.url()),
        headers: vec![key(place.server.api_key()), ("x-pinecone-api-version".into(), "2025-10".into())],
        body: Vec::new(),
        timeout_ms: None,
    };
    serde_json::from_slice(&place.host.send(request).unwrap().body).unwrap()
}

fn prepare(place: &Place, config: &Config, target: &Target, mode: PrepareMode) -> vecferry_sdk::Result<()> {
    PineconeSink::prepare(&place.host, config, target, mode).map(drop)
}

#[test]
fn an_index_is_made_to_fit() {
    let place = Place::new();
    type Case<'a> = (&'a str, Target, &'a [(&'a str, &'static str)], Value);
    let cases: &[Case<'_>] = &[
        (
            "as the source has it",
            target("ns", 7, Metric::L2),
            &[],
            json!({"dimension": 7, "metric": "euclidean", "vector_type": "dense", "deletion_protection": "disabled"}),
        ),
        (
            "of an unknown metric",
            target("ns", 384, Metric::Unknown),
            &[("cloud", "gcp"), ("region", "us-central1"), ("deletion_protection", "enabled")],
            json!({"dimension": 384, "metric": "cosine", "deletion_protection": "enabled"}),
        ),
        (
            "with a metric that was asked for",
            target("ns", 20_000, Metric::Cosine),
            &[("metric", "dotproduct")],
            json!({"dimension": 20_000, "metric": "dotproduct"}),
        ),
        (
            "of sparse vectors",
            target("ns", None, Metric::Unknown),
            &[("vector_type", "sparse")],
            json!({"metric": "dotproduct", "vector_type": "sparse"}),
        ),
    ];
    for (number, (name, target, settings, want)) in cases.iter().enumerate() {
        let index = format!("made-{number}");
        let mut config = place.config(&index);
        settings.iter().for_each(|(key, value)| config[*key] = json!(value));
        prepare(&place, &config, target, PrepareMode::CreateIfMissing).unwrap();
        let have = described(&place, &index);
        for (key, value) in want.as_object().unwrap() {
            assert_eq!(&have[key], value, "{name}: {key}");
        }
        let place_of = |key: &str| have["spec"]["serverless"][key].as_str().unwrap().to_owned();
        let asked = |key: &str, default: &'static str| {
            settings.iter().find(|(setting, _)| *setting == key).map_or(default, |(_, value)| value)
        };
        assert_eq!(
            (place_of("cloud").as_str(), place_of("region").as_str()),
            (asked("cloud", "aws"), asked("region", "us-east-1"))
        );
        // Again, as every further run does.
        prepare(&place, &config, target, PrepareMode::CreateIfMissing).unwrap();
        prepare(&place, &config, target, PrepareMode::MustExist).unwrap();
    }
    assert_eq!(place.server.log().of(Operation::CreateIndex).requests, cases.len() as u64);
}

#[test]
fn what_does_not_fit_stops_before_anything_is_written() {
    let place = Place::new();
    prepare(&place, &place.config("docs"), &target("ns", 3, Metric::Cosine), PrepareMode::CreateIfMissing).unwrap();
    let any = PrepareMode::CreateIfMissing;
    let sparse = place.config_with("docs", "vector_type", "sparse");
    let dot = place.config_with("docs", "metric", "dotproduct");
    let docs = place.config("docs");
    type Case<'a> = (&'a str, &'a Config, Target, PrepareMode, &'a str, &'a [&'a str]);
    let cases: &[Case<'_>] = &[
        ("another dimension", &docs, target("ns", 4, Metric::Cosine), any, "target/mismatch", &["3", "4", "docs"]),
        ("another metric", &docs, target("ns", 3, Metric::L2), any, "target/mismatch", &["cosine", "l2"]),
        ("a metric that was asked for", &dot, target("ns", 3, Metric::Cosine), any, "target/mismatch", &["dotproduct"]),
        ("sparse vectors", &sparse, target("ns", 3, Metric::Cosine), any, "target/mismatch", &["dense", "sparse"]),
        (
            "an index that is not there",
            &place.config("missing"),
            target("ns", 3, Metric::Cosine),
            PrepareMode::MustExist,
            "pinecone/no-index",
            &["missing"],
        ),
        (
            "no vectors to make an index for",
            &place.config("new"),
            target("ns", None, Metric::Unknown),
            any,
            "pinecone/no-dimension",
            &["new"],
        ),
        (
            "a dimension beyond the service's",
            &place.config("new"),
            target("ns", 20_001, Metric::Cosine),
            any,
            "target/dimension",
            &["20001", "20000"],
        ),
        (
            "a name that cannot be one",
            &place.config("Docs/1"),
            target("ns", 3, Metric::Cosine),
            any,
            "pinecone/index-name",
            &["Docs/1"],
        ),
        ("no name", &place.config(""), target("ns", 3, Metric::Cosine), any, "pinecone/index-name", &[]),
        (
            "a setting that cannot be one",
            &place.config_with("docs", "overlong", "cut"),
            target("ns", 3, Metric::Cosine),
            any,
            "pinecone/setting",
            &["overlong", "cut"],
        ),
    ];
    for (name, config, target, mode, code, words) in cases {
        let error = prepare(&place, config, target, *mode).unwrap_err();
        assert_eq!(error.code, *code, "{name}: {error}");
        assert!(words.iter().all(|word| error.message.contains(word)), "{name}: {error}");
        let kind = if *code == "pinecone/no-index" { ErrorKind::NotFound } else { ErrorKind::Config };
        assert_eq!(error.kind, kind, "{name}");
    }
    assert_eq!(place.server.log().of(Operation::Upsert).requests, 0);
    assert_eq!(place.server.log().of(Operation::CreateIndex).requests, 1);
}

#[test]
fn an_index_that_is_not_ready_is_waited_for_by_the_host() {
    let place = Place::new();
    place.server.faults().set(Schedule { not_ready_describes: 3, ..Schedule::default() });
    let (config, target) = (place.config("docs"), target("ns", 3, Metric::Cosine));
    PineconeSink::check(&place.host, &config).unwrap();
    for attempt in 0..3 {
        let error = prepare(&place, &config, &target, PrepareMode::MustBeEmpty).unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Transient, "pinecone/not-ready"), "{attempt}");
        assert_eq!(error.retry_after_ms, Some(1_000));
    }
    prepare(&place, &config, &target, PrepareMode::MustBeEmpty).unwrap();
    assert_eq!(place.server.log().of(Operation::CreateIndex).requests, 1);
}

#[test]
fn a_host_of_the_index_needs_no_control_plane() {
    let place = Place::new();
    let wanted = target("ns", 3, Metric::Cosine);
    place.writer(&place.config("docs"), &wanted).write(&records(0, 5, 3)).unwrap();
    place.server.log().clear();
    let config =
        json!({"index_host": format!("{}/svc/docs/", place.server.url()), "controller_host": "http://127.0.0.1:9"});
    PineconeSink::check(&place.host, &config).unwrap();
    prepare(&place, &config, &wanted, PrepareMode::CreateIfMissing).unwrap();
    let mut writer = PineconeSink::open(&place.host, &config, &wanted).unwrap();
    writer.write(&records(5, 9, 3)).unwrap();
    assert_eq!(writer.count().unwrap(), 9);
    let error = prepare(&place, &config, &target("ns", 4, Metric::Cosine), PrepareMode::CreateIfMissing).unwrap_err();
    assert_eq!(error.code, "target/mismatch");
    assert_eq!(place.server.log().of(Operation::DescribeIndex).requests, 0);
}

#[test]
fn every_version_of_the_interface_that_may_be_set_works() {
    for version in ["2025-10", "2026-04"] {
        let place = Place::new();
        let config = place.config_with("docs", "api_version", version);
        let mut writer = place.writer(&config, &target("ns", 3, Metric::Cosine));
        writer.write(&records(0, 5, 3)).unwrap();
        writer.settle().unwrap();
        assert_eq!(writer.fetch(&records(0, 5, 3).ids).unwrap().len(), 5, "{version}");
        assert_eq!(writer.list(None, 10).unwrap().unwrap().ids, records(0, 5, 3).ids, "{version}");
        assert_eq!((writer.count().unwrap(), described(&place, "docs")["dimension"].as_u64()), (5, Some(3)));
    }
}

#[test]
fn a_wrong_key_is_found_before_anything_else() {
    let place = Place::new();
    let stranger = host("another-key");
    let error = PineconeSink::check(&stranger, &place.config("docs")).unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Auth, "pinecone/key"));
    assert!(!error.message.contains("another-key"), "{error}");
    PineconeSink::check(&place.host, &place.config("docs")).unwrap();
}

#[test]
fn the_schema_names_every_setting_with_its_meaning() {
    let spec = PineconeSink::spec().checked().unwrap();
    let schema: Value = serde_json::from_str(&spec.config_schema).unwrap();
    for (name, property) in schema["properties"].as_object().unwrap() {
        assert!(property["description"].as_str().is_some_and(|words| words.len() > 10), "{name}");
    }
    assert_eq!(schema["x-secrets"], json!(["PINECONE_API_KEY"]));
    assert_eq!(schema["properties"]["location"]["x-env"], json!(["PINECONE_INDEX_NAME"]));
    assert_eq!(schema["properties"]["controller_host"]["x-env"], json!(["PINECONE_CONTROLLER_HOST"]));
}
