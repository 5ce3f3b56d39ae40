//! A public key by itself, from a JWK (RFC 7517 §4). A key set adds to it what is published about its use.

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::ParsedPublicKey;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, OctetKeyPairParameters};

use super::algorithm::{Algorithm, KeyType};
use super::json::Object;

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
                let bits = n.len() * 8 - n.first().map_or(0, |byte| byte.leading_zeros() as usize);
                if !RSA_BITS.contains(&bits) {
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
