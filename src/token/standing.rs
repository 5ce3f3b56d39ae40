//! The token of a stream, verified again while the stream goes on.

use std::time::Duration;

use super::claims::expired;
use super::credentials::Credentials;
use super::principal::Principal;
use super::verify::{Verified, Verifier};
use crate::clock::Timestamp;
use crate::refusal::Refusal;

impl Verifier {
    /// Verifies the token as that of a new request. One that is over by its own claims is not introspected again.
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

    /// The time left until the token ends by its own claims.
    pub(crate) fn time_left(&self, principal: &Principal) -> Option<Duration> {
        let now = self.clock.now();
        let ends = self
            .ends_of(principal)
            .into_iter()
            .flatten()
            .map(|end| end.since(now));
        ends.filter(|time| !time.is_zero()).min()
    }

    /// When a token expires, without the issuer's leeway and with it. Which of the two counts depends on the source of
    /// its claims.
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
