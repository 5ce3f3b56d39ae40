use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde_json::{Map, Value, json};

use super::authentication;
use super::error::OAuthError;
use super::form::Form;
use super::reply;
use crate::testing::shared::Shared;

pub(super) fn answer(shared: &Shared, request: &Request<Bytes>) -> Response<Bytes> {
    match introspection(shared, request) {
        Ok(answer) => reply::private_json(StatusCode::OK, &answer),
        Err(error) => error.response(),
    }
}

fn introspection(shared: &Shared, request: &Request<Bytes>) -> Result<Value, OAuthError> {
    let form = Form::of_body(request)?;
    if !authentication::is_trusted(shared, request.headers(), &form) {
        return Err(OAuthError::invalid_client(
            "introspection is only for the clients that the builder was given",
        ));
    }
    let token = form.required("token")?;
    if let Some(answer) = shared.grants().answer_for(token) {
        return Ok(answer.clone());
    }
    let now = shared.settings.clock.unix_seconds();
    Ok(match claims(shared, token) {
        Some(claims)
            if claims
                .get("exp")
                .and_then(Value::as_i64)
                .is_some_and(|expiry| now < expiry) =>
        {
            active(claims)
        }
        _ => json!({ "active": false }),
    })
}

/// The claims of an access token that was issued here, or signed with one of our keys. `None` for a refresh token, so that
/// no server mistakes one for an access token.
fn claims(shared: &Shared, token: &str) -> Option<Map<String, Value>> {
    if let Some(issued) = shared.grants().claims_of(token) {
        return issued.cloned();
    }
    let claims = shared.keys().claims_of(token)?.as_object()?.clone();
    (claims.get("iss")?.as_str()? == shared.issuer).then_some(claims)
}

fn active(mut claims: Map<String, Value>) -> Value {
    claims.insert("active".to_owned(), true.into());
    // RFC 9449 §6.2
    let is_bound = claims.get("cnf").is_some_and(|cnf| cnf["jkt"].is_string());
    let token_type = if is_bound { "DPoP" } else { "Bearer" };
    claims.insert("token_type".to_owned(), token_type.into());
    claims.into()
}
