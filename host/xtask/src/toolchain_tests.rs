#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

fn toolchain(standard_library: StandardLibrary) -> WasmToolchain {
    WasmToolchain { standard_library, linkers: "/rust tools/bin".into() }
}

fn variable(command: &Command, name: &str) -> Option<Option<String>> {
    let (_, value) = command.get_envs().find(|(key, _)| *key == name)?;
    Some(value.map(|value| value.to_str().unwrap().to_owned()))
}

#[test]
fn a_built_library_goes_with_its_own_compiler() {
    let mut cargo = Command::new("cargo");
    toolchain(StandardLibrary::Sysroot("/a folder/std".into())).apply(&mut cargo);
    assert_eq!(variable(&cargo, "RUSTC"), Some(Some("/usr/bin/rustc".to_owned())));
    assert_eq!(variable(&cargo, "RUSTFLAGS"), Some(None), "the user's flags are the host's");
    let flags = variable(&cargo, "CARGO_ENCODED_RUSTFLAGS").unwrap().unwrap();
    let flags: Vec<&str> = flags.split('\x1f').collect();
    for expected in [
        "--sysroot=/a folder/std",
        "-Clink-arg=--wasm-ld-path=/rust tools/bin/gcc-ld/wasm-ld",
        "-Clink-arg=--wasi-adapter=none",
    ] {
        assert!(flags.contains(&expected), "{expected} is not in {flags:?}");
    }
}

#[test]
fn rustups_library_goes_with_rustups_compiler() {
    let mut cargo = Command::new("cargo");
    toolchain(StandardLibrary::Rustup).apply(&mut cargo);
    assert_eq!(variable(&cargo, "RUSTC"), Some(None));
    let flags = variable(&cargo, "CARGO_ENCODED_RUSTFLAGS").unwrap().unwrap();
    assert!(!flags.contains("--sysroot"), "{flags}");
    let linker = variable(&cargo, "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER").unwrap().unwrap();
    assert_eq!(linker, "/rust tools/bin/wasm-component-ld");
}

#[test]
fn a_compiler_is_known_by_what_it_says() {
    let said = "rustc 1.96.0 (ac68faa20 2026-05-25)\nbinary: rustc\ncommit-hash: ac68faa20c58\n\
                host: x86_64-unknown-linux-gnu\nrelease: 1.96.0\n";
    let cases = [
        ("release", Some("1.96.0")),
        ("commit-hash", Some("ac68faa20c58")),
        ("host", Some("x86_64-unknown-linux-gnu")),
        ("rel", None),
        ("LLVM version", None),
    ];
    for (field, expected) in cases {
        assert_eq!(field_of(said, field).as_deref(), expected, "{field}");
    }
}

#[test]
fn names_beside_a_folder_keep_its_version() {
    assert_eq!(beside(Path::new("/c/wasm-std-1.96.0-ac68-1"), "lock"), Path::new("/c/wasm-std-1.96.0-ac68-1.lock"));
}
