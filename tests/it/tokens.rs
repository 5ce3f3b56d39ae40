//! Which tokens are believed. Every refusal looks the same to the caller; the reason is for the log.

use serde_json::{Value, json};
use toolgate::Issuer;
use toolgate::testing::{Algorithm, AuthorizationServer, SigningKey, TokenBuilder};

use crate::world::{JKT, RESOURCE, World};

/// Seconds since the epoch at which every world's clock stands.
const NOW: i64 = 1_800_000_000;

#[tokio::test]
async fn a_good_token_opens_the_gate_and_becomes_a_principal() {
    let world = World::new().await;
    let token = world
        .token()
        .claim("tenant", "t1")
        .claim("jti", "j1")
        .scope("mcp:use files:read")
        .mint();
    world.list_with(&token).await.assert_served();

    let reached = world.reached();
    let principal = reached.principal.expect("a principal");
    assert_eq!(principal.issuer(), world.server.issuer());
    assert_eq!(principal.subject(), Some("alice"));
    assert_eq!(principal.client_id(), Some("test-client"));
    assert_eq!(
        principal.scopes().iter().collect::<Vec<_>>(),
        ["mcp:use", "files:read"]
    );
    assert_eq!(principal.audience().collect::<Vec<_>>(), [RESOURCE]);
    assert_eq!(principal.token_id(), Some("j1"));
    assert!(!principal.is_machine());
    let expires = principal
        .expires_at()
        .unwrap()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    assert_eq!(expires, NOW as u64 + 300);
    #[derive(serde::Deserialize)]
    struct Mine {
        tenant: String,
    }
    assert_eq!(principal.claims::<Mine>().unwrap().tenant, "t1");
    assert!(principal.claims::<Vec<u8>>().is_err());

    assert!(
        !reached.headers.contains_key("authorization"),
        "the token must not travel on"
    );
    let shown = format!("{principal:?}");
    assert!(!shown.contains("t1") && !shown.contains(&token), "{shown}");
}

#[tokio::test]
async fn every_asymmetric_algorithm_is_verified() {
    for algorithm in Algorithm::ALL {
        let world = World::new().await;
        world.server.rotate(SigningKey::generate(algorithm));
        world.list_with(&world.token().mint()).await.assert_served();
    }
}

/// Spoils a good token.
type Spoil = fn(TokenBuilder) -> TokenBuilder;

#[tokio::test]
async fn every_defect_of_a_token_is_refused_alike_and_logged_apart() {
    let defects: &[(&str, Spoil)] = &[
        // header
        ("alg_not_allowed", |token| {
            token.header("alg", json!("none"))
        }),
        ("alg_not_allowed", |token| {
            token.header("alg", json!("None"))
        }),
        ("alg_not_allowed", |token| {
            token.header("alg", json!("es256"))
        }),
        ("alg_not_allowed", |token| {
            token.header("alg", json!("HS256"))
        }),
        ("alg_not_allowed", |token| {
            token.header("alg", json!(["ES256"]))
        }),
        ("alg_not_allowed", |token| token.without_header("alg")),
        ("key_unusable", |token| token.header("alg", json!("RS256"))),
        ("key_unusable", |token| token.header("alg", json!("ES384"))),
        ("key_unusable", |token| token.header("kid", json!(7))),
        ("crit_unsupported", |token| {
            token.header("crit", json!(["x"]))
        }),
        ("crit_unsupported", |token| token.header("crit", json!([]))),
        ("crit_unsupported", |token| {
            token.header("b64", json!(false))
        }),
        ("crit_unsupported", |token| token.header("b64", json!(true))),
        ("wrong_typ", |token| token.header("typ", json!("dpop+jwt"))),
        ("wrong_typ", |token| {
            token.header("typ", json!("logout+jwt"))
        }),
        ("wrong_typ", |token| {
            token.header("typ", json!("oauth-id-jag+jwt"))
        }),
        ("wrong_typ", |token| {
            token.header("typ", json!("token-introspection+jwt"))
        }),
        ("wrong_typ", |token| {
            token.header("typ", json!("secevent+jwt"))
        }),
        ("wrong_typ", |token| {
            token.header("typ", json!("application/json"))
        }),
        ("wrong_typ", |token| token.header("typ", json!(""))),
        ("wrong_typ", |token| token.header("typ", Value::Null)),
        ("kid_unknown", |token| {
            token.header("kid", json!("../../etc/passwd"))
        }),
        ("kid_unknown", |token| {
            token.header("kid", json!("a\r\nX: y"))
        }),
        ("kid_unknown", |token| {
            token.header("kid", json!("k".repeat(8000)))
        }),
        ("duplicate_claim", |token| {
            token.header_text(r#"{"alg":"ES256","alg":"none"}"#)
        }),
        // issuer
        ("issuer_mismatch", |token| {
            token.claim("iss", "https://evil.example")
        }),
        ("issuer_mismatch", |token| token.without("iss")),
        ("issuer_mismatch", |token| {
            token.claim("iss", json!(["https://evil.example"]))
        }),
        ("issuer_mismatch", |token| token.claim("iss", 7)),
        // audience
        ("audience_missing", |token| token.without("aud")),
        ("audience_missing", |token| token.audience(json!([]))),
        ("audience_mismatch", |token| {
            token.audience("https://other.example/mcp")
        }),
        ("audience_mismatch", |token| {
            token.audience("https://mcp.example.com")
        }),
        ("audience_mismatch", |token| {
            token.audience("https://mcp.example.com/mcp/tools")
        }),
        ("audience_mismatch", |token| {
            token.audience("https://mcp.example.com/mcpx")
        }),
        ("audience_mismatch", |token| {
            token.audience("https://mcp.example.com/mcp?a")
        }),
        ("audience_mismatch", |token| {
            token.audience("https://MCP.example.com/mcp")
        }),
        ("audience_mismatch", |token| {
            token.audience("http://mcp.example.com/mcp")
        }),
        ("audience_mismatch", |token| {
            token.audience("https://mcp.example.com.evil.example/mcp")
        }),
        ("audience_mismatch", |token| token.audience("account")),
        ("audience_mismatch", |token| token.audience("")),
        ("bad_claim", |token| token.audience(json!({}))),
        ("bad_claim", |token| token.audience(json!([1]))),
        ("bad_claim", |token| token.audience(json!([RESOURCE, 1]))),
        ("bad_claim", |token| token.audience(7)),
        ("bad_claim", |token| token.audience(Value::Null)),
        // time
        ("expired", |token| token.expires_in(-60)),
        ("expired", |token| token.claim("exp", 0)),
        ("expired", |token| token.claim("exp", -1)),
        ("expired", |token| token.claim("exp", -5e39)),
        ("not_yet_valid", |token| token.claim("nbf", 5e39)),
        ("exp_missing", |token| token.without("exp")),
        ("bad_claim", |token| token.claim("exp", "1900000000")),
        ("bad_claim", |token| token.claim("exp", Value::Null)),
        ("bad_claim", |token| token.claim("exp", json!({}))),
        ("not_yet_valid", |token| token.claim("nbf", NOW + 61)),
        ("bad_claim", |token| token.claim("nbf", "0")),
        ("issued_in_future", |token| token.claim("iat", NOW + 301)),
        ("bad_claim", |token| token.claim("iat", "x")),
        // what else a server signs with the same keys
        ("token_use_not_access", |token| {
            token.claim("token_use", "id")
        }),
        ("token_use_not_access", |token| {
            token.claim("token_use", "refresh_token")
        }),
        ("token_use_not_access", |token| token.claim("token_use", 1)),
        ("id_token", |token| {
            token.header("typ", json!("JWT")).claim("at_hash", "x")
        }),
        ("id_token", |token| {
            token.without_header("typ").claim("c_hash", "x")
        }),
        ("id_token", |token| {
            token
                .header("typ", json!("JWT"))
                .claim("nonce", "x")
                .without("scope")
        }),
        // A logout token (OpenID Connect Back-Channel Logout §2.4) and a security event (RFC 8417 §2.2).
        ("security_event", |token| {
            let event = "http://schemas.openid.net/event/backchannel-logout";
            token
                .header("typ", json!("JWT"))
                .claim("events", json!({ event: {} }))
        }),
        ("security_event", |token| {
            token.without_header("typ").claim("events", json!({}))
        }),
        ("security_event", |token| {
            token
                .header("typ", json!("JWT"))
                .claim("events", json!(null))
        }),
        ("security_event", |token| token.claim("events", json!([]))),
        ("security_event", |token| {
            token
                .claim("events", "x")
                .claim("cnf", json!({ "jkt": JKT }))
        }),
        // bindings
        ("dpop_token_as_bearer", |token| {
            token.claim("cnf", json!({ "jkt": JKT }))
        }),
        ("certificate_off", |token| {
            token.claim("cnf", json!({ "x5t#S256": JKT }))
        }),
        ("unknown_binding", |token| {
            token.claim("cnf", json!({ "kid": "x" }))
        }),
        ("unknown_binding", |token| token.claim("cnf", json!({}))),
        ("unknown_binding", |token| token.claim("cnf", Value::Null)),
        // other claims
        ("bad_claim", |token| token.claim("sub", 7)),
        ("bad_claim", |token| token.claim("client_id", json!(["a"]))),
        ("bad_claim", |token| token.claim("jti", 7)),
        ("bad_claim", |token| token.claim("act", "someone")),
        ("bad_claim", |token| token.claim("scope", 7)),
        ("bad_claim", |token| {
            token.claim("scope", json!(["mcp:use", 7]))
        }),
        ("scope_too_long", |token| {
            token.claim("scope", "s ".repeat(4097))
        }),
        ("scope_too_long", |token| {
            token.claim("scope", json!(vec!["s".repeat(99); 82]))
        }),
        ("bad_json", |token| token.payload(b"[]")),
        ("bad_json", |token| token.payload(b"{\"iss\":\"\xff\"}")),
        ("bad_json", |token| token.payload(b"")),
        ("duplicate_claim", |token| {
            token.payload(br#"{"aud":"a","aud":"b"}"#)
        }),
        ("duplicate_claim", |token| {
            token.payload(br#"{"aud":"a","\u0061ud":"b"}"#)
        }),
        ("duplicate_claim", |token| {
            token.payload(br#"{"x":{"y":1,"y":2}}"#)
        }),
    ];
    for (position, (code, spoil)) in defects.iter().enumerate() {
        let world = World::new().await;
        let answer = world.list_with(&spoil(world.token()).mint()).await;
        assert_eq!(answer.code, Some(*code), "defect number {position}");
        answer.assert_invalid_token(code);
    }
}

#[tokio::test]
async fn every_valid_variant_is_accepted() {
    let good: &[Spoil] = &[
        |token| token.header("typ", json!("AT+JWT")),
        |token| token.header("typ", json!("application/at+jwt")),
        |token| token.header("typ", json!("Application/AT+jwt")),
        |token| token.header("typ", json!("JWT")),
        |token| token.header("typ", json!("application/jwt")),
        |token| token.without_header("typ"),
        |token| token.without_header("kid"),
        |token| token.header("jku", json!("https://evil.example/jwks")),
        |token| token.audience(json!(["https://other.example", RESOURCE])),
        |token| token.audience(format!("{RESOURCE}/")),
        |token| token.expires_in(-59),
        |token| token.claim("exp", 1_800_000_300.5),
        |token| token.claim("nbf", NOW + 60),
        |token| token.claim("iat", NOW + 300),
        |token| token.without("iat"),
        |token| token.without("jti").without("client_id").without("sub"),
        |token| token.claim("token_use", "access"),
        |token| token.claim("at_hash", "x"),
        |token| token.header("typ", json!("JWT")).claim("nonce", "x"),
        |token| token.without("scope").claim("scp", json!(["mcp:use"])),
        |token| token.without("scope").claim("scp", "mcp:use"),
        |token| {
            token
                .without("scope")
                .claim("scopes", json!(["a", "mcp:use"]))
        },
        |token| {
            token.claim(
                "deep",
                json!([[[{ "a": { "b": 1 } }, { "a": { "b": 1 } }]]]),
            )
        },
    ];
    let world = World::new().await;
    for (position, change) in good.iter().enumerate() {
        let answer = world.list_with(&change(world.token()).mint()).await;
        assert_eq!(answer.code, None, "token number {position}");
        answer.assert_served();
    }
}

#[tokio::test]
async fn a_signature_must_be_of_a_published_key_and_cover_every_byte() {
    let world = World::new().await;
    let foreign = SigningKey::generate(Algorithm::Es256);
    let same_name = foreign
        .clone()
        .with_kid(world.server.signing_key().kid().unwrap());
    world
        .list_with(&world.token().signed_with(&same_name).mint())
        .await
        .assert_invalid_token("bad_signature");
    world
        .list_with(&world.token().signed_with(&foreign).mint())
        .await
        .assert_invalid_token("kid_unknown");
    let unsigned = world.token().mint_with_signature(b"");
    world
        .list_with(&unsigned)
        .await
        .assert_invalid_token("bad_signature");

    let token = world.token().mint();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, payload) = signed.split_once('.').unwrap();
    let other = world.token().subject("mallory").mint();
    let other_payload = other.split('.').nth(1).unwrap();
    let moved = format!("{header}.{other_payload}.{signature}");
    world
        .list_with(&moved)
        .await
        .assert_invalid_token("bad_signature");
    for spoilt in [
        format!("{header}.{payload}.{}", &signature[..signature.len() - 4]),
        format!("{token}="),
        format!("{header}.{payload}=.{signature}"),
        format!("{header}.{payload}+.{signature}"),
        format!("{header}.{payload}A.{signature}"),
    ] {
        let answer = world.list_with(&spoilt).await;
        let code = answer.code.expect("a refusal");
        assert!(
            matches!(
                code,
                "bad_base64" | "bad_json" | "bad_signature" | "malformed_header"
            ),
            "{code}"
        );
        if code != "malformed_header" {
            answer.assert_invalid_token(code);
        }
    }
    world.list_with(&token).await.assert_served();
}

#[tokio::test]
async fn a_mac_keyed_with_the_public_key_is_no_signature() {
    let world = World::new().await;
    let public = world.server.signing_key().jwk().to_string();
    let token = world.token().header("alg", json!("HS256"));
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, public.as_bytes());
    let mac = aws_lc_rs::hmac::sign(&key, token.signing_input().as_bytes());
    let forged = token.mint_with_signature(mac.as_ref());
    world
        .list_with(&forged)
        .await
        .assert_invalid_token("alg_not_allowed");
}

#[tokio::test]
async fn a_token_that_is_no_jwt_is_rejected_as_such() {
    let world = World::new().await;
    for (code, token) in [
        ("not_a_jwt", "opaque-token"),
        ("not_a_jwt", "a.b"),
        ("not_a_jwt", "a.b.c.d"),
        ("not_a_jwt", "a.b.c.d.e.f"),
        ("not_a_jwt", "W10.e30.x"),
        ("encrypted_jwt", "a.b.c.d.e"),
        ("token_too_large", &"a".repeat(16 * 1024 + 1)),
    ] {
        world.list_with(token).await.assert_invalid_token(code);
    }
}

#[tokio::test]
async fn keys_named_by_the_token_itself_are_neither_fetched_nor_used() {
    let world = World::new().await;
    let evil = AuthorizationServer::start().await;
    let own = evil.signing_key();
    let token = world.token().signed_with(&own);
    for name in ["jku", "x5u"] {
        let token = token
            .clone()
            .header(name, json!(evil.url(toolgate::testing::Endpoint::Jwks)))
            .mint();
        world
            .list_with(&token)
            .await
            .assert_invalid_token("kid_unknown");
    }
    let token = token.header("jwk", own.jwk()).mint();
    world
        .list_with(&token)
        .await
        .assert_invalid_token("kid_unknown");
    assert_eq!(evil.hits(toolgate::testing::Endpoint::Jwks), 0);
}

#[tokio::test]
async fn strict_rfc_9068_demands_what_the_standard_demands() {
    let world = World::with(|builder, server| {
        let issuer = Issuer::new(server.issuer()).strict_rfc9068();
        builder
            .issuer(issuer)
            .scopes(toolgate::ScopeMap::allow_unlisted())
    })
    .await;
    world.list_with(&world.token().mint()).await.assert_served();
    for name in ["sub", "client_id", "iat", "jti"] {
        world
            .list_with(&world.token().without(name).mint())
            .await
            .assert_invalid_token("claim_missing");
    }
    let plain = world.token().header("typ", json!("JWT")).mint();
    world
        .list_with(&plain)
        .await
        .assert_invalid_token("wrong_typ");
}

#[tokio::test]
async fn an_issuers_algorithms_audiences_claims_and_leeway_can_be_set() {
    let world = World::with(|builder, server| {
        let issuer = Issuer::new(server.issuer())
            .algorithms(["EdDSA"])
            .audience("api://mcp");
        let issuer = issuer.scope_claims(["permissions"]).leeway_seconds(5);
        builder
            .issuer(issuer)
            .scopes(toolgate::ScopeMap::allow_unlisted().every_request("mcp:use"))
    })
    .await;
    world
        .list_with(&world.token().mint())
        .await
        .assert_invalid_token("alg_not_allowed");
    world.server.rotate(SigningKey::generate(Algorithm::EdDsa));
    let token = || world.token().claim("permissions", json!(["mcp:use"]));
    world
        .list_with(&token().header("alg", json!("Ed25519")).mint())
        .await
        .assert_served();
    world
        .list_with(&token().audience("api://mcp").mint())
        .await
        .assert_served();
    world
        .list_with(&token().audience("api://mcp/").mint())
        .await
        .assert_invalid_token("audience_mismatch");
    world
        .list_with(&token().expires_in(-5).mint())
        .await
        .assert_invalid_token("expired");
    world
        .list_with(&token().expires_in(-4).mint())
        .await
        .assert_served();
    world
        .list_with(&world.token().mint())
        .await
        .assert_needs(&["mcp:use"]);
}

#[tokio::test]
async fn the_first_scope_claim_present_counts_and_never_the_union() {
    let world = World::new().await;
    let token = world
        .token()
        .scope("other")
        .claim("scp", json!(["mcp:use"]))
        .mint();
    world.list_with(&token).await.assert_needs(&["mcp:use"]);
    let token = world
        .token()
        .without("scope")
        .claim("permissions", json!(["mcp:use"]))
        .mint();
    world.list_with(&token).await.assert_needs(&["mcp:use"]);
}

#[tokio::test]
async fn a_token_without_audience_passes_only_for_a_client_the_operator_named() {
    let world = World::with(|builder, server| {
        let issuer = Issuer::new(server.issuer()).unbound_tokens_of_client("client-1");
        builder
            .issuer(issuer)
            .scopes(toolgate::ScopeMap::allow_unlisted())
    })
    .await;
    let token = || world.token().client_id("client-1");
    world
        .list_with(&token().without("aud").mint())
        .await
        .assert_served();
    world
        .list_with(&token().audience("https://other").mint())
        .await
        .assert_invalid_token("audience_mismatch");
    world
        .list_with(&world.token().without("aud").mint())
        .await
        .assert_invalid_token("audience_missing");
}

#[tokio::test]
async fn two_issuers_subjects_never_collide_and_neither_signs_for_the_other() {
    let other = AuthorizationServer::start().await;
    let world = World::with(|builder, server| {
        let scopes = toolgate::ScopeMap::allow_unlisted();
        builder
            .issuer(server.issuer())
            .issuer(other.issuer())
            .scopes(scopes)
    })
    .await;
    let mut identities = Vec::new();
    let now = |token: TokenBuilder| {
        token
            .claim("iat", NOW)
            .claim("exp", NOW + 300)
            .audience(RESOURCE)
    };
    for token in [now(world.server.token()).mint(), now(other.token()).mint()] {
        world.list_with(&token).await.assert_served();
        identities.push(world.reached().principal.unwrap().identity().unwrap());
    }
    assert_ne!(identities[0], identities[1]);

    let forged = world.token().signed_with(&other.signing_key()).mint();
    world
        .list_with(&forged)
        .await
        .assert_invalid_token("kid_unknown");
}

#[tokio::test]
async fn a_machine_is_not_the_user_who_happens_to_have_its_name() {
    let world = World::new().await;
    let mut identities = Vec::new();
    for (token, machine) in [
        (world.token().subject("same").client_id("same"), true),
        (world.token().subject("same").client_id("other"), false),
        (world.token().without("sub").client_id("same"), true),
        (world.token().subject("same").client_id("third"), false),
    ] {
        world.list_with(&token.mint()).await.assert_served();
        let principal = world.reached().principal.unwrap();
        assert_eq!(principal.is_machine(), machine);
        identities.push(principal.identity().unwrap());
    }
    assert_ne!(identities[0], identities[1]);
    assert_eq!(identities[0], identities[2]);
    assert_eq!(identities[1], identities[3]);
}

#[tokio::test]
async fn a_token_without_a_subject_has_no_identity_to_be_confused_with() {
    let world = World::new().await;
    world
        .list_with(&world.token().without("sub").without("client_id").mint())
        .await
        .assert_served();
    let principal = world.reached().principal.unwrap();
    assert_eq!(
        (principal.identity(), principal.is_machine()),
        (None, false)
    );
}

#[tokio::test]
async fn of_a_chain_of_actors_only_the_outermost_counts() {
    let world = World::new().await;
    let chain = json!({ "sub": "agent-1", "act": { "sub": "agent-2" } });
    world
        .list_with(&world.token().claim("act", chain).mint())
        .await
        .assert_served();
    assert_eq!(world.reached().principal.unwrap().actor(), Some("agent-1"));
}

#[tokio::test]
async fn expiry_is_checked_before_scope() {
    let world = World::new().await;
    world
        .list_with(&world.token().scope("nothing").expires_in(-60).mint())
        .await
        .assert_invalid_token("expired");
    world
        .list_with(&world.token().scope("nothing").mint())
        .await
        .assert_needs(&["mcp:use"]);
}

#[tokio::test]
async fn a_cached_token_expires_on_time() {
    let world = World::new().await;
    let token = world.token().expires_in(30).mint();
    world.list_with(&token).await.assert_served();
    world.clock.advance(std::time::Duration::from_secs(89));
    world.list_with(&token).await.assert_served();
    world.clock.advance(std::time::Duration::from_secs(1));
    world
        .list_with(&token)
        .await
        .assert_invalid_token("expired");
}
