//! Whose token is it? From the `Authorization` header to a [`Principal`].
//!
//! `credentials` reads the header. `memory` recalls tokens that were seen before (`cache`, by their `fingerprint`, with
//! `recent` in front of it) or that are revoked (`revocations`). `verify` takes a new token the whole way: a JWT is verified
//! by its signature, any other token is introspected at its issuer (`lookup`), and `claims` validates the claims by the
//! rules of the issuer's `profile`. `defects` refuses what is no usable JWT. The result is a `principal`, with its `identity`
//! and its `authorization_details`.
//!
//! A token with the prefix of API keys is one or is refused (`api_keys`). An operator's own verifier (`verify_token`, asked by
//! `own_verification`) is looked up as an issuer with introspection is: each is an `authority`.
//!
//! `assemble` makes the verifier from a configuration. `standing` verifies the token of a stream again. `health` reports
//! whether an issuer's tokens can be verified. `token_hash` is a token's name in the log. `facts` tells
//! explanations what each check of a token is about, and `unverified` reads one that was not verified, for them.

mod api_keys;
mod assemble;
mod authority;
mod authorization_details;
mod cache;
mod cache_entry;
mod claims;
mod credentials;
mod defects;
mod facts;
mod fingerprint;
mod health;
mod identity;
mod lookup;
mod memory;
mod own_verification;
mod principal;
mod profile;
mod recent;
mod revocations;
mod standing;
mod token_hash;
mod token_type;
mod unverified;
mod verify;
mod verify_token;

pub(crate) use api_keys::{
    API_KEYS_ISSUER, AlreadyIn, ApiKeyEntry, ApiKeySource, ApiKeyTable, ApiKeysSpec,
};
pub(crate) use assemble::{
    IntrospectionSpec, IssuerSpec, KeysSpec, OwnVerifierSpec, VerifierSpec, VerifierState,
};
pub(crate) use credentials::{Credentials, PresentedLine, ProofUse, is_of_token68};
pub(crate) use facts::ExplainedToken;
pub use health::IssuerHealth;
pub use identity::Identity;
pub(crate) use lookup::{Lookups, When};
pub(crate) use own_verification::OwnVerification;
pub use principal::{ClaimsError, Principal};
pub(crate) use profile::{Profile, TokenRules};
pub use revocations::RevocationError;
pub(crate) use verify::{Verified, Verifier};
pub use verify_token::{
    OwnVerifier, TokenClaims, TokenVerdict, UnverifiedToken, VerificationFailed, VerifyToken,
};
