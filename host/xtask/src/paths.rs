/*! Where things are: the repository, what is built in it, and what is kept per machine. */

use std::env;
use std::path::{Path, PathBuf};

use crate::report::{Failure, Result};

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    // Of the checkout this was built in: two folders above this crate. (The variable at run time is the caller's:
    // tests run this program too.)
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// Cargo's target folder for the host.
pub(crate) fn target() -> PathBuf {
    let root = root();
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |folder| root.join(folder))
}

/// Cargo's target folder for guests: another compiler may build them, and the two would undo each other's work.
pub(crate) fn guest_target() -> PathBuf {
    target().join("guests")
}

/// Where `vecferry` is built, with `plugins/` beside it.
pub(crate) fn release() -> PathBuf {
    target().join("release")
}

/// The built `vecferry`.
pub(crate) fn vecferry() -> PathBuf {
    release().join(format!("vecferry{}", env::consts::EXE_SUFFIX))
}

/// Where cargo keeps the sources of dependencies.
pub(crate) fn cargo_home() -> Option<PathBuf> {
    env::var_os("CARGO_HOME")
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo").into()))
        .map(Into::into)
}

/// What is downloaded or built once per machine: the same folder as the `vecferry` command's.
pub(crate) fn cache() -> Result<PathBuf> {
    cache_from(|name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from))
}

fn cache_from(variable: impl Fn(&str) -> Option<PathBuf>) -> Result<PathBuf> {
    variable("VECFERRY_CACHE_DIR")
        .or_else(|| Some(variable("XDG_CACHE_HOME")?.join("vecferry")))
        .or_else(|| Some(variable("HOME")?.join(".cache").join("vecferry")))
        .ok_or_else(|| {
            Failure::new("there is no folder to keep downloads in: HOME is not set").hint("set VECFERRY_CACHE_DIR")
        })
}

#[cfg(test)]
#[path = "paths_tests.rs"]
mod tests;
