/*!
The project's own tasks: `cargo xtask help` lists them.

Each task installs what it needs and says so, can be run again at any time, and is quick when nothing is left
to do. What a *user* of vecferry needs at run time is not here: that is the `vecferry` command itself.
*/

mod bench;
mod build;
mod demo;
mod faiss_native;
mod packages;
mod paths;
mod plugins;
mod process;
mod report;
mod runtime;
mod test;
mod toolchain;

use std::process::ExitCode;

use report::{Failure, Result};

const HELP: &str = "\
cargo xtask TASK

  setup                  WebAssembly standard library, vecferry, ONNX Runtime and the embedding model
  build [NAME...]        vecferry, its plugins and those of the tests; or only the plugins that are named
  build faiss-native     the optional plugin around the FAISS library, into target/release/optional (minutes of C++)
  build --guest PATH     one plugin crate outside the workspace, as a component; prints the component's path
  demo                   migrate examples/stores/vector_db into a database and search it
  test                   everything that continuous integration checks
  test faiss-native      of that, only the optional plugin, and the FAISS decoder beside the FAISS library
  bench [NAME...]        measurements, all or those named: read (beside the libraries that own the stores),
                         runtimes (a plugin as a component and as a native library)
  help                   this text

Results are in target/release: vecferry, and its plugins in plugins/ beside it. What is downloaded or built
once per machine is kept in VECFERRY_CACHE_DIR, else in vecferry/ within the user's cache folder.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            report::failure(&failure);
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["setup"] => setup(),
        ["build"] => build::all_and_test_plugins(),
        ["build", "--guest", path] => build::outside_guest(path.as_ref()),
        ["build", "faiss-native"] => faiss_native::install(),
        ["build", names @ ..] if names.iter().all(|name| !name.starts_with('-')) => build::plugins(names),
        ["demo"] => demo::run(),
        ["test"] => test::run(),
        ["test", "faiss-native"] => test::faiss_native(),
        ["bench", names @ ..] => bench::run(names),
        [] | ["help" | "--help" | "-h"] => {
            println!("{HELP}");
            Ok(())
        }
        other => Err(Failure::new(format!("'{}' is no task", other.join(" "))).hint("cargo xtask help")),
    }
}

fn setup() -> Result<()> {
    packages::ensure_compiler()?;
    toolchain::WasmToolchain::ready()?;
    build::host()?;
    runtime::ensure_model()?;
    report::step("setup", "everything is in place; next: cargo xtask demo");
    Ok(())
}
