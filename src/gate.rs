//! The built gate: a cheap handle on everything that requests are checked against.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;

use crate::config::{Config, ResourceSettings};
use crate::config_error::{ConfigError, ConfigProblem};
use crate::events;
use crate::explain::{Caller, Explanation};
use crate::installed::{Installed, turn_to_reload};
use crate::layer::ToolgateLayer;
use crate::metadata_service::MetadataService;
use crate::pipeline::Pipeline;
use crate::policy::Review;
use crate::revocation::Revocation;
use crate::tenants::Routes;
use crate::token::{IssuerHealth, RevocationError};

/// An OAuth 2.1 resource server, ready to wrap services.
///
/// [`Toolgate::builder`] makes one from code, [`Config::into_builder`] from a file.
///
/// ```
/// use toolgate::{ScopeMap, Toolgate};
///
/// # fn main() -> Result<(), toolgate::ConfigError> {
/// let gate = Toolgate::builder("https://mcp.example.com/mcp")
///     .issuer("https://auth.example.com")
///     .scopes(ScopeMap::allow_unlisted().every_request("mcp:use").tool("delete_file", "files:write"))
///     .build()?;
///
/// let router: axum::Router = axum::Router::new()
///     .route("/mcp", axum::routing::post(|| async { "your MCP server" }))
///     .layer(gate.layer());
/// # Ok(())
/// # }
/// ```
///
/// Clones and layers are cheap: they share their keys, caches, revocations and configuration.
#[derive(Clone)]
pub struct Toolgate(pub(crate) Arc<Installed>);

impl Toolgate {
    /// Makes the layer to put around an MCP server. With axum, add it on the root router, after every route that it must
    /// protect: see [`docs::axum`](crate::docs::axum).
    pub fn layer(&self) -> ToolgateLayer {
        ToolgateLayer::new(Routes::of_gates(self.0.directory.clone()))
    }

    /// Makes a service that serves the metadata document and nothing else. Mount it at each of
    /// [`metadata_paths`](Self::metadata_paths) if the layer is on an inner router that gets no requests for these
    /// paths.
    pub fn metadata_service(&self) -> MetadataService {
        MetadataService(self.0.directory.clone())
    }

    /// Lists the paths that the gate itself answers, without a token.
    pub fn metadata_paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        for address in &self.0.addresses {
            for path in address.pipeline.look().well_known.paths() {
                if !paths.iter().any(|held| held == path) {
                    paths.push(path.to_owned());
                }
            }
        }
        paths
    }

    /// The URL of the metadata document: `resource_metadata` in every challenge.
    pub fn metadata_url(&self) -> &str {
        &self.0.metadata_url
    }

    /// Fetches the keys of each issuer, and the introspection endpoints that are discovered, unless the gate has
    /// current ones. Returns the [health](Self::health) of every issuer. The call is optional: without it, the first
    /// tokens cause the fetches.
    ///
    /// It does not wait for a refresh of keys that can still be used, and waits for ten seconds at most. Soon after a
    /// failed fetch it does not start another one. So it also suits the readiness probe of a server that has no traffic yet.
    /// Like requests, it needs a Tokio runtime that keeps running.
    ///
    /// Start the server even if an issuer is down: until it is back, its tokens get 503.
    ///
    /// ```no_run
    /// # async fn start(gate: toolgate::Toolgate) {
    /// for issuer in gate.warm_up().await {
    ///     if let Some(problem) = issuer.problem() {
    ///         tracing::warn!(error = problem, "{}", issuer.issuer()); // with the causes behind it
    ///     }
    /// }
    /// # }
    /// ```
    pub async fn warm_up(&self) -> Vec<IssuerHealth> {
        self.pipeline().verifier.warm_up().await;
        self.health()
    }

    /// Returns the health of each issuer, as the last requests or the last [`warm_up`](Self::warm_up) found it. It does
    /// not wait and fetches nothing.
    ///
    /// Your probe decides whether one issuer that is down makes the server unready. Restarting or isolating servers
    /// because of an authorization server seldom helps.
    ///
    /// ```
    /// use toolgate::{IssuerHealth, Toolgate};
    ///
    /// fn is_ready(gate: &Toolgate) -> bool {
    ///     gate.health().iter().any(IssuerHealth::is_serving)
    /// }
    /// ```
    pub fn health(&self) -> Vec<IssuerHealth> {
        self.pipeline().verifier.health()
    }

    /// Refuses tokens that their issuer would still accept: one token, or all tokens that were issued to a subject or a
    /// client until now. It takes effect with the next request, even for cached tokens and for introspections in
    /// progress. A stream of events that such a token opened ends, unless [`Streams`](crate::Streams) lets it
    /// continue.
    ///
    /// The gate remembers the revocation for `longest_life`. Use the longest life of the tokens concerned: a token that
    /// lives longer is accepted again after that. A token of the subject or client is refused if it was issued before
    /// the call of `revoke` or within a minute after it, since clocks differ, or if it has no `iat`. If the gate has
    /// accepted a token whose `iat` was more than a minute in the future, it uses that longer time instead of the
    /// minute.
    ///
    /// Await the future: one that is never polled revokes nothing. From its first poll on, the revocation is in force,
    /// even if the future is then dropped.
    ///
    /// A gate keeps revocations in memory: revoke at every replica, and again after a restart, or have every token
    /// introspected ([`Introspection::every_token`]).
    ///
    /// [`Introspection::every_token`]: crate::Introspection::every_token
    ///
    /// ```
    /// # async fn dismissed(gate: &toolgate::Toolgate) -> Result<(), toolgate::RevocationError> {
    /// use std::time::Duration;
    /// use toolgate::Revocation;
    ///
    /// // Access tokens of this authorization server live for an hour at most.
    /// gate.revoke(Revocation::subject("https://auth.example.com", "alice"), Duration::from_secs(3600)).await
    /// # }
    /// ```
    ///
    /// # Errors
    /// An error is returned if the gate does not trust this issuer, or if it remembers as many revocations as it can.
    /// Then nothing is revoked.
    pub async fn revoke(
        &self,
        revocation: Revocation,
        longest_life: Duration,
    ) -> Result<(), RevocationError> {
        self.pipeline()
            .verifier
            .revoke(revocation, longest_life)
            .await
    }

    /// Explains why the gate would admit or refuse a request: each check in order, with what it expected and what it
    /// got. It is for operators and their tests. Do not show it to callers, who could learn from it how to pass the
    /// next check.
    ///
    /// `body` is the body of a POST: one JSON-RPC message of any revision of MCP, or a batch. `explain` adds the
    /// headers that a correct client sends: to a message of 2026-07-28 the mirrored headers that it requires, and to a
    /// batch no `MCP-Protocol-Version`, because only 2025-03-26 has batches. The request has no `Origin` and no
    /// session. To explain a request with headers of your own, use [`explain_request`](Self::explain_request).
    ///
    /// The request goes through the same checks as a real one, so keys may be fetched, the token introspected and
    /// [`Decide`](crate::Decide) called. But no service is called, and no decision is logged.
    ///
    /// ```
    /// # async fn ask(gate: &toolgate::Toolgate, token: &str) {
    /// use toolgate::Caller;
    ///
    /// let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_file"}}"#;
    /// let explanation = gate.explain(Caller::Token(token), call).await;
    /// println!("{explanation}");
    /// assert!(!explanation.is_allowed());
    /// # }
    /// ```
    pub async fn explain(&self, caller: Caller<'_>, body: impl Into<Bytes>) -> Explanation {
        self.pipeline().explain(caller, body.into()).await
    }

    /// Explains what the gate would do with a whole request. Unlike [`explain`](Self::explain), it adds no header: the
    /// method, path, origin, credentials, session, mirrored headers and body are checked as they are. A request that
    /// the gate answers itself, such as a preflight, is [explained as answered](Explanation::answered). The host tells the
    /// [names](crate::Builder::also_at) of the resource apart.
    ///
    /// ```
    /// # async fn ask(gate: &toolgate::Toolgate) -> Result<(), http::Error> {
    /// let preflight = http::Request::options("/mcp")
    ///     .header("origin", "http://localhost:6274")
    ///     .header("access-control-request-method", "POST")
    ///     .body("")?;
    /// let explanation = gate.explain_request(preflight).await;
    /// println!("{explanation}");
    /// assert_eq!(explanation.answered(), Some(http::StatusCode::NO_CONTENT));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn explain_request<B: Into<Bytes>>(&self, request: Request<B>) -> Explanation {
        let (parts, body) = request.into_parts();
        let pipeline = self.0.pipeline_for(&parts);
        let request = Request::from_parts(parts, body.into());
        pipeline.explain_request(request).await
    }

    /// Compares the rules of the scope map with the names of the tools that the server has. A rule with a typo applies
    /// to no tool. No event reports this at start-up; a WARN reports it only [when a client first lists the
    /// tools](crate::docs::scopes#rules-and-tools-that-do-not-fit). So call this method in a test.
    ///
    /// ```
    /// # use toolgate::{ScopeMap, Toolgate};
    /// let gate = Toolgate::builder("https://mcp.example.com/mcp")
    ///     .issuer("https://auth.example.com")
    ///     .scopes(ScopeMap::deny_unlisted().tool("delete_files", "files:write"))
    ///     .build()?;
    /// let review = gate.review(["delete_file"]);
    /// assert_eq!(review.unused_rules(), ["delete_files"]);
    /// assert_eq!(review.tools_without_rule(), ["delete_file"]);
    /// # Ok::<(), toolgate::ConfigError>(())
    /// ```
    pub fn review<S: AsRef<str>>(&self, tools: impl IntoIterator<Item = S>) -> Review {
        self.pipeline().policy.review(tools)
    }

    /// The resource identifier, exactly as configured.
    pub fn resource(&self) -> &str {
        self.0.main.resource.as_str()
    }

    /// The other names of the resource ([`Builder::also_at`](crate::Builder::also_at)).
    pub fn also_at(&self) -> impl Iterator<Item = &str> {
        let aliases = self.0.addresses.iter().skip(1);
        aliases.map(|address| address.resource.as_str())
    }

    /// Replaces the configuration of this gate and of all its layers at once: every setting that a file can hold. The
    /// resource must be the same, and so must `seen_at` if a layer serves several URLs. The HTTP client and your own decision do not change. All issuers come from the new
    /// configuration: one that had its keys from [`Issuer::jwks`](crate::Issuer::jwks) needs `jwks_file` or `jwks_uri`
    /// there.
    ///
    /// A request in progress finishes under the configuration that it began with. A stream of events ends if a new
    /// request with its token would now be refused, unless [`Streams`](crate::Streams) lets it continue. The cache of
    /// verified tokens is emptied, and [revocations](Self::revoke) are kept. The keys of an unchanged issuer stay in
    /// use until they are fetched again. Sessions continue, unless their key was removed.
    ///
    /// ```
    /// # fn reload(gate: &toolgate::Toolgate, file: &str) -> Result<(), Box<dyn std::error::Error>> {
    /// gate.reload(toml::from_str(file)?)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// An error is returned if the configuration is not valid, or if it names another resource. [`ConfigError`] names
    /// every value that is wrong. The gate then keeps its configuration unchanged.
    pub fn reload(&self, config: Config) -> Result<(), ConfigError> {
        let _turn = turn_to_reload();
        let (settings, mut problems) = config.settings();
        if self.0.is_of_tenant {
            let fix = "the configuration of a tenant comes from the resolver: call Gates::forget";
            problems.add(ConfigProblem::conflict("resource", fix));
        }
        let settings = ResourceSettings::from(settings);
        settings.check_alone(&mut problems);
        let next = self.0.prepare(&settings, &mut problems);
        if let Ok(next) = &next {
            self.0.check_beside_neighbours(next, &[], &mut problems);
        }
        self.0.replace(problems.finish(next)?);
        Ok(())
    }

    /// Ends all streams of events permanently, so that a graceful shutdown can finish.
    ///
    /// A stream that a client listens on ends at once, at the end of an event. The response to a call may continue for
    /// [`grace_seconds`](crate::Sessions::grace_seconds). With [`Streams::EndWithToken`](crate::Streams::EndWithToken)
    /// it ends at once too. A request for a new stream to listen on gets 503. All other requests are served as before.
    /// A client that stops reading can still hold its connection open, so put a time limit around the shutdown.
    ///
    /// ```no_run
    /// # async fn serve(gate: toolgate::Toolgate, app: axum::Router, listener: tokio::net::TcpListener) -> std::io::Result<()> {
    /// axum::serve(listener, app)
    ///     .with_graceful_shutdown(async move {
    ///         let _ = tokio::signal::ctrl_c().await; // most platforms send SIGTERM: see docs::deploying
    ///         gate.close_streams();
    ///     })
    ///     .await
    /// # }
    /// ```
    pub fn close_streams(&self) {
        self.0.state.closing.begin();
        events::streams_closed();
    }

    pub(crate) fn new(installed: Installed) -> Self {
        installed.main.pipeline.look().announce();
        Self(Arc::new(installed))
    }

    fn pipeline(&self) -> Arc<Pipeline> {
        self.0.main.pipeline.get()
    }
}

impl fmt::Debug for Toolgate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Toolgate").field(&self.resource()).finish()
    }
}
