//! Writing: what comes back, to us and to Chroma's own client.

use serde_json::{Value, json};
use vecferry_plugin_chroma_server::ChromaServerSink;
use vecferry_sdk::{Batch, Dense, ErrorKind, Metric, SinkPlugin};

use crate::common::{Place, client, records, target};

#[test]
fn chromas_own_client_reads_what_was_written() {
    let place = Place::new();
    for (name, metric) in [("read-l2", Metric::L2), ("read-ip", Metric::Dot)] {
        let mut batch = records(0, 1_500, 7);
        let edges = [0.1, -0.0, f32::MAX, f32::MIN_POSITIVE, 1e-45, -1.0 / 3.0, 16_777_217.0];
        batch.dense[0].values[..7].copy_from_slice(&edges);
        batch.metadata.as_mut().unwrap()[2] =
            r#"{"i":9223372036854775807,"f":0.1,"t":"é 🚢","b":false,"l":[1,-2]}"#.into();
        batch.metadata.as_mut().unwrap()[3] = "{}".into();
        assert_eq!(place.writer(&target(name, 7, metric)).write(&batch).unwrap().accepted, 1_500);
        let there = client(&["show", name]);
        assert_eq!(there["records"].as_object().unwrap().len(), 1_500);
        for (row, id) in batch.ids.iter().enumerate() {
            let bytes: String =
                batch.dense[0].row(row).unwrap().iter().map(|value| format!("{:08x}", value.to_bits())).collect();
            let metadata: Value = serde_json::from_str(batch.metadata(row)).unwrap();
            let metadata = if metadata == json!({}) { Value::Null } else { metadata };
            assert_eq!(there["records"][id], json!([batch.document(row), metadata, bytes]), "{name}: {id}");
        }
    }
}

#[test]
fn under_cosine_vectors_come_back_as_near_as_floats_are() {
    let place = Place::new();
    let mut writer = place.writer(&target("cosine", 64, Metric::Cosine));
    let batch = records(0, 1_200, 64);
    writer.write(&batch).unwrap();
    let back = writer.fetch(&batch.ids).unwrap();
    assert_eq!(back.len(), 1_200);
    for (row, id) in back.ids.iter().enumerate() {
        let written = batch.dense[0].row(batch.ids.iter().position(|other| other == id).unwrap()).unwrap();
        for (a, b) in written.iter().zip(back.dense[0].row(row).unwrap()) {
            assert!((a - b).abs() <= 4.0 * f32::EPSILON * a.abs(), "{id}: {b} for {a}");
        }
    }
    let hits = writer.query(&batch.select(&[17]).dense[0], 3).unwrap();
    assert_eq!(hits[0][0].id, "doc-00017");
    assert!((hits[0][0].score - 1.0).abs() < 1e-5, "{:?}", hits[0]);
}

#[test]
fn a_record_is_replaced_whole_whatever_it_held() {
    let place = Place::new();
    let docs = target("replaced", 1, Metric::L2);
    let mut writer = place.writer(&docs);
    let one = |document: Option<&str>, metadata: &str| Batch {
        ids: vec!["a".into()],
        dense: vec![Dense::new(1, vec![1.0])],
        documents: Some(vec![document.map(str::to_owned)]),
        metadata: Some(vec![metadata.to_owned()]),
        ..Batch::default()
    };
    for (document, metadata) in [
        (Some("x"), r#"{"a":1,"l":["p"]}"#),
        (Some("x"), r#"{"b":"t"}"#),
        (None, r#"{"b":"t","c":2.5}"#),
        (None, "{}"),
        (Some(""), "{}"),
        (None, r#"{"l":[1,2]}"#),
        (Some("y"), r#"{"l":["q"]}"#),
    ] {
        writer.write(&one(document, metadata)).unwrap();
        let back = writer.fetch(&["a".into()]).unwrap();
        assert_eq!(back.document(0), document, "{metadata}");
        let (have, want): (Value, Value) =
            (serde_json::from_str(back.metadata(0)).unwrap(), serde_json::from_str(metadata).unwrap());
        assert_eq!(have, want, "{document:?}");
        assert_eq!(writer.count().unwrap(), 1);
    }
}

#[test]
fn what_is_altered_is_said_and_reads_back_so() {
    let place = Place::new();
    let docs = target("altered", 1, Metric::L2);
    let batch = Batch {
        ids: ["a", "", "b", "c"].map(String::from).to_vec(),
        dense: vec![Dense::new(1, vec![1.0, 2.0, f32::NAN, 3.0])],
        documents: Some(vec![None, None, None, Some("x\0y".into())]),
        metadata: Some(vec![
            r##"{"n":null,"o":{"p":1},"#k":1,"chroma:document":"mine","e":[],"u":18446744073709551615}"##.into(),
            "{}".into(),
            "{}".into(),
            r#"{"z":"\u0000"}"#.into(),
        ]),
        ..Batch::default()
    };
    let mut writer = place.writer(&docs);
    let receipt = writer.write(&batch).unwrap();
    assert_eq!(ChromaServerSink::rehearse(&place.config(), &docs, &batch).unwrap(), receipt);
    let rejected: Vec<(u32, &str)> = receipt.rejected.iter().map(|r| (r.row, r.reason.code.as_str())).collect();
    assert_eq!(rejected, [(1, "id/empty"), (2, "vector/not-finite")]);
    let mut altered: Vec<&str> = receipt.altered.iter().map(|a| a.field.strip_prefix("metadata/").unwrap()).collect();
    altered.sort_unstable();
    assert_eq!(altered, ["#k", "chroma:document", "e", "n", "o", "u"]);
    let back = writer.fetch(&["a".into(), "c".into()]).unwrap();
    let row = |id: &str| back.ids.iter().position(|other| other == id).unwrap();
    let a: Value = serde_json::from_str(back.metadata(row("a"))).unwrap();
    assert_eq!(a, json!({"o": r#"{"p":1}"#, "_#k": 1, "_chroma:document": "mine", "u": "18446744073709551615"}));
    assert_eq!((back.document(row("a")), back.document(row("c"))), (None, Some("x\0y")));
    assert_eq!(back.metadata(row("c")), r#"{"z":"\u0000"}"#);
}

#[test]
fn a_body_that_is_too_large_makes_the_host_halve_the_batch() {
    let place = Place::new();
    let mut writer = place.writer(&target("large", 1, Metric::L2));
    let mut batch = records(0, 3, 1);
    // Six bytes each as JSON.
    batch.documents = Some(vec![None, Some("\u{1}".repeat(8 << 20)), None]);
    let error = writer.write(&batch).unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Corrupt, "chroma-server/too-large"), "{error}");
    assert_eq!(writer.count().unwrap(), 0);
    writer.write(&batch.select(&[0, 2])).unwrap();
    assert_eq!(writer.count().unwrap(), 2);
}

#[test]
fn more_than_the_server_takes_at_a_time_goes_in_parts() {
    let place = Place::new();
    let docs = target("parts", 2, Metric::L2);
    let mut writer = place.writer(&docs);
    let batch = records(0, 6_000, 2);
    for _ in 0..2 {
        assert_eq!(writer.write(&batch).unwrap().accepted, 6_000);
        assert_eq!(writer.count().unwrap(), 6_000);
    }
    let (mut ids, mut after) = (Vec::new(), None);
    while let Some(page) = writer.list(after.as_deref(), 5_000).unwrap() {
        ids.extend(page.ids);
        after = Some(page.cursor);
    }
    ids.sort_unstable();
    assert_eq!(ids, batch.ids);
}
