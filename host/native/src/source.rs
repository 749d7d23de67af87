/*! [`Source`] over a plugin library. */

use std::borrow::Cow;

use vecferry_contract::abi::{Next, ObjectFn, OpenScan, Plan, Settings};
use vecferry_contract::{Claim, Collection, Error, Page, PluginSpec, Result, Split};
use vecferry_core::{Grants, Scan, Source};

use crate::border::{Border, Object};
use crate::library::SourceFunctions;
use crate::powers::Context;

pub(crate) struct NativeSource {
    border: Border,
    functions: SourceFunctions,
    context: Context,
    /// The settings, as JSON text.
    config: String,
}

impl NativeSource {
    pub(crate) fn new(spec: &PluginSpec, functions: SourceFunctions, grants: Grants, config: String) -> Self {
        let context = Context::new(&spec.name, &spec.capabilities, grants);
        NativeSource { border: Border::new(&spec.name), functions, context, config }
    }
}

impl Source for NativeSource {
    fn detect(&mut self) -> Result<Vec<Claim>> {
        self.border.call(&self.context, "detect", self.functions.detect, &())
    }

    fn discover(&mut self) -> Result<Vec<Collection>> {
        let settings = Settings { config: &self.config };
        self.border.call(&self.context, "discover", self.functions.discover, &settings)
    }

    fn plan(&mut self, collection: &str, desired: u32) -> Result<Vec<Split>> {
        let args = Plan { config: &self.config, collection, desired };
        let splits = self.border.call(&self.context, "plan", self.functions.plan, &args);
        splits.map_err(|fault| at_fault(fault, "collection", collection))
    }

    fn open<'a>(&'a mut self, split: &Split, after: Option<&[u8]>) -> Result<Box<dyn Scan + 'a>> {
        let args = OpenScan { config: &self.config, split: Cow::Borrowed(split), after };
        let SourceFunctions { open, scan_next, scan_close, .. } = self.functions;
        let scan = self.border.open(&self.context, open, scan_close, &args);
        let scan = scan.map_err(|fault| at_fault(fault, "split", &split.id))?;
        Ok(Box::new(NativeScan { scan, next: scan_next, split: split.id.clone(), over: false }))
    }
}

/// Names the argument in a fault of the plugin; the plugin's own errors say what they want to say.
pub(crate) fn at_fault(error: Error, key: &str, value: &str) -> Error {
    if error.context("call").is_some() { error.at(key, value) } else { error }
}

struct NativeScan {
    scan: Object,
    next: ObjectFn,
    split: String,
    over: bool,
}

impl Scan for NativeScan {
    fn next(&mut self, max_rows: u32, max_bytes: u64) -> Result<Option<Page>> {
        if self.over {
            return Err(Error::internal("plugin/scan-over", "the scan ended with an error; open it anew")
                .at("split", &self.split));
        }
        let max_rows = max_rows.max(1);
        let page: Result<Option<Page>> = self.scan.call("next", self.next, &Next { max_rows, max_bytes });
        page.and_then(|page| page.map(|page| page.checked(max_rows)).transpose()).map_err(|fault| {
            self.over = true;
            at_fault(fault, "split", &self.split)
        })
    }
}
