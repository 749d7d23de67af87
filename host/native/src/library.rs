/*! Opens a library and reads its tables; decides whether it is a plugin, and one that this host can call. */

use std::path::Path;

use libloading::Library;
use object::{Object, ObjectKind, ObjectSegment};
use vecferry_contract::abi::{
    ABI_VERSION, ENTRY, Entry, ObjectFn, OpenFn, PluginFn, PluginTable, SinkTable, SourceTable,
};
use vecferry_contract::{Error, Result};

/// A source's functions, all there.
#[derive(Clone, Copy)]
pub(crate) struct SourceFunctions {
    pub(crate) spec: PluginFn,
    pub(crate) detect: PluginFn,
    pub(crate) discover: PluginFn,
    pub(crate) plan: PluginFn,
    pub(crate) open: OpenFn,
    pub(crate) scan_next: ObjectFn,
    pub(crate) scan_close: ObjectFn,
}

/// A sink's functions, all there.
#[derive(Clone, Copy)]
pub(crate) struct SinkFunctions {
    pub(crate) spec: PluginFn,
    pub(crate) check: PluginFn,
    pub(crate) prepare: PluginFn,
    pub(crate) open: OpenFn,
    pub(crate) finish: PluginFn,
    pub(crate) writer_write: ObjectFn,
    pub(crate) writer_flush: ObjectFn,
    pub(crate) writer_count: ObjectFn,
    pub(crate) writer_fetch: ObjectFn,
    pub(crate) writer_query: ObjectFn,
    pub(crate) writer_close: ObjectFn,
    pub(crate) rehearse: PluginFn,
    pub(crate) writer_settle: ObjectFn,
    pub(crate) writer_list: ObjectFn,
}

/// An error for a file that is no plugin.
pub(crate) fn not_a_plugin(path: &Path, why: &str) -> Error {
    Error::config("plugin/not-a-plugin", format!("the file is no native plugin for this machine: {why}"))
        .hint("a native plugin is a library built from a crate that calls vecferry_sdk::export!")
        .at("file", path.display())
}

fn other_version(path: &Path, why: String) -> Error {
    Error::config("plugin/abi-version", format!("the plugin was built for another version of the native border: {why}"))
        .hint("build the plugin anew with the SDK of this version of vecferry, or use a version that fits the plugin")
        .at("file", path.display())
}

/// Opens the library for good, and finds what it offers.
///
/// # Errors
/// `plugin/not-found`, `plugin/not-a-plugin`, `plugin/abi-version`.
pub(crate) fn open(path: &Path) -> Result<(Option<SourceFunctions>, Option<SinkFunctions>)> {
    // An absolute path: a bare name would be searched for in the system's library folders.
    let path = path.canonicalize().map_err(|error| {
        Error::not_found("plugin/not-found", format!("cannot open the plugin: {error}")).at("file", path.display())
    })?;
    inspect(&path)?;
    // SAFETY: loading runs the library's initialisers; whoever calls `load` trusts the file.
    let library = unsafe { Library::new(&path) }.map_err(|error| not_a_plugin(&path, &cause(&error)))?;
    // Loaded for good: the functions below are called as long as the process lives.
    let library: &'static Library = Box::leak(Box::new(library));
    // SAFETY: a library that exports this name is a plugin of ours, whose entry has this type in every version.
    let entry = unsafe { library.get::<Entry>(ENTRY.as_bytes()) }
        .map_err(|_| not_a_plugin(&path, &format!("it does not export {ENTRY}")))?;
    // SAFETY: an entry takes nothing and returns a pointer to a table that lives for ever.
    let table = unsafe { entry() };
    if table.is_null() {
        return Err(not_a_plugin(&path, "its entry returns nothing"));
    }
    // SAFETY: in every version a table starts with its size and the version, up to the end of `abi_version`.
    let (size, version) =
        unsafe { ((&raw const (*table).struct_size).read(), (&raw const (*table).abi_version).read()) };
    if version != ABI_VERSION {
        return Err(other_version(&path, format!("the plugin has version {version}, this program {ABI_VERSION}")));
    }
    let too_small = |what: &str, size: usize, least: usize| {
        other_version(&path, format!("its {what} of {size} bytes is smaller than the {least} of version {ABI_VERSION}"))
    };
    if size < size_of::<PluginTable>() {
        return Err(too_small("table", size, size_of::<PluginTable>()));
    }
    // SAFETY: of this version, and at least as large as the type.
    let PluginTable { source, sink, .. } = unsafe { table.read() };
    let incomplete = || other_version(&path, "a function of its tables is missing".to_owned());
    let source = if source.is_null() {
        None
    } else {
        // SAFETY: a table starts with its size.
        let size = unsafe { (&raw const (*source).struct_size).read() };
        if size < size_of::<SourceTable>() {
            return Err(too_small("source table", size, size_of::<SourceTable>()));
        }
        // SAFETY: at least as large as the type, whose functions are optional pointers.
        Some(SourceFunctions::all(unsafe { source.read() }).ok_or_else(incomplete)?)
    };
    let sink = if sink.is_null() {
        None
    } else {
        // SAFETY: a table starts with its size.
        let size = unsafe { (&raw const (*sink).struct_size).read() };
        if size < size_of::<SinkTable>() {
            return Err(too_small("sink table", size, size_of::<SinkTable>()));
        }
        // SAFETY: at least as large as the type, whose functions are optional pointers.
        Some(SinkFunctions::all(unsafe { sink.read() }).ok_or_else(incomplete)?)
    };
    Ok((source, sink))
}

/// Looks at the file before the system's loader does: that one runs the initialisers of whatever library it gets, and
/// the process dies (SIGBUS) with one that was cut short.
fn inspect(path: &Path) -> Result<()> {
    let bytes = std::fs::read(path).map_err(|e| not_a_plugin(path, &e.to_string()))?;
    let file = object::File::parse(&*bytes).map_err(|e| not_a_plugin(path, &format!("it is no library ({e})")))?;
    if file.kind() != ObjectKind::Dynamic {
        return Err(not_a_plugin(path, "it is no dynamic library"));
    }
    let cut_short = file.segments().any(|segment| {
        let (offset, len) = segment.file_range();
        offset.checked_add(len).is_none_or(|end| end > bytes.len() as u64)
    });
    if cut_short {
        return Err(not_a_plugin(path, "the file ends too early"));
    }
    let exports = file.exports().map_err(|e| not_a_plugin(path, &format!("its exports cannot be read ({e})")))?;
    // Some systems put an underscore before every name.
    let is_entry = |name: &[u8]| name.strip_prefix(b"_").unwrap_or(name) == ENTRY.as_bytes();
    if !exports.iter().any(|export| is_entry(export.name())) {
        return Err(not_a_plugin(path, &format!("it does not export {ENTRY}")));
    }
    Ok(())
}

/// The linker's own words, without the layers around them.
fn cause(error: &libloading::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

impl SourceFunctions {
    fn all(table: SourceTable) -> Option<Self> {
        let SourceTable { struct_size: _, spec, detect, discover, plan, open, scan_next, scan_close } = table;
        Some(SourceFunctions {
            spec: spec?,
            detect: detect?,
            discover: discover?,
            plan: plan?,
            open: open?,
            scan_next: scan_next?,
            scan_close: scan_close?,
        })
    }
}

impl SinkFunctions {
    fn all(table: SinkTable) -> Option<Self> {
        Some(SinkFunctions {
            spec: table.spec?,
            check: table.check?,
            prepare: table.prepare?,
            open: table.open?,
            finish: table.finish?,
            writer_write: table.writer_write?,
            writer_flush: table.writer_flush?,
            writer_count: table.writer_count?,
            writer_fetch: table.writer_fetch?,
            writer_query: table.writer_query?,
            writer_close: table.writer_close?,
            rehearse: table.rehearse?,
            writer_settle: table.writer_settle?,
            writer_list: table.writer_list?,
        })
    }
}
