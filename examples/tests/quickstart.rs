//! The quickstart, before it serves anything. What it prints, and how it behaves then, is tested with the other examples
//! in toolgate's own tests.
#![allow(clippy::expect_used, reason = "that is how a test fails")]

use std::process::Command;

#[test]
fn the_quickstart_lets_nobody_else_in_the_network_log_in_as_anyone() {
    let output = quickstart(&["--issuer", "0.0.0.0:0"]);
    assert!(output.contains("everyone may log in"), "{output}");
}

#[test]
fn the_quickstart_says_how_to_use_it() {
    for arguments in [&["--help"][..], &["--listen"], &["--listen", "here"]] {
        let output = quickstart(arguments);
        assert!(output.contains("usage: quickstart [--listen"), "{output}");
    }
}

/// What it complains about, and ends.
fn quickstart(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quickstart"));
    let output = command.args(arguments).output().expect("it starts");
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).expect("UTF-8")
}
