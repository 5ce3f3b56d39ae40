//! An authorization server to trust, as an operator configures it.

use std::fmt;
use std::path::PathBuf;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

use super::Introspection;
use super::callers::{ClaimsTable, ClientsTable, RequiredClaim, required_claims};

/// An authorization server to trust, and the ways in which its tokens differ from those of a standard server.
/// [`docs::connecting`](crate::docs::connecting) has recipes.
///
/// The defaults fit an authorization server that publishes its keys in its metadata and issues JWTs with the resource
/// as their `aud`. JWTs must be signed by an asymmetric algorithm, and are checked for issuer, audience and expiry: no
/// setting switches this off. One setting weakens a check: [`unbound_tokens_of_client`](Self::unbound_tokens_of_client)
/// accepts tokens of named clients without an audience.
///
/// ```
/// # use toolgate::Issuer;
/// let issuer = Issuer::new("https://login.microsoftonline.com/8a5e…/v2.0")
///     .preset("entra")
///     .audience("3f1c…")
///     .scope_request_prefix("api://3f1c…/");
/// ```
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "the table of an issuer, [[issuers]] or [issuers.NAME]"
)]
pub struct Issuer {
    /// Its name in the file, if it has one.
    #[serde(skip)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) issuer: String,
    pub(super) preset: Option<String>,
    pub(super) jwks_uri: Option<String>,
    pub(super) jwks_file: Option<PathBuf>,
    #[serde(skip)]
    pub(super) jwks: Option<GivenKeys>,
    pub(super) algorithms: Option<Vec<String>>,
    #[serde(default)]
    pub(super) audiences: Vec<String>,
    #[serde(default)]
    pub(super) only_this_resource: bool,
    #[serde(default)]
    pub(super) shared_audience: bool,
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

/// The `[issuers.unbound]` table. It is weaker than an audience, so it has a table of its own, to be seen in review.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Unbound {
    pub(super) only_clients: Vec<String>,
}

/// A key set given as text. It may hold private keys by mistake, so its `Debug` shows nothing of it.
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
    /// Trusts the tokens with this `iss`, compared byte for byte: a trailing slash counts.
    pub fn new(issuer: impl Into<String>) -> Self {
        Self {
            name: None,
            issuer: issuer.into(),
            preset: None,
            jwks_uri: None,
            jwks_file: None,
            jwks: None,
            algorithms: None,
            audiences: Vec::new(),
            only_this_resource: false,
            shared_audience: false,
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

    /// Applies what is known about a provider: `auth0`, `clerk`, `cognito`, `descope`, `entra`, `fusionauth`, `hydra`,
    /// `keycloak`, `okta`, `scalekit`, `stytch` or `workos`. Other settings take precedence over it.
    /// [`docs::connecting`](crate::docs::connecting) says what else each provider needs.
    pub fn preset(mut self, name: impl Into<String>) -> Self {
        self.preset = Some(name.into());
        self
    }

    /// Fetches the keys from this URL instead of the one in the issuer's metadata.
    pub fn jwks_uri(mut self, uri: impl Into<String>) -> Self {
        self.jwks_uri = Some(uri.into());
        self
    }

    /// Takes the keys from a file, which `build()` and [`Toolgate::reload`](crate::Toolgate::reload) read, and fetches
    /// none.
    pub fn jwks_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.jwks_file = Some(path.into());
        self
    }

    /// Takes the keys from this JWK set and fetches none.
    pub fn jwks(mut self, json: impl Into<String>) -> Self {
        self.jwks = Some(GivenKeys(json.into()));
        self
    }

    /// Accepts signatures by these algorithms only. By default all asymmetric ones are accepted; HMAC and `none` are
    /// never accepted.
    pub fn algorithms<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.algorithms = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Accepts this audience besides the resource itself, compared byte for byte. May be called repeatedly.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Refuses tokens whose `aud` also names an audience that is not accepted here. By default such a token is accepted (RFC
    /// 9068 §4), although every server that it names can use it at this one.
    pub fn only_this_resource(mut self) -> Self {
        self.only_this_resource = true;
        self
    }

    /// Lets gates beside this one accept the same audience ([`Gates`](crate::Gates)). It is weaker, since a token for one of
    /// them is then good at the other, so both must say it.
    pub fn shared_audience(mut self) -> Self {
        self.shared_audience = true;
        self
    }

    /// Accepts only JWTs that follow RFC 9068: `typ` is `at+jwt`, and `sub`, `client_id`, `iat` and `jti` are present.
    pub fn strict_rfc9068(mut self) -> Self {
        self.profile = Some(ProfileName::Rfc9068);
        self
    }

    /// Reads scopes from the first of these claims that is present, instead of from `scope`, `scp` or `scopes`.
    pub fn scope_claims<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.scope_claims = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Allows this difference between the issuer's clock and the gate's, instead of 60 seconds. At most 600.
    pub fn leeway_seconds(mut self, seconds: u64) -> Self {
        self.leeway_seconds = Some(seconds);
        self
    }

    /// Puts this prefix before scopes in challenges and metadata. It is for issuers whose clients must request
    /// `api://x/read` to get a token with the scope `read`.
    pub fn scope_request_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.scope_request_prefix = prefix.into();
        self
    }

    /// Leaves the issuer out of the metadata document. Its tokens are still accepted.
    pub fn not_advertised(mut self) -> Self {
        self.advertise = Advertise::Not;
        self
    }

    /// Names the issuer by another URL in the metadata document.
    pub fn advertised_as(mut self, url: impl Into<String>) -> Self {
        self.advertise = Advertise::As(url.into());
        self
    }

    /// Accepts tokens **without any audience** if they were issued to this client; may be called repeatedly. This is
    /// weaker: a token that the client got for another server opens this one too. A token with a foreign audience is
    /// still rejected.
    pub fn unbound_tokens_of_client(mut self, client_id: impl Into<String>) -> Self {
        self.unbound
            .get_or_insert_default()
            .only_clients
            .push(client_id.into());
        self
    }

    /// Admits only the listed clients; may be called repeatedly.
    pub fn only_client(mut self, client_id: impl Into<String>) -> Self {
        self.clients.allowed.push(client_id.into());
        self
    }

    /// Admits clients whose id is the URL of a metadata document on this host, and those listed by
    /// [`only_client`](Self::only_client); no others. May be called repeatedly.
    pub fn only_clients_of_host(mut self, host: impl Into<String>) -> Self {
        self.clients.allowed_hosts.push(host.into());
        self
    }

    /// Refuses this client, even if another rule admits it. The comparison ignores case. If the id is a URL, each
    /// spelling that names the same document is refused.
    pub fn deny_client(mut self, client_id: impl Into<String>) -> Self {
        self.clients.denied.push(client_id.into());
        self
    }

    /// Refuses clients whose id is the URL of a metadata document on this host, on every port and in any spelling of
    /// the URL. An id that looks like a URL, but whose host cannot be determined with certainty, is refused too.
    pub fn deny_clients_of_host(mut self, host: impl Into<String>) -> Self {
        self.clients.denied_hosts.push(host.into());
        self
    }

    /// Admits only callers whose claim has one of these values: a tenant, an organisation. A name that starts with a
    /// slash is a JSON pointer: `/realm_access/realm`.
    pub fn require_claim<V: serde::Serialize>(
        self,
        claim: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        self.requiring(claim.into(), false, values)
    }

    /// Admits only callers whose claim is a list that contains one of these values: roles, groups.
    pub fn require_claim_containing<V: serde::Serialize>(
        self,
        claim: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        self.requiring(claim.into(), true, values)
    }

    /// The path of its table in a configuration: `issuers.main`, or `issuers[0]` if it has no name.
    pub(super) fn field(&self, position: usize) -> String {
        match &self.name {
            Some(name) => format!("issuers.{name}"),
            None => format!("issuers[{position}]"),
        }
    }

    fn requiring<V: serde::Serialize>(
        mut self,
        claim: String,
        in_list: bool,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        // A value that is not JSON becomes null, which `build()` refuses.
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

    /// Introspects opaque tokens at the issuer, and JWTs too if [`Introspection::every_token`] is set. Without this
    /// setting, opaque tokens are rejected.
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

/// Reads `false`, or another URL.
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

            fn visit_str<E: Error>(self, text: &str) -> Result<Advertise, E> {
                // In the words of a variable, which has no other type.
                match text.parse() {
                    Ok(advertised) => self.visit_bool(advertised),
                    Err(_) => Ok(Advertise::As(text.to_owned())),
                }
            }
        }

        deserializer.deserialize_any(AdvertiseVisitor)
    }
}
