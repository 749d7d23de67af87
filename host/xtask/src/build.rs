/*!
Builds vecferry, its native plugins and its WebAssembly plugins, and puts the plugins where vecferry looks for
them: `plugins/` beside the program.

Cargo decides what is up to date; a plugin's file is replaced, whole, only when its bytes changed, so that a
running vecferry keeps the file it loaded.
*/

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::plugins::{BOTH_WAYS, BUNDLED, Bundled, Kind, TEST_GUESTS};
use crate::report::{self, Context as _, Failure, Result};
use crate::toolchain::{TARGET, WasmToolchain};
use crate::{packages, paths, process};

/// The profile of guests; the workspace's Cargo.toml says what it is.
const GUEST_PROFILE: &str = "guest";
/// The same, for a crate whose own workspace has no such profile.
const GUEST_PROFILE_SETTINGS: &[&str] =
    &["inherits='release'", "opt-level=3", "lto=true", "codegen-units=1", "panic='abort'", "strip='debuginfo'"];

/// vecferry and all its plugins.
pub(crate) fn all() -> Result<()> {
    packages::ensure_compiler()?;
    let toolchain = WasmToolchain::ready()?;
    host()?;
    guests(&toolchain, BUNDLED.iter().filter(|plugin| plugin.kind == Kind::Wasm))
}

/// Everything, and the plugins that only tests and measurements load. Those stay where cargo puts them.
pub(crate) fn all_and_test_plugins() -> Result<()> {
    all()?;
    report::step(
        "build",
        format!("plugins for tests: {}, and {BOTH_WAYS} as a native library", TEST_GUESTS.join(", ")),
    );
    let mut cargo = guest_cargo(&WasmToolchain::ready()?);
    for guest in TEST_GUESTS {
        cargo.arg("--package").arg(format!("vecferry-guest-{guest}"));
    }
    process::run(&mut cargo)?;
    process::run(process::cargo(["build", "--release", "--package"]).arg(Bundled::named(BOTH_WAYS)?.package()))
}

/// vecferry and its native plugins.
pub(crate) fn host() -> Result<()> {
    report::step("build", "vecferry and its native plugins");
    let natives: Vec<&Bundled> = BUNDLED.iter().filter(|plugin| plugin.kind == Kind::Native).collect();
    natives_and(&["vecferry"], &natives)
}

/// Only these plugins.
pub(crate) fn plugins(names: &[&str]) -> Result<()> {
    let chosen = names.iter().map(|name| Bundled::named(name)).collect::<Result<Vec<_>>>()?;
    let (wasm, native): (Vec<&Bundled>, Vec<&Bundled>) =
        chosen.into_iter().partition(|plugin| plugin.kind == Kind::Wasm);
    if !native.is_empty() {
        packages::ensure_compiler()?;
        natives_and(&[], &native)?;
    }
    if wasm.is_empty() { Ok(()) } else { guests(&WasmToolchain::ready()?, wasm) }
}

/// One crate outside the workspace. Its component's path is the task's result.
pub(crate) fn outside_guest(path: &Path) -> Result<()> {
    println!("{}", outside_component(path)?.display());
    Ok(())
}

/// Builds one crate outside the workspace and tells where its component is.
pub(crate) fn outside_component(path: &Path) -> Result<PathBuf> {
    let folder = path.canonicalize().context(|| format!("cannot find {}", path.display()))?;
    let manifest = folder.join("Cargo.toml");
    if !manifest.is_file() {
        return Err(Failure::new(format!("{} holds no Cargo.toml", path.display())));
    }
    let toolchain = WasmToolchain::ready()?;
    report::step("build", format!("{} as a component", folder.display()));
    let mut cargo = guest_cargo(&toolchain);
    for setting in GUEST_PROFILE_SETTINGS {
        cargo.arg("--config").arg(format!("profile.{GUEST_PROFILE}.{setting}"));
    }
    cargo.arg("--manifest-path").arg(&manifest).arg("--message-format=json-render-diagnostics");
    cargo.current_dir(&folder).stderr(Stdio::inherit());
    let messages = process::output(&mut cargo)?;
    component_of(&messages, &manifest).ok_or_else(|| {
        Failure::new(format!("{} built no component", manifest.display()))
            .hint("a plugin's Cargo.toml says: [lib] crate-type = [\"cdylib\", \"rlib\"]")
    })
}

fn natives_and(packages: &[&str], natives: &[&Bundled]) -> Result<()> {
    let mut cargo = process::cargo(["build", "--release"]);
    cargo.args(packages.iter().flat_map(|package| ["--package", package]));
    for plugin in natives {
        cargo.arg("--package").arg(plugin.package());
    }
    process::run(&mut cargo)?;
    for plugin in natives {
        let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
        let built = paths::release().join(format!("{prefix}{}{suffix}", plugin.library()));
        install(&built, &plugins_folder(), &format!("{}{suffix}", plugin.name))?;
    }
    Ok(())
}

fn guests<'a>(toolchain: &WasmToolchain, plugins: impl IntoIterator<Item = &'a Bundled>) -> Result<()> {
    let plugins: Vec<&Bundled> = plugins.into_iter().collect();
    let names: Vec<&str> = plugins.iter().map(|plugin| plugin.name).collect();
    report::step("build", format!("WebAssembly plugins: {}", names.join(", ")));
    let mut cargo = guest_cargo(toolchain);
    for plugin in &plugins {
        cargo.arg("--package").arg(plugin.package());
    }
    process::run(&mut cargo)?;
    for plugin in plugins {
        let folder = paths::guest_target().join(TARGET).join(GUEST_PROFILE);
        let built = folder.join(format!("{}.wasm", plugin.library()));
        install(&built, &plugins_folder(), &format!("{}.wasm", plugin.name))?;
    }
    Ok(())
}

fn guest_cargo(toolchain: &WasmToolchain) -> Command {
    let mut cargo = process::cargo(["build", "--profile", GUEST_PROFILE, "--target", TARGET, "--target-dir"]);
    cargo.arg(paths::guest_target());
    toolchain.apply(&mut cargo);
    cargo
}

/// Where vecferry looks for its plugins.
fn plugins_folder() -> PathBuf {
    paths::release().join("plugins")
}

/// Puts a built plugin into a folder, unless the very same is there.
pub(crate) fn install(built: &Path, folder: &Path, name: &str) -> Result<()> {
    fs::create_dir_all(folder).context(|| format!("cannot create {}", folder.display()))?;
    let bytes = fs::read(built).context(|| format!("cannot read {}", built.display()))?;
    let installed = folder.join(name);
    if fs::read(&installed).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    let partial = folder.join(format!(".{name}.partial"));
    fs::write(&partial, &bytes).context(|| format!("cannot write {}", partial.display()))?;
    fs::rename(&partial, &installed).context(|| format!("cannot replace {}", installed.display()))?;
    report::step("build", format!("{} ({} KiB)", installed.display(), bytes.len() / 1024));
    Ok(())
}

/// The component among cargo's messages (one JSON object a line) that was built from this manifest.
fn component_of(messages: &str, manifest: &Path) -> Option<PathBuf> {
    let artifacts = messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut files = artifacts
        .filter(|message| message["reason"] == "compiler-artifact")
        .filter(|message| message["manifest_path"].as_str().is_some_and(|path| Path::new(path) == manifest))
        .filter_map(|message| {
            let files = message["filenames"].as_array()?;
            files.iter().filter_map(|file| file.as_str()).find(|file| file.ends_with(".wasm")).map(PathBuf::from)
        });
    files.next()
}

#[cfg(test)]
#[path = "build_tests.rs"]
mod tests;
