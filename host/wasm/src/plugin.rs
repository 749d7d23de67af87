/*! A loaded component, behind [`Plugin`]. */

use std::path::{Path, PathBuf};
use std::sync::Arc;

use vecferry_contract::{Error, PluginSpec, Result};
use vecferry_core::{Grants, Plugin, Sink, Source};
use wasmtime::component::InstancePre;

use crate::answers;
use crate::bindings::{sink, source};
use crate::runtime::Shared;
use crate::session::{Maker, Session};
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
    pub(crate) fn new(shared: Arc<Shared>, pre: InstancePre<State>, path: &Path) -> Result<Self> {
        // Until it says what it is called, it is called as its file is.
        let plugin = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut source = source::GuestIndices::new(&pre).is_ok().then(|| Maker {
            shared: Arc::clone(&shared),
            pre: pre.clone(),
            find: |pre, store, instance| source::GuestIndices::new(pre)?.load(store, instance),
            plugin: plugin.clone(),
            capabilities: Vec::new(),
        });
        let mut sink = sink::GuestIndices::new(&pre).is_ok().then(|| Maker {
            shared,
            pre,
            find: |pre, store, instance| sink::GuestIndices::new(pre)?.load(store, instance),
            plugin,
            capabilities: Vec::new(),
        });
        let mut spec = None;
        if let Some(maker) = &mut source {
            let answer = bare(maker).call_plain("spec", |store, guest| guest.call_spec(store))?;
            let own = answers::spec(answer)?;
            maker.learn(&own);
            spec = Some(own);
        }
        if let Some(maker) = &mut sink {
            let answer = bare(maker).call_plain("spec", |store, guest| guest.call_spec(store))?;
            let own = answers::spec(answer)?;
            maker.learn(&own);
            spec = Some(match spec {
                Some(source) => join(source, own)?,
                None => own,
            });
        }
        // Both are missing only when an interface of the right name has other functions.
        let spec = spec.ok_or_else(|| {
            Error::config("plugin/contract-version", "the plugin's exports differ from what the host expects")
                .hint("use a build of the plugin for this version of vecferry, or the other way round")
        })?;
        Ok(WasmPlugin { path: path.to_owned(), spec, source, sink })
    }

    fn lacks(&self, role: &str) -> Error {
        Error::unsupported("plugin/role", format!("the plugin {} is no {role}", self.spec.name))
            .at("file", self.path.display())
    }
}

impl<G> Maker<G> {
    fn learn(&mut self, spec: &PluginSpec) {
        self.plugin.clone_from(&spec.name);
        self.capabilities.clone_from(&spec.capabilities);
    }
}

/// A session that is granted nothing.
fn bare<G>(maker: &Maker<G>) -> Session<G> {
    Session::new(maker.clone(), Grants::default(), String::new())
}

/// One spec for a plugin of both roles. Each role is still given no more than it asked for itself.
fn join(source: PluginSpec, sink: PluginSpec) -> Result<PluginSpec> {
    if (&source.name, &source.version) != (&sink.name, &sink.version) {
        let message = format!(
            "the plugin calls its source {} {} and its sink {} {}",
            source.name, source.version, sink.name, sink.version
        );
        return Err(
            Error::internal("plugin/spec", message).hint("this is a fault of the plugin; both must be the same")
        );
    }
    let mut both = source;
    for capability in sink.capabilities {
        if !both.capabilities.contains(&capability) {
            both.capabilities.push(capability);
        }
    }
    for (list, more) in [(&mut both.schemes, sink.schemes), (&mut both.features, sink.features)] {
        for word in more {
            if !list.contains(&word) {
                list.push(word);
            }
        }
    }
    Ok(both)
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
        let input = grants.sink_folder.as_ref().map(|folder| folder.display().to_string());
        let session = Session::new(maker.clone(), grants, input.unwrap_or_default());
        Ok(Box::new(WasmSink { session, config: config.to_string() }))
    }
}
