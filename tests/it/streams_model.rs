//! A random walk: a stream is open exactly while a new request with its token would be let in.

use std::pin::pin;
use std::time::Duration;

use futures_util::poll;
use http::StatusCode;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use toolgate::testing::{Algorithm, AuthorizationServer, Endpoint, Fault, SigningKey};
use toolgate::{Config, Revocation};

use crate::streams::{Stream, get, later};
use crate::world::{RESOURCE, World, clock};

const WALKS: u64 = 24;
const STEPS: usize = 30;

/// So late may a stream notice what a request notices at once.
const MINUTE: Duration = Duration::from_secs(61);

/// A small generator of its own: a failing walk is run again by its number.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}

struct Model {
    world: World,
    other: AuthorizationServer,
    dice: Dice,
    open: Vec<(String, Stream)>,
    taken: Vec<String>,
}

#[tokio::test]
async fn a_stream_is_open_exactly_while_a_new_request_with_its_token_would_be_served() {
    let (mut opened, mut ended) = (0, 0);
    for walk in 0..WALKS {
        let mut model = Model::new(walk).await;
        for step in 0..STEPS {
            let what = model.change().await;
            opened += model.open_more().await;
            ended += model
                .hold(&format!("walk {walk}, step {step}: {what}"))
                .await;
        }
    }
    assert!(
        opened > 100 && ended > 80,
        "the walks went nowhere: {opened} opened, {ended} ended"
    );
}

impl Model {
    async fn new(walk: u64) -> Self {
        let clock = clock();
        let start = || {
            AuthorizationServer::builder()
                .clock(clock.clone())
                .client("rs", "secret")
                .start()
        };
        let (server, other) = (start().await, start().await);
        let gate = config(server.issuer(), 0)
            .into_builder()
            .clock(clock.clone())
            .build()
            .unwrap();
        let mut world = World::of(server, gate);
        world.clock = clock;
        let mut model = Self {
            world,
            other,
            dice: Dice(walk),
            open: Vec::new(),
            taken: Vec::new(),
        };
        for number in 0..4 {
            let token = model.mint(number);
            model.taken.push(token);
        }
        model
    }

    /// Tokens of two callers, signed and opaque.
    fn mint(&mut self, number: usize) -> String {
        let subject = ["alice", "bob"][number % 2];
        if number >= 2 {
            let token = format!("opaque-{number}-{}", self.dice.below(1_000_000));
            self.world
                .server
                .introspect_as(&token, answer(subject, "mcp:use", "a"));
            return token;
        }
        let token = self
            .world
            .token()
            .subject(subject)
            .claim("tenant", "a")
            .expires_in(900);
        token.mint()
    }

    async fn change(&mut self) -> String {
        let server = &self.world.server;
        match self.dice.below(8) {
            0 | 1 => {
                let variant = self.dice.below(6);
                let issuer = if variant == 5 {
                    self.other.issuer()
                } else {
                    server.issuer()
                };
                self.world.gate.reload(config(issuer, variant)).unwrap();
                format!("reload {variant}")
            }
            2 => {
                let subject = ["alice", "bob"][self.dice.below(2)];
                // Of an issuer that is not trusted just now there is nothing to revoke.
                let _ = self
                    .world
                    .gate
                    .revoke(Revocation::subject(server.issuer(), subject), MINUTE * 5)
                    .await;
                format!("revoke {subject}")
            }
            3 => {
                server.rotate(SigningKey::generate(Algorithm::Es256));
                "rotate".to_owned()
            }
            4 | 5 => {
                let token = self.taken[2 + self.dice.below(2)].clone();
                let answers = [
                    answer("alice", "mcp:use", "a"),
                    answer("alice", "other", "a"),
                    answer("alice", "mcp:use", "b"),
                    json!({ "active": false }),
                ];
                let which = self.dice.below(answers.len());
                server.introspect_as(&token, answers[which].clone());
                format!("introspect {which}")
            }
            6 => {
                let fault = [None, Some(Fault::Status(503))][self.dice.below(2)].clone();
                server.fail(Endpoint::Introspect, fault.clone());
                server.fail(Endpoint::Jwks, fault.clone());
                format!("fail {fault:?}")
            }
            _ => {
                let number = self.dice.below(4);
                self.taken[number] = self.mint(number);
                format!("another token {number}")
            }
        }
    }

    /// Whether a new request is let in; `None` where that cannot be told.
    async fn lets_in(&self, token: &str) -> Option<bool> {
        let answer = self.world.send(get(token)).await;
        (answer.status != StatusCode::SERVICE_UNAVAILABLE).then(|| answer.code.is_none())
    }

    async fn open_more(&mut self) -> usize {
        let mut opened = 0;
        for token in self.taken.clone() {
            let is_open = self.open.iter().any(|(open, _)| *open == token);
            if !is_open && self.lets_in(&token).await == Some(true) {
                self.open
                    .push((token.clone(), Stream::open(&self.world, get(&token)).await));
                opened += 1;
            }
        }
        opened
    }

    /// Lets a minute pass, compares each stream with a new request, and counts the streams that ended.
    async fn hold(&mut self, what: &str) -> usize {
        let mut ended = 0;
        let mut kept = Vec::new();
        later(&self.world, MINUTE).await;
        for (token, mut stream) in std::mem::take(&mut self.open) {
            let mut rounds = 0;
            loop {
                let expected = self.lets_in(&token).await;
                let is_open = settles_open(&mut stream).await;
                match (expected, is_open) {
                    (Some(true) | None, true) => break kept.push((token, stream)),
                    (Some(false), false) => break ended += 1,
                    // In an outage a stream ends by the token's own end, of which a request is told only later.
                    (None, false) if is_over(&self.world, &token) => break ended += 1,
                    // A key set that was fetched in between: the next look says the same to both.
                    _ if rounds < 3 => {
                        later(&self.world, MINUTE).await;
                        rounds += 1;
                    }
                    _ => panic!(
                        "{what}: a request is let in: {expected:?}, the stream is open: {is_open}"
                    ),
                }
            }
        }
        self.open = kept;
        ended
    }
}

/// Whether the stream is still open once it has had the time to look at its token.
async fn settles_open(stream: &mut Stream) -> bool {
    for _ in 0..300 {
        if poll!(pin!(stream.body.frame())).is_ready() {
            return false;
        }
        tokio::task::yield_now().await;
    }
    true
}

/// Whether the claims of a JWT say so; an opaque token's are the issuer's to tell.
fn is_over(world: &World, token: &str) -> bool {
    use base64::Engine;
    let Some(payload) = token.split('.').nth(1) else {
        return true;
    };
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(payload)
        .unwrap();
    let claims: Value = serde_json::from_slice(&payload).unwrap();
    let now = world
        .clock
        .now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    claims["exp"].as_u64().unwrap() + 60 <= now
}

fn answer(subject: &str, scope: &str, tenant: &str) -> Value {
    json!({
        "active": true, "aud": RESOURCE, "sub": subject, "client_id": "c", "scope": scope, "tenant": tenant,
        "iat": 1_700_000_000,
    })
}

fn config(issuer: &str, variant: usize) -> Config {
    let (of_issuer, base) = match variant {
        0 | 5 => ("", "mcp:use"),
        1 => ("[issuers.clients]\ndenied = [\"test-client\"]", "mcp:use"),
        2 => ("[issuers.claims]\ntenant = \"a\"", "mcp:use"),
        3 => ("[issuers.claims]\ntenant = \"b\"", "mcp:use"),
        _ => ("", "other"),
    };
    let text = format!(
        "resource = {RESOURCE:?}\n[[issuers]]\nissuer = {issuer:?}\n{of_issuer}\n\
         [issuers.introspection]\nclient_id = \"rs\"\nclient_secret = \"secret\"\n\
         [scopes]\nunlisted = \"allow\"\nevery_request = [{base:?}]\nlisting = \"callable\""
    );
    toml::from_str(&text).unwrap()
}
