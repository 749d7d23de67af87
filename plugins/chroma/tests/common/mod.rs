//! Cases: stores that the real library wrote, and what its `get` returned.

#![allow(dead_code, reason = "each test uses a part")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde_json::Value;
use tempfile::TempDir;
use vecferry_plugin_chroma::ChromaSource;
use vecferry_sdk::testing::folder_host;
use vecferry_sdk::{
    Config, Database, Entry, Error, File, Host, HostPowers, Level, Output, Page, Request, Response, Result,
    SourcePlugin,
};

/// A record as a test looks at it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    pub(crate) document: Option<String>,
    pub(crate) metadata: Value,
    pub(crate) vector: Option<Vec<f32>>,
}

/// (collection, id) → record.
pub(crate) type Records = BTreeMap<(String, String), Record>;

pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").canonicalize().unwrap()
}

/// A copy of a store, so that SQLite never touches the fixture.
pub(crate) fn copy_of(store: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_folder(store, copy.path());
    copy
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy_folder(&path, &target),
            false => drop(std::fs::copy(&path, &target).unwrap()),
        }
    }
}

/// Every page of every collection, `page_rows` rows at a time; `resume` opens the scan anew after each page.
pub(crate) fn pages(host: &Host, config: &Config, page_rows: u32, resume: bool) -> Result<Vec<(String, Page)>> {
    let mut out = Vec::new();
    for collection in ChromaSource::discover(host, config)? {
        let mut rows = 0;
        for split in ChromaSource::plan(host, config, &collection.name, 1)? {
            let mut scan = ChromaSource::open(host, config, &split, None)?;
            while let Some(page) = scan.next(page_rows, 1 << 20)? {
                page.rows.check()?;
                assert!(page.rows.len() <= page_rows as usize);
                assert!(!page.rows.is_empty() || !page.unreadable.is_empty(), "a page with nothing in it");
                rows += page.rows.len() + page.unreadable.len();
                if resume {
                    scan = ChromaSource::open(host, config, &split, Some(&page.cursor))?;
                }
                out.push((collection.name.clone(), page));
            }
        }
        if let Some(promised) = collection.rows.filter(|_| config["skip_unreadable"].is_null()) {
            assert_eq!(rows as u64, promised, "rows of {}", collection.name);
        }
    }
    Ok(out)
}

/// The records of some pages.
///
/// # Errors
/// The first unreadable record's.
pub(crate) fn records(pages: Vec<(String, Page)>) -> Result<Records, Error> {
    let mut out = Records::new();
    for (collection, page) in pages {
        if let Some(first) = page.unreadable.into_iter().next() {
            return Err(first.reason);
        }
        for (row, id) in page.rows.ids.iter().enumerate() {
            let record = Record {
                document: page.rows.document(row).map(str::to_owned),
                metadata: serde_json::from_str(page.rows.metadata(row)).unwrap(),
                vector: page.rows.vectors().and_then(|dense| dense.row(row)).map(<[f32]>::to_vec),
            };
            let before = out.insert((collection.clone(), id.clone()), record);
            assert!(before.is_none(), "{collection}/{id} twice");
        }
    }
    Ok(out)
}

/// Reads a whole store.
pub(crate) fn read(store: &Path, page_rows: u32, resume: bool) -> Result<Records> {
    let copy = copy_of(store);
    records(pages(&folder_host(copy.path()), &Config::Null, page_rows, resume)?)
}

/// What the library returned, from `expected.jsonl` and the matrix that it may refer to.
pub(crate) fn expected(case: &Path) -> Records {
    let matrix = std::fs::read(case.join("expected.f32")).unwrap_or_default();
    let matrix: Vec<f32> = matrix.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    let description = case_description(case);
    let width = description["dim"].as_u64().unwrap_or(0) as usize;
    let mut out = Records::new();
    for line in std::fs::read_to_string(case.join("expected.jsonl")).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| line[key].as_str().map(str::to_owned);
        let row = line["vector_row"].as_u64().map(|row| row as usize);
        let from_matrix = row.and_then(|row| matrix.get(row * width..(row + 1) * width)).map(<[f32]>::to_vec);
        let inline = line["vector"]
            .as_array()
            .map(|values| values.iter().map(|value| value.as_f64().map_or(f32::NAN, |value| value as f32)).collect());
        let metadata = match &line["metadata"] {
            Value::Null => serde_json::json!({}),
            metadata => metadata.clone(),
        };
        let record = Record { document: text("text"), metadata, vector: from_matrix.or(inline) };
        out.insert((text("collection").unwrap(), text("id").unwrap()), record);
    }
    out
}

pub(crate) fn case_description(case: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(case.join("case.json")).unwrap()).unwrap()
}

/// Holds what was read against what the library returned: the first difference. `tolerance` is 0 for bit equality.
pub(crate) fn difference(got: &Records, want: &Records, tolerance: f32) -> Option<String> {
    if let Some(key) = want.keys().find(|key| !got.contains_key(*key)) {
        return Some(format!("{key:?} is missing; {} records, {} expected", got.len(), want.len()));
    }
    if let Some(key) = got.keys().find(|key| !want.contains_key(*key)) {
        return Some(format!("the library does not return {key:?}"));
    }
    for (key, want) in want {
        let got = &got[key];
        if got.document != want.document || got.metadata != want.metadata {
            return Some(format!("{key:?} is {got:?}, expected {want:?}"));
        }
        let (got, want) = (got.vector.as_deref().unwrap_or_default(), want.vector.as_deref().unwrap_or_default());
        let same = |(got, want): (&f32, &f32)| {
            got.to_bits() == want.to_bits()
                || (got.is_nan() && want.is_nan())
                || (got - want).abs() <= tolerance * want.abs().max(1.0)
        };
        if got.len() != want.len() || !got.iter().zip(want).all(same) {
            return Some(format!("the vector of {key:?} is {got:?}, expected {want:?}"));
        }
    }
    None
}

/// A host over a folder, and the warnings that a plugin gave it.
pub(crate) fn listening_host(folder: &Path) -> (Host, Rc<RefCell<Vec<String>>>) {
    let said = Rc::new(RefCell::new(Vec::new()));
    let powers = Listening { inner: folder_host(folder), said: Rc::clone(&said) };
    (Host::new(Rc::new(powers)), said)
}

struct Listening {
    inner: Host,
    said: Rc<RefCell<Vec<String>>>,
}

impl HostPowers for Listening {
    fn list_files(&self) -> Result<Vec<Entry>> {
        self.inner.list_files()
    }
    fn open_file(&self, name: &str) -> Result<File> {
        self.inner.open_file(name)
    }
    fn open_sqlite(&self, name: &str) -> Result<Box<dyn Database>> {
        self.inner.open_sqlite(name)
    }
    fn send(&self, request: Request) -> Result<Response> {
        self.inner.send(request)
    }
    fn create_output(&self, name: &str) -> Result<Box<dyn Output>> {
        self.inner.create_output(name)
    }
    fn reopen_output(&self, name: &str) -> Result<Option<Box<dyn Output>>> {
        self.inner.reopen_output(name)
    }
    fn open_output(&self, name: &str) -> Result<Box<dyn Output>> {
        self.inner.open_output(name)
    }
    fn list_outputs(&self) -> Result<Vec<Entry>> {
        self.inner.list_outputs()
    }
    fn log_enabled(&self, level: Level) -> bool {
        self.inner.log_enabled(level)
    }
    fn log(&self, level: Level, message: &str, _fields: &[(&str, String)]) {
        if level >= Level::Warn {
            self.said.borrow_mut().push(message.to_owned());
        }
    }
    fn cancelled(&self) -> bool {
        self.inner.cancelled()
    }
}
