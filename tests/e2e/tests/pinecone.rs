/*!
The main journey: a real folder into a Pinecone on this machine, as a user does it, read back by Pinecone's own SDK; and
the way out again.
*/

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::{Value, json};
use vecferry_e2e::{Ended, demo_store, lines, root, tree, vecferry_with};
use vecferry_pinecone_local::needle::python;
use vecferry_pinecone_local::{Fault, Operation, Options, Rule, Schedule, Server, Visibility, When};

/// A Pinecone, and a folder to work in.
struct Place {
    server: Server,
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Place { server: Server::start_strict(Options::default()).unwrap(), folder: tempfile::tempdir().unwrap() }
    }

    /// Runs vecferry with the key and the address in its environment.
    fn run(&self, arguments: &[&str]) -> Ended {
        let variables = [("PINECONE_API_KEY", self.server.api_key()), ("PINECONE_CONTROLLER_HOST", self.server.url())];
        vecferry_with(self.folder.path(), &variables, arguments)
    }

    fn migrate(&self, more: &[&str]) -> Ended {
        let store = demo_store().to_string_lossy().into_owned();
        let arguments = ["migrate", &store, "--to", "pinecone:docs", "--namespace", "default", "--yes", "--json"];
        self.run(&[&arguments[..], more].concat())
    }

    /// The records by their ids: vector and metadata.
    fn stored(&self) -> BTreeMap<String, (Vec<f32>, Value)> {
        let records = self.server.records("docs", "default").unwrap();
        records.into_iter().map(|record| (record.id, (record.values, Value::Object(record.metadata)))).collect()
    }

    /// The same records as files hold them: what the index must hold.
    fn wanted(&self) -> BTreeMap<String, Value> {
        let store = demo_store().to_string_lossy().into_owned();
        self.run(&["migrate", &store, "--to", "jsonl:want.jsonl", "--namespace", "default", "--yes"]).succeeded();
        let rows = lines(&self.folder.path().join("want.jsonl"));
        rows.into_iter().map(|row| (row["id"].as_str().unwrap().to_owned(), row)).collect()
    }
}

/// Numbers are 64-bit floats there.
fn same(have: &Value, want: &Value) -> bool {
    have == want || (have.is_number() && have.as_f64() == want.as_f64())
}

#[test]
fn the_demo_store_arrives_and_the_official_sdk_reads_it() {
    let place = Place::new();
    let before = tree(&demo_store());
    let summary = place.migrate(&[]).succeeded().json();
    assert_eq!(tree(&demo_store()), before, "the source was changed");
    assert_eq!((&summary["counts"]["migrated"], &summary["counts"]["rejected"]), (&json!(156), &json!(0)), "{summary}");
    assert_eq!(summary["verification"]["differences"], json!([]), "{summary}");

    let script = root().join("plugins/pinecone/tests/pinecone/read_back.py");
    let probe = "default_docs/manual_0.pdf_0";
    let output = Command::new(python().unwrap())
        .arg(script)
        .args([place.server.url(), place.server.api_key(), "docs", "default", probe])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let saw: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(saw["index"], json!([384, "cosine", "dense", "aws", "us-east-1"]));
    assert_eq!((&saw["count"], &saw["nearest"], &saw["filtered"]), (&json!(156), &json!([probe]), &json!([probe])));

    let (records, wanted) = (saw["records"].as_object().unwrap(), place.wanted());
    assert_eq!((records.len(), wanted.len()), (156, 156));
    for (id, want) in &wanted {
        let (record, source) = (&records[id], want["metadata"]["source"].as_str().unwrap());
        let chunk = id.strip_prefix(&format!("default_{source}_")).unwrap();
        let mut metadata = record["metadata"].as_object().unwrap().clone();
        let layout = [
            ("page_content", want["document"].clone()),
            ("chunk_id", json!(chunk)),
            ("embedding_provider", json!("fastembed")),
            ("embedding_model", json!("all-MiniLM-L6-v2")),
            ("embedding_dimension", json!(384.0)),
        ];
        for (key, value) in layout {
            assert_eq!(metadata.remove(key), Some(value), "{id}: {key}");
        }
        let own = want["metadata"].as_object().unwrap();
        assert_eq!(metadata.len(), own.len(), "{id}: {metadata:?}");
        assert!(own.iter().all(|(key, value)| same(&metadata[key], value)), "{id}: {metadata:?} for {own:?}");
        assert_eq!(record["values"], want["vector"], "{id}");
    }
    assert!(place.server.violations().is_empty(), "{:#?}", place.server.violations());
}

#[test]
fn nothing_is_lost_while_the_service_fails() {
    let faults = [
        Fault::Throttle { retry_after: Some("0.05".into()) },
        Fault::Throttle { retry_after: None },
        Fault::Status { code: 500, applied: false },
        Fault::Status { code: 503, applied: true },
        Fault::Reset { applied: true },
        Fault::Reset { applied: false },
    ];
    let quiet = Place::new();
    quiet.migrate(&[]).succeeded();
    let place = Place::new();
    let on = vec![Operation::Upsert, Operation::Fetch, Operation::Query, Operation::Stats, Operation::DescribeIndex];
    let rules = (0..).zip(faults).map(|(place, fault)| Rule {
        on: on.clone(),
        // About every fourth request, each fault in its turn.
        when: When::Nth((0..20).map(|round| 1 + place * 4 + round * 25).collect()),
        fault,
    });
    place.server.faults().set(Schedule {
        rules: rules.collect(),
        max_body_bytes: Some(120_000),
        visibility: Visibility { polls: 3, ms: 0 },
        not_ready_describes: 2,
        ..Schedule::default()
    });
    let summary = place.migrate(&[]).succeeded().json();
    assert_eq!((&summary["counts"]["migrated"], &summary["counts"]["rejected"]), (&json!(156), &json!(0)), "{summary}");
    assert!(place.server.faults().struck() > 10, "{} faults", place.server.faults().struck());
    assert_eq!(place.stored(), quiet.stored());
}

#[test]
fn a_dry_run_needs_no_key_and_asks_nobody() {
    let place = Place::new();
    let store = demo_store().to_string_lossy().into_owned();
    let address = [("PINECONE_CONTROLLER_HOST", place.server.url())];
    let arguments = ["migrate", &store, "--to", "pinecone:docs", "--dry-run", "--json"];
    let summary = vecferry_with(place.folder.path(), &address, &arguments).succeeded().json();
    assert_eq!(summary["counts"]["migrated"], 156, "{summary}");
    assert_eq!(place.server.log().total().requests, 0);
}

#[test]
fn a_quota_ends_the_run() {
    let place = Place::new();
    place.server.faults().set(Schedule { quota_records: Some(0), ..Schedule::default() });
    let ended = place.migrate(&[]).in_order();
    assert_eq!(ended.code, 6, "{}", ended.stderr);
    assert!(ended.stderr.contains("quota"), "{}", ended.stderr);
}

#[test]
fn an_index_can_be_left_again() {
    let place = Place::new();
    place.migrate(&[]).succeeded();
    let inspected = place.run(&["inspect", "pinecone:docs", "--json"]).succeeded().json();
    assert_eq!((&inspected["rows"], &inspected["dimension"]), (&json!(156), &json!(384)), "{inspected}");
    let arguments = ["migrate", "pinecone:docs", "--to", "jsonl:back.jsonl", "--embed", "reuse", "--yes"];
    place.run(&arguments).succeeded();
    let back = lines(&place.folder.path().join("back.jsonl"));
    let wanted = place.wanted();
    assert_eq!((back.len(), wanted.len()), (156, 156));
    for row in back {
        let want = &wanted[row["id"].as_str().unwrap()];
        assert_eq!((&row["document"], &row["vector"]), (&want["document"], &want["vector"]));
        let own = want["metadata"].as_object().unwrap();
        assert!(own.iter().all(|(key, value)| same(&row["metadata"][key], value)), "{row}");
    }
}
