/*! Whether a file is a component that speaks this version of the contract, said before anything of it runs. */

use std::fs::File;
use std::io::Read;
use std::path::Path;

use vecferry_contract::{Error, Result};
use wasmtime::Engine;
use wasmtime::component::Component;

const PACKAGE: &str = "vecferry:plugin/";
/// Versions that differ only behind this are compatible.
const COMPATIBLE: &str = "0.1.";
const VERSION: &str = "0.1.0";
const OFFERED: [&str; 7] = ["types", "batches", "telemetry", "source-files", "sqlite", "http", "sink-files"];
const ROLES: [&str; 2] = ["source", "sink"];

const OTHER_BUILD: &str = "use a build of the plugin for this version of vecferry, or the other way round";

/// What a component can do, by the names of its exports.
#[derive(Clone, Copy)]
pub(crate) struct Roles {
    pub(crate) source: bool,
    pub(crate) sink: bool,
}

/// Bytes of a component; one with a Python interpreter inside has about 20 MiB.
const MAX_BYTES: u64 = 512 << 20;

/// The file's bytes, if it is a component by its first eight.
///
/// # Errors
/// `plugin/not-found`, `plugin/unreadable`, `plugin/not-a-component`.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    let fail = |e: std::io::Error| {
        let message = format!("the plugin cannot be read: {e}");
        match e.kind() {
            std::io::ErrorKind::NotFound => Error::not_found("plugin/not-found", message),
            _ => Error::config("plugin/unreadable", message),
        }
    };
    let mut bytes = Vec::new();
    let size = File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes)).map_err(fail)?;
    if size as u64 > MAX_BYTES {
        return Err(not_a_component(&format!("it has more than {} MiB", MAX_BYTES >> 20)));
    }
    match bytes.get(..8) {
        Some([0, b'a', b's', b'm', 0x0d, 0, 1, 0]) => Ok(bytes),
        Some([0, b'a', b's', b'm', 1, 0, 0, 0]) => Err(not_a_component("it is a WebAssembly core module").hint(
            "make a component of it: for Rust, link with `wasm-component-ld`; otherwise `wasm-tools component new`",
        )),
        Some([0, b'a', b's', b'm', ..]) => {
            Err(not_a_component("it is WebAssembly of an encoding that is not known here"))
        }
        Some([0x7f, b'E', b'L', b'F', ..] | [0xcf, 0xfa, 0xed, 0xfe, ..] | [b'M', b'Z', ..]) => {
            Err(not_a_component("it is a native library or program"))
        }
        _ => Err(not_a_component("it is no WebAssembly")),
    }
}

fn not_a_component(why: &str) -> Error {
    Error::config("plugin/not-a-component", format!("the file is no WebAssembly component: {why}"))
}

/// Checks the names of what a component imports and exports.
///
/// # Errors
/// `plugin/unknown-import`, `plugin/contract-version`, `plugin/no-role`.
pub(crate) fn check(engine: &Engine, component: &Component) -> Result<Roles> {
    let shape = component.component_type();
    for (name, _) in shape.imports(engine) {
        match Name::of(name, &OFFERED) {
            Name::Ours => {}
            Name::OtherVersion(version) => return Err(other_version(name, version)),
            Name::Foreign => {
                let message = format!("the plugin imports {name}, which this host does not offer");
                let hint = if name.starts_with("wasi:") {
                    "plugins run without WASI: build for wasm32-unknown-unknown (Rust), or with WASI stubbed out"
                } else {
                    "a plugin may import the interfaces of vecferry:plugin only"
                };
                return Err(Error::config("plugin/unknown-import", message).hint(hint));
            }
        }
    }
    let (mut roles, mut other) = (Roles { source: false, sink: false }, None);
    for (name, _) in shape.exports(engine) {
        match Name::of(name, &ROLES) {
            Name::Ours => {
                roles.source |= is_interface(name, "source");
                roles.sink |= is_interface(name, "sink");
            }
            Name::OtherVersion(version) if ROLES.iter().any(|role| is_interface(name, role)) => {
                other = Some(other_version(name, version));
            }
            // What else it exports is for other hosts.
            _ => {}
        }
    }
    match other {
        Some(error) if !roles.source && !roles.sink => Err(error),
        _ if !roles.source && !roles.sink => Err(no_role()),
        _ => Ok(roles),
    }
}

/// A component that is no plugin.
pub(crate) fn no_role() -> Error {
    Error::config("plugin/no-role", "the component exports neither a source nor a sink")
        .hint(format!("a plugin exports {PACKAGE}source@{VERSION}, {PACKAGE}sink@{VERSION}, or both"))
}

/// Imports of the right names that are not what the host offers under them.
pub(crate) fn other_imports(why: &wasmtime::Error) -> Error {
    Error::config("plugin/contract-version", format!("the plugin's imports differ from what the host offers: {why:#}"))
        .hint(OTHER_BUILD)
}

/// Exports of the right names that are not what the host expects under them.
pub(crate) fn other_exports(why: &wasmtime::Error) -> Error {
    Error::config("plugin/contract-version", format!("the plugin's exports differ from what the host expects: {why:#}"))
        .hint(OTHER_BUILD)
}

/// Whether `name` is some version of our `interface`.
fn is_interface(name: &str, interface: &str) -> bool {
    let rest = name.strip_prefix(PACKAGE).and_then(|rest| rest.strip_prefix(interface));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('@'))
}

fn other_version(name: &str, version: &str) -> Error {
    let message = format!("the plugin needs {name}; this host speaks version {VERSION} of the contract");
    let hint = if version.starts_with(COMPATIBLE) { "a newer vecferry offers it" } else { OTHER_BUILD };
    Error::config("plugin/contract-version", message).hint(hint)
}

enum Name<'a> {
    Ours,
    OtherVersion(&'a str),
    Foreign,
}

impl<'a> Name<'a> {
    fn of(name: &'a str, known: &[&str]) -> Self {
        let Some(rest) = name.strip_prefix(PACKAGE) else { return Name::Foreign };
        let (interface, version) = rest.split_once('@').unwrap_or((rest, "(none)"));
        if version.starts_with(COMPATIBLE) && known.contains(&interface) {
            Name::Ours
        } else {
            Name::OtherVersion(version)
        }
    }
}
