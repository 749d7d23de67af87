/*! `source-files`: what is listed, what can be opened, what is read. */

use std::fs;
use std::os::unix::fs::symlink;

use crate::common::over_store;
use tempfile::TempDir;
use vecferry_contract::ErrorKind;
use vecferry_powers::{Entry, MAX_READ_BYTES};

/// `outside.txt` beside a store with files in folders, and links of every kind.
fn store() -> TempDir {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("store");
    fs::create_dir_all(root.join("b/deep")).unwrap();
    fs::write(home.path().join("outside.txt"), "secret").unwrap();
    for (name, text) in [("a.txt", "alpha"), ("b/c.bin", "0123456789"), ("b/deep/e", ""), ("b.txt", "beta")] {
        fs::write(root.join(name), text).unwrap();
    }
    symlink("../outside.txt", root.join("leaves")).unwrap();
    symlink(home.path().join("outside.txt"), root.join("leaves-absolute")).unwrap();
    symlink("b/c.bin", root.join("inside")).unwrap();
    symlink("..", root.join("b/up")).unwrap();
    symlink("../..", root.join("b/out")).unwrap();
    symlink("nowhere", root.join("dangling")).unwrap();
    symlink("circle", root.join("circle")).unwrap();
    drop(std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap());
    home
}

fn names(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.name.as_str()).collect()
}

#[test]
fn lists_regular_files_sorted_and_follows_no_link_out() {
    let home = store();
    let entries = over_store(&home.path().join("store"), None).list_files().unwrap();
    assert_eq!(names(&entries), ["a.txt", "b.txt", "b/c.bin", "b/deep/e", "inside"]);
    let sizes: Vec<u64> = entries.iter().map(|entry| entry.size).collect();
    assert_eq!(sizes, [5, 4, 10, 0, 10]);
}

#[test]
fn lists_the_granted_files_that_are_there() {
    let home = store();
    let granted = ["b/c.bin", "gone", "a.txt", "leaves", "../outside.txt", "a.txt"];
    let powers = over_store(&home.path().join("store"), Some(&granted));
    assert_eq!(names(&powers.list_files().unwrap()), ["a.txt", "b/c.bin"]);
}

#[test]
fn names_that_do_not_open() {
    let home = store();
    let root = home.path().join("store");
    let absolute = home.path().join("outside.txt");
    let absolute = absolute.to_str().unwrap();
    let long = "x/".repeat(3000) + "x";
    let everything = over_store(&root, None);
    let limited = over_store(&root, Some(&["a.txt", "leaves"]));
    for (case, powers, name, kind, code) in [
        ("parent", &everything, "../outside.txt", ErrorKind::Denied, "file/name"),
        ("parent within", &everything, "b/../a.txt", ErrorKind::Denied, "file/name"),
        ("absolute", &everything, absolute, ErrorKind::Denied, "file/name"),
        ("dot", &everything, "./a.txt", ErrorKind::Denied, "file/name"),
        ("empty", &everything, "", ErrorKind::Denied, "file/name"),
        ("empty part", &everything, "b//c.bin", ErrorKind::Denied, "file/name"),
        ("null byte", &everything, "a.txt\0", ErrorKind::Denied, "file/name"),
        ("too long", &everything, &long, ErrorKind::Denied, "file/name"),
        ("link out", &everything, "leaves", ErrorKind::Denied, "file/outside"),
        ("absolute link out", &everything, "leaves-absolute", ErrorKind::Denied, "file/outside"),
        ("through a folder link out", &everything, "b/out/outside.txt", ErrorKind::Denied, "file/outside"),
        ("missing", &everything, "nothing", ErrorKind::NotFound, "file/not-found"),
        ("dangling link", &everything, "dangling", ErrorKind::NotFound, "file/not-found"),
        ("link to itself", &everything, "circle", ErrorKind::Transient, "file/io"),
        ("folder", &everything, "b", ErrorKind::NotFound, "file/not-regular"),
        ("socket", &everything, "socket", ErrorKind::NotFound, "file/not-regular"),
        ("not granted", &limited, "b.txt", ErrorKind::Denied, "file/not-granted"),
        ("granted link out", &limited, "leaves", ErrorKind::Denied, "file/outside"),
    ] {
        let Err(error) = powers.open_file(name) else { panic!("{case}: {name:?} was opened") };
        assert_eq!((error.kind, error.code.as_str()), (kind, code), "{case}: {error}");
        assert!(!error.to_string().contains("secret"), "{case}");
    }
}

#[test]
fn reads_ranges() {
    let home = store();
    let file = over_store(&home.path().join("store"), Some(&["b/c.bin"])).open_file("b/c.bin").unwrap();
    assert_eq!((file.name(), file.size()), ("b/c.bin", 10));
    for (case, offset, len, expected) in [
        ("start", 0, 4, "0123"),
        ("middle", 4, 3, "456"),
        ("across the end", 8, 100, "89"),
        ("at the end", 10, 1, ""),
        ("behind the end", u64::MAX, u32::MAX, ""),
        ("nothing", 3, 0, ""),
    ] {
        assert_eq!(file.read_at(offset, len).unwrap(), expected.as_bytes(), "{case}");
        let mut buffer = vec![b'-'; 6];
        let read = file.read_into(offset, &mut buffer).unwrap();
        let whole = file.read_at(offset, 6).unwrap();
        assert_eq!(buffer[..read], whole, "{case}: into a buffer");
        assert!(buffer[read..].iter().all(|&byte| byte == b'-'), "{case}: the rest is untouched");
    }
}

#[test]
fn one_read_is_bounded() {
    let home = tempfile::tempdir().unwrap();
    fs::File::create(home.path().join("large")).unwrap().set_len(u64::from(MAX_READ_BYTES) + 10).unwrap();
    let file = over_store(home.path(), None).open_file("large").unwrap();
    let error = file.read_at(0, MAX_READ_BYTES + 1).unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Unsupported, "file/read-too-large"));
    assert_eq!(file.read_at(20, u32::MAX).unwrap().len(), MAX_READ_BYTES as usize - 10, "only what is there counts");
}

#[test]
fn a_file_that_shrinks_is_corrupt() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("f"), "0123456789").unwrap();
    let file = over_store(home.path(), None).open_file("f").unwrap();
    fs::write(home.path().join("f"), "0123").unwrap();
    let error = file.read_at(2, 8).unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Corrupt, "file/changed"));
    assert_eq!((error.context("file"), error.context("offset")), (Some("f"), Some("2")));
}

#[test]
fn a_store_that_is_gone_is_not_found() {
    let home = tempfile::tempdir().unwrap();
    let error = over_store(&home.path().join("gone"), None).list_files().unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
}

#[test]
fn handles_are_bounded_and_come_back() {
    let home = store();
    let powers = over_store(&home.path().join("store"), None);
    let mut held = Vec::new();
    let error = loop {
        match powers.open_file("a.txt") {
            Ok(file) => held.push(file),
            Err(error) => break error,
        }
        assert!(held.len() < 10_000, "there is no bound");
    };
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Unsupported, "host/too-many-open"));
    held.pop();
    powers.open_file("a.txt").unwrap();
    // Another instance has its own.
    over_store(&home.path().join("store"), None).open_file("a.txt").unwrap();
}
