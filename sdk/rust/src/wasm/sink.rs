/*! The exports of a sink. */

use std::cell::RefCell;
use std::marker::PhantomData;

use super::host::vecferry::plugin::{batches, types as wit};
use super::sink_plugin::exports::vecferry::plugin::sink::{self, Guest, GuestWriter};
use super::{config, enter};
use crate::{SinkPlugin, Writer};

/// A [`SinkPlugin`] as the `sink` interface.
pub struct SinkExport<T>(PhantomData<T>);

/// A writer as the `writer` resource.
pub struct WriterExport(RefCell<Box<dyn Writer>>);

impl<T: SinkPlugin> Guest for SinkExport<T> {
    type Writer = WriterExport;

    fn spec() -> wit::PluginSpec {
        enter();
        T::spec().into()
    }

    fn check(json: String) -> Result<(), wit::Error> {
        Ok(T::check(&enter(), &config(&json)?)?)
    }

    fn prepare(json: String, target: sink::Target, mode: sink::PrepareMode) -> Result<sink::Limits, wit::Error> {
        Ok(T::prepare(&enter(), &config(&json)?, &target.into(), mode.into())?.into())
    }

    fn open(json: String, target: sink::Target) -> Result<sink::Writer, wit::Error> {
        let writer = T::open(&enter(), &config(&json)?, &target.into())?;
        Ok(sink::Writer::new(WriterExport(RefCell::new(writer))))
    }

    fn rehearse(json: String, target: sink::Target, batch: batches::Batch) -> Result<sink::Receipt, wit::Error> {
        enter();
        Ok(T::rehearse(&config(&json)?, &target.into(), &batch.into())?.into())
    }

    fn finish(json: String) -> Result<(), wit::Error> {
        Ok(T::finish(&enter(), &config(&json)?)?)
    }
}

impl GuestWriter for WriterExport {
    fn write(&self, batch: batches::Batch) -> Result<sink::Receipt, wit::Error> {
        enter();
        Ok(self.0.borrow_mut().write(&batch.into())?.into())
    }

    fn flush(&self) -> Result<(), wit::Error> {
        enter();
        Ok(self.0.borrow_mut().flush()?)
    }

    fn settle(&self) -> Result<(), wit::Error> {
        enter();
        Ok(self.0.borrow_mut().settle()?)
    }

    fn list(&self, after: Option<Vec<u8>>, max: u32) -> Result<Option<sink::IdPage>, wit::Error> {
        enter();
        Ok(self.0.borrow_mut().list(after.as_deref(), max)?.map(Into::into))
    }

    fn count(&self) -> Result<u64, wit::Error> {
        enter();
        Ok(self.0.borrow_mut().count()?)
    }

    fn fetch(&self, ids: Vec<String>) -> Result<batches::Batch, wit::Error> {
        enter();
        Ok(self.0.borrow_mut().fetch(&ids)?.into())
    }

    fn query(&self, vectors: batches::Dense, k: u32) -> Result<Vec<Vec<sink::Hit>>, wit::Error> {
        enter();
        let hits = self.0.borrow_mut().query(&vectors.into(), k)?;
        Ok(hits.into_iter().map(|row| row.into_iter().map(Into::into).collect()).collect())
    }
}
