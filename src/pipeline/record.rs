//! Makes the event of a decision out of a visit.

use std::error::Error;
use std::time::Duration;

use super::rooms::Pipeline;
use super::visit::Visit;
use crate::events::{Decided, clean};
use crate::refusal::{Fact, Refusal, RefusalKind};
use crate::token::Principal;

impl Pipeline {
    pub(super) fn record_allowed(&self, visit: &Visit) {
        if let Some(loudness) = self.events.of_allowed() {
            self.decided(visit).write(loudness);
        }
    }

    /// `hidden` is what was wrong where the caller is told nothing but to get a token.
    pub(super) fn record_refused(
        &self,
        visit: &Visit,
        refusal: &Refusal,
        hidden: Option<&Refusal>,
    ) {
        // An issuer is named only where a signature held.
        let is_strangers = visit.caller.is_none() && refusal.log_fact(Fact::Issuer).is_none();
        let Some(loudness) =
            self.events
                .of_refused(refusal.reason().severity(), refusal.code(), is_strangers)
        else {
            return;
        };
        let fact = |fact| refusal.log_fact(fact).map(clean);
        let is_insufficient = refusal.kind() == RefusalKind::InsufficientScope;
        let required = refusal.required().filter(|_| is_insufficient);
        let source = hidden
            .map(ToString::to_string)
            .or_else(|| refusal.source().map(ToString::to_string));
        let decided = self.decided(visit);
        let decided = Decided {
            reason: Some(refusal.code()),
            issuer: fact(Fact::Issuer).or(decided.issuer),
            subject: fact(Fact::Subject).or(decided.subject),
            client_id: fact(Fact::ClientId).or(decided.client_id),
            token_id: fact(Fact::TokenId).or(decided.token_id),
            required: required.map(|scopes| clean(&scopes.to_string())),
            expected: fact(Fact::Expected),
            got: fact(Fact::Got),
            source: source.as_deref().map(clean),
            ..decided
        };
        decided.write(loudness);
    }

    fn decided(&self, visit: &Visit) -> Decided<'_> {
        let principal = visit.principal();
        Decided {
            issuer: principal.map(|principal| clean(principal.issuer())),
            subject: principal.and_then(Principal::subject).map(clean),
            client_id: principal.and_then(Principal::client_id).map(clean),
            token_id: principal.map(|principal| clean(&principal.logged_token_id())),
            resource: self.resource.as_str(),
            methods: visit
                .asked
                .as_ref()
                .and_then(|asked| asked.methods.cleaned()),
            targets: visit
                .asked
                .as_ref()
                .and_then(|asked| asked.targets.cleaned()),
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
