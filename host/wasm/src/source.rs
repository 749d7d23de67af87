/*! [`Source`] over a component. */

use vecferry_contract::{Claim, Collection, Error, Page, Result, Split};
use vecferry_core::{Scan, Source};
use wasmtime::component::ResourceAny;

use crate::bindings::source::Guest;
use crate::convert::each;
use crate::session::Session;

pub(crate) struct WasmSource {
    pub(crate) session: Session<Guest>,
    /// The settings, as JSON text.
    pub(crate) config: String,
}

impl Source for WasmSource {
    fn detect(&mut self) -> Result<Vec<Claim>> {
        self.session.call("detect", |store, guest| guest.call_detect(store)).map(each)
    }

    fn discover(&mut self) -> Result<Vec<Collection>> {
        let config = &self.config;
        self.session.call("discover", |store, guest| guest.call_discover(store, config)).map(each)
    }

    fn plan(&mut self, collection: &str, desired: u32) -> Result<Vec<Split>> {
        let config = &self.config;
        let splits = self.session.call("plan", |store, guest| guest.call_plan(store, config, collection, desired));
        splits.map(each).map_err(|fault| at_fault(fault, "collection", collection))
    }

    fn open<'a>(&'a mut self, split: &Split, after: Option<&[u8]>) -> Result<Box<dyn Scan + 'a>> {
        let config = &self.config;
        let (ours, after) = (split.into(), after.map(<[u8]>::to_vec));
        let scan = self.session.call("open", |store, guest| guest.call_open(store, config, &ours, after.as_deref()));
        let scan = scan.map_err(|fault| at_fault(fault, "split", &split.id))?;
        Ok(Box::new(WasmScan { session: &mut self.session, scan, split: split.id.clone(), over: false }))
    }
}

/// Names the argument in a fault of the plugin; the plugin's own errors say what they want to say.
pub(crate) fn at_fault(error: Error, key: &str, value: &str) -> Error {
    if error.context("call").is_some() { error.at(key, value) } else { error }
}

struct WasmScan<'a> {
    session: &'a mut Session<Guest>,
    /// Belongs to the session's instance: nothing else calls the session while the scan borrows it.
    scan: ResourceAny,
    split: String,
    over: bool,
}

impl Scan for WasmScan<'_> {
    fn next(&mut self, max_rows: u32, max_bytes: u64) -> Result<Option<Page>> {
        if self.over {
            return Err(Error::internal("plugin/scan-over", "the scan ended with an error; open it anew")
                .at("split", &self.split));
        }
        let max_rows = max_rows.max(1);
        let scan = self.scan;
        let page = self
            .session
            .call("next", |store, guest| guest.scan().call_next(store, scan, max_rows, max_bytes))
            .and_then(|page| page.map(|page| Page::from(page).checked(max_rows)).transpose());
        page.map_err(|fault| {
            self.over = true;
            at_fault(fault, "split", &self.split)
        })
    }
}

impl Drop for WasmScan<'_> {
    fn drop(&mut self) {
        self.session.drop_resource(self.scan);
    }
}
