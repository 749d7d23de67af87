//! What the store says where models are missing or damaged. No test here needs a model or a network.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;

use vecferry_core::ErrorKind;
use vecferry_embed::{DEFAULT_MODEL, ModelStore};

/// Names and sizes of all that belongs to the default model; the bytes are zero.
fn hollow_store() -> (tempfile::TempDir, ModelStore) {
    let folder = tempfile::tempdir().unwrap();
    let library = match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => ("libonnxruntime.so.1.32.0", 34_824_680),
        ("linux", _) => ("libonnxruntime.so.1.32.0", 27_165_936),
        _ => ("libonnxruntime.1.32.0.dylib", 35_272_344),
    };
    let files = [
        ("onnxruntime-1.32.0", library.0, library.1),
        ("onnxruntime-1.32.0", "LICENSE", 1_073),
        (DEFAULT_MODEL, "model.safetensors", 90_868_376),
        (DEFAULT_MODEL, "tokenizer.json", 466_247),
        (DEFAULT_MODEL, "config.json", 612),
        (DEFAULT_MODEL, "special_tokens_map.json", 112),
        (DEFAULT_MODEL, "tokenizer_config.json", 350),
        (DEFAULT_MODEL, "LICENSE", 11_358),
        (DEFAULT_MODEL, "NOTICE", 428),
    ];
    for (package, name, bytes) in files {
        fs::create_dir_all(folder.path().join(package)).unwrap();
        fs::File::create(folder.path().join(package).join(name)).unwrap().set_len(bytes).unwrap();
    }
    let store = ModelStore::new(folder.path());
    (folder, store)
}

#[test]
fn an_empty_store_lists_the_model_as_missing_and_says_how_to_get_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = ModelStore::new(folder.path().join("none yet"));
    let list = store.list();
    assert_eq!(list.len(), 1);
    assert_eq!((list[0].name, list[0].dimension, list[0].max_tokens), ("all-MiniLM-L6-v2", 384, 256));
    assert!(!list[0].here);
    assert!(list[0].path.starts_with(folder.path()));

    let error = store.load(DEFAULT_MODEL, 1).unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::NotFound, "model/missing"));
    assert_eq!(error.hint.as_deref(), Some("vecferry model fetch all-MiniLM-L6-v2"));
}

#[test]
fn an_unknown_model_is_answered_with_the_known_ones() {
    let store = ModelStore::new("nowhere");
    let errors =
        [store.load("gpt-9", 1).map(drop), store.dimension("gpt-9").map(drop), store.fetch("gpt-9", &mut |_| {})];
    for error in errors {
        let error = error.unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Config, "model/unknown"));
        assert!(error.hint.unwrap().contains("all-MiniLM-L6-v2"));
    }
    assert_eq!(store.dimension(DEFAULT_MODEL).unwrap(), 384);
}

#[test]
fn a_missing_runtime_is_told_from_a_missing_model() {
    let (folder, store) = hollow_store();
    assert!(store.list()[0].here);
    fs::remove_dir_all(folder.path().join("onnxruntime-1.32.0")).unwrap();
    assert!(!store.list()[0].here);
    let error = store.load(DEFAULT_MODEL, 1).unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::NotFound, "runtime/missing"));
    assert!(error.hint.unwrap().starts_with("vecferry model fetch"));
}

#[test]
fn a_file_that_was_cut_short_counts_as_missing() {
    let (folder, store) = hollow_store();
    let weights = folder.path().join(DEFAULT_MODEL).join("model.safetensors");
    fs::File::options().write(true).open(weights).unwrap().set_len(1000).unwrap();
    assert!(!store.list()[0].here);
    assert_eq!(store.load(DEFAULT_MODEL, 1).unwrap_err().code, "model/missing");
}

#[test]
fn a_library_that_is_none_is_an_error_and_no_crash() {
    let (_folder, store) = hollow_store();
    let error = store.load(DEFAULT_MODEL, 1).unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Internal, "runtime/load"));
    assert!(error.context("file").unwrap().contains("onnxruntime-1.32.0"));
}

#[test]
fn a_folder_to_search_comes_before_the_store_and_is_not_written() {
    let (copied, _) = hollow_store();
    let folder = tempfile::tempdir().unwrap();
    let store = ModelStore::new(folder.path()).searching(copied.path());
    let list = store.list();
    assert!(list[0].here);
    assert_eq!(list[0].path, copied.path().join(DEFAULT_MODEL));
}
