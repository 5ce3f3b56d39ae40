//! Another configuration in the place of the one there was, while requests go on.

use std::pin::pin;
use std::time::Duration;

use futures_util::poll;
use serde_json::json;
use toolgate::testing::{Algorithm, AuthorizationServer, Endpoint, Fault, SigningKey};
use toolgate::{Config, Revocation};

use crate::logs::listen;
use crate::world::{RESOURCE, World, call, post, until};

fn config(issuer: &str, scopes: &str) -> Config {
    let text =
        format!("resource = {RESOURCE:?}\n[[issuers]]\nissuer = {issuer:?}\n[scopes]\n{scopes}");
    toml::from_str(&text).unwrap()
}

#[tokio::test]
async fn rules_issuers_and_limits_change_for_every_layer_at_once() {
    let world = World::new().await;
    let token = world.token().mint();
    world.call_tool(&token, "delete").await.assert_served();

    let map = "unlisted = \"deny\"\nevery_request = [\"mcp:use\"]\n[scopes.tools]\ndelete = \"files:write\"";
    world
        .gate
        .reload(config(world.server.issuer(), map))
        .unwrap();
    world
        .call_tool(&token, "delete")
        .await
        .assert_needs(&["mcp:use", "files:write"]);
    world
        .call_tool(&token, "other")
        .await
        .assert_forbidden("tool_unmapped");

    let other = AuthorizationServer::builder()
        .clock(world.clock.clone())
        .start()
        .await;
    let limits = format!("{map}\n[limits]\nmax_body_bytes = 10");
    world.gate.reload(config(other.issuer(), &limits)).unwrap();
    world
        .list_with(&token)
        .await
        .assert_invalid_token("issuer_mismatch");
    let of_other = other
        .token()
        .audience(RESOURCE)
        .scope("mcp:use files:write")
        .mint();
    let answer = world.call_tool(&of_other, "delete").await;
    assert_eq!(
        (answer.status.as_u16(), answer.code),
        (413, Some("body_too_large"))
    );
    let issuers: Vec<_> = world
        .gate
        .health()
        .iter()
        .map(|issuer| issuer.issuer().to_owned())
        .collect();
    assert_eq!(issuers, [other.issuer()]);
}

#[tokio::test]
async fn a_bad_configuration_is_refused_whole_and_the_old_one_stays() {
    let world = World::new().await;
    let token = world.token().mint();
    for (bad, field) in [
        (
            config(world.server.issuer(), "unlisted = \"deny\"\nevery_request = [\"a b\"]"),
            "scopes.every_request",
        ),
        (config("http://insecure.example.com", "unlisted = \"deny\""), "issuers[0].issuer"),
        (
            toml::from_str(
                "resource = \"https://mcp.example.com/other\"\n[[issuers]]\nissuer = \"https://a.example\"\n\
                 [scopes]\nunlisted = \"deny\"",
            )
            .unwrap(),
            "resource",
        ),
    ] {
        assert_eq!(world.gate.reload(bad).unwrap_err().problems()[0].field(), field);
        world.call_tool(&token, "anything").await.assert_served();
    }
    assert_eq!(world.gate.resource(), RESOURCE);
}

#[tokio::test]
async fn a_request_ends_under_the_configuration_that_it_began_with() {
    let world = World::new().await;
    world.server.fail(
        Endpoint::Jwks,
        Some(Fault::Delay(Duration::from_millis(50))),
    );
    let token = world.token().mint();
    let mut waiting = pin!(world.call_tool(&token, "delete"));
    assert!(poll!(&mut waiting).is_pending());
    until(|| world.server.hits(Endpoint::Jwks) == 1).await;
    world
        .gate
        .reload(config(world.server.issuer(), "unlisted = \"deny\""))
        .unwrap();
    waiting.await.assert_served();
    world
        .call_tool(&token, "delete")
        .await
        .assert_forbidden("tool_unmapped");
}

#[tokio::test]
async fn a_reload_clears_the_caches_but_not_the_revocations() {
    let world = World::new().await;
    let (token, revoked) = (
        world.token().mint(),
        world.token().claim("jti", "stolen").mint(),
    );
    for token in [&token, &revoked] {
        world.list_with(token).await.assert_served();
    }
    let issuer = world.server.issuer();
    world
        .gate
        .revoke(
            Revocation::token(issuer, "stolen"),
            Duration::from_secs(3600),
        )
        .await
        .unwrap();
    let fetched = world.server.hits(Endpoint::Jwks);
    world
        .gate
        .reload(config(issuer, "unlisted = \"allow\""))
        .unwrap();
    world
        .list_with(&revoked)
        .await
        .assert_invalid_token("revoked");
    world.list_with(&token).await.assert_served();
    until(|| world.server.hits(Endpoint::Jwks) == fetched + 1).await;
}

#[tokio::test]
async fn a_reload_while_an_issuer_is_down_throws_no_good_keys_away() {
    let (log, _guard) = listen();
    let world = World::new().await;
    let issuer = world.server.issuer();
    world.list_with(&world.token().mint()).await.assert_served();
    world
        .server
        .fail(Endpoint::Rfc8414, Some(Fault::Status(503)));
    world.server.fail(Endpoint::Jwks, Some(Fault::Status(503)));
    let changed = "every_request = [\"mcp:use\"]\nunlisted = \"allow\"";
    for _ in 0..3 {
        world.gate.reload(config(issuer, changed)).unwrap();
        world.list_with(&world.token().mint()).await.assert_served();
    }
    // It is found out in the background that nothing newer is to be had.
    until(|| log.text().contains("not fetched")).await;
    world.list_with(&world.token().mint()).await.assert_served();

    // Keys of another place, or for other algorithms, are other keys.
    let moved = format!("jwks_uri = {:?}", world.server.url(Endpoint::Jwks));
    let text = format!(
        "resource = {RESOURCE:?}\n[[issuers]]\nissuer = {issuer:?}\n{moved}\n[scopes]\nunlisted = \"allow\""
    );
    world.gate.reload(toml::from_str(&text).unwrap()).unwrap();
    world
        .list_with(&world.token().mint())
        .await
        .assert_unavailable("jwks_unavailable");
}

#[tokio::test]
async fn a_reload_does_not_keep_a_key_that_was_withdrawn() {
    let world = World::new().await;
    let issuer = world.server.issuer();
    let token = world.token().mint();
    world.list_with(&token).await.assert_served();
    world.server.rotate(SigningKey::generate(Algorithm::Es256));
    world.server.publish(vec![world.server.signing_key().jwk()]);
    let fetched = world.server.hits(Endpoint::Jwks);
    world
        .gate
        .reload(config(issuer, "unlisted = \"allow\""))
        .unwrap();
    world.list_with(&token).await;
    until(|| world.server.hits(Endpoint::Jwks) == fetched + 1).await;
    while world.list_with(&token).await.code.is_none() {
        tokio::task::yield_now().await;
    }
    world
        .list_with(&token)
        .await
        .assert_invalid_token("kid_unknown");
}

#[test]
fn two_reloads_at_once_leave_the_metadata_and_the_gate_of_one_of_them() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let world = runtime.block_on(World::new());
    let issuer = world.server.issuer().to_owned();
    let mounted = world.gate.metadata_service();
    for _ in 0..200 {
        std::thread::scope(|scope| {
            for scopes in ["one:use", "two:use"] {
                let (gate, issuer) = (&world.gate, &issuer);
                let map = format!("unlisted = \"allow\"\nevery_request = [{scopes:?}]");
                scope.spawn(move || gate.reload(config(issuer, &map)).unwrap());
            }
        });
        let request = crate::world::bare(
            http::Method::GET,
            "/.well-known/oauth-protected-resource/mcp",
        );
        let document = runtime
            .block_on(tower::ServiceExt::oneshot(mounted.clone(), request.clone()))
            .unwrap();
        let document = runtime
            .block_on(http_body_util::BodyExt::collect(document.into_body()))
            .unwrap();
        let of_layer = runtime.block_on(world.send(request)).body;
        assert_eq!(document.to_bytes(), of_layer);
    }
}

#[tokio::test]
async fn the_metadata_document_follows_wherever_it_is_served() {
    let world = World::new().await;
    let document = async || {
        let request = crate::world::bare(
            http::Method::GET,
            "/.well-known/oauth-protected-resource/mcp",
        );
        let by_layer = world.send(request.clone()).await.json();
        let by_service = tower::ServiceExt::oneshot(world.gate.metadata_service(), request)
            .await
            .unwrap();
        let body = http_body_util::BodyExt::collect(by_service.into_body())
            .await
            .unwrap()
            .to_bytes();
        assert_eq!(
            serde_json::from_slice::<serde_json::Value>(&body).unwrap(),
            by_layer
        );
        by_layer
    };
    let mounted = world.gate.metadata_service();
    assert_eq!(document().await["scopes_supported"], json!(["mcp:use"]));
    let map =
        "unlisted = \"allow\"\nevery_request = [\"other:use\"]\n[metadata]\nroot_copy = false";
    world
        .gate
        .reload(config(world.server.issuer(), map))
        .unwrap();
    assert_eq!(document().await["scopes_supported"], json!(["other:use"]));
    assert_eq!(
        world.gate.metadata_paths(),
        ["/.well-known/oauth-protected-resource/mcp"]
    );
    let root = crate::world::bare(http::Method::GET, "/.well-known/oauth-protected-resource");
    assert_eq!(
        tower::ServiceExt::oneshot(mounted, root)
            .await
            .unwrap()
            .status(),
        404
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn under_reloads_no_request_sees_half_of_one() {
    let world = std::sync::Arc::new(World::new().await);
    let token = world.token().scope("one:use").mint();
    // Under each, the token is good for one tool and not for the other.
    let map = |own: &str, other: &str| {
        format!("unlisted = \"deny\"\n[scopes.tools]\n{own} = \"one:use\"\n{other} = \"two:use\"")
    };
    let issuer = world.server.issuer().to_owned();
    world.gate.reload(config(&issuer, &map("a", "b"))).unwrap();
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (world, token) = (world.clone(), token.clone());
        requests.spawn(async move {
            for _ in 0..100 {
                let batch = json!([
                    serde_json::from_str::<serde_json::Value>(&call(
                        "tools/call",
                        json!({ "name": "a" })
                    ))
                    .unwrap(),
                    serde_json::from_str::<serde_json::Value>(&call(
                        "tools/call",
                        json!({ "name": "b" })
                    ))
                    .unwrap(),
                ]);
                let mut request = post(&token, &batch.to_string());
                request
                    .headers_mut()
                    .insert("mcp-protocol-version", "2025-03-26".parse().unwrap());
                // One of the two is always out of reach, and never both: no map has both.
                let answer = world.send(request).await;
                assert_eq!(
                    answer.challenge().unwrap().scopes().len(),
                    2,
                    "{:?}",
                    answer.code
                );
            }
        });
    }
    for round in 0..50 {
        let scopes = if round % 2 == 0 {
            map("b", "a")
        } else {
            map("a", "b")
        };
        world.gate.reload(config(&issuer, &scopes)).unwrap();
        tokio::task::yield_now().await;
    }
    while let Some(outcome) = requests.join_next().await {
        outcome.unwrap();
    }
}
