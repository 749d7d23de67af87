/*! Guests that misbehave: each ends in an error that says who, where and why; the host and later runs go on. */

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use serde_json::json;
use support::{
    Store, assert_healthy_run, batch, cramped, deed, hasty, hostile, hostile_under, read, roomy, sink, source, split,
};
use vecferry_core::{Error, ErrorKind, Grants, Metric, Plugin, PrepareMode, Result, Source, Target};
use vecferry_wasm::Options;

/// Calls `call` on a source, with what must come before it.
fn call(source: &mut dyn Source, call: &str) -> Result<()> {
    match call {
        "detect" => source.detect().map(drop),
        "discover" => source.discover().map(drop),
        "plan" => source.plan("all", 1).map(drop),
        "open" => source.open(&split(), None).map(drop),
        "next" => read(source, 10).map(drop),
        other => panic!("no call is named {other}"),
    }
}

fn assert_fault(case: &str, error: &Error, code: &str, says: &str) {
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Internal, code), "{case}: {error:?}");
    assert!(error.message.contains(says), "{case}: '{}' does not say '{says}'", error.message);
    assert!(error.message.contains("the plugin hostile"), "{case}: {}", error.message);
    assert_eq!(error.context("plugin"), Some("hostile"), "{case}");
    assert!(error.hint.is_some(), "{case}");
}

#[test]
fn every_fault_of_a_source_is_an_error_and_the_next_call_has_a_fresh_instance() {
    let cases: [(_, _, fn() -> Options, _, _); 11] = [
        ("discover", "spin", hasty, "plugin/deadline", "computed for more than 1s"),
        ("next", "spin", hasty, "plugin/deadline", "computed for more than 1s"),
        ("discover", "busy-host", hasty, "plugin/deadline", "kept the host busy for more than 1s"),
        ("plan", "allocate", cramped, "plugin/memory", "more memory than the 48 MiB"),
        ("next", "allocate", cramped, "plugin/memory", "more memory than the 48 MiB"),
        ("next", "too-much", roomy, "plugin/memory", "moved more than 256 MiB to the host"),
        (
            "discover",
            "panic",
            roomy,
            "plugin/trap",
            "panicked: the shelf is on fire (tests/guests/hostile/src/deeds.rs:",
        ),
        ("open", "panic", roomy, "plugin/trap", "panicked: the shelf is on fire"),
        ("next", "index", roomy, "plugin/trap", "panicked: index out of bounds: the len is 0 but the index is 7"),
        ("plan", "recurse", roomy, "plugin/trap", "stack"),
        ("discover", "abort", roomy, "plugin/trap", "unreachable"),
    ];
    for (name, what, limits, code, says) in cases {
        let case = format!("{what} in {name}");
        let store = Store::new();
        let mut source = hostile_under(limits()).source(store.grants(), deed(name, what)).unwrap();
        let error = call(&mut *source, name).expect_err(&case);
        assert_fault(&case, &error, code, says);
        assert_eq!(error.context("call"), Some(name), "{case}");
        assert_eq!(error.context("input"), store.folder.path().to_str(), "{case}");
        let place = if matches!(name, "open" | "next") { Some("0") } else { None };
        assert_eq!(error.context("split"), place, "{case}");

        let healthy_call = if name == "discover" { "plan" } else { "discover" };
        call(&mut *source, healthy_call).unwrap_or_else(|e| panic!("{case}, then {healthy_call}: {e:?}"));
        assert_healthy_run();
    }
}

#[test]
fn a_fault_in_detect_names_the_store() {
    let store = Store::new();
    std::fs::write(store.folder.path().join("do-panic"), "").unwrap();
    let error = source(&store, json!({})).detect().expect_err("a panic");
    assert_fault("detect", &error, "plugin/trap", "panicked: the shelf is on fire");
    assert_eq!(error.context("input"), store.folder.path().to_str());
}

#[test]
fn malformed_pages_are_refused() {
    let cases = [
        ("short-vectors", "batch/shape", "vector values"),
        ("vast-dimension", "batch/shape", "vector values"),
        ("absent-unordered", "batch/shape", "absent"),
        ("absent-beyond", "batch/shape", "absent"),
        ("short-documents", "batch/shape", "documents"),
        ("long-metadata", "batch/shape", "metadata rows"),
        ("sparse-offsets", "batch/shape", "sparse"),
        ("too-many-rows", "plugin/page", "holds 11 rows where at most 10"),
        ("empty-page", "plugin/page", "neither a row nor"),
    ];
    for (what, code, says) in cases {
        let store = Store::new();
        let mut source = source(&store, deed("next", what));
        let error = read(&mut *source, 10).expect_err(what);
        assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Internal, code), "{what}: {error:?}");
        assert!(error.message.contains(says), "{what}: {}", error.message);
    }
    assert_healthy_run();
}

#[test]
fn after_an_error_a_scan_is_over_and_the_source_is_not() {
    let store = Store::new();
    let mut source = source(&store, deed("next", "panic"));
    let mut scan = source.open(&split(), None).unwrap();
    assert_eq!(scan.next(10, 1 << 20).expect_err("a panic").code, "plugin/trap");
    assert_eq!(scan.next(10, 1 << 20).expect_err("over").code, "plugin/scan-over");
    drop(scan);
    assert_eq!(source.discover().unwrap().len(), 1);
}

#[test]
fn texts_of_a_guest_are_bounded_and_harmless() {
    let store = Store::new();
    let huge = source(&store, deed("discover", "huge-error")).discover().expect_err("an error");
    assert_eq!((huge.kind, huge.code.as_str()), (ErrorKind::Corrupt, "hostile/huge"));
    assert!(huge.message.len() < 9000, "{} bytes", huge.message.len());

    let escape = source(&store, deed("discover", "escape")).discover().expect_err("an error");
    assert_eq!(escape.message, "clear\\u{1b}[2J the\\rscreen");
    assert_eq!(escape.context("id"), Some("\\u{7}"));
}

#[test]
fn a_guest_may_take_the_memory_cap_as_an_error() {
    let store = Store::new();
    let deed = deed("discover", "allocate-politely");
    let mut source = hostile_under(cramped()).source(store.grants(), deed).unwrap();
    let error = source.discover().expect_err("no memory");
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Unsupported, "hostile/no-memory"));
}

#[test]
fn a_guest_cannot_use_up_the_hosts_handles() {
    let store = Store::new();
    let error = source(&store, deed("discover", "hoard-files")).discover().expect_err("too many");
    assert_eq!(error.code, "host/too-many-open");
    // Handles that were given back are free again.
    assert_eq!(source(&store, deed("discover", "use-many-files")).discover().unwrap().len(), 1);
}

#[test]
fn a_guest_that_floods_the_log_is_not_listened_to_and_goes_on() {
    let store = Store::new();
    assert_eq!(source(&store, deed("discover", "flood-log")).discover().unwrap().len(), 1);
}

#[test]
fn every_fault_of_a_sink_is_an_error_and_the_next_call_has_a_fresh_instance() {
    let target = Target { collection: "docs".into(), dimension: Some(2), metric: Metric::Cosine };
    let cases: [(_, _, fn() -> Options, _, _); 10] = [
        ("check", "panic", roomy, "plugin/trap", "panicked"),
        ("prepare", "allocate", cramped, "plugin/memory", "memory"),
        ("open", "panic", roomy, "plugin/trap", "panicked"),
        ("write", "spin", hasty, "plugin/deadline", "computed for more than"),
        ("write", "panic", roomy, "plugin/trap", "panicked"),
        ("flush", "abort", roomy, "plugin/trap", "unreachable"),
        ("count", "recurse", roomy, "plugin/trap", "stack"),
        ("fetch", "panic", roomy, "plugin/trap", "panicked"),
        ("query", "panic", roomy, "plugin/trap", "panicked"),
        ("finish", "panic", roomy, "plugin/trap", "panicked"),
    ];
    for (name, what, limits, code, says) in cases {
        let case = format!("{what} in {name}");
        let folder = tempfile::tempdir().unwrap();
        let grants = Grants { sink: Some(vecferry_core::SinkGrant::folder(folder.path())), ..Grants::default() };
        let mut sink = hostile_under(limits()).sink(grants, deed(name, what)).unwrap();
        let error = match name {
            "check" => sink.check(),
            "prepare" => sink.prepare(&target, PrepareMode::CreateIfMissing).map(drop),
            "open" => sink.open(&target).map(drop),
            "finish" => sink.finish(),
            _ => {
                let mut writer = sink.open(&target).unwrap();
                let first = match name {
                    "write" => writer.write(batch(3)).map(drop),
                    "flush" => writer.flush(),
                    "count" => writer.count().map(drop),
                    "fetch" => writer.fetch(&["id-1".into()]).map(drop),
                    _ => writer.query(batch(1).dense.remove(0), 3).map(drop),
                };
                assert_eq!(writer.count().expect_err(&case).code, "plugin/writer-over", "{case}");
                first
            }
        };
        let error = error.expect_err(&case);
        assert_fault(&case, &error, code, says);
        assert_eq!(error.context("call"), Some(name), "{case}");
        if name == "check" {
            sink.finish().unwrap_or_else(|e| panic!("{case}, then finish: {e:?}"));
        } else {
            sink.check().unwrap_or_else(|e| panic!("{case}, then check: {e:?}"));
        }
    }
}

#[test]
fn a_sinks_own_errors_leave_its_writer_usable() {
    let target = Target { collection: "docs".into(), dimension: Some(2), metric: Metric::Cosine };
    let folder = tempfile::tempdir().unwrap();
    let mut sink = sink(folder.path(), deed("write", "throttle"));
    let mut writer = sink.open(&target).unwrap();
    assert_eq!(writer.write(batch(3)).expect_err("throttled").kind, ErrorKind::Throttled);
    assert_eq!(writer.count().unwrap(), 0);
}

#[test]
fn a_malformed_fetch_is_refused() {
    let target = Target { collection: "docs".into(), dimension: Some(2), metric: Metric::Cosine };
    let folder = tempfile::tempdir().unwrap();
    let mut sink = sink(folder.path(), deed("fetch", "short-metadata"));
    let mut writer = sink.open(&target).unwrap();
    assert_eq!(writer.fetch(&["a".into()]).expect_err("malformed").code, "batch/shape");
}

#[test]
fn instances_share_nothing_and_a_spinning_one_does_not_hold_up_another() {
    let store = Store::new();
    let limits = Options { call_deadline: std::time::Duration::from_secs(4), ..roomy() };
    let spinning = hostile_under(limits);
    hostile();
    let thread = std::thread::spawn({
        let grants = store.grants();
        move || spinning.source(grants, deed("discover", "spin")).unwrap().discover()
    });
    assert_healthy_run();
    assert!(!thread.is_finished(), "the healthy run had to wait for the other's deadline");
    let error = thread.join().expect("the host goes on").expect_err("a deadline");
    assert_eq!(error.code, "plugin/deadline");
}
