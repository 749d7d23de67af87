/*!
The demonstration: a real store, `examples/stores/vector_db`, moves into a database of its own and is searched.

Shows what a user would type, and that the source is not changed by a byte.
*/

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use sha2::{Digest, Sha256};

use crate::report::{self, Context as _, Failure, Result};
use crate::{build, paths, process, runtime};

const SOURCE: &str = "examples/stores/vector_db";
const QUESTION: &str = "how do I configure a component";

/// Builds what is missing, migrates, searches.
pub(crate) fn run() -> Result<()> {
    build::all()?;
    runtime::ensure_model()?;
    let start = Instant::now();
    migrate_and_search()?;
    report::step("demo", format!("done in {:.1} s, after the build", start.elapsed().as_secs_f64()));
    Ok(())
}

/// The demonstration itself, with everything built.
pub(crate) fn migrate_and_search() -> Result<()> {
    let folder = paths::target().join("demo");
    if folder.exists() {
        fs::remove_dir_all(&folder).context(|| format!("cannot remove {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).context(|| format!("cannot create {}", folder.display()))?;
    let database = folder.join("demo.db");
    // As a user in the repository would type it.
    let database = database.strip_prefix(paths::root()).unwrap_or(&database).display().to_string();

    let source = paths::root().join(SOURCE);
    let before = folder_digest(&source)?;
    report::step("demo", format!("sha256 of {SOURCE} before: {before}"));
    typed(&["inspect", SOURCE])?;
    typed(&["migrate", SOURCE, "--to", &format!("sqlite:{database}"), "--namespace", "default", "--yes"])?;
    let after = folder_digest(&source)?;
    report::step("demo", format!("sha256 of {SOURCE} after:  {after}"));
    if before != after {
        return Err(Failure::new(format!("the migration changed {SOURCE}")));
    }
    typed(&["search", &database, QUESTION])
}

/// Shows a command as it is typed, and runs it.
fn typed(words: &[&str]) -> Result<()> {
    let mut command = runtime::vecferry(words)?;
    let shown: Vec<String> =
        words.iter().map(|word| if word.contains(' ') { format!("\"{word}\"") } else { (*word).to_owned() }).collect();
    eprintln!("\n$ vecferry {}", shown.join(" "));
    process::run(&mut command)
}

/// Names and bytes of all files below a folder, as one number.
fn folder_digest(folder: &Path) -> Result<String> {
    let mut files = files_below(folder)?;
    files.sort();
    let mut hasher = Sha256::new();
    for file in files {
        let bytes = fs::read(&file).context(|| format!("cannot read {}", file.display()))?;
        let name = file.strip_prefix(folder).unwrap_or(&file).as_os_str().as_encoded_bytes();
        for part in [name, &bytes] {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut waiting = vec![folder.to_path_buf()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).context(|| format!("cannot list {}", folder.display()))? {
            let path = entry.context(|| format!("cannot list {}", folder.display()))?.path();
            if path.is_dir() { waiting.push(path) } else { files.push(path) }
        }
    }
    Ok(files)
}

#[cfg(test)]
#[path = "demo_tests.rs"]
mod tests;
