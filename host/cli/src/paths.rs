/*! The folders that the command reads from the environment, each declared once. */

use std::path::PathBuf;

/// `VECFERRY_CACHE_DIR`, else the user's cache folder: models, the ONNX Runtime, compiled plugins.
pub(crate) fn cache() -> PathBuf {
    folder("VECFERRY_CACHE_DIR", "XDG_CACHE_HOME", ".cache")
}

/// The user's data folder: plugins that were put there by hand.
pub(crate) fn data() -> PathBuf {
    folder("VECFERRY_DATA_DIR", "XDG_DATA_HOME", ".local/share")
}

/// The user's state folder: what runs keep.
pub(crate) fn state() -> PathBuf {
    folder("VECFERRY_STATE_DIR", "XDG_STATE_HOME", ".local/state")
}

fn folder(own: &str, xdg: &str, below_home: &str) -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = set(own) {
        return path;
    }
    let base = set(xdg).or_else(|| set("HOME").map(|home| home.join(below_home)));
    base.unwrap_or_else(std::env::temp_dir).join("vecferry")
}
