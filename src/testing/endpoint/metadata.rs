use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::dpop;
use super::reply;
use crate::testing::shared::Shared;
use crate::testing::traffic::Endpoint;

/// The metadata document of RFC 8414 and OpenID Connect Discovery.
pub(super) fn answer(shared: &Shared, form: Endpoint) -> Response<Bytes> {
    if !shared.serves_form(form) {
        return reply::empty(StatusCode::NOT_FOUND);
    }
    let mut document = json!({
        "issuer": shared.issuer,
        "authorization_endpoint": shared.url(Endpoint::Authorize),
        "token_endpoint": shared.url(Endpoint::Token),
        "registration_endpoint": shared.url(Endpoint::Register),
        "introspection_endpoint": shared.url(Endpoint::Introspect),
        "jwks_uri": shared.url(Endpoint::Jwks),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
        "introspection_endpoint_auth_methods_supported":
            ["client_secret_basic", "client_secret_post", "private_key_jwt"],
        "introspection_signing_alg_values_supported": [shared.keys().signing_key().algorithm().name()],
        "dpop_signing_alg_values_supported": dpop::algorithms(),
        "client_id_metadata_document_supported": true,
        "authorization_response_iss_parameter_supported": true,
    });
    // RFC 8414 §3.2: members without elements are omitted.
    if !shared.settings.scopes.is_empty() {
        document["scopes_supported"] = Value::from(shared.settings.scopes.clone());
    }
    if !shared.settings.acr_values.is_empty() {
        document["acr_values_supported"] = Value::from(shared.settings.acr_values.clone());
    }
    if form != Endpoint::Rfc8414 {
        // No ID token is ever issued, but clients validate this document by a schema that requires these.
        document["subject_types_supported"] = json!(["public"]);
        document["id_token_signing_alg_values_supported"] =
            json!([shared.keys().signing_key().algorithm().name()]);
    }
    reply::json(StatusCode::OK, &document)
}

pub(super) fn jwks(shared: &Shared) -> Response<Bytes> {
    let keys = shared.keys();
    let mut response = reply::json(StatusCode::OK, &keys.jwks());
    if let Some(value) = &keys.cache_control {
        response.headers_mut().insert(CACHE_CONTROL, value.clone());
    }
    response
}
