//! The layer over real sockets: around axum, around a bare hyper service on HTTP/1 and HTTP/2, and around
//! rmcp's own service; and around a service that is not always ready.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use axum::Extension;
use axum::Router;
use axum::routing::post;
use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response, StatusCode, Version};
use http_body::Body;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use rmcp::handler::server::ServerHandler;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use toolgate::testing::AuthorizationServer;
use toolgate::{Principal, RequestBody, ScopeMap, Toolgate, without_token};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::challenge::Challenge;
use crate::world::{RESOURCE, call};

const METADATA: &str = "/.well-known/oauth-protected-resource/mcp";

/// A gate on the real clock, which sockets need.
async fn gate(scopes: ScopeMap) -> (AuthorizationServer, Toolgate) {
    let server = AuthorizationServer::start().await;
    let gate = Toolgate::builder(RESOURCE)
        .issuer(server.issuer())
        .scopes(scopes)
        .build()
        .unwrap();
    (server, gate)
}

fn scopes() -> ScopeMap {
    ScopeMap::allow_unlisted()
        .every_request("mcp:use")
        .tool("secret", "secret")
}

fn token(server: &AuthorizationServer) -> String {
    server.token().audience(RESOURCE).scope("mcp:use").mint()
}

pub fn request(method: &str, path: &str, token: Option<&str>, body: &str) -> Request<Full<Bytes>> {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("http://gate.test{path}"));
    request = request
        .header("content-type", "application/json")
        .header("host", "localhost");
    request = request.header("accept", "application/json, text/event-stream");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    request
        .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
        .unwrap()
}

/// Serves HTTP/1 and HTTP/2 without axum.
pub async fn serve<S, R>(service: S) -> SocketAddr
where
    S: Service<Request<Incoming>, Response = Response<R>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    R: Body<Data = Bytes> + Send + 'static,
    R::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(service.clone());
            tokio::spawn(async move {
                let mut server = auto::Builder::new(TokioExecutor::new());
                server
                    .http2()
                    .initial_stream_window_size(64 * 1024)
                    .initial_connection_window_size(64 * 1024);
                server.serve_connection(TokioIo::new(stream), service).await
            });
        }
    });
    address
}

async fn serve_axum(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// Sends one request over a connection of its own, and collects the answer.
async fn send<B>(address: SocketAddr, version: Version, request: Request<B>) -> Response<Bytes>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
        + Send
        + Unpin
        + 'static,
{
    let (parts, body) = open(address, version, request).await.into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}

/// Sends one request over a connection of its own.
pub async fn open<B>(
    address: SocketAddr,
    version: Version,
    request: Request<B>,
) -> Response<Incoming>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
        + Send
        + Unpin
        + 'static,
{
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    if version == Version::HTTP_2 {
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), stream)
                .await
                .unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    }
}

/// Asserts what must hold for a gate around any service.
async fn assert_gated(address: SocketAddr, version: Version, server: &AuthorizationServer) {
    let list = call("tools/list", json!({}));
    let refused = send(address, version, request("POST", "/mcp", None, &list)).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let challenge = Challenge::of(refused.headers()).unwrap();
    assert_eq!(challenge.scopes(), ["mcp:use"]);

    let url = challenge.get("resource_metadata").unwrap();
    assert_eq!(url.strip_prefix("https://mcp.example.com"), Some(METADATA));
    let document = send(address, version, request("GET", METADATA, None, "")).await;
    let document: serde_json::Value = serde_json::from_slice(document.body()).unwrap();
    assert_eq!(document["resource"], RESOURCE);

    let secret = call("tools/call", json!({ "name": "secret" }));
    let token = token(server);
    let forbidden = send(
        address,
        version,
        request("POST", "/mcp", Some(&token), &secret),
    )
    .await;
    assert_eq!(forbidden.status(), StatusCode::FORBIDDEN);
    assert_eq!(
        Challenge::of(forbidden.headers()).unwrap().scopes(),
        ["mcp:use", "secret"]
    );

    for _ in 0..2 {
        let served = send(
            address,
            version,
            request("POST", "/mcp", Some(&token), &list),
        )
        .await;
        assert_eq!(served.status(), StatusCode::OK, "{:?}", served.body());
    }
}

#[tokio::test]
async fn around_an_axum_router_one_line_protects_everything_and_serves_the_metadata() {
    let (server, gate) = gate(scopes()).await;
    let echo = |Extension(principal): Extension<Principal>, body: String| async move {
        format!("{} said {body}", principal.subject().unwrap())
    };
    let router = Router::new().route("/mcp", post(echo)).layer(gate.layer());
    let address = serve_axum(router).await;
    assert_gated(address, Version::HTTP_11, &server).await;
    let body = call("tools/list", json!({}));
    let answer = send(
        address,
        Version::HTTP_11,
        request("POST", "/mcp", Some(&token(&server)), &body),
    )
    .await;
    assert_eq!(answer.body(), &format!("alice said {body}"));
    // Paths without a route are behind the gate too: who may not enter is not told what there is.
    let unknown = send(
        address,
        Version::HTTP_11,
        request("GET", "/unknown", None, ""),
    )
    .await;
    assert_eq!(unknown.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn around_a_bare_hyper_service_it_is_the_same_on_http_1_and_http_2() {
    let (server, gate) = gate(scopes()).await;
    let inner = service_fn(|request: Request<RequestBody<Incoming>>| async move {
        let whole = request.into_body().collect().await.unwrap().to_bytes();
        Ok::<_, Infallible>(Response::new(Full::new(whole)))
    });
    let address = serve(gate.layer().layer(inner)).await;
    for version in [Version::HTTP_11, Version::HTTP_2] {
        assert_gated(address, version, &server).await;
    }
}

#[derive(Clone)]
struct Tools;

impl ServerHandler for Tools {}

#[tokio::test]
async fn around_rmcps_own_service_a_real_mcp_server_answers() {
    let (server, gate) = gate(
        ScopeMap::allow_unlisted()
            .every_request("mcp:use")
            .tool("secret", "secret"),
    )
    .await;
    let mut config = StreamableHttpServerConfig::default();
    config.legacy_session_mode = false;
    config.json_response = true;
    let mcp = StreamableHttpService::new(
        || Ok(Tools),
        Arc::new(LocalSessionManager::default()),
        config,
    );
    let address = serve(gate.layer().layer(mcp.clone())).await;
    for version in [Version::HTTP_11, Version::HTTP_2] {
        assert_gated(address, version, &server).await;
    }
    let routed = serve_axum(Router::new().nest_service("/mcp", mcp).layer(gate.layer())).await;
    assert_gated(routed, Version::HTTP_11, &server).await;
}

/// Reports how many chunks were sent, once all are or the reader is gone.
struct Sent {
    chunks: usize,
    told: Option<tokio::sync::oneshot::Sender<usize>>,
}

impl Sent {
    fn tell(&mut self) {
        if let Some(told) = self.told.take() {
            let _ = told.send(self.chunks);
        }
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.tell();
    }
}

#[tokio::test]
async fn on_http_2_a_refused_client_may_send_its_body_to_the_end_and_sees_the_answer() {
    // Refused unread, and refused when too much of it was read.
    for scopes in [scopes(), scopes().tool("open", without_token())] {
        assert_heard_to_the_end(scopes).await;
    }
}

async fn assert_heard_to_the_end(scopes: ScopeMap) {
    let (_server, gate) = gate(scopes).await;
    let inner = service_fn(|_: Request<RequestBody<Incoming>>| async {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
    });
    let address = serve(gate.layer().layer(inner)).await;
    // More than this server lets a client send unread, so that it cannot be done before it is refused; and
    // less than the gate reads on.
    const CHUNKS: usize = 40;
    let (told, heard) = tokio::sync::oneshot::channel();
    let mut sent = Sent {
        chunks: 0,
        told: Some(told),
    };
    let chunks = futures_util::stream::poll_fn(move |_| {
        if sent.chunks == CHUNKS {
            sent.tell();
            return Poll::Ready(None);
        }
        sent.chunks += 1;
        let chunk = Bytes::from(vec![b' '; 16 * 1024]);
        Poll::Ready(Some(Ok::<_, Infallible>(http_body::Frame::data(chunk))))
    });
    let request = Request::post("http://gate.test/mcp").header("content-type", "application/json");
    let request = request.body(StreamBody::new(chunks)).unwrap();
    let answer = send(address, Version::HTTP_2, request).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert!(Challenge::of(answer.headers()).is_some());
    assert_eq!(
        heard.await.unwrap(),
        CHUNKS,
        "the stream was reset before its end"
    );
}

#[tokio::test]
async fn on_http_1_a_client_refused_before_its_body_was_there_may_go_on_with_the_connection() {
    let (_server, gate) = gate(scopes()).await;
    let inner = service_fn(|_: Request<RequestBody<Incoming>>| async {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
    });
    let address = serve(gate.layer().layer(inner)).await;
    let mut connection = BufReader::new(TcpStream::connect(address).await.unwrap());
    let body = call("tools/list", json!({}));
    let head = "POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json";
    let head = format!("{head}\r\ncontent-length: {}\r\n\r\n", body.len());
    for _ in 0..2 {
        connection.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        while !answer.ends_with("}") {
            answer.push(connection.read_u8().await.expect("an answer").into());
        }
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
        connection.write_all(body.as_bytes()).await.unwrap();
    }
}

#[tokio::test]
async fn a_second_request_on_the_same_connection_is_checked_anew() {
    let (server, gate) = gate(scopes()).await;
    let inner = service_fn(|_: Request<RequestBody<Incoming>>| async {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
    });
    let address = serve(gate.layer().layer(inner)).await;
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let list = call("tools/list", json!({}));
    for (token, status) in [
        (Some(token(&server)), 200),
        (None, 401),
        (Some(token(&server)), 200),
    ] {
        sender.ready().await.unwrap();
        let answer = sender
            .send_request(request("POST", "/mcp", token.as_deref(), &list))
            .await
            .unwrap();
        assert_eq!(answer.status(), status);
        answer.into_body().collect().await.unwrap();
    }
}

#[tokio::test]
async fn a_service_that_counts_on_being_asked_whether_it_is_ready_is_asked() {
    let (server, gate) = gate(scopes()).await;
    let running = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let (counter, peak) = (running.clone(), most.clone());
    let inner = service_fn(move |_: Request<RequestBody<Full<Bytes>>>| {
        let (counter, peak) = (counter.clone(), peak.clone());
        async move {
            peak.fetch_max(counter.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(1)).await;
            counter.fetch_sub(1, Ordering::SeqCst);
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
        }
    });
    // ConcurrencyLimit panics when it is called without having been polled ready.
    let limited = tower::limit::ConcurrencyLimit::new(inner, 2);
    let service = gate.layer().layer(limited);
    let token = token(&server);
    let list = call("tools/list", json!({}));
    let requests = (0..50).map(|_| {
        service
            .clone()
            .oneshot(request("POST", "/mcp", Some(&token), &list))
    });
    for answer in futures_util::future::join_all(requests).await {
        assert_eq!(answer.unwrap().status(), StatusCode::OK);
    }
    assert!(most.load(Ordering::SeqCst) <= 2);
    let refused = service
        .clone()
        .oneshot(request("POST", "/mcp", None, &list))
        .await
        .unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_refused_request_reserves_no_capacity_of_the_inner_service() {
    let (_server, gate) = gate(scopes()).await;
    let inner = service_fn(|_: Request<RequestBody<Full<Bytes>>>| async {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
    });
    // The service has one place, which a caller takes when it is told that the service is ready.
    let mut service = gate
        .layer()
        .layer(tower::limit::ConcurrencyLimit::new(inner, 1));
    let mut of_another_connection = service.clone();
    for (method, path, status) in [("POST", "/mcp", 401), ("GET", METADATA, 200)] {
        let answer = service
            .ready()
            .await
            .unwrap()
            .call(request(method, path, None, ""))
            .await
            .unwrap();
        assert_eq!(answer.status(), status);
        let ready = of_another_connection.ready().now_or_never();
        assert!(ready.is_some(), "{method} {path} holds the only place");
        of_another_connection = service.clone();
    }
}

#[tokio::test]
async fn events_of_a_stream_pass_through_as_they_come() {
    let (server, gate) = gate(scopes()).await;
    let (sender, receiver) =
        tokio::sync::mpsc::unbounded_channel::<Result<http_body::Frame<Bytes>, Infallible>>();
    let receiver = Arc::new(std::sync::Mutex::new(Some(receiver)));
    let inner = service_fn(move |_: Request<RequestBody<Full<Bytes>>>| {
        let mut receiver = receiver.lock().unwrap().take().unwrap();
        let events = futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx));
        let response = Response::builder()
            .header("x-accel-buffering", "no")
            .body(StreamBody::new(events));
        async { Ok::<_, Infallible>(response.unwrap()) }
    });
    let service = gate.layer().layer(inner);
    let answer = service
        .oneshot(request("GET", "/mcp", Some(&token(&server)), ""))
        .await
        .unwrap();
    assert_eq!(answer.headers()["x-accel-buffering"], "no");
    let mut body = answer.into_body();
    for event in ["data: 1\n\n", "data: 2\n\n"] {
        sender
            .send(Ok(http_body::Frame::data(Bytes::from_static(
                event.as_bytes(),
            ))))
            .unwrap();
        assert_eq!(
            body.frame().await.unwrap().unwrap().into_data().unwrap(),
            event
        );
    }
    drop(body);
    assert!(
        sender.is_closed(),
        "the inner service must notice that the client hung up"
    );
}

#[tokio::test]
async fn the_future_is_send_with_any_error_type_of_the_service() {
    let (_server, gate) = gate(scopes()).await;
    let inner = service_fn(|_: Request<RequestBody<Full<Bytes>>>| async {
        Err::<Response<Full<Bytes>>, _>(std::rc::Rc::new("stays on its thread"))
    });
    let answer = gate
        .layer()
        .layer(inner)
        .call(request("POST", "/mcp", None, ""));
    let status = std::thread::spawn(|| {
        answer
            .now_or_never()
            .map(|answer| answer.map(|answer| answer.status()).ok())
    });
    assert_eq!(status.join().unwrap(), Some(Some(StatusCode::UNAUTHORIZED)));
}

#[tokio::test]
async fn an_error_of_the_inner_service_passes_unchanged() {
    let (server, gate) = gate(scopes()).await;
    let inner = service_fn(|_: Request<RequestBody<Full<Bytes>>>| async {
        Err::<Response<Full<Bytes>>, _>(std::io::Error::other("mine"))
    });
    let list = call("tools/list", json!({}));
    let answer = gate
        .layer()
        .layer(inner)
        .oneshot(request("POST", "/mcp", Some(&token(&server)), &list))
        .await;
    assert_eq!(answer.unwrap_err().to_string(), "mine");
}
