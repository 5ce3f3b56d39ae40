//! Signed JSON, whatever it says (RFC 7515 to 7519, RFC 8037): this room knows no access token.
//!
//! `jws` cuts a compact form, `json` reads its parts strictly, `key_set` checks a signature by an `algorithm`, and
//! `signing_key` signs for us with a `key_pair`.
//!
//! Signatures are checked by aws-lc-rs directly. The crate `jsonwebtoken` reads keys for us, but its `decode` would pass
//! a token whose `iss` or `aud` is absent or of the wrong type, and its backend features are not ours to turn on: two of
//! them in one dependency tree make every use panic.

mod algorithm;
mod json;
mod jws;
mod key_pair;
mod key_set;
mod signing_key;

pub(crate) use algorithm::{Algorithm, Algorithms};
pub(crate) use json::{Json, Object, Unreadable};
pub(crate) use jws::{Header, Jws, is_type};
pub(crate) use key_set::{Key, KeySet, NoUsableKeys, NotSigned};
pub(crate) use signing_key::{SigningKey, unique_id};
#[cfg(feature = "testing")]
pub(crate) use {
    algorithm::KeyType,
    key_pair::{CURVES, KeyPair},
};
