/*! For the tests of sources over pickles: stores of the fixtures, granted as the host does, read, and compared with what must come out. */
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code, unreachable_pub)]

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use vecferry_sdk::testing::folder_host;
use vecferry_sdk::{Config, Database, Entry, File, Host, HostPowers, Level, Output, Request, Response, SourcePlugin};

pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures")
}

pub fn cases(group: &str) -> Vec<PathBuf> {
    let mut cases: Vec<PathBuf> =
        std::fs::read_dir(fixtures().join(group)).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

/// A host that grants the files of the folder's only store, as the real one does.
pub fn granted<P: SourcePlugin>(case: &Path) -> Host {
    let host = folder_host(case);
    let claims = P::detect(&host).unwrap();
    assert_eq!(claims.len(), 1, "{}: {claims:?}", case.display());
    restricted(case, &claims[0].files)
}

/// A host over a copy that holds only these files.
pub fn restricted(case: &Path, files: &[String]) -> Host {
    Host::new(std::rc::Rc::new(Granted { inner: folder_host(case), files: files.to_vec() }))
}

struct Granted {
    inner: Host,
    files: Vec<String>,
}

impl HostPowers for Granted {
    fn list_files(&self) -> vecferry_sdk::Result<Vec<Entry>> {
        Ok(self.inner.list_files()?.into_iter().filter(|entry| self.files.contains(&entry.name)).collect())
    }
    fn open_file(&self, name: &str) -> vecferry_sdk::Result<File> {
        assert!(self.files.iter().any(|file| file == name), "{name} was not granted");
        self.inner.open_file(name)
    }
    fn open_sqlite(&self, name: &str) -> vecferry_sdk::Result<Box<dyn Database>> {
        panic!("{name} was opened as a database")
    }
    fn send(&self, request: Request) -> vecferry_sdk::Result<Response> {
        panic!("a request was sent to {}", request.url)
    }
    fn create_output(&self, name: &str) -> vecferry_sdk::Result<Box<dyn Output>> {
        panic!("{name} was written")
    }
    fn reopen_output(&self, name: &str) -> vecferry_sdk::Result<Option<Box<dyn Output>>> {
        panic!("{name} was reopened")
    }
    fn open_output(&self, name: &str) -> vecferry_sdk::Result<Box<dyn Output>> {
        panic!("{name} was opened as an output")
    }
    fn list_outputs(&self) -> vecferry_sdk::Result<Vec<Entry>> {
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

/// The records of the only collection, as `{id, text, metadata, vector}`; pages of `rows`, a new scan for every page.
pub fn read<P: SourcePlugin>(host: &Host, config: &Config, rows: u32) -> vecferry_sdk::Result<Vec<Value>> {
    let collections = P::discover(host, config)?;
    assert_eq!(collections.len(), 1, "{collections:?}");
    let collection = &collections[0];
    let splits = P::plan(host, config, &collection.name, 1)?;
    let mut out = Vec::new();
    let mut cursor: Option<Vec<u8>> = None;
    loop {
        let mut scan = P::open(host, config, &splits[0], cursor.as_deref())?;
        let Some(page) = scan.next(rows, 1 << 20)? else { break };
        page.rows.check()?;
        assert!(page.rows.len() <= rows as usize);
        assert!(page.unreadable.is_empty());
        assert_eq!(page.rows.documents.is_some(), collection.has_documents);
        assert_eq!(page.rows.vectors().map(|dense| dense.dimension), collection.dimension);
        for row in 0..page.rows.len() {
            out.push(json!({
                "id": page.rows.ids[row],
                "text": page.rows.document(row),
                "metadata": serde_json::from_str::<Value>(page.rows.metadata(row)).unwrap(),
                "vector": page.rows.vectors().and_then(|dense| dense.row(row)),
            }));
        }
        cursor = Some(page.cursor);
    }
    assert_eq!(collection.rows, Some(out.len() as u64));
    Ok(out)
}

pub fn expected(case: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(case.join("expected.jsonl")).unwrap();
    // Python's json writes what JSON has no word for.
    let text = text.replace("-Infinity", "null").replace("Infinity", "null").replace("NaN", "null");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What the records must have in common: texts, vectors and ids wholly, metadata but for values that the fixtures
/// describe in words of their own (`{"__datetime__": …}`).
pub fn compare(case: &Path, found: &[Value]) {
    let name = case.display();
    let expected = expected(case);
    assert_eq!(found.len(), expected.len(), "{name}");
    for (row, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let id = match &expected["id"] {
            Value::String(id) => id.clone(),
            other => other.to_string(),
        };
        assert_eq!(found["id"], Value::String(id), "{name} row {row}");
        assert_eq!(found["text"], expected["text"], "{name} row {row}");
        if !expected["vector"].is_null() {
            assert_eq!(floats(&found["vector"]), floats(&expected["vector"]), "{name} row {row}");
        }
        let (a, b) = (found["metadata"].as_object().unwrap(), expected["metadata"].as_object().unwrap());
        assert!(a.keys().eq(b.keys()), "{name} row {row}: {a:?} instead of {b:?}");
        for (key, value) in b {
            let own_words = value.as_object().is_some_and(|value| value.keys().any(|key| key.starts_with("__")));
            if !own_words {
                assert!(same(&a[key], value), "{name} row {row}, {key}: {} instead of {value}", a[key]);
            }
        }
    }
}

pub fn floats(vector: &Value) -> Vec<f32> {
    vector.as_array().into_iter().flatten().map(|value| value.as_f64().unwrap() as f32).collect()
}

pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        _ => a == b,
    }
}
