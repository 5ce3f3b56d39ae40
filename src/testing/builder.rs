use std::collections::HashMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::clock::Clock;
use super::key::{Algorithm, SigningKey};
use super::server::AuthorizationServer;
use super::shared::{Settings, Shared};
use super::traffic::Endpoint;

/// The settings of a development authorization server before its start. [`AuthorizationServer::builder`] makes them.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use toolgate::testing::AuthorizationServer;
///
/// let authorization_server = AuthorizationServer::builder()
///     .issuer_path("/tenant1")
///     .scopes(["mcp:use", "files:read"])
///     .users(["ada", "grace"])
///     .start()
///     .await;
/// assert!(authorization_server.issuer().ends_with("/tenant1"));
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct AuthorizationServerBuilder {
    listen: SocketAddr,
    issuer_path: String,
    signing_key: Option<SigningKey>,
    settings: Settings,
}

impl AuthorizationServerBuilder {
    pub(super) fn new() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            issuer_path: String::new(),
            signing_key: None,
            settings: Settings {
                clock: Clock::system(),
                scopes: Vec::new(),
                scope_texts: HashMap::new(),
                users: vec!["alice".to_owned(), "bob".to_owned()],
                token_lifetime: Duration::from_secs(3600),
                opaque_tokens: false,
                discovery_forms: vec![
                    Endpoint::Rfc8414,
                    Endpoint::OidcInserted,
                    Endpoint::OidcAppended,
                ],
                confidential_clients: Vec::new(),
                client_keys: Vec::new(),
                approve_as: None,
                acr_values: vec!["pwd".to_owned(), "phr".to_owned()],
                ignores_login_demands: false,
                dpop_nonces: false,
            },
        }
    }

    /// Listens here instead of on a free port of 127.0.0.1. The address must be a loopback address.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Adds this path to the origin of the server. Both together are the issuer, exactly as written (`/tenant1`, or `/`
    /// for an issuer with a slash at its end). All endpoints are then below it.
    pub fn issuer_path(mut self, path: impl Into<String>) -> Self {
        self.issuer_path = path.into();
        self
    }

    /// Sets the scopes in `scopes_supported`. They are offered to clients that request no scopes. A client can also
    /// request other scopes.
    pub fn scopes(mut self, scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.settings.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the text that says on the consent page what a scope allows, such as `Change and delete files`.
    pub fn scope_text(mut self, scope: impl Into<String>, text: impl Into<String>) -> Self {
        let texts = &mut self.settings.scope_texts;
        texts.insert(scope.into(), text.into());
        self
    }

    /// Sets the users that the consent page offers, `alice` and `bob` by default.
    pub fn users(mut self, users: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.settings.users = users.into_iter().map(Into::into).collect();
        self
    }

    /// Sets how long issued access tokens are valid: one hour by default. For minted tokens, use
    /// [`TokenBuilder::expires_in`](super::TokenBuilder::expires_in).
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.settings.token_lifetime = lifetime;
        self
    }

    /// Issues access tokens that only introspection can read, instead of JWTs.
    pub fn opaque_tokens(mut self) -> Self {
        self.settings.opaque_tokens = true;
        self
    }

    /// Signs with this key instead of a fresh ES256 one.
    pub fn signing_key(mut self, key: SigningKey) -> Self {
        self.signing_key = Some(key);
        self
    }

    /// Sets which of the three well-known forms exist. By default all of them do. The others get 404.
    pub fn discovery_forms(mut self, forms: impl IntoIterator<Item = Endpoint>) -> Self {
        self.settings.discovery_forms = forms.into_iter().collect();
        self
    }

    /// Adds a client with a secret, for introspection and the client credentials grant. The first call replaces the
    /// default client, `rs` with the secret `rs-secret`.
    pub fn client(mut self, id: impl Into<String>, secret: impl Into<String>) -> Self {
        self.settings
            .confidential_clients
            .push((id.into(), secret.into()));
        self
    }

    /// Adds a client that introspects with assertions that this key signs (`private_key_jwt`).
    pub fn client_key(mut self, id: impl Into<String>, key: SigningKey) -> Self {
        self.settings.client_keys.push((id.into(), key));
        self
    }

    /// Answers an authorization request at once, as if this user had allowed everything that it requests. This is for
    /// programs that follow the redirect themselves. A browser still gets the consent page.
    ///
    /// The user logs in with the first request, and again if a request demands another login (`acr_values`, `max_age`,
    /// `prompt`).
    pub fn approve_as(mut self, user: impl Into<String>) -> Self {
        self.settings.approve_as = Some(user.into());
        self
    }

    /// Sets the acr values that a login can have, the weakest first: `pwd` and `phr` by default. The first stands for a
    /// password, each other one for a password and a security key.
    pub fn acr_values(mut self, values: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.settings.acr_values = values.into_iter().map(Into::into).collect();
        self
    }

    /// Ignores `acr_values`, `max_age` and `prompt`, as some authorization servers do: a client that requests a stronger or
    /// a newer login gets a token of the login that there is.
    pub fn ignore_login_demands(mut self) -> Self {
        self.settings.ignores_login_demands = true;
        self
    }

    /// Demands a nonce in each DPoP proof at the token endpoint (RFC 9449 §8), as some authorization servers do.
    /// Token requests without a proof are answered as usual.
    pub fn demand_dpop_nonces(mut self) -> Self {
        self.settings.dpop_nonces = true;
        self
    }

    /// Takes the time from this clock.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.settings.clock = clock;
        self
    }

    /// Starts the server on the current tokio runtime.
    ///
    /// # Panics
    ///
    /// If the address is not a loopback address or is in use, or if the issuer's path does not start with a slash.
    pub async fn start(self) -> AuthorizationServer {
        let Self {
            listen,
            issuer_path,
            signing_key,
            mut settings,
        } = self;
        assert!(
            listen.ip().is_loopback(),
            "{listen} is no loopback address, and everyone may log in as anyone here"
        );
        assert!(
            issuer_path.is_empty() || issuer_path.starts_with('/'),
            "an issuer path starts with a slash: {issuer_path:?}"
        );
        if settings.confidential_clients.is_empty() {
            settings
                .confidential_clients
                .push(("rs".to_owned(), "rs-secret".to_owned()));
        }
        let key = signing_key.unwrap_or_else(|| SigningKey::generate(Algorithm::Es256));
        AuthorizationServer::listen(listen, |origin| {
            Shared::new(origin, &issuer_path, key, settings)
        })
        .await
    }
}

impl fmt::Debug for AuthorizationServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationServerBuilder")
            .field("listen", &self.listen)
            .field("issuer_path", &self.issuer_path)
            .finish_non_exhaustive()
    }
}
