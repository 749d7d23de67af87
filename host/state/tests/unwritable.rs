/*! Folders that may only be read: errors that say so, and finished runs that are read all the same. */

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use support::{FOLDER, RUN, make};
use vecferry_core::ErrorKind;
use vecferry_state::{StateFolder, Status};

/// "nobody": for root everything is writable, so the process that tries is given to somebody else.
const NOBODY: u32 = 65_534;

#[test]
#[ignore = "started by the test below"]
fn reads_but_cannot_write() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = StateFolder::open(folder);
    let name = std::env::var(RUN).unwrap();
    let view = folder.read(&name).unwrap();
    assert_eq!(view.summary().unwrap().status, Status::Partial);
    assert_eq!(support::rejected(&view).len(), 1);
    assert_eq!(folder.list().unwrap()[0].summary.as_ref().unwrap().counts.found, 3);
    let path = folder.path().to_owned();
    let errors = [
        ("open", folder.open_run(&name).map(drop)),
        ("create", folder.create("{}").map(drop)),
        ("create below", StateFolder::open(path.join("below")).create("{}").map(drop)),
        ("export", view.export_letters(&path.join("rejected.jsonl"), &path.join("changed.jsonl")).map(drop)),
    ];
    for (what, outcome) in errors {
        let error = outcome.unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Config, "state/unwritable"), "{what}: {error}");
        assert!(error.hint.is_some() && error.context("file").is_some(), "{what}: {error:?}");
    }
}

fn each(path: &Path, deed: &dyn Fn(&Path)) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            each(&entry.unwrap().path(), deed);
        }
    }
    deed(path);
}

#[test]
fn a_folder_that_may_only_be_read() {
    let place = tempfile::tempdir().unwrap();
    // An odd name: it becomes a part of a URI.
    let path = place.path().join("state #1?mode=rwc 100%");
    let folder = StateFolder::open(&path);
    let mut run = folder.create("{}").unwrap();
    make(&mut run, 0).unwrap();
    run.finish(Status::Partial, None, None).unwrap();
    let name = run.name().to_owned();
    drop(run);

    let mode = |mode: u32| {
        move |path: &Path| {
            let mode = if path.is_dir() { mode | 0o100 } else { mode };
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        }
    };
    each(&path, &mode(0o400));
    // A copy: the program itself may lie where only its builder reads.
    let program = place.path().join("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let mut other = Command::new(program);
    other.args(["--ignored", "--exact", "reads_but_cannot_write", "--nocapture"]).env(FOLDER, &path).env(RUN, name);
    let privileged = fs::File::create(path.join("probe")).is_ok();
    if privileged {
        let _ = fs::remove_file(path.join("probe"));
        each(place.path(), &|path| chown(path, Some(NOBODY), Some(NOBODY)).unwrap());
        other.uid(NOBODY).gid(NOBODY);
    }
    let status = other.status().unwrap();
    each(&path, &mode(0o600));
    assert!(status.success(), "{status}");
}
