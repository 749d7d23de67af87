//! The sink `sqlite`: what every sink must do, whose files it leaves alone, and what it leaves behind.

use crate::common::{Place, config, records, target};
use serde_json::json;
use vecferry_plugin_sqlite::SqliteSink;
use vecferry_sdk::testing::sink_conformance::{InProcess, Promises, run};
use vecferry_sdk::{Alteration, Dense, ErrorKind, Metric, PrepareMode, SinkPlugin, Target};

#[test]
fn does_what_every_sink_must() {
    let place = Place::new();
    let promises = Promises { reopens: true, every_column: true, without_vectors: true, max_dimension: u32::MAX };
    let (ran, failures) = run(promises, &|name| {
        Box::new(InProcess::<SqliteSink>::new(place.host.clone(), config(&place.path(&format!("{name}.db")))))
    });
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(ran >= 23, "{ran} cases");
}

#[test]
fn files_that_are_not_ours_are_refused_and_left_alone() {
    type Make = fn(&Place);
    let another_program = |place: &Place| {
        place
            .sql()
            .execute_batch("CREATE TABLE collections (name TEXT); INSERT INTO collections VALUES ('theirs')")
            .unwrap();
    };
    let cases: &[(&str, Make, &str)] = &[
        ("another program's database", another_program, "sqlite/foreign"),
        (
            "another program's database, marked as its own",
            |place| place.sql().execute_batch("PRAGMA application_id = 7; CREATE TABLE t (x)").unwrap(),
            "sqlite/foreign",
        ),
        (
            "another program's database with a log that was not taken in",
            |place| {
                let sql = place.sql();
                sql.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1)").unwrap();
                // As a crash leaves it: copied while it is open.
                for name in ["demo.db", "demo.db-wal"] {
                    std::fs::copy(place.path(name), place.path(&format!("{name}.copy"))).unwrap();
                }
                drop(sql);
                for name in ["demo.db", "demo.db-wal"] {
                    std::fs::rename(place.path(&format!("{name}.copy")), place.path(name)).unwrap();
                }
            },
            "sqlite/foreign",
        ),
        ("a text", |place| std::fs::write(place.database(), "SQLite format 4, or so").unwrap(), "sqlite/no-database"),
        ("a long text", |place| std::fs::write(place.database(), "x".repeat(70_000)).unwrap(), "sqlite/no-database"),
        ("a folder", |place| std::fs::create_dir(place.database()).unwrap(), "sqlite/folder"),
        (
            "tables of a later version",
            |place| {
                place.prepare(&target("docs", 2, Metric::Cosine)).unwrap();
                place.sql().execute_batch("PRAGMA user_version = 2").unwrap();
            },
            "sqlite/version",
        ),
    ];
    for (name, make, code) in cases {
        let place = Place::new();
        make(&place);
        let state = || -> Vec<(String, Option<Vec<u8>>)> {
            place.names().into_iter().map(|name| (name.clone(), std::fs::read(place.path(&name)).ok())).collect()
        };
        let before = state();
        let target = target("docs", 2, Metric::Cosine);
        let answers = [
            SqliteSink::check(&place.host, &place.config()).err(),
            place.prepare(&target).err(),
            SqliteSink::prepare(&place.host, &place.config(), &target, PrepareMode::MustExist).err(),
            SqliteSink::prepare(&place.host, &place.config(), &target, PrepareMode::MustBeEmpty).err(),
            SqliteSink::open(&place.host, &place.config(), &target).err(),
            SqliteSink::finish(&place.host, &place.config()).err(),
        ];
        for answer in answers {
            let error = answer.unwrap_or_else(|| panic!("{name} was let through"));
            assert_eq!(error.code, *code, "{name}: {error}");
            assert!(matches!(error.kind, ErrorKind::Config | ErrorKind::Unsupported), "{name}: {:?}", error.kind);
            assert!(error.hint.is_some() && error.message.contains("demo.db"), "{name}: {error}");
        }
        assert!(state() == before, "{name}: the folder changed: {:?}", place.names());
    }
}

#[test]
fn places_that_cannot_hold_a_database() {
    let place = Place::new();
    for (location, code) in [
        ("".to_owned(), "sqlite/location"),
        ("folder/".to_owned(), "sqlite/location"),
        (place.path("missing/demo.db").to_str().unwrap().to_owned(), "sqlite/no-folder"),
    ] {
        let error = SqliteSink::check(&place.host, &json!({"location": location})).unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Config, code), "{location:?}: {error}");
    }
    for (key, value) in [("busy-timeout-ms", json!(-1)), ("busy-timeout-ms", json!("soon")), ("embedding", json!("x"))]
    {
        let mut config = place.config();
        config[key] = value;
        assert_eq!(SqliteSink::check(&place.host, &config).unwrap_err().kind, ErrorKind::Config, "{config}");
    }
    assert!(place.names().is_empty(), "looking made {:?}", place.names());
}

#[test]
fn an_empty_file_and_odd_names_are_fine() {
    let place = Place::new();
    for name in ["touched.db", "50% #1?.db", "käse 語.db", "no extension"] {
        let path = place.path(name);
        std::fs::write(&path, "").unwrap();
        let (config, target) = (config(&path), target("docs", 2, Metric::Cosine));
        let missing = SqliteSink::prepare(&place.host, &config, &target, PrepareMode::MustExist).unwrap_err();
        assert_eq!(missing.kind, ErrorKind::NotFound, "{name}");
        SqliteSink::prepare(&place.host, &config, &target, PrepareMode::MustBeEmpty).unwrap();
        SqliteSink::open(&place.host, &config, &target).unwrap().write(&records(0, 3, 2)).unwrap();
        SqliteSink::finish(&place.host, &config).unwrap();
        assert_eq!(SqliteSink::open(&place.host, &config, &target).unwrap().count().unwrap(), 3, "{name}");
    }
    assert_eq!(place.names().len(), 4, "{:?}", place.names());
    let slashes = json!({"location": format!("/{}", place.path("käse 語.db").to_str().unwrap())});
    SqliteSink::check(&place.host, &slashes).unwrap();
}

#[test]
fn a_missing_collection_names_those_that_are_there() {
    let place = Place::new();
    for name in ["first", "second"] {
        place.prepare(&target(name, 2, Metric::L2)).unwrap();
    }
    let error =
        SqliteSink::prepare(&place.host, &place.config(), &target("third", 2, Metric::L2), PrepareMode::MustExist);
    let error = error.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert!(error.message.contains("third") && error.hint.as_deref() == Some("it holds: first, second"), "{error:?}");
}

#[test]
fn every_write_survives_a_crash_and_the_end_is_one_file() {
    let place = Place::new();
    let target = target("docs", 4, Metric::Cosine);
    let mut writer = place.writer(&target);
    for from in (0..50).step_by(10) {
        writer.write(&records(from, from + 10, 4)).unwrap();
        writer.flush().unwrap();
        // What a crash would leave now: the files as they are on disk, without their lock.
        let crashed = Place::new();
        for name in ["demo.db", "demo.db-wal"] {
            std::fs::copy(place.path(name), crashed.path(name)).unwrap();
        }
        let mut after = SqliteSink::open(&crashed.host, &crashed.config(), &target).unwrap();
        assert_eq!(after.count().unwrap(), from as u64 + 10);
        let whole = crashed.sql().query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0)).unwrap();
        assert_eq!(whole, "ok");
        after.write(&records(0, 60, 4)).unwrap();
        assert_eq!(after.count().unwrap(), 60);
    }
    drop(writer);
    place.finish();
    assert_eq!(place.names(), ["demo.db"]);
    let mode: String = place.sql().query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "delete");
}

#[test]
fn a_start_that_was_cut_short_is_made_good() {
    let place = Place::new();
    // In the midst of the first commit, pages go into the file in their order, and a journal says that it was empty.
    let first = Place::new();
    first.prepare(&target("docs", 2, Metric::Cosine)).unwrap();
    let page = std::fs::read(first.database()).unwrap()[..16_384].to_vec();
    let open = place.sql();
    open.execute_batch(
        "PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN IMMEDIATE; CREATE TABLE t (x);
         INSERT INTO t SELECT zeroblob(9000) FROM (VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9));",
    )
    .unwrap();
    let journal = std::fs::read(place.path("demo.db-journal")).unwrap();
    drop(open);
    let crash = || {
        let crashed = Place::new();
        std::fs::write(crashed.database(), &page).unwrap();
        std::fs::write(crashed.path("demo.db-journal"), &journal).unwrap();
        crashed
    };
    let tables = crash().sql().query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0));
    assert_eq!(tables.unwrap(), 0, "the journal was not believed, so nothing is tested");

    let (crashed, target) = (crash(), target("docs", 2, Metric::Cosine));
    let missing = SqliteSink::prepare(&crashed.host, &crashed.config(), &target, PrepareMode::MustExist);
    assert_eq!(missing.unwrap_err().kind, ErrorKind::NotFound);
    let crashed = crash();
    crashed.write(&target, &records(0, 3, 2));
    crashed.finish();
    assert_eq!(crashed.names(), ["demo.db"]);
}

#[test]
fn a_locked_database_is_worth_another_try() {
    let place = Place::new();
    let target = target("docs", 2, Metric::Cosine);
    let mut writer = place.writer(&target);
    writer.write(&records(0, 1, 2)).unwrap();
    let other = place.sql();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = writer.write(&records(1, 2, 2)).unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Transient, "sqlite/locked"), "{error}");
    assert!(error.hint.is_some());
    let error = place.prepare(&Target { collection: "other".into(), ..target.clone() }).unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Transient, "sqlite/locked"), "{error}");
    assert_eq!(writer.count().unwrap(), 1, "reading goes on");
    other.execute_batch("COMMIT").unwrap();
    writer.write(&records(1, 2, 2)).unwrap();
    assert_eq!(writer.count().unwrap(), 2);
}

#[test]
fn finishing_beside_another_reader_loses_nothing() {
    let place = Place::new();
    let target = target("docs", 2, Metric::Cosine);
    place.write(&target, &records(0, 5, 2));
    let mut writer = place.writer(&target);
    writer.write(&records(5, 9, 2)).unwrap();
    let other = place.sql();
    other.execute_batch("BEGIN; SELECT count(*) FROM records_1;").unwrap();
    writer.write(&records(9, 12, 2)).unwrap();
    drop(writer);
    place.finish();
    drop(other);
    place.finish();
    assert_eq!(place.names(), ["demo.db"]);
    assert_eq!(place.writer(&target).count().unwrap(), 12);
}

#[test]
fn the_vectors_of_two_models_do_not_mix() {
    let place = Place::new();
    let target = target("docs", 2, Metric::Cosine);
    let with = |model: &str| {
        let mut config = place.config();
        config["embedding"] = json!({"provider": "fastembed", "model": model});
        SqliteSink::prepare(&place.host, &config, &target, PrepareMode::CreateIfMissing)
    };
    with("one").unwrap();
    with("two").expect("an empty collection may take another model");
    place.write(&target, &records(0, 1, 2));
    with("two").expect("the same model again");
    let error = with("one").unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Config, "target/other-model"));
    assert!(error.message.contains("one") && error.message.contains("two"), "{error}");
    place.prepare(&target).expect("a run that says no model");
}

#[test]
fn a_target_that_says_nothing_means_what_is_there() {
    let place = Place::new();
    place.write(&target("docs", 3, Metric::Dot), &records(0, 4, 3));
    place.finish();
    let before = std::fs::read(place.database()).unwrap();
    let anything = target("docs", None, Metric::Unknown);
    SqliteSink::prepare(&place.host, &place.config(), &anything, PrepareMode::MustExist).unwrap();
    let mut writer = SqliteSink::open(&place.host, &place.config(), &anything).unwrap();
    let hits = writer.query(&Dense::new(3, vec![1.0, 0.0, 0.0]), 2).unwrap();
    assert_eq!(hits[0].len(), 2);
    assert_eq!(writer.fetch(&[hits[0][0].id.clone()]).unwrap().ids, [hits[0][0].id.clone()]);
    drop(writer);
    assert!(std::fs::read(place.database()).unwrap() == before, "a search changed the database");
    assert_eq!(place.names(), ["demo.db"]);
}

#[test]
fn a_dimension_that_is_learnt_later_is_kept() {
    let place = Place::new();
    let texts = vecferry_sdk::Batch { dense: vec![], ..records(0, 3, 2) };
    place.write(&target("docs", None, Metric::Unknown), &texts);
    place.write(&target("docs", 2, Metric::L2), &records(2, 5, 2));
    let error = place.prepare(&target("docs", 4, Metric::L2)).unwrap_err();
    assert_eq!(error.code, "target/mismatch");
    let mut writer = place.writer(&target("docs", None, Metric::Unknown));
    assert_eq!(writer.count().unwrap(), 5);
    assert_eq!(writer.query(&Dense::new(2, vec![0.0, 0.0]), 9).unwrap()[0].len(), 3);
}

#[test]
fn a_stores_one_vector_stays_that_under_another_name() {
    let place = Place::new();
    let target = target("docs", 2, Metric::Cosine);
    place.write(&target, &records(0, 2, 2));
    let mut named = records(2, 5, 2);
    named.dense[0].name = "embedding".into();
    let receipt = place.write(&target, &named);
    let renamed = |row| Alteration { row, field: "vector".into(), code: "vector/renamed".into() };
    assert_eq!(receipt.altered, [0, 1, 2].map(renamed));
    assert_eq!(place.writer(&target).query(&Dense::new(2, vec![1.0, 0.0]), 9).unwrap()[0].len(), 5);
}
