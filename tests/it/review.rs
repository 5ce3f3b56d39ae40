//! Rules for tools are held against the tools that there are.

use toolgate::{ScopeMap, Toolgate, deny};

fn gate(scopes: ScopeMap) -> Toolgate {
    Toolgate::builder("https://mcp.example.com/mcp")
        .issuer("https://auth.example.com")
        .scopes(scopes)
        .build()
        .unwrap()
}

#[test]
fn rules_that_apply_to_no_tool_and_tools_without_a_rule_are_named() {
    let gate = gate(
        ScopeMap::deny_unlisted()
            .tool("get_weather", "weather:read")
            .tool("delete_files", "files:write")
            .tool("report_*", "reports:read")
            .tool("admin_*", deny())
            .tool("admin_wipe", "admin"),
    );
    let review = gate.review([
        "get_weather",
        "delete_file",
        "report_sales",
        "admin_wipe",
        "delete_file",
    ]);
    assert_eq!(review.unused_rules(), ["admin_*", "delete_files"]);
    assert_eq!(review.tools_without_rule(), ["delete_file"]);
    assert!(!review.is_clean());
    assert_eq!(
        review.to_string(),
        "rule \"admin_*\" applies to no tool\nrule \"delete_files\" applies to no tool\ntool \"delete_file\" has no rule"
    );
}

#[test]
fn a_map_that_fits_its_tools_has_a_clean_review() {
    let gate = gate(
        ScopeMap::allow_unlisted()
            .tool("a", "a")
            .tool("b_*", "b")
            .resource("file:///*", "c"),
    );
    let review = gate.review(["a", "b_1", "b_2"]);
    assert!(review.is_clean(), "{review}");
    assert!(!gate.review(Vec::<String>::new()).is_clean());
}
