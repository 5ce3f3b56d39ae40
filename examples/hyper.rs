//! The gate around a bare hyper service, on HTTP/1.1 and HTTP/2: `cargo run -p toolgate-examples --example hyper`.
//!
//! It differs from `quickstart` in two lines. There is no router, so the layer is put around the service itself, and
//! hyper gets the result through hyper-util's adapter. The metadata document is served as well.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that people start talks to them"
)]

use std::convert::Infallible;
use std::error::Error;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use toolgate::testing::AuthorizationServer;
use toolgate::{Principal, RequestBody, ScopeMap, Toolgate};
use tower::{Layer, service_fn};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let authorization_server = AuthorizationServer::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let resource = format!("http://{}/mcp", listener.local_addr()?);

    let gate = Toolgate::builder(&resource)
        .issuer(authorization_server.issuer())
        .scopes(ScopeMap::allow_unlisted().every_request("mcp:use"))
        .build()?;

    let service = gate.layer().layer(service_fn(greet));
    let service = TowerToHyperService::new(service);

    let token = authorization_server
        .token()
        .audience(&*resource)
        .scope("mcp:use")
        .mint();
    println!("{authorization_server}\n");
    println!("curl -i {resource}\n");
    println!("curl -i {resource} -H 'Authorization: Bearer {token}'\n");
    loop {
        let (stream, _) = listener.accept().await?;
        let service = service.clone();
        tokio::spawn(async move {
            let connection = auto::Builder::new(TokioExecutor::new());
            if let Err(why) = connection
                .serve_connection(TokioIo::new(stream), service)
                .await
            {
                eprintln!("a connection failed: {why}");
            }
        });
    }
}

/// The inner service takes `RequestBody<B>` where it took `B` before. This is either the bytes that were checked or, as
/// here, where no rule depends on the body, the body as it arrives.
async fn greet(
    request: Request<RequestBody<Incoming>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let name = request
        .extensions()
        .get::<Principal>()
        .and_then(Principal::subject)
        .unwrap_or("machine");
    Ok(Response::new(Full::from(format!("Hello, {name}.\n"))))
}
