use std::fmt;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::random::random_text;

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
    /// All of them.
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
        match self {
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::EdDsa => "EdDSA",
        }
    }

    fn generate(self) -> KeyPair {
        let ecdsa = |algorithm| {
            KeyPair::Ecdsa(
                EcdsaKeyPair::generate(algorithm).expect("an elliptic curve key can be generated"),
            )
        };
        match self {
            Self::Es256 => ecdsa(&signature::ECDSA_P256_SHA256_FIXED_SIGNING),
            Self::Es384 => ecdsa(&signature::ECDSA_P384_SHA384_FIXED_SIGNING),
            Self::Es512 => ecdsa(&signature::ECDSA_P521_SHA512_FIXED_SIGNING),
            Self::EdDsa => KeyPair::Ed25519(
                Ed25519KeyPair::generate().expect("an Ed25519 key can be generated"),
            ),
            Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512 => {
                KeyPair::Rsa(
                    RsaKeyPair::generate(KeySize::Rsa2048).expect("an RSA key can be generated"),
                )
            }
        }
    }

    fn rsa_encoding(self) -> &'static dyn signature::RsaEncoding {
        match self {
            Self::Rs256 => &signature::RSA_PKCS1_SHA256,
            Self::Rs384 => &signature::RSA_PKCS1_SHA384,
            Self::Rs512 => &signature::RSA_PKCS1_SHA512,
            Self::Ps256 => &signature::RSA_PSS_SHA256,
            Self::Ps384 => &signature::RSA_PSS_SHA384,
            Self::Ps512 => &signature::RSA_PSS_SHA512,
            other => unreachable!("{other:?} is not an RSA algorithm"),
        }
    }

    fn verification(self) -> &'static dyn signature::VerificationAlgorithm {
        match self {
            Self::Es256 => &signature::ECDSA_P256_SHA256_FIXED,
            Self::Es384 => &signature::ECDSA_P384_SHA384_FIXED,
            Self::Es512 => &signature::ECDSA_P521_SHA512_FIXED,
            Self::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Self::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
            Self::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
            Self::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
            Self::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
            Self::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
            Self::EdDsa => &signature::ED25519,
        }
    }
}

/// A private key that tokens are signed with, and the public JWK that goes with it.
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

enum KeyPair {
    Ecdsa(EcdsaKeyPair),
    Rsa(RsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl SigningKey {
    /// A fresh key with a random key id.
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

    /// The same key without a key id, in its JWK as in the tokens it signs.
    #[must_use]
    pub fn without_kid(mut self) -> Self {
        self.kid = None;
        self
    }

    /// The key id, if it has one.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The one algorithm it signs with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The public key as a JWK with `alg`, `use` and, unless it has none, `kid`.
    pub fn jwk(&self) -> Value {
        let mut jwk = match &*self.pair {
            KeyPair::Ecdsa(pair) => {
                // An uncompressed point: 0x04, then x and y of the same length.
                let (x, y) = pair.public_key().as_ref()[1..].split_at(self.coordinate_length());
                let curve = match self.algorithm {
                    Algorithm::Es256 => "P-256",
                    Algorithm::Es384 => "P-384",
                    _ => "P-521",
                };
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

    /// The private key as PEM (PKCS#8), for whoever has to sign by themselves.
    pub fn to_pem(&self) -> String {
        let der = match &*self.pair {
            KeyPair::Ecdsa(pair) => pair.to_pkcs8v1().map(|document| document.as_ref().to_vec()),
            KeyPair::Rsa(pair) => {
                AsDer::<Pkcs8V1Der<'_>>::as_der(pair).map(|der| der.as_ref().to_vec())
            }
            KeyPair::Ed25519(pair) => {
                AsDer::<Pkcs8V1Der<'_>>::as_der(pair).map(|der| der.as_ref().to_vec())
            }
        }
        .expect("a key can be written down");
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

    /// The signature over `message`, in the form JWS wants it.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &*self.pair {
            KeyPair::Ecdsa(pair) => pair
                .sign(&random, message)
                .expect("ECDSA can sign")
                .as_ref()
                .to_vec(),
            KeyPair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(
                    self.algorithm.rsa_encoding(),
                    &random,
                    message,
                    &mut signature,
                )
                .expect("RSA can sign");
                signature
            }
            KeyPair::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let public_key = match &*self.pair {
            KeyPair::Ecdsa(pair) => pair.public_key().as_ref(),
            KeyPair::Rsa(pair) => pair.public_key().as_ref(),
            KeyPair::Ed25519(pair) => pair.public_key().as_ref(),
        };
        UnparsedPublicKey::new(self.algorithm.verification(), public_key)
            .verify(message, signature)
            .is_ok()
    }

    fn coordinate_length(&self) -> usize {
        match self.algorithm {
            Algorithm::Es256 => 32,
            Algorithm::Es384 => 48,
            _ => 66,
        }
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

/// Modulus and exponent of a DER `RSAPublicKey` (RFC 8017 A.1.1), which is all the backend gives out.
fn rsa_components(der: &[u8]) -> (&[u8], &[u8]) {
    let (sequence, _) = der_element(der);
    let (modulus, rest) = der_element(sequence);
    let (exponent, _) = der_element(rest);
    // DER puts a zero byte before a number whose top bit is set; RFC 7518 §6.3.1.1 wants none.
    (modulus.strip_prefix(&[0]).unwrap_or(modulus), exponent)
}

/// The content of the first element of `der`, and what follows it.
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
