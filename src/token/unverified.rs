//! The content of a token that was not verified: only for display, never for a decision.

use serde_json::{Map, Value};

use super::principal::Principal;
use crate::jose::Jws;

/// The header and claims of a JWT, as far as they can be parsed.
pub(crate) struct Unverified {
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

impl Unverified {
    /// Parses a JWT without verifying it. `None` for an opaque token, or if the header cannot be parsed.
    pub(crate) fn read(token: &str) -> Option<Self> {
        let jws = Jws::cut(token).ok().flatten()?;
        let header = serde_json::from_slice(jws.header_bytes()).ok()?;
        let claims = jws
            .payload()
            .ok()
            .and_then(|payload| serde_json::from_slice(&payload).ok());
        Some(Self {
            header,
            claims: claims.unwrap_or_default(),
        })
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.header.get(name).map(shown)
    }

    pub(crate) fn claim(&self, name: &str) -> Option<String> {
        self.claims.get(name).map(shown)
    }

    /// Returns a claim of a verified caller, in the same form.
    pub(crate) fn claim_of(principal: &Principal, name: &str) -> Option<String> {
        principal
            .claims::<Map<String, Value>>()
            .ok()?
            .get(name)
            .map(shown)
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(shown).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}
