//! The checks in the order of the path, and the reasons to refuse that belong to each.

use crate::refusal::Reason;

/// A check. A reason that could belong to several is counted for the earliest, so that no check is shown as passed that
/// may not have been reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Credentials,
    Form,
    Issuer,
    Header,
    Proof,
    Claims,
    Audience,
    Time,
    Usage,
    Profile,
    Revocation,
    Binding,
    Caller,
    BaseScopes,
    Body,
    Rules,
    Decision,
}

impl Step {
    pub(super) const ALL: [Self; 17] = [
        Self::Credentials,
        Self::Form,
        Self::Issuer,
        Self::Header,
        Self::Proof,
        Self::Claims,
        Self::Audience,
        Self::Time,
        Self::Usage,
        Self::Profile,
        Self::Revocation,
        Self::Binding,
        Self::Caller,
        Self::BaseScopes,
        Self::Body,
        Self::Rules,
        Self::Decision,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Credentials => "credentials",
            Self::Form => "form",
            Self::Issuer => "issuer",
            Self::Header => "header",
            Self::Proof => "proof",
            Self::Claims => "claims",
            Self::Audience => "audience",
            Self::Time => "time",
            Self::Usage => "usage",
            Self::Binding => "binding",
            Self::Profile => "profile",
            Self::Revocation => "revocation",
            Self::Caller => "caller",
            Self::BaseScopes => "base scopes",
            Self::Body => "body",
            Self::Rules => "rules",
            Self::Decision => "decision",
        }
    }

    /// The check that a reason belongs to. Missing scopes count for the rules here: only authorizing again tells
    /// whether the base rule or a decision required them.
    pub(super) fn of(reason: Reason) -> Self {
        use Reason::*;
        match reason {
            NoToken | WrongScheme | MalformedHeader | MultipleCredentials => Self::Credentials,
            FingerprintFailed | TokenTooLarge | NotAJwt | EncryptedJwt | BadBase64 | BadJson
            | DuplicateClaim => Self::Form,
            IssuerMismatch => Self::Issuer,
            AlgNotAllowed | CritUnsupported | WrongTyp => Self::Header,
            KidUnknown
            | NoKidAmbiguous
            | KeyUnusable
            | BadSignature
            | JwksUnavailable
            | JwksUnusable
            | KidUndecided
            | DiscoveryFailed
            | DiscoveryIssuerMismatch
            | Inactive
            | IntrospectionUnavailable
            | IntrospectionUnusable
            | IntrospectionUnauthorized
            | IntrospectionBusy => Self::Proof,
            BadClaim => Self::Claims,
            AudienceMissing | AudienceMismatch => Self::Audience,
            ExpMissing | Expired | NotYetValid | IssuedInFuture => Self::Time,
            TokenUseNotAccess | IdToken | SecurityEvent => Self::Usage,
            DpopRequired | MtlsBinding | UnknownBinding => Self::Binding,
            ClaimMissing | ScopeTooLong => Self::Profile,
            Revoked => Self::Revocation,
            ClientDenied | ClientNotAllowed | ClaimNotMet => Self::Caller,
            // An explained request has no origin and no session, which are checked with the head. Whether it asks for a
            // stream is known once its body is read.
            OriginNotAllowed
            | ResumedWithoutSession
            | SessionUnknown
            | SessionNotOwned
            | DuplicateHeader
            | UnexpectedBody
            | UpgradeRefused
            | BodyIncomplete
            | BodyNotJson
            | BodyUnparsable
            | DuplicateKey
            | NameTooLong
            | BatchNotAllowed
            | BatchTooLong
            | HeaderMismatch
            | UnsupportedContentType
            | UnsupportedEncoding
            | BodyTooLarge
            | BodyTooSlow
            | BodiesBusy
            | ShuttingDown => Self::Body,
            InsufficientScope | Denied | ToolUnmapped | ResourceUnmapped | PromptUnmapped
            | MethodUnmapped | NameNoScope => Self::Rules,
            DecisionDenied | DecisionNoScope | DecisionUnavailable => Self::Decision,
        }
    }
}
