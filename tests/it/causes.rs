//! Why an issuer's documents could not be fetched: each URL and what was wrong there, wherever an operator looks.

mod self_signed;

use std::error::Error;
use std::iter::successors;
use std::pin::pin;

use futures_util::poll;
use serde_json::json;
use tokio::net::TcpSocket;
use toolgate::testing::{AuthorizationServer, Endpoint, Fault};
use toolgate::{Caller, Introspection, Issuer, IssuerHealth, ScopeMap};

use crate::faults::{KEYS, METADATA, TIMEOUT, fail, hits};
use crate::logs::listen;
use crate::world::{World, pass, until};

#[tokio::test]
async fn a_failed_fetch_of_keys_shows_its_url_without_the_query_and_the_cause() {
    let server = AuthorizationServer::start().await;
    let no_tls = server.issuer().replacen("http:", "https:", 1);
    let (_held, port) = held_port();
    let refused = format!("http://127.0.0.1:{port}");
    let self_signed = self_signed::start().await;
    for (origin, why) in [
        (
            refused.as_str(),
            "the connection was refused: no server listens there: ",
        ),
        (
            "https://nowhere.invalid",
            "its host name cannot be resolved: ",
        ),
        (no_tls.as_str(), "the server does not speak TLS there: "),
        (
            self_signed.as_str(),
            "its certificate is not trusted by this machine: install its CA here, or name it by \
             `Builder::http_client`: ",
        ),
    ] {
        let seen = seen_with(Issuer::new(server.issuer()).jwks_uri(format!("{origin}/k?a=s3cret")));
        let expected = format!("its key set could not be fetched: {origin}/k: {why}");
        seen.await.assert_all_say(&expected, "jwks_unavailable");
    }
}

#[tokio::test]
async fn an_invalid_key_set_shows_its_url_and_the_cause() {
    for (fault, code, said, why) in [
        (
            Fault::Status(404),
            "jwks_unavailable",
            "could not be fetched: {}:",
            "the server answered 404",
        ),
        (
            Fault::Html,
            "jwks_unusable",
            "cannot be used: {}:",
            "the key set cannot be read: it is not JSON: expected value at line 1 column 1",
        ),
        (
            Fault::Body(r#"{"keys":[{"kty":"EC","kty":"RSA"}]}"#.into()),
            "jwks_unusable",
            "cannot be used: {}:",
            "the key set cannot be read: an object in it has a member twice: member named twice at line 1 column 33",
        ),
        (
            Fault::Body(r#"{"keys":[]}"#.into()),
            "jwks_unusable",
            "cannot be used: {}:",
            "the key set has no usable key",
        ),
    ] {
        let world = World::new().await;
        fail(&world, KEYS, Some(&fault));
        let said = said.replace("{}", &world.server.url(Endpoint::Jwks));
        let expected = format!("its key set {said} {why}");
        seen(&world).await.assert_all_say(&expected, code);
    }
}

#[tokio::test]
async fn missing_metadata_shows_each_url_with_its_cause() {
    for (fault, code, why) in [
        (
            Fault::Status(404),
            "discovery_failed",
            "the server answered 404",
        ),
        (
            Fault::Html,
            "discovery_failed",
            "it is not JSON (expected value at line 1 column 1)",
        ),
        (
            Fault::Body(r#"{"issuer":"","issuer":""}"#.into()),
            "discovery_failed",
            "an object in it has a member twice (member named twice at line 1 column 25)",
        ),
        (
            Fault::Body(r#"{"issuer":"{}"}"#.into()),
            "discovery_failed",
            "it has no jwks_uri",
        ),
        (
            Fault::Body(r#"{"issuer":"https://other\n.example"}"#.into()),
            "discovery_issuer_mismatch",
            r"it is the metadata of another issuer: https://other\n.example",
        ),
    ] {
        let world = World::new().await;
        let own = match fault {
            Fault::Body(body) => {
                let body = String::from_utf8(body.to_vec()).unwrap();
                Fault::Body(body.replace("{}", world.server.issuer()).into())
            }
            fault => fault,
        };
        fail(&world, METADATA, Some(&own));
        let [first, second] =
            [Endpoint::Rfc8414, Endpoint::OidcInserted].map(|form| world.server.url(form));
        let expected =
            format!("its metadata could not be fetched: {first}: {why}; {second}: {why}");
        seen(&world).await.assert_all_say(&expected, code);
    }
}

#[tokio::test]
async fn an_unreachable_issuer_shows_each_metadata_url_as_unreachable() {
    let (_held, port) = held_port();
    let refused = format!("http://127.0.0.1:{port}");
    for (issuer, why) in [
        (refused.as_str(), "the connection was refused"),
        (
            "https://nowhere.invalid",
            "its host name cannot be resolved",
        ),
    ] {
        let well_known = format!("{issuer}/.well-known");
        let seen = seen_with(Issuer::new(issuer)).await;
        let first = format!(
            "its metadata could not be fetched: {well_known}/oauth-authorization-server: {why}"
        );
        seen.assert_all_say(&first, "discovery_failed");
        let second = format!("; {well_known}/openid-configuration: {why}");
        seen.assert_all_say(&second, "discovery_failed");
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_shows_the_timeout() {
    let world = World::new().await;
    fail(&world, KEYS, Some(&Fault::Hang));
    let mut warming = pin!(world.gate.warm_up());
    assert!(poll!(&mut warming).is_pending());
    until(|| hits(&world, KEYS) == 1).await;
    pass(TIMEOUT).await;
    let health = warming.await;
    let expected = format!(
        "{}: it did not arrive within 5s",
        world.server.url(Endpoint::Jwks)
    );
    assert!(problem(&health).contains(&expected), "{}", problem(&health));
}

#[tokio::test]
async fn an_unreachable_introspection_endpoint_shows_its_url_and_the_cause() {
    let (_held, port) = held_port();
    let endpoint = format!("http://127.0.0.1:{port}/introspect");
    let world = World::with(|builder, server| {
        let introspection =
            Introspection::basic("rs", "rs-secret").endpoint(format!("{endpoint}?a=s3cret"));
        builder
            .issuer(Issuer::new(server.issuer()).introspection(introspection))
            .scopes(ScopeMap::allow_unlisted())
    })
    .await;
    let answer = world.list_with("opaque").await;
    answer.assert_unavailable("introspection_unavailable");
    assert!(problem(&world.gate.health()).starts_with(&format!(
        "the introspection endpoint could not be reached: {endpoint}: the connection was refused"
    )));
}

/// One issuer's failure, as each view shows it to an operator.
struct Seen {
    code: &'static str,
    /// (where, what is said there)
    texts: Vec<(&'static str, String)>,
}

impl Seen {
    #[track_caller]
    fn assert_all_say(&self, expected: &str, code: &str) {
        assert_eq!(self.code, code);
        for (place, text) in &self.texts {
            assert!(
                text.contains(expected),
                "{place}: {expected}\nnot in {text}"
            );
            assert!(!text.contains("s3cret"), "{place}: {text}");
        }
    }
}

async fn seen_with(issuer: Issuer) -> Seen {
    let world = World::with(|builder, _| {
        builder
            .issuer(issuer)
            .scopes(ScopeMap::allow_unlisted().every_request("mcp:use"))
    });
    seen(&world.await).await
}

async fn seen(world: &World) -> Seen {
    let (log, _guard) = listen();
    let warmed_up = world.gate.warm_up().await;
    let issuer = warmed_up[0].issuer();
    let token = world.token().claim("iss", json!(issuer)).mint();
    let explanation = world.gate.explain(Caller::Token(&token), "").await;
    let events = log.events();
    let logged = events
        .iter()
        .find(|event| event["fields"]["message"] == "keys not fetched")
        .unwrap_or_else(|| panic!("no event in {}", log.text()));
    let field = |name: &str| logged["fields"][name].as_str().unwrap_or_default();
    Seen {
        code: explanation.refusal().expect("it is refused").code(),
        texts: vec![
            ("log", format!("{}: {}", field("error"), field("source"))),
            ("warm_up", problem(&warmed_up)),
            ("health", problem(&world.gate.health())),
            ("explain", explanation.to_string()),
        ],
    }
}

fn problem(health: &[IssuerHealth]) -> String {
    let problem: &(dyn Error + 'static) = health[0].problem().expect("a problem");
    let causes = successors(Some(problem), |error| (*error).source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

/// A port on which no server listens. It is held, so that no other test gets it.
fn held_port() -> (TcpSocket, u16) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}
