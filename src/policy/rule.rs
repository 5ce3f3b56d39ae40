//! The rule for an operation, as an operator writes it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

/// The requirement of a tool, resource, prompt or method, besides the scopes of every request.
///
/// A plain string is one scope. [`all_of`], [`any_of`], [`base_only`], [`without_token`] and [`deny`] make the other
/// rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule(pub(crate) Need, pub(crate) Visibility);

/// The requirement in a rule. Scopes are raw text until `build()` parses them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Need {
    Anonymous,
    Nothing,
    All(Vec<String>),
    Any(Vec<String>),
    Denied,
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
        self.1 = Visibility::Always;
        self
    }

    fn needing(need: Need) -> Self {
        Self(need, Visibility::WhenCallable)
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

/// Reads `"scope"`, `{ all = […] }`, `{ any = […] }`, `{ deny = true }`, `{ without_token = true }` or `{}`; a table
/// may also have `listed = true`. It is written by hand because an untagged enum would answer every mistake with "did
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
                        other => {
                            let known = &["all", "any", "deny", "without_token", "listed"];
                            return Err(A::Error::unknown_field(other, known));
                        }
                    };
                    if rule.replace(read).is_some() {
                        let fix = "a rule has one of `all`, `any`, `deny` and `without_token`, not several";
                        return Err(A::Error::custom(fix));
                    }
                }
                let Rule(need, _) = rule.unwrap_or_else(base_only);
                Ok(Rule(need, visibility))
            }
        }

        deserializer.deserialize_any(RuleVisitor)
    }
}
