//! Streams of events end with the token that they were opened with.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::poll;
use http::{HeaderMap, Method, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use serde_json::json;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;
use toolgate::testing::{AuthorizationServer, Endpoint, Fault};
use toolgate::{
    Config, Introspection, Issuer, ResponseBody, Revocation, ScopeMap, Sessions, Streams,
};

use crate::listing::through;
use crate::logs::listen;
use crate::world::{PATIENCE, RESOURCE, World, bare, call, clock, pass, post};

const HOUR: Duration = Duration::from_secs(3600);

/// The inner service's side of a stream of events.
pub struct Events {
    receiver: mpsc::UnboundedReceiver<Result<Frame<Bytes>, Infallible>>,
    /// As many hold it as there are streams of this kind.
    _alive: Arc<()>,
}

impl futures_util::Stream for Events {
    type Item = Result<Frame<Bytes>, Infallible>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.receiver.poll_recv(cx)
    }
}

/// A stream that was opened through the gate, and the service's end of it.
pub struct Stream {
    events: mpsc::UnboundedSender<Result<Frame<Bytes>, Infallible>>,
    headers: HeaderMap,
    pub body: ResponseBody<StreamBody<Events>>,
    alive: Arc<()>,
}

impl Stream {
    pub async fn open(world: &World, request: Request<Full<Bytes>>) -> Self {
        let (events, receiver) = mpsc::unbounded_channel();
        let alive = Arc::new(());
        let mut answer = Response::new(StreamBody::new(Events {
            receiver,
            _alive: alive.clone(),
        }));
        answer
            .headers_mut()
            .insert("content-type", "text/event-stream".parse().unwrap());
        answer
            .headers_mut()
            .insert("content-length", "1000".parse().unwrap());
        let (head, body) = through(world, request, answer).await.0.into_parts();
        let mut stream = Self {
            events,
            headers: head.headers,
            body,
            alive,
        };
        stream.assert_open("data: hello\n\n").await;
        stream
    }

    fn send(&self, text: &str) {
        let _ = self
            .events
            .send(Ok(Frame::data(Bytes::copy_from_slice(text.as_bytes()))));
    }

    /// Asserts that an event that is sent arrives.
    #[track_caller]
    pub fn assert_open(&mut self, text: &str) -> impl Future<Output = ()> {
        self.send(text);
        async move {
            let frame = self
                .body
                .frame()
                .await
                .expect("the stream is open")
                .unwrap();
            assert_eq!(frame.into_data().unwrap(), text);
            // The reader waits for the next one.
            assert!(poll!(pin!(self.body.frame())).is_pending());
        }
    }

    /// Lets the gate look at the token once more, over a socket and in its own time. Nothing, if that ends the stream.
    pub async fn look_again(&mut self, world: &World) -> Option<()> {
        later(world, Duration::from_secs(61)).await;
        for _ in 0..1000 {
            if poll!(pin!(self.body.frame())).is_ready() {
                return None;
            }
            tokio::task::yield_now().await;
        }
        Some(())
    }

    pub async fn assert_over(mut self) {
        self.send("data: too late\n\n");
        let frame = timeout(PATIENCE, self.body.frame())
            .await
            .expect("an end, or else an event");
        assert!(frame.is_none());
        assert_eq!(
            Arc::strong_count(&self.alive),
            2,
            "the service's stream is still there"
        );
        drop(self.body);
        assert_eq!(Arc::strong_count(&self.alive), 1);
        assert!(self.events.is_closed(), "the inner service notices");
    }
}

/// Lets time pass by every clock.
pub async fn later(world: &World, time: Duration) {
    world.clock.advance(time);
    pass(time).await;
}

pub fn get(token: &str) -> Request<Full<Bytes>> {
    let mut request = bare(Method::GET, "/mcp");
    request
        .headers_mut()
        .insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

pub fn tool(token: &str) -> Request<Full<Bytes>> {
    post(token, &call("tools/call", json!({ "name": "slow" })))
}

pub fn subscription(token: &str) -> Request<Full<Bytes>> {
    let meta = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28" });
    let mut request = post(
        token,
        &call("subscriptions/listen", json!({ "_meta": meta })),
    );
    request
        .headers_mut()
        .insert("mcp-protocol-version", "2026-07-28".parse().unwrap());
    request
        .headers_mut()
        .insert("mcp-method", "subscriptions/listen".parse().unwrap());
    request
}

async fn world(sessions: Sessions) -> World {
    // Bodies are read.
    let scopes = ScopeMap::allow_unlisted()
        .tool("other", "other")
        .list_callable();
    World::with(|builder, server| {
        builder
            .issuer(server.issuer())
            .scopes(scopes)
            .sessions(sessions)
    })
    .await
}

#[tokio::test]
async fn a_listening_stream_ends_when_the_token_expires_and_not_before() {
    let world = world(Sessions::bound()).await;
    for request in [get, subscription] {
        let token = world.token().expires_in(100).mint();
        let mut stream = Stream::open(&world, request(&token)).await;
        assert!(
            !stream.headers.contains_key("content-length"),
            "its length is unknown"
        );
        // The issuer's leeway is 60 seconds.
        for _ in 0..159 {
            later(&world, Duration::from_secs(1)).await;
            stream.assert_open("data: 1\n\n").await;
        }
        // Timers are late by a millisecond.
        later(&world, Duration::from_secs(2)).await;
        stream.assert_over().await;
        world
            .list_with(&token)
            .await
            .assert_invalid_token("expired");
    }
}

#[tokio::test]
async fn an_event_that_was_begun_is_finished_and_no_other_begins() {
    let world = World::new().await;
    for first in ["data: one, ", "data: one\ndata: "] {
        let mut stream = Stream::open(&world, get(&world.token().expires_in(100).mint())).await;
        stream.assert_open(first).await;
        later(&world, HOUR).await;
        stream.send("two\n\ndata: three\n\n");
        let frame = stream.body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "two\n\n");
        stream.assert_over().await;
    }
}

#[tokio::test]
async fn a_listening_stream_ends_at_once_when_the_token_is_revoked() {
    let (log, _guard) = listen();
    let world = world(Sessions::bound()).await;
    let issuer = world.server.issuer();
    for revocation in [
        Revocation::token(issuer, "t-1"),
        Revocation::subject(issuer, "alice"),
    ] {
        let token =
            |subject: &str, id: &str| world.token().subject(subject).claim("jti", id).mint();
        let stream = Stream::open(&world, get(&token("alice", "t-1"))).await;
        let mut of_bob = Stream::open(&world, get(&token("bob", "t-2"))).await;
        world.gate.revoke(revocation.clone(), HOUR).await.unwrap();
        stream.assert_over().await;
        of_bob.assert_open("data: 1\n\n").await;
        let event = log.events().pop().unwrap();
        let fields = &event["fields"];
        assert_eq!(
            (&fields["reason"], &fields["token_id"]),
            (&json!("revoked"), &json!("t-1"))
        );
        assert!(fields["got"].as_str().unwrap().starts_with("revoked: "));
        // The same with another token, for the second round.
        if revocation == Revocation::token(issuer, "t-1") {
            let mut next = Stream::open(&world, get(&token("alice", "t-3"))).await;
            next.assert_open("data: 1\n\n").await;
            world
                .gate
                .revoke(Revocation::token(issuer, "t-3"), HOUR)
                .await
                .unwrap();
            next.assert_over().await;
            world.clock.advance(HOUR);
        }
    }
}

#[tokio::test]
async fn the_answer_to_a_call_may_finish_for_a_while() {
    let world = world(Sessions::bound()).await;
    let short = world_with_grace(10).await;
    for (world, grace) in [(&world, 300), (&short, 10)] {
        let token = world.token().claim("jti", "t-1").mint();
        let mut stream = Stream::open(world, tool(&token)).await;
        world
            .gate
            .revoke(Revocation::token(world.server.issuer(), "t-1"), HOUR)
            .await
            .unwrap();
        stream.assert_open("data: still at it\n\n").await;
        later(world, Duration::from_secs(grace - 1)).await;
        stream.assert_open("data: nearly there\n\n").await;
        later(world, Duration::from_secs(2)).await;
        stream.assert_over().await;
    }
    // One that finishes in time is not held up.
    let mut stream = Stream::open(&world, tool(&world.token().mint())).await;
    stream.assert_open("data: done\n\n").await;
    drop(stream.events);
    assert!(stream.body.frame().await.is_none());
}

async fn world_with_grace(seconds: u64) -> World {
    world(Sessions::bound().grace_seconds(seconds)).await
}

#[tokio::test]
async fn the_operator_chooses_whether_streams_end_with_their_token() {
    let strict = world(Sessions::bound().streams(Streams::EndWithToken)).await;
    let unbound = world(Sessions::unbound()).await;
    for (world, request) in [
        (&strict, get as fn(&str) -> _),
        (&strict, tool),
        (&unbound, get),
    ] {
        let stream = Stream::open(world, request(&world.token().expires_in(10).mint())).await;
        later(world, HOUR).await;
        stream.assert_over().await;
    }
    let lasting = world(Sessions::bound().streams(Streams::OutliveToken)).await;
    for request in [get as fn(&str) -> _, tool, subscription] {
        let token = lasting.token().expires_in(10).mint();
        let mut stream = Stream::open(&lasting, request(&token)).await;
        later(&lasting, HOUR).await;
        lasting
            .gate
            .revoke(Revocation::subject(lasting.server.issuer(), "alice"), HOUR)
            .await
            .unwrap();
        stream.assert_open("data: 1\n\n").await;
        lasting.clock.advance(HOUR);
    }
}

#[tokio::test]
async fn a_token_that_its_issuer_gives_up_ends_its_streams_and_an_outage_does_not() {
    let clock = clock();
    let server = AuthorizationServer::builder()
        .clock(clock.clone())
        .client("rs", "secret")
        .start()
        .await;
    let world = World::around(server, clock, |builder, server| {
        let issuer =
            Issuer::new(server.issuer()).introspection(Introspection::basic("rs", "secret"));
        builder.issuer(issuer).scopes(ScopeMap::allow_unlisted())
    });
    let token = world.server.mint_opaque(&world.token().expires_in(100_000));
    let mut stream = Stream::open(&world, get(&token)).await;
    world
        .server
        .fail(Endpoint::Introspect, Some(Fault::Status(503)));
    for _ in 0..3 {
        let asked = world.server.hits(Endpoint::Introspect);
        while world.server.hits(Endpoint::Introspect) == asked {
            stream.look_again(&world).await.expect("the stream is open");
        }
        stream.assert_open("data: still here\n\n").await;
    }
    world.server.fail(Endpoint::Introspect, None);
    world.server.revoke(&token);
    while stream.look_again(&world).await.is_some() {}
    stream.assert_over().await;

    // In an outage a token is good for as long as it said.
    let token = world.server.mint_opaque(&world.token().expires_in(90));
    let mut stream = Stream::open(&world, get(&token)).await;
    world
        .server
        .fail(Endpoint::Introspect, Some(Fault::Status(503)));
    later(&world, Duration::from_secs(300)).await;
    assert!(stream.body.frame().await.is_none());
}

#[tokio::test]
async fn nothing_is_left_behind_when_the_client_goes() {
    let world = world(Sessions::bound()).await;
    let token = world.token().mint();
    drop(Stream::open(&world, get(&token)).await);
    let tasks = Handle::current().metrics().num_alive_tasks();
    let mut alive = Vec::new();
    for _ in 0..100 {
        let mut stream = Stream::open(&world, get(&token)).await;
        stream.assert_open("data: 1\n\n").await;
        alive.push(stream.alive.clone());
        assert_eq!(
            Handle::current().metrics().num_alive_tasks(),
            tasks,
            "a stream needs no task"
        );
        drop(stream);
    }
    assert!(alive.iter().all(|alive| Arc::strong_count(alive) == 1));
    // A stream that is gone is not woken.
    world
        .gate
        .revoke(Revocation::subject(world.server.issuer(), "alice"), HOUR)
        .await
        .unwrap();
    later(&world, HOUR).await;
    assert_eq!(Handle::current().metrics().num_alive_tasks(), tasks);
}

#[tokio::test]
async fn a_response_that_is_no_stream_of_events_passes_unchanged() {
    let world = world(Sessions::bound().streams(Streams::EndWithToken)).await;
    let (events, receiver) = mpsc::unbounded_channel();
    let mut answer = Response::new(StreamBody::new(Events {
        receiver,
        _alive: Arc::default(),
    }));
    answer
        .headers_mut()
        .insert("content-type", "application/octet-stream".parse().unwrap());
    let token = world.token().expires_in(10).mint();
    let mut body = through(&world, get(&token), answer).await.0.into_body();
    assert!(poll!(pin!(body.frame())).is_pending());
    later(&world, HOUR).await;
    events
        .send(Ok(Frame::data(Bytes::from_static(b"a download"))))
        .unwrap();
    assert_eq!(
        body.frame().await.unwrap().unwrap().into_data().unwrap(),
        "a download"
    );
}

/// A configuration that trusts this issuer, with something more.
fn config(issuer: &str, more: &str) -> Config {
    let text = format!("resource = {RESOURCE:?}\n[[issuers]]\nissuer = {issuer:?}\n{more}");
    toml::from_str(&text).unwrap()
}

#[tokio::test]
async fn a_reload_ends_exactly_the_streams_that_it_would_refuse() {
    let world = World::new().await;
    let other = AuthorizationServer::builder()
        .clock(world.clock.clone())
        .start()
        .await;
    let issuer = world.server.issuer();
    let open = "[scopes]\nunlisted = \"allow\"";
    for (issuer, more, code) in [
        (other.issuer(), open.to_owned(), "issuer_mismatch"),
        (
            issuer,
            format!("[issuers.clients]\ndenied = [\"test-client\"]\n{open}"),
            "client_denied",
        ),
        (
            issuer,
            format!("[issuers.claims]\ntenant = \"another\"\n{open}"),
            "claim_not_met",
        ),
        (
            issuer,
            format!("{open}\nevery_request = [\"mcp:more\"]"),
            "insufficient_scope",
        ),
        (
            issuer,
            format!("algorithms = [\"RS256\"]\n{open}"),
            "alg_not_allowed",
        ),
    ] {
        let (log, _guard) = listen();
        let token = world.token().mint();
        let mut stream = Stream::open(&world, get(&token)).await;
        world
            .gate
            .reload(config(world.server.issuer(), open))
            .unwrap();
        stream.assert_open("data: still good\n\n").await;
        world.gate.reload(config(issuer, &more)).unwrap();
        stream.assert_over().await;
        let told = log
            .events()
            .into_iter()
            .rfind(|event| event["fields"].get("token_id").is_some())
            .unwrap();
        assert_eq!(told["fields"]["reason"], code);
        assert_eq!(world.list_with(&token).await.code, Some(code));
        world
            .gate
            .reload(config(world.server.issuer(), open))
            .unwrap();
    }
}

#[tokio::test]
async fn a_reload_that_begins_to_filter_lists_ends_the_streams_that_are_not_filtered() {
    let world = World::new().await;
    let issuer = world.server.issuer();
    let map = |listing: &str| format!("[scopes]\nunlisted = \"allow\"\nlisting = {listing:?}");
    let unfiltered = Stream::open(&world, get(&world.token().mint())).await;
    world.gate.reload(config(issuer, &map("callable"))).unwrap();
    unfiltered.assert_over().await;
    let mut filtered = Stream::open(&world, get(&world.token().mint())).await;
    world.gate.reload(config(issuer, &map("all"))).unwrap();
    filtered.assert_open("data: 1\n\n").await;
}

#[tokio::test]
async fn an_introspected_token_that_lost_its_scopes_loses_its_stream_within_a_minute() {
    let clock = clock();
    let server = AuthorizationServer::builder()
        .clock(clock.clone())
        .client("rs", "secret")
        .start()
        .await;
    let world = World::around(server, clock, |builder, server| {
        let issuer =
            Issuer::new(server.issuer()).introspection(Introspection::basic("rs", "secret"));
        let issuer = issuer.require_claim("tenant", ["a"]);
        builder
            .issuer(issuer)
            .scopes(ScopeMap::allow_unlisted().every_request("mcp:use"))
    });
    let answer = |scope: &str, tenant: &str| json!({ "active": true, "aud": RESOURCE, "sub": "alice", "client_id": "c", "scope": scope, "tenant": tenant });
    for (scope, tenant, code) in [
        ("mcp:less", "a", "insufficient_scope"),
        ("mcp:use", "b", "claim_not_met"),
    ] {
        world.server.introspect_as("opaque", answer("mcp:use", "a"));
        let mut stream = Stream::open(&world, get("opaque")).await;
        world.server.introspect_as("opaque", answer(scope, tenant));
        // The answer arrives over a socket, in its own time.
        for _ in 0..10 {
            if stream.look_again(&world).await.is_none() {
                break;
            }
        }
        stream.assert_over().await;
        assert_eq!(world.list_with("opaque").await.code, Some(code));
        world.clock.advance(HOUR);
    }
}
