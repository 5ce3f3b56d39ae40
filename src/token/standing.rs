//! Verifies the token of an open stream again.

use std::time::Duration;

use super::claims::expired;
use super::credentials::Credentials;
use super::principal::Principal;
use super::verify::{Verified, Verifier};
use crate::clock::Timestamp;
use crate::refusal::Refusal;

impl Verifier {
    /// Verifies the token as for a new request. A token that has expired by its own claims is not introspected again.
    pub(crate) async fn verify_again(
        &self,
        credentials: &Credentials,
        principal: &Principal,
    ) -> Result<Verified, Refusal> {
        let now = self.clock.now();
        match self.ends_of(principal) {
            [Some(end), Some(with_leeway)] if now >= with_leeway => Err(expired(end, now)),
            _ => self.verify(credentials.token(), now).await,
        }
    }

    /// The time until the token expires by its own claims, or until the leeway after that is over, or until the file that it
    /// stands in is read again. `None` if none of these is to come.
    pub(crate) fn time_left(&self, principal: &Principal) -> Option<Duration> {
        let now = self.clock.now();
        let ends = self
            .ends_of(principal)
            .into_iter()
            .flatten()
            .map(|end| end.since(now));
        let keys = self.api_keys.as_ref();
        let recheck = keys.and_then(|keys| keys.recheck_interval(principal));
        ends.filter(|time| !time.is_zero()).chain(recheck).min()
    }

    /// The times at which a token expires: without the issuer's leeway, and with it. Which one counts depends on the source
    /// of its claims.
    fn ends_of(&self, principal: &Principal) -> [Option<Timestamp>; 2] {
        let issuer = self
            .issuers
            .iter()
            .find(|issuer| *issuer.name == *principal.issuer());
        let leeway = issuer.map_or(Duration::ZERO, |issuer| issuer.rules.leeway);
        [
            principal.expiry(),
            principal.expiry().map(|end| end.plus(leeway)),
        ]
    }
}
