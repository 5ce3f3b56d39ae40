//! A server with open streams shuts down.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::routing::any;
use bytes::Bytes;
use futures_util::stream;
use http::{Method, Request, Response};
use http_body::Frame;
use http_body_util::{Full, StreamBody};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::timeout;
use toolgate::{RefusalKind, ScopeMap, Sessions, Streams, without_token};

use crate::streams::{Stream, get, later, subscription, tool};
use crate::world::{PATIENCE, World, bare, call, post};

async fn world(sessions: Sessions) -> World {
    let scopes = ScopeMap::allow_unlisted().tool("open", without_token());
    World::with(|builder, server| {
        builder
            .issuer(server.issuer())
            .scopes(scopes)
            .sessions(sessions)
    })
    .await
}

fn anonymous() -> Request<Full<Bytes>> {
    let mut request = bare(Method::POST, "/mcp");
    let headers = request.headers_mut();
    headers.insert("content-type", "application/json".parse().unwrap());
    *request.body_mut() = call("tools/call", json!({ "name": "open" })).into();
    request
}

#[tokio::test]
async fn a_stream_to_listen_on_ends_at_once_and_a_call_may_finish() {
    for streams in [Streams::FinishCalls, Streams::OutliveToken] {
        let world = world(Sessions::bound().streams(streams).grace_seconds(30)).await;
        let token = world.token().mint();
        let listening = [
            Stream::open(&world, get(&token)).await,
            Stream::open(&world, subscription(&token)).await,
        ];
        let mut answers = [
            Stream::open(&world, tool(&token)).await,
            Stream::open(&world, anonymous()).await,
        ];
        world.gate.close_streams();
        for stream in listening {
            stream.assert_over().await;
        }
        for answer in &mut answers {
            answer.assert_open("data: progress\n\n").await;
        }
        later(&world, Duration::from_secs(31)).await;
        for answer in answers {
            answer.assert_over().await;
        }
    }
}

#[tokio::test]
async fn all_streams_end_at_once_where_they_end_with_their_token() {
    let world = world(Sessions::bound().streams(Streams::EndWithToken)).await;
    let streams = [
        Stream::open(&world, tool(&world.token().mint())).await,
        Stream::open(&world, anonymous()).await,
    ];
    world.gate.close_streams();
    for stream in streams {
        stream.assert_over().await;
    }
}

#[tokio::test]
async fn no_other_stream_is_opened_and_calls_go_on_even_after_a_reload() {
    let world = world(Sessions::bound()).await;
    let token = world.token().mint();
    world.gate.close_streams();
    let file = format!(
        "resource = {:?}\n[[issuers]]\nissuer = {:?}\n[scopes]\nunlisted = \"allow\"",
        world.gate.resource(),
        world.server.issuer()
    );
    for _ in 0..2 {
        for mut request in [get(&token), subscription(&token)] {
            let accept = "application/json, text/event-stream;q=0.9".parse().unwrap();
            request.headers_mut().insert("accept", accept);
            let answer = world.send(request).await;
            assert_eq!(
                (answer.status, answer.code),
                (503.try_into().unwrap(), Some("shutting_down"))
            );
            assert_eq!(answer.kind, Some(RefusalKind::Unavailable));
            assert_eq!(answer.challenge(), None);
            assert!(answer.headers.contains_key("retry-after"));
        }
        // A page is no stream.
        for request in [post(&token, &call("ping", json!({}))), get(&token)] {
            assert_eq!(world.send(request).await.status, 200);
        }
        world.gate.reload(toml::from_str(&file).unwrap()).unwrap();
    }
}

#[tokio::test]
async fn a_graceful_shutdown_with_an_open_stream_ends() {
    let world = world(Sessions::bound()).await;
    let silent = || async {
        let events = stream::pending::<Result<Frame<Bytes>, Infallible>>();
        let answer = Response::builder().header("content-type", "text/event-stream");
        answer
            .body(axum::body::Body::new(StreamBody::new(events)))
            .unwrap()
    };
    let app = Router::new()
        .route("/mcp", any(silent))
        .layer(world.gate.layer());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let gate = world.gate.clone();
    let server = axum::serve(listener, app).with_graceful_shutdown(async move {
        let _ = stopped.await;
        gate.close_streams();
    });
    let server = tokio::spawn(server.into_future());
    let mut client = TcpStream::connect(address).await.unwrap();
    let token = world.token().mint();
    let request = format!("GET /mcp HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 12];
    client.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    stop.send(()).unwrap();
    let ended = timeout(PATIENCE, server).await.expect("the server ends");
    ended.unwrap().unwrap();
}
