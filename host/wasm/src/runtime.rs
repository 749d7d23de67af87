/*! The engine that all plugins share: compiler, cache, limits, and the import list. */

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use vecferry_contract::{Error, Result};
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Config, Engine};

use crate::bindings::{batches, http, sink_files, source_files, sqlite, telemetry, types};
use crate::state::State;
use crate::ticker::Ticker;
use crate::{WasmPlugin, cache, contract};

/// The limits of every instance, and where compiled code is kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// Folder for compiled code; made where it is missing, and not used when others than the user can write there.
    /// `None` = compile at every start.
    pub cache_dir: Option<PathBuf>,
    /// Bytes of memory that one instance may use.
    pub memory_bytes: usize,
    /// How long a guest may compute in one call, host functions left out.
    pub call_deadline: Duration,
    /// How long host functions may work in one call (each has limits of its own, too).
    pub host_deadline: Duration,
}

impl Default for Options {
    /// 1 GiB, 120 s, 30 min; no cache.
    fn default() -> Self {
        Options {
            cache_dir: None,
            memory_bytes: 1 << 30,
            call_deadline: Duration::from_secs(120),
            host_deadline: Duration::from_secs(30 * 60),
        }
    }
}

/// Loads components. One per process is enough; dropping it ends its clock's thread once no plugin is left.
pub struct Runtime {
    shared: Arc<Shared>,
    linker: Linker<State>,
}

/// What every instance needs as long as it lives.
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) options: Options,
    _ticker: Ticker,
}

impl Runtime {
    /// # Errors
    /// `internal` when this machine cannot run WebAssembly.
    pub fn new(options: Options) -> Result<Self> {
        let fail = |what: &str, why: &dyn std::fmt::Display| {
            Error::internal("wasm/engine", format!("{what} cannot be set up: {why}"))
        };
        let mut config = Config::new();
        config.epoch_interruption(true);
        config.cache(options.cache_dir.as_deref().and_then(cache::open));
        let engine = Engine::new(&config).map_err(|e| fail("the WebAssembly engine", &e))?;
        let linker = offer(&engine).map_err(|e| fail("the plugins' imports", &e))?;
        let ticker = Ticker::start(&engine).map_err(|e| fail("the plugins' clock", &e))?;
        Ok(Runtime { shared: Arc::new(Shared { engine, options, _ticker: ticker }), linker })
    }

    /// Compiles the component at `path` (or takes it from the cache) and asks it for its spec.
    ///
    /// # Errors
    /// `config` for a file that is no such plugin: `plugin/not-a-component`, `plugin/unknown-import`,
    /// `plugin/contract-version`, `plugin/no-role`, `plugin/invalid`; `internal` for one that cannot say what it is:
    /// `plugin/spec`, `plugin/trap`, …
    pub fn load(&self, path: &Path) -> Result<Arc<WasmPlugin>> {
        self.load_inner(path).map(Arc::new).map_err(|e| e.at("file", path.display()))
    }

    fn load_inner(&self, path: &Path) -> Result<WasmPlugin> {
        let bytes = contract::read(path)?;
        let component = Component::from_binary(&self.shared.engine, &bytes).map_err(|e| {
            Error::config("plugin/invalid", format!("the component is damaged, or uses what is not known here: {e:#}"))
        })?;
        let roles = contract::check(&self.shared.engine, &component)?;
        let pre = self.linker.instantiate_pre(&component).map_err(|e| contract::other_imports(&e))?;
        WasmPlugin::new(&self.shared, &pre, roles, path)
    }
}

/// All that a component may import.
fn offer(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    macro_rules! add {
        ($($interface:ident),+) => { $($interface::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;)+ };
    }
    add!(types, batches, telemetry, source_files, sqlite, http, sink_files);
    Ok(linker)
}
