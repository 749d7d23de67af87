/*!
The plugins of this start: the bundled ones beside the program, those of the user's plugin folders, and those
named by `--plugin`.

A native library that is not bundled runs with all of the user's rights, so it is loaded only when its digest
was given.
*/

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use vecferry_core::engine::Cancel;
use vecferry_core::{Capability, Error, Grants, Plugin, Result};

use crate::args::PluginArguments;
use crate::paths;

/// Bundled plugins, in the order in which they are asked and read: of two stores with the same documents the
/// earlier plugin's is kept. Documents as people keep them come before the databases made from them.
const ORDER: [&str; 7] = ["pickle", "langchain", "llamaindex", "chroma", "faiss", "sqlite", "jsonl"];

/// All plugins of this start.
pub(crate) struct Registry {
    plugins: Vec<Loaded>,
    hosts: Vec<String>,
    secrets: Vec<String>,
}

struct Loaded {
    plugin: Arc<dyn Plugin>,
    bundled: bool,
}

impl Registry {
    /// Loads every plugin.
    pub(crate) fn load(arguments: &PluginArguments) -> Result<Registry> {
        let loader = Loader::new(arguments)?;
        let mut plugins = Vec::new();
        let bundled = bundled_folder()?;
        for file in plugin_files(&bundled)? {
            plugins.push(Loaded { plugin: loader.load(&file, true)?, bundled: true });
        }
        if plugins.is_empty() {
            return Err(Error::not_found("plugin/none-bundled", "the bundled plugins are missing")
                .at("folder", bundled.display())
                .hint("keep the folder 'plugins' beside the program; 'cargo xtask build' makes both"));
        }
        plugins.sort_by_key(|loaded| {
            let name = &loaded.plugin.spec().name;
            ORDER.iter().position(|known| known == name).unwrap_or(ORDER.len())
        });
        let user = paths::data().join("plugins");
        let folders = arguments.folders.iter().chain(user.is_dir().then_some(&user));
        for folder in folders {
            for file in plugin_files(folder)? {
                plugins.push(Loaded { plugin: loader.load(&file, false)?, bundled: false });
            }
        }
        for file in &arguments.files {
            plugins.push(Loaded { plugin: loader.load(file, false)?, bundled: false });
        }
        let mut names = BTreeSet::new();
        for Loaded { plugin, .. } in &plugins {
            if !names.insert(plugin.spec().name.clone()) {
                return Err(Error::config("plugin/twice", format!("two plugins are called '{}'", plugin.spec().name))
                    .at("file", plugin.origin())
                    .hint("remove one of them"));
            }
        }
        Ok(Registry { plugins, hosts: arguments.hosts.clone(), secrets: arguments.secrets.clone() })
    }

    /// All of them, in order.
    pub(crate) fn all(&self) -> Vec<Arc<dyn Plugin>> {
        self.plugins.iter().map(|loaded| Arc::clone(&loaded.plugin)).collect()
    }

    /// By name.
    pub(crate) fn named(&self, name: &str) -> Result<Arc<dyn Plugin>> {
        self.all().into_iter().find(|plugin| plugin.spec().name == name).ok_or_else(|| {
            let names: Vec<String> = self.all().iter().map(|plugin| plugin.spec().name.clone()).collect();
            Error::not_found("plugin/unknown", format!("there is no plugin '{name}'"))
                .hint(format!("plugins here: {}", names.join(", ")))
        })
    }

    /// The sink that answers to a scheme.
    pub(crate) fn sink(&self, scheme: &str) -> Result<Arc<dyn Plugin>> {
        let sinks = || self.plugins.iter().map(|loaded| &loaded.plugin).filter(|plugin| plugin.is_sink());
        sinks().find(|plugin| plugin.spec().schemes.iter().any(|s| s == scheme)).cloned().ok_or_else(|| {
            let schemes: Vec<String> = sinks().flat_map(|plugin| plugin.spec().schemes.clone()).collect();
            Error::config("sink/unknown-scheme", format!("no plugin writes to '{scheme}:'"))
                .hint(format!("destinations here: {}", schemes.join(", ")))
        })
    }

    /// The source that answers to a scheme by itself, without files.
    pub(crate) fn remote_source(&self, scheme: &str) -> Option<Arc<dyn Plugin>> {
        let answers = |plugin: &&Loaded| {
            let spec = plugin.plugin.spec();
            plugin.plugin.is_source()
                && spec.capabilities.contains(&Capability::Http)
                && spec.schemes.iter().any(|known| known == scheme)
        };
        self.plugins.iter().find(answers).map(|loaded| Arc::clone(&loaded.plugin))
    }

    /// Whether the user lets plugins that were not bundled use a secret.
    pub(crate) fn allows_secret(&self, name: &str) -> bool {
        self.secrets.iter().any(|allowed| allowed == name)
    }

    /// Whether it came with the program.
    pub(crate) fn is_bundled(&self, name: &str) -> bool {
        self.plugins.iter().any(|loaded| loaded.bundled && loaded.plugin.spec().name == name)
    }

    /// What every instance of a run is granted, before store and destination are added.
    pub(crate) fn grants(&self, cancel: &Cancel) -> Grants {
        Grants { http_hosts: self.hosts.clone(), cancelled: cancel.flag(), ..Grants::default() }
    }
}

struct Loader {
    wasm: vecferry_wasm::Runtime,
    allowed: BTreeSet<String>,
}

impl Loader {
    fn new(arguments: &PluginArguments) -> Result<Loader> {
        let options = vecferry_wasm::Options {
            cache_dir: Some(paths::cache().join("compiled")),
            memory_bytes: usize::try_from(arguments.plugin_memory << 20).unwrap_or(usize::MAX),
            call_deadline: Duration::from_secs(arguments.plugin_seconds),
            ..Default::default()
        };
        let allowed = arguments.native.iter().map(|digest| digest.to_ascii_lowercase()).collect();
        Ok(Loader { wasm: vecferry_wasm::Runtime::new(options)?, allowed })
    }

    fn load(&self, file: &Path, bundled: bool) -> Result<Arc<dyn Plugin>> {
        if !is_native(file) {
            let plugin = self.wasm.load(file)?;
            return Ok(plugin);
        }
        if !bundled {
            let digest = digest(file)?;
            if !self.allowed.contains(&digest) {
                return Err(Error::denied(
                    "plugin/native-not-allowed",
                    "a native plugin runs with all your rights; this one is not trusted yet",
                )
                .at("file", file.display())
                .hint(format!("if you trust it: --allow-native {digest}")));
            }
        }
        vecferry_native::load(file)
    }
}

fn is_native(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == std::env::consts::DLL_EXTENSION)
}

fn bundled_folder() -> Result<PathBuf> {
    let program = std::env::current_exe()
        .and_then(|path| path.canonicalize())
        .map_err(|error| Error::internal("plugin/program", format!("cannot find the program's own place: {error}")))?;
    Ok(program.with_file_name("plugins"))
}

/// The plugins of a folder, sorted by name; a folder that is not there holds none.
fn plugin_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(folder, &error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| unreadable(folder, &error))?.path();
        if path.extension().is_some_and(|e| e == "wasm") || is_native(&path) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn digest(file: &Path) -> Result<String> {
    let bytes = std::fs::read(file).map_err(|error| unreadable(file, &error))?;
    Ok(Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    let message = format!("cannot read a plugin: {error}");
    Error::not_found("plugin/unreadable", message).at("path", path.display())
}
