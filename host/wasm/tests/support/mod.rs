/*! What the tests share: the hostile guest in a runtime with small limits, stores to grant, whole reads. */

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use vecferry_core::{Batch, Dense, Grants, Plugin, Result, Sink, Source, SourceGrant, Split};
use vecferry_wasm::{Options, Runtime, WasmPlugin};

/// A component that `cargo xtask build` made of a crate in tests/guests/.
pub(crate) fn guest(name: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder");
    let file = format!("vecferry_guest_{name}.wasm");
    let path = target.join("guests").join("wasm32-unknown-unknown").join("guest").join(file);
    assert!(path.is_file(), "{} is missing: run `cargo xtask build` first", path.display());
    path
}

/// Limits that nothing healthy reaches on a busy machine, and compiled code shared by all test programs.
pub(crate) fn roomy() -> Options {
    Options { cache_dir: Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled")), ..Options::default() }
}

/// Limits that a guest in a loop reaches soon.
pub(crate) fn hasty() -> Options {
    let limit = Duration::from_secs(1);
    Options { call_deadline: limit, host_deadline: limit, ..roomy() }
}

/// A cap that a guest reaches soon.
pub(crate) fn cramped() -> Options {
    Options { memory_bytes: 48 << 20, ..roomy() }
}

/// The hostile guest in room, loaded once per test program.
pub(crate) fn hostile() -> Arc<WasmPlugin> {
    static LOADED: OnceLock<Arc<WasmPlugin>> = OnceLock::new();
    Arc::clone(LOADED.get_or_init(|| hostile_under(roomy())))
}

/// The hostile guest under other limits.
pub(crate) fn hostile_under(options: Options) -> Arc<WasmPlugin> {
    Runtime::new(options).unwrap().load(&guest("hostile")).unwrap()
}

/// The guest that uses every power, loaded once per test program.
pub(crate) fn powers() -> Arc<WasmPlugin> {
    static LOADED: OnceLock<Arc<WasmPlugin>> = OnceLock::new();
    Arc::clone(LOADED.get_or_init(|| powers_under(roomy())))
}

/// The same under other limits.
pub(crate) fn powers_under(options: Options) -> Arc<WasmPlugin> {
    Runtime::new(options).unwrap().load(&guest("powers")).unwrap()
}

/// A granted store: one small file.
pub(crate) struct Store {
    pub(crate) folder: TempDir,
}

impl Store {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("store.bin"), [7; 4096]).unwrap();
        Store { folder }
    }

    pub(crate) fn grants(&self) -> Grants {
        let root = self.folder.path().to_owned();
        Grants { source: Some(SourceGrant { root, files: None }), ..Grants::default() }
    }
}

/// A source of the hostile guest over a granted store.
pub(crate) fn source(store: &Store, config: Value) -> Box<dyn Source> {
    hostile().source(store.grants(), config).unwrap()
}

/// Settings that make the guest do `deed` in `call`.
pub(crate) fn deed(call: &str, deed: &str) -> Value {
    json!({ "in": call, "do": deed })
}

pub(crate) fn split() -> Split {
    Split { id: "0".into(), payload: Vec::new(), rows: None }
}

/// All records of one split, in pages of `page` rows.
pub(crate) fn read(source: &mut dyn Source, page: u32) -> Result<Vec<Batch>> {
    let mut scan = source.open(&split(), None)?;
    let mut batches = Vec::new();
    while let Some(page) = scan.next(page, 1 << 24)? {
        batches.push(page.rows);
    }
    Ok(batches)
}

/// That a healthy guest works now: reads 25 records in pages of 10.
pub(crate) fn assert_healthy_run() {
    let store = Store::new();
    let mut source = source(&store, json!({ "rows": 25 }));
    assert_eq!(source.detect().unwrap()[0].files, ["store.bin"]);
    assert_eq!(source.discover().unwrap()[0].rows, Some(25));
    assert_eq!(source.plan("all", 1).unwrap(), [split()]);
    let lengths: Vec<usize> = read(&mut *source, 10).unwrap().iter().map(Batch::len).collect();
    assert_eq!(lengths, [10, 10, 5]);
}

/// A sink of the hostile guest that may write into `folder`.
pub(crate) fn sink(folder: &Path, config: Value) -> Box<dyn Sink> {
    let grants = Grants { sink: Some(vecferry_core::SinkGrant::folder(folder)), ..Grants::default() };
    hostile().sink(grants, config).unwrap()
}

/// Rows `0..rows`, with ids and vectors of two values.
pub(crate) fn batch(rows: u16) -> Batch {
    let ids = (0..rows).map(|row| format!("id-{row}")).collect();
    let values = (0..rows).flat_map(|row| [f32::from(row), 0.5]).collect();
    Batch { ids, dense: vec![Dense::new(2, values)], ..Batch::default() }
}
