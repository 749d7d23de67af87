//! Indexes that libfaiss must not believe: each ends in words, whatever it does to the process that reads it.

use serde_json::json;
use vecferry_plugin_faiss_native::FaissNativeSource;
use vecferry_sdk::testing::{folder_host, read_all};
use vecferry_sdk::{Error, ErrorKind};

use crate::fixtures::{fixtures, store};

fn refused(bytes: &[u8]) -> Option<Error> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("index.faiss"), bytes).unwrap();
    read_all::<FaissNativeSource>(&folder_host(folder.path()), &json!({}), 100).err()
}

#[test]
fn what_ends_the_process_ends_nothing_else() {
    // Maps of ids around each other, 200,000 deep: libfaiss reads them by recursion, and its stack ends.
    let mut nested = Vec::new();
    for _ in 0..200_000 {
        nested.extend(b"IxMp");
        nested.extend(16i32.to_le_bytes());
        nested.extend([0u8; 8]);
        nested.extend([0u8; 16]);
        nested.push(1);
        nested.extend(1i32.to_le_bytes());
    }
    let error = refused(&nested).unwrap();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Corrupt, "faiss-native/crashed"), "{error}");
    assert!(error.message.contains("(signal "), "{error}");
    assert_eq!(error.context("file"), Some("index.faiss"));
}

#[test]
fn an_index_cannot_take_more_memory_than_its_size_allows() {
    // A flat index that promises 2^39 bytes.
    let mut promise = b"IxF2".to_vec();
    promise.extend(16i32.to_le_bytes());
    promise.extend((1i64 << 33).to_le_bytes());
    promise.extend([0u8; 16]);
    promise.push(1);
    promise.extend(1i32.to_le_bytes());
    promise.extend((1u64 << 37).to_le_bytes());
    promise.extend([0u8; 4096]);
    let error = refused(&promise).unwrap();
    assert_eq!(error.kind, ErrorKind::Corrupt, "{error}");
    assert!(error.message.contains("memory"), "{error}");
}

#[test]
fn damaged_indexes_of_other_hands_are_refused() {
    let mut seen = 0;
    for case in std::fs::read_dir(fixtures().join("faiss_corrupt")).unwrap() {
        let folder = case.unwrap().path();
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let Ok(bytes) = std::fs::read(folder.join("index.faiss")) else { continue };
        // The plugin looks at first bytes; what does not begin as an index does is no index to it.
        if vecferry_faiss_format::is_index(&bytes) && bytes.len() >= 32 {
            let error = refused(&bytes).unwrap_or_else(|| panic!("{name} was read"));
            assert!(matches!(error.kind, ErrorKind::Corrupt | ErrorKind::Unsupported), "{name}: {error}");
            seen += 1;
        }
    }
    assert!(seen >= 3, "only {seen} fixtures");
}

#[test]
fn changed_bytes_give_vectors_or_an_error() {
    let mut random = 20_251_122u64;
    let mut next = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize
    };
    let (mut read, mut errors) = (0, 0);
    for name in ["lsh", "ivf_pqfs_residual", "aq_lsq3x4", "idmap2_removed"] {
        let whole = std::fs::read(fixtures().join(format!("faiss/v1_15_1/{name}.faiss"))).unwrap();
        for _ in 0..40 {
            let mut bytes = whole.clone();
            for _ in 0..1 + next() % 3 {
                // Mostly in the head, where the numbers are.
                let at = 4 + next() % (if next() % 2 == 0 { 120 } else { bytes.len() - 4 });
                bytes[at] = next() as u8;
            }
            match refused(&bytes) {
                None => read += 1,
                Some(error) => {
                    errors += 1;
                    assert!(
                        matches!(error.kind, ErrorKind::Corrupt | ErrorKind::Unsupported),
                        "{name}: {error} {:?}",
                        error.code
                    );
                    assert_eq!(error.context("file"), Some("index.faiss"), "{name}: {error}");
                }
            }
        }
    }
    println!("{read} changed indexes were read, {errors} refused");
    // A folder with a whole one is read after all that.
    let store = store(&fixtures().join("faiss_stores/lsh_64/index.faiss"));
    assert_eq!(read_all::<FaissNativeSource>(&folder_host(store.path()), &json!({}), 100).unwrap().len(), 1);
}
