use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderMap, Request, Response, StatusCode};
use serde_json::{Map, Value, json};

use super::authentication;
use super::error::OAuthError;
use super::form::Form;
use super::reply;
use crate::testing::shared::Shared;

/// Signs the response if the request asks for that (RFC 9701 §4).
pub(super) fn answer(shared: &Shared, request: &Request<Bytes>) -> Response<Bytes> {
    let answered = introspecting(shared, request).and_then(|(client_id, form)| {
        let answer = introspection(shared, form.required("token")?);
        Ok(if asks_for_signature(request.headers()) {
            reply::signed_introspection(shared.introspection_response(&client_id, answer).mint())
        } else {
            reply::private_json(StatusCode::OK, &answer)
        })
    });
    answered.unwrap_or_else(|error| error.response())
}

/// The client that introspects, and its request.
fn introspecting(shared: &Shared, request: &Request<Bytes>) -> Result<(String, Form), OAuthError> {
    let form = Form::of_body(request)?;
    let client = authentication::trusted_client(shared, request.headers(), &form);
    let client = client.ok_or_else(|| {
        OAuthError::invalid_client(
            "introspection is only for the clients that the builder was given",
        )
    })?;
    Ok((client, form))
}

fn asks_for_signature(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(ACCEPT).iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .any(|range| {
            range.split(';').next().unwrap_or_default().trim() == reply::SIGNED_INTROSPECTION
        })
}

fn introspection(shared: &Shared, token: &str) -> Value {
    if let Some(answer) = shared.grants().answer_for(token) {
        return answer.clone();
    }
    let now = shared.settings.clock.unix_seconds();
    match claims(shared, token) {
        Some(claims)
            if claims
                .get("exp")
                .and_then(Value::as_i64)
                .is_some_and(|expiry| now < expiry) =>
        {
            active(claims)
        }
        _ => json!({ "active": false }),
    }
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
