/*! [`Sink`] over a component. */

use vecferry_contract::{Batch, Dense, Error, Hit, IdPage, Limits, PrepareMode, Receipt, Result, Target};
use vecferry_core::{Sink, Writer};
use wasmtime::Store;
use wasmtime::component::ResourceAny;

use crate::bindings::sink::{Guest, GuestWriter};
use crate::bindings::types;
use crate::convert::each;
use crate::session::Session;
use crate::source::at_fault;
use crate::state::State;

pub(crate) struct WasmSink {
    pub(crate) session: Session<Guest>,
    /// The settings, as JSON text; they hold the location.
    pub(crate) config: String,
}

impl Sink for WasmSink {
    fn check(&mut self) -> Result<()> {
        let config = &self.config;
        self.session.call("check", |store, guest| guest.call_check(store, config))
    }

    fn prepare(&mut self, target: &Target, mode: PrepareMode) -> Result<Limits> {
        let config = &self.config;
        let (ours, mode) = (target.into(), mode.into());
        let limits = self.session.call("prepare", |store, guest| guest.call_prepare(store, config, &ours, mode));
        limits.map(Into::into).map_err(|fault| at_fault(fault, "target", &target.collection))
    }

    fn rehearse(&mut self, target: &Target, batch: Batch) -> Result<Receipt> {
        let config = &self.config;
        let (ours, batch) = (target.into(), batch.into());
        let receipt = self.session.call("rehearse", |store, guest| guest.call_rehearse(store, config, &ours, &batch));
        receipt
            .map(|receipt| Receipt::from(receipt).checked())
            .map_err(|fault| at_fault(fault, "target", &target.collection))
    }

    fn open<'a>(&'a mut self, target: &Target) -> Result<Box<dyn Writer + 'a>> {
        let config = &self.config;
        let ours = target.into();
        let writer = self.session.call("open", |store, guest| guest.call_open(store, config, &ours));
        let writer = writer.map_err(|fault| at_fault(fault, "target", &target.collection))?;
        Ok(Box::new(WasmWriter { session: &mut self.session, writer, target: target.collection.clone(), over: false }))
    }

    fn finish(&mut self) -> Result<()> {
        let config = &self.config;
        self.session.call("finish", |store, guest| guest.call_finish(store, config))
    }
}

struct WasmWriter<'a> {
    session: &'a mut Session<Guest>,
    /// Belongs to the session's instance: nothing else calls the session while the writer borrows it.
    writer: ResourceAny,
    target: String,
    over: bool,
}

impl WasmWriter<'_> {
    /// A call on the writer. Errors of the sink leave it usable; a fault of the plugin ends it.
    fn call<T>(
        &mut self,
        call: &str,
        work: impl FnOnce(GuestWriter<'_>, &mut Store<State>, ResourceAny) -> wasmtime::Result<Result<T, types::Error>>,
    ) -> Result<T> {
        if self.over {
            return Err(Error::internal("plugin/writer-over", "the writer ended with a fault; open it anew")
                .at("target", &self.target));
        }
        let writer = self.writer;
        let answer = self.session.call_plain(call, |store, guest| work(guest.writer(), store, writer));
        match answer {
            Ok(answer) => answer.map_err(|error| Error::from(error).checked()),
            Err(fault) => {
                self.over = true;
                Err(fault.at("target", &self.target))
            }
        }
    }
}

impl Writer for WasmWriter<'_> {
    fn write(&mut self, batch: Batch) -> Result<Receipt> {
        let batch = batch.into();
        self.call("write", |guest, store, writer| guest.call_write(store, writer, &batch))
            .map(|receipt| Receipt::from(receipt).checked())
    }

    fn flush(&mut self) -> Result<()> {
        self.call("flush", |guest, store, writer| guest.call_flush(store, writer))
    }

    fn settle(&mut self) -> Result<()> {
        self.call("settle", |guest, store, writer| guest.call_settle(store, writer))
    }

    fn list(&mut self, after: Option<&[u8]>, max: u32) -> Result<Option<IdPage>> {
        let page = self.call("list", |guest, store, writer| guest.call_list(store, writer, after, max))?;
        Ok(page.map(Into::into))
    }

    fn count(&mut self) -> Result<u64> {
        self.call("count", |guest, store, writer| guest.call_count(store, writer))
    }

    fn fetch(&mut self, ids: &[String]) -> Result<Batch> {
        let batch: Batch = self.call("fetch", |guest, store, writer| guest.call_fetch(store, writer, ids))?.into();
        batch.check()?;
        Ok(batch)
    }

    fn query(&mut self, vectors: Dense, k: u32) -> Result<Vec<Vec<Hit>>> {
        let vectors = vectors.into();
        let hits = self.call("query", |guest, store, writer| guest.call_query(store, writer, &vectors, k))?;
        Ok(hits.into_iter().map(each).collect())
    }
}

impl Drop for WasmWriter<'_> {
    fn drop(&mut self) {
        self.session.drop_resource(self.writer);
    }
}
