//! The fixtures under `tests/fixtures/faiss`, and how they are opened.
#![allow(dead_code, unreachable_pub)]

use std::path::{Path, PathBuf};

use serde_json::Value;
use vecferry_faiss_format::Index;
use vecferry_sdk::testing::MemoryFile;
use vecferry_sdk::{Error, File, Result};

/// One index file, and what the library said about it.
pub struct Case {
    pub name: String,
    pub folder: PathBuf,
    pub about: Value,
}

/// Every case of every set.
pub fn cases() -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/fixtures/faiss");
    let mut cases = Vec::new();
    for set in ["v1_15_1", "v1_13_0", "v1_7_4"] {
        let folder = root.join(set);
        let text = std::fs::read_to_string(folder.join("cases.json")).unwrap();
        for about in serde_json::from_str::<Vec<Value>>(&text).unwrap() {
            let name = format!("{set}/{}", about["name"].as_str().unwrap());
            cases.push(Case { name, folder: folder.clone(), about });
        }
    }
    assert!(cases.len() > 310, "the fixtures are not all there: {}", cases.len());
    cases
}

impl Case {
    pub fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.folder.join(self.about["file"].as_str().unwrap())).unwrap()
    }

    pub fn open(&self, bytes: impl Into<Vec<u8>>) -> Result<Index> {
        Index::open(MemoryFile::file("index.faiss", bytes), &|name| self.sibling(name))
    }

    pub fn sibling(&self, name: &str) -> Result<File> {
        match std::fs::read(self.folder.join(name)) {
            Ok(bytes) => Ok(MemoryFile::file(name, bytes)),
            Err(error) => Err(Error::not_found("file/not-found", error.to_string()).at("file", name)),
        }
    }

    /// What the library returned, with the ids (positions where it has none).
    pub fn expected(&self) -> (Vec<i64>, Vec<f32>) {
        let bytes = std::fs::read(self.folder.join(format!("{}.f32", self.about["name"].as_str().unwrap()))).unwrap();
        let values = bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        let ids = match self.about["ids"].as_array() {
            Some(ids) => ids.iter().map(|id| id.as_i64().unwrap()).collect(),
            None => (0..self.about["rows"].as_i64().unwrap()).collect(),
        };
        (ids, values)
    }
}

/// Everything a scan yields, in pages of `page` rows.
pub fn drain(scan: &mut vecferry_faiss_format::VectorScan, page: usize) -> Result<(Vec<i64>, Vec<f32>)> {
    let (mut ids, mut values) = (Vec::new(), Vec::new());
    while let Some(chunk) = scan.next(page)? {
        assert!(!chunk.ids.is_empty() && chunk.ids.len() <= page.max(1));
        assert_eq!(chunk.values.len(), chunk.ids.len() * scan.dimension());
        ids.extend(chunk.ids);
        values.extend(chunk.values);
    }
    Ok((ids, values))
}
