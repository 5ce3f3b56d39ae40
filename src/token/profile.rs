//! An authorization server we believe, with its quirks as data.

use std::sync::Arc;
use std::time::Duration;

use crate::issuer::KeySource;
use crate::jose::Algorithms;
use crate::resource_uri::ResourceUri;
use crate::seal::Seal;

/// One trusted issuer: what its tokens must look like, and where its keys are.
pub(crate) struct TrustedIssuer {
    /// Compared with `iss` code point by code point.
    pub(crate) name: Arc<str>,
    pub(crate) resource: Arc<ResourceUri>,
    pub(crate) rules: TokenRules,
    pub(crate) keys: Arc<KeySource>,
    /// What its principals seal with.
    pub(crate) seal: Arc<Seal>,
}

/// What an issuer's tokens must look like, and how they are read.
pub(crate) struct TokenRules {
    pub(crate) algorithms: Algorithms,
    /// Accepted besides the resource, exactly as written.
    pub(crate) audiences: Vec<String>,
    pub(crate) profile: Profile,
    pub(crate) scope_claims: Vec<String>,
    pub(crate) leeway: Duration,
    /// What clients must put before a scope to ask for it.
    pub(crate) request_prefix: Arc<str>,
    /// Clients whose tokens may come without any audience: a weaker binding, named by the operator.
    pub(crate) unbound_clients: Vec<String>,
    /// What stands behind the client's id in the subject of a client on its own.
    pub(crate) machine_suffix: &'static str,
}

impl TrustedIssuer {
    /// Whether a token stands for the client itself: its subject is the client, or it has no subject at all.
    pub(crate) fn is_machine(&self, subject: Option<&str>, client_id: Option<&str>) -> bool {
        let is_client =
            |subject: &str, client| subject.strip_suffix(self.rules.machine_suffix) == Some(client);
        client_id.is_some_and(|client| {
            subject.is_none_or(|subject| subject == client || is_client(subject, client))
        })
    }

    pub(crate) fn accepts_audience(&self, audience: &str) -> bool {
        self.resource.is_named_by(audience)
            || self.rules.audiences.iter().any(|listed| listed == audience)
    }
}

/// How much of RFC 9068 a token must keep to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// `typ` may be `JWT` or absent, as many servers have it; ID tokens are recognised by their claims.
    Compatible,
    /// `typ` says `at+jwt`, and nothing more is asked.
    Typed,
    /// `typ` says `at+jwt`, and `sub`, `client_id`, `iat` and `jti` are there.
    Rfc9068,
}
