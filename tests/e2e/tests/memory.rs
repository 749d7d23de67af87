/*! Memory is set by the batch size, never by the store's size. */

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::Command;

use vecferry_e2e::{measured, program};

/// 200,000 texts of about 500 bytes with metadata: some 120 MB of pickles.
const STORE: &str = "
import pickle
texts = [f'Chunk {i}: ' + 'the quick brown fox jumps over the lazy dog ' * 11 for i in range(200_000)]
metadata = [{'source': f'docs/manual_{i % 100}.pdf', 'page': i % 40, 'score': i / 7, 'tags': ['a', str(i)]} for i in range(200_000)]
pickle.dump(texts, open('text.pkl', 'wb'))
pickle.dump(metadata, open('metadata.pkl', 'wb'))
";

#[test]
fn two_hundred_thousand_records_stay_under_300_mib() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    std::fs::create_dir(&store).unwrap();
    assert!(Command::new("python3").args(["-c", STORE]).current_dir(&store).status().unwrap().success());
    let arguments = ["migrate", "store", "--to", "jsonl:out.jsonl", "--embed", "reuse", "--yes"];
    let cost = measured(folder.path(), &program(), &arguments);
    assert_eq!(cost.code, 0);
    let out = std::fs::read(folder.path().join("out.jsonl")).unwrap();
    assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 200_000);
    println!("peak {} MiB, {:.1} s", cost.peak_kib / 1024, cost.wall.as_secs_f64());
    assert!(cost.peak_kib < 300 * 1024, "{} MiB", cost.peak_kib / 1024);
}
