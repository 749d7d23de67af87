/*! Stores with bytes changed, cut, doubled and swapped: never a panic, never a scan without end, and never much read. */

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::fixtures;
use common::memory::Memory;
use serde_json::{Value, json};
use vecferry_plugin_llamaindex::LlamaIndexSource;
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

#[test]
fn no_mutation_ends_in_a_panic_or_in_reading_on_and_on() {
    let rounds = std::env::var("VECFERRY_MUTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS);
    let settings =
        [json!({}), json!({"skip_unreadable": true}), json!({"documents_only": true, "skip_unreadable": true})];
    let (mut refused, mut read, mut most) = (0, 0, 0);
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
        let store = Memory::of(&fixtures().join(fixture).join("storage"));
        let host = store.host();
        let files = store.names();
        for round in 0..rounds {
            let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ (round as u64 + 1));
            let file = &files[dice.below(files.len())];
            let whole = store.get(file);
            let mut bytes = whole.clone();
            mutate(&mut bytes, &mut dice);
            store.put(file, bytes);
            for settings in &settings {
                match use_it(&host, settings) {
                    Ok(_) => read += 1,
                    Err(error) => {
                        refused += 1;
                        let expected = matches!(error.kind, ErrorKind::Corrupt | ErrorKind::Unsupported);
                        assert!(expected, "{fixture} round {round} {file}: {error}");
                    }
                }
                let (bytes, size) = (store.bytes_read(), store.size());
                most = most.max(bytes / (size + 1));
                assert!(bytes < 100 * size + 10_000, "{fixture} round {round} {file}: {bytes} bytes read of {size}");
            }
            store.put(file, whole);
        }
    }
    // The mutations must matter, and not always.
    println!("{refused} refused, {read} read, at most {most} times the store's bytes");
    assert!(refused > rounds && read > rounds, "{refused} refused, {read} read");
}
