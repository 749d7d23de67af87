/*! A store in memory, and ways to damage it. */
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code, unreachable_pub)]

use std::path::Path;
use std::rc::Rc;

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use vecferry_sdk::testing::MemoryFile;
use vecferry_sdk::{
    Database, Entry, Error, File, Host, HostPowers, Level, Output, Request, Response, Result, SourcePlugin,
};

/// Files by name, sorted.
#[derive(Clone)]
pub struct Store(pub Vec<(String, Vec<u8>)>);

impl Store {
    /// The files of a fixture that belong to the store.
    pub fn of(case: &Path) -> Store {
        let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(case)
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path()).unwrap()))
            .filter(|(name, _)| !name.starts_with("expected") && name != "case.json")
            .collect();
        files.sort();
        Store(files)
    }

    pub fn host(&self) -> Host {
        Host::new(Rc::new(self.clone()))
    }
}

impl HostPowers for Store {
    fn list_files(&self) -> Result<Vec<Entry>> {
        Ok(self.0.iter().map(|(name, bytes)| Entry { name: name.clone(), size: bytes.len() as u64 }).collect())
    }
    fn open_file(&self, name: &str) -> Result<File> {
        let found = self.0.iter().find(|(file, _)| file == name);
        let found = found.map(|(name, bytes)| MemoryFile::file(name, bytes.clone()));
        found.ok_or_else(|| Error::not_found("file/not-found", format!("there is no {name}")))
    }
    fn open_sqlite(&self, name: &str) -> Result<Box<dyn Database>> {
        panic!("{name} was opened as a database")
    }
    fn send(&self, request: Request) -> Result<Response> {
        panic!("a request was sent to {}", request.url)
    }
    fn create_output(&self, name: &str) -> Result<Box<dyn Output>> {
        panic!("{name} was written")
    }
    fn reopen_output(&self, name: &str) -> Result<Option<Box<dyn Output>>> {
        panic!("{name} was reopened")
    }
    fn open_output(&self, name: &str) -> Result<Box<dyn Output>> {
        panic!("{name} was opened as an output")
    }
    fn list_outputs(&self) -> Result<Vec<Entry>> {
        panic!("the destination was listed")
    }
    fn log_enabled(&self, _level: Level) -> bool {
        false
    }
    fn log(&self, _level: Level, _message: &str, _fields: &[(&str, String)]) {}
    fn cancelled(&self) -> bool {
        false
    }
}

/// A change of one of the files.
#[derive(Clone, Debug)]
pub enum Damage {
    Set(Index, Index, u8),
    Cut(Index, Index),
    Remove(Index, Index, usize),
    Repeat(Index, Index, usize),
    Lose(Index),
    /// One file takes another's place.
    Swap(Index, Index),
}

pub fn damage() -> impl Strategy<Value = Damage> {
    let index = || any::<Index>();
    let opcode = prop::sample::select(b"(.0]})tedulasRbcio\x81\x85\x86\x90\x91\x92\x93\x94hqKNX".to_vec());
    prop_oneof![
        4 => (index(), index(), any::<u8>()).prop_map(|(file, at, byte)| Damage::Set(file, at, byte)),
        4 => (index(), index(), opcode).prop_map(|(file, at, byte)| Damage::Set(file, at, byte)),
        1 => (index(), index()).prop_map(|(file, at)| Damage::Cut(file, at)),
        2 => (index(), index(), 1..40_usize).prop_map(|(file, at, count)| Damage::Remove(file, at, count)),
        2 => (index(), index(), 1..40_usize).prop_map(|(file, at, count)| Damage::Repeat(file, at, count)),
        1 => index().prop_map(Damage::Lose),
        1 => (index(), index()).prop_map(|(a, b)| Damage::Swap(a, b)),
    ]
}

pub fn apply(store: &mut Store, damage: &Damage) {
    let files = store.0.len();
    if files == 0 {
        return;
    }
    let mut bytes = |file: &Index, change: &dyn Fn(&mut Vec<u8>)| {
        let bytes = &mut store.0[file.index(files)].1;
        if !bytes.is_empty() {
            change(bytes);
        }
    };
    match damage {
        Damage::Set(file, at, byte) => bytes(file, &|bytes| {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }),
        Damage::Cut(file, at) => bytes(file, &|bytes| bytes.truncate(at.index(bytes.len()))),
        Damage::Remove(file, at, count) => bytes(file, &|bytes| {
            let at = at.index(bytes.len());
            bytes.drain(at..(at + count).min(bytes.len()));
        }),
        Damage::Repeat(file, at, count) => bytes(file, &|bytes| {
            let at = at.index(bytes.len());
            let piece = bytes[at..(at + count).min(bytes.len())].to_vec();
            bytes.splice(at..at, piece);
        }),
        Damage::Lose(file) => {
            store.0.remove(file.index(files));
        }
        Damage::Swap(a, b) => {
            let (a, b) = (a.index(files), b.index(files));
            let name = store.0[a].0.clone();
            store.0[a].0 = store.0[b].0.clone();
            store.0[b].0 = name;
            store.0.sort();
        }
    }
}

/// Detects, discovers and reads a store that may be damaged. It must end, in records or in errors that say where.
pub fn survive<P: SourcePlugin>(store: &Store) {
    let host = store.host();
    let Ok(claims) = P::detect(&host) else { return };
    for config in [json!({}), json!({"skip_unreadable": true})] {
        for claim in &claims {
            let files = store.0.iter().filter(|(name, _)| claim.files.contains(name)).cloned().collect();
            let host = Store(files).host();
            let found = P::discover(&host, &config);
            if let Err(error) = &found {
                assert!(!error.message.is_empty() && !error.code.is_empty(), "{error:?}");
            }
            for collection in found.into_iter().flatten() {
                if let Err(error) = read::<P>(&host, &config, &collection) {
                    assert!(!error.message.is_empty(), "{error:?}");
                }
            }
        }
    }
}

fn read<P: SourcePlugin>(host: &Host, config: &Value, collection: &vecferry_sdk::Collection) -> Result<()> {
    let splits = P::plan(host, config, &collection.name, 1)?;
    let mut scan = P::open(host, config, &splits[0], None)?;
    let mut rows = 0;
    while let Some(page) = scan.next(7, 1 << 20)? {
        page.rows.check()?;
        assert!(page.rows.len() + page.unreadable.len() > 0, "an empty page");
        rows += page.rows.len() + page.unreadable.len();
        for row in 0..page.rows.len() {
            serde_json::from_str::<serde_json::Map<String, Value>>(page.rows.metadata(row)).unwrap();
        }
        assert!(rows < 1_000_000);
    }
    assert_eq!(collection.rows, Some(rows as u64));
    Ok(())
}
