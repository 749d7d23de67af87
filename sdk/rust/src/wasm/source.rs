/*! The exports of a source. */

use std::cell::RefCell;
use std::marker::PhantomData;

use super::host::vecferry::plugin::types as wit;
use super::source_plugin::exports::vecferry::plugin::source::{self, Guest, GuestScan};
use super::{config, enter};
use crate::{Scan, SourcePlugin, Split};

/// A [`SourcePlugin`] as the `source` interface.
pub struct SourceExport<T>(PhantomData<T>);

/// A running scan as the `scan` resource.
pub struct ScanExport(RefCell<Box<dyn Scan>>);

impl<T: SourcePlugin> Guest for SourceExport<T> {
    type Scan = ScanExport;

    fn spec() -> wit::PluginSpec {
        enter();
        T::spec().into()
    }

    fn detect() -> Result<Vec<source::Claim>, wit::Error> {
        let claims = T::detect(&enter())?;
        Ok(claims.into_iter().map(Into::into).collect())
    }

    fn discover(json: String) -> Result<Vec<wit::Collection>, wit::Error> {
        let collections = T::discover(&enter(), &config(&json)?)?;
        Ok(collections.into_iter().map(Into::into).collect())
    }

    fn plan(json: String, collection: String, desired: u32) -> Result<Vec<source::Split>, wit::Error> {
        let splits = T::plan(&enter(), &config(&json)?, &collection, desired)?;
        Ok(splits.into_iter().map(Into::into).collect())
    }

    fn open(json: String, split: source::Split, after: Option<Vec<u8>>) -> Result<source::Scan, wit::Error> {
        let split: Split = split.into();
        let scan = T::open(&enter(), &config(&json)?, &split, after.as_deref())?;
        Ok(source::Scan::new(ScanExport(RefCell::new(scan))))
    }
}

impl GuestScan for ScanExport {
    fn next(&self, max_rows: u32, max_bytes: u64) -> Result<Option<source::Page>, wit::Error> {
        enter();
        Ok(self.0.borrow_mut().next(max_rows, max_bytes)?.map(Into::into))
    }
}
