//! Which call needs which scopes.

use serde_json::{Value, json};
use toolgate::{ScopeMap, all_of, any_of, base_only, deny};

use crate::world::{World, call, post};

fn map() -> ScopeMap {
    ScopeMap::deny_unlisted()
        .every_request("mcp:use")
        .tool("whoami", base_only())
        .tool("get_weather", "weather:read")
        .tool("delete_file", all_of(["files:write", "admin"]))
        .tool("report_*", any_of(["reports:read", "admin"]))
        .tool("report_secret_*", "secret")
        .tool("report_secret_menu", base_only())
        .tool("wipe", deny())
        .resource("file:///public/*", base_only())
        .resource("file:///secret/*", "files:secret")
        .prompt("greet", "prompts:use")
        .method("completion/complete", "complete:use")
        .method("x/*", "extension")
        .implies("files:write", ["files:read"])
        .implies("root", ["admin", "files:write", "weather:read"])
}

/// Sends one call with `mcp:use` and these scopes.
async fn ask(
    world: &World,
    granted: &str,
    method: &str,
    params: serde_json::Value,
) -> crate::world::Answer {
    let token = world.token().scope(format!("mcp:use {granted}")).mint();
    world.send(post(&token, &call(method, params))).await
}

#[tokio::test]
async fn a_tool_opens_with_its_scopes_and_the_challenge_names_all_it_needs() {
    let world = World::with_scopes(map()).await;
    for (granted, tool, needs) in [
        ("", "whoami", None),
        ("", "get_weather", Some(&["mcp:use", "weather:read"][..])),
        ("weather:read", "get_weather", None),
        (
            "Weather:read weather:readx weather",
            "get_weather",
            Some(&["mcp:use", "weather:read"][..]),
        ),
        (
            "admin",
            "delete_file",
            Some(&["mcp:use", "files:write", "admin"][..]),
        ),
        (
            "files:write",
            "delete_file",
            Some(&["mcp:use", "files:write", "admin"][..]),
        ),
        ("admin files:write", "delete_file", None),
        ("root", "delete_file", None),
        ("root", "get_weather", None),
        ("", "report_daily", Some(&["mcp:use", "reports:read"][..])),
        ("admin", "report_daily", None),
        ("reports:read", "report_daily", None),
        ("root", "report_daily", None),
        (
            "reports:read",
            "report_secret_plan",
            Some(&["mcp:use", "secret"][..]),
        ),
        ("", "report_secret_menu", None),
    ] {
        let answer = ask(&world, granted, "tools/call", json!({ "name": tool })).await;
        match needs {
            None => answer.assert_served(),
            Some(scopes) => answer.assert_needs(scopes),
        }
    }
}

#[tokio::test]
async fn every_request_needs_the_base_scopes_and_they_are_checked_before_the_body_is_read() {
    let world = World::with_scopes(map()).await;
    let token = world.token().scope("weather:read").mint();
    world
        .send(post(&token, "this is not even JSON"))
        .await
        .assert_needs(&["mcp:use"]);
    for method in [http::Method::GET, http::Method::DELETE] {
        let mut request = crate::world::bare(method, "/mcp");
        request
            .headers_mut()
            .insert("authorization", format!("Bearer {token}").parse().unwrap());
        world.send(request).await.assert_needs(&["mcp:use"]);
    }
}

#[tokio::test]
async fn if_no_scope_helps_the_challenge_names_none() {
    let world = World::with_scopes(map()).await;
    let all = "root files:secret prompts:use complete:use extension";
    for (code, method, params) in [
        ("denied", "tools/call", json!({ "name": "wipe" })),
        ("tool_unmapped", "tools/call", json!({ "name": "unknown" })),
        ("tool_unmapped", "tools/call", json!({ "name": "Whoami" })),
        ("prompt_unmapped", "prompts/get", json!({ "name": "other" })),
        (
            "resource_unmapped",
            "resources/read",
            json!({ "uri": "file:///other" }),
        ),
        ("method_unmapped", "y/z", json!({})),
        ("method_unmapped", "skills/list", json!({})),
        ("method_unmapped", "sampling/createMessage", json!({})),
    ] {
        ask(&world, all, method, params)
            .await
            .assert_forbidden(code);
    }
}

#[tokio::test]
async fn mcps_own_methods_need_the_base_scopes_only() {
    let world = World::with_scopes(map()).await;
    for method in [
        "initialize",
        "ping",
        "server/discover",
        "tools/list",
        "prompts/list",
        "resources/list",
        "resources/templates/list",
        "logging/setLevel",
        "notifications/initialized",
    ] {
        ask(&world, "", method, json!({})).await.assert_served();
    }
    ask(&world, "", "x/anything", json!({}))
        .await
        .assert_needs(&["mcp:use", "extension"]);
    ask(&world, "extension", "x/anything", json!({}))
        .await
        .assert_served();
}

#[tokio::test]
async fn a_subscription_that_names_nothing_is_left_to_the_service_and_an_unreadable_one_is_not() {
    let world = World::with_scopes(map()).await;
    let unreadable = "body_unparsable";
    for params in [json!({}), json!({ "uri": null })] {
        ask(&world, "", "resources/subscribe", params.clone())
            .await
            .assert_served();
        ask(&world, "", "resources/read", params)
            .await
            .assert_rpc_error(unreadable, -32600, &json!(1));
    }
    // The id may not have been read yet where the reading ends.
    let twin = (json!({ "URI": "a:b" }), "duplicate_key", Value::Null);
    for (params, code, id) in [(json!({ "uri": 5 }), unreadable, json!(1)), twin] {
        let answer = ask(&world, "", "resources/subscribe", params).await;
        answer.assert_rpc_error(code, -32600, &id);
    }
}

#[tokio::test]
async fn a_resource_is_checked_as_written_and_as_normalised() {
    let world = World::with_scopes(map()).await;
    for method in [
        "resources/read",
        "resources/subscribe",
        "resources/unsubscribe",
    ] {
        ask(
            &world,
            "",
            method,
            json!({ "uri": "file:///public/readme" }),
        )
        .await
        .assert_served();
        let secret = json!({ "uri": "file:///secret/plan" });
        ask(&world, "", method, secret.clone())
            .await
            .assert_needs(&["mcp:use", "files:secret"]);
        ask(&world, "files:secret", method, secret)
            .await
            .assert_served();
    }
    for disguise in [
        "file:///public/../secret/plan",
        "file:///public/%2e%2e/secret/plan",
        "file:///public/..\\secret/plan",
        "FILE:///secret/plan",
        "file:///%73ecret/plan",
    ] {
        let answer = ask(&world, "", "resources/read", json!({ "uri": disguise })).await;
        assert_eq!(answer.status, 403, "{disguise}");
    }
    let both = json!({ "notifications": { "resourceSubscriptions": ["file:///public/a", "file:///secret/b"] } });
    ask(&world, "", "subscriptions/listen", both)
        .await
        .assert_needs(&["mcp:use", "files:secret"]);
}

#[tokio::test]
async fn under_allow_unlisted_a_disguised_secret_stays_a_secret() {
    let world =
        World::with_scopes(ScopeMap::allow_unlisted().resource("file:///secret/*", "files:secret"))
            .await;
    for disguise in [
        "file:///public/../secret/plan",
        "file:///public/%2E%2e/secret/plan",
        "file:///public/..\\secret/plan",
        "file:\\\\\\secret\\plan",
        "FILE:///secret/plan",
        "file:///%73ecret/plan",
        "file:///./secret/plan",
    ] {
        let answer = ask(&world, "", "resources/read", json!({ "uri": disguise })).await;
        assert_eq!(answer.code, Some("insufficient_scope"), "{disguise}");
    }
    ask(
        &world,
        "",
        "resources/read",
        json!({ "uri": "file:///public/plan" }),
    )
    .await
    .assert_served();
}

#[tokio::test]
async fn a_name_that_some_server_could_take_for_a_secret_is_that_secret() {
    let scopes = ScopeMap::allow_unlisted()
        .resource("file:///secret/*", "files:secret")
        .resource("file:///etc/key", "files:secret")
        .resource("docs://secret/*", "files:secret")
        .resource("docs://plan", "files:secret")
        .resource("https://api.example/secret/*", "files:secret");
    let world = World::with_scopes(scopes).await;
    for disguise in [
        "file:///x?/../secret/plan",
        "file:///x#/../secret/plan",
        "file://anyhost/secret/plan",
        "file://127.0.0.1/secret/plan",
        "file://./secret/plan",
        "file://../secret/plan",
        "file:///etc/key/",
        "file:///etc/key/.",
        "file:///etc/key?x=1",
        "docs://x/../secret/plan",
        "docs://./secret/plan",
        "docs://a?/../../secret/plan",
        "docs:///secret/plan",
        "docs:/secret/plan",
        "docs:secret/plan",
        "docs://x@secret/plan",
        "docs://secret:/plan",
        "docs://plan/",
        "docs://plan?x=1",
        "https://api.example:/secret/x",
        "https://api.example:0443/secret/x",
        "https://api.example./secret/x",
    ] {
        let answer = ask(&world, "", "resources/read", json!({ "uri": disguise })).await;
        assert_eq!(answer.code, Some("insufficient_scope"), "{disguise}");
    }
    for innocent in [
        "file:///public/x?y=/z",
        "docs://other/plan?x=1",
        "https://api.example/public/",
        "urn:x:y",
    ] {
        ask(&world, "", "resources/read", json!({ "uri": innocent }))
            .await
            .assert_served();
    }
}

#[tokio::test]
async fn a_public_pattern_does_not_reach_out_of_its_directory() {
    let scopes = ScopeMap::deny_unlisted()
        .resource("file:///public/*", base_only())
        .resource("docs://a/?q=*", base_only());
    let world = World::with_scopes(scopes).await;
    for way_out in [
        "file:///public/x?/../../secret/plan",
        "file:///public/../secret",
        "file:///public/x#/../../secret",
    ] {
        let answer = ask(&world, "", "resources/read", json!({ "uri": way_out })).await;
        assert_eq!(answer.code, Some("resource_unmapped"), "{way_out}");
    }
    for inside in [
        "file:///public/x",
        "file:///public/",
        "file:///public/x?y=1",
        "docs://a/?q=7",
    ] {
        ask(&world, "", "resources/read", json!({ "uri": inside }))
            .await
            .assert_served();
    }
}

#[tokio::test]
async fn a_completion_needs_what_it_completes_and_its_own_scope() {
    let world = World::with_scopes(map()).await;
    let prompt = json!({ "ref": { "type": "ref/prompt", "name": "greet" } });
    ask(&world, "", "completion/complete", prompt.clone())
        .await
        .assert_needs(&["mcp:use", "complete:use", "prompts:use"]);
    ask(
        &world,
        "complete:use prompts:use",
        "completion/complete",
        prompt,
    )
    .await
    .assert_served();
    let resource = json!({ "ref": { "type": "ref/resource", "uri": "file:///secret/x" } });
    let needs = ["mcp:use", "complete:use", "files:secret"];
    ask(&world, "complete:use", "completion/complete", resource)
        .await
        .assert_needs(&needs);
}

#[tokio::test]
async fn a_batch_needs_all_that_its_members_need_in_one_challenge() {
    let world = World::with_scopes(map()).await;
    let member = |id, name| json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": name } });
    let token = world.token().mint();
    let batch = json!([
        member(1, "whoami"),
        member(2, "get_weather"),
        member(3, "delete_file")
    ])
    .to_string();
    let needs = ["mcp:use", "weather:read", "files:write", "admin"];
    world.send(post(&token, &batch)).await.assert_needs(&needs);
    let token = world.token().scope(needs.join(" ")).mint();
    world.send(post(&token, &batch)).await.assert_served();
    let hopeless = json!([member(1, "get_weather"), member(2, "wipe")]).to_string();
    world
        .send(post(&world.token().mint(), &hopeless))
        .await
        .assert_forbidden("denied");
}

#[tokio::test]
async fn accumulating_challenges_repeat_what_was_granted() {
    let scopes = map().accumulate_in_challenges();
    let world = World::with_scopes(scopes).await;
    let answer = ask(
        &world,
        "other files:write",
        "tools/call",
        json!({ "name": "get_weather" }),
    )
    .await;
    answer.assert_needs(&["mcp:use", "weather:read", "other", "files:write"]);
}

#[tokio::test]
async fn wildcard_grants_count_only_when_switched_on() {
    let rule = || ScopeMap::allow_unlisted().tool("t", "files:write:all");
    let off = World::with_scopes(rule()).await;
    ask(&off, "files:*", "tools/call", json!({ "name": "t" }))
        .await
        .assert_needs(&["files:write:all"]);
    let on = World::with_scopes(rule().wildcard_grants()).await;
    ask(&on, "files:*", "tools/call", json!({ "name": "t" }))
        .await
        .assert_served();
    ask(&on, "*", "tools/call", json!({ "name": "t" }))
        .await
        .assert_needs(&["files:write:all"]);
}

#[tokio::test]
async fn a_missing_scope_claim_is_no_scopes_and_never_all() {
    let world = World::with_scopes(ScopeMap::allow_unlisted().tool("t", "a")).await;
    let token = world.token().without("scope").mint();
    world.call_tool(&token, "t").await.assert_needs(&["a"]);
    world.list_with(&token).await.assert_served();
}

#[tokio::test]
async fn nothing_that_depends_on_policy_is_remembered_with_the_token() {
    let world = World::with_scopes(map()).await;
    let token = world.token().mint();
    for _ in 0..2 {
        world.call_tool(&token, "whoami").await.assert_served();
        world
            .call_tool(&token, "get_weather")
            .await
            .assert_needs(&["mcp:use", "weather:read"]);
    }
}
