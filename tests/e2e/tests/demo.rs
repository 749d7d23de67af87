/*! The main job: a real folder, through a WASM source, the built-in embedder and a native sink, and back. */

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

use serde_json::json;
use vecferry_e2e::{demo_store, lines, tree, vecferry};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn store() -> String {
    demo_store().to_string_lossy().into_owned()
}

#[test]
fn the_demo_store_arrives_once_and_can_be_searched() {
    let folder = folder();
    let before = tree(&demo_store());
    let arguments = ["migrate", &store(), "--to", "sqlite:demo.db", "--namespace", "default", "--yes", "--json"];
    let summary = vecferry(folder.path(), &arguments).succeeded().json();
    assert_eq!(tree(&demo_store()), before, "the source was changed");
    let counts = &summary["counts"];
    assert_eq!(counts["migrated"], 156, "{summary}");
    assert_eq!(counts["embedded"], 156);
    assert_eq!(counts["rejected"], 0);
    assert_eq!(counts["duplicates"], 156, "the Chroma store holds the same documents: {summary}");
    assert_eq!(summary["verification"]["compared"], 156);
    assert_eq!(summary["verification"]["differences"], json!([]));

    let inspected = vecferry(folder.path(), &["inspect", "demo.db", "--json"]).succeeded().json();
    assert_eq!((&inspected["rows"], &inspected["dimension"]), (&json!(156), &json!(384)), "{inspected}");

    let hits = vecferry(folder.path(), &["search", "demo.db", "what does section 42 say?", "--json"]).succeeded();
    let first: serde_json::Value = serde_json::from_str(hits.stdout.lines().next().unwrap()).unwrap();
    assert!(first["document"].as_str().unwrap().starts_with("Section 42:"), "{}", hits.stdout);
    assert!(first["id"].as_str().unwrap().starts_with("default_docs/manual_"), "{first}");
    assert_eq!(hits.stdout.lines().count(), 5);
}

#[test]
fn migrating_again_changes_nothing() {
    let folder = folder();
    let arguments =
        ["migrate", &store(), "--to", "sqlite:demo.db", "--only", "pickle", "--embed", "reuse", "--yes", "--json"];
    vecferry(folder.path(), &arguments).succeeded();
    let again = vecferry(folder.path(), &arguments).succeeded().json();
    assert_eq!(again["counts"]["migrated"], 156);
    let inspected = vecferry(folder.path(), &["inspect", "demo.db", "--json"]).succeeded();
    assert_eq!(inspected.json()["rows"], 156);
}

#[test]
fn what_was_written_to_the_database_reads_back_bit_equal() {
    let folder = folder();
    let run = |arguments: &[&str]| vecferry(folder.path(), arguments).succeeded();
    run(&["migrate", &store(), "--to", "jsonl:direct.jsonl", "--only", "pickle", "--embed", "reuse", "--yes"]);
    run(&["migrate", &store(), "--to", "sqlite:there.db", "--only", "pickle", "--embed", "reuse", "--yes"]);
    run(&["migrate", "there.db", "--to", "jsonl:back.jsonl", "--embed", "reuse", "--yes"]);
    let sorted = |name: &str| {
        let mut rows = lines(&folder.path().join(name));
        rows.sort_by_key(|row| row["id"].as_str().unwrap().to_owned());
        rows
    };
    let direct = sorted("direct.jsonl");
    assert_eq!(direct.len(), 156);
    assert_eq!(direct[0]["vector"].as_array().unwrap().len(), 384);
    assert_eq!(direct, sorted("back.jsonl"));
}

#[test]
fn a_dry_run_writes_nothing_and_tells_what_would_happen() {
    let folder = folder();
    let ended = vecferry(folder.path(), &["migrate", &store(), "--to", "sqlite:demo.db", "--dry-run"]).succeeded();
    assert!(ended.stdout.contains("Would move  156 of 156"), "{}", ended.stdout);
    assert!(ended.stdout.contains("nothing was written"), "{}", ended.stdout);
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn inspect_names_every_store_of_the_folder() {
    let folder = folder();
    let ended = vecferry(folder.path(), &["inspect", &store(), "--json"]).succeeded();
    let found: BTreeSet<(String, Option<u64>, Option<u64>)> = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|c| (c["plugin"].as_str().unwrap().to_owned(), c["rows"].as_u64(), c["dimension"].as_u64()))
        .collect();
    let expected = [("chroma", 156, 384), ("faiss", 156, 512), ("pickle", 156, 384)];
    let expected = expected.map(|(plugin, rows, dimension)| (plugin.to_owned(), Some(rows), Some(dimension)));
    assert_eq!(found, expected.into_iter().collect());
}

#[test]
fn vectors_without_documents_are_set_aside_by_name_and_can_be_moved() {
    let folder = folder();
    let dry = vecferry(folder.path(), &["migrate", &store(), "--to", "jsonl:out.jsonl", "--dry-run", "--json"])
        .succeeded()
        .json();
    let aside = dry["set_aside"][0].as_str().unwrap();
    assert!(aside.contains("image.index"), "{aside}");
    let arguments =
        ["migrate", &store(), "--to", "jsonl:image.jsonl", "--only", "image.index", "--embed", "reuse", "--yes"];
    vecferry(folder.path(), &arguments).succeeded();
    let rows = lines(&folder.path().join("image.jsonl"));
    assert_eq!((rows.len(), rows[0]["vector"].as_array().unwrap().len()), (156, 512));
}
