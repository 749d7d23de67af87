/*! Damaged stores end in records or in errors: never in a panic, a loop, or pages that contradict themselves. */
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../pickle/tests/common/memory.rs"]
mod memory;

use std::path::{Path, PathBuf};

use memory::{Store, apply, damage, survive};
use proptest::prelude::*;
use proptest::sample::Index;
use vecferry_plugin_langchain::LangchainSource;

fn cases() -> Vec<PathBuf> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures");
    let groups = ["langchain_faiss", "langchain_stores"];
    let folders = groups.iter().flat_map(|group| std::fs::read_dir(fixtures.join(group)).unwrap());
    let mut cases: Vec<PathBuf> = folders.map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

proptest! {
    // PROPTEST_CASES sets how many.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn damaged_stores(which in any::<Index>(), damages in prop::collection::vec(damage(), 0..5)) {
        let cases = cases();
        let mut store = Store::of(&cases[which.index(cases.len())]);
        for damage in &damages {
            apply(&mut store, damage);
        }
        survive::<LangchainSource>(&store);
    }
}
