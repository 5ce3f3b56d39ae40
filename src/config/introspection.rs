//! `[issuers.introspection]`: asking an authorization server about its tokens, as an operator writes it.

use serde::de::{Deserialize, Deserializer};

use super::Secret;
use super::hushed::{Hushed, hushed, hushed_table};

/// How an authorization server is asked about tokens (RFC 7662). For
/// [`Issuer::introspection`](crate::Issuer::introspection).
///
/// It starts with how this server proves who asks. Where to ask is discovered, unless
/// [`endpoint`](Self::endpoint) says it.
///
/// ```
/// use toolgate::{Introspection, Issuer, Secret};
///
/// let issuer = Issuer::new("https://hydra.example.com/").introspection(
///     Introspection::basic("rs", Secret::file("/run/secrets/rs"))
///         .endpoint("https://hydra-admin.internal/admin/oauth2/introspect")
///         .token_prefix("ory_at_"),
/// );
/// ```
#[derive(Debug, Clone, Default)]
pub struct Introspection(pub(super) IntrospectionTable);

#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IntrospectionTable {
    #[serde(default, deserialize_with = "hushed")]
    pub(super) token_prefix: Option<String>,
    #[serde(default, deserialize_with = "hushed")]
    pub(super) endpoint: Option<String>,
    #[serde(default, deserialize_with = "hushed")]
    pub(super) client_id: Option<String>,
    pub(super) client_secret: Option<Secret>,
    #[serde(default, deserialize_with = "hushed")]
    pub(super) auth: Authentication,
    pub(super) private_key: Option<Secret>,
    #[serde(default, deserialize_with = "hushed")]
    pub(super) key_id: Option<String>,
    #[serde(default, deserialize_with = "hushed")]
    pub(super) algorithm: Option<String>,
    #[serde(default, deserialize_with = "hushed")]
    pub(super) assertion_audience: Option<String>,
    #[serde(default, deserialize_with = "hushed")]
    pub(super) when: WhenName,
}

/// How a resource server proves who it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Authentication {
    #[default]
    Basic,
    Post,
    Bearer,
    PrivateKeyJwt,
    None,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum WhenName {
    #[default]
    Opaque,
    Always,
}

impl Introspection {
    /// Asks with client id and secret in `Authorization: Basic` (`client_secret_basic`).
    pub fn basic(client_id: impl Into<String>, secret: impl Into<Secret>) -> Self {
        Self::with_secret(Authentication::Basic, client_id, secret)
    }

    /// Asks with client id and secret in the form (`client_secret_post`).
    pub fn post(client_id: impl Into<String>, secret: impl Into<Secret>) -> Self {
        Self::with_secret(Authentication::Post, client_id, secret)
    }

    /// Asks with a secret in `Authorization: Bearer`.
    pub fn bearer(secret: impl Into<Secret>) -> Self {
        Self(IntrospectionTable {
            auth: Authentication::Bearer,
            client_secret: Some(secret.into()),
            ..IntrospectionTable::default()
        })
    }

    /// Asks with an assertion that this private key signs (`private_key_jwt`, RFC 7523): RSA, EC or Ed25519, as
    /// PEM or as a JWK.
    pub fn private_key_jwt(client_id: impl Into<String>, key: impl Into<Secret>) -> Self {
        Self(IntrospectionTable {
            auth: Authentication::PrivateKeyJwt,
            client_id: Some(client_id.into()),
            private_key: Some(key.into()),
            ..IntrospectionTable::default()
        })
    }

    /// Asks by name only, where the authorization server is content with that, or with the client certificate
    /// of [`Builder::http_client`](crate::Builder::http_client).
    pub fn unauthenticated(client_id: impl Into<String>) -> Self {
        Self(IntrospectionTable {
            auth: Authentication::None,
            client_id: Some(client_id.into()),
            ..IntrospectionTable::default()
        })
    }

    /// Asks here instead of where the issuer's metadata says.
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.0.endpoint = Some(url.into());
        self
    }

    /// Asks about no opaque token but those that begin like this. Where several issuers are asked each needs a
    /// prefix of its own: a token must never be shown to a server that did not issue it.
    pub fn token_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.0.token_prefix = Some(prefix.into());
        self
    }

    /// Asks about JWTs too, after their signature held, so that one that was revoked is refused within a
    /// minute. The answer may complete the token's claims, and is newer where both speak.
    pub fn every_token(mut self) -> Self {
        self.0.when = WhenName::Always;
        self
    }

    /// Names the private key by this `kid`, instead of the JWK's own.
    pub fn key_id(mut self, kid: impl Into<String>) -> Self {
        self.0.key_id = Some(kid.into());
        self
    }

    /// Signs assertions by this algorithm, instead of the JWK's own or the usual one for such a key.
    pub fn algorithm(mut self, name: impl Into<String>) -> Self {
        self.0.algorithm = Some(name.into());
        self
    }

    /// Writes assertions to this audience, instead of the issuer. Some servers want the endpoint's URL.
    pub fn assertion_audience(mut self, audience: impl Into<String>) -> Self {
        self.0.assertion_audience = Some(audience.into());
        self
    }

    fn with_secret(
        auth: Authentication,
        client_id: impl Into<String>,
        secret: impl Into<Secret>,
    ) -> Self {
        Self(IntrospectionTable {
            auth,
            client_id: Some(client_id.into()),
            client_secret: Some(secret.into()),
            ..IntrospectionTable::default()
        })
    }
}

impl<'de> Deserialize<'de> for Introspection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        hushed_table(deserializer).map(Self)
    }
}

impl Hushed for Authentication {
    const EXPECTED: &str = "`basic`, `post`, `bearer`, `private_key_jwt` or `none`";
}

impl Hushed for WhenName {
    const EXPECTED: &str = "`opaque` or `always`";
}
