use bytes::Bytes;
use http::header::{HOST, ORIGIN};
use http::{HeaderMap, Request, Response, StatusCode};
use reqwest::Url;

use super::client::Client;
use super::consent;
use super::error::OAuthError;
use super::form::{self, Form};
use super::host;
use super::login::{Browser, LoginDemand};
use super::reply;
use super::target;
use crate::testing::grants::{CodeBinding, Grant};
use crate::testing::logins::Login;
use crate::testing::shared::Shared;

/// The lifetime of an unused code.
const CODE_LIFETIME_SECONDS: i64 = 60;

/// GET: asks the user, or approves the request at once if the builder says so.
pub(super) async fn ask(shared: &Shared, request: &Request<Bytes>) -> Response<Bytes> {
    let form = Form::of_query(request);
    let callback = match Callback::find(shared, &form).await {
        Ok(callback) => callback,
        Err(problem) => return consent::problem(&problem),
    };
    match Wish::read(shared, &form) {
        // Only programs are answered at once: any web page can send a browser here, and the browser says that
        // it is one.
        Ok(wish) => match &shared.settings.approve_as {
            Some(user) if !request.headers().contains_key("sec-fetch-site") => {
                let browser = Browser::of_programs(shared);
                let login = browser.log_in(shared, &wish.login, user, None);
                approve(shared, &callback, wish.or_all_scopes(shared), user, login)
            }
            _ => {
                let browser = Browser::of(shared, request.headers());
                consent::page(shared, &callback, &wish.or_all_scopes(shared), &browser)
            }
        },
        Err(error) => refuse(shared, &callback, &error),
    }
}

/// POST: the user's answer. The form contains the whole request, which is checked again.
pub(super) async fn decide(shared: &Shared, request: &Request<Bytes>) -> Response<Bytes> {
    if !is_from_own_page(request.headers()) {
        return consent::problem("This form was sent from another site.");
    }
    let form = match Form::of_body(request) {
        Ok(form) => form,
        Err(error) => return consent::problem(&error.description),
    };
    let callback = match Callback::find(shared, &form).await {
        Ok(callback) => callback,
        Err(problem) => return consent::problem(&problem),
    };
    let user = form
        .all("user")
        .find(|user| shared.settings.users.iter().any(|known| known == user));
    match (form.all("decision").next(), user, Wish::read(shared, &form)) {
        (Some("allow"), Some(user), Ok(wish)) => {
            let browser = Browser::of(shared, request.headers());
            let chosen = form.all("acr").next();
            let Some(login) = browser.log_in(shared, &wish.login, user, chosen) else {
                return consent::problem("Choose one of the ways to log in.");
            };
            let response = approve(shared, &callback, wish, user, Some(login));
            browser.remember(shared, response)
        }
        (Some("allow"), None, Ok(_)) => consent::problem("Choose one of the users."),
        (Some("deny"), _, Ok(_)) => refuse(
            shared,
            &callback,
            &OAuthError::new("access_denied", "the user denied the request"),
        ),
        (_, _, Err(error)) => refuse(shared, &callback, &error),
        _ => consent::problem("The decision is either allow or deny."),
    }
}

/// The client and the URI that the answer goes to. Until it is known, there is no redirect.
pub(super) struct Callback {
    pub(super) client: Client,
    pub(super) redirect_uri: String,
    pub(super) state: Option<String>,
}

impl Callback {
    async fn find(shared: &Shared, form: &Form) -> Result<Self, String> {
        let once = |error: OAuthError| format!("The request is malformed: {}.", error.description);
        let client_id = form.required("client_id").map_err(once)?;
        let asked = form.optional("redirect_uri").map_err(once)?;
        let state = form.optional("state").map_err(once)?.map(str::to_owned);
        let client = Client::find(shared, client_id).await?;
        Ok(Self {
            redirect_uri: client.redirect_uri(asked)?,
            client,
            state,
        })
    }

    /// RFC 9207: every answer names its issuer.
    fn redirect<'a>(
        &'a self,
        shared: &'a Shared,
        mut parameters: Vec<(&'a str, &'a str)>,
    ) -> Response<Bytes> {
        parameters.extend(self.state.as_deref().map(|state| ("state", state)));
        parameters.push(("iss", &shared.issuer));
        // 303, so that the browser never sends the form on (RFC 9700 §4.12).
        reply::redirect(
            StatusCode::SEE_OTHER,
            &form::with_parameters(&self.redirect_uri, &parameters),
        )
    }
}

/// The request of a client.
pub(super) struct Wish {
    pub(super) scopes: Vec<String>,
    pub(super) resources: Vec<String>,
    pub(super) login: LoginDemand,
    pub(super) challenge: String,
    /// The thumbprint of the DPoP key that the code shall be bound to.
    pub(super) dpop_key: Option<String>,
}

impl Wish {
    fn read(shared: &Shared, form: &Form) -> Result<Self, OAuthError> {
        if form.required("response_type")? != "code" {
            return Err(OAuthError::new(
                "unsupported_response_type",
                "the only response_type is code",
            ));
        }
        let challenge = form.required("code_challenge")?;
        if form.optional("code_challenge_method")? != Some("S256") {
            return Err(OAuthError::invalid_request(
                "code_challenge_method must be S256",
            ));
        }
        if !is_hash(challenge) {
            return Err(OAuthError::invalid_request(
                "code_challenge is not a SHA-256 in base64url",
            ));
        }
        let dpop_key = form.optional("dpop_jkt")?;
        if !dpop_key.is_none_or(is_hash) {
            return Err(OAuthError::invalid_request(
                "dpop_jkt is not a SHA-256 in base64url",
            ));
        }
        Ok(Self {
            scopes: target::scopes(form)?,
            resources: target::resources(form)?,
            login: LoginDemand::read(shared, form)?,
            challenge: challenge.to_owned(),
            dpop_key: dpop_key.map(str::to_owned),
        })
    }

    /// A client that names no scope is offered all there are.
    fn or_all_scopes(mut self, shared: &Shared) -> Self {
        if self.scopes.is_empty() {
            self.scopes.clone_from(&shared.settings.scopes);
        }
        self
    }
}

/// Whether a text has the form of a SHA-256 in base64url.
fn is_hash(text: &str) -> bool {
    let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    text.len() == 43 && text.bytes().all(is_base64url)
}

fn approve(
    shared: &Shared,
    callback: &Callback,
    wish: Wish,
    user: &str,
    login: Option<Login>,
) -> Response<Bytes> {
    let grant = Grant {
        client_id: callback.client.id.clone(),
        user: user.to_owned(),
        login,
        scopes: wish.scopes,
        resources: wish.resources,
        needs_proof: callback.client.dpop_bound,
        revoked: false,
    };
    let binding = CodeBinding {
        redirect_uri: callback.redirect_uri.clone(),
        challenge: wish.challenge,
        dpop_key: wish.dpop_key,
        expires_at: shared.settings.clock.unix_seconds() + CODE_LIFETIME_SECONDS,
    };
    let code = shared.grants().issue_code(grant, binding);
    callback.redirect(shared, vec![("code", &code)])
}

fn refuse(shared: &Shared, callback: &Callback, error: &OAuthError) -> Response<Bytes> {
    callback.redirect(
        shared,
        vec![
            ("error", error.code),
            ("error_description", &error.description),
        ],
    )
}

/// Whether no other site sent the form: programs send no `Origin`, browsers that of the page. Its host must be a loopback
/// host: otherwise another name that resolves to our address (DNS rebinding) would pass.
fn is_from_own_page(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN) else {
        return true;
    };
    let origin = origin
        .to_str()
        .ok()
        .and_then(|origin| Url::parse(origin).ok());
    origin.is_some_and(|origin| {
        let own = headers
            .get(HOST)
            .and_then(|host| Url::parse(&format!("http://{}", host.to_str().ok()?)).ok());
        host::is_loopback(&origin) && own == Some(origin)
    })
}
