//! Proof of possession by DPoP (RFC 9449): a bound token is of use only with a good proof for this one request.

use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use toolgate::testing::{Algorithm, SigningKey, TokenBuilder};
use toolgate::{Dpop, Holder, Introspection, Issuer, RefusalKind, ScopeMap};

use crate::challenge::Challenge;
use crate::logs::listen;
use crate::world::{Answer, METADATA_URL, RESOURCE, World, call, post_without_token};

const ALGORITHMS: &str = "ES256 ES384 EdDSA PS256 RS256";
pub const BAD_PROOF: &str = "invalid_dpop_proof";

/// A world, a key, and a token that is bound to it.
pub struct Bound {
    pub world: World,
    pub key: SigningKey,
    pub token: String,
}

impl Bound {
    pub async fn new(holder: Holder) -> Self {
        let world = World::with(|builder, server| {
            let scopes = ScopeMap::allow_unlisted().every_request("mcp:use");
            builder
                .issuer(server.issuer())
                .scopes(scopes.tool("wipe", "admin"))
                .holder(holder)
        })
        .await;
        let key = SigningKey::generate(Algorithm::Es256);
        let token = world.token().bound_to(&key).mint();
        Self { world, key, token }
    }

    /// A good proof for the usual request, to be spoilt by the test.
    pub fn proof(&self) -> TokenBuilder {
        let proof = self.world.server.proof(&self.key, "POST", RESOURCE);
        proof.for_token(&self.token)
    }

    pub async fn send(&self, proof: &TokenBuilder) -> Answer {
        self.send_lines("DPoP", &[&proof.mint()]).await
    }

    pub async fn send_lines(&self, scheme: &str, proofs: &[&str]) -> Answer {
        let request = with_proofs(scheme, &self.token, proofs);
        self.world.send(request).await
    }
}

pub fn with_proofs(scheme: &str, token: &str, proofs: &[&str]) -> Request<Full<bytes::Bytes>> {
    let mut request = post_without_token(&call("tools/list", json!({})));
    let headers = request.headers_mut();
    let line = format!("{scheme} {token}");
    headers.insert("authorization", line.parse().unwrap());
    for proof in proofs {
        headers.append("dpop", proof.parse().unwrap());
    }
    request
}

/// A 401 whose error is on the line of the scheme `DPoP` alone.
#[track_caller]
pub fn assert_dpop_error(answer: &Answer, error: &str, code: &str) {
    assert_eq!(
        (answer.status, answer.code),
        (StatusCode::UNAUTHORIZED, Some(code))
    );
    let challenge = Challenge::of_scheme("DPoP", &answer.headers).expect("a DPoP challenge");
    assert_eq!(challenge.get("error"), Some(error));
    assert_eq!(challenge.get("algs"), Some(ALGORITHMS));
    assert_eq!(challenge.get("resource_metadata"), Some(METADATA_URL));
    assert!(challenge.get("error_description").is_some());
    if let Some(bearer) = Challenge::of_scheme("Bearer", &answer.headers) {
        assert_eq!(bearer.get("error"), None, "of the scheme that was used");
        assert_eq!(bearer.get("error_description"), None);
    }
    assert_eq!(answer.json()["error"], error);
}

#[tokio::test]
async fn a_bound_token_with_a_good_proof_is_served_and_neither_reaches_the_service() {
    let bound = Bound::new(Holder::default()).await;
    bound.send(&bound.proof()).await.assert_served();
    let reached = bound.world.reached();
    assert!(!reached.headers.contains_key("dpop"));
    assert!(!reached.headers.contains_key("authorization"));
    let claims: Value = reached.principal.unwrap().claims().unwrap();
    assert_eq!(claims["cnf"]["jkt"], bound.key.thumbprint());
}

#[tokio::test]
async fn what_the_rfc_leaves_open_in_a_good_proof_does_not_make_it_bad() {
    let bound = Bound::new(Holder::default()).await;
    let now = 1_800_000_000;
    let url = |url: &str| bound.proof().claim("htu", url);
    for (proof, what) in [
        (
            url("HTTPS://MCP.Example.COM/mcp"),
            "case of scheme and host",
        ),
        (url("https://mcp.example.com:443/mcp"), "default port"),
        (url("https://mcp.example.com/mcp?a=b"), "query"),
        (url("https://mcp.example.com/mcp#part"), "fragment"),
        (url("https://mcp.example.com/%6dcp"), "needless escape"),
        (bound.proof().claim("iat", now - 295), "clock behind"),
        (bound.proof().claim("iat", now + 295), "clock ahead"),
        (bound.proof().claim("iat", now as f64 + 0.5), "fraction"),
        (
            bound.proof().claim("other", json!({"a": 1})),
            "other claims",
        ),
        (
            bound.proof().claim("exp", 1),
            "an exp, which proofs do not have",
        ),
        (bound.proof().header("kid", "k"), "kid"),
        (bound.proof().header("typ", "DPoP+JWT"), "case of typ"),
        (
            bound.proof().header("typ", "application/dpop+jwt"),
            "long typ",
        ),
        (bound.proof().claim("jti", "j".repeat(256)), "longest jti"),
        (bound.proof().claim("nonce", "unasked"), "unasked nonce"),
    ] {
        let answer = bound.send(&proof).await;
        assert_eq!(answer.status, StatusCode::OK, "{what}: {:?}", answer.code);
    }
    let answer = bound.send_lines("dpop", &[&bound.proof().mint()]).await;
    answer.assert_served();
    let answer = bound.send_lines("DPOP", &[&bound.proof().mint()]).await;
    answer.assert_served();
}

#[tokio::test]
async fn a_key_of_each_allowed_type_can_prove() {
    let bound = Bound::new(Holder::default()).await;
    for algorithm in [
        Algorithm::Es256,
        Algorithm::Es384,
        Algorithm::EdDsa,
        Algorithm::Ps256,
        Algorithm::Rs256,
    ] {
        let key = SigningKey::generate(algorithm);
        let token = bound.world.token().bound_to(&key).mint();
        let proof = bound.world.server.proof(&key, "POST", RESOURCE);
        let proof = proof.for_token(&token).mint();
        let answer = bound.world.send(with_proofs("DPoP", &token, &[&proof]));
        answer.await.assert_served();
        if algorithm == Algorithm::EdDsa {
            let named = bound.world.server.proof(&key, "POST", RESOURCE);
            let named = named.for_token(&token).header("alg", "Ed25519").mint();
            let answer = bound.world.send(with_proofs("DPoP", &token, &[&named]));
            answer.await.assert_served();
        }
    }
}

#[tokio::test]
async fn each_defect_of_a_proof_is_refused_alike_and_logged_apart() {
    let bound = Bound::new(Holder::default()).await;
    let other = SigningKey::generate(Algorithm::Es256);
    let now = 1_800_000_000;
    let proof = || bound.proof();
    let private = {
        let mut jwk = bound.key.jwk();
        jwk["d"] = json!("AAAA");
        jwk
    };
    let null_d = {
        let mut jwk = bound.key.jwk();
        jwk["d"] = Value::Null;
        jwk
    };
    let malformed = "dpop_proof_malformed";
    for (code, minted, what) in [
        (malformed, proof().without_header("typ").mint(), "no typ"),
        (malformed, proof().header("typ", "JWT").mint(), "typ JWT"),
        (
            malformed,
            proof().header("typ", "at+jwt").mint(),
            "typ at+jwt",
        ),
        (malformed, proof().header("typ", 1).mint(), "typ no text"),
        (
            "dpop_alg_not_allowed",
            proof().without_header("alg").mint(),
            "no alg",
        ),
        (
            "dpop_alg_not_allowed",
            proof().header("alg", "none").mint(),
            "alg none",
        ),
        (
            "dpop_alg_not_allowed",
            proof().header("alg", "none").mint_with_signature(""),
            "unsigned",
        ),
        (
            "dpop_alg_not_allowed",
            proof().header("alg", "HS256").mint(),
            "alg HS256",
        ),
        (
            "dpop_alg_not_allowed",
            proof().header("alg", "ES512").mint(),
            "alg not listed",
        ),
        (
            "dpop_bad_signature",
            proof().header("alg", "RS256").mint(),
            "alg of another type",
        ),
        (
            "dpop_key_unusable",
            proof().without_header("jwk").mint(),
            "no jwk",
        ),
        (
            "dpop_key_unusable",
            proof().header("jwk", "text").mint(),
            "jwk no object",
        ),
        (
            "dpop_key_unusable",
            proof().header("jwk", json!({})).mint(),
            "empty jwk",
        ),
        (
            "dpop_key_unusable",
            proof().header("jwk", private).mint(),
            "private key in jwk",
        ),
        (
            "dpop_key_unusable",
            proof().header("jwk", null_d).mint(),
            "a member d of any value",
        ),
        (
            "dpop_key_unusable",
            proof()
                .header("jwk", json!({"kty": "oct", "k": "AAAA"}))
                .mint(),
            "symmetric",
        ),
        (
            malformed,
            proof().header("crit", json!(["exp"])).mint(),
            "crit",
        ),
        (malformed, proof().header("b64", false).mint(), "b64"),
        (malformed, proof().without("jti").mint(), "no jti"),
        (malformed, proof().claim("jti", "").mint(), "empty jti"),
        (malformed, proof().claim("jti", 7).mint(), "jti no text"),
        (
            malformed,
            proof().claim("jti", "j".repeat(257)).mint(),
            "long jti",
        ),
        (malformed, proof().without("htm").mint(), "no htm"),
        (
            malformed,
            proof().claim("htm", json!(["POST"])).mint(),
            "htm no text",
        ),
        (
            "dpop_other_request",
            proof().claim("htm", "GET").mint(),
            "another method",
        ),
        (
            "dpop_other_request",
            proof().claim("htm", "post").mint(),
            "case of the method",
        ),
        (malformed, proof().without("htu").mint(), "no htu"),
        (
            "dpop_other_request",
            proof().claim("htu", "https://mcp.example.com/other").mint(),
            "another path",
        ),
        (
            "dpop_other_request",
            proof().claim("htu", "https://mcp.example.com/mcp/").mint(),
            "another slash",
        ),
        (
            "dpop_other_request",
            proof().claim("htu", "https://evil.example/mcp").mint(),
            "another host",
        ),
        (
            "dpop_other_request",
            proof().claim("htu", "http://mcp.example.com/mcp").mint(),
            "another scheme",
        ),
        (
            "dpop_other_request",
            proof().claim("htu", "/mcp").mint(),
            "no URL",
        ),
        (malformed, proof().without("iat").mint(), "no iat"),
        (
            malformed,
            proof().claim("iat", "now").mint(),
            "iat no number",
        ),
        (
            "dpop_other_time",
            proof().claim("iat", now - 303).mint(),
            "too old",
        ),
        (
            "dpop_other_time",
            proof().claim("iat", now + 303).mint(),
            "too new",
        ),
        (
            "dpop_other_time",
            proof().claim("iat", now - 3600).mint(),
            "an hour old",
        ),
        (
            "dpop_other_time",
            proof().claim("iat", now + 3600).mint(),
            "an hour ahead",
        ),
        (
            "dpop_other_time",
            proof().claim("iat", 1e300).mint(),
            "far ahead",
        ),
        (malformed, proof().without("ath").mint(), "no ath"),
        (
            malformed,
            proof().claim("ath", Value::Null).mint(),
            "ath null",
        ),
        (
            "dpop_other_token",
            proof().for_token("other").mint(),
            "another token",
        ),
        (malformed, proof().claim("nonce", 1).mint(), "nonce no text"),
        (malformed, proof().payload(b"[]").mint(), "claims no object"),
        (
            malformed,
            proof().payload(b"{\"jti\":\"a\",\"jti\":\"b\"}").mint(),
            "a claim twice",
        ),
        (malformed, proof().payload(b"\xff").mint(), "no UTF-8"),
        (
            malformed,
            proof()
                .header_text("{\"typ\":\"dpop+jwt\",\"typ\":\"dpop+jwt\"}")
                .mint(),
            "a header twice",
        ),
        (malformed, "not-a-jwt".to_owned(), "no JWT"),
        (malformed, "a.b".to_owned(), "two parts"),
        (malformed, "a.b.c.d.e".to_owned(), "a JWE"),
        (malformed, String::new(), "empty"),
        (malformed, format!("{}=", proof().mint()), "padding"),
        (
            malformed,
            format!("{},{}", proof().mint(), proof().mint()),
            "two in one line",
        ),
        (malformed, "a".repeat(8193), "too long"),
        (
            "dpop_bad_signature",
            proof().mint_with_signature([0; 64]),
            "another signature",
        ),
        (
            "dpop_bad_signature",
            proof().mint_with_signature(""),
            "no signature",
        ),
    ] {
        let answer = bound.send_lines("DPoP", &[&minted]).await;
        assert_eq!(answer.code, Some(code), "{what}");
        assert_eq!(answer.kind, Some(RefusalKind::InvalidProof), "{what}");
        assert_dpop_error(&answer, BAD_PROOF, code);
    }
    let none = bound.send_lines("DPoP", &[]).await;
    assert_dpop_error(&none, BAD_PROOF, "dpop_proof_missing");
    let two = bound
        .send_lines("DPoP", &[&proof().mint(), &proof().mint()])
        .await;
    assert_dpop_error(&two, BAD_PROOF, "dpop_proofs_several");
    // By another key, however good the proof is: RFC 9449 §7.1 calls this a bad token.
    let by_other = bound.world.server.proof(&other, "POST", RESOURCE);
    let answer = bound.send(&by_other.for_token(&bound.token)).await;
    assert_dpop_error(&answer, "invalid_token", "dpop_wrong_key");
    assert_eq!(bound.world.reached_count(), 0);
}

#[tokio::test]
async fn a_proof_is_good_once() {
    let bound = Bound::new(Holder::default()).await;
    let proof = bound.proof();
    bound.send(&proof).await.assert_served();
    assert_dpop_error(&bound.send(&proof).await, BAD_PROOF, "dpop_replayed");
    // As long as it would be in time.
    bound
        .world
        .clock
        .advance(std::time::Duration::from_secs(290));
    assert_dpop_error(&bound.send(&proof).await, BAD_PROOF, "dpop_replayed");
    // A reload forgets nothing.
    bound.send(&bound.proof()).await.assert_served();
}

#[tokio::test]
async fn a_proof_that_was_refused_for_another_reason_is_not_spent() {
    let bound = Bound::new(Holder::default()).await;
    let proof = bound.proof().claim("jti", "one").claim("htm", "GET");
    let answer = bound.send(&proof).await;
    assert_eq!(answer.code, Some("dpop_other_request"));
    let proof = proof.claim("htm", "POST");
    bound.send(&proof).await.assert_served();
}

#[tokio::test]
async fn a_proof_is_spent_even_if_policy_refuses_the_call() {
    let bound = Bound::new(Holder::default()).await;
    let proof = bound.proof().mint();
    let mut request = with_proofs("DPoP", &bound.token, &[&proof]);
    let body = call("tools/call", json!({ "name": "wipe" }));
    *request.body_mut() = Full::from(body);
    let answer = bound.world.send(request).await;
    assert_eq!(answer.code, Some("insufficient_scope"));
    // The challenge for more scope stands on both lines, and its error on the one that was used.
    let bearer = Challenge::of_scheme("Bearer", &answer.headers).unwrap();
    let dpop = Challenge::of_scheme("DPoP", &answer.headers).unwrap();
    assert_eq!(
        (bearer.get("error"), bearer.scopes()),
        (None, vec!["mcp:use", "admin"])
    );
    assert_eq!(dpop.get("error"), Some("insufficient_scope"));
    let again = bound.send_lines("DPoP", &[&proof]).await;
    assert_dpop_error(&again, BAD_PROOF, "dpop_replayed");
}

#[tokio::test]
async fn a_bound_token_is_no_bearer_token_and_a_bearer_token_is_not_bound() {
    let bound = Bound::new(Holder::default()).await;
    let proof = bound.proof().mint();
    for proofs in [&[][..], &[proof.as_str()]] {
        let answer = bound.send_lines("Bearer", proofs).await;
        answer.assert_invalid_token("dpop_token_as_bearer");
        let dpop = Challenge::of_scheme("DPoP", &answer.headers).unwrap();
        assert_eq!(dpop.get("error"), None);
    }
    let unbound = bound.world.token().mint();
    let proof = bound.world.server.proof(&bound.key, "POST", RESOURCE);
    let proof = proof.for_token(&unbound).mint();
    let answer = bound.world.send(with_proofs("DPoP", &unbound, &[&proof]));
    assert_dpop_error(&answer.await, "invalid_token", "dpop_token_unbound");
    // Beside a bearer token a proof is ignored, and kept from the service.
    let answer = bound.world.send(with_proofs("Bearer", &unbound, &["x"]));
    answer.await.assert_served();
    assert!(!bound.world.reached().headers.contains_key("dpop"));
}

#[tokio::test]
async fn a_challenge_without_credentials_offers_both_schemes_without_an_error() {
    let bound = Bound::new(Holder::default()).await;
    for (request, code) in [
        (post_without_token("{}"), "no_token"),
        (with_proofs("DPoP", "", &[]), "no_token"),
        (with_proofs("Basic", "eDp5", &[]), "wrong_scheme"),
    ] {
        let answer = bound.world.send(request).await;
        assert_eq!(answer.code, Some(code));
        answer.assert_asks_for_a_token();
        let lines = Challenge::all_of(&answer.headers);
        assert_eq!(lines.len(), 2);
        assert!(lines.iter().all(|line| line.get("error").is_none()));
        assert_eq!(lines[1].get("algs"), Some(ALGORITHMS));
    }
}

#[tokio::test]
async fn malformed_credentials_of_either_scheme_are_a_bad_request() {
    let bound = Bound::new(Holder::default()).await;
    let answer = bound.world.send(with_proofs("DPoP", "a b", &["x"])).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let errors = |answer: &Answer| {
        let lines = Challenge::all_of(&answer.headers);
        let errors = lines
            .iter()
            .map(|line| line.get("error").map(str::to_owned));
        errors.collect::<Vec<_>>()
    };
    let invalid = Some("invalid_request".to_owned());
    assert_eq!(errors(&answer), [None, invalid.clone()]);
    let answer = bound.world.send(with_proofs("Bearer", "a b", &["x"])).await;
    assert_eq!(errors(&answer), [invalid.clone(), None]);
    // Two credentials at once: no scheme is the one that was used.
    let mut both = with_proofs("Bearer", "abc", &["x"]);
    let second = HeaderValue::from_static("DPoP abc");
    both.headers_mut().append("authorization", second);
    for request in [both, with_proofs("Bearer", "abc, DPoP abc", &["x"])] {
        let answer = bound.world.send(request).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert_eq!(answer.code, Some("multiple_credentials"));
        assert_eq!(errors(&answer), [invalid.clone(), invalid.clone()]);
    }
}

#[tokio::test]
async fn where_dpop_is_required_nothing_else_passes_and_nothing_else_is_offered() {
    let bound = Bound::new(Holder::default().dpop(Dpop::Required)).await;
    bound.send(&bound.proof()).await.assert_served();
    let unbound = bound.world.token().mint();
    let answer = bound.world.send(with_proofs("Bearer", &unbound, &[])).await;
    assert_dpop_error(&answer, "invalid_token", "dpop_required");
    assert_eq!(Challenge::all_of(&answer.headers).len(), 1);
    let answer = bound
        .world
        .send(with_proofs("DPoP", &unbound, &["x"]))
        .await;
    assert_dpop_error(&answer, "invalid_token", "dpop_required");
    let answer = bound.send_lines("Bearer", &[]).await;
    assert_dpop_error(&answer, "invalid_token", "dpop_token_as_bearer");
    let answer = bound.world.send(post_without_token("{}")).await;
    answer.assert_asks_for_a_token();
    assert_eq!(Challenge::all_of(&answer.headers).len(), 1);
    assert!(Challenge::of_scheme("DPoP", &answer.headers).is_some());
}

#[tokio::test]
async fn where_dpop_is_off_it_is_another_scheme_and_a_bound_token_is_refused() {
    let bound = Bound::new(Holder::default().dpop(Dpop::Off)).await;
    let answer = bound.send(&bound.proof()).await;
    assert_eq!(answer.code, Some("wrong_scheme"));
    assert_eq!(Challenge::all_of(&answer.headers).len(), 1);
    let answer = bound.send_lines("Bearer", &[]).await;
    answer.assert_invalid_token("dpop_off");
    // The header means nothing then, so it stays where it was.
    let unbound = bound.world.token().mint();
    let answer = bound.world.send(with_proofs("Bearer", &unbound, &["x"]));
    answer.await.assert_served();
    assert_eq!(bound.world.reached().headers["dpop"], "x");
}

#[tokio::test]
async fn the_document_says_what_is_configured() {
    for (dpop, algorithms, required) in [
        (Dpop::Off, Value::Null, Value::Null),
        (Dpop::Accepted, json!(["ES256", "EdDSA"]), Value::Null),
        (Dpop::Required, json!(["ES256", "EdDSA"]), json!(true)),
    ] {
        let holder = Holder::default()
            .dpop(dpop)
            .algorithms(["ES256", "Ed25519"]);
        let bound = Bound::new(holder).await;
        let path = "/.well-known/oauth-protected-resource/mcp";
        let answer = bound
            .world
            .send(crate::world::bare(Method::GET, path))
            .await;
        let document = answer.json();
        assert_eq!(document["dpop_signing_alg_values_supported"], algorithms);
        assert_eq!(document["dpop_bound_access_tokens_required"], required);
    }
}

#[tokio::test]
async fn a_nonce_is_demanded_after_all_else_and_before_the_proof_is_spent() {
    let bound = Bound::new(Holder::default().demand_nonces()).await;
    // A bad proof gets no nonce.
    let bad = bound.send(&bound.proof().claim("htm", "GET")).await;
    assert_dpop_error(&bad, BAD_PROOF, "dpop_other_request");
    assert_eq!(bad.header("dpop-nonce"), None);

    let proof = bound.proof();
    let answer = bound.send(&proof).await;
    assert_eq!(answer.kind, Some(RefusalKind::NonceRequired));
    assert_dpop_error(&answer, "use_dpop_nonce", "dpop_nonce_needed");
    let nonce = answer.header("dpop-nonce").expect("a nonce").to_owned();
    // The same proof may come again, with the nonce.
    let answer = bound
        .send(&proof.clone().claim("nonce", nonce.clone()))
        .await;
    answer.assert_served();
    assert_eq!(answer.header("dpop-nonce"), None, "it is the current one");
    // There is no way back to proofs without one.
    let answer = bound.send(&bound.proof()).await;
    assert_dpop_error(&answer, "use_dpop_nonce", "dpop_nonce_needed");
    let foreign = bound.send(&bound.proof().claim("nonce", "abc")).await;
    assert_dpop_error(&foreign, "use_dpop_nonce", "dpop_nonce_needed");

    // In the next period it is still accepted, and a newer one comes along.
    let token = bound
        .world
        .token()
        .bound_to(&bound.key)
        .expires_in(3600)
        .mint();
    let bound = Bound { token, ..bound };
    bound
        .world
        .clock
        .advance(std::time::Duration::from_secs(300));
    let answer = bound
        .send(&bound.proof().claim("nonce", nonce.clone()))
        .await;
    answer.assert_served();
    let newer = answer.header("dpop-nonce").expect("a nonce").to_owned();
    assert_ne!(newer, nonce);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    bound
        .world
        .clock
        .advance(std::time::Duration::from_secs(300));
    let stale = bound.send(&bound.proof().claim("nonce", nonce)).await;
    assert_dpop_error(&stale, "use_dpop_nonce", "dpop_nonce_needed");
    bound
        .send(&bound.proof().claim("nonce", newer))
        .await
        .assert_served();
}

#[tokio::test]
async fn the_url_comes_from_the_configuration_and_never_from_the_request() {
    let bound = Bound::new(Holder::default()).await;
    let proof = bound
        .proof()
        .claim("htu", "https://evil.example/mcp")
        .mint();
    let mut request = with_proofs("DPoP", &bound.token, &[&proof]);
    for name in ["host", "x-forwarded-host", "forwarded"] {
        let value = HeaderValue::from_static("evil.example");
        request.headers_mut().insert(name, value);
    }
    *request.uri_mut() = "https://evil.example/mcp".parse().unwrap();
    let answer = bound.world.send(request).await;
    assert_dpop_error(&answer, BAD_PROOF, "dpop_other_request");
    // A path below the resource, and the request's query, count as the client knows them.
    let url = "https://mcp.example.com/mcp/sub";
    let proof = bound.proof().claim("htu", url).mint();
    let mut request = with_proofs("DPoP", &bound.token, &[&proof]);
    *request.uri_mut() = "/mcp/sub?session=1".parse().unwrap();
    bound.world.send(request).await.assert_served();
}

#[tokio::test]
async fn a_proxy_that_cuts_a_prefix_off_is_declared() {
    let world = World::with(|builder, server| {
        builder
            .issuer(server.issuer())
            .scopes(ScopeMap::allow_unlisted())
            .seen_at("/")
    })
    .await;
    let key = SigningKey::generate(Algorithm::Es256);
    let token = world.token().bound_to(&key).mint();
    for (seen, known) in [("/", RESOURCE), ("/x", "https://mcp.example.com/mcp/x")] {
        let proof = world.server.proof(&key, "POST", known).for_token(&token);
        let mut request = with_proofs("DPoP", &token, &[&proof.mint()]);
        *request.uri_mut() = seen.parse().unwrap();
        let answer = world.send(request).await;
        assert_eq!(answer.code, None, "{seen}");
    }
}

#[tokio::test]
async fn the_log_says_what_to_declare_if_a_proxy_seems_to_cut_a_prefix_off() {
    let (log, _guard) = listen();
    let bound = Bound::new(Holder::default()).await;
    let proof = bound.proof().claim("htu", "https://mcp.example.com/mcp/x");
    let mut request = with_proofs("DPoP", &bound.token, &[&proof.mint()]);
    *request.uri_mut() = "/x".parse().unwrap();
    let answer = bound.world.send(request).await;
    assert_dpop_error(&answer, BAD_PROOF, "dpop_other_request");
    assert_eq!(
        log.decision()["fields"]["expected"],
        "htu: https://mcp.example.com/x; behind a proxy, declare seen_at as /"
    );
}

#[tokio::test]
async fn an_introspected_token_is_bound_by_what_its_issuer_says() {
    let world = World::with(|builder, server| {
        let introspection = Introspection::basic("rs", "rs-secret");
        builder
            .issuer(Issuer::new(server.issuer()).introspection(introspection))
            .scopes(ScopeMap::allow_unlisted())
    })
    .await;
    let key = SigningKey::generate(Algorithm::Es256);
    let jkt = key.thumbprint();
    let answer = |more: Value| {
        let mut answer = json!({
            "active": true, "iss": world.server.issuer(), "sub": "alice", "aud": RESOURCE, "exp": 1_800_000_300,
        });
        let members = more.as_object().unwrap().clone();
        answer.as_object_mut().unwrap().extend(members);
        answer
    };
    for (token, more) in [
        (
            "one",
            json!({ "cnf": { "jkt": jkt }, "token_type": "DPoP" }),
        ),
        (
            "two",
            json!({ "cnf": { "jkt": jkt }, "token_type": "Bearer" }),
        ),
        ("three", json!({ "cnf": { "jkt": jkt } })),
    ] {
        world.server.introspect_as(token, answer(more));
        let proof = world.server.proof(&key, "POST", RESOURCE);
        let proof = proof.for_token(token).mint();
        let answer = world.send(with_proofs("DPoP", token, &[&proof])).await;
        answer.assert_served();
        let answer = world.send(with_proofs("Bearer", token, &[])).await;
        answer.assert_invalid_token("dpop_token_as_bearer");
    }
    // Called bound, and bound to nothing.
    let unbound = answer(json!({ "token_type": "DPoP" }));
    world.server.introspect_as("four", unbound);
    let answer = world.send(with_proofs("Bearer", "four", &[])).await;
    answer.assert_invalid_token("unknown_binding");
}

#[tokio::test]
async fn an_introspection_response_may_add_a_binding_to_a_jwt_and_never_change_one() {
    let world = World::with(|builder, server| {
        let introspection = Introspection::basic("rs", "rs-secret").every_token();
        builder
            .issuer(Issuer::new(server.issuer()).introspection(introspection))
            .scopes(ScopeMap::allow_unlisted())
    })
    .await;
    let [key, other] = [Algorithm::Es256; 2].map(SigningKey::generate);
    let (own, foreign) = (
        json!({ "jkt": key.thumbprint() }),
        json!({ "jkt": other.thumbprint() }),
    );
    for (signed, told, code) in [
        (Some(&own), None, None),
        (Some(&own), Some(&own), None),
        (None, Some(&own), None),
        (Some(&own), Some(&foreign), Some("unknown_binding")),
        (Some(&own), Some(&Value::Null), Some("unknown_binding")),
    ] {
        let mut token = world.token();
        if let Some(cnf) = signed {
            token = token.claim("cnf", cnf.clone());
        }
        let token = token.mint();
        let mut answer = json!({ "active": true });
        if let Some(cnf) = told {
            answer["cnf"] = cnf.clone();
        }
        world.server.introspect_as(&token, answer);
        let proof = world.server.proof(&key, "POST", RESOURCE);
        let proof = proof.for_token(&token).mint();
        let answer = world.send(with_proofs("DPoP", &token, &[&proof])).await;
        assert_eq!(answer.code, code, "{signed:?} {told:?}");
        let answer = world.send(with_proofs("Bearer", &token, &[])).await;
        let code = code.unwrap_or("dpop_token_as_bearer");
        answer.assert_invalid_token(code);
    }
}

#[tokio::test]
async fn the_audience_of_a_bound_token_is_still_checked() {
    let bound = Bound::new(Holder::default()).await;
    let token = bound.world.token().bound_to(&bound.key);
    let token = token.audience("https://other.example.com").mint();
    let bound = Bound { token, ..bound };
    let answer = bound.send(&bound.proof()).await;
    assert_dpop_error(&answer, "invalid_token", "audience_mismatch");
}

#[tokio::test]
async fn one_caller_cannot_fill_the_memory_for_all() {
    let holder = Holder::default().replay_bytes(1024 * 1024);
    let bound = Bound::new(holder).await;
    let mut served = 0;
    let answer = loop {
        let answer = bound.send(&bound.proof()).await;
        if answer.status != StatusCode::OK {
            break answer;
        }
        served += 1;
    };
    assert_eq!(served, 1024 * 1024 / 160 / 16);
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.code, Some("dpop_too_many_proofs"));
    assert!(answer.header("retry-after").is_some());
    // Another caller is not held up.
    let other = SigningKey::generate(Algorithm::Es256);
    let token = bound.world.token().bound_to(&other).subject("bob").mint();
    let proof = bound.world.server.proof(&other, "POST", RESOURCE);
    let proof = proof.for_token(&token).mint();
    let answer = bound.world.send(with_proofs("DPoP", &token, &[&proof]));
    answer.await.assert_served();
}
