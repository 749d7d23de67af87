/*! The engine against a model of both ends: what arrives, what is rejected, what ends a run. */

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod model;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::{Destination, Kept, LengthModel, MemorySink, MemorySource, Notes, Record, records};
use proptest::prelude::*;
use vecferry_core::engine::{Cancel, Job, Letter, MemoryCheckpoint, Options, Outcome, SinkUse, StoreJob, Vectors, run};
use vecferry_core::report::Ended;
use vecferry_core::{Error, Limits};

struct Run {
    outcome: Outcome,
    notes: Arc<Notes>,
    checkpoint: MemoryCheckpoint,
}

impl Run {
    /// Ids and codes of the records that were rejected.
    fn rejected(&self) -> Vec<(String, String)> {
        let rejected = self.checkpoint.letters.iter().filter_map(|letter| match letter {
            Letter::Rejected(rejected) => Some((rejected.id.clone(), rejected.reason.code.clone())),
            Letter::Altered(_) => None,
        });
        rejected.collect()
    }
}

fn options(batch_rows: u32) -> Options {
    Options { batch_rows, backoff: Duration::from_micros(10), flush_rows: 16, ..Options::default() }
}

fn go(stores: Vec<StoreJob>, sink: Option<&MemorySink>, options: Options) -> Run {
    go_with(stores, sink, options, &Cancel::default())
}

fn go_with(stores: Vec<StoreJob>, sink: Option<&MemorySink>, options: Options, cancel: &Cancel) -> Run {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let notes = Arc::new(Notes::default());
    let mut checkpoint = MemoryCheckpoint::default();
    let embedder: Arc<dyn vecferry_core::Embedder> = Arc::new(LengthModel);
    let job = Job {
        stores,
        sink: sink.map_or(SinkUse::Count, |sink| SinkUse::Write(sink.factory())),
        embedder: Some(embedder),
        options,
    };
    let observer = Arc::clone(&notes);
    let outcome = runtime.block_on(run(job, cancel.clone(), observer, &mut checkpoint));
    Run { outcome, notes, checkpoint }
}

fn one(source: MemorySource) -> Vec<StoreJob> {
    vec![source.store("text", Vectors::Reuse, Some("{id}"))]
}

#[test]
fn every_record_arrives_unchanged_and_is_verified() {
    let sink = MemorySink::default();
    let run = go(one(MemorySource::new(records("a", 101))), Some(&sink), options(7));
    assert_eq!(run.outcome.error, None);
    let report = run.outcome.report;
    assert_eq!((report.counts.found, report.counts.migrated, report.counts.rejected), (101, 101, 0));
    assert_eq!(report.changes["memory/written"], 101);
    let verification = report.verification.unwrap();
    assert!(verification.holds(), "{:?}", verification.differences);
    assert_eq!(verification.compared, 101);
    let destination = sink.0.lock().unwrap();
    assert_eq!(destination.finished, 1);
    let expected: BTreeMap<String, Record> = records("a", 101).into_iter().map(|r| (r.0.clone(), r)).collect();
    assert_eq!(destination.records, expected);
    let mut cursors: Vec<usize> = run
        .checkpoint
        .cursors
        .values()
        .map(|cursor| usize::from_le_bytes(cursor.as_slice().try_into().unwrap()))
        .collect();
    cursors.sort_unstable();
    assert_eq!(cursors, [50, 101], "both splits are committed to their ends");
}

#[test]
fn several_stores_of_the_same_documents_yield_each_once() {
    let sink = MemorySink::default();
    let first = MemorySource::new(records("a", 30)).store("pickle", Vectors::Embed, None);
    let mut more = records("a", 30);
    more.extend(records("b", 5));
    let second = MemorySource::new(more).store("chroma", Vectors::Embed, None);
    let run = go(vec![first, second], Some(&sink), options(8));
    assert_eq!(run.outcome.error, None);
    let counts = run.outcome.report.counts;
    assert_eq!((counts.found, counts.duplicates, counts.embedded, counts.migrated), (65, 30, 35, 35));
    assert!(sink.ids().contains(&"default_a.pdf_29".to_owned()));
    assert_eq!(sink.0.lock().unwrap().records["default_a.pdf_3"].3, Some(vec![3.0, 1.0]), "embedded, not reused");
}

#[test]
fn two_records_under_one_id_are_not_overwritten_but_rejected() {
    let sink = MemorySink::default();
    let mut rows = records("a", 10);
    rows[7].0 = "3".to_owned();
    let run = go(one(MemorySource::new(rows)), Some(&sink), options(4));
    assert_eq!(run.outcome.error, None);
    assert_eq!(run.outcome.report.counts.migrated, 9);
    assert_eq!(run.rejected(), [("3".to_owned(), "id/collision".to_owned())]);
    assert_eq!(sink.0.lock().unwrap().records["3"].1.as_deref(), Some("a 3"));
}

#[test]
fn rows_at_fault_are_found_by_halving_and_the_rest_arrives() {
    let destination = Destination {
        refused: vec!["a 5".to_owned()],
        poison: vec!["a 11".to_owned(), "a 12".to_owned()],
        ..Destination::default()
    };
    let sink = MemorySink::with(destination);
    let mut source = MemorySource::new(records("a", 40));
    source.unreadable = vec![20];
    let run = go(one(source), Some(&sink), options(16));
    assert_eq!(run.outcome.error, None);
    let counts = run.outcome.report.counts;
    assert_eq!((counts.found, counts.migrated, counts.rejected), (40, 36, 4));
    let mut rejected = run.rejected();
    rejected.sort();
    let expected =
        [("11", "memory/poison"), ("12", "memory/poison"), ("20", "memory/unreadable"), ("5", "memory/refused")];
    assert_eq!(rejected, expected.map(|(id, code)| (id.to_owned(), code.to_owned())));
    assert!(run.outcome.report.verification.unwrap().holds());
}

#[test]
fn a_record_that_was_acknowledged_but_is_not_there_is_found_and_nothing_is_published() {
    let sink = MemorySink::with(Destination { lost: vec!["33".to_owned()], ..Destination::default() });
    let run = go(one(MemorySource::new(records("a", 50))), Some(&sink), options(16));
    let verification = run.outcome.report.verification.unwrap();
    assert_eq!(verification.differences.len(), 2, "{:?}", verification.differences);
    assert!(verification.differences[0].contains("49 records"), "{:?}", verification.differences);
    assert!(verification.differences[1].contains("'33' is missing"), "{:?}", verification.differences);
    assert_eq!(sink.0.lock().unwrap().finished, 0);
}

#[test]
fn errors_that_no_retry_helps_end_the_run_and_say_where() {
    let cases = [
        ("read", Error::corrupt("memory/torn", "torn"), None),
        ("write", Error::auth("memory/key", "wrong key"), Some(())),
        ("write, retried in vain", Error::transient("memory/away", "away"), Some(())),
    ];
    for (name, error, at_sink) in cases {
        let mut source = MemorySource::new(records("a", 50));
        let mut destination = Destination::default();
        match at_sink {
            None => source.faults.push_back((2, error.clone())),
            Some(()) => destination.faults = std::iter::repeat_n(error.clone(), 100).collect(),
        }
        let sink = MemorySink::with(destination);
        let run = go(one(source), Some(&sink), options(8));
        let found = run.outcome.error.expect(name);
        assert_eq!((found.kind, &found.code), (error.kind, &error.code), "{name}");
        assert!(found.context("collection").is_some() || found.context("target").is_some(), "{name}: {found:?}");
        assert_eq!(sink.0.lock().unwrap().finished, 0, "{name}");
    }
}

#[test]
fn a_target_that_does_not_fit_stops_before_anything_is_written() {
    let error = Error::config("memory/dimension", "the target has dimension 3, the vectors 2");
    let sink = MemorySink::with(Destination { prepare_error: Some(error.clone()), ..Destination::default() });
    let run = go(one(MemorySource::new(records("a", 50))), Some(&sink), options(8));
    assert_eq!(run.outcome.error, Some(error));
    assert_eq!(sink.0.lock().unwrap().writes, 0);
}

#[test]
fn documents_that_are_missing_cannot_be_embedded_and_are_rejected() {
    let mut rows = records("a", 6);
    rows[2].1 = None;
    rows[3].1 = Some(String::new());
    let sink = MemorySink::default();
    let run = go(vec![MemorySource::new(rows).store("t", Vectors::Embed, Some("{id}"))], Some(&sink), options(4));
    assert_eq!(run.rejected(), [("2".to_owned(), "record/no-document".to_owned())]);
    assert_eq!(sink.ids(), ["0", "1", "3", "4", "5"]);
}

#[test]
fn a_dry_run_reads_everything_and_writes_nothing() {
    let run = go(vec![MemorySource::new(records("a", 50)).store("t", Vectors::Embed, None)], None, options(8));
    assert_eq!(run.outcome.error, None);
    let report = run.outcome.report;
    assert_eq!((report.counts.found, report.counts.migrated, report.counts.embedded), (50, 50, 0));
    assert_eq!(report.sample_ids[0], "default_a.pdf_0");
    assert_eq!(report.verification, None);
}

#[test]
fn a_run_that_was_asked_to_stop_finishes_in_order_and_publishes_nothing() {
    let cancel = Cancel::default();
    cancel.request();
    let sink = MemorySink::default();
    let run = go_with(one(MemorySource::new(records("a", 50))), Some(&sink), options(8), &cancel);
    assert_eq!(run.outcome.error, None);
    assert_eq!(run.outcome.report.ended, Ended::Interrupted);
    assert_eq!(sink.0.lock().unwrap().finished, 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the sizes and wherever it fails for a while: the destination equals the source.
    #[test]
    fn faults_that_pass_lose_nothing_and_invent_nothing(
        count in 0usize..200,
        batch_rows in 1u32..40,
        max_rows in 0u32..20,
        max_bytes in prop_oneof![Just(0u64), 1u64..200],
        writers in 1u32..5,
        read_faults in prop::collection::vec(0usize..40, 0..5),
        write_faults in 0usize..6,
    ) {
        let mut source = MemorySource::new(records("a", count));
        let mut calls = read_faults;
        calls.sort_unstable();
        source.faults = calls.into_iter().map(|call| (call, Error::transient("memory/blink", "blink"))).collect();
        let fault = Error::throttled("memory/slow", "slow down");
        let sink = MemorySink::with(Destination {
            limits: Limits { max_rows, max_bytes, max_concurrency: writers, ..Limits::default() },
            faults: std::iter::repeat_n(fault, write_faults).collect(),
            ..Destination::default()
        });
        let run = go(one(source), Some(&sink), options(batch_rows));
        prop_assert_eq!(run.outcome.error, None);
        prop_assert_eq!(run.outcome.report.counts.migrated, count as u64);
        prop_assert!(run.outcome.report.verification.unwrap().holds());
        let retried = run.notes.retries.lock().unwrap().iter().filter(|stage| **stage == "write").count();
        prop_assert_eq!(retried, if count == 0 { 0 } else { write_faults });
        let expected: BTreeMap<String, Record> = records("a", count).into_iter().map(|r| (r.0.clone(), r)).collect();
        prop_assert_eq!(&sink.0.lock().unwrap().records, &expected);
    }

    /// Whenever processes of a run die, however often: the last one leaves what one that never died leaves. The
    /// stores share documents, some records are refused by the destination and some collide, and splits are read side
    /// by side or not.
    #[test]
    fn a_run_that_dies_again_and_again_ends_as_one_that_never_did(
        count in 1usize..120,
        batch_rows in 1u32..16,
        writers in 1u32..4,
        flush_rows in 1u64..40,
        deaths in prop::collection::vec(0usize..60, 0..6),
        refused in prop::collection::btree_set(0usize..120, 0..4),
    ) {
        let stores = || {
            let mut more = records("a", count / 2);
            more.extend(records("b", count));
            let second = MemorySource::new(more).store("second", Vectors::Reuse, Some("{store}-{id}"));
            vec![MemorySource::new(records("a", count)).store("first", Vectors::Reuse, Some("{store}-{id}")), second]
        };
        let sink = || MemorySink::with(Destination {
            limits: Limits { max_concurrency: writers, ..Limits::default() },
            refused: refused.iter().map(|number| format!("a {number}")).collect(),
            ..Destination::default()
        });
        let options = Options { flush_rows, ..options(batch_rows) };
        let uninterrupted = sink();
        let never = go(stores(), Some(&uninterrupted), options.clone());
        prop_assert_eq!(&never.outcome.error, &None);

        let (destination, mut state) = (sink(), Kept::default());
        for death in deaths {
            destination.dies_after(death);
            state.dies_after(death);
            // Whatever it answers: it is dead.
            let _ = go_on(stores(), &destination, options.clone(), &mut state);
        }
        destination.lives();
        state.lives();
        let last = go_on(stores(), &destination, options, &mut state);
        prop_assert_eq!(&last.error, &None);
        prop_assert!(last.report.verification.as_ref().unwrap().holds(), "{:?}", last.report.verification);
        prop_assert_eq!(last.report.counts, never.outcome.report.counts);
        prop_assert_eq!(&last.report.changes, &never.outcome.report.changes);
        prop_assert_eq!(&destination.0.lock().unwrap().records, &uninterrupted.0.lock().unwrap().records);
        let mut letters = [&state.letters, &never.checkpoint.letters].map(|letters| {
            letters.iter().map(|letter| format!("{letter:?}")).collect::<Vec<_>>()
        });
        letters.iter_mut().for_each(|letters| letters.sort());
        prop_assert_eq!(&letters[0], &letters[1], "each letter is kept once");
    }
}

/// A process of a run that was begun before.
fn go_on(stores: Vec<StoreJob>, sink: &MemorySink, options: Options, state: &mut Kept) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let job = Job { stores, sink: SinkUse::Write(sink.factory()), embedder: None, options };
    runtime.block_on(run(job, Cancel::default(), Arc::new(Notes::default()), state))
}
