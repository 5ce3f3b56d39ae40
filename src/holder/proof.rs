//! Verifies a DPoP proof (RFC 9449 §4.3): a JWT about one request, signed by the key that it contains.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;

use super::external_urls::{ExternalUrls, normalised};
use crate::clock::Timestamp;
use crate::digest::sha256;
use crate::jose::{Algorithms, BadJws, Header, Json, Jws, Object, PublicKey, is_type};
use crate::refusal::{Reason, Refusal};

/// The longest proof that is accepted. A proof with an RSA key of 4096 bits has about 2 KiB.
const MAX_PROOF_BYTES: usize = 8 * 1024;

/// How far the `iat` of a proof may be from the clock of the gate, in either direction.
pub(super) const MAX_CLOCK_DIFFERENCE: Duration = Duration::from_secs(300);

/// The longest `jti`.
const MAX_JTI_BYTES: usize = 256;

/// The longest RSA key of a proof, in bits. Each caller chooses the key of its proofs, and verification with a longer
/// key takes long.
const MAX_RSA_BITS: usize = 4096;

/// The members of a JWK that make it a private key (RFC 7518 §6).
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// The request that a proof must be for.
pub(crate) struct ExpectedProof<'r> {
    pub(crate) algorithms: &'r Algorithms,
    /// The token that the request presents. `None` for a token request, whose proof may be by any key (RFC 9449 §5).
    pub(crate) token: Option<BoundToken<'r>>,
    pub(crate) method: &'r Method,
    pub(crate) urls: &'r ExternalUrls,
    /// The path, as this server sees it.
    pub(crate) path: &'r str,
    pub(crate) now: Timestamp,
}

/// A token, and the thumbprint of the key that it is bound to.
pub(crate) struct BoundToken<'r> {
    pub(super) text: &'r [u8],
    pub(super) dpop_key: &'r [u8; 32],
}

/// The facts of a verified proof that are needed for the remaining checks: of its nonce, and of its first use.
#[derive(Debug)]
pub(crate) struct Proof {
    /// The thumbprint of its key.
    pub(crate) dpop_key: [u8; 32],
    pub(crate) jti: String,
    pub(super) issued_at: Timestamp,
    pub(crate) nonce: Option<String>,
}

impl Proof {
    /// Verifies everything about a proof except its nonce and its first use. It does no I/O and reads no clock.
    ///
    /// The signature is verified last, after the thumbprint was compared. So only a proof by the key of the token costs
    /// a verification.
    pub(crate) fn verify(line: &[u8], expected: &ExpectedProof<'_>) -> Result<Self, Refusal> {
        if line.len() > MAX_PROOF_BYTES {
            return Err(malformed(format!("{} bytes", line.len())));
        }
        let text = std::str::from_utf8(line).map_err(|_| malformed("no ASCII"))?;
        let jws = Jws::cut(text)
            .map_err(unusable)?
            .ok_or_else(|| malformed("no JWT"))?;
        let head = jws
            .header()
            .map_err(unusable)?
            .ok_or_else(|| malformed("no JWT"))?;
        match head.text_of("typ") {
            Some(typ) if is_type(typ, "dpop+jwt") => {}
            Some(typ) => return Err(unexpected("typ: dpop+jwt", format!("typ: {typ}"))),
            None => return Err(unexpected("typ: dpop+jwt", "no typ")),
        }
        let header = Header::read(&head, expected.algorithms).map_err(unusable)?;
        let key = key_of(&head)?;
        let dpop_key = key.thumbprint();
        if let Some(token) = &expected.token
            && *token.dpop_key != dpop_key
        {
            return Err(Refusal::from(Reason::DpopWrongKey)
                .expected("the key that the token is bound to")
                .got("a proof by another key"));
        }
        let payload = jws.payload().map_err(unusable)?;
        let claims =
            Object::read(&payload).map_err(|why| malformed("unreadable claims").because(why))?;
        let proof = Self::of_claims(&claims, dpop_key, expected)?;
        let signature = jws.signature().map_err(unusable)?;
        if !key.verifies(header.algorithm, jws.signed.as_bytes(), &signature) {
            return Err(Refusal::from(Reason::DpopBadSignature)
                .expected(format!("an {} signature", header.algorithm.name()))
                .got("a proof that its key did not sign"));
        }
        Ok(proof)
    }

    fn of_claims(
        claims: &Object<'_>,
        dpop_key: [u8; 32],
        expected: &ExpectedProof<'_>,
    ) -> Result<Self, Refusal> {
        let text = |name: &str| match claims.text(name) {
            Ok(Some(text)) => Ok(text),
            Ok(None) => Err(malformed(format!("no {name}"))),
            Err(_) => Err(malformed(format!("{name}: not a text"))),
        };
        let jti = text("jti")?;
        if jti.is_empty() || jti.len() > MAX_JTI_BYTES {
            return Err(malformed(format!("jti: {} bytes", jti.len())));
        }
        let (method, url) = (text("htm")?, text("htu")?);
        let other_request = |expected: String, got: String| {
            Refusal::from(Reason::DpopOtherRequest)
                .expected(expected)
                .got(got)
        };
        if method != expected.method.as_str() {
            let expected = format!("htm: {}", expected.method);
            return Err(other_request(expected, format!("htm: {method}")));
        }
        expected
            .urls
            .check(url, expected.path)
            .map_err(|expected| {
                // Not as it is written: a query or a user name may be a secret.
                let got = normalised(url).unwrap_or_else(|| "no URL of the web".to_owned());
                other_request(format!("htu: {expected}"), format!("htu: {got}"))
            })?;
        let issued_at = claims.number("iat").ok().flatten();
        let issued_at = issued_at
            .and_then(Timestamp::from_seconds)
            .ok_or_else(|| malformed("no iat, or not a number"))?;
        let difference = (issued_at.seconds() - expected.now.seconds()).abs();
        if difference > MAX_CLOCK_DIFFERENCE.as_secs_f64() {
            return Err(Refusal::from(Reason::DpopOtherTime)
                .expected(format!("iat: within 300 s of {}", expected.now))
                .got(format!("iat: {issued_at}")));
        }
        if let Some(token) = &expected.token
            && text("ath")? != URL_SAFE_NO_PAD.encode(sha256(token.text))
        {
            return Err(Refusal::from(Reason::DpopOtherToken)
                .expected("ath: the hash of this token")
                .got("ath: another hash"));
        }
        let nonce = claims.text("nonce");
        let nonce = nonce.map_err(|_| malformed("nonce: not a text"))?;
        Ok(Self {
            dpop_key,
            jti: jti.to_owned(),
            issued_at,
            nonce: nonce.map(str::to_owned),
        })
    }
}

/// The public key in the header of a proof.
fn key_of(head: &Object<'_>) -> Result<PublicKey, Refusal> {
    let unusable = |got: &str| {
        Refusal::from(Reason::DpopKeyUnusable)
            .expected("jwk: a public key")
            .got(format!("jwk: {got}"))
    };
    let Some(Json::Object(jwk)) = head.get("jwk") else {
        return Err(unusable("none, or not an object"));
    };
    if PRIVATE_MEMBERS.iter().any(|name| jwk.has(name)) {
        return Err(unusable("a private key"));
    }
    let key = PublicKey::of_jwk(jwk).map_err(unusable)?;
    if key.rsa_bits().is_some_and(|bits| bits > MAX_RSA_BITS) {
        return Err(unusable("an RSA key of more than 4096 bits"));
    }
    Ok(key)
}

fn malformed(got: impl Into<String>) -> Refusal {
    unexpected("a DPoP proof", got)
}

fn unexpected(expected: &str, got: impl Into<String>) -> Refusal {
    Refusal::from(Reason::DpopProofMalformed)
        .expected(expected)
        .got(got)
}

/// The refusal of a proof that is not a usable JWT.
fn unusable(why: BadJws) -> Refusal {
    match why {
        BadJws::Algorithm { allowed, named } => Refusal::from(Reason::DpopAlgNotAllowed)
            .expected(format!("alg: {allowed}"))
            .got(format!("alg: {named}")),
        why => malformed(why.to_string()).because(why),
    }
}

#[cfg(test)]
mod tests {
    use super::super::external_urls::SeenAt;
    use super::*;
    use crate::resource_uri::ResourceUri;

    /// The request of RFC 9449 §7.1: its token, its proof, and the thumbprint of §6.1.
    const TOKEN: &[u8] = b"Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
    const PROOF: &str = concat!(
        "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0Rs",
        "cEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2",
        "In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm9",
        "0ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVF",
        "FbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA",
    );
    const THUMBPRINT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

    #[test]
    fn the_proof_of_the_rfc_is_good_for_its_request_and_for_no_other() {
        let resource =
            ResourceUri::parse("https://resource.example.org/protectedresource").unwrap();
        let urls = ExternalUrls::new(&resource, SeenAt::SamePath);
        let dpop_key = URL_SAFE_NO_PAD.decode(THUMBPRINT).unwrap();
        let dpop_key = dpop_key.try_into().unwrap();
        let verify = |method, path, text, seconds| {
            let expected = ExpectedProof {
                algorithms: &Algorithms::default(),
                token: Some(BoundToken {
                    text,
                    dpop_key: &dpop_key,
                }),
                method: &method,
                urls: &urls,
                path,
                now: Timestamp::from_seconds(seconds).unwrap(),
            };
            let verified = Proof::verify(PROOF.as_bytes(), &expected);
            verified.map(|proof| proof.jti).map_err(|why| why.reason())
        };
        let (path, time) = ("/protectedresource", 1_562_262_618.0);
        let jti = "e1j3V_bKic8-LAEB".to_owned();
        assert_eq!(verify(Method::GET, path, TOKEN, time), Ok(jti));
        for (verified, reason) in [
            (
                verify(Method::POST, path, TOKEN, time),
                Reason::DpopOtherRequest,
            ),
            (
                verify(Method::GET, "/", TOKEN, time),
                Reason::DpopOtherRequest,
            ),
            (
                verify(Method::GET, path, b"other", time),
                Reason::DpopOtherToken,
            ),
            (
                verify(Method::GET, path, TOKEN, time + 301.0),
                Reason::DpopOtherTime,
            ),
        ] {
            assert_eq!(verified, Err(reason));
        }
    }
}
