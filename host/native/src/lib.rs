/*!
Runs plugins that are native libraries: [`Source`](vecferry_core::Source) and [`Sink`](vecferry_core::Sink) over the
tables of [`vecferry_contract::abi`].

A native plugin runs with all the rights of the process, without deadline or memory cap: whoever loads one must trust
it. What this crate does hold to is the contract: the powers it hands over are the granted ones, answers are checked
like a WebAssembly guest's, a panic becomes an error and the host goes on. A plugin that crashes takes the host with it.

Libraries are never unloaded: a plugin may have left threads, thread-locals and pointers behind.
*/
#![allow(unsafe_code)]

mod border;
mod library;
mod powers;
mod sink;
mod source;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use vecferry_contract::{Error, PluginSpec, Result};
use vecferry_core::{Grants, Plugin, Sink, Source};

use border::Border;
use library::{SinkFunctions, SourceFunctions};

/// Loads a plugin library and asks it for its spec.
///
/// # Errors
/// `not-found`: there is no such file; `config` with the code `plugin/not-a-plugin`: it is no library for this machine,
/// or one without a plugin in it; `plugin/abi-version`: built for another version of the border; `internal`: its spec
/// is none.
pub fn load(path: &Path) -> Result<Arc<dyn Plugin>> {
    Ok(Arc::new(NativePlugin::load(path)?))
}

/// A library that was loaded and asked for its spec. It holds a source, a sink, or both.
pub struct NativePlugin {
    path: PathBuf,
    spec: PluginSpec,
    source: Option<(PluginSpec, SourceFunctions)>,
    sink: Option<(PluginSpec, SinkFunctions)>,
}

impl NativePlugin {
    /// See [`load`].
    ///
    /// # Errors
    /// See [`load`].
    pub fn load(path: &Path) -> Result<Self> {
        let (source, sink) = library::open(path)?;
        // Until it says what it is called, it is called as its file is.
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let border = Border::new(&stem);
        let here = |error: Error| error.at("file", path.display());
        let source = source.map(|functions| Ok((border.spec(functions.spec)?, functions))).transpose().map_err(here)?;
        let sink = sink.map(|functions| Ok((border.spec(functions.spec)?, functions))).transpose().map_err(here)?;
        let spec = match (&source, &sink) {
            (Some((source, _)), Some((sink, _))) => source.clone().joined(sink.clone()).map_err(here)?,
            (Some((spec, _)), None) | (None, Some((spec, _))) => spec.clone(),
            (None, None) => return Err(library::not_a_plugin(path, "it holds neither a source nor a sink")),
        };
        Ok(NativePlugin { path: path.to_owned(), spec, source, sink })
    }

    fn lacks(&self, role: &str) -> Error {
        Error::unsupported("plugin/role", format!("the plugin {} is no {role}", self.spec.name))
            .at("file", self.path.display())
    }
}

impl Plugin for NativePlugin {
    fn spec(&self) -> &PluginSpec {
        &self.spec
    }

    fn origin(&self) -> String {
        self.path.display().to_string()
    }

    fn runtime(&self) -> &'static str {
        "native"
    }

    fn is_source(&self) -> bool {
        self.source.is_some()
    }

    fn is_sink(&self) -> bool {
        self.sink.is_some()
    }

    fn source(&self, grants: Grants, config: serde_json::Value) -> Result<Box<dyn Source>> {
        let (spec, functions) = self.source.as_ref().ok_or_else(|| self.lacks("source"))?;
        Ok(Box::new(source::NativeSource::new(spec, *functions, grants, config.to_string())))
    }

    fn sink(&self, grants: Grants, config: serde_json::Value) -> Result<Box<dyn Sink>> {
        let (spec, functions) = self.sink.as_ref().ok_or_else(|| self.lacks("sink"))?;
        Ok(Box::new(sink::NativeSink::new(spec, *functions, grants, config.to_string())))
    }
}
