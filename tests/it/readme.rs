//! The promises of the README that the repository can prove. Its Rust code is compiled as a documentation test.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

const README: &str = include_str!("../../README.md");
const MANIFEST: &str = include_str!("../../Cargo.toml");

#[test]
fn the_readme_is_a_doorway_and_not_the_manual() {
    assert!(README.lines().count() <= 250, "the manual is in src/docs/");
    assert!(README.len() <= 15 * 1024, "the manual is in src/docs/");
}

#[test]
fn every_link_of_the_readme_and_of_docs_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![root.join("README.md"), root.join("CONTRIBUTING.md")];
    files.push(root.join("SECURITY.md"));
    let docs = fs::read_dir(root.join("docs")).expect("there is docs/");
    let docs = docs.map(|entry| entry.expect("it is readable").path());
    files.extend(docs.filter(|path| path.extension().is_some_and(|end| end == "md")));
    let (mut seen, mut broken) = (0, Vec::new());
    for file in &files {
        let text = fs::read_to_string(file).expect("it is text");
        for target in links(&text).filter(|target| !target.starts_with("https://")) {
            seen += 1;
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = match path {
                "" => file.clone(),
                path => file.parent().expect("it is in a folder").join(path),
            };
            let leads = match fs::read_to_string(&path) {
                Ok(text) => anchor.is_empty() || anchors(&text).contains(anchor),
                // A folder, or a picture.
                Err(_) => anchor.is_empty() && path.exists(),
            };
            if !leads {
                broken.push(format!("{}: {target}", file.display()));
            }
        }
    }
    assert!(seen > 25, "hardly a link was found");
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_dependencies_of_the_readme_are_those_that_its_code_is_compiled_with() {
    let block = README.split("```toml\n").nth(1).expect("it has a manifest");
    let block = block.split("```").next().unwrap_or_default();
    let shown: toml::Table = toml::from_str(block).expect("it is TOML");
    let own: toml::Table = toml::from_str(MANIFEST).expect("it is TOML");
    let version = |dependency: &toml::Value| {
        let version = dependency.get("version").unwrap_or(dependency);
        version.as_str().map(str::to_owned)
    };
    let shown = shown["dependencies"].as_table().expect("it is a table");
    for (name, dependency) in shown.iter().filter(|(name, _)| *name != "toolgate") {
        let own = &own["dev-dependencies"][name];
        assert_eq!(version(dependency), version(own), "{name}");
    }
    assert!(shown.contains_key("toolgate") && shown.len() > 3);
}

#[test]
fn the_quickstart_builds_as_many_crates_as_the_readme_says_and_none_for_tests_alone() {
    let (before, _) = README
        .split_once(" crates the first time")
        .expect("it says");
    let said = before.rsplit(' ').next().expect("a number");
    let said: usize = said.parse().expect("a number");

    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(cargo);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args([
        "tree",
        "--locked",
        "--offline",
        "--package=toolgate-examples",
        "--edges=normal,build",
        "--prefix=none",
        "--format={p}",
    ]);
    let output = command.output().expect("it starts");
    let tree = String::from_utf8(output.stdout).expect("UTF-8");
    let crates: BTreeSet<&str> = tree
        .lines()
        .map(|line| line.trim_end_matches(" (*)"))
        .filter(|line| !line.is_empty())
        .collect();
    // A platform has some that another has not.
    assert!(said.abs_diff(crates.len()) <= 8, "{}", crates.len());
    for only_for_tests in ["criterion", "proptest", "wiremock", "oauth2"] {
        let is_it = |package: &&str| package.split(' ').next() == Some(only_for_tests);
        assert!(!crates.iter().any(is_it), "{only_for_tests}");
    }
}

/// The targets of `[text](target)`, outside of code.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let prose = text.split("```").step_by(2);
    let starts = prose.flat_map(|prose| prose.split("](").skip(1));
    starts
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target)
}

/// The anchors that GitHub makes of headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let prose: String = text.split("```").step_by(2).collect();
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = heading
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}
