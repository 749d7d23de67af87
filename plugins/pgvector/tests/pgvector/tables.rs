//! Tables: which are made, which are taken as they are, which are refused, and their indexes.

use serde_json::json;
use vecferry_plugin_pgvector::PgvectorSink;
use vecferry_sdk::{Dense, ErrorKind, Metric, PrepareMode, SinkPlugin};

use crate::common::{Place, records, target};

#[test]
fn tables_that_cannot_hold_records_are_refused() {
    let place = Place::new("unfit tables");
    for (name, sql, code, words) in [
        (
            "dimension",
            "(id text PRIMARY KEY, document text, metadata jsonb, embedding vector(3))",
            "target/mismatch",
            &["3", "2"][..],
        ),
        (
            "halves",
            "(id text PRIMARY KEY, document text, metadata jsonb, embedding halfvec(5))",
            "target/mismatch",
            &["5", "2"],
        ),
        ("key", "(id text, document text, metadata jsonb, embedding vector(2))", "pgvector/table", &["'id'", "unique"]),
        (
            "two keys",
            "(id text, document text, metadata jsonb, PRIMARY KEY (id, document))",
            "pgvector/table",
            &["unique"],
        ),
        ("number", "(id bigint PRIMARY KEY, document text, metadata jsonb)", "pgvector/table", &["'id'", "int8"]),
        ("bare", "(id text PRIMARY KEY, content text)", "pgvector/table", &["'document'"]),
        ("json", "(id text PRIMARY KEY, document text, metadata json)", "pgvector/table", &["'metadata'", "jsonb"]),
        (
            "array",
            "(id text PRIMARY KEY, document text, metadata jsonb, embedding real[])",
            "pgvector/table",
            &["'embedding'", "_float4"],
        ),
    ] {
        place.sql().batch_execute(&format!("CREATE TABLE \"{name}\" {sql}")).unwrap();
        let target = target(name, 2, Metric::Cosine);
        for error in [
            place.prepare(&place.config(), &target).unwrap_err(),
            PgvectorSink::prepare(&place.host, &place.config(), &target, PrepareMode::MustExist).unwrap_err(),
            PgvectorSink::open(&place.host, &place.config(), &target).err().unwrap(),
        ] {
            assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Config, code), "{name}: {error}");
            assert!(words.iter().all(|word| error.message.contains(word)) && error.message.contains(name), "{error}");
            assert!(error.hint.is_some(), "{name}");
        }
    }
    place.sql().batch_execute("CREATE VIEW a_view AS SELECT 1").unwrap();
    let error = place.prepare(&place.config(), &target("a_view", 2, Metric::L2)).unwrap_err();
    assert_eq!(error.code, "pgvector/table");
    for name in ["", "a\0b", &"x".repeat(64)] {
        let error = place.prepare(&place.config(), &target(name, 2, Metric::L2)).unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Config, "pgvector/name"), "{name}: {error}");
    }
}

#[test]
fn a_table_of_another_maker_is_used_as_it_is() {
    let place = Place::new("another maker");
    let table = "CREATE TABLE \"Items\" (key varchar PRIMARY KEY, created timestamptz NOT NULL DEFAULT now(), \
                 content varchar, props jsonb, vec halfvec)";
    place
        .sql()
        .batch_execute(&format!("{table}; CREATE INDEX ON \"Items\" USING hnsw ((vec::halfvec(4)) halfvec_l2_ops)"))
        .unwrap();
    place.sql().batch_execute("COMMENT ON TABLE \"Items\" IS 'ours'").unwrap();
    let config = place.config_with(json!({
        "table": "Items", "id_column": "key", "document_column": "content", "metadata_column": "props",
        "vector_column": "vec", "index": "hnsw"
    }));
    let docs = target("docs", 4, Metric::Cosine);
    let mut writer = place.writer(&config, &docs);
    let mut batch = records(0, 6, 4);
    batch.dense = vec![Dense::new(4, (0..24_u8).map(f32::from).collect())];
    assert_eq!(writer.write(&batch).unwrap().accepted, 6);
    let mut back = writer.fetch(&batch.ids).unwrap();
    let order: Vec<usize> = batch.ids.iter().map(|id| back.ids.iter().position(|x| x == id).unwrap()).collect();
    back = back.select(&order);
    assert_eq!((back.dense, back.documents), (batch.dense.clone(), batch.documents.clone()));
    assert_eq!(writer.query(batch.vectors().unwrap(), 1).unwrap()[3][0].id, "doc-00003");
    PgvectorSink::finish(&place.host, &config).unwrap();
    let left = place.text("SELECT obj_description('\"Items\"'::regclass) || count(created) FROM \"Items\"");
    assert_eq!(left, "ours6");
}

#[test]
fn the_metric_is_what_an_index_says_or_what_was_noted() {
    let place = Place::new("metrics");
    for (name, operators, metric) in [
        ("by l2", "vector_l2_ops", Metric::L2),
        ("by ip", "vector_ip_ops", Metric::Dot),
        ("by angle", "vector_cosine_ops", Metric::Cosine),
    ] {
        let sql = format!(
            "CREATE TABLE \"{name}\" (id text PRIMARY KEY, document text, metadata jsonb, embedding vector(2)); \
             CREATE INDEX ON \"{name}\" USING ivfflat (embedding {operators}) WITH (lists = 1)"
        );
        place.sql().batch_execute(&sql).unwrap();
        for wanted in [Metric::L2, Metric::Dot, Metric::Cosine, Metric::Unknown] {
            let answer = place.prepare(&place.config(), &target(name, 2, wanted));
            assert_eq!(answer.is_ok(), wanted == metric || wanted == Metric::Unknown, "{name}: {wanted:?}: {answer:?}");
        }
    }
    // What was not known at first is noted when it is.
    place.prepare(&place.config(), &target("late", None, Metric::Unknown)).unwrap();
    place.prepare(&place.config(), &target("late", 3, Metric::L2)).unwrap();
    for (other, words) in [(target("late", 4, Metric::L2), ["3", "4"]), (target("late", 3, Metric::Dot), ["l2", "dot"])]
    {
        let error = place.prepare(&place.config(), &other).unwrap_err();
        assert!(error.code == "target/mismatch" && words.iter().all(|word| error.message.contains(word)), "{error}");
    }
}

#[test]
fn one_table_holds_one_collection_of_one_model() {
    let place = Place::new("one collection");
    let config =
        |model: &str| place.config_with(json!({"table": "all", "embedding": {"provider": "p", "model": model}}));
    let (first, second) = (target("first's \\ name", 2, Metric::L2), target("second", 2, Metric::L2));
    place.writer(&config("m1"), &first).write(&records(0, 1, 2)).unwrap();
    let error = place.prepare(&config("m1"), &second).unwrap_err();
    assert!(error.code == "target/mismatch" && error.message.contains("first's \\ name"), "{error}");
    let error = place.prepare(&config("m2"), &first).unwrap_err();
    assert!(error.code == "target/other-model" && error.message.contains("m1"), "{error}");
    place.prepare(&config("m1"), &first).unwrap();
    let prefixed = place.config_with(json!({"table": "vf_{collection}"}));
    place.prepare(&prefixed, &second).unwrap();
    assert_eq!(place.text("SELECT to_regclass('vf_second')::text"), "vf_second");
}

#[test]
fn indexes_are_built_at_the_end_and_used() {
    let place = Place::new("indexes");
    for (index, kind, metric, dimension, operators) in [
        ("hnsw", "vector", Metric::Cosine, 8, "vector_cosine_ops"),
        ("hnsw", "vector", Metric::Dot, 8, "vector_ip_ops"),
        ("ivfflat", "vector", Metric::L2, 8, "vector_l2_ops"),
        ("hnsw", "halfvec", Metric::L2, 2_500, "halfvec_l2_ops"),
    ] {
        let name = format!("{index} {operators}");
        let config = place.config_with(json!({"index": index, "type": kind}));
        let docs = target(&name, dimension, metric);
        let mut writer = place.writer(&config, &docs);
        let batch = records(0, 60, dimension);
        writer.write(&batch).unwrap();
        drop(writer);
        let indexes = format!(
            "SELECT coalesce(string_agg(indexdef, ';'), '') FROM pg_indexes WHERE schemaname = 'indexes' AND tablename = '{name}' AND indexdef NOT LIKE '%UNIQUE%'"
        );
        assert_eq!(place.text(&indexes), "", "{name}: before the end");
        for _ in 0..2 {
            PgvectorSink::finish(&place.host, &config).unwrap();
            let made = place.text(&indexes);
            assert!(made.contains(operators) && made.matches("CREATE").count() == 1, "{name}: {made}");
        }
        let mut writer = PgvectorSink::open(&place.host, &config, &docs).unwrap();
        for k in [1, 50, 2_000] {
            let hits = writer.query(&batch.select(&[7]).dense[0], k).unwrap().remove(0);
            assert_eq!(hits.len(), 60.min(k as usize), "{name}: k = {k}");
            assert!(metric == Metric::Dot || hits[0].id == "doc-00007", "{name}: {:?}", hits[0]);
        }
    }
}

#[test]
fn dimensions_that_pgvector_cannot_hold_or_index() {
    let place = Place::new("dimensions");
    for (more, dimension, code) in [
        (json!({}), 16_001, "pgvector/dimension"),
        (json!({}), 0, "target/dimension"),
        (json!({"index": "hnsw"}), 2_001, "pgvector/index-dimension"),
        (json!({"index": "ivfflat", "type": "halfvec"}), 4_001, "pgvector/index-dimension"),
    ] {
        let (config, target) = (place.config_with(more), target("docs", dimension, Metric::L2));
        let prepared = place.prepare(&config, &target).unwrap_err();
        let rehearsed = PgvectorSink::rehearse(&config, &target, &records(0, 0, dimension)).unwrap_err();
        for error in [prepared, rehearsed] {
            assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Config, code), "{dimension}");
            assert!(error.message.contains(&dimension.to_string()), "{error}");
        }
    }
    assert_eq!(place.text("SELECT count(*)::text FROM pg_tables WHERE schemaname = 'dimensions'"), "0");
    let docs = target("largest", 16_000, Metric::Cosine);
    let mut writer = place.writer(&place.config(), &docs);
    let batch = records(0, 5, 16_000);
    writer.write(&batch).unwrap();
    let back = writer.fetch(&batch.ids[3..4]).unwrap();
    assert!(back.dense == batch.select(&[3]).dense, "another vector came back");
    assert_eq!(writer.query(&back.dense[0], 2).unwrap()[0][0].id, "doc-00003");
}
