//! A refusal of a request: a kind for the wire, a reason and facts for the log.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;

use super::reason::{Reason, RefusalKind};
use crate::log_facts::{Fact, LogFacts};
use crate::login::RequiredLogin;
use crate::scheme::Scheme;
use crate::scope::Scopes;

/// The reason why the gate refused a request.
///
/// The gate puts it into the extensions of every response with which it refuses a request, so that an outer layer can
/// log the refusal or change the response. Only [`kind`](Self::kind) may be shown to the caller. The rest is for the
/// operator: a caller that learns which check failed learns how to pass the others. [`source`](Error::source) is the
/// underlying error, if there is one, such as the failed fetch behind an outage.
///
/// ```
/// use toolgate::{Refusal, RefusalKind};
///
/// fn is_outage(response: &http::Response<()>) -> bool {
///     let refusal = response.extensions().get::<Refusal>();
///     refusal.is_some_and(|refusal| refusal.kind() == RefusalKind::Unavailable)
/// }
/// ```
#[derive(Clone)]
pub struct Refusal {
    reason: Reason,
    facts: Option<Box<RefusalFacts>>,
}

/// Facts beyond the reason: for the log, and for the response.
#[derive(Clone, Default)]
struct RefusalFacts {
    log: LogFacts,
    required: Scopes,
    login: Option<RequiredLogin>,
    retry_after: Option<Duration>,
    request_id: Option<String>,
    scheme: Option<Scheme>,
    nonce: Option<HeaderValue>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl Refusal {
    /// The class of the refusal, which decides its status and its challenge: see the table in
    /// [`docs::answers`](crate::docs::answers).
    pub fn kind(&self) -> RefusalKind {
        self.reason.kind()
    }

    /// The stable snake_case code of the reason, as the decision event has it in its field `reason`. For the operator only.
    pub fn code(&self) -> &'static str {
        self.reason.code()
    }

    pub(crate) fn reason(&self) -> Reason {
        self.reason
    }

    /// Adds the value that the gate would have accepted. For the log alone.
    pub(crate) fn expected(mut self, expected: impl Into<String>) -> Self {
        self.facts_mut().log.expected = Some(expected.into());
        self
    }

    /// Adds the value that it got instead. For the log alone, which escapes and truncates it; never a token.
    pub(crate) fn got(mut self, got: impl Into<String>) -> Self {
        self.facts_mut().log.got = Some(got.into());
        self
    }

    /// Names the caller; names that are set already stay. Only for a token whose signature held or whose issuer said that it
    /// is active, since a refusal with a named issuer is never rationed.
    pub(crate) fn of(
        mut self,
        issuer: &str,
        subject: Option<&str>,
        client_id: Option<&str>,
    ) -> Self {
        let log = &mut self.facts_mut().log;
        log.name_caller(issuer, subject, client_id);
        self
    }

    /// Adds the id of the token, unless one is set already: its `jti`, or the beginning of its hash.
    pub(crate) fn token_id(mut self, id: impl Into<String>) -> Self {
        self.facts_mut().log.token_id.get_or_insert(id.into());
        self
    }

    /// Adds all scopes that the operation needs, for the challenge.
    pub(crate) fn requiring(mut self, scopes: Scopes) -> Self {
        self.facts_mut().required = scopes;
        self
    }

    /// Adds all that the rules require of the login, for the challenge.
    pub(crate) fn requiring_login(mut self, login: RequiredLogin) -> Self {
        self.facts_mut().login = Some(login);
        self
    }

    pub(crate) fn retry_after(mut self, delay: Duration) -> Self {
        self.facts_mut().retry_after = Some(delay);
        self
    }

    /// Adds the id of the JSON-RPC request that the response answers, as JSON text.
    pub(crate) fn answering(mut self, request_id: Option<String>) -> Self {
        if request_id.is_some() {
            self.facts_mut().request_id = request_id;
        }
        self
    }

    /// Adds the scheme by which the token was presented. Only for credentials that could not be read; of others it is known.
    pub(crate) fn presented_as(mut self, scheme: Scheme) -> Self {
        self.facts_mut().scheme = Some(scheme);
        self
    }

    /// Adds the nonce that the next proof must contain (RFC 9449 §9).
    pub(crate) fn offering_nonce(mut self, nonce: HeaderValue) -> Self {
        self.facts_mut().nonce = Some(nonce);
        self
    }

    pub(crate) fn because(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.facts_mut().source = Some(Arc::new(source));
        self
    }

    /// Truncates the facts for the log, so that the refusal can be kept in a cache.
    pub(crate) fn shortened(mut self, max_bytes: usize) -> Self {
        if let Some(facts) = &mut self.facts {
            facts.log.shorten(max_bytes);
        }
        self
    }

    /// Whether the refused token was proved to come from its issuer.
    pub(crate) fn names_issuer(&self) -> bool {
        self.log_fact(Fact::Issuer).is_some()
    }

    pub(crate) fn required(&self) -> Option<&Scopes> {
        self.facts().map(|facts| &facts.required)
    }

    pub(crate) fn required_login(&self) -> Option<&RequiredLogin> {
        self.facts()?.login.as_ref()
    }

    pub(crate) fn delay(&self) -> Option<Duration> {
        self.facts()?.retry_after
    }

    pub(crate) fn scheme(&self) -> Option<Scheme> {
        self.facts()?.scheme
    }

    pub(crate) fn nonce(&self) -> Option<&HeaderValue> {
        self.facts()?.nonce.as_ref()
    }

    pub(crate) fn request_id(&self) -> Option<&str> {
        self.facts()?.request_id.as_deref()
    }

    pub(crate) fn log_fact(&self, fact: Fact) -> Option<&str> {
        self.facts()?.log.get(fact)
    }

    fn facts(&self) -> Option<&RefusalFacts> {
        self.facts.as_deref()
    }

    fn facts_mut(&mut self) -> &mut RefusalFacts {
        self.facts.get_or_insert_default()
    }
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self {
            reason,
            facts: None,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused: {}", self.code())
    }
}

/// Leaves the facts out: they may contain text that an attacker chose.
impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusal")
            .field("kind", &self.kind())
            .field("code", &self.code())
            .finish_non_exhaustive()
    }
}

impl Error for Refusal {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.facts()?.source.as_deref()?)
    }
}
