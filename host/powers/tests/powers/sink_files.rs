/*! `sink-files`: a file appears whole or not at all, under the granted folder. */
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::common::tree;
use vecferry_contract::ErrorKind;
use vecferry_powers::{Grants, Powers};

fn powers(folder: &Path) -> Powers {
    Powers::new(
        "probe",
        &crate::common::ALL,
        Grants { sink: Some(vecferry_core::SinkGrant::folder(folder)), ..Grants::default() },
    )
}

#[test]
fn appears_at_the_commit_and_replaces_what_was_there() {
    let home = tempfile::tempdir().unwrap();
    let target = home.path().join("out.jsonl");
    fs::write(&target, "old").unwrap();
    let mut output = powers(home.path()).create_output("out.jsonl").unwrap();
    output.write(b"one\n").unwrap();
    output.write(b"two\n").unwrap();
    assert_eq!(output.sync().unwrap(), 8);
    assert_eq!(fs::read(&target).unwrap(), b"old", "before the commit the old one stands");
    assert_eq!(output.read_at(4, 100).unwrap(), b"two\n");
    assert_eq!(output.read_at(100, 1).unwrap(), b"");
    output.commit().unwrap();
    assert_eq!(fs::read(&target).unwrap(), b"one\ntwo\n");
    assert_eq!(output.read_at(0, 3).unwrap(), b"one", "it can be read after the commit");
    for again in [output.write(b"x"), output.commit()] {
        assert_eq!(again.unwrap_err().code, "file/committed");
    }
    drop(output);
    assert_eq!(tree(home.path()).len(), 1, "no temporary file is left");
    let plain = home.path().join("plain");
    fs::write(&plain, "").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&target), mode(&plain), "it has the rights of any new file");
}

#[test]
fn dropped_without_a_commit_it_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("kept"), "kept").unwrap();
    let before = tree(home.path());
    let powers = powers(home.path());
    for name in ["kept", "new", "folder/within/folder/new"] {
        let mut output = powers.create_output(name).unwrap();
        output.write(b"half").unwrap();
        output.sync().unwrap();
        assert_ne!(tree(home.path()), before, "{name}: a temporary file is there");
        drop(output);
        assert_eq!(tree(home.path()), before, "{name}");
    }
}

#[test]
fn makes_the_folders_of_a_committed_file() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("new/root");
    let powers = powers(&root);
    let mut first = powers.create_output("ns/one.parquet").unwrap();
    let second = powers.create_output("ns/two.parquet").unwrap();
    first.commit().unwrap();
    drop(first);
    drop(second);
    let files: Vec<_> = tree(&root).into_keys().map(|path| path.strip_prefix(&root).unwrap().to_owned()).collect();
    assert_eq!(files, [Path::new("ns"), Path::new("ns/one.parquet")]);
}

#[test]
fn names_that_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("root");
    fs::create_dir_all(root.join("folder")).unwrap();
    fs::create_dir_all(home.path().join("elsewhere")).unwrap();
    symlink("../elsewhere", root.join("out")).unwrap();
    let before = tree(home.path());
    for (case, name, kind, code) in [
        ("parent", "../x", ErrorKind::Denied, "file/name"),
        ("absolute", "/x", ErrorKind::Denied, "file/name"),
        ("empty", "", ErrorKind::Denied, "file/name"),
        ("through a link", "out/x", ErrorKind::Denied, "file/outside"),
        ("new folder through a link", "out/new/x", ErrorKind::Denied, "file/outside"),
        ("folder", "folder", ErrorKind::Config, "file/is-folder"),
    ] {
        let Err(error) = powers(&root).create_output(name) else { panic!("{case}: {name:?} was created") };
        assert_eq!((error.kind, error.code.as_str()), (kind, code), "{case}: {error}");
        assert_eq!(tree(home.path()), before, "{case}: nothing was made");
    }
}

#[test]
fn a_link_at_the_destination_is_replaced_not_followed() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("root");
    fs::create_dir(&root).unwrap();
    fs::write(home.path().join("precious"), "precious").unwrap();
    symlink("../precious", root.join("out")).unwrap();
    let mut output = powers(&root).create_output("out").unwrap();
    output.write(b"new").unwrap();
    output.commit().unwrap();
    assert_eq!(fs::read(home.path().join("precious")).unwrap(), b"precious");
    assert_eq!(fs::read(root.join("out")).unwrap(), b"new");
}

/// The powers over one granted name, in a run that may be interrupted.
fn of_run(folder: &Path, name: &str, run: &str) -> Powers {
    let grant =
        vecferry_core::SinkGrant { folder: folder.to_owned(), name: Some(name.to_owned()), run: Some(run.to_owned()) };
    Powers::new("probe", &crate::common::ALL, Grants { sink: Some(grant), ..Grants::default() })
}

#[test]
fn an_interrupted_run_finds_its_unfinished_file_and_no_other_run_does() {
    let home = tempfile::tempdir().unwrap();
    let first = of_run(home.path(), "out", "one");
    assert!(first.reopen_output("out/a").unwrap().is_none(), "nothing was begun yet");
    assert!(tree(home.path()).is_empty(), "looking leaves nothing behind");
    let mut output = first.create_output("out/a").unwrap();
    output.write(b"whole\ntorn").unwrap();
    output.sync().unwrap();
    let refused = of_run(home.path(), "out", "one").reopen_output("out/a").err().unwrap();
    assert_eq!(refused.code, "file/in-use", "a process has it");
    drop(output);
    assert!(of_run(home.path(), "out", "two").reopen_output("out/a").unwrap().is_none());
    let mut output = of_run(home.path(), "out", "one").reopen_output("out/a").unwrap().unwrap();
    assert_eq!(output.size(), 10);
    output.truncate(6).unwrap();
    output.write(b"more\n").unwrap();
    assert!(first.list_outputs().unwrap().is_empty(), "what is unfinished is not listed");
    output.commit().unwrap();
    assert_eq!(fs::read(home.path().join("out/a")).unwrap(), b"whole\nmore\n");
    assert!(first.reopen_output("out/a").unwrap().is_none(), "it is finished");
    let listed: Vec<_> = first.list_outputs().unwrap().into_iter().map(|entry| (entry.name, entry.size)).collect();
    assert_eq!(listed, [("out/a".to_owned(), 11)]);
    let back = first.open_output("out/a").unwrap();
    assert_eq!(back.read_at(6, 100).unwrap(), b"more\n");
}

#[test]
fn beginning_anew_forgets_what_was_unfinished() {
    let home = tempfile::tempdir().unwrap();
    let powers = of_run(home.path(), "out", "one");
    powers.create_output("out").unwrap().write(b"old").unwrap();
    let mut output = powers.create_output("out").unwrap();
    let mut second = powers.create_output("out").unwrap();
    assert_eq!((output.size(), second.size()), (0, 0));
    second.write(b"second").unwrap();
    output.write(b"new").unwrap();
    second.commit().unwrap();
    assert_eq!(fs::read(home.path().join("out")).unwrap(), b"second", "each is apart");
    output.commit().unwrap();
    assert_eq!(fs::read(home.path().join("out")).unwrap(), b"new");
    assert_eq!(tree(home.path()).len(), 1);
}

#[test]
fn only_the_granted_name_and_what_lies_below_it() {
    let home = tempfile::tempdir().unwrap();
    for name in ["mine", "other", "mine2"] {
        fs::write(home.path().join(name), name).unwrap();
    }
    let powers = of_run(home.path(), "mine", "one");
    let listed: Vec<_> = powers.list_outputs().unwrap().into_iter().map(|entry| entry.name).collect();
    assert_eq!(listed, ["mine"]);
    for name in ["other", "mine2", "mine2/x", "."] {
        let refused = [powers.create_output(name).err(), powers.open_output(name).err()];
        for error in refused.into_iter().chain([powers.reopen_output(name).err()]) {
            assert_eq!(error.unwrap().kind, ErrorKind::Denied, "{name}");
        }
    }
    let mut own = powers.open_output("mine").unwrap();
    assert_eq!(own.write(b"x").unwrap_err().code, "file/committed");
    assert_eq!(own.truncate(0).unwrap_err().code, "file/committed");
}
