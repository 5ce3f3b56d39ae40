//! Reads the scopes that a token grants.

use super::read::{Claims, bad_claim, texts};
use crate::jose::Json;
use crate::refusal::{Reason, Refusal};
use crate::scope::{Scope, Scopes};
use crate::token::profile::TrustedIssuer;

/// The longest list of scopes. A longer one is refused, since every request would have to search it.
const MAX_SCOPE_BYTES: usize = 8 * 1024;

impl Claims<'_> {
    /// Returns the scopes of the first claim that is present, or none. It never unites several claims: Auth0's
    /// `permissions` lists what the user could have, and `scope` what the client requested.
    pub(super) fn scopes(&self, issuer: &TrustedIssuer) -> Result<Scopes, Refusal> {
        let claims = issuer.rules.scope_claims.iter();
        let mut present = claims.filter_map(|name| Some((name, self.object.get(name)?)));
        let Some((name, claim)) = present.next() else {
            return Ok(Scopes::default());
        };
        let bad = || bad_claim(name, "a text, or a list of them");
        match claim {
            Json::Text(list) => {
                within_limit(name, list.len())?;
                Ok(Scopes::from_claim(list))
            }
            Json::List(list) => {
                let words = texts(list).ok_or_else(bad)?;
                within_limit(name, words.iter().map(|word| word.len() + 1).sum())?;
                let scopes = words.into_iter().map(Scope::parse);
                Ok(scopes.filter_map(Result::ok).collect())
            }
            _ => Err(bad()),
        }
    }
}

fn within_limit(name: &str, bytes: usize) -> Result<(), Refusal> {
    if bytes <= MAX_SCOPE_BYTES {
        return Ok(());
    }
    Err(Refusal::from(Reason::ScopeTooLong)
        .expected(format!("at most {MAX_SCOPE_BYTES} bytes"))
        .got(format!("`{name}` of {bytes} bytes")))
}
