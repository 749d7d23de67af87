/*! Stores that LangChain wrote, in every generation: what it returned is what is read. */

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use vecferry_plugin_langchain::LangchainSource;
use vecferry_sdk::testing::{folder_host, read_all};
use vecferry_sdk::{Batch, Host, SourcePlugin};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/langchain_faiss")
}

fn cases() -> Vec<PathBuf> {
    let mut cases: Vec<PathBuf> = std::fs::read_dir(fixtures()).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 5, "{cases:?}");
    cases
}

/// Id, text and vector of every record that LangChain returned, in its order. (The metadata, which may hold what
/// JSON cannot, is compared by the end-to-end tests.)
fn expected(case: &Path) -> Vec<(String, String, Vec<f32>)> {
    let about: Value = serde_json::from_slice(&std::fs::read(case.join("case.json")).unwrap()).unwrap();
    let width = usize::try_from(about["dim"].as_u64().unwrap()).unwrap();
    let bytes = std::fs::read(case.join("expected.f32")).unwrap();
    let values: Vec<f32> = bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    let lines = std::fs::read_to_string(case.join("expected.jsonl")).unwrap();
    let field = |line: &str, name: &str| {
        // Python writes NaN and Infinity: only the two texts at the line's start are parsed.
        let start = line.find(&format!("\"{name}\": ")).unwrap() + name.len() + 4;
        let mut texts = serde_json::Deserializer::from_str(&line[start..]).into_iter::<String>();
        texts.next().unwrap().unwrap()
    };
    let rows = lines.lines().zip(values.chunks_exact(width));
    rows.map(|(line, vector)| (field(line, "id"), field(line, "text"), vector.to_vec())).collect()
}

fn records(batches: &[Batch]) -> Vec<(String, String, Vec<f32>)> {
    let row = |batch: &Batch, row: usize| {
        let vector = batch.vectors().unwrap().row(row).unwrap().to_vec();
        (batch.ids[row].clone(), batch.document(row).unwrap().to_owned(), vector)
    };
    batches.iter().flat_map(|batch| (0..batch.len()).map(move |r| row(batch, r))).collect()
}

fn read(host: &Host, page_rows: u32) -> Vec<(String, Vec<Batch>)> {
    read_all::<LangchainSource>(host, &json!({}), page_rows).unwrap()
}

#[test]
fn every_generation_reads_as_langchain_read_it_whatever_the_page() {
    for case in cases() {
        let host = folder_host(&case);
        for page_rows in [1, 7, 10_000] {
            let collections = read(&host, page_rows);
            assert_eq!(collections.len(), 1, "{}", case.display());
            assert_eq!(records(&collections[0].1), expected(&case), "{} by {page_rows}", case.display());
        }
    }
}

#[test]
fn a_store_is_claimed_whole_and_described_without_reading_its_vectors() {
    for case in cases() {
        let host = folder_host(&case);
        let claims = LangchainSource::detect(&host).unwrap();
        assert_eq!((claims.len(), claims[0].files.len()), (1, 2), "{claims:?}");
        let collection = LangchainSource::discover(&host, &json!({})).unwrap().remove(0);
        assert_eq!(collection.rows, Some(expected(&case).len() as u64));
        assert!(collection.has_documents && collection.has_vectors && !collection.lossy_vectors);
    }
}

#[test]
fn a_scan_continues_after_any_cursor_without_a_gap_or_a_repeat() {
    let case = fixtures().join("lc_community_0_4_2_deleted");
    let host = folder_host(&case);
    let split = LangchainSource::plan(&host, &json!({}), "index", 1).unwrap().remove(0);
    let all = expected(&case);
    let mut cursor: Option<Vec<u8>> = None;
    let mut got = Vec::new();
    // A scan of its own for every page.
    loop {
        let mut scan = LangchainSource::open(&host, &json!({}), &split, cursor.as_deref()).unwrap();
        let Some(page) = scan.next(10, 1 << 20).unwrap() else { break };
        got.extend(records(&[page.rows]));
        cursor = Some(page.cursor);
    }
    assert_eq!(got, all);
}

#[test]
fn several_names_in_one_folder_are_collections_of_one_store() {
    let folder = tempfile::tempdir().unwrap();
    for (case, from, to) in [("lc0_0_200_basic", "index", "one"), ("lc_community_0_4_2_deleted", "index", "two")] {
        for kind in ["faiss", "pkl"] {
            let source = fixtures().join(case).join(format!("{from}.{kind}"));
            std::fs::copy(source, folder.path().join(format!("{to}.{kind}"))).unwrap();
        }
    }
    let host = folder_host(folder.path());
    assert_eq!(LangchainSource::detect(&host).unwrap()[0].files.len(), 4);
    let found: Vec<(String, usize)> =
        read(&host, 50).iter().map(|(name, batches)| (name.clone(), batches.iter().map(Batch::len).sum())).collect();
    assert_eq!(found, [("one".to_owned(), 60), ("two".to_owned(), 57)]);
}

#[test]
fn files_of_different_states_are_refused_and_the_documents_can_still_be_had() {
    let folder = tempfile::tempdir().unwrap();
    let copy =
        |case: &str, file: &str| std::fs::copy(fixtures().join(case).join(file), folder.path().join(file)).unwrap();
    copy("lc0_0_200_basic", "index.faiss");
    copy("lc_community_0_4_2_deleted", "index.pkl");
    let host = folder_host(folder.path());
    let error = LangchainSource::discover(&host, &json!({})).unwrap_err();
    assert_eq!(error.code, "langchain/counts", "{error}");
    assert!(error.message.contains("60 vectors") && error.message.contains("57 positions"), "{error}");
    let settings = json!({"documents_only": true});
    let collection = LangchainSource::discover(&host, &settings).unwrap().remove(0);
    assert_eq!((collection.rows, collection.has_vectors), (Some(57), false));
    assert_eq!(LangchainSource::discover(&host, &json!({"documents_only": 3})).unwrap_err().code, "langchain/setting");
}
