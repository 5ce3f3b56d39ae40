//! What a token says of itself: to be shown, and believed by nobody.

use serde_json::{Map, Value};

use super::principal::Principal;
use crate::jose::Jws;

/// Header and claims of a JWT, as far as they can be read.
pub(crate) struct Unverified {
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

impl Unverified {
    /// `None` is an opaque token.
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

    /// The same of claims that are believed.
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
