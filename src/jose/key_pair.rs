//! Key pairs of every supported type: parsing them, and signing with them.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPairComponents, PublicKeyComponents};
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, RsaEncoding, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls_pki_types::PrivateKeyDer;

use super::algorithm::{Algorithm, KeyType};
use super::json::Object;

/// A private key with its public half.
pub(crate) enum KeyPair {
    Rsa(RsaKeyPair),
    Ecdsa(KeyType, EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

pub(crate) const CURVES: [(KeyType, &EcdsaSigningAlgorithm); 3] = [
    (KeyType::P256, &signature::ECDSA_P256_SHA256_FIXED_SIGNING),
    (KeyType::P384, &signature::ECDSA_P384_SHA384_FIXED_SIGNING),
    (KeyType::P521, &signature::ECDSA_P521_SHA512_FIXED_SIGNING),
];

impl KeyPair {
    pub(super) fn of_der(der: &PrivateKeyDer<'_>) -> Option<Self> {
        match der {
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der())
                .ok()
                .map(Self::Rsa),
            PrivateKeyDer::Sec1(der) => Self::of_curve(|algorithm| {
                EcdsaKeyPair::from_private_key_der(algorithm, der.secret_sec1_der()).ok()
            }),
            PrivateKeyDer::Pkcs8(der) => {
                let der = der.secret_pkcs8_der();
                let rsa = || RsaKeyPair::from_pkcs8(der).ok().map(Self::Rsa);
                let curve =
                    || Self::of_curve(|algorithm| EcdsaKeyPair::from_pkcs8(algorithm, der).ok());
                // OpenSSL leaves out the public half.
                let ed25519 = || {
                    Ed25519KeyPair::from_pkcs8_maybe_unchecked(der)
                        .ok()
                        .map(Self::Ed25519)
                };
                rsa().or_else(curve).or_else(ed25519)
            }
            _ => None,
        }
    }

    /// Parses a private JWK (RFC 7518 §6, RFC 8037 §2). `None` if it is not one of a supported type.
    pub(super) fn of_jwk(jwk: &Object<'_>) -> Option<Self> {
        let number = |name| URL_SAFE_NO_PAD.decode(jwk.text_of(name)?).ok();
        match jwk.text_of("kty")? {
            "RSA" => {
                let components = KeyPairComponents {
                    public_key: PublicKeyComponents {
                        n: number("n")?,
                        e: number("e")?,
                    },
                    d: number("d")?,
                    p: number("p")?,
                    q: number("q")?,
                    dP: number("dp")?,
                    dQ: number("dq")?,
                    qInv: number("qi")?,
                };
                RsaKeyPair::from_components(&components).ok().map(Self::Rsa)
            }
            "EC" => {
                let (d, point) = (number("d")?, [vec![4], number("x")?, number("y")?].concat());
                Self::of_curve(|algorithm| {
                    EcdsaKeyPair::from_private_key_and_public_key(algorithm, &d, &point).ok()
                })
            }
            "OKP" => {
                let pair = Ed25519KeyPair::from_seed_and_public_key(&number("d")?, &number("x")?);
                pair.ok().map(Self::Ed25519)
            }
            _ => None,
        }
    }

    /// Signs a message, with the signature in the form of JWS. `None` if the algorithm does not fit the key, or if the
    /// cryptography fails.
    pub(crate) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match self {
            Self::Ecdsa(_, pair) => Some(pair.sign(&random, message).ok()?.as_ref().to_vec()),
            Self::Ed25519(pair) => Some(pair.sign(message).as_ref().to_vec()),
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(rsa_encoding(algorithm)?, &random, message, &mut signature)
                    .ok()?;
                Some(signature)
            }
        }
    }

    /// Parses an EC key, trying every curve: the right one is that on which the key lies.
    fn of_curve(
        read: impl Fn(&'static EcdsaSigningAlgorithm) -> Option<EcdsaKeyPair>,
    ) -> Option<Self> {
        CURVES
            .into_iter()
            .find_map(|(curve, algorithm)| Some(Self::Ecdsa(curve, read(algorithm)?)))
    }

    pub(super) fn key_type(&self) -> KeyType {
        match self {
            Self::Rsa(_) => KeyType::Rsa,
            Self::Ecdsa(curve, _) => *curve,
            Self::Ed25519(_) => KeyType::Ed25519,
        }
    }

    pub(super) fn usual_algorithm(&self) -> Algorithm {
        match self.key_type() {
            KeyType::Rsa => Algorithm::Rs256,
            KeyType::P256 => Algorithm::Es256,
            KeyType::P384 => Algorithm::Es384,
            KeyType::P521 => Algorithm::Es512,
            KeyType::Ed25519 => Algorithm::EdDsa,
        }
    }
}

fn rsa_encoding(algorithm: Algorithm) -> Option<&'static dyn RsaEncoding> {
    Some(match algorithm {
        Algorithm::Rs256 => &signature::RSA_PKCS1_SHA256,
        Algorithm::Rs384 => &signature::RSA_PKCS1_SHA384,
        Algorithm::Rs512 => &signature::RSA_PKCS1_SHA512,
        Algorithm::Ps256 => &signature::RSA_PSS_SHA256,
        Algorithm::Ps384 => &signature::RSA_PSS_SHA384,
        Algorithm::Ps512 => &signature::RSA_PSS_SHA512,
        _ => return None,
    })
}
