//! Nouns: the login behind a token, and what rules require of it (RFC 9470).

use std::fmt;
use std::time::Duration;

use crate::clock::Timestamp;

/// How and when the user of a token logged in, as far as its issuer says.
#[derive(Debug)]
pub(crate) struct Login {
    /// The authentication context class that the login satisfied.
    pub(crate) acr: Option<String>,
    /// The authentication methods that were used.
    pub(crate) amr: Vec<String>,
    pub(crate) auth_time: Option<Timestamp>,
    /// The id of the session at the issuer.
    pub(crate) sid: Option<String>,
    /// How far ahead `auth_time` may be: the clock of the issuer may be ahead of the gate's.
    pub(crate) leeway: Duration,
}

/// The requirements of one rule, or of several together. The default requires nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RequiredLogin {
    /// The authentication contexts of which the login must have one. `None` if it may have any. Empty only if several rules
    /// have none in common, so that no login meets them all.
    pub(crate) acr: Option<Vec<String>>,
    /// The longest time since the login, in whole seconds.
    pub(crate) max_age: Option<Duration>,
    /// The authentication methods that must all have been used.
    pub(crate) amr: Vec<String>,
}

/// Formats the requirements for the log and for explanations.
impl fmt::Display for RequiredLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let acr = self.acr.as_ref().map(|acr| match acr.as_slice() {
            [] => "an acr that all of the rules accept".to_owned(),
            values => format!("acr {}", values.join(" or ")),
        });
        let amr = (!self.amr.is_empty()).then(|| format!("amr {}", self.amr.join(" ")));
        let age = self
            .max_age
            .map(|age| format!("a login at most {} s ago", age.as_secs()));
        let parts: Vec<String> = [acr, amr, age].into_iter().flatten().collect();
        f.write_str(&parts.join(", "))
    }
}
