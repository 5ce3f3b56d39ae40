//! DPoP at the token endpoint (RFC 9449 §5). The gate's own code verifies the proof.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::Request;
use http::header::{ACCESS_CONTROL_EXPOSE_HEADERS, HeaderMap, HeaderValue};

use super::error::OAuthError;
use crate::clock::Timestamp;
use crate::holder::{ExpectedProof, ExternalUrls, Proof, SeenAt};
use crate::jose::Algorithms;
use crate::log_facts::Fact;
use crate::refusal::Refusal;
use crate::resource_uri::ResourceUri;
use crate::testing::shared::Shared;
use crate::testing::traffic::Endpoint;

/// The error that demands a nonce (RFC 9449 §8).
pub(super) const NONCE_DEMANDED: &str = "use_dpop_nonce";

/// The names of the algorithms that a proof may be signed with.
pub(super) fn algorithms() -> Vec<&'static str> {
    Algorithms::default()
        .iter()
        .map(|algorithm| algorithm.name())
        .collect()
}

/// The thumbprint of the key whose possession a token request proves; `None` for a request without a proof.
pub(super) fn proved_key(
    shared: &Shared,
    request: &Request<Bytes>,
) -> Result<Option<String>, OAuthError> {
    let mut lines = request.headers().get_all("dpop").iter();
    let line = match (lines.next(), lines.next()) {
        (None, _) => return Ok(None),
        (Some(line), None) => line,
        (Some(_), Some(_)) => {
            return Err(OAuthError::invalid_dpop_proof("there are two DPoP headers"));
        }
    };
    let address = shared.url(Endpoint::Token);
    let address = ResourceUri::parse(&address).expect("the token endpoint has an http address");
    let expected = ExpectedProof {
        algorithms: &Algorithms::default(),
        token: None,
        method: request.method(),
        urls: &ExternalUrls::new(&address, SeenAt::SamePath),
        path: request.uri().path(),
        now: Timestamp::from(shared.settings.clock.now()),
    };
    let proof = Proof::verify(line.as_bytes(), &expected)
        .map_err(|refusal| OAuthError::invalid_dpop_proof(described(&refusal)))?;
    let dpop_key = URL_SAFE_NO_PAD.encode(proof.dpop_key);
    let mut proofs = shared.proofs();
    let now = shared.settings.clock.unix_seconds();
    let is_nonce = |nonce: &str| proofs.knows_nonce(nonce, now);
    if shared.settings.dpop_nonces && !proof.nonce.as_deref().is_some_and(is_nonce) {
        let description = "the proof must contain the nonce that is in the header DPoP-Nonce";
        return Err(OAuthError::new(NONCE_DEMANDED, description));
    }
    if !proofs.is_first_use(&dpop_key, &proof.jti) {
        let description = "the proof was used before: its jti must be new";
        return Err(OAuthError::invalid_dpop_proof(description));
    }
    Ok(Some(dpop_key))
}

/// Adds a nonce for the next proof. A browser lets a web page read it only if the response allows this.
pub(super) fn offer_nonce(shared: &Shared, headers: &mut HeaderMap) {
    let now = shared.settings.clock.unix_seconds();
    let nonce = shared.proofs().new_nonce(now);
    let nonce = HeaderValue::try_from(nonce).expect("base64url is a header value");
    headers.insert("dpop-nonce", nonce);
    let exposed = HeaderValue::from_static("DPoP-Nonce");
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
}

/// The facts that the gate would log. Here the caller gets them, because it is the client under development.
fn described(refusal: &Refusal) -> String {
    let fact = |fact| refusal.log_fact(fact).unwrap_or(refusal.code());
    format!(
        "expected: {}; got: {}",
        fact(Fact::Expected),
        fact(Fact::Got)
    )
}
