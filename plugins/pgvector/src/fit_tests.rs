//! What becomes of records that a table does not take as they are.
#![allow(clippy::unwrap_used, clippy::panic)]

use vecferry_sdk::{Batch, Dense, Sparse};

use super::{MAX_ID, Takes, rows};
use crate::settings::VectorType;

const TAKES: Takes = Takes { vector: Some((VectorType::Vector, Some(2))), drop_sparse: false };

fn batch(id: &str, values: &[f32], document: Option<&str>, sparse: &[(u32, f32)]) -> Batch {
    let column = Sparse {
        name: String::new(),
        offsets: vec![0, u32::try_from(sparse.len()).unwrap()],
        indices: sparse.iter().map(|entry| entry.0).collect(),
        values: sparse.iter().map(|entry| entry.1).collect(),
    };
    Batch {
        ids: vec![id.to_owned()],
        dense: vec![Dense::new(u32::try_from(values.len()).unwrap(), values.to_vec())],
        sparse: vec![column],
        documents: Some(vec![document.map(str::to_owned)]),
        metadata: None,
    }
}

#[test]
fn rejected() {
    let half = Takes { vector: Some((VectorType::Halfvec, None)), ..TAKES };
    let none = Takes { vector: None, ..TAKES };
    let fine = [1.0, 2.0];
    let long = "x".repeat(MAX_ID + 1);
    let many: Vec<(u32, f32)> = (0..16_001).map(|index| (index, 1.0)).collect();
    for (name, takes, batch, code) in [
        ("NUL in an id", TAKES, batch("a\0", &fine, None, &[]), "id/unfit"),
        ("a long id", TAKES, batch(&long, &fine, None, &[]), "id/unfit"),
        ("NaN", TAKES, batch("a", &[1.0, f32::NAN], None, &[]), "vector/not-finite"),
        ("infinity", TAKES, batch("a", &[f32::NEG_INFINITY, 1.0], None, &[]), "vector/not-finite"),
        ("another dimension", TAKES, batch("a", &[1.0], None, &[]), "vector/dimension"),
        ("a table without vectors", none, batch("a", &fine, None, &[]), "vector/dimension"),
        ("too large for 16 bits", half, batch("a", &[65_520.0, 0.0], None, &[]), "vector/out-of-range"),
        ("a sparse NaN", TAKES, batch("a", &fine, None, &[(1, f32::NAN)]), "vector/not-finite"),
        ("an index twice", TAKES, batch("a", &fine, None, &[(1, 1.0), (1, 2.0)]), "sparse/unfit"),
        ("a large index", TAKES, batch("a", &fine, None, &[(1_000_000_000, 1.0)]), "sparse/unfit"),
        ("many values", TAKES, batch("a", &fine, None, &many), "sparse/unfit"),
    ] {
        let (rows, receipt) = rows(takes, &batch).unwrap();
        assert!(rows.is_empty() && receipt.accepted == 0, "{name}");
        assert_eq!(receipt.rejected[0].reason.code, code, "{name}");
        assert_eq!(receipt.rejected[0].reason.context("id"), Some(batch.ids[0].as_str()), "{name}");
    }
}

#[test]
fn altered() {
    let half = Takes { vector: Some((VectorType::Halfvec, None)), ..TAKES };
    let drop = Takes { drop_sparse: true, ..TAKES };
    let fine = [1.0, -0.5];
    for (name, takes, batch, told) in [
        ("nothing", TAKES, batch("a", &fine, Some("x"), &[(7, 1.0)]), None),
        ("exact in 16 bits", half, batch("a", &fine, None, &[]), None),
        ("a document", TAKES, batch("a", &fine, Some("x\0y"), &[]), Some(("document", "document/nul-dropped"))),
        ("16 bits", half, batch("a", &[0.1, 0.0], None, &[]), Some(("vector", "vector/to-half-precision"))),
        ("sparse", drop, batch("a", &fine, None, &[(7, 1.0)]), Some(("sparse", "sparse/left-out"))),
        ("a sparse zero", TAKES, batch("a", &fine, None, &[(7, 0.0)]), Some(("sparse", "sparse/zeros-dropped"))),
    ] {
        let (rows, receipt) = rows(takes, &batch).unwrap();
        assert_eq!((rows.len(), receipt.accepted), (1, 1), "{name}: {receipt:?}");
        let altered: Vec<(&str, &str)> = receipt.altered.iter().map(|a| (a.field.as_str(), a.code.as_str())).collect();
        assert_eq!(altered, Vec::from_iter(told), "{name}");
    }
}

#[test]
fn sparse_entries_ascend() {
    let batch = batch("a", &[1.0, 2.0], None, &[(9, 1.0), (2, -1.0), (5, 0.0)]);
    assert_eq!(rows(TAKES, &batch).unwrap().0[0].sparse.as_deref(), Some(&[(2, -1.0), (9, 1.0)][..]));
}
