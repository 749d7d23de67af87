//! Every index that the real library wrote gives the vectors that the library gives.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Case, cases, drain};
use vecferry_sdk::ErrorKind;

fn problem(case: &Case) -> Option<String> {
    let outcome = case.about["outcome"].as_str().unwrap();
    let index = match (case.open(case.bytes()), outcome) {
        (Err(error), "unsupported") if error.kind == ErrorKind::Unsupported => {
            return (error.hint.is_none() || error.context("file").is_none()).then(|| format!("poor words: {error:?}"));
        }
        (Err(error), _) => return Some(format!("refused: {error} {error:?}")),
        (Ok(_), "unsupported") => return Some("read, and should not be".to_owned()),
        (Ok(index), _) => index,
    };
    let info = index.info();
    let (want_ids, want) = case.expected();
    let dimension = info.dimension as usize;
    if info.fourcc != case.about["fourcc"].as_str().unwrap()
        || u64::from(info.dimension) != case.about["dim"].as_u64().unwrap()
        || info.rows != want_ids.len() as u64
        || info.fidelity.is_lossy() != (outcome == "lossy")
        || info.own_ids != case.about["ids"].is_array()
    {
        return Some(format!("{info:?} does not fit {}", case.about));
    }
    let (ids, values) = match drain(&mut index.vectors().unwrap(), 7) {
        Ok(all) => all,
        Err(error) => return Some(format!("scan: {error}")),
    };
    if ids.len() != want_ids.len() {
        return Some(format!("{} records, expected {}", ids.len(), want_ids.len()));
    }
    let tolerance = case.about["tolerance"].as_f64().unwrap() as f32;
    let mut used = vec![false; want_ids.len()];
    let mut worst = 0f32;
    for (id, vector) in ids.iter().zip(values.chunks_exact(dimension.max(1))) {
        let Some(row) = (0..want_ids.len()).find(|&row| want_ids[row] == *id && !used[row]) else {
            return Some(format!("id {id} was not expected"));
        };
        used[row] = true;
        for (have, want) in vector.iter().zip(&want[row * dimension..]) {
            let same = have.to_bits() == want.to_bits();
            let distance = if same { 0.0 } else { (have - want).abs() / want.abs().max(1.0) };
            worst = worst.max(if distance.is_nan() { f32::INFINITY } else { distance });
        }
    }
    (worst > tolerance).then(|| format!("off by {worst}, allowed {tolerance}"))
}

#[test]
fn vectors_are_the_librarys_own() {
    let problems: Vec<String> =
        cases().iter().filter_map(|case| problem(case).map(|what| format!("{}: {what}", case.name))).collect();
    assert!(problems.is_empty(), "{} cases fall short:\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn a_scan_continues_from_any_position() {
    for case in cases() {
        let Ok(index) = case.open(case.bytes()) else { continue };
        let dimension = index.info().dimension as usize;
        let (ids, values) = drain(&mut index.vectors().unwrap(), 1000).unwrap();
        for position in [0, 1, 5, ids.len() / 2, ids.len().saturating_sub(1), ids.len(), ids.len() + 3] {
            let mut scan = index.vectors_at(position as u64).unwrap();
            assert_eq!(scan.position(), position as u64);
            let (rest, rest_values) = drain(&mut scan, 3).unwrap();
            let from = position.min(ids.len());
            assert_eq!(rest, ids[from..], "{} from {position}", case.name);
            let same =
                rest_values.iter().map(|v| v.to_bits()).eq(values[from * dimension..].iter().map(|v| v.to_bits()));
            assert!(same, "{} from {position}", case.name);
        }
    }
}
