//! What goes wrong on the way: nothing is lost, nothing is there twice, and every error is of the kind that makes the
//! host do the right thing.

use vecferry_pinecone_local::{Fault, Operation, Rule, Schedule, Visibility, When};
use vecferry_sdk::{Batch, Error, ErrorKind, Metric, Receipt, Result, Writer};

use crate::common::{Place, records, target};

/// Tries again what may be tried again, as the host does, but without waiting. Returns the errors on the way.
fn persist<T>(mut call: impl FnMut() -> Result<T>) -> (Result<T>, Vec<Error>) {
    let mut errors: Vec<Error> = Vec::new();
    loop {
        match call() {
            Err(error) if error.kind.is_retryable() && errors.len() < 50 => errors.push(error),
            last => return (last, errors),
        }
    }
}

fn write(writer: &mut dyn Writer, batch: &Batch) -> (Result<Receipt>, Vec<Error>) {
    persist(|| writer.write(batch))
}

fn rule(on: Operation, when: When, fault: Fault) -> Schedule {
    Schedule { rules: vec![Rule { on: vec![on], when, fault }], ..Schedule::default() }
}

#[test]
fn after_every_fault_that_passes_everything_is_there_once() {
    let upsert = Operation::Upsert;
    let cases: Vec<(&str, Schedule, ErrorKind, Option<u64>)> = vec![
        (
            "429 with a wait",
            rule(upsert, When::First(3), Fault::Throttle { retry_after: Some("2".into()) }),
            ErrorKind::Throttled,
            Some(2_000),
        ),
        (
            "429 with a fraction",
            rule(upsert, When::First(3), Fault::Throttle { retry_after: Some("0.25".into()) }),
            ErrorKind::Throttled,
            Some(250),
        ),
        (
            "429 with a date",
            rule(upsert, When::First(1), Fault::Throttle { retry_after: Some("Wed, 21 Oct 2026 07:28:00 GMT".into()) }),
            ErrorKind::Throttled,
            None,
        ),
        ("429 alone", rule(upsert, When::Every(2), Fault::Throttle { retry_after: None }), ErrorKind::Throttled, None),
        ("500", rule(upsert, When::Every(2), Fault::Status { code: 500, applied: false }), ErrorKind::Transient, None),
        (
            "503, and it was done",
            rule(upsert, When::Every(2), Fault::Status { code: 503, applied: true }),
            ErrorKind::Transient,
            None,
        ),
        ("a reset before", rule(upsert, When::Every(2), Fault::Reset { applied: false }), ErrorKind::Transient, None),
        (
            "a reset in the middle of the answer",
            rule(upsert, When::Every(2), Fault::Reset { applied: true }),
            ErrorKind::Transient,
            None,
        ),
    ];
    for (name, schedule, kind, wait) in cases {
        let place = Place::new();
        let mut writer = place.writer(&place.config("docs"), &target("ns", 8, Metric::Cosine));
        place.server.faults().set(schedule);
        for from in (0..60).step_by(20) {
            let (answer, errors) = write(&mut *writer, &records(from, from + 20, 8));
            assert_eq!(answer.unwrap().accepted, 20, "{name}");
            for error in errors {
                assert_eq!((error.kind, error.retry_after_ms), (kind, wait), "{name}: {error}");
            }
        }
        assert!(place.server.faults().struck() > 0, "{name}: nothing went wrong");
        let stored = place.server.records("docs", "ns").unwrap();
        let want = records(0, 60, 8);
        assert_eq!(stored.iter().map(|record| &record.id).collect::<Vec<_>>(), want.ids.iter().collect::<Vec<_>>());
        for (row, record) in stored.iter().enumerate() {
            assert_eq!(record.values, want.vectors().unwrap().row(row).unwrap(), "{name}");
        }
    }
}

#[test]
fn reads_that_fail_can_be_tried_again() {
    let place = Place::new();
    let mut writer = place.writer(&place.config("docs"), &target("ns", 2, Metric::Cosine));
    writer.write(&records(0, 30, 2)).unwrap();
    let ids = records(0, 30, 2).ids;
    for on in [Operation::Fetch, Operation::List, Operation::Stats, Operation::Query] {
        let faults = [
            Fault::Throttle { retry_after: Some("1".into()) },
            Fault::Status { code: 500, applied: false },
            Fault::Reset { applied: true },
            Fault::Reset { applied: false },
        ];
        let rules =
            (1..).zip(faults).map(|(number, fault)| Rule { on: vec![on], when: When::Nth(vec![number]), fault });
        place.server.faults().set(Schedule { rules: rules.collect(), ..Schedule::default() });
        let errors = match on {
            Operation::Fetch => {
                let (answer, errors) = persist(|| writer.fetch(&ids));
                assert_eq!(answer.unwrap().len(), 30);
                errors
            }
            Operation::List => {
                let (answer, errors) = persist(|| writer.list(None, 1_000));
                assert_eq!(answer.unwrap().unwrap().ids.len(), 30);
                errors
            }
            Operation::Stats => {
                let (answer, errors) = persist(|| writer.count());
                assert_eq!(answer.unwrap(), 30);
                errors
            }
            _ => {
                let (answer, errors) = persist(|| writer.query(&vecferry_sdk::Dense::new(2, vec![1.0, 0.5]), 5));
                assert_eq!(answer.unwrap()[0].len(), 5);
                errors
            }
        };
        assert_eq!(errors.len(), 4, "{on:?}: {errors:?}");
    }
}

#[test]
fn what_is_too_large_is_halved_down_to_the_record_at_fault() {
    for is_400 in [false, true] {
        let place = Place::new();
        let mut writer = place.writer(&place.config("docs"), &target("ns", 4, Metric::Cosine));
        let schedule = Schedule { max_body_bytes: Some(3_000), too_large_is_400: is_400, ..Schedule::default() };
        place.server.faults().set(schedule);
        let mut batch = records(0, 100, 4);
        batch.documents.as_mut().unwrap()[37] = Some("x".repeat(5_000));
        let receipt = writer.write(&batch).unwrap();
        assert_eq!((receipt.accepted, receipt.rejected.len()), (99, 1), "{is_400}");
        let rejection = &receipt.rejected[0];
        assert_eq!((rejection.row, rejection.reason.context("id")), (37, Some("doc-00037")), "{is_400}");
        // In the service's words.
        assert!(rejection.reason.message.contains(if is_400 { "400" } else { "413" }), "{}", rejection.reason);
        let stored = place.server.records("docs", "ns").unwrap();
        assert_eq!(stored.len(), 99);
        assert!(stored.iter().all(|record| record.id != "doc-00037"));
    }
}

#[test]
fn a_batch_of_many_requests_gets_ahead_while_every_other_one_fails() {
    let place = Place::new();
    let mut writer = place.writer(&place.config("docs"), &target("ns", 4, Metric::Cosine));
    let rules = rule(Operation::Upsert, When::Every(2), Fault::Status { code: 500, applied: false });
    place.server.faults().set(Schedule { max_body_bytes: Some(9_000), ..rules });
    let mut batch = records(0, 300, 4);
    batch.documents.as_mut().unwrap()[37] = Some("x".repeat(12_000));
    let (answer, errors) = write(&mut *writer, &batch);
    let receipt = answer.unwrap();
    assert_eq!((receipt.accepted, receipt.rejected.len(), receipt.rejected[0].row), (299, 1, 37));
    assert!(errors.len() > 10, "{} errors", errors.len());
    assert_eq!(place.server.records("docs", "ns").unwrap().len(), 299);
    // The next batch starts anew, also one of the same ids.
    place.server.faults().clear();
    batch.documents.as_mut().unwrap()[37] = None;
    assert_eq!(writer.write(&batch).unwrap().accepted, 300);
    assert_eq!(place.server.records("docs", "ns").unwrap().len(), 300);
}

#[test]
fn what_no_wait_mends_ends_the_run() {
    let cases: Vec<(&str, Schedule, ErrorKind, &str)> = vec![
        ("a quota", Schedule { quota_records: Some(10), ..Schedule::default() }, ErrorKind::Denied, "pinecone/quota"),
        (
            "a key that was taken back",
            rule(Operation::Upsert, When::Always, Fault::Status { code: 401, applied: false }),
            ErrorKind::Auth,
            "pinecone/key",
        ),
        (
            "an index that is gone",
            rule(Operation::Upsert, When::Always, Fault::Status { code: 404, applied: false }),
            ErrorKind::NotFound,
            "pinecone/not-found",
        ),
    ];
    for (name, schedule, kind, code) in cases {
        let place = Place::new();
        let mut writer = place.writer(&place.config("docs"), &target("ns", 4, Metric::Cosine));
        place.server.faults().set(schedule);
        let error = writer.write(&records(0, 20, 4)).unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (kind, code), "{name}: {error}");
        assert!(error.hint.is_some(), "{name}");
        assert_eq!(place.server.log().of(Operation::Upsert).requests, 1, "{name}: asked again in vain");
    }
}

#[test]
fn an_index_that_takes_no_record_at_all_ends_the_run() {
    let place = Place::new();
    let mut writer = place.writer(&place.config("docs"), &target("ns", 4, Metric::Cosine));
    let refused = Fault::Status { code: 400, applied: false };
    place.server.faults().set(rule(Operation::Upsert, When::Always, refused.clone()));
    let receipt = writer.write(&records(0, 10, 4)).unwrap();
    assert_eq!((receipt.accepted, receipt.rejected.len()), (0, 10), "few may be a coincidence");
    let error = writer.write(&records(10, 500, 4)).unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Config, "pinecone/refused"));
    assert!(place.server.log().of(Operation::Upsert).requests < 60);

    // Once it took one, each is judged alone.
    place.server.faults().clear();
    writer.write(&records(0, 1, 4)).unwrap();
    place.server.faults().set(rule(Operation::Upsert, When::Always, refused));
    assert_eq!(writer.write(&records(10, 60, 4)).unwrap().rejected.len(), 50);
}

#[test]
fn settle_waits_until_reads_see_what_was_written() {
    let place = Place::new();
    let mut writer = place.writer(&place.config("docs"), &target("ns", 4, Metric::Cosine));
    writer.settle().unwrap();
    place.server.faults().set(Schedule { visibility: Visibility { polls: 5, ms: 0 }, ..Schedule::default() });
    for from in (0..40).step_by(10) {
        writer.write(&records(from, from + 10, 4)).unwrap();
    }
    writer.flush().unwrap();
    assert_eq!(writer.fetch(&["doc-00039".into()]).unwrap().len(), 0, "nothing to wait for");
    let (answer, errors) = persist(|| writer.settle());
    answer.unwrap();
    assert!(!errors.is_empty());
    for error in errors {
        assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Transient, "pinecone/not-indexed-yet"));
        assert!(error.retry_after_ms.is_some_and(|wait| wait > 0));
    }
    assert_eq!(writer.count().unwrap(), 40);
    assert_eq!(writer.fetch(&records(0, 40, 4).ids).unwrap().len(), 40);
}
