//! An operator's own verifier, for tokens that are neither JWTs of an issuer nor introspected.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

/// Your own verifier of tokens: personal access tokens in a database, tokens of an older system. Pass it to
/// [`Builder::verifier`](crate::Builder::verifier) in an [`OwnVerifier`]. See
/// [`docs::own_verifier`](crate::docs::own_verifier).
///
/// A token has one of three outcomes: its [claims](TokenVerdict::Claims), a [refusal](TokenVerdict::Refused) (401), or an
/// error (503). An outage must be an error: a client throws a token away that gets 401.
///
/// The gate validates the claims as it does those of an introspection response, so they must name this resource in `aud`.
/// It caches the outcome as well, and calls the verifier once for all concurrent requests with the same token. If the
/// verifier fails, panics or does not answer within 5 seconds, the caller gets 503.
///
/// ```
/// use serde_json::json;
/// use toolgate::{OwnVerifier, ScopeMap, Toolgate, TokenVerdict, UnverifiedToken, VerificationFailed, VerifyToken};
///
/// struct AccessTokens(Database);
///
/// impl VerifyToken for AccessTokens {
///     async fn verify(&self, token: UnverifiedToken<'_>) -> Result<TokenVerdict, VerificationFailed> {
///         let Some(row) = self.0.find(token.expose()).await? else {
///             return Ok(TokenVerdict::Refused("unknown"));
///         };
///         Ok(TokenVerdict::claims(json!({
///             "sub": row.user,
///             "aud": "https://mcp.example.com/mcp",
///             "scope": row.scopes,
///             "exp": row.expires_at,
///         })))
///     }
/// }
///
/// # struct Row { user: &'static str, scopes: &'static str, expires_at: u64 }
/// # struct Database;
/// # impl Database {
/// #     async fn find(&self, _: &str) -> Result<Option<Row>, std::io::Error> { Ok(None) }
/// # }
/// # let database = Database;
/// let gate = Toolgate::builder("https://mcp.example.com/mcp")
///     .issuer("https://auth.example.com")
///     .scopes(ScopeMap::allow_unlisted().every_request("mcp:use"))
///     .verifier(OwnVerifier::new("urn:example:access-tokens", AccessTokens(database)).token_prefix("pat_"))
///     .build()?;
/// # Ok::<(), toolgate::ConfigError>(())
/// ```
pub trait VerifyToken: Send + Sync + 'static {
    /// Verifies a token.
    ///
    /// # Errors
    /// Return an error if the token cannot be verified now. The caller gets 503, and the error is logged. For a token that
    /// is not good, return [`TokenVerdict::Refused`] instead.
    fn verify(
        &self,
        token: UnverifiedToken<'_>,
    ) -> impl Future<Output = Result<TokenVerdict, VerificationFailed>> + Send;
}

/// The reason why a token could not be verified.
pub type VerificationFailed = Box<dyn Error + Send + Sync>;

/// A token that was presented and is not verified yet. Its `Debug` does not show it.
#[derive(Clone, Copy)]
pub struct UnverifiedToken<'a>(&'a str);

/// The answer of a [`VerifyToken`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum TokenVerdict {
    /// The token is good, and these are its claims. The gate still validates them.
    Claims(TokenClaims),
    /// The token is not good: 401. The code is logged, and not sent to the caller.
    Refused(&'static str),
}

/// The claims of a token, by the names that JWTs and introspection responses have for them.
///
/// `aud` is required, and must name this resource. `iss` may be left out; if it is there, it must be the issuer of the
/// [`OwnVerifier`]. `exp` and `nbf` are checked if they are there.
#[derive(Clone)]
pub struct TokenClaims {
    pub(super) json: Result<String, Arc<serde_json::Error>>,
    pub(super) remembered_for: Option<Duration>,
}

/// A verifier of your own, and the tokens that it is for. Pass it to [`Builder::verifier`](crate::Builder::verifier).
///
/// ```
/// # use toolgate::{OwnVerifier, VerifyToken};
/// # fn of(access_tokens: impl VerifyToken) -> OwnVerifier {
/// OwnVerifier::new("urn:example:access-tokens", access_tokens).token_prefix("pat_")
/// # }
/// ```
#[derive(Clone)]
pub struct OwnVerifier {
    pub(crate) issuer: String,
    pub(crate) token_prefix: Option<String>,
    pub(crate) verifier: Arc<dyn TokenVerifier>,
}

impl<'a> UnverifiedToken<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// The text of the token. Keep it out of logs and errors.
    pub fn expose(self) -> &'a str {
        self.0
    }
}

impl TokenVerdict {
    /// Accepts the token with these claims: [`TokenVerdict::Claims`].
    pub fn claims(claims: impl Serialize) -> Self {
        Self::Claims(TokenClaims::new(claims))
    }
}

impl TokenClaims {
    /// Takes the claims from a value that serializes to a JSON object. With any other value, the request gets 503.
    pub fn new(claims: impl Serialize) -> Self {
        Self {
            json: serde_json::to_string(&claims).map_err(Arc::new),
            remembered_for: None,
        }
    }

    /// Has the gate verify the token again after this time at the latest. By default it does so when the token expires, or
    /// after [`Limits::introspection_active_seconds`](crate::Limits::introspection_active_seconds), which is a minute unless
    /// you set it. No value makes that longer. With zero, every request calls the verifier, except that concurrent requests
    /// share a call.
    pub fn remembered_for(mut self, time: Duration) -> Self {
        self.remembered_for = Some(time);
        self
    }
}

impl OwnVerifier {
    /// Describes a verifier by the issuer of its callers ([`Principal::issuer`](crate::Principal::issuer)), which no other
    /// issuer may have. It need not be a URL.
    ///
    /// Without a [prefix](Self::token_prefix), the verifier is called for every token that nothing else claims: any string
    /// that a stranger makes up, and JWTs of issuers that are not configured.
    pub fn new(issuer: impl Into<String>, verifier: impl VerifyToken) -> Self {
        Self {
            issuer: issuer.into(),
            token_prefix: None,
            verifier: Arc::new(verifier),
        }
    }

    /// Calls the verifier only for tokens with this prefix. Each of these is verified by it or refused, whatever else the
    /// token looks like. Of all verifiers and issuers with introspection, one at most can be without a prefix.
    pub fn token_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.token_prefix = Some(prefix.into());
        self
    }
}

/// [`VerifyToken`] as a trait object.
pub(crate) trait TokenVerifier: Send + Sync {
    fn verify<'a>(&'a self, token: UnverifiedToken<'a>) -> Verifying<'a>;
}

pub(crate) type Verifying<'a> =
    Pin<Box<dyn Future<Output = Result<TokenVerdict, VerificationFailed>> + Send + 'a>>;

impl<V: VerifyToken> TokenVerifier for V {
    fn verify<'a>(&'a self, token: UnverifiedToken<'a>) -> Verifying<'a> {
        Box::pin(VerifyToken::verify(self, token))
    }
}

impl fmt::Debug for UnverifiedToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UnverifiedToken(…)")
    }
}

/// Leaves the claims out: they are personal data.
impl fmt::Debug for TokenClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenClaims")
            .field("remembered_for", &self.remembered_for)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for OwnVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnVerifier")
            .field("issuer", &self.issuer)
            .field("token_prefix", &self.token_prefix)
            .finish_non_exhaustive()
    }
}
