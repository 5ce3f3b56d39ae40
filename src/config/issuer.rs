//! An authorization server to trust, as an operator writes it.

use std::fmt;
use std::path::PathBuf;

use serde::de::{Deserialize, Deserializer, Visitor};

use super::Introspection;
use super::callers::{ClaimsTable, ClientsTable, RequiredClaim, required_claims};

/// An authorization server to trust, and how its tokens differ from the ordinary.
///
/// ```
/// # use toolgate::Issuer;
/// let issuer = Issuer::new("https://login.microsoftonline.com/8a5e…/v2.0")
///     .preset("entra")
///     .audience("3f1c…")
///     .scope_request_prefix("api://3f1c…/");
/// ```
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    pub(super) issuer: String,
    pub(super) preset: Option<String>,
    pub(super) jwks_uri: Option<String>,
    pub(super) jwks_file: Option<PathBuf>,
    #[serde(skip)]
    pub(super) jwks: Option<GivenKeys>,
    pub(super) algorithms: Option<Vec<String>>,
    #[serde(default)]
    pub(super) audiences: Vec<String>,
    pub(super) profile: Option<ProfileName>,
    pub(super) scope_claims: Option<Vec<String>>,
    pub(super) leeway_seconds: Option<u64>,
    #[serde(default)]
    pub(super) scope_request_prefix: String,
    #[serde(default)]
    pub(super) advertise: Advertise,
    pub(super) unbound: Option<Unbound>,
    pub(super) introspection: Option<Introspection>,
    #[serde(default)]
    pub(super) clients: ClientsTable,
    #[serde(default, deserialize_with = "required_claims")]
    pub(super) claims: ClaimsTable,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ProfileName {
    Compatible,
    Rfc9068,
}

/// `[issuers.unbound]`: weaker than an audience, so it has a table of its own to be seen in review.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Unbound {
    pub(super) only_clients: Vec<String>,
}

/// A key set given as text, which may hold private members by mistake: it shows nothing of itself.
#[derive(Clone)]
pub(super) struct GivenKeys(pub(super) String);

impl fmt::Debug for GivenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(given)")
    }
}

/// How the metadata document names the issuer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Advertise {
    #[default]
    AsItIs,
    Not,
    As(String),
}

impl Issuer {
    /// Trusts the tokens of this issuer: the text of their `iss`, to the letter, trailing slash and all.
    pub fn new(issuer: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            preset: None,
            jwks_uri: None,
            jwks_file: None,
            jwks: None,
            algorithms: None,
            audiences: Vec::new(),
            profile: None,
            scope_claims: None,
            leeway_seconds: None,
            scope_request_prefix: String::new(),
            advertise: Advertise::default(),
            unbound: None,
            introspection: None,
            clients: ClientsTable::default(),
            claims: ClaimsTable::default(),
        }
    }

    /// Takes over what is known about a provider: `auth0`, `clerk`, `cognito`, `descope`, `entra`, `fusionauth`,
    /// `hydra`, `keycloak`, `okta`, `scalekit`, `stytch` or `workos`. What is set besides wins; what to set is in
    /// [`docs::connecting`](crate::docs::connecting).
    pub fn preset(mut self, name: impl Into<String>) -> Self {
        self.preset = Some(name.into());
        self
    }

    /// Fetches the keys here instead of where the issuer's metadata says.
    pub fn jwks_uri(mut self, uri: impl Into<String>) -> Self {
        self.jwks_uri = Some(uri.into());
        self
    }

    /// Takes the keys from a file, read by `build()`, and fetches none.
    pub fn jwks_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.jwks_file = Some(path.into());
        self
    }

    /// Takes the keys from this JWK set and fetches none.
    pub fn jwks(mut self, json: impl Into<String>) -> Self {
        self.jwks = Some(GivenKeys(json.into()));
        self
    }

    /// Accepts signatures by these algorithms only. All asymmetric ones are accepted by default;
    /// HMAC and `none` cannot be.
    pub fn algorithms<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.algorithms = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Accepts this audience besides the resource itself, to the letter. May be said several times.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Accepts only tokens that keep to RFC 9068: `typ` says `at+jwt`, and `sub`, `client_id`, `iat`
    /// and `jti` are there.
    pub fn strict_rfc9068(mut self) -> Self {
        self.profile = Some(ProfileName::Rfc9068);
        self
    }

    /// Reads scopes from the first of these claims that is present, instead of `scope`, `scp`, `scopes`.
    pub fn scope_claims<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.scope_claims = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Forgives this much difference between the issuer's clock and ours, instead of 60 seconds.
    pub fn leeway_seconds(mut self, seconds: u64) -> Self {
        self.leeway_seconds = Some(seconds);
        self
    }

    /// Puts this before scopes in challenges and metadata, where clients must ask for `api://x/read`
    /// to get a token that says `read`.
    pub fn scope_request_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.scope_request_prefix = prefix.into();
        self
    }

    /// Leaves the issuer out of the metadata document. Its tokens are accepted all the same.
    pub fn not_advertised(mut self) -> Self {
        self.advertise = Advertise::Not;
        self
    }

    /// Names the issuer by another URL in the metadata document.
    pub fn advertised_as(mut self, url: impl Into<String>) -> Self {
        self.advertise = Advertise::As(url.into());
        self
    }

    /// Accepts tokens **without any audience** if they were issued to this client. Weaker: such a token
    /// opens every server that takes it. A token with a foreign audience is refused all the same.
    pub fn unbound_tokens_of_client(mut self, client_id: impl Into<String>) -> Self {
        self.unbound
            .get_or_insert_default()
            .only_clients
            .push(client_id.into());
        self
    }

    /// Lets only this client in, and whichever others are named so. May be said several times.
    pub fn only_client(mut self, client_id: impl Into<String>) -> Self {
        self.clients.allowed.push(client_id.into());
        self
    }

    /// Lets only clients in whose id is the URL of a metadata document on this host, and whichever others are
    /// named so.
    pub fn only_clients_of_host(mut self, host: impl Into<String>) -> Self {
        self.clients.allowed_hosts.push(host.into());
        self
    }

    /// Keeps this client out, however its id is spelled: in any case and, if it is a URL, in any of the forms that
    /// name the same document. That wins over what lets it in.
    pub fn deny_client(mut self, client_id: impl Into<String>) -> Self {
        self.clients.denied.push(client_id.into());
        self
    }

    /// Keeps clients out whose id is the URL of a metadata document on this host, on every port and however the URL
    /// is spelled; and those whose id looks like a URL of which the host cannot be told with certainty.
    pub fn deny_clients_of_host(mut self, host: impl Into<String>) -> Self {
        self.clients.denied_hosts.push(host.into());
        self
    }

    /// Lets only callers in whose claim is one of these values: a tenant, an organisation. A claim that begins
    /// with a slash is a JSON pointer: `/realm_access/realm`.
    pub fn require_claim<V: serde::Serialize>(
        self,
        claim: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        self.requiring(claim.into(), false, values)
    }

    /// Lets only callers in whose claim is a list with one of these values in it: roles, groups.
    pub fn require_claim_containing<V: serde::Serialize>(
        self,
        claim: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        self.requiring(claim.into(), true, values)
    }

    fn requiring<V: serde::Serialize>(
        mut self,
        claim: String,
        in_list: bool,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        // What is no JSON becomes null, which `build()` refuses.
        let values = values
            .into_iter()
            .map(|value| serde_json::to_value(value).unwrap_or_default())
            .collect();
        self.claims
            .entry(claim)
            .or_default()
            .push(RequiredClaim { in_list, values });
        self
    }

    /// Asks the authorization server about tokens that only it can read, or about every one of its tokens.
    pub fn introspection(mut self, introspection: Introspection) -> Self {
        self.introspection = Some(introspection);
        self
    }
}

impl From<&str> for Issuer {
    fn from(issuer: &str) -> Self {
        Self::new(issuer)
    }
}

impl From<String> for Issuer {
    fn from(issuer: String) -> Self {
        Self::new(issuer)
    }
}

/// `false`, or another URL.
impl<'de> Deserialize<'de> for Advertise {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AdvertiseVisitor;

        impl Visitor<'_> for AdvertiseVisitor {
            type Value = Advertise;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("false or a URL")
            }

            fn visit_bool<E>(self, advertised: bool) -> Result<Advertise, E> {
                Ok(if advertised {
                    Advertise::AsItIs
                } else {
                    Advertise::Not
                })
            }

            fn visit_str<E>(self, url: &str) -> Result<Advertise, E> {
                Ok(Advertise::As(url.to_owned()))
            }
        }

        deserializer.deserialize_any(AdvertiseVisitor)
    }
}
