/*! [`Sink`] over a plugin library. */

use std::borrow::Cow;

use vecferry_contract::abi::{List, OpenWriter, Prepare, Query, Rehearse, Settings};
use vecferry_contract::{Batch, Dense, Hit, IdPage, Limits, PluginSpec, PrepareMode, Receipt, Result, Target};
use vecferry_core::{Grants, Sink, Writer};

use crate::border::{Border, Object};
use crate::library::SinkFunctions;
use crate::powers::Context;
use crate::source::at_fault;

pub(crate) struct NativeSink {
    border: Border,
    functions: SinkFunctions,
    context: Context,
    /// The settings, as JSON text.
    config: String,
}

impl NativeSink {
    pub(crate) fn new(spec: &PluginSpec, functions: SinkFunctions, grants: Grants, config: String) -> Self {
        let context = Context::new(&spec.name, &spec.capabilities, grants);
        NativeSink { border: Border::new(&spec.name), functions, context, config }
    }
}

impl Sink for NativeSink {
    fn check(&mut self) -> Result<()> {
        self.border.call(&self.context, "check", self.functions.check, &Settings { config: &self.config })
    }

    fn prepare(&mut self, target: &Target, mode: PrepareMode) -> Result<Limits> {
        let args = Prepare { config: &self.config, target: Cow::Borrowed(target), mode };
        let limits = self.border.call(&self.context, "prepare", self.functions.prepare, &args);
        limits.map_err(|fault| at_fault(fault, "collection", &target.collection))
    }

    fn rehearse(&mut self, target: &Target, batch: Batch) -> Result<Receipt> {
        let args = Rehearse { config: &self.config, target: Cow::Borrowed(target), batch: Cow::Owned(batch) };
        let receipt: Result<Receipt> = self.border.call(&self.context, "rehearse", self.functions.rehearse, &args);
        receipt.map(Receipt::checked).map_err(|fault| at_fault(fault, "collection", &target.collection))
    }

    fn open<'a>(&'a mut self, target: &Target) -> Result<Box<dyn Writer + 'a>> {
        let args = OpenWriter { config: &self.config, target: Cow::Borrowed(target) };
        let writer = self.border.open(&self.context, self.functions.open, self.functions.writer_close, &args);
        let writer = writer.map_err(|fault| at_fault(fault, "collection", &target.collection))?;
        Ok(Box::new(NativeWriter { writer, functions: self.functions, collection: target.collection.clone() }))
    }

    fn finish(&mut self) -> Result<()> {
        self.border.call(&self.context, "finish", self.functions.finish, &Settings { config: &self.config })
    }
}

struct NativeWriter {
    writer: Object,
    functions: SinkFunctions,
    collection: String,
}

impl NativeWriter {
    fn here<T>(&self, answer: Result<T>) -> Result<T> {
        answer.map_err(|fault| at_fault(fault, "collection", &self.collection))
    }
}

impl Writer for NativeWriter {
    fn write(&mut self, batch: Batch) -> Result<Receipt> {
        let receipt: Result<Receipt> = self.writer.call("write", self.functions.writer_write, &batch);
        self.here(receipt).map(Receipt::checked)
    }

    fn flush(&mut self) -> Result<()> {
        let flushed = self.writer.call("flush", self.functions.writer_flush, &());
        self.here(flushed)
    }

    fn settle(&mut self) -> Result<()> {
        let settled = self.writer.call("settle", self.functions.writer_settle, &());
        self.here(settled)
    }

    fn list(&mut self, after: Option<&[u8]>, max: u32) -> Result<Option<IdPage>> {
        let page = self.writer.call("list", self.functions.writer_list, &List { after, max });
        self.here(page)
    }

    fn count(&mut self) -> Result<u64> {
        let count = self.writer.call("count", self.functions.writer_count, &());
        self.here(count)
    }

    fn fetch(&mut self, ids: &[String]) -> Result<Batch> {
        let found: Result<Batch> = self.writer.call("fetch", self.functions.writer_fetch, &ids);
        self.here(found.and_then(|batch| batch.check().map(|_| batch)))
    }

    fn query(&mut self, vectors: Dense, k: u32) -> Result<Vec<Vec<Hit>>> {
        let args = Query { vectors: Cow::Owned(vectors), k };
        let hits = self.writer.call("query", self.functions.writer_query, &args);
        self.here(hits)
    }
}
