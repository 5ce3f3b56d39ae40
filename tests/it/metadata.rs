//! The metadata document, where it is, and that nothing else is public.

use http::{Method, StatusCode};
use serde_json::json;
use toolgate::{Builder, Issuer, Metadata, ScopeMap};

use crate::world::{METADATA_URL, RESOURCE, World, bare};

const PATH: &str = "/.well-known/oauth-protected-resource/mcp";
const ROOT: &str = "/.well-known/oauth-protected-resource";

fn open(builder: Builder, issuer: &str) -> Builder {
    builder
        .issuer(issuer)
        .scopes(ScopeMap::allow_unlisted().every_request("mcp:use"))
}

#[tokio::test]
async fn the_document_agrees_with_the_challenge() {
    let world = World::new().await;
    let challenge = world
        .send(bare(Method::POST, "/mcp"))
        .await
        .challenge()
        .unwrap();
    assert_eq!(challenge.get("resource_metadata"), Some(METADATA_URL));
    assert_eq!(world.gate.metadata_url(), METADATA_URL);

    let answer = world.send(bare(Method::GET, PATH)).await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (StatusCode::OK, Some("application/json"))
    );
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("cache-control"), Some("max-age=3600"));
    let document = answer.json();
    assert_eq!(
        document,
        json!({
            "resource": RESOURCE,
            "authorization_servers": [world.server.issuer()],
            "scopes_supported": challenge.scopes(),
            "bearer_methods_supported": ["header"],
            "dpop_signing_alg_values_supported": ["ES256", "ES384", "EdDSA", "PS256", "RS256"],
        })
    );
    assert_eq!(world.reached_count(), 0);
}

#[tokio::test]
async fn a_copy_lies_at_the_root_unless_switched_off() {
    let world = World::new().await;
    let root = world.send(bare(Method::GET, ROOT)).await;
    assert_eq!(root.body, world.send(bare(Method::GET, PATH)).await.body);
    assert_eq!(world.gate.metadata_paths(), [PATH, ROOT]);

    let without = World::with(|builder, server| {
        open(builder, server.issuer()).metadata(Metadata::default().without_root_copy())
    })
    .await;
    without
        .send(bare(Method::GET, ROOT))
        .await
        .assert_asks_for_a_token();
    assert_eq!(without.gate.metadata_paths(), [PATH]);
}

#[tokio::test]
async fn only_get_head_and_preflight_are_answered_there() {
    let world = World::new().await;
    let get = world.send(bare(Method::GET, PATH)).await;
    let head = world.send(bare(Method::HEAD, PATH)).await;
    assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
    assert_eq!(
        head.header("content-length"),
        Some(get.body.len().to_string().as_str())
    );

    let mut request = bare(Method::OPTIONS, PATH);
    request
        .headers_mut()
        .insert("origin", "https://any.example".parse().unwrap());
    request
        .headers_mut()
        .insert("access-control-request-method", "GET".parse().unwrap());
    let preflight = world.send(request).await;
    assert_eq!(preflight.status, StatusCode::NO_CONTENT);
    assert_eq!(preflight.header("access-control-allow-origin"), Some("*"));

    for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
        let answer = world.send(bare(method, PATH)).await;
        assert_eq!(
            (answer.status, answer.header("allow")),
            (StatusCode::METHOD_NOT_ALLOWED, Some("GET, HEAD, OPTIONS"))
        );
    }
    assert_eq!(world.reached_count(), 0);
}

#[tokio::test]
async fn a_foreign_origin_may_read_the_document_too() {
    let world = World::new().await;
    let mut request = bare(Method::GET, PATH);
    request
        .headers_mut()
        .insert("origin", "https://any.example".parse().unwrap());
    let answer = world.send(request).await;
    assert_eq!(
        (answer.status, answer.header("access-control-allow-origin")),
        (StatusCode::OK, Some("*"))
    );
}

#[tokio::test]
async fn a_path_that_only_looks_well_known_is_exempt_from_nothing() {
    let world = World::new().await;
    for path in [
        "/mcp/.well-known/oauth-protected-resource",
        "/mcp/../.well-known/oauth-protected-resource/mcp",
        "/.well-known/oauth-protected-resource/mcp/",
        "/.well-known/oauth-protected-resource/mcp/x",
        "/.well-known/oauth-protected-resource/mcp%2f..",
        "/.well-known/oauth-protected-resource/other",
        "/.well-known/oauth-protected-resource-x",
        "/.well-known/OAuth-protected-resource/mcp",
        "/.well-known/oauth-protected-resource/../../mcp",
        "//.well-known/oauth-protected-resource/mcp",
        "/.well-known//oauth-protected-resource/mcp",
        "/.well-known/oauth-protected-resource/mcp;x",
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
        "/x?/.well-known/oauth-protected-resource",
    ] {
        world
            .send(bare(Method::GET, path))
            .await
            .assert_asks_for_a_token();
    }
}

#[tokio::test]
async fn host_and_forwarded_headers_do_not_change_the_document() {
    let world = World::new().await;
    let plain = world.send(bare(Method::GET, PATH)).await.body;
    let mut request = bare(Method::GET, PATH);
    for name in ["host", "x-forwarded-host", "x-forwarded-proto", "forwarded"] {
        request
            .headers_mut()
            .insert(name, "evil.example".parse().unwrap());
    }
    assert_eq!(world.send(request).await.body, plain);
}

#[tokio::test]
async fn descriptive_members_appear_as_set_and_empty_ones_do_not() {
    let world = World::with(|builder, server| {
        let metadata = Metadata::default()
            .resource_name("Example")
            .resource_documentation("https://mcp.example.com/docs")
            .resource_policy_uri("https://mcp.example.com/policy")
            .resource_tos_uri("https://mcp.example.com/tos")
            .jwks_uri("https://mcp.example.com/jwks")
            .resource_signing_algorithms(["ES256"])
            .scopes_supported(["mcp:use", "files:read"])
            .extra("resource_name#fr", "Exemple")
            .extra("x_true", true);
        builder
            .issuer(server.issuer())
            .scopes(ScopeMap::allow_unlisted())
            .metadata(metadata)
    })
    .await;
    let document = world.send(bare(Method::GET, PATH)).await.json();
    assert_eq!(
        document,
        json!({
            "resource": RESOURCE,
            "authorization_servers": [world.server.issuer()],
            "scopes_supported": ["mcp:use", "files:read"],
            "bearer_methods_supported": ["header"],
            "dpop_signing_alg_values_supported": ["ES256", "ES384", "EdDSA", "PS256", "RS256"],
            "resource_name": "Example",
            "resource_documentation": "https://mcp.example.com/docs",
            "resource_policy_uri": "https://mcp.example.com/policy",
            "resource_tos_uri": "https://mcp.example.com/tos",
            "jwks_uri": "https://mcp.example.com/jwks",
            "resource_signing_alg_values_supported": ["ES256"],
            "resource_name#fr": "Exemple",
            "x_true": true,
        })
    );
    let bare_world = World::with_scopes(ScopeMap::allow_unlisted()).await;
    assert!(
        bare_world
            .send(bare(Method::GET, PATH))
            .await
            .json()
            .get("scopes_supported")
            .is_none()
    );
}

#[tokio::test]
async fn an_issuer_can_be_left_out_or_advertised_under_another_url() {
    let world = World::with(|builder, server| {
        let keys = server.jwks().to_string();
        builder
            .issuer(
                Issuer::new("acme.com")
                    .jwks(keys.clone())
                    .advertised_as("https://login.acme.example"),
            )
            .issuer(
                Issuer::new("https://hidden.example")
                    .jwks(keys)
                    .not_advertised(),
            )
            .issuer(server.issuer())
            .scopes(ScopeMap::allow_unlisted())
    })
    .await;
    let document = world.send(bare(Method::GET, PATH)).await.json();
    assert_eq!(
        document["authorization_servers"],
        json!(["https://login.acme.example", world.server.issuer()])
    );
    for issuer in ["acme.com", "https://hidden.example"] {
        world
            .list_with(&world.token().claim("iss", issuer).mint())
            .await
            .assert_served();
    }
}

#[tokio::test]
async fn scopes_are_published_and_asked_for_with_the_issuers_prefix() {
    let world = World::with(|builder, server| {
        let issuer = Issuer::new(server.issuer()).scope_request_prefix("api://x/");
        builder.issuer(issuer).scopes(
            ScopeMap::allow_unlisted()
                .every_request("read")
                .tool("t", "write"),
        )
    })
    .await;
    let document = world.send(bare(Method::GET, PATH)).await.json();
    assert_eq!(document["scopes_supported"], json!(["api://x/read"]));
    let challenge = world
        .send(bare(Method::POST, "/mcp"))
        .await
        .challenge()
        .unwrap();
    assert_eq!(challenge.scopes(), ["api://x/read"]);
    let token = world.token().scope("read").mint();
    world
        .call_tool(&token, "t")
        .await
        .assert_needs(&["api://x/read", "api://x/write"]);
}

#[tokio::test]
async fn a_resource_with_a_query_has_its_document_there_query_and_all() {
    let world = World::new().await;
    let gate = open(
        toolgate::Toolgate::builder("https://h.example/mcp?t=1"),
        world.server.issuer(),
    )
    .build()
    .unwrap();
    assert_eq!(
        gate.metadata_url(),
        "https://h.example/.well-known/oauth-protected-resource/mcp?t=1"
    );
    let mut service = gate.metadata_service();
    for (uri, status) in [
        (format!("{PATH}?t=1"), 200),
        (format!("{PATH}?t=2"), 404),
        (PATH.to_owned(), 404),
    ] {
        let answer = tower::Service::call(&mut service, bare(Method::GET, &uri))
            .await
            .unwrap();
        assert_eq!(answer.status(), status, "{uri}");
    }
}

#[tokio::test]
async fn the_metadata_service_answers_its_paths_and_no_other() {
    let world = World::new().await;
    let mut service = world.gate.metadata_service();
    for (path, status) in [(PATH, 200), (ROOT, 200), ("/mcp", 404), ("/", 404)] {
        let answer = tower::Service::call(&mut service, bare(Method::GET, path))
            .await
            .unwrap();
        assert_eq!(answer.status(), status, "{path}");
    }
}

#[tokio::test]
async fn old_clients_are_redirected_to_the_authorization_server_when_asked_for() {
    let world = World::with(|builder, server| {
        open(builder, server.issuer()).metadata(Metadata::default().redirect_legacy_clients())
    })
    .await;
    let target = format!(
        "{}/.well-known/oauth-authorization-server",
        world.server.issuer()
    );
    for path in [
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/mcp",
    ] {
        let answer = world.send(bare(Method::GET, path)).await;
        assert_eq!(answer.status, StatusCode::TEMPORARY_REDIRECT);
        assert_eq!(answer.header("location"), Some(target.as_str()));
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    }
}
