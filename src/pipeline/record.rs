//! Makes the event of a decision from a visit.

use std::error::Error;
use std::time::Duration;

use http::request::Parts;

use super::rooms::Pipeline;
use super::visit::Visit;
use crate::events::{Decided, LoginUnchanged, clean, clean_causes, texts_of_causes};
use crate::log_facts::Fact;
use crate::refusal::{Reason, Refusal, RefusalKind};
use crate::token::Principal;

/// Why a request without a token was refused before anything else was checked.
const NOTHING_OPEN: &str = "nothing is open without a token";

impl Pipeline {
    pub(super) fn record_allowed(&self, visit: &Visit, parts: &Parts) {
        self.events.allowed(|| self.decided(visit, parts));
    }

    /// Logs a refusal. `hidden` is the actual reason if the caller was only told to get a token.
    pub(super) fn record_refused(
        &self,
        visit: &Visit,
        parts: &Parts,
        refusal: &Refusal,
        hidden: Option<&Refusal>,
    ) {
        // Strangers can cause all refusals except those of a token that its issuer signed or called active.
        let is_strangers = visit.caller.is_none() && !refusal.names_issuer();
        self.events.refused(refusal.reason(), is_strangers, || {
            self.denied(visit, parts, refusal, hidden)
        });
        if let (Some(principal), Some(required)) = (visit.principal(), refusal.required_login())
            && self.refused_logins.note(principal, self.events.now())
        {
            LoginUnchanged {
                issuer: principal.issuer(),
                subject: principal.subject().map(clean),
                client_id: principal.client_id().map(clean),
                token_id: clean(&principal.logged_token_id()),
                expected: required,
                got: refusal.log_fact(Fact::Got).map(clean),
            }
            .write();
        }
    }

    fn denied(
        &self,
        visit: &Visit,
        parts: &Parts,
        refusal: &Refusal,
        hidden: Option<&Refusal>,
    ) -> Decided<'_> {
        let fact = |fact| {
            let hidden = || hidden?.log_fact(fact);
            refusal.log_fact(fact).or_else(hidden).map(clean)
        };
        let required = refusal.required().filter(|scopes| {
            refusal.kind() == RefusalKind::InsufficientScope || !scopes.is_empty()
        });
        let decided = self.decided(visit, parts);
        Decided {
            reason: Some(refusal.code()),
            issuer: fact(Fact::Issuer).or(decided.issuer),
            subject: fact(Fact::Subject).or(decided.subject),
            client_id: fact(Fact::ClientId).or(decided.client_id),
            token_id: fact(Fact::TokenId).or(decided.token_id),
            required: required.map(|scopes| clean(&scopes.to_string())),
            expected: fact(Fact::Expected),
            got: fact(Fact::Got).or_else(|| {
                self.got_instead(visit, parts, refusal)
                    .map(|got| clean(&got))
            }),
            source: Some(causes_of(refusal, hidden))
                .filter(|causes| !causes.is_empty())
                .map(|causes| clean_causes(&causes)),
            ..decided
        }
    }

    /// Finds out what the request had instead. It is for refusals on whose way nothing is noted, so that they cost little.
    fn got_instead(&self, visit: &Visit, parts: &Parts, refusal: &Refusal) -> Option<String> {
        match refusal.reason() {
            Reason::NoToken => token_in_query(parts).map(str::to_owned),
            Reason::InsufficientScope => self.verifier.claims_without_scopes(visit.principal()?),
            _ => None,
        }
    }

    fn decided(&self, visit: &Visit, parts: &Parts) -> Decided<'_> {
        let (principal, asked) = (visit.principal(), visit.asked.as_ref());
        // The query is left out, since clients put secrets into it. A CONNECT has no path.
        let path = Some(parts.uri.path()).filter(|path| !path.is_empty());
        Decided {
            issuer: principal.map(|principal| clean(principal.issuer())),
            subject: principal.and_then(Principal::subject).map(clean),
            client_id: principal.and_then(Principal::client_id).map(clean),
            token_id: principal.map(|principal| clean(&principal.logged_token_id())),
            resource: self.resource.as_str(),
            path: path.map(clean),
            methods: asked.and_then(|asked| asked.methods.cleaned()),
            targets: asked.and_then(|asked| asked.targets.cleaned()),
            target_kinds: asked.and_then(|asked| asked.target_kinds()),
            granted: principal.map(|principal| clean(&principal.scopes().to_string())),
            cache: visit
                .caller
                .as_ref()
                .map(|caller| if caller.from_cache { "hit" } else { "miss" }),
            elapsed: visit
                .began
                .map_or(Duration::ZERO, |began| self.events.now().since(began)),
            ..Decided::default()
        }
    }
}

/// Says that a token came in the query of the URL, where the gate does not read one. The token is not shown.
pub(crate) fn token_in_query(parts: &Parts) -> Option<&'static str> {
    let mut members = parts.uri.query()?.split('&');
    let is_there = members.any(|member| member.split('=').next() == Some("access_token"));
    is_there.then_some("access_token in the query of the URL, where no token is read")
}

/// The texts of what is behind a refusal, the outermost first: an error and its causes, or the reason why a request
/// without a token was not open.
pub(crate) fn causes_of(refusal: &Refusal, hidden: Option<&Refusal>) -> Vec<String> {
    if let Some(hidden) = hidden {
        return texts_of_causes(hidden);
    }
    let is_bare = refusal.reason() == Reason::NoToken && refusal.log_fact(Fact::Got).is_none();
    match refusal.source() {
        Some(source) => texts_of_causes(source),
        // These refusals must cost as little as possible, so nothing was noted on the way.
        None if is_bare => vec![NOTHING_OPEN.to_owned()],
        None => Vec::new(),
    }
}
