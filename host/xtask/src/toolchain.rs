/*!
What turns a Rust crate into a WebAssembly component that imports our contract and nothing else.

The linker, `wasm-component-ld`, ships within rustup's toolchain; what is missing on a fresh machine is the
standard library for `wasm32-unknown-unknown`. It comes from the first of these that works:

1. rustup has it.
2. An earlier run built it (see 4).
3. rustup can download it.
4. It is built, once per machine: Debian's packages `rustc-web` and `rust-web-src` hold a compiler and the
   sources of its standard library. Sources and compiler have to be of one version, so guests are then compiled
   by that compiler, and the rest by rustup's.
*/

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::report::{self, Context as _, Failure, Result};
use crate::{packages, paths, process};

/// What guests are compiled for.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// Debian's compiler, and the sources of its standard library.
const DEBIAN_PACKAGES: &[&str] = &["rustc-web", "rust-web-src"];
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_SOURCES: &str = "/usr/lib/rustlib/src/rust/library";

/// A download of about 20 MB.
const RUSTUP_LIMIT: Duration = Duration::from_secs(180);

/// Part of the built library's folder name: changes with how it is built.
const RECIPE: u32 = 1;

/// Separates the words of `CARGO_ENCODED_RUSTFLAGS`.
const FLAG_SEPARATOR: &str = "\x1f";

/// A compiler, a standard library and a linker that fit together.
#[derive(Debug, PartialEq)]
pub(crate) struct WasmToolchain {
    standard_library: StandardLibrary,
    /// The folder within rustup's toolchain that holds `wasm-component-ld` and `gcc-ld/wasm-ld`.
    linkers: PathBuf,
}

#[derive(Debug, PartialEq)]
enum StandardLibrary {
    /// In rustup's toolchain, for rustup's compiler.
    Rustup,
    /// In a folder of ours, for Debian's compiler.
    Sysroot(PathBuf),
}

impl WasmToolchain {
    /// Finds what is there and gets what is missing.
    pub(crate) fn ready() -> Result<Self> {
        let rustup = RustupToolchain::find()?;
        let linkers = rustup.linkers()?;
        if rustup.has_target() {
            return Ok(WasmToolchain { standard_library: StandardLibrary::Rustup, linkers });
        }
        if let Ok(version) = DebianVersion::find()
            && let folder = version.sysroot()?
            && folder.is_dir()
        {
            return Ok(WasmToolchain { standard_library: StandardLibrary::Sysroot(folder), linkers });
        }
        report::step("wasm", format!("asking rustup for the standard library of {TARGET}"));
        let mut add = Command::new("rustup");
        add.args(["target", "add", TARGET]);
        if process::succeeds_within(&mut add, RUSTUP_LIMIT) && rustup.has_target() {
            return Ok(WasmToolchain { standard_library: StandardLibrary::Rustup, linkers });
        }
        report::step("wasm", "rustup cannot fetch it; building it from Debian's sources instead, once per machine");
        packages::ensure(DEBIAN_PACKAGES, "a compiler with the sources of its standard library (about 150 MB)")
            .map_err(|failure| failure.hint(format!("rustup target add {TARGET}, where rustup can be reached")))?;
        let folder = build_sysroot(&DebianVersion::find()?)?;
        Ok(WasmToolchain { standard_library: StandardLibrary::Sysroot(folder), linkers })
    }

    /// Makes a `cargo build --target wasm32-unknown-unknown` use it.
    pub(crate) fn apply(&self, cargo: &mut Command) {
        cargo
            // What the user set for the host does not fit guests, and would win over what is set here.
            .env_remove("RUSTFLAGS")
            .env_remove("RUSTC_WRAPPER")
            .env_remove("RUSTC_WORKSPACE_WRAPPER")
            // `cargo run` names rustup's libraries in it; another compiler must not load those.
            .env_remove("LD_LIBRARY_PATH")
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", self.linkers.join("wasm-component-ld"))
            .env("CARGO_ENCODED_RUSTFLAGS", self.flags());
        match self.standard_library {
            StandardLibrary::Rustup => cargo.env_remove("RUSTC"),
            StandardLibrary::Sysroot(_) => cargo.env("RUSTC", DEBIAN_RUSTC),
        };
    }

    fn flags(&self) -> OsString {
        let with_path = |flag: &str, path: &Path, end: &str| {
            let mut words = OsString::from(flag);
            words.push(path);
            words.push(end);
            words
        };
        let mut flags = vec![
            with_path("-Clink-arg=--wasm-ld-path=", &self.linkers.join("gcc-ld").join("wasm-ld"), ""),
            // No WASI: what a guest may do is what it imports, and that is our contract alone.
            "-Clink-arg=--wasi-adapter=none".into(),
            // Every runtime of components has it; the loops over texts and vectors are what guests do.
            "-Ctarget-feature=+simd128".into(),
            // Panic messages name source files: the same on every machine, and none of its users.
            with_path("--remap-path-prefix=", &paths::root(), "=/vecferry"),
        ];
        if let Some(cargo) = paths::cargo_home() {
            flags.push(with_path("--remap-path-prefix=", &cargo, "=/cargo"));
        }
        if let StandardLibrary::Sysroot(folder) = &self.standard_library {
            flags.push(with_path("--sysroot=", folder, ""));
        }
        flags.join(OsStr::new(FLAG_SEPARATOR))
    }
}

/// The toolchain that runs this task.
struct RustupToolchain {
    sysroot: PathBuf,
    host: String,
}

impl RustupToolchain {
    fn find() -> Result<Self> {
        let sysroot = process::output(rustc().args(["--print", "sysroot"]))?;
        Ok(RustupToolchain { sysroot: sysroot.trim_end().into(), host: version_field("rustc", "host")? })
    }

    fn libraries(&self, target: &str) -> PathBuf {
        self.sysroot.join("lib").join("rustlib").join(target)
    }

    fn has_target(&self) -> bool {
        let Ok(files) = fs::read_dir(self.libraries(TARGET).join("lib")) else { return false };
        files.flatten().any(|file| file.file_name().to_string_lossy().starts_with("libstd-"))
    }

    fn linkers(&self) -> Result<PathBuf> {
        let folder = self.libraries(&self.host).join("bin");
        if folder.join("wasm-component-ld").is_file() {
            return Ok(folder);
        }
        Err(Failure::new(format!("the Rust toolchain in {} has no wasm-component-ld", self.sysroot.display()))
            .hint("use a toolchain by rustup (https://rustup.rs), which ships it"))
    }
}

fn rustc() -> Command {
    let mut rustc = Command::new("rustc");
    rustc.current_dir(paths::root());
    rustc
}

/// Debian's compiler: `1.96.0` of a commit.
struct DebianVersion {
    release: String,
    commit: String,
}

impl DebianVersion {
    /// The compiler whose sources are installed too.
    fn find() -> Result<Self> {
        if !Path::new(DEBIAN_SOURCES).join("sysroot").is_dir() {
            return Err(Failure::new(format!("{DEBIAN_SOURCES} does not hold the standard library's sources")));
        }
        Ok(DebianVersion {
            release: version_field(DEBIAN_RUSTC, "release")?,
            commit: version_field(DEBIAN_RUSTC, "commit-hash")?,
        })
    }

    /// Where its standard library is kept once it was built.
    fn sysroot(&self) -> Result<PathBuf> {
        let commit = self.commit.get(..9).unwrap_or(&self.commit);
        Ok(paths::cache()?.join(format!("wasm-std-{}-{commit}-{RECIPE}", self.release)))
    }
}

/// One line of `rustc -vV`, such as `host: x86_64-unknown-linux-gnu`.
fn version_field(program: &str, field: &str) -> Result<String> {
    let mut command = Command::new(program);
    let said = process::output(command.arg("-vV").env_remove("LD_LIBRARY_PATH").current_dir(paths::root()))?;
    field_of(&said, field).ok_or_else(|| Failure::new(format!("'{program} -vV' does not name its {field}")))
}

fn field_of(said: &str, field: &str) -> Option<String> {
    said.lines().find_map(|line| Some(line.strip_prefix(field)?.strip_prefix(": ")?.trim().to_owned()))
}

/// Compiles the standard library into the cache. Two of these at once wait for each other; one that was cut off
/// leaves nothing that is mistaken for a result.
fn build_sysroot(version: &DebianVersion) -> Result<PathBuf> {
    let folder = version.sysroot()?;
    let name = folder.display();
    let cache = paths::cache()?;
    fs::create_dir_all(&cache).context(|| format!("cannot create {}", cache.display()))?;
    let lock_path = beside(&folder, "lock");
    let lock = File::create(&lock_path).context(|| format!("cannot create {}", lock_path.display()))?;
    lock.lock().context(|| format!("cannot lock {}", lock_path.display()))?;
    if folder.is_dir() {
        return Ok(folder);
    }
    report::step("wasm", format!("compiling the standard library into {name} (about a minute)"));
    let scratch = beside(&folder, "partial");
    remove_folder(&scratch)?;
    let sources = scratch.join("library");
    copy_folder(Path::new(DEBIAN_SOURCES), &sources)?;
    process::run(&mut standard_library_build(version, &sources, &scratch.join("target")))?;

    let finished = scratch.join("sysroot");
    let libraries = finished.join("lib").join("rustlib").join(TARGET).join("lib");
    fs::create_dir_all(&libraries).context(|| format!("cannot create {}", libraries.display()))?;
    let built = scratch.join("target").join(TARGET).join("release").join("deps");
    for entry in fs::read_dir(&built).context(|| format!("cannot list {}", built.display()))? {
        let path = entry.context(|| format!("cannot list {}", built.display()))?.path();
        if let (Some("rlib"), Some(file)) = (path.extension().and_then(|e| e.to_str()), path.file_name()) {
            fs::copy(&path, libraries.join(file)).context(|| format!("cannot copy {}", path.display()))?;
        }
    }
    fs::rename(&finished, &folder).context(|| format!("cannot create {name}"))?;
    remove_folder(&scratch)?;
    Ok(folder)
}

/// As the Rust project builds its `sysroot` crate: unstable features allowed, nothing of them leaking out.
fn standard_library_build(version: &DebianVersion, sources: &Path, target: &Path) -> Command {
    let mut remap = OsString::from("--remap-path-prefix=");
    remap.push(sources);
    remap.push(format!("=/rustc/{}/library", version.commit));
    let flags = ["-Zforce-unstable-if-unmarked".into(), "-Cembed-bitcode=yes".into(), "-Cpanic=abort".into(), remap];
    let mut cargo = process::cargo(["build", "--quiet", "--release", "--locked", "--target", TARGET]);
    cargo
        .args(["--no-default-features", "--features", "compiler-builtins-mem", "--manifest-path"])
        .arg(sources.join("sysroot").join("Cargo.toml"))
        // The folder decides which .cargo/config.toml is read: the library's, not ours.
        .current_dir(sources)
        .env_remove("RUSTFLAGS")
        .env_remove("RUSTC_WRAPPER")
        .env_remove("LD_LIBRARY_PATH")
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join(OsStr::new(FLAG_SEPARATOR)))
        .env("CARGO_TARGET_DIR", target)
        .env("RUSTC", DEBIAN_RUSTC)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("__CARGO_DEFAULT_LIB_METADATA", "stablestd");
    cargo
}

/// `FOLDER.SUFFIX`. (`with_extension` would take a part of the version for the extension.)
fn beside(folder: &Path, suffix: &str) -> PathBuf {
    let mut name = folder.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

fn remove_folder(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::new(format!("cannot remove {}: {error}", folder.display())))
        }
        _ => Ok(()),
    }
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    let mut waiting = vec![(from.to_path_buf(), to.to_path_buf())];
    while let Some((from, to)) = waiting.pop() {
        fs::create_dir_all(&to).context(|| format!("cannot create {}", to.display()))?;
        for entry in fs::read_dir(&from).context(|| format!("cannot list {}", from.display()))? {
            let entry = entry.context(|| format!("cannot list {}", from.display()))?;
            let (path, copy) = (entry.path(), to.join(entry.file_name()));
            // Follows links: Debian's sources hold some to other packages.
            if path.is_dir() {
                waiting.push((path, copy));
            } else {
                fs::copy(&path, &copy).context(|| format!("cannot copy {}", path.display()))?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "toolchain_tests.rs"]
mod tests;
