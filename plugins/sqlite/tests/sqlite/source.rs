//! The source `sqlite`: reads back what the sink wrote, and tells what it cannot read.

use crate::common::{Place, records, target};
use serde_json::json;
use vecferry_plugin_sqlite::{SqliteSink, SqliteSource};
use vecferry_sdk::testing::{folder_host, read_all};
use vecferry_sdk::{
    Batch, Collection, Dense, ErrorKind, Metric, Page, PrepareMode, SinkPlugin, SourcePlugin, Sparse, Split,
};

fn discover(place: &Place) -> Vec<Collection> {
    SqliteSource::discover(&place.host, &json!({})).unwrap()
}

fn pages(place: &Place, split: &Split, after: Option<&[u8]>, max_rows: u32, max_bytes: u64) -> Vec<Page> {
    let mut scan = SqliteSource::open(&place.host, &json!({}), split, after).unwrap();
    std::iter::from_fn(|| scan.next(max_rows, max_bytes).unwrap()).collect()
}

fn ids(pages: &[Page]) -> Vec<String> {
    pages.iter().flat_map(|page| page.rows.ids.clone()).collect()
}

#[test]
fn what_was_written_is_read_back_to_the_bit() {
    let place = Place::new();
    let mut batch = records(0, 500, 3);
    batch.dense[0].values[4] = f32::from_bits(0x7fc0_1234); // NaN with a payload
    batch.dense[0].values[5] = -0.0;
    batch.dense[0].absent = vec![7, 499];
    batch.dense[0].values[21..24].fill(0.0);
    batch.dense[0].values[1497..].fill(0.0);
    batch.dense.push(Dense { name: "title".into(), ..Dense::new(1, (0..500).map(|row| row as f32).collect()) });
    let offsets = (0..=500).map(|row| row.min(2)).collect();
    batch.sparse = vec![Sparse { name: "bm25".into(), offsets, indices: vec![9, u32::MAX], values: vec![0.5, -1.0] }];
    place.write(&target("docs", 3, Metric::Cosine), &batch);
    place.write(&target("texts", None, Metric::Unknown), &Batch { dense: vec![], ..records(3, 5, 1) });
    place.finish();
    let read = read_all::<SqliteSource>(&place.host, &json!({}), 1000).unwrap();
    assert_eq!(read.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["docs", "texts"]);
    let back = &read[0].1[0];
    let bits = |batch: &Batch| -> Vec<Vec<u32>> {
        batch.dense.iter().map(|dense| dense.values.iter().map(|value| value.to_bits()).collect()).collect()
    };
    assert!(bits(back) == bits(&batch));
    let without_values = |batch: &Batch| {
        let dense = batch.dense.iter().map(|dense| Dense { values: vec![], ..dense.clone() }).collect();
        Batch { dense, ..batch.clone() }
    };
    assert_eq!(without_values(back), without_values(&batch));
}

#[test]
fn a_database_that_was_not_finished_is_read_too() {
    let place = Place::new();
    let mut writer = place.writer(&target("docs", 2, Metric::Cosine));
    writer.write(&records(0, 5, 2)).unwrap();
    assert_eq!(discover(&place)[0].rows, Some(5));
    let claims = SqliteSource::detect(&place.host).unwrap();
    assert_eq!(claims[0].files, ["demo.db", "demo.db-shm", "demo.db-wal"]);
}

#[test]
fn splits_are_disjoint_and_complete_and_cursors_continue() {
    let place = Place::new();
    let target = target("docs", 2, Metric::Cosine);
    place.write(&target, &records(0, 100, 2));
    // Holes, and a record whose number is far away.
    place.sql().execute_batch("DELETE FROM records_1 WHERE record % 7 = 0; UPDATE records_1 SET record = 9000 WHERE record = 50; UPDATE vectors_1 SET record = 9000 WHERE record = 50;").unwrap();
    let all =
        ids(&pages(&place, &SqliteSource::plan(&place.host, &json!({}), "docs", 1).unwrap()[0], None, 4096, 1 << 30));
    assert_eq!(all.len(), 86);
    for desired in [0, 1, 2, 7, 86, 5000] {
        let splits = SqliteSource::plan(&place.host, &json!({}), "docs", desired).unwrap();
        assert_eq!(splits, SqliteSource::plan(&place.host, &json!({}), "docs", desired).unwrap());
        let mut found: Vec<String> =
            splits.iter().flat_map(|split| ids(&pages(&place, split, None, 10, 1 << 30))).collect();
        let count = found.len();
        found.sort();
        found.dedup();
        assert_eq!((count, found.len()), (86, 86), "{desired} splits");
    }
    let split = &SqliteSource::plan(&place.host, &json!({}), "docs", 1).unwrap()[0];
    for (rows, bytes) in [(1, 1 << 30), (3, 1 << 30), (64, 1 << 30), (65, 1 << 30), (4096, 0), (4096, 150)] {
        let read = pages(&place, split, None, rows, bytes);
        assert_eq!(ids(&read), all, "pages of {rows} rows, {bytes} bytes");
        assert!(read.iter().all(|page| (1..=rows as usize).contains(&page.rows.len())));
        for (at, page) in read.iter().enumerate() {
            let rest = ids(&pages(&place, split, Some(&page.cursor), rows, bytes));
            assert_eq!(rest, ids(&read[at + 1..]), "after page {at} of {rows} rows, {bytes} bytes");
        }
    }
}

#[test]
fn an_empty_collection_has_one_empty_split() {
    let place = Place::new();
    place.prepare(&target("docs", 2, Metric::Cosine)).unwrap();
    let splits = SqliteSource::plan(&place.host, &json!({}), "docs", 4).unwrap();
    assert_eq!(splits.len(), 1);
    assert!(pages(&place, &splits[0], None, 10, 10).is_empty());
}

#[test]
fn only_our_databases_are_claimed() {
    let place = Place::new();
    place.write(&target("docs", 2, Metric::Cosine), &records(0, 1, 2));
    place.finish();
    std::fs::create_dir(place.path("nested")).unwrap();
    for copy in ["demo.sqlite", "nested/other", "picture.png"] {
        std::fs::copy(place.database(), place.path(copy)).unwrap();
    }
    let foreign = rusqlite::Connection::open(place.path("foreign.db")).unwrap();
    foreign.execute_batch("CREATE TABLE collections (name)").unwrap();
    std::fs::write(place.path("text.db"), "x".repeat(512)).unwrap();
    std::fs::write(place.path("short.db"), "SQLite format 3\0").unwrap();
    std::fs::write(place.path("empty.db"), "").unwrap();
    let claims = SqliteSource::detect(&place.host).unwrap();
    let seen: Vec<_> =
        claims.iter().map(|claim| (claim.name.as_str(), claim.confidence, claim.files.as_slice())).collect();
    let want = [("demo", "demo.db"), ("demo.sqlite", "demo.sqlite"), ("nested/other", "nested/other")];
    let want: Vec<_> = want.iter().map(|(name, file)| (*name, 100, vec![(*file).to_owned()])).collect();
    assert_eq!(seen, want.iter().map(|(name, sure, files)| (*name, *sure, files.as_slice())).collect::<Vec<_>>());
    assert_eq!(SqliteSource::discover(&place.host, &json!({})).unwrap_err().code, "sqlite/several");
    let empty = folder_host(&place.path("nowhere-near"));
    std::fs::create_dir(place.path("nowhere-near")).unwrap();
    assert_eq!(SqliteSource::discover(&empty, &json!({})).unwrap_err().kind, ErrorKind::NotFound);
}

#[test]
fn a_collection_tells_what_it_is() {
    let place = Place::new();
    let target = target("docs", 2, Metric::Dot);
    let mut config = place.config();
    config["embedding"] = json!({"provider": "fastembed", "model": "all-MiniLM-L6-v2", "dimension": 2});
    SqliteSink::prepare(&place.host, &config, &target, PrepareMode::CreateIfMissing).unwrap();
    let before = discover(&place).remove(0);
    assert_eq!((before.rows, before.dimension, before.metric), (Some(0), Some(2), Metric::Dot));
    assert!(!before.has_documents && !before.has_vectors);
    place.write(&target, &records(1, 3, 2));
    let after = discover(&place).remove(0);
    assert!(after.has_documents && after.has_vectors && !after.lossy_vectors);
    let detail = |key: &str| after.details.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str());
    assert_eq!(detail("embedding model"), Some("all-MiniLM-L6-v2"));
    assert_eq!(detail("embedding provider"), Some("fastembed"));
    assert_eq!(detail("embedding dimension"), Some("2"));
    assert_eq!(detail("format"), Some("vecferry sqlite, version 1"));
}

#[test]
fn the_fingerprint_changes_with_the_data_and_only_then() {
    let place = Place::new();
    let target = target("docs", 2, Metric::Dot);
    let print = || discover(&place).remove(0).fingerprint;
    place.write(&target, &records(0, 3, 2));
    place.finish();
    let mut seen = vec![print()];
    assert_eq!(print(), seen[0]);
    place.write(&target, &records(0, 3, 2));
    seen.push(print());
    place.finish();
    seen.push(print());
    place.sql().execute_batch("UPDATE records_1 SET document = 'by hand' WHERE record = 2").unwrap();
    seen.push(print());
    seen.dedup();
    assert!(seen.len() >= 3 && seen.first() != seen.last(), "{seen:?}");
}

#[test]
fn records_that_were_tampered_with_are_told_and_the_rest_is_read() {
    let cases = [
        ("UPDATE records_1 SET metadata = '{\"a\":' WHERE record = 3", "metadata/json"),
        ("UPDATE records_1 SET metadata = '[]' WHERE record = 3", "metadata/no-object"),
        ("UPDATE records_1 SET metadata = x'00' WHERE record = 3", "sqlite/content"),
        ("UPDATE records_1 SET document = x'ff' WHERE record = 3", "sqlite/content"),
        ("UPDATE vectors_1 SET vector = x'00000000' WHERE record = 3", "sqlite/content"),
        ("UPDATE vectors_1 SET vector = zeroblob(1000000) WHERE record = 3", "sqlite/content"),
        ("UPDATE vectors_1 SET vector = 'text' WHERE record = 3", "sqlite/content"),
        ("UPDATE sparse_1_1 SET indices = x'00' WHERE record = 3", "sqlite/content"),
    ];
    for (sql, code) in cases {
        let place = Place::new();
        let mut batch = records(0, 5, 2);
        let (indices, values) = (vec![1; 5], vec![1.0; 5]);
        batch.sparse = vec![Sparse { name: "s".into(), offsets: (0..=5).collect(), indices, values }];
        place.write(&target("docs", 2, Metric::Cosine), &batch);
        assert_eq!(place.sql().execute(sql, []).unwrap(), 1, "{sql}");
        let split = &SqliteSource::plan(&place.host, &json!({}), "docs", 1).unwrap()[0];
        let read = pages(&place, split, None, 100, 1 << 20);
        assert_eq!(ids(&read), ["doc-0", "doc-1", "doc-3", "doc-4"], "{sql}");
        read[0].rows.check().unwrap();
        let [unreadable] = &read[0].unreadable[..] else { panic!("{sql}: {:?}", read[0].unreadable) };
        assert_eq!((unreadable.id.as_str(), unreadable.reason.code.as_str()), ("doc-2", code), "{sql}");
        assert_eq!(unreadable.reason.kind, ErrorKind::Corrupt);
        assert_eq!(
            (unreadable.reason.context("id"), unreadable.reason.context("file")),
            (Some("doc-2"), Some("demo.db"))
        );
    }
}

#[test]
fn a_database_that_lies_about_itself_is_an_error_and_no_more() {
    let cases = [
        "UPDATE collections SET dimension = 4294967295; UPDATE columns SET dimension = 4294967295",
        "UPDATE collections SET dimension = -1",
        "UPDATE collections SET dimension = 'many'",
        "UPDATE collections SET metric = 'miles'",
        "UPDATE collections SET name = x'ff'",
        "UPDATE collections SET collection = 99",
        "UPDATE columns SET ordinal = 99",
        "UPDATE columns SET kind = 'sparse'",
        "UPDATE columns SET kind = 'x'",
        "DROP TABLE vectors_1",
        "DROP TABLE records_1",
        "DROP TABLE columns",
        "DROP TABLE collections",
        "DROP TABLE records_1; CREATE TABLE records_1 (record, id, document, metadata); INSERT INTO records_1 VALUES ('x', 'y', 'z', '{}')",
        "DROP TABLE records_1; CREATE VIEW records_1 AS WITH RECURSIVE n(record) AS (SELECT 1 UNION ALL SELECT record + 1 FROM n LIMIT 5) SELECT record, NULL AS id, 1 AS document, '{}' AS metadata FROM n",
    ];
    for sql in cases {
        let place = Place::new();
        place.write(&target("docs", 2, Metric::Cosine), &records(0, 5, 2));
        place.finish();
        place.sql().execute_batch(sql).unwrap();
        let error = read_all::<SqliteSource>(&place.host, &json!({}), 100).expect_err(sql);
        assert_eq!(error.kind, ErrorKind::Corrupt, "{sql}: {error}");
    }
}

#[test]
fn splits_and_cursors_of_others_are_refused() {
    let place = Place::new();
    place.write(&target("docs", 2, Metric::Cosine), &records(0, 1, 2));
    let split = SqliteSource::plan(&place.host, &json!({}), "docs", 1).unwrap().remove(0);
    let open =
        |split: &Split, after: Option<&[u8]>| SqliteSource::open(&place.host, &json!({}), split, after).err().unwrap();
    assert_eq!(open(&Split { payload: b"x".to_vec(), ..split.clone() }, None).kind, ErrorKind::Config);
    assert_eq!(open(&split, Some(b"short")).kind, ErrorKind::Config);
    let unknown = SqliteSource::plan(&place.host, &json!({}), "other", 1).unwrap_err();
    assert_eq!(unknown.kind, ErrorKind::NotFound);
}
