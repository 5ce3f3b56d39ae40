mod clients;
mod code_flow;
mod discovery;
mod dpop;
mod faults;
mod introspection;
mod logins;
mod pages;
mod sdk;
mod tokens;

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Client, RequestBuilder, Response, Url, redirect};
use serde_json::{Value, json};

use super::{AuthorizationServer, AuthorizationServerBuilder, Clock, Endpoint};

const RESOURCE: &str = "http://127.0.0.1:3000/mcp";
const REDIRECT_URI: &str = "http://127.0.0.1:3999/callback";
/// RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn http() -> Client {
    Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .build()
        .unwrap()
}

fn still_clock() -> Clock {
    Clock::at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000))
}

fn with_form(request: RequestBuilder, pairs: &[(&str, &str)]) -> RequestBuilder {
    let mut url = Url::parse("http://form.invalid/").unwrap();
    url.query_pairs_mut().extend_pairs(pairs);
    request
        .header("content-type", "application/x-www-form-urlencoded")
        .body(url.query().unwrap_or_default().to_owned())
}

async fn post_form(address: &str, pairs: &[(&str, &str)]) -> Response {
    with_form(http().post(address), pairs).send().await.unwrap()
}

async fn get(address: &str) -> Response {
    http().get(address).send().await.unwrap()
}

async fn body_of(response: Response) -> Value {
    let text = response.text().await.unwrap();
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("not JSON: {text}"))
}

async fn status_and_error(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    (
        status,
        body_of(response).await["error"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
    )
}

fn claims_of(token: &str) -> Value {
    let payload = URL_SAFE_NO_PAD
        .decode(token.split('.').nth(1).unwrap())
        .unwrap();
    serde_json::from_slice(&payload).unwrap()
}

/// A client walking through the code flow, step by step.
struct Walk {
    server: AuthorizationServer,
    client_id: String,
}

impl Walk {
    /// Starts a server and registers a public client.
    async fn begin(builder: AuthorizationServerBuilder) -> Self {
        let server = builder.start().await;
        let metadata = json!({
            "client_name": "Inspector",
            "redirect_uris": [REDIRECT_URI],
            "token_endpoint_auth_method": "none",
        });
        let response = register(&server, &metadata).await;
        assert_eq!(response.status(), 201);
        let client_id = body_of(response).await["client_id"]
            .as_str()
            .unwrap()
            .to_owned();
        Self { server, client_id }
    }

    /// A sound authorization request, changed: a parameter set to something else, or taken out with `""`.
    fn request(&self, changes: &[(&str, &str)]) -> String {
        let sound = [
            ("response_type", "code"),
            ("client_id", self.client_id.as_str()),
            ("redirect_uri", REDIRECT_URI),
            ("state", "st&te"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("resource", RESOURCE),
            ("scope", "mcp:use files:read"),
        ];
        let mut url = Url::parse(&self.server.url(Endpoint::Authorize)).unwrap();
        for (name, value) in sound {
            if !changes.iter().any(|(changed, _)| *changed == name) {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        url.query_pairs_mut()
            .extend_pairs(changes.iter().filter(|(_, value)| !value.is_empty()));
        url.into()
    }

    /// Opens the consent page, and sends its form back as `user` with whatever is ticked.
    async fn decide(&self, changes: &[(&str, &str)], user: &str, decision: &str) -> Callback {
        let page = get(&self.request(changes)).await;
        assert_eq!(page.status(), 200, "no consent page");
        let mut pairs = form_of(&page.text().await.unwrap());
        pairs.retain(|(name, _)| name != "user");
        pairs.extend([
            ("user".to_owned(), user.to_owned()),
            ("decision".to_owned(), decision.to_owned()),
        ]);
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        Callback::of(&post_form(&self.server.url(Endpoint::Authorize), &pairs).await)
    }

    async fn code(&self, changes: &[(&str, &str)]) -> String {
        self.decide(changes, "alice", "allow")
            .await
            .parameter("code")
            .expect("a code")
    }

    /// Redeems a code with a sound request, changed like [`Walk::request`].
    async fn redeem(&self, code: &str, changes: &[(&str, &str)]) -> Response {
        let sound = [
            ("grant_type", "authorization_code"),
            ("client_id", self.client_id.as_str()),
            ("code", code),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", VERIFIER),
            ("resource", RESOURCE),
        ];
        let kept = sound
            .iter()
            .filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
        let pairs: Vec<_> = kept.chain(changes).copied().collect();
        post_form(&self.server.url(Endpoint::Token), &pairs).await
    }

    async fn refresh(&self, refresh_token: &str, more: &[(&str, &str)]) -> Response {
        let mut pairs = vec![
            ("grant_type", "refresh_token"),
            ("client_id", self.client_id.as_str()),
            ("refresh_token", refresh_token),
        ];
        pairs.extend(more);
        post_form(&self.server.url(Endpoint::Token), &pairs).await
    }
}

/// The URL that the browser was sent back to.
struct Callback(Url);

impl Callback {
    fn of(response: &Response) -> Self {
        assert_eq!(response.status(), 303);
        Self(
            response.headers()["location"]
                .to_str()
                .unwrap()
                .parse()
                .unwrap(),
        )
    }

    fn parameter(&self, name: &str) -> Option<String> {
        self.0
            .query_pairs()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }
}

/// The fields of the page's form that a browser would send, without the buttons.
fn form_of(page: &str) -> Vec<(String, String)> {
    let attribute = |input: &str, name: &str| {
        let (value, _) = input
            .split_once(&format!(" {name}=\""))?
            .1
            .split_once('"')?;
        let value = value
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&#39;", "'");
        Some(value.replace("&amp;", "&"))
    };
    let inputs = page
        .split("<input")
        .skip(1)
        .map(|rest| rest.split('>').next().unwrap());
    inputs
        .filter(|input| input.contains("\"hidden\"") || input.ends_with(" checked"))
        .map(|input| {
            (
                attribute(input, "name").unwrap(),
                attribute(input, "value").unwrap(),
            )
        })
        .collect()
}

async fn register(server: &AuthorizationServer, metadata: &Value) -> Response {
    let request = http()
        .post(server.url(Endpoint::Register))
        .header("content-type", "application/json");
    request.body(metadata.to_string()).send().await.unwrap()
}

async fn introspect(server: &AuthorizationServer, token: &str) -> Value {
    let request = http()
        .post(server.url(Endpoint::Introspect))
        .basic_auth("rs", Some("rs-secret"));
    body_of(
        with_form(request, &[("token", token)])
            .send()
            .await
            .unwrap(),
    )
    .await
}
