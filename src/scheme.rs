//! The schemes by which a token may be presented.

use serde::Deserialize;

/// A scheme of `Authorization` and of `WWW-Authenticate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// RFC 6750: the token alone.
    Bearer,
    /// RFC 9449 §7: the token, and beside it a proof of possession of the key that it is bound to.
    Dpop,
}

/// Whether tokens that are bound to a DPoP key are accepted, and whether tokens that are not bound to one are accepted.
/// Pass it to [`Holder::dpop`](crate::Holder::dpop).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dpop {
    /// Tokens that are bound to a DPoP key are refused, since no proof is checked.
    Off,
    /// A token that is bound to a DPoP key needs a proof. A token that is not bound to one needs none. This is the
    /// default.
    #[default]
    Accepted,
    /// Every token must be bound to a DPoP key.
    Required,
}

/// The schemes that a gate offers in its challenges.
#[derive(Debug, Clone)]
pub(crate) struct Schemes {
    pub(crate) dpop: Dpop,
    /// The algorithms of proofs, separated by spaces.
    pub(crate) proof_algorithms: String,
}

impl Scheme {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
            Self::Dpop => "DPoP",
        }
    }
}

impl Schemes {
    /// The schemes by which a token could be accepted. `Bearer` is the first: some clients read the first challenge only.
    pub(crate) fn offered(&self) -> &'static [Scheme] {
        match self.dpop {
            Dpop::Off => &[Scheme::Bearer],
            Dpop::Accepted => &[Scheme::Bearer, Scheme::Dpop],
            Dpop::Required => &[Scheme::Dpop],
        }
    }
}
