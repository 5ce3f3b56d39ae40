//! Attacks on proofs of possession: a proof that was used or copied, a request that looks like another, and keys that cost
//! much or prove nothing.

use std::time::{Duration, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::join_all;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use toolgate::testing::{Algorithm, SigningKey};
use toolgate::{Config, Dpop, Holder, Introspection, Issuer, ScopeMap};

use crate::dpop::{BAD_PROOF, Bound, assert_dpop_error, with_proofs};
use crate::logs::listen;
use crate::streams::Stream;
use crate::world::{RESOURCE, World};

/// When the clock of a world begins.
const START: u64 = 1_800_000_000;

/// A configuration of the same gate, with this `[holder]` table.
fn config(bound: &Bound, holder: &str) -> Config {
    let issuer = bound.world.server.issuer();
    toml::from_str(&format!(
        "resource = {RESOURCE:?}\nissuers = [{{ issuer = {issuer:?} }}]\nscopes.unlisted = \"allow\"\n[holder]\n{holder}"
    ))
    .unwrap()
}

fn at(path: &str, token: &str, proof: &str) -> Request<Full<bytes::Bytes>> {
    let mut request = with_proofs("DPoP", token, &[proof]);
    *request.uri_mut() = path.parse().unwrap();
    request
}

#[tokio::test]
async fn a_used_proof_is_refused_when_the_clock_is_set_back() {
    let long_lived = |bound: Bound| Bound {
        token: bound
            .world
            .token()
            .bound_to(&bound.key)
            .expires_in(100_000)
            .mint(),
        ..bound
    };
    // The clock was ahead of its time by a little, by more, and by a day.
    for ahead in [100, 400, 800, 86_400] {
        let bound = long_lived(Bound::new(Holder::default()).await);
        let clock = &bound.world.clock;
        let used = bound.proof();
        bound.send(&used).await.assert_served();
        clock.advance(Duration::from_secs(400 + ahead));
        bound.send(&bound.proof()).await.assert_served();
        clock.set(UNIX_EPOCH + Duration::from_secs(START + 200));
        let answer = bound.send(&used).await;
        assert_eq!(answer.code, Some("dpop_clock_set_back"), "{ahead}");
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        // After some minutes at most, new proofs are accepted again.
        clock.set(UNIX_EPOCH + Duration::from_secs(START + 200 + 330));
        bound.send(&bound.proof()).await.assert_served();
        assert_dpop_error(&bound.send(&used).await, BAD_PROOF, "dpop_other_time");
    }
}

#[tokio::test]
async fn a_path_with_dot_segments_is_that_of_no_url() {
    let world = World::with(|builder, server| {
        builder
            .issuer(server.issuer())
            .scopes(ScopeMap::allow_unlisted())
            .seen_at("/seen")
    })
    .await;
    let key = SigningKey::generate(Algorithm::Es256);
    let token = world.token().bound_to(&key).mint();
    let origin = "https://mcp.example.com";
    // A neighbour at the same origin may pass on a proof that it got.
    for (path, url) in [
        ("/seen/../../evil", "/evil"),
        ("/seen/../evil", "/evil"),
        ("/seen/%2e%2E/%2e./evil", "/evil"),
        ("/seen/..", "/"),
        ("/seen/./x", "/mcp/x"),
        ("/seen/y/../x", "/mcp/x"),
        ("/seen/.", "/mcp/"),
        ("/seen/..", "/mcp/.."),
        ("/other/../evil", "/evil"),
        ("/other/../evil", "/other/../evil"),
    ] {
        let proof = world.server.proof(&key, "POST", &format!("{origin}{url}"));
        let proof = proof.for_token(&token).mint();
        let answer = world.send(at(path, &token, &proof)).await;
        assert_dpop_error(&answer, BAD_PROOF, "dpop_other_request");
    }
    // The URL in a proof may be written with them: a client normalises the one that it asks for.
    let proof = world
        .server
        .proof(&key, "POST", &format!("{origin}/x/../mcp"));
    let proof = proof.for_token(&token).mint();
    let answer = world.send(at("/seen", &token, &proof)).await;
    answer.assert_served();
}

#[tokio::test]
async fn the_log_shows_no_query_and_no_user_of_the_url_in_a_proof() {
    let bound = Bound::new(Holder::default()).await;
    let (log, _guard) = listen();
    for (url, shown) in [
        (
            "https://mcp.example.com/other?access_token=s3cret",
            "https://mcp.example.com/other",
        ),
        (
            "https://mcp.example.com/other#s3cret",
            "https://mcp.example.com/other",
        ),
        ("https://me:s3cret@mcp.example.com/mcp", "no URL of the web"),
        ("s3cret", "no URL of the web"),
    ] {
        let answer = bound.send(&bound.proof().claim("htu", url)).await;
        assert_eq!(answer.code, Some("dpop_other_request"));
        let got = log.decision()["fields"]["got"].clone();
        assert_eq!(got, format!("htu: {shown}"));
    }
    assert!(!log.text().contains("s3cret"));
}

#[tokio::test]
async fn a_used_proof_stays_used_whatever_is_reloaded() {
    let bound = Bound::new(Holder::default()).await;
    let used = bound.proof();
    bound.send(&used).await.assert_served();
    for holder in [
        "replay_bytes = 1048576",
        "replay_bytes = 99999999",
        "dpop = \"required\"",
        "algorithms = [\"ES256\"]",
        "",
    ] {
        // A token is refused while DPoP is off, and no proof is forgotten.
        bound
            .world
            .gate
            .reload(config(&bound, "dpop = \"off\""))
            .unwrap();
        let answer = bound.send(&used).await;
        assert_eq!(answer.code, Some("wrong_scheme"));
        bound.world.gate.reload(config(&bound, holder)).unwrap();
        let answer = bound.send(&used).await;
        assert_eq!(answer.code, Some("dpop_replayed"), "{holder}");
    }
}

#[tokio::test]
async fn a_reload_that_is_refused_leaves_the_memory_of_proofs_as_it_is() {
    let bound = Bound::new(Holder::default()).await;
    let missing = "replay_bytes = 1048576\n[metadata]\nresource_name = { env = \"DPOP_NOT_SET\" }";
    let refused = bound.world.gate.reload(config(&bound, missing));
    refused.expect_err("the variable is not set");
    // More than fit into a sixteenth of a MiB.
    for _ in 0..1024 * 1024 / 160 / 16 + 1 {
        bound.send(&bound.proof()).await.assert_served();
    }
}

#[tokio::test]
async fn of_many_requests_with_one_proof_one_is_served() {
    let bound = Bound::new(Holder::default()).await;
    let proof = bound.proof();
    let answers = join_all((0..50).map(|_| bound.send(&proof))).await;
    let codes: Vec<_> = answers.iter().filter_map(|answer| answer.code).collect();
    assert_eq!(codes, ["dpop_replayed"; 49]);
    assert_eq!(bound.world.reached_count(), 1);
}

#[tokio::test]
async fn a_jti_is_the_same_in_each_spelling_of_json() {
    let bound = Bound::new(Holder::default()).await;
    let minted = bound.proof().mint();
    let claims = minted.split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    let ath = &claims["ath"];
    let proof = |jti: &str| {
        let claims = format!(
            r#"{{"jti":"{jti}","htm":"POST","htu":{RESOURCE:?},"iat":{START},"ath":{ath}}}"#
        );
        bound.proof().payload(claims.as_bytes())
    };
    bound.send(&proof("a/b")).await.assert_served();
    for jti in [r"\u0061/b", r"a\/b", r"\u0061\u002fb"] {
        let answer = bound.send(&proof(jti)).await;
        assert_dpop_error(&answer, BAD_PROOF, "dpop_replayed");
    }
    // Half a surrogate pair is no text.
    let answer = bound.send(&proof(r"\ud800")).await;
    assert_dpop_error(&answer, BAD_PROOF, "dpop_proof_malformed");
}

#[tokio::test]
async fn a_token_that_is_bound_to_more_than_is_proved_is_refused() {
    let bound = Bound::new(Holder::default()).await;
    let (jkt, other) = (bound.key.thumbprint(), "A".repeat(43));
    for (cnf, code) in [
        (json!({ "jkt": jkt, "x5t#S256": other }), "certificate_off"),
        (json!({ "x5t#S256": jkt }), "dpop_token_unbound"),
        (json!({ "jkt": jkt, "kid": "k" }), "unknown_binding"),
        (json!({ "jkt": jkt, "jwk": {} }), "unknown_binding"),
        (json!({ "jkt": [jkt] }), "unknown_binding"),
        (json!({ "jkt": format!("{jkt}=") }), "unknown_binding"),
        (json!({ "jkt": &jkt[1..] }), "unknown_binding"),
        (json!({ "JKT": jkt }), "unknown_binding"),
        (json!({}), "unknown_binding"),
        (json!([{ "jkt": jkt }]), "unknown_binding"),
        (json!(jkt), "unknown_binding"),
        (Value::Null, "unknown_binding"),
    ] {
        let token = bound.world.token().claim("cnf", cnf.clone()).mint();
        let proof = bound.proof().for_token(&token).mint();
        let answer = bound.world.send(with_proofs("DPoP", &token, &[&proof]));
        let answer = answer.await;
        assert_eq!(answer.code, Some(code), "{cnf}");
        assert_dpop_error(&answer, "invalid_token", code);
        let answer = bound.world.send(with_proofs("Bearer", &token, &[]));
        let answer = answer.await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{cnf}");
    }
}

#[tokio::test]
async fn a_private_key_of_any_type_is_no_key_to_prove_with() {
    let world = World::new().await;
    let key = SigningKey::generate(Algorithm::Ps256);
    let token = world.token().bound_to(&key).mint();
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        let mut jwk = key.jwk();
        jwk[member] = json!("AQAB");
        let proof = world.server.proof(&key, "POST", RESOURCE);
        let proof = proof.for_token(&token).header("jwk", jwk).mint();
        let answer = world.send(with_proofs("DPoP", &token, &[&proof])).await;
        assert_dpop_error(&answer, BAD_PROOF, "dpop_key_unusable");
    }
}

#[tokio::test]
async fn a_key_is_the_same_in_one_spelling_only() {
    let bound = Bound::new(Holder::default()).await;
    let respelled = |change: fn(&str) -> String| {
        let mut jwk = bound.key.jwk();
        let x = change(jwk["x"].as_str().unwrap());
        jwk["x"] = json!(x);
        bound.proof().header("jwk", jwk)
    };
    for (proof, what) in [
        (respelled(|x| format!("{x}=")), "padding"),
        (respelled(|x| format!("{x}A")), "one more character"),
        (respelled(|x| format!("AAAA{x}")), "leading zeros"),
        (respelled(|x| format!("\n{x}")), "a line feed"),
    ] {
        let answer = bound.send(&proof).await;
        assert_eq!(answer.code, Some("dpop_key_unusable"), "{what}");
    }
    // Members that are no part of the key do not count.
    let mut jwk = bound.key.jwk();
    jwk["kid"] = json!("k");
    jwk["n"] = json!("AQAB");
    jwk["x5c"] = json!(["AAAA"]);
    let answer = bound.send(&bound.proof().header("jwk", jwk)).await;
    answer.assert_served();
}

#[tokio::test]
async fn a_claim_or_header_of_another_type_is_refused() {
    let bound = Bound::new(Holder::default()).await;
    for name in ["jti", "htm", "htu", "iat", "ath"] {
        for value in [json!(true), json!([1]), json!({}), Value::Null, json!("")] {
            let answer = bound.send(&bound.proof().claim(name, value.clone())).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{name} {value}");
        }
    }
    for name in ["typ", "alg", "jwk"] {
        for value in [json!(true), json!([1]), json!({}), Value::Null, json!("")] {
            let proof = bound.proof().header(name, value.clone());
            let answer = bound.send(&proof).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{name} {value}");
        }
    }
    // The depth of nesting is bounded too.
    let deep = format!("{{\"jti\":{}1{}}}", "[".repeat(2500), "]".repeat(2500));
    let answer = bound.send(&bound.proof().payload(deep.as_bytes())).await;
    assert_dpop_error(&answer, BAD_PROOF, "dpop_proof_malformed");
}

#[tokio::test]
async fn a_nonce_is_good_for_the_gates_that_share_its_key_only() {
    let holder = || Holder::default().demand_nonces();
    let (one, other) = (Bound::new(holder()).await, Bound::new(holder()).await);
    let answer = one.send(&one.proof()).await;
    let nonce = answer.header("dpop-nonce").unwrap().to_owned();
    let foreign = other.proof().claim("nonce", nonce.clone());
    let foreign = other.send(&foreign).await;
    assert_dpop_error(&foreign, "use_dpop_nonce", "dpop_nonce_needed");
    // It is no licence to use a proof twice.
    let proof = one.proof().claim("nonce", nonce);
    one.send(&proof).await.assert_served();
    assert_dpop_error(&one.send(&proof).await, BAD_PROOF, "dpop_replayed");
}

#[tokio::test]
async fn a_proof_of_a_call_opens_no_stream_and_ends_no_session() {
    let bound = Bound::new(Holder::default().dpop(Dpop::Required)).await;
    let proof = bound.proof().mint();
    for method in [Method::GET, Method::DELETE, Method::HEAD, Method::OPTIONS] {
        let mut request = with_proofs("DPoP", &bound.token, &[&proof]);
        *request.method_mut() = method;
        let answer = bound.world.send(request).await;
        assert_eq!(answer.code, Some("dpop_other_request"));
    }
    bound.send_lines("DPoP", &[&proof]).await.assert_served();
}

#[tokio::test]
async fn a_certificate_in_a_header_is_only_text_of_the_caller() {
    let world = World::new().await;
    let token = world
        .token()
        .claim("cnf", json!({ "x5t#S256": "A".repeat(43) }));
    let mut request = with_proofs("Bearer", &token.mint(), &[]);
    for name in ["client-cert", "x-forwarded-client-cert", "x-ssl-cert"] {
        request
            .headers_mut()
            .insert(name, ":AAAA:".parse().unwrap());
    }
    let answer = world.send(request).await;
    answer.assert_invalid_token("certificate_off");
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_can_read_the_nonce_and_both_challenges() {
    let bound = Bound::new(Holder::default().demand_nonces()).await;
    let mut request = with_proofs("DPoP", &bound.token, &[&bound.proof().mint()]);
    let origin = "http://localhost:6274";
    request
        .headers_mut()
        .insert("origin", origin.parse().unwrap());
    let answer = bound.world.send(request).await;
    assert_dpop_error(&answer, "use_dpop_nonce", "dpop_nonce_needed");
    assert!(answer.header("dpop-nonce").is_some());
    assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
    let exposed = answer.header("access-control-expose-headers").unwrap();
    assert!(exposed.contains("WWW-Authenticate, DPoP-Nonce"));
    let first = answer.header("www-authenticate").unwrap();
    assert!(first.starts_with("Bearer "), "{first}");
}

#[tokio::test]
async fn a_stream_needs_no_further_proof_and_ends_when_its_token_is_bound_otherwise() {
    let world = World::with(|builder, server| {
        let introspection = Introspection::basic("rs", "rs-secret");
        builder
            .issuer(Issuer::new(server.issuer()).introspection(introspection))
            .scopes(ScopeMap::allow_unlisted())
    })
    .await;
    let [key, other] = [Algorithm::Es256; 2].map(SigningKey::generate);
    let answer = |cnf: Value| {
        let mut answer = json!({ "active": true, "aud": RESOURCE, "sub": "alice" });
        if !cnf.is_null() {
            answer["cnf"] = cnf;
        }
        answer
    };
    let own = json!({ "jkt": key.thumbprint() });
    for cnf in [Value::Null, json!({ "jkt": other.thumbprint() })] {
        world.server.introspect_as("opaque", answer(own.clone()));
        let proof = world.server.proof(&key, "GET", RESOURCE);
        let proof = proof.for_token("opaque").mint();
        let mut request = with_proofs("DPoP", "opaque", &[&proof]);
        *request.method_mut() = Method::GET;
        *request.body_mut() = Full::default();
        let mut stream = Stream::open(&world, request).await;
        for _ in 0..3 {
            assert!(stream.look_again(&world).await.is_some(), "it goes on");
        }
        world.server.introspect_as("opaque", answer(cnf));
        for _ in 0..10 {
            if stream.look_again(&world).await.is_none() {
                break;
            }
        }
        stream.assert_over().await;
        world.clock.advance(Duration::from_secs(3600));
    }
}
