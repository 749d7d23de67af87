//! A disk that is full for a while, in the middle of a part and of the end of a run.

use std::cell::Cell;
use std::rc::Rc;

use serde_json::json;
use tempfile::TempDir;
use vecferry_plugin_parquet::ParquetSink;
use vecferry_sdk::testing::folder_host;
use vecferry_sdk::{
    Database, Entry, Error, ErrorKind, File, Host, HostPowers, Level, Output, PrepareMode, Request, Response, Result,
    SinkPlugin,
};

use crate::common::{elsewhere, read, records, target};

struct FullDisk {
    inner: Host,
    fault: Rc<Cell<Fault>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    /// A write fails and nothing of it arrives.
    Nothing,
    /// A write fails and half of it arrives.
    Half,
    /// The file cannot be put under its name.
    Commit,
}

struct FullOutput {
    inner: Box<dyn Output>,
    fault: Rc<Cell<Fault>>,
}

fn full() -> Error {
    Error::transient("file/io", "no space left on device")
}

impl Output for FullOutput {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match self.fault.get() {
            Fault::None | Fault::Commit => self.inner.write(bytes),
            Fault::Nothing => Err(full()),
            Fault::Half => self.inner.write(&bytes[..bytes.len() / 2]).and(Err(full())),
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
        if self.fault.get() == Fault::Commit { Err(full()) } else { self.inner.commit() }
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
    for kind in [Fault::Nothing, Fault::Half, Fault::Commit] {
        elsewhere(move || {
            let folder = TempDir::new().unwrap();
            let fault = Rc::new(Cell::new(Fault::None));
            let host = Host::new(Rc::new(FullDisk { inner: folder_host(folder.path()), fault: fault.clone() }));
            let (config, target) = (json!({"location": "out"}), target("docs", 4));
            ParquetSink::prepare(&host, &config, &target, PrepareMode::CreateIfMissing).unwrap();
            let mut writer = ParquetSink::open(&host, &config, &target).unwrap();
            let transient = |what: &str, result: Result<()>| {
                assert_eq!(result.unwrap_err().kind, ErrorKind::Transient, "{what}, {kind:?}");
            };
            writer.write(&records(0, 10, 4)).unwrap();
            fault.set(kind);
            for _ in 0..3 {
                transient("a flush", writer.flush());
            }
            assert!(!folder.path().join("out/docs/part-00000.parquet").exists(), "{kind:?}");
            fault.set(Fault::None);
            writer.flush().unwrap();
            writer.write(&records(5, 15, 4)).unwrap();
            writer.flush().unwrap();
            // At the end the first part is written anew.
            fault.set(kind);
            transient("the end", ParquetSink::finish(&host, &config));
            fault.set(Fault::None);
            ParquetSink::finish(&host, &config).unwrap();
            assert_eq!(writer.count().unwrap(), 15, "{kind:?}");
            drop(writer);
            let [(_, back)] = &read(&folder_host(folder.path()), &json!({}))[..] else { panic!("one collection") };
            let mut ids = back.ids.clone();
            ids.sort_by_key(|id| id[4..].parse::<u32>().unwrap());
            assert_eq!(ids, records(0, 15, 4).ids, "{kind:?}");
        });
    }
}
