use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde_json::{Map, Value, json};

use super::client::Client;
use super::error::OAuthError;
use super::redirect_uri;
use super::reply;
use crate::testing::shared::Shared;

pub(super) fn answer(shared: &Shared, request: &Request<Bytes>) -> Response<Bytes> {
    match registered(shared, request.body()) {
        Ok(client) => reply::private_json(StatusCode::CREATED, &client.into()),
        Err(error) => error.response(),
    }
}

/// The client's metadata as it was sent, completed (RFC 7591 §3.2.1).
fn registered(shared: &Shared, body: &[u8]) -> Result<Map<String, Value>, OAuthError> {
    let Ok(Value::Object(mut client)) = serde_json::from_slice(body) else {
        return Err(invalid_metadata("the body must be a JSON object"));
    };
    let redirect_uris = redirect_uris(&client)?;
    must_include(&client, "grant_types", "authorization_code")?;
    must_include(&client, "response_types", "code")?;
    let method = authentication_method(&client)?.to_owned();
    let name = client
        .get("client_name")
        .and_then(Value::as_str)
        .map(str::to_owned);
    let dpop_bound = match client.get("dpop_bound_access_tokens") {
        None => false,
        Some(value) => value
            .as_bool()
            .ok_or_else(|| invalid_metadata("dpop_bound_access_tokens must be true or false"))?,
    };
    let (id, secret) = Client::register(redirect_uris, name, method != "none", dpop_bound);

    client.insert("client_id".to_owned(), id.into());
    client.insert(
        "client_id_issued_at".to_owned(),
        shared.settings.clock.unix_seconds().into(),
    );
    client.insert("token_endpoint_auth_method".to_owned(), method.into());
    client.insert(
        "grant_types".to_owned(),
        json!(["authorization_code", "refresh_token"]),
    );
    client.insert("response_types".to_owned(), json!(["code"]));
    if let Some(secret) = secret {
        client.insert("client_secret".to_owned(), secret.into());
        client.insert("client_secret_expires_at".to_owned(), 0.into());
    }
    Ok(client)
}

fn redirect_uris(client: &Map<String, Value>) -> Result<Vec<String>, OAuthError> {
    let invalid = |description: String| OAuthError::new("invalid_redirect_uri", description);
    let listed = client
        .get("redirect_uris")
        .and_then(Value::as_array)
        .filter(|listed| !listed.is_empty());
    let listed = listed
        .ok_or_else(|| invalid("redirect_uris must be an array with at least one URI".into()))?;
    let mut redirect_uris = Vec::new();
    for uri in listed {
        let uri = uri
            .as_str()
            .ok_or_else(|| invalid(format!("{uri} is not a string")))?;
        if let Some(defect) = redirect_uri::defect(uri) {
            return Err(invalid(format!("{uri} {defect}")));
        }
        redirect_uris.push(uri.to_owned());
    }
    Ok(redirect_uris)
}

/// Requires one element of a list, without which the client could not use this server. The others are dropped, as RFC 7591
/// §3.2.1 allows.
fn must_include(client: &Map<String, Value>, member: &str, needed: &str) -> Result<(), OAuthError> {
    match client.get(member) {
        None => Ok(()),
        Some(Value::Array(values)) if values.iter().any(|value| value == needed) => Ok(()),
        Some(_) => Err(invalid_metadata(format!("{member} must include {needed}"))),
    }
}

fn authentication_method(client: &Map<String, Value>) -> Result<&str, OAuthError> {
    match client.get("token_endpoint_auth_method").map(Value::as_str) {
        // RFC 7591 §2: the default.
        None => Ok("client_secret_basic"),
        Some(Some(method @ ("none" | "client_secret_basic" | "client_secret_post"))) => Ok(method),
        Some(_) => Err(invalid_metadata(
            "token_endpoint_auth_method must be none, client_secret_basic or client_secret_post",
        )),
    }
}

fn invalid_metadata(description: impl Into<String>) -> OAuthError {
    OAuthError::new("invalid_client_metadata", description)
}
