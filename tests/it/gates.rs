//! Several gates behind one layer: each request meets the gate of its own resource, and no token is good for two.

use std::collections::HashMap;
use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use toolgate::testing::{AuthorizationServer, Clock, Endpoint};
use toolgate::{
    ConfigError, Gates, Issuer, Metadata, Principal, Refusal, RequestBody, Resource, Revocation,
    ScopeMap, Toolgate,
};
use tower::{Layer, ServiceExt, service_fn};

use crate::challenge::Challenge;
use crate::logs::listen;
use crate::world::{call, clock};

/// Two issuers, three resources on two hosts, one of them with a second name.
pub struct Town {
    pub main: AuthorizationServer,
    pub other: AuthorizationServer,
    pub gates: Vec<Toolgate>,
}

pub const FILES: &str = "https://mcp.example.com/files";
pub const MAIL: &str = "https://mcp.example.com/files/mail";
pub const MAPS: &str = "https://maps.example.org/mcp";
/// The second name of the maps.
pub const MAPS_TOO: &str = "https://maps.example.net/v2/mcp";
pub const NAMES: [&str; 4] = [FILES, MAIL, MAPS, MAPS_TOO];

/// The answer to a request, and what the inner service saw of it.
#[derive(Debug)]
pub struct Seen {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub code: Option<&'static str>,
    /// The headers that reached the inner service, with the resource and the subject; `None` if the request did not.
    pub inner: Option<(HeaderMap, Option<String>, Option<String>)>,
}

impl Town {
    pub async fn new() -> Self {
        let clock = clock();
        let start = || AuthorizationServer::builder().clock(clock.clone()).start();
        let (main, other) = (start().await, start().await);
        let scopes = || ScopeMap::allow_unlisted().every_request("mcp:use");
        let files = Toolgate::builder(FILES)
            .clock(clock.clone())
            .issuer(main.issuer())
            .scopes(scopes())
            .build()
            .unwrap();
        let mail = files.for_resource(MAIL).scopes(scopes()).build().unwrap();
        let maps = Toolgate::builder(MAPS)
            .clock(clock.clone())
            .also_at(MAPS_TOO)
            .issuer(main.issuer())
            .issuer(other.issuer())
            .scopes(scopes())
            .build()
            .unwrap();
        Self {
            main,
            other,
            gates: vec![files, mail, maps],
        }
    }

    pub fn gates(&self) -> Gates {
        Gates::not_found_elsewhere(self.gates.clone()).unwrap()
    }

    pub fn token_for(&self, resource: &str) -> String {
        self.main.token().audience(resource).scope("mcp:use").mint()
    }
}

/// A POST of a `tools/list` to this URL, as a client sends it.
pub fn request_to(url: &str, token: Option<&str>) -> Request<Full<Bytes>> {
    let (host, path) = split(url);
    let mut request = Request::post(path)
        .header("host", host)
        .header("content-type", "application/json");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let body = call("tools/list", json!({}));
    request.body(Full::from(body)).unwrap()
}

pub fn split(url: &str) -> (&str, &str) {
    let rest = url.strip_prefix("https://").unwrap();
    match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, "/"),
    }
}

pub async fn send(gates: &Gates, request: Request<Full<Bytes>>) -> Seen {
    let (sender, mut inner) = tokio::sync::mpsc::unbounded_channel();
    let service = service_fn(move |request: Request<RequestBody<Full<Bytes>>>| {
        let extensions = request.extensions();
        let resource = extensions
            .get::<Resource>()
            .map(|resource| resource.as_str().to_owned());
        let principal = extensions.get::<Principal>();
        let subject = principal.map(|principal| principal.subject().unwrap().to_owned());
        sender
            .send((request.headers().clone(), resource, subject))
            .unwrap();
        async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"inner")))) }
    });
    let answer = gates.layer().layer(service).oneshot(request).await.unwrap();
    let (parts, body) = answer.into_parts();
    Seen {
        status: parts.status,
        headers: parts.headers,
        body: body.collect().await.unwrap().to_bytes(),
        code: parts.extensions.get::<Refusal>().map(Refusal::code),
        inner: inner.try_recv().ok(),
    }
}

impl Seen {
    #[track_caller]
    pub fn assert_served_as(&self, name: &str) {
        assert_eq!(self.status, StatusCode::OK, "{:?}", self.code);
        let (headers, resource, subject) =
            self.inner.as_ref().expect("the inner service was asked");
        assert_eq!(resource.as_deref(), Some(name));
        assert!(subject.is_some());
        assert!(!headers.contains_key("authorization"));
    }

    pub fn challenge(&self) -> Challenge {
        Challenge::of(&self.headers).expect("a challenge")
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

fn fields(wrong: &ConfigError) -> Vec<&str> {
    wrong
        .problems()
        .iter()
        .map(|problem| problem.field())
        .collect()
}

#[tokio::test]
async fn a_token_for_one_resource_is_good_under_its_names_and_under_no_other() {
    let town = Town::new().await;
    let gates = town.gates();
    let resource_of = |name| if name == MAPS_TOO { MAPS } else { name };
    for audience in NAMES {
        let token = town.token_for(audience);
        for name in NAMES {
            let seen = send(&gates, request_to(name, Some(&token))).await;
            if resource_of(audience) == resource_of(name) {
                seen.assert_served_as(name);
                continue;
            }
            assert_eq!(seen.code, Some("audience_mismatch"), "{audience} at {name}");
            assert_eq!(seen.status, StatusCode::UNAUTHORIZED);
            assert!(seen.inner.is_none());
            assert_eq!(seen.challenge().get("error"), Some("invalid_token"));
        }
    }
}

#[tokio::test]
async fn each_name_has_a_challenge_and_a_document_that_name_it() {
    let town = Town::new().await;
    let gates = town.gates();
    for name in NAMES {
        let seen = send(&gates, request_to(name, None)).await;
        assert_eq!(seen.code, Some("no_token"));
        let url = seen
            .challenge()
            .get("resource_metadata")
            .unwrap()
            .to_owned();
        let (host, path) = split(&url);
        assert_eq!(host, split(name).0);
        assert!(path.ends_with(split(name).1), "{url}");
        let document = send(&gates, request_to(&url, None)).await;
        assert_eq!(
            document.status,
            StatusCode::METHOD_NOT_ALLOWED,
            "it takes no POST"
        );
        let get = Request::get(path)
            .header("host", host)
            .body(Full::default())
            .unwrap();
        let document = send(&gates, get).await;
        assert_eq!(document.json()["resource"], name);
        let issuers = document.json()["authorization_servers"]
            .as_array()
            .unwrap()
            .len();
        assert_eq!(issuers, if name.contains("maps") { 2 } else { 1 });
    }
}

#[tokio::test]
async fn a_token_of_an_issuer_that_only_one_gate_trusts_is_refused_by_the_others() {
    let town = Town::new().await;
    let gates = town.gates();
    for name in NAMES {
        let token = town.other.token().audience(name).scope("mcp:use").mint();
        let seen = send(&gates, request_to(name, Some(&token))).await;
        if name.contains("maps") {
            seen.assert_served_as(name);
        } else {
            assert_eq!(seen.code, Some("issuer_mismatch"), "{name}");
        }
    }
}

#[tokio::test]
async fn a_request_for_no_gate_gets_404_or_reaches_the_inner_service_without_credentials() {
    let town = Town::new().await;
    let token = town.token_for(FILES);
    let refusing = town.gates();
    let passing = Gates::ungated_elsewhere(town.gates.clone()).unwrap();
    for url in [
        "https://mcp.example.com/filesystem",
        "https://mcp.example.com/",
        "https://mcp.example.com/other",
        "https://maps.example.org/",
        "https://other.example/filesystem",
        "https://mcp.example.com/.well-known/oauth-protected-resource",
        "https://mcp.example.com/.well-known/oauth-protected-resource/mcp",
    ] {
        let seen = send(&refusing, request_to(url, Some(&token))).await;
        assert_eq!(
            (seen.status, seen.code),
            (StatusCode::NOT_FOUND, None),
            "{url}"
        );
        assert!(seen.inner.is_none() && seen.body.is_empty());

        let mut request = request_to(url, Some(&token));
        request
            .headers_mut()
            .insert("dpop", "a.b.c".parse().unwrap());
        request
            .headers_mut()
            .insert("mcp_session_id", "s".parse().unwrap());
        request
            .headers_mut()
            .insert("x-other", "kept".parse().unwrap());
        let seen = send(&passing, request).await;
        assert_eq!((seen.status, seen.code), (StatusCode::OK, None), "{url}");
        let (headers, resource, subject) = seen.inner.unwrap();
        assert_eq!((resource, subject), (None, None));
        for removed in ["authorization", "dpop", "mcp_session_id"] {
            assert!(!headers.contains_key(removed), "{removed}");
        }
        assert_eq!(headers["x-other"], "kept");
    }
    // The paths of gates are not let through for other hosts: a caller chooses the host.
    for url in [
        "https://other.example/files",
        "https://maps.example.org/files/x",
        "https://mcp.example.com:8443/files",
        "https://mcp.example.com/v2/mcp",
    ] {
        let seen = send(&passing, request_to(url, None)).await;
        assert_eq!(seen.status, StatusCode::NOT_FOUND, "{url}");
        assert!(seen.inner.is_none());
    }
}

#[tokio::test]
async fn a_host_that_is_not_configured_appears_in_no_answer() {
    let town = Town::new().await;
    let gates = [
        town.gates(),
        Gates::not_found_elsewhere([town.gates[0].clone(), town.gates[1].clone()]).unwrap(),
    ];
    for gates in &gates {
        for name in NAMES {
            let (_, path) = split(name);
            for path in [
                path.to_owned(),
                format!("/.well-known/oauth-protected-resource{path}"),
            ] {
                let request = Request::get(&path).header("host", "evil.example");
                let seen = send(gates, request.body(Full::default()).unwrap()).await;
                let told = format!("{:?} {:?}", seen.headers, seen.body);
                assert!(!told.contains("evil.example"), "{told}");
            }
        }
    }
}

#[tokio::test]
async fn a_request_of_two_readings_is_refused_before_any_gate_is_picked() {
    let town = Town::new().await;
    let token = town.token_for(FILES);
    for gates in [
        town.gates(),
        Gates::ungated_elsewhere(town.gates.clone()).unwrap(),
    ] {
        for path in [
            "//files",
            "/./files",
            "/x/../files",
            "/%66iles",
            "/files%2fmail",
            "/%2e/files",
            "/files/..",
        ] {
            let url = format!("https://mcp.example.com{path}");
            let seen = send(&gates, request_to(&url, Some(&token))).await;
            assert_eq!(seen.code, Some("ambiguous_path"), "{path}");
            assert_eq!(seen.status, StatusCode::BAD_REQUEST);
            assert!(seen.inner.is_none() && !seen.headers.contains_key("www-authenticate"));
        }
        let mut two = request_to(FILES, Some(&token));
        two.headers_mut()
            .append("host", "maps.example.org".parse().unwrap());
        assert_eq!(send(&gates, two).await.code, Some("ambiguous_host"));
        let mut differing = request_to(FILES, Some(&token));
        *differing.uri_mut() = "https://maps.example.org/files".parse().unwrap();
        assert_eq!(send(&gates, differing).await.code, Some("ambiguous_host"));
    }
}

#[tokio::test]
async fn every_spelling_of_a_host_is_the_same_host() {
    let town = Town::new().await;
    let gates = town.gates();
    let (maps, files) = (town.token_for(MAPS), town.token_for(FILES));
    for host in [
        "MAPS.example.ORG",
        "maps.example.org.",
        "maps.example.org:443",
        "maps.example.org:",
    ] {
        for (token, code) in [(&maps, None), (&files, Some("audience_mismatch"))] {
            let mut request = request_to(MAPS, Some(token));
            request.headers_mut().insert("host", host.parse().unwrap());
            assert_eq!(send(&gates, request).await.code, code, "{host}");
        }
    }
    let mut absolute = request_to(MAPS, Some(&maps));
    *absolute.uri_mut() = MAPS.parse().unwrap();
    send(&gates, absolute).await.assert_served_as(MAPS);
}

#[tokio::test]
async fn where_all_gates_have_one_host_the_host_of_a_request_decides_nothing() {
    let town = Town::new().await;
    let gates = Gates::not_found_elsewhere(town.gates[..2].to_vec()).unwrap();
    for host in ["backend:8080", "maps.example.org", ""] {
        let mut request = request_to(MAIL, Some(&town.token_for(MAIL)));
        request.headers_mut().insert("host", host.parse().unwrap());
        send(&gates, request).await.assert_served_as(MAIL);
    }
}

#[tokio::test]
async fn no_document_is_at_the_root_of_a_shared_host_unless_one_is_named_for_it() {
    let town = Town::new().await;
    let root = "https://mcp.example.com/.well-known/oauth-protected-resource";
    let get = |url: &str| {
        let (host, path) = split(url);
        let request = Request::get(path).header("host", host);
        request.body(Full::default()).unwrap()
    };
    let with_root = |gate: &Toolgate, resource| {
        let builder = gate
            .for_resource(resource)
            .scopes(ScopeMap::allow_unlisted());
        builder
            .metadata(Metadata::default().root_copy())
            .build()
            .unwrap()
    };
    assert_eq!(
        send(&town.gates(), get(root)).await.status,
        StatusCode::NOT_FOUND
    );

    let named = with_root(&town.gates[0], "https://mcp.example.com/named");
    let gates = Gates::not_found_elsewhere([town.gates[0].clone(), named.clone()]).unwrap();
    let document = send(&gates, get(root)).await;
    assert_eq!(document.json()["resource"], "https://mcp.example.com/named");

    let second = with_root(&town.gates[0], "https://mcp.example.com/second");
    let wrong = Gates::not_found_elsewhere([named, second]).unwrap_err();
    assert_eq!(fields(&wrong), ["metadata.root_copy"]);

    // The only resource of a host has the root as if it were alone.
    let maps = "https://maps.example.org/.well-known/oauth-protected-resource";
    assert_eq!(
        send(&town.gates(), get(maps)).await.json()["resource"],
        MAPS
    );
}

#[tokio::test]
async fn gates_that_cannot_be_told_apart_or_share_an_audience_are_not_built() {
    let town = Town::new().await;
    let issuer = || Issuer::new(town.main.issuer());
    let gate = |resource: &str, issuer: Issuer| {
        let scopes = ScopeMap::allow_unlisted();
        let builder = Toolgate::builder(resource).issuer(issuer).scopes(scopes);
        builder.build().unwrap()
    };
    let (a, b) = ("https://h.example/a", "https://h.example/b");
    let refused = |gates: [Toolgate; 2]| {
        let wrong = Gates::ungated_elsewhere(gates).unwrap_err();
        fields(&wrong).join(" ")
    };
    let slash = gate("https://h.example/a/", issuer());
    assert_eq!(
        refused([gate(a, issuer()), slash]),
        "resources issuers[0].audiences",
        "they have one path, and a token that names one names the other"
    );
    let listed = gate(b, issuer().audience("api://x"));
    for (one, other) in [
        (gate(a, issuer().audience("api://x")), listed.clone()),
        (gate(a, issuer().audience(b)), gate(b, issuer())),
        (
            gate(a, issuer()),
            gate(b, issuer().audience("https://h.example/a/")),
        ),
        (
            gate(a, issuer().unbound_tokens_of_client("c")),
            gate(b, issuer().unbound_tokens_of_client("c")),
        ),
        (
            gate(a, issuer().audience("api://x").shared_audience()),
            listed.clone(),
        ),
    ] {
        assert_eq!(
            refused([one.clone(), other.clone()]),
            "issuers[0].audiences"
        );
        assert_eq!(refused([other, one]), "issuers[0].audiences");
    }
    let elsewhere = Issuer::new("https://other.example").audience("api://x");
    assert!(Gates::not_found_elsewhere([listed, gate(a, elsewhere)]).is_ok());
    assert!(Gates::not_found_elsewhere([]).is_err());
}

#[tokio::test]
async fn an_audience_may_be_shared_if_both_gates_say_so_and_that_is_warned_about() {
    let town = Town::new().await;
    let (logs, _guard) = listen();
    let gate = |resource: &str| {
        let issuer = Issuer::new(town.main.issuer())
            .audience("api://x")
            .shared_audience();
        let builder = Toolgate::builder(resource).issuer(issuer).clock(clock());
        builder.scopes(ScopeMap::allow_unlisted()).build().unwrap()
    };
    let gates = [gate("https://h.example/a"), gate("https://h.example/b")];
    let gates = Gates::not_found_elsewhere(gates).unwrap();
    let token = town.main.token().audience("api://x").mint();
    for name in ["https://h.example/a", "https://h.example/b"] {
        send(&gates, request_to(name, Some(&token)))
            .await
            .assert_served_as(name);
    }
    let events = logs.events();
    let warned = events
        .iter()
        .find(|event| event["fields"]["audience"] == "api://x")
        .expect("a warning");
    assert_eq!(warned["level"], "WARN");
}

#[tokio::test]
async fn gates_of_one_family_fetch_keys_once_and_share_revocations_but_no_verdict() {
    let server = AuthorizationServer::builder().clock(clock()).start().await;
    let scopes = || ScopeMap::allow_unlisted().every_request("mcp:use");
    let first = Toolgate::builder("https://h.example/0").clock(clock());
    let first = first
        .issuer(server.issuer())
        .scopes(scopes())
        .build()
        .unwrap();
    let others = (1..10).map(|number| {
        let resource = format!("https://h.example/{number}");
        first
            .for_resource(resource)
            .scopes(scopes())
            .build()
            .unwrap()
    });
    let all: Vec<_> = std::iter::once(first.clone()).chain(others).collect();
    let gates = Gates::not_found_elsewhere(all.clone()).unwrap();
    let token = |number: usize| {
        let audience = format!("https://h.example/{number}");
        server.token().audience(audience).scope("mcp:use").mint()
    };
    let tokens: HashMap<_, _> = (0..10).map(|number| (number, token(number))).collect();
    for number in 0..10 {
        for (of, token) in &tokens {
            let url = format!("https://h.example/{number}");
            let seen = send(&gates, request_to(&url, Some(token))).await;
            assert_eq!(seen.code.is_none(), number == *of);
        }
    }
    assert_eq!(server.hits(Endpoint::Jwks), 1);

    let life = std::time::Duration::from_secs(3600);
    let everything = Revocation::subject(server.issuer(), "alice");
    all[3].revoke(everything, life).await.unwrap();
    for (number, token) in &tokens {
        let url = format!("https://h.example/{number}");
        let seen = send(&gates, request_to(&url, Some(token))).await;
        assert_eq!(seen.code, Some("revoked"));
    }
}

#[tokio::test]
async fn a_reload_of_one_gate_must_not_open_another() {
    let town = Town::new().await;
    let _gates = town.gates();
    let file = |audience: &str| {
        let issuer = town.main.issuer();
        let file = format!(
            "resource = '{FILES}'\n[[issuers]]\nissuer = '{issuer}'\naudiences = ['{audience}']\n[scopes]\nunlisted = 'allow'"
        );
        toml::from_str(&file).unwrap()
    };
    for audience in [MAIL, MAPS, MAPS_TOO] {
        let wrong = town.gates[0].reload(file(audience)).unwrap_err();
        assert_eq!(fields(&wrong), ["issuers[0].audiences"], "{audience}");
    }
    town.gates[0].reload(file("api://files")).unwrap();
}

#[tokio::test]
async fn a_client_of_a_family_is_not_replaced() {
    let town = Town::new().await;
    let builder = town.gates[0].for_resource("https://h.example/x");
    let builder = builder.scopes(ScopeMap::allow_unlisted());
    let wrong = builder
        .http_client(reqwest::ClientBuilder::new())
        .build()
        .unwrap_err();
    assert_eq!(fields(&wrong), ["http_client"]);
}

#[tokio::test]
async fn a_token_that_names_another_server_too_is_refused_where_that_is_asked_for() {
    let server = AuthorizationServer::builder().clock(clock()).start().await;
    let gate = |issuer: Issuer, clock: Clock| {
        let builder = Toolgate::builder(MAPS)
            .also_at(MAPS_TOO)
            .clock(clock)
            .issuer(issuer);
        Gates::not_found_elsewhere([builder.scopes(ScopeMap::allow_unlisted()).build().unwrap()])
            .unwrap()
    };
    let lax = gate(Issuer::new(server.issuer()), clock());
    let strict = gate(Issuer::new(server.issuer()).only_this_resource(), clock());
    for (audience, code) in [
        (json!([MAPS]), None),
        (json!(MAPS_TOO), None),
        (json!([MAPS, MAPS_TOO]), None),
        (json!([MAPS, FILES]), Some("audience_not_alone")),
        (json!([FILES, MAPS]), Some("audience_not_alone")),
        (json!([MAPS, ""]), Some("audience_not_alone")),
        (json!([FILES]), Some("audience_mismatch")),
    ] {
        let token = server.token().audience(audience.clone()).mint();
        let seen = send(&strict, request_to(MAPS, Some(&token))).await;
        assert_eq!(seen.code, code, "{audience}");
        let expected = code.filter(|code| *code != "audience_not_alone");
        let seen = send(&lax, request_to(MAPS, Some(&token))).await;
        assert_eq!(seen.code, expected, "{audience}");
    }
}

/// Serves two gated resources and an open page by axum, and sends bytes as they are.
async fn raw_answers(targets: &[(String, &str)]) -> Vec<String> {
    use axum::Router;
    use axum::routing::any;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let town = Town::new().await;
    let app = Router::new()
        .route("/files", any(async || "gated"))
        .route("/files/{*rest}", any(async || "gated"))
        .fallback(any(async || "open"));
    let gates = Gates::ungated_elsewhere(town.gates.clone()).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = app.layer(gates.layer());
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let mut answers = Vec::new();
    for (target, host) in targets {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        answers.push(String::from_utf8_lossy(&answer).into_owned());
    }
    server.abort();
    answers
}

#[tokio::test]
async fn no_spelling_that_hyper_and_axum_let_through_reaches_a_gated_route_without_a_token() {
    let hosts = [
        "mcp.example.com",
        "MCP.Example.COM",
        "mcp.example.com.",
        "mcp.example.com:443",
        "mcp.example.com:80",
        "mcp.example.com:8443",
        "maps.example.org",
        "evil.example",
        "",
    ];
    let paths = [
        "/files",
        "/files/",
        "/files//",
        "//files",
        "/files/x",
        "/./files",
        "/x/../files",
        "/files/.",
        "/%66iles",
        "/files%2f",
        "/files%2Fx",
        "/%2ffiles",
        "/files%5cx",
        "/files\\x",
        "/FILES",
        "/files;a=b",
        "/files?x=/open",
        "/files#x",
        "/files%00",
        "/files%20",
        "/.well-known/../files",
        "/open/..%2ffiles",
        "/files/%2e%2e/files",
        "/files/mail",
        "/files/mail/%2e%2e",
    ];
    let relative = paths
        .iter()
        .flat_map(|path| hosts.map(|host| ((*path).to_owned(), host)));
    let absolute = hosts
        .iter()
        .filter(|host| !host.is_empty())
        .flat_map(|authority| {
            paths.iter().flat_map(move |path| {
                let target = format!("http://{authority}{path}");
                [(target.clone(), *authority), (target, "evil.example")]
            })
        });
    let targets: Vec<_> = relative.chain(absolute).collect();
    let answers = raw_answers(&targets).await;
    let (mut refused, mut open) = (0, 0);
    for ((target, host), answer) in targets.iter().zip(&answers) {
        assert!(
            !answer.ends_with("gated"),
            "{target} for {host:?}: {answer}"
        );
        refused += usize::from(!answer.starts_with("HTTP/1.1 200"));
        open += usize::from(answer.ends_with("open"));
    }
    assert!(refused > 500 && open > 20, "{refused} refused, {open} open");
}
