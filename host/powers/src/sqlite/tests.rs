#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::atomic::Ordering;

use vecferry_contract::ErrorKind;
use vecferry_core::SourceGrant;

use super::*;

/// A database of 1000 rows of 1000 bytes each, in table `t`.
fn database(limits: Limits) -> (tempfile::TempDir, Arc<AtomicBool>, Database) {
    let home = tempfile::tempdir().unwrap();
    rusqlite::Connection::open(home.path().join("db"))
        .unwrap()
        .execute_batch(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
             INSERT INTO t SELECT i, zeroblob(1000) FROM n;",
        )
        .unwrap();
    let grant = SourceGrant { root: home.path().to_owned(), files: None };
    let cancelled = Arc::new(AtomicBool::new(false));
    let slot = Slots::default().take("test").unwrap();
    let database = Database::open_limited(&Store::new(&grant), "db", Arc::clone(&cancelled), slot, limits).unwrap();
    (home, cancelled, database)
}

fn first_error(database: &Database, sql: &str) -> Error {
    database.query(sql, &[]).and_then(|mut cursor| cursor.next(1)).expect_err(sql)
}

#[test]
fn a_query_without_end_is_ended() {
    let (_home, _, database) = database(Limits { kilo_steps: 100, ..Limits::default() });
    let error = first_error(&database, "SELECT count(*) FROM t AS a, t AS b, t AS c, t AS d");
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Unsupported, "sqlite/step-limit"));
    // The limit is one of a call: a long scan in small steps passes.
    let mut cursor = database.query("SELECT a.id FROM t AS a, t AS b", &[]).unwrap();
    for _ in 0..200 {
        assert_eq!(cursor.next(1000).unwrap().len(), 1000);
    }
}

#[test]
fn a_cancelled_run_ends_its_queries() {
    let (_home, cancelled, database) = database(Limits::default());
    cancelled.store(true, Ordering::Relaxed);
    let error = first_error(&database, "SELECT count(*) FROM t AS a, t AS b, t AS c, t AS d");
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Transient, "sqlite/cancelled"));
}

#[test]
fn a_query_that_nobody_wants_any_more_is_given_up() {
    let (_home, _, database) = database(Limits::default());
    // Without its end the lane would work on the first query for hours.
    for _ in 0..20 {
        drop(database.query("SELECT count(*) FROM t AS a, t AS b, t AS c, t AS d", &[]).unwrap());
        let mut cursor = database.query("SELECT count(*) FROM t", &[]).unwrap();
        assert_eq!(cursor.next(2).unwrap(), [[Value::Integer(1000)]]);
    }
}

#[test]
fn rows_before_a_fault_come_before_it() {
    let (_home, _, database) = database(Limits { value_bytes: 10_000, ..Limits::default() });
    let mut cursor = database.query("SELECT zeroblob(9990 + id) FROM t ORDER BY id", &[]).unwrap();
    let lens = |rows: Vec<Vec<Value>>| rows.len();
    assert_eq!((lens(cursor.next(4).unwrap()), lens(cursor.next(100).unwrap())), (4, 6));
    assert_eq!(cursor.next(1).unwrap_err().code, "sqlite/too-big");
    assert_eq!(lens(cursor.next(1).unwrap()), 0);
}

#[test]
fn names_that_are_no_text_are_no_panic() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("db");
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE t (qqqq); INSERT INTO t VALUES (7); CREATE VIEW v AS SELECT 1 AS qqqq")
        .unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let places: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at..].starts_with(b"qqqq")).collect();
    assert_eq!(places.len(), 2);
    places.iter().for_each(|&at| bytes[at..at + 4].copy_from_slice(b"q\xff\xfeq"));
    std::fs::write(&path, bytes).unwrap();
    let grant = SourceGrant { root: home.path().to_owned(), files: None };
    let slot = Slots::default().take("test").unwrap();
    let database = Database::open_limited(&Store::new(&grant), "db", Arc::default(), slot, Limits::default()).unwrap();
    for sql in ["SELECT * FROM t", "SELECT * FROM v"] {
        let error = first_error(&database, sql);
        assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Corrupt, "sqlite/name"), "{sql}: {error}");
    }
    // What meets no such name is answered, and the columns' own names are not believed.
    let mut cursor = database.query("SELECT count(*) AS rows, 1 FROM t", &[]).unwrap();
    assert_eq!(cursor.columns(), ["column_1", "column_2"]);
    assert_eq!(cursor.next(9).unwrap(), [[Value::Integer(1), Value::Integer(1)]]);
}

#[test]
fn values_and_rows_are_bounded() {
    let (_home, _, database) = database(Limits { value_bytes: 10_000, ..Limits::default() });
    for (case, sql) in [
        ("one value", "SELECT zeroblob(10001)"),
        ("an aggregate", "SELECT group_concat(hex(v)) FROM t"),
        ("a row", "SELECT zeroblob(9000), zeroblob(9000), zeroblob(9000)"),
    ] {
        let error = first_error(&database, sql);
        assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Unsupported, "sqlite/too-big"), "{case}: {error}");
    }
    let mut cursor = database.query("SELECT zeroblob(9000), zeroblob(9000)", &[]).unwrap();
    assert_eq!(cursor.next(1).unwrap().len(), 1);
}

#[test]
fn an_answer_is_cut_by_its_bytes() {
    let (_home, _, database) = database(Limits { answer_bytes: 5000, ..Limits::default() });
    let mut cursor = database.query("SELECT v FROM t", &[]).unwrap();
    let mut rows = 0;
    loop {
        let step = cursor.next(u32::MAX).unwrap().len();
        assert!(step <= 5, "{step} rows of 1000 bytes");
        rows += step;
        if step == 0 {
            break;
        }
    }
    assert_eq!(rows, 1000);
}
