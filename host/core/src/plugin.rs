/*! What both runtimes (WebAssembly, native) offer for one plugin file, and what a plugin is granted. */

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use vecferry_contract::{PluginSpec, Result};

use crate::{Sink, Source};

/// A plugin file that was loaded and asked for its spec.
///
/// # Contract
/// - Loading runs no plugin code but `spec`, which is granted nothing.
/// - Every `source`/`sink` call makes an instance of its own; instances share nothing.
/// - What an instance may do is the intersection of what the spec requests and what `grants` holds.
/// - A fault of the plugin (trap, panic, deadline, memory cap) becomes an error of kind `internal` that names
///   plugin and call; the host and all other instances go on.
pub trait Plugin: Send + Sync {
    /// What it says about itself.
    fn spec(&self) -> &PluginSpec;
    /// Where it came from, for people: a path.
    fn origin(&self) -> String;
    /// How it runs: `wasm` or `native`.
    fn runtime(&self) -> &'static str;
    /// Whether it can read.
    fn is_source(&self) -> bool;
    /// Whether it can write.
    fn is_sink(&self) -> bool;
    /// An instance that reads. `config` is a JSON object.
    ///
    /// # Errors
    /// `unsupported` when it is no source; `internal` when it cannot be started.
    fn source(&self, grants: Grants, config: serde_json::Value) -> Result<Box<dyn Source>>;
    /// An instance that writes. `config` is a JSON object that holds `location`.
    ///
    /// # Errors
    /// `unsupported` when it is no sink; `internal` when it cannot be started.
    fn sink(&self, grants: Grants, config: serde_json::Value) -> Result<Box<dyn Sink>>;
}

/// What the user grants to one instance. Nothing is granted by default.
#[derive(Clone, Default)]
pub struct Grants {
    /// The store: for `source-files` and `sqlite`.
    pub source: Option<SourceGrant>,
    /// The destination: for `sink-files`.
    pub sink: Option<SinkGrant>,
    /// Hosts for `http`, as `host` or `host:port`.
    pub http_hosts: Vec<String>,
    /// What `${secret:NAME}` stands for: name and value.
    pub secrets: Vec<(String, String)>,
    /// Set once the user asked to stop.
    pub cancelled: Arc<AtomicBool>,
}

/// The files of one store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceGrant {
    /// The folder that names are relative to.
    pub root: PathBuf,
    /// The granted files, by name; `None` = all below `root`.
    pub files: Option<Vec<String>>,
}

/// The files of one destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkGrant {
    /// The folder that names are relative to.
    pub folder: PathBuf,
    /// The granted name: a file, or a folder with what lies below it; `None` = all below `folder`.
    pub name: Option<String>,
    /// The run that may be interrupted and go on: its unfinished files are kept under this name and found again.
    /// `None` = what is not finished is removed.
    pub run: Option<String>,
}

impl SinkGrant {
    /// Everything below a folder; what is not finished is removed.
    pub fn folder(folder: impl Into<PathBuf>) -> Self {
        SinkGrant { folder: folder.into(), name: None, run: None }
    }
}

impl fmt::Debug for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secrets: Vec<&str> = self.secrets.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Grants")
            .field("source", &self.source)
            .field("sink", &self.sink)
            .field("http_hosts", &self.http_hosts)
            .field("secrets", &secrets)
            .finish_non_exhaustive()
    }
}
