//! The rule for an operation, as an operator writes it.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

/// The requirement of a tool, resource, prompt or method, besides the scopes of every request.
///
/// A plain string is one scope. [`all_of`], [`any_of`], [`base_only`], [`without_token`] and [`deny`] make the other
/// rules. A rule can also require how and when the user logged in: see [`acr`](Self::acr) and
/// [`max_age`](Self::max_age).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub(crate) need: Need,
    pub(crate) visibility: Visibility,
    pub(crate) login: LoginRule,
}

/// The requirement in a rule. Scopes are raw text until `build()` parses them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Need {
    Anonymous,
    Nothing,
    All(Vec<String>),
    Any(Vec<String>),
    Denied,
}

/// The requirement of the login in a rule: raw, until `build()` checks it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LoginRule {
    pub(super) acr: Option<Vec<String>>,
    pub(super) max_age: Option<Duration>,
    pub(super) amr: Option<Vec<String>>,
}

/// Whether a filtered list shows the target of a rule to callers that may not use it yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Visibility {
    WhenCallable,
    Always,
}

impl Rule {
    /// Lists the target of this rule even to callers that may not use it yet, where
    /// [`ScopeMap::list_callable`](crate::ScopeMap::list_callable) would hide it. A client can then find it, call it,
    /// and learn from the challenge which scopes to request.
    ///
    /// ```
    /// use toolgate::{Rule, ScopeMap};
    ///
    /// let scopes = ScopeMap::deny_unlisted()
    ///     .tool("export", Rule::from("premium").listed())
    ///     .list_callable();
    /// ```
    pub fn listed(mut self) -> Self {
        self.visibility = Visibility::Always;
        self
    }

    /// Requires a login of one of these authentication contexts: the `acr` of the token must be one of them (RFC 9470).
    /// A challenge names them in this order, so write the one that clients should ask for in the first place.
    ///
    /// See [`docs::step_up`](crate::docs::step_up).
    ///
    /// ```
    /// use std::time::Duration;
    /// use toolgate::{Rule, ScopeMap, base_only};
    ///
    /// let scopes = ScopeMap::deny_unlisted()
    ///     .every_request(base_only().max_age(Duration::from_secs(8 * 3600)))
    ///     .tool("wipe", Rule::from("admin").acr(["phr"]).max_age(Duration::from_secs(300)));
    /// ```
    pub fn acr<S: Into<String>>(mut self, values: impl IntoIterator<Item = S>) -> Self {
        self.login.acr = Some(values.into_iter().map(Into::into).collect());
        self
    }

    /// Requires that the user logged in at most this long ago, by the `auth_time` of the token. It is at least 60 s, and
    /// only whole seconds count. A token without `auth_time` does not meet it.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.login.max_age = Some(age);
        self
    }

    /// Requires that the user logged in with all of these methods (RFC 8176): the `amr` of the token must contain them.
    /// A challenge cannot name methods, so this needs [`acr`](Self::acr) beside it.
    pub fn amr<S: Into<String>>(mut self, methods: impl IntoIterator<Item = S>) -> Self {
        self.login.amr = Some(methods.into_iter().map(Into::into).collect());
        self
    }

    fn needing(need: Need) -> Self {
        Self {
            need,
            visibility: Visibility::WhenCallable,
            login: LoginRule::default(),
        }
    }
}

/// Requires every one of these scopes.
pub fn all_of<S: Into<String>>(scopes: impl IntoIterator<Item = S>) -> Rule {
    Rule::needing(Need::All(scopes.into_iter().map(Into::into).collect()))
}

/// Requires one of these scopes. A challenge names the first one, so write the scope that clients should request first.
pub fn any_of<S: Into<String>>(scopes: impl IntoIterator<Item = S>) -> Rule {
    Rule::needing(Need::Any(scopes.into_iter().map(Into::into).collect()))
}

/// Requires no scopes beyond those of every request.
pub fn base_only() -> Rule {
    Rule::needing(Need::Nothing)
}

/// Opens an operation to requests **without a token**, and so without the scopes of every request. Anyone who reaches
/// the server can use it.
///
/// It is for clients whose user has not logged in yet. A request that carries a token is checked as usual.
///
/// ```
/// use toolgate::{ScopeMap, without_token};
///
/// let scopes = ScopeMap::deny_unlisted()
///     .every_request("mcp:use")
///     .method("initialize", without_token())
///     .method("notifications/initialized", without_token())
///     .method("tools/list", without_token())
///     .tool("opening_hours", without_token())
///     .tool("book_table", "tables:book");
/// ```
///
/// A `tools/call`, `prompts/get` or `resources/read` is open if the rule of its tool, prompt or resource says so. Any
/// other operation on them also needs a rule that opens its method. A request without a token is admitted only if all
/// of its calls are open; otherwise it gets the usual 401.
///
/// If `initialize` is open, anyone can create sessions, and the gate does not limit their number. The inner service
/// must limit what a session costs and how long it lives.
pub fn without_token() -> Rule {
    Rule::needing(Need::Anonymous)
}

/// Refuses the operation to every caller. No scope opens it.
pub fn deny() -> Rule {
    Rule::needing(Need::Denied)
}

impl From<&str> for Rule {
    fn from(scope: &str) -> Self {
        all_of([scope])
    }
}

impl From<String> for Rule {
    fn from(scope: String) -> Self {
        all_of([scope])
    }
}

/// The fields of a rule in a file.
const FIELDS: &[&str] = &[
    "all",
    "any",
    "deny",
    "without_token",
    "listed",
    "acr",
    "max_age_seconds",
    "amr",
];

/// Reads `"scope"`, `{ all = […] }`, `{ any = […] }`, `{ deny = true }`, `{ without_token = true }` or `{}`; a table
/// may also have `listed = true` and the three fields about the login. It is written by hand because an untagged enum would answer every mistake with "did
/// not match any variant".
impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RuleVisitor;

        impl<'de> Visitor<'de> for RuleVisitor {
            type Value = Rule;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a scope, { all = [scopes] }, { any = [scopes] }, { deny = true }, \
                     { without_token = true } or {}",
                )
            }

            fn visit_str<E>(self, scope: &str) -> Result<Rule, E> {
                Ok(Rule::from(scope))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Rule, A::Error> {
                let (mut rule, mut visibility) = (None, Visibility::WhenCallable);
                let mut login = LoginRule::default();
                while let Some(key) = map.next_key::<String>()? {
                    let read = match key.as_str() {
                        "all" => all_of(map.next_value::<Vec<String>>()?),
                        "any" => any_of(map.next_value::<Vec<String>>()?),
                        "deny" if map.next_value::<bool>()? => deny(),
                        "deny" => {
                            return Err(A::Error::custom(
                                "`deny = false` has no effect: write {} instead",
                            ));
                        }
                        "without_token" if map.next_value::<bool>()? => without_token(),
                        "without_token" => {
                            return Err(A::Error::custom(
                                "`without_token = false` has no effect: leave it out",
                            ));
                        }
                        "listed" if map.next_value::<bool>()? => {
                            visibility = Visibility::Always;
                            continue;
                        }
                        "listed" => {
                            return Err(A::Error::custom(
                                "`listed = false` has no effect: leave it out",
                            ));
                        }
                        "acr" => {
                            login.acr = Some(map.next_value()?);
                            continue;
                        }
                        "max_age_seconds" => {
                            login.max_age = Some(Duration::from_secs(map.next_value()?));
                            continue;
                        }
                        "amr" => {
                            login.amr = Some(map.next_value()?);
                            continue;
                        }
                        other => return Err(A::Error::unknown_field(other, FIELDS)),
                    };
                    if rule.replace(read).is_some() {
                        let fix = "a rule has one of `all`, `any`, `deny` and `without_token`, not several";
                        return Err(A::Error::custom(fix));
                    }
                }
                let Rule { need, .. } = rule.unwrap_or_else(base_only);
                Ok(Rule {
                    need,
                    visibility,
                    login,
                })
            }
        }

        deserializer.deserialize_any(RuleVisitor)
    }
}
