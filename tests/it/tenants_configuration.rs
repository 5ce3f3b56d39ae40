//! The configuration of tenants: their template, their header, and what a resolver may say about one.

use std::net::IpAddr;

use http::StatusCode;
use serde_json::{Value, json};
use toolgate::testing::Endpoint;
use toolgate::{
    CallInfo, ConfigError, Decide, DecisionFailed, Gates, Peer, Principal, ScopeMap, Toolgate,
    Verdict,
};

use crate::gates::{request_to, send};
use crate::tenants::{
    BY_LABEL, BY_SEGMENT, Registry, ask, assert_not_found, assert_unavailable, fields, server,
    token, trusting, url,
};
use crate::world::{call, clock};

#[tokio::test]
async fn keys_are_shared_by_tenants_only_where_all_that_decides_them_is_equal() {
    let (good, evil) = (server().await, server().await);
    let registry = Registry::new();
    for name in ["acme", "globex"] {
        registry.tenant(name, trusting(&[&good]));
    }
    // It names the issuer of the others, and has keys of its own.
    let mut config = trusting(&[&good]);
    config["issuers"][0]["jwks_uri"] = json!(format!("{}/jwks", evil.issuer()));
    registry.tenant("evil", config);
    let gates = registry.gates(BY_LABEL);
    let forged = |name: &str| {
        let forged = evil.token().audience(url(name)).scope("mcp:use");
        forged.claim("iss", good.issuer()).mint()
    };
    ask(&gates, &url("evil"), Some(&forged("evil")))
        .await
        .assert_served_as(&url("evil"));
    for name in ["acme", "globex"] {
        let seen = ask(&gates, &url(name), Some(&forged(name))).await;
        assert_eq!(seen.status, StatusCode::UNAUTHORIZED, "{:?}", seen.code);
        assert_eq!(seen.challenge().get("error"), Some("invalid_token"));
        let seen = ask(&gates, &url(name), Some(&token(&good, &url(name)))).await;
        seen.assert_served_as(&url(name));
    }
    let seen = ask(&gates, &url("evil"), Some(&token(&good, &url("evil")))).await;
    assert_eq!(seen.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        (good.hits(Endpoint::Jwks), evil.hits(Endpoint::Jwks)),
        (1, 1)
    );
}

#[tokio::test]
async fn a_configuration_that_reaches_for_more_than_its_tenant_is_refused() {
    let registry = Registry::new();
    let issuer = |more: Value| {
        let mut issuer = json!({ "issuer": "https://auth.example.org" });
        issuer
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!({ "issuers": [issuer], "scopes": { "unlisted": "allow" } })
    };
    let with = |more: Value| {
        let mut config = issuer(json!({}));
        config
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        config
    };
    let claims = json!({ "tid": "acme" });
    let introspection = |more: Value| {
        let mut table = json!({ "client_id": "c", "client_secret": "s" });
        table
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        issuer(json!({ "introspection": table }))
    };
    let strict = |template: &str| {
        let registry = registry.clone();
        let clock = registry.clock.clone();
        let tenants = Gates::resolving(template, move |name| registry.clone().resolve(name));
        tenants.clock(clock).not_found_elsewhere([]).unwrap()
    };
    let unusable = [
        (
            issuer(json!({ "issuer": "http://localhost:1" })),
            "issuers[0].issuer",
        ),
        (
            issuer(json!({ "issuer": "https://10.0.0.1" })),
            "issuers[0].issuer",
        ),
        (
            issuer(json!({ "issuer": "https://localhost" })),
            "issuers[0].issuer",
        ),
        (
            issuer(json!({ "issuer": "https://a.localhost" })),
            "issuers[0].issuer",
        ),
        (
            issuer(json!({ "issuer": "https://0x7f.1" })),
            "issuers[0].issuer",
        ),
        (
            issuer(json!({ "issuer": "https://2130706433" })),
            "issuers[0].issuer",
        ),
        (
            issuer(json!({ "issuer": "https://[fd00::1]" })),
            "issuers[0].issuer",
        ),
        (
            issuer(json!({ "jwks_uri": "https://169.254.169.254/x" })),
            "issuers[0].jwks_uri",
        ),
        (
            issuer(json!({ "jwks_file": "/etc/passwd" })),
            "issuers[0].jwks_file",
        ),
        (
            issuer(json!({ "jwks_uri": { "env": "PATH" } })),
            "issuers[0].jwks_uri",
        ),
        (
            introspection(json!({ "client_secret": { "env": "PATH" } })),
            "issuers[0].introspection.client_secret",
        ),
        (
            introspection(json!({ "client_secret": { "file": "/etc/passwd" } })),
            "issuers[0].introspection.client_secret",
        ),
        (
            introspection(json!({ "endpoint": "https://127.0.0.1/introspect" })),
            "issuers[0].introspection.endpoint",
        ),
        (
            with(json!({ "sessions": { "keys": [{ "env": "PATH" }] } })),
            "sessions.keys[0]",
        ),
        (
            with(json!({ "api_keys": { "prefix": "tg_", "file": "/etc/passwd" } })),
            "api_keys.file",
        ),
        (
            with(json!({ "resource": "https://globex.example.com/mcp" })),
            "resource",
        ),
        (
            with(json!({ "also_at": ["https://globex.example.com/mcp"] })),
            "also_at",
        ),
        (with(json!({ "seen_at": "/other" })), "seen_at"),
        (
            issuer(json!({ "audiences": ["api://x"] })),
            "issuers[0].claims",
        ),
        (
            issuer(json!({ "unbound": { "only_clients": ["c"] } })),
            "issuers[0].claims",
        ),
        (
            issuer(json!({ "audiences": ["https://globex.example.com/mcp"], "claims": claims })),
            "issuers[0].audiences[0]",
        ),
        (
            with(json!({ "unmatched": "pass", "resources": [] })),
            "resources",
        ),
    ];
    let gates = strict(BY_LABEL);
    for (config, field) in unusable {
        registry.tenant("acme", config.clone());
        let seen = ask(&gates, &url("acme"), None).await;
        assert_unavailable(&seen, "tenant_unusable");
        let why = gates.tenant("acme").await.unwrap_err();
        let why = std::error::Error::source(&why).unwrap();
        let wrong = why.downcast_ref::<ConfigError>().unwrap();
        assert_eq!(fields(wrong), [field], "{config}: {wrong}");
        assert!(!wrong.to_string().contains("/usr/bin"), "{wrong}");
    }
    for usable in [
        with(json!({ "resource": url("acme") })),
        issuer(json!({ "audiences": ["api://x"], "claims": claims })),
        issuer(json!({ "audiences": ["https://acme.example.com/mcp/"], "claims": claims })),
    ] {
        registry.tenant("acme", usable.clone());
        gates.forget("acme");
        let seen = ask(&gates, &url("acme"), None).await;
        assert_eq!(seen.code, Some("no_token"), "{usable}");
    }
    // Several tenants of one host have no document at its root.
    let gates = strict(BY_SEGMENT);
    registry.tenant("acme", with(json!({ "metadata": { "root_copy": true } })));
    let seen = ask(&gates, "https://mcp.example.com/acme/mcp", None).await;
    assert_unavailable(&seen, "tenant_unusable");
}

#[tokio::test]
async fn a_proxy_may_name_the_tenant_in_a_header_that_counts_from_listed_peers_alone() {
    let (server, registry) = (server().await, Registry::new());
    for name in ["acme", "globex"] {
        registry.tenant(name, trusting(&[&server]));
    }
    let listed: IpAddr = "10.0.0.7".parse().unwrap();
    let other: IpAddr = "10.1.0.7".parse().unwrap();
    for (template, seen_at, path) in [
        (BY_LABEL, None, "/mcp"),
        (BY_LABEL, Some("/inner"), "/inner"),
        (BY_SEGMENT, Some("/inner/"), "/inner"),
        (BY_SEGMENT, None, "/acme/mcp"),
    ] {
        let mut tenants = registry
            .tenants(template)
            .named_in_header("x-tenant", ["10.0.0.0/16"]);
        if let Some(seen_at) = seen_at {
            tenants = tenants.seen_at(seen_at);
        }
        let gates = tenants.ungated_elsewhere([]).unwrap();
        let acme = template.replace("{tenant}", "acme");
        let good = token(&server, &acme);
        let request = |peer: Option<IpAddr>, names: &[&str]| {
            let backend = format!("https://backend.internal:8080{path}");
            let mut request = request_to(&backend, Some(&good));
            for name in names {
                let name = name.parse().unwrap();
                request.headers_mut().append("x-tenant", name);
            }
            request
                .headers_mut()
                .append("x_tenant", "globex".parse().unwrap());
            request.extensions_mut().extend(
                peer.map(|peer| {
                    let mut extensions = http::Extensions::new();
                    extensions.insert(Peer::at(peer));
                    extensions
                })
                .unwrap_or_default(),
            );
            request
        };
        let seen = send(&gates, request(Some(listed), &["acme"])).await;
        seen.assert_served_as(&acme);
        let headers = seen.inner.unwrap().0;
        assert!(!headers.contains_key("x-tenant") && !headers.contains_key("x_tenant"));
        for (peer, names) in [
            (Some(other), &["acme"][..]),
            (None, &["acme"]),
            (Some(listed), &[]),
            (Some(listed), &["unknown"]),
            (Some(listed), &["Acme"]),
            (Some(listed), &[""]),
        ] {
            assert_not_found(&send(&gates, request(peer, names)).await);
        }
        let seen = send(&gates, request(Some(listed), &["acme", "acme"])).await;
        assert_eq!(
            (seen.status, seen.code),
            (StatusCode::BAD_REQUEST, Some("ambiguous_tenant"))
        );
        let seen = send(&gates, request(Some(listed), &["globex"])).await;
        match path {
            "/acme/mcp" => assert_not_found(&seen),
            _ => assert_eq!(seen.code, Some("audience_mismatch")),
        }
    }
}

#[tokio::test]
async fn a_template_that_could_yield_a_foreign_host_or_the_url_of_a_gate_is_a_mistake() {
    let registry = Registry::new();
    let gate = |resource: &str| {
        let builder = Toolgate::builder(resource).issuer("https://auth.example.com");
        builder.scopes(ScopeMap::allow_unlisted()).build().unwrap()
    };
    for template in [
        "https://{tenant}",
        "https://{tenant}.com/mcp",
        "https://{tenant}/mcp",
        "https://mcp.{tenant}.com/mcp",
        "https://{tenant}.0.0.1/mcp",
        "https://mcp.example.com/mcp",
        "https://{tenant}.example.com/{tenant}",
        "https://a{tenant}.example.com/mcp",
        "http://{tenant}.example.com/mcp",
    ] {
        let wrong = registry.tenants(template).not_found_elsewhere([]);
        assert_eq!(
            fields(&wrong.unwrap_err()),
            ["tenants.template"],
            "{template}"
        );
    }
    for (template, resource, is_wrong) in [
        (BY_LABEL, "https://admin.example.com/mcp", true),
        (BY_LABEL, "https://admin.example.com", true),
        (BY_LABEL, "https://admin.example.com:443/mcp/", true),
        (BY_LABEL, "https://admin.example.com/other", false),
        (BY_LABEL, "https://admin.example.com/mcp/below", false),
        (BY_LABEL, "https://admin.example.org/mcp", false),
        (BY_SEGMENT, "https://mcp.example.com/admin/mcp", true),
        (BY_SEGMENT, "https://mcp.example.com/admin", true),
        (BY_SEGMENT, "https://mcp.example.com", true),
        (BY_SEGMENT, "https://mcp.example.com/admin/other", false),
        (BY_SEGMENT, "https://admin.example.com/admin/mcp", false),
    ] {
        let gates = registry
            .tenants(template)
            .ungated_elsewhere([gate(resource)]);
        let found = gates.as_ref().err().map(fields).unwrap_or_default();
        let expected: &[&str] = if is_wrong { &["tenants.template"] } else { &[] };
        assert_eq!(found, expected, "{template} beside {resource}");
    }
    for (tenants, field) in [
        (
            registry
                .tenants(BY_LABEL)
                .named_in_header("host", ["10.0.0.1"]),
            "tenants.header",
        ),
        (
            registry
                .tenants(BY_LABEL)
                .named_in_header("x-tenant", ["0.0.0.0/0"]),
            "tenants.peers[0]",
        ),
        (
            registry
                .tenants(BY_LABEL)
                .named_in_header("x-tenant", [""; 0]),
            "tenants.peers",
        ),
        (registry.tenants(BY_LABEL).seen_at("inner"), "seen_at"),
        (
            registry.tenants(BY_SEGMENT).seen_at("/inner"),
            "tenants.seen_at",
        ),
    ] {
        let wrong = tenants.not_found_elsewhere([]).unwrap_err();
        assert_eq!(fields(&wrong), [field]);
    }
    // A proxy may send any host, so the path alone would tell them apart.
    let by_header = registry
        .tenants(BY_LABEL)
        .named_in_header("x-tenant", ["10.0.0.1"]);
    let wrong = by_header.not_found_elsewhere([gate("https://other.example.org/mcp")]);
    assert_eq!(fields(&wrong.unwrap_err()), ["tenants.template"]);
}

#[tokio::test]
async fn a_tenant_is_compared_with_the_gates_beside_it_and_takes_its_configuration_from_the_resolver()
 {
    let (server, registry) = (server().await, Registry::new());
    let fixed = Toolgate::builder("https://status.example.org/mcp")
        .issuer(toolgate::Issuer::new(server.issuer()).audience("api://x"))
        .scopes(ScopeMap::allow_unlisted())
        .clock(clock())
        .build()
        .unwrap();
    let gates = registry
        .tenants(BY_LABEL)
        .not_found_elsewhere([fixed.clone()])
        .unwrap();
    let mut sharing = trusting(&[&server]);
    sharing["issuers"][0]["audiences"] = json!(["api://x"]);
    sharing["issuers"][0]["claims"] = json!({ "tid": "acme" });
    registry.tenant("acme", sharing);
    assert_unavailable(&ask(&gates, &url("acme"), None).await, "tenant_unusable");

    registry.tenant("acme", trusting(&[&server]));
    let acme = gates.tenant("acme").await.unwrap().unwrap();
    let file = |resource: &str, audience: &str| {
        serde_json::from_value(json!({
            "resource": resource,
            "issuers": [{ "issuer": server.issuer(), "audiences": [audience] }],
            "scopes": { "unlisted": "allow" },
        }))
        .unwrap()
    };
    let wrong = fixed.reload(file("https://status.example.org/mcp", &url("acme")));
    assert_eq!(fields(&wrong.unwrap_err()), ["issuers[0].audiences"]);
    let wrong = acme.reload(file(&url("acme"), "api://y")).unwrap_err();
    assert_eq!(fields(&wrong), ["resource"]);
}

struct Closed;

impl Decide for Closed {
    async fn decide(&self, _: &Principal, _: &CallInfo<'_>) -> Result<Verdict, DecisionFailed> {
        Ok(Verdict::Deny("closed"))
    }
}

#[tokio::test]
async fn your_own_decision_and_http_client_hold_for_every_tenant() {
    let (server, registry) = (server().await, Registry::new());
    for name in ["acme", "globex"] {
        registry.tenant(name, trusting(&[&server]));
    }
    let tenants = registry.tenants(BY_LABEL).decision(Closed);
    let tenants = tenants.http_client(reqwest::ClientBuilder::new().user_agent("tenants"));
    let gates = tenants.not_found_elsewhere([]).unwrap();
    for name in ["acme", "globex"] {
        let good = token(&server, &url(name));
        let mut request = request_to(&url(name), Some(&good));
        *request.body_mut() = call("tools/call", json!({ "name": "any" })).into();
        let seen = send(&gates, request).await;
        assert_eq!(
            (seen.status, seen.code),
            (StatusCode::FORBIDDEN, Some("decision_denied"))
        );
        assert_eq!(seen.challenge().get("error"), None);
        let document = seen
            .challenge()
            .get("resource_metadata")
            .unwrap()
            .to_owned();
        assert!(document.contains(name), "{document}");
    }
    let wrong = registry
        .tenants(BY_LABEL)
        .http_client(reqwest::ClientBuilder::new().user_agent("\n"));
    let wrong = wrong.not_found_elsewhere([]).unwrap_err();
    assert_eq!(fields(&wrong), ["http_client"]);
}
