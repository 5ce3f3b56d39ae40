//! Nonces of this server for proofs (RFC 9449 §9). Nothing is stored: a nonce is a time and a MAC over it.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;

use crate::clock::Timestamp;
use crate::seal::{MAC_BYTES, Seal};

/// How long a nonce is the current one, in seconds. It is also accepted in the period before and in the period after,
/// so that no request fails because the nonce changed, or because the clock of another replica differs.
const PERIOD_SECONDS: f64 = 300.0;

const PERIOD_BYTES: usize = 8;

/// Makes and checks nonces. Gates with the same key accept each other's nonces, because clients keep only one nonce for
/// each origin.
pub(super) struct Nonces {
    seal: Arc<Seal>,
}

/// The state of a presented nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Freshness {
    Current,
    /// It is still accepted. The client should change to a newer one.
    Ageing,
    /// It is missing, too old, or not of this server.
    None,
}

impl Nonces {
    pub(super) fn new(seal: Arc<Seal>) -> Self {
        Self { seal }
    }

    pub(super) fn current(&self, now: Timestamp) -> Option<HeaderValue> {
        let period = period_of(now).to_be_bytes();
        let nonce = [&period[..], &self.seal.mac_of_nonce(&period)].concat();
        HeaderValue::try_from(URL_SAFE_NO_PAD.encode(nonce)).ok()
    }

    pub(super) fn freshness(&self, nonce: Option<&str>, now: Timestamp) -> Freshness {
        let decoded = nonce.and_then(|nonce| {
            let mut decoded = [0; PERIOD_BYTES + MAC_BYTES];
            let length = URL_SAFE_NO_PAD.decode_slice(nonce, &mut decoded).ok()?;
            (length == decoded.len()).then_some(decoded)
        });
        let Some((period, mac)) = decoded
            .as_ref()
            .and_then(|decoded| decoded.split_first_chunk::<PERIOD_BYTES>())
        else {
            return Freshness::None;
        };
        let age = period_of(now).checked_sub(u64::from_be_bytes(*period).wrapping_sub(1));
        let freshness = match age {
            // It is one more than the age in periods, since a replica whose clock is ahead may have made the nonce.
            Some(0 | 1) => Freshness::Current,
            Some(2) => Freshness::Ageing,
            _ => return Freshness::None,
        };
        if self.seal.made_mac_of_nonce(period, mac) {
            freshness
        } else {
            Freshness::None
        }
    }
}

fn period_of(now: Timestamp) -> u64 {
    (now.seconds() / PERIOD_SECONDS) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource_uri::ResourceUri;
    use crate::seal::SealingKey;

    fn nonces(resource: &str, keys: &[&str]) -> Nonces {
        let resource = Arc::new(ResourceUri::parse(resource).unwrap());
        let mut keys = keys
            .iter()
            .map(|key| Arc::new(SealingKey::read(&key.repeat(32)).unwrap()));
        let first = keys.next().unwrap();
        Nonces::new(Arc::new(Seal::new(resource, first, keys.collect())))
    }

    fn at(seconds: f64) -> Timestamp {
        Timestamp::from_seconds(seconds).unwrap()
    }

    #[test]
    fn a_nonce_is_accepted_in_its_period_and_in_those_beside_it() {
        let nonces = nonces("https://h.example/a", &["k"]);
        let nonce = nonces.current(at(3000.0)).unwrap();
        let nonce = Some(nonce.to_str().unwrap());
        for (seconds, freshness) in [
            (2699.0, Freshness::None),
            (2700.0, Freshness::Current),
            (3000.0, Freshness::Current),
            (3299.0, Freshness::Current),
            (3300.0, Freshness::Ageing),
            (3599.0, Freshness::Ageing),
            (3600.0, Freshness::None),
            (0.0, Freshness::None),
            (1e12, Freshness::None),
        ] {
            assert_eq!(nonces.freshness(nonce, at(seconds)), freshness, "{seconds}");
        }
        assert_eq!(nonces.freshness(None, at(3000.0)), Freshness::None);
    }

    #[test]
    fn gates_with_one_key_accept_the_nonces_of_each_other_and_older_keys_count() {
        let old = nonces("https://h.example/a", &["k"]);
        let nonce = old.current(at(3000.0)).unwrap();
        let nonce = Some(nonce.to_str().unwrap());
        let other_gate = nonces("https://h.example/b", &["k"]);
        assert_eq!(other_gate.freshness(nonce, at(3000.0)), Freshness::Current);
        let new_key = nonces("https://h.example/a", &["n", "k"]);
        assert_eq!(new_key.freshness(nonce, at(3000.0)), Freshness::Current);
        let stranger = nonces("https://h.example/a", &["s"]);
        assert_eq!(stranger.freshness(nonce, at(3000.0)), Freshness::None);
    }

    #[test]
    fn no_changed_nonce_is_accepted() {
        let nonces = nonces("https://h.example/a", &["k"]);
        let nonce = nonces.current(at(3000.0)).unwrap();
        let nonce = nonce.to_str().unwrap();
        for position in 0..nonce.len() {
            let mut changed = nonce.as_bytes().to_vec();
            changed[position] = if changed[position] == b'A' {
                b'B'
            } else {
                b'A'
            };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(
                nonces.freshness(Some(&changed), at(3000.0)),
                Freshness::None
            );
        }
        let (longer, shorter) = (format!("{nonce}A"), nonce.trim_start_matches('A'));
        for other in ["", "A", shorter, &longer, "ä"] {
            assert_eq!(nonces.freshness(Some(other), at(3000.0)), Freshness::None);
        }
    }
}
