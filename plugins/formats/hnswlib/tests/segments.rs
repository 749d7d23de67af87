//! Segments that Chroma wrote, and segments made here that are wrong in one way each.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use vecferry_hnswlib_format::{Header, Index, Wanted};
use vecferry_sdk::testing::MemoryFile;
use vecferry_sdk::{ErrorKind, File};

const DIMENSION: usize = 3;
const LINKS: usize = 4;
const SLOT: usize = 4 + LINKS * 4 + DIMENSION * 4 + 8;

/// The files of an index.
#[derive(Clone)]
struct Files {
    header: Vec<u8>,
    data: Vec<u8>,
    lengths: Vec<u8>,
}

impl Files {
    /// An index of `labels`, in this order; the vector of label n is (n, n/2, -n), its norm n + 1.
    fn made(labels: &[u64]) -> Files {
        let count = labels.len() as u64;
        let mut header = 1i32.to_le_bytes().to_vec();
        for number in [0, count + 5, count, SLOT as u64, (SLOT - 8) as u64, (4 + LINKS * 4) as u64] {
            header.extend(number.to_le_bytes());
        }
        header.extend(0i32.to_le_bytes());
        header.extend(0u32.to_le_bytes());
        for number in [2u64, LINKS as u64, 2] {
            header.extend(number.to_le_bytes());
        }
        header.extend(0.5f64.to_le_bytes());
        header.extend(100u64.to_le_bytes());
        let (mut data, mut lengths) = (Vec::new(), Vec::new());
        for label in labels {
            data.extend([1, 0, 0, 0]);
            data.extend([0; LINKS * 4]);
            let value = *label as f32;
            for value in [value, value / 2.0, -value] {
                data.extend(value.to_le_bytes());
            }
            data.extend(label.to_le_bytes());
            lengths.extend((value + 1.0).to_le_bytes());
        }
        // Room for slots that are not used yet.
        data.resize(data.len() + 5 * SLOT, 0);
        Files { header, data, lengths }
    }

    fn open(&self, cosine: bool) -> vecferry_sdk::Result<Index> {
        let lengths = cosine.then(|| MemoryFile::file("length.bin", self.lengths.clone()));
        Index::open(&self.header_file(), MemoryFile::file("data_level0.bin", self.data.clone()), lengths)
    }

    fn header_file(&self) -> File {
        MemoryFile::file("header.bin", self.header.clone())
    }
}

fn fixture(segment_of: &str) -> PathBuf {
    let store = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/fixtures").join(segment_of).join("store");
    let folders = std::fs::read_dir(store).unwrap().map(|entry| entry.unwrap().path());
    folders.into_iter().find(|path| path.join("header.bin").exists()).unwrap()
}

fn file(folder: &Path, name: &str) -> File {
    MemoryFile::file(name, std::fs::read(folder.join(name)).unwrap())
}

#[test]
fn real_headers_say_what_chroma_was_told() {
    let cases = [
        ("chroma_0_4_24/cosine_230", (16, 200, 1000)),
        ("chroma_0_5_23/persisted_hnsw_1237", (16, 1000, 1000)),
        ("chroma_0_6_3/cosine_230", (16, 200, 1000)),
        ("chroma_1_5_9/cosine_230", (16, 200, 256)),
    ];
    for (case, (dimension, slots, capacity)) in cases {
        let header = Header::read(&file(&fixture(case), "header.bin")).unwrap();
        assert_eq!((header.dimension, header.slots, header.max_links), (dimension, slots, 32), "{case}");
        assert!(header.capacity >= capacity, "{case}: {}", header.capacity);
        assert_eq!(header.slot_bytes, 4 + 32 * 4 + dimension * 4 + 8, "{case}");
    }
}

#[test]
fn real_unit_vectors_times_their_norms_are_what_the_library_returned() {
    // `get` returned these in the order of `expected.f32`, whose ids count from 0; labels count from 1.
    let case = "chroma_0_6_3/cosine_230";
    let folder = fixture(case);
    let index =
        Index::open(&file(&folder, "header.bin"), file(&folder, "data_level0.bin"), Some(file(&folder, "length.bin")));
    let index = index.unwrap();
    let labels = index.labels().unwrap();
    assert_eq!((labels.len(), labels.damaged, labels.deleted), (200, 0, 0));
    let matrix = std::fs::read(folder.join("../../expected.f32")).unwrap();
    let first: Vec<f32> = matrix[..64].chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    let mut found = false;
    for label in 1..=200 {
        let wanted = Wanted { slot: labels.slot(label).unwrap(), label };
        let mut vector = [0.0; 16];
        index.read(&[wanted], &mut vector).unwrap();
        found |= vector.as_slice() == first;
    }
    assert!(found, "the first vector is in the index, bit for bit");
}

#[test]
fn vectors_come_in_the_order_that_was_asked_for() {
    let files = Files::made(&[7, 3, 9, 1, 400]);
    let index = files.open(false).unwrap();
    let labels = index.labels().unwrap();
    let wanted: Vec<Wanted> =
        [400, 1, 7, 7, 9].into_iter().map(|label| Wanted { slot: labels.slot(label).unwrap(), label }).collect();
    let mut out = vec![0.0; wanted.len() * DIMENSION];
    index.read(&wanted, &mut out).unwrap();
    let firsts: Vec<f32> = out.chunks(DIMENSION).map(|row| row[0]).collect();
    assert_eq!(firsts, [400.0, 1.0, 7.0, 7.0, 9.0]);
    assert_eq!(labels.slot(2), None);

    let scaled = files.open(true).unwrap();
    scaled.read(&wanted[..1], &mut out[..DIMENSION]).unwrap();
    assert_eq!(out[..DIMENSION], [400.0 * 401.0, 200.0 * 401.0, -400.0 * 401.0]);
}

#[test]
fn a_block_of_slots_far_apart_is_read_too() {
    let labels: Vec<u64> = (1..=40_000).collect();
    let index = Files::made(&labels).open(false).unwrap();
    let found = index.labels().unwrap();
    let wanted: Vec<Wanted> =
        [1, 40_000, 20_000, 2].into_iter().map(|label| Wanted { slot: found.slot(label).unwrap(), label }).collect();
    let mut out = vec![0.0; 4 * DIMENSION];
    index.read(&wanted, &mut out).unwrap();
    assert_eq!(out.iter().step_by(DIMENSION).copied().collect::<Vec<_>>(), [1.0, 40_000.0, 20_000.0, 2.0]);
}

#[test]
fn deleted_slots_are_no_damage_and_have_no_label() {
    let mut files = Files::made(&[1, 2, 3]);
    files.data[SLOT + 2] = 1;
    let index = files.open(false).unwrap();
    let labels = index.labels().unwrap();
    assert_eq!((labels.len(), labels.deleted, labels.damaged), (2, 1, 0));
    assert_eq!(labels.slot(2), None);
    let refused = index.read(&[Wanted { slot: 1, label: 2 }], &mut [0.0; DIMENSION]).unwrap_err();
    assert!(refused.message.contains("marked as deleted"), "{refused}");
}

#[test]
fn damaged_slots_are_counted_and_left_out() {
    /// Changes the files of an index of five slots.
    type Harm = fn(&mut Files);
    let cases: [(&str, Harm, u32, &str); 7] = [
        ("too many links", |files| files.data[0] = 5, 1, "claims 5 links"),
        ("a link to nowhere", |files| files.data[SLOT + 4] = 5, 1, "links to slot 5"),
        ("a label of 64 bits", |files| files.data[2 * SLOT - 1] = 1, 1, "label"),
        ("the same label twice", |files| files.data[2 * SLOT - 8] = 1, 2, "label 1 occurs in several slots"),
        ("data cut between slots", |files| files.data.truncate(2 * SLOT), 3, "cut short"),
        ("data cut within a slot", |files| files.data.truncate(2 * SLOT + 1), 3, "cut short"),
        ("norms cut", |files| files.lengths.truncate(19), 1, "cut short"),
    ];
    for (name, harm, damaged, says) in cases {
        let mut files = Files::made(&[1, 2, 3, 4, 5]);
        harm(&mut files);
        let labels = files.open(true).unwrap().labels().unwrap();
        assert_eq!((labels.damaged, labels.len()), (damaged, 5 - damaged as usize), "{name}");
        let error = labels.first_damage.unwrap();
        assert_eq!(error.kind, ErrorKind::Corrupt, "{name}");
        assert!(error.message.contains(says), "{name}: {error}");
        assert!(error.context("file").is_some() && error.context("offset").is_some(), "{name}: {error:?}");
    }
}

#[test]
fn a_header_that_contradicts_itself_is_refused_at_its_offset() {
    let number =
        |at: usize, value: u64| move |header: &mut Vec<u8>| header[at..at + 8].copy_from_slice(&value.to_le_bytes());
    /// Changes a header.
    type Harm = Box<dyn Fn(&mut Vec<u8>)>;
    let cases: Vec<(&str, Harm, &str, &str)> = vec![
        ("empty", Box::new(|header| header.clear()), "file/corrupt", "0"),
        ("cut", Box::new(|header| header.truncate(99)), "file/corrupt", "0"),
        ("version", Box::new(|header| header[0] = 2), "hnswlib/version", "0"),
        ("level 0", Box::new(number(4, 8)), "hnswlib/header", "4"),
        ("capacity", Box::new(number(12, u64::MAX)), "hnswlib/header", "12"),
        ("more slots than room", Box::new(number(20, 11)), "hnswlib/header", "20"),
        ("slot size", Box::new(number(28, SLOT as u64 + 1)), "hnswlib/header", "28"),
        ("label before the vector", Box::new(number(36, 4)), "hnswlib/header", "36"),
        ("half a value", Box::new(number(36, SLOT as u64 - 10)), "hnswlib/header", "36"),
        ("vector offset", Box::new(number(44, 0)), "hnswlib/header", "44"),
        ("entry", Box::new(|header| header[56] = 200), "hnswlib/header", "52"),
        ("links above", Box::new(number(60, 99)), "hnswlib/header", "60"),
        ("links", Box::new(number(68, 1 << 40)), "hnswlib/header", "68"),
    ];
    for (name, harm, code, offset) in cases {
        let mut files = Files::made(&[1, 2, 3, 4, 5]);
        harm(&mut files.header);
        let error = Header::read(&files.header_file()).unwrap_err();
        assert_eq!(error.code, code, "{name}: {error}");
        assert_eq!(error.context("file"), Some("header.bin"), "{name}");
        if code != "file/corrupt" {
            assert_eq!(error.context("offset"), Some(offset), "{name}: {error}");
        }
    }
}

#[test]
fn another_label_than_expected_is_refused() {
    let index = Files::made(&[1, 2]).open(false).unwrap();
    let refused = index.read(&[Wanted { slot: 0, label: 2 }], &mut [0.0; DIMENSION]).unwrap_err();
    assert_eq!((refused.kind, refused.code.as_str()), (ErrorKind::Corrupt, "hnswlib/slot"));
    let beyond = index.read(&[Wanted { slot: 2, label: 3 }], &mut [0.0; DIMENSION]).unwrap_err();
    assert_eq!(beyond.kind, ErrorKind::Corrupt);
    let too_small = index.read(&[Wanted { slot: 0, label: 1 }], &mut [0.0; 2]).unwrap_err();
    assert_eq!(too_small.kind, ErrorKind::Internal);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever the files say: no panic, and every label that is found leads to a vector with that label.
    #[test]
    fn changed_files_never_panic(
        labels in proptest::collection::vec(0u64..50, 1..20),
        changes in proptest::collection::vec((0usize..3, any::<prop::sample::Index>(), any::<u8>()), 0..12),
        cut in proptest::option::of((0usize..3, any::<prop::sample::Index>())),
        cosine: bool,
    ) {
        let mut files = Files::made(&labels);
        for (which, at, byte) in changes {
            let bytes = [&mut files.header, &mut files.data, &mut files.lengths][which].as_mut_slice();
            bytes[at.index(bytes.len())] = byte;
        }
        if let Some((which, at)) = cut {
            let bytes = &mut *[&mut files.header, &mut files.data, &mut files.lengths][which];
            let len = at.index(bytes.len());
            bytes.truncate(len);
        }
        if let Ok(index) = files.open(cosine) {
            let found = index.labels().unwrap();
            let width = index.header().dimension as usize;
            prop_assert!(found.len() <= labels.len());
            for label in 0..60 {
                if let Some(slot) = found.slot(label) {
                    let mut vector = vec![0.0; width];
                    index.read(&[Wanted { slot, label }], &mut vector).unwrap();
                }
            }
        }
    }

    #[test]
    fn every_unique_label_is_found(labels in proptest::collection::hash_set(0u64..1_000_000, 1..300)) {
        let labels: Vec<u64> = labels.into_iter().collect();
        let index = Files::made(&labels).open(false).unwrap();
        let found = index.labels().unwrap();
        let wanted: Vec<Wanted> = labels
            .iter()
            .map(|label| Wanted { slot: found.slot(*label as u32).unwrap(), label: *label as u32 })
            .collect();
        let mut out = vec![0.0; wanted.len() * DIMENSION];
        index.read(&wanted, &mut out).unwrap();
        for (label, row) in labels.iter().zip(out.chunks(DIMENSION)) {
            prop_assert_eq!(row[0], *label as f32);
        }
    }
}
