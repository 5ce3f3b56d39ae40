//! The builder: a configuration, and the settings that only code can give.

use std::fmt;
use std::sync::Arc;

use crate::answer::{Challenges, Metadata};
use crate::config::{
    ApiKeys, CodeOnly, Config, Family, Holder, Issuer, Limits, ResourceSettings, Sessions, Settings,
};
use crate::config_error::{ConfigError, Problems};
use crate::gate::Toolgate;
use crate::installed::Installed;
use crate::issuer::HttpClientBuilder;
use crate::policy::{Decide, ScopeMap};
use crate::token::OwnVerifier;

/// Collects the settings of a gate. Nothing is checked before [`build`](Self::build).
///
/// An issuer and a [`ScopeMap`] are required; everything else has a default.
#[must_use = "a builder does nothing until it is built"]
pub struct Builder {
    written: ResourceSettings,
    /// The mistakes that were found when the settings were read.
    problems: Problems,
    code_only: CodeOnly,
}

impl Toolgate {
    /// Starts a gate for the server with this resource identifier: the URL that clients are given.
    ///
    /// Tokens must name it as their audience, exactly as written here. One slash at the end is ignored.
    /// [`Issuer::audience`] accepts other audiences. The metadata document is served at the origin of this URL, under
    /// `/.well-known/`.
    pub fn builder(resource: impl Into<String>) -> Builder {
        Builder::of(Settings::new(resource).into(), Problems::default())
    }

    /// Starts a gate for another resource with the same issuers. The two share what is fetched (keys, discovery), the HTTP
    /// client, the [limits](Limits), the clock and [revocations](Self::revoke): ten resources fetch a key set once. They share
    /// no verdict about a token.
    ///
    /// Settings by which a token for this resource would be good at the other one are left out:
    /// [`Issuer::audience`] and [`Issuer::unbound_tokens_of_client`]. Everything else has its default.
    ///
    /// ```
    /// use toolgate::{Gates, ScopeMap, Toolgate};
    ///
    /// # fn main() -> Result<(), toolgate::ConfigError> {
    /// let files = Toolgate::builder("https://mcp.example.com/files")
    ///     .issuer("https://auth.example.com")
    ///     .scopes(ScopeMap::allow_unlisted().every_request("files:use"))
    ///     .build()?;
    /// let mail = files
    ///     .for_resource("https://mcp.example.com/mail")
    ///     .scopes(ScopeMap::allow_unlisted().every_request("mail:use"))
    ///     .build()?;
    /// let layer = Gates::not_found_elsewhere([files, mail])?.layer();
    /// # Ok(())
    /// # }
    /// ```
    pub fn for_resource(&self, resource: impl Into<String>) -> Builder {
        let settings = self.0.inherited().settings(resource.into());
        let mut builder = Builder::of(settings.into(), Problems::default());
        builder.code_only.family = Some(self.0.family());
        builder
    }
}

impl Config {
    /// Turns the configuration into a builder, to add the settings that only code can give. Variables in place of
    /// strings are read now; secrets are read by `build()`. If a variable is not set, `build()` reports it.
    pub fn into_builder(self) -> Builder {
        Builder::from(self)
    }
}

impl Builder {
    /// Trusts an authorization server; may be called repeatedly. The URL of the server is enough if the server
    /// publishes its keys and its tokens have the resource as their `aud`. For any other authorization server, pass an
    /// [`Issuer`].
    pub fn issuer(mut self, issuer: impl Into<Issuer>) -> Self {
        self.written.settings.issuers.push(issuer.into());
        self
    }

    /// Sets the scopes that each tool needs. A scope map is required. If a valid token is enough for every operation,
    /// pass [`ScopeMap::allow_unlisted()`].
    pub fn scopes(mut self, scopes: ScopeMap) -> Self {
        self.written.settings.scopes = Some(scopes);
        self
    }

    /// Accepts API keys beside the tokens of the issuers. A gate for [another resource](Toolgate::for_resource) does not
    /// inherit them.
    pub fn api_keys(mut self, keys: ApiKeys) -> Self {
        self.written.settings.api_keys = Some(keys);
        self
    }

    /// Accepts tokens that a verifier of your own verifies, beside those of the issuers; may be called repeatedly. A gate for
    /// [another resource](Toolgate::for_resource) does not inherit it, and [`reload`](Toolgate::reload) does not change it.
    pub fn verifier(mut self, verifier: OwnVerifier) -> Self {
        self.code_only.own_verifiers.push(verifier);
        self
    }

    /// Sets the members of the metadata document that describe the server.
    pub fn metadata(mut self, metadata: Metadata) -> Self {
        self.written.settings.metadata = metadata;
        self
    }

    /// Allows web pages of this origin to call the server, besides those of its own origin and of loopback hosts.
    /// `origin` may also be `null`, or a whole scheme that is not http: `vscode-webview://*`.
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.written.settings.origins.allow(origin.into());
        self
    }

    /// Allows every web page to call the server. Then only the token protects it. `build()` returns an error if an
    /// operation is also open [`without_token`](crate::without_token).
    pub fn allow_any_origin(mut self) -> Self {
        self.written.settings.origins.allow_any();
        self
    }

    /// Writes no CORS headers. Use this setting if a CORS layer outside of the gate writes them.
    pub fn leave_cors_to_others(mut self) -> Self {
        self.written.settings.origins.leave_cors_to_others();
        self
    }

    /// Sets how sessions are bound to their owners. By default they are bound with a random key, which is lost at
    /// restart.
    pub fn sessions(mut self, sessions: Sessions) -> Self {
        self.written.settings.sessions = sessions;
        self
    }

    /// Sets how callers prove that a token that is bound to a key is theirs to use. By default, DPoP proofs are accepted.
    pub fn holder(mut self, holder: Holder) -> Self {
        self.written.settings.holder = holder;
        self
    }

    /// Lists a proxy of yours, by its IP address or by a network such as `10.0.0.0/8`; may be called repeatedly. The header
    /// of [`Holder::certificate_header`] counts only if a listed peer sent it. The proxy must overwrite that header in every
    /// request, or a client could write it. The gate finds the address of a connection in the extension
    /// [`Peer`](crate::Peer).
    pub fn listed_peer(mut self, network: impl Into<String>) -> Self {
        self.written.settings.peers.list(network.into());
        self
    }

    /// Sets the path of the resource in the requests that reach this server, if a proxy in front changes the path:
    /// `/mcp`, say, for the resource `https://api.example.com/team/mcp`. The gate needs it to compare the URL in a DPoP
    /// proof with the URL that clients use.
    pub fn seen_at(mut self, path: impl Into<String>) -> Self {
        self.written.settings.seen_at = Some(path.into());
        self
    }

    /// Adds another URL under which clients reach this resource, such as that of a second domain. A request that comes to it
    /// is answered with metadata and challenges that name it, and its URL is an accepted audience, as all other names of this
    /// resource are. The host of the request tells the names apart. A request to any other host is answered with the resource
    /// identifier itself.
    ///
    /// The inner service finds the name in the extensions of a request: [`Resource`](crate::Resource).
    pub fn also_at(mut self, url: impl Into<String>) -> Self {
        self.written.settings.also_at.push(url.into());
        self
    }

    /// Sets how calls of tools that lack a token or scopes are refused. By default it is [`Challenges::Http`]. For the two
    /// others, [`describe_security`](Self::describe_security) is required.
    pub fn challenges(mut self, challenges: Challenges) -> Self {
        self.written.settings.clients.challenges = challenges;
        self
    }

    /// Names a client that gets refusals as results of tools under [`Challenges::Auto`], by its product in `User-Agent`; may
    /// be called repeatedly. By default it is `openai-mcp`, which is ChatGPT.
    pub fn tool_results_for(mut self, product: impl Into<String>) -> Self {
        let clients = &mut self.written.settings.clients;
        clients.add_product(product.into());
        self
    }

    /// Describes in lists of tools which scopes each tool needs (`securitySchemes`). By default, lists are passed on
    /// unchanged.
    pub fn describe_security(mut self) -> Self {
        self.written.settings.clients.describe_security = true;
        self
    }

    /// Sets limits that differ from the defaults.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.written.settings.limits = limits;
        self
    }

    /// Sets how the client for requests to authorization servers is built: a private CA, a proxy, a client certificate.
    /// Redirects stay off, and every fetch stays bounded in time and size.
    ///
    /// These settings apply to `https` only. Plain `http` is allowed for loopback only, and the gate uses a separate
    /// client for it. The separate client uses no proxy, and for it `localhost` always means 127.0.0.1 or `[::1]`.
    pub fn http_client(mut self, client: HttpClientBuilder) -> Self {
        self.code_only.http_client = Some(client);
        self
    }

    /// Sets a decision of your own. It is called for each call that the scope map allows. A call is admitted only if
    /// both allow it.
    pub fn decision(mut self, decision: impl Decide) -> Self {
        self.code_only.decider = Some(Arc::new(decision));
        self
    }

    /// Lets handlers ask for more scopes than the rules require, by the [`StepUp`](crate::StepUp) in the extensions of a
    /// request. The head of a stream of events that answers a call is then held until its first message, for 10 s at most.
    pub fn step_up_in_handlers(mut self) -> Self {
        self.code_only.steps_up_in_handlers = true;
        self
    }

    /// Takes the time from a clock that a test can set.
    #[cfg(feature = "testing")]
    pub fn clock(mut self, clock: crate::testing::Clock) -> Self {
        self.code_only.clock = crate::clock::Clock::Set(clock);
        self
    }

    /// Parses and checks all settings, and builds the gate. It makes no network request: a gate can be built while its
    /// authorization server is down.
    ///
    /// # Errors
    /// [`ConfigError`] names every value that is wrong, not just the first.
    pub fn build(self) -> Result<Toolgate, ConfigError> {
        let mut problems = self.problems;
        self.written.check_alone(&mut problems);
        let gate = Installed::build(&self.written, self.code_only, &mut problems);
        problems.finish(gate).map(Toolgate::new)
    }

    /// Builds a gate beside those of a family, if there are any yet.
    pub(crate) fn install(
        mut self,
        family: Option<Family>,
        problems: &mut Problems,
    ) -> Option<Installed> {
        if family.is_some() {
            // It is that of the first gate, which was given the same.
            self.code_only.http_client = None;
            self.code_only.family = family;
        }
        Installed::build(&self.written, self.code_only, problems).ok()
    }

    pub(crate) fn of(written: ResourceSettings, problems: Problems) -> Self {
        Self {
            written,
            problems,
            code_only: CodeOnly::default(),
        }
    }
}

impl From<Config> for Builder {
    fn from(config: Config) -> Self {
        let (settings, problems) = config.settings();
        Self::of(settings.into(), problems)
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("settings", &self.written.settings)
            .finish_non_exhaustive()
    }
}
