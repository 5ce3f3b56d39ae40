//! The introspection response (RFC 7662 §2.2), read and not judged.

use serde_json::Value;

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
        let unusable =
            |_| IntrospectionFailure::Unusable("it is not one JSON object, each member once");
        let claims = Object::read(&answered.bytes).map_err(unusable)?;
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
    let error = serde_json::from_slice::<Value>(body).ok();
    let error = error
        .as_ref()
        .and_then(|body| body.get("error"))
        .and_then(Value::as_str);
    matches!(error, Some("invalid_client" | "unauthorized_client"))
}
