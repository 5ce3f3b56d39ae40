//! The layer, and the path of a request through it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, EXPECT};
use http::request::Parts;
use http::{Request, Response, Version};
use http_body::Body;
use tower::{Layer, Service};

use crate::answer::{Answers, Cors, ListFilter, ResponseBody, WellKnown};
use crate::call::{self, Calls, RequestBody};
use crate::current::Current;
use crate::decision::{Decision, DecisionLog};
use crate::list::Asked;
use crate::policy::{Callers, Origins, OwnDecision, Policy};
use crate::refusal::Refusal;
use crate::resource_uri::ResourceUri;
use crate::scope::Scopes;
use crate::token::{PresentedToken, Principal, Verifier};

/// Puts the gate around a service. Made by [`Toolgate::layer`](crate::Toolgate::layer).
#[derive(Debug, Clone)]
pub struct ToolgateLayer {
    pub(crate) gate: Arc<Current<Gate>>,
}

impl<S> Layer<S> for ToolgateLayer {
    type Service = ToolgateService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ToolgateService { gate: self.gate.clone(), inner }
    }
}

/// A service that only verified and allowed requests reach.
#[derive(Debug, Clone)]
pub struct ToolgateService<S> {
    gate: Arc<Current<Gate>>,
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
        // The service that was polled is the ready one; its clone need not be.
        let unready = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, unready);
        let (parts, body) = request.into_parts();
        ToolgateFuture(Box::pin(self.gate.get().pass(inner, parts, body)))
    }
}

/// What the path of a request needs, in the order it needs it.
pub(crate) struct Gate {
    pub(crate) resource: Arc<ResourceUri>,
    pub(crate) well_known: Arc<WellKnown>,
    pub(crate) log: DecisionLog,
    pub(crate) origins: Origins,
    pub(crate) cors: Cors,
    pub(crate) verifier: Verifier,
    pub(crate) callers: Callers,
    pub(crate) policy: Policy,
    pub(crate) decision: Option<OwnDecision>,
    pub(crate) max_body_bytes: usize,
    pub(crate) body_time: Duration,
    pub(crate) answers: Answers,
}

impl Gate {
    /// The path of a request. No `async fn`, which would keep room for all of its arguments twice.
    fn pass<S, B, R>(
        self: Arc<Self>,
        mut inner: S,
        mut parts: Parts,
        body: B,
    ) -> impl Future<Output = Result<Response<ResponseBody<R>>, S::Error>>
    where
        S: Service<Request<RequestBody<B>>, Response = Response<R>>,
        B: Body<Data = Bytes> + Send + 'static,
        R: Body<Data = Bytes>,
    {
        let ours = |answer: Response<Bytes>| answer.map(ResponseBody::ours);
        async move {
            // 1. metadata
            if let Some(document) = self.well_known.answer(&parts) {
                return Ok(ours(document));
            }
            let mut decision = self.log.begin(self.resource.as_str());

            // 2. origin, and the preflight of an allowed one
            let origin = self.origins.judge(&parts).map(Option::<&_>::cloned);
            if let Ok(Some(origin)) = &origin
                && let Some(mut preflight) = self.cors.preflight(&parts)
            {
                self.cors.make_readable(Some(origin), preflight.headers_mut());
                return Ok(ours(preflight));
            }

            // 3. to 7., in `judge` and `admit` below, unless 2. has refused
            let judged = match &origin {
                Ok(_) => self.judge(&parts, body, &mut decision).await,
                Err(refusal) => Err(drained(refusal.clone(), &parts, body)),
            };
            let mut response = match judged {
                // 8. hand over: not the token, but who it stands for; the same bytes that were judged; and,
                // where bodies are judged, no way to go on in another protocol
                Ok((body, lists)) => {
                    decision.allow();
                    parts.headers.remove(AUTHORIZATION);
                    if self.depends_on_calls() {
                        call::decline_upgrade(&mut parts.headers);
                    }
                    let filter = lists.map(|asked| self.list_filter(asked, decision.principal().cloned()));
                    if filter.is_some() {
                        // What is to be filtered here must not come compressed.
                        parts.headers.remove(ACCEPT_ENCODING);
                    }
                    if let Some(principal) = decision.into_principal() {
                        parts.extensions.insert(principal);
                    }
                    let answer = inner.call(Request::from_parts(parts, body)).await?;

                    // 9. on the way back, where lists are filtered
                    match filter {
                        Some(filter) => Box::pin(filter.apply(answer)).await,
                        None => answer.map(ResponseBody::theirs),
                    }
                }
                Err(refusal) => {
                    decision.refuse(&refusal);
                    let prefix = decision.principal().map(Principal::request_prefix);
                    ours(self.answers.refuse(refusal, prefix))
                }
            };

            // 9. on the way back, for browsers
            self.cors.make_readable(origin.ok().flatten().as_ref(), response.headers_mut());
            Ok(response)
        }
    }

    async fn judge<B>(
        &self,
        parts: &Parts,
        body: B,
        decision: &mut Decision<'_>,
    ) -> Result<(RequestBody<B>, Option<Asked>), Refusal>
    where
        B: Body<Data = Bytes> + Send + 'static,
    {
        // 3. to 5.
        let principal = match self.admit(parts, decision).await {
            Ok(principal) => principal,
            Err(refusal) => return Err(drained(refusal, parts, body)),
        };

        // 6. read the call
        if !self.depends_on_calls() {
            return Ok((RequestBody::untouched(body), None));
        }
        let mut body = Box::pin(body);
        let bytes = match self.read(parts, body.as_mut()).await {
            Ok(Some(bytes)) => bytes,
            // GET and the like: no call to judge. A stream taken up again may bring lists asked for before.
            Ok(None) => {
                let resumed = (self.policy.filters_lists() && call::resumes(parts)).then(Asked::new);
                return Ok((RequestBody::judged(Bytes::new()), resumed));
            }
            Err(refusal) => return Err(drained(refusal, parts, body)),
        };
        let calls = Calls::read(parts, &bytes)?;
        decision.about(&calls);

        // 7. call rule, and an operator's own decision about what it lets pass
        self.policy.judge(principal.scopes(), &calls)?;
        if let Some(own) = &self.decision {
            let arguments = call::arguments(&bytes)?;
            let needed = Box::pin(own.judge(&principal, &calls, &arguments)).await?;
            self.policy.judge_with(principal.scopes(), &calls, needed)?;
        }
        let lists = self.policy.filters_lists().then(|| calls.lists()).flatten();
        drop(calls);
        Ok((RequestBody::judged(bytes), lists))
    }

    /// What shows a list to this caller. Nobody known is somebody without scopes.
    fn list_filter(self: &Arc<Self>, asked: Asked, principal: Option<Principal>) -> ListFilter {
        let (gate, none) = (self.clone(), Scopes::default());
        ListFilter::new(asked, move |list, name| {
            let granted = principal.as_ref().map_or(&none, Principal::scopes);
            gate.policy.may_be_listed(granted, list, name)
        })
    }

    fn depends_on_calls(&self) -> bool {
        self.policy.depends_on_calls() || self.decision.is_some()
    }

    /// The bytes to be judged; nothing where the method asks for nothing.
    async fn read<B: Body<Data = Bytes>>(&self, parts: &Parts, body: B) -> Result<Option<Bytes>, Refusal> {
        if call::expects_call(parts)? {
            call::collect(body, self.max_body_bytes, self.body_time).await.map(Some)
        } else {
            call::expect_none(body, self.body_time).await.map(|()| None)
        }
    }

    /// Judges the caller, before a byte of the body is read.
    async fn admit(&self, parts: &Parts, decision: &mut Decision<'_>) -> Result<Principal, Refusal> {
        // 3. present
        let token = PresentedToken::read(parts)?;

        // 4. verify
        let principal = decision.by(self.verifier.verify(token, decision.began()).await?);

        // 5. base rule: who may ask at all, and with which scopes
        self.callers.judge(&principal)?;
        self.policy.admit(principal.scopes())?;
        Ok(principal)
    }
}

/// A refusal, once it is seen to that the client will see it.
///
/// On HTTP/2 hyper resets a stream whose body nobody reads to its end, and some clients then never see
/// the answer; so the rest is read and thrown away beside it. Who waits for `100 Continue` sends none.
fn drained<B: Body<Data = Bytes> + Send + 'static>(refusal: Refusal, parts: &Parts, unread: B) -> Refusal {
    let may_go_on = || !unread.is_end_stream() && !parts.headers.contains_key(EXPECT);
    if parts.version == Version::HTTP_2 && may_go_on() {
        tokio::spawn(call::discard(unread));
    }
    refusal
}

/// The future of [`ToolgateService`].
#[must_use = "futures do nothing unless polled"]
pub struct ToolgateFuture<T, E>(Pin<Box<dyn Future<Output = Result<T, E>> + Send>>);

impl<T, E> Future for ToolgateFuture<T, E> {
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl<T, E> fmt::Debug for ToolgateFuture<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolgateFuture").finish_non_exhaustive()
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gate").field(&self.resource).finish()
    }
}
