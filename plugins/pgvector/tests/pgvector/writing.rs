//! Writing: what comes back, to us and to psycopg; broken connections; locks; two at once; rows that the server refuses.

use std::collections::BTreeMap;
use std::sync::Barrier;

use serde_json::{Value, json};
use vecferry_plugin_pgvector::PgvectorSink;
use vecferry_sdk::{Batch, Dense, ErrorKind, Metric, SinkPlugin, Sparse, Writer};

use crate::common::{Place, host, records, script, server, target};

#[test]
fn psycopg_reads_what_was_written() {
    let place = Place::new("psycopg");
    let mut batch = records(0, 300, 7);
    let edges = [0.1, -0.0, f32::MAX, f32::MIN_POSITIVE, 1e-45, -1.0 / 3.0, 16_777_217.0];
    batch.dense[0].values[..7].copy_from_slice(&edges);
    batch.dense[0].absent = vec![1];
    batch.metadata.as_mut().unwrap()[2] =
        r#"{"z":1,"a":{"deep":[null,true,"é 🚢",1.50]},"big":12345678901234567890123,"a b":""}"#.to_owned();
    place.writer(&place.config(), &target("docs", 7, Metric::L2)).write(&batch).unwrap();
    let output = script("read.py").arg(server().url("postgres", "postgres")).arg("psycopg.docs").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rows: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 300);
    for (row, there) in rows.iter().enumerate() {
        let bytes = |values: &[f32]| values.iter().map(|value| format!("{:08x}", value.to_bits())).collect::<String>();
        assert_eq!(there["id"], batch.ids[row]);
        assert_eq!(there["document"], json!(batch.document(row)));
        assert_eq!(there["metadata"], serde_json::from_str::<Value>(batch.metadata(row)).unwrap());
        assert_eq!(there["vector"], json!(batch.vectors().unwrap().row(row).map(bytes)));
    }
}

#[test]
fn what_is_altered_is_said_and_reads_back_so() {
    let place = Place::new("altered");
    let docs = target("docs", 2, Metric::L2);
    let batch = Batch {
        ids: ["fine", "nul", "nan", "half"].map(String::from).to_vec(),
        dense: vec![Dense::new(2, vec![1.0, 2.0, 3.0, 4.0, f32::NAN, 0.0, 5.0, 6.0])],
        documents: Some(vec![None, Some("a\0b".into()), None, None]),
        metadata: Some(vec!["{}".into(), r#"{"k":"x\u0000","l":1}"#.into(), "{}".into(), r#"{"k":"\ud800"}"#.into()]),
        ..Batch::default()
    };
    let mut writer = place.writer(&place.config(), &docs);
    let receipt = writer.write(&batch).unwrap();
    assert_eq!(PgvectorSink::rehearse(&place.config(), &docs, &batch).unwrap(), receipt);
    assert_eq!(receipt.accepted, 2);
    let rejected: Vec<(u32, &str)> = receipt.rejected.iter().map(|r| (r.row, r.reason.code.as_str())).collect();
    assert_eq!(rejected, [(2, "vector/not-finite"), (3, "metadata/surrogate")]);
    let altered: Vec<(u32, &str)> = receipt.altered.iter().map(|a| (a.row, a.field.as_str())).collect();
    assert_eq!(altered, [(1, "document"), (1, "metadata/k")]);
    let back = writer.fetch(&["nul".into(), "nan".into(), "n\0".into()]).unwrap();
    assert_eq!((back.len(), back.document(0), back.metadata(0)), (1, Some("ab"), r#"{"k": "x", "l": 1}"#));
}

#[test]
fn the_longest_id_fits_the_key() {
    let place = Place::new("long ids");
    let mut writer = place.writer(&place.config(), &target("docs", None, Metric::Unknown));
    // Nothing that could be compressed.
    let mut state = 1_u64;
    let mut letter = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(33 + u8::try_from((state >> 33) % 94).unwrap())
    };
    let ids = [2_600, 2_601].map(|length| (0..length).map(|_| letter()).collect::<String>()).to_vec();
    let receipt = writer.write(&Batch { ids: ids.clone(), ..Batch::default() }).unwrap();
    assert_eq!((receipt.accepted, receipt.rejected[0].row), (1, 1));
    assert_eq!(writer.fetch(&ids).unwrap().ids, ids[..1]);
}

#[test]
fn sparse_vectors_get_a_column_when_they_come() {
    let place = Place::new("sparse");
    let docs = target("docs", 2, Metric::Dot);
    let mut writer = place.writer(&place.config(), &docs);
    let mut other = PgvectorSink::open(&place.host, &place.config(), &docs).unwrap();
    writer.write(&records(0, 2, 2)).unwrap();
    let (indices, values) = (vec![7, 999_999_999, 3], vec![0.5, -1.5, 0.1]);
    let sparse = Sparse { name: String::new(), offsets: vec![0, 2, 2, 3], indices, values };
    let batch = Batch { sparse: vec![sparse], ..records(1, 4, 2) };
    writer.write(&batch).unwrap();
    // One that was opened before writes without.
    other.write(&records(4, 6, 2)).unwrap();
    assert_eq!((writer.count().unwrap(), other.count().unwrap()), (6, 6));
    let back = writer.fetch(&batch.ids[..1]).unwrap();
    assert_eq!((&back.sparse[0].indices, &back.sparse[0].values), (&vec![7, 999_999_999], &vec![0.5, -1.5]));
    let text = place.text("SELECT string_agg(sparse::text, ' ' ORDER BY id) FROM docs");
    assert_eq!(text, "{8:0.5,1000000000:-1.5}/1000000000 {4:0.1}/1000000000");
    let drop = place.config_with(json!({"sparse": "drop"}));
    let receipt = PgvectorSink::open(&place.host, &drop, &docs).unwrap().write(&batch).unwrap();
    assert_eq!(receipt.altered.iter().map(|a| a.code.as_str()).collect::<Vec<_>>(), ["sparse/left-out"; 2]);
    // Replaced whole.
    assert!(writer.fetch(&batch.ids).unwrap().sparse.is_empty());
}

#[test]
fn a_connection_that_breaks_amid_a_write_loses_nothing() {
    let place = Place::new("breaks");
    let docs = target("docs", 4, Metric::Cosine);
    let mut writer = place.writer(&place.config(), &docs);
    writer.write(&records(0, 10, 4)).unwrap();
    // The session that inserts ends itself amid the third write's rows, twice; sequences are not rolled back.
    place
        .sql()
        .batch_execute(
            "CREATE SEQUENCE deaths; \
             CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
               IF NEW.id = 'doc-00025' AND nextval('breaks.deaths') <= 2 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF; \
               RETURN NEW; END $$; \
             CREATE TRIGGER die BEFORE INSERT ON docs FOR EACH ROW EXECUTE FUNCTION die()",
        )
        .unwrap();
    writer.write(&records(10, 20, 4)).unwrap();
    let batch = records(20, 30, 4);
    for death in 1..=2 {
        let error = writer.write(&batch).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Transient, "death {death}: {error:?}");
        assert_eq!(writer.count().unwrap(), 20, "a part of a batch was kept");
    }
    assert_eq!(writer.write(&batch).unwrap().accepted, 10);
    // Between two calls.
    place
        .sql()
        .execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'vecferry' AND query LIKE '%breaks%'", &[])
        .unwrap();
    let rest = records(30, 40, 4);
    let written = (0..3).find_map(|_| match writer.write(&rest) {
        Ok(receipt) => Some(receipt.accepted),
        Err(error) => {
            assert_eq!(error.kind, ErrorKind::Transient, "{error:?}");
            None
        }
    });
    assert_eq!(written, Some(10));
    let all = records(0, 40, 4);
    let back = writer.fetch(&all.ids).unwrap();
    let back: BTreeMap<&str, Option<&[f32]>> =
        back.ids.iter().enumerate().map(|(row, id)| (id.as_str(), back.dense[0].row(row))).collect();
    for (row, id) in all.ids.iter().enumerate() {
        assert_eq!(back.get(id.as_str()), Some(&all.dense[0].row(row)), "{id}");
    }
}

#[test]
fn a_locked_table_is_tried_again() {
    let place = Place::new("locked");
    let docs = target("docs", 2, Metric::L2);
    let mut config = place.config();
    config["location"] = format!("{}&options=-c%20lock_timeout%3D50", server().url("postgres", "postgres")).into();
    let mut writer = place.writer(&config, &docs);
    let mut sql = place.sql();
    let mut lock = sql.transaction().unwrap();
    lock.batch_execute("LOCK TABLE docs").unwrap();
    let error = writer.write(&records(0, 3, 2)).unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Transient, "pgvector/busy"), "{error}");
    lock.rollback().unwrap();
    writer.write(&records(0, 3, 2)).unwrap();
    assert_eq!(writer.count().unwrap(), 3);
}

#[test]
fn two_writers_at_once_over_the_same_ids() {
    let place = Place::new("two writers");
    let docs = target("docs", 2, Metric::L2);
    let config = place.config();
    place.prepare(&config, &docs).unwrap();
    let start = Barrier::new(2);
    // One forwards, one backwards, so that they meet.
    let write = |backwards: bool| {
        let mut writer = PgvectorSink::open(&host(), &config, &docs).unwrap();
        start.wait();
        for round in 0..20 {
            let rows: Vec<usize> = if backwards { (0..200).rev().collect() } else { (0..200).collect() };
            let mut batch = records(0, 200, 2).select(&rows);
            batch.documents = Some(vec![Some(format!("{backwards} {round}")); 200]);
            loop {
                match writer.write(&batch) {
                    Ok(receipt) => break assert_eq!(receipt.accepted, 200),
                    // A deadlock, which the server ends.
                    Err(error) => {
                        assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Transient, "pgvector/busy"))
                    }
                }
            }
        }
    };
    std::thread::scope(|scope| {
        let threads = [false, true].map(|backwards| scope.spawn(move || write(backwards)));
        for thread in threads {
            thread.join().unwrap();
        }
    });
    assert_eq!(place.text("SELECT count(*) || ' ' || string_agg(DISTINCT right(document, 2), '') FROM docs"), "200 19");
}

#[test]
fn rows_that_only_the_server_refuses_make_the_host_halve_the_batch() {
    let place = Place::new("refused");
    let table = "CREATE TABLE docs (id text PRIMARY KEY, document varchar(8) CHECK (document <> 'text 4'), \
                 metadata jsonb, embedding vector(2) NOT NULL)";
    place.sql().batch_execute(table).unwrap();
    let mut writer = place.writer(&place.config(), &target("docs", 2, Metric::L2));
    let mut batch = records(0, 7, 2);
    batch.dense[0].absent = vec![2];
    batch.documents.as_mut().unwrap()[6] = Some("much too long".into());
    batch.metadata.as_mut().unwrap()[1] = r#"{"a":1e200000}"#.into();
    batch.metadata.as_mut().unwrap()[3] = format!(r#"{{"a":{}{}}}"#, "[".repeat(200_000), "]".repeat(200_000));
    let refused = halved(&mut *writer, &batch);
    assert_eq!(refused, ["doc-00001", "doc-00002", "doc-00003", "doc-00004", "doc-00006"]);
    assert_eq!(writer.count().unwrap(), 2);
}

/// As the host does it: the ids of the rows that are refused alone.
fn halved(writer: &mut dyn Writer, batch: &Batch) -> Vec<String> {
    let Err(error) = writer.write(batch) else { return Vec::new() };
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Corrupt, "pgvector/refused"), "{error}");
    if batch.len() == 1 {
        return batch.ids.clone();
    }
    let rows: Vec<usize> = (0..batch.len()).collect();
    let (left, right) = rows.split_at(batch.len() / 2);
    [left, right].into_iter().flat_map(|half| halved(writer, &batch.select(half))).collect()
}
