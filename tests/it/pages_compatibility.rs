//! The versions in `docs/COMPATIBILITY.md`, held against those that are run.

const PAGE: &str = include_str!("../../docs/COMPATIBILITY.md");
const NPM: &str = include_str!("../interop/package.json");
const PYTHON: &str = include_str!("../interop/requirements.txt");
const RUST: &str = include_str!("../../Cargo.lock");
const SERVERS: &str = include_str!("../servers/Cargo.lock");

const LOCKED: &str = include_str!("../interop/package-lock.json");
const README: &str = include_str!("../../README.md");
const QUICKSTART: &str = include_str!("../../examples/quickstart.rs");

#[test]
fn the_inspector_to_start_is_the_one_that_is_run_and_needs_the_node_that_is_said() {
    let packages: serde_json::Value = serde_json::from_str(LOCKED).expect("it is JSON");
    let inspector = &packages["packages"]["node_modules/@modelcontextprotocol/inspector"];
    let command = format!(
        "npx @modelcontextprotocol/inspector@{}",
        inspector["version"].as_str().expect("a version")
    );
    let node = inspector["engines"]["node"].as_str().expect("a version");
    let node = node
        .strip_prefix(">=")
        .and_then(|node| node.strip_suffix(".0"));
    let node = format!(
        "Node.js {} or newer",
        node.expect("from a minor version on")
    );
    for text in [README, QUICKSTART] {
        assert!(text.contains(&command), "{command}");
        assert!(text.contains(&node), "{node}");
        assert_eq!(text.matches("npx @").count(), 1);
    }
}

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
        (
            "| TypeScript SDK 2, with a key |",
            NPM,
            "protocol/client\": \"",
        ),
        ("| oauth4webapi,", NPM, "\"oauth4webapi\": \""),
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
        (
            "| rust-mcp-sdk, with rust-mcp-axum |",
            SERVERS,
            "name = \"rust-mcp-axum\"\nversion = \"",
        ),
        ("| pmcp |", SERVERS, "name = \"pmcp\"\nversion = \""),
    ] {
        let (_, rest) = source.split_once(before).expect(before);
        let version = rest.split(['"', ' ']).next().unwrap_or_default();
        let line = PAGE.lines().find(|line| line.contains(row)).expect(row);
        assert!(line.contains(version), "{version} is run: {line}");
    }
}
