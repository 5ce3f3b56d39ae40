//! The claims of a token whose signature held, or that was introspected: are they those of an access token for this server,
//! at this time?
//!
//! `validate` is the only way from [`Claims`] to a principal. `audience`, `time` and `usage` each validate the claims that
//! their name says, `scopes` finds the granted scopes, and `read` reads a single claim.

mod audience;
mod read;
mod scopes;
mod time;
mod usage;
mod validate;

pub(super) use read::{CLIENT_CLAIMS, ClaimSource, Claims};
pub(super) use time::expired;
