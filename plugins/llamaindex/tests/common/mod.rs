/*! The fixtures, what LlamaIndex returned for them, and what is read here. */

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub(crate) mod memory;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use vecferry_plugin_llamaindex::LlamaIndexSource;
use vecferry_sdk::{Batch, Config, Error, Host, Page, SourcePlugin};

/// A record: text, metadata as its text, vector.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    pub(crate) text: Option<String>,
    pub(crate) metadata: String,
    pub(crate) vector: Option<Vec<f32>>,
}

/// By collection and id.
pub(crate) type Records = BTreeMap<(String, String), Record>;

pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/llamaindex")
}

/// Cases that can be read, and others.
pub(crate) fn cases(readable: bool) -> Vec<PathBuf> {
    let mut cases: Vec<PathBuf> = std::fs::read_dir(fixtures()).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|case| case.join("expected.jsonl").exists() == readable);
    cases.sort();
    cases
}

pub(crate) fn about(case: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(case.join("case.json")).unwrap()).unwrap()
}

/// What LlamaIndex returned. Numbers that JSON does not have are null, as they are to be here.
pub(crate) fn expected(case: &Path) -> Records {
    let about = about(case);
    let width = usize::try_from(about["dim"].as_u64().unwrap()).unwrap();
    let bytes = std::fs::read(case.join("expected.f32")).unwrap_or_default();
    let values: Vec<f32> = bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    let lines = std::fs::read_to_string(case.join("expected.jsonl")).unwrap();
    let mut records = Records::new();
    for line in lines.lines() {
        let mut line = line.to_owned();
        for word in ["NaN", "Infinity", "-Infinity"] {
            line = line.replace(&format!(": {word}"), ": null");
        }
        let row: Value = serde_json::from_str(&line).unwrap();
        let vector = row["vector_row"].as_u64().map(|at| {
            let at = usize::try_from(at).unwrap() * width;
            values[at..at + width].to_vec()
        });
        let collection = row["collection"].as_str().unwrap_or("default").to_owned();
        let text = row["text"].as_str().map(str::to_owned);
        let record = Record { text, metadata: row["metadata"].to_string(), vector };
        assert!(records.insert((collection, row["id"].as_str().unwrap().to_owned()), record).is_none());
    }
    records
}

/// All pages of all collections.
pub(crate) fn pages(host: &Host, config: &Config, rows: u32) -> Result<Vec<(String, Vec<Page>)>, Error> {
    let mut out = Vec::new();
    for collection in LlamaIndexSource::discover(host, config)? {
        let mut pages = Vec::new();
        for split in LlamaIndexSource::plan(host, config, &collection.name, 1)? {
            let mut scan = LlamaIndexSource::open(host, config, &split, None)?;
            while let Some(page) = scan.next(rows, 1 << 24)? {
                pages.push(page.checked(rows)?);
            }
        }
        out.push((collection.name, pages));
    }
    Ok(out)
}

pub(crate) fn rows(batch: &Batch) -> Vec<(String, Record)> {
    let row = |row: usize| {
        let vector = batch.vectors().map(|vectors| vectors.row(row).unwrap().to_vec());
        let text = batch.document(row).map(str::to_owned);
        (batch.ids[row].clone(), Record { text, metadata: batch.metadata(row).to_owned(), vector })
    };
    (0..batch.len()).map(row).collect()
}

/// What is read; each record once. Metadata as `serde_json` writes it, so that it compares.
pub(crate) fn read(host: &Host, config: &Config, page_rows: u32) -> Result<Records, Error> {
    let mut records = Records::new();
    for (collection, pages) in pages(host, config, page_rows)? {
        for page in pages {
            if let Some(unreadable) = page.unreadable.into_iter().next() {
                return Err(unreadable.reason);
            }
            for (id, mut record) in rows(&page.rows) {
                record.metadata = serde_json::from_str::<Value>(&record.metadata).unwrap().to_string();
                assert!(records.insert((collection.clone(), id.clone()), record).is_none(), "{id} comes twice");
            }
        }
    }
    Ok(records)
}

/// A fixture's files in a folder of their own, to be damaged.
pub(crate) fn copy(case: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy_to(case, folder.path());
    folder
}

pub(crate) fn copy_to(case: &str, folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    for entry in std::fs::read_dir(fixtures().join(case).join("storage")).unwrap() {
        let path = entry.unwrap().path();
        let to = folder.join(path.file_name().unwrap());
        std::fs::write(to, std::fs::read(path).unwrap()).unwrap();
    }
}
