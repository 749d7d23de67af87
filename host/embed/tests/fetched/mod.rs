//! The model that was fetched to this machine.

use std::path::PathBuf;

use vecferry_embed::{DEFAULT_MODEL, FastEmbedder, ModelStore};

/// As the `vecferry` command finds it.
pub(crate) fn store() -> ModelStore {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = set("VECFERRY_CACHE_DIR")
        .or_else(|| Some(set("XDG_CACHE_HOME")?.join("vecferry")))
        .or_else(|| Some(set("HOME")?.join(".cache/vecferry")))
        .expect("HOME is not set");
    ModelStore::new(cache.join("models"))
}

/// The model, or the test fails and says what it needs.
pub(crate) fn load(threads: usize) -> FastEmbedder {
    store().load(DEFAULT_MODEL, threads).unwrap_or_else(|error| {
        panic!("this test needs the embedding model ({error}); run: vecferry model fetch, or cargo xtask setup")
    })
}
