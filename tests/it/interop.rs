//! The gate with a third-party authorization server. Needs npm and its registry: `.ci/run` runs it,
//! and so does
//!
//! ```text
//! npm ci --prefix tests/interop
//! cargo test --test it -- --ignored interop
//! ```

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use toolgate::testing::{Algorithm, Clock, SigningKey};
use toolgate::{Introspection, Issuer, ScopeMap, Toolgate};

use crate::world::{PATIENCE, RESOURCE, World};

const OTHER_RESOURCE: &str = "https://other.example.com/mcp";

/// oidc-provider, which ends with the test: its stdin is closed then.
struct OidcProvider {
    _process: Child,
    /// Its own description.
    about: Value,
    key: SigningKey,
}

impl OidcProvider {
    async fn start() -> Self {
        let key = SigningKey::generate(Algorithm::Es256);
        let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop");
        let node = package.join("node_modules/.bin/node");
        assert!(
            node.exists(),
            "first: npm ci --prefix {}",
            package.display()
        );
        let mut command = Command::new(node);
        command
            .arg(package.join("oidc_provider/server.mjs"))
            .arg(json!({ "keys": [key.jwk()] }).to_string());
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = timeout(PATIENCE, lines.next_line())
            .await
            .expect("a line")
            .unwrap()
            .expect("it runs");
        Self {
            _process: process,
            about: serde_json::from_str(&line).expect(&line),
            key,
        }
    }

    fn text(&self, pointer: &str) -> &str {
        self.about
            .pointer(pointer)
            .and_then(Value::as_str)
            .expect(pointer)
    }

    fn secret(&self, client: &str) -> &str {
        self.text(&format!("/secrets/{client}"))
    }

    async fn token(&self, resource: Option<&str>, scope: &str) -> String {
        let mut form = vec![("grant_type", "client_credentials"), ("scope", scope)];
        form.extend(resource.map(|resource| ("resource", resource)));
        let answer: Value =
            serde_json::from_str(&self.post("/token_endpoint", &form).await).unwrap();
        answer["access_token"]
            .as_str()
            .unwrap_or_else(|| panic!("{answer}"))
            .to_owned()
    }

    async fn revoke(&self, token: &str) {
        self.post("/revocation_endpoint", &[("token", token)]).await;
    }

    async fn post(&self, endpoint: &str, form: &[(&str, &str)]) -> String {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let request = reqwest::Client::builder()
            .no_proxy()
            .build()
            .unwrap()
            .post(self.text(endpoint));
        let request = request.basic_auth("machine", Some(self.secret("machine")));
        let request = request
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.text().await.unwrap()
    }

    /// A gate that asks it, by a clock that starts now and stands still.
    async fn asked_by(&self, introspection: Introspection) -> World {
        let mut world = World::new().await;
        world.clock = Clock::at(SystemTime::now());
        let builder = Toolgate::builder(RESOURCE).clock(world.clock.clone());
        let builder =
            builder.issuer(Issuer::new(self.text("/issuer")).introspection(introspection));
        let scopes = ScopeMap::deny_unlisted()
            .every_request("mcp:use")
            .tool("write", "files:write");
        world.gate = builder.scopes(scopes).build().unwrap();
        world
    }

    fn every_way_to_ask(&self) -> [Introspection; 3] {
        let kid = self.key.kid().unwrap();
        [
            Introspection::basic("rs-basic", self.secret("rs-basic")),
            Introspection::post("rs-post", self.secret("rs-post")),
            Introspection::private_key_jwt("rs-key", self.key.to_pem()).key_id(kid),
        ]
    }
}

#[tokio::test]
#[ignore = "needs oidc-provider, from npm"]
async fn interop_opaque_tokens_of_oidc_provider_are_accepted_or_rejected_by_their_introspection() {
    let provider = OidcProvider::start().await;
    for introspection in provider.every_way_to_ask() {
        let world = provider.asked_by(introspection).await;
        let token = provider.token(Some(RESOURCE), "mcp:use").await;
        world.list_with(&token).await.assert_served();
        let principal = world.reached().principal.unwrap();
        assert_eq!(
            (principal.client_id(), principal.subject()),
            (Some("machine"), None)
        );
        assert!(principal.is_machine() && principal.expires_at().is_some());
        world
            .call_tool(&token, "write")
            .await
            .assert_needs(&["mcp:use", "files:write"]);
        let both = provider.token(Some(RESOURCE), "mcp:use files:write").await;
        world.call_tool(&both, "write").await.assert_served();

        let foreign = provider.token(Some(OTHER_RESOURCE), "mcp:use").await;
        world
            .list_with(&foreign)
            .await
            .assert_invalid_token("audience_mismatch");
        let unbound = provider.token(None, "mcp:use").await;
        world
            .list_with(&unbound)
            .await
            .assert_invalid_token("audience_missing");
        world
            .list_with("garbage")
            .await
            .assert_invalid_token("inactive");

        provider.revoke(&token).await;
        world.clock.advance(Duration::from_secs(59));
        world.list_with(&token).await.assert_served();
        world.clock.advance(Duration::from_secs(1));
        world
            .list_with(&token)
            .await
            .assert_invalid_token("inactive");
    }
}

#[tokio::test]
#[ignore = "needs oidc-provider, from npm"]
async fn interop_a_users_access_token_of_oidc_provider_passes_and_their_refresh_token_does_not() {
    let provider = OidcProvider::start().await;
    let [introspection, ..] = provider.every_way_to_ask();
    let world = provider.asked_by(introspection.clone()).await;
    world
        .list_with(provider.text("/user/access_token"))
        .await
        .assert_served();
    assert_eq!(
        world.reached().principal.unwrap().subject(),
        Some(provider.text("/user/sub"))
    );
    // It is active, and only its having no audience and no type gives it away.
    let refresh_token = provider.text("/user/refresh_token");
    world
        .list_with(refresh_token)
        .await
        .assert_invalid_token("audience_missing");

    let mut world = World::new().await;
    let issuer = Issuer::new(provider.text("/issuer")).introspection(introspection);
    let builder = Toolgate::builder(RESOURCE).issuer(issuer.unbound_tokens_of_client("app"));
    world.gate = builder.scopes(ScopeMap::allow_unlisted()).build().unwrap();
    world
        .list_with(refresh_token)
        .await
        .assert_invalid_token("token_use_not_access");
}

#[tokio::test]
#[ignore = "needs oidc-provider, from npm"]
async fn interop_credentials_that_oidc_provider_refuses_are_an_outage_to_callers() {
    let provider = OidcProvider::start().await;
    let token = provider.token(Some(RESOURCE), "mcp:use").await;
    let unknown = SigningKey::generate(Algorithm::Es256).to_pem();
    for introspection in [
        Introspection::basic("rs-basic", "wrong"),
        Introspection::post("rs-post", "wrong"),
        Introspection::post("unknown", "wrong"),
        Introspection::private_key_jwt("rs-key", unknown),
        Introspection::private_key_jwt("rs-key", provider.key.to_pem())
            .assertion_audience("https://x"),
    ] {
        let world = provider.asked_by(introspection).await;
        world
            .list_with(&token)
            .await
            .assert_unavailable("introspection_unauthorized");
    }
}

#[tokio::test]
#[ignore = "needs oidc-provider, from npm"]
async fn interop_responses_that_oidc_provider_signs_are_verified() {
    let provider = OidcProvider::start().await;
    for introspection in provider.every_way_to_ask() {
        let world = provider.asked_by(introspection.signed_responses()).await;
        let token = provider.token(Some(RESOURCE), "mcp:use").await;
        world.list_with(&token).await.assert_served();
        let principal = world.reached().principal.unwrap();
        assert_eq!(principal.client_id(), Some("machine"));
        let foreign = provider.token(Some(OTHER_RESOURCE), "mcp:use").await;
        world
            .list_with(&foreign)
            .await
            .assert_invalid_token("audience_mismatch");
        world
            .list_with("garbage")
            .await
            .assert_invalid_token("inactive");
        provider.revoke(&token).await;
        world.clock.advance(Duration::from_secs(60));
        world
            .list_with(&token)
            .await
            .assert_invalid_token("inactive");
    }
}
