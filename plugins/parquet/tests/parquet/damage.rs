//! Damaged and hostile files: every answer is records or an error with its place; never a panic, and never memory or
//! time out of proportion to the file.

use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::json;
use vecferry_plugin_parquet::ParquetSource;
use vecferry_sdk::testing::MemoryFile;
use vecferry_sdk::{
    Database, Entry, Error, ErrorKind, File, Host, HostPowers, Level, Output, Request, Response, Result, SourcePlugin,
};

use crate::common::{Place, records, target};
use crate::source::cases;

/// A host with one file in memory.
struct OneFile(Vec<u8>);

impl HostPowers for OneFile {
    fn list_files(&self) -> Result<Vec<Entry>> {
        Ok(vec![Entry { name: "docs/data.parquet".into(), size: self.0.len() as u64 }])
    }
    fn open_file(&self, name: &str) -> Result<File> {
        Ok(MemoryFile::file(name, self.0.clone()))
    }
    fn open_sqlite(&self, _: &str) -> Result<Box<dyn Database>> {
        Err(none())
    }
    fn send(&self, _: Request) -> Result<Response> {
        Err(none())
    }
    fn create_output(&self, _: &str) -> Result<Box<dyn Output>> {
        Err(none())
    }
    fn reopen_output(&self, _: &str) -> Result<Option<Box<dyn Output>>> {
        Err(none())
    }
    fn open_output(&self, _: &str) -> Result<Box<dyn Output>> {
        Err(none())
    }
    fn list_outputs(&self) -> Result<Vec<Entry>> {
        Err(none())
    }
    fn log_enabled(&self, _: Level) -> bool {
        false
    }
    fn log(&self, _: Level, _: &str, _: &[(&str, String)]) {}
    fn cancelled(&self) -> bool {
        false
    }
}

fn none() -> Error {
    Error::denied("test", "not for this test")
}

/// Does everything with a file that a run would, up to 10,000 pages; the records.
fn read(bytes: Vec<u8>) -> Result<usize> {
    let host = Host::new(Rc::new(OneFile(bytes)));
    ParquetSource::detect(&host)?;
    let mut records = 0;
    for collection in ParquetSource::discover(&host, &json!({}))? {
        for split in ParquetSource::plan(&host, &json!({}), &collection.name, 3)? {
            let mut scan = ParquetSource::open(&host, &json!({}), &split, None)?;
            for _ in 0..10_000 {
                let Some(page) = scan.next(100, 1 << 20)? else { break };
                page.rows.check()?;
                records += page.rows.len();
            }
        }
    }
    Ok(records)
}

/// Numbers that look random and are the same in every run.
struct Noise(u64);

impl Noise {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end.max(1)
    }
}

fn mutated(whole: &[u8], noise: &mut Noise) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    // Half of the changes hit the footer and the page headers, where the numbers are.
    let footer = u32::from_le_bytes(whole[whole.len() - 8..whole.len() - 4].try_into().unwrap()) as usize;
    let start = if noise.below(2) == 0 { whole.len() - 8 - footer } else { 4 };
    for _ in 0..=noise.below(4) {
        let at = start + noise.below(whole.len() - start);
        match noise.below(5) {
            0 => bytes[at] ^= 1 << noise.below(8),
            1 => bytes[at] = 0xff,
            2 => bytes[at] = 0,
            3 => bytes[at] = u8::try_from(noise.below(256)).unwrap(),
            _ => {
                let from = noise.below(whole.len() - 16);
                let to = noise.below(whole.len() - 16);
                bytes.copy_within(from..from + 16, to);
            }
        }
    }
    if noise.below(16) == 0 {
        bytes.truncate(noise.below(bytes.len()));
    }
    bytes
}

fn whole(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

/// Every file of every fixture, and one that the sink wrote.
fn seeds() -> Vec<(String, Vec<u8>)> {
    let mut out = Vec::new();
    for (name, case) in cases() {
        if case.join("data.parquet").is_file() {
            out.push((name, whole(&case.join("data.parquet"))));
        }
    }
    let place = Place::new(&json!({}));
    place.store(&target("docs", 6), &records(0, 40, 6));
    place.finish();
    out.push(("ours".to_owned(), whole(&place.path("out/docs/part-00000.parquet"))));
    out
}

#[test]
fn changed_files_give_records_or_errors_with_their_place() {
    let rounds: usize = std::env::var("VECFERRY_MUTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    let (mut read_whole, mut refused) = (0, 0);
    for (name, seed) in seeds() {
        assert_eq!(read(seed.clone()).unwrap(), 40, "{name}");
        for round in 0..rounds {
            let bytes = mutated(&seed, &mut Noise(round as u64 * 7919 + seed.len() as u64));
            let started = Instant::now();
            match read(bytes) {
                Ok(_) => read_whole += 1,
                Err(error) => {
                    refused += 1;
                    let kinds = [ErrorKind::Corrupt, ErrorKind::Unsupported, ErrorKind::NotFound];
                    assert!(kinds.contains(&error.kind), "{name}, round {round}: {error:?}");
                    let has_place = error.context("file").is_some() || error.code == "parquet/no-store";
                    assert!(has_place, "{name}, round {round}: {error:?}");
                }
            }
            assert!(started.elapsed() < Duration::from_secs(20), "{name}, round {round}: {:?}", started.elapsed());
        }
    }
    // Changes of padding and of values are nobody's to see; of lengths they must be seen.
    assert!(refused > read_whole / 4, "{refused} refused, {read_whole} read");
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    for (name, seed) in seeds().into_iter().step_by(5) {
        for end in (0..seed.len()).step_by(97) {
            let error = read(seed[..end].to_vec()).expect_err(&name);
            assert_eq!(error.kind, ErrorKind::Corrupt, "{name}, {end} bytes: {error}");
        }
    }
}
