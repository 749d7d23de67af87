//! What is said about stores before they are read: where they are, what they hold, how they were made.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::path::Path;

use common::{copy_of, fixtures};
use serde_json::json;
use vecferry_plugin_chroma::ChromaSource;
use vecferry_sdk::testing::folder_host;
use vecferry_sdk::{Claim, Collection, Config, ErrorKind, IdOrigin, Metric, SourcePlugin, Split};

fn discover(case: &str, config: &Config) -> Vec<Collection> {
    let copy = copy_of(&fixtures().join(case).join("store"));
    ChromaSource::discover(&folder_host(copy.path()), config).unwrap()
}

fn detail<'a>(collection: &'a Collection, key: &str) -> Option<&'a str> {
    collection.details.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
}

#[test]
fn collections_are_described() {
    struct Case {
        store: &'static str,
        name: &'static str,
        rows: Option<u64>,
        dimension: Option<u32>,
        metric: Metric,
        documents: bool,
        format: &'static str,
        function: Option<&'static str>,
    }
    let cases = [
        Case {
            store: "chroma_0_3_29/small_wal_only",
            name: "small",
            rows: Some(20),
            dimension: Some(16),
            metric: Metric::L2,
            documents: true,
            format: "Chroma 0.3, DuckDB and parquet",
            function: None,
        },
        Case {
            store: "chroma_made/parquet_0.3.29",
            name: "by-product",
            rows: Some(7),
            dimension: Some(3),
            metric: Metric::Dot,
            documents: true,
            format: "Chroma 0.3, DuckDB and parquet",
            function: None,
        },
        Case {
            store: "chroma_made/parquet_0.3.29",
            name: "empty",
            rows: Some(0),
            dimension: None,
            metric: Metric::L2,
            documents: false,
            format: "Chroma 0.3, DuckDB and parquet",
            function: None,
        },
        Case {
            store: "chroma_0_4_24/cosine_230",
            name: "cosine",
            rows: Some(230),
            dimension: Some(16),
            metric: Metric::Cosine,
            documents: true,
            format: "Chroma 0.4, SQLite and hnswlib",
            function: None,
        },
        Case {
            store: "chroma_made/lost_metadata_0.6.3",
            name: "modified",
            rows: Some(15),
            dimension: Some(4),
            metric: Metric::Cosine,
            documents: true,
            format: "Chroma 0.5 or 0.6, SQLite and hnswlib",
            function: None,
        },
        Case {
            store: "chroma_made/spread_1.5.9",
            name: "spread-l2",
            rows: Some(270),
            dimension: Some(4),
            metric: Metric::L2,
            documents: false,
            format: "Chroma 1.x, SQLite and hnswlib",
            function: None,
        },
        Case {
            store: "chroma_made/configured_1.5.9",
            name: "configured-ip",
            rows: Some(13),
            dimension: Some(4),
            metric: Metric::Dot,
            documents: true,
            format: "Chroma 1.x, SQLite and hnswlib",
            function: Some("legacy"),
        },
        Case {
            store: "chroma_made/configured_1.5.9",
            name: "default-function",
            rows: Some(0),
            dimension: None,
            metric: Metric::L2,
            documents: false,
            format: "Chroma 1.x, SQLite and hnswlib",
            function: Some("default"),
        },
        Case {
            store: "chroma_made/ahead_1.5.9",
            name: "ahead",
            // Only a replay of the log can count them.
            rows: None,
            dimension: Some(4),
            metric: Metric::L2,
            documents: true,
            format: "Chroma 1.x, SQLite and hnswlib",
            function: None,
        },
    ];
    for case in cases {
        let all = discover(case.store, &Config::Null);
        let got = all.iter().find(|collection| collection.name == case.name).unwrap();
        let what = format!("{}/{}", case.store, case.name);
        assert_eq!((got.rows, got.dimension, got.metric), (case.rows, case.dimension, case.metric), "{what}");
        assert_eq!((got.has_documents, got.has_vectors), (case.documents, case.dimension.is_some()), "{what}");
        assert_eq!((got.id_origin, got.lossy_vectors), (IdOrigin::Store, false), "{what}");
        assert_eq!(detail(got, "format"), Some(case.format), "{what}");
        assert_eq!(detail(got, "embedding function"), case.function, "{what}");
    }
}

#[test]
fn tenants_and_databases_are_in_the_names_of_collections_outside_the_default_ones() {
    for store in ["chroma_made/tenants_0.4.24", "chroma_made/tenants_1.5.9"] {
        let collections = discover(store, &Config::Null);
        let mut names: Vec<&str> = collections.iter().map(|collection| collection.name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["acme/db2/shared-name", "acme/db3/other", "default_tenant/second/in-second", "shared-name"]);
    }
}

#[test]
fn settings_and_metadata_are_shown() {
    let all = discover("chroma_1_5_9/two_collections", &Config::Null);
    assert_eq!(detail(&all[0], "metadata"), Some(r#"{"description":"first","num":3,"owner":"me"}"#));
    assert!(detail(&all[0], "index").unwrap().contains("max_neighbors 16"), "{:?}", all[0].details);
    assert_eq!(detail(&all[0], "tenant"), Some("default_tenant"));
    assert!(detail(&all[0], "damage").is_none());
    let damaged = discover("chroma_corrupt/hnsw_data_truncated", &Config::Null);
    assert!(detail(&damaged[0], "damage").unwrap().contains("cut short"), "{:?}", damaged[0].details);
}

#[test]
fn a_fingerprint_changes_with_the_store_and_only_then() {
    let copy = copy_of(&fixtures().join("chroma_made/life_1.5.9/store"));
    let host = folder_host(copy.path());
    let prints = || -> Vec<String> {
        ChromaSource::discover(&host, &Config::Null).unwrap().into_iter().map(|found| found.fingerprint).collect()
    };
    let before = prints();
    assert_eq!(before, prints());
    let path = copy.path().join("chroma.sqlite3");
    let mut bytes = fs::read(&path).unwrap();
    // The counter of changes in SQLite's header.
    bytes[27] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert!(before.iter().zip(prints()).all(|(before, after)| *before != after));
}

#[test]
fn pages_keep_to_the_rows_and_about_to_the_bytes_that_were_asked_for() {
    let copy = copy_of(&fixtures().join("chroma_0_5_23/persisted_hnsw_1237/store"));
    let host = folder_host(copy.path());
    for (max_rows, max_bytes) in [(1, 1 << 20), (100, 1 << 20), (5000, 4000), (10, 0), (u32::MAX, u64::MAX)] {
        let split = ChromaSource::plan(&host, &Config::Null, "big", 4).unwrap().remove(0);
        assert_eq!(split.rows, Some(1237));
        let mut scan = ChromaSource::open(&host, &Config::Null, &split, None).unwrap();
        let mut rows = 0;
        while let Some(page) = scan.next(max_rows, max_bytes).unwrap() {
            let shape = page.rows.check().unwrap();
            assert!(shape.rows >= 1 && shape.rows <= max_rows as usize);
            assert!(shape.rows == 1 || shape.bytes <= max_bytes.saturating_mul(2), "{} of {max_bytes}", shape.bytes);
            rows += shape.rows;
        }
        assert_eq!(rows, 1237, "{max_rows} rows, {max_bytes} bytes");
    }
}

#[test]
fn what_is_not_there_or_not_meant_is_refused() {
    for case in ["chroma_1_5_9/two_collections", "chroma_0_3_29/small_wal_only"] {
        let copy = copy_of(&fixtures().join(case).join("store"));
        let host = folder_host(copy.path());
        let unknown = ChromaSource::plan(&host, &Config::Null, "nobody", 1).unwrap_err();
        assert_eq!(unknown.kind, ErrorKind::NotFound, "{case}: {unknown}");
        let name = ChromaSource::discover(&host, &Config::Null).unwrap()[0].name.clone();
        let split = ChromaSource::plan(&host, &Config::Null, &name, 1).unwrap().remove(0);
        for cursor in [&b""[..], b"x", b"123456789012345"] {
            let refused = ChromaSource::open(&host, &Config::Null, &split, Some(cursor)).err().unwrap();
            assert_eq!(refused.kind, ErrorKind::Config, "{case}: {refused}");
        }
        let wrong = Split { payload: vec![0xff], ..split };
        assert_eq!(ChromaSource::open(&host, &Config::Null, &wrong, None).err().unwrap().kind, ErrorKind::Config);
        let setting = ChromaSource::discover(&host, &json!({"vectors": 3})).unwrap_err();
        assert_eq!(setting.kind, ErrorKind::Config);
    }
    let empty = tempfile::tempdir().unwrap();
    let nothing = ChromaSource::discover(&folder_host(empty.path()), &Config::Null).unwrap_err();
    assert_eq!(nothing.kind, ErrorKind::NotFound);
}

fn put(root: &Path, name: &str, bytes: &[u8]) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn stores_are_detected_wherever_they_lie() {
    let root = tempfile::tempdir().unwrap();
    let database = fs::read(fixtures().join("chroma_1_5_9/empty_collection/store/chroma.sqlite3")).unwrap();
    let parquet = fs::read(fixtures().join("chroma_0_3_29/small_wal_only/store/chroma-embeddings.parquet")).unwrap();
    let segment = "2b4ab646-b606-4dbc-a07a-034b87912293";
    let files: &[(&str, &[u8])] = &[
        ("chroma.sqlite3", &database),
        ("chroma.sqlite3-wal", b"log"),
        ("chroma.sqlite3-shm", b"shared"),
        ("chroma.sqlite3-journal", b"journal"),
        (&format!("{segment}/header.bin"), b"header"),
        ("chroma.sqlite3.bak", &database),
        ("notes/2b4ab646.txt", b"text"),
        ("text.pkl", b"pickle"),
        ("deep/er/chroma.sqlite3", &database),
        (&format!("deep/er/{segment}/length.bin"), b"norms"),
        ("deep/er/not-a-segment/length.bin", b"norms"),
        ("old/chroma-embeddings.parquet", &parquet),
        ("old/chroma-collections.parquet", &parquet),
        ("old/index/index_a.bin", b"index"),
        ("both/chroma-embeddings.parquet", &parquet),
        ("both/chroma.sqlite3", &database),
        ("broken/chroma.sqlite3", b"no database"),
        ("other/chroma.sqlite3", b"SQLite format 3\0 of somebody else"),
    ];
    for (name, bytes) in files {
        put(root.path(), name, bytes);
    }
    let mut claims = ChromaSource::detect(&folder_host(root.path())).unwrap();
    claims.sort_by(|a, b| a.name.cmp(&b.name));
    let claim = |name: &str, confidence: u8, files: &[&str]| Claim {
        name: name.to_owned(),
        confidence,
        files: files.iter().map(|file| (*file).to_owned()).collect(),
    };
    let header = format!("{segment}/header.bin");
    let length = format!("deep/er/{segment}/length.bin");
    let want = [
        claim("both", 95, &["both/chroma-embeddings.parquet"]),
        claim("both (sqlite)", 95, &["both/chroma.sqlite3"]),
        claim("broken", 30, &["broken/chroma.sqlite3"]),
        claim(
            "chroma",
            95,
            &[&header, "chroma.sqlite3", "chroma.sqlite3-journal", "chroma.sqlite3-shm", "chroma.sqlite3-wal"],
        ),
        claim("deep/er", 95, &[&length, "deep/er/chroma.sqlite3"]),
        claim("old", 95, &["old/chroma-collections.parquet", "old/chroma-embeddings.parquet", "old/index/index_a.bin"]),
        claim("other", 60, &["other/chroma.sqlite3"]),
    ];
    assert_eq!(claims, want);
}
