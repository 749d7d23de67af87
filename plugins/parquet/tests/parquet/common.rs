//! What the tests share: a destination, records, and both ways through the plugin.

use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::TempDir;
use vecferry_plugin_parquet::{ParquetSink, ParquetSource};
use vecferry_sdk::testing::{folder_host, read_all};
use vecferry_sdk::{Batch, Config, Dense, Host, Metric, PrepareMode, Receipt, Result, SinkPlugin, Target, Writer};

/// A folder with a host over it, and a destination in it.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
    pub(crate) host: Host,
    pub(crate) config: Config,
}

impl Place {
    pub(crate) fn new(settings: &Config) -> Place {
        let folder = TempDir::new().unwrap();
        let host = folder_host(folder.path());
        let mut config = json!({"location": "out"});
        config.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        Place { folder, host, config }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn prepare(&self, target: &Target) -> Result<()> {
        ParquetSink::prepare(&self.host, &self.config, target, PrepareMode::CreateIfMissing).map(drop)
    }

    pub(crate) fn writer(&self, target: &Target) -> Box<dyn Writer> {
        self.prepare(target).unwrap();
        ParquetSink::open(&self.host, &self.config, target).unwrap()
    }

    /// Writes a batch and ends the part.
    pub(crate) fn store(&self, target: &Target, batch: &Batch) -> Receipt {
        let mut writer = self.writer(target);
        let receipt = writer.write(batch).unwrap();
        writer.flush().unwrap();
        receipt
    }

    pub(crate) fn finish(&self) {
        ParquetSink::finish(&self.host, &self.config).unwrap();
    }

    /// Names and sizes of all files, sorted.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut names: Vec<String> = self.host.list_files().unwrap().into_iter().map(|entry| entry.name).collect();
        names.sort();
        names
    }

    /// What the source reads back, by collection.
    pub(crate) fn read(&self) -> Vec<(String, Batch)> {
        read(&self.host, &json!({}))
    }
}

/// Everything a host's files hold, by collection, each in one batch.
pub(crate) fn read(host: &Host, settings: &Config) -> Vec<(String, Batch)> {
    let all = read_all::<ParquetSource>(host, settings, 7).unwrap();
    all.into_iter().map(|(name, batches)| (name, join(batches))).collect()
}

/// Joins the pages of one collection.
pub(crate) fn join(batches: Vec<Batch>) -> Batch {
    let mut batches = batches.into_iter();
    let mut out = batches.next().unwrap_or_default();
    for batch in batches {
        let before = u32::try_from(out.len()).unwrap();
        for (all, more) in out.dense.iter_mut().zip(batch.dense) {
            assert_eq!((&all.name, all.dimension), (&more.name, more.dimension));
            all.values.extend(more.values);
            all.absent.extend(more.absent.iter().map(|row| before + row));
        }
        for (all, more) in out.sparse.iter_mut().zip(batch.sparse) {
            let start = *all.offsets.last().unwrap();
            all.offsets.extend(more.offsets.iter().skip(1).map(|offset| start + offset));
            all.indices.extend(more.indices);
            all.values.extend(more.values);
        }
        out.ids.extend(batch.ids);
        out.documents.as_mut().unwrap().extend(batch.documents.unwrap());
        out.metadata.as_mut().unwrap().extend(batch.metadata.unwrap());
    }
    out
}

pub(crate) fn target(collection: &str, dimension: u32) -> Target {
    Target { collection: collection.into(), dimension: Some(dimension), metric: Metric::Cosine }
}

/// Values that are all different and not round.
pub(crate) fn value(row: usize, at: usize) -> f32 {
    f32::from(u16::try_from((row * 31 + at * 7) % 65_521).unwrap()) / 97.0 - 300.0
}

/// Records `from..to` of a collection without end.
pub(crate) fn records(from: usize, to: usize, dimension: u32) -> Batch {
    let rows = from..to;
    let values = rows.clone().flat_map(|row| (0..dimension as usize).map(move |at| value(row, at)));
    Batch {
        ids: rows.clone().map(|row| format!("doc-{row}")).collect(),
        dense: vec![Dense::new(dimension, values.collect())],
        sparse: vec![],
        documents: Some(rows.clone().map(|row| Some(format!("Document {row}: Größe 語"))).collect()),
        metadata: Some(rows.map(|row| format!(r#"{{"n":{row},"f":0.10000000000000000001}}"#)).collect()),
    }
}

/// The interpreter with what `tests/requirements.txt` names.
pub(crate) fn python() -> PathBuf {
    std::env::var_os("VECFERRY_TEST_PYTHON").map(PathBuf::from).expect(
        "VECFERRY_TEST_PYTHON names no Python with the packages of tests/requirements.txt: run `cargo xtask test`",
    )
}

/// Runs a script of `tests/python`; what it printed.
pub(crate) fn run_python(script: &str, arguments: &[&Path]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(script);
    let out = std::process::Command::new(python()).arg(script).args(arguments).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

/// Runs what another process would: an instance of its own.
pub(crate) fn elsewhere<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::spawn(work).join().unwrap()
}
