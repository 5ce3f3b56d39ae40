//! Asks the rooms for the facts of each check, and finds the check at which a request ended.

use bytes::Bytes;
use http::request::Parts;

use super::explanation::Caller;
use super::order::{BodyUse, in_order};
use crate::call::{self, Calls, Head};
use crate::pipeline::{Pipeline, Visit, token_in_query};
use crate::policy::ExplainedCalls;
use crate::refusal::{CheckFacts, Reason, Refusal, Step};
use crate::token::{Credentials, ExplainedToken, Principal};

/// An explained request, and everything that is known about it.
pub(super) struct ExplainedRequest<'a> {
    gate: &'a Pipeline,
    /// The request as it was sent; `None` if only a message was given, for which the headers were made.
    whole: Option<&'a Parts>,
    body: BodyUse,
    /// The credentials, without the token.
    presented: String,
    /// The token; `None` if the caller is verified already, or has none.
    token: Option<ExplainedToken<'a>>,
    is_anonymous: bool,
    principal: Option<&'a Principal>,
    calls: Option<Calls<'a>>,
    /// Whether steps 1 to 3 are done.
    has_begun: bool,
}

impl<'a> ExplainedRequest<'a> {
    /// `caller` is `None` for a whole request, whose headers identify the caller.
    pub(super) fn new(
        gate: &'a Pipeline,
        caller: Option<Caller<'a>>,
        parts: &'a Parts,
        body: &'a Bytes,
        visit: &'a Visit,
        presents_token: bool,
    ) -> Self {
        let given = match caller {
            Some(Caller::Principal(principal)) => Some(principal),
            Some(Caller::Token(_) | Caller::Anonymous) | None => None,
        };
        let principal = given.or(visit.principal());
        let text = visit.credentials().map(token_of).unwrap_or_default();
        let presented = match (given, visit.credentials(), caller) {
            (Some(principal), ..) => format!("a verified caller: {}", name_of(principal)),
            (None, Some(_), _) => format!("a token of {} bytes", text.len()),
            (None, None, Some(Caller::Token(token))) => format!("a token of {} bytes", token.len()),
            (None, None, _) if presents_token => "no token that can be read".to_owned(),
            (None, None, _) => token_in_query(parts).unwrap_or("none").to_owned(),
        };
        let is_read = gate.depends_on_calls();
        let (body_use, calls) = match call::expects_call(&parts.method) {
            _ if !is_read => (BodyUse::Unread, None),
            Ok(false) => (BodyUse::None, None),
            Ok(true) | Err(_) => (
                BodyUse::Call,
                Calls::read(&Head::read(&parts.headers), body).ok(),
            ),
        };
        Self {
            gate,
            whole: caller.is_none().then_some(parts),
            body: body_use,
            presented,
            token: presents_token.then(|| gate.verifier.explained(text, principal)),
            is_anonymous: given.is_none() && !presents_token,
            principal,
            calls,
            has_begun: given.is_some() || visit.has_begun(),
        }
    }

    /// Every check that may apply to the request, in the order in which they are made.
    pub(super) fn steps(&self) -> Vec<Step> {
        in_order(self.is_anonymous, self.body)
    }

    /// The facts of a check; `None` if it does not apply to the request.
    pub(super) fn facts(&self, step: Step) -> Option<CheckFacts> {
        let (gate, asked) = (self.gate, self.asked());
        let of_token = || gate.verifier.facts(step, self.token.as_ref()?);
        let of_caller = || gate.callers.facts(step, &asked);
        let of_scopes = || gate.policy.facts(step, &asked);
        let of_decision = || gate.decision.as_ref()?.facts(step);
        match step {
            // Only a whole request has these.
            Step::Metadata => Some(CheckFacts::new("", self.whole?.uri.path())),
            Step::Origin => Some(gate.origins.facts(self.whole?)),
            Step::Session => Some(gate.sessions.facts(&Head::read(&self.whole?.headers))),
            Step::Streams => None,
            Step::Credentials => Some(CheckFacts::new("one token", &*self.presented)),
            Step::Binding => {
                self.token.as_ref()?;
                Some(gate.holders.facts(self.principal))
            }
            Step::Body => Some(self.body_facts()),
            // A request without a call needs a token, and nothing more.
            Step::Rules if self.body == BodyUse::None && self.is_anonymous => of_scopes(),
            Step::Rules | Step::Decision if self.body != BodyUse::Call => None,
            _ => of_token()
                .or_else(of_caller)
                .or_else(|| self.with_claims_read(of_scopes()?))
                .or_else(of_decision),
        }
    }

    /// The facts of a check of scopes. If the token has none, they name the claims that were read.
    fn with_claims_read(&self, facts: CheckFacts) -> Option<CheckFacts> {
        let is_lacking = facts.got.is_empty() && !facts.expected.is_empty();
        let principal = self.principal.filter(|_| is_lacking);
        let got = principal.and_then(|caller| self.gate.verifier.claims_without_scopes(caller));
        Some(match got {
            Some(got) => CheckFacts::new(facts.expected, got),
            None => facts,
        })
    }

    fn body_facts(&self) -> CheckFacts {
        match self.body {
            BodyUse::Call => CheckFacts::new("one JSON-RPC message, or a batch", self.named()),
            BodyUse::None => CheckFacts::new("no body", "none"),
            BodyUse::Unread => CheckFacts::new("", "not read: no rule depends on it"),
        }
    }

    /// The check that refused the request. The table of reasons names it, unless several checks share a reason.
    pub(super) fn step_of(&self, refusal: &Refusal) -> Step {
        match refusal.reason() {
            Reason::DuplicateHeader if !self.has_begun => Step::Origin,
            // The headers of a call are read before that of its session.
            Reason::DuplicateHeader if self.body != BodyUse::Call || self.calls.is_some() => {
                Step::Session
            }
            Reason::NoToken if self.has_begun => Step::Rules,
            Reason::InsufficientScope
            | Reason::LoginTooOld
            | Reason::LoginTooWeak
            | Reason::LoginImpossible => self.gate.policy.step_of_shortfall(&self.asked()),
            reason => reason.step(),
        }
    }

    fn asked(&self) -> ExplainedCalls<'_> {
        ExplainedCalls {
            now: self.gate.events.now(),
            is_anonymous: self.is_anonymous,
            principal: self.principal,
            calls: self.calls.as_ref(),
        }
    }

    fn named(&self) -> String {
        self.calls.as_ref().map(Calls::named).unwrap_or_default()
    }
}

/// The text of the token; empty if it is not one.
fn token_of(credentials: &Credentials) -> &str {
    std::str::from_utf8(credentials.token().as_bytes()).unwrap_or_default()
}

fn name_of(principal: &Principal) -> &str {
    let name = principal.subject().or(principal.client_id());
    name.unwrap_or("without a name")
}
