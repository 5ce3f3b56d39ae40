//! Who may ask at all, whatever their scopes.

use serde_json::{Value, json};
use toolgate::testing::TokenBuilder;
use toolgate::{Config, Introspection, Issuer, ScopeMap, Toolgate};

use crate::world::{RESOURCE, World};

async fn world(configure: impl FnOnce(Issuer) -> Issuer) -> World {
    World::with(|builder, server| {
        let scopes = ScopeMap::allow_unlisted().every_request("mcp:use");
        builder.issuer(configure(Issuer::new(server.issuer()))).scopes(scopes)
    })
    .await
}

async fn assert_all(world: &World, cases: &[(TokenBuilder, Option<&str>)]) {
    for (token, code) in cases {
        let answer = world.list_with(&token.mint()).await;
        match code {
            None => answer.assert_served(),
            Some(code) => answer.assert_forbidden(code),
        }
    }
}

#[tokio::test]
async fn an_allow_list_lets_in_its_clients_and_hosts_and_nobody_else() {
    let world = world(|issuer| issuer.only_client("editor").only_clients_of_host("client.example.com")).await;
    let token = |client: &str| world.token().client_id(client);
    assert_all(
        &world,
        &[
            (token("editor"), None),
            (token("https://client.example.com/meta.json"), None),
            (token("https://client.example.com"), None),
            (token("Editor"), Some("client_not_allowed")),
            (token("editor2"), Some("client_not_allowed")),
            (token("http://client.example.com/meta.json"), Some("client_not_allowed")),
            (token("https://client.example.com:8443/meta.json"), Some("client_not_allowed")),
            (token("https://client.example.com.evil.example/"), Some("client_not_allowed")),
            (token("https://client.example.com@evil.example/"), Some("client_not_allowed")),
            (token("https://evil.example/https://client.example.com/"), Some("client_not_allowed")),
            (token("client.example.com"), Some("client_not_allowed")),
            (world.token().without("client_id"), Some("client_not_allowed")),
            (world.token().without("client_id").claim("azp", "editor"), None),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_deny_list_keeps_its_clients_out_and_wins() {
    let world = world(|issuer| {
        let issuer = issuer.only_clients_of_host("client.example.com").only_client("editor");
        issuer.deny_client("https://client.example.com/leaky").deny_clients_of_host("rogue.example.com")
    })
    .await;
    let token = |client: &str| world.token().client_id(client);
    assert_all(
        &world,
        &[
            (token("https://client.example.com/good"), None),
            (token("https://client.example.com/leaky"), Some("client_denied")),
            (token("https://rogue.example.com/x"), Some("client_denied")),
        ],
    )
    .await;
    let open = self::world(|issuer| issuer.deny_client("leaky")).await;
    let cases = [
        (open.token(), None),
        (open.token().without("client_id"), None),
        (open.token().client_id("leaky"), Some("client_denied")),
    ];
    assert_all(&open, &cases).await;
}

#[tokio::test]
async fn a_required_claim_is_one_of_its_values_or_has_one_in_it() {
    let world = world(|issuer| {
        let issuer = issuer.require_claim("tenant", ["acme", "umbrella"]).require_claim("verified", [true]);
        issuer.require_claim_containing("/realm_access/roles", ["staff", "admin"])
    })
    .await;
    let good = || {
        let token = world.token().claim("tenant", "acme").claim("verified", true);
        token.claim("realm_access", json!({ "roles": ["x", "staff"] }))
    };
    let roles = |roles: Value| good().claim("realm_access", json!({ "roles": roles }));
    assert_all(
        &world,
        &[
            (good(), None),
            (good().claim("tenant", "umbrella"), None),
            (good().claim("tenant", "Acme"), Some("claim_not_met")),
            (good().claim("tenant", "acme umbrella"), Some("claim_not_met")),
            (good().claim("tenant", json!(["acme"])), Some("claim_not_met")),
            (good().claim("tenant", json!(null)), Some("claim_not_met")),
            (good().without("tenant"), Some("claim_not_met")),
            (good().claim("verified", "true"), Some("claim_not_met")),
            (roles(json!(["admin"])), None),
            (roles(json!([])), Some("claim_not_met")),
            (roles(json!("staff")), Some("claim_not_met")),
            (roles(json!(["staffx", ["staff"], { "staff": true }])), Some("claim_not_met")),
            (
                good().without("realm_access").claim("/realm_access/roles", json!(["staff"])),
                Some("claim_not_met"),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn who_is_kept_out_is_asked_for_no_scope_and_a_bad_token_is_told_so_first() {
    let world = world(|issuer| issuer.deny_client("leaky")).await;
    let leaky = world.token().client_id("leaky").scope("");
    world.list_with(&leaky.mint()).await.assert_forbidden("client_denied");
    world.list_with(&leaky.expires_in(-100).mint()).await.assert_invalid_token("expired");
}

#[tokio::test]
async fn rules_are_about_their_own_issuer_and_about_what_introspection_says_too() {
    let clock = crate::world::clock();
    let server = toolgate::testing::AuthorizationServer::builder().clock(clock.clone()).start().await;
    let neighbour = toolgate::testing::AuthorizationServer::builder().clock(clock.clone()).start().await;
    let world = World::around(server, clock, |builder, server| {
        let introspection = Introspection::basic("rs", "rs-secret");
        let strict =
            Issuer::new(server.issuer()).introspection(introspection).require_claim("tenant", ["acme"]);
        builder.issuer(strict).issuer(neighbour.issuer()).scopes(ScopeMap::allow_unlisted())
    });
    world.list_with(&crate::world::token_of(&neighbour).mint()).await.assert_served();
    for (tenant, code) in [("acme", None), ("other", Some("claim_not_met"))] {
        let answer = json!({ "active": true, "aud": RESOURCE, "tenant": tenant });
        world.server.introspect_as(tenant, answer);
        // The second time from memory.
        for _ in 0..2 {
            let answer = world.list_with(tenant).await;
            code.map_or_else(|| answer.assert_served(), |code| answer.assert_forbidden(code));
        }
    }
}

#[test]
fn a_file_has_these_rules_and_every_slip_is_named() {
    let build = |tables: &str| {
        let text = format!(
            "resource = {RESOURCE:?}\n[scopes]\nunlisted = \"allow\"\n[[issuers]]\nissuer = \"https://a.example\"\n{tables}"
        );
        let config: Config = toml::from_str(&text).map_err(|why| why.to_string())?;
        config.into_builder().build().map(drop).map_err(|why| why.to_string())
    };
    let whole = r#"
        [issuers.clients]
        allowed = ["a"]
        allowed_hosts = ["client.example.com", "localhost:8080"]
        denied = ["b"]
        denied_hosts = ["c.example"]
        [issuers.claims]
        tenant = "acme"
        org = ["a", "b"]
        level = 3
        verified = true
        roles = { contains = "x" }
        "/groups/all" = { contains = ["x", "y"] }
    "#;
    assert_eq!(build(whole), Ok(()));
    for (tables, why) in [
        ("[issuers.clients]\nallow = [\"a\"]", "allowed"),
        ("[issuers.clients]\nallowed = [\"\"]", "issuers[0].clients.allowed"),
        ("[issuers.clients]\nallowed_hosts = [\"https://a.example\"]", "issuers[0].clients.allowed_hosts"),
        ("[issuers.clients]\ndenied_hosts = [\"A.example\"]", "lower case"),
        ("[issuers.clients]\ndenied_hosts = [\"a.example/x\"]", "host alone"),
        ("[issuers.claims]\ntenant = []", "at least one"),
        ("[issuers.claims]\ntenant = {}", "contains"),
        ("[issuers.claims]\ntenant = { has = \"x\" }", "contains"),
        ("[issuers.claims]\ntenant = { contains = { contains = \"x\" } }", "once"),
        ("[issuers.claims]\ntenant = 1.5", "a value"),
    ] {
        let error = build(tables).expect_err(tables);
        assert!(error.contains(why), "{tables}: {error}");
    }
    let null = Issuer::new("https://a.example").require_claim("tenant", [None::<String>]);
    let built = Toolgate::builder(RESOURCE).issuer(null).scopes(ScopeMap::allow_unlisted()).build();
    assert_eq!(built.unwrap_err().field(), "issuers[0].claims.tenant");
}
