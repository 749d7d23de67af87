//! Memory while embedding, in a process of its own.
//!
//! Needs the model: `vecferry model fetch`, which `cargo xtask test` runs first.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fetched;

use vecferry_core::Embedder;

/// The most memory this process had so far, in MiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

#[test]
fn memory_does_not_grow_with_the_number_of_texts() {
    let embedder = fetched::load(2);
    let texts: Vec<String> =
        (0..200).map(|n| format!("text {n}: {}", "lorem ipsum dolor sit amet, ".repeat(30))).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    embedder.embed(&texts[..4]).unwrap();
    let few = peak();
    embedder.embed(&texts).unwrap();
    let many = peak();
    // Keeping every text's hidden states, as one call to fastembed does, would take 80 MB.
    assert!(many - few <= 16, "{few} MiB after 4 texts, {many} MiB after 200");
    assert!(many <= 600, "{many} MiB with two sessions");
}
