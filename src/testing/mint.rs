use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::clock::Clock;
use super::key::SigningKey;
use super::random::random_text;
use crate::digest::sha256;

/// The lifetime of a token, unless a test sets another.
const DEFAULT_LIFETIME_SECONDS: i64 = 300;

/// Builds a token, a proof or an introspection response. [`AuthorizationServer::token`](super::AuthorizationServer::token),
/// [`AuthorizationServer::proof`](super::AuthorizationServer::proof) and
/// [`AuthorizationServer::introspection_response`](super::AuthorizationServer::introspection_response) start one.
///
/// A token begins as an RFC 9068 access token for `alice`, valid for 300 s, but **without `aud` and `scope`**, which a test
/// sets. Every part can be replaced by a valid or an invalid one.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let authorization_server = toolgate::testing::AuthorizationServer::start().await;
/// let token = authorization_server
///     .token()
///     .audience(["https://mcp.example.com/mcp", "https://other.example.com"])
///     .scope("mcp:use files:read")
///     .claim("act", serde_json::json!({ "sub": "agent-7" }))
///     .without("jti")
///     .header("typ", "JWT")
///     .mint();
/// assert_eq!(token.split('.').count(), 3);
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct TokenBuilder {
    clock: Clock,
    key: SigningKey,
    /// Changes to the header that follows from the key; `None` for a removed parameter.
    header: BTreeMap<String, Option<Value>>,
    claims: Map<String, Value>,
    header_text: Option<String>,
    payload: Option<Vec<u8>>,
}

impl TokenBuilder {
    pub(super) fn new(issuer: &str, key: SigningKey, clock: Clock) -> Self {
        let now = clock.unix_seconds();
        let claims = Map::from_iter([
            ("iss".to_owned(), Value::from(issuer)),
            ("sub".to_owned(), Value::from("alice")),
            ("client_id".to_owned(), Value::from("test-client")),
            ("iat".to_owned(), Value::from(now)),
            (
                "exp".to_owned(),
                Value::from(now + DEFAULT_LIFETIME_SECONDS),
            ),
            ("jti".to_owned(), Value::from(random_text::<12>())),
        ]);
        Self {
            clock,
            key,
            header: BTreeMap::new(),
            claims,
            header_text: None,
            payload: None,
        }
    }

    /// A DPoP proof, whose claims are about a request.
    pub(super) fn proof(key: &SigningKey, method: &str, url: &str, clock: Clock) -> Self {
        let claims = Map::from_iter([
            ("jti".to_owned(), Value::from(random_text::<12>())),
            ("htm".to_owned(), Value::from(method)),
            ("htu".to_owned(), Value::from(url)),
            ("iat".to_owned(), Value::from(clock.unix_seconds())),
        ]);
        let proof = Self {
            clock,
            key: key.clone(),
            header: BTreeMap::new(),
            claims,
            header_text: None,
            payload: None,
        };
        let mut jwk = key.jwk();
        // The key of a proof has no name and no published use.
        if let Some(members) = jwk.as_object_mut() {
            members.retain(|name, _| !["alg", "kid", "use"].contains(&name.as_str()));
        }
        proof
            .header("typ", "dpop+jwt")
            .header("jwk", jwk)
            .without_header("kid")
    }

    /// A signed introspection response, whose claims are about a response.
    pub(super) fn introspection_response(self, client_id: &str, answer: Value) -> Self {
        let mut response = self
            .header("typ", "token-introspection+jwt")
            .audience(client_id)
            .claim("token_introspection", answer);
        response.claims.retain(|name, _| {
            ["iss", "aud", "iat", "token_introspection"].contains(&name.as_str())
        });
        response
    }

    /// Binds a token to the DPoP key, by `cnf.jkt`.
    pub fn bound_to(self, key: &SigningKey) -> Self {
        self.confirmed_by("jkt", key.thumbprint())
    }

    /// Binds a token to the client certificate in DER, by `cnf.x5t#S256` (RFC 8705). A token can be bound to a key as
    /// well.
    pub fn bound_to_certificate(self, der: impl AsRef<[u8]>) -> Self {
        let thumbprint = sha256(der.as_ref());
        self.confirmed_by("x5t#S256", URL_SAFE_NO_PAD.encode(thumbprint))
    }

    /// Sets a member of `cnf`.
    fn confirmed_by(self, member: &str, value: String) -> Self {
        let mut cnf = self.claims.get("cnf").cloned().unwrap_or_default();
        if !cnf.is_object() {
            cnf = json!({});
        }
        cnf[member] = value.into();
        self.claim("cnf", cnf)
    }

    /// Makes a proof valid for this token, by `ath`.
    pub fn for_token(self, token: &str) -> Self {
        let hash = sha256(token.as_bytes());
        self.claim("ath", URL_SAFE_NO_PAD.encode(hash))
    }

    /// Sets `aud`: a string or an array of strings.
    pub fn audience(self, audience: impl Into<Value>) -> Self {
        self.claim("aud", audience)
    }

    /// Sets `scope`: scopes separated by spaces.
    pub fn scope(self, scope: impl Into<String>) -> Self {
        self.claim("scope", scope.into())
    }

    /// Sets `sub`.
    pub fn subject(self, subject: impl Into<String>) -> Self {
        self.claim("sub", subject.into())
    }

    /// Sets `client_id`.
    pub fn client_id(self, client_id: impl Into<String>) -> Self {
        self.claim("client_id", client_id.into())
    }

    /// Sets `exp` to this number of seconds from now, by the server's clock. A negative number is in the past.
    pub fn expires_in(self, seconds: i64) -> Self {
        let expiry = self.clock.unix_seconds().saturating_add(seconds);
        self.claim("exp", expiry)
    }

    /// Sets `auth_time` to this number of seconds ago, by the server's clock.
    pub fn logged_in_ago(self, seconds: i64) -> Self {
        let login = self.clock.unix_seconds().saturating_sub(seconds);
        self.claim("auth_time", login)
    }

    /// Sets any claim to any value.
    pub fn claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.claims.insert(name.into(), value.into());
        self
    }

    /// Removes a claim.
    pub fn without(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// Sets any header parameter to any value. By default, `alg` and `kid` follow the key.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.header.insert(name.into(), Some(value.into()));
        self
    }

    /// Removes a header parameter.
    pub fn without_header(mut self, name: impl Into<String>) -> Self {
        self.header.insert(name.into(), None);
        self
    }

    /// Signs with this key, whether the server publishes it or not.
    pub fn signed_with(mut self, key: &SigningKey) -> Self {
        self.key = key.clone();
        self
    }

    /// Replaces the whole payload by these bytes, which need not be valid JSON.
    pub fn payload(mut self, payload: impl AsRef<[u8]>) -> Self {
        self.payload = Some(payload.as_ref().to_vec());
        self
    }

    /// Replaces the whole header by this text, which need not be JSON.
    pub fn header_text(mut self, header: impl Into<String>) -> Self {
        self.header_text = Some(header.into());
        self
    }

    /// Signs the token and returns it.
    pub fn mint(&self) -> String {
        self.mint_with_signature(self.key.sign(self.signing_input().as_bytes()))
    }

    /// Returns the token with these bytes as its signature; empty for an unsigned token.
    pub fn mint_with_signature(&self, signature: impl AsRef<[u8]>) -> String {
        format!(
            "{}.{}",
            self.signing_input(),
            URL_SAFE_NO_PAD.encode(signature)
        )
    }

    /// The bytes that a signature covers: the encoded header, a dot, the encoded payload.
    pub fn signing_input(&self) -> String {
        let header = self
            .header_text
            .clone()
            .unwrap_or_else(|| Value::from(self.whole_header()).to_string());
        let payload = match &self.payload {
            Some(payload) => payload.clone(),
            None => Value::from(self.claims.clone()).to_string().into_bytes(),
        };
        format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(payload)
        )
    }

    pub(super) fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    fn whole_header(&self) -> Map<String, Value> {
        let mut header = Map::new();
        header.insert("typ".to_owned(), "at+jwt".into());
        header.insert("alg".to_owned(), self.key.algorithm().name().into());
        if let Some(kid) = self.key.kid() {
            header.insert("kid".to_owned(), kid.into());
        }
        for (name, value) in &self.header {
            match value {
                Some(value) => header.insert(name.clone(), value.clone()),
                None => header.remove(name),
            };
        }
        header
    }
}
