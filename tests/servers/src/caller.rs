//! The way of the caller from the gate to a tool: neither server passes the extensions of a request on to its tools.

use axum::Extension;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use tokio::task_local;
use toolgate::Principal;

task_local! {
    static CALLER: Principal;
}

/// A middleware of axum, between the server and the gate. The server's own hook for authentication runs in the task of the
/// request, so it finds the caller by [`caller`].
pub async fn remember_caller(
    caller: Option<Extension<Principal>>,
    request: Request,
    next: Next,
) -> Response {
    match caller {
        Some(Extension(caller)) => CALLER.scope(caller, next.run(request)).await,
        None => next.run(request).await,
    }
}

/// The caller of the request whose task this is.
pub fn caller() -> Option<Principal> {
    CALLER.try_with(Clone::clone).ok()
}
