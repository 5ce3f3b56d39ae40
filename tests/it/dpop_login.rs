//! DPoP from the login to the call (RFC 9449): the token that a client gets with a proof is of use to that client alone.

use http::StatusCode;
use reqwest::{Client, Url, redirect};
use serde_json::{Value, json};
use toolgate::testing::{Algorithm, AuthorizationServer, Endpoint, SigningKey};
use toolgate::{Issuer, ScopeMap};

use crate::challenge::Challenge;
use crate::world::{Answer, RESOURCE, World, call, clock, post_without_token};

const REDIRECT_URI: &str = "http://127.0.0.1:3999/callback";
/// RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A registered client with a key of its own, before an authorization server and a gate.
struct Login {
    world: World,
    client_id: String,
    key: SigningKey,
}

impl Login {
    async fn begin() -> Self {
        let clock = clock();
        let server = AuthorizationServer::builder()
            .clock(clock.clone())
            .approve_as("ada")
            .demand_dpop_nonces()
            .start()
            .await;
        let world = World::around(server, clock, |builder, server| {
            builder
                .issuer(Issuer::new(server.issuer()))
                .scopes(ScopeMap::allow_unlisted().every_request("mcp:use"))
        });
        let metadata = json!({
            "redirect_uris": [REDIRECT_URI],
            "token_endpoint_auth_method": "none",
            "dpop_bound_access_tokens": true,
        });
        let request = http().post(world.server.url(Endpoint::Register));
        let response = request.body(metadata.to_string()).send().await.unwrap();
        let client: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        Self {
            world,
            client_id: client["client_id"].as_str().unwrap().to_owned(),
            key: SigningKey::generate(Algorithm::Es256),
        }
    }

    /// Asks for a code that is bound to the client's key.
    async fn code(&self) -> String {
        let mut url = Url::parse(&self.world.server.url(Endpoint::Authorize)).unwrap();
        url.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", &self.client_id),
            ("redirect_uri", REDIRECT_URI),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("dpop_jkt", &self.key.thumbprint()),
            ("resource", RESOURCE),
            ("scope", "mcp:use"),
        ]);
        let response = http().get(url).send().await.unwrap();
        let location = response.headers()["location"].to_str().unwrap();
        let callback = Url::parse(location).unwrap();
        let code = callback.query_pairs().find(|(name, _)| name == "code");
        code.expect("a code").1.into_owned()
    }

    /// Sends a token request with a proof by this key, and again if a nonce is demanded.
    async fn tokens(&self, key: &SigningKey, pairs: &[(&str, &str)]) -> (u16, Value) {
        let (status, body, nonce) = self.request_tokens(key, None, pairs).await;
        assert_eq!((status, &body["error"]), (400, &json!("use_dpop_nonce")));
        let (status, body, _) = self.request_tokens(key, nonce, pairs).await;
        (status, body)
    }

    async fn request_tokens(
        &self,
        key: &SigningKey,
        nonce: Option<String>,
        pairs: &[(&str, &str)],
    ) -> (u16, Value, Option<String>) {
        let url = self.world.server.url(Endpoint::Token);
        let mut proof = self.world.server.proof(key, "POST", &url);
        if let Some(nonce) = nonce {
            proof = proof.claim("nonce", nonce);
        }
        let mut form = Url::parse("http://form.invalid").unwrap();
        form.query_pairs_mut()
            .extend_pairs(pairs)
            .append_pair("client_id", &self.client_id);
        let request = http()
            .post(url)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("dpop", proof.mint())
            .body(form.query().unwrap().to_owned());
        let response = request.send().await.unwrap();
        let nonce = response.headers().get("dpop-nonce");
        let nonce = nonce.map(|nonce| nonce.to_str().unwrap().to_owned());
        let status = response.status().as_u16();
        let body = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        (status, body, nonce)
    }

    /// Calls the gate with a token and a proof by this key for it.
    async fn call(&self, scheme: &str, token: &str, key: &SigningKey) -> Answer {
        let proof = self.world.server.proof(key, "POST", RESOURCE);
        let mut request = post_without_token(&call("tools/list", json!({})));
        let headers = request.headers_mut();
        let line = format!("{scheme} {token}");
        headers.insert("authorization", line.parse().unwrap());
        let proof = proof.for_token(token).mint();
        headers.insert("dpop", proof.parse().unwrap());
        self.world.send(request).await
    }
}

fn http() -> Client {
    let client = Client::builder().no_proxy();
    client.redirect(redirect::Policy::none()).build().unwrap()
}

#[track_caller]
fn assert_invalid_token(answer: &Answer, scheme: &str, code: &str) {
    assert_eq!(
        (answer.status, answer.code),
        (StatusCode::UNAUTHORIZED, Some(code))
    );
    let challenge = Challenge::of_scheme(scheme, &answer.headers).expect("a challenge");
    assert_eq!(challenge.get("error"), Some("invalid_token"));
}

#[tokio::test]
async fn a_client_that_logs_in_with_a_key_gets_tokens_that_no_thief_can_use() {
    let login = Login::begin().await;
    let thief = SigningKey::generate(Algorithm::Es256);

    let code = login.code().await;
    let mut pairs = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("code_verifier", VERIFIER),
    ];
    let (status, stolen) = login.tokens(&thief, &pairs).await;
    assert_eq!(
        (status, &stolen["error"]),
        (400, &json!("invalid_grant")),
        "a stolen code"
    );
    let (status, tokens) = login.tokens(&login.key, &pairs).await;
    assert_eq!((status, &tokens["token_type"]), (200, &json!("DPoP")));

    let token = tokens["access_token"].as_str().unwrap();
    login.call("DPoP", token, &login.key).await.assert_served();
    let principal = login.world.reached().principal.expect("a principal");
    assert_eq!(principal.subject(), Some("ada"));
    let answer = login.call("Bearer", token, &login.key).await;
    assert_invalid_token(&answer, "Bearer", "dpop_token_as_bearer");
    let answer = login.call("DPoP", token, &thief).await;
    assert_invalid_token(&answer, "DPoP", "dpop_wrong_key");

    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    pairs = [
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh_token),
        ("resource", RESOURCE),
    ];
    let (status, stolen) = login.tokens(&thief, &pairs).await;
    assert_eq!((status, &stolen["error"]), (400, &json!("invalid_grant")));
    let (status, tokens) = login.tokens(&login.key, &pairs).await;
    assert_eq!((status, &tokens["token_type"]), (200, &json!("DPoP")));
    let token = tokens["access_token"].as_str().unwrap();
    login.call("DPoP", token, &login.key).await.assert_served();
}
