//! The builder: a configuration, plus what no file can hold.

use std::fmt;
use std::sync::Arc;

use crate::answer::Metadata;
use crate::clock::Clock;
use crate::config::{self, CodeOnly, Config, Issuer, Limits, Sessions};
use crate::config_error::ConfigError;
use crate::gate::Toolgate;
use crate::issuer::HttpClientBuilder;
use crate::policy::{Decide, ScopeMap};

/// Collects what a gate is made from. Nothing is checked before [`build`](Self::build).
#[must_use = "a builder does nothing until it is built"]
pub struct Builder {
    config: Config,
    code_only: CodeOnly,
}

impl Toolgate {
    /// Starts a gate for the server with this resource identifier: the URL that clients are given.
    ///
    /// Tokens must name it as their audience, and the metadata document is served under it.
    pub fn builder(resource: impl Into<String>) -> Builder {
        Builder::from(Config::new(resource))
    }
}

impl Config {
    /// The builder behind the file, for what only code can give.
    pub fn into_builder(self) -> Builder {
        Builder::from(self)
    }
}

impl Builder {
    /// Trusts an authorization server. A plain URL is enough for one that names the resource in `aud`
    /// and publishes its keys; [`Issuer`] has the rest. May be said several times.
    pub fn issuer(mut self, issuer: impl Into<Issuer>) -> Self {
        self.config.issuers.push(issuer.into());
        self
    }

    /// Says which scopes which tool needs. A gate without this cannot be built: "authenticated is
    /// enough" is a decision too, and reads [`ScopeMap::allow_unlisted`].
    pub fn scopes(mut self, scopes: ScopeMap) -> Self {
        self.config.scopes = Some(scopes);
        self
    }

    /// Describes the server in its metadata document.
    pub fn metadata(mut self, metadata: Metadata) -> Self {
        self.config.metadata = metadata;
        self
    }

    /// Lets web pages of this origin talk to the server, besides those of its own origin and of this
    /// machine. `null` and a whole scheme that is not http (`vscode-webview://*`) are possible too.
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.config.origins.allow(origin.into());
        self
    }

    /// Lets every web page talk to the server. What protects it then is the token alone.
    pub fn allow_any_origin(mut self) -> Self {
        self.config.origins.allow_any();
        self
    }

    /// Writes no CORS headers, because a CORS layer outside of the gate does.
    pub fn leave_cors_to_others(mut self) -> Self {
        self.config.origins.leave_cors_to_others();
        self
    }

    /// Says how sessions are bound to their owners; by default they are, by a key of this gate alone.
    pub fn sessions(mut self, sessions: Sessions) -> Self {
        self.config.sessions = sessions;
        self
    }

    /// Sets limits other than the default ones.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// Speaks with authorization servers by these client settings: a private CA, a proxy, a client
    /// certificate. Redirects stay off and every fetch stays bounded in time and size.
    ///
    /// The settings are for `https`. Plain `http`, which is for this machine alone, goes by a client of the
    /// gate's own: no proxy of these settings or of the environment can divert it, and `localhost` is
    /// 127.0.0.1 or `[::1]` whatever a resolver says.
    pub fn http_client(mut self, client: HttpClientBuilder) -> Self {
        self.code_only.http_client = client;
        self
    }

    /// Asks this about every call that the scope map lets pass: both must agree.
    pub fn decision(mut self, decision: impl Decide) -> Self {
        self.code_only.decider = Some(Arc::new(decision));
        self
    }

    /// Takes the time from a clock that a test can set.
    #[cfg(feature = "testing")]
    pub fn clock(mut self, clock: crate::testing::Clock) -> Self {
        self.code_only.clock = Clock::Set(clock);
        self
    }

    /// Parses and checks everything. Talks to nobody: a gate can be built while its authorization
    /// server is down.
    ///
    /// # Errors
    /// Where no gate can be made from what was given. [`ConfigError`] names every value that is wrong.
    pub fn build(self) -> Result<Toolgate, ConfigError> {
        let (gate, state) = config::build(&self.config, self.code_only)?;
        Ok(Toolgate::new(gate, state))
    }
}

impl From<Config> for Builder {
    fn from(config: Config) -> Self {
        let http_client = HttpClientBuilder::new();
        Self {
            config,
            code_only: CodeOnly {
                http_client,
                clock: Clock::default(),
                decider: None,
            },
        }
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
