/*!
The powers that plugins may be granted, once, in plain Rust: `host/wasm` and `host/native` adapt them to their
borders. One file per capability, deny by default.

[`Powers`] belongs to one plugin instance. Each of its methods first asks whether the plugin requested the
capability in its spec and whether the user granted it; only then does the capability's own file do the work.
What comes back are plain owned values and handles that are `Send`, so that a border may keep them anywhere.

Invariants: a plugin names things, it never hands over a path; nothing beside a source changes; a secret's
value goes into a request header and nowhere else.
*/

mod files;
mod http;
mod io;
mod names;
mod sink_files;
mod slots;
mod sqlite;
mod telemetry;

use std::sync::Arc;
use std::sync::atomic::Ordering;

pub use files::{MAX_READ_BYTES, SourceFile};
pub use sink_files::Output;
pub use sqlite::{Database, Rows};
pub use vecferry_contract::{Capability, Entry, Error, Level, Method, Request, Response, Result, Value};
pub use vecferry_core::Grants;
use vecferry_core::SinkGrant;

use files::Store;
use slots::Slots;

/// What one plugin instance may do: the intersection of what its spec requests and what the user grants.
pub struct Powers {
    plugin: Arc<str>,
    requested: Vec<Capability>,
    grants: Grants,
    slots: Slots,
}

impl Powers {
    /// The powers of the plugin called `plugin`, whose spec requests `requested`.
    pub fn new(plugin: &str, requested: &[Capability], grants: Grants) -> Self {
        Powers { plugin: plugin.into(), requested: requested.to_vec(), grants, slots: Slots::default() }
    }

    /// The plugin's name, as it stands in errors and logs.
    pub fn plugin(&self) -> &str {
        &self.plugin
    }

    /// The files of the granted store, sorted by name.
    ///
    /// # Errors
    /// `denied` without `source-files`; `not-found` when the store is gone; `unsupported` for a folder with more
    /// files than one store can have.
    pub fn list_files(&self) -> Result<Vec<Entry>> {
        self.store(Capability::SourceFiles)?.list()
    }

    /// Opens one of the listed files.
    ///
    /// # Errors
    /// `denied` without `source-files`, or for a name that was not granted or leads out of the store; `not-found`.
    pub fn open_file(&self, name: &str) -> Result<SourceFile> {
        let store = self.store(Capability::SourceFiles)?;
        SourceFile::open(&store, name, self.slots.take("open files")?)
    }

    /// Opens a granted SQLite file, read-only.
    ///
    /// # Errors
    /// `denied` without `sqlite` or for a name that was not granted; `not-found`; `corrupt` when it is no database.
    pub fn open_sqlite(&self, name: &str) -> Result<Database> {
        let store = self.store(Capability::Sqlite)?;
        Database::open(&store, name, Arc::clone(&self.grants.cancelled), self.slots.take("open databases")?)
    }

    /// Sends a request and waits for the whole answer. Any status is a success here.
    ///
    /// # Errors
    /// `denied` for a host that is not on the granted list or a secret that was not granted; `transient` for
    /// connection faults and time-outs; `config` for a request that cannot be sent; `unsupported` for an answer
    /// that is too large.
    pub fn send(&self, request: Request) -> Result<Response> {
        self.need(Capability::Http, !self.grants.http_hosts.is_empty())?;
        http::send(request, &self.grants, &self.plugin)
    }

    /// Starts a destination file anew.
    ///
    /// # Errors
    /// `denied` without `sink-files` or for a name that leads out of the destination; `transient` for a full disk.
    pub fn create_output(&self, name: &str) -> Result<Output> {
        let grant = self.destination()?;
        Output::create(grant, name, self.slots.take("open destination files")?)
    }

    /// The unfinished file of this name that the run left when it was interrupted.
    ///
    /// # Errors
    /// As [`Powers::create_output`]; `config` while another process writes it.
    pub fn reopen_output(&self, name: &str) -> Result<Option<Output>> {
        let grant = self.destination()?;
        Output::reopen(grant, name, self.slots.take("open destination files")?)
    }

    /// A destination file that stands under its name, to be read.
    ///
    /// # Errors
    /// `denied` without `sink-files` or for a name that leads out of the destination; `not-found`.
    pub fn open_output(&self, name: &str) -> Result<Output> {
        let grant = self.destination()?;
        Output::open(grant, name, self.slots.take("open destination files")?)
    }

    /// The destination files that stand under their names, sorted.
    ///
    /// # Errors
    /// `denied` without `sink-files`; `transient` when the disk fails.
    pub fn list_outputs(&self) -> Result<Vec<Entry>> {
        sink_files::list(self.destination()?)
    }

    fn destination(&self) -> Result<&SinkGrant> {
        self.need(Capability::SinkFiles, self.grants.sink.is_some())?;
        self.grants.sink.as_ref().ok_or_else(|| self.denied(Capability::SinkFiles))
    }

    /// Whether a log line of this level would be shown.
    pub fn log_enabled(&self, level: Level) -> bool {
        telemetry::enabled(level)
    }

    /// Logs a line with the plugin's name.
    pub fn log(&self, level: Level, message: &str, fields: &[(String, String)]) {
        telemetry::log(&self.plugin, level, message, fields);
    }

    /// True once the user asked to stop.
    pub fn cancelled(&self) -> bool {
        self.grants.cancelled.load(Ordering::Relaxed)
    }

    fn store(&self, capability: Capability) -> Result<Store<'_>> {
        self.need(capability, self.grants.source.is_some())?;
        match &self.grants.source {
            Some(grant) => Ok(Store::new(grant)),
            None => Err(self.denied(capability)),
        }
    }

    fn need(&self, capability: Capability, granted: bool) -> Result<()> {
        if !self.requested.contains(&capability) {
            let (plugin, capability) = (&self.plugin, capability.as_str());
            let message =
                format!("the plugin {plugin} used the capability {capability}, which its spec does not request");
            return Err(Error::denied("capability/not-requested", message)
                .hint(format!("this is a fault of the plugin: its spec must list {capability} among its capabilities"))
                .at("capability", capability));
        }
        if granted { Ok(()) } else { Err(self.denied(capability)) }
    }

    fn denied(&self, capability: Capability) -> Error {
        let how = match capability {
            Capability::SourceFiles | Capability::Sqlite => "the store to read is granted by naming it as the source",
            Capability::Http => "grant a host with --allow-host HOST or HOST:PORT",
            Capability::SinkFiles => "a folder is granted by naming a local destination, as in --to SCHEME:PATH",
        };
        let (plugin, capability) = (&self.plugin, capability.as_str());
        Error::denied(
            "capability/not-granted",
            format!("the plugin {plugin} was not granted the capability {capability}"),
        )
        .hint(how)
        .at("capability", capability)
    }
}
