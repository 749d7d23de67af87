/*! `sqlite`: read-only SQL over files that nobody vouches for, and nothing beside them changes. */

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use vecferry_contract::ErrorKind;
use vecferry_powers::{Database, Error, Result, Value};

use crate::common::{copy_folder, fixture, over_store, tree};

const WAL_CASE: &str = "chroma_1_5_9/sqlite_wal_mode_uncheckpointed/store";
const DAMAGED_CASE: &str = "chroma_corrupt/sqlite_damaged_pages/store";

/// All rows of a query.
fn all(database: &Database, sql: &str, params: &[Value]) -> Result<Vec<Vec<Value>>> {
    let mut cursor = database.query(sql, params)?;
    let mut out = Vec::new();
    loop {
        let rows = cursor.next(7)?;
        if rows.is_empty() {
            return Ok(out);
        }
        out.extend(rows);
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// A database `db` in a folder of its own, with `t(id, v)`: rows 1 to 1000, v = 2 × id.
fn numbers(prepare: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let connection = Connection::open(home.path().join("db")).unwrap();
    connection.execute_batch(prepare).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
             INSERT INTO t SELECT i, 2 * i FROM n;",
        )
        .unwrap();
    home
}

fn sum(root: &Path) -> Result<Value> {
    let database = over_store(root, None).open_sqlite("db")?;
    Ok(all(&database, "SELECT sum(v) FROM t", &[])?.remove(0).remove(0))
}

#[test]
fn reads_a_live_write_ahead_log_and_changes_nothing() {
    let store = fixture(WAL_CASE);
    let before = tree(&store);
    assert!(before.keys().any(|path| path.ends_with("chroma.sqlite3-wal")), "the fixture has a log");
    let database = over_store(&store, Some(&["chroma.sqlite3"])).open_sqlite("chroma.sqlite3").unwrap();
    let sql = "SELECT string_value FROM embedding_metadata WHERE key = ?1 ORDER BY id LIMIT 1";
    let found = all(&database, sql, &[text("chroma:document")]).unwrap();
    assert_eq!(found, [[text("changed in -wal")]], "what only the log holds is read");
    let found =
        all(&database, "SELECT count(*) FROM embedding_fulltext_search WHERE string_value MATCH 'document'", &[]);
    assert!(matches!(found.unwrap()[0][0], Value::Integer(_)), "full-text tables can be asked");
    assert_eq!(tree(&store), before, "while it is open");
    drop(database);
    assert_eq!(tree(&store), before, "after it was closed");
}

#[test]
fn a_database_in_wal_mode_without_a_log_is_read_in_place() {
    let home = numbers("PRAGMA journal_mode = WAL;");
    let before = tree(home.path());
    assert_eq!(before.len(), 1, "closing took the log away");
    let header = before.values().next().unwrap().as_ref().unwrap();
    assert_eq!(header[18..20], [2, 2], "the header still says WAL");
    assert_eq!(sum(home.path()).unwrap(), Value::Integer(1_001_000));
    assert_eq!(tree(home.path()), before);
}

/// `numbers`, copied in the middle of a transaction that set every v to 0 and has reached the file in part.
fn with_hot_journal() -> tempfile::TempDir {
    let home = numbers("PRAGMA journal_mode = DELETE;");
    let connection = Connection::open(home.path().join("db")).unwrap();
    connection.execute_batch("PRAGMA cache_size = 1; BEGIN; UPDATE t SET v = 0;").unwrap();
    let copy = tempfile::tempdir().unwrap();
    copy_folder(home.path(), copy.path());
    copy
}

#[test]
fn a_hot_journal_is_rolled_back_in_a_copy() {
    let home = with_hot_journal();
    let before = tree(home.path());
    assert!(home.path().join("db-journal").exists(), "the transaction left a journal");
    assert_eq!(sum(home.path()).unwrap(), Value::Integer(1_001_000));
    assert_eq!(tree(home.path()), before);
    fs::remove_file(home.path().join("db-journal")).unwrap();
    assert_ne!(sum(home.path()).ok(), Some(Value::Integer(1_001_000)), "without the journal it would be another sum");
}

#[test]
fn a_journal_that_names_another_file_is_refused() {
    let home = with_hot_journal();
    let victim = home.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    // The record of a super-journal (sqlite.org/fileformat2.html and pager.c): page number, name, length, checksum, magic.
    let name = victim.to_str().unwrap().as_bytes();
    let mut journal = fs::read(home.path().join("db-journal")).unwrap();
    journal.extend_from_slice(&1_073_741_825_u32.to_be_bytes());
    journal.extend_from_slice(name);
    journal.extend_from_slice(&u32::try_from(name.len()).unwrap().to_be_bytes());
    journal.extend_from_slice(&name.iter().map(|&byte| u32::from(byte)).sum::<u32>().to_be_bytes());
    journal.extend_from_slice(&[0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7]);
    fs::write(home.path().join("db-journal"), journal).unwrap();
    let before = tree(home.path());
    let error = sum(home.path()).unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Unsupported, "sqlite/super-journal"));
    assert_eq!(tree(home.path()), before);
}

#[test]
fn finished_journals_are_left_alone() {
    for mode in ["PERSIST", "TRUNCATE"] {
        let home = numbers(&format!("PRAGMA journal_mode = {mode};"));
        let before = tree(home.path());
        assert!(home.path().join("db-journal").exists(), "{mode} leaves a journal");
        assert_eq!(sum(home.path()).unwrap(), Value::Integer(1_001_000), "{mode}");
        assert_eq!(tree(home.path()), before, "{mode}");
    }
}

#[test]
fn damaged_pages_are_corrupt() {
    let database = over_store(&fixture(DAMAGED_CASE), None).open_sqlite("chroma.sqlite3").unwrap();
    let errors = dump(&database).unwrap();
    assert!(!errors.is_empty(), "the damage is met");
    for error in errors {
        assert_eq!((error.kind, error.context("file")), (ErrorKind::Corrupt, Some("chroma.sqlite3")), "{error}");
        assert!(error.hint.is_some());
    }
}

/// Reads every table whole; the errors of single tables.
fn dump(database: &Database) -> Result<Vec<Error>> {
    let tables = all(database, "SELECT name FROM sqlite_schema WHERE type = 'table'", &[])?;
    let mut errors = Vec::new();
    for table in tables {
        if let Value::Text(name) = &table[0] {
            let name = name.replace('"', "\"\"");
            errors.extend(all(database, &format!("SELECT * FROM \"{name}\""), &[]).err());
        }
    }
    Ok(errors)
}

#[test]
fn mutated_files_give_errors_of_the_right_kind() {
    let source = fixture(WAL_CASE);
    let good = fs::read(source.join("chroma.sqlite3")).unwrap();
    let log = fs::read(source.join("chroma.sqlite3-wal")).unwrap();
    // A fixed linear congruential sequence: the same files every time.
    let mut state = 2026_u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    let mut corrupt = 0;
    for round in 0..150 {
        let (mut file, mut log) = (good.clone(), log.clone());
        for _ in 0..1 + random(40) {
            // Half of the damage goes into the header and the schema.
            let reach = if random(2) == 0 { 4096 } else { file.len() };
            let at = random(reach);
            file[at] = u8::try_from(random(256)).unwrap();
        }
        let at = random(log.len());
        log[at] ^= 0xff;
        match round % 3 {
            0 => file.truncate(random(good.len())),
            1 => log.truncate(random(log.len())),
            _ => {}
        }
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("db"), file).unwrap();
        if round % 2 == 0 {
            fs::write(home.path().join("db-wal"), log).unwrap();
        }
        let before = tree(home.path());
        let opened = over_store(home.path(), None).open_sqlite("db");
        let errors = match opened.and_then(|database| dump(&database)) {
            Ok(errors) => errors,
            Err(error) => vec![error],
        };
        for error in &errors {
            // A mutated schema can name functions, tables and syntax that SQLite or the guard refuses.
            let allowed = [ErrorKind::Corrupt, ErrorKind::Unsupported, ErrorKind::Denied, ErrorKind::Internal];
            assert!(allowed.contains(&error.kind), "round {round}: {error:?}");
            corrupt += usize::from(error.kind == ErrorKind::Corrupt);
        }
        assert_eq!(tree(home.path()), before, "round {round}");
    }
    assert!(corrupt > 50, "most of the damage is seen as such: {corrupt}");
}

#[test]
fn files_that_are_no_database() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("text"), "once upon a time ".repeat(100)).unwrap();
    fs::write(home.path().join("short"), "SQLite format 3\0").unwrap();
    fs::create_dir(home.path().join("folder")).unwrap();
    let powers = over_store(home.path(), None);
    for (case, name, kind) in [
        ("text", "text", ErrorKind::Corrupt),
        ("cut short", "short", ErrorKind::Corrupt),
        ("missing", "gone", ErrorKind::NotFound),
        ("folder", "folder", ErrorKind::NotFound),
        ("path", "../db", ErrorKind::Denied),
    ] {
        let Err(error) = powers.open_sqlite(name) else { panic!("{case} was opened") };
        assert_eq!(error.kind, kind, "{case}: {error}");
    }
    assert_eq!(tree(home.path()).len(), 3, "nothing was created");
}

#[test]
fn nothing_but_reading_is_allowed() {
    let home = numbers("");
    let outside = tempfile::tempdir().unwrap();
    let elsewhere = outside.path().join("new.db");
    let elsewhere = elsewhere.to_str().unwrap();
    let before = tree(home.path());
    let database = over_store(home.path(), None).open_sqlite("db").unwrap();
    let attach = format!("ATTACH '{elsewhere}' AS other");
    let vacuum = format!("VACUUM INTO '{elsewhere}'");
    for (case, sql) in [
        ("insert", "INSERT INTO t VALUES (5000, 1)"),
        ("update", "UPDATE t SET v = 0"),
        ("delete", "DELETE FROM t"),
        ("create", "CREATE TABLE u (a)"),
        ("temporary table", "CREATE TEMP TABLE u (a)"),
        ("virtual table", "CREATE VIRTUAL TABLE temp.u USING fts5(a)"),
        ("drop", "DROP TABLE t"),
        ("alter", "ALTER TABLE t ADD COLUMN w"),
        ("attach", &attach),
        ("vacuum", "VACUUM"),
        ("vacuum into", &vacuum),
        ("begin", "BEGIN IMMEDIATE"),
        ("savepoint", "SAVEPOINT s"),
        ("journal mode", "PRAGMA journal_mode = WAL"),
        ("writable schema", "PRAGMA writable_schema = ON"),
        ("query only", "PRAGMA query_only = OFF"),
        ("temporary folder", "PRAGMA temp_store_directory = '/'"),
        ("heap limit", "PRAGMA hard_heap_limit = 0"),
        ("pragma with a value", "PRAGMA user_version = 7"),
        ("pragma as a table", "SELECT * FROM pragma_journal_mode"),
        ("extension", "SELECT load_extension('libm')"),
        ("tokenizer", "SELECT fts3_tokenizer('simple')"),
        ("random bytes", "SELECT randomblob(1000000000)"),
        ("recursion", "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"),
    ] {
        let error = match all(&database, sql, &[]) {
            Ok(rows) => panic!("{case}: {sql} gave {rows:?}"),
            Err(error) => error,
        };
        assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Denied, "sqlite/denied"), "{case}: {error}");
    }
    assert_eq!(tree(home.path()), before);
    assert!(tree(outside.path()).is_empty(), "nothing was written elsewhere");
}

#[test]
fn statements_that_fail() {
    let home = numbers("");
    let database = over_store(home.path(), None).open_sqlite("db").unwrap();
    for (case, sql, params, kind, code) in [
        ("no such table", "SELECT * FROM missing", 0, ErrorKind::Unsupported, "sqlite/schema"),
        ("no such column", "SELECT missing FROM t", 0, ErrorKind::Unsupported, "sqlite/schema"),
        ("syntax", "SELEKT 1", 0, ErrorKind::Internal, "sqlite/sql"),
        ("two statements", "SELECT 1; SELECT 2", 0, ErrorKind::Internal, "sqlite/sql"),
        ("too few parameters", "SELECT ?1, ?2", 1, ErrorKind::Internal, "sqlite/sql"),
        ("too many parameters", "SELECT ?1", 2, ErrorKind::Internal, "sqlite/sql"),
        ("while stepping", "SELECT abs(-9223372036854775808)", 0, ErrorKind::Internal, "sqlite/sql"),
    ] {
        let error = all(&database, sql, &vec![Value::Null; params]).expect_err(case);
        assert_eq!((error.kind, error.code.as_str()), (kind, code), "{case}: {error}");
    }
    assert_eq!(all(&database, "SELECT 1", &[]).unwrap(), [[Value::Integer(1)]], "it goes on after errors");
}

#[test]
fn values_cross_as_they_are() {
    let home = tempfile::tempdir().unwrap();
    let name = "odd name?mode=rwc#50%.db";
    Connection::open(home.path().join(name))
        .unwrap()
        .execute_batch("CREATE TABLE v (a); INSERT INTO v VALUES (CAST(x'ff41' AS TEXT));")
        .unwrap();
    let database = over_store(home.path(), None).open_sqlite(name).unwrap();
    let values = [
        Value::Null,
        Value::Integer(i64::MIN),
        Value::Real(-0.5),
        Value::Text("naïve \u{1f6a2}".into()),
        Value::Text(String::new()),
        Value::Blob(vec![0, 255, 0]),
        Value::Blob(vec![]),
    ];
    let cursor = database.query("SELECT ?1 AS a, ?2, ?3, ?4, ?5, ?6, ?7 AS g", &values).unwrap();
    assert_eq!((cursor.columns().len(), &*cursor.columns()[0], &*cursor.columns()[6]), (7, "a", "g"));
    drop(cursor);
    assert_eq!(all(&database, "SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7", &values).unwrap(), [values]);
    let odd = all(&database, "SELECT a FROM v", &[]).unwrap();
    assert_eq!(odd, [[Value::Blob(vec![0xff, 0x41])]], "text that is no UTF-8 comes as bytes");
    assert_eq!(tree(home.path()).len(), 1, "the name was not taken for a query");
}

#[test]
fn cursors_are_independent() {
    let home = numbers("");
    let database = over_store(home.path(), None).open_sqlite("db").unwrap();
    let mut up = database.query("SELECT id FROM t ORDER BY id", &[]).unwrap();
    let mut down = database.query("SELECT id FROM t ORDER BY id DESC", &[]).unwrap();
    for step in 0..1000 {
        assert_eq!(up.next(1).unwrap(), [[Value::Integer(step + 1)]]);
        assert_eq!(down.next(1).unwrap(), [[Value::Integer(1000 - step)]]);
        let point = all(&database, "SELECT v FROM t WHERE id = ?1", &[Value::Integer(step + 1)]).unwrap();
        assert_eq!(point, [[Value::Integer(2 * step + 2)]]);
    }
    for cursor in [&mut up, &mut down] {
        assert!(cursor.next(1).unwrap().is_empty());
        assert!(cursor.next(1).unwrap().is_empty(), "the end stays the end");
    }
    let half_read = database.query("SELECT id FROM t", &[]).unwrap();
    drop(half_read);
    drop(database);
    let mut outlives = {
        let database = over_store(home.path(), None).open_sqlite("db").unwrap();
        database.query("SELECT id FROM t", &[]).unwrap()
    };
    assert_eq!(outlives.next(u32::MAX).unwrap().len(), 1000, "a cursor needs its database no longer");
}

#[test]
fn open_cursors_are_bounded() {
    let home = numbers("");
    let database = over_store(home.path(), None).open_sqlite("db").unwrap();
    let mut held = Vec::new();
    let error = loop {
        match database.query("SELECT id FROM t", &[]) {
            Ok(cursor) => held.push(cursor),
            Err(error) => break error,
        }
        assert!(held.len() < 10_000, "there is no bound");
    };
    assert_eq!(error.code, "host/too-many-open");
    held.clear();
    assert_eq!(all(&database, "SELECT count(*) FROM t", &[]).unwrap(), [[Value::Integer(1000)]]);
}

#[test]
fn a_file_that_changes_while_it_is_read_is_noticed() {
    let home = numbers("");
    let database = over_store(home.path(), None).open_sqlite("db").unwrap();
    let mut cursor = database.query("SELECT id FROM t", &[]).unwrap();
    assert_eq!(cursor.next(10).unwrap().len(), 10);
    let writer = Connection::open(home.path().join("db")).unwrap();
    writer.execute_batch("CREATE TABLE more AS SELECT * FROM t").unwrap();
    for error in [cursor.next(10_000).unwrap_err(), database.query("SELECT 1", &[]).err().unwrap()] {
        assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Transient, "sqlite/changed"));
    }
}
