use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};

use super::authentication;
use super::client::Client;
use super::dpop;
use super::error::OAuthError;
use super::form::Form;
use super::reply;
use super::target;
use crate::testing::grants::{Grant, GrantId, Grants, Requester};
use crate::testing::random::random_text;
use crate::testing::shared::Shared;

pub(super) fn answer(shared: &Shared, request: &Request<Bytes>) -> Response<Bytes> {
    match tokens(shared, request) {
        Ok(tokens) => reply::private_json(StatusCode::OK, &tokens),
        Err(error) => {
            let mut response = error.response();
            if error.code == dpop::NONCE_DEMANDED {
                dpop::offer_nonce(shared, response.headers_mut());
            }
            response
        }
    }
}

/// A token request of a client that proved itself.
struct TokenRequest {
    client: Client,
    /// The thumbprint of its DPoP key.
    dpop_key: Option<String>,
    form: Form,
}

impl TokenRequest {
    fn requester(&self) -> Requester<'_> {
        Requester {
            client_id: &self.client.id,
            dpop_key: self.dpop_key.as_deref(),
        }
    }
}

fn tokens(shared: &Shared, request: &Request<Bytes>) -> Result<Value, OAuthError> {
    let form = Form::of_body(request)?;
    let request = TokenRequest {
        client: authentication::client(shared, request.headers(), &form)?,
        dpop_key: dpop::proved_key(shared, request)?,
        form,
    };
    match request.form.required("grant_type")? {
        "authorization_code" => for_code(shared, &request),
        "refresh_token" => for_refresh_token(shared, &request),
        "client_credentials" => for_client(shared, &request),
        other => Err(OAuthError::new(
            "unsupported_grant_type",
            format!("{other} is not supported"),
        )),
    }
}

fn for_code(shared: &Shared, request: &TokenRequest) -> Result<Value, OAuthError> {
    let form = &request.form;
    let (code, verifier) = (form.required("code")?, form.required("code_verifier")?);
    let redirect_uri = form.optional("redirect_uri")?;
    let now = shared.settings.clock.unix_seconds();
    let mut grants = shared.grants();
    let (id, grant) = grants.behind_code(code, request.requester(), redirect_uri, verifier, now)?;
    let resources = narrowed_resources(form, &grant)?;
    grants.spend(code);
    Ok(for_user(
        shared,
        &mut grants,
        request,
        id,
        Grant { resources, ..grant },
    ))
}

fn for_refresh_token(shared: &Shared, request: &TokenRequest) -> Result<Value, OAuthError> {
    let form = &request.form;
    let refresh_token = form.required("refresh_token")?;
    let mut grants = shared.grants();
    let (id, grant) = grants.behind_refresh_token(refresh_token, request.requester())?;
    let resources = narrowed_resources(form, &grant)?;
    let scopes = narrowed(form.scopes(), &grant.scopes)
        .map_err(|scope| OAuthError::new("invalid_scope", format!("{scope} was not granted")))?;
    grants.spend(refresh_token);
    Ok(for_user(
        shared,
        &mut grants,
        request,
        id,
        Grant {
            resources,
            scopes,
            ..grant
        },
    ))
}

fn for_client(shared: &Shared, request: &TokenRequest) -> Result<Value, OAuthError> {
    let TokenRequest {
        client,
        dpop_key,
        form,
    } = request;
    if !client.trusted {
        return Err(OAuthError::new(
            "unauthorized_client",
            "this client has no tokens of its own",
        ));
    }
    let asked = target::scopes(form)?;
    let grant = Grant {
        client_id: client.id.clone(),
        user: client.id.clone(),
        login: None,
        scopes: if asked.is_empty() {
            shared.settings.scopes.clone()
        } else {
            asked
        },
        resources: target::resources(form)?,
        needs_proof: false,
        revoked: false,
    };
    Ok(with_access_token(
        shared,
        &mut shared.grants(),
        None,
        &grant,
        dpop_key.as_deref(),
    ))
}

fn for_user(
    shared: &Shared,
    grants: &mut Grants,
    request: &TokenRequest,
    id: GrantId,
    grant: Grant,
) -> Value {
    let dpop_key = &request.dpop_key;
    let mut tokens = with_access_token(shared, grants, Some(id), &grant, dpop_key.as_deref());
    // RFC 9449 §5: the refresh token of a confidential client is bound to its credentials already.
    let bound_to = dpop_key.clone().filter(|_| request.client.is_public());
    tokens["refresh_token"] = grants.issue_refresh_token(id, bound_to).into();
    tokens
}

fn with_access_token(
    shared: &Shared,
    grants: &mut Grants,
    id: Option<GrantId>,
    grant: &Grant,
    dpop_key: Option<&str>,
) -> Value {
    let lifetime = shared.settings.token_lifetime.as_secs();
    let mut token = shared
        .token()
        .subject(&grant.user)
        .client_id(&grant.client_id);
    token = token.expires_in(i64::try_from(lifetime).unwrap_or(i64::MAX));
    match grant.resources.as_slice() {
        [] => {}
        [resource] => token = token.audience(resource.as_str()),
        resources => token = token.audience(resources.to_vec()),
    }
    let scope = grant.scopes.join(" ");
    if !scope.is_empty() {
        token = token.scope(&scope);
    }
    if let Some(login) = &grant.login {
        token = token
            .claim("auth_time", login.auth_time)
            .claim("amr", login.amr.to_vec())
            .claim("sid", login.sid.as_str());
        if let Some(acr) = &login.acr {
            token = token.claim("acr", acr.as_str());
        }
    }
    if let Some(dpop_key) = dpop_key {
        token = token.claim("cnf", json!({ "jkt": dpop_key }));
    }
    let text = if shared.settings.opaque_tokens {
        format!("opaque_{}", random_text::<24>())
    } else {
        token.mint()
    };
    grants.remember(&text, token.claims().clone(), id);
    let token_type = if dpop_key.is_some() { "DPoP" } else { "Bearer" };
    let mut tokens =
        json!({ "access_token": text, "token_type": token_type, "expires_in": lifetime });
    if !scope.is_empty() {
        tokens["scope"] = scope.into();
    }
    tokens
}

fn narrowed_resources(form: &Form, grant: &Grant) -> Result<Vec<String>, OAuthError> {
    narrowed(target::resources(form)?, &grant.resources).map_err(|resource| {
        OAuthError::new("invalid_target", format!("{resource} was not granted"))
    })
}

/// The scopes requested, or all that were granted if none were requested; fails with the first that was not granted.
fn narrowed(asked: Vec<String>, granted: &[String]) -> Result<Vec<String>, String> {
    if asked.is_empty() {
        return Ok(granted.to_vec());
    }
    match asked.iter().find(|asked| !granted.contains(asked)) {
        Some(foreign) => Err(foreign.clone()),
        None => Ok(asked),
    }
}
