//! The path of a request, and its way back.

mod stream_watch;
mod way_back;

use std::fmt;
use std::future::Future;
use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, EXPECT};
use http::request::Parts;
use http::{HeaderValue, Request, Response, Version};
use http_body::Body;
use tower::Service;

use crate::answer::{Answers, Cors, ResponseBody, StreamPolicy, WellKnown};
use crate::call::{self, Answering, Bodies, Calls, RequestBody};
use crate::current::Current;
use crate::decision::{Decision, DecisionLog};
use crate::policy::{Callers, Origins, OwnDecision, Policy};
use crate::refusal::{Reason, Refusal, RefusalKind};
use crate::resource_uri::ResourceUri;
use crate::token::{PresentedToken, Principal, Sessions, Verifier};
use way_back::{Brought, WayBack};

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
    /// Filtered streams keep it, and not the gate.
    pub(crate) policy: Policy,
    pub(crate) decision: Option<OwnDecision>,
    pub(crate) bodies: Bodies,
    pub(crate) answers: Answers,
}

impl Gate {
    /// Steps 1 to 3, as far as they wait for nothing. Breaks off with an answer, or goes on with the allowed origin.
    pub(crate) fn greet(&self, parts: &Parts) -> ControlFlow<Response<Bytes>, Option<HeaderValue>> {
        // 1. metadata
        if let Some(document) = self.well_known.answer(parts) {
            return ControlFlow::Break(document);
        }

        // 2. origin, and the preflight of an allowed one
        let origin = match self.origins.judge(parts) {
            Ok(origin) => origin.cloned(),
            Err(refusal) => return ControlFlow::Break(self.refuse_at_once(refusal, None)),
        };
        if origin.is_some()
            && let Some(mut preflight) = self.cors.preflight(parts)
        {
            self.cors.make_readable(origin, preflight.headers_mut());
            return ControlFlow::Break(preflight);
        }

        // 3. present, where nothing is
        if !self.policy.opens_anything() && !parts.headers.contains_key(AUTHORIZATION) {
            return ControlFlow::Break(self.refuse_at_once(Reason::NoToken.into(), origin));
        }
        ControlFlow::Continue(origin)
    }

    /// The rest of the path.
    #[allow(clippy::manual_async_fn, reason = "one would keep room for all of its arguments twice")]
    pub(crate) fn pass<S, B, R>(
        self: Arc<Self>,
        current: Arc<Current<Self>>,
        mut inner: S,
        mut parts: Parts,
        body: B,
        origin: Option<HeaderValue>,
    ) -> impl Future<Output = Result<Response<ResponseBody<R>>, S::Error>>
    where
        S: Service<Request<RequestBody<B>>, Response = Response<R>>,
        B: Body<Data = Bytes> + Send + 'static,
        R: Body<Data = Bytes> + Send + 'static,
    {
        async move {
            // 3. to 7., below
            let mut decision = self.log.begin(self.resource.as_str());
            let (body, answering) = match self.judge(&mut parts, body, &mut decision).await {
                Ok(judged) => judged,
                Err(refusal) => return Ok(self.refuse(refusal, &decision, origin).map(ResponseBody::ours)),
            };
            decision.allow();

            // 8. hand over
            let back = self.hand_over(&current, &mut parts, answering, decision.into_principal());
            let answer = inner.call(Request::from_parts(parts, body)).await?;

            // 9. on the way back
            let mut answer = match back.bring(&self, &current, answer) {
                Brought::Back(answer) => answer,
                Brought::Filtering(answer) => answer.await,
            };
            self.cors.make_readable(origin, answer.headers_mut());
            Ok(answer)
        }
    }

    fn refuse_at_once(&self, refusal: Refusal, origin: Option<HeaderValue>) -> Response<Bytes> {
        self.refuse(refusal, &self.log.at_once(self.resource.as_str()), origin)
    }

    fn refuse(
        &self,
        refusal: Refusal,
        decision: &Decision<'_>,
        origin: Option<HeaderValue>,
    ) -> Response<Bytes> {
        decision.refuse(&refusal);
        let prefix = decision.principal().map(Principal::request_prefix);
        let mut answer = self.answers.refuse(refusal, prefix);
        self.cors.make_readable(origin, answer.headers_mut());
        answer
    }

    /// Step 8: not the token, but who it stands for; the same bytes that were judged; no header that could be taken for
    /// one that was judged; and, where bodies are judged, no way to go on in another protocol.
    fn hand_over(
        &self,
        current: &Arc<Current<Self>>,
        parts: &mut Parts,
        answering: Answering,
        principal: Option<Principal>,
    ) -> WayBack {
        if self.depends_on_calls() {
            call::decline_upgrade(&mut parts.headers);
        }
        call::remove_lookalikes(&mut parts.headers);
        match &principal {
            Some(principal) => drop(parts.extensions.insert(principal.clone())),
            None => drop(parts.extensions.remove::<Principal>()),
        }
        WayBack::of(self, current, parts, answering, principal)
    }

    pub(crate) async fn judge<B>(
        &self,
        parts: &mut Parts,
        body: B,
        decision: &mut Decision<'_>,
    ) -> Result<(RequestBody<B>, Answering), Refusal>
    where
        B: Body<Data = Bytes> + Send + 'static,
    {
        // 3. to 5.
        if let Err(refusal) = self.admit(parts, decision).await {
            return Err(drained(refusal, parts, body));
        }
        let (decision, principal) = (&*decision, decision.principal());

        // Whose session it is. The call is read all the same, for the id to answer to.
        let session = self.sessions.open(&mut parts.headers, principal);
        if !self.depends_on_calls() {
            return match session {
                Ok(()) => Ok((RequestBody::untouched(body), Answering::unread(parts))),
                Err(refusal) => Err(drained(refusal, parts, body)),
            };
        }

        // 6. and 7.
        let mut body = Box::pin(body);
        let judged = self.judge_calls(principal, session, parts, body.as_mut(), decision).await;
        let judged = judged.map_err(|refusal| match principal {
            None => instead_of_a_token(refusal),
            Some(_) => refusal,
        });
        match judged {
            Ok((bytes, answering)) => Ok((RequestBody::judged(bytes), answering)),
            Err(refusal) => Err(drained(refusal, parts, body)),
        }
    }

    /// Notes the caller in the decision, before a byte of the body is read: nobody, where a request without a token
    /// may go on.
    async fn admit(&self, parts: &Parts, decision: &mut Decision<'_>) -> Result<(), Refusal> {
        // 3. present
        if self.policy.opens_anything() && !parts.headers.contains_key(AUTHORIZATION) {
            return Ok(());
        }
        let token = PresentedToken::read(parts)?;

        // 4. verify
        let principal = decision.by(self.verifier.verify(token, decision.began()).await?);

        // 5. base rule
        self.let_ask(principal)
    }

    /// Who may ask at all, and with which scopes.
    pub(crate) fn let_ask(&self, principal: &Principal) -> Result<(), Refusal> {
        self.callers.judge(principal)?;
        self.policy.admit(principal.scopes())
    }

    /// Judges what is asked: the bytes it is in, and what its answer will bring.
    pub(crate) async fn judge_calls<B: Body<Data = Bytes>>(
        &self,
        principal: Option<&Principal>,
        session: Result<(), Refusal>,
        parts: &Parts,
        body: B,
        decision: &Decision<'_>,
    ) -> Result<(Bytes, Answering), Refusal> {
        // 6. read the call
        if !call::expects_call(parts)? {
            // GET and the like: nothing that could be open to anyone.
            principal.ok_or(Reason::NoToken)?;
            Box::pin(self.bodies.expect_none(body)).await?;
            session?;
            return Ok((Bytes::new(), Answering::bodiless(parts)));
        }
        let bytes = self.bodies.collect(body, principal.is_some()).await?;
        let (answering, session) = self.judge_by_rules(principal, session, parts, &bytes, decision)?;

        // 7. an operator's own decision about what the rules let pass
        if let Some(own) = &self.decision {
            Box::pin(self.judge_by(own, principal, parts, &bytes)).await?;
        }
        session?;
        Ok((bytes, answering))
    }

    /// For a request without a token the session comes last: a call that is not open needs a token, whatever the session
    /// is.
    fn judge_by_rules(
        &self,
        principal: Option<&Principal>,
        session: Result<(), Refusal>,
        parts: &Parts,
        bytes: &[u8],
        decision: &Decision<'_>,
    ) -> Result<(Answering, Result<(), Refusal>), Refusal> {
        let calls = Calls::read(parts, bytes)?;
        decision.about(&calls);
        let mut session = session.map_err(|refusal| refusal.answering(calls.request_id()));

        // 7. call rule
        match principal {
            Some(principal) => {
                std::mem::replace(&mut session, Ok(()))?;
                self.policy.judge(principal.scopes(), &calls)?;
            }
            None => self.policy.judge_without_token(&calls)?,
        }
        Ok((calls.answering(self.policy.filters_lists()), session))
    }

    async fn judge_by(
        &self,
        own: &OwnDecision,
        principal: Option<&Principal>,
        parts: &Parts,
        bytes: &[u8],
    ) -> Result<(), Refusal> {
        // Read once more: to keep the calls for this would cost everybody who has no decision of their own.
        let calls = Calls::read(parts, bytes)?;
        let arguments = call::arguments(bytes).map_err(|refusal| refusal.answering(calls.request_id()))?;
        let needed = own.judge(principal, &calls, &arguments).await?;
        match principal {
            Some(principal) => self.policy.judge_with(principal.scopes(), &calls, needed),
            None if needed.is_empty() => Ok(()),
            None => Err(Reason::NoToken.into()),
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

/// Sees to it that the client will see an answer that comes before its body was read.
///
/// Where nobody reads a body to its end, hyper resets the stream on HTTP/2, and some clients then never see
/// the answer; on HTTP/1 it closes the connection without a word, and the next request on it is lost. So the
/// rest is read and thrown away beside the answer. Who waits for `100 Continue` sends none.
pub(crate) fn drain<B: Body<Data = Bytes> + Send + 'static>(parts: &Parts, unread: B) {
    let may_go_on = || !unread.is_end_stream() && !parts.headers.contains_key(EXPECT);
    if parts.version >= Version::HTTP_11 && may_go_on() {
        call::read_on(unread);
    }
}

/// A refusal, once it is seen to that the client will see it.
fn drained<B: Body<Data = Bytes> + Send + 'static>(refusal: Refusal, parts: &Parts, unread: B) -> Refusal {
    drain(parts, unread);
    refusal
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gate").field(&self.resource).finish()
    }
}
