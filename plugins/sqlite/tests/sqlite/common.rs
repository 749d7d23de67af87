//! What the tests of both roles share.

use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::TempDir;
use vecferry_plugin_sqlite::SqliteSink;
use vecferry_sdk::testing::folder_host;
use vecferry_sdk::{Batch, Config, Dense, Host, Metric, PrepareMode, Receipt, Result, SinkPlugin, Target, Writer};

/// A folder with a host over it, and a database in it.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
    pub(crate) host: Host,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let host = folder_host(folder.path());
        Place { folder, host }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.path("demo.db")
    }

    pub(crate) fn config(&self) -> Config {
        config(&self.database())
    }

    pub(crate) fn prepare(&self, target: &Target) -> Result<()> {
        SqliteSink::prepare(&self.host, &self.config(), target, PrepareMode::CreateIfMissing).map(drop)
    }

    pub(crate) fn writer(&self, target: &Target) -> Box<dyn Writer> {
        self.prepare(target).unwrap();
        SqliteSink::open(&self.host, &self.config(), target).unwrap()
    }

    pub(crate) fn write(&self, target: &Target, batch: &Batch) -> Receipt {
        self.writer(target).write(batch).unwrap()
    }

    pub(crate) fn finish(&self) {
        SqliteSink::finish(&self.host, &self.config()).unwrap();
    }

    /// A connection of another program.
    pub(crate) fn sql(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.database()).unwrap()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

pub(crate) fn config(path: &Path) -> Config {
    json!({"location": path.to_str().unwrap(), "busy-timeout-ms": 0})
}

pub(crate) fn target(name: &str, dimension: impl Into<Option<u32>>, metric: Metric) -> Target {
    Target { collection: name.into(), dimension: dimension.into(), metric }
}

/// A repeatable value in -0.5..0.5 for a place.
pub(crate) fn value(row: usize, column: usize) -> f32 {
    let mut x =
        (row as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (column as u64 + 1).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 30)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (x >> 40) as f32 / 16_777_216.0 - 0.5
}

/// Records `from..to` with everything.
pub(crate) fn records(from: usize, to: usize, dimension: u32) -> Batch {
    let values = (from..to).flat_map(|row| (0..dimension as usize).map(move |column| value(row, column))).collect();
    Batch {
        ids: (from..to).map(|row| format!("doc-{row}")).collect(),
        dense: vec![Dense::new(dimension, values)],
        sparse: vec![],
        documents: Some((from..to).map(|row| (row % 5 != 0).then(|| format!("text {row}"))).collect()),
        metadata: Some((from..to).map(|row| format!(r#"{{"row":{row},"exact":{row}.10}}"#)).collect()),
    }
}
