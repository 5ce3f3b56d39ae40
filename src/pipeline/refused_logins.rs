//! Remembers refused logins, to notice a new token with the login of the old one: then the challenge was of no use.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::token::Principal;

/// The callers that are remembered. Beyond that number, all are forgotten: only a hint for the operator is lost.
const MAX_REFUSED_LOGINS: usize = 1_000;

/// The longest time between a challenge and a token that could be the answer to it.
const MAX_LOGIN_TIME: Duration = Duration::from_secs(600);

/// The last refused login of each caller. All of it are hashes, so an entry has a fixed size.
#[derive(Default)]
pub(super) struct RefusedLogins {
    hashes: RandomState,
    callers: Mutex<HashMap<u64, RefusedLogin>>,
}

struct RefusedLogin {
    login: u64,
    token: u64,
    refused_at: Timestamp,
    /// Whether the operator was told of this login.
    is_told: bool,
}

impl RefusedLogins {
    /// Notes that the login of this caller was refused. Returns whether its token is a new one, issued after an earlier
    /// refusal, with the same login as the old one; once for each login.
    pub(super) fn note(&self, principal: &Principal, now: Timestamp) -> bool {
        let time = principal.auth_time();
        let methods: Vec<&str> = principal.amr().collect();
        // The owner of a token without a subject is the token, so that nameless users are not taken for one another.
        let caller = (principal.owner().hash(), principal.client_id());
        let refused = RefusedLogin {
            login: self.hashes.hash_one((time, principal.acr(), methods)),
            token: self.hashes.hash_one(principal.logged_token_id()),
            refused_at: now,
            is_told: false,
        };
        // An `iat` has whole seconds.
        let is_issued_after = |then: Timestamp| {
            let issued_at = principal.issued_at();
            issued_at.is_none_or(|issued| issued.plus(Duration::from_secs(1)) > then)
        };
        let caller = self.hashes.hash_one(caller);
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if callers.len() >= MAX_REFUSED_LOGINS {
            callers.clear();
        }
        match callers.get_mut(&caller) {
            Some(before) if before.login == refused.login => {
                let is_new = before.token != refused.token && is_issued_after(before.refused_at);
                let is_answer = is_new && now.since(before.refused_at) <= MAX_LOGIN_TIME;
                let is_told = before.is_told;
                if is_answer {
                    before.is_told = true;
                } else if is_new {
                    *before = RefusedLogin { is_told, ..refused };
                }
                is_answer && !is_told
            }
            _ => {
                callers.insert(caller, refused);
                false
            }
        }
    }
}
