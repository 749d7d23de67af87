/*! A loaded component, behind [`Plugin`]. */

use std::path::{Path, PathBuf};
use std::sync::Arc;

use vecferry_contract::{Error, PluginSpec, Result};
use vecferry_core::{Grants, Plugin, Sink, Source};
use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};

use crate::bindings::{sink, source, types};
use crate::contract::{self, Roles};
use crate::runtime::Shared;
use crate::session::{Find, Maker, Session};
use crate::sink::WasmSink;
use crate::source::WasmSource;
use crate::state::State;

/// A component that was loaded and asked for its spec. It exports a source, a sink, or both.
pub struct WasmPlugin {
    path: PathBuf,
    spec: PluginSpec,
    source: Option<Maker<source::Guest>>,
    sink: Option<Maker<sink::Guest>>,
}

impl WasmPlugin {
    pub(crate) fn new(shared: &Arc<Shared>, pre: &InstancePre<State>, roles: Roles, path: &Path) -> Result<Self> {
        // Until it says what it is called, it is called as its file is.
        let plugin = path.file_stem().unwrap_or_default().to_string_lossy();
        let mut source = roles.source.then(|| Maker::new(shared, pre, &plugin, find_source));
        let mut sink = roles.sink.then(|| Maker::new(shared, pre, &plugin, find_sink));
        let source_spec = match &mut source {
            Some(maker) => Some(maker.ask(|store, guest| guest.call_spec(store))?),
            None => None,
        };
        let sink_spec = match &mut sink {
            Some(maker) => Some(maker.ask(|store, guest| guest.call_spec(store))?),
            None => None,
        };
        let spec = match (source_spec, sink_spec) {
            (Some(source), Some(sink)) => source.joined(sink)?,
            (Some(spec), None) | (None, Some(spec)) => spec,
            (None, None) => return Err(contract::no_role()),
        };
        Ok(WasmPlugin { path: path.to_owned(), spec, source, sink })
    }

    fn lacks(&self, role: &str) -> Error {
        Error::unsupported("plugin/role", format!("the plugin {} is no {role}", self.spec.name))
            .at("file", self.path.display())
    }
}

fn find_source(pre: &InstancePre<State>, store: &mut Store<State>, at: &Instance) -> wasmtime::Result<source::Guest> {
    source::GuestIndices::new(pre)?.load(store, at)
}

fn find_sink(pre: &InstancePre<State>, store: &mut Store<State>, at: &Instance) -> wasmtime::Result<sink::Guest> {
    sink::GuestIndices::new(pre)?.load(store, at)
}

impl<G> Maker<G> {
    fn new(shared: &Arc<Shared>, pre: &InstancePre<State>, plugin: &str, find: Find<G>) -> Self {
        let (shared, pre) = (Arc::clone(shared), pre.clone());
        Maker { shared, pre, find, plugin: plugin.to_owned(), capabilities: Vec::new() }
    }

    /// Asks the role for its spec, granting nothing, and takes over what it says.
    fn ask(
        &mut self,
        spec: impl FnOnce(&mut Store<State>, &G) -> wasmtime::Result<types::PluginSpec>,
    ) -> Result<PluginSpec> {
        let mut session = Session::new(self.clone(), Grants::default(), String::new());
        let spec = PluginSpec::from(session.call_plain("spec", spec)?).checked()?;
        self.plugin.clone_from(&spec.name);
        self.capabilities.clone_from(&spec.capabilities);
        Ok(spec)
    }
}

impl Plugin for WasmPlugin {
    fn spec(&self) -> &PluginSpec {
        &self.spec
    }

    fn origin(&self) -> String {
        self.path.display().to_string()
    }

    fn runtime(&self) -> &'static str {
        "wasm"
    }

    fn is_source(&self) -> bool {
        self.source.is_some()
    }

    fn is_sink(&self) -> bool {
        self.sink.is_some()
    }

    fn source(&self, grants: Grants, config: serde_json::Value) -> Result<Box<dyn Source>> {
        let maker = self.source.as_ref().ok_or_else(|| self.lacks("source"))?;
        let input = grants.source.as_ref().map(|store| match store.files.as_deref() {
            Some([file]) => store.root.join(file).display().to_string(),
            _ => store.root.display().to_string(),
        });
        let session = Session::new(maker.clone(), grants, input.unwrap_or_default());
        Ok(Box::new(WasmSource { session, config: config.to_string() }))
    }

    fn sink(&self, grants: Grants, config: serde_json::Value) -> Result<Box<dyn Sink>> {
        let maker = self.sink.as_ref().ok_or_else(|| self.lacks("sink"))?;
        // Not the location: it may hold a password.
        let input = grants.sink.as_ref().map(|grant| grant.folder.display().to_string());
        let session = Session::new(maker.clone(), grants, input.unwrap_or_default());
        Ok(Box::new(WasmSink { session, config: config.to_string() }))
    }
}
