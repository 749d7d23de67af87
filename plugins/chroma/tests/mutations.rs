//! Stores with bytes changed at random: whatever the files say, reading them ends soon, in records or in an error.
//!
//! `VECFERRY_FUZZ_RUNS` sets the number of changed stores per fixture (40 without it), `VECFERRY_FUZZ_SEED` where to
//! begin. A failure names fixture, seed and file.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use common::{copy_of, fixtures, pages};
use serde_json::json;
use vecferry_sdk::Config;
use vecferry_sdk::testing::folder_host;

/// Far above what an honest store of this size takes in a debug build on a busy machine.
const SOON: Duration = Duration::from_secs(20);

const STORES: [&str; 6] = [
    "chroma_0_3_29/small_wal_only",
    "chroma_made/parquet_0.3.29",
    "chroma_0_4_24/cosine_230",
    "chroma_made/life_1.5.9",
    "chroma_1_5_9/array_metadata",
    "chroma_made/ahead_1.5.9",
];

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    /// Changes a file in one of the ways in which files are damaged, or made to do damage.
    fn change(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len());
        let run = (1 + self.below(64)).min(bytes.len() - at.min(bytes.len()));
        match self.below(8) {
            0 => bytes.truncate(at),
            1 => bytes[at..at + run].fill(0),
            2 => bytes[at..at + run].fill(0xff),
            3 => drop(bytes.drain(at..at + run)),
            4 => {
                let from = self.below(bytes.len() - run + 1);
                bytes.copy_within(from..from + run, at);
            }
            // A number that is larger or smaller than it was.
            5 if run >= 4 => {
                let value = [0, 1, 0x7fff_ffff, 0xffff_ffff, 0x8000_0000][self.below(5)];
                bytes[at..at + 4].copy_from_slice(&u32::to_le_bytes(value));
            }
            _ => bytes[at..at + run.min(3)].iter_mut().for_each(|byte| *byte = self.next() as u8),
        }
    }
}

fn files(folder: &std::path::Path) -> Vec<PathBuf> {
    let (mut out, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => out.push(path),
            }
        }
    }
    out.sort();
    out.retain(|path| path.metadata().unwrap().len() > 0);
    out
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn changed_stores_are_read_or_refused() {
    let (runs, first) = (setting("VECFERRY_FUZZ_RUNS", 40), setting("VECFERRY_FUZZ_SEED", 1));
    let (mut refused, mut read) = (0, 0);
    for store in STORES {
        let copy = copy_of(&fixtures().join(store).join("store"));
        let files = files(copy.path());
        for seed in first..first + runs {
            let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
            // Small files hold what is decoded here; a large one is mostly SQLite's.
            let path = &files[random.below(files.len())];
            let whole = fs::read(path).unwrap();
            let mut bytes = whole.clone();
            for _ in 0..=random.below(3) {
                if !bytes.is_empty() {
                    random.change(&mut bytes);
                }
            }
            fs::write(path, &bytes).unwrap();
            let config =
                [Config::Null, json!({"skip_unreadable": true}), json!({"vectors": false})][random.below(3)].clone();
            let start = Instant::now();
            let result = catch_unwind(AssertUnwindSafe(|| pages(&folder_host(copy.path()), &config, 30, false)));
            let what = format!("{store}, seed {seed}, {}, {config}", path.display());
            match result {
                Ok(Ok(_)) => read += 1,
                Ok(Err(error)) => {
                    assert!(!error.message.is_empty(), "{what}");
                    refused += 1;
                }
                Err(_) => panic!("panicked: {what}"),
            }
            assert!(start.elapsed() < SOON, "{:?}: {what}", start.elapsed());
            fs::write(path, &whole).unwrap();
        }
    }
    assert!(refused > 0 && read > 0, "{refused} refused, {read} read");
    println!("{refused} refused, {read} read");
}
