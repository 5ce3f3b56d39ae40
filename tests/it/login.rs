//! Step-up authentication (RFC 9470): rules that ask how and when the user logged in.

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use toolgate::testing::{Algorithm, Endpoint, Fault, SigningKey, TokenBuilder};
use toolgate::{
    CallInfo, Caller, CheckOutcome, Config, Decide, DecisionFailed, Introspection, Issuer,
    Principal, RefusalKind, Rule, ScopeMap, Sessions, Streams, Toolgate, Verdict, base_only, deny,
    without_token,
};

use crate::challenge::Challenge;
use crate::dpop::with_proofs;
use crate::listing::through;
use crate::logs::{Log, listen};
use crate::streams::{Stream, get, later};
use crate::world::{Answer, METADATA_URL, RESOURCE, World, bare, call, post, post_without_token};

const NOW: i64 = 1_800_000_000;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn rules() -> ScopeMap {
    ScopeMap::allow_unlisted()
        .every_request("mcp:use")
        .tool(
            "wipe",
            Rule::from("admin")
                .acr(["phr", "phrh"])
                .max_age(seconds(300)),
        )
        .tool("pay", base_only().max_age(seconds(60)))
        .tool("sign", base_only().acr(["phr"]).amr(["hwk", "user"]))
        .tool("read", base_only().acr(["mfa"]))
        .resource("file:///secret/*", base_only().acr(["phr"]))
        .prompt("audit", base_only().acr(["phr"]))
        .method(
            "completion/complete",
            base_only().acr(["phr"]).max_age(seconds(900)),
        )
}

/// A gate with these rules, which introspects opaque tokens.
async fn world(scopes: ScopeMap) -> World {
    World::with(|builder, server| {
        let introspection = Introspection::basic("rs", "rs-secret");
        builder
            .issuer(Issuer::new(server.issuer()).introspection(introspection))
            .scopes(scopes)
    })
    .await
}

/// A token whose user logged in with a password, `age` seconds ago.
fn weak(world: &World, age: i64) -> TokenBuilder {
    let token = world
        .token()
        .claim("acr", "pwd")
        .claim("amr", json!(["pwd"]));
    token.claim("auth_time", NOW - age)
}

/// A token whose user logged in with a hardware key, `age` seconds ago.
fn strong(world: &World, age: i64) -> TokenBuilder {
    let methods = json!(["hwk", "user", "mfa"]);
    weak(world, age).claim("acr", "phr").claim("amr", methods)
}

/// The same token as a JWT, and as an opaque token that is introspected.
fn both(world: &World, token: &TokenBuilder) -> [String; 2] {
    [token.mint(), world.server.mint_opaque(token)]
}

/// 401 `insufficient_user_authentication` that asks for exactly this, on the line of this scheme.
#[track_caller]
fn assert_asks_for_login(
    scheme: &str,
    answer: &Answer,
    code: &str,
    acr_values: Option<&str>,
    max_age: Option<&str>,
    scopes: &[&str],
) {
    assert_eq!(
        (answer.status, answer.kind, answer.code),
        (
            StatusCode::UNAUTHORIZED,
            Some(RefusalKind::InsufficientUserAuthentication),
            Some(code)
        ),
        "{}",
        answer.text()
    );
    let error = "insufficient_user_authentication";
    for challenge in ["Bearer", "DPoP"] {
        let is_used = challenge == scheme;
        let challenge = Challenge::of_scheme(challenge, &answer.headers).expect("both schemes");
        assert_eq!(challenge.get("error"), is_used.then_some(error));
        assert_eq!(challenge.get("acr_values"), acr_values.filter(|_| is_used));
        assert_eq!(challenge.get("max_age"), max_age.filter(|_| is_used));
        assert_eq!(challenge.get("error_description").is_some(), is_used);
        assert_eq!(challenge.get("resource_metadata"), Some(METADATA_URL));
        assert_eq!(challenge.scopes(), scopes);
    }
    let body = answer.json();
    assert_eq!(body["error"], error);
    let named = body.get("scope").map(|scope| scope.as_str().unwrap());
    let expected = (!scopes.is_empty()).then(|| scopes.join(" "));
    assert_eq!(named.map(str::to_owned), expected);
}

#[tokio::test]
async fn each_kind_of_target_asks_for_its_login_of_a_jwt_and_of_an_opaque_token() {
    let world = world(rules()).await;
    let completion = json!({ "ref": { "type": "ref/prompt", "name": "other" } });
    for (method, params, acr_values, max_age) in [
        (
            "tools/call",
            json!({ "name": "wipe" }),
            Some("phr phrh"),
            Some("300"),
        ),
        (
            "resources/read",
            json!({ "uri": "file:///secret/plan" }),
            Some("phr"),
            None,
        ),
        ("prompts/get", json!({ "name": "audit" }), Some("phr"), None),
        ("completion/complete", completion, Some("phr"), Some("900")),
    ] {
        let body = call(method, params);
        for token in both(&world, &weak(&world, 10).scope("mcp:use admin")) {
            let answer = world.send(post(&token, &body)).await;
            let weak = "login_too_weak";
            assert_asks_for_login("Bearer", &answer, weak, acr_values, max_age, &[]);
        }
        for token in both(&world, &strong(&world, 300).scope("mcp:use admin")) {
            world.send(post(&token, &body)).await.assert_served();
        }
        if max_age.is_some() {
            for token in both(&world, &strong(&world, 901).scope("mcp:use admin")) {
                let answer = world.send(post(&token, &body)).await;
                let old = "login_too_old";
                assert_asks_for_login("Bearer", &answer, old, acr_values, max_age, &[]);
            }
        }
    }
    assert_eq!(world.reached_count(), 8);
}

#[tokio::test]
async fn the_login_grows_older_while_its_token_is_remembered() {
    let world = world(rules()).await;
    for token in both(&world, &weak(&world, 0).expires_in(3600)) {
        world.call_tool(&token, "pay").await.assert_served();
    }
    let token = weak(&world, 0).expires_in(3600).mint();
    world.call_tool(&token, "pay").await.assert_served();
    world.clock.advance(seconds(60));
    world.call_tool(&token, "pay").await.assert_served();
    world.clock.advance(seconds(1));
    let answer = world.call_tool(&token, "pay").await;
    assert_asks_for_login("Bearer", &answer, "login_too_old", None, Some("60"), &[]);
}

#[tokio::test]
async fn all_methods_of_a_rule_must_have_been_used() {
    let world = world(rules()).await;
    for methods in [
        json!([]),
        json!(["hwk"]),
        json!(["user", "pwd"]),
        json!(["HWK", "user"]),
    ] {
        let token = strong(&world, 10).claim("amr", methods).mint();
        let answer = world.call_tool(&token, "sign").await;
        assert_asks_for_login("Bearer", &answer, "login_too_weak", Some("phr"), None, &[]);
    }
    let token = strong(&world, 10).without("amr").mint();
    let answer = world.call_tool(&token, "sign").await;
    assert_asks_for_login("Bearer", &answer, "login_too_weak", Some("phr"), None, &[]);
    let token = strong(&world, 10).mint();
    world.call_tool(&token, "sign").await.assert_served();
}

#[tokio::test]
async fn what_every_request_needs_is_asked_for_before_the_body_is_read() {
    let scopes = ScopeMap::allow_unlisted()
        .every_request("mcp:use")
        .every_request(base_only().acr(["phr", "mfa"]).max_age(seconds(3600)))
        .tool("wipe", base_only().max_age(seconds(300)).acr(["phr"]))
        .tool("clock", without_token());
    let world = world(scopes).await;
    for token in both(&world, &weak(&world, 10)) {
        for request in [
            get(&token),
            post(&token, "not JSON"),
            post(&token, &call("ping", json!({}))),
            // A token that is presented is checked, though the tool needs none.
            post(&token, &call("tools/call", json!({ "name": "clock" }))),
        ] {
            let answer = world.send(request).await;
            let values = Some("phr mfa");
            assert_asks_for_login(
                "Bearer",
                &answer,
                "login_too_weak",
                values,
                Some("3600"),
                &[],
            );
        }
    }
    let open = call("tools/call", json!({ "name": "clock" }));
    world.send(post_without_token(&open)).await.assert_served();

    // The rule of a tool comes on top of it.
    let token = strong(&world, 600).mint();
    world.list_with(&token).await.assert_served();
    world.call_tool(&token, "other").await.assert_served();
    let answer = world.call_tool(&token, "wipe").await;
    assert_asks_for_login(
        "Bearer",
        &answer,
        "login_too_old",
        Some("phr"),
        Some("300"),
        &[],
    );
    let token = strong(&world, 600).claim("acr", "mfa").mint();
    world.call_tool(&token, "other").await.assert_served();
    let answer = world.call_tool(&token, "wipe").await;
    assert_asks_for_login(
        "Bearer",
        &answer,
        "login_too_weak",
        Some("phr"),
        Some("300"),
        &[],
    );
}

#[tokio::test]
async fn several_calls_add_up_to_one_challenge_that_names_missing_scopes_too() {
    let world = world(rules()).await;
    let calling = |tools: &[&str]| {
        let calls = tools.iter().map(|tool| {
            json!({ "jsonrpc": "2.0", "id": tool, "method": "tools/call", "params": { "name": tool } })
        });
        Value::from(calls.collect::<Vec<_>>()).to_string()
    };
    let token = weak(&world, 600).mint();
    let answer = world
        .send(post(&token, &calling(&["wipe", "pay", "sign"])))
        .await;
    let scopes = ["mcp:use", "admin"];
    assert_asks_for_login(
        "Bearer",
        &answer,
        "login_too_weak",
        Some("phr"),
        Some("60"),
        &scopes,
    );

    // The scopes that are there need not be named, and neither need a login that is good.
    let token = weak(&world, 600).scope("mcp:use admin").mint();
    let answer = world.send(post(&token, &calling(&["wipe", "pay"]))).await;
    let values = Some("phr phrh");
    assert_asks_for_login("Bearer", &answer, "login_too_weak", values, Some("60"), &[]);
    let token = strong(&world, 10).mint();
    let answer = world.send(post(&token, &calling(&["wipe", "pay"]))).await;
    answer.assert_needs(&["mcp:use", "admin"]);
    let token = strong(&world, 10).scope("mcp:use admin").mint();
    let body = calling(&["wipe", "pay", "sign"]);
    world.send(post(&token, &body)).await.assert_served();

    // Without an acr that all of them accept, no login helps.
    for held in [weak(&world, 10), strong(&world, 10)] {
        let answer = world
            .send(post(&held.mint(), &calling(&["sign", "read"])))
            .await;
        answer.assert_forbidden("login_impossible");
    }
}

#[tokio::test]
async fn a_machine_cannot_log_in_and_is_not_asked_to() {
    let world = world(rules()).await;
    let machine = |token: TokenBuilder| token.subject("test-client");
    for token in both(&world, &machine(world.token())) {
        for tool in ["wipe", "pay", "sign"] {
            let answer = world.call_tool(&token, tool).await;
            answer.assert_forbidden("login_impossible");
        }
        world.call_tool(&token, "other").await.assert_served();
    }
    // If its issuer vouches for it, the rules hold for it as for users.
    let token = machine(strong(&world, 10)).scope("mcp:use admin").mint();
    world.call_tool(&token, "wipe").await.assert_served();
    let token = machine(strong(&world, 10)).mint();
    world
        .call_tool(&token, "wipe")
        .await
        .assert_needs(&["mcp:use", "admin"]);
}

#[tokio::test]
async fn a_login_without_a_time_or_from_the_future_is_not_fresh() {
    let world = world(rules()).await;
    let asked = async |token: &TokenBuilder| {
        let [jwt, opaque] = both(&world, token);
        let answer = world.call_tool(&opaque, "pay").await;
        assert_eq!(answer.code, world.call_tool(&jwt, "pay").await.code);
        answer
    };
    for token in [
        world.token(),
        weak(&world, 10).without("auth_time"),
        weak(&world, -61),
        weak(&world, -1_000_000),
        weak(&world, 0).claim("auth_time", 1e300),
        weak(&world, 0).claim("auth_time", -1),
    ] {
        let answer = asked(&token).await;
        assert_asks_for_login("Bearer", &answer, "login_too_old", None, Some("60"), &[]);
    }
    // The clock of the issuer may be ahead by the leeway, and a time may have a fraction.
    asked(&weak(&world, -60)).await.assert_served();
    let fraction = NOW as f64 - 59.5;
    asked(&weak(&world, 0).claim("auth_time", fraction))
        .await
        .assert_served();
}

#[tokio::test]
async fn claims_about_the_login_of_another_type_count_as_missing() {
    let world = world(rules()).await;
    for (claim, values) in [
        ("acr", json!([1, ["phr"], null, {}, true])),
        ("amr", json!(["pwd", 1, null, ["pwd", 1], [["pwd"]], {}])),
        ("auth_time", json!(["1800000000", null, [1], {}])),
        ("sid", json!([7, null, ["s"]])),
    ] {
        for value in values.as_array().unwrap() {
            for token in both(&world, &strong(&world, 10).claim(claim, value.clone())) {
                // A gate without such rules has no use for the claim, and serves the token as before.
                world.list_with(&token).await.assert_served();
                let principal = world.reached().principal.unwrap();
                assert_eq!(principal.acr().is_none(), claim == "acr");
                assert_eq!(principal.amr().next().is_none(), claim == "amr");
                assert_eq!(principal.auth_time().is_none(), claim == "auth_time");
                assert_eq!(principal.sid(), None);
                let tool = if claim == "auth_time" { "pay" } else { "sign" };
                let answer = world.call_tool(&token, tool).await;
                match claim {
                    "acr" | "amr" => assert_eq!(answer.code, Some("login_too_weak"), "{value}"),
                    "auth_time" => assert_eq!(answer.code, Some("login_too_old"), "{value}"),
                    _ => answer.assert_served(),
                }
            }
        }
    }
    // Nothing is granted by authorization details that cannot be read.
    for value in [json!({}), json!("payment"), json!([{ "type": 1 }, 1])] {
        let token = world.token().claim("authorization_details", value);
        world.list_with(&token.mint()).await.assert_served();
        let principal = world.reached().principal.unwrap();
        let payments = principal.authorization_details::<Value>("payment");
        assert!(payments.is_err() || payments.is_ok_and(|payments| payments.is_empty()));
    }
}

#[tokio::test]
async fn handlers_read_the_login_and_only_known_authorization_details() {
    let world = world(ScopeMap::allow_unlisted()).await;
    let details = json!([
        { "type": "payment", "creditor": "acme" },
        { "type": "account", "creditor": "other" },
        { "type": "payment", "creditor": "umbrella" },
    ]);
    let token = strong(&world, 10)
        .claim("sid", "s1")
        .claim("authorization_details", details);
    #[derive(Debug, serde::Deserialize)]
    struct Payment {
        creditor: String,
    }
    for token in both(&world, &token) {
        world.list_with(&token).await.assert_served();
        let principal = world.reached().principal.unwrap();
        assert_eq!(
            (principal.acr(), principal.sid()),
            (Some("phr"), Some("s1"))
        );
        assert_eq!(principal.amr().collect::<Vec<_>>(), ["hwk", "user", "mfa"]);
        let time = UNIX_EPOCH + seconds(1_799_999_990);
        assert_eq!(principal.auth_time(), Some(time));
        let payments: Vec<Payment> = principal.authorization_details("payment").unwrap();
        let creditors: Vec<_> = payments.iter().map(|payment| &payment.creditor).collect();
        assert_eq!(creditors, ["acme", "umbrella"]);
        let none: Vec<Payment> = principal.authorization_details("other").unwrap();
        assert!(none.is_empty());
        assert!(principal.authorization_details::<u8>("payment").is_err());
    }
    world.list_with(&world.token().mint()).await.assert_served();
    let principal = world.reached().principal.unwrap();
    assert_eq!((principal.acr(), principal.sid()), (None, None));
    assert_eq!((principal.amr().count(), principal.auth_time()), (0, None));
    let none: Vec<Payment> = principal.authorization_details("payment").unwrap();
    assert!(none.is_empty());
}

#[tokio::test]
async fn the_response_about_a_jwt_that_is_introspected_as_well_counts_for_the_login() {
    let world = World::with(|builder, server| {
        let introspection = Introspection::basic("rs", "rs-secret").every_token();
        builder
            .issuer(Issuer::new(server.issuer()).introspection(introspection))
            .scopes(rules())
    })
    .await;
    let told = |token: &str, acr: Value| {
        let answer = json!({ "active": true, "aud": RESOURCE, "scope": "mcp:use", "acr": acr });
        world.server.introspect_as(token, answer);
    };
    let token = weak(&world, 10).mint();
    told(&token, json!("mfa"));
    world.call_tool(&token, "read").await.assert_served();
    let token = weak(&world, 10).claim("acr", "mfa").mint();
    told(&token, json!("pwd"));
    let answer = world.call_tool(&token, "read").await;
    assert_asks_for_login("Bearer", &answer, "login_too_weak", Some("mfa"), None, &[]);
    let token = weak(&world, 10).claim("acr", "mfa").mint();
    told(&token, json!(7));
    let answer = world.call_tool(&token, "read").await;
    assert_asks_for_login("Bearer", &answer, "login_too_weak", Some("mfa"), None, &[]);
}

#[tokio::test]
async fn no_rule_about_logins_is_shown_before_the_token_is_good() {
    let world = world(rules().every_request(base_only().max_age(seconds(3600)))).await;
    let body = call("tools/call", json!({ "name": "wipe" }));
    let other = SigningKey::generate(Algorithm::Es256);
    let spoilt = [
        weak(&world, 10).expires_in(-600),
        weak(&world, 10).audience("https://other.example.com"),
        weak(&world, 10).signed_with(&other),
        weak(&world, 10).claim("sub", 1),
    ];
    let mut requests: Vec<_> = spoilt
        .iter()
        .map(|token| post(&token.mint(), &body))
        .collect();
    requests.extend([
        post_without_token(&body),
        post("unknown", &body),
        bare(Method::GET, "/mcp"),
    ]);
    for request in requests {
        let answer = world.send(request).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_ne!(
            answer.kind,
            Some(RefusalKind::InsufficientUserAuthentication)
        );
        for challenge in Challenge::all_of(&answer.headers) {
            assert_eq!(
                (challenge.get("acr_values"), challenge.get("max_age")),
                (None, None)
            );
        }
    }
    // A client that is not admitted learns no more.
    let denying = World::with(|builder, server| {
        let issuer = Issuer::new(server.issuer()).deny_client("test-client");
        builder.issuer(issuer).scopes(rules())
    })
    .await;
    let answer = denying.call_tool(&weak(&denying, 10).mint(), "wipe").await;
    answer.assert_forbidden("client_denied");
}

#[tokio::test]
async fn the_challenge_is_on_the_line_of_the_scheme_that_was_used() {
    let world = world(rules().every_request(base_only().acr(["phr", "mfa"]))).await;
    let key = SigningKey::generate(Algorithm::Es256);
    let token = weak(&world, 10).bound_to(&key).mint();
    let proof = || {
        let proof = world.server.proof(&key, "POST", RESOURCE);
        proof.for_token(&token).mint()
    };
    let answer = world.send(with_proofs("DPoP", &token, &[&proof()])).await;
    assert_asks_for_login(
        "DPoP",
        &answer,
        "login_too_weak",
        Some("phr mfa"),
        None,
        &[],
    );
    // Without possession, the login is not judged.
    let answer = world.send(with_proofs("DPoP", &token, &[])).await;
    assert_eq!(answer.kind, Some(RefusalKind::InvalidProof));
    let answer = world.list_with(&weak(&world, 10).mint()).await;
    assert_asks_for_login(
        "Bearer",
        &answer,
        "login_too_weak",
        Some("phr mfa"),
        None,
        &[],
    );
}

#[tokio::test]
async fn a_web_page_can_read_the_challenge() {
    let world = world(rules()).await;
    let body = call("tools/call", json!({ "name": "pay" }));
    let mut request = post(&world.token().mint(), &body);
    let origin = HeaderValue::from_static("http://localhost:6274");
    request.headers_mut().insert("origin", origin);
    let answer = world.send(request).await;
    assert_asks_for_login("Bearer", &answer, "login_too_old", None, Some("60"), &[]);
    let exposed = answer.header("access-control-expose-headers").unwrap();
    assert!(exposed.contains("WWW-Authenticate"), "{exposed}");
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("http://localhost:6274")
    );
}

#[tokio::test]
async fn a_filtered_list_shows_what_only_a_login_lacks() {
    let scopes = rules()
        .method("tools/call", base_only().acr(["phr", "mfa"]))
        .tool("old", base_only().acr(["pin"]))
        .list_callable();
    let world = world(scopes).await;
    let tool = |name| json!({ "name": name, "inputSchema": { "type": "object" } });
    let tools: Vec<Value> = ["wipe", "pay", "sign", "read", "old", "other"]
        .map(tool)
        .to_vec();
    let templates = json!([{ "name": "s", "uriTemplate": "file:///secret/{name}" }]);
    let listed = async |token: &TokenBuilder, key: &str, list: Value| {
        let result = json!({ "jsonrpc": "2.0", "id": 1, "result": { key: list } });
        let mut answer = Response::new(Full::new(Bytes::from(result.to_string())));
        let json = HeaderValue::from_static("application/json");
        answer.headers_mut().insert("content-type", json);
        let request: Request<_> = post(&token.mint(), &call("tools/list", json!({})));
        let (answer, _) = through(&world, request, answer).await;
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let names = body["result"][key].as_array().unwrap().iter();
        names
            .map(|one| one["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let tools = || Value::from(tools.clone());
    // No login has both of the acrs that calling `old` needs.
    let user = weak(&world, 10).scope("mcp:use admin");
    assert_eq!(
        listed(&user, "tools", tools()).await,
        ["wipe", "pay", "sign", "read", "other"]
    );
    let user = weak(&world, 10);
    assert_eq!(
        listed(&user, "tools", tools()).await,
        ["pay", "sign", "read", "other"]
    );
    assert_eq!(
        listed(&user, "resourceTemplates", templates.clone()).await,
        ["s"]
    );
    let machine = world.token().subject("test-client");
    assert!(listed(&machine, "tools", tools()).await.is_empty());
    assert!(
        listed(&machine, "resourceTemplates", templates)
            .await
            .is_empty()
    );
    let machine = strong(&world, 10).subject("test-client");
    assert_eq!(
        listed(&machine, "tools", tools()).await,
        ["pay", "sign", "other"]
    );
}

#[tokio::test]
async fn a_template_that_no_login_opens_is_not_listed() {
    let rules = || {
        ScopeMap::allow_unlisted()
            .resource("file:///plain/*", base_only())
            .resource("file:///old/*", base_only().acr(["pin"]))
            .resource("db://{table}/*", Rule::from("db:{table}").acr(["phr"]))
            .list_callable()
    };
    let templates = json!([
        { "name": "plain", "uriTemplate": "file:///plain/{name}" },
        { "name": "old", "uriTemplate": "file:///old/{name}" },
        { "name": "db", "uriTemplate": "db://{table}/rows" },
    ]);
    let machine = |world: &World| world.token().subject("test-client");
    let reading = rules().method("resources/read", base_only().acr(["phr"]));
    let user = |world: &World| weak(world, 10);
    let listed = async |scopes: ScopeMap, token: fn(&World) -> TokenBuilder| {
        let world = world(scopes).await;
        let list = json!({ "resourceTemplates": templates });
        let result = json!({ "jsonrpc": "2.0", "id": 1, "result": list });
        let mut answer = Response::new(Full::new(Bytes::from(result.to_string())));
        let json = HeaderValue::from_static("application/json");
        answer.headers_mut().insert("content-type", json);
        let token = token(&world).mint();
        let request = post(&token, &call("resources/templates/list", json!({})));
        let (answer, _) = through(&world, request, answer).await;
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let shown = body["result"]["resourceTemplates"].as_array().unwrap();
        let names = shown.iter().map(|one| one["name"].as_str().unwrap());
        names.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(listed(rules(), user).await, ["plain", "old", "db"]);
    assert_eq!(
        listed(reading, user).await,
        ["plain", "db"],
        "no common acr"
    );
    assert_eq!(listed(rules(), machine).await, ["plain"]);
}

/// Events that tell of a challenge that was of no use.
fn told(log: &Log) -> Vec<Value> {
    let is_it = |event: &Value| {
        let message = event["fields"]["message"].as_str();
        message.is_some_and(|text| text.starts_with("a new token has the login that was refused"))
    };
    log.events().into_iter().filter(is_it).collect()
}

#[tokio::test]
async fn the_same_token_gets_the_same_challenge_and_a_new_one_with_the_same_login_is_told_once() {
    let (log, _guard) = listen();
    let world = world(rules()).await;
    let issued = |at: i64| {
        weak(&world, 600)
            .claim("iat", at)
            .claim("jti", format!("j{at}"))
    };
    let first = issued(NOW).mint();
    let mut answers = Vec::new();
    for _ in 0..5 {
        let answer = world.call_tool(&first, "wipe").await;
        answers.push((answer.status, format!("{:?}", answer.headers), answer.body));
    }
    assert!(
        answers.windows(2).all(|two| two[0] == two[1]),
        "{answers:?}"
    );
    // One that was issued before the challenge is no answer to it.
    world.call_tool(&issued(NOW - 60).mint(), "wipe").await;
    assert!(told(&log).is_empty());
    world.clock.advance(seconds(30));
    let second = issued(NOW + 20).mint();
    world.call_tool(&second, "wipe").await;
    let [event] = &told(&log)[..] else {
        panic!("it is told: {}", log.text());
    };
    assert_eq!(event["level"], "WARN");
    let fields = &event["fields"];
    for (name, value) in [
        ("issuer", world.server.issuer()),
        ("subject", "alice"),
        ("client_id", "test-client"),
        ("token_id", "j1800000020"),
        ("expected", "acr phr or phrh, a login at most 300 s ago"),
        ("got", "acr pwd, a login 630 s ago, at 2027-01-15T07:50:00Z"),
    ] {
        assert_eq!(fields[name], value, "{name}");
    }
    world.call_tool(&issued(NOW + 25).mint(), "wipe").await;
    world.call_tool(&second, "wipe").await;
    assert_eq!(told(&log).len(), 1, "it is told once");

    // Another caller, or another login of the same one, has nothing to do with it.
    world
        .call_tool(&issued(NOW + 30).subject("bob").mint(), "wipe")
        .await;
    let other = issued(NOW + 31).claim("auth_time", NOW - 400).mint();
    world.call_tool(&other, "wipe").await;
    assert_eq!(told(&log).len(), 1);
    // So does an issuer that never says when the user logged in.
    let timeless = |id: &str| world.token().subject("carol").claim("jti", id).mint();
    for id in ["c1", "c1", "c2"] {
        world.call_tool(&timeless(id), "pay").await;
    }
    assert_eq!(told(&log).len(), 2);
    assert_eq!(told(&log)[1]["fields"]["got"], "no auth_time");
    // A much later token may have other reasons.
    world.clock.advance(seconds(601));
    let late = issued(NOW + 632).subject("bob").expires_in(300).mint();
    world.call_tool(&late, "wipe").await;
    assert_eq!(told(&log).len(), 2);
}

#[tokio::test]
async fn callers_without_a_name_are_not_taken_for_one_another() {
    let (log, _guard) = listen();
    let world = world(rules()).await;
    for id in ["d1", "d2"] {
        let unnamed = world.token().without("sub").without("client_id");
        let unnamed = unnamed.claim("jti", id).mint();
        let answer = world.call_tool(&unnamed, "pay").await;
        assert_asks_for_login("Bearer", &answer, "login_too_old", None, Some("60"), &[]);
    }
    assert!(told(&log).is_empty(), "{}", log.text());
}

#[tokio::test]
async fn the_log_and_the_explanation_have_what_was_required_and_what_the_login_was() {
    let (log, _guard) = listen();
    let world = world(rules()).await;
    let policy = log.events()[0]["fields"]["policy"]
        .as_str()
        .unwrap()
        .to_owned();
    for rule in [
        "; tool pay = a login at most 60 s ago",
        "; tool wipe = admin, acr phr or phrh, a login at most 300 s ago",
        "; tool sign = acr phr, amr hwk user",
        "; resource file:///secret/* = acr phr",
    ] {
        assert!(policy.contains(rule), "{rule:?} is not in {policy}");
    }
    let body = call("tools/call", json!({ "name": "wipe" }));
    let time = "at 2027-01-15T07:50:00Z";
    for (token, reason, required, got) in [
        (
            weak(&world, 600),
            "login_too_weak",
            Some("mcp:use admin"),
            format!("acr pwd, a login 600 s ago, {time}"),
        ),
        (
            strong(&world, 600).scope("mcp:use admin"),
            "login_too_old",
            None,
            format!("acr phr, a login 600 s ago, {time}"),
        ),
        (
            strong(&world, 600).subject("test-client"),
            "login_impossible",
            None,
            format!("a machine: acr phr, a login 600 s ago, {time}"),
        ),
    ] {
        let token = token.mint();
        let answer = world.send(post(&token, &body)).await;
        assert_eq!(answer.code, Some(reason));
        let decision = log.decision();
        let fields = &decision["fields"];
        let level = if reason == "login_impossible" {
            "WARN"
        } else {
            "INFO"
        };
        assert_eq!(
            (&decision["level"], &fields["reason"]),
            (&json!(level), &json!(reason))
        );
        assert_eq!(
            fields["expected"],
            "acr phr or phrh, a login at most 300 s ago"
        );
        assert_eq!(fields["got"], got);
        assert_eq!(fields.get("required").and_then(Value::as_str), required);

        let principal_of = world.list_with(&token).await;
        principal_of.assert_served();
        let principal = world.reached().principal.unwrap();
        for caller in [Caller::Token(&token), Caller::Principal(&principal)] {
            let explanation = world.gate.explain(caller, body.clone()).await;
            let refusal = explanation.refusal().expect("it is refused");
            assert_eq!(refusal.code(), reason);
            let failed = explanation.checks().iter();
            let failed: Vec<_> = failed
                .filter(|check| check.outcome() == CheckOutcome::Failed)
                .collect();
            let [failed] = failed[..] else {
                panic!("{explanation}");
            };
            assert_eq!(failed.name(), "rules");
            // Missing scopes are shown as well.
            let needed = "acr phr or phrh, a login at most 300 s ago";
            let (needed, held) = match required {
                Some(scopes) => (format!("{scopes}, {needed}"), format!("mcp:use, {got}")),
                None => (needed.to_owned(), got.clone()),
            };
            assert_eq!((failed.expected(), failed.got()), (&*needed, &*held));
        }
    }
    let token = strong(&world, 10).scope("mcp:use admin").mint();
    let explanation = world.gate.explain(Caller::Token(&token), body).await;
    assert!(explanation.is_allowed(), "{explanation}");
    let line = "ok    rules         expects mcp:use admin, acr phr or phrh, a login at most 300 s ago; \
                got mcp:use admin, acr phr, a login 10 s ago, at 2027-01-15T07:59:50Z";
    let text = explanation.to_string();
    assert!(text.lines().any(|shown| shown == line), "{text}");
}

#[tokio::test]
async fn an_explanation_says_whether_the_base_rule_asked_for_the_login() {
    let world = world(rules().every_request(base_only().acr(["phr", "mfa"]))).await;
    let body = call("tools/call", json!({ "name": "pay" }));
    for (token, check) in [
        (weak(&world, 10), "base scopes"),
        (strong(&world, 90), "rules"),
    ] {
        let token = token.mint();
        let explanation = world
            .gate
            .explain(Caller::Token(&token), body.clone())
            .await;
        let mut checks = explanation.checks().iter();
        let failed = checks.find(|check| check.outcome() == CheckOutcome::Failed);
        assert_eq!(failed.unwrap().name(), check, "{explanation}");
    }
}

/// Requires one more scope of each call of `wipe`.
struct OneMore;

impl Decide for OneMore {
    async fn decide(
        &self,
        principal: &Principal,
        call: &CallInfo<'_>,
    ) -> Result<Verdict, DecisionFailed> {
        assert_eq!(principal.acr(), Some("phr"), "rules are asked first");
        Ok(match call.tool() {
            Some("wipe") => Verdict::need(["files:all"]),
            _ => Verdict::Allow,
        })
    }
}

#[tokio::test]
async fn a_decision_is_asked_after_the_login_is_good_and_adds_its_scopes_alone() {
    let world = World::with(|builder, server| {
        builder
            .issuer(server.issuer())
            .scopes(rules())
            .decision(OneMore)
    })
    .await;
    let token = weak(&world, 10).scope("mcp:use admin").mint();
    let answer = world.call_tool(&token, "wipe").await;
    let values = Some("phr phrh");
    assert_asks_for_login(
        "Bearer",
        &answer,
        "login_too_weak",
        values,
        Some("300"),
        &[],
    );
    let token = strong(&world, 10).scope("mcp:use admin").mint();
    let answer = world.call_tool(&token, "wipe").await;
    answer.assert_needs(&["mcp:use", "admin", "files:all"]);
    let token = strong(&world, 10).scope("mcp:use admin files:all").mint();
    world.call_tool(&token, "wipe").await.assert_served();
}

#[tokio::test]
async fn a_stream_ends_when_its_login_is_too_old_for_every_request_and_not_for_a_tool() {
    let (log, _guard) = listen();
    let world = World::with(|builder, server| {
        let scopes = ScopeMap::allow_unlisted()
            .every_request(base_only().max_age(seconds(600)))
            .tool("slow", base_only().max_age(seconds(60)));
        // No check waits for keys.
        let issuer = Issuer::new(server.issuer()).jwks(server.jwks().to_string());
        builder
            .issuer(issuer)
            .scopes(scopes)
            .sessions(Sessions::default().streams(Streams::EndWithToken))
    })
    .await;
    let token = weak(&world, 0).expires_in(3600).mint();
    let slow = call("tools/call", json!({ "name": "slow" }));
    let mut calling = Stream::open(&world, post(&token, &slow)).await;
    let mut listening = Stream::open(&world, get(&token)).await;
    for _ in 0..7 {
        later(&world, seconds(85)).await;
        listening.assert_open("data: more\n\n").await;
        // The login was good enough for the call when it was made.
        calling.assert_open("data: more\n\n").await;
    }
    // A second more than is left: timers are only as exact as a millisecond.
    later(&world, seconds(7)).await;
    listening.assert_over().await;
    calling.assert_over().await;
    let ended = log.events().into_iter().filter(|event| {
        let message = event["fields"]["message"].as_str();
        message.is_some_and(|text| text.starts_with("a stream ends"))
    });
    let ended: Vec<_> = ended.collect();
    assert_eq!(ended.len(), 2);
    for event in ended {
        assert_eq!(event["fields"]["reason"], "login_too_old");
        assert_eq!(event["fields"]["expected"], "a login at most 600 s ago");
    }
}

#[tokio::test]
async fn a_stream_whose_login_is_too_old_ends_in_an_outage_of_its_issuer_too() {
    let (log, _guard) = listen();
    let every = base_only().max_age(seconds(600));
    let world = world(ScopeMap::allow_unlisted().every_request(every)).await;
    let token = weak(&world, 0).expires_in(100_000);
    let token = world.server.mint_opaque(&token);
    let mut listening = Stream::open(&world, get(&token)).await;
    let outage = Some(Fault::Status(503));
    world.server.fail(Endpoint::Introspect, outage);
    // By then a check has been made, whose introspection failed.
    for _ in 0..5 {
        let looked = listening.look_again(&world).await;
        looked.expect("the login is fresh enough");
    }
    let mut ended = false;
    for _ in 0..20 {
        ended = ended || listening.look_again(&world).await.is_none();
    }
    assert!(ended, "{}", log.text());
    listening.assert_over().await;
    let is_end = |event: &Value| event["fields"]["reason"] == "login_too_old";
    assert_eq!(log.events().iter().filter(|event| is_end(event)).count(), 1);
}

#[tokio::test]
async fn a_file_has_the_same_rules_and_a_reload_changes_them() {
    let world = world(ScopeMap::allow_unlisted()).await;
    let file = |rules: &str| {
        let issuer = world.server.issuer();
        let text = format!(
            "resource = {RESOURCE:?}\n[[issuers]]\nissuer = {issuer:?}\n[scopes]\nunlisted = \"allow\"\n{rules}"
        );
        world
            .gate
            .reload(toml::from_str::<Config>(&text).unwrap())
            .unwrap();
    };
    let token = weak(&world, 600).mint();
    let wiping = async || world.call_tool(&token, "wipe").await;
    wiping().await.assert_served();
    file(
        r#"
        [scopes.login]
        acr = ["phr", "pwd"]
        max_age_seconds = 3600
        [scopes.tools]
        wipe = { all = ["admin"], acr = ["phr"], max_age_seconds = 300, amr = ["hwk"] }
        pay = { max_age_seconds = 300 }
        "#,
    );
    let answer = wiping().await;
    let scopes = ["admin"];
    assert_asks_for_login(
        "Bearer",
        &answer,
        "login_too_weak",
        Some("phr"),
        Some("300"),
        &scopes,
    );
    let answer = world.call_tool(&token, "pay").await;
    assert_asks_for_login(
        "Bearer",
        &answer,
        "login_too_old",
        Some("phr pwd"),
        Some("300"),
        &[],
    );
    world.call_tool(&token, "other").await.assert_served();
    file("[scopes.login]\nacr = [\"phr\"]");
    let answer = world.call_tool(&token, "other").await;
    assert_asks_for_login("Bearer", &answer, "login_too_weak", Some("phr"), None, &[]);
    file("");
    wiping().await.assert_served();
}

#[test]
fn every_mistake_in_a_login_rule_is_named_at_once_in_code_as_in_a_file() {
    let file = r#"
        resource = "https://mcp.example.com/mcp"
        [[issuers]]
        issuer = "https://auth.example.com"
        [scopes]
        unlisted = "deny"
        [scopes.login]
        acr = ["mfa", "phr"]
        max_age_seconds = 59
        [scopes.tools]
        empty = { acr = [] }
        spaced = { acr = ["mfa", "a b", "q\"", "é", ""] }
        open = { without_token = true, max_age_seconds = 300 }
        closed = { deny = true, acr = ["mfa"] }
        methods = { amr = ["hwk"] }
        no_methods = { acr = ["mfa"], amr = [] }
        nameless = { acr = ["mfa"], amr = [""] }
        [scopes.resources]
        "file:///a" = { acr = ["pin", "pwd"] }
        [scopes.prompts]
        greet = { all = ["a b"], max_age_seconds = 0 }
        [scopes.methods]
        "tools/list" = { acr = ["pin"] }
    "#;
    let config: Config = toml::from_str(file).unwrap();
    let error = config.into_builder().build().unwrap_err();
    let found: Vec<_> = error
        .problems()
        .iter()
        .map(|problem| (problem.field(), problem.value()))
        .collect();
    for expected in [
        ("scopes.login.max_age_seconds", Some("59")),
        ("scopes.tools.empty.acr", None),
        ("scopes.tools.spaced.acr", Some("a b")),
        ("scopes.tools.spaced.acr", Some("q\"")),
        ("scopes.tools.spaced.acr", Some("é")),
        ("scopes.tools.spaced.acr", Some("")),
        ("scopes.tools.open", None),
        ("scopes.tools.closed", None),
        ("scopes.tools.methods.acr", None),
        ("scopes.tools.no_methods.amr", None),
        ("scopes.tools.nameless.amr", Some("")),
        ("scopes.prompts.greet", Some("a b")),
        ("scopes.prompts.greet.max_age_seconds", Some("0")),
    ] {
        assert!(found.contains(&expected), "{expected:?} is not in {error}");
    }
    assert_eq!(found.len(), 13, "{error}");

    let error = |scopes: ScopeMap| {
        let builder = Toolgate::builder(RESOURCE).issuer("https://auth.example.com");
        let error = builder.scopes(scopes).build().unwrap_err();
        let problems = error.problems().iter();
        let problems = problems.map(|problem| {
            (
                problem.field().to_owned(),
                problem.value().map(str::to_owned),
            )
        });
        problems.collect::<Vec<_>>()
    };
    let map = || ScopeMap::allow_unlisted().every_request(base_only().acr(["mfa", "phr"]));
    let found = error(
        map()
            .tool("one", base_only().acr(["pin", "pwd"]))
            .resource("file:///a", base_only().acr(["pin"]))
            .prompt("two", base_only().acr(["MFA"]))
            .method("tools/list", base_only().acr(["pin"]))
            .tool("half", base_only().max_age(Duration::from_millis(59_999)))
            .tool("never", deny().amr(["x"])),
    );
    let named = |field: &str, value: Option<&str>| (field.to_owned(), value.map(str::to_owned));
    for expected in [
        named("scopes.tools.one.acr", Some("pin pwd")),
        named("scopes.resources.file:///a.acr", Some("pin")),
        named("scopes.prompts.two.acr", Some("MFA")),
        named("scopes.methods.tools/list.acr", Some("pin")),
        named("scopes.tools.half.max_age_seconds", Some("59.999")),
        named("scopes.tools.never", None),
        named("scopes.tools.never.acr", None),
    ] {
        assert!(
            found.contains(&expected),
            "{expected:?} is not in {found:?}"
        );
    }
    assert_eq!(found.len(), 7, "{found:?}");
    let found = error(map().every_request(base_only().acr(["pin"])));
    assert_eq!(found, [named("scopes.login.acr", None)]);
    // A scope map that is as strict as it can be makes a gate.
    let good = map()
        .tool("one", base_only().acr(["pin", "phr"]).max_age(seconds(60)))
        .tool("two", Rule::from("a").acr(["mfa"]).amr(["otp"]));
    let builder = Toolgate::builder(RESOURCE).issuer("https://auth.example.com");
    assert!(builder.scopes(good).build().is_ok());
}

#[test]
fn a_file_with_an_unknown_field_or_a_wrong_type_in_a_login_rule_is_refused() {
    for (rules, why) in [
        ("[scopes.login]\nmax_age = 300", "max_age"),
        ("[scopes.login]\nacr = \"phr\"", "a sequence"),
        ("[scopes.login]\nmax_age_seconds = -1", "-1"),
        ("[scopes.tools]\nt = { max_age = 300 }", "max_age"),
        ("[scopes.tools]\nt = { acr = \"phr\" }", "a sequence"),
    ] {
        let text = format!("resource = {RESOURCE:?}\n[scopes]\nunlisted = \"allow\"\n{rules}");
        let error = toml::from_str::<Config>(&text).unwrap_err().to_string();
        assert!(error.contains(why), "{rules}: {error}");
    }
}
