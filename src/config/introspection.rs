//! The `[issuers.introspection]` table: how an issuer introspects its tokens.

use serde::de::{Deserialize, Deserializer};

use super::Secret;
use super::hushed::{Hushed, hushed, hushed_table};

/// Settings for the introspection of tokens at their issuer (RFC 7662). Pass them to
/// [`Issuer::introspection`](crate::Issuer::introspection). See [`docs::opaque_tokens`](crate::docs::opaque_tokens).
///
/// Each constructor is a way in which this server authenticates at the issuer. The endpoint is discovered, unless
/// [`endpoint`](Self::endpoint) sets it.
///
/// ```
/// use toolgate::{Introspection, Issuer};
///
/// // Ory Hydra: its admin port does not authenticate clients.
/// let issuer = Issuer::new("https://hydra.example.com").preset("hydra").introspection(
///     Introspection::unauthenticated("mcp-server")
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
    #[serde(default, deserialize_with = "hushed")]
    pub(super) signed: bool,
}

/// How a resource server authenticates at an issuer.
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
    /// Authenticates with client id and secret in `Authorization: Basic` (`client_secret_basic`).
    pub fn basic(client_id: impl Into<String>, secret: impl Into<Secret>) -> Self {
        Self::with_secret(Authentication::Basic, client_id, secret)
    }

    /// Authenticates with client id and secret in the form (`client_secret_post`).
    pub fn post(client_id: impl Into<String>, secret: impl Into<Secret>) -> Self {
        Self::with_secret(Authentication::Post, client_id, secret)
    }

    /// Authenticates with a secret in `Authorization: Bearer`.
    pub fn bearer(secret: impl Into<Secret>) -> Self {
        Self(IntrospectionTable {
            auth: Authentication::Bearer,
            client_secret: Some(secret.into()),
            ..IntrospectionTable::default()
        })
    }

    /// Authenticates with an assertion: a JWT that this private key signs (`private_key_jwt`, RFC 7523). The key is
    /// RSA, EC or Ed25519, as PEM or as a JWK.
    pub fn private_key_jwt(client_id: impl Into<String>, key: impl Into<Secret>) -> Self {
        Self(IntrospectionTable {
            auth: Authentication::PrivateKeyJwt,
            client_id: Some(client_id.into()),
            private_key: Some(key.into()),
            ..IntrospectionTable::default()
        })
    }

    /// Sends the client id and no secret. Use it if the authorization server needs none, or if it accepts the client
    /// certificate of [`Builder::http_client`](crate::Builder::http_client).
    pub fn unauthenticated(client_id: impl Into<String>) -> Self {
        Self(IntrospectionTable {
            auth: Authentication::None,
            client_id: Some(client_id.into()),
            ..IntrospectionTable::default()
        })
    }

    /// Introspects at this URL instead of the one in the issuer's metadata.
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.0.endpoint = Some(url.into());
        self
    }

    /// Introspects only opaque tokens with this prefix; others are rejected without a request. If several issuers have
    /// introspection, each needs a prefix of its own: a token must never be shown to a server that did not issue it.
    pub fn token_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.0.token_prefix = Some(prefix.into());
        self
    }

    /// Introspects JWTs too, once their signature is verified, so that a revoked one is refused within a minute. Claims
    /// of the response are added to those of the token, and replace claims of the same name. But a response can never
    /// remove or change what the JWT is bound to (`cnf`): if the two name different keys, the token is rejected.
    pub fn every_token(mut self) -> Self {
        self.0.when = WhenName::Always;
        self
    }

    /// Requires signed responses (RFC 9701): each must be a JWT that a key of the issuer signed, for the client id or the
    /// resource of this server, at the time of the request. Any other response cannot be used, and the request gets 503.
    ///
    /// The issuer must have registered this server's client for signed responses. Encrypted ones are not supported.
    pub fn signed_responses(mut self) -> Self {
        self.0.signed = true;
        self
    }

    /// Sets the `kid` of assertions, instead of that of the JWK.
    pub fn key_id(mut self, kid: impl Into<String>) -> Self {
        self.0.key_id = Some(kid.into());
        self
    }

    /// Sets the algorithm that signs assertions. By default it is the `alg` of the JWK, or the usual algorithm for the
    /// type of key.
    pub fn algorithm(mut self, name: impl Into<String>) -> Self {
        self.0.algorithm = Some(name.into());
        self
    }

    /// Sets the audience of assertions, instead of the issuer. Some servers require the URL of the endpoint.
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
