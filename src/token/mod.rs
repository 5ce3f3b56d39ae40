//! Who is it? From the `Authorization` header to a [`Principal`].
//!
//! `present` reads the header, `memory` knows tokens that were seen before (`cache`) or are revoked (`revocation`),
//! and `verify` walks the path of a new one: a `jwt` proves itself by its signature, about any other its issuer
//! is asked (`introspection`), and `claims` judges what was said either way. A `source` has what an issuer
//! publishes, keys above all, as new as it need be. `health` tells how it stands with each issuer, and `unverified` what
//! a token says of itself, for explanations. `session` says whose a session is, by a `seal` on its id, and `standing`
//! for how long a token is good that opened a stream.
//!
//! Signatures are checked by aws-lc-rs directly. The crate `jsonwebtoken` reads keys for us, but its
//! `decode` would pass a token whose `iss` or `aud` is absent or of the wrong type, and its backend
//! features are not ours to turn on: two of them in one dependency tree make every use panic.

mod cache;
mod claims;
mod fingerprint;
mod health;
mod introspection;
mod issuer;
mod json;
mod jwt;
mod memory;
mod present;
mod principal;
mod revocation;
mod seal;
mod session;
mod source;
mod standing;
mod token_hash;
mod unverified;
mod verify;

pub(crate) use cache::{RecentlyGood, RejectedCache, VerifiedCache};
pub(crate) use fingerprint::FingerprintKey;
pub use health::IssuerHealth;
pub(crate) use introspection::{
    Asked, AssertionKey, AssertionSigner, Client, Endpoint, EndpointFetch, FileSecret, Introspection, Secret,
    When,
};
pub(crate) use issuer::{Profile, TrustedIssuer};
pub(crate) use jwt::{Algorithm, Algorithms, KeyFetch, KeySet, KeySource};
pub(crate) use memory::Memory;
pub(crate) use present::{KeptToken, PresentedToken};
pub use principal::{ClaimsError, Identity, Principal};
pub(crate) use revocation::Revocations;
pub use revocation::{Revocation, RevocationError};
pub(crate) use seal::{Seal, SealingKey};
pub(crate) use session::{Binding, Resumption, Sessions, Unbindable};
pub(crate) use source::{Fetcher, HttpClientBuilder, Lifetimes, Location, Source, metadata_urls};
pub(crate) use unverified::Unverified;
pub(crate) use verify::{Known, Verifier};
