//! Tokens that say themselves what they are: signed by a key of their issuer's.
//!
//! `jws` cuts them, `key_source` has the issuer's keys, and `keys` checks the signature by an `algorithm`. What
//! the claims are worth is not judged here.

mod algorithm;
mod jws;
mod key_source;
mod keys;

pub(crate) use algorithm::{Algorithm, Algorithms, KeyType};
pub(crate) use jws::{Header, Jws, TokenType};
pub(crate) use key_source::{KeyFetch, KeySource};
pub(crate) use keys::{Key, KeySet};
