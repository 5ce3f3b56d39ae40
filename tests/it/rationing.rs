//! Which refusals are rationed in the log: those that strangers can cause at will, and no other. Once a signature held, or
//! an issuer said that a token is active, no denial is dropped.

use std::time::Duration;

use http::HeaderValue;
use serde_json::{Value, json};
use toolgate::testing::{Endpoint, Fault};
use toolgate::{Introspection, Limits, Revocation, ScopeMap};

use crate::introspection::{asking, asking_as};
use crate::logs::{Log, listen};
use crate::world::{World, call, post, post_without_token};

const HOUR: Duration = Duration::from_secs(3600);

/// The last decision is logged at its own level, and names the caller.
#[track_caller]
fn assert_loud(log: &Log, reason: &str, subject: Value) {
    let event = log.decision();
    let fields = &event["fields"];
    assert_eq!(
        (&fields["reason"], fields.get("rationed")),
        (&json!(reason), None),
        "{event}"
    );
    assert_ne!(event["level"], "DEBUG", "{event}");
    assert!(fields["issuer"].is_string(), "{event}");
    assert_eq!(fields["subject"], subject, "{event}");
}

#[tokio::test]
async fn a_token_that_is_revoked_by_its_hash_is_never_rationed() {
    let (log, _guard) = listen();
    let world = World::new().await;
    let token = world.token().without("jti").mint();
    world.list_with(&token).await.assert_served();
    let hash = log.decision()["fields"]["token_id"].clone();
    let revocation = Revocation::token(world.server.issuer(), hash.as_str().unwrap());
    world.gate.revoke(revocation, HOUR).await.unwrap();
    // The first one is remembered, the others are not.
    for _ in 0..3 {
        world
            .list_with(&token)
            .await
            .assert_invalid_token("revoked");
        assert_loud(&log, "revoked", json!("alice"));
        assert_eq!(log.decision()["fields"]["token_id"], hash);
    }
}

#[tokio::test]
async fn an_opaque_token_that_is_revoked_by_its_hash_is_never_rationed() {
    let (log, _guard) = listen();
    let world = asking().await;
    let token = world.server.mint_opaque(&world.token().without("jti"));
    world.list_with(&token).await.assert_served();
    let hash = log.decision()["fields"]["token_id"].clone();
    let revocation = Revocation::token(world.server.issuer(), hash.as_str().unwrap());
    world.gate.revoke(revocation, HOUR).await.unwrap();
    world
        .list_with(&token)
        .await
        .assert_invalid_token("revoked");
    assert_loud(&log, "revoked", json!("alice"));
    for _ in 0..3 {
        // It is not introspected any more, so nothing more is known of it.
        world
            .list_with(&token)
            .await
            .assert_invalid_token("revoked");
        assert_loud(&log, "revoked", Value::Null);
    }
}

#[tokio::test]
async fn a_signed_token_that_is_not_active_is_not_rationed_when_that_is_remembered() {
    let (log, _guard) = listen();
    let world = asking_as(Introspection::every_token).await;
    let token = world.token().claim("jti", "j1").mint();
    world
        .server
        .introspect_as(&token, json!({ "active": false }));
    for _ in 0..3 {
        world
            .list_with(&token)
            .await
            .assert_invalid_token("inactive");
        assert_loud(&log, "inactive", json!("alice"));
        assert_eq!(log.decision()["fields"]["token_id"], "j1");
    }
    assert_eq!(world.server.hits(Endpoint::Introspect), 1);
}

#[tokio::test]
async fn an_opaque_token_that_is_active_and_not_good_is_not_rationed_when_that_is_remembered() {
    let (log, _guard) = listen();
    let world = asking().await;
    let spoilt =
        json!({ "active": true, "aud": "https://other", "sub": "alice", "token_type": "Bearer" });
    world.server.introspect_as("opaque", spoilt);
    for _ in 0..3 {
        world
            .list_with("opaque")
            .await
            .assert_invalid_token("audience_mismatch");
        assert_loud(&log, "audience_mismatch", json!("alice"));
        assert_eq!(log.decision()["fields"]["got"], "https://other");
    }
    assert_eq!(world.server.hits(Endpoint::Introspect), 1);
}

#[tokio::test]
async fn an_opaque_token_that_was_good_a_moment_ago_is_no_strangers() {
    let (log, _guard) = listen();
    let world = asking().await;
    let token = world.server.mint_opaque(&world.token().expires_in(7200));
    world.list_with(&token).await.assert_served();
    world.clock.advance(Duration::from_secs(61));
    world
        .server
        .fail(Endpoint::Introspect, Some(Fault::Status(500)));
    for _ in 0..3 {
        world
            .list_with(&token)
            .await
            .assert_unavailable("introspection_unavailable");
        assert_loud(&log, "introspection_unavailable", Value::Null);
    }
    world.server.fail(Endpoint::Introspect, None);
    world.server.revoke(&token);
    world.clock.advance(Duration::from_secs(61));
    for _ in 0..3 {
        world
            .list_with(&token)
            .await
            .assert_invalid_token("inactive");
        assert_loud(&log, "inactive", Value::Null);
    }
    // An hour later it could be anything.
    world.clock.advance(HOUR);
    for rationed in [Value::Null, json!(true)] {
        world
            .list_with(&token)
            .await
            .assert_invalid_token("inactive");
        assert_eq!(log.decision()["fields"]["rationed"], rationed);
    }
}

#[tokio::test]
async fn a_remembered_token_whose_keys_are_too_old_is_not_rationed() {
    let (log, _guard) = listen();
    let world = World::with(|builder, server| {
        let limits = Limits::default()
            .jwks_stale_seconds(60)
            .jwks_min_seconds(60)
            .jwks_default_seconds(60)
            .jwks_max_seconds(60);
        builder
            .issuer(server.issuer())
            .scopes(ScopeMap::allow_unlisted())
            .limits(limits)
    })
    .await;
    let token = world.token().expires_in(7200).mint();
    world.list_with(&token).await.assert_served();
    world.server.fail(Endpoint::Jwks, Some(Fault::Status(500)));
    world.clock.advance(Duration::from_secs(200));
    for _ in 0..3 {
        world
            .list_with(&token)
            .await
            .assert_unavailable("jwks_unavailable");
        assert_loud(&log, "jwks_unavailable", json!("alice"));
    }
}

#[tokio::test]
async fn refusals_of_a_known_caller_are_never_rationed_and_those_of_a_stranger_are() {
    let (log, _guard) = listen();
    let world = World::with_scopes(ScopeMap::deny_unlisted().tool("t", "mcp:use")).await;
    let token = world.token().mint();
    let with = |name: &'static str, value: &'static str| {
        let mut request = post(&token, &call("tools/call", json!({ "name": "t" })));
        request
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
        request
    };
    for _ in 0..3 {
        for (request, reason) in [
            (with("mcp-session-id", "x"), "session_unknown"),
            (with("mcp-name", "x"), "header_mismatch"),
            (with("content-type", "x/y"), "unsupported_content_type"),
            (post(&token, "{"), "body_not_json"),
        ] {
            world.send(request).await;
            assert_loud(&log, reason, json!("alice"));
        }
    }
    for first in [true, false] {
        for (request, reason) in [
            (with("origin", "https://evil.example"), "origin_not_allowed"),
            (with("authorization", "Basic x"), "wrong_scheme"),
            (with("authorization", "Bearer a b"), "malformed_header"),
            (with("authorization", "Bearer a,b"), "multiple_credentials"),
            (post("a.b.c.d.e", "{}"), "encrypted_jwt"),
            (post_without_token("{}"), "no_token"),
        ] {
            world.send(request).await;
            let event = log.decision();
            let rationed = if first { Value::Null } else { json!(true) };
            assert_eq!(
                (&event["fields"]["reason"], &event["fields"]["rationed"]),
                (&json!(reason), &rationed)
            );
            assert_eq!(event["level"] == "DEBUG", !first);
        }
    }
}
