//! API keys: tokens that the operator gives to machines, beside those of an issuer.

use std::time::{Duration, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use futures_util::FutureExt;
use futures_util::future::join_all;
use http_body_util::BodyExt;
use serde_json::json;
use tokio::time::timeout;
use toolgate::testing::{Algorithm, AuthorizationServer, Endpoint, SigningKey, api_key};
use toolgate::{
    ApiKey, ApiKeys, Builder, Caller, Config, ConfigProblemKind, Dpop, Gates, Holder,
    Introspection, Issuer, Revocation, RevocationError, ScopeMap, Toolgate,
};

use crate::examples::File;
use crate::logs::listen;
use crate::streams::{Stream, get, later};
use crate::world::{PATIENCE, RESOURCE, World, call, clock, pass, post};

const ISSUER: &str = "urn:toolgate:api-keys";
const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);

fn map() -> ScopeMap {
    ScopeMap::allow_unlisted()
        .every_request("mcp:use")
        .tool("wipe", "admin")
}

async fn world(keys: ApiKeys) -> World {
    World::with(|builder, server| builder.issuer(server.issuer()).scopes(map()).api_keys(keys))
        .await
}

fn with_key(stored: ApiKey) -> ApiKeys {
    ApiKeys::with_prefix("tg_").key(stored)
}

/// A file with these keys.
fn file_of(name: &str, keys: &[&ApiKey]) -> File {
    File::new(name, &text_of(keys))
}

fn text_of(keys: &[&ApiKey]) -> String {
    let lines = keys.iter().map(|key| format!("{key}\n"));
    format!(
        "# the keys of the machines\n\n{}",
        lines.collect::<String>()
    )
}

fn replace(file: &File, text: &str) {
    std::fs::write(file.path(), text).unwrap();
}

#[tokio::test]
async fn a_key_lets_its_machine_in_with_the_scopes_of_the_key_and_no_other() {
    let (log, _guard) = listen();
    let (key, stored) = api_key("tg_", "ci");
    let world = world(with_key(stored.scopes(["mcp:use", "files:read"]))).await;
    world.list_with(&key).await.assert_served();
    let reached = world.reached();
    assert!(!reached.headers.contains_key("authorization"));
    let principal = reached.principal.expect("a principal");
    assert_eq!(
        (
            principal.issuer(),
            principal.subject(),
            principal.client_id()
        ),
        (ISSUER, None, Some("ci"))
    );
    assert!(principal.is_machine());
    assert_eq!(
        principal.scopes().iter().collect::<Vec<_>>(),
        ["mcp:use", "files:read"]
    );
    assert_eq!(
        (principal.audience().count(), principal.expires_at()),
        (0, None)
    );
    let identity = principal.identity().expect("an identity");
    assert_eq!((identity.is_machine(), identity.name()), (true, "ci"));
    let claims: serde_json::Value = principal.claims().unwrap();
    assert_eq!(
        claims,
        json!({ "iss": ISSUER, "client_id": "ci", "scope": "mcp:use files:read" })
    );
    // The name of the key in the log is the beginning of its hash, as the configuration has it.
    let fields = log.decision()["fields"].clone();
    assert_eq!(
        (&fields["issuer"], &fields["client_id"]),
        (&json!(ISSUER), &json!("ci"))
    );
    let id = fields["token_id"].as_str().unwrap();
    assert!(id.len() == 16 && hash_of(&key).starts_with(id));
    assert!(!log.text().contains(&key), "the key is in the log");

    world
        .call_tool(&key, "wipe")
        .await
        .assert_needs(&["mcp:use", "admin"]);
    let (poor, stored) = api_key("tg_", "poor");
    let without_scopes = self::world(with_key(stored)).await;
    without_scopes
        .list_with(&poor)
        .await
        .assert_needs(&["mcp:use"]);
    // Tokens of the issuer are accepted as before.
    let token = world.token().mint();
    world.list_with(&token).await.assert_served();
}

/// The hash of a key, as it is stored.
fn hash_of(key: &str) -> String {
    let hash = digest(&SHA256, key.as_bytes());
    hash.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[tokio::test]
async fn a_token_with_the_prefix_is_a_key_or_is_refused_and_no_issuer_sees_it() {
    let (key, stored) = api_key("tg_", "ci");
    let (other, _) = api_key("tg_", "other");
    let clock = clock();
    let server = AuthorizationServer::builder()
        .clock(clock.clone())
        .start()
        .await;
    let world = World::around(server, clock, |builder, server| {
        let asked = Introspection::basic("rs", "rs-secret").every_token();
        builder
            .issuer(Issuer::new(server.issuer()).introspection(asked))
            .scopes(map())
            .api_keys(with_key(stored.scopes(["mcp:use"])))
    });
    world.gate.warm_up().await;
    let jwt = world.token().mint();
    let (cut, longer) = (key[..key.len() - 1].to_owned(), format!("{key}A"));
    let like_a_jwt = format!("tg_{jwt}");
    let wrong = [
        other.as_str(),
        &cut,
        &longer,
        "tg_",
        "tg_short",
        &like_a_jwt,
        "tg_eyJhbGciOiJFUzI1NiJ9.e30.AAAAAAAAAAAAAAAAAAAAAAAA",
        "tg_a.b.c.d.e.ffffffffffffffffffffffffffffffff",
    ];
    for token in wrong {
        world
            .list_with(token)
            .await
            .assert_invalid_token("api_key_unknown");
        world.gate.explain(Caller::Token(token), "").await;
    }
    world.list_with(&key).await.assert_served();
    // A line that cannot be read gets 400, as it does with any other token.
    for (line, code) in [
        ("tg_a b", "malformed_header"),
        ("tg_a,tg_b", "multiple_credentials"),
    ] {
        let answer = world.list_with(line).await;
        assert_eq!((answer.status.as_u16(), answer.code), (400, Some(code)));
    }
    assert_eq!(world.server.hits(Endpoint::Introspect), 0);
    // Tokens without the prefix are introspected, so the look at the traffic is one at the right place.
    world
        .list_with("opaque")
        .await
        .assert_invalid_token("inactive");
    world.list_with(&jwt).await.assert_served();
    assert_eq!(world.server.hits(Endpoint::Introspect), 2);
    let endpoints = [
        Endpoint::Rfc8414,
        Endpoint::OidcInserted,
        Endpoint::OidcAppended,
        Endpoint::Jwks,
        Endpoint::Register,
        Endpoint::Authorize,
        Endpoint::Token,
        Endpoint::Introspect,
    ];
    let mut seen = 0;
    for request in endpoints
        .into_iter()
        .flat_map(|at| world.server.requests(at))
    {
        seen += 1;
        let body = String::from_utf8_lossy(&request.body);
        let whole = format!("{} {:?} {body}", request.uri, request.headers);
        assert!(!whole.contains("tg_"), "{whole}");
    }
    assert!(seen >= 4, "metadata, keys and two introspections");
}

#[tokio::test]
async fn a_key_is_wrong_wherever_its_first_wrong_character_is_and_the_answer_is_the_same() {
    let (log, _guard) = listen();
    let (key, stored) = api_key("tg_", "ci");
    let world = world(with_key(stored.scopes(["mcp:use"]))).await;
    let good = hash_of(&key);
    let mut answers = Vec::new();
    for at in 4..key.len() {
        let other = if &key[at..=at] == "A" { "B" } else { "A" };
        let wrong = format!("{}{other}{}", &key[..at], &key[at + 1..]);
        let answer = world.list_with(&wrong).await;
        answer.assert_invalid_token("api_key_unknown");
        answers.push((answer.status, answer.body.clone()));
        // The gate has nothing of the key but its hash. The hashes part in their first bytes, wherever the keys do.
        let other = hash_of(&wrong);
        let alike = good
            .bytes()
            .zip(other.bytes())
            .take_while(|(one, other)| one == other);
        assert!(alike.count() < 10, "{at}");
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    let fields = log.decision()["fields"].clone();
    assert_eq!(
        (&fields["reason"], &fields["expected"], &fields["got"]),
        (
            &json!("api_key_unknown"),
            &json!("an API key of this gate"),
            &json!("another key")
        )
    );
    assert!(fields.get("issuer").is_none(), "no stranger is named");
}

#[tokio::test]
async fn a_key_with_fewer_than_32_characters_behind_the_prefix_is_refused_even_if_it_is_listed() {
    let short = format!("tg_{}", "a".repeat(31));
    let long = format!("tg_{}", "a".repeat(32));
    let keys = ApiKeys::with_prefix("tg_");
    let keys = [&short, &long]
        .into_iter()
        .enumerate()
        .fold(keys, |keys, (at, key)| {
            keys.key(ApiKey::of(format!("key-{at}"), hash_of(key)).scopes(["mcp:use"]))
        });
    let world = world(keys).await;
    world
        .list_with(&short)
        .await
        .assert_invalid_token("api_key_unknown");
    world.list_with(&long).await.assert_served();
}

#[tokio::test]
async fn a_key_expires_to_the_second() {
    let (log, _guard) = listen();
    let (key, stored) = api_key("tg_", "ci");
    // The clock of the world shows 2027-01-15T08:00:00Z.
    let stored = stored
        .scopes(["mcp:use"])
        .expires("2027-01-15T09:00:10+01:00");
    let world = world(with_key(stored)).await;
    world.list_with(&key).await.assert_served();
    let end = world.reached().principal.unwrap().expires_at();
    assert_eq!(end, Some(UNIX_EPOCH + Duration::from_secs(1_800_000_010)));
    world.clock.advance(9 * SECOND);
    world.list_with(&key).await.assert_served();
    let stream = Stream::open(&world, get(&key)).await;
    later(&world, SECOND).await;
    world.list_with(&key).await.assert_invalid_token("expired");
    assert_eq!(log.decision()["fields"]["client_id"], "ci");
    pass(SECOND).await;
    stream.assert_over().await;
    let explained = world.gate.explain(Caller::Token(&key), "").await;
    assert_eq!(explained.refusal().unwrap().code(), "expired");
}

#[tokio::test]
async fn a_revocation_names_a_key_and_holds_for_open_streams_too() {
    let [(of_ci, ci), (of_cron, cron)] = ["ci", "cron"].map(|name| api_key("tg_", name));
    let keys = with_key(ci.scopes(["mcp:use"])).key(cron.scopes(["mcp:use"]));
    let world = world(keys).await;
    let stream = Stream::open(&world, get(&of_ci)).await;
    let mut kept = Stream::open(&world, get(&of_cron)).await;
    let revocation = Revocation::client(ISSUER, "ci");
    world.gate.revoke(revocation, HOUR).await.unwrap();
    stream.assert_over().await;
    kept.assert_open("data: 1\n\n").await;
    world
        .list_with(&of_ci)
        .await
        .assert_invalid_token("revoked");
    world.list_with(&of_cron).await.assert_served();
    // By the id in the log too.
    let revocation = Revocation::token(ISSUER, &hash_of(&of_cron)[..16]);
    world.gate.revoke(revocation, HOUR).await.unwrap();
    world
        .list_with(&of_cron)
        .await
        .assert_invalid_token("revoked");

    let without = World::new().await;
    let refused = without
        .gate
        .revoke(Revocation::client(ISSUER, "ci"), HOUR)
        .await;
    assert_eq!(
        refused,
        Err(RevocationError::UnknownIssuer(ISSUER.to_owned()))
    );
}

#[tokio::test]
async fn a_session_belongs_to_the_key_that_opened_it() {
    let [(of_ci, ci), (of_cron, cron)] = ["ci", "cron"].map(|name| api_key("tg_", name));
    let world = world(with_key(ci.scopes(["mcp:use"])).key(cron.scopes(["mcp:use"]))).await;
    world.answer_with("mcp-session-id", ["s-1"]);
    let answer = world.list_with(&of_ci).await;
    let id = answer
        .header("mcp-session-id")
        .expect("a session")
        .to_owned();
    let within = |key: &str| {
        let mut request = post(key, &call("tools/list", json!({})));
        request
            .headers_mut()
            .insert("mcp-session-id", id.parse().unwrap());
        request
    };
    world.send(within(&of_ci)).await.assert_served();
    let answer = world.send(within(&of_cron)).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code),
        (404, Some("session_not_owned"))
    );
    // A client of the issuer with the same name is another caller.
    let namesake = world.token().subject("ci").client_id("ci").mint();
    let answer = world.send(within(&namesake)).await;
    assert_eq!(answer.code, Some("session_not_owned"));
}

#[tokio::test]
async fn a_key_is_a_bearer_token_and_nothing_else() {
    let (key, stored) = api_key("tg_", "ci");
    let world = world(with_key(stored.scopes(["mcp:use"]))).await;
    let mut request = post(&key, &call("tools/list", json!({})));
    let line = format!("DPoP {key}").parse().unwrap();
    request.headers_mut().insert("authorization", line);
    let answer = world.send(request).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code),
        (401, Some("dpop_token_unbound"))
    );
}

#[tokio::test]
async fn a_file_is_followed_and_a_key_that_was_removed_is_refused_and_its_streams_end() {
    let (log, _guard) = listen();
    let [(of_old, old), (of_new, new), (of_kept, kept)] =
        ["old", "new", "kept"].map(|name| api_key("tg_", name));
    let [old, new, kept] = [old, new, kept].map(|key| key.scopes(["mcp:use"]));
    let file = file_of("api-keys-followed", &[&old, &kept]);
    let world = world(ApiKeys::with_prefix("tg_").file(file.path())).await;
    world.list_with(&of_old).await.assert_served();
    world
        .list_with(&of_new)
        .await
        .assert_invalid_token("api_key_unknown");
    let mut ending = Stream::open(&world, get(&of_old)).await;
    let mut lasting = Stream::open(&world, get(&of_kept)).await;

    replace(&file, &text_of(&[&kept, &new]));
    later(&world, SECOND).await;
    // The stream sees to it by itself, without any request.
    pass(SECOND).await;
    // It waits for the file to be read, and nothing is sent to it meanwhile.
    let frame = timeout(PATIENCE, ending.body.frame()).await;
    assert!(frame.expect("an end").is_none());
    lasting.assert_open("data: 1\n\n").await;
    world
        .list_with(&of_old)
        .await
        .assert_invalid_token("api_key_unknown");
    world.list_with(&of_new).await.assert_served();
    world.list_with(&of_kept).await.assert_served();
    let replaced = log.events().into_iter().filter(|event| {
        event["fields"]["message"] == "API keys are replaced" && event["fields"]["keys"] == 2
    });
    assert_eq!(replaced.count(), 1);
}

#[tokio::test]
async fn the_first_key_after_a_pause_is_judged_by_the_file_as_it_is_then() {
    let (key, stored) = api_key("tg_", "ci");
    let stored = stored.scopes(["mcp:use"]);
    let file = file_of("api-keys-first", &[&stored]);
    let world = world(ApiKeys::with_prefix("tg_").file(file.path())).await;
    replace(&file, "keys = []");
    // All of several at once.
    let refused = join_all((0..8).map(|_| world.list_with(&key))).await;
    for answer in refused {
        answer.assert_invalid_token("api_key_unknown");
    }
    replace(&file, &text_of(&[&stored]));
    world.clock.advance(SECOND);
    world.list_with(&key).await.assert_served();
    // A clock that was set back does not put the next look off.
    replace(&file, "keys = []");
    world
        .clock
        .set(UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    world
        .list_with(&key)
        .await
        .assert_invalid_token("api_key_unknown");
}

#[tokio::test]
async fn while_a_file_cannot_be_used_the_last_good_keys_stay_and_one_event_says_why() {
    let (log, _guard) = listen();
    let (key, stored) = api_key("tg_", "ci");
    let stored = stored.scopes(["mcp:use"]);
    let file = file_of("api-keys-bad", &[&stored]);
    let world = world(ApiKeys::with_prefix("tg_").file(file.path())).await;
    let warnings = || {
        let events = log.events().into_iter();
        let kept = "API keys are not replaced: the last good ones stay";
        let of_file = events.filter(|event| event["fields"]["message"] == kept);
        let why = of_file.map(|event| event["fields"]["error"].as_str().unwrap().to_owned());
        why.collect::<Vec<_>>()
    };
    // The key itself is where its hash belongs.
    let other = ApiKey::of("other", &key);
    replace(&file, &format!("{stored}\n\n{other}\n"));
    for _ in 0..3 {
        world.clock.advance(SECOND);
        world.list_with(&key).await.assert_served();
    }
    let [why] = &warnings()[..] else {
        panic!("{:?}", warnings())
    };
    assert!(why.starts_with("the key at line 6: `sha256`: "), "{why}");
    assert!(!log.text().contains(&key), "the key is in the log");
    std::fs::remove_file(file.path()).unwrap();
    world.clock.advance(SECOND);
    world.list_with(&key).await.assert_served();
    // Repaired, and broken anew.
    replace(&file, &format!("{stored}\n"));
    world.clock.advance(SECOND);
    world.list_with(&key).await.assert_served();
    std::fs::remove_file(file.path()).unwrap();
    world.clock.advance(SECOND);
    world.list_with(&key).await.assert_served();
    assert_eq!(warnings().len(), 2);
    replace(&file, "keys = []");
    world.clock.advance(SECOND);
    world
        .list_with(&key)
        .await
        .assert_invalid_token("api_key_unknown");
}

#[tokio::test]
async fn a_reload_replaces_the_keys_and_ends_the_streams_of_those_removed() {
    let [(of_old, old), (of_new, new)] = ["old", "new"].map(|name| api_key("tg_", name));
    let world = world(with_key(old.scopes(["mcp:use"]))).await;
    let stream = Stream::open(&world, get(&of_old)).await;
    let text = format!(
        "resource = {RESOURCE:?}\n[[issuers]]\nissuer = {:?}\n[scopes]\nunlisted = \"allow\"\n\
         [api_keys]\nprefix = \"tg_\"\n[[api_keys.keys]]\nname = \"new\"\nsha256 = {:?}\nscopes = [\"mcp:use\"]",
        world.server.issuer(),
        hash_of(&of_new),
    );
    drop(new);
    world.gate.reload(toml::from_str(&text).unwrap()).unwrap();
    stream.assert_over().await;
    world
        .list_with(&of_old)
        .await
        .assert_invalid_token("api_key_unknown");
    world.list_with(&of_new).await.assert_served();
}

#[tokio::test]
async fn a_key_is_good_at_its_own_resource_only() {
    let server = AuthorizationServer::start().await;
    let (key, stored) = api_key("tg_", "ci");
    let files = Toolgate::builder("https://mcp.example.com/files")
        .issuer(server.issuer())
        .scopes(map())
        .api_keys(with_key(stored.scopes(["mcp:use"])))
        .build()
        .unwrap();
    let mail = files.for_resource("https://mcp.example.com/mail");
    let mail = mail.scopes(map()).build().unwrap();
    let is_good = async |gate: &Toolgate| {
        let body = call("tools/list", json!({}));
        gate.explain(Caller::Token(&key), body).await.is_allowed()
    };
    assert!(is_good(&files).await);
    assert!(!is_good(&mail).await);

    // In a file, each resource has a table of its own.
    let text = format!(
        "unmatched = \"refuse\"\n[[issuers]]\nissuer = {:?}\n\
         [[resources]]\nresource = \"https://mcp.example.com/files\"\nscopes.unlisted = \"allow\"\n\
         api_keys = {{ prefix = \"tg_\", keys = [{{ name = \"ci\", sha256 = {:?} }}] }}\n\
         [[resources]]\nresource = \"https://mcp.example.com/mail\"\nscopes.unlisted = \"allow\"\n",
        server.issuer(),
        hash_of(&key),
    );
    let gates: Gates = toml::from_str::<Config>(&text)
        .unwrap()
        .into_gates(|builder| builder)
        .unwrap();
    assert!(is_good(&gates.gates()[0]).await);
    assert!(!is_good(&gates.gates()[1]).await);
    let wrong = text.replace("sha256", "sha");
    assert!(toml::from_str::<Config>(&wrong).is_err());
    let wrong = text.replace("prefix = \"tg_\"", "prefix = \"e\"");
    let why = toml::from_str::<Config>(&wrong)
        .unwrap()
        .into_gates(|builder| builder)
        .unwrap_err();
    assert_eq!(why.problems()[0].field(), "resources[0].api_keys.prefix");
}

#[tokio::test]
async fn the_start_up_event_and_explain_say_that_there_are_keys() {
    let (log, _guard) = listen();
    let (key, stored) = api_key("tg_", "ci");
    let world = world(with_key(stored)).await;
    let fields = log.events()[0]["fields"].clone();
    assert_eq!(fields["api_keys"], "1 that begin with \"tg_\"");
    let body = call("tools/list", json!({}));
    let explained = world.gate.explain(Caller::Token(&key), body.clone()).await;
    assert_eq!(explained.refusal().unwrap().code(), "insufficient_scope");
    let text = explained.to_string();
    assert!(text.contains(ISSUER) && !text.contains(&key), "{text}");
    let (other, _) = api_key("tg_", "other");
    let explained = world.gate.explain(Caller::Token(&other), body).await;
    assert_eq!(explained.refusal().unwrap().code(), "api_key_unknown");
}

#[test]
fn every_wrong_setting_is_found_and_no_key_is_shown() {
    let build = |builder: Builder| {
        let found = builder.build().err();
        let found = found.iter().flat_map(|error| error.problems());
        found
            .map(|problem| (problem.field().to_owned(), problem.kind()))
            .collect::<Vec<_>>()
    };
    let gate = || {
        Toolgate::builder(RESOURCE)
            .issuer("https://auth.example.com")
            .scopes(map())
    };
    let (key, stored) = api_key("tg_", "ci");
    let keys = |prefix: &str| ApiKeys::with_prefix(prefix).key(stored.clone());
    use ConfigProblemKind::{Conflict, Duplicate, Missing, NotAllowed, Unreadable};
    let one = |field: &str, kind| vec![(field.to_owned(), kind)];
    let prefix = |kind| one("api_keys.prefix", kind);
    for (text, found) in [
        ("tg_", vec![]),
        ("t-.~+/", vec![]),
        ("", prefix(Missing)),
        ("e", prefix(Conflict)),
        ("ey", prefix(Conflict)),
        ("eyJ", prefix(Conflict)),
        ("tg ", prefix(NotAllowed)),
        ("tg=", prefix(NotAllowed)),
        ("tg,", prefix(NotAllowed)),
        ("tä", prefix(NotAllowed)),
    ] {
        assert_eq!(build(gate().api_keys(keys(text))), found, "{text}");
    }
    for (other, found) in [
        ("tg_", prefix(Conflict)),
        ("t", prefix(Conflict)),
        ("tg_at_", prefix(Conflict)),
        ("at_", vec![]),
    ] {
        let asked = Introspection::basic("rs", "secret").token_prefix(other);
        let issuer = Issuer::new("https://two.example.com").introspection(asked);
        let builder = gate().issuer(issuer).api_keys(keys("tg_"));
        assert_eq!(build(builder), found, "{other}");
    }
    let bound = Holder::default().dpop(Dpop::Required);
    let required = gate().holder(bound).api_keys(keys("tg_"));
    assert_eq!(build(required), one("api_keys", Conflict));
    let namesake = gate().issuer(Issuer::new(ISSUER).jwks(json!({ "keys": [] }).to_string()));
    let found = build(namesake.api_keys(keys("tg_")));
    assert!(
        found.contains(&("api_keys".to_owned(), Conflict)),
        "{found:?}"
    );
    let none = gate().api_keys(ApiKeys::with_prefix("tg_"));
    assert_eq!(build(none), one("api_keys.keys", Missing));

    let of = |key: ApiKey| keys("tg_").key(key);
    let (_, other) = api_key("tg_", "other");
    for (wrong, field, kind) in [
        (ApiKey::of("ci", hash_of("x")), "name", Duplicate),
        (ApiKey::of("again", hash_of(&key)), "sha256", Duplicate),
        (
            ApiKey::of("again", hash_of(&key).to_uppercase()),
            "sha256",
            Duplicate,
        ),
        (ApiKey::of("", hash_of("x")), "name", NotAllowed),
        (ApiKey::of("two words", hash_of("x")), "name", NotAllowed),
        (ApiKey::of(&key, hash_of("x")), "name", NotAllowed),
        (ApiKey::of("x", &key), "sha256", NotAllowed),
        (ApiKey::of("x", ""), "sha256", NotAllowed),
        (ApiKey::of("x", "ä".repeat(32)), "sha256", NotAllowed),
        (
            other.clone().scopes(["mcp:use files"]),
            "scopes",
            NotAllowed,
        ),
        (other.clone().scopes([""]), "scopes", NotAllowed),
        (other.clone().expires("tomorrow"), "expires", NotAllowed),
    ] {
        let builder = gate().api_keys(of(wrong));
        let why = builder.build().unwrap_err();
        assert!(!why.to_string().contains(&key[4..]), "{why}");
        let [problem] = why.problems() else {
            panic!("{why}")
        };
        assert_eq!(
            (problem.field(), problem.kind()),
            (&*format!("api_keys.keys[1].{field}"), kind)
        );
    }
    // A mistake in a file is named by the line of its key.
    let file = File::new("api-keys-wrong", "keys = []");
    let table = "write a list of [[keys]]";
    let x = ApiKey::of("x", hash_of("x"));
    for (text, why) in [
        (String::new(), table.to_owned()),
        ("# none".to_owned(), format!("line 1: {table}")),
        (format!("keys = []\n{key}"), format!("line 2: {table}")),
        (format!("keys = [\n{key:?}]"), format!("line 1: {table}")),
        (format!("{x}\n{key} = 1"), format!("line 5: {table}")),
        (
            "[[keys]]\nname = \"x\"".to_owned(),
            "the key at line 1: `sha256`: ".to_owned(),
        ),
        (
            format!("# {key}\n{}", x.clone().expires("never")),
            "the key at line 2: `expires`: ".to_owned(),
        ),
        (
            stored.to_string(),
            "the key at line 1: `name`: another key has this name".to_owned(),
        ),
        (
            ApiKey::of(&key, hash_of("x")).to_string(),
            "the key at line 1: `name`: ".to_owned(),
        ),
        (
            format!("{x}\n\n{}", ApiKey::of("y", &key)),
            "the key at line 6: `sha256`: ".to_owned(),
        ),
        (
            x.clone().scopes(["mcp:use", "a\"b"]).to_string(),
            "the key at line 1: `scopes`: ".to_owned(),
        ),
    ] {
        replace(&file, &text);
        let builder = gate().api_keys(keys("tg_").file(file.path()));
        let error = builder.build().unwrap_err();
        let [problem] = error.problems() else {
            panic!("{error}")
        };
        assert_eq!(
            (problem.field(), problem.kind()),
            ("api_keys.file", NotAllowed)
        );
        assert!(problem.fix().starts_with(&why), "{text}: {error}");
        assert!(!error.to_string().contains(&key[4..]), "{error}");
    }
    let builder = gate().api_keys(ApiKeys::with_prefix("tg_").file("/nowhere/keys.toml"));
    assert_eq!(build(builder), one("api_keys.file", Unreadable));
    // No type shows what may be a key.
    let shown = format!("{:?}", gate().api_keys(of(ApiKey::of("x", &key))));
    assert!(!shown.contains(&key[4..]), "{shown}");
}

#[test]
fn no_error_of_a_file_format_shows_a_key_in_the_wrong_place() {
    let (key, _) = api_key("tg_", "ci");
    for wrong in [
        format!("api_keys = {key:?}"),
        format!("[api_keys]\nprefix = [{key:?}]"),
        format!("[api_keys]\nfile = {{ x = {key:?} }}"),
        format!("[api_keys]\nkeys = {key:?}"),
        format!("[api_keys]\nkeys = [{key:?}]"),
        format!("[[api_keys.keys]]\nname = [{key:?}]"),
        format!("[[api_keys.keys]]\nsha256 = [{key:?}]"),
        format!("[[api_keys.keys]]\nscopes = {key:?}"),
        format!("[[api_keys.keys]]\nexpires = [{key:?}]"),
    ] {
        let why = toml::from_str::<Config>(&wrong).unwrap_err();
        assert!(!why.message().contains(&key), "{}", why.message());
    }
}

#[test]
fn a_new_key_is_random_and_its_table_has_all_that_is_stored() {
    let [(one, stored), (another, _)] = [(); 2].map(|()| ApiKey::generate("tg_", "ci").unwrap());
    assert_ne!(one, another);
    // 32 random bytes as base64url.
    assert_eq!((one.len(), one.starts_with("tg_")), (4 + 43 - 1, true));
    let stored = stored
        .scopes(["mcp:use", "admin"])
        .expires("2027-01-01T00:00:00Z");
    assert_eq!(
        stored.to_string(),
        format!(
            "[[keys]]\nname = \"ci\"\nsha256 = \"{}\"\nscopes = [\"mcp:use\",\"admin\"]\nexpires = \"2027-01-01T00:00:00Z\"",
            hash_of(&one)
        )
    );
}

#[test]
fn without_a_runtime_a_file_is_still_followed() {
    let (key, stored) = api_key("tg_", "ci");
    let stored = stored.scopes(["mcp:use"]);
    let file = file_of("api-keys-bare", &[&stored]);
    let jwks = json!({ "keys": [SigningKey::generate(Algorithm::Es256).jwk()] });
    let gate = Toolgate::builder(RESOURCE)
        .issuer(Issuer::new("https://auth.example.com").jwks(jwks.to_string()))
        .clock(clock())
        .scopes(ScopeMap::allow_unlisted())
        .api_keys(ApiKeys::with_prefix("tg_").file(file.path()))
        .build()
        .unwrap();
    replace(&file, "keys = []");
    let explained = gate.explain(Caller::Token(&key), "").now_or_never();
    let refusal = explained.unwrap().refusal().map(toolgate::Refusal::code);
    assert_eq!(refusal, Some("api_key_unknown"));
}
