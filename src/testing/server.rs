use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderValue;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::builder::AuthorizationServerBuilder;
use super::fault::Fault;
use super::key::SigningKey;
use super::listener;
use super::mint::TokenBuilder;
use super::random::random_text;
use super::shared::Shared;
use super::traffic::{Endpoint, Recorded};

/// The warning to print wherever this server is shown. [`AuthorizationServer`]'s `Display` and its pages contain it.
pub const NOTICE: &str = "For development only: everyone may log in as anyone.";

/// A development authorization server in this process. **Everyone may log in as anyone.**
///
/// This is a handle: its clones refer to the same server, and the server stops when the last of them is dropped. Its
/// `Display` is the text to print at start-up.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use toolgate::testing::{AuthorizationServer, Endpoint};
///
/// let authorization_server = AuthorizationServer::start().await;
/// let token = authorization_server.token().audience("http://127.0.0.1:3000/mcp").mint();
/// authorization_server.revoke(&token);
/// assert!(authorization_server.requests(Endpoint::Introspect).is_empty());
/// # }
/// ```
#[derive(Clone)]
pub struct AuthorizationServer {
    shared: Arc<Shared>,
    running: Arc<Running>,
}

impl AuthorizationServer {
    /// Starts a server with all defaults: a free port of 127.0.0.1, one ES256 key.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// Returns the default settings of a server, which can be changed before it starts.
    pub fn builder() -> AuthorizationServerBuilder {
        AuthorizationServerBuilder::new()
    }

    pub(super) async fn listen(address: SocketAddr, shared: impl FnOnce(String) -> Shared) -> Self {
        let listener = TcpListener::bind(address).await.unwrap_or_else(|error| {
            panic!("the development authorization server cannot listen on {address}: {error}")
        });
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let shared = Arc::new(shared(format!("http://{address}")));
        let stop = Arc::new(Notify::new());
        let task = tokio::spawn(listener::serve(
            listener,
            Arc::clone(&shared),
            Arc::clone(&stop),
        ));
        Self {
            shared,
            running: Arc::new(Running {
                stop,
                task: Mutex::new(Some(task)),
            }),
        }
    }

    /// The issuer, such as `http://127.0.0.1:41234`, without a slash at its end unless the builder sets one.
    pub fn issuer(&self) -> &str {
        &self.shared.issuer
    }

    /// The URL of an endpoint.
    pub fn url(&self, endpoint: Endpoint) -> String {
        self.shared.url(endpoint)
    }

    /// Starts a token, which is signed with the current key by default.
    pub fn token(&self) -> TokenBuilder {
        self.shared.token()
    }

    /// Starts a DPoP proof (RFC 9449 §4.2) by this key, for a request of this method to this URL.
    ///
    /// It begins as a valid proof without `ath`: [`TokenBuilder::for_token`] adds it. Every part can be replaced, as in
    /// a token.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use toolgate::testing::{Algorithm, AuthorizationServer, SigningKey};
    ///
    /// let authorization_server = AuthorizationServer::start().await;
    /// let key = SigningKey::generate(Algorithm::Es256);
    /// let token = authorization_server.token().bound_to(&key).mint();
    /// let proof = authorization_server.proof(&key, "POST", "https://mcp.example.com/mcp").for_token(&token).mint();
    /// // Authorization: DPoP {token}
    /// // DPoP: {proof}
    /// # assert_ne!(token, proof);
    /// # }
    /// ```
    pub fn proof(&self, key: &SigningKey, method: &str, url: &str) -> TokenBuilder {
        TokenBuilder::proof(key, method, url, self.shared.settings.clock.clone())
    }

    /// Starts a signed introspection response (RFC 9701) for this client, with `answer` as its `token_introspection`.
    ///
    /// It begins as a valid response. Every part can be replaced, as in a token, and
    /// [`Fault::SignedResponse`](super::Fault::SignedResponse) makes the endpoint return it.
    pub fn introspection_response(&self, client_id: &str, answer: Value) -> TokenBuilder {
        self.shared.introspection_response(client_id, answer)
    }

    /// Issues an opaque token, whose introspection returns the claims of this token.
    pub fn mint_opaque(&self, token: &TokenBuilder) -> String {
        let text = format!("opaque_{}", random_text::<24>());
        self.shared
            .grants()
            .remember(&text, token.claims().clone(), None);
        text
    }

    /// The current signing key.
    pub fn signing_key(&self) -> SigningKey {
        self.shared.keys().signing_key()
    }

    /// Replaces the published keys by this one, and signs with it from now on.
    pub fn rotate(&self, key: SigningKey) {
        self.shared.keys().rotate(key);
    }

    /// Publishes exactly these JWKs, valid or not. The signing key stays the same.
    pub fn publish(&self, keys: Vec<Value>) {
        self.shared.keys().publish(keys);
    }

    /// The key set that is served.
    pub fn jwks(&self) -> Value {
        self.shared.keys().jwks()
    }

    /// Sends this `Cache-Control` with the key set. By default there is none.
    ///
    /// # Panics
    ///
    /// On a value that is not valid in a header.
    pub fn jwks_cache_control(&self, value: Option<&str>) {
        let value = value.map(|value| HeaderValue::from_str(value).expect("a header value"));
        self.shared.keys().cache_control = value;
    }

    /// Makes an endpoint fail in this way on every request, until `None` clears the fault.
    ///
    /// # Panics
    ///
    /// On a status or a redirect that no response can have.
    pub fn fail(&self, endpoint: Endpoint, fault: Option<Fault>) {
        if let Some(fault) = &fault {
            fault.assert_possible();
        }
        self.shared
            .traffic()
            .set_fault(self.shared.answering(endpoint), fault);
    }

    /// The number of requests to an endpoint. A request counts as soon as its head has arrived.
    pub fn hits(&self, endpoint: Endpoint) -> usize {
        self.shared.traffic().hits(self.shared.answering(endpoint))
    }

    /// The requests to an endpoint, oldest first; at most the last 1024.
    pub fn requests(&self, endpoint: Endpoint) -> Vec<Recorded> {
        self.shared
            .traffic()
            .requests(self.shared.answering(endpoint))
    }

    /// Makes introspection report this token as inactive from now on. The signature of a JWT stays valid.
    pub fn revoke(&self, token: &str) {
        self.shared.grants().revoke(token);
    }

    /// Makes introspection return exactly this response for a token, which may have any form.
    pub fn introspect_as(&self, token: &str, answer: Value) {
        self.shared.grants().introspect_as(token, answer);
    }

    /// Stops the server for all its handles. On return, its port refuses connections.
    pub async fn stop(&self) {
        self.running.stop.notify_one();
        let task = self
            .running
            .task
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(task) = task {
            let _ = task.await;
        }
    }
}

impl fmt::Debug for AuthorizationServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationServer")
            .field("issuer", &self.issuer())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for AuthorizationServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Development authorization server at {}. {NOTICE}",
            self.issuer()
        )
    }
}

/// The listener's task, which ends with the last handle.
struct Running {
    stop: Arc<Notify>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(task) = self.task.get_mut().unwrap_or_else(PoisonError::into_inner) {
            task.abort();
        }
    }
}
