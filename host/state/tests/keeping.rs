/*! What is kept is what was said: checkpoints, rejected records bit for bit, retries, letters, how a run ended. */

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;

use serde_json::{Value, json};
use support::{Kept, commit, make, rejected, rejection};
use vecferry_core::engine::{Checkpoint, Letter, Rejected, Settled, SplitName};
use vecferry_core::report::Counts;
use vecferry_core::{Alteration, Batch, Dense, Error, Sparse};
use vecferry_state::{Exported, Retried, Run, StateFolder, Status};

fn split() -> SplitName {
    SplitName { store: "store".to_owned(), collection: "c".to_owned(), split: "all".to_owned() }
}

fn commit_rejected(run: &mut Run, records: Vec<Rejected>) {
    let counts = Counts {
        found: 1000,
        migrated: 1000 - records.len() as u64,
        rejected: records.len() as u64,
        ..Counts::default()
    };
    let letters = records.into_iter().map(Letter::Rejected).collect();
    run.commit(&split(), b"1", vec![Settled { counts, letters, ..Settled::default() }]).unwrap();
}

#[test]
fn commits_add_up_and_are_there_again() {
    let place = tempfile::tempdir().unwrap();
    let folder = StateFolder::open(place.path());
    let mut run = folder.create("{}").unwrap();
    assert!(run.resumed().unwrap().is_empty());
    assert_eq!(Kept::of(&run), Kept::default());
    for number in 0..25 {
        make(&mut run, number).unwrap();
    }
    run.before("docs", 7).unwrap();
    run.before("docs", 8).unwrap();
    run.before("others", 0).unwrap();
    assert_eq!(Kept::of(&run), Kept::after((0..25).map(commit)));
    let name = run.name().to_owned();
    drop(run);

    let mut run = folder.open_run(&name).unwrap();
    assert_eq!(Kept::of(&run), Kept::after((0..25).map(commit)));
    let before = [("docs".to_owned(), 7), ("others".to_owned(), 0)].into();
    assert_eq!(run.resumed().unwrap().before, before, "what was said first holds");
    make(&mut run, 25).unwrap();
    assert_eq!(Kept::of(&run), Kept::after((0..26).map(commit)));
}

#[test]
fn a_cursor_moves_without_pages_and_names_are_any_text() {
    let place = tempfile::tempdir().unwrap();
    let mut run = StateFolder::open(place.path()).create("{}").unwrap();
    for name in ["", "a\0b", "'; DROP TABLE run; --", "É/\u{1F980}"] {
        let split = SplitName { store: name.to_owned(), collection: name.to_owned(), split: name.to_owned() };
        run.commit(&split, &[], Vec::new()).unwrap();
        run.commit(&split, &[0, 255], Vec::new()).unwrap();
        run.before(name, 1).unwrap();
        let resumed = run.resumed().unwrap();
        assert_eq!(resumed.cursors.get(&split), Some(&vec![0, 255]), "{name:?}");
        assert_eq!(resumed.counts.get(&(name.to_owned(), name.to_owned())), Some(&Counts::default()), "{name:?}");
        assert_eq!(resumed.before.get(name), Some(&1), "{name:?}");
    }
}

#[test]
fn an_error_of_who_reads_the_digests_is_passed_on() {
    let place = tempfile::tempdir().unwrap();
    let mut run = StateFolder::open(place.path()).create("{}").unwrap();
    make(&mut run, 2).unwrap();
    let mut blocks = 0;
    let error = run.digests(&mut |_| {
        blocks += 1;
        Err(Error::internal("test/enough", ""))
    });
    assert_eq!((error.unwrap_err().code.as_str(), blocks), ("test/enough", 1));
}

#[test]
fn rejected_records_are_kept_bit_for_bit() {
    let floats =
        [f32::NAN, f32::from_bits(0x7fa0_0001), f32::from_bits(0xffc0_1234), -0.0, f32::MIN_POSITIVE / 2.0, f32::MAX];
    let id = "id \0 \u{1F980}".to_owned();
    let whole = Batch {
        ids: vec![id.clone()],
        dense: vec![
            Dense::new(6, floats.to_vec()),
            Dense { name: "second".to_owned(), dimension: 1, values: vec![0.0], absent: vec![0] },
        ],
        sparse: vec![Sparse {
            name: "sparse".to_owned(),
            offsets: vec![0, 2],
            indices: vec![7, u32::MAX],
            values: vec![f32::NEG_INFINITY, 1e-45],
        }],
        documents: Some(vec![Some("a\0b\r\n\u{FEFF}É".to_owned())]),
        metadata: Some(vec!["{ \"a\" : 1e400, \"a\":18446744073709551616 }".to_owned()]),
    };
    let row = |documents, metadata| Batch { ids: vec![id.clone()], documents, metadata, ..Batch::default() };
    let cases = [
        ("everything", Some(whole)),
        ("nothing but an id", Some(row(None, None))),
        ("no document", Some(row(Some(vec![None]), None))),
        ("an empty document", Some(row(Some(vec![Some(String::new())]), Some(vec!["{}".to_owned()])))),
        ("unreadable", None),
    ];
    let mut reason = Error::throttled("test/limit", "too much").hint("wait").at("offset", 4096).at("id", &id);
    reason.retry_after_ms = Some(1500);
    for (case, row) in cases {
        let place = tempfile::tempdir().unwrap();
        let mut run = StateFolder::open(place.path()).create("{}").unwrap();
        let record =
            Rejected { target: "docs".to_owned(), id: id.clone(), reason: reason.clone(), at_destination: true, row };
        commit_rejected(&mut run, vec![record.clone()]);
        let mut kept = rejected(&run).remove(0).rejected;
        // NaN is not equal to itself: bits are compared.
        let bits = |record: &mut Rejected| -> Vec<Vec<u32>> {
            let dense = record.row.iter_mut().flat_map(|row| &mut row.dense);
            dense.map(|dense| std::mem::take(&mut dense.values).into_iter().map(f32::to_bits).collect()).collect()
        };
        let mut expected = record;
        assert_eq!(bits(&mut kept), bits(&mut expected), "{case}");
        assert_eq!(kept, expected, "{case}");
    }
}

#[test]
fn pages_of_rejected_records_end_where_payloads_are_large() {
    let place = tempfile::tempdir().unwrap();
    let mut run = StateFolder::open(place.path()).create("{}").unwrap();
    let large = |number: usize| {
        let mut record = rejection(&format!("r{number}"), false);
        record.row.as_mut().unwrap().documents = Some(vec![Some("x".repeat(1 << 20))]);
        record
    };
    commit_rejected(&mut run, (0..10).map(large).collect());
    assert_eq!(run.rejected(0, 100).unwrap().len(), 4);
    assert_eq!(run.rejected(0, 3).unwrap().len(), 3);
    assert_eq!(run.rejected(8, 100).unwrap().len(), 2);
    assert_eq!(run.rejected(10, 100).unwrap().len(), 0);
    let ids: Vec<String> = rejected(&run).into_iter().map(|record| record.rejected.id).collect();
    assert_eq!(ids, (0..10).map(|number| format!("r{number}")).collect::<Vec<_>>());
}

#[test]
fn what_a_retry_brought_is_no_longer_rejected() {
    let place = tempfile::tempdir().unwrap();
    let mut run = StateFolder::open(place.path()).create("{}").unwrap();
    commit_rejected(&mut run, ["one", "two", "three"].map(|id| rejection(id, id == "two")).to_vec());
    let alteration = |field: &str| Alteration { row: 9, field: field.to_owned(), code: "metadata/cut".to_owned() };
    let still = Error::throttled("test/still", "still too much");
    let retried = [
        Retried { number: 1, embedded: true, outcome: Ok(vec![alteration("metadata/a"), alteration("metadata/b")]) },
        Retried { number: 2, embedded: false, outcome: Ok(Vec::new()) },
        Retried { number: 3, embedded: false, outcome: Err(still.clone()) },
    ];

    // One that is wrong keeps the others from being kept.
    let mut wrong = retried.to_vec();
    wrong.push(Retried { number: 4, embedded: false, outcome: Ok(Vec::new()) });
    assert_eq!(run.resolve(&wrong).unwrap_err().code, "state/no-record");
    assert_eq!(rejected(&run).len(), 3);

    run.resolve(&retried).unwrap();
    let left = rejected(&run);
    assert_eq!(left.len(), 1);
    assert_eq!((left[0].number, &left[0].rejected.reason), (3, &still));
    assert_eq!(left[0].rejected.row, rejection("three", false).row);
    let altered = run.altered(0, 10).unwrap();
    let fields: Vec<_> = altered.iter().map(|a| (a.altered.id.as_str(), a.altered.field.as_str())).collect();
    assert_eq!(fields, [("one", "metadata/a"), ("one", "metadata/b")]);
    assert_eq!(run.changes().unwrap(), [("metadata/cut".to_owned(), 1)].into());
    let counts = Counts { found: 1000, embedded: 1, migrated: 999, rejected: 1, ..Counts::default() };
    assert_eq!(run.summary().unwrap().counts, counts);
    assert!(run.resumed().unwrap().refused.is_empty(), "the destination has what it had refused");
    // The split's own numbers say what the source yielded.
    assert_eq!(run.splits().unwrap()[0].counts.rejected, 3);
}

#[test]
fn letters_are_lines_of_json_and_only_where_there_is_something_to_say() {
    let place = tempfile::tempdir().unwrap();
    let mut run = StateFolder::open(place.path()).create("{}").unwrap();
    let (bad, changed) = (run.folder().join("rejected.jsonl"), run.folder().join("changed.jsonl"));
    assert_eq!(run.export_letters(&bad, &changed).unwrap(), Exported::default());
    assert!(!bad.exists() && !changed.exists());

    let mut unread = rejection("unread", false);
    unread.row = None;
    let many = (0..600).map(|number| rejection(&format!("r{number}"), true));
    commit_rejected(&mut run, std::iter::once(unread).chain(many).collect());
    make(&mut run, 5).unwrap();
    assert_eq!(run.export_letters(&bad, &changed).unwrap(), Exported { rejected: 601, altered: 3 });
    let lines = |path| -> Vec<Value> {
        let text = fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let reason = |id: &str| {
        let message = format!("it does not fit (id {id})");
        json!({"kind": "corrupt", "code": "test/refused", "message": message, "hint": "cut it"})
    };
    let rejections = lines(&bad);
    assert_eq!(rejections.len(), 601);
    assert_eq!(
        rejections[0],
        json!({"store": "store", "collection": "c", "target": "docs", "id": "unread", "reason": reason("unread")})
    );
    assert_eq!(
        rejections[600],
        json!({
            "store": "store", "collection": "c", "target": "docs", "id": "r599", "reason": reason("r599"),
            "document": "text of r599", "metadata": {"x": 1}, "vector": [f64::from(0.1f32), -0.0],
        })
    );
    assert_eq!(
        lines(&changed)[2],
        json!({
            "store": "store 1", "collection": "c", "target": "docs", "id": "a5/2", "field": "metadata/x",
            "code": "metadata/null-dropped",
        })
    );

    // Once nothing is rejected any more, the file of before would be a lie; one elsewhere is not ours to remove.
    let elsewhere = place.path().join("elsewhere.jsonl");
    fs::write(&elsewhere, "another's").unwrap();
    let resolved: Vec<Retried> = rejected(&run)
        .iter()
        .map(|record| Retried { number: record.number, embedded: false, outcome: Ok(Vec::new()) })
        .collect();
    run.resolve(&resolved).unwrap();
    assert_eq!(run.export_letters(&elsewhere, &changed).unwrap().rejected, 0);
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "another's");
    assert_eq!(run.export_letters(&bad, &changed).unwrap(), Exported { rejected: 0, altered: 3 });
    assert!(!bad.exists());

    let nowhere = place.path().join("no such folder/changed.jsonl");
    let error = run.export_letters(&bad, &nowhere).unwrap_err();
    assert_eq!((error.code.as_str(), error.hint.is_some()), ("state/unwritable", true), "{error}");
}

#[test]
fn a_run_says_how_it_ended() {
    let place = tempfile::tempdir().unwrap();
    let folder = StateFolder::open(place.path());
    let mut run = folder.create("{\"plan\": 1}").unwrap();
    let made = run.summary().unwrap();
    assert_eq!((made.status, made.created == made.updated, made.attempts), (Status::Planned, true, 1));
    run.set_status(Status::Running).unwrap();
    let away = Error::transient("http/away", "the other side is away").hint("resume").at("id", "doc-7");
    run.finish(Status::Paused, Some(&away), None).unwrap();
    let paused = run.summary().unwrap();
    assert_eq!((paused.status, paused.error, run.receipt().unwrap()), (Status::Paused, Some(away), None));
    run.set_status(Status::Running).unwrap();
    assert_eq!(run.summary().unwrap().error, None);
    make(&mut run, 3).unwrap();
    run.finish(Status::Unverified, None, Some("{\"missing\": 3}")).unwrap();
    run.finish(Status::Partial, None, Some("{\"missing\": 0}")).unwrap();
    assert_eq!(fs::metadata(run.folder().join("state.db-wal")).unwrap().len(), 0, "the file alone holds everything");
    let name = run.name().to_owned();
    drop(run);

    let run = folder.read(&name).unwrap();
    let summary = serde_json::to_value(run.summary().unwrap()).unwrap();
    assert_eq!((&summary["status"], &summary["alive"]), (&json!("partial"), &json!(false)));
    assert_eq!(summary["counts"]["rejected"], 1);
    assert_eq!(summary["created"].as_str().unwrap().replace(['-', ':'], "").replace('T', "-")[..15], name[..15]);
    assert_eq!(run.receipt().unwrap().unwrap(), "{\"missing\": 0}");
    assert_eq!(run.plan_json().unwrap(), "{\"plan\": 1}");
    // printf '{"plan": 1}' | sha256sum
    assert_eq!(summary["plan_sha256"], "be3a248d86268604de82d8c4ce2d225121c9a0761873a50b5f10a18fedf11bf7");
    let mut files: Vec<_> =
        fs::read_dir(run.folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    files.retain(|file| file != "state.db-shm" && file != "state.db-wal");
    files.sort();
    assert_eq!(files, ["plan.json", "receipt.json", "run.lock", "state.db"]);
}
