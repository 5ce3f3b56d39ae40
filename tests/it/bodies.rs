//! The limit on the memory of all bodies that arrive slowly.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use serde_json::json;
use tokio::sync::mpsc;
use toolgate::{Config, Limits, RequestBody, ResponseBody, ScopeMap, base_only, without_token};
use tower::{Layer, ServiceExt, service_fn};

use crate::world::{World, call, post, post_without_token};

/// The limit of one body in these tests, and half of what all may hold.
const BYTES: usize = 400;

fn limits() -> Limits {
    Limits::default()
        .max_body_bytes(BYTES as u64)
        .arriving_bodies_bytes(2 * BYTES as u64)
}

async fn world() -> World {
    let map = ScopeMap::deny_unlisted()
        .tool("*", base_only())
        .tool("open", without_token());
    World::with(|builder, server| builder.issuer(server.issuer()).scopes(map).limits(limits()))
        .await
}

/// A call of this tool in a body of all the bytes there may be.
fn body(tool: &str) -> String {
    let padded = |padding: usize| {
        call(
            "tools/call",
            json!({ "name": tool, "arguments": { "x": "y".repeat(padding) } }),
        )
    };
    padded(BYTES - padded(0).len())
}

type Answered = Response<ResponseBody<Full<Bytes>>>;

/// A request whose body has come but for its last byte.
struct Slow {
    answer: std::pin::Pin<Box<dyn Future<Output = Answered>>>,
    rest: Option<mpsc::UnboundedSender<Bytes>>,
}

impl Slow {
    fn begin(world: &World, request: Request<Full<Bytes>>, body: &str) -> Self {
        let (send, mut receive) = mpsc::unbounded_channel::<Bytes>();
        let pieces = futures_util::stream::poll_fn(move |cx| receive.poll_recv(cx));
        let frames =
            futures_util::StreamExt::map(pieces, |piece| Ok::<_, Infallible>(Frame::data(piece)));
        let request = request.map(|_| StreamBody::new(frames).boxed());
        for piece in body.as_bytes()[..body.len() - 1].chunks(50) {
            send.send(Bytes::copy_from_slice(piece)).unwrap();
        }
        let inner = service_fn(
            |request: Request<RequestBody<BoxBody<Bytes, Infallible>>>| async {
                request.into_body().collect().await.unwrap();
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"inner"))))
            },
        );
        let answer = world.gate.layer().layer(inner).oneshot(request);
        Self {
            answer: Box::pin(async { answer.await.unwrap() }),
            rest: Some(send),
        }
    }

    fn with_token(world: &World) -> Self {
        Self::begin(world, post(&world.token().mint(), ""), &body("t"))
    }

    fn without_token(world: &World) -> Self {
        Self::begin(world, post_without_token(""), &body("open"))
    }

    /// Lets it come as far as it will.
    async fn waits(mut self) -> Self {
        for _ in 0..200 {
            assert!(
                (&mut self.answer).now_or_never().is_none(),
                "it is not answered yet"
            );
            tokio::task::yield_now().await;
        }
        self
    }

    async fn end_and_assert_served(mut self) {
        self.rest.take().unwrap().send("}".into()).unwrap();
        assert_eq!(self.answer.await.status(), StatusCode::OK);
    }

    async fn assert_refused(self) {
        let answer = self.answer.await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(
            answer
                .extensions()
                .get::<toolgate::Refusal>()
                .unwrap()
                .code(),
            "bodies_busy"
        );
        assert!(answer.headers().contains_key("retry-after"));
        assert!(!answer.headers().contains_key("www-authenticate"));
        let text = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(String::from_utf8_lossy(&text).contains("temporarily_unavailable"));
    }
}

#[tokio::test]
async fn once_slow_bodies_hold_all_they_may_the_next_gets_503() {
    let world = world().await;
    // Its keys are fetched.
    world
        .call_tool(&world.token().mint(), "t")
        .await
        .assert_served();
    let first = Slow::with_token(&world).waits().await;
    let second = Slow::with_token(&world).waits().await;
    Slow::with_token(&world).assert_refused().await;
    Slow::without_token(&world).assert_refused().await;
    // A body that comes in one piece is not held.
    world
        .send(post(&world.token().mint(), &body("t")))
        .await
        .assert_served();
    world
        .send(post_without_token(&body("open")))
        .await
        .assert_served();

    // One arrives, and one hangs up.
    first.end_and_assert_served().await;
    let third = Slow::with_token(&world).waits().await;
    Slow::with_token(&world).assert_refused().await;
    drop(second);
    let fourth = Slow::with_token(&world).waits().await;
    third.end_and_assert_served().await;
    fourth.end_and_assert_served().await;
}

#[tokio::test]
async fn requests_without_a_token_may_use_half_of_the_memory() {
    let world = world().await;
    world
        .call_tool(&world.token().mint(), "t")
        .await
        .assert_served();
    let stranger = Slow::without_token(&world).waits().await;
    Slow::without_token(&world).assert_refused().await;
    let known = Slow::with_token(&world).waits().await;
    Slow::with_token(&world).assert_refused().await;
    stranger.end_and_assert_served().await;
    Slow::without_token(&world).assert_refused().await;
    known.end_and_assert_served().await;
    Slow::without_token(&world)
        .waits()
        .await
        .end_and_assert_served()
        .await;
}

#[tokio::test]
async fn held_memory_still_counts_after_a_reload() {
    let world = world().await;
    let held = [
        Slow::with_token(&world).waits().await,
        Slow::with_token(&world).waits().await,
    ];
    let config = format!(
        "resource = {:?}\n[[issuers]]\nissuer = {:?}\n[scopes]\nunlisted = \"deny\"\n[scopes.tools]\n\"*\" = {{}}\n\
         [limits]\nmax_body_bytes = {BYTES}\narriving_bodies_bytes = {}",
        crate::world::RESOURCE,
        world.server.issuer(),
        2 * BYTES
    );
    world
        .gate
        .reload(toml::from_str::<Config>(&config).unwrap())
        .unwrap();
    Slow::with_token(&world).assert_refused().await;
    for held in held {
        held.end_and_assert_served().await;
    }
    Slow::with_token(&world)
        .waits()
        .await
        .end_and_assert_served()
        .await;
}

#[tokio::test]
async fn a_limit_under_that_of_one_body_is_a_mistake() {
    let refused = |limits: Limits| {
        let builder =
            toolgate::Toolgate::builder(crate::world::RESOURCE).issuer("https://auth.example.com");
        builder
            .scopes(ScopeMap::allow_unlisted())
            .limits(limits)
            .build()
            .map(drop)
            .map_err(|why| why.to_string())
    };
    for limits in [
        Limits::default().arriving_bodies_bytes(0),
        Limits::default()
            .max_body_bytes(4 * 1024 * 1024)
            .arriving_bodies_bytes(4 * 1024 * 1024 - 1),
        Limits::default()
            .max_body_bytes(100)
            .arriving_bodies_bytes(99),
    ] {
        assert!(
            refused(limits)
                .unwrap_err()
                .contains("limits.arriving_bodies_bytes")
        );
    }
    for limits in [
        // The longest body is not set, so it follows.
        Limits::default().arriving_bodies_bytes(1),
        Limits::default().arriving_bodies_bytes(4 * 1024 * 1024),
        Limits::default()
            .max_body_bytes(100)
            .arriving_bodies_bytes(100),
        Limits::default().max_body_bytes(1024 * 1024 * 1024),
    ] {
        refused(limits).unwrap();
    }
}
