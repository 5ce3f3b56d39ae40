//! Features that this crate must not turn on in the crates it depends on: a feature is on for the whole tree.

use std::process::Command;

const DENY: &str = include_str!("../../deny.toml");

#[test]
fn no_feature_that_deny_toml_forbids_is_on_in_what_a_user_builds() {
    let rules: toml::Table = DENY.parse().expect("deny.toml is TOML");
    let tree = tree();
    let mut forbidden: Vec<&str> = Vec::new();
    for rule in rules["bans"]["features"]
        .as_array()
        .expect("a list of rules")
    {
        let name = rule["crate"].as_str().expect("the rule names a crate");
        let start = format!("{name} v");
        let on: Vec<&str> = tree
            .lines()
            .filter(|line| line.starts_with(&start))
            .collect();
        assert!(
            !on.is_empty(),
            "{name} is not in the tree: take its rule out of deny.toml"
        );
        for feature in rule["deny"].as_array().expect("a list of features") {
            let feature = feature.as_str().expect("the name of one");
            forbidden.extend(
                on.iter()
                    .filter(|line| features(line).any(|name| name == feature)),
            );
        }
    }
    assert!(forbidden.is_empty(), "{forbidden:#?}");
}

/// The features at the end of a line such as `serde v1.0.229 default,std`.
fn features(line: &str) -> impl Iterator<Item = &str> {
    line.rsplit(' ').next().unwrap_or_default().split(',')
}

/// A line for each dependency; those for development are left out, as no user builds them.
fn tree() -> String {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(cargo);
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command.args([
        "tree",
        "--locked",
        "--offline",
        "--features=testing",
        "--edges=normal,build",
    ]);
    let output = command
        .args(["--prefix=none", "--format={p} {f}"])
        .output()
        .expect("it starts");
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("UTF-8")
}
