//! Who is it? From the `Authorization` header to a [`Principal`].
//!
//! `present` reads the header, `verify` walks the path of a token: `jws` cuts it, `issuer` is looked
//! up by name, `key_source` has the issuer's keys (as `key_state` tells, by `discovery` and `fetch`), `keys`
//! checks the signature, `claims` judges the rest, and `cache` remembers the good ones. `health` tells how it
//! stands with each issuer.
//!
//! Signatures are checked by aws-lc-rs directly. The crate `jsonwebtoken` reads keys for us, but its
//! `decode` would pass a token whose `iss` or `aud` is absent or of the wrong type, and its backend
//! features are not ours to turn on: two of them in one dependency tree make every use panic.

mod algorithm;
mod cache;
mod claims;
mod discovery;
mod fetch;
mod fingerprint;
mod freshness;
mod health;
mod introspection;
mod issuer;
mod json;
mod jws;
mod key_source;
mod keys;
mod memory;
mod present;
mod principal;
mod revocation;
mod source;
mod source_state;
mod unavailable;
mod verify;

pub(crate) use algorithm::{Algorithm, Algorithms};
pub(crate) use cache::{RejectedCache, VerifiedCache};
pub(crate) use discovery::{Location, metadata_urls};
pub(crate) use fetch::{Fetcher, HttpClientBuilder};
pub use health::IssuerHealth;
pub(crate) use introspection::{
    AssertionKey, AssertionSigner, Client, Endpoint, EndpointFetch, FileSecret, Introspection, Secret, When,
};
pub(crate) use issuer::{Profile, TrustedIssuer};
pub(crate) use key_source::{KeyFetch, KeySource};
pub(crate) use keys::KeySet;
pub(crate) use memory::Memory;
pub(crate) use present::PresentedToken;
pub use principal::{ClaimsError, Identity, Principal};
pub(crate) use revocation::Revocations;
pub use revocation::{Revocation, RevocationError};
pub(crate) use source::Source;
pub(crate) use source_state::Lifetimes;
pub(crate) use verify::{Known, Verifier};
