/*! Everything that continuous integration checks, from a clean checkout; `.ci/run` calls it. */

use std::process::Command;
use std::time::Instant;

use crate::report::{self, Result};
use crate::{build, demo, faiss_native, packages, paths, process, runtime};

/// Runs all checks; the first that fails ends it.
pub(crate) fn run() -> Result<()> {
    let start = Instant::now();
    // Cheap ones first: they fail within seconds.
    timed("Cargo.lock is complete", || {
        process::output(&mut process::cargo(["metadata", "--locked", "--format-version=1"])).map(drop)
    })?;
    timed("formatting", || process::run(&mut process::cargo(["fmt", "--all", "--check"])))?;
    timed("build", build::all_and_test_plugins)?;
    timed("embedding model", runtime::ensure_model)?;
    // Tests fetch packages of their own making, from a folder.
    packages::ensure_pip()?;
    timed("test libraries", || packages::ensure_test_python().map(drop))?;
    // In the release profile, so that what build scripts compile (SQLite) is compiled once.
    timed("lints", || {
        let words = ["clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"];
        process::run(&mut process::cargo(words))
    })?;
    timed("tests", || process::run(with_environment(&mut process::cargo(["test", "--release", "--workspace"]))?))?;
    timed("demo", demo::migrate_and_search)?;
    // Last: it compiles libfaiss first, which nothing else waits for.
    faiss_native()?;
    report::step("test", format!("all checks passed in {}", minutes(start)));
    Ok(())
}

/// Only those of the optional plugin.
pub(crate) fn faiss_native() -> Result<()> {
    timed("faiss-native", faiss_native::check)
}

/// Tests that need the model find it where the build put it; those that ask others' libraries find these.
fn with_environment(command: &mut Command) -> Result<&mut Command> {
    let python = packages::ensure_test_python()?;
    Ok(command.env("VECFERRY_CACHE_DIR", paths::cache()?).env("VECFERRY_TEST_PYTHON", python))
}

fn timed(name: &str, check: impl FnOnce() -> Result<()>) -> Result<()> {
    report::step("test", name);
    let start = Instant::now();
    check()?;
    report::step("test", format!("{name}: passed in {}", minutes(start)));
    Ok(())
}

fn minutes(since: Instant) -> String {
    let seconds = since.elapsed().as_secs();
    format!("{} min {:02} s", seconds / 60, seconds % 60)
}
