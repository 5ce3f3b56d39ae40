//! Events other than decisions: about a gate, its streams, and responses that are not passed on.

use std::fmt::Display;
use std::time::Duration;

use crate::revocation::Revocation;

/// A gate was built, at start-up or at a reload. The event shows which requests it admits, for the operator to check.
pub(crate) struct GateBuilt<'e> {
    pub(crate) resource: &'e str,
    pub(crate) metadata_url: &'e str,
    pub(crate) issuers: &'e [&'e str],
    pub(crate) audiences: &'e [&'e str],
    pub(crate) introspected: &'e [String],
    pub(crate) own_verifiers: &'e [String],
    pub(crate) api_keys: Option<String>,
    pub(crate) initial_scopes: &'e dyn Display,
    pub(crate) origins: &'e dyn Display,
    pub(crate) callers: &'e dyn Display,
    pub(crate) holder: &'e dyn Display,
    pub(crate) sessions: &'e dyn Display,
    pub(crate) streams: &'e dyn Display,
    pub(crate) policy: &'e dyn Display,
}

impl GateBuilt<'_> {
    pub(crate) fn write(&self) {
        tracing::info!(
            target: "toolgate",
            resource = self.resource,
            metadata_url = self.metadata_url,
            issuers = ?self.issuers,
            audiences = ?self.audiences,
            introspected = ?self.introspected,
            own_verifiers = ?self.own_verifiers,
            api_keys = self.api_keys,
            initial_scopes = %self.initial_scopes,
            origins = %self.origins,
            callers = %self.callers,
            holder = %self.holder,
            sessions = %self.sessions,
            streams = %self.streams,
            policy = %self.policy,
            "the gate is built",
        );
    }
}

/// Gates were put side by side.
pub(crate) struct GatesBuilt<'e> {
    pub(crate) resources: &'e [&'e str],
    /// The URLs of tenants, if there are any.
    pub(crate) tenants: Option<&'e str>,
    /// The treatment of requests for no gate.
    pub(crate) elsewhere: &'static str,
}

impl GatesBuilt<'_> {
    pub(crate) fn write(&self) {
        tracing::info!(
            target: "toolgate",
            resources = ?self.resources,
            tenants = self.tenants,
            elsewhere = self.elsewhere,
            "the gates stand side by side",
        );
    }
}

/// A configuration weakens the protection by a gate.
pub(crate) enum Weakened<'e> {
    OpenWithoutToken {
        resource: &'e str,
        open: &'e dyn Display,
    },
    SessionsNotBound,
    EveryOriginAllowed {
        resource: &'e str,
    },
    TokensWithoutAudience {
        issuer: &'e str,
        clients: &'e [String],
    },
    AudienceShared {
        issuer: &'e str,
        audience: &'e str,
        resources: &'e [&'e str; 2],
    },
}

impl Weakened<'_> {
    pub(crate) fn write(&self) {
        match self {
            Self::OpenWithoutToken { resource, open } => tracing::warn!(
                target: "toolgate",
                resource,
                %open,
                "open without a token: anyone who reaches this server may call these",
            ),
            Self::SessionsNotBound => tracing::warn!(
                target: "toolgate",
                "session ids are not bound to callers: anyone who learns one can use it with a token of their own",
            ),
            Self::EveryOriginAllowed { resource } => tracing::warn!(
                target: "toolgate",
                resource,
                "every web page may send requests: only the token protects this server from pages that its users visit",
            ),
            Self::TokensWithoutAudience { issuer, clients } => tracing::warn!(
                target: "toolgate",
                issuer,
                ?clients,
                "tokens of these clients may come without an audience: a weaker binding, since a token \
                 they got for another server opens this one too",
            ),
            Self::AudienceShared {
                issuer,
                audience,
                resources,
            } => tracing::warn!(
                target: "toolgate",
                issuer,
                audience,
                ?resources,
                "tokens with this audience are good at both resources: the operator of one can use the \
                 tokens that it gets at the other",
            ),
        }
    }
}

/// The first list of tools of a configuration does not fit its rules. Names were [joined](super::listed) before.
pub(crate) struct ToolsReviewed<'e> {
    pub(crate) resource: &'e str,
    /// The treatment of tools without a rule.
    pub(crate) unlisted: &'static str,
    pub(crate) unused_rules: Option<String>,
    pub(crate) tools_without_rule: Option<String>,
}

impl ToolsReviewed<'_> {
    pub(crate) fn write(&self) {
        tracing::warn!(
            target: "toolgate",
            resource = self.resource,
            unlisted = self.unlisted,
            unused_rules = self.unused_rules,
            tools_without_rule = self.tools_without_rule,
            "the rules for tools and the tools of the server do not fit each other",
        );
    }
}

/// Records that the first list of tools is too long to be compared with the rules.
pub(crate) fn tools_not_reviewed() {
    tracing::debug!(
        target: "toolgate",
        "the rules for tools are not compared with the tools of the server: their list is too long",
    );
}

/// A caller whose login was refused came back with a new token and the same login. Text that a caller or an issuer chose was
/// [cleaned](super::clean) before.
pub(crate) struct LoginUnchanged<'e> {
    pub(crate) issuer: &'e str,
    pub(crate) subject: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) token_id: String,
    pub(crate) expected: &'e dyn Display,
    pub(crate) got: Option<String>,
}

impl LoginUnchanged<'_> {
    pub(crate) fn write(&self) {
        tracing::warn!(
            target: "toolgate",
            issuer = self.issuer,
            subject = self.subject,
            client_id = self.client_id,
            token_id = self.token_id,
            expected = self.expected.to_string(),
            got = self.got,
            "a new token has the login that was refused: the issuer ignores acr_values and max_age, or the client does",
        );
    }
}

/// Tokens were revoked by [`Toolgate::revoke`](crate::Toolgate::revoke).
pub(crate) struct TokensRevoked<'e> {
    pub(crate) revocation: &'e Revocation,
    pub(crate) longest_life: Duration,
}

impl TokensRevoked<'_> {
    pub(crate) fn write(&self) {
        let Self {
            revocation,
            longest_life,
        } = self;
        tracing::info!(target: "toolgate", ?revocation, ?longest_life, "revoked");
    }
}

/// Records that all streams were closed by [`Toolgate::close_streams`](crate::Toolgate::close_streams).
pub(crate) fn streams_closed() {
    tracing::info!(target: "toolgate", "streams are closed");
}

/// A stream ended because a new request with its token would be refused. Text that a caller chose was
/// [cleaned](super::clean) before.
pub(crate) struct StreamEnded<'e> {
    pub(crate) reason: &'static str,
    pub(crate) issuer: &'e str,
    pub(crate) token_id: String,
    pub(crate) expected: Option<String>,
    pub(crate) got: Option<String>,
}

impl StreamEnded<'_> {
    pub(crate) fn write(&self) {
        tracing::info!(
            target: "toolgate",
            reason = self.reason,
            issuer = self.issuer,
            token_id = self.token_id,
            expected = self.expected,
            got = self.got,
            "a stream ends: a new request with its token would be refused",
        );
    }
}

/// A response of the inner service was not passed on.
pub(crate) struct ResponseWithheld {
    pub(crate) reason: &'static str,
    /// The method that requests the list in the response; `None` if it is not known.
    pub(crate) method: Option<&'static str>,
    pub(crate) why: &'static str,
}

impl ResponseWithheld {
    pub(crate) fn write(&self) {
        tracing::error!(
            target: "toolgate",
            decision = "withhold",
            reason = self.reason,
            method = self.method,
            "{}",
            self.why,
        );
    }
}
