/*! One process works on a run at a time, and one that lost the run keeps nothing. */

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::io::{Read, Write};

use support::{FOLDER, Kept, Other, RUN, commit, make};
use vecferry_core::engine::Checkpoint;
use vecferry_core::{Error, ErrorKind};
use vecferry_state::{Retried, Run, StateFolder, Status};

/// The process that holds the run, until its input ends.
#[test]
#[ignore = "started by the tests below"]
fn holds_a_run() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = StateFolder::open(folder);
    let mut run = folder.open_run(&std::env::var(RUN).unwrap()).unwrap();
    run.set_status(Status::Running).unwrap();
    make(&mut run, 0).unwrap();
    writeln!(std::io::stdout(), "\ncommitted 0").unwrap();
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn a_living_run_is_refused_and_a_dead_one_taken_over() {
    let place = tempfile::tempdir().unwrap();
    let folder = StateFolder::open(place.path());
    let name = folder.create("{}").unwrap().name().to_owned();

    let mut other = Other::start("holds_a_run", folder.path(), &name);
    assert_eq!(other.number(), Some(0));
    let process = other.child.id();
    let error = folder.open_run(&name).unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Config, "state/in-use"));
    let summary = folder.read(&name).unwrap().summary().unwrap();
    let holder = summary.holder.unwrap();
    assert_eq!((summary.alive, summary.status, holder.process), (true, Status::Running, process));
    for part in [name.as_str(), &format!("process {process}"), &holder.since.to_string()] {
        assert!(error.message.contains(part), "{part:?} is not in {:?}", error.message);
    }
    assert!(error.hint.unwrap().contains("wait"));

    other.kill();
    let dead = folder.read(&name).unwrap().summary().unwrap();
    assert_eq!((dead.alive, dead.holder, dead.status), (false, None, Status::Running));
    let run = folder.open_run(&name).unwrap();
    assert_eq!(Kept::of(&run), Kept::after([commit(0)]));
    let summary = run.summary().unwrap();
    assert_eq!((summary.attempts, summary.takeovers), (3, 1));
    assert_eq!(summary.holder.unwrap().process, std::process::id());
}

#[test]
fn a_run_that_was_left_properly_is_not_taken_over() {
    let place = tempfile::tempdir().unwrap();
    let folder = StateFolder::open(place.path());
    let name = folder.create("{}").unwrap().name().to_owned();
    let mut other = Other::start("holds_a_run", folder.path(), &name);
    assert_eq!(other.number(), Some(0));
    drop(other.child.stdin.take());
    assert!(other.child.wait().unwrap().success());
    let summary = folder.open_run(&name).unwrap().summary().unwrap();
    assert_eq!((summary.attempts, summary.takeovers), (3, 0));
}

#[test]
fn looking_at_a_run_does_not_keep_others_from_it() {
    let place = tempfile::tempdir().unwrap();
    let folder = StateFolder::open(place.path());
    let name = folder.create("{}").unwrap().name().to_owned();
    std::thread::scope(|scope| {
        let looking = scope.spawn(|| (0..300).for_each(|_| assert_eq!(folder.list().unwrap().len(), 1)));
        while !looking.is_finished() {
            drop(folder.open_run(&name).unwrap());
        }
    });
}

#[test]
fn a_process_that_lost_the_run_keeps_nothing() {
    type Deed = fn(&mut Run) -> Result<(), Error>;
    let deeds: [(&str, Deed); 5] = [
        ("commit", |run| make(run, 1)),
        ("before", |run| run.before("docs", 7)),
        ("status", |run| run.set_status(Status::Failed)),
        ("finish", |run| run.finish(Status::Complete, None, Some("{\"of\": \"the old one\"}"))),
        ("resolve", |run| run.resolve(&[Retried { number: 1, embedded: false, outcome: Ok(Vec::new()) }])),
    ];
    for (what, deed) in deeds {
        let place = tempfile::tempdir().unwrap();
        let folder = StateFolder::open(place.path());
        let mut old = folder.create("{}").unwrap();
        make(&mut old, 0).unwrap();
        // As a disk on the network forgets locks, or somebody tidies up.
        fs::remove_file(old.folder().join("run.lock")).unwrap();
        let mut new = folder.open_run(old.name()).unwrap();
        new.set_status(Status::Running).unwrap();

        let error = deed(&mut old).unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Denied, "state/fenced"), "{what}");
        drop(old);
        assert_eq!(Kept::of(&new), Kept::after([commit(0)]), "{what}");
        assert!(new.records_before().unwrap().is_empty(), "{what}");
        assert_eq!(new.receipt().unwrap(), None, "{what}");
        let summary = new.summary().unwrap();
        assert_eq!(summary.status, Status::Running, "{what}");
        assert!(summary.holder.is_some(), "{what}: the old process signed the new one off");
        make(&mut new, 1).unwrap();
        assert_eq!(Kept::of(&new), Kept::after([commit(0), commit(1)]), "{what}");
    }
}
