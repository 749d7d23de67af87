#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

use super::*;
use crate::paths;

/// Whether the folder holds a crate that is a plugin by now, not only a name.
fn is_plugin(folder: &Path) -> bool {
    std::fs::read_to_string(folder.join("src/lib.rs")).is_ok_and(|text| text.contains("vecferry_sdk"))
        // One with a workspace of its own is optional: it is built by itself.
        && std::fs::read_to_string(folder.join("Cargo.toml")).is_ok_and(|text| !text.contains("[workspace]"))
}

#[test]
fn every_plugin_folder_is_listed_and_every_listed_plugin_has_its_folder() {
    let mut folders: Vec<String> = std::fs::read_dir(paths::root().join("plugins"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| is_plugin(&entry.path()))
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    folders.sort();
    let mut listed: Vec<&str> = BUNDLED.iter().map(|plugin| plugin.name).collect();
    listed.sort_unstable();
    assert_eq!(folders, listed);
    for plugin in BUNDLED {
        assert_builds_as_a_plugin(&paths::root().join("plugins").join(plugin.name), &plugin.package());
    }
    assert_eq!(Bundled::named(BOTH_WAYS).unwrap().kind, Kind::Wasm);
    for guest in TEST_GUESTS {
        let folder = paths::root().join("tests").join("guests").join(guest);
        assert_builds_as_a_plugin(&folder, &format!("vecferry-guest-{guest}"));
    }
}

fn assert_builds_as_a_plugin(folder: &Path, package: &str) {
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    assert!(manifest.contains(&format!("name = \"{package}\"")), "{package}");
    assert!(manifest.contains("\"cdylib\""), "{package} has to build as a plugin file");
}

#[test]
fn an_unknown_name_is_answered_with_the_known_ones() {
    assert_eq!(Bundled::named("sqlite").unwrap().kind, Kind::Native);
    assert!(Bundled::named("sqlit").unwrap_err().to_string().contains("'sqlit'"));
}
