/*! Stores that LlamaIndex wrote, from 0.6.0 to 0.14.25: what it returned is what is read. */

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{about, cases, copy, copy_to, expected, fixtures, pages, read, rows};
use serde_json::json;
use vecferry_plugin_llamaindex::LlamaIndexSource;
use vecferry_sdk::testing::folder_host;
use vecferry_sdk::{Metric, SourcePlugin};

#[test]
fn every_version_reads_as_it_read_itself_whatever_the_page() {
    let cases = cases(true);
    assert!(cases.len() >= 30, "{} fixtures", cases.len());
    for case in cases {
        let want = expected(&case);
        let host = folder_host(&case.join("storage"));
        for page_rows in [1, 7, 10_000] {
            let got = read(&host, &json!({}), page_rows).unwrap_or_else(|error| panic!("{}: {error}", case.display()));
            assert_eq!(got.len(), want.len(), "{}", case.display());
            for (key, record) in &want {
                assert_eq!(got.get(key), Some(record), "{} {key:?} by {page_rows}", case.display());
            }
        }
    }
}

#[test]
fn a_store_is_claimed_whole_and_described_as_it_is() {
    for case in cases(true) {
        let host = folder_host(&case.join("storage"));
        let about = about(&case);
        let claims = LlamaIndexSource::detect(&host).unwrap();
        assert_eq!(claims.len(), 1, "{claims:?}");
        assert_eq!((claims[0].confidence, claims[0].name.as_str()), (95, "llamaindex"), "{}", case.display());
        let mut files = claims[0].files.clone();
        files.sort();
        assert_eq!(json!(files), about["store_files"], "{}", case.display());
        let want = expected(&case);
        for collection in LlamaIndexSource::discover(&host, &json!({})).unwrap() {
            let of_it: Vec<_> = want.iter().filter(|((name, _), _)| *name == collection.name).collect();
            assert_eq!(collection.rows, Some(of_it.len() as u64), "{}", case.display());
            let metric = match about["metric"].as_str().unwrap() {
                "l2" => Metric::L2,
                "dot" => Metric::Dot,
                "cosine" => Metric::Cosine,
                _ => Metric::Unknown,
            };
            assert_eq!(collection.metric, metric, "{}", case.display());
            let width = of_it[0].1.vector.as_ref().map(|vector| u32::try_from(vector.len()).unwrap());
            assert_eq!((collection.dimension, collection.has_vectors), (width, width.is_some()));
            assert_eq!(collection.has_documents, of_it.iter().any(|(_, record)| record.text.is_some()));
        }
    }
}

#[test]
fn a_scan_continues_after_any_cursor_without_a_gap_or_a_repeat() {
    for case in ["simple_deleted_0.14.25", "faiss_replaced_0.14.25", "faiss_map_0.12.52", "documents_0.14.25"] {
        let host = folder_host(&fixtures().join(case).join("storage"));
        let config = json!({});
        let whole: Vec<_> =
            pages(&host, &config, 1000).unwrap().remove(0).1.iter().flat_map(|page| rows(&page.rows)).collect();
        let split = LlamaIndexSource::plan(&host, &config, "default", 1).unwrap().remove(0);
        let mut cursor: Option<Vec<u8>> = None;
        let mut got = Vec::new();
        // A scan of its own for every page.
        loop {
            let mut scan = LlamaIndexSource::open(&host, &config, &split, cursor.as_deref()).unwrap();
            let Some(page) = scan.next(4, 1 << 20).unwrap() else { break };
            got.extend(rows(&page.rows));
            cursor = Some(page.cursor);
        }
        assert_eq!(got, whole, "{case}");
        let error = LlamaIndexSource::open(&host, &config, &split, Some(b"short")).err().unwrap();
        assert_eq!(error.code, "llamaindex/cursor");
    }
}

#[test]
fn pages_keep_to_their_bytes() {
    let host = folder_host(&fixtures().join("simple_values_0.14.25/storage"));
    let split = LlamaIndexSource::plan(&host, &json!({}), "default", 1).unwrap().remove(0);
    let mut scan = LlamaIndexSource::open(&host, &json!({}), &split, None).unwrap();
    let mut pages = Vec::new();
    while let Some(page) = scan.next(1000, 1).unwrap() {
        pages.push(page.rows.len());
    }
    assert_eq!(pages, [1; 8]);
}

#[test]
fn metadata_keeps_every_digit_and_what_json_has_not_is_counted() {
    let host = folder_host(&fixtures().join("simple_values_0.14.25/storage"));
    let pages = pages(&host, &json!({}), 100).unwrap().remove(0).1;
    let records = rows(&pages[0].rows);
    let metadata = |id: &str| &records.iter().find(|(found, _)| found == id).unwrap().1.metadata;
    assert_eq!(
        metadata("numbers"),
        r#"{"big": 1180591620717411303424, "neg": -1, "tiny": 5e-324, "float": 0.1, "exp": 1e+300, "zero": -0.0}"#
    );
    assert_eq!(metadata("nan"), r#"{"nan": null, "inf": null, "deep": [1, {"x": null}], "text": "NaN, Infinity"}"#);
    let changes: Vec<(&str, u32)> =
        pages[0].changes.iter().map(|change| (change.code.as_str(), change.records)).collect();
    assert_eq!(changes, [("metadata/non-finite-to-null", 1)]);
}

#[test]
fn what_stays_behind_is_told() {
    let details = |case: &str| {
        let host = folder_host(&fixtures().join(case).join("storage"));
        LlamaIndexSource::discover(&host, &json!({})).unwrap().remove(0).details
    };
    let has = |case: &str, name: &str, value: &str| {
        let details = details(case);
        assert!(details.contains(&(name.to_owned(), value.to_owned())), "{case}: {details:?}");
    };
    has("simple_deleted_0.14.25", "nodes without a vector, not moved", "1");
    has("faiss_replaced_0.14.25", "vectors of replaced nodes", "2");
    has("faiss_map_replaced_0.14.25", "vectors of replaced nodes", "2");
    has("faiss_map_lost_0.14.25", "nodes without a vector, not moved", "1");
    has("faiss_0.14.25", "vector store", "IndexFlatL2 (L2)");
    has("vectors_0.14.25", "vectors without a document", "8");
    let told = details("simple_0.14.25");
    assert!(told.iter().all(|(name, _)| !name.contains("not moved")), "{told:?}");
}

#[test]
fn documents_can_be_had_without_vectors_also_those_that_no_vector_names() {
    let settings = json!({"documents_only": true});
    for (case, nodes) in
        [("faiss_map_shared_ids_0.14.25", 10), ("simple_deleted_0.14.25", 35), ("namespaces_0.14.25", 21)]
    {
        let host = folder_host(&fixtures().join(case).join("storage"));
        let collections = LlamaIndexSource::discover(&host, &settings).unwrap();
        let shape = (collections.len(), collections[0].rows, collections[0].has_vectors, collections[0].dimension);
        assert_eq!(shape, (1, Some(nodes), false, None), "{case}");
        let records = read(&host, &settings, 7).unwrap();
        assert_eq!(records.len() as u64, nodes, "{case}");
        assert!(records.values().all(|record| record.text.is_some() && record.vector.is_none()), "{case}");
    }
}

#[test]
fn a_fingerprint_changes_with_any_of_the_files() {
    let folder = copy("faiss_0.14.25");
    let host = folder_host(folder.path());
    let print = || LlamaIndexSource::discover(&host, &json!({})).unwrap().remove(0).fingerprint;
    let before = print();
    assert_eq!(before, print());
    for file in ["docstore.json", "index_store.json", "default__vector_store.json"] {
        let path = folder.path().join(file);
        let bytes = std::fs::read(&path).unwrap();
        // One more blank at the end changes nothing else.
        std::fs::write(&path, [bytes.as_slice(), b" "].concat()).unwrap();
        assert_ne!(print(), before, "{file}");
        std::fs::write(&path, bytes).unwrap();
    }
}

#[test]
fn stores_in_any_depth_are_claimed_each_for_itself() {
    let folder = tempfile::tempdir().unwrap();
    copy_to("simple_0.14.25", folder.path());
    copy_to("faiss_0.6.0", &folder.path().join("old/one"));
    copy_to("faiss_map_0.12.52", &folder.path().join("old/two"));
    std::fs::create_dir(folder.path().join("other")).unwrap();
    std::fs::write(folder.path().join("other/id_map.json"), "{}").unwrap();
    std::fs::write(folder.path().join("other/my_vector_store.json"), "{}").unwrap();
    let host = folder_host(folder.path());
    let claims = LlamaIndexSource::detect(&host).unwrap();
    let found: Vec<(&str, u8, usize)> =
        claims.iter().map(|claim| (claim.name.as_str(), claim.confidence, claim.files.len())).collect();
    assert_eq!(found, [("llamaindex", 95, 5), ("old/one", 95, 3), ("old/two", 95, 6)]);
    // All of them granted at once: names tell them apart.
    let names: Vec<String> =
        LlamaIndexSource::discover(&host, &json!({})).unwrap().into_iter().map(|found| found.name).collect();
    assert_eq!(names, ["default", "old/one/default", "old/two/default"]);
    assert_eq!(read(&host, &json!({}), 10).unwrap().len(), 30 + 30 + 23);
}

#[test]
fn files_that_only_sound_alike_are_no_sure_claim() {
    type Files = &'static [(&'static str, &'static str)];
    let cases: [(Files, Option<u8>); 10] = [
        (&[("docstore.json", r#"{"docs": []}"#)], Some(30)),
        (&[("docstore.json", "")], Some(30)),
        (&[("docstore.json", "garbage"), ("index_store.json", "garbage")], Some(60)),
        (&[("docstore.json", " {\n \"mine/data\": {}}")], Some(95)),
        (&[("image__vector_store.json", "{\"embedding_dict\": {}}")], Some(95)),
        (&[("my_vector_store.json", "{\"embedding_dict\": {}}")], Some(95)),
        (&[("my_vector_store.json", "{\"vectors\": []}")], None),
        (&[("my__vector_store.json", "{\"vectors\": []}")], Some(60)),
        (&[("index_store.json", r#"{"index_store/data": {}}"#)], None),
        (&[("vector_store.json.bak", "{\"embedding_dict\": {}}")], None),
    ];
    for (files, want) in cases {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let claims = LlamaIndexSource::detect(&folder_host(folder.path())).unwrap();
        assert_eq!(claims.first().map(|claim| claim.confidence), want, "{files:?}");
    }
}

#[test]
fn settings_are_checked() {
    let host = folder_host(&fixtures().join("faiss_40/storage"));
    for setting in ["documents_only", "skip_unreadable"] {
        let error = LlamaIndexSource::discover(&host, &json!({setting: 3})).unwrap_err();
        assert_eq!(error.code, "llamaindex/setting");
        assert!(LlamaIndexSource::spec().config_schema.contains(setting));
    }
    assert_eq!(LlamaIndexSource::plan(&host, &json!({}), "nothing", 1).unwrap_err().code, "llamaindex/collection");
}
