/*! Damaged stores: refused with the place and the count, or read as far as they are whole when that was asked for. */

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::Path;

use common::{cases, copy, expected, fixtures, pages, read, rows};
use serde_json::{Value, json};
use vecferry_plugin_llamaindex::LlamaIndexSource;
use vecferry_sdk::testing::folder_host;
use vecferry_sdk::{Error, ErrorKind, Host, SourcePlugin};

const DOCSTORE: &str = "docstore.json";
const INDEX_STORE: &str = "index_store.json";
const VECTORS: &str = "default__vector_store.json";
const ID_MAP: &str = "id_map.json";

/// What is done to one file of a fixture.
enum Damage {
    Remove,
    /// To so many bytes.
    Cut(usize),
    /// The first text by the second, once.
    Replace(&'static str, &'static str),
    Write(&'static [u8]),
}

struct Case {
    name: &'static str,
    fixture: &'static str,
    file: &'static str,
    damage: Damage,
    code: &'static str,
    /// Part of the message.
    says: &'static str,
    /// With `skip_unreadable`: records read and records unreadable, or the code of an error all the same.
    skipped: Result<(usize, usize), &'static str>,
}

impl Damage {
    fn inflict(&self, path: &Path) {
        match self {
            Damage::Remove => std::fs::remove_file(path).unwrap(),
            Damage::Cut(length) => {
                let bytes = std::fs::read(path).unwrap();
                std::fs::write(path, &bytes[..*length]).unwrap();
            }
            Damage::Replace(from, to) => {
                let bytes = std::fs::read(path).unwrap();
                let at = bytes.windows(from.len()).position(|window| window == from.as_bytes()).expect(from);
                let replaced = [&bytes[..at], to.as_bytes(), &bytes[at + from.len()..]].concat();
                std::fs::write(path, replaced).unwrap();
            }
            Damage::Write(bytes) => std::fs::write(path, bytes).unwrap(),
        }
    }
}

fn outcome(host: &Host, settings: &Value) -> Result<(usize, usize), Error> {
    let mut found = (0, 0);
    for page in pages(host, settings, 7)?.into_iter().flat_map(|(_, pages)| pages) {
        found.0 += rows(&page.rows).len();
        found.1 += page.unreadable.len();
    }
    Ok(found)
}

#[test]
fn damage_is_refused_with_its_place_and_passed_over_when_asked() {
    use Damage::{Cut, Remove, Replace, Write};
    let simple = "simple_0.14.25";
    let faiss = "faiss_0.14.25";
    let cases = [
        Case {
            name: "docstore cut off, simple",
            fixture: simple,
            file: DOCSTORE,
            damage: Cut(12_000),
            code: "llamaindex/json",
            says: "ends inside",
            // All vectors are there, some without their documents, and the damage itself is told.
            skipped: Ok((30, 1)),
        },
        Case {
            name: "docstore cut off, FAISS",
            fixture: faiss,
            file: DOCSTORE,
            damage: Cut(12_000),
            code: "llamaindex/json",
            says: "ends inside",
            skipped: Ok((17, 14)),
        },
        Case {
            name: "docstore missing beside an index store that names nodes",
            fixture: simple,
            file: DOCSTORE,
            damage: Remove,
            code: "llamaindex/missing-documents",
            says: "30 of 30 vectors belong to nodes that the docstore does not have: node-0, node-1, node-2, node-3, node-4, …",
            skipped: Ok((30, 0)),
        },
        Case {
            name: "docstore missing beside a FAISS index",
            fixture: faiss,
            file: DOCSTORE,
            damage: Remove,
            code: "llamaindex/missing-docstore",
            says: "the 30 vectors have neither text nor metadata",
            skipped: Err("llamaindex/missing-docstore"),
        },
        Case {
            name: "nodes missing, simple",
            fixture: "simple_missing_0.14.25",
            file: "graph_store.json",
            damage: Remove,
            code: "llamaindex/missing-documents",
            says: "2 of 10 vectors belong to nodes that the docstore does not have: node-2, node-7",
            skipped: Ok((10, 0)),
        },
        Case {
            name: "nodes missing, FAISS",
            fixture: "faiss_missing_0.14.25",
            file: "graph_store.json",
            damage: Remove,
            code: "llamaindex/missing-documents",
            says: "2 of 10 vectors belong to nodes that the docstore does not have: node-2 (vector 2), node-7 (vector 7)",
            skipped: Ok((8, 2)),
        },
        Case {
            name: "ids that FaissMapVectorStore gave twice",
            fixture: "faiss_map_shared_ids_0.14.25",
            file: "graph_store.json",
            damage: Remove,
            code: "llamaindex/shared-ids",
            says: "1 ids of the index were given to several nodes each, so that whose their vectors are cannot be told: 9",
            skipped: Ok((8, 2)),
        },
        Case {
            name: "vectors cut off",
            fixture: simple,
            file: VECTORS,
            damage: Cut(5_000),
            code: "llamaindex/json",
            says: "ends inside a value that began at",
            skipped: Ok((9, 1)),
        },
        Case {
            name: "vectors cut off at once",
            fixture: simple,
            file: VECTORS,
            damage: Cut(30),
            code: "llamaindex/json",
            says: "ends",
            skipped: Err("llamaindex/json"),
        },
        Case {
            name: "vector store empty",
            fixture: simple,
            file: VECTORS,
            damage: Write(b""),
            code: "llamaindex/empty",
            says: "the file is empty",
            skipped: Err("llamaindex/empty"),
        },
        Case {
            name: "vector store of another kind",
            fixture: simple,
            file: VECTORS,
            damage: Write(b"PK\x03\x04 something else entirely"),
            code: "llamaindex/vector-store",
            says: "neither JSON nor a FAISS index",
            skipped: Err("llamaindex/vector-store"),
        },
        Case {
            name: "vector store of another shape",
            fixture: simple,
            file: VECTORS,
            damage: Write(b"{\"vectors\": {\"node-0\": [1.0]}}"),
            code: "llamaindex/json",
            says: "no embedding_dict",
            skipped: Err("llamaindex/json"),
        },
        Case {
            name: "a vector with a value too few",
            fixture: simple,
            file: VECTORS,
            damage: Replace("\"node-3\": [", "\"node-3\": [0.5], \"more\": ["),
            code: "llamaindex/json",
            says: "1 of 31 vectors do not have 24 values, first that of node-3",
            skipped: Ok((30, 1)),
        },
        Case {
            name: "a vector with a word in it",
            fixture: simple,
            file: VECTORS,
            damage: Replace("\"node-3\": [", "\"node-3\": [null, "),
            code: "llamaindex/json",
            says: "1 of 30 vectors do not have 24 values",
            skipped: Ok((29, 1)),
        },
        Case {
            name: "a vector that is no list",
            fixture: simple,
            file: VECTORS,
            damage: Replace("\"node-3\": [", "\"node-3\": \"text\", \"more\": ["),
            code: "llamaindex/json",
            says: "a vector is due",
            skipped: Ok((3, 1)),
        },
        Case {
            name: "a node whose metadata is no object",
            fixture: simple,
            file: DOCSTORE,
            damage: Replace("\"embedding\": null, \"metadata\": {", "\"metadata\": [\"file\"], \"x\": {"),
            code: "llamaindex/json",
            says: "not an object",
            skipped: Ok((29, 1)),
        },
        Case {
            name: "a node whose text is a number",
            fixture: faiss,
            file: DOCSTORE,
            damage: Replace("\"text\": \"Text 4", "\"text\": 4, \"x\": \"Text 4"),
            code: "llamaindex/json",
            says: "'\"' is due here, not '4'",
            skipped: Ok((29, 1)),
        },
        Case {
            name: "an index cut off",
            fixture: faiss,
            file: VECTORS,
            damage: Cut(1_000),
            code: "file/corrupt",
            says: "",
            skipped: Err("file/corrupt"),
        },
        Case {
            name: "index store missing",
            fixture: faiss,
            file: INDEX_STORE,
            damage: Remove,
            code: "llamaindex/no-map",
            says: "there is no index_store.json",
            skipped: Err("llamaindex/no-map"),
        },
        Case {
            name: "index store cut off inside its inner JSON",
            fixture: faiss,
            file: INDEX_STORE,
            damage: Cut(400),
            code: "llamaindex/json",
            says: "ends inside a string",
            skipped: Err("llamaindex/json"),
        },
        Case {
            name: "inner JSON that ends too early",
            fixture: faiss,
            file: INDEX_STORE,
            damage: Replace("\\\"9\\\":", "\"}}, \"x\": {\"y\": {\"z\": \"\\\"9\\\":"),
            code: "llamaindex/json",
            says: "ends where more is due",
            skipped: Err("llamaindex/json"),
        },
        Case {
            name: "a position is missing from the map",
            fixture: faiss,
            file: INDEX_STORE,
            damage: Replace("\\\"29\\\": \\\"node-29\\\"", "\\\"x\\\": \\\"node-29\\\""),
            code: "llamaindex/counts",
            says: "the index holds 30 vectors, but its map names 29",
            skipped: Err("llamaindex/counts"),
        },
        Case {
            name: "a position that the index does not have",
            fixture: faiss,
            file: INDEX_STORE,
            damage: Replace("\\\"29\\\":", "\\\"290\\\":"),
            code: "llamaindex/positions",
            says: "the index names vector 29, which its map does not name",
            skipped: Err("llamaindex/positions"),
        },
        Case {
            name: "one position, two nodes",
            fixture: "faiss_two_indexes_0.14.25",
            file: INDEX_STORE,
            damage: Replace("\\\"30\\\":", "\\\"3\\\":"),
            code: "llamaindex/positions",
            says: "position 3 to different nodes",
            skipped: Err("llamaindex/positions"),
        },
        Case {
            name: "id map missing",
            fixture: "faiss_map_0.14.25",
            file: ID_MAP,
            damage: Remove,
            code: "llamaindex/no-map",
            says: "there is no id_map.json",
            skipped: Err("llamaindex/no-map"),
        },
        Case {
            name: "id map cut off",
            fixture: "faiss_map_0.12.52",
            file: ID_MAP,
            damage: Cut(700),
            code: "llamaindex/json",
            says: "",
            skipped: Err("llamaindex/json"),
        },
        Case {
            name: "id map that would be run",
            fixture: "faiss_map_0.12.52",
            file: ID_MAP,
            damage: Write(b"__import__('os').system('touch HOSTILE_MARKER')"),
            code: "llamaindex/json",
            says: "'{' is due here, not '_'",
            skipped: Err("llamaindex/json"),
        },
        Case {
            name: "an id that is no number",
            fixture: "faiss_map_0.14.25",
            file: ID_MAP,
            damage: Replace("\"node-5\": 5", "\"node-5\": \"five\""),
            code: "llamaindex/json",
            says: "no id of an index",
            skipped: Err("llamaindex/json"),
        },
        Case {
            name: "an id map of another state",
            fixture: "faiss_map_0.14.25",
            file: ID_MAP,
            damage: Replace("\"node-5\": 5, ", ""),
            code: "",
            says: "",
            // The vector stays behind, as that of a node that was given another one.
            skipped: Ok((22, 0)),
        },
    ];
    for case in cases {
        let folder = copy(case.fixture);
        case.damage.inflict(&folder.path().join(case.file));
        let host = folder_host(folder.path());
        match outcome(&host, &json!({})) {
            Err(error) => {
                assert_eq!(error.code, case.code, "{}: {error}", case.name);
                assert!(error.message.contains(case.says), "{}: {error}", case.name);
                let unsupported = case.code == "llamaindex/vector-store";
                let kind = if unsupported { ErrorKind::Unsupported } else { ErrorKind::Corrupt };
                assert_eq!(error.kind, kind, "{}", case.name);
                let alone = case.says == "there is no index_store.json";
                assert!(alone || error.context("file").is_some(), "{}: {error}", case.name);
            }
            Ok(_) => assert_eq!(case.code, "", "{} was read", case.name),
        }
        let skipped = outcome(&host, &json!({"skip_unreadable": true}));
        match (case.skipped, skipped) {
            (Ok(want), Ok(got)) => assert_eq!(got, want, "{}", case.name),
            (Err(code), Err(error)) => assert_eq!(error.code, code, "{}: {error}", case.name),
            (want, got) => panic!("{}: {got:?} instead of {want:?}", case.name),
        }
        assert!(!folder.path().join("HOSTILE_MARKER").exists());
    }
}

#[test]
fn what_the_library_wrote_and_nobody_can_read_whole_is_refused() {
    let cases = cases(false);
    assert!(cases.len() >= 3, "{cases:?}");
    for case in cases {
        let error = LlamaIndexSource::discover(&folder_host(&case.join("storage")), &json!({})).unwrap_err();
        assert!(error.kind == ErrorKind::Corrupt && error.hint.is_some(), "{}: {error}", case.display());
    }
}

#[test]
fn a_vector_without_its_node_keeps_the_metadata_that_the_vector_store_has() {
    let folder = copy("simple_missing_0.14.25");
    let host = folder_host(folder.path());
    let page = pages(&host, &json!({"skip_unreadable": true}), 100).unwrap().remove(0).1.remove(0);
    let records = rows(&page.rows);
    let missing: Vec<_> = records.iter().filter(|(_, record)| record.text.is_none()).collect();
    let ids: Vec<&str> = missing.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["node-2", "node-7"]);
    assert_eq!(
        missing[0].1.metadata,
        r#"{"file": "f2.md", "page": 2, "score": 0.2857142857142857, "tags": ["a", "2"]}"#
    );
    assert_eq!((page.changes[0].code.as_str(), page.changes[0].records), ("document/missing", 2));
}

#[test]
fn unreadable_records_are_named_and_the_damage_comes_last() {
    let folder = copy("faiss_0.14.25");
    Damage::Cut(12_000).inflict(&folder.path().join(DOCSTORE));
    let host = folder_host(folder.path());
    let pages = pages(&host, &json!({"skip_unreadable": true}), 4).unwrap().remove(0).1;
    let unreadable: Vec<_> = pages.iter().flat_map(|page| &page.unreadable).collect();
    let ids: Vec<&str> = unreadable.iter().map(|record| record.id.as_str()).collect();
    let mut want: Vec<String> = (17..30).map(|at| format!("node-{at}")).collect();
    want.push(DOCSTORE.to_owned());
    assert_eq!(ids, want);
    let last = &unreadable.last().unwrap().reason;
    assert_eq!((last.code.as_str(), last.context("offset")), ("llamaindex/json", Some("12000")), "{last}");
}

#[test]
fn members_that_come_twice_count_as_python_counts_them() {
    let folder = copy("simple_0.14.25");
    let twice = |file: &str, from: &'static str, to: &'static str| {
        Damage::Replace(from, to).inflict(&folder.path().join(file));
    };
    twice(DOCSTORE, "{\"node-0\":", "{\"node-0\": {\"__data__\": {\"text\": \"old\", \"metadata\": {}}}, \"node-0\":");
    twice(
        VECTORS,
        "{\"node-0\": [",
        "{\"node-0\": [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4], \"node-0\": [",
    );
    let want = expected(&fixtures().join("simple_0.14.25"));
    assert_eq!(read(&folder_host(folder.path()), &json!({}), 10).unwrap(), want);
}

#[test]
fn nodes_in_older_and_looser_forms_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let docstore = r#" {
        "mine/metadata": {"a": {"doc_hash": "x"}},
        "mine/data": {
            "flat": {"text": "flat", "metadata": {"k": 1}},
            "type first": {"__type__": "1", "__data__": {"text": "typed", "extra_info": null, "metadata": null}},
            "legacy": {"__data__": {"doc_id": "legacy", "text": "old", "extra_info": {"k": 2}, "metadata": {"not": "this"}}},
            "resource": {"__data__": {"text": "not this", "text_resource": {"text": "this", "url": null}}},
            "empty resource": {"__data__": {"text": "kept", "text_resource": {"text": null}}},
            "no text": {"__data__": {"text": null, "image": "aGVsbG8="}},
            "half \ud83d": {"__data__": {"text": "\ud83d\ude00 \ude00"}}
        }
    }"#;
    std::fs::write(folder.path().join(DOCSTORE), docstore).unwrap();
    let page = pages(&folder_host(folder.path()), &json!({}), 100).unwrap().remove(0).1.remove(0);
    let found: Vec<(String, Option<String>, String)> =
        rows(&page.rows).into_iter().map(|(id, record)| (id, record.text, record.metadata)).collect();
    let row =
        |id: &str, text: Option<&str>, metadata: &str| (id.to_owned(), text.map(str::to_owned), metadata.to_owned());
    let want = [
        row("flat", Some("flat"), "{\"k\": 1}"),
        row("type first", Some("typed"), "{}"),
        row("legacy", Some("old"), "{\"k\": 2}"),
        row("resource", Some("this"), "{}"),
        row("empty resource", Some("kept"), "{}"),
        row("no text", None, "{}"),
        row("half \u{fffd}", Some("😀 \u{fffd}"), "{}"),
    ];
    assert_eq!(found, want);
    assert_eq!((page.changes[0].code.as_str(), page.changes[0].records), ("text/surrogate-replaced", 1));
}
