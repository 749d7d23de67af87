/*! Stores with bytes changed, cut, doubled and swapped: never a panic, never a page without end, and soon over. */

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::copy;
use serde_json::{Value, json};
use vecferry_plugin_llamaindex::LlamaIndexSource;
use vecferry_sdk::testing::folder_host;
use vecferry_sdk::{Error, ErrorKind, Host, SourcePlugin};

/// Rounds for each fixture; `VECFERRY_MUTATIONS` asks for more.
const ROUNDS: usize = 300;
/// Pieces that change what JSON means.
const PIECES: [&str; 16] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\",
    ",",
    ":",
    "NaN",
    "null",
    "-1",
    "1e999",
    "\\u",
    "\"\\ud800\"",
    "[[[[[[[[",
    "{\"__data__\":",
];

/// A small generator of its own, so that a round can be run again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit.max(1) as u64).unwrap()
    }
}

fn mutate(bytes: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..=dice.below(3) {
        let (at, other) = (dice.below(bytes.len()), dice.below(bytes.len()));
        let end = (at + 1 + dice.below(200)).min(bytes.len());
        match dice.below(8) {
            0 if !bytes.is_empty() => bytes[at] = u8::try_from(dice.below(256)).unwrap(),
            1 if !bytes.is_empty() => bytes[at] ^= 1 << dice.below(8),
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..end)),
            4 => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(other..other, piece);
            }
            5 if !bytes.is_empty() => bytes.swap(at, other),
            6 => {
                let length = PIECES[dice.below(PIECES.len())].len().min(bytes.len() - at);
                bytes.splice(at..at + length, PIECES[dice.below(PIECES.len())].bytes());
            }
            _ => drop(bytes.splice(at..at, PIECES[dice.below(PIECES.len())].bytes())),
        }
    }
}

/// Everything that the host does with a store. Returns the records that came.
fn use_it(host: &Host, settings: &Value) -> Result<usize, Error> {
    LlamaIndexSource::detect(host)?;
    let mut records = 0;
    for collection in LlamaIndexSource::discover(host, settings)? {
        for split in LlamaIndexSource::plan(host, settings, &collection.name, 1)? {
            let mut scan = LlamaIndexSource::open(host, settings, &split, None)?;
            while let Some(page) = scan.next(8, 1 << 20)? {
                let page = page.checked(8).unwrap();
                for row in 0..page.rows.len() {
                    serde_json::from_str::<serde::de::IgnoredAny>(page.rows.metadata(row)).unwrap();
                }
                records += page.rows.len() + page.unreadable.len();
                assert!(records < 10_000, "a scan without end");
            }
        }
    }
    Ok(records)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn no_mutation_ends_in_a_panic_or_goes_on_for_long() {
    let rounds = std::env::var("VECFERRY_MUTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS);
    let settings =
        [json!({}), json!({"skip_unreadable": true}), json!({"documents_only": true, "skip_unreadable": true})];
    let (mut refused, mut read) = (0, 0);
    for fixture in [
        "simple_values_0.14.25",
        "simple_missing_0.14.25",
        "faiss_0.6.0",
        "faiss_replaced_0.14.25",
        "faiss_map_0.12.52",
        "faiss_map_shared_ids_0.14.25",
        "namespaces_0.14.25",
        "documents_0.14.25",
    ] {
        let folder = copy(fixture);
        let host = folder_host(folder.path());
        let files = files(folder.path());
        for round in 0..rounds {
            let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ (round as u64 + 1));
            let file = &files[dice.below(files.len())];
            let whole = std::fs::read(file).unwrap();
            let mut bytes = whole.clone();
            mutate(&mut bytes, &mut dice);
            std::fs::write(file, &bytes).unwrap();
            for settings in &settings {
                let started = Instant::now();
                match use_it(&host, settings) {
                    Ok(_) => read += 1,
                    Err(error) => {
                        refused += 1;
                        let expected = matches!(error.kind, ErrorKind::Corrupt | ErrorKind::Unsupported);
                        assert!(expected, "{fixture} round {round} {}: {error}", file.display());
                    }
                }
                let took = started.elapsed();
                assert!(took < Duration::from_secs(10), "{fixture} round {round} took {took:?}");
            }
            std::fs::write(file, whole).unwrap();
        }
    }
    // The mutations must matter, and not always.
    assert!(refused > rounds && read > rounds, "{refused} refused, {read} read");
}
