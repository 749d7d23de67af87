//! Which collections are made, which are taken as they are, which are refused; and who may ask.

use serde_json::json;
use vecferry_plugin_chroma_server::{ChromaServerSink, check_name};
use vecferry_sdk::{Error, ErrorKind, Metric, PrepareMode, SinkPlugin};

use crate::common::{Place, client, host, records, server, target};

#[test]
fn names_are_judged_as_the_server_judges_them() {
    let place = Place::new();
    let long = "a".repeat(512);
    let longer = "a".repeat(513);
    for (name, fits) in [
        ("abc", true),
        ("A.b_c-9", true),
        ("1.2.3", true),
        (&long, true),
        (&longer, false),
        ("ab", false),
        ("a..b", false),
        ("-abc", false),
        ("abc.", false),
        ("über", false),
        ("a b", false),
        ("1.2.3.4", false),
        ("256.1.1.1", true),
    ] {
        assert_eq!(check_name(name).is_ok(), fits, "{name}");
        let target = target(name, 2, Metric::L2);
        let prepared = ChromaServerSink::prepare(&place.host, &place.config(), &target, PrepareMode::CreateIfMissing);
        assert_eq!(prepared.is_ok(), fits, "{name}: {prepared:?}");
        for error in [
            prepared.err(),
            ChromaServerSink::open(&place.host, &place.config(), &target).err(),
            ChromaServerSink::rehearse(&place.config(), &target, &records(0, 1, 2)).err(),
        ] {
            assert_eq!(error.is_none(), fits, "{name}");
            let Some(error) = error else { continue };
            assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Config, "chroma-server/name"), "{name}");
            assert!(error.hint.unwrap().contains("--namespace"));
        }
    }
}

#[test]
fn what_a_collection_is_set_to_stays() {
    let place = Place::new();
    let before = client(&["make", "theirs"]);
    let docs = target("theirs", 3, Metric::Dot);
    let mut writer = place.writer(&docs);
    writer.write(&records(0, 5, 3)).unwrap();
    let after = client(&["show", "theirs"]);
    for what in ["hnsw", "embedding_function", "metadata"] {
        assert_eq!(after[what], before[what], "{what}");
    }
    assert_eq!(
        (&after["hnsw"]["ef_construction"], &after["embedding_function"]["name"]),
        (&json!(200), &json!("default"))
    );
    let error = place.prepare_error(&target("theirs", 3, Metric::Cosine));
    assert!(error.message.contains("dot") && error.message.contains("cosine"), "{error}");
    let error = place.prepare_error(&target("theirs", 4, Metric::Dot));
    assert!(error.message.contains('3') && error.message.contains('4'), "{error}");
}

impl Place {
    fn prepare_error(&self, target: &vecferry_sdk::Target) -> Error {
        let prepared = ChromaServerSink::prepare(&self.host, &self.config(), target, PrepareMode::CreateIfMissing);
        let error = prepared.unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Config, "target/mismatch"), "{error}");
        error
    }
}

#[test]
fn a_tenant_and_a_database_of_ones_own() {
    let place = Place::new();
    client(&["tenants"]);
    let mut config = place.config_with("tenant", "acme");
    let error = ChromaServerSink::check(&place.host, &config).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound, "{error:?}");
    assert!(error.message.contains("acme") && error.hint.unwrap().contains("sink.database"), "{}", error.message);
    config["database"] = "acme".into();
    ChromaServerSink::check(&place.host, &config).unwrap();
    let docs = target("apart", 2, Metric::L2);
    ChromaServerSink::prepare(&place.host, &config, &docs, PrepareMode::CreateIfMissing).unwrap();
    ChromaServerSink::open(&place.host, &config, &docs).unwrap().write(&records(0, 2, 2)).unwrap();
    let missing = ChromaServerSink::prepare(&place.host, &place.config(), &docs, PrepareMode::MustExist).unwrap_err();
    assert_eq!((missing.kind, missing.code.as_str()), (ErrorKind::NotFound, "chroma-server/no-collection"));
}

#[test]
fn what_does_not_connect() {
    let place = Place::new();
    for (name, config, kind) in [
        ("no address", json!({"location": "localhost:8000"}), ErrorKind::Config),
        ("a password in it", json!({"location": "http://a:secret@localhost"}), ErrorKind::Config),
        ("nothing", json!({}), ErrorKind::Config),
        ("another host", json!({"location": "http://db.example"}), ErrorKind::Denied),
        ("no such setting", place.config_with("auth", "basic"), ErrorKind::Config),
        ("a token that was not given", place.config_with("auth", "token"), ErrorKind::Denied),
        ("no tenant", place.config_with("tenant", "nobody/../x"), ErrorKind::NotFound),
    ] {
        let error = ChromaServerSink::check(&place.host, &config).expect_err(name);
        assert_eq!(error.kind, kind, "{name}: {error:?}");
        assert!(!format!("{error:?}").contains("secret@"), "{name}: {error:?}");
    }
    let nobody = host("http://127.0.0.1:1", &[]);
    let error = ChromaServerSink::check(&nobody, &json!({"location": "http://127.0.0.1:1"})).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Transient, "{error:?}");
    // A server without authentication takes any token.
    for auth in ["token", "bearer"] {
        let host = host(&server().url, &[("CHROMA_TOKEN", "a token of mine")]);
        ChromaServerSink::check(&host, &place.config_with("auth", auth)).unwrap();
    }
    let texts = target("texts", None, Metric::Unknown);
    let prepared = ChromaServerSink::prepare(&place.host, &place.config(), &texts, PrepareMode::CreateIfMissing);
    assert_eq!(prepared.unwrap_err().code, "chroma-server/no-vectors");
}
