use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::form::Form;
use crate::testing::shared::Shared;
use crate::testing::traffic::Endpoint;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The id of the client, if the assertion is valid (RFC 7523 §3): signed with the key of a client that the builder was
/// given, for this server, not expired, and used for the first time.
pub(super) fn proved_client(shared: &Shared, assertion: &str, form: &Form) -> Option<String> {
    let is_of_its_type =
        form.optional("client_assertion_type").ok().flatten() == Some(ASSERTION_TYPE);
    is_of_its_type.then(|| client_of(shared, assertion, form))?
}

fn client_of(shared: &Shared, assertion: &str, form: &Form) -> Option<String> {
    let (signed, signature) = assertion.rsplit_once('.')?;
    let (header, payload) = signed.split_once('.')?;
    let json =
        |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
    let (header, claims) = (json(header)?, json(payload)?);
    let id = claims["iss"].as_str()?;
    let (_, key) = shared
        .settings
        .client_keys
        .iter()
        .find(|(known, _)| known == id)?;
    let is_named = header["alg"] == key.algorithm().name() && header["kid"].as_str() == key.kid();
    let is_signed = key.verifies(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).ok()?);
    let is_its_own = claims["sub"] == id
        && form
            .optional("client_id")
            .ok()?
            .is_none_or(|named| named == id);
    let is_for_us = claims["aud"] == shared.issuer.as_str()
        || claims["aud"] == shared.url(Endpoint::Introspect);
    let is_timely = shared.settings.clock.unix_seconds() < claims["exp"].as_i64()?;
    let is_new = shared.grants().is_first_use(claims["jti"].as_str()?);
    (is_named && is_signed && is_its_own && is_for_us && is_timely && is_new).then(|| id.to_owned())
}
