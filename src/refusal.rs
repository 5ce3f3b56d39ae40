//! A refusal of a request: a kind for the wire, a reason and facts for the log.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::log_facts::{Fact, LogFacts};
use crate::scope::Scopes;

/// The reason why the gate refused a request.
///
/// The gate puts it into the extensions of every response with which it refuses a request, so that an outer layer can log or
/// restyle the response. Only [`kind`](Self::kind) may be shown to the caller. The rest is for the operator: a caller that
/// learns which check failed learns how to pass the others. [`source`](Error::source) is the underlying error, if there is
/// one, such as the failed fetch behind an outage.
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
    retry_after: Option<Duration>,
    request_id: Option<String>,
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

    pub(crate) fn delay(&self) -> Option<Duration> {
        self.facts()?.retry_after
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

/// The classes of refusal. Each has one status and one form of response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefusalKind {
    /// No bearer token was presented: 401, a challenge without `error`.
    NoToken,
    /// The `Authorization` header does not contain exactly one well-formed bearer token: 400 `invalid_request`.
    MalformedCredentials,
    /// The token is not valid at this server: 401 `invalid_token`.
    InvalidToken,
    /// The token is valid, but lacks scopes: 403 `insufficient_scope`.
    InsufficientScope,
    /// The token is valid, and no scope would help: 403, a challenge without `error`.
    Forbidden,
    /// The `Origin` is not allowed: 403 without a challenge.
    OriginNotAllowed,
    /// The request cannot be decided right now, and its token may be valid: 503 with `Retry-After`.
    Unavailable,
    /// The body, or the request around it, cannot be read with certainty: 400 with a JSON-RPC error.
    UnreadableCall,
    /// The session does not exist, or belongs to another caller: 404 with a JSON-RPC error.
    SessionNotFound,
    /// The mirrored headers disagree with the body: 400 with JSON-RPC error −32020.
    HeaderMismatch,
    /// The body is not plain `application/json`: 415.
    UnsupportedMediaType,
    /// The body is longer than the gate reads: 413.
    BodyTooLarge,
    /// The body did not arrive in time: 408.
    BodyTooSlow,
}

/// The urgency of a refusal for the operator. It decides the level of the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    /// Normal operation: expiry, missing scopes, no token yet.
    Routine,
    /// A sign of misconfiguration or of an attack.
    Suspicious,
    /// The operator must act.
    Outage,
}

/// Declares the reasons: variant, stable code, kind, severity.
macro_rules! reasons {
    ($($reason:ident $code:literal $kind:ident $severity:ident)*) => {
        /// The exact check that failed, for the log. Codes are stable.
        // As wide as a pointer, so that a `Result` with a refusal in it is moved in whole words, which is quicker.
        #[repr(usize)]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum Reason { $($reason),* }

        impl Reason {
            #[cfg(test)]
            pub(crate) const ALL: &[Self] = &[$(Self::$reason),*];

            pub(crate) fn code(self) -> &'static str {
                match self { $(Self::$reason => $code),* }
            }

            pub(crate) fn kind(self) -> RefusalKind {
                match self { $(Self::$reason => RefusalKind::$kind),* }
            }

            pub(crate) fn severity(self) -> Severity {
                match self { $(Self::$reason => Severity::$severity),* }
            }
        }
    };
}

reasons! {
    NoToken                "no_token"                 NoToken              Routine
    WrongScheme            "wrong_scheme"             NoToken              Suspicious
    MalformedHeader        "malformed_header"         MalformedCredentials Suspicious
    MultipleCredentials    "multiple_credentials"     MalformedCredentials Suspicious

    TokenTooLarge          "token_too_large"          InvalidToken         Suspicious
    NotAJwt                "not_a_jwt"                InvalidToken         Suspicious
    EncryptedJwt           "encrypted_jwt"            InvalidToken         Suspicious
    BadBase64              "bad_base64"               InvalidToken         Suspicious
    BadJson                "bad_json"                 InvalidToken         Suspicious
    DuplicateClaim         "duplicate_claim"          InvalidToken         Suspicious
    BadClaim               "bad_claim"                InvalidToken         Suspicious
    ClaimMissing           "claim_missing"            InvalidToken         Suspicious
    AlgNotAllowed          "alg_not_allowed"          InvalidToken         Suspicious
    CritUnsupported        "crit_unsupported"         InvalidToken         Suspicious
    KidUnknown             "kid_unknown"              InvalidToken         Suspicious
    NoKidAmbiguous         "no_kid_ambiguous"         InvalidToken         Suspicious
    KeyUnusable            "key_unusable"             InvalidToken         Suspicious
    BadSignature           "bad_signature"            InvalidToken         Suspicious
    WrongTyp               "wrong_typ"                InvalidToken         Suspicious
    TokenUseNotAccess      "token_use_not_access"     InvalidToken         Suspicious
    IdToken                "id_token"                 InvalidToken         Suspicious
    SecurityEvent          "security_event"           InvalidToken         Suspicious
    IssuerMismatch         "issuer_mismatch"          InvalidToken         Suspicious
    AudienceMissing        "audience_missing"         InvalidToken         Suspicious
    AudienceMismatch       "audience_mismatch"        InvalidToken         Suspicious
    ExpMissing             "exp_missing"              InvalidToken         Suspicious
    Expired                "expired"                  InvalidToken         Routine
    NotYetValid            "not_yet_valid"            InvalidToken         Suspicious
    IssuedInFuture         "issued_in_future"         InvalidToken         Suspicious
    ScopeTooLong           "scope_too_long"           InvalidToken         Suspicious
    DpopRequired           "dpop_required"            InvalidToken         Suspicious
    MtlsBinding            "mtls_binding"             InvalidToken         Suspicious
    UnknownBinding         "unknown_binding"          InvalidToken         Suspicious
    Inactive               "inactive"                 InvalidToken         Routine
    Revoked                "revoked"                  InvalidToken         Suspicious

    InsufficientScope      "insufficient_scope"       InsufficientScope    Routine
    ClientDenied           "client_denied"            Forbidden            Suspicious
    ClientNotAllowed       "client_not_allowed"       Forbidden            Suspicious
    ClaimNotMet            "claim_not_met"            Forbidden            Suspicious
    Denied                 "denied"                   Forbidden            Suspicious
    ToolUnmapped           "tool_unmapped"            Forbidden            Suspicious
    ResourceUnmapped       "resource_unmapped"        Forbidden            Suspicious
    PromptUnmapped         "prompt_unmapped"          Forbidden            Suspicious
    MethodUnmapped         "method_unmapped"          Forbidden            Suspicious
    NameNoScope            "name_no_scope"            Forbidden            Suspicious
    DecisionDenied         "decision_denied"          Forbidden            Suspicious
    DecisionNoScope        "decision_no_scope"        Forbidden            Suspicious
    OriginNotAllowed       "origin_not_allowed"       OriginNotAllowed     Suspicious

    FingerprintFailed      "fingerprint_failed"      Unavailable          Outage
    JwksUnavailable        "jwks_unavailable"         Unavailable          Outage
    JwksUnusable           "jwks_unusable"            Unavailable          Outage
    KidUndecided           "kid_undecided"            Unavailable          Suspicious
    DiscoveryFailed        "discovery_failed"         Unavailable          Outage
    DiscoveryIssuerMismatch "discovery_issuer_mismatch" Unavailable        Outage
    IntrospectionUnavailable "introspection_unavailable" Unavailable       Outage
    IntrospectionUnusable  "introspection_unusable"   Unavailable          Outage
    IntrospectionUnauthorized "introspection_unauthorized" Unavailable     Outage
    IntrospectionBusy      "introspection_busy"       Unavailable          Suspicious
    DecisionUnavailable    "decision_unavailable"     Unavailable          Outage
    ShuttingDown           "shutting_down"            Unavailable          Routine

    DuplicateHeader        "duplicate_header"         UnreadableCall       Suspicious
    UnexpectedBody         "unexpected_body"          UnreadableCall       Suspicious
    UpgradeRefused         "upgrade_refused"          UnreadableCall       Suspicious
    BodyIncomplete         "body_incomplete"          UnreadableCall       Routine
    BodyNotJson            "body_not_json"            UnreadableCall       Suspicious
    BodyUnparsable         "body_unparsable"          UnreadableCall       Suspicious
    DuplicateKey           "duplicate_key"            UnreadableCall       Suspicious
    NameTooLong            "name_too_long"            UnreadableCall       Suspicious
    BatchNotAllowed        "batch_not_allowed"        UnreadableCall       Suspicious
    BatchTooLong           "batch_too_long"           UnreadableCall       Suspicious
    ResumedWithoutSession  "resumed_without_session"  UnreadableCall       Suspicious
    SessionUnknown         "session_unknown"          SessionNotFound      Suspicious
    SessionNotOwned        "session_not_owned"        SessionNotFound      Suspicious
    HeaderMismatch         "header_mismatch"          HeaderMismatch       Suspicious
    UnsupportedContentType "unsupported_content_type" UnsupportedMediaType Suspicious
    UnsupportedEncoding    "unsupported_encoding"     UnsupportedMediaType Suspicious
    BodyTooLarge           "body_too_large"           BodyTooLarge         Suspicious
    BodyTooSlow            "body_too_slow"            BodyTooSlow          Suspicious
    BodiesBusy             "bodies_busy"              Unavailable          Suspicious
}
