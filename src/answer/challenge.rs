//! `WWW-Authenticate: Bearer …`, made so that the crude patterns of real clients read it too.

use std::fmt::Write;

use http::HeaderValue;

use crate::scope::Scopes;

/// RFC 6750 §3.1 error codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorCode {
    InvalidRequest,
    InvalidToken,
    InsufficientScope,
}

impl ErrorCode {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
        }
    }

    /// One fixed sentence for the caller, whatever exactly failed. Without `=` and quotes: clients
    /// search the whole header for `scope=` and take the first hit, inside a description too.
    pub(crate) fn description(self) -> &'static str {
        match self {
            Self::InvalidRequest => "The Authorization header does not hold exactly one bearer token",
            Self::InvalidToken => "The access token is not valid for this server",
            Self::InsufficientScope => "The access token lacks scopes that this operation needs",
        }
    }
}

/// One challenge, of typed parts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Challenge<'a> {
    pub(crate) error: Option<ErrorCode>,
    pub(crate) scopes: Option<&'a Scopes>,
    /// What clients must put before a scope to ask for it.
    pub(crate) request_prefix: &'a str,
    pub(crate) resource_metadata: &'a str,
}

impl Challenge<'_> {
    /// Every value quoted, `, ` between, none twice, the description last.
    pub(crate) fn to_header(self) -> HeaderValue {
        let mut text = String::from("Bearer ");
        // Writing to a String cannot fail.
        if let Some(error) = self.error {
            let _ = write!(text, "error=\"{}\", ", error.as_str());
        }
        if let Some(scopes) = self.scopes.filter(|scopes| !scopes.is_empty()) {
            let _ = write!(text, "scope=\"{}\", ", requested(scopes, self.request_prefix));
        }
        let _ = write!(text, "resource_metadata=\"{}\"", self.resource_metadata);
        if let Some(error) = self.error {
            let _ = write!(text, ", error_description=\"{}\"", error.description());
        }
        // All parts are printable ASCII without quotes: scopes and the URL were parsed to be so. If that
        // were ever broken, a challenge that says less is better than none, and than a panic.
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("Bearer realm=\"mcp\""))
    }
}

/// The scopes as clients must ask for them. Entra's tokens say `read`, its clients ask for `api://x/read`.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_quoted_in_order_and_the_description_comes_last() {
        let scopes = Scopes::from_claim("a b");
        let challenge = Challenge {
            error: Some(ErrorCode::InsufficientScope),
            scopes: Some(&scopes),
            request_prefix: "api://x/",
            resource_metadata: "https://h.example/.well-known/oauth-protected-resource/mcp",
        };
        assert_eq!(
            challenge.to_header(),
            "Bearer error=\"insufficient_scope\", scope=\"api://x/a api://x/b\", \
             resource_metadata=\"https://h.example/.well-known/oauth-protected-resource/mcp\", \
             error_description=\"The access token lacks scopes that this operation needs\""
        );
        let bare =
            Challenge { error: None, scopes: Some(&Scopes::default()), request_prefix: "", ..challenge };
        assert_eq!(
            bare.to_header(),
            "Bearer resource_metadata=\"https://h.example/.well-known/oauth-protected-resource/mcp\""
        );
    }

    #[test]
    fn no_description_can_be_mistaken_for_a_parameter() {
        for code in [ErrorCode::InvalidRequest, ErrorCode::InvalidToken, ErrorCode::InsufficientScope] {
            assert!(!code.description().contains(['=', '"', '\\', ',']));
        }
    }
}
