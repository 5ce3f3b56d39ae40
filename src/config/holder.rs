//! The `[holder]` table.

use serde::Deserialize;

use super::algorithms::algorithms_named;
use super::certificate::CertificateSetting;
use crate::config_error::{ConfigProblem, Flawed, Problems};
use crate::holder::CertificateFormat;
use crate::jose::{Algorithm, Algorithms};
use crate::scheme::{Dpop, Schemes};

/// Proofs of possession: how callers show that a token that is bound to a key is theirs to use. Pass it to
/// [`Builder::holder`](crate::Builder::holder). See [`docs::proof_of_possession`](crate::docs::proof_of_possession).
///
/// ```
/// use toolgate::{Dpop, Holder};
///
/// // Every token must be bound to a key, and every proof must contain a nonce of this server.
/// let holder = Holder::default().dpop(Dpop::Required).demand_nonces();
/// ```
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holder {
    #[serde(default)]
    dpop: Dpop,
    algorithms: Option<Vec<String>>,
    #[serde(default)]
    nonces: bool,
    replay_bytes: Option<u64>,
    #[serde(default)]
    certificate: CertificateSetting,
}

/// The algorithms of proofs that are accepted if none are named.
const ALGORITHMS: [Algorithm; 5] = [
    Algorithm::Es256,
    Algorithm::Es384,
    Algorithm::EdDsa,
    Algorithm::Ps256,
    Algorithm::Rs256,
];

/// The default of [`Holder::replay_bytes`], and the least that it may be.
const REPLAY_BYTES: u64 = 16 * 1024 * 1024;
const MIN_REPLAY_BYTES: u64 = 1024 * 1024;

impl Holder {
    /// Sets whether tokens that are bound to a DPoP key (RFC 9449) are accepted, and whether tokens that are not bound
    /// to one are accepted.
    pub fn dpop(mut self, dpop: Dpop) -> Self {
        self.dpop = dpop;
        self
    }

    /// Accepts proofs by these algorithms only. By default `ES256`, `ES384`, `EdDSA`, `PS256` and `RS256` are accepted.
    pub fn algorithms<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.algorithms = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Requires a nonce of this server in every proof (RFC 9449 §9), so that proofs cannot be made in
    /// advance. A client gets its first nonce with a refusal, and each later one with a response, before the old one is
    /// too old. Several processes that serve one resource accept each other's nonces if they have one
    /// [key](crate::Sessions::key).
    pub fn demand_nonces(mut self) -> Self {
        self.nonces = true;
        self
    }

    /// Sets how much memory the gate may use to remember which proofs were used. Default 16 MiB, for about 100,000
    /// proofs within 11 minutes. One caller may use a sixteenth of it. If the memory, or the part of one caller, is
    /// full, requests with a bound token get 503.
    pub fn replay_bytes(mut self, bytes: u64) -> Self {
        self.replay_bytes = Some(bytes);
        self
    }

    /// Accepts tokens that are bound to a client certificate (RFC 8705) if the request comes with that certificate, in the
    /// extension [`ClientCertificate`](crate::ClientCertificate). By default such tokens are refused.
    pub fn tls_certificates(mut self) -> Self {
        self.certificate = CertificateSetting::tls();
        self
    }

    /// Accepts tokens that are bound to a client certificate (RFC 8705) if a proxy forwards that certificate in this
    /// header, which the proxy must overwrite in every request. Only the header of a [listed
    /// peer](crate::Builder::listed_peer) counts, so `build()` returns an error if no peer is listed. The header is taken
    /// off every request, whichever peer sent it: the inner service never sees it.
    pub fn certificate_header(
        mut self,
        name: impl Into<String>,
        format: CertificateFormat,
    ) -> Self {
        self.certificate = CertificateSetting::header(name.into(), format);
        self
    }

    pub(super) fn certificate(&self) -> &CertificateSetting {
        &self.certificate
    }

    pub(super) fn schemes(&self, algorithms: &Algorithms) -> Schemes {
        Schemes {
            dpop: self.dpop,
            proof_algorithms: algorithms.to_string(),
        }
    }

    pub(super) fn dpop_mode(&self) -> Dpop {
        self.dpop
    }

    pub(super) fn demands_nonces(&self) -> bool {
        self.nonces
    }

    pub(super) fn accepted_algorithms(
        &self,
        problems: &mut Problems,
    ) -> Result<Algorithms, Flawed> {
        let Some(names) = &self.algorithms else {
            return Ok(ALGORITHMS.into_iter().collect());
        };
        algorithms_named("holder.algorithms", names, problems)
    }

    pub(super) fn replay_limit(&self, problems: &mut Problems) -> Result<usize, Flawed> {
        let bytes = self.replay_bytes.unwrap_or(REPLAY_BYTES);
        let limit = usize::try_from(bytes).ok();
        problems.keep(limit.filter(|_| bytes >= MIN_REPLAY_BYTES).ok_or_else(|| {
            let fix = format!("write at least {MIN_REPLAY_BYTES}, a MiB");
            ConfigProblem::not_allowed("holder.replay_bytes", fix).showing(bytes.to_string())
        }))
    }
}
