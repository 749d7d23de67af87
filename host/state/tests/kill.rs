/*! A process that commits is killed at any instruction: what is there is what it committed, whole commits only. */

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::Write;

use serde_json::Value;
use support::{FOLDER, Kept, Other, RUN, commit, committed, make};
use vecferry_state::{RunSummary, StateFolder, Status};

/// The process to be killed.
#[test]
#[ignore = "started by a test below"]
fn commits_for_ever() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = StateFolder::open(folder);
    let mut run = folder.open_run(&std::env::var(RUN).unwrap()).unwrap();
    let mut out = std::io::stdout().lock();
    writeln!(out).unwrap();
    for number in committed(&run).. {
        make(&mut run, number).unwrap();
        writeln!(out, "committed {number}").unwrap();
    }
}

#[test]
fn a_killed_run_holds_a_prefix_of_what_was_committed() {
    const RUNS: u64 = 12;
    const ROUNDS: u64 = 10;
    let random = RandomState::new();
    let place = tempfile::tempdir().unwrap();
    let folder = StateFolder::open(place.path());
    let mut all = 0;
    for number in 0..RUNS {
        let name = folder.create("{}").unwrap().name().to_owned();
        let (mut before, mut deaths) = (0, 0);
        for round in 0..ROUNDS {
            let mut other = Other::start("commits_for_ever", folder.path(), &name);
            // None at all: the process dies while it starts, or takes the run over.
            let lines = random.hash_one((number, round)) % 40;
            let read = (0..lines).map_while(|_| other.number()).last();
            let said = other.kill().last().copied().or(read).map_or(before, |last| last + 1);

            let run = folder.open_run(&name).unwrap();
            let there = committed(&run);
            // A commit may have been kept without its process having said so.
            assert!(there == said || there == said + 1, "{there} commits are there, {said} were reported");
            assert_eq!(Kept::of(&run), Kept::after((0..there).map(commit)), "after {there} commits");
            let RunSummary { takeovers, attempts, .. } = run.summary().unwrap();
            assert!(takeovers >= deaths + u64::from(there > before), "a death went unseen");
            assert!(attempts > takeovers);
            (before, deaths) = (there, takeovers);
        }
        all += before;
    }
    println!("{} kills, {all} commits", RUNS * ROUNDS);
}

/// Another one to be killed.
#[test]
#[ignore = "started by the test below"]
fn begins_and_ends_runs_for_ever() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = StateFolder::open(folder);
    let mut out = std::io::stdout().lock();
    writeln!(out).unwrap();
    for number in 1.. {
        let mut run = folder.create(PLAN).unwrap();
        make(&mut run, 0).unwrap();
        run.export_letters(&run.folder().join("rejected.jsonl"), &run.folder().join("changed.jsonl")).unwrap();
        run.finish(Status::Partial, None, Some(RECEIPT)).unwrap();
        writeln!(out, "committed {number}").unwrap();
    }
}

const PLAN: &str = "{\"plan\": 1}";
const RECEIPT: &str = "{\"receipt\": 1}";

#[test]
fn runs_and_their_files_appear_whole_or_not_at_all() {
    let random = RandomState::new();
    for round in 0..40 {
        let place = tempfile::tempdir().unwrap();
        let folder = StateFolder::open(place.path());
        let mut other = Other::start("begins_and_ends_runs_for_ever", folder.path(), "");
        let lines = random.hash_one(round) % 6;
        let read = (0..lines).map_while(|_| other.number()).last();
        let said = other.kill().last().copied().or(read).unwrap_or(0);

        let runs = folder.list().unwrap();
        let mut finished = 0;
        for run in &runs {
            let summary = run.summary.as_ref().unwrap();
            let run = folder.open_run(&run.name).unwrap();
            assert_eq!(run.plan_json().unwrap(), PLAN);
            assert!(run.receipt().unwrap().is_none_or(|receipt| receipt == RECEIPT));
            if let Ok(letters) = fs::read_to_string(run.folder().join("rejected.jsonl")) {
                assert!(letters.ends_with('\n'));
                letters.lines().for_each(|line| drop(serde_json::from_str::<Value>(line).unwrap()));
            }
            if summary.status == Status::Partial {
                finished += 1;
                assert_eq!(Kept::of(&run), Kept::after([commit(0)]));
                assert_eq!(run.receipt().unwrap().as_deref(), Some(RECEIPT));
            }
        }
        let there = runs.len() as u64;
        assert!(there == said || there == said + 1, "{there} runs are there, {said} were reported");
        assert!(finished == said || finished == said + 1, "{finished} runs are finished, {said} were reported");
    }
}
