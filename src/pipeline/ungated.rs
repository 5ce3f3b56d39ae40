//! Prepares requests that are for no gate, where the operator lets them through.

use http::header::AUTHORIZATION;
use http::request::Parts;

use crate::call::Head;
use crate::resource::Resource;
use crate::token::Principal;

/// Removes what the inner service would take for checked, and the credentials: a token that a client sends to a wrong path
/// is still a secret.
pub(crate) fn strip(parts: &mut Parts) {
    parts.headers.remove(AUTHORIZATION);
    parts.headers.remove("dpop");
    let edits = Head::read(&parts.headers).edits_of_unread();
    edits.apply(&mut parts.headers);
    parts.extensions.remove::<Principal>();
    parts.extensions.remove::<Resource>();
}
