/*! Loading: files that are no such plugin are refused before anything of them runs; compiled code is kept. */

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use support::guest;
use vecferry_core::{ErrorKind, Plugin};
use vecferry_wasm::{Options, Runtime};

fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

#[test]
fn what_is_no_such_plugin_is_refused_with_a_reason() {
    let runtime = Runtime::new(Options::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let export = |name: &str| format!(r#"(instance $i) (export "{name}" (instance $i))"#);
    let import =
        |name: &str| format!(r#"(component (import "{name}" (instance)) {})"#, export("vecferry:plugin/source@0.1.0"));
    let mut damaged = std::fs::read(guest("hostile")).unwrap();
    damaged.truncate(damaged.len() / 2);
    let cases = [
        ("empty", Vec::new(), "plugin/not-a-component", "no WebAssembly"),
        ("text", b"#!/bin/sh\necho".to_vec(), "plugin/not-a-component", "no WebAssembly"),
        ("elf", b"\x7fELF\x02\x01\x01\0\0\0".to_vec(), "plugin/not-a-component", "native library"),
        ("core module", component("(module)"), "plugin/not-a-component", "core module"),
        ("damaged", damaged, "plugin/invalid", "damaged"),
        ("no role", component("(component)"), "plugin/no-role", "neither a source nor a sink"),
        (
            "wasi",
            component(&import("wasi:cli/environment@0.2.0")),
            "plugin/unknown-import",
            "wasi:cli/environment@0.2.0",
        ),
        ("foreign", component(&import("acme:tools/magic@1.0.0")), "plugin/unknown-import", "acme:tools/magic"),
        ("newer import", component(&import("vecferry:plugin/http@0.2.0")), "plugin/contract-version", "http@0.2.0"),
        ("added import", component(&import("vecferry:plugin/clock@0.1.4")), "plugin/contract-version", "clock@0.1.4"),
        (
            "newer export",
            component(&format!("(component {})", export("vecferry:plugin/sink@1.0.0"))),
            "plugin/contract-version",
            "sink@1.0.0",
        ),
        (
            "other functions",
            component(&format!("(component {})", export("vecferry:plugin/source@0.1.0"))),
            "plugin/contract-version",
            "differ",
        ),
    ];
    for (case, bytes, code, says) in cases {
        let path = folder.path().join("plugin.wasm");
        std::fs::write(&path, bytes).unwrap();
        let error = runtime.load(&path).map(|plugin| plugin.spec().clone()).expect_err(case);
        assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Config, code), "{case}: {error:?}");
        assert!(error.message.contains(says), "{case}: '{}' does not say '{says}'", error.message);
        assert_eq!(error.context("file"), path.to_str(), "{case}");
    }
    let missing = runtime.load(&folder.path().join("missing.wasm")).map(|plugin| plugin.spec().clone());
    assert_eq!(missing.expect_err("missing").kind, ErrorKind::NotFound);
}

fn load(cache: Option<&Path>) -> Duration {
    let started = Instant::now();
    let options = Options { cache_dir: cache.map(Path::to_owned), ..Options::default() };
    let plugin = Runtime::new(options).unwrap().load(&guest("hostile")).unwrap();
    assert_eq!(plugin.spec().name, "hostile");
    started.elapsed()
}

fn files(folder: &Path) -> usize {
    let mut folders = vec![folder.to_owned()];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() { folders.push(entry.path()) } else { files += 1 }
        }
    }
    files
}

#[test]
fn compiled_code_is_kept_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache").join("compiled");
    let (without, first) = (load(None), load(Some(&cache)));
    assert!(files(&cache) > 0, "nothing was kept");
    let second = (0..5).map(|_| load(Some(&cache))).min().unwrap();
    println!("start without a cache {without:?}, with an empty one {first:?}, with a full one {second:?}");
    assert_eq!(std::fs::metadata(&cache).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_cache_that_others_can_write_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    load(Some(folder.path()));
    assert_eq!(files(folder.path()), 0);
}

#[test]
fn a_cache_that_cannot_be_made_is_done_without() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    load(Some(&file.join("cache")));
}
