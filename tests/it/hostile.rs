//! Random and nearly good input: never a panic, never a hang, never a pass.

use bytes::Bytes;
use http_body_util::Full;
use proptest::prelude::*;
use serde_json::json;
use tokio::runtime::Runtime;
use toolgate::ScopeMap;
use toolgate::testing::{Endpoint, Fault};

use crate::world::{World, bare, call, post_without_token};

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

#[test]
fn a_good_token_with_any_byte_changed_is_refused() {
    let runtime = runtime();
    let world = runtime.block_on(World::new());
    let token = world.token().mint();
    runtime.block_on(world.list_with(&token)).assert_served();
    let alphabet = b"ABCabc019-_.~+/=";
    let positions = 0..token.len();
    proptest!(ProptestConfig::with_cases(512), |(at in positions, by in 0..alphabet.len())| {
        let mut changed = token.clone().into_bytes();
        prop_assume!(changed[at] != alphabet[by]);
        changed[at] = alphabet[by];
        let changed = String::from_utf8(changed).unwrap();
        let answer = runtime.block_on(world.list_with(&changed));
        prop_assert!(matches!(answer.status.as_u16(), 400 | 401 | 503), "{} for {changed}", answer.status);
        prop_assert_eq!(world.reached_count(), 1);
    });
}

#[test]
fn no_authorization_header_makes_the_gate_panic_or_pass() {
    let runtime = runtime();
    let world = runtime.block_on(World::new());
    let parts = prop_oneof![
        "[ -~]{0,40}",
        "(?i)bearer[ \t,:]{0,3}[!-~]{0,40}",
        "Bearer [A-Za-z0-9_.-]{0,20}\\.[A-Za-z0-9_.-]{0,20}\\.[A-Za-z0-9_.=-]{0,20}",
    ];
    let lines = proptest::collection::vec(parts, 0..3);
    proptest!(ProptestConfig::with_cases(1024), |(lines in lines)| {
        let mut request = post_without_token(&call("tools/list", json!({})));
        for line in &lines {
            request.headers_mut().append("authorization", line.parse().unwrap());
        }
        let answer = runtime.block_on(world.send(request));
        prop_assert!(matches!(answer.status.as_u16(), 400 | 401), "{} for {lines:?}", answer.status);
        prop_assert!(answer.challenge().is_some());
    });
}

#[test]
fn no_payload_signed_by_a_trusted_key_makes_the_gate_panic() {
    let runtime = runtime();
    let world = runtime.block_on(World::with_scopes(ScopeMap::allow_unlisted()));
    let issuer = world.server.issuer().to_owned();
    let names = [
        "iss",
        "sub",
        "aud",
        "exp",
        "nbf",
        "iat",
        "jti",
        "scope",
        "scp",
        "cnf",
        "act",
        "client_id",
        "token_use",
    ];
    let value = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|value| json!(value)),
        any::<i64>().prop_map(|value| json!(value)),
        any::<f64>().prop_map(|value| json!(value)),
        ".{0,20}".prop_map(|text| json!(text)),
        Just(json!(issuer)),
        Just(json!(crate::world::RESOURCE)),
        Just(json!([crate::world::RESOURCE, 7])),
        Just(json!({ "sub": {}, "jkt": "x" })),
    ];
    let claims = proptest::collection::vec((proptest::sample::select(names.to_vec()), value), 0..8);
    proptest!(ProptestConfig::with_cases(1024), |(claims in claims)| {
        let mut token = world.token();
        for (name, value) in claims {
            token = token.claim(name, value);
        }
        let answer = runtime.block_on(world.list_with(&token.mint()));
        prop_assert!(matches!(answer.status.as_u16(), 200 | 401), "{}", answer.status);
    });
}

#[test]
fn no_answer_about_an_opaque_token_makes_the_gate_panic_or_believe_what_it_does_not_say() {
    let runtime = runtime();
    let world = runtime.block_on(crate::introspection::asking());
    runtime.block_on(world.gate.warm_up());
    let names = [
        "active",
        "active",
        "iss",
        "sub",
        "aud",
        "exp",
        "nbf",
        "scope",
        "cnf",
        "token_type",
        "token_use",
    ];
    let value = prop_oneof![
        Just(json!(true)),
        Just(json!(null)),
        any::<bool>().prop_map(|value| json!(value)),
        any::<i64>().prop_map(|value| json!(value)),
        any::<f64>().prop_map(|value| json!(value)),
        ".{0,20}".prop_map(|text| json!(text)),
        Just(json!("Bearer")),
        Just(json!(crate::world::RESOURCE)),
        Just(json!([crate::world::RESOURCE, 7])),
    ];
    let said = proptest::collection::vec((proptest::sample::select(names.to_vec()), value), 0..8);
    let number = std::cell::Cell::new(0);
    proptest!(ProptestConfig::with_cases(1024), |(said in said, garbage in "[\\[\\]{}\":,a-z ]{0,20}", cut in any::<bool>())| {
        let mut answer = json!({ "active": true, "aud": crate::world::RESOURCE, "scope": "mcp:use" });
        for (name, value) in said {
            answer[name] = value;
        }
        let (active, audience) = (answer["active"] == true, answer["aud"] == crate::world::RESOURCE);
        let text = if cut { garbage } else { answer.to_string() };
        world.server.fail(Endpoint::Introspect, Some(Fault::Body(Bytes::from(text))));
        number.set(number.get() + 1);
        let answered = runtime.block_on(world.list_with(&format!("opaque-{}", number.get()))).status.as_u16();
        prop_assert!(matches!(answered, 200 | 401 | 403 | 503), "{answered}");
        prop_assert!(answered != 200 || (!cut && active && audience), "{answer}");
    });
    assert!(world.reached_count() > 0, "some answers are good");
}

#[test]
fn no_key_set_and_no_metadata_make_the_gate_panic_or_believe_a_forged_token() {
    let runtime = runtime();
    let json_like = prop_oneof![
        "[\\[\\]{}\",:a-z0-9 ]{0,60}",
        "\\{\"keys\":\\[[\\[\\]{}\",:a-zA-Z0-9-]{0,60}\\]\\}",
        "\\{\"keys\":\\[\\{\"kty\":\"(RSA|EC|OKP|oct)\",\"(n|x|k|crv)\":\"[A-Za-z0-9_=-]{0,50}\",\"(e|y|alg)\":\"[A-Za-z0-9]{0,9}\"\\}\\]\\}",
    ];
    proptest!(ProptestConfig::with_cases(64), |(document in json_like, of_keys in any::<bool>())| {
        runtime.block_on(async {
            let world = World::new().await;
            let fault = Some(Fault::Body(Bytes::from(document)));
            if of_keys {
                world.server.fail(Endpoint::Jwks, fault);
            } else {
                world.server.fail(Endpoint::Rfc8414, fault.clone());
                world.server.fail(Endpoint::OidcInserted, fault);
            }
            assert_eq!(world.list_with(&world.token().mint()).await.status, 503);
        });
    });
}

#[test]
fn no_origin_and_no_path_make_the_gate_panic_or_open() {
    let runtime = runtime();
    let world = runtime.block_on(World::new());
    let origin = prop_oneof!["[ -~]{0,30}", "https?://[a-z0-9.:@\\[\\]-]{0,20}"];
    let path = "/(\\.well-known|mcp|%2e|\\.\\.|oauth-protected-resource|/|;|\\?){0,6}";
    proptest!(ProptestConfig::with_cases(1024), |(origin in origin, path in path)| {
        let mut request = bare(http::Method::GET, &path).map(|_: Full<Bytes>| Full::default());
        request.headers_mut().insert("origin", origin.parse().unwrap());
        let public = path.starts_with("/.well-known/oauth-protected-resource");
        let answer = runtime.block_on(world.send(request));
        prop_assert!(matches!(answer.status.as_u16(), 401 | 403) || public, "{} for {path}", answer.status);
        prop_assert_eq!(world.reached_count(), 0);
    });
}
