/*! The plugins that come with vecferry: the one list of them. */

use crate::report::{Failure, Result};

/// How a plugin runs, and so how it is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A WebAssembly component.
    Wasm,
    /// A native library.
    Native,
}

/// One bundled plugin.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bundled {
    /// Its name, and its file's in `plugins/`.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
}

const fn wasm(name: &'static str) -> Bundled {
    Bundled { name, kind: Kind::Wasm }
}

const fn native(name: &'static str) -> Bundled {
    Bundled { name, kind: Kind::Native }
}

/// Each is the package `vecferry-plugin-NAME` in `plugins/NAME`.
pub(crate) const BUNDLED: &[Bundled] = &[
    wasm("pickle"),
    wasm("faiss"),
    wasm("langchain"),
    wasm("llamaindex"),
    wasm("chroma"),
    wasm("jsonl"),
    wasm("parquet"),
    wasm("pinecone"),
    wasm("chroma-server"),
    native("sqlite"),
    native("pgvector"),
];

/// Guests for the tests of the runtimes; each is the package `vecferry-guest-NAME` in `tests/guests/NAME`. They are
/// built as the plugins are and stay where cargo puts them: no vecferry finds them.
pub(crate) const TEST_GUESTS: &[&str] = &["hostile", "powers"];

/// The bundled WebAssembly plugin that is also built as a native library, to compare the two.
pub(crate) const BOTH_WAYS: &str = "pickle";

impl Bundled {
    /// The cargo package.
    pub(crate) fn package(&self) -> String {
        format!("vecferry-plugin-{}", self.name)
    }

    /// What cargo calls its library.
    pub(crate) fn library(&self) -> String {
        self.package().replace('-', "_")
    }

    /// The bundled plugin of this name.
    pub(crate) fn named(name: &str) -> Result<&'static Bundled> {
        BUNDLED.iter().find(|plugin| plugin.name == name).ok_or_else(|| {
            let names: Vec<&str> = BUNDLED.iter().map(|plugin| plugin.name).collect();
            Failure::new(format!("no bundled plugin is named '{name}'")).hint(format!("one of {}", names.join(", ")))
        })
    }
}

#[cfg(test)]
#[path = "plugins_tests.rs"]
mod tests;
