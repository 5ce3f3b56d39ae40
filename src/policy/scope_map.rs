//! The scope map as an operator writes it: raw text, until `build()` has parsed and checked all of it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::rule::Rule;

/// Which scopes which tool, resource, prompt and method needs.
///
/// There is no silent default: say what happens to names that no rule mentions by the constructor you
/// start from. An exact name beats a pattern; a pattern ends in `*`, and of several the longest wins.
///
/// ```
/// use toolgate::{ScopeMap, all_of, any_of, base_only, deny};
///
/// let scopes = ScopeMap::deny_unlisted()
///     .every_request("mcp:use")
///     .tool("whoami", base_only())
///     .tool("get_weather", "weather:read")
///     .tool("files_*", any_of(["files:write", "admin"]))
///     .tool("wipe_disk", all_of(["admin", "danger"]))
///     .tool("format", deny())
///     .resource("file:///secret/*", "files:secret")
///     .prompt("*", "prompts:use")
///     .method("completion/complete", "complete:use")
///     .implies("files:write", ["files:read"]);
/// ```
///
/// Its methods cannot fail: a scope that is none, a name given twice or a circle of implications is a
/// [`ConfigError`](crate::ConfigError) of `build()`.
#[derive(Debug, Clone)]
pub struct ScopeMap {
    pub(crate) unlisted: Option<Unlisted>,
    pub(crate) every_request: Vec<Rule>,
    pub(crate) initial: Option<Vec<String>>,
    pub(crate) tools: Vec<(String, Rule)>,
    pub(crate) resources: Vec<(String, Rule)>,
    pub(crate) prompts: Vec<(String, Rule)>,
    pub(crate) methods: Vec<(String, Rule)>,
    pub(crate) implies: Vec<(String, Vec<String>)>,
    pub(crate) wildcard_grants: bool,
    pub(crate) challenge: ChallengeScopes,
    pub(crate) listing: Listing,
}

/// What happens to a tool, resource, prompt or method that no rule names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Unlisted {
    Deny,
    Allow,
}

/// Which scopes an `insufficient_scope` challenge names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ChallengeScopes {
    /// Those of the operation refused.
    #[default]
    Operation,
    /// Those and the granted ones, for clients that replace their scopes instead of adding to them.
    Accumulate,
}

/// What a list shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Listing {
    #[default]
    All,
    Callable,
}

impl ScopeMap {
    /// Refuses every tool, resource, prompt and extension method that no rule names.
    pub fn deny_unlisted() -> Self {
        Self::new(Some(Unlisted::Deny))
    }

    /// What no rule names needs the scopes of every request only. Without any rule this says
    /// "authenticated is enough", which is a decision to be seen in review.
    pub fn allow_unlisted() -> Self {
        Self::new(Some(Unlisted::Allow))
    }

    /// Needed by every request, whatever it asks for. May be said several times.
    pub fn every_request(mut self, rule: impl Into<Rule>) -> Self {
        self.every_request.push(rule.into());
        self
    }

    /// The scopes a first challenge asks for and the metadata document advertises; by default those
    /// of [`every_request`](Self::every_request). Clients ask for all of them at the first login.
    pub fn initial<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.initial = Some(scopes.into_iter().map(Into::into).collect());
        self
    }

    /// What calling a tool needs. In a scope `{name}` stands for the tool's name, as it does for prompts and
    /// methods: `.tool("*", "tool:{name}")`.
    ///
    /// What is filled in has at most 128 bytes of `[A-Za-z0-9_.:/@~+-]`, since it stands in a header that clients read
    /// with crude patterns. No scope opens a call of any other name.
    pub fn tool(mut self, name: impl Into<String>, rule: impl Into<Rule>) -> Self {
        self.tools.push((name.into(), rule.into()));
        self
    }

    /// What reading, subscribing to and completing a resource needs. A URI is judged as the client
    /// wrote it and in its normal form, and both must pass, as must every rule for a name that a server
    /// could take it for.
    ///
    /// A word in braces stands for what is between two slashes, in the URI and then in its scopes:
    /// `.resource("db://{table}/rows/*", "db:{table}")`.
    pub fn resource(mut self, uri: impl Into<String>, rule: impl Into<Rule>) -> Self {
        self.resources.push((uri.into(), rule.into()));
        self
    }

    /// What getting and completing a prompt needs.
    pub fn prompt(mut self, name: impl Into<String>, rule: impl Into<Rule>) -> Self {
        self.prompts.push((name.into(), rule.into()));
        self
    }

    /// What a JSON-RPC method needs, besides what it names.
    pub fn method(mut self, name: impl Into<String>, rule: impl Into<Rule>) -> Self {
        self.methods.push((name.into(), rule.into()));
        self
    }

    /// Who has `scope` has these too, and what they imply.
    pub fn implies<S: Into<String>>(
        mut self,
        scope: impl Into<String>,
        implied: impl IntoIterator<Item = S>,
    ) -> Self {
        self.implies
            .push((scope.into(), implied.into_iter().map(Into::into).collect()));
        self
    }

    /// Lets a granted `a:b:*` stand for `a:b:c` and deeper. Only what is granted may be a wildcard;
    /// a rule's scope never is.
    pub fn wildcard_grants(mut self) -> Self {
        self.wildcard_grants = true;
        self
    }

    /// Names the granted scopes too when it asks for more, for clients older than SEP-2350: they
    /// replace the scopes they have by those of the challenge.
    pub fn accumulate_in_challenges(mut self) -> Self {
        self.challenge = ChallengeScopes::Accumulate;
        self
    }

    /// Shows in lists only what the caller may call, and what [`Rule::listed`] shows all the same. By default
    /// lists are passed on as they are, so that clients see what more scopes would open.
    pub fn list_callable(mut self) -> Self {
        self.listing = Listing::Callable;
        self
    }

    fn new(unlisted: Option<Unlisted>) -> Self {
        Self {
            unlisted,
            every_request: Vec::new(),
            initial: None,
            tools: Vec::new(),
            resources: Vec::new(),
            prompts: Vec::new(),
            methods: Vec::new(),
            implies: Vec::new(),
            wildcard_grants: false,
            challenge: ChallengeScopes::default(),
            listing: Listing::default(),
        }
    }
}

/// The `[scopes]` table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    unlisted: Option<Unlisted>,
    #[serde(default)]
    every_request: Vec<String>,
    initial: Option<Vec<String>>,
    #[serde(default)]
    wildcard_grants: bool,
    #[serde(default)]
    challenge: ChallengeScopes,
    #[serde(default)]
    listing: Listing,
    #[serde(default)]
    implies: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    tools: BTreeMap<String, Rule>,
    #[serde(default)]
    resources: BTreeMap<String, Rule>,
    #[serde(default)]
    prompts: BTreeMap<String, Rule>,
    #[serde(default)]
    methods: BTreeMap<String, Rule>,
}

impl<'de> Deserialize<'de> for ScopeMap {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let table = Table::deserialize(deserializer)?;
        Ok(Self {
            unlisted: table.unlisted,
            every_request: table.every_request.into_iter().map(Rule::from).collect(),
            initial: table.initial,
            tools: table.tools.into_iter().collect(),
            resources: table.resources.into_iter().collect(),
            prompts: table.prompts.into_iter().collect(),
            methods: table.methods.into_iter().collect(),
            implies: table.implies.into_iter().collect(),
            wildcard_grants: table.wildcard_grants,
            challenge: table.challenge,
            listing: table.listing,
        })
    }
}
