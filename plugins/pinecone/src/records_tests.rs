#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use serde_json::Value;
use vecferry_sdk::{Dense, ErrorKind};

use super::*;
use vecferry_pinecone_format::fit::Overlong;

fn layout() -> Layout {
    Layout {
        text_field: "page_content".to_owned(),
        namespace: "ns".to_owned(),
        embedding: None,
        max_metadata_bytes: 40_000,
        overlong: Overlong::Shorten,
    }
}

const DENSE: Takes = Takes {
    vector_type: VectorType::Dense,
    dimension: Some(2),
    metric: Some(IndexMetric::Dotproduct),
    drop_sparse: false,
};

fn batch(ids: &[&str], values: Vec<f32>) -> Batch {
    let dimension = values.len() / ids.len();
    Batch {
        ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        dense: vec![Dense::new(dimension as u32, values)],
        ..Batch::default()
    }
}

fn sparse(offsets: &[u32], indices: &[u32]) -> Vec<Sparse> {
    let values = indices.iter().map(|_| 0.5).collect();
    vec![Sparse { name: String::new(), offsets: offsets.to_vec(), indices: indices.to_vec(), values }]
}

fn sent(records: &Records) -> Vec<Value> {
    let body: Value = serde_json::from_slice(&records.body("ns", 0..records.len())).unwrap();
    body["vectors"].as_array().unwrap().clone()
}

#[test]
fn rows_that_cannot_be_stored_are_named_and_the_others_sent() {
    let mut given =
        batch(&["a", "zero", "nan", "none", "b"], vec![1.0, 2.0, 0.0, -0.0, f32::NAN, 1.0, 0.0, 0.0, 3.0, 4.0]);
    given.dense[0].absent = vec![3];
    let (records, receipt) = records(&layout(), DENSE, &given).unwrap();
    let refused: Vec<(u32, &str, Option<&str>)> = receipt
        .rejected
        .iter()
        .map(|rejection| (rejection.row, rejection.reason.code.as_str(), rejection.reason.context("id")))
        .collect();
    assert_eq!(
        refused,
        [
            (1, "pinecone/zero-vector", Some("zero")),
            (2, "pinecone/non-finite", Some("nan")),
            (3, "pinecone/no-vector", Some("none")),
        ]
    );
    assert_eq!(receipt.accepted, 2);
    let ids: Vec<Value> = sent(&records).iter().map(|record| record["id"].clone()).collect();
    assert_eq!(ids, ["a", "b"]);
}

#[test]
fn another_dimension_is_refused_row_by_row() {
    let (sent, receipt) = records(&layout(), DENSE, &batch(&["a", "b"], vec![1.0; 6])).unwrap();
    assert_eq!((sent.len(), receipt.accepted, receipt.rejected.len()), (0, 0, 2));
    assert_eq!(receipt.rejected[0].reason.code, "pinecone/dimension");
    let says = &receipt.rejected[0].reason.message;
    assert!(says.contains('2') && says.contains('3'), "{says}");
}

#[test]
fn of_two_rows_with_one_id_the_last_that_can_be_stored_is_sent() {
    let given = batch(&["a", "b", "a", "b"], vec![1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 0.0, 0.0]);
    let (records, receipt) = records(&layout(), DENSE, &given).unwrap();
    assert_eq!((receipt.accepted, receipt.rejected.len()), (3, 1));
    let values: Vec<(Value, Value)> =
        sent(&records).iter().map(|record| (record["id"].clone(), record["values"][0].clone())).collect();
    assert_eq!(values, [("b".into(), 2.0.into()), ("a".into(), 3.0.into())]);
}

#[test]
fn sparse_vectors_need_an_index_that_can_search_them() {
    let given = Batch { sparse: sparse(&[0, 2, 2], &[7, 9]), ..batch(&["a", "b"], vec![1.0; 4]) };
    let (sent_records, receipt) = records(&layout(), DENSE, &given).unwrap();
    assert!(receipt.altered.is_empty() && receipt.rejected.is_empty());
    let sent = sent(&sent_records);
    assert_eq!(sent[0]["sparseValues"]["indices"], serde_json::json!([7, 9]));
    assert!(sent[1].get("sparseValues").is_none());

    let cosine = Takes { metric: Some(IndexMetric::Cosine), ..DENSE };
    let error = records(&layout(), cosine, &given).unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Config, "pinecone/hybrid-metric"));
    assert!(error.message.contains("cosine") && error.message.contains("dotproduct"), "{error}");

    let (_, receipt) = records(&layout(), Takes { drop_sparse: true, ..cosine }, &given).unwrap();
    let altered: Vec<(u32, &str, &str)> =
        receipt.altered.iter().map(|a| (a.row, a.field.as_str(), a.code.as_str())).collect();
    assert_eq!(altered, [(0, "sparse", "sparse/left-out")]);

    let many: Vec<u32> = (0..1_001).collect();
    let given = Batch { sparse: sparse(&[0, 1_001], &many), ..batch(&["a"], vec![1.0; 2]) };
    let (_, receipt) = records(&layout(), DENSE, &given).unwrap();
    assert_eq!(receipt.rejected[0].reason.code, "pinecone/sparse-too-long");
}

#[test]
fn a_sparse_index_takes_sparse_vectors_alone() {
    let takes = Takes { vector_type: VectorType::Sparse, dimension: None, ..DENSE };
    let given = Batch { sparse: sparse(&[0, 2, 2], &[7, 9]), ..batch(&["a", "b"], vec![1.0; 4]) };
    let (records, receipt) = records(&layout(), takes, &given).unwrap();
    assert_eq!((receipt.accepted, receipt.rejected.len()), (1, 1));
    assert_eq!((receipt.rejected[0].row, receipt.rejected[0].reason.code.as_str()), (1, "pinecone/no-vector"));
    assert_eq!(receipt.altered.len(), 1, "only of the row that was taken: {:?}", receipt.altered);
    let sent = sent(&records);
    assert!(sent[0].get("values").is_none() && sent[0].get("sparseValues").is_some());
}
