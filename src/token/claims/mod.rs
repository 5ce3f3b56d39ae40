//! The claims of a token whose signature held: do they make an access token for this server, now?
//!
//! `validate` is the one way from [`Claims`] to a principal. `audience`, `time` and `usage` each validate what their name
//! says, and `scopes` finds what is granted; `read` is how a claim is read at all.

mod audience;
mod read;
mod scopes;
mod time;
mod usage;
mod validate;

pub(super) use read::{CLIENT_CLAIMS, ClaimSource, Claims};
pub(super) use time::expired;
