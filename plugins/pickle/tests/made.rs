/*! Stores made in the test: what their names, settings and disagreements lead to. */
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::Path;

use common::read;
use serde_json::{Value, json};
use vecferry_plugin_pickle::PickleSource;
use vecferry_sdk::testing::folder_host;
use vecferry_sdk::{ErrorKind, IdOrigin, SourcePlugin};

/// A pickle of protocol 4: opcodes put together.
fn pickle(body: &[u8]) -> Vec<u8> {
    [b"\x80\x04", body, b"."].concat()
}

fn text(text: &str) -> Vec<u8> {
    let mut out = vec![b'X'];
    out.extend(u32::try_from(text.len()).unwrap().to_le_bytes());
    out.extend(text.as_bytes());
    out
}

fn list(items: &[Vec<u8>]) -> Vec<u8> {
    [b"](".to_vec(), items.concat(), b"e".to_vec()].concat()
}

fn dict(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let entries = entries.iter().map(|(key, value)| [text(key), value.clone()].concat());
    [b"}(".to_vec(), entries.collect::<Vec<_>>().concat(), b"u".to_vec()].concat()
}

fn texts(count: usize) -> Vec<u8> {
    list(&(0..count).map(|i| text(&format!("text {i}"))).collect::<Vec<_>>())
}

/// `os.system('touch HOSTILE_MARKER')`, as a value.
fn call() -> Vec<u8> {
    [b"cposix\nsystem\n".to_vec(), text("touch HOSTILE_MARKER"), b"\x85R".to_vec()].concat()
}

/// Least confidence and files.
type Claims<'a> = Vec<(u8, Vec<&'a str>)>;
/// Names and contents.
type Files<'a> = Vec<(&'a str, Vec<u8>)>;

fn store(files: &[(&str, Vec<u8>)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    folder
}

/// A flat index of `rows` zero vectors of two values.
fn index(rows: u8) -> Vec<u8> {
    let mut out = b"IxF2".to_vec();
    out.extend(2_i32.to_le_bytes());
    out.extend(i64::from(rows).to_le_bytes());
    out.extend([(1_i64 << 20).to_le_bytes(), (1_i64 << 20).to_le_bytes()].concat());
    out.push(1);
    out.extend(1_i32.to_le_bytes());
    out.extend((u64::from(rows) * 2).to_le_bytes());
    out.extend(vec![0; usize::from(rows) * 8]);
    out
}

fn discover(folder: &Path, config: &Value) -> vecferry_sdk::Result<Vec<vecferry_sdk::Collection>> {
    PickleSource::discover(&folder_host(folder), config)
}

#[test]
fn parts_that_do_not_fit_are_refused_with_both_numbers() {
    let dicts = |count: usize| list(&(0..count).map(|_| dict(&[("k", b"K\x01".to_vec())])).collect::<Vec<_>>());
    for (name, files, numbers) in [
        (
            "metadata",
            vec![("text.pkl", pickle(&texts(5))), ("metadata.pkl", pickle(&dicts(6)))],
            ["5 texts", "6 metadata"],
        ),
        ("index", vec![("text.pkl", pickle(&texts(5))), ("text.index", index(4))], ["5 texts", "4 vectors"]),
        ("one file", vec![("d.pkl", pickle(&dict(&[("texts", texts(2)), ("ids", texts(3))])))], ["2 texts", "3 ids"]),
    ] {
        let folder = store(&files);
        let error = discover(folder.path(), &json!({})).unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Corrupt, "pickle/counts"), "{name}: {error}");
        for number in numbers {
            assert!(error.message.contains(number), "{name}: {error}");
        }
    }
}

#[test]
fn files_are_claimed_by_their_names_and_first_bytes() {
    let list_of_texts = || pickle(&texts(3));
    // files, claims: confidence at least, files
    let table: Vec<(&str, Files<'_>, Claims<'_>)> = vec![
        (
            "pair",
            vec![("text.pkl", list_of_texts()), ("metadata.pkl", list_of_texts())],
            vec![(90, vec!["metadata.pkl", "text.pkl"])],
        ),
        ("alone", vec![("chunks.pkl", list_of_texts())], vec![(60, vec!["chunks.pkl"])]),
        (
            "prefixes",
            vec![
                ("a_texts.pkl", list_of_texts()),
                ("a_metadata.pkl", list_of_texts()),
                ("b-text.pkl", list_of_texts()),
                ("b-embeddings.pickle", list_of_texts()),
            ],
            vec![(90, vec!["a_metadata.pkl", "a_texts.pkl"]), (90, vec!["b-embeddings.pickle", "b-text.pkl"])],
        ),
        (
            "own index before others",
            vec![("text.pkl", list_of_texts()), ("text.index", index(3)), ("image.index", index(3))],
            vec![(90, vec!["text.index", "text.pkl"])],
        ),
        (
            "an index of another name is another's",
            vec![("text.pkl", list_of_texts()), ("image.index", index(3))],
            vec![(60, vec!["text.pkl"])],
        ),
        (
            "a general index",
            vec![("docs.pkl", list_of_texts()), ("faiss_index.faiss", index(3))],
            vec![(90, vec!["docs.pkl", "faiss_index.faiss"])],
        ),
        (
            "an index that is none",
            vec![("docs.pkl", list_of_texts()), ("docs.index", b"nothing of the kind".to_vec())],
            vec![(60, vec!["docs.pkl"])],
        ),
        (
            "LangChain's index is LangChain's",
            vec![
                ("docs.pkl", list_of_texts()),
                ("index.faiss", index(3)),
                ("index.pkl", pickle(b"clangchain.docstore.in_memory\nInMemoryDocstore\n)\x81N\x86")),
            ],
            vec![(60, vec!["docs.pkl"]), (1, vec!["index.pkl"])],
        ),
        (
            "parts of the texts",
            vec![("text_chunks.pkl", list_of_texts()), ("chunk_embeddings.pkl", list_of_texts())],
            vec![(90, vec!["chunk_embeddings.pkl", "text_chunks.pkl"])],
        ),
        ("a word inside another", vec![("context.pkl", list_of_texts())], vec![(1, vec!["context.pkl"])]),
        ("unknown", vec![("model.pkl", pickle(b"csklearn.svm\nSVC\n)R"))], vec![(1, vec!["model.pkl"])]),
        ("no pickle", vec![("text.pkl", b"\x1f\x8b\x08nothing".to_vec())], vec![(50, vec!["text.pkl"])]),
        (
            "folders",
            vec![("a/text.pkl", list_of_texts()), ("b/metadata.pkl", list_of_texts())],
            vec![(60, vec!["a/text.pkl"]), (60, vec!["b/metadata.pkl"])],
        ),
        (
            "a Chroma segment",
            vec![("s/index_metadata.pickle", list_of_texts()), ("s/data_level0.bin", vec![0])],
            vec![],
        ),
        ("other endings", vec![("text.json", b"[]".to_vec()), ("text.npy", vec![1])], vec![]),
    ];
    for (name, files, expected) in table {
        let folder = store(&files);
        let mut claims = PickleSource::detect(&folder_host(folder.path())).unwrap();
        claims.sort_by(|a, b| a.files.cmp(&b.files));
        let found: Vec<Vec<&str>> =
            claims.iter().map(|claim| claim.files.iter().map(String::as_str).collect()).collect();
        let files: Vec<Vec<&str>> = expected.iter().map(|(_, files)| files.clone()).collect();
        assert_eq!(found, files, "{name}");
        for (claim, (least, _)) in claims.iter().zip(&expected) {
            assert!(claim.confidence >= *least, "{name}: {claim:?}");
            assert!(*least > 1 || claim.confidence < 50, "{name}: {claim:?}");
        }
    }
}

#[test]
fn records_that_only_code_could_make_refuse_the_store_or_are_set_aside() {
    let entry = |value: Vec<u8>| dict(&[("text", text("t")), ("k", value)]);
    let records = list(&[entry(b"K\x01".to_vec()), entry(call()), entry(b"K\x02".to_vec())]);
    let folder = store(&[("data.pkl", pickle(&records))]);
    let error = discover(folder.path(), &json!({})).unwrap_err();
    assert_eq!((error.code.as_str(), error.context("node")), ("pickle/opaque", Some("[1]['k']")), "{error}");
    assert!(error.message.contains("posix.system"), "{error}");

    let config = json!({"skip_unreadable": true});
    let host = folder_host(folder.path());
    assert_eq!(PickleSource::discover(&host, &config).unwrap()[0].rows, Some(3));
    let split = PickleSource::plan(&host, &config, "data", 1).unwrap().remove(0);
    let page = PickleSource::open(&host, &config, &split, None).unwrap().next(10, 1 << 20).unwrap().unwrap();
    assert_eq!(page.rows.ids, ["0", "2"]);
    assert_eq!(page.unreadable.len(), 1);
    assert_eq!((page.unreadable[0].id.as_str(), page.unreadable[0].reason.code.as_str()), ("1", "pickle/opaque"));
    assert!(!folder.path().join("HOSTILE_MARKER").exists() && !Path::new("HOSTILE_MARKER").exists());
}

#[test]
fn tuples_that_cannot_be_told_apart_need_a_setting() {
    let pairs: Vec<Vec<u8>> =
        (0..3).map(|i| [text(&format!("a{i}")), text(&format!("b{i}")), b"\x86".to_vec()].concat()).collect();
    let folder = store(&[("data.pkl", pickle(&list(&pairs)))]);
    let error = discover(folder.path(), &json!({})).unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Config, "pickle/ambiguous"), "{error}");
    assert!(error.hint.unwrap().contains("--set columns="));
    let found = read::<PickleSource>(&folder_host(folder.path()), &json!({"columns": "id,text"}), 10).unwrap();
    assert_eq!(found[1], json!({"id": "a1", "text": "b1", "metadata": {}, "vector": null}));
    let found = read::<PickleSource>(&folder_host(folder.path()), &json!({"columns": "text,source"}), 10).unwrap();
    assert_eq!(found[1], json!({"id": "1", "text": "a1", "metadata": {"column_1": "b1"}, "vector": null}));
}

#[test]
fn a_setting_names_the_key_of_the_texts() {
    let record = |i: usize| dict(&[("inhalt", text(&format!("t{i}"))), ("k", b"K\x01".to_vec())]);
    let records = list(&[record(0), record(1)]);
    let folder = store(&[("data.pkl", pickle(&records))]);
    let error = discover(folder.path(), &json!({})).unwrap_err();
    assert!(error.hint.unwrap().contains("--set text=KEY"));
    let found = read::<PickleSource>(&folder_host(folder.path()), &json!({"text": "inhalt"}), 10).unwrap();
    assert_eq!(found[1], json!({"id": "1", "text": "t1", "metadata": {"k": 1}, "vector": null}));

    let folder = store(&[("texts.pkl", pickle(&records))]);
    let error = discover(folder.path(), &json!({})).unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Config, "pickle/no-text"), "{error}");

    let folder = store(&[("data.pkl", pickle(&dict(&[("inhalt", texts(2)), ("autor", texts(2))])))]);
    let found = read::<PickleSource>(&folder_host(folder.path()), &json!({"text": "inhalt"}), 10).unwrap();
    assert_eq!(found[1], json!({"id": "1", "text": "text 1", "metadata": {"autor": "text 1"}, "vector": null}));
}

#[test]
fn ids_must_be_ids() {
    let ids = |ids: &[&str]| list(&ids.iter().map(|id| text(id)).collect::<Vec<_>>());
    let columns = |ids: Vec<u8>| pickle(&dict(&[("texts", texts(3)), ("ids", ids)]));
    let folder = store(&[("data.pkl", columns(ids(&["a", "b", "a"])))]);
    let error = discover(folder.path(), &json!({})).unwrap_err();
    assert_eq!(error.code, "pickle/id");
    assert!(error.message.contains("rows 0 and 2") && error.message.contains("'a'"), "{error}");

    let folder = store(&[("data.pkl", columns(ids(&["a", "b", "c"])))]);
    assert_eq!(discover(folder.path(), &json!({})).unwrap()[0].id_origin, IdOrigin::Store);

    let record = |id: &str| dict(&[("id", text(id)), ("text", text("t"))]);
    let folder = store(&[("data.pkl", pickle(&list(&[record("a"), record("a")])))]);
    let collection = discover(folder.path(), &json!({})).unwrap().remove(0);
    assert_eq!(collection.id_origin, IdOrigin::Position);
    assert!(collection.details.iter().any(|(key, why)| key == "ids" && why.contains("rows 0 and 1")));
}

#[test]
fn vectors_of_different_lengths_are_refused() {
    let float = |value: f64| [b"G".to_vec(), value.to_be_bytes().to_vec()].concat();
    let vector = |len: usize| list(&(0..len).map(|i| float(i as f64)).collect::<Vec<_>>());
    let folder = store(&[("embeddings.pkl", pickle(&list(&[vector(4), vector(4), vector(8)])))]);
    let error = discover(folder.path(), &json!({})).unwrap_err();
    assert_eq!((error.code.as_str(), error.context("node")), ("pickle/dimension", Some("[2]")), "{error}");
    assert!(error.message.contains("has 8 values") && error.message.contains(" 4"), "{error}");
}

#[test]
fn what_is_none_of_the_shapes_is_refused_with_the_shapes() {
    for (name, body, code, node) in [
        ("a number", b"K\x07".to_vec(), "pickle/shape", "(the whole value)"),
        ("a text", text("x"), "pickle/shape", "(the whole value)"),
        ("numbers", list(&[b"K\x01".to_vec()]), "pickle/shape", "[0]"),
        ("one record", dict(&[("text", text("x")), ("source", text("y"))]), "pickle/shape", "(the whole value)"),
        ("a call", call(), "pickle/opaque", "(the whole value)"),
        ("a call in a list", list(&[call()]), "pickle/opaque", "[0]"),
        ("a text then a call", list(&[text("x"), call()]), "pickle/opaque", "[1]"),
        ("a name", b"cos\nsystem\n".to_vec(), "pickle/opaque", "(the whole value)"),
        ("a call of a call", [b"cbuiltins\ngetattr\n)R)R".to_vec()].concat(), "pickle/opaque", "(the whole value)"),
        ("a column of calls", dict(&[("texts", texts(2)), ("embeddings", call())]), "pickle/opaque", "['embeddings']"),
        ("a text then a number", list(&[text("x"), b"K\x01".to_vec()]), "pickle/shape", "[1]"),
    ] {
        let folder = store(&[("data.pkl", pickle(&body))]);
        let error = discover(folder.path(), &json!({})).unwrap_err();
        assert_eq!((error.code.as_str(), error.context("node")), (code, Some(node)), "{name}: {error}");
        assert_eq!(error.context("file"), Some("data.pkl"), "{name}");
    }
}

#[test]
fn files_that_are_no_pickles_say_what_they_are() {
    for (bytes, says) in [
        (b"\x1f\x8b\x08\0".to_vec(), "gzip"),
        (b"PK\x03\x04rest".to_vec(), "torch.save"),
        (b"\x93NUMPY\x01\0".to_vec(), ".npy"),
        (b"{}".to_vec(), "no pickle opcode"),
        (b"hello".to_vec(), "no valid pickle"),
        (Vec::new(), "empty"),
    ] {
        let folder = store(&[("text.pkl", bytes)]);
        let error = discover(folder.path(), &json!({})).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Corrupt, "{error}");
        assert!(error.message.contains(says), "{error}");
    }
}

#[test]
fn a_list_of_langchain_documents() {
    let document = |text_: &str, id: &[u8]| {
        let attributes = [
            text("page_content"),
            text(text_),
            text("metadata"),
            dict(&[("source", text("s"))]),
            text("id"),
            id.to_vec(),
        ];
        // Pydantic keeps the attributes in the state's `__dict__`.
        let state = [b"}".to_vec(), text("__dict__"), b"}(".to_vec(), attributes.concat(), b"us".to_vec()].concat();
        [b"clangchain_core.documents.base\nDocument\n)\x81".to_vec(), state, b"b".to_vec()].concat()
    };
    for (name, ids, expected) in
        [("without ids", [b"N".to_vec(), b"N".to_vec()], ["0", "1"]), ("with ids", [text("x"), text("y")], ["x", "y"])]
    {
        let documents = [document("a", &ids[0]), document("b", &ids[1])];
        let folder = store(&[("docs.pkl", pickle(&list(&documents)))]);
        let found = read::<PickleSource>(&folder_host(folder.path()), &json!({}), 10).unwrap();
        for (row, text) in ["a", "b"].iter().enumerate() {
            let record = json!({"id": expected[row], "text": text, "metadata": {"source": "s"}, "vector": null});
            assert_eq!(found[row], record, "{name}");
        }
    }
}

#[test]
fn a_second_pickle_in_the_file_is_told_of() {
    let folder = store(&[("text.pkl", [pickle(&texts(2)), pickle(&texts(3))].concat())]);
    let collection = discover(folder.path(), &json!({})).unwrap().remove(0);
    assert_eq!(collection.rows, Some(2));
    assert!(collection.details.iter().any(|(key, what)| key == "not read" && what.contains("behind the pickle's end")));
}

#[test]
fn cursors_and_splits_of_others_are_refused() {
    let folder = store(&[("text.pkl", pickle(&texts(2)))]);
    let host = folder_host(folder.path());
    let split = PickleSource::plan(&host, &json!({}), "text", 4).unwrap().remove(0);
    for cursor in [vec![1, 2, 3], 99_u64.to_le_bytes().to_vec()] {
        let error = PickleSource::open(&host, &json!({}), &split, Some(&cursor)).err().unwrap();
        assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Config, "pickle/cursor"));
    }
    let error = PickleSource::plan(&host, &json!({}), "other", 1).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    let error = discover(folder.path(), &json!({"skip_unreadable": "maybe"})).unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Config, "pickle/setting"));
}

/// Values that are named again and again: what is small in the file must be neither large nor long to read. Were any of
/// these read without a budget, this test would not end.
#[test]
fn shared_values_cost_no_more_than_they_should() {
    let memo = |value: Vec<u8>| [value, b"q\x000".to_vec()].concat();
    let again = |count: usize| [b"](".to_vec(), b"h\x00".repeat(count), b"e".to_vec()].concat();
    let many = |value: Vec<u8>, count: usize| pickle(&[memo(value), again(count)].concat());
    let float = [b"G".to_vec(), 0.5_f64.to_be_bytes().to_vec()].concat();
    let wide = dict(&vec![("k", b"N".to_vec()); 5_000]);
    let document = [b"clangchain.schema\nDocument\n)\x81h\x00b".to_vec()].concat();
    let keys = [text(&"k".repeat(30_000)), b"q\x000}(".to_vec(), b"h\x00N".repeat(100_000), b"u".to_vec()].concat();
    let record = dict(&[("text", text("t")), ("k", b"h\x00".to_vec())]);
    let list_of = |item: &[u8], count: usize| [b"](".to_vec(), item.repeat(count), b"e".to_vec()].concat();
    // What it is, the pickle, and what ends the reading: while it is discovered, or while it is scanned.
    let table: Vec<(&str, Vec<u8>, Result<&str, &str>)> = vec![
        ("a text", many(text(&"x".repeat(64 << 10)), 20_000), Ok("pickle/too-large")),
        ("a vector", many(list(&vec![float; 1_000]), 20_000), Ok("pickle/too-large")),
        ("a dict of many fields", many(wide.clone(), 20_000), Err("pickle/too-large")),
        (
            "a document of many attributes",
            pickle(&[memo(wide), list_of(&document, 20_000)].concat()),
            Err("pickle/document"),
        ),
        (
            "a wide tuple",
            many([b"(".to_vec(), b"K\x01N".repeat(20_000), b"t".to_vec()].concat(), 100_000),
            Err("pickle/ambiguous"),
        ),
        ("a key", pickle(&list(&[keys])), Err("pickle/too-large")),
        ("a call", pickle(&[memo(call()), list_of(&record, 20_000)].concat()), Err("pickle/opaque")),
    ];
    for (name, bytes, expected) in table {
        let folder = store(&[("data.pkl", bytes)]);
        let host = folder_host(folder.path());
        let scan = |config: &Value| -> vecferry_sdk::Result<()> {
            let split = PickleSource::plan(&host, config, "data", 1)?.remove(0);
            let mut scan = PickleSource::open(&host, config, &split, None)?;
            while scan.next(1000, 1 << 22)?.is_some() {}
            Ok(())
        };
        let found = match PickleSource::discover(&host, &json!({})) {
            Err(error) => Err(error.code),
            Ok(_) => Ok(scan(&json!({})).unwrap_err().code),
        };
        assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned), "{name}");
        // Set aside one by one, they end too.
        let _ = scan(&json!({"skip_unreadable": true}));
    }
}
