use std::fmt;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::random::random_text;
use crate::jose::{self, CURVES, KeyPair, KeyType, Object, PublicKey};

/// A signature algorithm, by its JOSE name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// ECDSA on P-521 with SHA-512.
    Es512,
    /// RSASSA-PKCS1-v1_5 with SHA-256, a 2048 bit key.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384, a 2048 bit key.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512, a 2048 bit key.
    Rs512,
    /// RSASSA-PSS with SHA-256, a 2048 bit key.
    Ps256,
    /// RSASSA-PSS with SHA-384, a 2048 bit key.
    Ps384,
    /// RSASSA-PSS with SHA-512, a 2048 bit key.
    Ps512,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// All algorithms.
    pub const ALL: [Self; 10] = [
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::EdDsa,
    ];

    /// The name in a token's `alg` header, such as `ES256`.
    pub fn name(self) -> &'static str {
        self.as_jose().name()
    }

    fn as_jose(self) -> jose::Algorithm {
        match self {
            Self::Es256 => jose::Algorithm::Es256,
            Self::Es384 => jose::Algorithm::Es384,
            Self::Es512 => jose::Algorithm::Es512,
            Self::Rs256 => jose::Algorithm::Rs256,
            Self::Rs384 => jose::Algorithm::Rs384,
            Self::Rs512 => jose::Algorithm::Rs512,
            Self::Ps256 => jose::Algorithm::Ps256,
            Self::Ps384 => jose::Algorithm::Ps384,
            Self::Ps512 => jose::Algorithm::Ps512,
            Self::EdDsa => jose::Algorithm::EdDsa,
        }
    }

    fn generate(self) -> KeyPair {
        let key_type = self.as_jose().key_type();
        if let Some((curve, algorithm)) = CURVES.into_iter().find(|(curve, _)| *curve == key_type) {
            let pair = EcdsaKeyPair::generate(algorithm);
            return KeyPair::Ecdsa(curve, pair.expect("an elliptic curve key can be generated"));
        }
        if key_type == KeyType::Ed25519 {
            let pair = Ed25519KeyPair::generate();
            return KeyPair::Ed25519(pair.expect("an Ed25519 key can be generated"));
        }
        let pair = RsaKeyPair::generate(KeySize::Rsa2048);
        KeyPair::Rsa(pair.expect("an RSA key can be generated"))
    }
}

/// A private key that signs tokens, with its public JWK.
///
/// ```
/// use toolgate::testing::{Algorithm, SigningKey};
///
/// let key = SigningKey::generate(Algorithm::EdDsa).with_kid("2026-07");
/// assert_eq!(key.jwk()["kid"], "2026-07");
/// assert_eq!(key.jwk()["kty"], "OKP");
/// ```
#[derive(Clone)]
pub struct SigningKey {
    pair: Arc<KeyPair>,
    algorithm: Algorithm,
    kid: Option<String>,
}

impl SigningKey {
    /// Generates a key with a random key id.
    pub fn generate(algorithm: Algorithm) -> Self {
        Self {
            pair: Arc::new(algorithm.generate()),
            algorithm,
            kid: Some(random_text::<9>()),
        }
    }

    /// The same key under another key id.
    #[must_use]
    pub fn with_kid(mut self, kid: impl Into<String>) -> Self {
        self.kid = Some(kid.into());
        self
    }

    /// The same key without a key id, in its JWK and in the tokens that it signs.
    #[must_use]
    pub fn without_kid(mut self) -> Self {
        self.kid = None;
        self
    }

    /// The key id, if it has one.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The algorithm that the key signs with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The public key as a JWK with `alg`, `use` and, unless it has none, `kid`.
    pub fn jwk(&self) -> Value {
        let mut jwk = match &*self.pair {
            KeyPair::Ecdsa(curve, pair) => {
                // An uncompressed point: 0x04, then x and y of the same length.
                let coordinates = &pair.public_key().as_ref()[1..];
                let (x, y) = coordinates.split_at(coordinates.len() / 2);
                let curve = curve.curve();
                json!({ "kty": "EC", "crv": curve, "x": base64url(x), "y": base64url(y) })
            }
            KeyPair::Rsa(pair) => {
                let (modulus, exponent) = rsa_components(pair.public_key().as_ref());
                json!({ "kty": "RSA", "n": base64url(modulus), "e": base64url(exponent) })
            }
            KeyPair::Ed25519(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url(pair.public_key().as_ref()) })
            }
        };
        jwk["alg"] = self.algorithm.name().into();
        jwk["use"] = "sig".into();
        if let Some(kid) = &self.kid {
            jwk["kid"] = kid.as_str().into();
        }
        jwk
    }

    /// The thumbprint of the public key (RFC 7638), as `cnf.jkt` and `dpop_jkt` have it.
    pub fn thumbprint(&self) -> String {
        base64url(&self.public_key().thumbprint())
    }

    /// The private key as PEM (PKCS#8), for tests that sign by themselves.
    pub fn to_pem(&self) -> String {
        let der = match &*self.pair {
            KeyPair::Ecdsa(_, pair) => pair.to_pkcs8v1().map(|document| document.as_ref().to_vec()),
            KeyPair::Rsa(pair) => {
                AsDer::<Pkcs8V1Der<'_>>::as_der(pair).map(|der| der.as_ref().to_vec())
            }
            KeyPair::Ed25519(pair) => {
                AsDer::<Pkcs8V1Der<'_>>::as_der(pair).map(|der| der.as_ref().to_vec())
            }
        }
        .expect("a key can be serialized");
        let text = STANDARD.encode(der);
        let lines: Vec<&str> = text
            .as_bytes()
            .chunks(64)
            .map(|line| std::str::from_utf8(line).expect("Base64 is ASCII"))
            .collect();
        format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            lines.join("\n")
        )
    }

    /// The signature over `message`, in the form of JWS.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature = self.pair.sign(self.algorithm.as_jose(), message);
        signature.expect("a key can sign with its own algorithm")
    }

    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let algorithm = self.algorithm.as_jose();
        self.public_key().verifies(algorithm, message, signature)
    }

    fn public_key(&self) -> PublicKey {
        let jwk = self.jwk().to_string();
        let jwk = Object::read(jwk.as_bytes()).expect("a JWK is an object");
        PublicKey::of_jwk(&jwk).expect("it is a public key")
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("algorithm", &self.algorithm)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The modulus and the exponent of a DER `RSAPublicKey` (RFC 8017 A.1.1), the only form that the backend returns.
fn rsa_components(der: &[u8]) -> (&[u8], &[u8]) {
    let (sequence, _) = der_element(der);
    let (modulus, rest) = der_element(sequence);
    let (exponent, _) = der_element(rest);
    // DER puts a zero byte before a number whose top bit is set; RFC 7518 §6.3.1.1 forbids it.
    (modulus.strip_prefix(&[0]).unwrap_or(modulus), exponent)
}

/// The content of the first element of `der`, and the rest after it.
fn der_element(der: &[u8]) -> (&[u8], &[u8]) {
    let (start, length) = match usize::from(der[1]) {
        short @ ..0x80 => (2, short),
        long => {
            let start = 2 + (long & 0x7f);
            (
                start,
                der[2..start]
                    .iter()
                    .fold(0, |length, byte| length << 8 | usize::from(*byte)),
            )
        }
    };
    der[start..].split_at(length)
}
