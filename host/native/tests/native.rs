/*! Native plugins, loaded as the program loads them. The plugins are this crate's examples, which `cargo test` builds. */
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::json;
use vecferry_contract::{
    Batch, Capability, Change, Collection, Dense, ErrorKind, IdOrigin, Metric, PrepareMode, Split, Target,
};
use vecferry_core::{Grants, Plugin, Source, SourceGrant};
use vecferry_native::load;

fn library(example: &str) -> PathBuf {
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let test = std::env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    let path = profile.join(format!("examples/{prefix}{example}{suffix}"));
    assert!(path.exists(), "{} is missing: run `cargo test -p vecferry-native`, which builds it", path.display());
    path
}

fn sample() -> Arc<dyn Plugin> {
    load(&library("native_sample")).unwrap()
}

/// A store: `a.rows` with five records, `other`, and a database with table t(a, b).
fn store() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("store");
    fs::create_dir(&root).unwrap();
    fs::write(home.path().join("outside"), "secret").unwrap();
    fs::write(root.join("a.rows"), "r0 0 0.5\nr1 1 1.5\nr2 2 2.5\nr3 3 3.5\nr4 4 4.5\n").unwrap();
    fs::write(root.join("other"), "0123456789").unwrap();
    home
}

fn with_database() -> tempfile::TempDir {
    let home = store();
    rusqlite::Connection::open(home.path().join("store/db"))
        .unwrap()
        .execute_batch("CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 'x'), (2, x'00ff'), (3, NULL), (4, 1.5);")
        .unwrap();
    home
}

fn over(home: &Path) -> Grants {
    let source = Some(SourceGrant { root: home.join("store"), files: None });
    Grants { source, sink: Some(vecferry_core::SinkGrant::folder(home.join("sink"))), ..Grants::default() }
}

fn source(home: &Path, what: &str) -> Box<dyn Source> {
    sample().source(over(home), json!({ "do": what })).unwrap()
}

fn target() -> Target {
    Target { collection: "docs".into(), dimension: Some(2), metric: Metric::Dot }
}

#[test]
fn a_plugin_says_what_it_is() {
    let plugin = sample();
    let spec = plugin.spec();
    assert_eq!((&*spec.name, &*spec.version, plugin.runtime()), ("sample", "1.2.3", "native"));
    assert!(plugin.is_source() && plugin.is_sink());
    assert_eq!(plugin.origin(), library("native_sample").display().to_string());
    assert_eq!(spec.schemes, ["sample"]);
    assert_eq!(spec.features, ["reads", "writes"]);
    let all = [Capability::SourceFiles, Capability::Sqlite, Capability::Http, Capability::SinkFiles];
    assert_eq!(spec.capabilities, all, "of both roles");
}

#[test]
fn what_is_no_plugin_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = home.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let real = fs::read(library("native_sample")).unwrap();
    // Any library that this very process has loaded will do.
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let libc = maps.split_whitespace().find(|word| word.starts_with('/') && word.contains("/libc.so")).unwrap();
    let cases = [
        ("text", file("text.so", b"hello"), ErrorKind::Config, "plugin/not-a-plugin"),
        ("empty", file("empty.so", b""), ErrorKind::Config, "plugin/not-a-plugin"),
        ("its header", file("header.so", &real[..64]), ErrorKind::Config, "plugin/not-a-plugin"),
        ("its first page", file("page.so", &real[..4096]), ErrorKind::Config, "plugin/not-a-plugin"),
        ("its first half", file("half.so", &real[..real.len() / 2]), ErrorKind::Config, "plugin/not-a-plugin"),
        ("a folder", home.path().to_owned(), ErrorKind::Config, "plugin/not-a-plugin"),
        ("a program", std::env::current_exe().unwrap(), ErrorKind::Config, "plugin/not-a-plugin"),
        ("the C library", PathBuf::from(libc), ErrorKind::Config, "plugin/not-a-plugin"),
        ("nothing", home.path().join("gone.so"), ErrorKind::NotFound, "plugin/not-found"),
        ("a bare name", PathBuf::from("libm.so.6"), ErrorKind::NotFound, "plugin/not-found"),
        ("another version", library("native_other_version"), ErrorKind::Config, "plugin/abi-version"),
        ("a small table", library("native_small_table"), ErrorKind::Config, "plugin/abi-version"),
        ("a missing function", library("native_missing_function"), ErrorKind::Config, "plugin/abi-version"),
    ];
    for (case, path, kind, code) in cases {
        let Err(error) = load(&path) else { panic!("{case} was loaded") };
        assert_eq!((error.kind, error.code.as_str()), (kind, code), "{case}: {error}");
        assert!(error.context("file").is_some(), "{case} is named");
        assert!(error.hint.is_some() || error.kind == ErrorKind::NotFound, "{case}: what to do is said");
    }
}

#[test]
fn a_source_is_read_through_the_border() {
    let home = store();
    let mut source = source(home.path(), "");
    let claims = source.detect().unwrap();
    assert_eq!((claims.len(), &*claims[0].name, claims[0].confidence), (1, "a.rows", 90));
    assert_eq!(
        source.discover().unwrap(),
        [Collection {
            name: "only".into(),
            rows: Some(5),
            dimension: Some(2),
            metric: Metric::Dot,
            has_documents: true,
            has_vectors: true,
            id_origin: IdOrigin::Store,
            lossy_vectors: true,
            aside: None,
            fingerprint: "f".into(),
            details: vec![],
        }]
    );
    let splits = source.plan("only", 3).unwrap();
    assert_eq!(splits, [Split { id: "only/3".into(), payload: vec![0, 255], rows: None }]);
    let mut ids = Vec::new();
    let mut cursor = None;
    // Anew after each page, as after a failure.
    loop {
        let mut scan = source.open(&splits[0], cursor.as_deref()).unwrap();
        let Some(page) = scan.next(2, 1 << 20).unwrap() else { break };
        assert_eq!(page.changes, [Change { code: "sample/change".into(), records: 3 }]);
        assert_eq!(page.unreadable[0].reason.context("id"), Some("u"));
        for row in 0..page.rows.len() {
            let number: f32 = page.rows.ids[row][1..].parse().unwrap();
            assert_eq!(page.rows.vectors().unwrap().row(row).unwrap(), [number, number + 0.5]);
            assert_eq!(page.rows.metadata(row), "{}");
            assert!(page.rows.document(row).unwrap().starts_with(&page.rows.ids[row]));
        }
        ids.extend(page.rows.ids);
        cursor = Some(page.cursor);
    }
    assert_eq!(ids, ["r0", "r1", "r2", "r3", "r4"]);
}

#[test]
fn a_sink_is_written_and_read_back_through_the_border() {
    let home = store();
    let mut sink = sample().sink(over(home.path()), json!({ "location": "sub/out.txt" })).unwrap();
    sink.check().unwrap();
    assert_eq!(sink.prepare(&target(), PrepareMode::MustExist).unwrap_err().kind, ErrorKind::NotFound);
    let limits = sink.prepare(&target(), PrepareMode::CreateIfMissing).unwrap();
    assert_eq!((limits.max_rows, limits.max_concurrency), (2, 1));
    let mut writer = sink.open(&target()).unwrap();
    let odd = [f32::NAN, f32::MIN_POSITIVE / 2.0, -0.0, f32::INFINITY];
    let mut dense = Dense::new(2, [&[1.0, 0.0, 0.0, 1.0, 0.0, 0.0], &odd[..]].concat());
    dense.absent = vec![2];
    let ids = ["a", "b", "none", "odd1", "odd2"].map(str::to_owned).to_vec();
    let receipt = writer.write(Batch { ids: ids.clone(), dense: vec![dense], ..Batch::default() }).unwrap();
    assert_eq!((receipt.accepted, receipt.rejected[0].row), (4, 2));
    assert_eq!(receipt.rejected[0].reason.code, "sample/no-vector");
    assert_eq!(writer.count().unwrap(), 4);
    let found = writer.fetch(&ids[3..]).unwrap();
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<u32>>();
    assert_eq!(bits(&found.dense[0].values), bits(&odd), "to the bit");
    let hits = writer.query(Dense::new(2, vec![0.0, 1.0]), 2).unwrap();
    assert_eq!((hits.len(), hits[0].len()), (1, 2));
    assert_eq!(writer.query(Dense::new(2, vec![]), 2).unwrap_err().code, "sample/query");
    writer.flush().unwrap();
    drop(writer);
    sink.finish().unwrap();
    let written = fs::read_to_string(home.path().join("sink/sub/out.txt")).unwrap();
    assert!(written.starts_with("a [1.0, 0.0]\nb [0.0, 1.0]\nodd1 [NaN, "), "{written}");
    assert!(home.path().join("sink/finished").exists());
}

#[test]
fn powers_work_through_the_border() {
    let home = with_database();
    let details = |what: &str| source(home.path(), what).discover().unwrap().remove(0).details;
    let files = details("files");
    assert_eq!(files[2], ("other".to_owned(), "0123456789".to_owned()));
    assert_eq!(files.len(), 3);
    let rows: Vec<String> = details("sqlite").into_iter().map(|(_, text)| text).collect();
    let expected =
        ["a,b", "[Integer(2), Blob([0, 255])]", "[Integer(3), Null]", "[Integer(4), Real(1.5)]"].map(str::to_owned);
    assert_eq!(rows, expected);
    let grants = over(home.path());
    grants.cancelled.store(true, Ordering::Relaxed);
    let mut cancelled = sample().source(grants, json!({ "do": "telemetry" })).unwrap();
    assert!(cancelled.discover().unwrap()[0].details.contains(&("cancelled".to_owned(), "true".to_owned())));
}

#[test]
fn powers_are_denied_through_the_border() {
    let home = with_database();
    for (case, role, what, grants, code) in [
        ("no store", "source", "files", Grants::default(), "capability/not-granted"),
        ("no host", "source", "http", over(home.path()), "capability/not-granted"),
        (
            "another host",
            "source",
            "http",
            Grants { http_hosts: vec!["a.example".into()], ..Grants::default() },
            "http/host",
        ),
        ("out of the store", "source", "outside", over(home.path()), "file/name"),
        ("writing SQL", "source", "sqlite-write", over(home.path()), "sqlite/denied"),
        ("the sink's power in the source", "source", "output", over(home.path()), "capability/not-requested"),
        ("the source's power in the sink", "sink", "files", over(home.path()), "capability/not-requested"),
        ("no destination", "sink", "output", Grants::default(), "capability/not-granted"),
    ] {
        let config = json!({ "do": what });
        let error = match role {
            "source" => sample().source(grants, config).unwrap().discover().map(drop).unwrap_err(),
            _ => sample().sink(grants, config).unwrap().check().unwrap_err(),
        };
        assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Denied, code), "{case}: {error}");
    }
}

#[test]
fn an_error_of_the_plugin_arrives_whole_and_harmless() {
    let home = store();
    let error = source(home.path(), "error").discover().unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Throttled, "sample/slow"));
    assert_eq!(error.message, "slow\\u{1b}[2J down");
    assert_eq!((error.hint.as_deref(), error.retry_after_ms), (Some("wait"), Some(1500)));
    assert_eq!(error.context, [("file".to_owned(), "f".to_owned())]);
}

#[test]
fn a_panic_becomes_an_error_and_the_host_goes_on() {
    let home = store();
    for (what, message) in [
        ("panic", "the plugin sample panicked: asked to, 1 times (at "),
        ("panic-with-a-number", "the plugin sample panicked: a panic without a message"),
    ] {
        let mut instance = source(home.path(), what);
        for _ in 0..3 {
            let error = instance.discover().unwrap_err();
            assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Internal, "plugin/panic"));
            assert!(error.message.starts_with(message), "{error}");
            assert_eq!((error.context("plugin"), error.context("call")), (Some("sample"), Some("discover")));
        }
        assert_eq!(instance.detect().unwrap().len(), 1, "the instance answers other calls");
    }
    let error = source(home.path(), "panic-in-plan").plan("docs", 1).unwrap_err();
    assert_eq!(
        (error.context("call"), error.context("collection")),
        (Some("plan"), Some("docs")),
        "the input is named"
    );
}

#[test]
fn a_panic_in_a_scan_ends_the_scan() {
    let home = store();
    let mut instance = source(home.path(), "panic-at-2");
    let split = Split { id: "s".into(), payload: vec![0, 255], rows: None };
    let mut scan = instance.open(&split, None).unwrap();
    assert_eq!(scan.next(1, 1).unwrap().unwrap().rows.ids, ["r0"]);
    let error = scan.next(1, 1).unwrap_err();
    assert_eq!((error.code.as_str(), error.context("split")), ("plugin/panic", Some("s")));
    assert_eq!(scan.next(1, 1).unwrap_err().code, "plugin/scan-over");
    drop(scan);
    let mut again = instance.open(&split, None).unwrap();
    assert_eq!(again.next(1, 1).unwrap().unwrap().rows.ids, ["r0"], "it can be opened anew");
}

#[test]
fn answers_that_break_the_contract_are_refused() {
    let home = store();
    let split = Split { id: "s".into(), payload: vec![0, 255], rows: None };
    for (what, code) in [("odd-shape", "batch/shape"), ("too-many", "plugin/page"), ("nothing", "plugin/page")] {
        let mut instance = source(home.path(), what);
        let error = instance.open(&split, None).unwrap().next(3, 1).unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Internal, code), "{what}: {error}");
    }
}

#[test]
fn a_host_that_was_kept_is_closed_with_its_instance() {
    let home = store();
    let mut keeps = source(home.path(), "keep");
    keeps.discover().unwrap();
    let mut uses = source(home.path(), "use-kept");
    uses.discover().unwrap();
    drop(keeps);
    let error = uses.discover().unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Internal, "host/closed"));
}

#[test]
fn handles_are_given_back() {
    let home = store();
    let mut instance = source(home.path(), "exhaust");
    for _ in 0..3 {
        assert_eq!(instance.discover().unwrap_err().code, "host/too-many-open");
        assert_eq!(instance.detect().unwrap().len(), 1);
    }
    let mut many = source(home.path(), "files");
    for _ in 0..300 {
        many.discover().unwrap();
    }
}

#[test]
fn instances_run_side_by_side_and_move_between_threads() {
    let home = store();
    let plugin = sample();
    let split = Split { id: "s".into(), payload: vec![0, 255], rows: None };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let mut instance = plugin.source(over(home.path()), json!({})).unwrap();
            let split = &split;
            scope.spawn(move || {
                for _ in 0..50 {
                    let mut scan = instance.open(split, None).unwrap();
                    assert_eq!(scan.next(10, 1).unwrap().unwrap().rows.len(), 5);
                    assert_eq!(scan.next(10, 1).unwrap(), None);
                }
            });
        }
    });
}
