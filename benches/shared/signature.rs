//! The floor that no gate can get under for a new token: its signature.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark may stop where it cannot go on"
)]

use std::hint::black_box;

use aws_lc_rs::signature::{self, ParsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use toolgate::testing::{Algorithm, SigningKey};

/// Of one token, and the key to check it with.
pub(crate) struct Signature {
    key: ParsedPublicKey,
    signed: String,
    signature: Vec<u8>,
}

impl Signature {
    pub(crate) fn of(token: &str, key: &SigningKey) -> Self {
        let jwk = key.jwk();
        let number = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
        let key = match key.algorithm() {
            Algorithm::Es256 => ParsedPublicKey::new(
                &signature::ECDSA_P256_SHA256_FIXED,
                [vec![4], number("x"), number("y")].concat(),
            ),
            Algorithm::EdDsa => ParsedPublicKey::new(&signature::ED25519, number("x")),
            _ => aws_lc_rs::rsa::PublicKeyComponents {
                n: number("n"),
                e: number("e"),
            }
            .to_parsed_public_key(&signature::RSA_PKCS1_2048_8192_SHA256),
        };
        let (signed, signature) = token.rsplit_once('.').unwrap();
        Self {
            key: key.unwrap(),
            signed: signed.to_owned(),
            signature: URL_SAFE_NO_PAD.decode(signature).unwrap(),
        }
    }

    #[inline]
    pub(crate) fn verify(&self) {
        self.key
            .verify_sig(
                black_box(self.signed.as_bytes()),
                black_box(&self.signature),
            )
            .unwrap();
    }
}
