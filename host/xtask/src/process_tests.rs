#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

#[test]
fn a_failure_names_the_command_its_status_and_what_it_said() {
    let failure = output(&mut shell("echo it is broken >&2; exit 3")).unwrap_err().to_string();
    assert!(failure.contains("sh -c 'echo it is broken"), "{failure}");
    assert!(failure.contains("exit status: 3"), "{failure}");
    assert!(failure.ends_with("it is broken"), "{failure}");
    assert!(run(&mut Command::new("no-such-program-here")).unwrap_err().to_string().starts_with("cannot start"));
}

#[test]
fn output_is_what_the_program_wrote() {
    assert_eq!(output(&mut shell("echo 'Köln'")).unwrap(), "Köln\n");
}

#[test]
fn a_program_that_hangs_is_ended() {
    let start = Instant::now();
    assert!(!succeeds_within(Command::new("sleep").arg("60"), Duration::from_millis(100)));
    assert!(start.elapsed() < Duration::from_secs(30));
    assert!(succeeds_within(&mut shell("true"), Duration::from_secs(30)));
    assert!(!succeeds_within(&mut shell("false"), Duration::from_secs(30)));
}

#[test]
fn what_cargo_says_of_this_package_is_not_passed_on() {
    let cases = [
        ("CARGO_PKG_NAME", true),
        ("CARGO_MANIFEST_DIR", true),
        ("OUT_DIR", true),
        ("CARGO_HOME", false),
        ("CARGO_TARGET_DIR", false),
        ("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", false),
        ("CARGO_ENCODED_RUSTFLAGS", false),
        ("CARGO_NET_OFFLINE", false),
        ("PATH", false),
    ];
    for (name, expected) in cases {
        assert_eq!(describes_a_package(name), expected, "{name}");
    }
}
