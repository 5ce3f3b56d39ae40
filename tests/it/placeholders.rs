//! Scopes that follow the name they are for.

use serde_json::{Value, json};
use toolgate::{Builder, Config, Issuer, Metadata, ScopeMap, Toolgate, all_of, any_of};

use crate::world::{Answer, RESOURCE, World, call, post};

async fn ask(world: &World, granted: &str, method: &str, params: Value) -> Answer {
    let token = world.token().scope(granted).mint();
    world.send(post(&token, &call(method, params))).await
}

#[tokio::test]
async fn a_scope_follows_the_name_of_the_tool_prompt_or_method() {
    let map = ScopeMap::allow_unlisted()
        .tool("*", "tool:{name}")
        .tool("report_*", any_of(["reports:{name}", "admin"]))
        .tool("wipe", all_of(["tools:{name}", "{name}:danger", "admin"]))
        .prompt("*", "prompt:{name}")
        .method("x/*", "method:{name}");
    let world = World::with_scopes(map).await;
    for (granted, method, params, needs) in [
        (
            "",
            "tools/call",
            json!({ "name": "add" }),
            Some(&["tool:add"][..]),
        ),
        ("tool:add", "tools/call", json!({ "name": "add" }), None),
        (
            "tool:add",
            "tools/call",
            json!({ "name": "sub" }),
            Some(&["tool:sub"]),
        ),
        (
            "tool:Add",
            "tools/call",
            json!({ "name": "add" }),
            Some(&["tool:add"]),
        ),
        (
            "tool:{name} tool:*",
            "tools/call",
            json!({ "name": "add" }),
            Some(&["tool:add"]),
        ),
        (
            "x",
            "tools/call",
            json!({ "name": "report_daily" }),
            Some(&["reports:report_daily"]),
        ),
        (
            "admin",
            "tools/call",
            json!({ "name": "report_daily" }),
            None,
        ),
        (
            "reports:report_daily",
            "tools/call",
            json!({ "name": "report_daily" }),
            None,
        ),
        (
            "admin",
            "tools/call",
            json!({ "name": "wipe" }),
            Some(&["tools:wipe", "wipe:danger", "admin"]),
        ),
        (
            "",
            "prompts/get",
            json!({ "name": "greet" }),
            Some(&["prompt:greet"]),
        ),
        (
            "prompt:greet",
            "prompts/get",
            json!({ "name": "greet" }),
            None,
        ),
        ("", "x/y", json!({}), Some(&["method:x/y"])),
        ("method:x/y", "x/y", json!({}), None),
    ] {
        let answer = ask(&world, granted, method, params).await;
        match needs {
            None => answer.assert_served(),
            Some(scopes) => answer.assert_needs(scopes),
        }
    }
}

#[tokio::test]
async fn a_scope_follows_what_stands_in_a_resources_name() {
    let map = ScopeMap::deny_unlisted()
        .resource("db://{table}/rows/*", "db:{table}")
        .resource("db://public/rows/*", "public")
        .resource(
            "test://template/{id}/data",
            all_of(["resources:read", "template:{id}"]),
        );
    let world = World::with_scopes(map).await;
    let read = |uri: &str| json!({ "uri": uri });
    for (granted, uri, needs) in [
        ("", "db://users/rows/7", &["db:users"][..]),
        ("db:orders", "db://users/rows/7", &["db:users"]),
        ("db:public", "db://public/rows/7", &["public"]),
        (
            "resources:read",
            "test://template/123/data",
            &["resources:read", "template:123"],
        ),
        // As written, and as meant.
        ("db:users", "db://Users/rows/7", &["db:Users", "db:users"]),
    ] {
        ask(&world, granted, "resources/read", read(uri))
            .await
            .assert_needs(needs);
        ask(&world, &needs.join(" "), "resources/read", read(uri))
            .await
            .assert_served();
    }
    for uri in [
        "db:///rows/7",
        "db://a/b/rows/7",
        "db://users/columns/7",
        "test://template/1/2/data",
    ] {
        let answer = ask(
            &world,
            "db:a resources:read template:1",
            "resources/read",
            read(uri),
        )
        .await;
        answer.assert_forbidden("resource_unmapped");
    }
    // A slash in disguise is a slash, so another table, or none; and no scope is made of what has an escape.
    let disguised = ask(
        &world,
        "db:a%2Fb db:a",
        "resources/read",
        read("db://a%2Fb/rows/7"),
    )
    .await;
    disguised.assert_forbidden("name_no_scope");
}

#[tokio::test]
async fn a_name_of_which_no_scope_can_be_made_is_refused_for_good() {
    let world = World::with_scopes(ScopeMap::allow_unlisted().tool("*", "tool:{name}")).await;
    for name in [
        "a b", "a\"b", "a\\b", "é", "a\nb", "a\u{7f}", "a=b", "a,b", "a%b",
    ] {
        let answer = ask(&world, "tool:a", "tools/call", json!({ "name": name })).await;
        answer.assert_forbidden("name_no_scope");
    }
    ask(&world, "tool: tool:a", "tools/call", json!({ "name": "" }))
        .await
        .assert_served();
}

#[test]
fn a_placeholder_without_a_value_is_a_mistake() {
    let build = |map: ScopeMap| {
        let built = Toolgate::builder(RESOURCE)
            .issuer("https://auth.example.com")
            .scopes(map)
            .build();
        built.map(drop).map_err(|why| why.to_string())
    };
    let map = ScopeMap::deny_unlisted;
    for (map, fix) in [
        (map().tool("*", "tool:{tool}"), "{name} has one"),
        (map().tool("*", "tool:{name"), "ends in `}`"),
        (map().tool("*", "tool:name}"), "not a scope"),
        (map().tool("*", "to ol:{name}"), "not a scope"),
        (
            map().resource("db://{table}/*", "db:{name}"),
            "no such placeholder",
        ),
        (
            map().resource("db://users", "db:{table}"),
            "no such placeholder",
        ),
        (map().resource("db://{table", "db"), "ends in `}`"),
        (
            map().resource("db://x{table}/y", "db"),
            "between two slashes",
        ),
        (
            map().resource("a://{x}/b", "x").resource("a://b/{y}", "y"),
            "make one longer",
        ),
        (map().every_request("use:{name}"), "no name fills"),
        (map().initial(["tool:{name}"]), "no name fills"),
        (map().initial(["tool:}"]), "no name fills"),
        (map().implies("tool:{name}", ["a"]), "no name fills"),
        (map().implies("a", ["tool:{name}"]), "no name fills"),
        (map().implies("a", ["b", "{"]), "no name fills"),
    ] {
        let why = build(map).expect_err(fix);
        assert!(why.contains(fix), "{why}");
    }
    assert_eq!(
        build(
            map()
                .tool("a{b}", "x")
                .resource("a://{x}/b", "x")
                .resource("a://{x}/c", "{x}")
        ),
        Ok(())
    );
}

#[test]
fn a_scope_that_is_advertised_or_requested_has_no_placeholder() {
    let build = |builder: Builder| {
        let built = builder.scopes(ScopeMap::allow_unlisted()).build();
        built.map(drop).map_err(|why| why.to_string())
    };
    let issuer = || Issuer::new("https://auth.example.com");
    let gate = || Toolgate::builder(RESOURCE);
    let metadata = |scope: &str| Metadata::default().scopes_supported([scope]);
    for (builder, field) in [
        (
            gate().issuer(issuer()).metadata(metadata("tool:{name}")),
            "metadata.scopes_supported",
        ),
        (
            gate().issuer(issuer().scope_request_prefix("api://{tenant}/")),
            "issuers[0].scope_request_prefix",
        ),
    ] {
        let why = build(builder).expect_err(field);
        assert!(
            why.contains(field) && why.contains("no name fills"),
            "{why}"
        );
    }
    assert_eq!(
        build(gate().issuer(issuer()).metadata(metadata("tool:name"))),
        Ok(())
    );
}

#[test]
fn a_file_has_them_too() {
    let config: Config = toml::from_str(
        r#"
            resource = "https://mcp.example.com/mcp"
            [[issuers]]
            issuer = "https://auth.example.com"
            [scopes]
            unlisted = "deny"
            [scopes.tools]
            "*" = { any = ["tool:{name}", "admin"] }
            [scopes.resources]
            "db://{table}/rows/*" = "db:{table}"
        "#,
    )
    .unwrap();
    config.into_builder().build().unwrap();
}
