//! A world of three resources, one of them with two names, on two hosts, and five tenants, over two issuers. A token for one
//! of them is of no use at any other, however host and path are spelled.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::{Path, Request as Incoming};
use axum::routing::any;
use bytes::Bytes;
use futures_util::StreamExt;
use http::{Request, StatusCode, Version};
use http_body_util::Full;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use toolgate::testing::AuthorizationServer;
use toolgate::{Gates, Resource};

use crate::challenge::Challenge;
use crate::gates::{FILES, MAIL, MAPS, MAPS_TOO, NAMES, Town, request_to, send, split};
use crate::tenants::{BY_LABEL, Registry, trusting, url};
use crate::transports::open;

/// The last one has the host of two resources.
const TENANTS: [&str; 5] = ["acme", "globex", "initech", "umbrella", "mcp"];

const BY_SEGMENT: &str = "https://mcp.example.com/t/{tenant}/mcp";

struct World {
    town: Town,
    registry: Registry,
    template: &'static str,
}

impl World {
    async fn new(template: &'static str) -> Self {
        let (town, registry) = (Town::new().await, Registry::new());
        for (name, issuers) in TENANTS.iter().zip([
            &[&town.main][..],
            &[&town.main],
            &[&town.other],
            &[&town.main, &town.other],
            &[&town.other],
        ]) {
            registry.tenant(name, trusting(issuers));
        }
        Self {
            town,
            registry,
            template,
        }
    }

    fn refusing(&self) -> Gates {
        let tenants = self.registry.tenants(self.template);
        tenants
            .not_found_elsewhere(self.town.gates.clone())
            .unwrap()
    }

    fn passing(&self) -> Gates {
        let tenants = self.registry.tenants(self.template);
        tenants.ungated_elsewhere(self.town.gates.clone()).unwrap()
    }

    /// The URLs of all resources, under all names.
    fn urls(&self) -> Vec<String> {
        let tenants = TENANTS.iter();
        let tenants = tenants.map(|name| self.template.replace("{tenant}", name));
        let names = NAMES.iter().map(|name| (*name).to_owned());
        names.chain(tenants).collect()
    }

    /// Whether the resource at this URL trusts the main issuer, and the other one.
    fn trusts(&self, url: &str) -> (bool, bool) {
        let is = |name: &str| url == self.template.replace("{tenant}", name);
        let main = !is("initech") && !is("mcp");
        let other = [MAPS, MAPS_TOO].contains(&url) || !main || is("umbrella");
        (main, other)
    }

    fn token(&self, server: &AuthorizationServer, url: &str) -> String {
        server.token().audience(url).scope("mcp:use").mint()
    }
}

fn identifier(url: &str) -> &str {
    if url == MAPS_TOO { MAPS } else { url }
}

#[tokio::test]
async fn a_token_for_one_resource_alias_or_tenant_is_refused_by_all_others() {
    for template in [BY_LABEL, BY_SEGMENT] {
        let world = World::new(template).await;
        let gates = world.refusing();
        for audience in world.urls() {
            for (of_main, server) in [(true, &world.town.main), (false, &world.town.other)] {
                let token = world.token(server, &audience);
                for here in world.urls() {
                    let (main, other) = world.trusts(&here);
                    let is_trusted = if of_main { main } else { other };
                    let seen = send(&gates, request_to(&here, Some(&token))).await;
                    if is_trusted && identifier(&audience) == identifier(&here) {
                        seen.assert_served_as(&here);
                        continue;
                    }
                    let code = match is_trusted {
                        true => "audience_mismatch",
                        false => "issuer_mismatch",
                    };
                    assert_eq!(seen.code, Some(code), "{audience} at {here}");
                    assert_eq!(seen.status, StatusCode::UNAUTHORIZED);
                    assert!(seen.inner.is_none());
                    assert_eq!(seen.challenge().get("error"), Some("invalid_token"));
                    let document = seen
                        .challenge()
                        .get("resource_metadata")
                        .unwrap()
                        .to_owned();
                    assert_eq!(document, metadata_url(&here));
                }
            }
        }
    }
}

fn metadata_url(url: &str) -> String {
    let (host, path) = split(url);
    format!("https://{host}/.well-known/oauth-protected-resource{path}")
}

#[tokio::test]
async fn the_document_of_each_names_it_and_its_issuers_and_no_host_that_is_not_configured() {
    for template in [BY_LABEL, BY_SEGMENT] {
        let world = World::new(template).await;
        for (gates, passes) in [(world.refusing(), false), (world.passing(), true)] {
            for url in world.urls() {
                let document = metadata_url(&url);
                let (host, path) = split(&document);
                let get = |host: &str| {
                    let request = Request::get(path).header("host", host);
                    request.body(Full::default()).unwrap()
                };
                let seen = send(&gates, get(host)).await;
                assert_eq!(seen.json()["resource"], url);
                let (main, other) = world.trusts(&url);
                let servers = [(main, &world.town.main), (other, &world.town.other)];
                let servers = servers.iter().filter(|(is_trusted, _)| *is_trusted);
                let servers: Vec<_> = servers.map(|(_, server)| server.issuer()).collect();
                assert_eq!(
                    seen.json()["authorization_servers"],
                    serde_json::json!(servers)
                );
                for host in [
                    "evil.example",
                    "x.evil.example",
                    "evil.example.com.evil.example",
                ] {
                    let seen = send(&gates, get(host)).await;
                    let told = format!("{:?} {:?}", seen.headers, seen.body);
                    assert!(!told.contains("evil"), "{told}");
                    assert!(seen.inner.is_none() || passes, "{document} under {host}");
                }
            }
        }
    }
}

/// The inner service of the sockets. It says which resource it was given, and whether the path is one that a gate protects.
fn inner(gates: &Gates) -> Router {
    let shown = |request: &Incoming| {
        let resource = request.extensions().get::<Resource>();
        resource.map_or("none", Resource::as_str).to_owned()
    };
    let gated = move |request: Incoming| {
        let shown = shown(&request);
        async move { format!("gated<{shown}>") }
    };
    let of_tenant = |Path(parts): Path<Vec<(String, String)>>, request: Incoming| async move {
        let name = &parts[0].1;
        let resource = request.extensions().get::<Resource>().map(Resource::as_str);
        let named = BY_SEGMENT.replace("{tenant}", name);
        assert_eq!(resource, Some(named.as_str()), "as the router reads it");
        format!("gated<{named}>")
    };
    Router::new()
        .route("/files", any(gated))
        .route("/files/{*rest}", any(gated))
        .route("/mcp", any(gated))
        .route("/mcp/{*rest}", any(gated))
        .route("/v2/mcp", any(gated))
        .route("/t/{tenant}/mcp", any(of_tenant))
        .route("/t/{tenant}/mcp/{*rest}", any(of_tenant))
        .fallback(any(async || "open"))
        .layer(gates.layer())
}

async fn serve(gates: &Gates) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = inner(gates);
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

async fn raw(address: SocketAddr, target: &str, host: &str, token: Option<&str>) -> String {
    let token = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
    let token = token.unwrap_or_default();
    let request =
        format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{token}Connection: close\r\n\r\n");
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn hosts() -> Vec<String> {
    let mut hosts = vec!["evil.example".to_owned(), String::new()];
    for host in [
        "mcp.example.com",
        "maps.example.org",
        "maps.example.net",
        "acme.example.com",
        "initech.example.com",
    ] {
        hosts.extend([
            host.to_owned(),
            host.to_uppercase(),
            format!("{host}."),
            format!("{host}:443"),
            format!("{host}:80"),
            format!("{host}.:443"),
            format!("{host}:8443"),
            format!("user@{host}"),
            format!("x.{host}"),
            format!("{host}.evil.example"),
        ]);
    }
    hosts
}

fn paths(template: &str) -> Vec<String> {
    let mut paths = Vec::new();
    let more = match template {
        BY_SEGMENT => &["/t/acme/mcp", "/t/initech/mcp"][..],
        _ => &["/mcp"][..],
    };
    for path in ["/files", "/files/mail", "/v2/mcp"].iter().chain(more) {
        let (first, rest) = path.split_at(2);
        let last = path.rfind('/').unwrap();
        let (start, end) = path.split_at(last);
        paths.extend([
            (*path).to_owned(),
            format!("{path}/"),
            format!("{path}/x"),
            format!("/{path}"),
            format!("/.{path}"),
            format!("/x/..{path}"),
            format!("{path}/."),
            format!("{path}/.."),
            format!("{path}/%2e%2e/files"),
            format!("{path}%2f"),
            format!("{path}%5cx"),
            format!("{path}\\x"),
            format!("{path};a=b"),
            format!("{path}?x=/open"),
            format!("{path}%00"),
            format!("{path}%20"),
            path.to_uppercase(),
            format!("/%{:02x}{rest}", first.as_bytes()[1]),
            format!("{start}%2f{}", &end[1..]),
            format!("{start}//{}", &end[1..]),
            format!("{start}/./{}", &end[1..]),
            format!("{start}/%{:02X}{}", end.as_bytes()[1], &end[2..]),
            format!("/.well-known/..{path}"),
            format!("/.well-known/oauth-protected-resource{path}"),
        ]);
    }
    paths
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_spelling_of_host_and_path_that_hyper_and_axum_let_through_opens_another_resource() {
    for template in [BY_LABEL, BY_SEGMENT] {
        let world = World::new(template).await;
        let address = serve(&world.passing()).await;
        let acme = template.replace("{tenant}", "acme");
        let urls = world.urls();
        let tokens: Vec<_> = [MAIL, MAPS, acme.as_str()]
            .map(|url| (Some(url), Some(world.token(&world.town.main, url))))
            .into_iter()
            .chain([(None, None)])
            .collect();
        let mut targets = Vec::new();
        for path in paths(template) {
            for host in hosts() {
                if !host.is_empty() {
                    let absolute = format!("http://{host}{path}");
                    targets.push((absolute.clone(), host.clone()));
                    targets.push((absolute, "evil.example".to_owned()));
                }
                targets.push((path.clone(), host));
            }
        }
        // Each target meets one of the tokens, and each token meets every host and every path.
        let requests = targets.iter().enumerate().map(|(number, target)| {
            let token = &tokens[number % tokens.len()];
            (target, token)
        });
        let answers = futures_util::stream::iter(requests)
            .map(|(target, token)| async move {
                let answer = raw(address, &target.0, &target.1, token.1.as_deref()).await;
                (target, token, answer)
            })
            .buffer_unordered(32);
        let answers: Vec<_> = answers.collect().await;
        let (mut served, mut open, mut refused) = (0, 0, 0);
        for ((target, host), (of, _), answer) in &answers {
            let about = format!("{target} for {host:?} with {of:?}: {answer}");
            assert!(!answer.is_empty(), "{about}");
            assert!(!answer.to_lowercase().contains("evil"), "{about}");
            if let Some((_, resource)) = answer.split_once("gated<") {
                let resource = resource.trim_end_matches('>');
                let resource = identifier(resource);
                assert_eq!(Some(resource), of.as_deref().map(identifier), "{about}");
                served += 1;
            } else if answer.ends_with("open") {
                open += 1;
            } else {
                refused += 1;
            }
            let (head, _) = answer.split_once("\r\n\r\n").unwrap();
            for line in head
                .lines()
                .filter(|line| line.starts_with("www-authenticate: Bearer"))
            {
                let named = urls.iter().any(|url| {
                    line.contains(&format!("resource_metadata=\"{}\"", metadata_url(url)))
                });
                assert!(named, "{about}");
            }
        }
        assert!(
            served > 20 && open > 20 && refused > 5000,
            "{served} served, {open} open, {refused} refused"
        );
    }
}

#[tokio::test]
async fn over_http2_the_authority_names_the_tenant_and_a_host_that_differs_is_refused() {
    let world = World::new(BY_LABEL).await;
    let address = serve(&world.passing()).await;
    let of = |url: &str| Some(metadata_url(url));
    for (authority, host, status, document) in [
        ("acme.example.com", None, 401, of(&url("acme"))),
        ("ACME.example.com.:443", None, 401, of(&url("acme"))),
        (
            "acme.example.com",
            Some("acme.example.com:80"),
            401,
            of(&url("acme")),
        ),
        ("acme.example.com", Some("globex.example.com"), 400, None),
        ("acme.example.com", Some("maps.example.org"), 400, None),
        ("maps.example.org", Some("acme.example.com"), 400, None),
        ("acme.example.com", Some(""), 400, None),
        ("maps.example.org", None, 401, of(MAPS)),
        ("mcp.example.com", None, 401, of(&url("mcp"))),
        ("acme.example.com:8443", None, 404, None),
        ("a.acme.example.com", None, 404, None),
        ("unknown.example.com", None, 404, None),
        ("evil.example", None, 404, None),
        ("user@acme.example.com", None, 404, None),
    ] {
        let mut request = Request::post(format!("http://{authority}/mcp"));
        if let Some(host) = host {
            request = request.header("host", host);
        }
        let request = request.body(Full::<Bytes>::default()).unwrap();
        let answer = open(address, Version::HTTP_2, request).await;
        assert_eq!(answer.status(), status, "{authority} {host:?}");
        let challenge = Challenge::of(answer.headers());
        let named = challenge.and_then(|it| it.get("resource_metadata").map(str::to_owned));
        assert_eq!(named, document, "{authority} {host:?}");
    }
    let (host, path) = split(FILES);
    let request = Request::post(format!("http://{host}{path}"));
    let request = request.body(Full::<Bytes>::default()).unwrap();
    assert_eq!(open(address, Version::HTTP_2, request).await.status(), 401);
}
