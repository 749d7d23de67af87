#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::ffi::OsString;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::registry::PackedFile;

/// SHA-256 of "hello\n".
const HELLO: &str = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";

/// A package with one file, as a wheel in a folder that stands for the index.
struct Index {
    folder: TempDir,
}

impl Index {
    fn with(content: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let tree = folder.path().join("tree");
        let metadata = tree.join("vecferry_nothing-1.0.dist-info");
        fs::create_dir_all(tree.join("data")).unwrap();
        fs::create_dir_all(&metadata).unwrap();
        fs::write(tree.join("data/hello.txt"), content).unwrap();
        fs::write(metadata.join("METADATA"), "Metadata-Version: 2.1\nName: vecferry-nothing\nVersion: 1.0\n").unwrap();
        fs::write(metadata.join("WHEEL"), "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n").unwrap();
        fs::write(metadata.join("RECORD"), "").unwrap();
        let mut zip = Command::new(PYTHON);
        zip.args(["-m", "zipfile", "-c"]).arg(folder.path().join("vecferry_nothing-1.0-py3-none-any.whl"));
        zip.arg(tree.join("data")).arg(&metadata);
        assert!(zip.status().unwrap().success());
        Index { folder }
    }

    /// Makes pip look here, and nowhere else.
    fn settings(&self) -> Vec<(&'static str, OsString)> {
        vec![("PIP_NO_INDEX", "1".into()), ("PIP_FIND_LINKS", self.folder.path().into())]
    }

    fn fetch(&self, store: &Path) -> (Result<()>, Vec<String>) {
        let mut lines = Vec::new();
        let result = package(&PACKAGE, store, &self.settings(), &mut |line| lines.push(line.to_owned()));
        (result, lines)
    }
}

const PACKAGE: Package = Package {
    name: "vecferry-nothing",
    version: "1.0",
    wheel: &[],
    megabytes: 1,
    folder: "nothing",
    files: &[PackedFile { name: "greeting", path: "data/hello.txt", bytes: 6, digest: HELLO }],
};

#[test]
fn a_package_is_fetched_once_and_again_when_it_is_damaged() {
    let index = Index::with("hello\n");
    let store = TempDir::new().unwrap();
    let greeting = store.path().join("nothing/greeting");

    let (result, lines) = index.fetch(store.path());
    result.unwrap();
    assert_eq!(fs::read_to_string(&greeting).unwrap(), "hello\n");
    assert!(lines[0].starts_with("fetching vecferry-nothing 1.0 (1 MB)"), "{lines:?}");
    assert!(files::are_here(&PACKAGE, &store.path().join("nothing")));

    let (result, lines) = index.fetch(store.path());
    result.unwrap();
    assert_eq!(lines, [format!("vecferry-nothing 1.0 is here: {}", store.path().join("nothing").display())]);

    fs::write(&greeting, "hellO\n").unwrap();
    let (result, lines) = index.fetch(store.path());
    result.unwrap();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(fs::read_to_string(&greeting).unwrap(), "hello\n");
    let left: Vec<_> = fs::read_dir(store.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "the package and the lock, nothing else: {left:?}");
}

#[test]
fn a_package_with_other_bytes_is_refused_and_nothing_is_kept() {
    let index = Index::with("hellO\n");
    let store = TempDir::new().unwrap();
    let error = index.fetch(store.path()).0.unwrap_err();
    assert_eq!(error.code, "model/digest");
    assert_eq!(error.context("expected"), Some(HELLO));
    assert!(!store.path().join("nothing").exists());
}

#[test]
fn what_is_left_of_an_interrupted_fetch_is_in_nobodys_way() {
    let index = Index::with("hello\n");
    let store = TempDir::new().unwrap();
    fs::create_dir_all(store.path().join(".fetch/wheel")).unwrap();
    fs::write(store.path().join(".fetch/wheel/half.whl"), "half").unwrap();
    index.fetch(store.path()).0.unwrap();
}

#[test]
fn a_package_that_is_not_in_the_index_is_worth_another_try() {
    let index = Index::with("hello\n");
    let store = TempDir::new().unwrap();
    let other = Package { version: "2.0", ..PACKAGE };
    let error = package(&other, store.path(), &index.settings(), &mut |_| {}).unwrap_err();
    assert_eq!(error.code, "model/download");
    assert!(error.kind.is_retryable());
    assert!(error.message.contains("vecferry-nothing"), "{error}");
}

#[test]
fn a_store_that_cannot_be_written_is_named() {
    let index = Index::with("hello\n");
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = index.fetch(&file.join("store")).0.unwrap_err();
    assert_eq!(error.code, "model/folder");
    assert!(error.message.contains("file/store"), "{error}");
}
