//! Damaged and hostile stores: refused with the number of records it concerns, or read as far as they are whole.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use common::{Records, copy_of, expected, fixtures, pages};
use serde_json::json;
use tempfile::TempDir;
use vecferry_sdk::{Config, Error, ErrorKind, Page};

/// What is done to a copy of a store; files are named by their ends.
enum Damage {
    /// Nothing: the fixture is damaged already.
    None,
    Cut {
        file: &'static str,
        to: u64,
    },
    Overwrite {
        file: &'static str,
        at: usize,
        with: &'static [u8],
    },
    Noise {
        file: &'static str,
        at: usize,
        bytes: usize,
    },
    Remove {
        file: &'static str,
    },
    RemoveSegment,
}

struct Case {
    name: &'static str,
    store: &'static str,
    /// Where the records are that the store held before the damage.
    truth: &'static str,
    damage: Damage,
    /// Code of the error without settings; "" when the damage concerns no record.
    code: &'static str,
    /// What the error says.
    says: &'static str,
    /// Records that are whole.
    whole: usize,
    /// Records that are reported as unreadable.
    unreadable: usize,
}

const TRUTH: &str = "chroma_1_5_9/cosine_230";

const DEFAULT: Case =
    Case { name: "", store: TRUTH, truth: TRUTH, damage: Damage::None, code: "", says: "", whole: 230, unreadable: 0 };

fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "index data cut in the middle",
            store: "chroma_corrupt/hnsw_data_truncated",
            code: "hnswlib/truncated",
            says: "100 of 230 records of collection cosine have no readable vector",
            whole: 130,
            unreadable: 100,
            ..DEFAULT
        },
        Case {
            name: "index data cut within a slot",
            damage: Damage::Cut { file: "data_level0.bin", to: 40_799 },
            code: "hnswlib/truncated",
            says: "1 of 230 records",
            whole: 229,
            unreadable: 1,
            ..DEFAULT
        },
        Case {
            name: "a pickle that calls a function",
            store: "chroma_corrupt/hnsw_pickle_hostile",
            code: "chroma/index-metadata",
            says: "200 of 230 records",
            whole: 30,
            unreadable: 200,
            ..DEFAULT
        },
        Case {
            name: "a pickle cut short",
            damage: Damage::Cut { file: "index_metadata.pickle", to: 3000 },
            code: "pickle/truncated",
            says: "200 of 230 records",
            whole: 30,
            unreadable: 200,
            ..DEFAULT
        },
        Case {
            name: "the pickle is gone",
            damage: Damage::Remove { file: "index_metadata.pickle" },
            code: "chroma/index-missing",
            says: "up to row 200 of the log",
            whole: 30,
            unreadable: 200,
            ..DEFAULT
        },
        Case {
            name: "the segment's folder is gone",
            damage: Damage::RemoveSegment,
            code: "chroma/index-missing",
            says: "200 of 230 records",
            whole: 30,
            unreadable: 200,
            ..DEFAULT
        },
        Case {
            name: "no norms",
            damage: Damage::Remove { file: "length.bin" },
            code: "file/not-found",
            says: "200 of 230 records",
            whole: 30,
            unreadable: 200,
            ..DEFAULT
        },
        Case {
            name: "norms cut short",
            damage: Damage::Cut { file: "length.bin", to: 402 },
            code: "hnswlib/truncated",
            says: "100 of 230 records",
            whole: 130,
            unreadable: 100,
            ..DEFAULT
        },
        Case {
            name: "an empty header",
            damage: Damage::Cut { file: "header.bin", to: 0 },
            code: "file/corrupt",
            says: "200 of 230 records",
            whole: 30,
            unreadable: 200,
            ..DEFAULT
        },
        Case {
            name: "a header of another version",
            damage: Damage::Overwrite { file: "header.bin", at: 0, with: &[9] },
            code: "hnswlib/version",
            says: "version 9",
            whole: 30,
            unreadable: 200,
            ..DEFAULT
        },
        Case {
            name: "a header that claims too many slots",
            damage: Damage::Overwrite { file: "header.bin", at: 20, with: &[0xff, 0xff, 0xff, 0x7f] },
            code: "hnswlib/header",
            says: "the number of slots is 2147483647",
            whole: 30,
            unreadable: 200,
            ..DEFAULT
        },
        Case {
            name: "noise over some slots",
            damage: Damage::Noise { file: "data_level0.bin", at: 204 * 10, bytes: 204 * 3 },
            code: "hnswlib/slot",
            says: "3 of 230 records",
            whole: 227,
            unreadable: 3,
            ..DEFAULT
        },
        Case {
            name: "noise over the graph above, which nothing here needs",
            damage: Damage::Noise { file: "link_lists.bin", at: 0, bytes: 1752 },
            ..DEFAULT
        },
    ]
}

fn damaged(case: &Case) -> TempDir {
    let copy = copy_of(&fixtures().join(case.store).join("store"));
    let change = |file: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let path = find(copy.path(), file);
        let mut bytes = fs::read(&path).unwrap();
        change(&mut bytes);
        fs::write(&path, bytes).unwrap();
    };
    match case.damage {
        Damage::None => {}
        Damage::Cut { file, to } => change(file, &|bytes| bytes.truncate(to as usize)),
        Damage::Overwrite { file, at, with } => change(file, &|bytes| bytes[at..at + with.len()].copy_from_slice(with)),
        Damage::Noise { file, at, bytes } => change(file, &|all| noise(&mut all[at..at + bytes])),
        Damage::Remove { file } => fs::remove_file(find(copy.path(), file)).unwrap(),
        Damage::RemoveSegment => fs::remove_dir_all(find(copy.path(), "header.bin").parent().unwrap()).unwrap(),
    }
    copy
}

fn noise(bytes: &mut [u8]) {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for byte in bytes {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        *byte = (state >> 56) as u8 | 0x80;
    }
}

fn find(folder: &Path, file: &str) -> PathBuf {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.ends_with(file) => return path,
                false => {}
            }
        }
    }
    panic!("there is no {file}");
}

fn read(copy: &TempDir, config: &Config) -> Result<Vec<(String, Page)>, Error> {
    let (host, _) = common::listening_host(copy.path());
    pages(&host, config, 50, false)
}

fn whole_and_unreadable(pages: Vec<(String, Page)>) -> (Records, BTreeSet<String>) {
    let unreadable =
        pages.iter().flat_map(|(_, page)| page.unreadable.iter().map(|record| record.id.clone())).collect();
    let pages = pages.into_iter().map(|(name, mut page)| {
        page.unreadable.clear();
        (name, page)
    });
    (common::records(pages.collect()).unwrap(), unreadable)
}

#[test]
fn damage_is_refused_with_the_number_of_records_it_concerns() {
    for case in cases() {
        let got = read(&damaged(&case), &Config::Null);
        match (case.code, got) {
            ("", got) => assert!(got.is_ok(), "{}: {}", case.name, got.unwrap_err()),
            (code, Ok(_)) => panic!("{}: read without the error {code}", case.name),
            (code, Err(error)) => {
                assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Corrupt, code), "{}: {error}", case.name);
                assert!(error.to_string().contains(case.says), "{}: {error}", case.name);
                assert!(error.context("file").is_some(), "{}: {error:?}", case.name);
                assert!(error.hint.unwrap().contains("skip_unreadable"), "{}", case.name);
            }
        }
    }
}

#[test]
fn with_the_flag_whole_records_are_read_and_the_others_reported() {
    for case in cases() {
        let pages = read(&damaged(&case), &json!({"skip_unreadable": true}));
        let (whole, unreadable) = whole_and_unreadable(pages.unwrap_or_else(|e| panic!("{}: {e}", case.name)));
        assert_eq!((whole.len(), unreadable.len()), (case.whole, case.unreadable), "{}", case.name);
        let mut truth = expected(&fixtures().join(case.truth));
        truth.retain(|(_, id), _| !unreadable.contains(id));
        assert_eq!(common::difference(&whole, &truth, 1e-6), None, "{}", case.name);
    }
}

#[test]
fn without_vectors_a_damaged_index_does_not_matter() {
    for case in cases() {
        let pages = read(&damaged(&case), &json!({"vectors": false}));
        let got = common::records(pages.unwrap_or_else(|e| panic!("{}: {e}", case.name))).unwrap();
        let mut truth = expected(&fixtures().join(case.truth));
        truth.values_mut().for_each(|record| record.vector = None);
        assert_eq!(common::difference(&got, &truth, 0.0), None, "{}", case.name);
    }
}

#[test]
fn a_log_that_was_never_purged_replaces_a_lost_index() {
    let copy = copy_of(&fixtures().join("chroma_0_4_24/cosine_230/store"));
    fs::write(find(copy.path(), "index_metadata.pickle"), b"cposix\nsystem\n(S'true'\ntR.").unwrap();
    let refused = read(&copy, &Config::Null).unwrap_err();
    assert!(refused.message.starts_with("230 of 230 records"), "{refused}");
    let (whole, unreadable) = whole_and_unreadable(read(&copy, &json!({"skip_unreadable": "true"})).unwrap());
    assert!(unreadable.is_empty());
    let truth = expected(&fixtures().join("chroma_0_4_24/cosine_230"));
    // The log has what was added; the library returned it normalised and scaled back.
    assert_eq!(common::difference(&whole, &truth, 1e-6), None);
}

#[test]
fn a_record_that_only_the_log_has_is_left_out_as_the_library_does_and_said() {
    let copy = copy_of(&fixtures().join("chroma_corrupt/missing_metadata_rows/store"));
    let (host, said) = common::listening_host(copy.path());
    let got = common::records(pages(&host, &Config::Null, 50, false).unwrap()).unwrap();
    assert_eq!(got.len(), 19);
    assert!(!got.keys().any(|(_, id)| id == "id5"));
    let said = said.borrow();
    assert!(said.iter().any(|line| line.contains("1 ids have a vector but no record (id5)")), "{said:?}");
}

#[test]
fn damaged_pages_of_sqlite_are_refused() {
    let copy = copy_of(&fixtures().join("chroma_corrupt/sqlite_damaged_pages/store"));
    let refused = read(&copy, &Config::Null).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Corrupt, "{refused}");
    assert_eq!(refused.context("file"), Some("chroma.sqlite3"));
}

/// One page at a time is overwritten in a database of 214: with the flag nearly everything is still read, and read right.
#[test]
fn one_damaged_page_costs_few_records() {
    let case = fixtures().join("chroma_0_5_23/persisted_hnsw_1237");
    let truth = expected(&case);
    let intact = fs::read(case.join("store/chroma.sqlite3")).unwrap();
    let copy = copy_of(&case.join("store"));
    let mut salvaged = 0;
    for page in (30..intact.len() / 4096).step_by(13) {
        let mut bytes = intact.clone();
        noise(&mut bytes[page * 4096..(page + 1) * 4096]);
        fs::write(copy.path().join("chroma.sqlite3"), bytes).unwrap();
        let Ok(pages) = read(&copy, &json!({"skip_unreadable": true})) else { continue };
        let (whole, unreadable) = whole_and_unreadable(pages);
        for (key, record) in &whole {
            assert_eq!(Some(record), truth.get(key), "page {page}");
        }
        assert!(whole.len() > 1000, "page {page}: {} of 1237, {} reported", whole.len(), unreadable.len());
        salvaged += 1;
    }
    assert!(salvaged >= 10, "{salvaged}");
}

#[test]
fn a_database_that_is_cut_or_overwritten_is_refused() {
    let whole = fs::read(fixtures().join("chroma_1_5_9/metadata_types/store/chroma.sqlite3")).unwrap();
    let cases: [(&str, Vec<u8>); 5] = [
        ("empty", Vec::new()),
        ("no database", b"not a database at all, but long enough to look at".to_vec()),
        ("half of it", whole[..whole.len() / 2].to_vec()),
        ("another magic", [b"SQLite format 4\0", &whole[16..]].concat()),
        ("another page size", [&whole[..16], &[0, 1], &whole[18..]].concat()),
    ];
    for (name, bytes) in cases {
        let copy = tempfile::tempdir().unwrap();
        fs::write(copy.path().join("chroma.sqlite3"), bytes).unwrap();
        let refused = read(&copy, &Config::Null).map(|pages| pages.len());
        assert!(refused.is_err(), "{name}: {refused:?}");
    }
}

/// Every page of the database in turn is overwritten: what is read is either an error, or right.
#[test]
fn no_damaged_page_makes_a_wrong_record() {
    let case = fixtures().join("chroma_1_5_9/array_metadata");
    let truth = expected(&case);
    let whole = fs::read(case.join("store/chroma.sqlite3")).unwrap();
    let copy = copy_of(&case.join("store"));
    let (mut refused, mut salvaged, mut unreadable) = (0, 0, 0);
    for page in 0..whole.len() / 4096 {
        let mut bytes = whole.clone();
        noise(&mut bytes[page * 4096..(page + 1) * 4096]);
        fs::write(copy.path().join("chroma.sqlite3"), bytes).unwrap();
        match read(&copy, &Config::Null) {
            Err(_) => refused += 1,
            Ok(pages) => {
                let got = common::records(pages).unwrap();
                assert_eq!(common::difference(&got, &truth, 0.0), None, "page {page}");
            }
        }
        if let Ok(pages) = read(&copy, &json!({"skip_unreadable": true})) {
            let (whole, broken) = whole_and_unreadable(pages);
            for (key, record) in &whole {
                assert_eq!(Some(record), truth.get(key), "page {page}");
            }
            salvaged += whole.len();
            unreadable += broken.len();
        }
    }
    assert!(refused > 5, "{refused}");
    println!("{refused} pages matter; {salvaged} records read, {unreadable} reported, over all pages");
}
