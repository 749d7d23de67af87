/*!
Stores written by CPython, numpy and FAISS give the records that they hold, whatever the size of pages and wherever
a scan is taken up again.
*/
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{cases, compare, fixtures, granted, read, restricted};
use serde_json::json;
use vecferry_plugin_pickle::PickleSource;
use vecferry_sdk::testing::folder_host;
use vecferry_sdk::{ErrorKind, IdOrigin, SourcePlugin};

#[test]
fn generated_stores() {
    let cases = cases("pickle_stores");
    assert!(cases.len() > 70);
    for case in cases {
        let host = granted::<PickleSource>(&case);
        for rows in [1, 3, 1000] {
            match read::<PickleSource>(&host, &json!({}), rows) {
                Ok(found) => compare(&case, &found),
                Err(error) => panic!("{}: {error}", case.display()),
            }
        }
    }
}

#[test]
fn stores_of_the_libraries() {
    for name in [
        "list_text_metadata_proto0",
        "list_text_metadata_proto2",
        "list_text_metadata_proto5",
        "numpy_embeddings_proto5",
        "std_types_proto4",
    ] {
        let case = fixtures().join("pickle").join(name);
        compare(&case, &read::<PickleSource>(&granted::<PickleSource>(&case), &json!({}), 2).unwrap());
    }
    let case = fixtures().join("pickle/numpy_embeddings_proto5");
    let found = read::<PickleSource>(&granted::<PickleSource>(&case), &json!({}), 4).unwrap();
    let matrix = std::fs::read(case.join("expected.f32")).unwrap();
    let values: Vec<f32> = matrix.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    for (row, (found, expected)) in found.iter().zip(values.chunks_exact(8)).enumerate() {
        assert_eq!(common::floats(&found["vector"]), expected, "row {row}");
    }
    assert_eq!(found.len() * 8, values.len());
    // `expected.jsonl` of this case is empty: its six records are those of the texts and metadata beside it.
    let case = fixtures().join("pickle/list_of_tuples");
    let found = read::<PickleSource>(&granted::<PickleSource>(&case), &json!({}), 4).unwrap();
    let same = fixtures().join("pickle/list_text_metadata_proto5");
    compare(&same, &found);
}

#[test]
fn values_that_json_has_no_twin_for() {
    let case = fixtures().join("pickle/std_types_proto4");
    let host = granted::<PickleSource>(&case);
    let found = read::<PickleSource>(&host, &json!({}), 10).unwrap();
    assert_eq!(
        found[0]["metadata"],
        json!({
            "t": [1, "x"], "s": [1, 3], "fs": ["q"], "d": "2024-01-02T03:04:05.000006", "dd": "2024-02-29",
            "tm": "01:02:03", "td": 86402.0, "b": "AP8=", "ba": "YWI=", "c": "(1+2j)", "dec": "1.10",
            "u": "00000000-0000-0000-0000-000000000005", "od": {"a": 1}, "dq": [1], "nan": null, "inf": null,
        })
    );
    assert_eq!(found[1]["metadata"], json!({"tz": "2024-01-01T00:00:00+00:00"}));
    assert_eq!(found[2]["metadata"], json!({"path": "/a/b"}));
    let split = PickleSource::plan(&host, &json!({}), "text", 1).unwrap().remove(0);
    let page = PickleSource::open(&host, &json!({}), &split, None).unwrap().next(10, 1 << 20).unwrap().unwrap();
    let changes: Vec<(&str, u32)> = page.changes.iter().map(|change| (change.code.as_str(), change.records)).collect();
    assert_eq!(
        changes,
        [
            ("metadata/bytes-to-base64", 1),
            ("metadata/date-to-text", 2),
            ("metadata/duration-to-seconds", 1),
            ("metadata/non-finite-to-null", 1),
            ("metadata/object-to-text", 2),
            ("metadata/sequence-to-array", 1),
        ]
    );
}

#[test]
fn texts_and_index_of_a_folder_of_several_stores() {
    let folder = fixtures().join("../../examples/stores/vector_db");
    let claims = PickleSource::detect(&folder_host(&folder)).unwrap();
    let [claim] = claims.as_slice() else { panic!("{claims:?}") };
    assert_eq!(claim.files, ["metadata.pkl", "text.index", "text.pkl"]);
    assert!(claim.confidence >= 90);
    let host = restricted(&folder, &claim.files);
    let collections = PickleSource::discover(&host, &json!({})).unwrap();
    assert_eq!((collections[0].rows, collections[0].dimension), (Some(156), Some(384)));
    assert!(collections[0].has_documents && collections[0].has_vectors);
    assert_eq!(collections[0].id_origin, IdOrigin::Position);
    let found = read::<PickleSource>(&host, &json!({}), 50).unwrap();
    assert_eq!(found.len(), 156);
    assert_eq!(found[0]["metadata"]["source"], "docs/manual_0.pdf");
    assert!(found[0]["text"].as_str().unwrap().starts_with("Section 0: how to configure"));
    let head = common::floats(&found[0]["vector"]);
    assert_eq!(&head[..4], [-0.04007243, -0.047541216, 0.074484475, 0.06975235]);
}

#[test]
fn refusals_name_the_file_and_the_place() {
    // folder, kind, code, what the message or its context says
    for (name, kind, code, says) in [
        ("pickle/pandas_dataframe", ErrorKind::Unsupported, "pickle/opaque", "pandas"),
        ("pickle_hostile/binunicode_2gb_header", ErrorKind::Corrupt, "pickle/truncated", "metadata.pkl"),
        ("pickle_hostile/deep_nesting_200k_lists", ErrorKind::Unsupported, "pickle/too-deep", "node [0]"),
        ("pickle_hostile/memo_bomb_10e30", ErrorKind::Unsupported, "pickle/too-large", "node [0]"),
        ("pickle_hostile/os_system_proto4", ErrorKind::Unsupported, "pickle/opaque", "posix.system"),
        ("pickle_hostile/persid", ErrorKind::Unsupported, "pickle/external", "persistent id"),
        ("pickle_hostile/recursion_list", ErrorKind::Corrupt, "pickle/cycle", "contains itself"),
        ("pickle_hostile/truncated_half", ErrorKind::Corrupt, "pickle/truncated", "metadata.pkl"),
    ] {
        let case = fixtures().join(name);
        let started = std::time::Instant::now();
        let error = PickleSource::discover(&granted::<PickleSource>(&case), &json!({})).unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (kind, code), "{name}: {error}");
        assert!(error.to_string().contains(says), "{name}: {error}");
        assert!(started.elapsed().as_secs() < 5, "{name}");
    }
}

#[test]
fn a_docstore_without_its_index_is_refused() {
    let case = fixtures().join("pickle_hostile/reduce_in_langchain_docstore");
    let claims = PickleSource::detect(&folder_host(&case)).unwrap();
    let guess = claims.iter().find(|claim| claim.files == ["index.pkl"]).unwrap();
    assert!(guess.confidence < 50);
    let error = PickleSource::discover(&restricted(&case, &guess.files), &json!({})).unwrap_err();
    assert_eq!((error.code.as_str(), error.context("node")), ("pickle/opaque", Some("[0]")), "{error}");
    assert!(error.message.contains("posix.system"), "{error}");
}

#[test]
fn a_list_that_contains_itself_is_refused() {
    let case = fixtures().join("pickle/shared_and_cyclic");
    let host = restricted(&case, &["cyclic.pkl".to_owned()]);
    let error = PickleSource::discover(&host, &json!({})).unwrap_err();
    assert_eq!(error.code, "pickle/cycle", "{error}");
    assert_eq!(error.context("file"), Some("cyclic.pkl"));
    let host = restricted(&case, &["metadata.pkl".to_owned()]);
    let error = PickleSource::discover(&host, &json!({})).unwrap_err();
    assert!(error.message.contains("neither texts nor vectors"), "{error}");
}
