//! The builder: a configuration, and the settings that only code can give.

use std::fmt;
use std::sync::Arc;

use crate::answer::Metadata;
use crate::clock::Clock;
use crate::config::{self, CodeOnly, Config, Holder, Issuer, Limits, Sessions, Settings};
use crate::config_error::{ConfigError, Problems};
use crate::gate::Toolgate;
use crate::issuer::HttpClientBuilder;
use crate::policy::{Decide, ScopeMap};

/// Collects the settings of a gate. Nothing is checked before [`build`](Self::build).
///
/// An issuer and a [`ScopeMap`] are required; everything else has a default.
#[must_use = "a builder does nothing until it is built"]
pub struct Builder {
    settings: Settings,
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
        Builder::of(Settings::new(resource), Problems::default())
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
        self.settings.issuers.push(issuer.into());
        self
    }

    /// Sets the scopes that each tool needs. A scope map is required. If a valid token is enough for every operation,
    /// pass [`ScopeMap::allow_unlisted()`].
    pub fn scopes(mut self, scopes: ScopeMap) -> Self {
        self.settings.scopes = Some(scopes);
        self
    }

    /// Sets the members of the metadata document that describe the server.
    pub fn metadata(mut self, metadata: Metadata) -> Self {
        self.settings.metadata = metadata;
        self
    }

    /// Allows web pages of this origin to call the server, besides those of its own origin and of loopback hosts.
    /// `origin` may also be `null`, or a whole scheme that is not http: `vscode-webview://*`.
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.settings.origins.allow(origin.into());
        self
    }

    /// Allows every web page to call the server. Then only the token protects it. `build()` returns an error if an
    /// operation is also open [`without_token`](crate::without_token).
    pub fn allow_any_origin(mut self) -> Self {
        self.settings.origins.allow_any();
        self
    }

    /// Writes no CORS headers. Use this setting if a CORS layer outside of the gate writes them.
    pub fn leave_cors_to_others(mut self) -> Self {
        self.settings.origins.leave_cors_to_others();
        self
    }

    /// Sets how sessions are bound to their owners. By default they are bound with a random key, which is lost at
    /// restart.
    pub fn sessions(mut self, sessions: Sessions) -> Self {
        self.settings.sessions = sessions;
        self
    }

    /// Sets how callers prove that a token that is bound to a key is theirs to use. By default, DPoP proofs are accepted.
    pub fn holder(mut self, holder: Holder) -> Self {
        self.settings.holder = holder;
        self
    }

    /// Sets the path of the resource in the requests that reach this server, if a proxy in front changes the path:
    /// `/mcp`, say, for the resource `https://api.example.com/team/mcp`. The gate needs it to compare the URL in a DPoP
    /// proof with the URL that clients use.
    pub fn seen_at(mut self, path: impl Into<String>) -> Self {
        self.settings.seen_at = Some(path.into());
        self
    }

    /// Sets limits that differ from the defaults.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// Sets how the client for requests to authorization servers is built: a private CA, a proxy, a client certificate.
    /// Redirects stay off, and every fetch stays bounded in time and size.
    ///
    /// These settings apply to `https` only. Plain `http` is allowed for loopback only, and the gate uses a separate
    /// client for it. The separate client uses no proxy, and for it `localhost` always means 127.0.0.1 or `[::1]`.
    pub fn http_client(mut self, client: HttpClientBuilder) -> Self {
        self.code_only.http_client = client;
        self
    }

    /// Sets a decision of your own. It is called for each call that the scope map allows. A call is admitted only if
    /// both allow it.
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

    /// Parses and checks all settings, and builds the gate. It makes no network request: a gate can be built while its
    /// authorization server is down.
    ///
    /// # Errors
    /// [`ConfigError`] names every value that is wrong, not just the first.
    pub fn build(self) -> Result<Toolgate, ConfigError> {
        let (gate, state) = config::build(&self.settings, self.code_only, self.problems)?;
        Ok(Toolgate::new(gate, state))
    }

    fn of(settings: Settings, problems: Problems) -> Self {
        let http_client = HttpClientBuilder::new();
        Self {
            settings,
            problems,
            code_only: CodeOnly {
                http_client,
                clock: Clock::default(),
                decider: None,
            },
        }
    }
}

impl From<Config> for Builder {
    fn from(config: Config) -> Self {
        let (settings, problems) = config.settings();
        Self::of(settings, problems)
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
