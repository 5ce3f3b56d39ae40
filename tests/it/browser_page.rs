//! The page for a person who opens the URL of the resource in a browser. Other clients do not get it.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderValue, Method, Request};
use http_body_util::Full;
use serde_json::json;
use toolgate::{Metadata, ScopeMap, without_token};

use crate::world::{Answer, RESOURCE, World, bare, call, post_without_token};

/// As browsers send them for a URL that a person types.
const BROWSERS: [(&str, &str); 4] = [
    (
        "Chromium",
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,\
         application/signed-exchange;v=b3;q=0.7",
    ),
    (
        "Firefox and Safari",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    ),
    (
        "Lynx",
        "text/html, text/plain, text/sgml, text/css, application/xhtml+xml, */*;q=0.01",
    ),
    ("w3m", "text/html, text/*;q=0.5, image/*, application/*"),
];

/// As programs send them, and what a browser sends for what is no page.
const PROGRAMS: [(&str, &str); 7] = [
    ("curl", "*/*"),
    ("an MCP client", "application/json, text/event-stream"),
    ("an MCP client that listens", "text/event-stream"),
    (
        "a client that takes anything",
        "application/json, text/html",
    ),
    ("no taste for HTML", "text/html;q=0"),
    ("little taste for HTML", "text/html;q=0.1, application/json"),
    (
        "Chromium, for an icon",
        "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8",
    ),
];

fn get(method: Method, accept: &str) -> Request<Full<Bytes>> {
    let mut request = bare(method, "/mcp?secret=%3Cscript%3E");
    request
        .headers_mut()
        .insert("accept", accept.parse().unwrap());
    request
}

async fn page(world: &World) -> Answer {
    let answer = world.send(get(Method::GET, BROWSERS[0].1)).await;
    assert_is_page(&answer);
    answer
}

#[track_caller]
fn assert_is_page(answer: &Answer) {
    answer.assert_asks_for_a_token();
    assert_eq!(
        answer.header("content-type"),
        Some("text/html; charset=utf-8")
    );
}

/// All headers but those that say what the body is.
fn without_the_page(answer: &Answer) -> Vec<(String, HeaderValue)> {
    let of_the_page = [
        "content-type",
        "content-security-policy",
        "x-content-type-options",
    ];
    let headers = answer.headers.iter();
    headers
        .map(|(name, value)| (name.to_string(), value.clone()))
        .filter(|(name, _)| !of_the_page.contains(&name.as_str()))
        .collect()
}

#[tokio::test]
async fn a_person_with_a_browser_gets_a_page_in_the_same_401() {
    let world = World::new().await;
    let usual = world.send(get(Method::GET, "*/*")).await;
    assert_eq!(usual.header("content-type"), Some("application/json"));
    assert_eq!(usual.header("content-security-policy"), None);
    for (browser, accept) in BROWSERS {
        for method in [Method::GET, Method::HEAD] {
            let answer = world.send(get(method, accept)).await;
            assert_is_page(&answer);
            assert_eq!(
                without_the_page(&answer),
                without_the_page(&usual),
                "{browser}"
            );
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
            assert!(answer.text().contains(RESOURCE), "{browser}");
        }
    }
}

#[tokio::test]
async fn programs_get_what_they_always_got() {
    let world = World::new().await;
    let usual = world.send(bare(Method::GET, "/mcp")).await;
    for (program, accept) in PROGRAMS {
        let answer = world.send(get(Method::GET, accept)).await;
        assert_eq!(answer.headers, usual.headers, "{program}");
        assert_eq!(answer.body, usual.body, "{program}");
    }
    for method in [
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::OPTIONS,
        Method::PATCH,
    ] {
        let answer = world.send(get(method, BROWSERS[0].1)).await;
        answer.assert_asks_for_a_token();
        assert_eq!(answer.headers, usual.headers);
        assert_eq!(answer.body, usual.body);
    }
}

#[tokio::test]
async fn a_token_or_what_should_be_one_is_never_answered_with_the_page() {
    let world = World::new().await;
    let with = |authorization: &str| {
        let mut request = get(Method::GET, BROWSERS[0].1);
        request
            .headers_mut()
            .insert("authorization", authorization.parse().unwrap());
        request
    };
    let expired = world.token().expires_in(-3600).mint();
    let poor = world.token().scope("other").mint();
    for (authorization, status) in [
        (format!("Bearer {expired}"), 401),
        ("Bearer nonsense".to_owned(), 401),
        ("Bearer a b".to_owned(), 400),
        (format!("Bearer {poor}"), 403),
    ] {
        let answer = world.send(with(&authorization)).await;
        assert_eq!(answer.status, status, "{authorization}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    // To the gate these are requests without a token.
    for authorization in ["Basic YTpi", "Bearer"] {
        assert_is_page(&world.send(with(authorization)).await);
    }
    let good = world.token().mint();
    world
        .send(with(&format!("Bearer {good}")))
        .await
        .assert_served();
}

#[tokio::test]
async fn the_page_runs_nothing_and_may_have_no_style_but_its_own() {
    let world = World::new().await;
    let answer = page(&world).await;
    let text = answer.text();
    let (_, styles) = text.split_once("<style>").unwrap();
    let (styles, _) = styles.split_once("</style>").unwrap();
    let hash = STANDARD.encode(digest(&SHA256, styles.as_bytes()));
    let policy = format!("default-src 'none'; style-src 'sha256-{hash}'");
    assert_eq!(
        answer.header("content-security-policy"),
        Some(policy.as_str())
    );
    for never in ["<script", " style=", "href=", "src=", "<form", "url("] {
        assert!(!text.contains(never), "{never}");
    }
}

#[tokio::test]
async fn the_page_repeats_the_configuration_escaped_and_nothing_of_the_request() {
    let name = "Tom & Jerry's <script> \"files\" {{resource}}";
    let world = World::with(|builder, server| {
        let metadata = Metadata::default().resource_name(name);
        let builder = builder.issuer(server.issuer()).metadata(metadata);
        builder.scopes(ScopeMap::allow_unlisted().every_request("mcp:use"))
    })
    .await;
    let text = page(&world).await.text();
    let shown = "Tom &amp; Jerry&#39;s &lt;script&gt; &quot;files&quot; {{resource}}";
    assert!(text.contains(&format!("<h1>{shown}</h1>")), "{text}");
    assert!(text.contains(&format!("<title>{shown}</title>")));
    assert!(!text.contains("secret") && !text.contains("<script"));

    let other = world.send({
        let mut request = get(Method::GET, BROWSERS[0].1);
        *request.uri_mut() = "/elsewhere".parse().unwrap();
        request
            .headers_mut()
            .insert("user-agent", HeaderValue::from_static("elsewhere"));
        request
    });
    assert_eq!(other.await.text(), text);

    let nameless = page(&World::new().await).await.text();
    assert!(nameless.contains("<h1>MCP server</h1>"));
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_may_read_the_challenge_as_before() {
    let world = World::new().await;
    let from_page = |accept: &str| {
        let mut request = get(Method::GET, accept);
        request
            .headers_mut()
            .insert("origin", HeaderValue::from_static("http://localhost:6274"));
        request
    };
    let usual = world.send(from_page("*/*")).await;
    let answer = world.send(from_page(BROWSERS[1].1)).await;
    assert_is_page(&answer);
    assert_eq!(without_the_page(&answer), without_the_page(&usual));
    assert!(answer.header("access-control-expose-headers").is_some());
}

#[tokio::test]
async fn a_gate_that_opens_something_shows_the_page_too_and_serves_what_is_open() {
    let world =
        World::with_scopes(ScopeMap::deny_unlisted().tool("opening_hours", without_token())).await;
    let open = call("tools/call", json!({ "name": "opening_hours" }));
    let mut open = post_without_token(&open);
    open.headers_mut()
        .insert("accept", BROWSERS[0].1.parse().unwrap());
    world.send(open).await.assert_served();
    page(&world).await;
}
