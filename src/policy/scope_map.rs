//! The scope map as an operator writes it: raw text, until `build()` parses and checks it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::login_rule::LoginTable;
use super::rule::{LoginRule, Rule, base_only};

/// The scopes that each tool, resource, prompt and method needs. See [`docs::scopes`](crate::docs::scopes).
///
/// There is no silent default: the constructor says what happens to names without a rule. An exact name takes
/// precedence over a pattern. A pattern ends in `*`; of several that match, the one with the most literal text counts.
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
/// No method returns an error. `build()` reports an invalid scope, a name that is given twice and scopes that imply
/// each other.
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

/// The treatment of a tool, resource, prompt or method without a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Unlisted {
    Deny,
    Allow,
}

/// The scopes that an `insufficient_scope` challenge names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ChallengeScopes {
    /// The scopes of the refused operation.
    #[default]
    Operation,
    /// These and the granted scopes, for clients that replace their scopes instead of adding to them.
    Accumulate,
}

/// The elements that a list shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Listing {
    #[default]
    All,
    Callable,
}

impl ScopeMap {
    /// Starts a scope map that refuses each tool, resource and prompt without a rule. It also refuses each method that
    /// MCP does not define, unless it has a rule.
    pub fn deny_unlisted() -> Self {
        Self::new(Some(Unlisted::Deny))
    }

    /// Starts a scope map in which a name without a rule needs only the scopes of every request. If the map has no rule
    /// at all, a valid token is enough for everything. The name `allow_unlisted` makes this visible to a person who
    /// reviews the configuration.
    pub fn allow_unlisted() -> Self {
        Self::new(Some(Unlisted::Allow))
    }

    /// Requires these scopes of every request, whatever it asks for. May be called repeatedly: all rules must be met.
    pub fn every_request(mut self, rule: impl Into<Rule>) -> Self {
        self.every_request.push(rule.into());
        self
    }

    /// Sets the scopes that a first challenge names and the metadata document advertises. By default they are those of
    /// [`every_request`](Self::every_request). Clients request all of them at the first login.
    pub fn initial<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.initial = Some(scopes.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the scopes that a caller needs to call this tool. In a scope, `{name}` is replaced by the name of the tool:
    /// `.tool("*", "tool:{name}")`. Rules for prompts and methods can use `{name}` too.
    ///
    /// A name is filled in only if it has at most 128 bytes of `[A-Za-z0-9_.:/@~+-]`, since the scope is sent in a
    /// header that clients search with simple regular expressions. With any other name the call is refused, whatever
    /// was granted.
    pub fn tool(mut self, name: impl Into<String>, rule: impl Into<Rule>) -> Self {
        self.tools.push((name.into(), rule.into()));
        self
    }

    /// Sets the scopes that a caller needs to read, complete or subscribe to this resource. The URI is checked as the
    /// client wrote it and in its normal form. Both must be allowed. A server might also ignore a part of the URI (its
    /// host, its query or a trailing slash). If there is a rule for the URI without this part, the caller must meet
    /// that rule too.
    ///
    /// In the URI, a word in braces matches the text between two slashes. In the scopes of the rule, the same word in
    /// braces is replaced by this text: `.resource("db://{table}/rows/*", "db:{table}")`.
    pub fn resource(mut self, uri: impl Into<String>, rule: impl Into<Rule>) -> Self {
        self.resources.push((uri.into(), rule.into()));
        self
    }

    /// Sets the scopes that a caller needs to get or complete this prompt.
    pub fn prompt(mut self, name: impl Into<String>, rule: impl Into<Rule>) -> Self {
        self.prompts.push((name.into(), rule.into()));
        self
    }

    /// Sets the scopes that a caller needs for a JSON-RPC method, besides those for its tool, prompt or resource.
    pub fn method(mut self, name: impl Into<String>, rule: impl Into<Rule>) -> Self {
        self.methods.push((name.into(), rule.into()));
        self
    }

    /// Includes these scopes in `scope`. A token that has `scope` counts as having these scopes too, and all scopes
    /// that they include.
    pub fn implies<S: Into<String>>(
        mut self,
        scope: impl Into<String>,
        implied: impl IntoIterator<Item = S>,
    ) -> Self {
        self.implies
            .push((scope.into(), implied.into_iter().map(Into::into).collect()));
        self
    }

    /// Lets a granted `a:b:*` include `a:b:c`, `a:b:c:d` and so on. Only a granted scope can be a wildcard; a scope in
    /// a rule cannot.
    pub fn wildcard_grants(mut self) -> Self {
        self.wildcard_grants = true;
        self
    }

    /// Adds the granted scopes to challenges that ask for more. It is for older clients (before MCP's SEP-2350), which
    /// drop the scopes that the challenge does not name.
    pub fn accumulate_in_challenges(mut self) -> Self {
        self.challenge = ChallengeScopes::Accumulate;
        self
    }

    /// Filters lists: they show only what the caller may call, and, to every caller, the tools, resources and prompts
    /// whose rule is [`listed`](Rule::listed). By default lists are passed on unchanged, so that clients see what they
    /// could use with more scopes.
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
    login: LoginTable,
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
        let mut every_request: Vec<Rule> =
            table.every_request.into_iter().map(Rule::from).collect();
        let login = LoginRule::from(table.login);
        if !login.is_empty() {
            every_request.push(Rule {
                login,
                ..base_only()
            });
        }
        Ok(Self {
            unlisted: table.unlisted,
            every_request,
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
