#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

#[test]
fn any_change_in_a_folder_changes_its_digest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::create_dir(path.join("sub")).unwrap();
    fs::write(path.join("a"), "1").unwrap();
    fs::write(path.join("sub/b"), "2").unwrap();
    let digest = || folder_digest(path).unwrap();
    let original = digest();
    assert_eq!(original.len(), 64);
    assert_eq!(digest(), original, "the same folder");

    fs::write(path.join("sub/b"), "3").unwrap();
    assert_ne!(digest(), original, "a changed byte");
    fs::write(path.join("sub/b"), "2").unwrap();
    assert_eq!(digest(), original, "changed back");
    fs::rename(path.join("a"), path.join("c")).unwrap();
    assert_ne!(digest(), original, "a file renamed");
    fs::rename(path.join("c"), path.join("a")).unwrap();
    fs::write(path.join("demo-wal"), "").unwrap();
    assert_ne!(digest(), original, "an empty file added");
}

#[test]
fn the_demonstrations_store_is_in_the_repository() {
    assert!(files_below(&paths::root().join(SOURCE)).unwrap().len() > 5);
}
