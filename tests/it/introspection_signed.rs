//! Signed introspection responses (RFC 9701): accepted only if the issuer signed them for this server, just now.

use std::error::Error;
use std::iter::successors;
use std::time::Duration;

use serde_json::{Value, json};
use toolgate::testing::{
    Algorithm, AuthorizationServer, Clock, Endpoint, Fault, SigningKey, TokenBuilder,
};
use toolgate::{Caller, Introspection, Issuer, ScopeMap};

use crate::introspection::{around, asked, asking_as};
use crate::logs::listen;
use crate::world::{RESOURCE, World, call, clock};

/// A gate that accepts only signed responses.
async fn asking() -> World {
    asking_as(Introspection::signed_responses).await
}

/// The response to the introspection of any token of this client, active and good for the gate.
fn response(server: &AuthorizationServer) -> TokenBuilder {
    let answer = json!({ "active": true, "aud": RESOURCE, "scope": "mcp:use", "sub": "alice" });
    server.introspection_response("rs", answer)
}

fn answer_with(world: &World, response: impl Into<String>) {
    let fault = Fault::SignedResponse(response.into().into());
    world.server.fail(Endpoint::Introspect, Some(fault));
}

/// The texts of an error and its sources.
fn causes(error: &(dyn Error + 'static)) -> String {
    let all = successors(Some(error), |error| (*error).source());
    all.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[tokio::test]
async fn the_claims_are_those_in_a_response_that_the_issuer_signed() {
    let (log, _guard) = listen();
    let world = asking().await;
    let introspected = &log.events()[0]["fields"]["introspected"];
    let only_signed = "and only signed responses are accepted\"]";
    assert!(
        introspected.as_str().unwrap().ends_with(only_signed),
        "{introspected}"
    );
    let token = world.server.mint_opaque(&world.token().claim("jti", "j1"));
    world.list_with(&token).await.assert_served();
    let principal = world.reached().principal.unwrap();
    assert_eq!(
        (
            principal.issuer(),
            principal.subject(),
            principal.token_id()
        ),
        (world.server.issuer(), Some("alice"), Some("j1"))
    );
    let claims: Value = principal.claims().unwrap();
    assert_eq!(
        (&claims["active"], &claims["aud"]),
        (&json!(true), &json!(RESOURCE))
    );
    assert!(claims.get("token_introspection").is_none(), "{claims}");
    let [request] = &world.server.requests(Endpoint::Introspect)[..] else {
        panic!("one request")
    };
    let accept = request.headers.get_all("accept").iter().collect::<Vec<_>>();
    assert_eq!(accept, ["application/token-introspection+jwt"]);
    assert_eq!(
        world.server.hits(Endpoint::Jwks),
        1,
        "the keys of the issuer"
    );
}

#[tokio::test]
async fn signed_responses_are_cached_as_unsigned_ones_are() {
    let world = asking().await;
    let (good, revoked) = (
        world.server.mint_opaque(&world.token()),
        world.server.mint_opaque(&world.token()),
    );
    world.server.revoke(&revoked);
    for _ in 0..3 {
        world.list_with(&good).await.assert_served();
        world
            .list_with(&revoked)
            .await
            .assert_invalid_token("inactive");
    }
    assert_eq!(asked(&world), 2);
    world.clock.advance(Duration::from_secs(10));
    world.server.revoke(&good);
    world.list_with(&good).await.assert_served();
    world
        .list_with(&revoked)
        .await
        .assert_invalid_token("inactive");
    assert_eq!(asked(&world), 3);
    world.clock.advance(Duration::from_secs(50));
    world
        .list_with(&good)
        .await
        .assert_invalid_token("inactive");
}

#[tokio::test]
async fn any_other_response_is_an_outage_whose_cause_the_operator_sees() {
    type Spoil = fn(TokenBuilder, &AuthorizationServer) -> String;
    let cases: &[(&str, Spoil)] = &[
        (
            "its typ is at+jwt, and not token-introspection+jwt",
            |good, _| good.header("typ", "at+jwt").mint(),
        ),
        ("its typ is JWT, and", |good, _| {
            good.header("typ", "JWT").mint()
        }),
        ("its typ is missing, and", |good, _| {
            good.without_header("typ").mint()
        }),
        ("its typ is of another type, and", |good, _| {
            good.header("typ", json!(["token-introspection+jwt"]))
                .mint()
        }),
        (
            "its iss is https://other.example, and not http://",
            |good, _| good.claim("iss", "https://other.example").mint(),
        ),
        ("its iss is missing, and", |good, _| {
            good.without("iss").mint()
        }),
        ("its iss is http", |good, server| {
            good.claim("iss", format!("{}/", server.issuer())).mint()
        }),
        (
            "its aud is another, and not rs or https://mcp.example.com/mcp",
            |good, _| good.audience("another").mint(),
        ),
        ("its aud is missing, and not rs", |good, _| {
            good.without("aud").mint()
        }),
        ("its aud is missing, and not rs", |good, _| {
            good.audience(json!([])).mint()
        }),
        ("its aud is of another type, and", |good, _| {
            good.audience(json!([7, "rs2"])).mint()
        }),
        ("its aud is of another type, and", |good, _| {
            good.audience(json!({ "rs": 1 })).mint()
        }),
        ("its iat is missing, and", |good, _| {
            good.without("iat").mint()
        }),
        ("its iat is 1800000000, and not a number", |good, _| {
            good.claim("iat", "1800000000").mint()
        }),
        (
            "its iat is 2027-01-15T07:58:59Z, and not about the time of the request",
            |good, _| good.claim("iat", 1_799_999_939).mint(),
        ),
        ("its iat is 2027-01-15T08:01:01Z, and", |good, _| {
            good.claim("iat", 1_800_000_061).mint()
        }),
        ("by its exp or nbf it is not valid now", |good, _| {
            good.expires_in(-60).mint()
        }),
        ("by its exp or nbf it is not valid now", |good, _| {
            good.claim("nbf", 1_800_000_061).mint()
        }),
        ("its exp is of another type, and not a number", |good, _| {
            good.claim("exp", json!(null)).mint()
        }),
        (
            "its token_introspection is missing, and not an object",
            |good, _| {
                good.without("token_introspection")
                    .claim("active", true)
                    .mint()
            },
        ),
        ("its token_introspection is {", |good, _| {
            good.claim("token_introspection", r#"{"active":true}"#)
                .mint()
        }),
        ("it has no `active`", |good, _| {
            good.claim("token_introspection", json!({ "aud": RESOURCE }))
                .mint()
        }),
        (
            "its signature is not one of an ES256 key of http",
            |good, _| {
                good.signed_with(&SigningKey::generate(Algorithm::Es256))
                    .mint()
            },
        ),
        (": bad_signature, kid: ", |good, server| {
            let kid = server.signing_key().kid().unwrap().to_owned();
            good.signed_with(&SigningKey::generate(Algorithm::Es256).with_kid(kid))
                .mint()
        }),
        (": bad_signature, kid: ", |good, _| {
            good.mint_with_signature([0; 64])
        }),
        (": key_unusable, kid: ", |good, _| {
            good.header("alg", "RS256").mint()
        }),
        ("its alg is HS256, and not one of RS256 ", |good, _| {
            good.header("alg", "HS256").mint()
        }),
        ("its alg is none, and not one of RS256 ", |good, _| {
            good.header("alg", "none").mint_with_signature([])
        }),
        ("it has an extension: `crit`", |good, _| {
            good.header("crit", json!(["x"])).mint()
        }),
        (
            "its header cannot be read: an object in it has a member twice",
            |good, server| {
                let header = format!(
                    r#"{{"typ":"at+jwt","typ":"token-introspection+jwt","alg":"ES256","kid":"{}"}}"#,
                    server.signing_key().kid().unwrap()
                );
                good.header_text(header).mint()
            },
        ),
        (
            "its payload cannot be read: an object in it has a member twice",
            |good, server| {
                let payload = format!(
                    r#"{{"iss":"{}","aud":"rs","iat":1800000000,"token_introspection":{{"active":false,"active":true}}}}"#,
                    server.issuer()
                );
                good.payload(payload).mint()
            },
        ),
        ("its payload cannot be read: it is not JSON", |good, _| {
            good.payload("{").mint()
        }),
        ("it is encrypted", |good, _| format!("{}.x.y", good.mint())),
        ("it is not a JWT", |good, _| {
            good.mint().split_once('.').unwrap().1.to_owned()
        }),
        ("it is not a JWT", |_, _| String::new()),
        ("it is not a JWT", |_, _| r#"{"active":true}"#.to_owned()),
        ("its signature is not base64url", |good, _| {
            format!("{}=", good.mint())
        }),
    ];
    for (index, (cause, spoil)) in cases.iter().enumerate() {
        let (log, _guard) = listen();
        let world = asking().await;
        let bad = spoil(response(&world.server), &world.server);
        answer_with(&world, bad.clone());
        let token = format!("opaque-{index}");
        let refused = world.list_with(&token).await;
        assert_eq!(refused.code, Some("introspection_unusable"), "{cause}");
        refused.assert_unavailable("introspection_unusable");
        let decision = log.decision();
        assert_eq!(decision["level"], "ERROR");
        let said = decision["fields"]["source"].as_str().expect("a cause");
        assert!(said.contains(cause), "{said}\nlacks\n{cause}");
        assert!(
            bad.is_empty() || !log.text().contains(&bad),
            "the response is in the log"
        );

        // It is not cached: the next response counts.
        answer_with(&world, response(&world.server).mint());
        world.list_with(&token).await.assert_served();
    }
}

#[tokio::test]
async fn an_unsigned_response_is_refused_whatever_its_body_is() {
    let world = asking().await;
    let good = response(&world.server).mint();
    let unsigned = json!({ "active": true, "aud": RESOURCE, "scope": "mcp:use" }).to_string();
    for body in [good, unsigned, r#"{"active":false}"#.to_owned()] {
        let fault = Fault::Body(body.into());
        world.server.fail(Endpoint::Introspect, Some(fault));
        let refused = world.list_with("opaque").await;
        refused.assert_unavailable("introspection_unusable");
    }
    let health = world.gate.health();
    let problem = causes(health[0].problem().expect("a problem"));
    assert_eq!(
        problem,
        "the response of the introspection endpoint is not signed for this server: its Content-Type is \
         application/json, and not application/token-introspection+jwt"
    );
    let explanation = world
        .gate
        .explain(Caller::Token("opaque"), call("ping", json!({})))
        .await;
    assert!(
        explanation
            .to_string()
            .contains("its Content-Type is application/json"),
        "{explanation}"
    );
    let warmed = world.gate.warm_up().await;
    assert_eq!(causes(warmed[0].problem().unwrap()), problem);
    assert!(warmed[0].is_serving(), "the next response may be signed");
}

#[tokio::test]
async fn an_error_response_need_not_be_signed() {
    let world = asking().await;
    for (fault, code) in [
        (Fault::Status(401), "introspection_unauthorized"),
        (Fault::Status(500), "introspection_unavailable"),
    ] {
        world.server.fail(Endpoint::Introspect, Some(fault));
        world.list_with("opaque").await.assert_unavailable(code);
    }
}

#[tokio::test]
async fn only_the_inner_claims_are_about_the_token() {
    let world = asking().await;
    let good = || response(&world.server);
    let inactive = good()
        .claim("token_introspection", json!({ "active": false }))
        .claim("active", true)
        .claim("scope", "mcp:use");
    answer_with(&world, inactive.mint());
    world
        .list_with("inactive")
        .await
        .assert_invalid_token("inactive");
    answer_with(
        &world,
        good().claim("active", false).claim("sub", "mallory").mint(),
    );
    world.list_with("active").await.assert_served();
    assert_eq!(world.reached().principal.unwrap().subject(), Some("alice"));
    // And those are validated as the members of an unsigned response are.
    let foreign = json!({ "active": true, "aud": "rs", "scope": "mcp:use" });
    answer_with(&world, good().claim("token_introspection", foreign).mint());
    world
        .list_with("foreign")
        .await
        .assert_invalid_token("audience_mismatch");
}

#[tokio::test]
async fn a_response_is_no_access_token_and_an_access_token_is_no_response() {
    let world = asking().await;
    // As much alike as they can be: both have the claims of both.
    let both = |token: TokenBuilder| {
        token
            .audience(json!([RESOURCE, "rs"]))
            .scope("mcp:use")
            .claim(
                "token_introspection",
                json!({ "active": true, "aud": RESOURCE, "scope": "mcp:use" }),
            )
    };
    let as_response = both(world.token())
        .header("typ", "token-introspection+jwt")
        .mint();
    let as_token = both(world.token()).mint();
    world.list_with(&as_token).await.assert_served();
    world
        .list_with(&as_response)
        .await
        .assert_invalid_token("wrong_typ");
    let long = both(world.token())
        .header("typ", "application/Token-Introspection+JWT")
        .mint();
    world
        .list_with(&long)
        .await
        .assert_invalid_token("wrong_typ");

    answer_with(&world, as_token);
    world
        .list_with("opaque")
        .await
        .assert_unavailable("introspection_unusable");
    for good in [as_response, long] {
        answer_with(&world, good);
        world.list_with("opaque").await.assert_served();
    }
}

#[tokio::test]
async fn the_audience_is_the_client_id_or_the_resource() {
    let world = asking().await;
    for (index, audience) in [
        json!("rs"),
        json!(RESOURCE),
        json!(["other", "rs"]),
        json!([7, RESOURCE]),
    ]
    .into_iter()
    .enumerate()
    {
        answer_with(&world, response(&world.server).audience(audience).mint());
        world
            .list_with(&format!("opaque-{index}"))
            .await
            .assert_served();
    }
    // A client that has a secret and no name is only its resource.
    let server = AuthorizationServer::builder().clock(clock()).start().await;
    let by_secret = Introspection::bearer("rs-secret").signed_responses();
    let world = around(server, clock(), by_secret);
    answer_with(&world, response(&world.server).audience(RESOURCE).mint());
    world.list_with("opaque").await.assert_served();
    answer_with(&world, response(&world.server).mint());
    world
        .list_with("another")
        .await
        .assert_unavailable("introspection_unusable");
}

#[tokio::test]
async fn every_way_to_authenticate_works_with_signed_responses() {
    let key = SigningKey::generate(Algorithm::EdDsa).without_kid();
    for introspection in [
        Introspection::basic("rs", "rs-secret"),
        Introspection::post("rs", "rs-secret"),
        Introspection::private_key_jwt("app", key.to_pem()),
    ] {
        let builder = AuthorizationServer::builder().client_key("app", key.clone());
        let server = builder.clock(clock()).start().await;
        let world = around(server, clock(), introspection.signed_responses());
        let token = world.server.mint_opaque(&world.token());
        world.list_with(&token).await.assert_served();
    }
}

#[tokio::test]
async fn the_time_of_a_response_is_that_of_the_request_with_the_leeway_of_the_issuer() {
    for (leeway, offset, is_served) in [
        (None, -60, true),
        (None, -61, false),
        (None, 60, true),
        (None, 61, false),
        (Some(0), 0, true),
        (Some(0), -1, false),
        (Some(0), 1, false),
        (Some(300), -300, true),
    ] {
        let time = Clock::at(std::time::UNIX_EPOCH + Duration::from_millis(1_800_000_000_700));
        let server = AuthorizationServer::builder()
            .clock(time.clone())
            .start()
            .await;
        let world = World::around(server, time, |builder, server| {
            let introspection = Introspection::basic("rs", "rs-secret").signed_responses();
            let issuer = Issuer::new(server.issuer()).introspection(introspection);
            let issuer = match leeway {
                Some(seconds) => issuer.leeway_seconds(seconds),
                None => issuer,
            };
            builder.issuer(issuer).scopes(ScopeMap::allow_unlisted())
        });
        let made = 1_800_000_000_i64 + offset;
        answer_with(&world, response(&world.server).claim("iat", made).mint());
        let answer = world.list_with("opaque").await;
        // An issuer may count whole seconds, so a fraction of one makes no response too old.
        assert_eq!(answer.code.is_none(), is_served, "{leeway:?} {offset}");
    }
}

#[tokio::test]
async fn a_response_by_a_new_key_of_the_issuer_has_the_keys_fetched_again() {
    let world = asking().await;
    let token = || world.server.mint_opaque(&world.token());
    world.list_with(&token()).await.assert_served();
    world.server.rotate(SigningKey::generate(Algorithm::Ps256));
    // Whether the key is new is not known before the cooldown is over.
    world.clock.advance(Duration::from_secs(1));
    world
        .list_with(&token())
        .await
        .assert_unavailable("kid_undecided");
    world.clock.advance(Duration::from_secs(31));
    world.list_with(&token()).await.assert_served();
    assert_eq!(world.server.hits(Endpoint::Jwks), 2);
}

#[tokio::test]
async fn without_keys_a_signed_response_cannot_be_verified() {
    for (endpoint, code) in [
        (Endpoint::Jwks, "jwks_unavailable"),
        (Endpoint::Rfc8414, "discovery_failed"),
    ] {
        let clock = clock();
        let server = AuthorizationServer::builder().discovery_forms([Endpoint::Rfc8414]);
        let server = server.clock(clock.clone()).start().await;
        let url = server.url(Endpoint::Introspect);
        let introspection = Introspection::basic("rs", "rs-secret").endpoint(url);
        let world = around(server, clock, introspection.signed_responses());
        world.server.fail(endpoint, Some(Fault::Status(500)));
        let token = world.server.mint_opaque(&world.token());
        world.list_with(&token).await.assert_unavailable(code);
        assert_eq!(asked(&world), 1);
        let health = world.gate.health();
        assert!(
            !health[0].is_serving(),
            "an unsigned response would do without keys"
        );
        assert!(causes(health[0].problem().unwrap()).contains("the server answered 500"));
        world.server.fail(endpoint, None);
        world.clock.advance(Duration::from_secs(1));
        world.list_with(&token).await.assert_served();
        assert!(world.gate.health()[0].is_serving());
    }
}

#[tokio::test]
async fn keys_that_are_given_verify_responses_too() {
    let clock = clock();
    let server = AuthorizationServer::builder()
        .clock(clock.clone())
        .start()
        .await;
    let world = World::around(server, clock, |builder, server| {
        let introspection = Introspection::basic("rs", "rs-secret").signed_responses();
        let issuer = Issuer::new(server.issuer()).jwks(server.jwks().to_string());
        let issuer = issuer.algorithms(["ES256"]).introspection(introspection);
        builder.issuer(issuer).scopes(ScopeMap::allow_unlisted())
    });
    let token = || world.server.mint_opaque(&world.token());
    world.list_with(&token()).await.assert_served();
    let other = SigningKey::generate(Algorithm::EdDsa);
    answer_with(&world, response(&world.server).signed_with(&other).mint());
    world
        .list_with(&token())
        .await
        .assert_unavailable("introspection_unusable");
    assert_eq!(world.server.hits(Endpoint::Jwks), 0);
}

#[tokio::test]
async fn the_responses_about_jwts_are_signed_too() {
    let world = asking_as(|introspection| introspection.every_token().signed_responses()).await;
    let token = world.token().mint();
    world.list_with(&token).await.assert_served();
    let revoked = world.token().mint();
    world.server.revoke(&revoked);
    world
        .list_with(&revoked)
        .await
        .assert_invalid_token("inactive");
    world.server.fail(
        Endpoint::Introspect,
        Some(Fault::Body(r#"{"active":true}"#.into())),
    );
    let unsigned = world.token().mint();
    world
        .list_with(&unsigned)
        .await
        .assert_unavailable("introspection_unusable");
}

#[test]
fn the_file_says_whether_responses_are_signed() {
    let file = |signed: &str| {
        format!(
            "resource = '{RESOURCE}'\nscopes.unlisted = 'allow'\n[[issuers]]\nissuer = 'https://as.example'\n\
             [issuers.introspection]\nclient_id = 'rs'\nclient_secret = 's3cret'\nsigned = {signed}"
        )
    };
    for signed in ["true", "false"] {
        let config: toolgate::Config = toml::from_str(&file(signed)).unwrap();
        config.into_builder().build().unwrap();
    }
    let why = toml::from_str::<toolgate::Config>(&file("'s3cret'")).unwrap_err();
    assert!(why.message().contains("expected true or false"), "{why}");
    assert!(!why.message().contains("s3cret"));
}
