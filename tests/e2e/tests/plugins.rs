/*!
Plugins as their users meet them: a third party's, given to a program that was built before it; and the same source
as a component and as a native library.
*/

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use vecferry_core::{Grants, Page, Plugin, SourceGrant};
use vecferry_e2e::{built, demo_store, lines, root, vecferry};

/// Builds the example plugin, a crate outside the workspace that knows the SDK alone. Nothing of the host is built.
fn third_party() -> PathBuf {
    let xtask = built().join("xtask");
    let crate_folder = root().join("examples/plugins/npy-jsonl");
    let output = Command::new(&xtask)
        .args(["build", "--guest"])
        .arg(&crate_folder)
        .current_dir(root())
        .stderr(Stdio::inherit())
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", xtask.display()));
    assert!(output.status.success());
    let printed = String::from_utf8(output.stdout).unwrap();
    PathBuf::from(printed.lines().last().expect("the component's path"))
}

#[test]
fn a_third_partys_plugin_runs_in_a_program_that_never_heard_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = root().join("examples/plugins/npy-jsonl/store");
    let component = third_party();
    let (store, plugin) = (store.to_string_lossy(), component.to_string_lossy());
    let unknown = vecferry(folder.path(), &["inspect", &store]).in_order();
    assert_eq!(unknown.code, 3, "without the plugin the store is unknown: {}", unknown.stdout);

    let arguments = ["--plugin", &plugin, "migrate", &store, "--to", "jsonl:out.jsonl", "--embed", "reuse", "--yes"];
    vecferry(folder.path(), &arguments).succeeded();
    let rows = lines(&folder.path().join("out.jsonl"));
    assert!(rows.len() >= 10, "{} rows", rows.len());

    std::fs::create_dir(folder.path().join("mine")).unwrap();
    std::fs::copy(&component, folder.path().join("mine/npy_jsonl.wasm")).unwrap();
    let arguments =
        ["--plugin-dir", "mine", "migrate", &store, "--to", "jsonl:again.jsonl", "--embed", "reuse", "--yes"];
    vecferry(folder.path(), &arguments).succeeded();
    assert_eq!(rows, lines(&folder.path().join("again.jsonl")));

    let listed = vecferry(folder.path(), &["--plugin-dir", "mine", "plugin", "list"]).succeeded();
    assert!(listed.stdout.contains("npy"), "{}", listed.stdout);
}

#[test]
fn one_source_gives_the_same_records_as_a_component_and_as_a_native_library() {
    let runtime = vecferry_wasm::Runtime::new(vecferry_wasm::Options::default()).unwrap();
    let wasm: Arc<dyn Plugin> = runtime.load(&built().join("plugins/pickle.wasm")).unwrap();
    let native: Arc<dyn Plugin> = vecferry_native::load(&built().join("libvecferry_plugin_pickle.so")).unwrap();
    assert_eq!(wasm.spec(), native.spec());
    let (a, b) = (pages(&wasm, &demo_store()), pages(&native, &demo_store()));
    assert_eq!(a.iter().map(|page| page.rows.len()).sum::<usize>(), 156);
    assert_eq!(a, b);
}

fn pages(plugin: &Arc<dyn Plugin>, store: &Path) -> Vec<Page> {
    let grants = Grants { source: Some(SourceGrant { root: store.to_owned(), files: None }), ..Grants::default() };
    let claim = plugin.source(grants.clone(), serde_json::json!({})).unwrap().detect().unwrap().remove(0);
    let files = Some(claim.files);
    let grants = Grants { source: Some(SourceGrant { root: store.to_owned(), files }), ..grants };
    let mut source = plugin.source(grants, serde_json::json!({})).unwrap();
    let mut out = Vec::new();
    for collection in source.discover().unwrap() {
        for split in source.plan(&collection.name, 1).unwrap() {
            let mut scan = source.open(&split, None).unwrap();
            while let Some(page) = scan.next(50, 1 << 20).unwrap() {
                out.push(page);
            }
        }
    }
    out
}
