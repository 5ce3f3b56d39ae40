use std::error::Error as _;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::endpoint::{self, home, reply};
use super::fault::{self, AnswerBody, Severed};
use super::shared::Shared;

/// The size of a request body beyond which it is refused.
const MAX_REQUEST_BODY_BYTES: usize = 256 * 1024;

/// Serves until told to stop. Dropping the future ends its connections too.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>, stop: Arc<Notify>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.notified() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(connections.spawn(serve_connection(stream, Arc::clone(&shared)))),
                // Out of file descriptors, most likely: wait until another task closes one.
                Err(_) => tokio::task::yield_now().await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    connections.shutdown().await;
}

async fn serve_connection(stream: TcpStream, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        Box::pin(async move { respond(shared, request).await })
            as Pin<Box<dyn Future<Output = _> + Send>>
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let ended = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    if ended.is_err_and(|error| is_reset(&error)) {
        let _ = connection.into_parts().io.into_inner().set_zero_linger();
    }
}

fn is_reset(error: &hyper::Error) -> bool {
    error.source().and_then(|source| source.downcast_ref()) == Some(&Severed::ByReset)
}

async fn respond(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, Severed> {
    let (head, body) = request.into_parts();
    let Some(endpoint) = shared.endpoint_at(head.uri.path()) else {
        let answer = match shared.is_home(head.uri.path()) {
            true => home::answer(&shared, &head.method),
            false => reply::empty(StatusCode::NOT_FOUND),
        };
        return fault::answer(None, async { answer }).await;
    };
    let number = shared.traffic().arrived(endpoint, &head);
    let Some(body) = read(body).await else {
        return fault::answer(None, async { reply::empty(StatusCode::PAYLOAD_TOO_LARGE) }).await;
    };
    shared.traffic().body_read(endpoint, number, body.clone());
    let fault = shared.traffic().fault(endpoint);
    fault::answer(
        fault,
        endpoint::answer(&shared, endpoint, Request::from_parts(head, body)),
    )
    .await
}

async fn read(body: Incoming) -> Option<Bytes> {
    Some(
        Limited::new(body, MAX_REQUEST_BODY_BYTES)
            .collect()
            .await
            .ok()?
            .to_bytes(),
    )
}
