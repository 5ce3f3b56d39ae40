//! The path of a request: its nine steps, in this order. Step 9 is one call into `response.rs`.

use std::future::Future;
use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use tower::Service;

use super::awaited_step_up::{AwaitedStepUp, RequiredSoFar};
use super::incoming::IncomingBody;
use super::response::{Planned, ResponsePlan};
use super::rooms::Pipeline;
use super::session::OpenedSession;
use super::visit::Visit;
use crate::call::{self, Calls, ExpectedResponse, Head, HeadEdits, RequestBody};
use crate::clock::Timestamp;
use crate::current::Current;
use crate::policy::{Admitted, NotOpen, OwnDecision, Permit};
use crate::refusal::{Reason, Refusal};
use crate::stream::ResponseBody;
use crate::token::{Credentials, Principal};

/// The permission that authorization gives to a request. Only a request for which there is a `Permitted` is handed
/// over.
pub(crate) struct Permitted {
    permit: Permit,
    session: OpenedSession,
    expected: ExpectedResponse,
    edits: HeadEdits,
    /// The requirements so far, for a handler that asks for more; `None` if handlers do not ask.
    before_step_up: Option<Box<RequiredSoFar>>,
}

impl Pipeline {
    /// Takes steps 1 to 3, which need no I/O, and answers the requests that end there.
    pub(crate) fn answer_without_io(
        &self,
        parts: &mut Parts,
    ) -> ControlFlow<Response<Bytes>, Visit> {
        let mut visit = Visit::default();
        match self.check_head(&mut visit, parts) {
            Ok(None) => ControlFlow::Continue(visit),
            Ok(Some(answer)) => ControlFlow::Break(answer),
            Err(refusal) => ControlFlow::Break(self.refuse(refusal, visit, parts)),
        }
    }

    /// Takes steps 1 to 3. Returns the answer to a request that is neither refused nor handed over.
    pub(crate) fn check_head(
        &self,
        visit: &mut Visit,
        parts: &mut Parts,
    ) -> Result<Option<Response<Bytes>>, Refusal> {
        // 1. metadata
        if let Some(document) = self.well_known.answer(parts) {
            return Ok(Some(document));
        }

        // 2. origin, and the preflight of an allowed one
        visit.origin = self.origins.check(parts)?.cloned();
        if visit.origin.is_some()
            && let Some(mut preflight) = self.cors.preflight(parts)
        {
            self.cors
                .make_readable(visit.origin.clone(), preflight.headers_mut());
            return Ok(Some(preflight));
        }

        // 3. credentials leave the head here
        visit.credentials = self.take_credentials(parts)?;
        Ok(None)
    }

    /// Step 3. A request without credentials continues only if some operation is open, or if the refusal needs the id of
    /// its call.
    fn take_credentials(&self, parts: &mut Parts) -> Result<Option<Credentials>, Refusal> {
        match Credentials::take(&mut parts.headers, self.holders.dpop())? {
            None if !self.policy.opens_anything() && !self.tool_results.are_read_by(parts) => {
                Err(Reason::NoToken.into())
            }
            credentials => Ok(credentials),
        }
    }

    /// Takes steps 4 to 9. `current` is for streams, which outlive the request: they are checked under the
    /// configuration that is then in force.
    #[allow(
        clippy::manual_async_fn,
        reason = "an async fn would keep room for all of its arguments twice"
    )]
    pub(crate) fn serve<S, B, R>(
        self: Arc<Self>,
        current: Arc<Current<Self>>,
        mut inner: S,
        mut parts: Parts,
        body: B,
        mut visit: Visit,
    ) -> impl Future<Output = Result<Response<ResponseBody<R>>, S::Error>>
    where
        S: Service<Request<RequestBody<B>>, Response = Response<R>>,
        B: Body<Data = Bytes> + Send + 'static,
        R: Body<Data = Bytes> + Send + 'static,
    {
        let mut body = IncomingBody::Unread(body);
        async move {
            // Two blocks, so that the future has no room for the permission while it waits for a refusal.
            let refusal = 'refused: {
                // 4. to 7., below
                let permitted = match self.authorize(&mut visit, &parts, &mut body).await {
                    Ok(permitted) => permitted,
                    Err(refusal) => break 'refused refusal,
                };
                self.record_allowed(&visit, &parts);

                // 8. hand over
                let plan = self.hand_over(&current, &mut parts, permitted, &mut visit);
                let answer = inner
                    .call(Request::from_parts(parts, body.hand_over()))
                    .await?;

                // 9. on the way back
                return match plan.apply(&self, current, visit, answer) {
                    Planned::Ready(answer) => Ok(answer),
                    Planned::Pending(answer) => Ok(answer.await),
                };
            };
            let answer = if self.tool_results.are_read_by(&parts) {
                self.refuse_call(refusal, &mut visit, &parts, &mut body)
                    .await
            } else {
                self.refuse(refusal, visit, &parts)
            };
            body.discard(&parts);
            Ok(answer.map(ResponseBody::ours))
        }
    }

    /// Takes steps 4 to 7.
    pub(crate) async fn authorize<B>(
        &self,
        visit: &mut Visit,
        parts: &Parts,
        body: &mut IncomingBody<B>,
    ) -> Result<Permitted, Refusal>
    where
        B: Body<Data = Bytes> + Send + 'static,
    {
        let now = self.events.now();
        visit.began = Some(now);

        // 4. verify whose token it is; this is cached
        if let Some(credentials) = &visit.credentials {
            visit.caller = Some(self.verifier.verify(credentials.token(), now).await?);
        }
        if let (Some(principal), Some(credentials)) = (visit.principal(), &visit.credentials) {
            //    check that the caller holds the key of the token; this is not cached
            let next_nonce =
                self.holders
                    .prove(principal, credentials, self.as_proved(parts), now)?;

            // 5. base rule, before a byte of the body is read
            let admitted = self.admit(principal, now)?;
            (visit.next_nonce, visit.admitted) = (next_nonce, Some(admitted));
        }
        let permitted = self.authorize_call(visit, parts, body).await?;
        self.check_closing(&permitted, parts)?;
        Ok(permitted)
    }

    /// Refuses a new stream while streams are being closed.
    pub(crate) fn check_closing(
        &self,
        permitted: &Permitted,
        parts: &Parts,
    ) -> Result<(), Refusal> {
        if permitted.expected.listens {
            self.closing.check(parts)?;
        }
        Ok(())
    }

    /// Takes step 5: the rules about clients and claims, and the scopes and the login that every request needs.
    pub(crate) fn admit(&self, principal: &Principal, now: Timestamp) -> Result<Admitted, Refusal> {
        self.callers.check(principal)?;
        self.policy.admit(principal.grant(now))
    }

    /// Takes steps 6 and 7.
    pub(crate) async fn authorize_call<B>(
        &self,
        visit: &mut Visit,
        parts: &Parts,
        body: &mut IncomingBody<B>,
    ) -> Result<Permitted, Refusal>
    where
        B: Body<Data = Bytes> + Send + 'static,
    {
        if !self.depends_on_calls() {
            return self.authorize_unread(visit, parts);
        }
        if !call::expects_call(&parts.method)? {
            // A GET or the like asks for no operation that could be open without a token.
            let permit = self.policy.permit_bodiless(visit.grant());
            let permit = permit.ok_or(NotOpen::NoCall)?;
            body.expect_none(&self.bodies, &parts.method).await?;
            let head = Head::read(&parts.headers);
            head.refuse_upgrade()?;
            let session = self.sessions.open(&head, visit.principal())?;
            return Ok(Permitted {
                permit,
                session,
                expected: ExpectedResponse::bodiless(parts),
                edits: head.edits(),
                before_step_up: None,
            });
        }

        // 6. read the call
        let bytes = body.read(&self.bodies, visit.caller.is_some()).await?;
        let head = Head::read(&parts.headers);
        let calls = Calls::read(&head, bytes)?;
        let session = self.sessions.open(&head, visit.principal());
        let session = session.map_err(|refusal| refusal.answering(calls.request_id()));
        let edits = head.edits();

        // 7. call rule, and the operator's own decision on what the rules allow
        let (mut permit, session) = self.apply_call_rule(visit, &calls, session)?;
        let mut expected = calls.expected_response(self.policy.filters_lists());
        expected.shows_tools = self.first_list.is_awaited() && calls.list_tools(bytes);
        expected.is_described = self.describes_security && calls.list_any_tools();
        let before_step_up = self.before_step_up(parts, Some(&calls));
        if let Some(own) = &self.decision {
            permit = Box::pin(self.ask_custom_decision(own, permit, visit, calls, bytes)).await?;
        }
        Ok(Permitted {
            permit,
            session: session?,
            expected,
            edits,
            before_step_up,
        })
    }

    /// Takes steps 6 and 7 if no rule depends on the body, which then stays unread.
    fn authorize_unread(&self, visit: &Visit, parts: &Parts) -> Result<Permitted, Refusal> {
        let head = Head::read(&parts.headers);
        let session = self.sessions.open(&head, visit.principal())?;
        let permit = self.policy.permit_unread(visit.grant());
        Ok(Permitted {
            permit: permit.ok_or(NotOpen::NoCall)?,
            session,
            expected: ExpectedResponse::unread(parts),
            edits: head.edits_of_unread(),
            before_step_up: self.before_step_up(parts, None),
        })
    }

    /// Applies the call rule. With a token, an unknown session is refused before the rule is applied; without one,
    /// after it, so that a call that is not open gets 401 whatever its session is.
    fn apply_call_rule(
        &self,
        visit: &mut Visit,
        calls: &Calls<'_>,
        session: Result<OpenedSession, Refusal>,
    ) -> Result<(Permit, Result<OpenedSession, Refusal>), Refusal> {
        let judged = match session {
            Err(refusal) if visit.caller.is_some() => Err(refusal),
            session => {
                let permit = self.policy.authorize(visit.grant(), calls);
                permit.map(|permit| (permit, session))
            }
        };
        // Only the log needs the names. For an allowed request they are collected only if DEBUG events are written.
        let is_allowed = matches!(judged, Ok((_, Ok(_))))
            && self.decision.is_none()
            && !self.steps_up_in_handlers;
        if self.events.shows_what_is_asked(is_allowed) {
            visit.note(calls);
        }
        judged
    }

    async fn ask_custom_decision(
        &self,
        own: &OwnDecision,
        permit: Permit,
        visit: &Visit,
        calls: Calls<'_>,
        bytes: &[u8],
    ) -> Result<Permit, Refusal> {
        let arguments =
            call::arguments(bytes).map_err(|refusal| refusal.answering(calls.request_id()))?;
        let needed = own.ask(visit.principal(), &calls, &arguments).await?;
        self.policy.confirm(permit, visit.grant(), &calls, needed)
    }

    /// Takes step 8. Removes each header whose name a server could take for that of a checked header. If bodies are
    /// read, it also removes `Upgrade`. Replaces the sealed session id by the inner service's id, and puts the
    /// principal into the extensions.
    fn hand_over(
        &self,
        current: &Arc<Current<Self>>,
        parts: &mut Parts,
        Permitted {
            permit: Permit { .. },
            session,
            expected,
            edits,
            before_step_up,
        }: Permitted,
        visit: &mut Visit,
    ) -> ResponsePlan {
        edits.apply(&mut parts.headers);
        self.holders.remove_from(&mut parts.headers);
        session.write(&mut parts.headers);
        match visit.principal() {
            Some(principal) => drop(parts.extensions.insert(principal.clone())),
            None => drop(parts.extensions.remove::<Principal>()),
        }
        let step_up = before_step_up
            .filter(|_| !expected.listens)
            .map(|asking| AwaitedStepUp::begin(*asking, parts, visit));
        ResponsePlan::new(self, current, parts, expected, visit).awaiting(step_up)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::Pin;

    use http_body_util::Full;
    use tower::service_fn;

    use super::*;
    use crate::gate::Toolgate;
    use crate::policy::ScopeMap;

    /// glibc serves up to 1,032 bytes from a cache of each thread; beyond that, every request would be slower.
    const MAX_FUTURE_BYTES: usize = 1024;

    #[test]
    fn the_future_of_a_request_is_small_enough_for_the_quick_bins_of_the_allocator() {
        type Inner =
            Pin<Box<dyn Future<Output = Result<Response<Full<Bytes>>, Infallible>> + Send>>;
        let gate = Toolgate::builder("https://mcp.example.com/mcp")
            .issuer("https://auth.example.com")
            .scopes(ScopeMap::allow_unlisted().tool("t", "s"));
        let current = gate.build().unwrap().0.main.pipeline.clone();
        let inner = service_fn(|_: Request<RequestBody<Full<Bytes>>>| -> Inner {
            Box::pin(std::future::pending())
        });
        let (parts, body) = Request::new(Full::<Bytes>::default()).into_parts();
        let future = current
            .get()
            .serve(current.clone(), inner, parts, body, Visit::default());
        let size = size_of_val(&future);
        assert!(size <= MAX_FUTURE_BYTES, "it has {size} bytes");
    }
}
