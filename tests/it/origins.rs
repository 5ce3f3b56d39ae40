//! Web pages: which may talk to the server, and that those can read what it answers.

use http::{Method, Request, StatusCode};
use http_body_util::Full;
use serde_json::json;
use toolgate::{RefusalKind, ScopeMap};

use crate::logs::listen;
use crate::world::{Answer, World, bare, call, post};

fn with_origin<B>(mut request: Request<B>, origin: &str) -> Request<B> {
    request
        .headers_mut()
        .insert("origin", origin.parse().unwrap());
    request
}

fn preflight(origin: &str, asked: &str) -> Request<Full<bytes::Bytes>> {
    let mut request = with_origin(bare(Method::OPTIONS, "/mcp"), origin);
    request
        .headers_mut()
        .insert("access-control-request-method", "POST".parse().unwrap());
    request
        .headers_mut()
        .insert("access-control-request-headers", asked.parse().unwrap());
    request
}

fn assert_readable(answer: &Answer, origin: &str) {
    assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
    assert_eq!(answer.header("vary"), Some("Origin"));
    assert_eq!(
        answer.header("access-control-expose-headers"),
        Some("WWW-Authenticate, DPoP-Nonce, Retry-After, Mcp-Session-Id")
    );
}

#[tokio::test]
async fn a_foreign_origin_is_refused_on_every_method_even_with_a_good_token() {
    let world = World::new().await;
    let token = world.token().mint();
    for origin in [
        "https://evil.example",
        "null",
        "http://localhost.evil.example",
        "https://mcp.example.com:8443",
    ] {
        for method in [
            Method::GET,
            Method::POST,
            Method::DELETE,
            Method::OPTIONS,
            Method::HEAD,
        ] {
            let mut request = with_origin(bare(method, "/mcp"), origin);
            request
                .headers_mut()
                .insert("authorization", format!("Bearer {token}").parse().unwrap());
            let answer = world.send(request).await;
            assert_eq!(
                (answer.status, answer.kind),
                (StatusCode::FORBIDDEN, Some(RefusalKind::OriginNotAllowed))
            );
            assert_eq!(answer.challenge(), None);
            assert_eq!(answer.header("access-control-allow-origin"), None);
        }
        assert_eq!(
            world.send(preflight(origin, "authorization")).await.status,
            StatusCode::FORBIDDEN
        );
    }
}

#[tokio::test]
async fn two_origin_lines_are_a_bad_request() {
    let world = World::new().await;
    let mut request = with_origin(bare(Method::GET, "/mcp"), "http://localhost");
    request
        .headers_mut()
        .append("origin", "https://mcp.example.com".parse().unwrap());
    world
        .send(request)
        .await
        .assert_rpc_error("duplicate_header", -32600, &json!(null));
}

#[tokio::test]
async fn an_allowed_page_can_read_the_answer_whether_good_or_bad() {
    let world = World::new().await;
    let list = call("tools/list", json!({}));
    for origin in [
        "https://mcp.example.com",
        "http://localhost:6274",
        "http://127.0.0.1:1",
        "https://[::1]:9",
    ] {
        let served = world
            .send(with_origin(post(&world.token().mint(), &list), origin))
            .await;
        served.assert_served();
        assert_readable(&served, origin);
        let refused = world
            .send(with_origin(bare(Method::POST, "/mcp"), origin))
            .await;
        refused.assert_asks_for_a_token();
        assert_readable(&refused, origin);
    }
}

#[tokio::test]
async fn a_preflight_of_an_allowed_page_needs_no_token() {
    let world = World::new().await;
    let asked = "authorization, mcp-param-region, Mcp-Param-Zone, x-evil, mcp-param-b\u{7f}";
    let asked = http::HeaderValue::from_bytes(asked.replace('\u{7f}', "(").as_bytes()).unwrap();
    let mut request = preflight("http://localhost:6274", "");
    request
        .headers_mut()
        .insert("access-control-request-headers", asked);
    let answer = world.send(request).await;
    assert_eq!((answer.status, answer.kind), (StatusCode::NO_CONTENT, None));
    assert_readable(&answer, "http://localhost:6274");
    let allowed = answer.header("access-control-allow-headers").unwrap();
    for name in [
        "Authorization",
        "Content-Type",
        "MCP-Protocol-Version",
        "Mcp-Method",
        "Mcp-Name",
        "Mcp-Session-Id",
        "Last-Event-ID",
        "DPoP",
        "mcp-param-region",
        "Mcp-Param-Zone",
    ] {
        assert!(
            allowed.split(", ").any(|held| held == name),
            "{name} is not in {allowed}"
        );
    }
    assert!(
        !allowed.contains("evil") && !allowed.contains('('),
        "{allowed}"
    );
    for method in ["GET", "POST", "DELETE"] {
        assert!(
            answer
                .header("access-control-allow-methods")
                .unwrap()
                .contains(method)
        );
    }
    assert_eq!(world.reached_count(), 0);
}

#[tokio::test]
async fn options_that_is_no_preflight_needs_a_token_like_everything_else() {
    let world = World::new().await;
    world
        .send(bare(Method::OPTIONS, "/mcp"))
        .await
        .assert_asks_for_a_token();
    world
        .send(with_origin(
            bare(Method::OPTIONS, "/mcp"),
            "http://localhost",
        ))
        .await
        .assert_asks_for_a_token();
    let mut request = bare(Method::OPTIONS, "/mcp");
    request
        .headers_mut()
        .insert("access-control-request-method", "POST".parse().unwrap());
    world.send(request).await.assert_asks_for_a_token();
}

#[tokio::test]
async fn a_list_adds_origins_and_any_allows_all() {
    let scopes = ScopeMap::allow_unlisted;
    let listed = World::with(|builder, server| {
        let builder = builder
            .allow_origin("null")
            .allow_origin("vscode-webview://*");
        builder
            .allow_origin("https://play.example")
            .issuer(server.issuer())
            .scopes(scopes())
    })
    .await;
    for origin in [
        "null",
        "vscode-webview://abc",
        "https://play.example",
        "http://localhost",
    ] {
        listed
            .send(with_origin(bare(Method::GET, "/mcp"), origin))
            .await
            .assert_asks_for_a_token();
    }
    let any = World::with(|builder, server| {
        builder
            .allow_any_origin()
            .issuer(server.issuer())
            .scopes(scopes())
    })
    .await;
    let answer = any
        .send(with_origin(
            bare(Method::GET, "/mcp"),
            "https://evil.example",
        ))
        .await;
    answer.assert_asks_for_a_token();
    assert_readable(&answer, "https://evil.example");
}

#[tokio::test]
async fn a_warning_at_start_up_says_that_every_web_page_may_send_requests() {
    for (allowed, shown, warns) in [
        (r#""any""#, "any", true),
        (r#"["null"]"#, "null", true),
        (r#"["https://play.example"]"#, "https://play.example", false),
    ] {
        let (log, _guard) = listen();
        let file = format!(
            "resource = 'https://mcp.example.com/mcp'\nissuers.main.issuer = 'https://auth.example.com'\n\
             scopes.unlisted = 'deny'\norigins.allowed = {allowed}"
        );
        let config: toolgate::Config = toml::from_str(&file).unwrap();
        config.into_builder().build().unwrap();
        let events = log.events();
        assert_eq!(
            events[0]["fields"]["origins"],
            format!("https://mcp.example.com localhost {shown}")
        );
        let warned = events.iter().filter(|event| event["level"] == "WARN");
        let messages: Vec<_> = warned.map(|event| &event["fields"]["message"]).collect();
        let message = "every web page may send requests: only the token protects this server from pages that its users visit";
        assert_eq!(messages, if warns { vec![message] } else { vec![] });
    }
}

#[tokio::test]
async fn cors_headers_can_be_left_to_a_layer_outside() {
    let world = World::with(|builder, server| {
        builder
            .leave_cors_to_others()
            .issuer(server.issuer())
            .scopes(ScopeMap::allow_unlisted())
    })
    .await;
    let answer = world
        .send(with_origin(bare(Method::GET, "/mcp"), "http://localhost"))
        .await;
    answer.assert_asks_for_a_token();
    assert_eq!(answer.header("access-control-allow-origin"), None);
    let answer = world
        .send(with_origin(
            bare(Method::GET, "/mcp"),
            "https://evil.example",
        ))
        .await;
    assert_eq!(answer.kind, Some(RefusalKind::OriginNotAllowed));
}
