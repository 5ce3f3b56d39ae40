use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::clock::Clock;
use super::grants::Grants;
use super::key::SigningKey;
use super::key_ring::KeyRing;
use super::logins::Logins;
use super::mint::TokenBuilder;
use super::proofs::Proofs;
use super::traffic::{Endpoint, Traffic};

/// The state that all connections and handles of one server share.
pub(super) struct Shared {
    pub(super) issuer: String,
    pub(super) settings: Settings,
    /// Scheme, host and port.
    origin: String,
    /// The issuer's path without a slash at its end.
    issuer_path: String,
    endpoints: HashMap<String, Endpoint>,
    keys: Mutex<KeyRing>,
    traffic: Mutex<Traffic>,
    grants: Mutex<Grants>,
    logins: Mutex<Logins>,
    proofs: Mutex<Proofs>,
}

/// The settings that a server was built with.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) clock: Clock,
    pub(super) scopes: Vec<String>,
    /// Scopes, and what each of them allows.
    pub(super) scope_texts: HashMap<String, String>,
    pub(super) users: Vec<String>,
    pub(super) token_lifetime: Duration,
    pub(super) opaque_tokens: bool,
    pub(super) discovery_forms: Vec<Endpoint>,
    /// Ids and secrets.
    pub(super) confidential_clients: Vec<(String, String)>,
    /// Ids and keys.
    pub(super) client_keys: Vec<(String, SigningKey)>,
    pub(super) approve_as: Option<String>,
    /// The acr values of logins, the weakest first.
    pub(super) acr_values: Vec<String>,
    pub(super) ignores_login_demands: bool,
    pub(super) dpop_nonces: bool,
}

impl Shared {
    pub(super) fn new(
        origin: String,
        issuer_path: &str,
        key: SigningKey,
        settings: Settings,
    ) -> Self {
        let issuer = format!("{origin}{issuer_path}");
        let issuer_path = issuer_path.trim_end_matches('/').to_owned();
        // In reverse order, so that the first of two endpoints with one path stays.
        let endpoints = Endpoint::ALL
            .into_iter()
            .rev()
            .map(|endpoint| (endpoint.path(&issuer_path), endpoint));
        Self {
            endpoints: endpoints.collect(),
            issuer,
            settings,
            origin,
            issuer_path,
            keys: Mutex::new(KeyRing::new(key)),
            traffic: Mutex::default(),
            grants: Mutex::default(),
            logins: Mutex::default(),
            proofs: Mutex::default(),
        }
    }

    pub(super) fn url(&self, endpoint: Endpoint) -> String {
        format!("{}{}", self.origin, self.path(endpoint))
    }

    pub(super) fn path(&self, endpoint: Endpoint) -> String {
        endpoint.path(&self.issuer_path)
    }

    pub(super) fn endpoint_at(&self, path: &str) -> Option<Endpoint> {
        self.endpoints.get(path).copied()
    }

    /// The endpoint that answers for this one: without an issuer path, two discovery forms are one.
    pub(super) fn answering(&self, endpoint: Endpoint) -> Endpoint {
        self.endpoint_at(&self.path(endpoint)).unwrap_or(endpoint)
    }

    /// Whether the server itself is at this path, and no endpoint.
    pub(super) fn is_home(&self, path: &str) -> bool {
        path == "/" || path.strip_suffix('/').unwrap_or(path) == self.issuer_path
    }

    /// The text that the builder gave a scope.
    pub(super) fn scope_text(&self, scope: &str) -> Option<&str> {
        self.settings.scope_texts.get(scope).map(String::as_str)
    }

    pub(super) fn serves_form(&self, form: Endpoint) -> bool {
        self.settings
            .discovery_forms
            .iter()
            .any(|served| self.answering(*served) == form)
    }

    pub(super) fn token(&self) -> TokenBuilder {
        TokenBuilder::new(
            &self.issuer,
            self.keys().signing_key(),
            self.settings.clock.clone(),
        )
    }

    pub(super) fn introspection_response(&self, client_id: &str, answer: Value) -> TokenBuilder {
        self.token().introspection_response(client_id, answer)
    }

    pub(super) fn keys(&self) -> MutexGuard<'_, KeyRing> {
        lock(&self.keys)
    }

    pub(super) fn traffic(&self) -> MutexGuard<'_, Traffic> {
        lock(&self.traffic)
    }

    pub(super) fn grants(&self) -> MutexGuard<'_, Grants> {
        lock(&self.grants)
    }

    pub(super) fn logins(&self) -> MutexGuard<'_, Logins> {
        lock(&self.logins)
    }

    pub(super) fn proofs(&self) -> MutexGuard<'_, Proofs> {
        lock(&self.proofs)
    }
}

/// Ignores poisoning: a test that panicked with the lock has failed already, and must not fail the others.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
