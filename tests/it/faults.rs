//! Each way in which an authorization server can fail its first caller, at the key set and at the
//! metadata that names it: what becomes of the request that needs it, and of those that need another.

use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::poll;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use toolgate::testing::{AuthorizationServer, Endpoint, Fault};
use toolgate::{Issuer, Limits, ScopeMap};

use crate::world::{Answer, PATIENCE, World, clock, pass, token_of, until};

/// One document of an issuer, and the reason of the refusal if it cannot be fetched.
pub type Place = (&'static [Endpoint], &'static str);

pub const METADATA: Place = (
    &[Endpoint::Rfc8414, Endpoint::OidcInserted],
    "discovery_failed",
);
pub const KEYS: Place = (&[Endpoint::Jwks], "jwks_unavailable");

/// The time that one document may take.
pub const TIMEOUT: Duration = Duration::from_secs(5);

pub fn fail(world: &World, (endpoints, _): Place, fault: Option<&Fault>) {
    for endpoint in endpoints {
        world.server.fail(*endpoint, fault.cloned());
    }
}

pub fn hits(world: &World, (endpoints, _): Place) -> usize {
    endpoints
        .iter()
        .map(|endpoint| world.server.hits(*endpoint))
        .sum()
}

/// The answer of a gate whose every fetch from this place, the next one after `seen` first, is held up
/// until it is given up.
pub async fn outlast(
    world: &World,
    place: Place,
    mut seen: usize,
    answer: impl Future<Output = Answer>,
) -> Answer {
    let mut answer = pin!(answer);
    let started = Instant::now();
    loop {
        if let std::task::Poll::Ready(answer) = poll!(&mut answer) {
            return answer;
        }
        if hits(world, place) > seen {
            seen = hits(world, place);
            pass(TIMEOUT).await;
        }
        assert!(started.elapsed() < PATIENCE, "no answer");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_server_that_fails_at_once_is_an_outage_for_its_own_tokens_alone() {
    for place in [METADATA, KEYS] {
        let faults = [
            (Fault::Reset, place.1),
            (Fault::Truncate, place.1),
            (Fault::Status(500), place.1),
            (
                Fault::Html,
                if place == KEYS {
                    "jwks_unusable"
                } else {
                    place.1
                },
            ),
            (Fault::Redirect("http://127.0.0.1:1/".to_owned()), place.1),
            (Fault::Huge(10 * 1024 * 1024), place.1),
        ];
        for (fault, code) in faults {
            let (world, neighbour) = World::with_neighbour(Limits::default()).await;
            fail(&world, place, Some(&fault));
            let (own, other) = (world.token().mint(), token_of(&neighbour).mint());
            let (own, other) = tokio::join!(world.list_with(&own), world.list_with(&other));
            own.assert_unavailable(code);
            other.assert_served();
            assert_eq!(
                hits(&world, place),
                place.0.len(),
                "{fault:?}: each form is asked, and once"
            );
            fail(&world, place, None);
            world.clock.advance(Duration::from_secs(1));
            world.list_with(&world.token().mint()).await.assert_served();
        }
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up_in_time_and_delays_no_other_issuer() {
    for place in [METADATA, KEYS] {
        for fault in [Fault::Hang, Fault::Slow(Duration::from_secs(1))] {
            let (world, neighbour) = World::with_neighbour(Limits::default()).await;
            fail(&world, place, Some(&fault));
            let token = world.token().mint();
            let started = tokio::time::Instant::now();
            let mut own = pin!(world.list_with(&token));
            assert!(poll!(&mut own).is_pending());
            until(|| hits(&world, place) == 1).await;

            world
                .list_with(&token_of(&neighbour).mint())
                .await
                .assert_served();
            world
                .list_with("garbage")
                .await
                .assert_invalid_token("not_a_jwt");
            assert!(
                poll!(&mut own).is_pending(),
                "{fault:?}: the others were served meanwhile"
            );

            let answer = outlast(&world, place, 0, own).await;
            assert_given_up(&answer, place);
            let bound = TIMEOUT * u32::try_from(place.0.len()).unwrap();
            let waited = started.elapsed();
            assert!(
                waited >= bound && waited < bound + TIMEOUT,
                "{fault:?}: {waited:?}"
            );
        }
    }
}

#[tokio::test]
async fn no_request_waits_longer_than_ten_seconds_for_any_number_of_late_documents() {
    let clock = clock();
    let server = AuthorizationServer::builder()
        .issuer_path("/tenant")
        .clock(clock.clone())
        .start()
        .await;
    let world = World::around(server, clock, |builder, server| {
        builder
            .issuer(server.issuer())
            .scopes(ScopeMap::allow_unlisted())
    });
    let all: Place = (
        &[
            Endpoint::Rfc8414,
            Endpoint::OidcInserted,
            Endpoint::OidcAppended,
        ],
        "discovery_failed",
    );
    fail(&world, all, Some(&Fault::Hang));
    let token = world.token().mint();
    let started = tokio::time::Instant::now();
    assert_given_up(&outlast(&world, all, 0, world.list_with(&token)).await, all);
    let waited = started.elapsed();
    assert!(waited >= 2 * TIMEOUT && waited < 3 * TIMEOUT, "{waited:?}");
}

#[tokio::test]
async fn metadata_that_hangs_in_one_form_is_found_in_the_next() {
    let world = World::new().await;
    let first: Place = (&[Endpoint::Rfc8414], "");
    fail(&world, first, Some(&Fault::Hang));
    let token = world.token().mint();
    outlast(&world, first, 0, world.list_with(&token))
        .await
        .assert_served();
}

#[tokio::test]
async fn a_late_answer_within_the_timeout_is_used_and_delays_no_other_issuer() {
    let late = Duration::from_secs(4);
    for place in [METADATA, KEYS] {
        let (world, neighbour) = World::with_neighbour(Limits::default()).await;
        fail(&world, place, Some(&Fault::Delay(late)));
        let token = world.token().mint();
        let mut own = pin!(world.list_with(&token));
        assert!(poll!(&mut own).is_pending());
        until(|| hits(&world, place) == 1).await;
        world
            .list_with(&token_of(&neighbour).mint())
            .await
            .assert_served();
        assert!(poll!(&mut own).is_pending());
        pass(late).await;
        own.await.assert_served();
        assert_eq!(hits(&world, place), 1);
    }
}

#[tokio::test]
async fn an_odd_but_complete_answer_is_used() {
    let world = World::new().await;
    fail(&world, KEYS, Some(&Fault::Slow(Duration::ZERO)));
    world.list_with(&world.token().mint()).await.assert_served();

    let (world, neighbour) = World::with_neighbour(Limits::default()).await;
    let mut broken = world.server.signing_key().with_kid("broken").jwk();
    broken["x"] = json!("!");
    let keys = json!({ "keys": [broken, world.server.signing_key().jwk()] }).to_string();
    fail(&world, KEYS, Some(&Fault::Body(keys.into())));
    world.list_with(&world.token().mint()).await.assert_served();
    world
        .list_with(&world.token().header("kid", "broken").mint())
        .await
        .assert_invalid_token("kid_unknown");
    world
        .list_with(&token_of(&neighbour).mint())
        .await
        .assert_served();
}

#[tokio::test]
async fn a_document_of_ten_megabytes_is_given_up_long_before_it_was_sent() {
    const SIZE: usize = 10 * 1024 * 1024;
    for announced in [format!("content-length: {SIZE}\r\n"), String::new()] {
        let keys = Flood::start(SIZE, announced.clone()).await;
        let metadata = Flood::start(SIZE, announced).await;
        let world = World::with(|builder, server| {
            let by_keys = Issuer::new(server.issuer()).jwks_uri(format!("{}/jwks", keys.url));
            builder
                .issuer(by_keys)
                .issuer(&*metadata.url)
                .scopes(ScopeMap::allow_unlisted())
        })
        .await;
        world
            .list_with(&world.token().mint())
            .await
            .assert_unavailable("jwks_unavailable");
        let token = world.token().claim("iss", &*metadata.url).mint();
        world
            .list_with(&token)
            .await
            .assert_unavailable("discovery_failed");
        for (server, requests) in [(keys, 1), (metadata, 2)] {
            for sent in server.sent(requests).await {
                assert!(sent < 1024 * 1024, "{sent} bytes were taken");
            }
        }
    }
}

/// Asserts that the request was given up, at the end of the fetch or of the time that a request waits for it.
#[track_caller]
fn assert_given_up(answer: &Answer, (_, reason): Place) {
    let code = answer.code.expect("a refusal");
    assert!([reason, "jwks_unavailable"].contains(&code), "{code}");
    answer.assert_unavailable(code);
}

/// A server that answers everything with spaces, and knows how many it got rid of before its caller
/// hung up.
struct Flood {
    url: String,
    sent: tokio::sync::mpsc::UnboundedReceiver<usize>,
}

impl Flood {
    async fn start(size: usize, announced: String) -> Self {
        let listener = listen_with_small_buffer();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (report, sent) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = report.send(send_spaces(stream, size, &announced).await);
            }
        });
        Self { url, sent }
    }

    async fn sent(mut self, requests: usize) -> Vec<usize> {
        let mut sent = Vec::new();
        while sent.len() < requests {
            sent.push(self.sent.recv().await.expect("a request"));
        }
        assert!(
            self.sent.try_recv().is_err(),
            "more than {requests} requests"
        );
        sent
    }
}

/// The send buffer is small, because bytes in it count as sent although the reader has not read them.
fn listen_with_small_buffer() -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(16 * 1024).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket.listen(8).unwrap()
}

async fn send_spaces(mut stream: TcpStream, size: usize, announced: &str) -> usize {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a request"));
    }
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{announced}\r\n");
    stream
        .write_all(head.as_bytes())
        .await
        .expect("the client reads the head");
    let mut sent = 0;
    while sent < size {
        match stream.write(&[b' '; 16 * 1024]).await {
            Ok(written) => sent += written,
            Err(_) => break,
        }
        tokio::task::yield_now().await;
    }
    sent
}

/// As when a fetch panics: it ends, and nothing has landed.
#[test]
fn a_fetch_that_dies_with_its_runtime_counts_as_one_that_failed() {
    let lasting = tokio::runtime::Runtime::new().unwrap();
    let world = lasting.block_on(World::new());
    world.server.fail(Endpoint::Jwks, Some(Fault::Hang));
    let token = world.token().mint();
    let passing = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    passing.block_on(async {
        let mut waiting = std::pin::pin!(world.list_with(&token));
        assert!(futures_util::poll!(&mut waiting).is_pending());
        until(|| world.server.hits(Endpoint::Jwks) == 1).await;
    });
    drop(passing);
    world.server.fail(Endpoint::Jwks, None);
    lasting.block_on(async {
        world
            .list_with(&token)
            .await
            .assert_unavailable("jwks_unavailable");
        assert_eq!(world.server.hits(Endpoint::Jwks), 1);
        world.clock.advance(Duration::from_secs(1));
        world.list_with(&token).await.assert_served();
    });
}
