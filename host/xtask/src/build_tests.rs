#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

/// As cargo 1.95 writes them, shortened.
const MESSAGES: &str = r#"{"reason":"compiler-artifact","manifest_path":"/r/serde/Cargo.toml","filenames":["/t/deps/libserde.rlib"]}
{"reason":"compiler-artifact","manifest_path":"/r/other/Cargo.toml","filenames":["/t/guest/other.wasm"]}
{"reason":"build-script-executed","package_id":"x"}
{"reason":"compiler-artifact","manifest_path":"/my plugin/Cargo.toml","filenames":["/t/guest/my_plugin.wasm","/t/guest/libmy_plugin.rlib"]}
{"reason":"build-finished","success":true}
"#;

#[test]
fn the_component_is_the_one_of_the_named_manifest() {
    let cases = [
        ("with a library beside it", MESSAGES, "/my plugin/Cargo.toml", Some("/t/guest/my_plugin.wasm")),
        ("no component", MESSAGES, "/r/serde/Cargo.toml", None),
        ("not built", MESSAGES, "/r/none/Cargo.toml", None),
        ("no messages", "", "/my plugin/Cargo.toml", None),
    ];
    for (name, messages, manifest, expected) in cases {
        assert_eq!(component_of(messages, Path::new(manifest)), expected.map(PathBuf::from), "{name}");
    }
}

#[test]
fn a_crate_outside_gets_the_profile_of_the_workspaces_guests() {
    let manifest = std::fs::read_to_string(paths::root().join("Cargo.toml")).unwrap();
    let (_, profile) = manifest.split_once("[profile.guest]\n").unwrap();
    let profile: Vec<String> = profile
        .lines()
        .take_while(|line| !line.starts_with('['))
        .filter(|line| line.contains('='))
        .map(|line| line.replace(" = ", "=").replace('"', "'"))
        .collect();
    for setting in &profile {
        assert!(GUEST_PROFILE_SETTINGS.contains(&setting.as_str()), "{setting} is missing for crates outside");
    }
    assert!(profile.len() >= 4, "{profile:?}");
}
