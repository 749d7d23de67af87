/*! [`HostPowers`] over the host's table. */

use std::borrow::Cow;
use std::rc::Rc;

use vecferry_contract::abi::{Cursor, Line, Opened, ReadFn, Statement};

use super::HostCalls;
use crate::{Database, Entry, File, HostPowers, Level, Output, ReadAt, Request, Response, Result, Rows, Value};

pub(super) struct NativePowers(pub(super) HostCalls);

impl HostPowers for NativePowers {
    fn list_files(&self) -> Result<Vec<Entry>> {
        self.0.call(|host| host.list_files, 0, &())
    }

    fn open_file(&self, name: &str) -> Result<File> {
        let Opened { handle, size } = self.0.call(|host| host.file_open, 0, &name)?;
        Ok(Rc::new(NativeFile { name: name.to_owned(), size, handle: Handle { host: self.0, number: handle } }))
    }

    fn open_sqlite(&self, name: &str) -> Result<Box<dyn Database>> {
        let number = self.0.call(|host| host.sqlite_open, 0, &name)?;
        Ok(Box::new(NativeDatabase(Handle { host: self.0, number })))
    }

    fn send(&self, request: Request) -> Result<Response> {
        self.0.call(|host| host.http_send, 0, &request)
    }

    fn create_output(&self, name: &str) -> Result<Box<dyn Output>> {
        let number = self.0.call(|host| host.output_create, 0, &name)?;
        Ok(self.output(&Opened { handle: number, size: 0 }))
    }

    fn reopen_output(&self, name: &str) -> Result<Option<Box<dyn Output>>> {
        let found: Option<Opened> = self.0.call(|host| host.output_reopen, 0, &name)?;
        Ok(found.map(|opened| self.output(&opened)))
    }

    fn open_output(&self, name: &str) -> Result<Box<dyn Output>> {
        let opened = self.0.call(|host| host.output_open, 0, &name)?;
        Ok(self.output(&opened))
    }

    fn list_outputs(&self) -> Result<Vec<Entry>> {
        self.0.call(|host| host.output_list, 0, &())
    }

    fn log_enabled(&self, level: Level) -> bool {
        self.0.call(|host| host.log_enabled, 0, &level).unwrap_or(false)
    }

    fn log(&self, level: Level, message: &str, fields: &[(&str, String)]) {
        let fields = fields.iter().map(|(name, value)| (*name, Cow::Borrowed(value.as_str()))).collect();
        // A log line that cannot be told is no reason to fail.
        let _: Result<()> = self.0.call(|host| host.log, 0, &Line { level, message, fields });
    }

    fn cancelled(&self) -> bool {
        self.0.call(|host| host.cancelled, 0, &()).unwrap_or(false)
    }
}

impl NativePowers {
    fn output(&self, opened: &Opened) -> Box<dyn Output> {
        Box::new(NativeOutput { handle: Handle { host: self.0, number: opened.handle }, written: opened.size })
    }
}

/// Something of the host, given back when dropped.
struct Handle {
    host: HostCalls,
    number: u64,
}

impl Handle {
    /// Up to `len` bytes at `offset` of something that holds `size`.
    fn read(&self, power: Option<ReadFn>, offset: u64, len: u32, size: u64) -> Result<Vec<u8>> {
        let len = size.saturating_sub(offset).min(u64::from(len));
        let mut out = vec![0; usize::try_from(len).unwrap_or_default()];
        let read = self.host.read(power, self.number, offset, &mut out)?;
        out.truncate(read);
        Ok(out)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // The host drops what is left with the instance.
        let _: Result<()> = self.host.call(|host| host.close, self.number, &());
    }
}

struct NativeFile {
    name: String,
    size: u64,
    handle: Handle,
}

impl ReadAt for NativeFile {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, len: u32) -> Result<Vec<u8>> {
        self.handle.read(self.handle.host.table.file_read, offset, len, self.size)
    }
}

struct NativeDatabase(Handle);

impl Database for NativeDatabase {
    fn query(&self, sql: &str, params: &[Value]) -> Result<Box<dyn Rows>> {
        let statement = Statement { sql, params: Cow::Borrowed(params) };
        let Cursor { handle, columns } = self.0.host.call(|host| host.sqlite_query, self.0.number, &statement)?;
        Ok(Box::new(NativeRows { columns, handle: Handle { host: self.0.host, number: handle } }))
    }
}

struct NativeRows {
    columns: Vec<String>,
    handle: Handle,
}

impl Rows for NativeRows {
    fn columns(&self) -> Vec<String> {
        self.columns.clone()
    }

    fn next(&mut self, max: u32) -> Result<Vec<Vec<Value>>> {
        self.handle.host.call(|host| host.sqlite_next, self.handle.number, &max)
    }
}

struct NativeOutput {
    handle: Handle,
    written: u64,
}

impl Output for NativeOutput {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.handle.host.call_raw(self.handle.host.table.output_write, self.handle.number, bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    fn size(&self) -> u64 {
        self.written
    }

    fn truncate(&mut self, size: u64) -> Result<()> {
        let () = self.handle.host.call(|host| host.output_truncate, self.handle.number, &size)?;
        self.written = self.written.min(size);
        Ok(())
    }

    fn sync(&mut self) -> Result<u64> {
        self.handle.host.call(|host| host.output_sync, self.handle.number, &())
    }

    fn read_at(&self, offset: u64, len: u32) -> Result<Vec<u8>> {
        self.handle.read(self.handle.host.table.output_read, offset, len, self.written)
    }

    fn commit(&mut self) -> Result<()> {
        self.handle.host.call(|host| host.output_commit, self.handle.number, &())
    }
}
