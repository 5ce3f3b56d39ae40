//! How a token is presented, and what an answer to none, a malformed one and several is.

use http::{Method, StatusCode};
use http_body_util::Full;
use serde_json::json;
use toolgate::{RefusalKind, ScopeMap};

use crate::world::{METADATA_URL, World, bare, call, post, post_without_token};

fn list() -> String {
    call("tools/list", json!({}))
}

#[tokio::test]
async fn without_a_token_every_method_is_asked_for_one_and_told_which_scopes() {
    let world = World::new().await;
    for method in [
        "GET", "POST", "DELETE", "PUT", "HEAD", "PATCH", "OPTIONS", "BREW",
    ] {
        let answer = world
            .send(bare(Method::from_bytes(method.as_bytes()).unwrap(), "/mcp"))
            .await;
        answer.assert_asks_for_a_token();
        assert_eq!(
            answer.challenge().unwrap().scopes(),
            ["mcp:use"],
            "{method}"
        );
    }
    for method in [
        "initialize",
        "ping",
        "server/discover",
        "notifications/initialized",
        "tools/call",
    ] {
        world
            .send(post_without_token(&call(method, json!({}))))
            .await
            .assert_asks_for_a_token();
    }
}

#[tokio::test]
async fn a_challenge_names_no_scope_if_none_is_configured() {
    let world = World::with_scopes(ScopeMap::allow_unlisted()).await;
    let answer = world.send(post_without_token(&list())).await;
    answer.assert_asks_for_a_token();
    assert_eq!(answer.challenge().unwrap().get("scope"), None);
}

#[tokio::test]
async fn the_scheme_is_read_in_any_case_and_with_any_number_of_spaces() {
    let world = World::new().await;
    let token = world.token().mint();
    for scheme in ["Bearer ", "bearer ", "BEARER ", "bEaReR   "] {
        let mut request = post_without_token(&list());
        request
            .headers_mut()
            .insert("authorization", format!("{scheme}{token}").parse().unwrap());
        world.send(request).await.assert_served();
    }
}

#[tokio::test]
async fn another_scheme_or_an_empty_bearer_is_no_token_at_all() {
    let world = World::new().await;
    let token = world.token().mint();
    let other = format!("Bearer:{token}");
    for line in [
        "Basic eDp5",
        "Bearer",
        "Bearer   ",
        "Negotiate abc",
        "",
        &other,
    ] {
        let mut request = post_without_token(&list());
        request
            .headers_mut()
            .insert("authorization", line.parse().unwrap());
        world.send(request).await.assert_asks_for_a_token();
    }
}

#[tokio::test]
async fn a_malformed_or_ambiguous_header_is_a_bad_request_and_never_a_choice() {
    let world = World::new().await;
    let token = world.token().mint();
    let cases: Vec<Vec<Vec<u8>>> = vec![
        vec![b"Bearer a b".to_vec()],
        vec![b"Bearer a,b".to_vec()],
        vec![b"Bearer \"x\"".to_vec()],
        vec![b"Bearer \xc3\xa4".to_vec()],
        vec![format!("Bearer\t{token}").into_bytes()],
        vec![format!("Bearer {token}, Bearer {token}").into_bytes()],
        vec![format!("Basic eDp5, Bearer {token}").into_bytes()],
        vec![
            format!("Bearer {token}").into_bytes(),
            format!("Bearer {token}").into_bytes(),
        ],
        vec![
            format!("Bearer {token}").into_bytes(),
            b"Basic eDp5".to_vec(),
        ],
        vec![
            b"Basic eDp5".to_vec(),
            format!("Bearer {token}").into_bytes(),
        ],
    ];
    for lines in cases {
        let mut request = post_without_token(&list());
        for line in &lines {
            request.headers_mut().append(
                "authorization",
                http::HeaderValue::from_bytes(line).unwrap(),
            );
        }
        let answer = world.send(request).await;
        assert_eq!(
            (answer.status, answer.kind),
            (
                StatusCode::BAD_REQUEST,
                Some(RefusalKind::MalformedCredentials)
            )
        );
        let challenge = answer.challenge().expect("a challenge");
        assert_eq!(challenge.get("error"), Some("invalid_request"));
        assert_eq!(challenge.scopes(), ["mcp:use"]);
        assert_eq!(challenge.get("resource_metadata"), Some(METADATA_URL));
        assert_eq!(answer.json()["error"], "invalid_request");
    }
}

#[tokio::test]
async fn a_token_anywhere_but_in_the_authorization_header_is_not_looked_at() {
    let world = World::new().await;
    let token = world.token().mint();

    let mut request = post_without_token(&list());
    *request.uri_mut() = format!("/mcp?access_token={token}").parse().unwrap();
    world.send(request).await.assert_asks_for_a_token();

    let mut request = post_without_token(&format!("access_token={token}"));
    request.headers_mut().insert(
        "content-type",
        "application/x-www-form-urlencoded".parse().unwrap(),
    );
    world.send(request).await.assert_asks_for_a_token();

    for name in ["cookie", "proxy-authorization", "x-authorization", "dpop"] {
        let mut request = post_without_token(&list());
        request
            .headers_mut()
            .insert(name, format!("Bearer {token}").parse().unwrap());
        world.send(request).await.assert_asks_for_a_token();
    }

    let mut request = post(&token, &list());
    *request.uri_mut() = "/mcp?access_token=other".parse().unwrap();
    world.send(request).await.assert_served();
}

#[tokio::test]
async fn headers_of_a_client_do_not_change_a_url() {
    let world = World::new().await;
    for name in ["host", "x-forwarded-host", "forwarded", "x-forwarded-proto"] {
        let mut request = post_without_token(&list());
        request
            .headers_mut()
            .insert(name, "evil.example".parse().unwrap());
        world.send(request).await.assert_asks_for_a_token();
    }
}

#[tokio::test]
async fn identical_requests_get_identical_challenges() {
    let world = World::with_scopes(
        ScopeMap::allow_unlisted()
            .every_request("b")
            .every_request("a")
            .tool("t", toolgate::any_of(["z", "y"])),
    )
    .await;
    let token = world.token().scope("a b").mint();
    let first = world.call_tool(&token, "t").await;
    first.assert_needs(&["b", "a", "z"]);
    for _ in 0..5 {
        let again = world.call_tool(&token, "t").await;
        assert_eq!(
            (again.header("www-authenticate"), &again.body),
            (first.header("www-authenticate"), &first.body)
        );
    }
}

#[tokio::test]
async fn an_overlong_token_is_refused_before_anything_is_fetched() {
    let world = World::new().await;
    world
        .send(post(&"a".repeat(64 * 1024), &list()))
        .await
        .assert_invalid_token("token_too_large");
    assert_eq!(world.server.hits(toolgate::testing::Endpoint::Rfc8414), 0);
}

#[tokio::test]
async fn a_refusal_can_be_restyled_but_its_kind_and_code_stay_readable() {
    let world = World::new().await;
    let answer = world
        .send(bare(Method::GET, "/mcp").map(|_: Full<_>| Full::default()))
        .await;
    assert_eq!(
        (answer.kind, answer.code),
        (Some(RefusalKind::NoToken), Some("no_token"))
    );
    assert_eq!(answer.header("content-type"), Some("application/json"));
}
