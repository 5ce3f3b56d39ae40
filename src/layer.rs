//! The layer: how a gate is put around a service.

use std::fmt;
use std::future::{Future, Ready, ready};
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll};

use arc_swap::Guard;
use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use tower::{Layer, Service};

use crate::address::{Address, Route};
use crate::call::RequestBody;
use crate::pipeline::IncomingBody;
use crate::stream::ResponseBody;
use crate::tenants::{Routes, Way};

/// Puts the gate around a service. [`Toolgate::layer`](crate::Toolgate::layer) and [`Gates::layer`](crate::Gates::layer)
/// make it.
#[derive(Debug, Clone)]
pub struct ToolgateLayer {
    routes: Routes,
}

impl ToolgateLayer {
    pub(crate) fn new(routes: Routes) -> Self {
        Self { routes }
    }
}

impl<S> Layer<S> for ToolgateLayer {
    type Service = ToolgateService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ToolgateService {
            routes: self.routes.clone(),
            inner,
        }
    }
}

/// A service that only verified and authorized requests reach.
///
/// Requests that need no I/O are answered and logged in `Service::call`: the metadata, preflights, and refusals of
/// foreign origins, of requests without a token and of credentials that cannot be read. All others are processed while
/// the future is polled.
#[derive(Debug, Clone)]
pub struct ToolgateService<S> {
    routes: Routes,
    inner: S,
}

impl<S, B, R> Service<Request<B>> for ToolgateService<S>
where
    S: Service<Request<RequestBody<B>>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    R: Body<Data = Bytes> + Send + 'static,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ToolgateFuture<Self::Response, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The service that was polled is the ready one; its clone may not be. If the request is refused, dropping the
        // service gives its readiness back.
        let unready = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, unready);
        let (mut parts, body) = request.into_parts();
        match self.routes.route(&mut parts) {
            Way::Known(Route::Gated(address)) => enter(address, inner, parts, body),
            Way::Known(Route::Ungated) => {
                let request = Request::from_parts(parts, RequestBody::untouched(body));
                let answer = inner.call(request);
                ToolgateFuture(Outcome::Awaited(Box::pin(async move {
                    Ok(answer.await?.map(ResponseBody::theirs))
                })))
            }
            Way::Known(Route::Answered(answer)) => answered(answer, &parts, body),
            Way::Tenant(tenant) => enter(tenant.address(), inner, parts, body),
            Way::Awaited(waiting) => ToolgateFuture(Outcome::Awaited(Box::pin(async move {
                match waiting.arrive(&mut parts).await {
                    Ok(tenant) => enter(tenant.address(), inner, parts, body).await,
                    Err(answer) => answered(answer, &parts, body).await,
                }
            }))),
        }
    }
}

/// Takes a request along the path of the gate at this address.
#[inline]
fn enter<S, B, R>(
    address: &Address,
    inner: S,
    mut parts: Parts,
    body: B,
) -> ToolgateFuture<Response<ResponseBody<R>>, S::Error>
where
    S: Service<Request<RequestBody<B>>, Response = Response<R>> + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    R: Body<Data = Bytes> + Send + 'static,
{
    let pipeline = address.pipeline.look();
    match pipeline.answer_without_io(&mut parts) {
        ControlFlow::Continue(visit) => {
            let (pipeline, current) = (Guard::into_inner(pipeline), address.pipeline.clone());
            ToolgateFuture(Outcome::Awaited(Box::pin(
                pipeline.serve(current, inner, parts, body, visit),
            )))
        }
        ControlFlow::Break(answer) => answered(answer, &parts, body),
    }
}

/// Answers a request at once.
fn answered<B, R, E>(
    answer: Response<Bytes>,
    parts: &Parts,
    body: B,
) -> ToolgateFuture<Response<ResponseBody<R>>, E>
where
    B: Body<Data = Bytes> + Send + 'static,
{
    IncomingBody::Unread(body).discard(parts);
    ToolgateFuture(Outcome::AtOnce(ready(answer.map(ResponseBody::ours))))
}

/// The future of [`ToolgateService`].
#[must_use = "futures do nothing unless polled"]
pub struct ToolgateFuture<T, E>(Outcome<T, E>);

/// Answers without I/O need no box. They are never errors, so they do not depend on the type of errors.
enum Outcome<T, E> {
    AtOnce(Ready<T>),
    Awaited(Pin<Box<dyn Future<Output = Result<T, E>> + Send>>),
}

impl<T, E> Future for ToolgateFuture<T, E> {
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Outcome::AtOnce(answer) => Pin::new(answer).poll(cx).map(Ok),
            Outcome::Awaited(answer) => answer.as_mut().poll(cx),
        }
    }
}

impl<T, E> fmt::Debug for ToolgateFuture<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolgateFuture").finish_non_exhaustive()
    }
}
