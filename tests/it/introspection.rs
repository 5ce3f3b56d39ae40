//! Introspection of opaque tokens: the request, its issuer, the validation of the response, and its lifetime.

use std::time::Duration;

use serde_json::{Value, json};
use toolgate::testing::{AuthorizationServer, Clock, Endpoint, Fault};
use toolgate::{Introspection, Issuer, Limits, ScopeMap};

use crate::logs::listen;
use crate::world::{JKT, RESOURCE, World, clock};

/// A gate that asks its issuer about opaque tokens.
pub async fn asking() -> World {
    asking_as(|introspection| introspection).await
}

pub async fn asking_as(configure: impl FnOnce(Introspection) -> Introspection) -> World {
    let clock = clock();
    let server = AuthorizationServer::builder()
        .clock(clock.clone())
        .start()
        .await;
    around(
        server,
        clock,
        configure(Introspection::basic("rs", "rs-secret")),
    )
}

pub fn around(server: AuthorizationServer, clock: Clock, introspection: Introspection) -> World {
    World::around(server, clock, |builder, server| {
        let issuer = Issuer::new(server.issuer()).introspection(introspection);
        builder
            .issuer(issuer)
            .scopes(ScopeMap::allow_unlisted().every_request("mcp:use"))
    })
}

pub fn asked(world: &World) -> usize {
    world.server.hits(Endpoint::Introspect)
}

/// An answer that is good for the gate, to be spoilt by the test.
fn good_answer(world: &World) -> Value {
    json!({
        "active": true,
        "iss": world.server.issuer(),
        "aud": RESOURCE,
        "sub": "alice",
        "client_id": "test-client",
        "scope": "mcp:use",
        "token_type": "Bearer",
        "exp": 1_800_000_300,
    })
}

#[tokio::test]
async fn the_claims_of_an_opaque_token_are_those_of_its_introspection() {
    let world = asking().await;
    let token = world
        .server
        .mint_opaque(&world.token().claim("tenant", "acme").claim("jti", "j1"));
    world.list_with(&token).await.assert_served();
    let reached = world.reached();
    assert!(!reached.headers.contains_key("authorization"));
    let principal = reached.principal.expect("a principal");
    assert_eq!(
        (principal.issuer(), principal.subject()),
        (world.server.issuer(), Some("alice"))
    );
    assert_eq!(
        (principal.client_id(), principal.token_id()),
        (Some("test-client"), Some("j1"))
    );
    assert_eq!(principal.audience().collect::<Vec<_>>(), [RESOURCE]);
    assert!(principal.scopes().contains("mcp:use"));
    assert!(principal.expires_at().is_some());
    #[derive(serde::Deserialize)]
    struct Tenant {
        tenant: String,
    }
    assert_eq!(
        principal.claims::<Tenant>().unwrap().tenant,
        "acme",
        "unknown members are kept"
    );
}

#[tokio::test]
async fn the_token_is_sent_in_a_form_exactly_as_it_was_presented() {
    let (log, _guard) = listen();
    let world = asking().await;
    let token = "abc-._~+/0123456789abcdefgh==";
    world.server.introspect_as(token, good_answer(&world));
    world.list_with(token).await.assert_served();
    let [request] = world
        .server
        .requests(Endpoint::Introspect)
        .try_into()
        .expect("one request");
    assert_eq!(
        (request.method.as_str(), request.uri.query()),
        ("POST", None)
    );
    assert_eq!(
        request.headers["content-type"],
        "application/x-www-form-urlencoded"
    );
    assert_eq!(request.headers["accept"], "application/json");
    let body = std::str::from_utf8(&request.body).unwrap();
    assert_eq!(
        body,
        "token=abc-._%7E%2B%2F0123456789abcdefgh%3D%3D&token_type_hint=access_token"
    );
    for secret in [token, "rs-secret", "cnM6cnMtc2VjcmV0", "abc-._%7E"] {
        assert!(!log.text().contains(secret), "{secret} is in the log");
    }
    let event = log.decision();
    assert_eq!(
        event["fields"]["token_id"].as_str().map(str::len),
        Some(16),
        "the hash stands in for a jti"
    );
}

#[tokio::test]
async fn the_response_is_validated_like_the_claims_of_a_jwt() {
    type Spoil = fn(&mut Value);
    let cases: &[(&str, Spoil)] = &[
        ("inactive", |answer| answer["active"] = json!(false)),
        ("inactive", |answer| answer["active"] = json!("true")),
        ("inactive", |answer| answer["active"] = json!(1)),
        ("inactive", |answer| answer["active"] = json!(null)),
        ("audience_mismatch", |answer| {
            answer["aud"] = json!("https://other.example.com/mcp")
        }),
        ("audience_mismatch", |answer| {
            answer["aud"] = json!([format!("{RESOURCE}/x")])
        }),
        ("audience_missing", |answer| answer["aud"] = json!([])),
        ("bad_claim", |answer| answer["aud"] = json!(7)),
        ("audience_missing", |answer| {
            drop(answer.as_object_mut().unwrap().remove("aud"))
        }),
        ("issuer_mismatch", |answer| {
            answer["iss"] = json!("https://other.example.com")
        }),
        ("issuer_mismatch", |answer| answer["iss"] = json!(7)),
        ("expired", |answer| answer["exp"] = json!(1_799_999_999)),
        ("expired", |answer| answer["exp"] = json!(1_800_000_000)),
        ("bad_claim", |answer| answer["exp"] = json!("1800000300")),
        ("not_yet_valid", |answer| {
            answer["nbf"] = json!(1_800_000_100)
        }),
        ("issued_in_future", |answer| {
            answer["iat"] = json!(1_800_000_400)
        }),
        ("dpop_token_as_bearer", |answer| {
            answer["cnf"] = json!({ "jkt": JKT })
        }),
        ("certificate_off", |answer| {
            answer["cnf"] = json!({ "x5t#S256": JKT })
        }),
        ("unknown_binding", |answer| answer["cnf"] = json!(null)),
        ("unknown_binding", |answer| {
            answer["token_type"] = json!("DPoP")
        }),
        ("token_use_not_access", |answer| {
            answer["token_type"] = json!("refresh_token")
        }),
        ("token_use_not_access", |answer| {
            answer["token_type"] = json!("N_A")
        }),
        ("bad_claim", |answer| {
            answer["token_type"] = json!(["Bearer"])
        }),
        ("token_use_not_access", |answer| {
            answer["token_use"] = json!("refresh_token")
        }),
        ("token_use_not_access", |answer| {
            answer["token_use"] = json!("id")
        }),
        ("security_event", |answer| answer["events"] = json!({})),
        ("security_event", |answer| answer["events"] = json!(null)),
        ("bad_claim", |answer| answer["sub"] = json!(7)),
        ("bad_claim", |answer| answer["scope"] = json!(7)),
        ("scope_too_long", |answer| {
            answer["scope"] = json!("x".repeat(9000))
        }),
    ];
    let world = asking().await;
    for (index, (code, spoil)) in cases.iter().enumerate() {
        let (token, mut answer) = (format!("spoilt-{index}"), good_answer(&world));
        spoil(&mut answer);
        world.server.introspect_as(&token, answer.clone());
        let refused = world.list_with(&token).await;
        assert_eq!(refused.code, Some(*code), "{answer}");
        refused.assert_invalid_token(code);
    }
    assert_eq!(world.reached_count(), 0);
}

#[tokio::test]
async fn optional_members_may_be_missing() {
    let world = asking().await;
    let minimal = json!({ "active": true, "aud": RESOURCE });
    world.server.introspect_as("minimal", minimal);
    world.list_with("minimal").await.assert_needs(&["mcp:use"]);
    let scoped = json!({ "active": true, "aud": ["x", RESOURCE], "scope": "mcp:use other" });
    world.server.introspect_as("scoped", scoped);
    world.list_with("scoped").await.assert_served();
    let principal = world.reached().principal.unwrap();
    assert_eq!(
        (
            principal.subject(),
            principal.expires_at(),
            principal.identity()
        ),
        (None, None, None)
    );
    for (index, kind) in ["bearer", "BEARER", "access_token"].into_iter().enumerate() {
        let (token, mut answer) = (format!("kind-{index}"), good_answer(&world));
        answer["token_type"] = kind.into();
        world.server.introspect_as(&token, answer);
        world.list_with(&token).await.assert_served();
    }
}

#[tokio::test]
async fn without_an_audience_only_the_clients_named_for_it_pass_and_only_with_access_tokens() {
    let clock = clock();
    let server = AuthorizationServer::builder()
        .clock(clock.clone())
        .start()
        .await;
    let world = World::around(server, clock, |builder, server| {
        let introspection = Introspection::basic("rs", "rs-secret");
        let issuer = Issuer::new(server.issuer()).introspection(introspection);
        builder
            .issuer(issuer.unbound_tokens_of_client("test-client"))
            .scopes(ScopeMap::allow_unlisted())
    });
    let answer_for = |token: &str, change: &dyn Fn(&mut serde_json::Map<String, Value>)| {
        let mut answer = good_answer(&world);
        let members = answer.as_object_mut().unwrap();
        members.remove("aud");
        change(members);
        world.server.introspect_as(token, answer);
    };
    answer_for("unbound", &|_| {});
    world.list_with("unbound").await.assert_served();
    answer_for("anothers", &|answer| {
        drop(answer.insert("client_id".into(), "another".into()))
    });
    world
        .list_with("anothers")
        .await
        .assert_invalid_token("audience_missing");
    answer_for("foreign", &|answer| {
        drop(answer.insert("aud".into(), "https://other".into()))
    });
    world
        .list_with("foreign")
        .await
        .assert_invalid_token("audience_mismatch");
    // So does oidc-provider tell of refresh tokens: active, without a type and without an audience.
    answer_for("untyped", &|answer| drop(answer.remove("token_type")));
    world
        .list_with("untyped")
        .await
        .assert_invalid_token("token_use_not_access");
}

#[tokio::test]
async fn an_unusable_response_is_an_outage_and_no_rejection() {
    let world = asking().await;
    let token = world.server.mint_opaque(&world.token());
    let body = |text: &'static str| Fault::Body(text.into());
    for (fault, code) in [
        (Fault::Status(500), "introspection_unavailable"),
        (Fault::Status(404), "introspection_unavailable"),
        (Fault::Status(204), "introspection_unavailable"),
        (Fault::Status(429), "introspection_unavailable"),
        (Fault::Status(401), "introspection_unauthorized"),
        (Fault::Status(403), "introspection_unauthorized"),
        (
            Fault::Redirect("http://127.0.0.1:1/".to_owned()),
            "introspection_unavailable",
        ),
        (Fault::Reset, "introspection_unavailable"),
        (Fault::Truncate, "introspection_unavailable"),
        (Fault::Huge(1024 * 1024), "introspection_unavailable"),
        (Fault::Html, "introspection_unusable"),
        (body(""), "introspection_unusable"),
        (body("{}"), "introspection_unusable"),
        (body("true"), "introspection_unusable"),
        (body("[{\"active\":true}]"), "introspection_unusable"),
        (body("{\"active\":true}x"), "introspection_unusable"),
        (
            body("{\"error\":\"temporarily_unavailable\"}"),
            "introspection_unusable",
        ),
        (
            body("{\"active\":false,\"active\":true}"),
            "introspection_unusable",
        ),
    ] {
        world.server.fail(Endpoint::Introspect, Some(fault.clone()));
        let answer = world.list_with(&token).await;
        assert_eq!(answer.code, Some(code), "{fault:?}");
        answer.assert_unavailable(code);
        world.server.fail(Endpoint::Introspect, None);
        let other = world.server.mint_opaque(&world.token());
        world.list_with(&other).await.assert_served();
    }
    world.list_with(&token).await.assert_served();
}

#[tokio::test]
async fn our_own_credentials_refused_are_the_operators_error_and_not_the_callers() {
    let (log, _guard) = listen();
    let clock = clock();
    let server = AuthorizationServer::builder()
        .clock(clock.clone())
        .start()
        .await;
    let world = around(server, clock, Introspection::basic("rs", "a wrong secret"));
    let token = world.server.mint_opaque(&world.token());
    world
        .list_with(&token)
        .await
        .assert_unavailable("introspection_unauthorized");
    let event = log.decision();
    assert_eq!(event["level"], "ERROR");
    assert_eq!(event["fields"]["reason"], "introspection_unauthorized");
    assert!(
        event["fields"]["source"]
            .as_str()
            .unwrap()
            .contains("refused our credentials with 401"),
        "{event}"
    );
    assert!(!log.text().contains("a wrong secret"));
}

#[tokio::test]
async fn a_jwt_with_any_defect_is_never_sent_to_an_endpoint_for_opaque_tokens() {
    let world = asking().await;
    let header = "eyJhbGciOiJub25lIn0"; // {"alg":"none"}
    for (token, code) in [
        (world.token().expires_in(-100).mint(), "expired"),
        (world.token().mint_with_signature([0; 64]), "bad_signature"),
        (
            world.token().claim("iss", "https://other").mint(),
            "issuer_mismatch",
        ),
        (
            world.token().header("typ", "refresh+jwt").mint(),
            "wrong_typ",
        ),
        (format!("{header}.e30."), "issuer_mismatch"),
        (format!("{header}.!.x").replace('!', "e"), "bad_base64"),
        ("a.b.c.d.e".to_owned(), "encrypted_jwt"),
    ] {
        world.server.introspect_as(&token, good_answer(&world));
        world.list_with(&token).await.assert_invalid_token(code);
    }
    world.list_with(&world.token().mint()).await.assert_served();
    assert_eq!(asked(&world), 0);
}

#[tokio::test]
async fn a_token_that_only_looks_like_a_jwt_is_opaque() {
    let world = asking().await;
    for token in [
        "a",
        "a.b",
        "v4.public.abc",
        "a.b.c.d",
        "e30x.b.c",
        "IjEi.b.c",
    ] {
        world.server.introspect_as(token, good_answer(&world));
        world.list_with(token).await.assert_served();
    }
}

#[tokio::test]
async fn a_malformed_or_overlong_token_is_sent_to_no_issuer() {
    let world = asking().await;
    world
        .list_with(&"a".repeat(16 * 1024 + 1))
        .await
        .assert_invalid_token("token_too_large");
    for token in ["a b", "\"a\"", "a=b"] {
        assert_eq!(world.list_with(token).await.status, 400, "{token}");
    }
    assert_eq!(
        (asked(&world), world.server.hits(Endpoint::Rfc8414)),
        (0, 0)
    );
}

#[tokio::test]
async fn each_issuer_gets_only_tokens_with_its_own_prefix() {
    let clock = clock();
    let server = AuthorizationServer::builder()
        .clock(clock.clone())
        .start()
        .await;
    let neighbour = AuthorizationServer::builder()
        .clock(clock.clone())
        .start()
        .await;
    let world = World::around(server, clock, |builder, server| {
        let with = |server: &AuthorizationServer, prefix: &str| {
            let introspection = Introspection::basic("rs", "rs-secret").token_prefix(prefix);
            Issuer::new(server.issuer()).introspection(introspection)
        };
        let builder = builder
            .issuer(with(server, "one_"))
            .issuer(with(&neighbour, "two_"));
        builder.scopes(ScopeMap::allow_unlisted())
    });
    world.server.introspect_as(
        "one_x",
        json!({ "active": true, "aud": RESOURCE, "sub": "of one" }),
    );
    neighbour.introspect_as(
        "two_x",
        json!({ "active": true, "aud": RESOURCE, "sub": "of two" }),
    );
    for (token, issuer) in [
        ("one_x", world.server.issuer()),
        ("two_x", neighbour.issuer()),
    ] {
        world.list_with(token).await.assert_served();
        assert_eq!(world.reached().principal.unwrap().issuer(), issuer);
    }
    for token in ["three_x", "one", "One_x", "xone_x"] {
        world
            .list_with(token)
            .await
            .assert_invalid_token("not_a_jwt");
    }
    assert_eq!(
        (asked(&world), neighbour.hits(Endpoint::Introspect)),
        (1, 1)
    );
}

#[tokio::test]
async fn an_answer_counts_for_a_minute_and_then_a_revocation_is_noticed() {
    let world = asking().await;
    let token = world.server.mint_opaque(&world.token().expires_in(3600));
    for _ in 0..3 {
        world.list_with(&token).await.assert_served();
    }
    assert_eq!(asked(&world), 1);
    world.server.revoke(&token);
    world.clock.advance(Duration::from_secs(59));
    world.list_with(&token).await.assert_served();
    world.clock.advance(Duration::from_secs(1));
    world
        .list_with(&token)
        .await
        .assert_invalid_token("inactive");
    assert_eq!(asked(&world), 2);
}

#[tokio::test]
async fn a_refusal_counts_for_ten_seconds() {
    let world = asking().await;
    let token = world.server.mint_opaque(&world.token());
    world.server.revoke(&token);
    for _ in 0..3 {
        world
            .list_with(&token)
            .await
            .assert_invalid_token("inactive");
    }
    assert_eq!(asked(&world), 1);
    world.server.introspect_as(&token, good_answer(&world));
    world.clock.advance(Duration::from_secs(9));
    world
        .list_with(&token)
        .await
        .assert_invalid_token("inactive");
    world.clock.advance(Duration::from_secs(1));
    world.list_with(&token).await.assert_served();
}

#[tokio::test]
async fn how_long_answers_count_can_be_set() {
    let clock = clock();
    let server = AuthorizationServer::builder()
        .clock(clock.clone())
        .start()
        .await;
    let world = World::around(server, clock, |builder, server| {
        let introspection = Introspection::basic("rs", "rs-secret");
        let limits = Limits::default()
            .introspection_active_seconds(5)
            .introspection_inactive_seconds(3);
        let builder = builder.issuer(Issuer::new(server.issuer()).introspection(introspection));
        builder.scopes(ScopeMap::allow_unlisted()).limits(limits)
    });
    let (good, bad) = (world.server.mint_opaque(&world.token()), "garbage");
    world.list_with(&good).await.assert_served();
    world.list_with(bad).await.assert_invalid_token("inactive");
    for (seconds, questions) in [(2, 2), (1, 3), (1, 3), (1, 4)] {
        world.clock.advance(Duration::from_secs(seconds));
        world.list_with(&good).await.assert_served();
        world.list_with(bad).await.assert_invalid_token("inactive");
        assert_eq!(asked(&world), questions);
    }
}

#[tokio::test]
async fn nothing_remembered_outlives_the_token_by_a_second() {
    let world = asking().await;
    let mut answer = good_answer(&world);
    answer["exp"] = json!(1_800_000_005);
    world.server.introspect_as("short", answer);
    world.list_with("short").await.assert_served();
    world.clock.advance(Duration::from_secs(4));
    world.list_with("short").await.assert_served();
    assert_eq!(asked(&world), 1);
    world.clock.advance(Duration::from_secs(1));
    world
        .list_with("short")
        .await
        .assert_invalid_token("expired");
}

#[tokio::test]
async fn the_endpoint_is_discovered_once_and_kept_through_an_outage_of_the_metadata() {
    let world = asking().await;
    for _ in 0..3 {
        world
            .list_with(&world.server.mint_opaque(&world.token()))
            .await
            .assert_served();
    }
    assert_eq!(
        (
            world.server.hits(Endpoint::Rfc8414),
            world.server.hits(Endpoint::Jwks)
        ),
        (1, 0)
    );
    world
        .server
        .fail(Endpoint::Rfc8414, Some(Fault::Status(500)));
    world
        .server
        .fail(Endpoint::OidcInserted, Some(Fault::Status(500)));
    world.clock.advance(Duration::from_secs(2 * 60 * 60));
    let token = world.token().mint();
    world
        .list_with(&world.server.mint_opaque(&world.token()))
        .await
        .assert_served();
    world
        .list_with(&token)
        .await
        .assert_unavailable("discovery_failed");
}

#[tokio::test]
async fn missing_metadata_or_a_missing_endpoint_is_an_outage() {
    for (fault, code) in [
        (Fault::Status(500), "discovery_failed"),
        (Fault::WrongIssuer, "discovery_issuer_mismatch"),
        (Fault::Body("{}".into()), "discovery_issuer_mismatch"),
    ] {
        let world = asking().await;
        for form in [Endpoint::Rfc8414, Endpoint::OidcInserted] {
            world.server.fail(form, Some(fault.clone()));
        }
        let token = world.server.mint_opaque(&world.token());
        world.list_with(&token).await.assert_unavailable(code);
        for form in [Endpoint::Rfc8414, Endpoint::OidcInserted] {
            world.server.fail(form, None);
        }
        world.clock.advance(Duration::from_secs(1));
        world.list_with(&token).await.assert_served();
    }
    let world = asking().await;
    let without =
        json!({ "issuer": world.server.issuer(), "jwks_uri": world.server.url(Endpoint::Jwks) });
    let without = Fault::Body(without.to_string().into());
    world.server.fail(Endpoint::Rfc8414, Some(without.clone()));
    world.server.fail(Endpoint::OidcInserted, Some(without));
    world
        .list_with("opaque")
        .await
        .assert_unavailable("discovery_failed");
    let health = world.gate.health();
    let problem = health[0]
        .problem()
        .and_then(std::error::Error::source)
        .map(ToString::to_string);
    let [first, second] =
        [Endpoint::Rfc8414, Endpoint::OidcInserted].map(|form| world.server.url(form));
    let why = "it has no introspection_endpoint";
    assert_eq!(problem, Some(format!("{first}: {why}; {second}: {why}")));
}

#[tokio::test]
async fn an_endpoint_that_is_given_is_not_discovered() {
    let clock = clock();
    let server = AuthorizationServer::builder()
        .clock(clock.clone())
        .start()
        .await;
    let introspection =
        Introspection::basic("rs", "rs-secret").endpoint(server.url(Endpoint::Introspect));
    let world = around(server, clock, introspection);
    world
        .list_with(&world.server.mint_opaque(&world.token()))
        .await
        .assert_served();
    assert_eq!(
        (asked(&world), world.server.hits(Endpoint::Rfc8414)),
        (1, 0)
    );
}

#[tokio::test]
async fn if_every_token_is_introspected_a_revoked_jwt_is_rejected_within_a_minute() {
    let world = asking_as(Introspection::every_token).await;
    let (token, opaque) = (
        world.token().mint(),
        world.server.mint_opaque(&world.token()),
    );
    world.list_with(&token).await.assert_served();
    world.list_with(&token).await.assert_served();
    world.list_with(&opaque).await.assert_served();
    assert_eq!(asked(&world), 2);
    world.server.revoke(&token);
    world.list_with(&token).await.assert_served();
    world.clock.advance(Duration::from_secs(60));
    world
        .list_with(&token)
        .await
        .assert_invalid_token("inactive");
}

#[tokio::test]
async fn a_jwt_is_introspected_only_if_its_claims_and_signature_are_valid() {
    let world = asking_as(Introspection::every_token).await;
    for (token, code) in [
        (world.token().expires_in(-100).mint(), "expired"),
        (world.token().mint_with_signature([0; 64]), "bad_signature"),
        (
            world.token().claim("iss", "https://other").mint(),
            "issuer_mismatch",
        ),
        (
            world.token().audience("https://other").mint(),
            "audience_mismatch",
        ),
        (
            world.token().claim("token_use", "id").mint(),
            "token_use_not_access",
        ),
    ] {
        world.server.introspect_as(&token, good_answer(&world));
        world.list_with(&token).await.assert_invalid_token(code);
    }
    assert_eq!(asked(&world), 0);
    // A bound token is verified before it is refused, and a response without `cnf` frees nothing.
    let bound = world.token().claim("cnf", json!({ "jkt": JKT })).mint();
    world.server.introspect_as(&bound, good_answer(&world));
    world
        .list_with(&bound)
        .await
        .assert_invalid_token("dpop_token_as_bearer");
    world
        .list_with(&bound)
        .await
        .assert_invalid_token("dpop_token_as_bearer");
    assert_eq!(asked(&world), 1);
}

#[tokio::test]
async fn the_response_completes_a_lightweight_jwt_and_overrides_its_claims() {
    let world = asking_as(Introspection::every_token).await;
    let light = world
        .server
        .token()
        .without("sub")
        .without("client_id")
        .mint();
    world.server.introspect_as(&light, good_answer(&world));
    world.list_with(&light).await.assert_served();
    let principal = world.reached().principal.unwrap();
    assert_eq!(
        (principal.subject(), principal.client_id()),
        (Some("alice"), Some("test-client"))
    );

    let narrowed = world
        .token()
        .scope("mcp:use admin")
        .claim("tenant", "acme")
        .mint();
    world
        .server
        .introspect_as(&narrowed, json!({ "active": true, "scope": "mcp:use" }));
    world.list_with(&narrowed).await.assert_served();
    let principal = world.reached().principal.unwrap();
    assert_eq!(principal.scopes().iter().collect::<Vec<_>>(), ["mcp:use"]);
    assert_eq!(
        principal.subject(),
        Some("alice"),
        "the token says what the answer does not"
    );
    assert_eq!(principal.claims::<Value>().unwrap()["tenant"], "acme");
    let issued = principal.claims::<Value>().unwrap()["iat"].clone();
    assert_eq!(issued, json!(1_800_000_000), "numbers stay what they were");

    for (member, value, code) in [
        ("aud", json!("https://other"), "audience_mismatch"),
        ("iss", json!("https://other"), "issuer_mismatch"),
        ("exp", json!(1), "expired"),
    ] {
        let token = world.token().mint();
        let mut answer = json!({ "active": true });
        answer[member] = value;
        world.server.introspect_as(&token, answer);
        world.list_with(&token).await.assert_invalid_token(code);
    }
    let unaddressed = world.server.token().scope("mcp:use").mint();
    world
        .list_with(&unaddressed)
        .await
        .assert_invalid_token("audience_missing");
}

#[tokio::test]
async fn an_introspected_jwt_also_dies_with_its_key() {
    let world = asking_as(Introspection::every_token).await;
    let token = world.token().mint();
    world.list_with(&token).await.assert_served();
    world.server.rotate(toolgate::testing::SigningKey::generate(
        toolgate::testing::Algorithm::Es256,
    ));
    world.clock.advance(Duration::from_secs(31));
    world.list_with(&world.token().mint()).await.assert_served();
    let before = asked(&world);
    world
        .list_with(&token)
        .await
        .assert_invalid_token("kid_unknown");
    assert_eq!(asked(&world), before);
}

#[tokio::test]
async fn health_shows_whether_introspection_works() {
    let world = asking().await;
    assert!(!world.gate.health()[0].is_serving());
    let [issuer] = world.gate.warm_up().await.try_into().expect("one issuer");
    assert!(issuer.is_serving() && issuer.problem().is_none());
    assert_eq!(
        world.server.hits(Endpoint::Introspect),
        0,
        "warming up asks about no token"
    );

    world
        .server
        .fail(Endpoint::Introspect, Some(Fault::Status(500)));
    world
        .list_with("opaque")
        .await
        .assert_unavailable("introspection_unavailable");
    let [issuer] = world.gate.health().try_into().expect("one issuer");
    assert!(issuer.is_serving(), "its JWTs are judged");
    assert_eq!(
        issuer.problem().unwrap().to_string(),
        "the introspection endpoint answered 500"
    );

    world.server.fail(Endpoint::Introspect, None);
    world
        .list_with("opaque")
        .await
        .assert_invalid_token("inactive");
    assert!(world.gate.health()[0].problem().is_none());

    let world = asking_as(Introspection::every_token).await;
    world.gate.warm_up().await;
    assert!(world.gate.health()[0].is_serving());
    world
        .server
        .fail(Endpoint::Introspect, Some(Fault::Status(500)));
    world
        .list_with(&world.token().mint())
        .await
        .assert_unavailable("introspection_unavailable");
    assert!(
        !world.gate.health()[0].is_serving(),
        "none of its tokens is judged"
    );
}
