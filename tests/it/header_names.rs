//! Readers of CGI's kind take `Mcp_Session_Id` for `Mcp-Session-Id`: what the gate judged under one name must not
//! reach the inner service under another.

use bytes::Bytes;
use http::{HeaderName, Method, Request};
use http_body_util::Full;
use proptest::prelude::*;
use serde_json::json;
use toolgate::{ScopeMap, Sessions, without_token};

use crate::world::{World, bare, call, post, post_without_token};

/// The names that the gate judges, rewrites or takes off, and that have a hyphen to be misread.
const OURS: [&str; 9] = [
    "mcp-session-id",
    "last-event-id",
    "mcp-protocol-version",
    "mcp-method",
    "mcp-name",
    "content-type",
    "content-encoding",
    "accept-encoding",
    "transfer-encoding",
];

async fn assert_withheld(world: &World, request: Request<Full<Bytes>>, names: &[String]) {
    let mut plain = request.clone();
    for name in names {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        plain
            .headers_mut()
            .append(name.clone(), "a".parse().unwrap());
        plain.headers_mut().append(name, "b".parse().unwrap());
    }
    world.send(plain).await.assert_served();
    let reached = world.reached().headers;
    let mut kept = request.headers().clone();
    kept.remove("authorization");
    assert_eq!(reached, kept);
}

#[tokio::test]
async fn no_name_that_reads_as_one_of_ours_reaches_the_service() {
    let names: Vec<String> = OURS.iter().map(|name| name.replace('-', "_")).collect();
    let whole = || ScopeMap::deny_unlisted().tool("a", without_token());
    let reading = World::with_scopes(whole()).await;
    let unread = World::with_scopes(ScopeMap::allow_unlisted()).await;
    let unbound = World::with(|builder, server| {
        builder
            .issuer(server.issuer())
            .scopes(ScopeMap::allow_unlisted())
            .sessions(Sessions::unbound())
    })
    .await;
    let body = call("tools/call", json!({ "name": "a" }));
    for world in [&reading, &unread, &unbound] {
        let token = world.token().mint();
        assert_withheld(world, post(&token, &body), &names).await;
        let mut listening = bare(Method::GET, "/mcp");
        let authorization = format!("Bearer {token}").parse().unwrap();
        listening
            .headers_mut()
            .insert("authorization", authorization);
        assert_withheld(world, listening, &names).await;
    }
    assert_withheld(&reading, post_without_token(&body), &names).await;
}

#[tokio::test]
async fn other_names_and_our_exact_ones_reach_the_service_unchanged() {
    let world = World::with_scopes(ScopeMap::deny_unlisted().tool("a", "mcp:use")).await;
    let mut request = post(
        &world.token().mint(),
        &call("tools/call", json!({ "name": "a" })),
    );
    for (name, value) in [
        ("x_request_id", "1"),
        ("mcp_sessions", "1"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "a"),
        ("accept-encoding", "gzip"),
        ("content-encoding", "identity"),
        ("user_agent", "x"),
    ] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    assert_withheld(&world, request, &[]).await;
}

proptest! {
    /// Some readers put `_` for every character that is no letter and no digit.
    #[test]
    fn no_character_stands_for_the_hyphen(
        name in prop::sample::select(OURS.to_vec()),
        put in prop::collection::vec(prop::sample::select(b"_._+!#$%&'*^`|~-".to_vec()), 3),
    ) {
        let mut put = put.into_iter();
        let name: String = name.chars().map(|character| match character {
            '-' => char::from(put.next().unwrap_or(b'_')),
            other => other,
        }).collect();
        prop_assume!(!OURS.contains(&name.as_str()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::with_scopes(ScopeMap::allow_unlisted()).await;
            let request = post(&world.token().mint(), &call("tools/list", json!({})));
            assert_withheld(&world, request, &[name]).await;
        });
    }
}
