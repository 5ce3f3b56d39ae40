//! Reads what a token is bound to: its `cnf` claim (RFC 7800). The room `holder` checks that each request proves
//! possession of it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::read::Claims;
use crate::binding::Binding;
use crate::jose::{Json, Object};

const CONFIRMATION: &str = "cnf";

impl Claims<'_> {
    pub(super) fn binding(&self) -> Binding {
        match self.object.get(CONFIRMATION) {
            None => Binding::None,
            Some(Json::Object(members)) => read(members).unwrap_or(Binding::Unknown),
            Some(_) => Binding::Unknown,
        }
    }
}

/// `None` if the object is empty, or has a member that is unknown or cannot be read.
fn read(members: &Object<'_>) -> Option<Binding> {
    let (mut dpop_key, mut certificate) = (None, None);
    for (name, value) in members.iter() {
        let Json::Text(text) = value else {
            return None;
        };
        let hash = URL_SAFE_NO_PAD.decode(text.as_ref()).ok()?;
        let hash = Some(<[u8; 32]>::try_from(hash).ok()?);
        match name {
            "jkt" => dpop_key = hash,
            "x5t#S256" => certificate = hash,
            _ => return None,
        }
    }
    match (dpop_key, certificate) {
        (Some(dpop_key), Some(certificate)) => Some(Binding::Both {
            dpop_key,
            certificate,
        }),
        (Some(dpop_key), None) => Some(Binding::DpopKey(dpop_key)),
        (None, Some(certificate)) => Some(Binding::Certificate(certificate)),
        (None, None) => None,
    }
}

/// Makes the response keep what the signed claims of the token are bound to. An introspection response may add a binding to
/// that of a JWT. It never drops or changes one: then the binding becomes unreadable, and the token is rejected.
pub(crate) fn keep_binding(signed: &Object<'static>, response: &mut Object<'static>) {
    let kept = match (signed.get(CONFIRMATION), response.get(CONFIRMATION)) {
        (None, _) => return,
        (Some(signed), None) => signed.clone(),
        (Some(Json::Object(signed)), Some(Json::Object(added))) => {
            union(signed, added).map_or(Json::Null, Json::Object)
        }
        (Some(_), Some(_)) => Json::Null,
    };
    response.set(CONFIRMATION, kept);
}

/// `None` if the two name different keys.
fn union(signed: &Object<'static>, added: &Object<'static>) -> Option<Object<'static>> {
    let mut both = signed.clone();
    for (name, value) in added.iter() {
        if both.get(name).is_some_and(|held| held != value) {
            return None;
        }
        both.set(name, value.clone());
    }
    Some(both)
}
