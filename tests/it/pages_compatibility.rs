//! The versions in `docs/COMPATIBILITY.md`, held against those that are run.

const PAGE: &str = include_str!("../../docs/COMPATIBILITY.md");
const NPM: &str = include_str!("../interop/package.json");
const PYTHON: &str = include_str!("../interop/requirements.txt");
const RUST: &str = include_str!("../../Cargo.lock");

#[test]
fn every_version_on_the_page_of_compatibility_is_the_one_that_is_run() {
    for (row, source, before) in [
        (
            "| TypeScript SDK 2, in Node.js |",
            NPM,
            "protocol/client\": \"",
        ),
        (
            "| TypeScript SDK 2, in a web page",
            NPM,
            "protocol/client\": \"",
        ),
        ("| TypeScript SDK 1 |", NPM, "protocol/sdk\": \""),
        (
            "| the server of TypeScript SDK 1 |",
            NPM,
            "protocol/sdk\": \"",
        ),
        ("| MCP Inspector,", NPM, "protocol/inspector\": \""),
        ("| oidc-provider |", NPM, "\"oidc-provider\": \""),
        (
            "The official conformance suite",
            NPM,
            "protocol/conformance\": \"",
        ),
        ("| Python SDK |", PYTHON, "\nmcp=="),
        ("| Authlib,", PYTHON, "\nAuthlib=="),
        ("| rmcp (Rust SDK) |", RUST, "name = \"rmcp\"\nversion = \""),
        (
            "| rmcp's `StreamableHttpService` |",
            RUST,
            "name = \"rmcp\"\nversion = \"",
        ),
    ] {
        let (_, rest) = source.split_once(before).expect(before);
        let version = rest.split(['"', ' ']).next().unwrap_or_default();
        let line = PAGE.lines().find(|line| line.contains(row)).expect(row);
        assert!(line.contains(version), "{version} is run: {line}");
    }
}
