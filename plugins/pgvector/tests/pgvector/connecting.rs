//! Reaching the database: who may, what is said when it fails, and that no password is.

use serde_json::json;
use vecferry_plugin_pgvector::PgvectorSink;
use vecferry_sdk::{ErrorKind, Metric, PrepareMode, SinkPlugin};

use crate::common::{Place, host, server, target};

#[test]
fn what_does_not_connect() {
    let place = Place::new("does not connect");
    place.sql().batch_execute("CREATE ROLE crowded LOGIN CONNECTION LIMIT 0").unwrap();
    let base = server().url("postgres", "postgres");
    for (name, config, kind, code) in [
        ("no URL", json!({"location": "docs.db"}), ErrorKind::Config, "pgvector/location"),
        ("nothing", json!({}), ErrorKind::Config, "pgvector/location"),
        (
            "no server",
            json!({"location": "postgres://ada:secret@127.0.0.1:1/docs"}),
            ErrorKind::Transient,
            "pgvector/connection",
        ),
        (
            "no socket",
            json!({"location": "postgres://ada:secret@/docs?host=/nowhere"}),
            ErrorKind::Transient,
            "pgvector/connection",
        ),
        ("no user", json!({"location": server().url("nobody:secret", "postgres")}), ErrorKind::Auth, "pgvector/login"),
        (
            "no database",
            json!({"location": server().url("postgres:secret", "nothing")}),
            ErrorKind::NotFound,
            "pgvector/no-database",
        ),
        (
            "no connection left",
            json!({"location": server().url("crowded:secret", "postgres")}),
            ErrorKind::Throttled,
            "pgvector/connections",
        ),
        ("no encryption", json!({"location": format!("{base}&sslmode=require")}), ErrorKind::Config, "pgvector/tls"),
        ("no schema", json!({"location": base, "schema": "nothing"}), ErrorKind::Config, "pgvector/no-schema"),
        ("no such setting", json!({"location": base, "index": "flat"}), ErrorKind::Config, "pgvector/setting"),
        ("no such name", json!({"location": base, "id_column": ""}), ErrorKind::Config, "pgvector/name"),
    ] {
        let error = PgvectorSink::check(&place.host, &config).expect_err(name);
        assert_eq!((error.kind, error.code.as_str()), (kind, code), "{name}: {error:?}");
        assert!(!format!("{error:?}").contains("secret"), "{name}: {error:?}");
    }
    PgvectorSink::check(&place.host, &place.config()).unwrap();
}

#[test]
fn a_password_is_asked_for_and_not_told() {
    let mut sql = server().sql("postgres");
    sql.batch_execute("CREATE ROLE ada LOGIN PASSWORD 'right:word'").unwrap();
    let file: String = sql.query_one("SHOW hba_file", &[]).unwrap().get(0);
    let rules = "local all ada scram-sha-256\nlocal all all trust\n";
    sql.batch_execute(&format!("COPY (SELECT unnest(string_to_array('{rules}', E'\\n'))) TO '{file}'")).unwrap();
    sql.batch_execute("SELECT pg_reload_conf()").unwrap();
    let check = |user: &str| PgvectorSink::check(&host(), &json!({"location": server().url(user, "postgres")}));
    // The server reads its rules when it comes to it.
    let wrong = loop {
        match check("ada:wrong-word") {
            Ok(()) => std::thread::yield_now(),
            Err(error) => break error,
        }
    };
    assert_eq!((wrong.kind, wrong.code.as_str()), (ErrorKind::Auth, "pgvector/login"), "{wrong:?}");
    assert!(!format!("{wrong:?}").contains("wrong-word"), "{wrong:?}");
    let none = check("ada").unwrap_err();
    assert_eq!((none.kind, none.code.as_str()), (ErrorKind::Auth, "pgvector/login"), "{none:?}");
    check("ada:right%3Aword").unwrap();
}

#[test]
fn the_extension_is_created_when_it_is_asked_for() {
    let mut sql = server().sql("postgres");
    for database in ["bare", "elsewhere"] {
        sql.batch_execute(&format!("CREATE DATABASE {database}")).unwrap();
    }
    let location = server().url("postgres", "bare");
    let (bare, asked) = (json!({"location": location}), json!({"location": location, "create_extension": true}));
    let (host, docs) = (host(), target("docs", 2, Metric::L2));
    for error in [
        PgvectorSink::check(&host, &bare).unwrap_err(),
        PgvectorSink::prepare(&host, &bare, &docs, PrepareMode::CreateIfMissing).unwrap_err(),
        PgvectorSink::prepare(&host, &asked, &docs, PrepareMode::MustExist).unwrap_err(),
    ] {
        assert_eq!((error.kind, error.code.as_str()), (ErrorKind::NotFound, "pgvector/no-extension"), "{error}");
        assert!(error.hint.unwrap().contains("create_extension"));
    }
    PgvectorSink::check(&host, &asked).unwrap();
    let there = server().sql("bare").query("SELECT 1 FROM pg_extension WHERE extname = 'vector'", &[]).unwrap();
    assert!(there.is_empty(), "check wrote");
    PgvectorSink::prepare(&host, &asked, &docs, PrepareMode::CreateIfMissing).unwrap();
    PgvectorSink::check(&host, &bare).unwrap();

    // In a schema that nobody has in their search_path.
    let mut sql = server().sql("elsewhere");
    sql.batch_execute("CREATE SCHEMA \"my extensions\"; CREATE EXTENSION vector SCHEMA \"my extensions\"").unwrap();
    let config = json!({"location": server().url("postgres", "elsewhere")});
    PgvectorSink::prepare(&host, &config, &docs, PrepareMode::CreateIfMissing).unwrap();
    let mut writer = PgvectorSink::open(&host, &config, &docs).unwrap();
    let batch = crate::common::records(0, 3, 2);
    writer.write(&batch).unwrap();
    assert_eq!(writer.fetch(&batch.ids).unwrap().len(), 3);
    assert_eq!(writer.query(batch.vectors().unwrap(), 1).unwrap()[2][0].id, "doc-00002");
    let place: String =
        sql.query_one("SELECT schemaname::text FROM pg_tables WHERE tablename = 'docs'", &[]).unwrap().get(0);
    assert_eq!(place, "public");
}
