//! Makes the events of a gate that was built.

use std::sync::Arc;

use super::rooms::Pipeline;
use super::session::SessionBinding;
use crate::events::{GateBuilt, Weakened};
use crate::token::{Lookups, OwnVerification, When};

impl Pipeline {
    /// Shows which requests the gate admits, at start-up and at each reload.
    pub(crate) fn announce(&self) {
        let issuers = &self.verifier.issuers;
        let names: Vec<&str> = issuers.iter().map(|issuer| issuer.name.as_ref()).collect();
        let mut audiences: Vec<&str> = Vec::new();
        for audience in issuers
            .iter()
            .flat_map(|issuer| issuer.accepted_audiences())
        {
            if !audiences.contains(&audience) {
                audiences.push(audience);
            }
        }
        let introspected: Vec<String> = self.verifier.lookups.iter().map(introspected_at).collect();
        let own_verifiers = self.verifier.own_verifiers.iter();
        let own_verifiers: Vec<String> = own_verifiers.map(|own| verified_by(own)).collect();
        GateBuilt {
            resource: self.resource.as_str(),
            metadata_url: self.answers.resource_metadata(),
            issuers: &names,
            audiences: &audiences,
            introspected: &introspected,
            own_verifiers: &own_verifiers,
            api_keys: self.verifier.api_keys.as_ref().map(ToString::to_string),
            initial_scopes: self.answers.initial(),
            origins: &self.origins,
            callers: &self.callers,
            holder: &self.holders,
            sessions: &self.sessions,
            streams: &self.streams.streams,
            policy: &self.policy,
        }
        .write();
        self.warn();
    }

    /// Warns about settings that admit callers whom the default refuses.
    fn warn(&self) {
        if self.policy.opens_anything() {
            Weakened::OpenWithoutToken {
                resource: self.resource.as_str(),
                open: &self.policy.opened(),
            }
            .write();
        }
        if self.sessions.binding == SessionBinding::Off {
            Weakened::SessionsNotBound.write();
        }
        if self.origins.include_every_page() {
            Weakened::EveryOriginAllowed {
                resource: self.resource.as_str(),
            }
            .write();
        }
        for issuer in &self.verifier.issuers {
            if !issuer.rules.unbound_clients.is_empty() {
                Weakened::TokensWithoutAudience {
                    issuer: &issuer.name,
                    clients: &issuer.rules.unbound_clients,
                }
                .write();
            }
        }
    }
}

/// Which tokens are introspected at an issuer.
fn introspected_at(lookups: &Arc<Lookups>) -> String {
    let which = match (lookups.when(), lookups.token_prefix()) {
        (When::Always, None) => "every token".to_owned(),
        (When::Opaque, None) => "opaque tokens".to_owned(),
        (When::Always, Some(prefix)) => {
            format!("JWTs, and opaque tokens that begin with {prefix:?}")
        }
        (When::Opaque, Some(prefix)) => format!("opaque tokens that begin with {prefix:?}"),
    };
    // Every other string that a stranger makes up is a question at the issuer.
    let hint = match lookups.token_prefix() {
        None => " (any string may be one: if they have a prefix in common, set token_prefix)",
        Some(_) => "",
    };
    let signed = match lookups.authority().verifies_responses() {
        true => ", and only signed responses are accepted",
        false => "",
    };
    format!("{}: {which}{hint}{signed}", lookups.issuer().name)
}

/// The tokens for which an operator's own verifier is called.
fn verified_by(own: &Lookups<OwnVerification>) -> String {
    let which = match own.token_prefix() {
        Some(prefix) => format!("tokens that begin with {prefix:?}"),
        None => "tokens that nothing else claims".to_owned(),
    };
    format!("{}: {which}", own.issuer().name)
}
