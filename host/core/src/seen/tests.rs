#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashMap;

use super::*;

#[test]
fn a_document_is_a_duplicate_only_of_an_earlier_stores() {
    let mut seen = SeenDocuments::default();
    let script = [
        (0, "a", true),
        (0, "a", true), // the same store may hold it twice
        (0, "b", true),
        (1, "a", false),
        (1, "a", false),
        (1, "a", true), // a third time is one more than the first store had
        (1, "c", true),
        (2, "a", false),
        (2, "c", false),
        (2, "", true),
    ];
    for (store, document, expected) in script {
        let adds = seen.insert(store, &document_digest(document)).unwrap();
        assert_eq!(adds, expected, "store {store}, document {document:?}");
    }
}

#[test]
fn ids_are_kept_apart_by_target_without_ambiguity() {
    let mut seen = SeenIds::default();
    assert!(seen.insert(&id_digest("a", "bc")).unwrap());
    assert!(seen.insert(&id_digest("ab", "c")).unwrap());
    assert!(!seen.insert(&id_digest("a", "bc")).unwrap());
}

/// Far more entries than memory holds, with runs that were merged, against a map of the standard library.
#[test]
fn a_table_that_moved_to_disk_still_knows_everything() {
    let mut table = Table::default();
    let mut model = HashMap::new();
    let mut state = 7_u64;
    let keys = 1_200_000;
    for round in 0..1_400_000_u64 {
        // Some keys come again, some share their first bits with others.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let number = (state >> 20) % keys;
        let mut key = digest(&[&number.to_le_bytes()]);
        if number.is_multiple_of(1000) {
            key[..8].fill(0xff);
        }
        let expected = model.get(&key).copied();
        table
            .update(&key, |known| {
                assert_eq!(known, expected, "round {round}");
                [known.map_or(1, |known| known[0] + 1), 3, u32::MAX]
            })
            .unwrap();
        model.insert(key, [expected.map_or(1, |known: [u32; 3]| known[0] + 1), 3, u32::MAX]);
    }
    let mut seen = 0;
    table
        .each(|key, value| {
            assert_eq!(model.get(key), Some(&value));
            seen += 1;
        })
        .unwrap();
    assert_eq!(seen, model.len());
    assert!(seen > 600_000, "{seen} entries make several runs and merges");
    assert_eq!(table.get(&digest(&[b"never"])).unwrap(), None);
}
