/*! A plugin that misbehaves: the program says so, ends in order, and the next run works. */

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use vecferry_e2e::{built, demo_store, vecferry};

/// The deed that the guest does when it is asked what it recognises, and what the user reads.
const DEEDS: &[(&str, &str, &str)] = &[
    ("spin", "plugin/deadline", "computed for more than 1s and was stopped"),
    ("allocate", "plugin/memory", "64 MiB"),
    ("panic", "plugin/trap", "panicked: the shelf is on fire"),
    ("recurse", "plugin/trap", "stack"),
    ("abort", "plugin/trap", "unreachable"),
];

#[test]
fn a_guest_that_spins_grows_or_panics_ends_in_a_clear_error_and_the_next_run_works() {
    let hostile = built().join("../guests/wasm32-unknown-unknown/guest/vecferry_guest_hostile.wasm");
    assert!(hostile.is_file(), "{} is missing: run 'cargo xtask test'", hostile.display());
    let hostile = hostile.to_string_lossy().into_owned();
    for (deed, code, says) in DEEDS {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(format!("do-{deed}")), "").unwrap();
        let limits = ["--plugin", &hostile, "--plugin-seconds", "1", "--plugin-memory", "64"];
        let ended = vecferry(folder.path(), &[&limits[..], &["inspect", "."]].concat()).in_order();
        assert_eq!(ended.code, 70, "{deed}: {}", ended.stderr);
        for part in ["the plugin hostile", says, code, "call detect", "hint: "] {
            assert!(ended.stderr.contains(part), "{deed}: no '{part}' in {}", ended.stderr);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let store = demo_store().to_string_lossy().into_owned();
    let arguments = ["--plugin", &hostile, "migrate", &store, "--to", "jsonl:out.jsonl", "--embed", "reuse", "--yes"];
    vecferry(folder.path(), &arguments).succeeded();
}
