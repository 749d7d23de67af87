//! The plugin as one file that the host loads.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::json;
use vecferry_core::{ErrorKind, Grants, Plugin, Source, SourceGrant};

use crate::fixtures::{by_id, distance, fixtures, floats, store};

fn plugin() -> Arc<dyn Plugin> {
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let test = std::env::current_exe().unwrap();
    let library = test.parent().unwrap().join(format!("{prefix}vecferry_plugin_faiss_native{suffix}"));
    assert!(library.is_file(), "{} is missing: cargo xtask build faiss-native", library.display());
    vecferry_native::load(&library).unwrap()
}

fn grants(folder: PathBuf) -> Grants {
    Grants { source: Some(SourceGrant { root: folder, files: None }), ..Grants::default() }
}

fn read(source: &mut dyn Source) -> vecferry_core::Result<(Vec<String>, Vec<f32>)> {
    let collections = source.discover()?;
    let split = source.plan(&collections[0].name, 1)?.remove(0);
    let mut scan = source.open(&split, None)?;
    let (mut ids, mut values) = (Vec::new(), Vec::new());
    while let Some(page) = scan.next(100, 1 << 20)? {
        ids.extend(page.rows.ids);
        values.extend(page.rows.dense[0].values.clone());
    }
    Ok((ids, values))
}

#[test]
fn the_host_reads_with_it_what_the_library_itself_gives() {
    let made = |name: &str| (format!("faiss/v1_15_1/{name}.faiss"), format!("faiss/v1_15_1/{name}.f32"));
    let lsh = ("faiss_stores/lsh_64/index.faiss".to_owned(), "faiss_stores/lsh_64/expected.f32".to_owned());
    let cases = [
        ("LSH", lsh),
        ("FastScan", made("pqfs")),
        ("FastScan in lists", made("ivf_pqfs_residual")),
        ("RaBitQ", made("rabitq")),
        ("RaBitQ in lists", made("ivf_rabitq")),
        ("additive", made("aq_lsq3x4")),
        ("additive in lists", made("ivf_prq2x2x4")),
        ("additive FastScan in lists", made("ivf_aqfs_rq4")),
    ];
    let plugin = plugin();
    assert_eq!((plugin.spec().name.as_str(), plugin.runtime()), ("faiss-native", "native"));
    for (case, (index, expected)) in cases {
        let store = store(&fixtures().join(index));
        let mut source = plugin.source(grants(store.path().to_owned()), json!({})).unwrap();
        let (ids, values) = read(source.as_mut()).unwrap();
        // All of these have the ids 0, 1, 2, …
        let want = floats(&fixtures().join(expected));
        let want = by_id((0..ids.len()).map(|row| row.to_string()), &want);
        let distance = distance(&by_id(ids, &values), &want);
        assert!(distance.is_some_and(|farthest| farthest <= 1e-6), "{case}: {distance:?}");
    }
}

#[test]
fn a_damaged_index_is_an_error_and_the_host_goes_on() {
    let whole = store(&fixtures().join("faiss_stores/lsh_64/index.faiss"));
    let cut = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(whole.path().join("index.faiss")).unwrap();
    std::fs::write(cut.path().join("cut.index"), &bytes[..bytes.len() - 100]).unwrap();
    let plugin = plugin();
    let mut damaged = plugin.source(grants(cut.path().to_owned()), json!({})).unwrap();
    let error = damaged.discover().unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Corrupt, "faiss-native/corrupt"), "{error}");
    assert_eq!(error.context("file"), Some("cut.index"));
    // libfaiss' words, and the place in its source instead of one on the machine that built it.
    assert!(error.message.contains("read error in") && error.message.contains("index_read.cpp:"), "{error}");
    assert!(!error.message.contains(" /"), "{error}");
    let mut source = plugin.source(grants(whole.path().to_owned()), json!({})).unwrap();
    assert_eq!(read(source.as_mut()).unwrap().0.len(), 500);
}

#[test]
fn who_asked_to_stop_does_not_wait() {
    let store = store(&fixtures().join("faiss_stores/lsh_64/index.faiss"));
    let grants = grants(store.path().to_owned());
    let mut source = plugin().source(grants.clone(), json!({})).unwrap();
    let split = source.plan("index.faiss", 1).unwrap().remove(0);
    let mut scan = source.open(&split, None).unwrap();
    assert!(scan.next(1, 1 << 20).unwrap().is_some());
    grants.cancelled.store(true, Ordering::SeqCst);
    let error = scan.next(1, 1 << 20).unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Transient, "faiss-native/stopped"), "{error}");
}
