//! What an operation needs: the raw rule as an operator writes it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

/// What one tool, resource, prompt or method needs, besides the scopes of every request.
///
/// A plain string is one scope; [`all_of`], [`any_of`], [`base_only`] and [`deny`] make the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule(pub(crate) Need);

/// Scopes are raw text until `build()` has parsed them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Need {
    Nothing,
    All(Vec<String>),
    Any(Vec<String>),
    Denied,
}

/// Every one of these scopes is needed.
pub fn all_of<S: Into<String>>(scopes: impl IntoIterator<Item = S>) -> Rule {
    Rule(Need::All(scopes.into_iter().map(Into::into).collect()))
}

/// One of these scopes is enough. A challenge names the first, so put the one clients should ask for there.
pub fn any_of<S: Into<String>>(scopes: impl IntoIterator<Item = S>) -> Rule {
    Rule(Need::Any(scopes.into_iter().map(Into::into).collect()))
}

/// Nothing beyond the scopes of every request.
pub fn base_only() -> Rule {
    Rule(Need::Nothing)
}

/// Nobody may: no scope opens it.
pub fn deny() -> Rule {
    Rule(Need::Denied)
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

/// `"scope"`, `{ all = […] }`, `{ any = […] }`, `{ deny = true }` or `{}`. By hand, because an untagged
/// enum would answer every mistake with "did not match any variant".
impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RuleVisitor;

        impl<'de> Visitor<'de> for RuleVisitor {
            type Value = Rule;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a scope, { all = [scopes] }, { any = [scopes] }, { deny = true } or {}")
            }

            fn visit_str<E>(self, scope: &str) -> Result<Rule, E> {
                Ok(Rule::from(scope))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Rule, A::Error> {
                let Some(key) = map.next_key::<String>()? else {
                    return Ok(base_only());
                };
                let rule = match key.as_str() {
                    "all" => all_of(map.next_value::<Vec<String>>()?),
                    "any" => any_of(map.next_value::<Vec<String>>()?),
                    "deny" if map.next_value::<bool>()? => deny(),
                    "deny" => return Err(A::Error::custom("`deny = false` says nothing: write {} instead")),
                    other => return Err(A::Error::unknown_field(other, &["all", "any", "deny"])),
                };
                match map.next_key::<String>()? {
                    None => Ok(rule),
                    Some(_) => {
                        Err(A::Error::custom("a rule has one of `all`, `any` and `deny`, not several"))
                    }
                }
            }
        }

        deserializer.deserialize_any(RuleVisitor)
    }
}
