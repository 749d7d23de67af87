/*!
A host for a plugin's own tests: a folder as the granted store, in the test's own process; and the cases that
every sink must hold ([`sink_conformance`]).
*/

mod sink_cases;
pub mod sink_conformance;

use std::fs::File as StdFile;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{
    Batch, Config, Database, Entry, Error, File, Host, HostPowers, Level, Output, ReadAt, Request, Response, Result,
    Rows, SourcePlugin, Value,
};

/// A host whose granted store is `folder` (with everything below it) and whose destination is a folder too.
/// It sends no requests.
pub fn folder_host(folder: &Path) -> Host {
    Host::new(Rc::new(FolderHost { source: folder.to_owned(), sink: folder.to_owned() }))
}

/// A host whose granted store is `source` and whose destination is `sink`.
pub fn folders_host(source: &Path, sink: &Path) -> Host {
    Host::new(Rc::new(FolderHost { source: source.to_owned(), sink: sink.to_owned() }))
}

/// Bytes in memory as a file.
pub struct MemoryFile {
    name: String,
    bytes: Vec<u8>,
}

impl MemoryFile {
    /// A file called `name` in errors.
    pub fn file(name: &str, bytes: impl Into<Vec<u8>>) -> File {
        Rc::new(MemoryFile { name: name.to_owned(), bytes: bytes.into() })
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
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.bytes.len());
        let end = start.saturating_add(len as usize).min(self.bytes.len());
        Ok(self.bytes[start..end].to_vec())
    }
}

/// Reads a whole store as the host would: every collection, every split, pages of `page_rows` rows. Returns
/// each collection's name with all its pages joined.
///
/// # Errors
/// The plugin's.
pub fn read_all<P: SourcePlugin>(host: &Host, config: &Config, page_rows: u32) -> Result<Vec<(String, Vec<Batch>)>> {
    let mut out = Vec::new();
    for collection in P::discover(host, config)? {
        let mut batches = Vec::new();
        for split in P::plan(host, config, &collection.name, 1)? {
            let mut scan = P::open(host, config, &split, None)?;
            while let Some(page) = scan.next(page_rows, 1 << 24)? {
                page.rows.check()?;
                if let Some(first) = page.unreadable.into_iter().next() {
                    return Err(first.reason);
                }
                batches.push(page.rows);
            }
        }
        out.push((collection.name, batches));
    }
    Ok(out)
}

struct FolderHost {
    source: PathBuf,
    sink: PathBuf,
}

struct FolderFile {
    name: String,
    size: u64,
    file: StdFile,
}

fn io(name: &str, error: &std::io::Error) -> Error {
    let message = format!("cannot read or write {name}: {error}");
    match error.kind() {
        std::io::ErrorKind::NotFound => Error::not_found("file/not-found", message),
        _ => Error::transient("file/io", message),
    }
    .at("file", name)
}

impl ReadAt for FolderFile {
    fn name(&self) -> &str {
        &self.name
    }
    fn size(&self) -> u64 {
        self.size
    }
    fn read_at(&self, offset: u64, len: u32) -> Result<Vec<u8>> {
        let left = self.size.saturating_sub(offset).min(u64::from(len));
        let mut out = vec![0; usize::try_from(left).unwrap_or(0)];
        self.file.read_exact_at(&mut out, offset).map_err(|e| io(&self.name, &e))?;
        Ok(out)
    }
}

impl FolderHost {
    fn walk(&self, folder: &Path, prefix: &str, out: &mut Vec<Entry>) -> Result<()> {
        for entry in std::fs::read_dir(folder).map_err(|e| io(prefix, &e))? {
            let entry = entry.map_err(|e| io(prefix, &e))?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            let meta = entry.metadata().map_err(|e| io(&name, &e))?;
            if meta.is_dir() {
                self.walk(&entry.path(), &format!("{name}/"), out)?;
            } else {
                out.push(Entry { name, size: meta.len() });
            }
        }
        Ok(())
    }
}

impl HostPowers for FolderHost {
    fn list_files(&self) -> Result<Vec<Entry>> {
        let mut out = Vec::new();
        self.walk(&self.source, "", &mut out)?;
        out.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(out)
    }
    fn open_file(&self, name: &str) -> Result<File> {
        let file = StdFile::open(self.source.join(name)).map_err(|e| io(name, &e))?;
        let size = file.metadata().map_err(|e| io(name, &e))?.len();
        Ok(Rc::new(FolderFile { name: name.to_owned(), size, file }))
    }
    fn open_sqlite(&self, name: &str) -> Result<Box<dyn Database>> {
        use rusqlite::{Connection, OpenFlags};
        let path = self.source.join(name);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(|e| sqlite(name, &e))?;
        Ok(Box::new(FolderDatabase { name: name.to_owned(), connection: Rc::new(connection) }))
    }
    fn send(&self, request: Request) -> Result<Response> {
        Err(Error::denied("http/denied", format!("no request is sent in a test: {}", request.url)))
    }
    fn create_output(&self, name: &str) -> Result<Box<dyn Output>> {
        let path = self.sink.join(name);
        // Each output is apart, also from another of the same name.
        static OUTPUTS: AtomicU64 = AtomicU64::new(0);
        let number = OUTPUTS.fetch_add(1, Ordering::Relaxed);
        let partial = self.sink.join(format!("{name}.{number}.partial"));
        std::fs::create_dir_all(path.parent().unwrap_or(&self.sink)).map_err(|e| io(name, &e))?;
        let file = StdFile::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&partial)
            .map_err(|e| io(name, &e))?;
        Ok(Box::new(FolderOutput { name: name.to_owned(), path, partial: Some(partial), file, written: 0 }))
    }
    fn reopen_output(&self, name: &str) -> Result<Option<Box<dyn Output>>> {
        // What was left under this name by whoever stands in for an interrupted run.
        let partial = self.sink.join(format!("{name}.unfinished"));
        if !partial.exists() {
            return Ok(None);
        }
        let file = StdFile::options().read(true).write(true).open(&partial).map_err(|e| io(name, &e))?;
        let written = file.metadata().map_err(|e| io(name, &e))?.len();
        let path = self.sink.join(name);
        Ok(Some(Box::new(FolderOutput { name: name.to_owned(), path, partial: Some(partial), file, written })))
    }
    fn open_output(&self, name: &str) -> Result<Box<dyn Output>> {
        let path = self.sink.join(name);
        let file = StdFile::open(&path).map_err(|e| io(name, &e))?;
        let written = file.metadata().map_err(|e| io(name, &e))?.len();
        Ok(Box::new(FolderOutput { name: name.to_owned(), path, partial: None, file, written }))
    }
    fn list_outputs(&self) -> Result<Vec<Entry>> {
        let mut out = Vec::new();
        self.walk(&self.sink, "", &mut out)?;
        out.retain(|entry| !entry.name.ends_with(".partial") && !entry.name.ends_with(".unfinished"));
        out.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(out)
    }
    fn log_enabled(&self, _level: Level) -> bool {
        false
    }
    fn log(&self, _level: Level, _message: &str, _fields: &[(&str, String)]) {}
    fn cancelled(&self) -> bool {
        false
    }
}

struct FolderOutput {
    name: String,
    path: PathBuf,
    /// `None` once it stands under its name.
    partial: Option<PathBuf>,
    file: StdFile,
    written: u64,
}

impl Drop for FolderOutput {
    /// What was not committed leaves nothing behind.
    fn drop(&mut self) {
        if let Some(partial) = &self.partial {
            let _ = std::fs::remove_file(partial);
        }
    }
}

impl Output for FolderOutput {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if self.partial.is_none() {
            return Err(Error::internal("file/committed", format!("{} was committed already", self.name)));
        }
        self.file.write_all_at(bytes, self.written).map_err(|e| io(&self.name, &e))?;
        self.written += bytes.len() as u64;
        Ok(())
    }
    fn size(&self) -> u64 {
        self.written
    }
    fn truncate(&mut self, size: u64) -> Result<()> {
        self.written = self.written.min(size);
        self.file.set_len(self.written).map_err(|e| io(&self.name, &e))
    }
    fn sync(&mut self) -> Result<u64> {
        self.file.sync_data().map_err(|e| io(&self.name, &e))?;
        Ok(self.written)
    }
    fn read_at(&self, offset: u64, len: u32) -> Result<Vec<u8>> {
        let left = self.written.saturating_sub(offset).min(u64::from(len));
        let mut out = vec![0; usize::try_from(left).unwrap_or(0)];
        self.file.read_exact_at(&mut out, offset).map_err(|e| io(&self.name, &e))?;
        Ok(out)
    }
    fn commit(&mut self) -> Result<()> {
        match self.partial.take() {
            Some(partial) => std::fs::rename(&partial, &self.path).map_err(|e| io(&self.name, &e)),
            None => Err(Error::internal("file/committed", format!("{} was committed already", self.name))),
        }
    }
}

struct FolderDatabase {
    name: String,
    connection: Rc<rusqlite::Connection>,
}

struct FolderRows {
    columns: Vec<String>,
    rows: std::vec::IntoIter<Vec<Value>>,
}

fn sqlite(name: &str, error: &rusqlite::Error) -> Error {
    Error::corrupt("sqlite/query", format!("{name}: {error}")).at("file", name)
}

/// Whether everything that the schema names is UTF-8.
fn has_only_names(connection: &rusqlite::Connection) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare("SELECT name, sql FROM sqlite_schema")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        for column in 0..2 {
            if let rusqlite::types::ValueRef::Text(text) | rusqlite::types::ValueRef::Blob(text) =
                row.get_ref(column)?
                && std::str::from_utf8(text).is_err()
            {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

impl Database for FolderDatabase {
    fn query(&self, sql: &str, params: &[Value]) -> Result<Box<dyn Rows>> {
        use rusqlite::types::{Value as Sql, ValueRef};
        let fail = |e: rusqlite::Error| sqlite(&self.name, &e);
        let mut statement = self.connection.prepare(sql).map_err(fail)?;
        // As the real host does; rusqlite panics on names that are no text.
        let columns: Vec<String> = match has_only_names(&self.connection).map_err(fail)? {
            true => statement.column_names().map(ToString::to_string).collect(),
            false => (1..=statement.column_count()).map(|place| format!("column_{place}")).collect(),
        };
        let bound = params.iter().map(|value| match value {
            Value::Null => Sql::Null,
            Value::Integer(v) => Sql::Integer(*v),
            Value::Real(v) => Sql::Real(*v),
            Value::Text(v) => Sql::Text(v.clone()),
            Value::Blob(v) => Sql::Blob(v.clone()),
        });
        let width = columns.len();
        let mut cursor = statement.query(rusqlite::params_from_iter(bound)).map_err(fail)?;
        let mut rows = Vec::new();
        while let Some(row) = cursor.next().map_err(fail)? {
            let mut values = Vec::with_capacity(width);
            for column in 0..width {
                values.push(match row.get_ref(column).map_err(fail)? {
                    ValueRef::Null => Value::Null,
                    ValueRef::Integer(v) => Value::Integer(v),
                    ValueRef::Real(v) => Value::Real(v),
                    ValueRef::Text(v) => Value::Text(String::from_utf8_lossy(v).into_owned()),
                    ValueRef::Blob(v) => Value::Blob(v.to_vec()),
                });
            }
            rows.push(values);
        }
        Ok(Box::new(FolderRows { columns, rows: rows.into_iter() }))
    }
}

impl Rows for FolderRows {
    fn columns(&self) -> Vec<String> {
        self.columns.clone()
    }
    fn next(&mut self, max: u32) -> Result<Vec<Vec<Value>>> {
        Ok(self.rows.by_ref().take(max as usize).collect())
    }
}
