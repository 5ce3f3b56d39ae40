//! Validates the times of a token: is it valid now?

use std::time::Duration;

use super::read::{ClaimSource, Claims};
use crate::clock::Timestamp;
use crate::refusal::{Reason, Refusal};
use crate::token::profile::TrustedIssuer;

/// How far in the future an `iat` may be: the clock of the issuer may be ahead of the gate's.
const MAX_ISSUED_AHEAD: Duration = Duration::from_secs(5 * 60);

impl Claims<'_> {
    /// The refusal of a token that has expired by its own claims; `None` if it has not. The signature need not have been
    /// verified: an expired token is invalid in any case.
    pub(crate) fn refused_as_expired(
        &self,
        issuer: &TrustedIssuer,
        now: Timestamp,
    ) -> Option<Refusal> {
        let end = self.time("exp").ok().flatten()?;
        (now >= end.plus(issuer.rules.leeway)).then(|| expired(end, now))
    }

    /// Validates `exp`, `nbf` and `iat`, and returns when the token expires. A claim of a wrong type is refused before any
    /// comparison, so that the reason does not depend on the time.
    pub(super) fn validate_time(
        &self,
        source: ClaimSource,
        issuer: &TrustedIssuer,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Refusal> {
        let (expires_at, not_before, issued_at) =
            (self.time("exp")?, self.time("nbf")?, self.time("iat")?);
        // The server checked expiry itself when it answered, so no leeway is added.
        let leeway = match source {
            ClaimSource::Introspection
            | ClaimSource::Merged {
                response_has_exp: true,
            } => Duration::ZERO,
            ClaimSource::Jwt(_)
            | ClaimSource::JwtToIntrospect(_)
            | ClaimSource::Merged {
                response_has_exp: false,
            } => issuer.rules.leeway,
        };
        if source != ClaimSource::Introspection && expires_at.is_none() {
            return Err(Refusal::from(Reason::ExpMissing).got("no exp"));
        }
        match expires_at {
            Some(end) if now >= end.plus(leeway) => return Err(expired(end, now)),
            _ => {}
        }
        match not_before {
            Some(start) if start > now.plus(issuer.rules.leeway) => {
                return Err(not_yet(start, now));
            }
            _ => {}
        }
        match issued_at {
            Some(issued) if issued > now.plus(MAX_ISSUED_AHEAD) => Err(from_future(issued, now)),
            _ => Ok(expires_at),
        }
    }
}

/// The refusal of an expired token. The fact says how long ago it expired, without leeway.
pub(crate) fn expired(end: Timestamp, now: Timestamp) -> Refusal {
    let ago = now.seconds_since(end);
    Refusal::from(Reason::Expired).got(format!("expired {ago} s ago, at {end}"))
}

fn not_yet(start: Timestamp, now: Timestamp) -> Refusal {
    let left = start.seconds_since(now);
    Refusal::from(Reason::NotYetValid).got(format!("valid in {left} s, at {start}"))
}

fn from_future(issued: Timestamp, now: Timestamp) -> Refusal {
    let ahead = issued.seconds_since(now);
    let expected = format!("issued at most {} s ahead", MAX_ISSUED_AHEAD.as_secs());
    Refusal::from(Reason::IssuedInFuture)
        .expected(expected)
        .got(format!("issued {ahead} s ahead, at {issued}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log_facts::Fact;

    #[test]
    fn a_time_that_is_wrong_is_told_by_how_much_and_with_its_date() {
        let at = |seconds| Timestamp::from_seconds(seconds).unwrap();
        let (then, later) = (at(1_796_006_671.0), at(1_796_007_271.5));
        for (refusal, got) in [
            (
                expired(then, later),
                "expired 600 s ago, at 2026-11-30T02:44:31Z",
            ),
            (
                not_yet(later, then),
                "valid in 600 s, at 2026-11-30T02:54:31Z",
            ),
            (
                from_future(later, then),
                "issued 600 s ahead, at 2026-11-30T02:54:31Z",
            ),
            (
                expired(at(-1e300), then),
                "expired 18446744073709551615 s ago, at 1970-01-01T00:00:00Z",
            ),
        ] {
            assert_eq!(refusal.log_fact(Fact::Got), Some(got));
        }
    }
}
