//! Is it theirs to use? A bound token is not a bearer token: each request must prove possession of the key or certificate.
//!
//! `holders` decides what a request has to prove. `proof` verifies a DPoP proof (RFC 9449 §4.3), which must name the
//! URL that `external_urls` derives from the configuration. `nonces` makes and checks the nonces that proofs contain if
//! the configuration demands them, and `replays` accepts each proof only once. The outcome is valid for one request and
//! is never cached. Client certificates are not verified yet, so tokens that are bound to one are refused.

mod external_urls;
mod holders;
mod nonces;
mod proof;
mod replays;

pub(crate) use external_urls::{ExternalUrls, SeenAt};
pub(crate) use holders::{HolderSpec, Holders};
/// The authorization server for tests verifies proofs too.
#[cfg(feature = "testing")]
pub(crate) use proof::{ExpectedProof, Proof};
pub(crate) use replays::Replays;
