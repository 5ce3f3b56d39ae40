//! The claims of a token whose signature held, or that was introspected: are they those of an access token for this server,
//! at this time?
//!
//! `validate` is the only way from [`Claims`] to a principal. `audience`, `time` and `usage` each validate the claims that
//! their name says, `scopes` finds the granted scopes, `confirmation` what the token is bound to, `login` how and when the
//! user logged in, and `read` reads a single claim.

mod audience;
mod confirmation;
mod login;
mod read;
mod scopes;
mod time;
mod usage;
mod validate;

pub(super) use confirmation::keep_binding;
pub(super) use read::{CLIENT_CLAIMS, ClaimSource, Claims};
pub(super) use time::expired;
