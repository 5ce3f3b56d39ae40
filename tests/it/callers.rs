//! Rules about clients and claims, which apply before any scope.

use serde_json::{Value, json};
use toolgate::testing::TokenBuilder;
use toolgate::{Config, Introspection, Issuer, ScopeMap, Toolgate};

use crate::world::{RESOURCE, World};

async fn world(configure: impl FnOnce(Issuer) -> Issuer) -> World {
    World::with(|builder, server| {
        let scopes = ScopeMap::allow_unlisted().every_request("mcp:use");
        builder
            .issuer(configure(Issuer::new(server.issuer())))
            .scopes(scopes)
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
async fn an_allow_list_admits_only_its_clients_and_hosts() {
    let world = world(|issuer| {
        issuer
            .only_client("editor")
            .only_clients_of_host("client.example.com")
    })
    .await;
    let token = |client: &str| world.token().client_id(client);
    assert_all(
        &world,
        &[
            (token("editor"), None),
            (token("https://client.example.com/meta.json"), None),
            (token("https://client.example.com"), None),
            (token("Editor"), Some("client_not_allowed")),
            (token("editor2"), Some("client_not_allowed")),
            (
                token("http://client.example.com/meta.json"),
                Some("client_not_allowed"),
            ),
            (
                token("https://client.example.com:8443/meta.json"),
                Some("client_not_allowed"),
            ),
            (
                token("https://client.example.com.evil.example/"),
                Some("client_not_allowed"),
            ),
            (
                token("https://client.example.com@evil.example/"),
                Some("client_not_allowed"),
            ),
            (
                token("https://evil.example/https://client.example.com/"),
                Some("client_not_allowed"),
            ),
            (token("client.example.com"), Some("client_not_allowed")),
            (
                world.token().without("client_id"),
                Some("client_not_allowed"),
            ),
            (
                world.token().without("client_id").claim("azp", "editor"),
                None,
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_deny_list_keeps_its_clients_out_and_wins() {
    let world = world(|issuer| {
        let issuer = issuer
            .only_clients_of_host("client.example.com")
            .only_client("editor");
        issuer
            .deny_client("https://client.example.com/leaky")
            .deny_clients_of_host("rogue.example.com")
    })
    .await;
    let token = |client: &str| world.token().client_id(client);
    assert_all(
        &world,
        &[
            (token("https://client.example.com/good"), None),
            (
                token("https://client.example.com/leaky"),
                Some("client_denied"),
            ),
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
async fn no_spelling_of_a_denied_host_gets_in() {
    let world = world(|issuer| {
        let issuer = issuer
            .deny_clients_of_host("rogue.example.com")
            .deny_clients_of_host("192.0.2.1");
        issuer
            .deny_clients_of_host("[2001:db8::1]")
            .deny_clients_of_host("xn--rgue-5qa.example")
    })
    .await;
    let denied = [
        "https://rogue.example.com/x",
        "https://rogue.example.com",
        "https://rogue.example.com:443/x",
        "https://rogue.example.com:/x",
        "https://rogue.example.com:8443/x",
        "https://ROGUE.example.COM/x",
        "HTTPS://rogue.example.com/x",
        "http://rogue.example.com/x",
        "https://user@rogue.example.com/x",
        "https://user:password@rogue.example.com/x",
        "https://@rogue.example.com/x",
        "https://rogue.example.com./x",
        "https://rogue.example.com.:443?x",
        "https://rogue.example.com#x",
        "https://192.0.2.1/x",
        "https://[::ffff:192.0.2.1]/x",
        "https://[2001:DB8:0:0:0:0:0:1]/x",
        "https://XN--RGUE-5QA.example/x",
        // Other parsers read another host.
        "https://r%6Fgue.example.com/x",
        "https://rögue.example/x",
        "https://rogue。example。com/x",
        "https://good.example\\@rogue.example.com/x",
        "https://rogue.example.com\\@good.example/x",
        "https://good.example@rogue.example.com@good.example/x",
        "https:\\\\rogue.example.com\\x",
        "https:rogue.example.com/x",
        "https:/rogue.example.com/x",
        "https:///rogue.example.com/x",
        "//rogue.example.com/x",
        "\\\\rogue.example.com\\x",
        " https://rogue.example.com/x",
        "\thttps://rogue.example.com/x",
        "ht\ntps://rogue.example.com/x",
        "https://ro\tgue.example.com/x",
        "https://rogue.example.com\t/x",
        "https://rogue.example.com:0443x/",
        "https://3221225985/x",
        "https://0xc0000201/x",
        "https://0300.0.02.01/x",
        "https://192.0.513/x",
        "https://192.0.2.1./x",
        "https://[2001:db8::1%25eth0]/x",
        "https://[2001:db8::1/x",
        "https://rogue..example.com/x",
        "https:///x",
        "openid_federation:https://rogue.example.com/x",
    ];
    for client in denied {
        let answer = world
            .list_with(&world.token().client_id(client).mint())
            .await;
        assert_eq!(answer.code, Some("client_denied"), "{client:?}");
        answer.assert_forbidden("client_denied");
    }
    let others = [
        "agent-7",
        "3f1c6b2e-8a5e-4c57-9d0a-0d8f6c1f7a11",
        "rogue.example.com",
        "urn:example:agent",
        "com.example.app:client",
        "https://good.example/x",
        "https://GOOD.example:443/x",
        "https://rogue.example.com.good.example/x",
        "https://xrogue.example.com/x",
        "https://good.example/https://rogue.example.com/x",
        "https://good.example?https://rogue.example.com/x",
        "https://good.example/é@rogue.example.com",
        "https://192.0.2.10/x",
        "https://[2001:db8::2]/x",
        "http://localhost:8080/x",
        "spiffe://good.example/agent",
    ];
    for client in others {
        let answer = world
            .list_with(&world.token().client_id(client).mint())
            .await;
        assert_eq!(answer.code, None, "{client:?}");
    }
}

#[tokio::test]
async fn no_spelling_of_a_denied_client_gets_in() {
    let world = world(|issuer| {
        let issuer = issuer.deny_client("https://client.example.com/leaky?v=1");
        issuer.deny_client("3F1C6B2E-8a5e-4c57-9d0a-0d8f6c1f7a11")
    })
    .await;
    for client in [
        "https://client.example.com/leaky?v=1",
        "HTTPS://Client.Example.com:443/leaky?v=1",
        "https://user@client.example.com./leaky?v=1",
        "https://client.example.com:8443/leaky?v=1",
        "https://client.example.com/x/../leaky?v=1",
        "https://client.example.com/./%6Ceaky?v=1",
        "https://client.example.com//leaky?v=%31#top",
        "https://client.example.com\\leaky?v=1",
        "https://cl%69ent.example.com/leaky?v=1",
        "3f1c6b2e-8a5e-4c57-9d0a-0d8f6c1f7a11",
    ] {
        let answer = world
            .list_with(&world.token().client_id(client).mint())
            .await;
        assert_eq!(answer.code, Some("client_denied"), "{client:?}");
        answer.assert_forbidden("client_denied");
    }
    for client in [
        "https://client.example.com/leaky",
        "https://client.example.com/other?v=1",
        "https://other.example.com/leaky?v=1",
        "agent-7",
    ] {
        let answer = world
            .list_with(&world.token().client_id(client).mint())
            .await;
        assert_eq!(answer.code, None, "{client:?}");
    }
}

#[tokio::test]
async fn an_id_that_no_rule_can_read_is_denied_by_rules_about_urls_alone() {
    let world = world(|issuer| issuer.deny_client("leaky")).await;
    for client in [
        "https:\\\\rogue.example.com",
        "//rogue.example.com/x",
        "https://r%6Fgue.example/",
    ] {
        world
            .list_with(&world.token().client_id(client).mint())
            .await
            .assert_served();
    }
    world
        .list_with(&world.token().client_id("LEAKY").mint())
        .await
        .assert_forbidden("client_denied");
}

#[tokio::test]
async fn a_required_claim_is_one_of_its_values_or_has_one_in_it() {
    let world = world(|issuer| {
        let issuer = issuer
            .require_claim("tenant", ["acme", "umbrella"])
            .require_claim("verified", [true]);
        issuer.require_claim_containing("/realm_access/roles", ["staff", "admin"])
    })
    .await;
    let good = || {
        let token = world
            .token()
            .claim("tenant", "acme")
            .claim("verified", true);
        token.claim("realm_access", json!({ "roles": ["x", "staff"] }))
    };
    let roles = |roles: Value| good().claim("realm_access", json!({ "roles": roles }));
    assert_all(
        &world,
        &[
            (good(), None),
            (good().claim("tenant", "umbrella"), None),
            (good().claim("tenant", "Acme"), Some("claim_not_met")),
            (
                good().claim("tenant", "acme umbrella"),
                Some("claim_not_met"),
            ),
            (
                good().claim("tenant", json!(["acme"])),
                Some("claim_not_met"),
            ),
            (good().claim("tenant", json!(null)), Some("claim_not_met")),
            (good().without("tenant"), Some("claim_not_met")),
            (good().claim("verified", "true"), Some("claim_not_met")),
            (roles(json!(["admin"])), None),
            (roles(json!([])), Some("claim_not_met")),
            (roles(json!("staff")), Some("claim_not_met")),
            (
                roles(json!(["staffx", ["staff"], { "staff": true }])),
                Some("claim_not_met"),
            ),
            (
                good()
                    .without("realm_access")
                    .claim("/realm_access/roles", json!(["staff"])),
                Some("claim_not_met"),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_client_that_is_refused_is_asked_for_no_scope_and_a_bad_token_is_reported_first() {
    let world = world(|issuer| issuer.deny_client("leaky")).await;
    let leaky = world.token().client_id("leaky").scope("");
    world
        .list_with(&leaky.mint())
        .await
        .assert_forbidden("client_denied");
    world
        .list_with(&leaky.expires_in(-100).mint())
        .await
        .assert_invalid_token("expired");
}

#[tokio::test]
async fn rules_apply_to_their_own_issuer_and_to_introspected_claims_too() {
    let clock = crate::world::clock();
    let server = toolgate::testing::AuthorizationServer::builder()
        .clock(clock.clone())
        .start()
        .await;
    let neighbour = toolgate::testing::AuthorizationServer::builder()
        .clock(clock.clone())
        .start()
        .await;
    let world = World::around(server, clock, |builder, server| {
        let introspection = Introspection::basic("rs", "rs-secret");
        let strict = Issuer::new(server.issuer())
            .introspection(introspection)
            .require_claim("tenant", ["acme"]);
        builder
            .issuer(strict)
            .issuer(neighbour.issuer())
            .scopes(ScopeMap::allow_unlisted())
    });
    world
        .list_with(&crate::world::token_of(&neighbour).mint())
        .await
        .assert_served();
    for (tenant, code) in [("acme", None), ("other", Some("claim_not_met"))] {
        let answer = json!({ "active": true, "aud": RESOURCE, "tenant": tenant });
        world.server.introspect_as(tenant, answer);
        // The second time from memory.
        for _ in 0..2 {
            let answer = world.list_with(tenant).await;
            code.map_or_else(
                || answer.assert_served(),
                |code| answer.assert_forbidden(code),
            );
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
        config
            .into_builder()
            .build()
            .map(drop)
            .map_err(|why| why.to_string())
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
        (
            "[issuers.clients]\nallowed = [\"\"]",
            "issuers[0].clients.allowed",
        ),
        (
            "[issuers.clients]\nallowed_hosts = [\"https://a.example\"]",
            "issuers[0].clients.allowed_hosts",
        ),
        (
            "[issuers.clients]\ndenied_hosts = [\"A.example\"]",
            "lower case",
        ),
        (
            "[issuers.clients]\ndenied_hosts = [\"a.example/x\"]",
            "host alone",
        ),
        (
            "[issuers.clients]\ndenied_hosts = [\"a.example:8443\"]",
            "every port",
        ),
        (
            "[issuers.clients]\ndenied_hosts = [\"192.0.513\"]",
            "issuers[0].clients.denied_hosts",
        ),
        (
            "[issuers.clients]\ndenied_hosts = [\"a..example\"]",
            "issuers[0].clients.denied_hosts",
        ),
        ("[issuers.claims]\ntenant = []", "at least one"),
        ("[issuers.claims]\ntenant = {}", "contains"),
        ("[issuers.claims]\ntenant = { has = \"x\" }", "contains"),
        (
            "[issuers.claims]\ntenant = { contains = { contains = \"x\" } }",
            "once",
        ),
        ("[issuers.claims]\ntenant = 1.5", "a value"),
    ] {
        let error = build(tables).expect_err(tables);
        assert!(error.contains(why), "{tables}: {error}");
    }
    let null = Issuer::new("https://a.example").require_claim("tenant", [None::<String>]);
    let built = Toolgate::builder(RESOURCE)
        .issuer(null)
        .scopes(ScopeMap::allow_unlisted())
        .build();
    assert_eq!(
        built.unwrap_err().problems()[0].field(),
        "issuers[0].claims.tenant"
    );
}
