//! `rust-version` in Cargo.toml is a promise, and every dependency must be able to keep it.

use std::collections::{HashMap, HashSet};
use std::process::Command;

use serde_json::Value;

#[test]
fn no_dependency_needs_a_newer_rust_than_this_crate_claims_to_need() {
    let metadata = metadata();
    let packages: HashMap<&str, &Value> = list(&metadata["packages"])
        .map(|package| (text(&package["id"]), package))
        .collect();
    let nodes: HashMap<&str, &Value> = list(&metadata["resolve"]["nodes"])
        .map(|node| (text(&node["id"]), node))
        .collect();
    let root = text(&metadata["resolve"]["root"]);
    let claimed = version(packages[root]).expect("Cargo.toml has a rust-version");

    let (mut seen, mut next) = (HashSet::new(), vec![root]);
    while let Some(id) = next.pop() {
        if !seen.insert(id) {
            continue;
        }
        let needed = version(packages[id]).unwrap_or_default();
        assert!(
            needed <= claimed,
            "{id} needs Rust {needed:?}, this crate claims {claimed:?}"
        );
        next.extend(
            list(&nodes[id]["deps"])
                .filter(|dep| reaches_users(dep))
                .map(|dep| text(&dep["pkg"])),
        );
    }
    assert!(
        seen.len() > 20,
        "only {} dependencies were looked at",
        seen.len()
    );
}

/// Development dependencies do not.
fn reaches_users(dependency: &Value) -> bool {
    list(&dependency["dep_kinds"]).any(|kind| kind["kind"] != "dev")
}

/// `"1.88"` or `"1.88.0"` as numbers.
fn version(package: &Value) -> Option<Vec<u32>> {
    let parts = package["rust_version"].as_str()?.split('.');
    let mut numbers: Vec<u32> = parts.map(|part| part.parse().expect("a number")).collect();
    numbers.resize(3, 0);
    Some(numbers)
}

/// Of this platform alone, as nothing else has been downloaded for the tests.
fn metadata() -> Value {
    let host = run(Command::new("rustc").arg("-vV"));
    let host = host
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .expect("rustc names its host");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(cargo);
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command.args([
        "metadata",
        "--format-version=1",
        "--locked",
        "--offline",
        "--features=testing",
    ]);
    let output = run(command.args(["--filter-platform", host]));
    serde_json::from_str(&output).expect("cargo metadata is JSON")
}

fn run(command: &mut Command) -> String {
    let output = command.output().expect("it starts");
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}
