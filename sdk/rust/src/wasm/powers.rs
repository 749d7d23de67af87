/*! [`HostPowers`] over the component's imports. */

use std::rc::Rc;

use super::convert::strings;
use super::host::vecferry::plugin::{http, sink_files, source_files, sqlite, telemetry};
use crate::{Database, Entry, File, HostPowers, Level, Method, Output, ReadAt, Request, Response, Result, Rows, Value};

pub(super) struct WasmPowers;

impl HostPowers for WasmPowers {
    fn list_files(&self) -> Result<Vec<Entry>> {
        let entries = source_files::list_files()?;
        Ok(entries.into_iter().map(|entry| Entry { name: entry.name, size: entry.size }).collect())
    }

    fn open_file(&self, name: &str) -> Result<File> {
        let file = source_files::open(name)?;
        let size = file.size();
        Ok(Rc::new(SourceFile { name: name.to_owned(), size, file }))
    }

    fn open_sqlite(&self, name: &str) -> Result<Box<dyn Database>> {
        Ok(Box::new(sqlite::open(name)?))
    }

    fn send(&self, request: Request) -> Result<Response> {
        let method = match request.method {
            Method::Get => http::Method::Get,
            Method::Post => http::Method::Post,
            Method::Put => http::Method::Put,
            Method::Patch => http::Method::Patch,
            Method::Delete => http::Method::Delete,
        };
        let response = http::send(&http::Request {
            method,
            url: request.url,
            headers: request.headers,
            body: request.body,
            timeout_ms: request.timeout_ms,
        })?;
        Ok(Response { status: response.status, headers: response.headers, body: response.body })
    }

    fn create_output(&self, name: &str) -> Result<Box<dyn Output>> {
        Ok(Box::new(sink_files::create(name)?))
    }

    fn reopen_output(&self, name: &str) -> Result<Option<Box<dyn Output>>> {
        Ok(sink_files::reopen(name)?.map(|output| Box::new(output) as Box<dyn Output>))
    }

    fn open_output(&self, name: &str) -> Result<Box<dyn Output>> {
        Ok(Box::new(sink_files::open(name)?))
    }

    fn list_outputs(&self) -> Result<Vec<Entry>> {
        let entries = sink_files::list_files()?;
        Ok(entries.into_iter().map(|entry| Entry { name: entry.name, size: entry.size }).collect())
    }

    fn log_enabled(&self, level: Level) -> bool {
        telemetry::enabled(level.into())
    }

    fn log(&self, level: Level, message: &str, fields: &[(&str, String)]) {
        telemetry::log(level.into(), message, &strings(fields));
    }

    fn cancelled(&self) -> bool {
        telemetry::cancelled()
    }
}

struct SourceFile {
    name: String,
    size: u64,
    file: source_files::File,
}

impl ReadAt for SourceFile {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, len: u32) -> Result<Vec<u8>> {
        Ok(self.file.read_at(offset, len)?)
    }
}

impl Database for sqlite::Database {
    fn query(&self, sql: &str, params: &[Value]) -> Result<Box<dyn Rows>> {
        let params: Vec<sqlite::Value> = params.iter().cloned().map(Into::into).collect();
        Ok(Box::new(sqlite::Database::query(self, sql, &params)?))
    }
}

impl Rows for sqlite::Rows {
    fn columns(&self) -> Vec<String> {
        sqlite::Rows::columns(self)
    }

    fn next(&mut self, max: u32) -> Result<Vec<Vec<Value>>> {
        let rows = sqlite::Rows::next(self, max)?;
        Ok(rows.into_iter().map(|row| row.into_iter().map(Into::into).collect()).collect())
    }
}

impl Output for sink_files::Output {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(sink_files::Output::write(self, bytes)?)
    }

    fn size(&self) -> u64 {
        sink_files::Output::size(self)
    }

    fn truncate(&mut self, size: u64) -> Result<()> {
        Ok(sink_files::Output::truncate(self, size)?)
    }

    fn sync(&mut self) -> Result<u64> {
        Ok(sink_files::Output::sync(self)?)
    }

    fn read_at(&self, offset: u64, len: u32) -> Result<Vec<u8>> {
        Ok(sink_files::Output::read_at(self, offset, len)?)
    }

    fn commit(&mut self) -> Result<()> {
        Ok(sink_files::Output::commit(self)?)
    }
}
