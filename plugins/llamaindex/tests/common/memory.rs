/*! A store in memory, which counts what is read of it. */

#![allow(dead_code)]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use vecferry_sdk::{Database, Entry, Error, File, Host, HostPowers, Level, Output, ReadAt, Request, Response, Result};

/// Files by name.
#[derive(Clone, Default)]
pub(crate) struct Memory(Rc<Shared>);

#[derive(Default)]
struct Shared {
    files: RefCell<BTreeMap<String, Rc<Vec<u8>>>>,
    bytes_read: Cell<u64>,
}

struct MemoryFile {
    name: String,
    bytes: Rc<Vec<u8>>,
    shared: Rc<Shared>,
}

impl Memory {
    /// A folder's files, without those in folders below it.
    pub(crate) fn of(folder: &Path) -> Memory {
        let memory = Memory::default();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            memory.put(&path.file_name().unwrap().to_string_lossy(), std::fs::read(&path).unwrap());
        }
        memory
    }

    pub(crate) fn put(&self, name: &str, bytes: Vec<u8>) {
        self.0.files.borrow_mut().insert(name.to_owned(), Rc::new(bytes));
    }

    pub(crate) fn get(&self, name: &str) -> Vec<u8> {
        self.0.files.borrow()[name].to_vec()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.0.files.borrow().keys().cloned().collect()
    }

    pub(crate) fn size(&self) -> u64 {
        self.0.files.borrow().values().map(|bytes| bytes.len() as u64).sum()
    }

    /// Bytes that were read since this was asked last.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.0.bytes_read.take()
    }

    pub(crate) fn host(&self) -> Host {
        Host::new(Rc::new(self.clone()))
    }
}

impl ReadAt for MemoryFile {
    fn name(&self) -> &str {
        &self.name
    }
    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }
    fn read_at(&self, offset: u64, len: u32) -> Result<Vec<u8>> {
        let start = usize::try_from(offset).unwrap().min(self.bytes.len());
        let end = start.saturating_add(len as usize).min(self.bytes.len());
        self.shared.bytes_read.set(self.shared.bytes_read.get() + (end - start) as u64);
        Ok(self.bytes[start..end].to_vec())
    }
}

fn none<T>() -> Result<T> {
    Err(Error::denied("test/denied", "this store has files and nothing else"))
}

impl HostPowers for Memory {
    fn list_files(&self) -> Result<Vec<Entry>> {
        let files = self.0.files.borrow();
        Ok(files.iter().map(|(name, bytes)| Entry { name: name.clone(), size: bytes.len() as u64 }).collect())
    }
    fn open_file(&self, name: &str) -> Result<File> {
        let bytes = self.0.files.borrow().get(name).cloned();
        let bytes = bytes.ok_or_else(|| Error::not_found("test/not-found", format!("there is no {name}")))?;
        Ok(Rc::new(MemoryFile { name: name.to_owned(), bytes, shared: Rc::clone(&self.0) }))
    }
    fn open_sqlite(&self, _name: &str) -> Result<Box<dyn Database>> {
        none()
    }
    fn send(&self, _request: Request) -> Result<Response> {
        none()
    }
    fn create_output(&self, _name: &str) -> Result<Box<dyn Output>> {
        none()
    }
    fn reopen_output(&self, _name: &str) -> Result<Option<Box<dyn Output>>> {
        none()
    }
    fn open_output(&self, _name: &str) -> Result<Box<dyn Output>> {
        none()
    }
    fn list_outputs(&self) -> Result<Vec<Entry>> {
        none()
    }
    fn log_enabled(&self, _level: Level) -> bool {
        false
    }
    fn log(&self, _level: Level, _message: &str, _fields: &[(&str, String)]) {}
    fn cancelled(&self) -> bool {
        false
    }
}
