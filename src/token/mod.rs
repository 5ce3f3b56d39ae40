//! Whose token is it? From the `Authorization` header to a [`Principal`].
//!
//! `credentials` reads the header, and `memory` knows tokens that were seen before (`cache`, by their `fingerprint`, and
//! `recent` in front of it) or are revoked (`revocations`). `verify` walks the path of a new one: a JWT is verified by its
//! signature, any other token is looked up at its issuer (`lookup`), and `claims` validates what it is said to be, by the
//! issuer's `profile`.
//!
//! `assemble` makes the verifier of what is configured. `standing` verifies the token of a stream again, `health` tells
//! whether an issuer's tokens can be judged, `token_hash` is what the log calls a token, and `unverified` what a token
//! says of itself, for explanations.

mod assemble;
mod cache;
mod cache_entry;
mod claims;
mod credentials;
mod fingerprint;
mod health;
mod lookup;
mod memory;
mod principal;
mod profile;
mod recent;
mod revocations;
mod standing;
mod token_hash;
mod token_type;
mod unverified;
mod verify;

pub(crate) use assemble::{IntrospectionSpec, IssuerSpec, KeysSpec, VerifierSpec, VerifierState};
pub(crate) use credentials::Credentials;
pub use health::IssuerHealth;
pub(crate) use lookup::{Lookups, When};
pub use principal::{ClaimsError, Identity, Principal};
pub(crate) use profile::{Profile, TokenRules, TrustedIssuer};
pub use revocations::RevocationError;
pub(crate) use unverified::Unverified;
pub(crate) use verify::{Verified, Verifier};
