/*! Every mistake that a user can make in five minutes ends in a message that says what to do next. */

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use vecferry_e2e::{demo_store, vecferry};

/// Name, arguments (`{store}` is the demo's), exit code, what the message says, what the hint says.
const CASES: &[(&str, &[&str], i32, &str, &str)] = &[
    ("no such path", &["inspect", "nowhere"], 3, "cannot open the source", "folder of a store"),
    ("nothing in there", &["inspect", "."], 3, "no store was recognised; looked for: pickle", "--plugin"),
    ("no scheme", &["migrate", "{store}", "--to", "out"], 2, "not of the form SCHEME:LOCATION", "sqlite:docs.db"),
    ("unknown scheme", &["migrate", "{store}", "--to", "weaviate:x"], 2, "no plugin writes to 'weaviate:'", "jsonl"),
    ("unknown model", &["migrate", "{store}", "--to", "jsonl:o", "--embed", "nope"], 2, "nope", "all-MiniLM-L6-v2"),
    (
        "unknown collection",
        &["migrate", "{store}", "--to", "jsonl:o", "--only", "nope"],
        2,
        "--only nope",
        "image.index",
    ),
    ("wrong id template", &["migrate", "{store}", "--to", "jsonl:o", "--id", "{nope}"], 2, "{nope}", "{chunk_id}"),
    ("wrong setting", &["migrate", "{store}", "--to", "jsonl:o", "--set", "x"], 2, "KEY=VALUE", ""),
    (
        "into its own source",
        &["migrate", "{store}", "--to", "jsonl:{store}/out.jsonl"],
        2,
        "never changes its source",
        "outside",
    ),
    ("no such plugin", &["plugin", "info", "nope"], 3, "no plugin 'nope'", "pickle"),
    ("plugin file is missing", &["--plugin", "nope.wasm", "plugin", "list"], 3, "nope.wasm", ""),
    ("search without database", &["search", "nope.db", "x"], 3, "cannot open", ""),
    (
        "mixed dimensions",
        &["migrate", "{store}", "--to", "jsonl:o", "--namespace", "n", "--embed", "reuse"],
        2,
        "differ in",
        "--only",
    ),
];

#[test]
fn mistakes_end_in_a_message_that_helps() {
    let store = demo_store().to_string_lossy().into_owned();
    for (name, arguments, code, message, hint) in CASES {
        let folder = tempfile::tempdir().unwrap();
        let arguments: Vec<String> = arguments.iter().map(|argument| argument.replace("{store}", &store)).collect();
        let ended = vecferry(folder.path(), &arguments).in_order();
        assert_eq!(ended.code, *code, "{name}: {}", ended.stderr);
        assert!(ended.stderr.contains(message), "{name}: {}", ended.stderr);
        assert!(hint.is_empty() || ended.stderr.contains("hint: "), "{name}: {}", ended.stderr);
        assert!(ended.stderr.contains(hint), "{name}: {}", ended.stderr);
        let left = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        // But for what a run keeps, so that one can look at it.
        let left: Vec<_> = left.filter(|name| name != "state").collect();
        assert!(left.is_empty(), "{name} left {left:?}");
    }
}

#[test]
fn a_native_library_is_loaded_only_when_its_digest_was_given() {
    let folder = tempfile::tempdir().unwrap();
    let library = vecferry_e2e::built().join("plugins/sqlite.so").to_string_lossy().into_owned();
    let ended = vecferry(folder.path(), &["--plugin", &library, "plugin", "list"]).in_order();
    assert_eq!(ended.code, 6, "{}", ended.stderr);
    let digest = ended.stderr.split("--allow-native ").nth(1).expect("the hint gives the digest").trim().to_owned();
    assert_eq!(digest.len(), 64, "{digest}");
    // Trusted now, it is refused for what it is: the same plugin a second time.
    let ended =
        vecferry(folder.path(), &["--plugin", &library, "--allow-native", &digest, "plugin", "list"]).in_order();
    assert!(ended.stderr.contains("two plugins are called 'sqlite'"), "{}", ended.stderr);
}

#[test]
fn output_into_a_closed_pipe_is_no_error() {
    let program = vecferry_e2e::program();
    let script = format!("'{}' plugin list | head -n 1", program.display());
    let output =
        std::process::Command::new("bash").args(["-c", &format!("set -o pipefail; {script}")]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("plugin"));
}
