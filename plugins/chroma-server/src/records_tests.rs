//! What becomes of rows, and the body of an upsert.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use vecferry_sdk::{Batch, Dense, Sparse};

use super::{Takes, body, records};

const TAKES: Takes = Takes { dimension: Some(2), keeps_lists: true };

fn batch(ids: &[&str], values: &[f32]) -> Batch {
    let dimension = u32::try_from(values.len() / ids.len()).unwrap();
    Batch {
        ids: ids.iter().map(ToString::to_string).collect(),
        dense: vec![Dense::new(dimension, values.to_vec())],
        ..Batch::default()
    }
}

#[test]
fn rows_that_are_rejected() {
    let absent = Batch { dense: Vec::new(), ..batch(&["a"], &[1.0, 2.0]) };
    for (name, batch, code) in [
        ("an empty id", batch(&[""], &[1.0, 2.0]), "id/empty"),
        ("no vector", absent, "vector/missing"),
        ("another dimension", batch(&["a"], &[1.0]), "vector/dimension"),
        ("NaN", batch(&["a"], &[1.0, f32::NAN]), "vector/not-finite"),
        ("infinity", batch(&["a"], &[f32::INFINITY, 1.0]), "vector/not-finite"),
    ] {
        let (records, receipt) = records(TAKES, &batch).unwrap();
        assert!(records.is_empty() && receipt.accepted == 0, "{name}");
        assert_eq!(receipt.rejected[0].reason.code, code, "{name}");
        assert_eq!(receipt.rejected[0].reason.context("id"), Some(batch.ids[0].as_str()), "{name}");
    }
}

#[test]
fn vectors_that_are_left_out() {
    let mut batch = batch(&["a", "b"], &[1.0, 2.0, 3.0, 4.0]);
    batch.dense.push(Dense { name: "title".into(), absent: vec![1], ..Dense::new(1, vec![1.0, 0.0]) });
    batch.sparse = vec![Sparse { offsets: vec![0, 0, 1], indices: vec![3], values: vec![1.0], ..Sparse::default() }];
    let (_, receipt) = records(TAKES, &batch).unwrap();
    let told: Vec<_> = receipt.altered.iter().map(|a| (a.row, a.field.as_str(), a.code.as_str())).collect();
    assert_eq!(told, [(0, "vector", "vector/further-column-left-out"), (1, "sparse", "sparse/left-out")]);
}

#[test]
fn a_body_holds_the_last_of_each_id() {
    let mut batch = batch(&["a\"", "b", "a\""], &[1.0, 2.0, 0.1, -0.0, 5.0, 1e-45]);
    batch.documents = Some(vec![None, Some(String::new()), Some("é\n".into())]);
    batch.metadata = Some(vec!["{}".into(), r#"{"k":1.50}"#.into(), "{}".into()]);
    let (records, receipt) = records(TAKES, &batch).unwrap();
    assert_eq!(receipt.accepted, 3);
    let plain: Value = serde_json::from_slice(&body(&records, false)).unwrap();
    assert_eq!(plain["ids"], json!(["a\"", "b"]));
    assert_eq!(plain["documents"], json!(["é\n", ""]));
    assert_eq!(plain["metadatas"], json!([null, {"k": 1.5}]));
    let read: Vec<Vec<f32>> = serde_json::from_value(plain["embeddings"].clone()).unwrap();
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    assert_eq!((bits(&read[0]), bits(&read[1])), (bits(&[5.0, 1e-45]), bits(&[0.1, -0.0])));
    let bytes: Value = serde_json::from_slice(&body(&records, true)).unwrap();
    // Of 0x3dcccccd and 0x80000000, by hand.
    assert_eq!(bytes["embeddings"][1], "zczMPQAAAIA=");
}
