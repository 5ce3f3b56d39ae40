//! The built gate: a cheap handle on everything a request is held against.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use crate::answer::{MetadataService, WellKnown};
use crate::config::{self, Config};
use crate::config_error::ConfigError;
use crate::current::Current;
use crate::explain::{Caller, Explanation};
use crate::layer::ToolgateLayer;
use crate::pipeline::{GateState, Pipeline};
use crate::policy::Review;
use crate::resource_uri::ResourceUri;
use crate::revocation::Revocation;
use crate::token::{IssuerHealth, RevocationError};

/// An OAuth 2.1 resource server, ready to be put around services.
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
/// Cloning it, and taking several layers of it, is cheap: all share one set of keys.
#[derive(Clone)]
pub struct Toolgate {
    pipeline: Arc<Current<Pipeline>>,
    well_known: Arc<Current<WellKnown>>,
    /// What no reload changes.
    fixed: Arc<Fixed>,
}

struct Fixed {
    resource: Arc<ResourceUri>,
    metadata_url: String,
    state: GateState,
    reloading: Mutex<()>,
}

impl Toolgate {
    /// The layer to put around an MCP server; with axum as the last call on the root router.
    pub fn layer(&self) -> ToolgateLayer {
        ToolgateLayer {
            pipeline: self.pipeline.clone(),
        }
    }

    /// A service that answers with the metadata document alone, to be mounted at every one of
    /// [`metadata_paths`](Self::metadata_paths) where the layer sits too deep to see them.
    pub fn metadata_service(&self) -> MetadataService {
        MetadataService(self.well_known.clone())
    }

    /// The paths at which the gate answers by itself, without a token.
    pub fn metadata_paths(&self) -> Vec<String> {
        self.well_known.get().paths().map(str::to_owned).collect()
    }

    /// Where clients find the metadata document: the `resource_metadata` of every challenge.
    pub fn metadata_url(&self) -> &str {
        &self.fixed.metadata_url
    }

    /// Fetches keys wherever it is time to, and says how it then stands with each issuer. Not needed: a gate
    /// that was not warmed up fetches keys with the first tokens.
    ///
    /// It waits where tokens would have to wait, and for ten seconds at most; soon after a failed fetch it
    /// begins no other one. So it also suits the readiness probe of a server that has no traffic yet. Like
    /// requests, it needs a Tokio runtime that goes on running.
    ///
    /// An issuer that is down is no reason not to start: its tokens are answered with 503 until it is back.
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
        self.pipeline.get().verifier.warm_up().await;
        self.health()
    }

    /// How it stands with each issuer, as far as requests and [`warm_up`](Self::warm_up) have found out.
    /// Waits for nothing and fetches nothing.
    ///
    /// Whether one issuer that is down makes the server unready is for the probe to say: restarting or
    /// isolating servers because of an authorization server seldom helps.
    ///
    /// ```
    /// use toolgate::{IssuerHealth, Toolgate};
    ///
    /// fn is_ready(gate: &Toolgate) -> bool {
    ///     gate.health().iter().any(IssuerHealth::is_serving)
    /// }
    /// ```
    pub fn health(&self) -> Vec<IssuerHealth> {
        self.pipeline.get().verifier.health()
    }

    /// Refuses tokens from now on whose issuer's word still holds: one token, or all that a subject or a client
    /// was issued until now. It takes effect with the next request, remembered tokens and look-ups under way
    /// included.
    ///
    /// It is remembered for `longest_life`: write how long the tokens concerned can live at most, or one that
    /// lives longer is accepted again after that. Of a subject's and a client's tokens those are refused that
    /// do not say when they were issued, or were before, or up to a minute after, since clocks differ: more,
    /// where tokens were accepted that were dated further ahead. Whoever was let in before is not any more, and
    /// their streams of events end, as far as [`Streams`](crate::Streams) says.
    ///
    /// It is in force before the first await: once the future was polled, dropping it takes nothing back. A future that
    /// is never polled revokes nothing.
    ///
    /// A gate remembers this in memory: tell each one, and tell it again after a restart, or have the
    /// authorization server asked about every token ([`Introspection::every_token`]).
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
    /// Where the gate trusts no such issuer, and where it remembers as many revocations as it can. Nothing is
    /// revoked then.
    pub async fn revoke(
        &self,
        revocation: Revocation,
        longest_life: Duration,
    ) -> Result<(), RevocationError> {
        self.pipeline
            .get()
            .verifier
            .revoke(revocation, longest_life)
            .await
    }

    /// Why would this request be let in, or refused? Each check in order, with what it expected and got, for
    /// operators and their tests; never for callers, who could learn from it how to get past the next check.
    ///
    /// The body is that of a POST, one JSON-RPC message or a batch. It takes the path of every other one, so
    /// keys may be fetched, an issuer be asked, a decision of your own be made; but no service is called, and
    /// nothing is logged as a decision. Origins are not part of it, and mirrored headers are those that a right client
    /// sends with this body.
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
        self.pipeline.get().explain(caller, body.into()).await
    }

    /// Holds the rules of the scope map against the names of the tools that the server has. A rule with a typo in it
    /// applies to no tool, and nothing else tells of it: call this in a test.
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
        self.pipeline.get().policy.review(tools)
    }

    /// The resource identifier, exactly as configured.
    pub fn resource(&self) -> &str {
        self.fixed.resource.as_str()
    }

    /// Puts another configuration in the place of this one, for this gate and all of its layers at once: issuers,
    /// rules, metadata, origins, sessions and limits. Requests under way end under what they began with; a stream of
    /// events ends at once where a new request with its token would now be refused, as far as
    /// [`Streams`](crate::Streams) says.
    ///
    /// Verified tokens are forgotten, and [revocations](Self::revoke) are not. Keys of an issuer about which nothing
    /// has changed go on serving, and newer ones are fetched with their next use. Sessions go on, unless their key is
    /// gone.
    ///
    /// The resource stays, and so does what only code can give.
    ///
    /// ```
    /// # fn reload(gate: &toolgate::Toolgate, file: &str) -> Result<(), Box<dyn std::error::Error>> {
    /// gate.reload(toml::from_str(file)?)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Where no gate can be made from the configuration, and where the resource is another. [`ConfigError`] names every
    /// value that is wrong. The configuration there was then stays, whole.
    pub fn reload(&self, config: Config) -> Result<(), ConfigError> {
        // One at a time, or the metadata of one could stand beside the gate of another.
        let _alone = self
            .fixed
            .reloading
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let gate = config::rebuild(&config, &self.fixed.state, &self.pipeline.get())?;
        gate.announce();
        self.well_known.replace(gate.well_known.clone());
        self.pipeline.replace(Arc::new(gate));
        Ok(())
    }

    /// Ends all streams of events, for good, so that a graceful shutdown ends too.
    ///
    /// A stream that a client listens on ends at once, at the end of an event; the answer to a call may finish as it may
    /// after its token has expired ([`Streams`](crate::Streams)). A request for a new stream to listen on is answered with
    /// 503. All other requests are served as before.
    ///
    /// ```no_run
    /// # async fn serve(gate: toolgate::Toolgate, app: axum::Router, listener: tokio::net::TcpListener) -> std::io::Result<()> {
    /// axum::serve(listener, app)
    ///     .with_graceful_shutdown(async move {
    ///         let _ = tokio::signal::ctrl_c().await;
    ///         gate.close_streams();
    ///     })
    ///     .await
    /// # }
    /// ```
    pub fn close_streams(&self) {
        self.fixed.state.closing.begin();
    }

    pub(crate) fn new(gate: Pipeline, state: GateState) -> Self {
        gate.announce();
        let metadata_url = gate.answers.resource_metadata().to_owned();
        let fixed = Fixed {
            resource: gate.resource.clone(),
            metadata_url,
            state,
            reloading: Mutex::default(),
        };
        Self {
            well_known: Arc::new(Current::new(gate.well_known.clone())),
            pipeline: Arc::new(Current::new(Arc::new(gate))),
            fixed: Arc::new(fixed),
        }
    }
}

impl fmt::Debug for Toolgate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Toolgate").field(&self.resource()).finish()
    }
}
