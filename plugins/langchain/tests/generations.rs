/*!
Stores that LangChain 0.0.120 to 0.4 saved, over several kinds of index, and pickles that are no docstores.
*/
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../pickle/tests/common/mod.rs"]
mod common;

use common::{cases, compare, floats, granted, read};
use serde_json::{Value, json};
use vecferry_plugin_langchain::LangchainSource;
use vecferry_sdk::SourcePlugin;
use vecferry_sdk::testing::folder_host;

#[test]
fn stores_of_the_library() {
    for case in cases("langchain_faiss") {
        let matrix = std::fs::read(case.join("expected.f32")).unwrap();
        let values: Vec<f32> = matrix.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        for rows in [7, 1000] {
            let found = read::<LangchainSource>(&granted::<LangchainSource>(&case), &json!({}), rows).unwrap();
            compare(&case, &found);
            let all: Vec<f32> = found.iter().flat_map(|record| floats(&record["vector"])).collect();
            assert_eq!(all, values, "{}", case.display());
        }
    }
}

#[test]
fn stores_of_more_generations() {
    let cases = cases("langchain_stores");
    assert!(cases.len() > 40);
    for case in cases {
        let host = granted::<LangchainSource>(&case);
        let mut found = match read::<LangchainSource>(&host, &json!({}), 5) {
            Ok(found) => found,
            Err(error) => panic!("{}: {error}", case.display()),
        };
        // An IVF index gives its records list by list.
        let order: Vec<String> = std::fs::read_to_string(case.join("expected.jsonl"))
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned())
            .collect();
        if case.to_string_lossy().ends_with("ivf") {
            found.sort_by_key(|record| order.iter().position(|id| record["id"] == id.as_str()));
        }
        compare(&case, &found);
    }
}

/// A store of two rows whose pickle is put together of opcodes.
fn made(docstore: &str, numbers: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut index = b"IxF2".to_vec();
    index.extend(1_i32.to_le_bytes());
    index.extend([2_i64.to_le_bytes(), (1_i64 << 20).to_le_bytes(), (1_i64 << 20).to_le_bytes()].concat());
    index.extend([1, 1, 0, 0, 0]);
    index.extend([2_u64.to_le_bytes(), [0; 8]].concat());
    std::fs::write(folder.path().join("index.faiss"), index).unwrap();
    std::fs::write(folder.path().join("index.pkl"), format!("({docstore}{numbers}t.")).unwrap();
    folder
}

/// `InMemoryDocstore` around these `'id': document` pairs, in opcodes of protocol 0.
fn docstore(entries: &str) -> String {
    format!("clangchain.docstore.in_memory\nInMemoryDocstore\n(tR(V_dict\n(dp1\n{entries}db")
}

fn document(text: &str) -> String {
    format!("clangchain.schema\nDocument\n(tR(Vpage_content\nV{text}\ndb")
}

fn entry(id: &str, value: &str) -> String {
    format!("V{id}\n{value}s")
}

#[test]
fn pickles_that_are_no_docstores_are_refused() {
    let two = docstore(&(entry("a", &document("x")) + &entry("b", &document("y"))));
    let numbers = "(dI0\nVa\nsI1\nVb\ns";
    let call = "cposix\nsystem\n(Vtouch HOSTILE_MARKER\ntR";
    assert_eq!(
        LangchainSource::discover(&folder_host(made(&two, numbers).path()), &json!({})).unwrap()[0].rows,
        Some(2)
    );
    for (name, docstore, numbers, code, says) in [
        ("a call as docstore", call, numbers, "pickle/opaque", "posix.system"),
        ("a call as map", &two, call, "pickle/opaque", "posix.system"),
        (
            "a call as document",
            &docstore(&(entry("a", call) + &entry("b", call))),
            numbers,
            "pickle/opaque",
            "posix.system",
        ),
        ("no documents", "(d", numbers, "langchain/docstore", "not an InMemoryDocstore"),
        ("another docstore", "cother.module\nInMemoryDocstore\n(tR", numbers, "pickle/opaque", "other.module"),
        (
            "a text as document",
            &docstore(&(entry("a", "Vx\n") + &entry("b", "Vy\n"))),
            numbers,
            "langchain/document",
            "expected a Document",
        ),
        (
            "a document is missing",
            &docstore(&entry("a", &document("x"))),
            numbers,
            "langchain/missing-documents",
            "b (position 1)",
        ),
        ("an id twice", &two, "(dI0\nVa\nsI1\nVa\ns", "langchain/duplicate-id", "'a'"),
        ("a list for an id", &two, "(dI0\nVa\nsI1\n(ls", "langchain/id", "no document id"),
        ("a text for a number", &two, "(dI0\nVa\nsVb\nVb\ns", "langchain/positions", "no position"),
        ("a row twice", &two, "(dI0\nVa\nsI0\nVb\ns", "langchain/positions", "a position comes twice"),
        ("a list", &two, "(l", "langchain/shape", "a dict of positions"),
    ] {
        let folder = made(docstore, numbers);
        let error = LangchainSource::discover(&folder_host(folder.path()), &json!({})).unwrap_err();
        assert_eq!(error.code, code, "{name}: {error}");
        assert!(error.to_string().contains(says), "{name}: {error}");
        assert_eq!(error.context("file"), Some("index.pkl"), "{name}");
    }
}

#[test]
fn rows_may_be_numbered_in_any_order() {
    let two = docstore(&(entry("a", &document("x")) + &entry("b", &document("y"))));
    let folder = made(&two, "(dI1\nVa\nsI0\nVb\ns");
    let found = read::<LangchainSource>(&folder_host(folder.path()), &json!({}), 1).unwrap();
    assert_eq!((&found[0]["id"], &found[0]["text"]), (&json!("b"), &json!("y")));
    assert_eq!((&found[1]["id"], &found[1]["text"]), (&json!("a"), &json!("x")));
}

#[test]
fn documents_that_only_code_could_make_are_refused_or_set_aside() {
    let hostile = "clangchain.schema\nDocument\n(tR(Vpage_content\nVx\nVmetadata\n(dVk\ncposix\nsystem\n(Vid\ntRsdb";
    let folder = made(&docstore(&(entry("a", hostile) + &entry("b", &document("y")))), "(dI0\nVa\nsI1\nVb\ns");
    let host = folder_host(folder.path());
    let error = LangchainSource::discover(&host, &json!({})).unwrap_err();
    assert_eq!(error.code, "pickle/opaque");
    assert_eq!(error.context("node"), Some("[0].state['_dict']['a'].state['metadata']['k']"), "{error}");

    let config = json!({"skip_unreadable": true});
    assert_eq!(LangchainSource::discover(&host, &config).unwrap()[0].rows, Some(2));
    let split = LangchainSource::plan(&host, &config, "index", 1).unwrap().remove(0);
    let page = LangchainSource::open(&host, &config, &split, None).unwrap().next(10, 1 << 20).unwrap().unwrap();
    assert_eq!(page.rows.ids, ["b"]);
    assert_eq!(page.unreadable[0].id, "a");
}
