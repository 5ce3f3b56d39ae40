use std::collections::{HashMap, HashSet};

use super::random::random_text;

/// How long a nonce is accepted.
const NONCE_LIFETIME_SECONDS: i64 = 300;

/// The DPoP proofs that were used, and the nonces that were issued for the next ones.
#[derive(Default)]
pub(super) struct Proofs {
    /// Thumbprints of keys, each with a `jti`.
    used: HashSet<(String, String)>,
    /// Nonces, each with the time at which it ends.
    nonces: HashMap<String, i64>,
}

impl Proofs {
    pub(super) fn is_first_use(&mut self, dpop_key: &str, jti: &str) -> bool {
        self.used.insert((dpop_key.to_owned(), jti.to_owned()))
    }

    pub(super) fn new_nonce(&mut self, now: i64) -> String {
        let nonce = random_text::<16>();
        self.nonces
            .insert(nonce.clone(), now + NONCE_LIFETIME_SECONDS);
        nonce
    }

    pub(super) fn knows_nonce(&self, nonce: &str, now: i64) -> bool {
        self.nonces.get(nonce).is_some_and(|end| now < *end)
    }
}
