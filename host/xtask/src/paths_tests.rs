#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

#[test]
fn the_cache_folder_follows_the_first_variable_that_is_set() {
    let all = [("VECFERRY_CACHE_DIR", "/own"), ("XDG_CACHE_HOME", "/xdg"), ("HOME", "/home/a")];
    let cases = [
        ("all are set", &all[..], Some("/own")),
        ("the desktop's cache", &all[1..], Some("/xdg/vecferry")),
        ("a home folder only", &all[2..], Some("/home/a/.cache/vecferry")),
        ("nothing", &[], None),
    ];
    for (name, variables, expected) in cases {
        let found = cache_from(|wanted| variables.iter().find(|(key, _)| *key == wanted).map(|(_, v)| v.into()));
        assert_eq!(found.ok(), expected.map(PathBuf::from), "{name}");
    }
}

#[test]
fn the_root_is_the_workspace() {
    assert!(root().join("wit").is_dir());
    assert!(root().join("host/xtask/Cargo.toml").is_file());
}
