//! Damaged and hostile files end in an error: no panic, no loop, no memory out of proportion.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use common::{Case, cases};
use proptest::prelude::*;
use vecferry_faiss_format::Index;
use vecferry_sdk::testing::MemoryFile;
use vecferry_sdk::{ErrorKind, File, ReadAt, Result};

/// A file that counts what is read from it.
struct Counted(File, Rc<Cell<u64>>);

impl ReadAt for Counted {
    fn name(&self) -> &str {
        self.0.name()
    }
    fn size(&self) -> u64 {
        self.0.size()
    }
    fn read_at(&self, offset: u64, len: u32) -> Result<Vec<u8>> {
        let bytes = self.0.read_at(offset, len)?;
        self.1.set(self.1.get() + bytes.len() as u64);
        Ok(bytes)
    }
}

/// Opens and scans to the end, and says how many records there were. Fails where that took more than it may.
fn read(case: &Case, bytes: Vec<u8>) -> Result<usize> {
    let start = Instant::now();
    let size = bytes.len() as u64;
    let count = Rc::new(Cell::new(0));
    let file: File = Rc::new(Counted(MemoryFile::file("index.faiss", bytes), count.clone()));
    let mut records = 0;
    let outcome = Index::open(file, &|name| case.sibling(name)).and_then(|index| {
        let mut scan = index.vectors()?;
        while let Some(chunk) = scan.next(64)? {
            assert_eq!(chunk.values.len(), chunk.ids.len() * scan.dimension());
            records += chunk.ids.len();
        }
        Ok(records)
    });
    assert!(records as u64 <= size.max(64) * 8, "{}: {records} records out of {size} bytes", case.name);
    // Blocks are read again where parsing hops; a hop takes at least eight bytes of the file.
    assert!(count.get() <= (size + 64) * 4096, "{}: {} bytes read of {size}", case.name, count.get());
    assert!(start.elapsed() < Duration::from_secs(20), "{}: {:?}", case.name, start.elapsed());
    outcome
}

fn in_words(case: &Case, what: &str, outcome: Result<usize>) {
    if let Err(error) = outcome {
        assert!(
            matches!(error.kind, ErrorKind::Corrupt | ErrorKind::Unsupported | ErrorKind::NotFound),
            "{} {what}: {error:?}",
            case.name
        );
    }
}

#[test]
fn every_shorter_file_is_an_error() {
    for case in cases() {
        let bytes = case.bytes();
        let whole = bytes.len() - if case.name.ends_with("flat_trailing_bytes") { 100 } else { 0 };
        let early = 0..whole.min(150);
        let late = whole.saturating_sub(20)..whole;
        for len in early.chain((150..whole).step_by(281)).chain(late) {
            let outcome = read(&case, bytes[..len].to_vec());
            assert!(outcome.is_err(), "{} cut to {len} of {whole} bytes was read", case.name);
            in_words(&case, "cut", outcome);
        }
    }
}

#[test]
fn no_single_byte_brings_it_down() {
    for case in cases() {
        let bytes = case.bytes();
        for at in (0..bytes.len().min(200)).chain((200..bytes.len()).step_by(211)) {
            for value in [0x00, 0x7f, 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] = value;
                in_words(&case, "with another byte", read(&case, damaged));
            }
        }
    }
}

#[test]
fn what_the_damage_is_said_in_words() {
    let flat = |name: &str| cases().into_iter().find(|case| case.name == format!("v1_15_1/{name}")).unwrap();
    let with = |name: &str, at: usize, bytes: &[u8]| {
        let case = flat(name);
        let mut damaged = case.bytes();
        damaged[at..at + bytes.len()].copy_from_slice(bytes);
        case.open(damaged).map(|index| index.info().clone()).unwrap_err()
    };
    let d = 4;
    let ntotal = 8;
    for (name, error, kind, words, offset) in [
        ("no fourcc", with("flat_metric_1", 0, b"XXXX"), ErrorKind::Corrupt, "starts with its type", "0"),
        ("new fourcc", with("flat_metric_1", 0, b"IxZZ"), ErrorKind::Unsupported, "no index type", "0"),
        ("negative dimension", with("flat_metric_1", d, &[0xff; 4]), ErrorKind::Corrupt, "-1 is no dimension", "4"),
        (
            "huge dimension",
            with("flat_metric_1", d, &[0xff, 0xff, 0xff, 0x7f]),
            ErrorKind::Corrupt,
            "no dimension",
            "4",
        ),
        ("negative rows", with("flat_metric_1", ntotal, &[0xff; 8]), ErrorKind::Corrupt, "no number of vectors", "8"),
        ("huge rows", with("flat_metric_1", ntotal + 7, &[0x10]), ErrorKind::Corrupt, "values, where", "37"),
        ("a metric that is none", with("flat_metric_1", 33, &[9]), ErrorKind::Corrupt, "9 is no metric", "33"),
        ("one row less", with("flat_metric_1", ntotal, &[39]), ErrorKind::Corrupt, "640 values, where 624", "37"),
        ("map of fewer rows", with("idmap_flat", ntotal, &[39]), ErrorKind::Corrupt, "40 ids, where 39", "2642"),
        ("more rows than listed", with("ivf_flat", ntotal, &[41]), ErrorKind::Corrupt, "lists hold 40", "3307"),
    ] {
        assert_eq!(error.kind, kind, "{name}: {error}");
        assert!(error.message.contains(words), "{name}: {error}");
        assert_eq!(error.context("file"), Some("index.faiss"), "{name}: {error}");
        assert_eq!(error.context("offset"), Some(offset), "{name}: {error}");
    }
}

#[test]
fn nesting_is_capped_and_absent_parts_are_named() {
    let case = &cases()[0];
    let header = |fourcc: &[u8]| [fourcc, &case.bytes()[4..37]].concat();
    let nested = |depth: usize| (0..depth).flat_map(|_| header(b"IxMp")).collect::<Vec<u8>>();
    for depth in [60, 100_000] {
        let error = case.open(nested(depth)).map(|_| ()).unwrap_err();
        assert!(error.message.contains("nested more than 50 deep"), "{error}");
    }
    let error = case.open([header(b"IxMp"), b"null".to_vec()].concat()).map(|_| ()).unwrap_err();
    assert!(error.message.contains("was not saved"), "{error}");
    assert_eq!(case.open(Vec::new()).map(|_| ()).unwrap_err().kind, ErrorKind::Corrupt);
}

#[test]
fn on_disk_lists_need_their_file_and_trust_no_path() {
    let case = cases().into_iter().find(|case| case.name == "v1_15_1/ivf_on_disk").unwrap();
    let asked = Cell::new(String::new());
    let error = Index::open(MemoryFile::file("index.faiss", case.bytes()), &|name| {
        asked.set(name.to_owned());
        case.sibling("no such file")
    })
    .map(|_| ())
    .unwrap_err();
    assert_eq!(asked.take(), "ivf_on_disk.ivfdata");
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert!(error.hint.unwrap().contains("put that file beside it"));
    let short = MemoryFile::file("ivf_on_disk.ivfdata", vec![0; 100]);
    let error = Index::open(MemoryFile::file("index.faiss", case.bytes()), &|_| Ok(short.clone())).map(|_| ());
    assert_eq!(error.unwrap_err().context("file"), Some("ivf_on_disk.ivfdata"));
}

/// One change to a file's bytes.
#[derive(Clone, Debug)]
enum Change {
    Byte(prop::sample::Index, u8),
    Word(prop::sample::Index, u64),
    Cut(prop::sample::Index),
    Copy(prop::sample::Index, prop::sample::Index, usize),
    Insert(prop::sample::Index, Vec<u8>),
}

fn change() -> impl Strategy<Value = Change> {
    let word = prop_oneof![
        Just(u64::MAX),
        Just(u64::MAX / 2),
        Just(1 << 62),
        Just(1 << 40),
        Just(1 << 31),
        Just(0),
        Just(1),
        any::<u64>(),
        0..100u64,
    ];
    prop_oneof![
        4 => (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        3 => (any::<prop::sample::Index>(), word).prop_map(|(at, word)| Change::Word(at, word)),
        1 => any::<prop::sample::Index>().prop_map(Change::Cut),
        1 => (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 1..64usize)
            .prop_map(|(from, to, len)| Change::Copy(from, to, len)),
        1 => (any::<prop::sample::Index>(), prop::collection::vec(any::<u8>(), 1..16))
            .prop_map(|(at, bytes)| Change::Insert(at, bytes)),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    if bytes.is_empty() {
        return;
    }
    // Structure stands at the front: half of the changes go there.
    let place = |index: &prop::sample::Index| {
        let at = index.index(bytes.len() * 2);
        if at < bytes.len() { at } else { (at - bytes.len()) % bytes.len().min(256) }
    };
    match change {
        Change::Byte(at, byte) => {
            let at = place(at);
            bytes[at] = *byte;
        }
        Change::Word(at, word) => {
            let at = place(at);
            let len = (bytes.len() - at).min(8);
            bytes[at..at + len].copy_from_slice(&word.to_le_bytes()[..len]);
        }
        Change::Cut(at) => {
            let at = place(at);
            bytes.truncate(at);
        }
        Change::Copy(from, to, len) => {
            let (from, to) = (place(from), place(to));
            let len = (*len).min(bytes.len() - from).min(bytes.len() - to);
            bytes.copy_within(from..from + len, to);
        }
        Change::Insert(at, new) => {
            let at = place(at);
            bytes.splice(at..at, new.iter().copied());
        }
    }
}

#[test]
fn no_mutation_brings_it_down() {
    let cases = cases();
    let runs = std::env::var("PROPTEST_CASES").ok().and_then(|runs| runs.parse().ok()).unwrap_or(3000);
    let config = ProptestConfig { cases: runs, failure_persistence: None, ..ProptestConfig::default() };
    let strategy = (any::<prop::sample::Index>(), prop::collection::vec(change(), 1..5));
    proptest!(config, |((which, changes) in strategy)| {
        let case = which.get(&cases);
        let mut bytes = case.bytes();
        changes.iter().for_each(|change| apply(&mut bytes, change));
        in_words(case, "mutated", read(case, bytes));
    });
}
