//! Stores of the real library with a few rows changed: what its releases do not write, but a store may hold.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Record, Records, copy_of, fixtures, pages};
use serde_json::json;
use vecferry_sdk::{Config, Error, Page, Result};

/// Runs `sql` on a copy of a fixture and reads it.
fn read(store: &str, sql: &str, config: &Config) -> Result<Vec<(String, Page)>, Error> {
    let copy = copy_of(&fixtures().join(store).join("store"));
    let database = rusqlite::Connection::open(copy.path().join("chroma.sqlite3")).unwrap();
    database.execute_batch(&format!("PRAGMA foreign_keys = OFF; {sql}")).unwrap();
    drop(database);
    let (host, _) = common::listening_host(copy.path());
    pages(&host, config, 50, false)
}

fn records(store: &str, sql: &str) -> Records {
    common::records(read(store, sql, &Config::Null).unwrap_or_else(|error| panic!("{sql}: {error}"))).unwrap()
}

/// Eight dimensions, everything in the log.
const LOGGED: &str = "chroma_1_5_9/metadata_types";

fn one(records: &Records, id: &str) -> Record {
    records.iter().find(|((_, other), _)| other == id).map(|(_, record)| record.clone()).unwrap()
}

#[test]
fn the_log_may_hold_integers() {
    let vector = "01000000feffffff00000000ffffff7f01000001000000800700000008000000";
    let sql = format!("UPDATE embeddings_queue SET encoding = 'INT32', vector = x'{vector}' WHERE id = 'm0'");
    let pages = read(LOGGED, &sql, &Config::Null).unwrap();
    let rounded =
        pages.iter().flat_map(|(_, page)| &page.changes).find(|change| change.code == "vector/rounded-to-f32");
    assert_eq!(rounded.map(|change| change.records), Some(1), "2^31 - 1 and 2^24 + 1 need more than 24 bits");
    let vector = one(&common::records(pages).unwrap(), "m0").vector.unwrap();
    assert_eq!(vector, [1.0, -2.0, 0.0, 2_147_483_648.0, 16_777_216.0, -2_147_483_648.0, 7.0, 8.0]);
}

#[test]
fn changes_that_do_not_matter() {
    let truth = common::expected(&fixtures().join(LOGGED));
    let cases = [
        ("nothing", ""),
        ("sequence numbers of 24 bytes", "UPDATE max_seq_id SET seq_id = CAST(zeroblob(23) || x'08' AS BLOB)"),
        ("a collection that does not know its dimension", "UPDATE collections SET dimension = NULL"),
        (
            "the log of another collection",
            "INSERT INTO embeddings_queue (operation, topic, id, vector, encoding) VALUES (3, 'persistent://default/default/other', 'm0', NULL, NULL)",
        ),
        (
            "a row of the log that the segment has",
            "UPDATE embeddings_queue SET metadata = '{\"late\": 1}' WHERE id = 'm1'",
        ),
        (
            "an update of a record that is not there",
            "INSERT INTO embeddings_queue (seq_id, operation, topic, id, vector, encoding) SELECT 0, 1, topic, 'nobody', vector, encoding FROM embeddings_queue WHERE id = 'm0'",
        ),
        (
            "a segment of another kind",
            "INSERT INTO segments SELECT 'x', 'urn:chroma:segment/record', 'RECORD', id FROM collections",
        ),
        ("a table of the future", "CREATE TABLE future (id INTEGER, what TEXT)"),
        ("a NaN, which the library does not return", "INSERT INTO embedding_metadata (id, key) VALUES (1, 'nan')"),
        (
            "a vector segment that was in memory",
            "UPDATE segments SET type = 'urn:chroma:segment/vector/hnsw-local-memory' WHERE scope = 'VECTOR'",
        ),
    ];
    for (name, sql) in cases {
        assert_eq!(common::difference(&records(LOGGED, sql), &truth, 0.0), None, "{name}");
    }
}

#[test]
fn changes_that_the_log_still_has_for_a_segment_are_replayed() {
    // The metadata segment is said to have nothing of the last rows.
    let late = |operation: i64, id: &str, metadata: &str| {
        format!(
            "INSERT INTO embeddings_queue (operation, topic, id, vector, encoding, metadata)
             SELECT {operation}, topic, '{id}', vector, encoding, {metadata} FROM embeddings_queue WHERE seq_id = 1;"
        )
    };
    let sql = [
        late(0, "m0", "'{\"not\": \"added twice\"}'"),
        late(1, "m1", "'{\"i\": null, \"new\": [1, 2], \"chroma:document\": \"changed\"}'"),
        late(1, "nobody", "'{\"a\": 1}'"),
        late(2, "m2", "NULL"),
        late(3, "m3", "NULL"),
        late(0, "m3", "'{\"f\": NaN, \"g\": Infinity, \"h\": [-Infinity, 1]}'"),
        late(2, "fresh", "'{\"t\": true, \"chroma:document\": \"\"}'"),
        late(0, "brief", "NULL"),
        late(3, "brief", "NULL"),
    ];
    let before = common::expected(&fixtures().join(LOGGED));
    let after = records(LOGGED, &sql.concat());
    let first = one(&before, "m0").vector;
    let m1 = one(&after, "m1");
    assert_eq!(one(&after, "m0"), one(&before, "m0"));
    assert_eq!((m1.document.as_deref(), m1.metadata), (Some("changed"), json!({"new": [1, 2]})));
    assert_eq!(m1.vector, first);
    assert_eq!(one(&after, "m2"), Record { vector: first.clone(), ..one(&before, "m2") });
    // SQLite keeps a NaN as NULL, which is no value, and an infinity as a number, which JSON does not have.
    let m3 = Record { document: None, metadata: json!({"g": null, "h": [null, 1]}), vector: first.clone() };
    assert_eq!(one(&after, "m3"), m3);
    let fresh = Record { document: Some(String::new()), metadata: json!({"t": true}), vector: first };
    assert_eq!(one(&after, "fresh"), fresh);
    assert_eq!(after.len(), before.len() + 1);
}

#[test]
fn what_contradicts_the_format_is_refused_by_name() {
    let cases = [
        ("an unknown encoding", "UPDATE embeddings_queue SET encoding = 'FLOAT16'", "chroma/encoding", "FLOAT16"),
        (
            "a vector of another size",
            "UPDATE embeddings_queue SET vector = x'0000803f' WHERE id = 'm3'",
            "chroma/dimension",
            "4 bytes",
        ),
        (
            "a vector that is a text",
            "UPDATE embeddings_queue SET vector = 'text' WHERE id = 'm3'",
            "chroma/vector",
            "no sequence",
        ),
        (
            "an unknown operation",
            "UPDATE embeddings_queue SET operation = 9 WHERE id = 'm3'",
            "chroma/operation",
            "operation 9",
        ),
        ("no segment for records", "DELETE FROM segments WHERE scope = 'METADATA'", "chroma/segment", "no segment"),
        (
            "a segment that is elsewhere",
            "UPDATE segments SET type = 'urn:chroma:segment/vector/spann' WHERE scope = 'VECTOR'",
            "chroma/segment-kind",
            "spann",
        ),
        ("an impossible dimension", "UPDATE collections SET dimension = -8", "chroma/dimension", "-8"),
        ("another dimension", "UPDATE collections SET dimension = 9", "chroma/dimension", "32 bytes"),
        (
            "a sequence number that is none",
            "UPDATE max_seq_id SET seq_id = x'ffffffffffffffffff'",
            "chroma/column",
            "9 bytes",
        ),
        (
            "a log that has no vector",
            "UPDATE embeddings_queue SET vector = NULL WHERE id = 'm3'",
            "chroma/vector-missing",
            "1 of 8 records",
        ),
        ("a log that is gone", "DELETE FROM embeddings_queue", "chroma/vector-missing", "8 of 8 records"),
        (
            "late metadata that is no JSON",
            "INSERT INTO embeddings_queue (operation, topic, id, metadata) SELECT 1, topic, 'm1', '{' FROM embeddings_queue LIMIT 1",
            "chroma/log",
            "no JSON",
        ),
        (
            "tables of somebody else",
            "DROP TABLE embedding_metadata; DROP TABLE segments",
            "chroma/not-chroma",
            "segments, embedding_metadata",
        ),
        (
            "a view in place of a table",
            "DROP TABLE embeddings; CREATE VIEW embeddings AS SELECT 1 AS id, 2 AS segment_id",
            "chroma/not-chroma",
            "embeddings",
        ),
    ];
    for (name, sql, code, says) in cases {
        let error = read(LOGGED, sql, &Config::Null).err().unwrap_or_else(|| panic!("{name}: read"));
        assert_eq!(error.code, code, "{name}: {error}");
        assert!(error.to_string().contains(says), "{name}: {error}");
    }
}

#[test]
fn one_bad_vector_of_the_log_does_not_stop_the_others() {
    let sql = "UPDATE embeddings_queue SET vector = x'00' WHERE id = 'm3'; UPDATE embeddings_queue SET encoding = 'F8' WHERE id = 'm5'";
    let pages = read(LOGGED, sql, &json!({"skip_unreadable": true})).unwrap();
    let rows: usize = pages.iter().map(|(_, page)| page.rows.len()).sum();
    let unreadable: Vec<_> = pages.iter().flat_map(|(_, page)| &page.unreadable).collect();
    let ids: Vec<&str> = unreadable.iter().map(|record| record.id.as_str()).collect();
    assert_eq!((rows, ids.as_slice()), (6, &["m3", "m5"][..]));
    assert!(unreadable.iter().all(|record| record.reason.context("id") == Some(record.id.as_str())));
}
