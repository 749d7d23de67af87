//! The source, on files that pyarrow, DuckDB and Polars wrote, against what pyarrow returns for them.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;
use vecferry_plugin_parquet::ParquetSource;
use vecferry_sdk::testing::folder_host;
use vecferry_sdk::{Batch, Config, ErrorKind, IdOrigin, Page, SourcePlugin, Split};

use crate::common::{Place, join, read, records, target};

pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/parquet")
}

/// The folder of a fixture's own files.
pub(crate) fn files(case: &Path) -> PathBuf {
    if case.join("store").is_dir() { case.join("store") } else { case.to_owned() }
}

/// Cases that are read, by name.
pub(crate) fn cases() -> Vec<(String, PathBuf)> {
    let mut out: Vec<(String, PathBuf)> = std::fs::read_dir(fixtures())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("expected.jsonl").is_file())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), path))
        .collect();
    out.sort();
    assert!(out.len() >= 22, "{} fixtures", out.len());
    out
}

fn expected(case: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(case.join("expected.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The nearest number of 32 bits; `expected.jsonl` holds such numbers only.
#[allow(clippy::cast_possible_truncation)]
fn narrow(value: &Value) -> f32 {
    value.as_f64().unwrap() as f32
}

fn differences(want: &[Value], have: &Batch) -> Vec<String> {
    let mut out = Vec::new();
    if want.len() != have.len() {
        out.push(format!("{} records for {}", have.len(), want.len()));
    }
    for (row, want) in want.iter().enumerate().take(have.len()) {
        let id = want["id"].as_str().map_or_else(|| want["id"].to_string(), str::to_owned);
        let vector = have.vectors().and_then(|dense| dense.row(row));
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        let wanted = want["vector"].as_array().map(|values| values.iter().map(narrow).collect::<Vec<_>>());
        let metadata: Value = serde_json::from_str(have.metadata(row)).unwrap();
        for (what, same) in [
            ("id", have.ids[row] == id),
            ("document", have.document(row) == want["text"].as_str()),
            ("metadata", metadata == want["metadata"]),
            ("vector", vector.map(bits) == wanted.as_deref().map(bits)),
        ] {
            if !same {
                out.push(format!("row {row}: {what}: {metadata} {vector:?} for {want}"));
            }
        }
    }
    out.truncate(3);
    out
}

#[test]
fn every_file_reads_as_pyarrow_reads_it() {
    let mut failed = Vec::new();
    for (name, case) in cases() {
        let collections = read(&folder_host(&files(&case)), &json!({}));
        match &collections[..] {
            [(_, have)] => {
                failed.extend(differences(&expected(&case), have).iter().map(|what| format!("{name}: {what}")))
            }
            other => failed.push(format!("{name}: {} collections", other.len())),
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn what_must_be_refused_is_refused_with_its_place() {
    let cases = [
        ("refused_brotli", ErrorKind::Unsupported, "Brotli"),
        ("damaged_cut", ErrorKind::Corrupt, "cut short"),
        ("damaged_footer", ErrorKind::Corrupt, ""),
        ("damaged_page", ErrorKind::Corrupt, ""),
    ];
    for (name, kind, words) in cases {
        let host = folder_host(&fixtures().join(name));
        let error = vecferry_sdk::testing::read_all::<ParquetSource>(&host, &json!({}), 10).unwrap_err();
        assert_eq!(error.kind, kind, "{name}: {error}");
        assert!(error.message.contains(words), "{name}: {error}");
        assert_eq!(error.context("file"), Some("data.parquet"), "{name}: {error}");
        assert!(error.context("offset").is_some(), "{name}: {error}");
        // Nobody else would say so.
        assert_eq!(ParquetSource::detect(&host).unwrap().len(), 1, "{name}");
    }
}

#[test]
fn the_files_are_described_without_being_read_whole() {
    let describe = |name: &str| {
        let collections = ParquetSource::discover(&folder_host(&files(&fixtures().join(name))), &json!({})).unwrap();
        assert_eq!(collections.len(), 1, "{name}");
        collections.into_iter().next().unwrap()
    };
    let types = describe("arrow_types");
    assert_eq!((types.rows, types.dimension, types.id_origin), (Some(40), Some(6), IdOrigin::Store));
    let left_out = ("columns left out".to_owned(), "price, bytes, place, pairs, nested".to_owned());
    assert!(types.details.contains(&left_out), "{:?}", types.details);
    assert!(types.has_documents && types.has_vectors);
    assert_eq!(describe("arrow_no_ids").id_origin, IdOrigin::Position);
    assert_eq!(describe("arrow_nulls").dimension, Some(6), "the first rows have no vector");
    assert!(describe("arrow_pinecone").has_documents, "documents are in the metadata");
    assert_eq!(describe("arrow_pinecone").name, "ns1");
    assert_eq!(describe("arrow_folder").name, "data");
    assert_eq!(describe("arrow_folder").rows, Some(40));
    let (one, other) = (describe("arrow_snappy").fingerprint, describe("arrow_zstd_fixed").fingerprint);
    assert_ne!(one, other);
}

#[test]
fn rounding_is_counted() {
    let changes = |name: &str| {
        let mut out = Vec::new();
        for page in pages(&fixtures().join(name), &json!({}), 100) {
            out.extend(page.changes.iter().map(|change| (change.code.clone(), change.records)));
        }
        out
    };
    assert_eq!(changes("arrow_double"), [("vector/rounded-to-f32".to_owned(), 40)]);
    assert_eq!(changes("arrow_half"), []);
    assert_eq!(changes("arrow_types"), []);
}

fn pages(folder: &Path, settings: &Config, rows: u32) -> Vec<Page> {
    let host = folder_host(folder);
    let name = ParquetSource::discover(&host, settings).unwrap().swap_remove(0).name;
    let mut out = Vec::new();
    for split in ParquetSource::plan(&host, settings, &name, 1).unwrap() {
        let mut scan = ParquetSource::open(&host, settings, &split, None).unwrap();
        while let Some(page) = scan.next(rows, 1 << 20).unwrap() {
            out.push(page);
        }
    }
    out
}

#[test]
fn splits_are_disjoint_and_complete() {
    for name in ["arrow_small_pages", "arrow_folder", "duckdb_v2", "arrow_snappy"] {
        let (case, settings) = (fixtures().join(name), json!({}));
        let host = folder_host(&files(&case));
        let collection = ParquetSource::discover(&host, &settings).unwrap().swap_remove(0).name;
        for desired in [1, 2, 3, 100] {
            let splits = ParquetSource::plan(&host, &settings, &collection, desired).unwrap();
            assert!(splits.len() <= desired as usize);
            assert_eq!(splits.iter().map(|split| split.rows.unwrap()).sum::<u64>(), 40);
            let mut batches = Vec::new();
            for split in &splits {
                let mut scan = ParquetSource::open(&host, &settings, split, None).unwrap();
                while let Some(page) = scan.next(7, 1 << 20).unwrap() {
                    batches.push(page.rows);
                }
            }
            assert_eq!(differences(&expected(&case), &join(batches)), [""; 0], "{name} in {desired}");
        }
    }
}

#[test]
fn a_scan_goes_on_after_every_page() {
    for name in ["arrow_small_pages", "arrow_folder", "arrow_nulls", "arrow_no_ids"] {
        let (case, settings) = (fixtures().join(name), json!({}));
        let host = folder_host(&files(&case));
        let collection = ParquetSource::discover(&host, &settings).unwrap().swap_remove(0).name;
        let splits = ParquetSource::plan(&host, &settings, &collection, 1).unwrap();
        let [split] = &splits[..] else { panic!("{name}: one split") };
        let (mut after, mut batches) = (None, Vec::new());
        loop {
            let mut scan = ParquetSource::open(&host, &settings, split, after.as_deref()).unwrap();
            let Some(page) = scan.next(3, 1 << 20).unwrap() else { break };
            batches.push(page.rows);
            after = Some(page.cursor);
        }
        assert_eq!(differences(&expected(&case), &join(batches)), [""; 0], "{name}");
    }
    let host = folder_host(&fixtures().join("arrow_snappy"));
    let split = ParquetSource::plan(&host, &json!({}), "data", 1).unwrap().swap_remove(0);
    for cursor in [&b""[..], b"abc", &[0xff; 20]] {
        let error = ParquetSource::open(&host, &json!({}), &split, Some(cursor)).err().unwrap();
        assert_eq!(error.kind, ErrorKind::Config);
    }
    let other = Split { payload: b"{}".to_vec(), ..split };
    assert_eq!(ParquetSource::open(&host, &json!({}), &other, None).err().unwrap().kind, ErrorKind::Config);
}

#[test]
fn columns_are_taken_as_settings_say() {
    let host = folder_host(&fixtures().join("arrow_types"));
    let settings = json!({"id_column": "wide", "document_column": "language", "vector_column": "embedding"});
    let [(_, batch)] = &read(&host, &settings)[..] else { panic!("one collection") };
    assert_eq!(batch.ids[0], (-20i64 * (1 << 40)).to_string());
    assert_eq!(batch.document(3), Some("語"));
    let metadata: Value = serde_json::from_str(batch.metadata(0)).unwrap();
    assert!(metadata["id"].is_string() && metadata["text"].is_string(), "{metadata}");
    for (name, settings) in [
        ("no such column", json!({"id_column": "none"})),
        ("a text is no vector", json!({"vector_column": "text"})),
        ("a list is no document", json!({"document_column": "tags"})),
        ("a struct is nothing", json!({"metadata_column": "place"})),
    ] {
        let error = ParquetSource::discover(&host, &settings).unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Config, "parquet/column"), "{name}");
        assert!(error.hint.unwrap().contains("embedding"), "{name}");
    }
}

#[test]
fn stores_are_told_apart() {
    let folder = TempDir::new().unwrap();
    let put = |from: &str, to: &str| {
        let to = folder.path().join(to);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(fixtures().join(from).join("data.parquet"), to).unwrap();
    };
    let place = Place::new(&json!({}));
    for name in ["docs", "images"] {
        place.store(&target(name, 2), &records(0, 3, 2));
    }
    place.finish();
    for name in ["docs", "images"] {
        let to = folder.path().join("export").join(name);
        std::fs::create_dir_all(&to).unwrap();
        std::fs::copy(place.path("out").join(name).join("part-00000.parquet"), to.join("part-00000.parquet")).unwrap();
    }
    put("arrow_snappy", "theirs/a.parquet");
    put("arrow_snappy", "theirs/b.parquet");
    put("polars_list", "other.parquet");
    // What is Chroma's is never claimed, and neither is what has no vectors or is not called Parquet.
    put("arrow_snappy", "chroma/chroma-embeddings.parquet");
    put("arrow_snappy", "chroma/chroma-collections.parquet");
    put("arrow_snappy", "data.bin");
    let users = fixtures().join("arrow_folder/store/data/users.parquet");
    std::fs::copy(users, folder.path().join("users.parquet")).unwrap();
    let host = folder_host(folder.path());
    let mut claims = ParquetSource::detect(&host).unwrap();
    claims.sort_by(|a, b| a.name.cmp(&b.name));
    let found: Vec<(&str, u8, Vec<&str>)> = claims
        .iter()
        .map(|claim| (claim.name.as_str(), claim.confidence, claim.files.iter().map(String::as_str).collect()))
        .collect();
    assert_eq!(
        found,
        [
            ("export", 95, vec!["export/docs/part-00000.parquet", "export/images/part-00000.parquet"]),
            ("other.parquet", 45, vec!["other.parquet"]),
            ("theirs", 45, vec!["theirs/a.parquet", "theirs/b.parquet"]),
        ]
    );
    let names: Vec<String> = place.read().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["docs", "images"]);
    assert!(ParquetSource::detect(&folder_host(&fixtures().join("../chroma_0_3_29"))).unwrap().is_empty());
}

#[test]
fn rows_that_are_no_records_are_named_and_the_rest_is_read() {
    let case = fixtures().join("arrow_metadata");
    // The language is no JSON object.
    let pages = pages(&case, &json!({"metadata_column": "language"}), 100);
    let unreadable: Vec<_> = pages.iter().flat_map(|page| &page.unreadable).collect();
    assert_eq!(unreadable.len(), 40);
    assert_eq!(unreadable[7].id, "doc-7-Größe語🦀");
    assert_eq!(unreadable[7].reason.kind, ErrorKind::Corrupt);
    assert_eq!(unreadable[7].reason.context("row"), Some("7"));
}

#[test]
fn a_store_of_which_a_part_is_damaged_is_refused_as_a_whole() {
    let place = Place::new(&json!({}));
    place.store(&target("docs", 2), &records(0, 3, 2));
    place.store(&target("docs", 2), &records(3, 6, 2));
    place.finish();
    let part = place.path("out/docs/part-00001.parquet");
    let whole = std::fs::read(&part).unwrap();
    std::fs::write(&part, &whole[..whole.len() / 2]).unwrap();
    let host = folder_host(&place.path("out"));
    let claims = ParquetSource::detect(&host).unwrap();
    let [claim] = &claims[..] else { panic!("one store: {claims:?}") };
    assert_eq!((claim.name.as_str(), claim.confidence), ("parquet", 95));
    assert_eq!(claim.files, ["docs/part-00000.parquet", "docs/part-00001.parquet"]);
    let error = ParquetSource::discover(&host, &json!({})).unwrap_err();
    assert_eq!((error.kind, error.context("file")), (ErrorKind::Corrupt, Some("docs/part-00001.parquet")));
}
