use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::{AUTHORIZATION, ORIGIN};

use super::assertion;
use super::client::Client;
use super::error::OAuthError;
use super::form::{self, Form};
use crate::testing::shared::Shared;

/// The client of a token request, authenticated by `none`, `client_secret_basic` or `client_secret_post`.
pub(super) fn client(
    shared: &Shared,
    headers: &HeaderMap,
    form: &Form,
) -> Result<Client, OAuthError> {
    let (id, secret) = match (basic(headers)?, form.optional("client_secret")?) {
        (Some(_), Some(_)) => {
            return Err(OAuthError::invalid_request(
                "the client authenticates in two ways",
            ));
        }
        (Some((id, secret)), None) => (id, Some(secret)),
        (None, secret) => (
            form.required("client_id")?.to_owned(),
            secret.map(str::to_owned),
        ),
    };
    if form.optional("client_id")?.is_some_and(|named| named != id) {
        return Err(OAuthError::invalid_request(
            "client_id and Authorization name different clients",
        ));
    }
    let client = Client::known_or_documented(shared, &id);
    let client = client.ok_or_else(|| OAuthError::invalid_client("the client is unknown"))?;
    if !client.is_proved_by(secret.as_deref().filter(|secret| !secret.is_empty())) {
        return Err(OAuthError::invalid_client(
            "the client's secret is wrong, missing or not expected",
        ));
    }
    // This endpoint is open to every web page, and the default secret is no secret.
    if client.trusted && headers.contains_key(ORIGIN) {
        return Err(OAuthError::invalid_client(
            "this client does not run in a browser",
        ));
    }
    Ok(client)
}

/// The id of the client that sent the request, if the builder was given it. It authenticates in one of the ways above, by
/// an assertion, or with its secret as a bearer token.
pub(super) fn trusted_client(shared: &Shared, headers: &HeaderMap, form: &Form) -> Option<String> {
    if let Some(token) = credentials(headers, "bearer") {
        let mut clients = shared.settings.confidential_clients.iter();
        return clients
            .find(|(_, secret)| secret == token)
            .map(|(id, _)| id.clone());
    }
    if let Ok(Some(assertion)) = form.optional("client_assertion") {
        return assertion::proved_client(shared, assertion, form);
    }
    let client = client(shared, headers, form).ok();
    client
        .filter(|client| client.trusted)
        .map(|client| client.id)
}

fn basic(headers: &HeaderMap) -> Result<Option<(String, String)>, OAuthError> {
    let Some(encoded) = credentials(headers, "basic") else {
        return Ok(None);
    };
    let pair = STANDARD
        .decode(encoded)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let pair = pair.as_deref().and_then(|pair| pair.split_once(':'));
    let (id, secret) =
        pair.ok_or_else(|| OAuthError::invalid_client("Authorization is not valid Basic"))?;
    // RFC 6749 §2.3.1: both are form-encoded before they are joined.
    Ok(Some((form::decoded(id), form::decoded(secret))))
}

fn credentials<'a>(headers: &'a HeaderMap, scheme: &str) -> Option<&'a str> {
    let (given, credentials) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    given
        .eq_ignore_ascii_case(scheme)
        .then_some(credentials.trim())
}
