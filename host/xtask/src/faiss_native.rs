/*!
The optional plugin faiss-native: a workspace of its own, because libfaiss takes minutes of C++ and needs more of the
system than anything else here. The demo, the bundled plugins and a user's build never come here.

Two steps: the helper program around libfaiss, then the plugin, which carries that program in its own file.
*/

use std::path::PathBuf;
use std::process::Command;

use crate::report::{self, Result};
use crate::{build, packages, paths, process};

const PLUGIN: &str = "vecferry-plugin-faiss-native";
const HELPER: &str = "vecferry-faiss-reader";
const PROTOCOL: &str = "vecferry-faiss-protocol";

/// What the build script of faiss-sys calls, and what it links to.
const DEBIAN_PACKAGES: &[&str] = &["cmake", "g++", "make", "libopenblas-dev", "liblapack-dev"];

/// Builds the plugin and puts it where nothing finds it by itself.
pub(crate) fn install() -> Result<()> {
    build_helper()?;
    report::step("faiss-native", "the plugin around it");
    process::run(cargo(["build", "--release", "--package", PLUGIN]).env(VARIABLE, helper()))?;
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let built = target().join("release").join(format!("{prefix}{}{suffix}", PLUGIN.replace('-', "_")));
    let folder = paths::release().join("optional");
    let name = format!("faiss-native{suffix}");
    build::install(&built, &folder, &name)?;
    let plugin = folder.join(name);
    report::step("faiss-native", format!("use: vecferry --plugin {} inspect STORE", plugin.display()));
    Ok(())
}

/// Its formatting, lints and tests, among them the comparison of the FAISS decoder with libfaiss.
pub(crate) fn check() -> Result<()> {
    // By name: `--all` would go on to the crates that these depend on.
    process::run(&mut cargo(["fmt", "--check", "--package", PLUGIN, "--package", HELPER, "--package", PROTOCOL]))?;
    build_helper()?;
    let all = ["--release", "--workspace"];
    let lints = ["--all-targets", "--", "-D", "warnings"];
    process::run(cargo(["clippy"]).args(all).args(lints).env(VARIABLE, helper()))?;
    // What tests say is shown: how much was compared.
    process::run(cargo(["test"]).args(all).args(["--", "--show-output"]).env(VARIABLE, helper()))
}

/// Names the helper program to the plugin's build script.
const VARIABLE: &str = "VECFERRY_FAISS_READER";

fn build_helper() -> Result<()> {
    packages::ensure_compiler()?;
    packages::ensure(DEBIAN_PACKAGES, "libfaiss is C++ built by cmake, and multiplies matrices with OpenBLAS")?;
    report::step("faiss-native", "libfaiss and the helper program around it (the first time: 3 to 10 minutes)");
    process::run(&mut cargo(["build", "--release", "--package", HELPER]))
}

fn helper() -> PathBuf {
    target().join("release").join(format!("faiss-reader{}", std::env::consts::EXE_SUFFIX))
}

fn target() -> PathBuf {
    paths::target().join("faiss-native")
}

/// Cargo in the plugin's workspace, which has a configuration of its own.
fn cargo<const N: usize>(arguments: [&str; N]) -> Command {
    let mut cargo = process::cargo(arguments);
    cargo.current_dir(paths::root().join("plugins").join("faiss-native")).env("CARGO_TARGET_DIR", target());
    cargo
}
