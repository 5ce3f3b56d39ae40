use super::*;
use crate::testing::{Algorithm, SigningKey, TokenBuilder};

const BAD_PROOF: &str = "invalid_dpop_proof";

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::Es256)
}

/// A key that is not the client's.
fn stranger() -> SigningKey {
    key()
}

async fn begin() -> Walk {
    Walk::begin(AuthorizationServer::builder().scopes(["mcp:use", "files:read"])).await
}

impl Walk {
    /// A good proof for a token request.
    fn proof(&self, key: &SigningKey) -> TokenBuilder {
        let token_endpoint = self.server.url(Endpoint::Token);
        self.server.proof(key, "POST", &token_endpoint)
    }

    async fn redeem_with(&self, code: &str, proofs: &[&str]) -> Response {
        let pairs = [
            ("grant_type", "authorization_code"),
            ("client_id", &self.client_id),
            ("code", code),
            ("code_verifier", VERIFIER),
        ];
        self.request_tokens(&pairs, proofs).await
    }

    async fn refresh_with(&self, refresh_token: &str, proofs: &[&str]) -> Response {
        let pairs = [
            ("grant_type", "refresh_token"),
            ("client_id", &self.client_id),
            ("refresh_token", refresh_token),
        ];
        self.request_tokens(&pairs, proofs).await
    }

    async fn request_tokens(&self, pairs: &[(&str, &str)], proofs: &[&str]) -> Response {
        let mut request = http().post(self.server.url(Endpoint::Token));
        for proof in proofs {
            request = request.header("dpop", *proof);
        }
        with_form(request, pairs).send().await.unwrap()
    }
}

async fn tokens_of(response: Response) -> (Value, String, String) {
    assert_eq!(response.status(), 200);
    let tokens = body_of(response).await;
    let text = |name: &str| tokens[name].as_str().unwrap_or_default().to_owned();
    let (access_token, refresh_token) = (text("access_token"), text("refresh_token"));
    (tokens, access_token, refresh_token)
}

#[track_caller]
fn assert_refused(answer: (u16, String), error: &str, what: &str) {
    assert_eq!(answer, (400, error.to_owned()), "{what}");
}

#[tokio::test]
async fn a_token_request_with_a_proof_gets_a_token_that_is_bound_to_its_key() {
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256] {
        let (walk, key) = (begin().await, SigningKey::generate(algorithm));
        let code = walk.code(&[]).await;
        let response = walk.redeem_with(&code, &[&walk.proof(&key).mint()]).await;
        let (tokens, access_token, _) = tokens_of(response).await;
        assert_eq!(tokens["token_type"], "DPoP");
        let bound = json!({ "jkt": key.thumbprint() });
        assert_eq!(claims_of(&access_token)["cnf"], bound);
        let answer = introspect(&walk.server, &access_token).await;
        assert_eq!(
            (&answer["token_type"], &answer["cnf"]),
            (&json!("DPoP"), &bound)
        );
    }
}

#[tokio::test]
async fn an_opaque_token_is_bound_by_what_introspection_says() {
    let walk = Walk::begin(AuthorizationServer::builder().opaque_tokens()).await;
    let (code, key) = (walk.code(&[]).await, key());
    let response = walk.redeem_with(&code, &[&walk.proof(&key).mint()]).await;
    let (_, access_token, _) = tokens_of(response).await;
    let answer = introspect(&walk.server, &access_token).await;
    assert_eq!(answer["cnf"], json!({ "jkt": key.thumbprint() }));
}

#[tokio::test]
async fn without_a_proof_nothing_is_bound() {
    let walk = begin().await;
    let code = walk.code(&[]).await;
    let (tokens, access_token, refresh_token) = tokens_of(walk.redeem_with(&code, &[]).await).await;
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(claims_of(&access_token).get("cnf"), None);

    // A client may begin to prove a key later, and is held to it from then on.
    let (first, second) = (key(), key());
    let response = walk
        .refresh_with(&refresh_token, &[&walk.proof(&first).mint()])
        .await;
    let (tokens, _, refresh_token) = tokens_of(response).await;
    assert_eq!(tokens["token_type"], "DPoP");
    let response = walk
        .refresh_with(&refresh_token, &[&walk.proof(&second).mint()])
        .await;
    assert_refused(status_and_error(response).await, "invalid_grant", "");
}

#[tokio::test]
async fn a_bad_proof_is_refused_with_the_reason_and_costs_no_code() {
    let clock = still_clock();
    let walk = Walk::begin(AuthorizationServer::builder().clock(clock.clone())).await;
    let now = clock.unix_seconds();
    let code = walk.code(&[]).await;
    let key = key();
    let proof = || walk.proof(&key);
    let mut private = key.jwk();
    private["d"] = "AA".into();
    let another_endpoint = walk.server.url(Endpoint::Introspect);
    for (proof, reason) in [
        ("nonsense".to_owned(), "no JWT"),
        (String::new(), "no JWT"),
        (
            format!("{},{}", proof().mint(), proof().mint()),
            "encrypted",
        ),
        (proof().header("typ", "JWT").mint(), "typ: JWT"),
        (
            proof().header("alg", "none").mint_with_signature(""),
            "alg: none",
        ),
        (proof().header("alg", "HS256").mint(), "alg: HS256"),
        (proof().without_header("jwk").mint(), "jwk: none"),
        (proof().header("jwk", private).mint(), "jwk: a private key"),
        (proof().signed_with(&stranger()).mint(), "did not sign"),
        (proof().without("jti").mint(), "no jti"),
        (proof().claim("htm", "GET").mint(), "htm: GET"),
        (proof().without("htm").mint(), "no htm"),
        (
            proof().claim("htu", another_endpoint.as_str()).mint(),
            &another_endpoint,
        ),
        (proof().claim("htu", RESOURCE).mint(), RESOURCE),
        (proof().claim("iat", now - 301).mint(), "iat: "),
        (proof().claim("iat", now + 301).mint(), "iat: "),
        (proof().without("iat").mint(), "no iat"),
    ] {
        let response = walk.redeem_with(&code, &[&proof]).await;
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(response.status(), 400, "{reason}");
        let answer = body_of(response).await;
        assert_eq!(answer["error"], BAD_PROOF, "{reason}");
        let description = answer["error_description"].as_str().unwrap();
        assert!(description.contains(reason), "{reason}: {description}");
    }
    let (one, other) = (proof().mint(), proof().mint());
    let response = walk.redeem_with(&code, &[&one, &other]).await;
    assert_refused(status_and_error(response).await, BAD_PROOF, "two proofs");

    let response = walk.redeem_with(&code, &[&one]).await;
    tokens_of(response).await;
}

#[tokio::test]
async fn a_proof_is_good_for_one_token_request() {
    let walk = begin().await;
    let (first, second) = (walk.code(&[]).await, walk.code(&[]).await);
    let (key, other) = (key(), key());
    let proof = walk.proof(&key).claim("jti", "the same");
    tokens_of(walk.redeem_with(&first, &[&proof.mint()]).await).await;
    let response = walk.redeem_with(&second, &[&proof.mint()]).await;
    assert_refused(status_and_error(response).await, BAD_PROOF, "its jti");

    let others = walk.proof(&other).claim("jti", "the same");
    tokens_of(walk.redeem_with(&second, &[&others.mint()]).await).await;
}

#[tokio::test]
async fn the_refresh_token_of_a_public_client_is_bound_to_the_key() {
    let (walk, key) = (begin().await, key());
    let code = walk.code(&[]).await;
    let response = walk.redeem_with(&code, &[&walk.proof(&key).mint()]).await;
    let (_, _, refresh_token) = tokens_of(response).await;

    let thief = walk.proof(&stranger()).mint();
    let response = walk.refresh_with(&refresh_token, &[&thief]).await;
    assert_refused(status_and_error(response).await, "invalid_grant", "thief");
    let response = walk.refresh_with(&refresh_token, &[]).await;
    assert_refused(status_and_error(response).await, BAD_PROOF, "no proof");

    // The attempts cost its owner nothing, and its successor is bound too.
    let proof = walk.proof(&key).mint();
    let response = walk.refresh_with(&refresh_token, &[&proof]).await;
    let (tokens, access_token, successor) = tokens_of(response).await;
    assert_eq!(tokens["token_type"], "DPoP");
    assert_eq!(claims_of(&access_token)["cnf"]["jkt"], key.thumbprint());
    let thief = walk.proof(&stranger()).mint();
    let response = walk.refresh_with(&successor, &[&thief]).await;
    assert_refused(status_and_error(response).await, "invalid_grant", "thief");
    let response = walk.refresh_with(&successor, &[]).await;
    assert_refused(status_and_error(response).await, BAD_PROOF, "no proof");
}

#[tokio::test]
async fn a_confidential_client_may_change_its_key() {
    let server = AuthorizationServer::start().await;
    let metadata = json!({
        "redirect_uris": [REDIRECT_URI],
        "token_endpoint_auth_method": "client_secret_post",
    });
    let client = body_of(register(&server, &metadata).await).await;
    let text = |name: &str| client[name].as_str().unwrap().to_owned();
    let (client_id, secret) = (text("client_id"), text("client_secret"));
    let walk = Walk { server, client_id };
    let code = walk.code(&[]).await;
    let pairs = [
        ("grant_type", "authorization_code"),
        ("client_id", &walk.client_id),
        ("client_secret", &secret),
        ("code", &code),
        ("code_verifier", VERIFIER),
    ];
    let proof = walk.proof(&key()).mint();
    let (_, _, refresh_token) = tokens_of(walk.request_tokens(&pairs, &[&proof]).await).await;

    let pairs = [
        ("grant_type", "refresh_token"),
        ("client_id", &walk.client_id),
        ("client_secret", &secret),
        ("refresh_token", &refresh_token),
    ];
    let other = key();
    let proof = walk.proof(&other).mint();
    let (_, access_token, _) = tokens_of(walk.request_tokens(&pairs, &[&proof]).await).await;
    assert_eq!(claims_of(&access_token)["cnf"]["jkt"], other.thumbprint());
}

#[tokio::test]
async fn the_token_of_a_client_for_itself_is_bound_too() {
    let (walk, key) = (begin().await, key());
    let pairs = [("grant_type", "client_credentials"), ("resource", RESOURCE)];
    let request = http()
        .post(walk.server.url(Endpoint::Token))
        .basic_auth("rs", Some("rs-secret"))
        .header("dpop", walk.proof(&key).mint());
    let (tokens, access_token, _) =
        tokens_of(with_form(request, &pairs).send().await.unwrap()).await;
    assert_eq!(tokens["token_type"], "DPoP");
    assert_eq!(claims_of(&access_token)["cnf"]["jkt"], key.thumbprint());
}

#[tokio::test]
async fn a_code_is_bound_to_the_key_that_the_authorization_request_names() {
    let (walk, key) = (begin().await, key());
    let thumbprint = key.thumbprint();
    let code = walk.code(&[("dpop_jkt", &thumbprint)]).await;
    let thief = walk.proof(&stranger()).mint();
    let response = walk.redeem_with(&code, &[&thief]).await;
    assert_refused(status_and_error(response).await, "invalid_grant", "thief");
    let response = walk.redeem_with(&code, &[]).await;
    assert_refused(status_and_error(response).await, BAD_PROOF, "no proof");
    let proof = walk.proof(&key).mint();
    tokens_of(walk.redeem_with(&code, &[&proof]).await).await;

    let (padded, longer) = (format!("{thumbprint}="), format!("{thumbprint}A"));
    let wrong_letter = thumbprint.replace(|_| true, "+");
    for malformed in ["short", &padded, &longer, &wrong_letter] {
        let response = get(&walk.request(&[("dpop_jkt", malformed)])).await;
        let callback = Callback::of(&response);
        let error = callback.parameter("error");
        assert_eq!(error.as_deref(), Some("invalid_request"), "{malformed}");
    }
    let twice = walk.request(&[("dpop_jkt", &thumbprint), ("dpop_jkt", &thumbprint)]);
    let callback = Callback::of(&get(&twice).await);
    let error = callback.parameter("error");
    assert_eq!(error.as_deref(), Some("invalid_request"));
}

#[tokio::test]
async fn a_code_of_a_client_that_is_approved_at_once_is_bound_as_well() {
    let walk = Walk::begin(AuthorizationServer::builder().approve_as("carol")).await;
    let request = walk.request(&[("dpop_jkt", &key().thumbprint())]);
    let code = Callback::of(&get(&request).await).parameter("code");
    let response = walk.redeem_with(&code.unwrap(), &[]).await;
    assert_refused(status_and_error(response).await, BAD_PROOF, "no proof");
}

#[tokio::test]
async fn a_nonce_is_demanded_of_each_proof_on_request() {
    let clock = still_clock();
    let builder = AuthorizationServer::builder().clock(clock.clone());
    let walk = Walk::begin(builder.demand_dpop_nonces()).await;
    let (code, key) = (walk.code(&[]).await, key());
    let proof = walk.proof(&key);
    let response = walk.redeem_with(&code, &[&proof.mint()]).await;
    let headers = response.headers();
    assert_eq!(headers["access-control-expose-headers"], "DPoP-Nonce");
    assert_eq!(headers["cache-control"], "no-store");
    let nonce = headers["dpop-nonce"].to_str().unwrap().to_owned();
    let refused = |answer| assert_refused(answer, "use_dpop_nonce", "");
    refused(status_and_error(response).await);

    let made_up = proof.clone().claim("nonce", "made up").mint();
    let response = walk.redeem_with(&code, &[&made_up]).await;
    assert_ne!(response.headers()["dpop-nonce"], nonce);
    refused(status_and_error(response).await);
    let bad = walk.proof(&key).claim("htm", "GET").mint();
    let response = walk.redeem_with(&code, &[&bad]).await;
    assert_eq!(response.headers().get("dpop-nonce"), None);
    assert_refused(status_and_error(response).await, BAD_PROOF, "");

    // Neither the code nor the proof was spent.
    let with_nonce = proof.claim("nonce", nonce.as_str()).mint();
    let response = walk.redeem_with(&code, &[&with_nonce]).await;
    let (_, _, refresh_token) = tokens_of(response).await;

    // It is good for other requests too, for a time.
    clock.advance(Duration::from_secs(299));
    let with_nonce = || walk.proof(&key).claim("nonce", nonce.as_str()).mint();
    let response = walk.refresh_with(&refresh_token, &[&with_nonce()]).await;
    let (_, _, refresh_token) = tokens_of(response).await;
    clock.advance(Duration::from_secs(1));
    let response = walk.refresh_with(&refresh_token, &[&with_nonce()]).await;
    refused(status_and_error(response).await);

    let code = walk.code(&[]).await;
    let (tokens, _, _) = tokens_of(walk.redeem_with(&code, &[]).await).await;
    assert_eq!(tokens["token_type"], "Bearer", "no proof, no nonce");
}

#[tokio::test]
async fn a_client_that_registered_for_bound_tokens_gets_no_others() {
    let server = AuthorizationServer::start().await;
    let mut metadata = json!({
        "redirect_uris": [REDIRECT_URI],
        "token_endpoint_auth_method": "none",
        "dpop_bound_access_tokens": "yes",
    });
    let answer = status_and_error(register(&server, &metadata).await).await;
    assert_refused(answer, "invalid_client_metadata", "no truth value");

    metadata["dpop_bound_access_tokens"] = true.into();
    let client = body_of(register(&server, &metadata).await).await;
    assert_eq!(client["dpop_bound_access_tokens"], true);
    let client_id = client["client_id"].as_str().unwrap().to_owned();
    gets_only_bound_tokens(&Walk { server, client_id }).await;
}

#[tokio::test]
async fn a_client_whose_document_says_so_gets_no_unbound_tokens_either() {
    let host = AuthorizationServer::start().await;
    let client_id = host.url(Endpoint::Jwks);
    let document = json!({
        "client_id": client_id,
        "redirect_uris": [REDIRECT_URI],
        "dpop_bound_access_tokens": true,
    });
    let document = crate::testing::Fault::Body(document.to_string().into());
    host.fail(Endpoint::Jwks, Some(document));
    let server = AuthorizationServer::start().await;
    gets_only_bound_tokens(&Walk { server, client_id }).await;
}

async fn gets_only_bound_tokens(walk: &Walk) {
    let (code, key) = (walk.code(&[]).await, key());
    let response = walk.redeem_with(&code, &[]).await;
    assert_refused(status_and_error(response).await, BAD_PROOF, "for a code");
    let proof = walk.proof(&key).mint();
    let (_, _, refresh_token) = tokens_of(walk.redeem_with(&code, &[&proof]).await).await;
    let response = walk.refresh_with(&refresh_token, &[]).await;
    assert_refused(status_and_error(response).await, BAD_PROOF, "for another");
}

#[tokio::test]
async fn the_metadata_names_the_algorithms_of_proofs() {
    let server = AuthorizationServer::start().await;
    for form in [Endpoint::Rfc8414, Endpoint::OidcInserted] {
        let document = body_of(get(&server.url(form)).await).await;
        let named = document["dpop_signing_alg_values_supported"]
            .as_array()
            .unwrap();
        assert_eq!(named.len(), Algorithm::ALL.len());
        for algorithm in Algorithm::ALL {
            assert!(named.contains(&algorithm.name().into()), "{algorithm:?}");
        }
    }
}

#[tokio::test]
async fn a_browser_may_send_a_proof() {
    let server = AuthorizationServer::start().await;
    let preflight = http()
        .request(reqwest::Method::OPTIONS, server.url(Endpoint::Token))
        .header("origin", "http://localhost:6274")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type,dpop");
    let response = preflight.send().await.unwrap();
    assert_eq!(
        response.headers()["access-control-allow-headers"],
        "content-type,dpop"
    );
}
