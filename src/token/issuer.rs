//! An authorization server we believe, with its quirks as data.

use std::sync::Arc;
use std::time::Duration;

use super::jwt::{Algorithms, KeySource};
use crate::resource_uri::ResourceUri;

/// One trusted issuer: what its tokens must look like, and where its keys are.
pub(crate) struct TrustedIssuer {
    /// Compared with `iss` code point by code point.
    pub(crate) name: Arc<str>,
    pub(crate) resource: Arc<ResourceUri>,
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
    pub(crate) keys: Arc<KeySource>,
}

impl TrustedIssuer {
    pub(crate) fn accepts_audience(&self, audience: &str) -> bool {
        self.resource.is_named_by(audience) || self.audiences.iter().any(|listed| listed == audience)
    }
}

/// How much of RFC 9068 a token must keep to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// `typ` may be `JWT` or absent, as many servers have it; ID tokens are recognised by their claims.
    Compatible,
    /// `typ` says `at+jwt`, and `sub`, `client_id`, `iat` and `jti` are there.
    Rfc9068,
}
