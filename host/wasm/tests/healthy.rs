/*! A well-behaved guest: what it says arrives as it was said, in both directions. */

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::Instant;

use serde_json::json;
use support::{Store, batch, hostile, read, sink, source, split};
use vecferry_core::{Capability, Dense, Metric, Plugin, PrepareMode, Target};

#[test]
fn a_plugin_says_what_it_is() {
    let plugin = hostile();
    assert_eq!((plugin.spec().name.as_str(), plugin.runtime()), ("hostile", "wasm"));
    assert!(plugin.is_source() && plugin.is_sink());
    assert_eq!(plugin.spec().schemes, ["hostile"]);
    assert_eq!(plugin.spec().capabilities, [Capability::SourceFiles, Capability::Http, Capability::SinkFiles]);
    assert!(plugin.origin().ends_with("vecferry_guest_hostile.wasm"));
}

#[test]
fn records_arrive_as_they_were_sent() {
    let store = Store::new();
    let batches = read(&mut *source(&store, json!({ "rows": 7, "dimension": 3 })), 4).unwrap();
    assert_eq!(batches.iter().map(|batch| batch.len()).collect::<Vec<_>>(), [4, 3]);
    let last = &batches[1];
    assert_eq!(last.ids, ["4", "5", "6"]);
    assert_eq!(last.vectors().unwrap().row(2), Some(&[6.0, 6.0 + 1.0 / 1024.0, 6.0 + 2.0 / 1024.0][..]));
    assert_eq!((last.document(0), last.metadata(0)), (Some("document 4"), r#"{"row":4}"#));
}

#[test]
fn a_scan_continues_after_a_cursor_in_another_instance() {
    let store = Store::new();
    let mut first = source(&store, json!({ "rows": 9 }));
    let cursor = first.open(&split(), None).unwrap().next(4, 1 << 20).unwrap().unwrap().cursor;
    let mut second = source(&store, json!({ "rows": 9 }));
    let rest = second.open(&split(), Some(&cursor)).unwrap().next(100, 1 << 20).unwrap().unwrap();
    assert_eq!(rest.rows.ids, ["4", "5", "6", "7", "8"]);
}

#[test]
fn a_writer_writes_and_reads_back() {
    let target = Target { collection: "docs".into(), dimension: Some(2), metric: Metric::L2 };
    let folder = tempfile::tempdir().unwrap();
    let mut sink = sink(folder.path(), json!({ "location": "anywhere" }));
    sink.check().unwrap();
    assert_eq!(sink.prepare(&target, PrepareMode::MustBeEmpty).unwrap().max_concurrency, 1);
    let mut writer = sink.open(&target).unwrap();
    assert_eq!(writer.write(batch(5)).unwrap().accepted, 5);
    writer.flush().unwrap();
    assert_eq!(writer.count().unwrap(), 5);
    assert_eq!(writer.fetch(&["id-4".into(), "unknown".into(), "id-0".into()]).unwrap().ids, ["id-4", "id-0"]);
    let hits = writer.query(Dense::new(2, vec![0.0; 4]), 3).unwrap();
    assert_eq!(hits.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3]);
    drop(writer);
    sink.finish().unwrap();
}

/// Printed, not asserted: other work on the machine sets these figures as much as ours does.
#[test]
fn throughput() {
    const ROWS: u32 = 100_000;
    const DIMENSION: u32 = 384;
    let store = Store::new();
    let mut source = source(&store, json!({ "rows": ROWS, "dimension": DIMENSION }));
    let started = Instant::now();
    let rows: usize = read(&mut *source, 1000).unwrap().iter().map(|batch| batch.len()).sum();
    let took = started.elapsed();
    assert_eq!(rows, ROWS as usize);
    let bytes = f64::from(ROWS) * f64::from(DIMENSION) * 4.0;
    println!("{ROWS} records × {DIMENSION} out of a guest: {took:?}, {:.2} GB/s", bytes / took.as_secs_f64() / 1e9);
}
