//! Decides what a request has to prove before it may use a token.

use std::fmt;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, HeaderValue};

use super::certificate::CertificateSource;
use super::external_urls::ExternalUrls;
use super::nonces::{Freshness, Nonces};
use super::proof::{BoundToken, ExpectedProof, Proof};
use super::replays::{NotClaimed, Replays, UsedProof};
use crate::binding::Binding;
use crate::clock::Timestamp;
use crate::jose::Algorithms;
use crate::refusal::{CheckFacts, Reason, Refusal};
use crate::scheme::{Dpop, Scheme};
use crate::seal::Seal;
use crate::token::{Credentials, PresentedLine, Principal, ProofUse};

/// The configuration of proofs.
pub(crate) struct HolderSpec {
    pub(crate) dpop: Dpop,
    pub(crate) certificates: CertificateSource,
    pub(crate) algorithms: Algorithms,
    /// Whether every proof must contain a nonce.
    pub(crate) nonces: bool,
    pub(crate) replay_bytes: usize,
}

/// A request whose token is bound, and the URLs that a proof for it may name.
#[derive(Clone, Copy)]
pub(crate) struct ProvedRequest<'r> {
    pub(crate) parts: &'r Parts,
    pub(crate) urls: &'r ExternalUrls,
}

/// Checks that requests may use the tokens that they present.
pub(crate) struct Holders {
    dpop: Dpop,
    certificates: CertificateSource,
    algorithms: Algorithms,
    nonces: Option<Nonces>,
    replays: Arc<Replays>,
    replay_bytes: usize,
}

impl Holders {
    pub(crate) fn new(spec: HolderSpec, seal: &Arc<Seal>, replays: &Arc<Replays>) -> Self {
        Self {
            dpop: spec.dpop,
            certificates: spec.certificates,
            algorithms: spec.algorithms,
            nonces: spec.nonces.then(|| Nonces::new(seal.clone())),
            replays: replays.clone(),
            replay_bytes: spec.replay_bytes,
        }
    }

    /// Succeeds if the request may use the token of this principal. Returns a nonce for the next proof, if the client
    /// should change to a newer one.
    pub(crate) fn prove(
        &self,
        principal: &Principal,
        credentials: &Credentials,
        request: ProvedRequest<'_>,
        now: Timestamp,
    ) -> Result<Option<Box<HeaderValue>>, Refusal> {
        let binding = principal.binding();
        let scheme = match (credentials.proof_use(), binding.dpop_key()) {
            (ProofUse::Spend | ProofUse::Look, _) => credentials.scheme(),
            (ProofUse::Assume, Some(_)) => Scheme::Dpop,
            (ProofUse::Assume, None) => Scheme::Bearer,
        };
        self.check(binding, scheme)?;
        if credentials.proof_use() == ProofUse::Assume {
            return Ok(None);
        }
        if let Some(thumbprint) = binding.certificate() {
            self.certificates.check(thumbprint, request.parts)?;
        }
        let Some(dpop_key) = binding.dpop_key() else {
            return Ok(None);
        };
        let proof = self.verify_proof(dpop_key, credentials, request, now)?;
        // The nonce is checked after the rest of the proof, so that only an otherwise valid proof gets one. Only then
        // is the proof spent, so that the client may repeat its `jti` in the proof with the nonce.
        let next = self.check_nonce(proof.nonce.as_deref(), now)?;
        self.use_once(&proof, principal, credentials.proof_use(), now)?;
        Ok(next.map(Box::new))
    }

    pub(crate) fn dpop(&self) -> Dpop {
        self.dpop
    }

    /// Removes the headers of proofs that are not taken as credentials.
    pub(crate) fn remove_from(&self, headers: &mut HeaderMap) {
        self.certificates.remove_from(headers);
    }

    /// Checks whether a token with this binding may be presented under this scheme. This needs no proof.
    pub(crate) fn check(&self, binding: &Binding, scheme: Scheme) -> Result<(), Refusal> {
        if *binding == Binding::Unknown {
            return Err(Refusal::from(Reason::UnknownBinding)
                .expected("cnf: jkt, with 32 bytes in base64url")
                .got("cnf: another value or member"));
        }
        match (self.dpop, binding.dpop_key(), scheme) {
            (Dpop::Off, Some(_), _) => {
                return Err(Refusal::from(Reason::DpopOff)
                    .expected("holder.dpop: accepted")
                    .got("cnf: jkt"));
            }
            (_, Some(_), Scheme::Bearer) => {
                return Err(Refusal::from(Reason::DpopTokenAsBearer)
                    .expected("Authorization: DPoP, since the token has cnf: jkt")
                    .got("Authorization: Bearer"));
            }
            (Dpop::Required, None, _) => {
                return Err(Refusal::from(Reason::DpopRequired)
                    .expected("cnf: jkt")
                    .got("no cnf: jkt"));
            }
            (_, None, Scheme::Dpop) => {
                return Err(Refusal::from(Reason::DpopTokenUnbound)
                    .expected("cnf: jkt")
                    .got("Authorization: DPoP, with a token that has none"));
            }
            _ => {}
        }
        let is_off = matches!(self.certificates, CertificateSource::Off);
        if binding.certificate().is_some() && is_off {
            return Err(Refusal::from(Reason::CertificateOff)
                .expected("holder.certificate: tls, or a header")
                .got("cnf: x5t#S256"));
        }
        Ok(())
    }

    fn verify_proof(
        &self,
        dpop_key: &[u8; 32],
        credentials: &Credentials,
        ProvedRequest { parts, urls }: ProvedRequest<'_>,
        now: Timestamp,
    ) -> Result<Proof, Refusal> {
        let line = match credentials.proof() {
            Some(PresentedLine::One(line)) => line,
            Some(PresentedLine::Several) => {
                return Err(Refusal::from(Reason::DpopProofsSeveral)
                    .expected("one DPoP line")
                    .got("several DPoP lines"));
            }
            None => {
                return Err(Refusal::from(Reason::DpopProofMissing)
                    .expected("a DPoP line")
                    .got("none"));
            }
        };
        let expected = ExpectedProof {
            algorithms: &self.algorithms,
            token: Some(BoundToken {
                text: credentials.token().as_bytes(),
                dpop_key,
            }),
            method: &parts.method,
            urls,
            path: parts.uri.path(),
            now,
        };
        Proof::verify(line.as_bytes(), &expected)
    }

    /// Returns the newest nonce, if that of the proof is still accepted but older.
    fn check_nonce(
        &self,
        presented: Option<&str>,
        now: Timestamp,
    ) -> Result<Option<HeaderValue>, Refusal> {
        let Some(nonces) = &self.nonces else {
            return Ok(None);
        };
        match nonces.freshness(presented, now) {
            Freshness::Current => Ok(None),
            Freshness::Ageing => Ok(nonces.current(now)),
            Freshness::None => {
                let refusal = Refusal::from(Reason::DpopNonceNeeded)
                    .expected("nonce: one that this server issued lately")
                    .got(presented.map_or("no nonce", |_| "nonce: another one"));
                Err(match nonces.current(now) {
                    Some(nonce) => refusal.offering_nonce(nonce),
                    None => refusal,
                })
            }
        }
    }

    fn use_once(
        &self,
        proof: &Proof,
        principal: &Principal,
        proof_use: ProofUse,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let used = UsedProof {
            caller: &principal.owner().hash(),
            dpop_key: &proof.dpop_key,
            jti: &proof.jti,
            issued_at: proof.issued_at,
        };
        let claimed = match proof_use {
            ProofUse::Spend => self.replays.claim(&used, self.replay_bytes, now),
            ProofUse::Look | ProofUse::Assume => self.replays.look(&used, self.replay_bytes, now),
        };
        claimed.map_err(|why| match why {
            NotClaimed::Replayed => {
                Refusal::from(Reason::DpopReplayed).got("a proof that was used before")
            }
            NotClaimed::TooMany { free_in } => Refusal::from(Reason::DpopTooManyProofs)
                .got("one caller has used a sixteenth of the memory of proofs")
                .retry_after(free_in),
            NotClaimed::Full { free_in } => Refusal::from(Reason::DpopMemoryFull)
                .expected("holder.replay_bytes: enough for the proofs of 11 minutes")
                .retry_after(free_in),
            NotClaimed::Forgotten { free_in } => Refusal::from(Reason::DpopClockSetBack)
                .got(format!(
                    "iat: {}, a time whose proofs are forgotten",
                    proof.issued_at
                ))
                .retry_after(free_in),
        })
    }
}

impl Holders {
    /// The facts of this check, for an explanation.
    pub(crate) fn facts(&self, principal: Option<&Principal>) -> CheckFacts {
        let got = match principal.map(Principal::binding) {
            None => "",
            Some(Binding::None) => "a token that is bound to nothing",
            Some(Binding::DpopKey(_)) => "a token that is bound to a DPoP key",
            Some(Binding::Certificate(_) | Binding::Both { .. }) => {
                "a token that is bound to a client certificate"
            }
            Some(Binding::Unknown) => "a token with another cnf",
        };
        CheckFacts::new(self.to_string(), got)
    }
}

/// Shows the settings, for the event at start-up.
impl fmt::Display for Holders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algorithms = &self.algorithms;
        match self.dpop {
            Dpop::Off => f.write_str("dpop off")?,
            Dpop::Accepted => write!(f, "dpop accepted, by {algorithms}")?,
            Dpop::Required => write!(f, "dpop required, by {algorithms}")?,
        }
        if self.nonces.is_some() {
            f.write_str(", with a nonce")?;
        }
        match &self.certificates {
            CertificateSource::Off => Ok(()),
            CertificateSource::Tls => f.write_str("; client certificates of TLS"),
            CertificateSource::Header(header) => write!(f, "; client certificates in {header}"),
        }
    }
}
