/*!
Runs that are interrupted: killed at every named step and at any moment, stopped by the user, refused where something
changed; and the proof afterwards. Whatever happens, the destination ends as an uninterrupted run leaves it.

`VECFERRY_KILLS` says how many processes are killed at random for each destination (40).
*/

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use vecferry_e2e::{Ended, lines, program, vecferry, vecferry_with};
use vecferry_pinecone_local::{Fault, Operation, Options, Rule, Schedule, Server, Visibility, When};

/// Records of the source; with 50 a page and 100 a checkpoint it takes a dozen commits.
const RECORDS: usize = 600;
/// The steps at which the engine can be told to die.
const STEPS: [&str; 7] =
    ["before-write", "after-write", "after-flush", "before-commit", "after-commit", "before-finish", "after-finish"];

/// A folder with a source, and where a run goes.
struct Place {
    folder: tempfile::TempDir,
    server: Option<Server>,
    to: &'static str,
}

impl Place {
    fn new(to: &'static str) -> Place {
        let folder = tempfile::tempdir().unwrap();
        let script = "
import pickle, sys
n = int(sys.argv[1])
pickle.dump({
    'ids': [f'id-{i}' for i in range(n)],
    'texts': [f'text {i} ' + 'x' * (i % 700) for i in range(n)],
    'metadatas': [{'source': f'f{i % 7}.txt', 'n': i} for i in range(n)],
    'embeddings': [[float(i % 13), float(i), 1.0] for i in range(n)],
}, open('store.pkl', 'wb'))";
        let made =
            Command::new("python3").args(["-c", script, &RECORDS.to_string()]).current_dir(folder.path()).status();
        assert!(made.unwrap().success());
        let server = to.starts_with("pinecone").then(|| Server::start(Options::default()).unwrap());
        Place { folder, server, to }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn variables(&self) -> Vec<(&str, &str)> {
        let server = self.server.iter();
        server.flat_map(|s| [("PINECONE_API_KEY", s.api_key()), ("PINECONE_CONTROLLER_HOST", s.url())]).collect()
    }

    fn run(&self, more: &[(&str, &str)], arguments: &[&str]) -> Ended {
        vecferry_with(self.path(), &[&self.variables()[..], more].concat(), arguments)
    }

    /// The arguments of the migration.
    fn migration(&self) -> Vec<&str> {
        let fixed = ["migrate", "store.pkl", "--to", self.to, "--embed", "reuse", "--namespace", "default", "--yes"];
        [&fixed[..], &["--json", "--batch-size", "50", "--checkpoint-rows", "100", "--writers", "2"]].concat()
    }

    /// Everything that the destination holds: id, document, metadata, vector.
    fn content(&self) -> BTreeMap<String, Value> {
        match (&self.server, self.to.split_once(':').unwrap()) {
            (Some(server), _) => {
                let records = server.records("docs", "default").unwrap_or_default();
                records.into_iter().map(|record| (record.id.clone(), json!([record.values, record.metadata]))).collect()
            }
            (None, ("jsonl", file)) => rows(lines(&self.path().join(file))),
            (None, ("sqlite", file)) => {
                let copy = self.path().join("copy.jsonl");
                let arguments =
                    ["migrate", file, "--to", "jsonl:copy.jsonl", "--embed", "reuse", "--yes", "--no-verify"];
                vecferry(self.path(), &arguments).succeeded();
                let content = rows(lines(&copy));
                std::fs::remove_file(copy).unwrap();
                content
            }
            (_, (scheme, _)) => panic!("{scheme} cannot be read back here"),
        }
    }

    /// Goes on until the run is done; how many processes that took.
    fn resume_to_the_end(&self) -> usize {
        for attempt in 1..=20 {
            let ended = self.run(&[], &["resume", "--json"]);
            match ended.code {
                0 => return attempt,
                // Killed before the run was made, there is nothing to go on with.
                3 if ended.stderr.contains("run/none") => {
                    self.run(&[], &self.migration()).succeeded();
                    return attempt;
                }
                7 => {}
                _ => panic!("{} {}", ended.stdout, ended.stderr),
            }
        }
        panic!("the run does not end");
    }
}

fn rows(lines: Vec<Value>) -> BTreeMap<String, Value> {
    let count = lines.len();
    let rows: BTreeMap<String, Value> =
        lines.into_iter().map(|line| (line["id"].as_str().unwrap().to_owned(), line)).collect();
    assert_eq!(rows.len(), count, "an id stands there twice");
    rows
}

const DESTINATIONS: [&str; 3] = ["jsonl:out.jsonl", "sqlite:out.db", "pinecone:docs"];

/// What an uninterrupted run leaves.
fn wanted(to: &'static str) -> BTreeMap<String, Value> {
    let place = Place::new(to);
    let summary = place.run(&[], &place.migration()).succeeded().json();
    assert_eq!(summary["counts"]["migrated"], RECORDS, "{summary}");
    let content = place.content();
    assert_eq!(content.len(), RECORDS);
    content
}

#[test]
fn killed_at_every_named_step_nothing_is_lost_or_doubled() {
    let (mut kills, mut resumes) = (0, 0);
    for to in DESTINATIONS {
        let wanted = wanted(to);
        for step in STEPS {
            for number in [0, 3, 9] {
                let place = Place::new(to);
                let at = format!("{step}:{number}");
                let ended = place.run(&[("VECFERRY_TEST_KILL_AT", &at)], &place.migration());
                assert!([-1, 0].contains(&ended.code), "{to} {at}: {} {}", ended.code, ended.stderr);
                if ended.code == -1 {
                    kills += 1;
                    resumes += place.resume_to_the_end();
                }
                assert!(place.content() == wanted, "{to}, killed at {at}: the destination differs");
            }
        }
    }
    assert!(kills >= 40, "only {kills} processes were killed");
    println!("{kills} kills at named steps, {resumes} resumes, 0 differences");
}

#[test]
fn killed_at_any_moment_nothing_is_lost_or_doubled() {
    let rounds: usize = std::env::var("VECFERRY_KILLS").map_or(40, |number| number.parse().unwrap());
    let (mut kills, mut resumes, mut state) = (0, 0, 0x2545_f491_4f6c_dd1d_u64);
    for to in DESTINATIONS {
        let wanted = wanted(to);
        let mut killed = 0;
        while killed < rounds {
            let place = Place::new(to);
            if let Some(server) = &place.server {
                server.faults().set(trouble());
            }
            let mut arguments = place.migration();
            // One run is killed several times before it may end.
            for _ in 0..4 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let after = format!("0.{:03}", 60 + (state >> 40) % 500);
                let ended = killed_after(&place, &after, &arguments);
                if ended == Some(0) {
                    break;
                }
                killed += usize::from(ended.is_none());
                let begun = place.path().join("state/runs").read_dir().is_ok_and(|runs| runs.count() > 0);
                arguments = if begun { vec!["resume", "--json"] } else { place.migration() };
            }
            resumes += place.resume_to_the_end();
            assert!(place.content() == wanted, "{to}: the destination differs");
        }
        kills += killed;
    }
    println!("{kills} kills at random, {resumes} last resumes, 0 differences");
}

/// Every kind of trouble that a service makes.
fn trouble() -> Schedule {
    let on = vec![Operation::Upsert, Operation::Fetch, Operation::Stats];
    let faults = [
        Fault::Throttle { retry_after: Some("0.01".into()) },
        Fault::Status { code: 500, applied: false },
        Fault::Reset { applied: true },
        Fault::Slow { ms: 20 },
    ];
    let rules = (0..).zip(faults).map(|(place, fault)| Rule {
        on: on.clone(),
        when: When::Nth((0..40).map(|round| 2 + place * 2 + round * 9).collect()),
        fault,
    });
    Schedule { rules: rules.collect(), visibility: Visibility { polls: 2, ms: 0 }, ..Schedule::default() }
}

/// Runs the program and kills it after a time; its exit code, if it ended before.
fn killed_after(place: &Place, seconds: &str, arguments: &[&str]) -> Option<i32> {
    let mut command = Command::new("timeout");
    command.args(["--signal=KILL", seconds]).arg(program()).args(arguments);
    command.current_dir(place.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.env("VECFERRY_STATE_DIR", place.path().join("state"));
    command.env("VECFERRY_DATA_DIR", place.path().join("no-user-plugins")).envs(place.variables());
    // Timeout ends as it ended the program: by the signal.
    command.status().unwrap().code().filter(|code| *code != 137)
}

#[test]
fn a_plan_is_carried_out_and_a_changed_source_is_refused() {
    let place = Place::new("sqlite:out.db");
    let plan = ["plan", "store.pkl", "--to", "sqlite:out.db", "--embed", "reuse", "-o", "plan.json", "--json"];
    let planned = place.run(&[], &plan).succeeded().json();
    assert_eq!(planned["estimate"]["to_write"], RECORDS, "{planned}");
    assert!(!place.path().join("out.db").exists(), "a plan writes nothing");
    let run = ["run", "plan.json", "--json"];
    let killed = place.run(&[("VECFERRY_TEST_KILL_AT", "before-finish")], &run);
    assert_eq!(killed.code, -1, "{}", killed.stderr);
    let status = place.run(&[], &["status", "--json"]).succeeded().json();
    assert_eq!((&status["state"], &status["counts"]["migrated"]), (&json!("interrupted"), &json!(RECORDS)), "{status}");

    let store = place.path().join("store.pkl");
    let bytes = std::fs::read(&store).unwrap();
    std::fs::write(&store, [&bytes[..], b"."].concat()).unwrap();
    let refused = place.run(&[], &["resume"]).in_order();
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("source/changed") && refused.stderr.contains("hint"), "{}", refused.stderr);
    std::fs::write(&store, &bytes).unwrap();
    place.run(&[], &["resume"]).succeeded();
    let listed = place.run(&[], &["runs", "list", "--json"]).succeeded().json();
    assert_eq!(listed["state"], "complete");
    assert_eq!(place.content().len(), RECORDS);
}

#[test]
fn a_second_process_on_a_living_run_is_refused_and_a_stopped_run_goes_on() {
    let place = Place::new("pinecone:docs");
    let server = place.server.as_ref().unwrap();
    let slow =
        Rule { on: vec![Operation::Upsert], when: When::Nth((2..200).collect()), fault: Fault::Slow { ms: 300 } };
    server.faults().set(Schedule { rules: vec![slow], ..Schedule::default() });
    let mut command = Command::new(program());
    command.args(place.migration()).current_dir(place.path()).stdin(Stdio::null()).stdout(Stdio::piped());
    command.env("VECFERRY_STATE_DIR", place.path().join("state")).envs(place.variables()).stderr(Stdio::null());
    let first = command.spawn().unwrap();
    // Its first write is there once the log has one: nothing is waited for by the clock.
    while server.log().total().rows == 0 {
        std::thread::yield_now();
    }
    let second = place.run(&[], &["resume"]).in_order();
    assert_eq!(second.code, 2, "{}", second.stderr);
    assert!(second.stderr.contains("state/in-use"), "{}", second.stderr);
    let status = place.run(&[], &["status", "--json"]).succeeded().json();
    assert_eq!((&status["state"], &status["alive"]), (&json!("running"), &json!(true)), "{status}");

    let pid = first.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let output = first.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["ended"], "interrupted", "{summary}");
    let status = place.run(&[], &["status", "--json"]).succeeded().json();
    assert_eq!(status["state"], "paused", "{status}");
    server.faults().clear();
    place.resume_to_the_end();
    assert_eq!(place.content().len(), RECORDS);
}

#[test]
fn what_somebody_deleted_or_altered_is_named() {
    let place = Place::new("sqlite:out.db");
    place.run(&[], &place.migration()).succeeded();
    place.run(&[], &["verify"]).succeeded();
    let script = "
import sqlite3
db = sqlite3.connect('out.db')
for name in ('id-7', 'id-300', 'id-599'):
    number, = db.execute('SELECT record FROM records_1 WHERE id = ?', (name,)).fetchone()
    db.execute('DELETE FROM records_1 WHERE record = ?', (number,))
    db.execute('DELETE FROM vectors_1 WHERE record = ?', (number,))
db.execute(\"UPDATE records_1 SET document = 'another' WHERE id = 'id-42'\")
db.commit()";
    let edited = Command::new("python3").args(["-c", script]).current_dir(place.path()).status();
    assert!(edited.unwrap().success());
    let verified = place.run(&[], &["verify", "--json"]);
    assert_eq!(verified.code, 8, "{}", verified.stderr);
    let receipt = verified.json();
    let told = receipt["verification"]["differences"].to_string();
    for id in ["'id-7' is missing", "'id-300' is missing", "'id-599' is missing", "'id-42' has another document"] {
        assert!(told.contains(id), "{id} is not told: {told}");
    }
    assert_eq!(receipt["verification"]["targets"][0]["missing"], 3, "{receipt}");
    assert_eq!(receipt["holds"], false);
    // Going on with a run that does not verify writes nothing new, and says the same again.
    let run = run_folder(&place);
    assert!(run.join("receipt.json").is_file());
}

fn run_folder(place: &Place) -> PathBuf {
    let mut runs: Vec<_> = place.path().join("state/runs").read_dir().unwrap().map(|run| run.unwrap().path()).collect();
    assert_eq!(runs.len(), 1);
    runs.pop().unwrap()
}

#[test]
fn rejected_records_are_kept_and_can_be_tried_again() {
    let place = Place::new("pinecone:docs");
    let server = place.server.as_ref().unwrap();
    // Smaller than some records: these are refused one by one, whatever the batch.
    server.faults().set(Schedule { max_body_bytes: Some(760), ..Schedule::default() });
    let ended = place.run(&[], &place.migration());
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    let summary = ended.json();
    let rejected = usize::try_from(summary["counts"]["rejected"].as_u64().unwrap()).unwrap();
    assert!(rejected > 0 && rejected < RECORDS, "{summary}");
    assert_eq!(summary["verification"]["differences"], json!([]), "{summary}");
    let letters = lines(Path::new(summary["dead_letter"].as_str().unwrap()));
    assert_eq!(letters.len(), rejected);
    assert!(letters.iter().all(|letter| letter["reason"]["code"].is_string() && letter["document"].is_string()));

    let again = place.run(&[], &["retry"]);
    assert_eq!(again.code, 1, "what is refused still stays: {}", again.stderr);
    server.faults().clear();
    place.run(&[], &["retry"]).succeeded();
    assert!(place.content() == wanted("pinecone:docs"), "after the retry the destination is complete");
    place.run(&[], &["verify", "--full"]).succeeded();
}
