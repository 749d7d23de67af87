/*!
What the end-to-end tests share: running the built program, reading what it wrote, and proving that a source
was not touched.

The program and its plugins are built beforehand by `cargo xtask build` (which `cargo xtask test` does).
*/

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The folder that cargo builds into, for the profile of this project.
pub fn built() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    target.join("release")
}

/// The built program.
pub fn program() -> PathBuf {
    let program = built().join("vecferry");
    assert!(program.is_file(), "{} is missing: run 'cargo xtask build' first", program.display());
    assert!(built().join("plugins/pickle.wasm").is_file(), "the plugins are missing: run 'cargo xtask build' first");
    program
}

/// How a run of the program ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; −1 when a signal ended it.
    pub code: i32,
    /// What it printed as its result.
    pub stdout: String,
    /// What else it said.
    pub stderr: String,
}

impl Ended {
    /// Fails the test unless it succeeded.
    #[track_caller]
    pub fn succeeded(self) -> Self {
        assert_eq!(self.code, 0, "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// The one JSON object on stdout.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {}", self.stdout))
    }

    /// Fails the test if the program crashed instead of ending in order.
    #[track_caller]
    pub fn in_order(self) -> Self {
        assert!(![-1, 101, 134, 137, 139].contains(&self.code), "exit {}: {}", self.code, self.stderr);
        assert!(!self.stderr.contains("panicked at"), "{}", self.stderr);
        self
    }
}

/// Runs the program in `folder` with an environment of its own: no credentials, no user plugins. The folder with
/// models and compiled plugins is the user's, since set-up filled it.
pub fn vecferry<S: AsRef<std::ffi::OsStr>>(folder: &Path, arguments: &[S]) -> Ended {
    vecferry_with(folder, &[], arguments)
}

/// As [`vecferry`], with these variables.
pub fn vecferry_with<S: AsRef<std::ffi::OsStr>>(folder: &Path, variables: &[(&str, &str)], arguments: &[S]) -> Ended {
    const CLEARED: [&str; 7] = [
        "PINECONE_API_KEY",
        "PINECONE_INDEX_NAME",
        "PINECONE_CONTROLLER_HOST",
        "OPENAI_API_KEY",
        "GROQ_API_KEY",
        "VECFERRY_PLUGIN_DIR",
        "VECFERRY_LOG",
    ];
    let mut command = Command::new(program());
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    command.env("VECFERRY_DATA_DIR", folder.join("no-user-plugins"));
    command.env("VECFERRY_STATE_DIR", folder.join("state"));
    for name in CLEARED {
        command.env_remove(name);
    }
    command.envs(variables.iter().copied());
    let output = command.output().unwrap();
    Ended {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// What a program took, as the operating system counts it.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Exit code.
    pub code: i32,
    /// The largest resident set, in KiB.
    pub peak_kib: u64,
    /// Wall time.
    pub wall: Duration,
}

/// Runs a command and measures it. Python waits for it, since std does not tell the resident set.
pub fn measured(folder: &Path, program: &Path, arguments: &[&str]) -> Cost {
    const WAIT: &str = "
import os, subprocess, sys, time
start = time.time()
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(child.pid, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss, time.time() - start)
";
    let output = Command::new("python3")
        .args(["-c", WAIT])
        .arg(program)
        .args(arguments)
        .current_dir(folder)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [code, peak, seconds] = fields[..] else { panic!("{text}") };
    Cost {
        code: code.parse().unwrap(),
        peak_kib: peak.parse().unwrap(),
        wall: Duration::from_secs_f64(seconds.parse().unwrap()),
    }
}

/// The digest of every file below a folder, by name: two equal answers mean that not one byte changed and no file
/// came or went.
pub fn tree(folder: &Path) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
                out.insert(name, blake3::hash(&std::fs::read(&path).unwrap()).to_hex().to_string());
            }
        }
    }
    out
}

/// Copies a folder.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &to);
        } else {
            std::fs::write(to, std::fs::read(&path).unwrap()).unwrap();
        }
    }
}

/// The objects of a JSON Lines file.
pub fn lines(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The objects of a JSON Lines file that Python wrote: it may hold `NaN`, `Infinity` and halves of surrogate pairs,
/// which JSON does not know. They become null and U+FFFD.
pub fn python_lines(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let parse = |line: &str| serde_json::from_str(line).or_else(|_| serde_json::from_str(&plain_json(line)));
    text.lines().filter(|line| !line.trim().is_empty()).map(|line| parse(line).unwrap()).collect()
}

fn plain_json(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    let mut in_string = false;
    while let Some(next) = rest.chars().next() {
        let mut taken = next.len_utf8();
        if in_string {
            let unit = |at: usize| {
                rest.get(at..at + 6)
                    .and_then(|u| u.strip_prefix("\\u"))
                    .and_then(|hex| u16::from_str_radix(hex, 16).ok())
            };
            match (next, unit(0)) {
                ('\\', Some(0xd800..=0xdbff)) if matches!(unit(6), Some(0xdc00..=0xdfff)) => {
                    taken = 12;
                    out.push_str(&rest[..taken]);
                }
                ('\\', Some(0xd800..=0xdfff)) => {
                    taken = 6;
                    out.push('\u{fffd}');
                }
                ('\\', _) => {
                    taken = 2;
                    out.push_str(&rest[..taken]);
                }
                _ => {
                    in_string = next != '"';
                    out.push(next);
                }
            }
        } else if let Some(word) = ["NaN", "-Infinity", "Infinity"].into_iter().find(|word| rest.starts_with(word)) {
            taken = word.len();
            out.push_str("null");
        } else {
            in_string = next == '"';
            out.push(next);
        }
        rest = &rest[taken..];
    }
    out
}

/// The store that the demo moves: 156 documents as pickles with a FAISS index, as a Chroma store, and image vectors.
pub fn demo_store() -> PathBuf {
    root().join("examples/stores/vector_db")
}
