//! The introspection response (RFC 7662 §2.2), read and not judged.

use super::failure::IntrospectionFailure;
use super::fetch::Answered;
use crate::jose::{Json, Object};

/// A response that says whether the token is active.
pub(crate) struct IntrospectionResponse {
    /// Its members, and the text that they were read from.
    pub(crate) claims: Object<'static>,
    pub(crate) text: String,
    pub(crate) is_active: bool,
}

impl IntrospectionResponse {
    pub(super) fn read(answered: &Answered) -> Result<Self, IntrospectionFailure> {
        match answered.status {
            200 => {}
            // RFC 7662 §2.3. Some say it like RFC 6749 §5.2.
            status @ (401 | 403) => return Err(IntrospectionFailure::Unauthorized(status)),
            status if is_about_us(&answered.bytes) => {
                return Err(IntrospectionFailure::Unauthorized(status));
            }
            status => return Err(IntrospectionFailure::Status(status)),
        }
        if !answered.is_json {
            return Err(IntrospectionFailure::Unusable("it is not application/json"));
        }
        let claims = Object::read(&answered.bytes)?;
        // The JSON value, and nothing that looks like it.
        let is_active = match claims.get("active") {
            Some(value) => *value == Json::Bool(true),
            None => return Err(IntrospectionFailure::Unusable("it has no `active`")),
        };
        let text = String::from_utf8_lossy(&answered.bytes).into_owned();
        Ok(Self {
            claims: claims.into_owned(),
            text,
            is_active,
        })
    }
}

/// Whether an error is about the client that asked, and not about the question.
fn is_about_us(body: &[u8]) -> bool {
    let body = Object::read(body).ok();
    let error = body.as_ref().and_then(|body| body.text_of("error"));
    matches!(error, Some("invalid_client" | "unauthorized_client"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_about_us_only_where_it_says_so_once() {
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
            assert_eq!(is_about_us(body.as_bytes()), expected, "{body}");
        }
    }
}
