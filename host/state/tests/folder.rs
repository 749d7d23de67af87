/*! Finding runs, and what is said of those that cannot be read. */

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use support::make;
use vecferry_core::{Error, ErrorKind};
use vecferry_state::{Run, StateFolder, Status};

/// A run of which `status` was said last, and which is left.
fn left(folder: &StateFolder, status: Status) -> String {
    let mut run = folder.create("{}").unwrap();
    make(&mut run, 0).unwrap();
    run.finish(status, None, None).unwrap();
    run.name().to_owned()
}

fn sql(database: &Path, statements: &str) {
    Connection::open(database).unwrap().execute_batch(statements).unwrap();
}

#[test]
fn runs_are_listed_by_age_and_the_latest_unfinished_is_found() {
    let place = tempfile::tempdir().unwrap();
    let folder = StateFolder::open(place.path().join("not/yet/there"));
    assert_eq!(folder.list().unwrap().len(), 0);
    assert_eq!(folder.latest_unfinished().unwrap(), None);
    assert!(!folder.path().exists(), "looking makes nothing");

    // Names sort by second, so those of this test are given their ages by hand.
    let aged = |minute: u32, status| {
        let name = left(&folder, status);
        let old = format!("20200101-00{minute:02}00-{}", &name[16..]);
        let runs = folder.path().join("runs");
        fs::rename(runs.join(name), runs.join(&old)).unwrap();
        old
    };
    let finished = aged(3, Status::Complete);
    let paused = aged(1, Status::Paused);
    let planned = aged(0, Status::Planned);
    let partial = aged(2, Status::Partial);
    for stranger in ["notes", ".new", "20200101-000000-....", "20200101-000000-abcde"] {
        fs::create_dir(folder.path().join("runs").join(stranger)).unwrap();
    }
    // A run whose making was cut short.
    fs::create_dir(folder.path().join("runs/20200101-000900-aaaa")).unwrap();

    let listed: Vec<_> =
        folder.list().unwrap().into_iter().map(|run| (run.name, run.summary.unwrap().status)).collect();
    let expected = [
        (planned, Status::Planned),
        (paused.clone(), Status::Paused),
        (partial, Status::Partial),
        (finished, Status::Complete),
    ];
    assert_eq!(listed, expected);
    assert_eq!(folder.latest_unfinished().unwrap().unwrap().name, paused);

    // What is being worked on is not waiting, unless nothing else is there.
    let alive = folder.create("{}").unwrap();
    assert_eq!(folder.latest_unfinished().unwrap().unwrap().name, paused);
    for summary in folder.list().unwrap().into_iter().map(|run| run.summary.unwrap()) {
        if summary.name != alive.name() {
            folder.open_run(&summary.name).unwrap().set_status(Status::Complete).unwrap();
        }
    }
    let latest = folder.latest_unfinished().unwrap().unwrap();
    assert_eq!((latest.name.as_str(), latest.alive), (alive.name(), true));
}

#[test]
fn a_run_is_read_while_it_goes_on() {
    let place = tempfile::tempdir().unwrap();
    let folder = StateFolder::open(place.path());
    let mut run = folder.create("{}").unwrap();
    let view = folder.read(run.name()).unwrap();
    for number in 0..300 {
        make(&mut run, number).unwrap();
        assert_eq!(view.summary().unwrap().counts, run.summary().unwrap().counts);
    }
    assert!(view.summary().unwrap().alive);
}

#[cfg(unix)]
#[test]
fn everything_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let place = tempfile::tempdir().unwrap();
    let folder = StateFolder::open(place.path().join("state"));
    let mut run = folder.create("{}").unwrap();
    make(&mut run, 0).unwrap();
    run.finish(Status::Partial, None, Some("{}")).unwrap();
    run.export_letters(&run.folder().join("rejected.jsonl"), &run.folder().join("changed.jsonl")).unwrap();
    make(&mut run, 1).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for path in [folder.path(), &folder.path().join("runs"), run.folder()] {
        assert_eq!(mode(path), 0o700, "{}", path.display());
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(run.folder()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        names.push(path.file_name().unwrap().to_str().unwrap().to_owned());
    }
    names.sort();
    let expected = [
        "changed.jsonl",
        "plan.json",
        "receipt.json",
        "rejected.jsonl",
        "run.lock",
        "state.db",
        "state.db-shm",
        "state.db-wal",
    ];
    assert_eq!(names, expected);
}

#[test]
fn what_is_no_run_of_ours_is_refused_with_a_hint() {
    type Harm = fn(&Path);
    struct Case(&'static str, Harm, ErrorKind, &'static str);
    let cases = [
        Case(
            "plan changed",
            |run| fs::write(run.join("plan.json"), "{ }").unwrap(),
            ErrorKind::Config,
            "state/plan-changed",
        ),
        Case("no plan", |run| fs::remove_file(run.join("plan.json")).unwrap(), ErrorKind::Corrupt, "state/damaged"),
        Case("no database", |run| fs::remove_file(run.join("state.db")).unwrap(), ErrorKind::Corrupt, "state/damaged"),
        Case("no run", |run| fs::remove_dir_all(run).unwrap(), ErrorKind::NotFound, "state/no-run"),
        Case("empty", |run| fs::write(run.join("state.db"), "").unwrap(), ErrorKind::Corrupt, "state/damaged"),
        Case(
            "text",
            |run| fs::write(run.join("state.db"), "x".repeat(9000)).unwrap(),
            ErrorKind::Corrupt,
            "state/damaged",
        ),
        Case(
            "newer",
            |run| sql(&run.join("state.db"), "PRAGMA user_version = 2"),
            ErrorKind::Unsupported,
            "state/newer",
        ),
        Case(
            "older",
            |run| sql(&run.join("state.db"), "PRAGMA user_version = 0"),
            ErrorKind::Unsupported,
            "state/older",
        ),
        Case(
            "another program's",
            |run| sql(&run.join("state.db"), "PRAGMA application_id = 7"),
            ErrorKind::Corrupt,
            "state/damaged",
        ),
        Case("no table", |run| sql(&run.join("state.db"), "DROP TABLE run"), ErrorKind::Corrupt, "state/damaged"),
        Case("no row", |run| sql(&run.join("state.db"), "DELETE FROM run"), ErrorKind::Corrupt, "state/damaged"),
    ];
    for Case(case, harm, kind, code) in cases {
        let place = tempfile::tempdir().unwrap();
        let folder = StateFolder::open(place.path());
        let name = left(&folder, Status::Paused);
        harm(&folder.path().join("runs").join(&name));
        let error = folder.open_run(&name).unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (kind, code), "{case}: {error}");
        assert!(error.hint.is_some() && !error.context.is_empty(), "{case}: {error:?}");
    }
    let folder = StateFolder::open("/");
    for name in ["", "..", "../../etc", "latest"] {
        assert_eq!(folder.open_run(name).unwrap_err().code, "state/name", "{name:?}");
        assert_eq!(folder.read(name).unwrap_err().code, "state/name", "{name:?}");
    }
}

#[test]
fn a_run_that_cannot_be_read_hides_no_other_and_is_not_passed_over() {
    let place = tempfile::tempdir().unwrap();
    let folder = StateFolder::open(place.path());
    let names = [left(&folder, Status::Paused), left(&folder, Status::Paused)];
    let last = names.iter().max().unwrap();
    sql(&folder.path().join("runs").join(last).join("state.db"), "PRAGMA user_version = 9");
    let listed = folder.list().unwrap();
    assert_eq!(listed.iter().map(|run| run.summary.is_ok()).collect::<Vec<_>>(), [true, false]);
    let error = folder.latest_unfinished().unwrap_err();
    assert_eq!((error.code.as_str(), error.context("run")), ("state/newer", Some(last.as_str())));
}

#[test]
fn damage_of_any_kind_is_an_error_and_never_a_panic() {
    let place = tempfile::tempdir().unwrap();
    let folder = StateFolder::open(place.path());
    let name = {
        let mut run = folder.create("{}").unwrap();
        for number in 0..120 {
            make(&mut run, number).unwrap();
        }
        run.finish(Status::Paused, None, None).unwrap();
        run.name().to_owned()
    };
    let database = folder.path().join("runs").join(&name).join("state.db");
    let whole = fs::read(&database).unwrap();
    let all = |run: Run| -> Result<(), Error> {
        use vecferry_core::engine::Checkpoint;
        let mut run = run;
        run.resumed()?;
        run.digests(&mut |_| Ok(()))?;
        run.rejected(0, 1000)?;
        run.altered(0, 1000)?;
        run.export_letters(&run.folder().join("rejected.jsonl"), &run.folder().join("changed.jsonl"))?;
        make(&mut run, 120)?;
        run.finish(Status::Complete, None, None)
    };
    let outcome = |bytes: &[u8]| {
        for side in ["state.db-wal", "state.db-shm"] {
            let _ = fs::remove_file(database.with_file_name(side));
        }
        fs::write(&database, bytes).unwrap();
        if let Err(error) = folder.read(&name).and_then(|view| view.summary()) {
            assert!(error.code.starts_with("state/"), "{error:?}");
        }
        folder.open_run(&name).and_then(all)
    };
    outcome(&whole).unwrap();
    for length in (0..whole.len()).step_by(997) {
        let error = outcome(&whole[..length]).unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Corrupt, "state/damaged"), "{length} bytes: {error}");
    }
    let mut refused = 0;
    for at in (0..whole.len()).step_by(499) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xa5;
        if let Err(error) = outcome(&bytes) {
            refused += 1;
            assert!(error.code.starts_with("state/") && error.hint.is_some(), "byte {at}: {error:?}");
        }
    }
    assert!(refused > 10, "only {refused} changes were noticed");
}
