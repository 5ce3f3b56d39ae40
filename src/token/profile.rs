//! A trusted authorization server, with its peculiarities as data.

use std::sync::Arc;
use std::time::Duration;

use crate::issuer::KeySource;
use crate::jose::Algorithms;
use crate::resource_uri::ResourceUri;
use crate::seal::Seal;

/// One trusted issuer: the rules for its tokens, and the source of its keys.
pub(crate) struct TrustedIssuer {
    /// The identifier of the issuer, which `iss` must equal code point by code point.
    pub(crate) name: Arc<str>,
    /// The names of this resource. Each of them is an audience of its tokens.
    pub(crate) names: Arc<[Arc<ResourceUri>]>,
    pub(crate) rules: TokenRules,
    pub(crate) keys: Arc<KeySource>,
    /// The seal for its principals.
    pub(crate) seal: Arc<Seal>,
}

/// The rules for the tokens of one issuer.
pub(crate) struct TokenRules {
    pub(crate) algorithms: Algorithms,
    /// Audiences that are accepted besides the resource, exactly as written.
    pub(crate) audiences: Vec<String>,
    pub(crate) profile: Profile,
    pub(crate) scope_claims: Vec<String>,
    pub(crate) leeway: Duration,
    /// The prefix that clients must add to a scope when they request it.
    pub(crate) request_prefix: Arc<str>,
    /// Clients whose tokens need no audience. That is weaker, so the operator has to name them.
    pub(crate) unbound_clients: Vec<String>,
    /// Whether gates beside this one may accept the same audience.
    pub(crate) shared_audience: bool,
    /// Whether a token may name no other audience besides.
    pub(crate) only_this_resource: bool,
    /// The suffix that follows the client id in the subject of a machine's token; empty if there is none.
    pub(crate) machine_suffix: &'static str,
}

impl TrustedIssuer {
    /// Whether a token represents the client itself: its subject is the client, or it has no subject.
    pub(crate) fn is_machine(&self, subject: Option<&str>, client_id: Option<&str>) -> bool {
        let is_client =
            |subject: &str, client| subject.strip_suffix(self.rules.machine_suffix) == Some(client);
        client_id.is_some_and(|client| {
            subject.is_none_or(|subject| subject == client || is_client(subject, client))
        })
    }

    pub(crate) fn accepts_audience(&self, audience: &str) -> bool {
        self.names.iter().any(|name| name.is_named_by(audience))
            || self.rules.audiences.iter().any(|listed| listed == audience)
    }

    /// Every audience that is accepted.
    pub(crate) fn accepted_audiences(&self) -> impl Iterator<Item = &str> {
        let names = self.names.iter().map(|name| name.as_str());
        names.chain(self.rules.audiences.iter().map(String::as_str))
    }
}

/// How strictly tokens must follow RFC 9068.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// `typ` may be `JWT` or absent, as it is with many servers; ID tokens are recognised by their claims.
    Compatible,
    /// `typ` must be `at+jwt`; nothing else is required.
    Typed,
    /// `typ` must be `at+jwt`, and `sub`, `client_id`, `iat` and `jti` must be present.
    Rfc9068,
}
