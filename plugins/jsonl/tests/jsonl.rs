//! The sink `jsonl`: what every sink must do, the text of its lines, and what happens when things go wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;

use serde_json::json;
use tempfile::TempDir;
use vecferry_plugin_jsonl::Jsonl;
use vecferry_sdk::testing::folder_host;
use vecferry_sdk::testing::sink_conformance::{InProcess, Promises, run};
use vecferry_sdk::{
    Alteration, Batch, Config, Database, Dense, Entry, Error, ErrorKind, File, Host, HostPowers, Level, Metric, Output,
    PrepareMode, Request, Response, Result, SinkPlugin, Sparse, Target, Writer,
};

#[test]
fn does_what_every_sink_must() {
    let folder = TempDir::new().unwrap();
    let promises = Promises { reopens: false, every_column: false, without_vectors: true, max_dimension: u32::MAX };
    let (ran, failures) = run(promises, &|name| {
        Box::new(InProcess::<Jsonl>::new(folder_host(folder.path()), json!({"location": format!("{name}.jsonl")})))
    });
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(ran >= 19, "{ran} cases");
}

fn target(dimension: Option<u32>) -> Target {
    Target { collection: "docs".into(), dimension, metric: Metric::Cosine }
}

fn config() -> Config {
    json!({"location": "/some/where/out.jsonl"})
}

fn one(id: &str, vector: &[f32], document: Option<&str>, metadata: &str) -> Batch {
    Batch {
        ids: vec![id.into()],
        dense: vec![Dense::new(u32::try_from(vector.len()).unwrap(), vector.to_vec())],
        sparse: vec![],
        documents: Some(vec![document.map(str::to_owned)]),
        metadata: Some(vec![metadata.into()]),
    }
}

fn begin(host: &Host, target: &Target) -> Box<dyn Writer> {
    Jsonl::check(host, &config()).unwrap();
    Jsonl::prepare(host, &config(), target, PrepareMode::CreateIfMissing).unwrap();
    Jsonl::open(host, &config(), target).unwrap()
}

fn finished(host: &Host, folder: &Path) -> String {
    Jsonl::finish(host, &config()).unwrap();
    std::fs::read_to_string(folder.join("out.jsonl")).unwrap()
}

#[test]
fn lines_read_as_promised() {
    let deep = format!("{}{}", r#"{"a":"#.repeat(50_000), "1".to_owned() + &"}".repeat(50_000));
    let deep_line = format!(r#"{{"id":"i","collection":"docs","document":null,"metadata":{deep},"vector":[1.0]}}"#);
    let cases: &[(&str, Batch, &str)] = &[
        (
            "keys in their order",
            one("i", &[0.5, -2.0], Some("text"), r#"{"k":"v"}"#),
            r#"{"id":"i","collection":"docs","document":"text","metadata":{"k":"v"},"vector":[0.5,-2.0]}"#,
        ),
        (
            "nothing but an id",
            Batch { ids: vec!["i".into()], ..Batch::default() },
            r#"{"id":"i","collection":"docs","document":null,"metadata":{},"vector":null}"#,
        ),
        (
            "numbers keep their text",
            one(
                "i",
                &[1.0],
                None,
                r#"{"big":123456789012345678901234567890,"f":0.10000000000000000001,"e":1E+5,"z":-0}"#,
            ),
            r#"{"id":"i","collection":"docs","document":null,"metadata":{"big":123456789012345678901234567890,"f":0.10000000000000000001,"e":1E+5,"z":-0},"vector":[1.0]}"#,
        ),
        (
            "metadata over several lines becomes one",
            one("i", &[1.0], None, "\n{\"a\":\r\n  [1,\n2]}\n"),
            r#"{"id":"i","collection":"docs","document":null,"metadata":{"a":    [1, 2]},"vector":[1.0]}"#,
        ),
        (
            "strings are escaped, not changed",
            one("\"\\\n", &[1.0], Some("\u{0}\u{7f}\u{2028}ü🚢"), r#"{"lone":"\ud800"}"#),
            "{\"id\":\"\\\"\\\\\\n\",\"collection\":\"docs\",\"document\":\"\\u0000\u{7f}\u{2028}ü🚢\",\"metadata\":{\"lone\":\"\\ud800\"},\"vector\":[1.0]}",
        ),
        (
            "floats in their shortest text",
            one("i", &[0.1, 16_777_216.0, 1e-7, 1.5e-45, f32::MAX, -0.0], None, "{}"),
            r#"{"id":"i","collection":"docs","document":null,"metadata":{},"vector":[0.1,16777216.0,1e-7,1e-45,3.4028235e+38,-0.0]}"#,
        ),
        ("metadata as deep as it likes", one("i", &[1.0], None, &deep), &deep_line),
    ];
    for (name, batch, want) in cases {
        let folder = TempDir::new().unwrap();
        let host = folder_host(folder.path());
        let dimension = batch.vectors().map(|dense| dense.dimension);
        let receipt = begin(&host, &target(dimension)).write(batch).unwrap();
        assert!(receipt.rejected.is_empty() && receipt.altered.is_empty(), "{name}: {receipt:?}");
        assert_eq!(finished(&host, folder.path()), format!("{want}\n"), "{name}");
        // `prepare` begins the next case's file anew.
    }
}

#[test]
fn every_float_survives_its_text() {
    // Bit patterns all over the range, among them subnormals and neighbours of powers of two.
    let patterns = (0..=u32::MAX)
        .step_by(65_521)
        .chain((0..255).flat_map(|e| [(e << 23) - (e != 0) as u32, e << 23, (e << 23) + 1]));
    let values: Vec<f32> = patterns.map(f32::from_bits).filter(|value| value.is_finite()).collect();
    let folder = TempDir::new().unwrap();
    let host = folder_host(folder.path());
    let dimension = u32::try_from(values.len()).unwrap();
    let mut writer = begin(&host, &target(Some(dimension)));
    writer.write(&one("i", &values, None, "{}")).unwrap();
    let back = writer.fetch(&["i".into()]).unwrap();
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    assert!(bits(back.vectors().unwrap().row(0).unwrap()) == bits(&values));

    let text = finished(&host, folder.path());
    let list = text.split_once("\"vector\":[").unwrap().1.trim_end_matches("]}\n");
    for (text, value) in list.split(',').zip(&values) {
        let digits = |text: &str| {
            let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
            let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
            digits.trim_matches('0').to_owned()
        };
        // Of two texts of one length that both read back, either may be chosen.
        let (have, want) = (digits(text), digits(&format!("{value:e}")));
        assert_eq!(have.len(), want.len(), "{text} is not the shortest text of {value:e}");
    }
}

#[test]
fn what_does_not_fit_is_counted() {
    let folder = TempDir::new().unwrap();
    let host = folder_host(folder.path());
    let mut writer = begin(&host, &target(Some(2)));
    let batch = Batch {
        ids: vec!["a".into(), "b".into(), "c".into()],
        dense: vec![
            Dense::new(2, vec![f32::NAN, 1.0, f32::INFINITY, f32::NEG_INFINITY, 1.0, 2.0]),
            Dense { name: "title".into(), absent: vec![0, 1], ..Dense::new(1, vec![0.0, 0.0, 1.0]) },
        ],
        sparse: vec![Sparse {
            name: "bm25".into(),
            offsets: vec![0, 0, 2, 3],
            indices: vec![1, 2, 3],
            values: vec![1.0; 3],
        }],
        ..Batch::default()
    };
    let receipt = writer.write(&batch).unwrap();
    let altered = |row, field: &str, code: &str| Alteration { row, field: field.into(), code: code.into() };
    let want = [
        altered(0, "vector", "vector/non-finite-to-null"),
        altered(1, "vector", "vector/non-finite-to-null"),
        altered(1, "sparse", "vector/sparse-left-out"),
        altered(2, "vector", "vector/further-column-left-out"),
        altered(2, "sparse", "vector/sparse-left-out"),
    ];
    assert_eq!((receipt.accepted, &receipt.altered), (3, &want.to_vec()));
    let config = serde_json::json!({"location": "out.jsonl"});
    let rehearsed = Jsonl::rehearse(&config, &target(Some(2)), &batch).unwrap();
    assert_eq!(rehearsed, receipt, "a rehearsal answers as the write does");
    let hits = writer.query(&Dense::new(2, vec![1.0, 2.0]), 3).unwrap();
    assert_eq!(hits[0][0].id, "c", "vectors with a gap are far from everything");
    let text = finished(&host, folder.path());
    assert!(text.contains("\"vector\":[null,1.0]") && text.contains("\"vector\":[null,null]"), "{text}");
}

#[test]
fn an_interrupted_run_goes_on_behind_the_last_whole_line() {
    let wanted = {
        let folder = TempDir::new().unwrap();
        let host = folder_host(folder.path());
        let mut writer = begin(&host, &target(Some(1)));
        for id in ["a", "b", "c"] {
            writer.write(&one(id, &[1.0], Some(id), "{}")).unwrap();
        }
        finished(&host, folder.path())
    };
    // Every way of being cut off: between lines, within one, and with a gap that a torn write left.
    let cuts = (0..=wanted.len()).map(|end| wanted.as_bytes()[..end].to_vec());
    let torn = (1..wanted.len()).map(|end| [&wanted.as_bytes()[..end - 1], b"\0\0\0\0\n{}\n"].concat());
    for left in cuts.chain(torn) {
        let folder = TempDir::new().unwrap();
        let host = folder_host(folder.path());
        std::fs::write(folder.path().join("out.jsonl.unfinished"), &left).unwrap();
        let config = json!({"location": "out.jsonl", "resume": true});
        Jsonl::prepare(&host, &config, &target(Some(1)), PrepareMode::CreateIfMissing).unwrap();
        let mut writer = Jsonl::open(&host, &config, &target(Some(1))).unwrap();
        let whole = left
            .split_inclusive(|&byte| byte == b'\n')
            .filter(|line| wanted.contains(&*String::from_utf8_lossy(line)) && line.ends_with(b"\n"))
            .count();
        assert_eq!(writer.count().unwrap(), whole as u64, "{:?}", String::from_utf8_lossy(&left));
        for id in ["a", "b", "c"] {
            writer.write(&one(id, &[1.0], Some(id), "{}")).unwrap();
        }
        Jsonl::finish(&host, &config).unwrap();
        assert_eq!(std::fs::read_to_string(folder.path().join("out.jsonl")).unwrap(), wanted);
    }
}

#[test]
fn a_finished_file_is_read_and_not_written() {
    let folder = TempDir::new().unwrap();
    let host = folder_host(folder.path());
    let missing = Jsonl::prepare(&host, &config(), &target(Some(1)), PrepareMode::MustExist).unwrap_err();
    assert_eq!(missing.code, "jsonl/not-there");
    let text = {
        let mut writer = begin(&host, &target(Some(1)));
        writer.write(&one("i", &[1.0], Some("text"), "{}")).unwrap();
        finished(&host, folder.path())
    };
    // A second process, which was told to go on, finds it finished.
    let config = json!({"location": "out.jsonl", "resume": true});
    let again = std::thread::scope(|scope| {
        let process = || {
            let host = folder_host(folder.path());
            Jsonl::prepare(&host, &config, &target(Some(1)), PrepareMode::CreateIfMissing).unwrap();
            let mut writer = Jsonl::open(&host, &config, &target(Some(1))).unwrap();
            writer.write(&one("i", &[1.0], Some("text"), "{}")).unwrap();
            writer.flush().unwrap();
            let new = writer.write(&one("j", &[1.0], Some("text"), "{}")).unwrap_err().code;
            Jsonl::finish(&host, &config).unwrap();
            new
        };
        scope.spawn(process).join().unwrap()
    });
    assert_eq!(again, "file/committed");
    assert_eq!(std::fs::read_to_string(folder.path().join("out.jsonl")).unwrap(), text);
}

#[test]
fn the_file_appears_whole_at_the_end_and_in_place_of_another() {
    let folder = TempDir::new().unwrap();
    let host = folder_host(folder.path());
    std::fs::write(folder.path().join("out.jsonl"), "old").unwrap();
    let mut writer = begin(&host, &target(Some(1)));
    writer.write(&one("i", &[1.0], None, "{}")).unwrap();
    writer.flush().unwrap();
    assert_eq!(std::fs::read(folder.path().join("out.jsonl")).unwrap(), b"old");
    let text = finished(&host, folder.path());
    assert_eq!(finished(&host, folder.path()), text, "finishing again changes nothing");
    assert_eq!(writer.write(&one("j", &[1.0], None, "{}")).unwrap_err().kind, ErrorKind::Unsupported);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
}

#[test]
fn a_run_that_wrote_nothing_leaves_an_empty_file() {
    for (name, prepare) in [("a target without records", true), ("a store without collections", false)] {
        let folder = TempDir::new().unwrap();
        let host = folder_host(folder.path());
        // A thread is an instance of its own here.
        std::thread::scope(|scope| {
            let path = folder.path();
            scope.spawn(move || {
                let host = folder_host(path);
                if prepare {
                    begin(&host, &target(None));
                }
                assert_eq!(finished(&host, path), "", "{name}");
            });
        });
        drop(host);
    }
}

#[test]
fn a_replaced_record_stands_once_and_in_its_last_form() {
    let folder = TempDir::new().unwrap();
    let host = folder_host(folder.path());
    let mut writer = begin(&host, &target(Some(1)));
    let long = "x".repeat(600_000);
    for (id, document) in [("a", "1"), ("b", &long), ("c", "1"), ("b", "2"), ("a", "2"), ("a", &long), ("a", "3")] {
        writer.write(&one(id, &[1.0], Some(document), "{}")).unwrap();
    }
    assert_eq!(writer.count().unwrap(), 3);
    assert_eq!(writer.query(&Dense::new(1, vec![1.0]), 9).unwrap()[0].len(), 3);
    let line = |id: &str, document: &str| {
        format!(
            "{{\"id\":\"{id}\",\"collection\":\"docs\",\"document\":\"{document}\",\"metadata\":{{}},\"vector\":[1.0]}}\n"
        )
    };
    assert_eq!(finished(&host, folder.path()), [line("c", "1"), line("b", "2"), line("a", "3")].concat());
}

#[test]
fn a_batch_written_again_leaves_the_same_bytes() {
    let folder = TempDir::new().unwrap();
    let host = folder_host(folder.path());
    let mut writer = begin(&host, &target(Some(1)));
    let long = "x".repeat(600_000);
    for _ in 0..3 {
        for id in ["a", "b"] {
            writer.write(&one(id, &[1.0], Some(&long), "{}")).unwrap();
        }
    }
    let partial = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap();
    assert!(partial.metadata().unwrap().len() < 1_300_000, "the same lines were written again");
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let folder = TempDir::new().unwrap();
    let host = folder_host(folder.path());
    for location in ["", "folder/", ".", "..", "a/.."] {
        let config = json!({"location": location});
        let error = Jsonl::check(&host, &config).unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Config, "jsonl/location"), "{location:?}");
        assert!(error.hint.is_some());
    }
    let unknown = Target { collection: "never prepared".into(), ..target(Some(1)) };
    assert_eq!(Jsonl::open(&host, &config(), &unknown).err().unwrap().code, "jsonl/not-prepared");
    begin(&host, &target(Some(1)));
    assert_eq!(Jsonl::open(&host, &config(), &unknown).err().unwrap().code, "jsonl/not-prepared");
    let zero = Jsonl::prepare(&host, &config(), &target(Some(0)), PrepareMode::CreateIfMissing);
    assert_eq!(zero.unwrap_err().code, "target/dimension");
}

/// A disk that is full for a while.
struct FullDisk {
    inner: Host,
    fault: Rc<Cell<Fault>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// A write fails and nothing of it arrives.
    Nothing,
    /// A write fails and half of it arrives.
    Half,
}

struct FullOutput {
    inner: Box<dyn Output>,
    fault: Rc<Cell<Fault>>,
}

impl Output for FullOutput {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let full = Err(Error::transient("file/io", "no space left on device"));
        match self.fault.get() {
            Fault::None => self.inner.write(bytes),
            Fault::Nothing => full,
            Fault::Half => self.inner.write(&bytes[..bytes.len() / 2]).and(full),
        }
    }
    fn size(&self) -> u64 {
        self.inner.size()
    }
    fn truncate(&mut self, size: u64) -> Result<()> {
        self.inner.truncate(size)
    }
    fn sync(&mut self) -> Result<u64> {
        self.inner.sync()
    }
    fn read_at(&self, offset: u64, len: u32) -> Result<Vec<u8>> {
        self.inner.read_at(offset, len)
    }
    fn commit(&mut self) -> Result<()> {
        match self.fault.get() {
            Fault::None => self.inner.commit(),
            _ => Err(Error::transient("file/io", "no space left on device")),
        }
    }
}

impl HostPowers for FullDisk {
    fn create_output(&self, name: &str) -> Result<Box<dyn Output>> {
        Ok(Box::new(FullOutput { inner: self.inner.create_output(name)?, fault: self.fault.clone() }))
    }
    fn reopen_output(&self, name: &str) -> Result<Option<Box<dyn Output>>> {
        self.inner.reopen_output(name)
    }
    fn open_output(&self, name: &str) -> Result<Box<dyn Output>> {
        self.inner.open_output(name)
    }
    fn list_outputs(&self) -> Result<Vec<Entry>> {
        self.inner.list_outputs()
    }
    fn list_files(&self) -> Result<Vec<Entry>> {
        self.inner.list_files()
    }
    fn open_file(&self, name: &str) -> Result<File> {
        self.inner.open_file(name)
    }
    fn open_sqlite(&self, name: &str) -> Result<Box<dyn Database>> {
        self.inner.open_sqlite(name)
    }
    fn send(&self, request: Request) -> Result<Response> {
        self.inner.send(request)
    }
    fn log_enabled(&self, level: Level) -> bool {
        self.inner.log_enabled(level)
    }
    fn log(&self, level: Level, message: &str, fields: &[(&str, String)]) {
        self.inner.log(level, message, fields);
    }
    fn cancelled(&self) -> bool {
        self.inner.cancelled()
    }
}

#[test]
fn a_full_disk_loses_nothing_and_doubles_nothing() {
    let folder = TempDir::new().unwrap();
    let fault = Rc::new(Cell::new(Fault::None));
    let host = Host::new(Rc::new(FullDisk { inner: folder_host(folder.path()), fault: fault.clone() }));
    let mut writer = begin(&host, &target(Some(1)));
    writer.write(&one("a", &[1.0], None, "{}")).unwrap();
    writer.write(&one("a", &[2.0], None, "{}")).unwrap();
    fault.set(Fault::Nothing);
    assert_eq!(writer.write(&one("b", &[1.0], None, "{}")).unwrap_err().kind, ErrorKind::Transient);
    assert_eq!(writer.count().unwrap(), 1);
    assert!(writer.fetch(&["b".into()]).unwrap().is_empty());
    fault.set(Fault::None);
    writer.write(&one("b", &[1.0], None, "{}")).unwrap();
    writer.flush().unwrap();
    fault.set(Fault::Nothing);
    assert_eq!(Jsonl::finish(&host, &config()).unwrap_err().kind, ErrorKind::Transient);
    fault.set(Fault::None);
    let text = finished(&host, folder.path());
    let ids: Vec<&str> = text.lines().map(|line| &line[..9]).collect();
    assert_eq!(ids, [r#"{"id":"a""#, r#"{"id":"b""#]);
}

#[test]
fn half_a_line_is_never_published() {
    let folder = TempDir::new().unwrap();
    let fault = Rc::new(Cell::new(Fault::None));
    let host = Host::new(Rc::new(FullDisk { inner: folder_host(folder.path()), fault: fault.clone() }));
    let mut writer = begin(&host, &target(Some(1)));
    fault.set(Fault::Half);
    assert_eq!(writer.write(&one("a", &[1.0], None, "{}")).unwrap_err().kind, ErrorKind::Transient);
    fault.set(Fault::None);
    for error in [
        writer.write(&one("a", &[1.0], None, "{}")).unwrap_err(),
        writer.flush().unwrap_err(),
        Jsonl::finish(&host, &config()).unwrap_err(),
    ] {
        assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Internal, "jsonl/torn"));
    }
    assert!(!folder.path().join("out.jsonl").exists());
}
