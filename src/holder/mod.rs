//! Is it theirs to use? A bound token is not a bearer token: each request must prove possession of the key or certificate.
//!
//! `holders` decides what a request has to prove. `proof` verifies a DPoP proof (RFC 9449 §4.3), which must name the
//! URL that `external_urls` derives from the configuration. `nonces` makes and checks the nonces that proofs contain if
//! the configuration demands them, and `replays` accepts each proof only once. `certificate` compares the client
//! certificate of the connection (RFC 8705), which a proxy may forward in a line that `certificate_header` reads. The
//! outcome is valid for one request and is never cached.

mod certificate;
mod certificate_header;
mod external_urls;
mod holders;
mod nonces;
mod proof;
mod replays;

pub(crate) use certificate::{CertificateHeader, CertificateSource};
pub use certificate_header::CertificateFormat;
pub(crate) use external_urls::{ExternalUrls, SeenAt};
pub(crate) use holders::{HolderSpec, Holders, ProvedRequest};
/// The authorization server for tests verifies proofs too.
#[cfg(feature = "testing")]
pub(crate) use proof::{ExpectedProof, Proof};
pub(crate) use replays::Replays;
