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
use http::{HeaderValue, Request, Response, Version};
use http_body::Body;
use tower::{Layer, Service};

use crate::answer::{self, Answers, Cors, ListFilter, ResponseBody, StreamPolicy, WellKnown};
use crate::call::{self, Calls, RequestBody};
use crate::current::Current;
use crate::decision::{Decision, DecisionLog};
use crate::list::Asked;
use crate::policy::{Callers, Origins, OwnDecision, Policy};
use crate::refusal::{Reason, Refusal, RefusalKind};
use crate::resource_uri::ResourceUri;
use crate::token::{KeptToken, PresentedToken, Principal, Sessions, Unbindable, Verifier};

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
    pub(crate) sessions: Sessions,
    pub(crate) streams: StreamPolicy,
    pub(crate) policy: Policy,
    pub(crate) decision: Option<OwnDecision>,
    pub(crate) max_body_bytes: usize,
    pub(crate) anonymous_body_bytes: usize,
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

            // 3. to 7., in `admit` and `judge_calls` below, unless 2. has refused
            let judged = match &origin {
                Ok(_) => self.judge(&mut parts, body, &mut decision).await,
                Err(refusal) => Err(drained(refusal.clone(), &parts, body)),
            };
            let mut response = match judged {
                // 8. hand over: not the token, but who it stands for; the same bytes that were judged; and,
                // where bodies are judged, no way to go on in another protocol
                Ok((body, lists)) => {
                    decision.allow();
                    let credentials = parts.headers.remove(AUTHORIZATION);
                    let grace = self.streams.grace(call::listens(&parts));
                    if self.depends_on_calls() {
                        call::decline_upgrade(&mut parts.headers);
                    }
                    let filter = lists.map(|asked| self.list_filter(asked, decision.principal().cloned()));
                    if filter.is_some() {
                        // What is to be filtered here must not come compressed.
                        parts.headers.remove(ACCEPT_ENCODING);
                    }
                    match decision.principal() {
                        Some(principal) => drop(parts.extensions.insert(principal.clone())),
                        None => drop(parts.extensions.remove::<Principal>()),
                    }
                    let mut answer = inner.call(Request::from_parts(parts, body)).await?;

                    // 9. on the way back: sessions are bound to their owners, lists filtered where that is asked
                    // for, and streams end with their token
                    let mut answer =
                        match (self.sessions.seal(answer.headers_mut(), decision.principal()), filter) {
                            (Err(Unbindable), _) => ours(answer::without_session()),
                            (Ok(()), Some(filter)) => Box::pin(filter.apply(answer)).await,
                            (Ok(()), None) => answer.map(ResponseBody::theirs),
                        };
                    if let (Some(line), Some(grace)) = (credentials, grace)
                        && answer::is_stream(answer.headers())
                    {
                        answer = answer::end(answer, self.outlived(&line, decision.principal()), grace);
                    }
                    answer
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

    pub(crate) async fn judge<B>(
        &self,
        parts: &mut Parts,
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

        // Whose session it is. The call is read all the same, for the id to answer to.
        let session = self.sessions.open(&mut parts.headers, principal.as_ref());
        if !self.depends_on_calls() {
            return match session {
                Ok(()) => Ok((RequestBody::untouched(body), None)),
                Err(refusal) => Err(drained(refusal, parts, body)),
            };
        }

        // 6. and 7.
        let mut body = Box::pin(body);
        let judged = self.judge_calls(principal.as_ref(), session, parts, body.as_mut(), decision).await;
        let judged = judged.map_err(|refusal| match principal {
            None => instead_of_a_token(refusal),
            Some(_) => refusal,
        });
        match judged {
            Ok((bytes, lists)) => Ok((RequestBody::judged(bytes), lists)),
            Err(refusal) => Err(drained(refusal, parts, body)),
        }
    }

    /// Judges the caller, before a byte of the body is read. `None` is for who came without a token, where there
    /// are calls that need none.
    async fn admit(&self, parts: &Parts, decision: &mut Decision<'_>) -> Result<Option<Principal>, Refusal> {
        // 3. present
        if self.policy.opens_anything() && !parts.headers.contains_key(AUTHORIZATION) {
            return Ok(None);
        }
        let token = PresentedToken::read(parts)?;

        // 4. verify
        let principal = decision.by(self.verifier.verify(token, decision.began()).await?);

        // 5. base rule
        self.let_ask(&principal)?;
        Ok(Some(principal))
    }

    /// Who may ask at all, and with which scopes.
    pub(crate) fn let_ask(&self, principal: &Principal) -> Result<(), Refusal> {
        self.callers.judge(principal)?;
        self.policy.admit(principal.scopes())
    }

    /// Judges what is asked: the bytes it is in, and the lists it will bring, if these are filtered.
    pub(crate) async fn judge_calls<B: Body<Data = Bytes>>(
        &self,
        principal: Option<&Principal>,
        session: Result<(), Refusal>,
        parts: &Parts,
        body: B,
        decision: &mut Decision<'_>,
    ) -> Result<(Bytes, Option<Asked>), Refusal> {
        // 6. read the call
        if !call::expects_call(parts)? {
            // GET and the like: nothing that could be open to anyone. A stream that is taken up again may bring
            // lists asked for before.
            principal.ok_or(Reason::NoToken)?;
            call::expect_none(body, self.body_time).await?;
            session?;
            let resumed = (self.policy.filters_lists() && call::resumes(parts)).then(Asked::new);
            return Ok((Bytes::new(), resumed));
        }
        let max_bytes = if principal.is_some() { self.max_body_bytes } else { self.anonymous_body_bytes };
        let bytes = call::collect(body, max_bytes, self.body_time).await?;
        let (calls, lists) = self.judge_by_rules(principal, session, parts, &bytes, decision)?;

        // 7. an operator's own decision about what the rules let pass
        if let Some(own) = &self.decision {
            Box::pin(self.judge_by(own, principal, calls, &bytes)).await?;
        }
        Ok((bytes, lists))
    }

    fn judge_by_rules<'b>(
        &self,
        principal: Option<&Principal>,
        session: Result<(), Refusal>,
        parts: &Parts,
        bytes: &'b [u8],
        decision: &mut Decision<'_>,
    ) -> Result<(Calls<'b>, Option<Asked>), Refusal> {
        let calls = Calls::read(parts, bytes)?;
        decision.about(&calls);
        session.map_err(|refusal| refusal.answering(calls.request_id()))?;

        // 7. call rule
        match principal {
            Some(principal) => self.policy.judge(principal.scopes(), &calls)?,
            None => self.policy.judge_without_token(&calls)?,
        }
        let lists = self.policy.filters_lists().then(|| calls.lists()).flatten();
        Ok((calls, lists))
    }

    async fn judge_by(
        &self,
        own: &OwnDecision,
        principal: Option<&Principal>,
        calls: Calls<'_>,
        bytes: &[u8],
    ) -> Result<(), Refusal> {
        let arguments = call::arguments(bytes)?;
        let needed = own.judge(principal, &calls, &arguments).await?;
        match principal {
            Some(principal) => self.policy.judge_with(principal.scopes(), &calls, needed),
            None if needed.is_empty() => Ok(()),
            None => Err(Reason::NoToken.into()),
        }
    }

    /// What shows a list to this caller.
    fn list_filter(self: &Arc<Self>, asked: Asked, principal: Option<Principal>) -> ListFilter {
        let gate = self.clone();
        ListFilter::new(asked, move |list, name| {
            gate.policy.may_be_listed(principal.as_ref().map(Principal::scopes), list, name)
        })
    }

    /// Waits until the token is not good any more that the stream was opened with.
    fn outlived(
        self: &Arc<Self>,
        line: &HeaderValue,
        principal: Option<&Principal>,
    ) -> impl Future<Output = ()> + Send + use<> {
        let (gate, token) = (self.clone(), KeptToken::of(line).zip(principal.cloned()));
        async move {
            if let Some((token, principal)) = token {
                gate.verifier.until_over(token, principal).await;
            }
        }
    }

    pub(crate) fn depends_on_calls(&self) -> bool {
        self.policy.depends_on_calls() || self.decision.is_some()
    }
}

/// Who came without a token is told to get one, whatever was wrong with what they asked. Only whether somebody
/// else failed us is another matter, and a session to begin anew.
fn instead_of_a_token(refusal: Refusal) -> Refusal {
    match refusal.kind() {
        RefusalKind::NoToken | RefusalKind::Unavailable | RefusalKind::SessionNotFound => refusal,
        _ => Refusal::from(Reason::NoToken).because(refusal),
    }
}

/// A refusal, once it is seen to that the client will see it.
///
/// Where nobody reads a body to its end, hyper resets the stream on HTTP/2, and some clients then never see
/// the answer; on HTTP/1 it closes the connection without a word, and the next request on it is lost. So the
/// rest is read and thrown away beside the answer. Who waits for `100 Continue` sends none.
fn drained<B: Body<Data = Bytes> + Send + 'static>(refusal: Refusal, parts: &Parts, unread: B) -> Refusal {
    let may_go_on = || !unread.is_end_stream() && !parts.headers.contains_key(EXPECT);
    if parts.version >= Version::HTTP_11 && may_go_on() {
        call::read_on(unread);
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
