//! Whether a token that was good still is, for those who stay longer than a request.

use std::time::Duration;

use tokio::time::timeout;

use super::fingerprint::Fingerprint;
use super::present::KeptToken;
use super::principal::Principal;
use super::verify::{Known, Verifier};
use crate::clock::Timestamp;
use crate::refusal::{Reason, Refusal, RefusalKind};

/// A token is looked at this often, besides when it expires and when something is revoked here: so late may it be
/// noticed that its key is gone, or that its issuer does not stand by it any more.
const LOOK_EVERY: Duration = Duration::from_secs(60);

impl Verifier {
    /// Waits until the token is not good any more, by the very judgement that a new request with it would get. While
    /// that cannot be told, it is good until it expires.
    pub(crate) async fn until_over(&self, token: KeptToken, mut principal: Principal) {
        loop {
            // Before it is judged: what is revoked meanwhile must not be missed.
            let revoked = self.memory.revocations.next();
            match self.judge_again(&token, &principal).await {
                Ok(known) => principal = known.principal,
                Err(refusal) if refusal.kind() == RefusalKind::Unavailable => {}
                Err(refusal) => return tell(&refusal, &token, &principal),
            }
            let now = self.clock.now();
            let ends = self.ends_of(&principal).into_iter().flatten().map(|end| end.since(now));
            let next_end = ends.filter(|time| !time.is_zero()).fold(LOOK_EVERY, Duration::min);
            let _ = timeout(next_end, revoked).await;
        }
    }

    /// Nobody need be asked about what is over by its own word.
    async fn judge_again(&self, token: &KeptToken, principal: &Principal) -> Result<Known, Refusal> {
        let now = self.clock.now();
        match self.ends_of(principal) {
            [_, Some(end)] if now >= end => Err(Reason::Expired.into()),
            _ => self.verify(token.presented(), now).await,
        }
    }

    /// When a token expires, without the issuer's leeway and with it: which of the two counts depends on whose
    /// word it was.
    fn ends_of(&self, principal: &Principal) -> [Option<Timestamp>; 2] {
        let issuer = self.issuers.iter().find(|issuer| *issuer.name == *principal.issuer());
        let leeway = issuer.map_or(Duration::ZERO, |issuer| issuer.leeway);
        [principal.expiry(), principal.expiry().map(|end| end.plus(leeway))]
    }
}

fn tell(refusal: &Refusal, token: &KeptToken, principal: &Principal) {
    tracing::info!(
        target: "toolgate",
        reason = refusal.code(),
        issuer = principal.issuer(),
        token_id = Fingerprint::of(token.presented()).name(principal.token_id()),
        "the token of a stream is not good any more",
    );
}
