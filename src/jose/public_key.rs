//! A public key by itself, from a JWK (RFC 7517 §4). A key set adds to it what is published about its use.

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::ParsedPublicKey;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, OctetKeyPairParameters};

use super::algorithm::{Algorithm, KeyType};
use super::json::Object;
use crate::digest::sha256;

/// The type and the public numbers of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicKey {
    key_type: KeyType,
    numbers: Numbers,
}

/// The public numbers of a key, in the form that the verifiers need.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Numbers {
    /// Big-endian, without leading zeros.
    Rsa { n: Vec<u8>, e: Vec<u8> },
    /// An uncompressed point of SEC 1, or the 32 bytes of an Ed25519 key.
    Point(Vec<u8>),
}

/// The allowed lengths of an RSA key. RFC 7518 §3.3 demands 2048 bits at least; with more than 8192, verifying takes so long
/// that it is an attack.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// The first byte of an uncompressed point (SEC 1 §2.3.3).
const UNCOMPRESSED: u8 = 4;

impl PublicKey {
    /// Parses the members that make up the key. The error says what is wrong with them.
    pub(crate) fn of_jwk(jwk: &Object<'_>) -> Result<Self, &'static str> {
        if jwk.text_of("kty").is_none() {
            return Err("no key type");
        }
        let parameters = serde_json::to_value(jwk).and_then(serde_json::from_value);
        let parameters = parameters.map_err(|_| "key type or parameters unknown")?;
        let (key_type, numbers) = match parameters {
            AlgorithmParameters::RSA(rsa) => {
                let (n, e) = (unsigned(&rsa.n)?, unsigned(&rsa.e)?);
                if !RSA_BITS.contains(&bits(&n)) {
                    return Err("an RSA key shorter than 2048 or longer than 8192 bits");
                }
                (KeyType::Rsa, Numbers::Rsa { n, e })
            }
            AlgorithmParameters::EllipticCurve(curve) => {
                let (key_type, width) = match curve.curve {
                    EllipticCurve::P256 => (KeyType::P256, 32),
                    EllipticCurve::P384 => (KeyType::P384, 48),
                    EllipticCurve::P521 => (KeyType::P521, 66),
                    _ => return Err("an unknown curve"),
                };
                let (x, y) = (decoded(&curve.x)?, decoded(&curve.y)?);
                if x.len() != width || y.len() != width {
                    return Err("coordinates of the wrong length");
                }
                let point = [&[UNCOMPRESSED], x.as_slice(), y.as_slice()].concat();
                (key_type, Numbers::Point(point))
            }
            AlgorithmParameters::OctetKeyPair(OctetKeyPairParameters {
                curve: EllipticCurve::Ed25519,
                x,
                ..
            }) => (KeyType::Ed25519, Numbers::Point(decoded(&x)?)),
            _ => return Err("an unsupported key type"),
        };
        Ok(Self { key_type, numbers })
    }

    /// Builds the verifier for an algorithm, so that verifying with it need not parse the key again. `None` if the key is
    /// of another type, or invalid.
    pub(crate) fn verifier(&self, algorithm: Algorithm) -> Option<ParsedPublicKey> {
        if algorithm.key_type() != self.key_type {
            return None;
        }
        match &self.numbers {
            Numbers::Rsa { n, e } => PublicKeyComponents { n, e }
                .to_parsed_public_key(algorithm.rsa_parameters()?)
                .ok(),
            Numbers::Point(bytes) => ParsedPublicKey::new(algorithm.curve_algorithm()?, bytes).ok(),
        }
    }

    /// Whether the signature over the message is by this key, with an algorithm that fits it.
    pub(crate) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let verifier = self.verifier(algorithm);
        verifier.is_some_and(|verifier| verifier.verify_sig(message, signature).is_ok())
    }

    /// The SHA-256 thumbprint of the JWK (RFC 7638 §3, RFC 8037 §2): over its required members alone, in the order of their
    /// names, without blanks.
    pub(crate) fn thumbprint(&self) -> [u8; 32] {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let canonical = match (&self.numbers, self.key_type.curve()) {
            (Numbers::Rsa { n, e }, _) => {
                format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, text(e), text(n))
            }
            (Numbers::Point(x), None | Some("Ed25519")) => {
                format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, text(x))
            }
            (Numbers::Point(point), Some(curve)) => {
                let coordinates = point.get(1..).unwrap_or_default();
                let (x, y) = coordinates.split_at(coordinates.len() / 2);
                let (x, y) = (text(x), text(y));
                format!(r#"{{"crv":"{curve}","kty":"EC","x":"{x}","y":"{y}"}}"#)
            }
        };
        sha256(canonical.as_bytes())
    }

    /// The length of the modulus; `None` if it is no RSA key.
    pub(crate) fn rsa_bits(&self) -> Option<usize> {
        match &self.numbers {
            Numbers::Rsa { n, .. } => Some(bits(n)),
            Numbers::Point(_) => None,
        }
    }
}

/// The length of a number without leading zero bytes.
fn bits(number: &[u8]) -> usize {
    let zeros = number
        .first()
        .map_or(0, |byte| byte.leading_zeros() as usize);
    number.len() * 8 - zeros
}

fn decoded(text: &str) -> Result<Vec<u8>, &'static str> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| "not base64url")
}

/// Decodes a number without its leading zeros: some servers write the sign byte of a DER integer into `n`, and the verifier
/// refuses that.
fn unsigned(text: &str) -> Result<Vec<u8>, &'static str> {
    let number = decoded(text)?;
    let zeros = number.iter().take_while(|&&byte| byte == 0).count();
    Ok(number.get(zeros..).unwrap_or_default().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thumbprint(jwk: &str) -> String {
        let jwk = Object::read(jwk.as_bytes()).unwrap();
        URL_SAFE_NO_PAD.encode(PublicKey::of_jwk(&jwk).unwrap().thumbprint())
    }

    #[test]
    fn the_thumbprints_are_those_that_the_rfcs_give() {
        // RFC 7638 §3.1
        let rsa = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;
        assert_eq!(
            thumbprint(rsa),
            "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
        );
        // RFC 8037 A.3
        let okp =
            r#"{"crv":"Ed25519","kty":"OKP","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        assert_eq!(
            thumbprint(okp),
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
        );
        // RFC 9449 §4.1 and §6.1
        let ec = r#"{"kty":"EC","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA","crv":"P-256"}"#;
        assert_eq!(
            thumbprint(ec),
            "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
        );
    }

    #[test]
    fn an_rsa_key_whose_exponent_proves_nothing_or_costs_much_verifies_nothing() {
        let n = format!("{}w", "_".repeat(341));
        let huge = "_".repeat(340);
        for (e, what) in [
            ("", "nothing"),
            ("AA", "0"),
            ("AQ", "1"),
            ("Ag", "2"),
            ("AQAA", "65536"),
            ("A____w8", "34 bits"),
            ("AQAAAAAAAAAB", "65 bits"),
            (huge.as_str(), "2040 bits"),
        ] {
            let jwk = format!(r#"{{"kty":"RSA","n":"{n}","e":"{e}"}}"#);
            let jwk = Object::read(jwk.as_bytes()).unwrap();
            // With the exponent 1, a padded hash is its own signature.
            let mut encoded = vec![0xff; 256];
            encoded[..2].copy_from_slice(&[0, 1]);
            let info =
                b"\0\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\0\x04\x20";
            encoded[256 - 32 - info.len()..256 - 32].copy_from_slice(info);
            encoded[256 - 32..].copy_from_slice(&sha256(b"message"));
            let key = PublicKey::of_jwk(&jwk);
            let verifies = |key: PublicKey| key.verifies(Algorithm::Rs256, b"message", &encoded);
            assert!(!key.is_ok_and(verifies), "{what}");
        }
    }
}
