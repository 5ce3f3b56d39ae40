//! Signed JSON of any type (RFC 7515 to 7519, RFC 8037). This room does not know access tokens.
//!
//! `jws` splits the compact form, `json` parses its parts strictly, `key_set` finds the `public_key` that verifies a signature
//! by an `algorithm`, and `signing_key` signs with a `key_pair`.
//!
//! Signatures are verified by aws-lc-rs directly. The crate `jsonwebtoken` only parses public keys: its `decode` would accept
//! a token whose `iss` or `aud` is absent or of the wrong type, and a library must not enable one of its backend features,
//! since two of them in one dependency tree make every use panic.

mod algorithm;
mod json;
mod jws;
mod key_pair;
mod key_set;
mod public_key;
mod signing_key;

pub(crate) use algorithm::{Algorithm, Algorithms};
pub(crate) use json::{Json, Object, Unreadable};
pub(crate) use jws::{BadJws, Header, Jws, is_type};
pub(crate) use key_set::{Key, KeySet, NoUsableKeys, NotSigned};
pub(crate) use public_key::PublicKey;
pub(crate) use signing_key::{SigningKey, unique_id};
#[cfg(feature = "testing")]
pub(crate) use {
    algorithm::KeyType,
    key_pair::{CURVES, KeyPair},
};
