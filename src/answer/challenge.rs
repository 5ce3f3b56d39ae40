//! `WWW-Authenticate`, written so that the simple regular expressions of real clients read it too.

use std::fmt::Write;

use http::HeaderValue;

use crate::login::RequiredLogin;
use crate::scheme::Scheme;
use crate::scope::Scopes;

/// The most bytes of scopes that a 403 names. Servers and proxies bound headers, some to 8 KiB for all together.
const MAX_CHALLENGE_SCOPE_BYTES: usize = 4 * 1024;

/// The error codes of RFC 6750 §3.1, RFC 9449 §7.1 and RFC 9470 §3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorCode {
    InvalidRequest,
    InvalidToken,
    InvalidDpopProof,
    UseDpopNonce,
    InsufficientScope,
    /// Only in the result of a tool, for clients that demand an error even if no token was presented.
    NothingPresented,
    InsufficientUserAuthentication,
}

impl ErrorCode {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidToken => "invalid_token",
            Self::InvalidDpopProof => "invalid_dpop_proof",
            Self::UseDpopNonce => "use_dpop_nonce",
            Self::InsufficientScope | Self::NothingPresented => "insufficient_scope",
            Self::InsufficientUserAuthentication => "insufficient_user_authentication",
        }
    }

    /// A fixed sentence for the caller, which does not say what exactly failed. It has no `=` and no quotes: clients
    /// search the whole header for `scope=` and take the first match, even inside a description.
    pub(crate) fn description(self) -> &'static str {
        match self {
            Self::InvalidRequest => {
                "The Authorization header does not hold exactly one access token"
            }
            Self::InvalidToken => "The access token is not valid for this server",
            Self::InvalidDpopProof => "The DPoP proof is not valid for this request",
            Self::UseDpopNonce => "This server requires its nonce in the DPoP proof",
            Self::InsufficientScope => "The access token lacks scopes that this operation needs",
            Self::NothingPresented => "Log in to get an access token for this operation",
            Self::InsufficientUserAuthentication => {
                "This operation needs a more recent or a stronger login"
            }
        }
    }
}

/// A challenge, made of typed parts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Challenge<'a> {
    pub(crate) scheme: Scheme,
    pub(crate) error: Option<ErrorCode>,
    pub(crate) resource_metadata: &'a str,
    /// The scopes as clients must request them.
    pub(crate) scopes: Option<&'a str>,
    /// The login that the client must ask for. It belongs to the error.
    pub(crate) login: Option<&'a RequiredLogin>,
    /// The algorithms of proofs (RFC 9449 §7.1).
    pub(crate) algorithms: Option<&'a String>,
}

impl Challenge<'_> {
    /// Writes every value quoted, with `, ` between them and none twice.
    ///
    /// Clients take the first match of a pattern in the whole header. So the metadata URL stands before the scopes,
    /// which may contain text that a caller chose, and the description stands last.
    pub(crate) fn to_header(self) -> HeaderValue {
        let mut text = format!("{} ", self.scheme.name());
        // Writing to a String cannot fail.
        if let Some(error) = self.error {
            let _ = write!(text, "error=\"{}\", ", error.as_str());
        }
        let _ = write!(text, "resource_metadata=\"{}\"", self.resource_metadata);
        if let Some(scopes) = self.scopes.filter(|scopes| !scopes.is_empty()) {
            let _ = write!(text, ", scope=\"{scopes}\"");
        }
        if let Some(acr) = self.login.and_then(|login| login.acr.as_ref()) {
            let _ = write!(text, ", acr_values=\"{}\"", acr.join(" "));
        }
        if let Some(age) = self.login.and_then(|login| login.max_age) {
            let _ = write!(text, ", max_age=\"{}\"", age.as_secs());
        }
        if let Some(algorithms) = self.algorithms {
            let _ = write!(text, ", algs=\"{algorithms}\"");
        }
        if let Some(error) = self.error {
            let _ = write!(text, ", error_description=\"{}\"", error.description());
        }
        // All parts are printable ASCII without quotes: scopes, acr values and the URL were parsed so. If that were ever broken, a
        // challenge that says less is better than none, or than a panic.
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("Bearer realm=\"mcp\""))
    }
}

/// The scopes as clients must request them: Entra's tokens contain `read`, and its clients request `api://x/read`.
pub(crate) fn requested(scopes: &Scopes, prefix: &str) -> String {
    let mut text = String::new();
    for scope in scopes.iter() {
        if !text.is_empty() {
            text.push(' ');
        }
        if !scope.starts_with(prefix) {
            text.push_str(prefix);
        }
        text.push_str(scope);
    }
    text
}

/// The scopes of an operation as clients must request them; `None` if they are too long to send.
pub(crate) fn requested_for_operation(scopes: &Scopes, prefix: &str) -> Option<String> {
    Some(requested(scopes, prefix)).filter(|text| text.len() <= MAX_CHALLENGE_SCOPE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_quoted_in_order_and_the_description_comes_last() {
        let scopes = requested(&Scopes::from_claim("a b"), "api://x/");
        let challenge = Challenge {
            scheme: Scheme::Bearer,
            error: Some(ErrorCode::InsufficientScope),
            resource_metadata: "https://h.example/.well-known/oauth-protected-resource/mcp",
            scopes: Some(&scopes),
            login: None,
            algorithms: None,
        };
        assert_eq!(
            challenge.to_header(),
            "Bearer error=\"insufficient_scope\", \
             resource_metadata=\"https://h.example/.well-known/oauth-protected-resource/mcp\", \
             scope=\"api://x/a api://x/b\", \
             error_description=\"The access token lacks scopes that this operation needs\""
        );
        let bare = Challenge {
            error: None,
            scopes: Some(""),
            ..challenge
        };
        assert_eq!(
            bare.to_header(),
            "Bearer resource_metadata=\"https://h.example/.well-known/oauth-protected-resource/mcp\""
        );
    }

    #[test]
    fn no_description_can_be_mistaken_for_a_parameter() {
        for code in [
            ErrorCode::InvalidRequest,
            ErrorCode::InvalidToken,
            ErrorCode::InvalidDpopProof,
            ErrorCode::UseDpopNonce,
            ErrorCode::InsufficientScope,
            ErrorCode::NothingPresented,
            ErrorCode::InsufficientUserAuthentication,
        ] {
            assert!(!code.description().contains(['=', '"', '\\', ',']));
        }
    }
}
