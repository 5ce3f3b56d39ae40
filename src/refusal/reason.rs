//! The reasons to refuse. One table has the code, the kind, the severity and the check of each.

use super::step::Step;

/// The classes of refusal. Each has one status and one form of response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefusalKind {
    /// No token was presented under a scheme that the gate accepts (`Bearer`, `DPoP`): 401, a challenge without `error`.
    NoToken,
    /// The `Authorization` header does not contain exactly one well-formed token, or the header of a proxy not exactly one
    /// client certificate: 400 `invalid_request`.
    MalformedCredentials,
    /// The token is not valid at this server: 401 `invalid_token`.
    InvalidToken,
    /// The proof of possession is missing, or is not valid for this request: 401 `invalid_dpop_proof`.
    InvalidProof,
    /// The proof of possession is valid, except that its nonce is missing or too old: 401 `use_dpop_nonce`, with a
    /// nonce.
    NonceRequired,
    /// The token is valid, but lacks scopes: 403 `insufficient_scope`.
    InsufficientScope,
    /// The token is valid, but its user must log in again, or in a stronger way: 401
    /// `insufficient_user_authentication` (RFC 9470). Scopes may be missing as well.
    InsufficientUserAuthentication,
    /// The token is valid, and neither a scope nor a login would help: 403, a challenge without `error`.
    Forbidden,
    /// A handler asked for scopes that the token has ([`StepUp`](crate::StepUp)): 500, since a challenge would not help.
    StepUpMet,
    /// The `Origin` is not allowed: 403 without a challenge.
    OriginNotAllowed,
    /// The request cannot be decided right now, and its token may be valid: 503 with `Retry-After`.
    Unavailable,
    /// The body, or the request around it, cannot be read with certainty: 400 with a JSON-RPC error.
    UnreadableCall,
    /// The session does not exist, or belongs to another caller: 404 with a JSON-RPC error.
    SessionNotFound,
    /// A mirrored header disagrees with the body, or is missing in a revision that requires it: 400 with JSON-RPC error
    /// −32020. See [`docs::answers`](crate::docs::answers).
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

/// Declares the reasons: variant, stable code, kind, severity, check.
macro_rules! reasons {
    ($($reason:ident $code:literal $kind:ident $severity:ident $step:ident)*) => {
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

            /// The check that it belongs to. Missing scopes and logins count for the rules: only authorizing again tells whether the
            /// base rule or a decision required them. Defects of the head count for the body.
            pub(crate) fn step(self) -> Step {
                match self { $(Self::$reason => Step::$step),* }
            }
        }
    };
}

reasons! {
    AmbiguousHost             "ambiguous_host"              UnreadableCall       Suspicious Metadata
    AmbiguousPath             "ambiguous_path"              UnreadableCall       Suspicious Metadata
    AmbiguousTenant           "ambiguous_tenant"            UnreadableCall       Suspicious Metadata
    TenantUnavailable         "tenant_unavailable"          Unavailable          Outage     Metadata
    TenantUnusable            "tenant_unusable"             Unavailable          Outage     Metadata
    TenantsBusy               "tenants_busy"                Unavailable          Suspicious Metadata

    NoToken                   "no_token"                    NoToken              Routine    Credentials
    WrongScheme               "wrong_scheme"                NoToken              Suspicious Credentials
    MalformedHeader           "malformed_header"            MalformedCredentials Suspicious Credentials
    MultipleCredentials       "multiple_credentials"        MalformedCredentials Suspicious Credentials

    TokenTooLarge             "token_too_large"             InvalidToken         Suspicious Form
    NotAJwt                   "not_a_jwt"                   InvalidToken         Suspicious Form
    EncryptedJwt              "encrypted_jwt"               InvalidToken         Suspicious Form
    BadBase64                 "bad_base64"                  InvalidToken         Suspicious Form
    BadJson                   "bad_json"                    InvalidToken         Suspicious Form
    DuplicateClaim            "duplicate_claim"             InvalidToken         Suspicious Form
    BadClaim                  "bad_claim"                   InvalidToken         Suspicious Claims
    ClaimMissing              "claim_missing"               InvalidToken         Suspicious Profile
    AlgNotAllowed             "alg_not_allowed"             InvalidToken         Suspicious Header
    CritUnsupported           "crit_unsupported"            InvalidToken         Suspicious Header
    KidUnknown                "kid_unknown"                 InvalidToken         Suspicious Signature
    NoKidAmbiguous            "no_kid_ambiguous"            InvalidToken         Suspicious Signature
    KeyUnusable               "key_unusable"                InvalidToken         Suspicious Signature
    BadSignature              "bad_signature"               InvalidToken         Suspicious Signature
    WrongTyp                  "wrong_typ"                   InvalidToken         Suspicious Header
    TokenUseNotAccess         "token_use_not_access"        InvalidToken         Suspicious Usage
    IdToken                   "id_token"                    InvalidToken         Suspicious Usage
    SecurityEvent             "security_event"              InvalidToken         Suspicious Usage
    IssuerMismatch            "issuer_mismatch"             InvalidToken         Suspicious Issuer
    AudienceMissing           "audience_missing"            InvalidToken         Suspicious Audience
    AudienceMismatch          "audience_mismatch"           InvalidToken         Suspicious Audience
    AudienceNotAlone          "audience_not_alone"          InvalidToken         Suspicious Audience
    ExpMissing                "exp_missing"                 InvalidToken         Suspicious Time
    Expired                   "expired"                     InvalidToken         Routine    Time
    NotYetValid               "not_yet_valid"               InvalidToken         Suspicious Time
    IssuedInFuture            "issued_in_future"            InvalidToken         Suspicious Time
    ScopeTooLong              "scope_too_long"              InvalidToken         Suspicious Profile

    DpopOff                   "dpop_off"                    InvalidToken         Suspicious Binding
    DpopRequired              "dpop_required"               InvalidToken         Suspicious Binding
    DpopTokenAsBearer         "dpop_token_as_bearer"        InvalidToken         Suspicious Binding
    DpopTokenUnbound          "dpop_token_unbound"          InvalidToken         Suspicious Binding
    DpopWrongKey              "dpop_wrong_key"              InvalidToken         Suspicious Binding
    DpopProofMissing          "dpop_proof_missing"          InvalidProof         Suspicious Binding
    DpopProofsSeveral         "dpop_proofs_several"         InvalidProof         Suspicious Binding
    DpopProofMalformed        "dpop_proof_malformed"        InvalidProof         Suspicious Binding
    DpopAlgNotAllowed         "dpop_alg_not_allowed"        InvalidProof         Suspicious Binding
    DpopKeyUnusable           "dpop_key_unusable"           InvalidProof         Suspicious Binding
    DpopBadSignature          "dpop_bad_signature"          InvalidProof         Suspicious Binding
    DpopOtherRequest          "dpop_other_request"          InvalidProof         Suspicious Binding
    DpopOtherToken            "dpop_other_token"            InvalidProof         Suspicious Binding
    DpopOtherTime             "dpop_other_time"             InvalidProof         Suspicious Binding
    DpopReplayed              "dpop_replayed"               InvalidProof         Suspicious Binding
    DpopNonceNeeded           "dpop_nonce_needed"           NonceRequired        Routine    Binding
    DpopTooManyProofs         "dpop_too_many_proofs"        Unavailable          Suspicious Binding
    DpopMemoryFull            "dpop_memory_full"            Unavailable          Outage     Binding
    DpopClockSetBack          "dpop_clock_set_back"         Unavailable          Outage     Binding
    BindingChanged            "binding_changed"             InvalidToken         Suspicious Binding
    CertificateOff            "certificate_off"             InvalidToken         Suspicious Binding
    CertificateMissing        "certificate_missing"         InvalidToken         Suspicious Binding
    CertificateMismatch       "certificate_mismatch"        InvalidToken         Suspicious Binding
    CertificatesSeveral       "certificates_several"        MalformedCredentials Suspicious Binding
    CertificateUnreadable     "certificate_unreadable"      MalformedCredentials Suspicious Binding
    UnknownBinding            "unknown_binding"             InvalidToken         Suspicious Binding

    ApiKeyUnknown             "api_key_unknown"             InvalidToken         Suspicious Signature
    VerifierRefused           "verifier_refused"            InvalidToken         Routine    Signature
    Inactive                  "inactive"                    InvalidToken         Routine    Signature
    Revoked                   "revoked"                     InvalidToken         Suspicious Revocation

    InsufficientScope         "insufficient_scope"          InsufficientScope    Routine    Rules
    LoginTooOld               "login_too_old"               InsufficientUserAuthentication Routine Rules
    LoginTooWeak              "login_too_weak"              InsufficientUserAuthentication Routine Rules
    LoginImpossible           "login_impossible"            Forbidden            Suspicious Rules
    ClientDenied              "client_denied"               Forbidden            Suspicious Caller
    ClientNotAllowed          "client_not_allowed"          Forbidden            Suspicious Caller
    ClaimNotMet               "claim_not_met"               Forbidden            Suspicious Caller
    Denied                    "denied"                      Forbidden            Suspicious Rules
    ToolUnmapped              "tool_unmapped"               Forbidden            Suspicious Rules
    ResourceUnmapped          "resource_unmapped"           Forbidden            Suspicious Rules
    PromptUnmapped            "prompt_unmapped"             Forbidden            Suspicious Rules
    MethodUnmapped            "method_unmapped"             Forbidden            Suspicious Rules
    NameNoScope               "name_no_scope"               Forbidden            Suspicious Rules
    DecisionDenied            "decision_denied"             Forbidden            Suspicious Decision
    DecisionNoScope           "decision_no_scope"           Forbidden            Suspicious Decision
    StepUpMet                 "step_up_met"                 StepUpMet            Outage     Decision
    OriginNotAllowed          "origin_not_allowed"          OriginNotAllowed     Suspicious Origin

    FingerprintFailed         "fingerprint_failed"          Unavailable          Outage     Form
    JwksUnavailable           "jwks_unavailable"            Unavailable          Outage     Signature
    JwksUnusable              "jwks_unusable"               Unavailable          Outage     Signature
    KidUndecided              "kid_undecided"               Unavailable          Suspicious Signature
    DiscoveryFailed           "discovery_failed"            Unavailable          Outage     Signature
    DiscoveryIssuerMismatch   "discovery_issuer_mismatch"   Unavailable          Outage     Signature
    IntrospectionUnavailable  "introspection_unavailable"   Unavailable          Outage     Signature
    IntrospectionUnusable     "introspection_unusable"      Unavailable          Outage     Signature
    IntrospectionUnauthorized "introspection_unauthorized"  Unavailable          Outage     Signature
    IntrospectionBusy         "introspection_busy"          Unavailable          Suspicious Signature
    VerifierUnavailable       "verifier_unavailable"        Unavailable          Outage     Signature
    VerifierUnusable          "verifier_unusable"           Unavailable          Outage     Signature
    VerifierBusy              "verifier_busy"               Unavailable          Suspicious Signature
    DecisionUnavailable       "decision_unavailable"        Unavailable          Outage     Decision
    ShuttingDown              "shutting_down"               Unavailable          Routine    Streams

    DuplicateHeader           "duplicate_header"            UnreadableCall       Suspicious Body
    UnexpectedBody            "unexpected_body"             UnreadableCall       Suspicious Body
    UpgradeRefused            "upgrade_refused"             UnreadableCall       Suspicious Body
    BodyIncomplete            "body_incomplete"             UnreadableCall       Routine    Body
    BodyNotJson               "body_not_json"               UnreadableCall       Suspicious Body
    BodyUnparsable            "body_unparsable"             UnreadableCall       Suspicious Body
    DuplicateKey              "duplicate_key"               UnreadableCall       Suspicious Body
    NameTooLong               "name_too_long"               UnreadableCall       Suspicious Body
    BatchNotAllowed           "batch_not_allowed"           UnreadableCall       Suspicious Body
    BatchTooLong              "batch_too_long"              UnreadableCall       Suspicious Body
    ResumedWithoutSession     "resumed_without_session"     UnreadableCall       Suspicious Session
    SessionUnknown            "session_unknown"             SessionNotFound      Suspicious Session
    SessionNotOwned           "session_not_owned"           SessionNotFound      Suspicious Session
    HeaderMismatch            "header_mismatch"             HeaderMismatch       Suspicious Body
    UnsupportedContentType    "unsupported_content_type"    UnsupportedMediaType Suspicious Body
    UnsupportedEncoding       "unsupported_encoding"        UnsupportedMediaType Suspicious Body
    BodyTooLarge              "body_too_large"              BodyTooLarge         Suspicious Body
    BodyTooSlow               "body_too_slow"               BodyTooSlow          Suspicious Body
    BodiesBusy                "bodies_busy"                 Unavailable          Suspicious Body
}
