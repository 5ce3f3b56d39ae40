//! What an operation needs: the raw rule as an operator writes it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

/// What one tool, resource, prompt or method needs, besides the scopes of every request.
///
/// A plain string is one scope; [`all_of`], [`any_of`], [`base_only`], [`without_token`] and [`deny`] make the
/// others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule(pub(crate) Need, pub(crate) Visibility);

/// Scopes are raw text until `build()` has parsed them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Need {
    Anonymous,
    Nothing,
    All(Vec<String>),
    Any(Vec<String>),
    Denied,
}

/// Whether a filtered list shows what the caller may not call yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Visibility {
    WhenCallable,
    Always,
}

impl Rule {
    /// Shows what the rule is about even where [`ScopeMap::list_callable`](crate::ScopeMap::list_callable)
    /// would hide it, so that a client can find it, call it, and be told which scopes to ask for.
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

/// Every one of these scopes is needed.
pub fn all_of<S: Into<String>>(scopes: impl IntoIterator<Item = S>) -> Rule {
    Rule::needing(Need::All(scopes.into_iter().map(Into::into).collect()))
}

/// One of these scopes is enough. A challenge names the first, so put the one clients should ask for there.
pub fn any_of<S: Into<String>>(scopes: impl IntoIterator<Item = S>) -> Rule {
    Rule::needing(Need::Any(scopes.into_iter().map(Into::into).collect()))
}

/// Nothing beyond the scopes of every request.
pub fn base_only() -> Rule {
    Rule::needing(Need::Nothing)
}

/// Open to anyone who reaches the server, **without a token**, and so without the scopes of every request.
///
/// It is for a first contact, before anybody has logged in. Who sends a token is checked all the same.
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
/// A tool is called, a prompt got and a resource read without a token where their own rule says so; whatever else
/// is done with them needs its method opened too. A request is let in if all of its calls are open; any other
/// without a token is told to get one, with the same 401 as everybody.
///
/// An open `initialize` lets strangers create sessions. The gate does not limit how many: what each costs, and for how
/// long, is up to the service.
pub fn without_token() -> Rule {
    Rule::needing(Need::Anonymous)
}

/// Nobody may: no scope opens it.
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

/// `"scope"`, `{ all = […] }`, `{ any = […] }`, `{ deny = true }`, `{ without_token = true }` or `{}`, of which the
/// tables may also have `listed = true`. By hand, because an untagged enum would answer every mistake with "did not match any variant".
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
                                "`deny = false` says nothing: write {} instead",
                            ));
                        }
                        "without_token" if map.next_value::<bool>()? => without_token(),
                        "without_token" => {
                            return Err(A::Error::custom(
                                "`without_token = false` says nothing: leave it out",
                            ));
                        }
                        "listed" if map.next_value::<bool>()? => {
                            visibility = Visibility::Always;
                            continue;
                        }
                        "listed" => {
                            return Err(A::Error::custom(
                                "`listed = false` says nothing: leave it out",
                            ));
                        }
                        other => {
                            let known = &["all", "any", "deny", "without_token", "listed"];
                            return Err(A::Error::unknown_field(other, known));
                        }
                    };
                    if rule.replace(read).is_some() {
                        let mend = "a rule has one of `all`, `any`, `deny` and `without_token`, not several";
                        return Err(A::Error::custom(mend));
                    }
                }
                let Rule(need, _) = rule.unwrap_or_else(base_only);
                Ok(Rule(need, visibility))
            }
        }

        deserializer.deserialize_any(RuleVisitor)
    }
}
