//! Parses the introspection response (RFC 7662 §2.2). Its claims are validated elsewhere.

use super::failure::IntrospectionFailure;
use super::fetch::Answered;
use crate::jose::{Json, Object};
use crate::media_type::JSON;

/// A response with a member `active`.
pub(crate) struct IntrospectionResponse {
    /// The members of the response, of which `text` is the source.
    pub(crate) claims: Object<'static>,
    pub(crate) text: String,
    pub(crate) is_active: bool,
}

impl IntrospectionResponse {
    /// Parses an unsigned response.
    pub(super) fn read(answered: &Answered) -> Result<Self, IntrospectionFailure> {
        check_status(answered)?;
        if !answered.is(JSON) {
            return Err(IntrospectionFailure::Unusable("it is not application/json"));
        }
        let claims = Object::read(&answered.bytes)?.into_owned();
        let text = String::from_utf8_lossy(&answered.bytes).into_owned();
        Self::of(claims, text)
    }

    pub(super) fn of(claims: Object<'static>, text: String) -> Result<Self, IntrospectionFailure> {
        // The JSON value `true`, and no text or number that resembles it.
        let is_active = match claims.get("active") {
            Some(value) => *value == Json::Bool(true),
            None => return Err(IntrospectionFailure::Unusable("it has no `active`")),
        };
        Ok(Self {
            claims,
            text,
            is_active,
        })
    }
}

/// Fails for an error response. An error is never signed.
pub(super) fn check_status(answered: &Answered) -> Result<(), IntrospectionFailure> {
    match answered.status {
        200 => Ok(()),
        // RFC 7662 §2.3. Some servers answer as in RFC 6749 §5.2 instead.
        status @ (401 | 403) => Err(IntrospectionFailure::Unauthorized(status)),
        status if rejects_client(&answered.bytes) => {
            Err(IntrospectionFailure::Unauthorized(status))
        }
        status => Err(IntrospectionFailure::Status(status)),
    }
}

/// Whether an error response rejects the client, and not the request.
fn rejects_client(body: &[u8]) -> bool {
    let body = Object::read(body).ok();
    let error = body.as_ref().and_then(|body| body.text_of("error"));
    matches!(error, Some("invalid_client" | "unauthorized_client"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_rejects_the_client_only_if_it_says_so_once() {
        for (body, expected) in [
            (r#"{"error":"invalid_client"}"#, true),
            (r#"{"error":"unauthorized_client","x":[]}"#, true),
            (r#"{"error":"invalid_request"}"#, false),
            (
                r#"{"error":"invalid_request","error":"invalid_client"}"#,
                false,
            ),
            (r#"["invalid_client"]"#, false),
            ("invalid_client", false),
        ] {
            assert_eq!(rejects_client(body.as_bytes()), expected, "{body}");
        }
    }
}
