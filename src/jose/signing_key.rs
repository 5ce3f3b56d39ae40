//! A private key of ours, and what it signs.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPairComponents, PublicKeyComponents};
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, RsaEncoding, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};

use super::algorithm::{Algorithm, KeyType};

/// A private key, and how it signs.
pub(crate) struct SigningKey {
    pair: KeyPair,
    algorithm: Algorithm,
    key_id: Option<String>,
}

enum KeyPair {
    Rsa(RsaKeyPair),
    Ecdsa(KeyType, EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

const CURVES: [(KeyType, &EcdsaSigningAlgorithm); 3] = [
    (KeyType::P256, &signature::ECDSA_P256_SHA256_FIXED_SIGNING),
    (KeyType::P384, &signature::ECDSA_P384_SHA384_FIXED_SIGNING),
    (KeyType::P521, &signature::ECDSA_P521_SHA512_FIXED_SIGNING),
];

impl SigningKey {
    /// Reads PEM (PKCS#8, PKCS#1 or SEC 1) or a private JWK. What is named wins over what a JWK says itself.
    pub(crate) fn read(
        text: &str,
        algorithm: Option<Algorithm>,
        key_id: Option<&str>,
    ) -> Result<Self, &'static str> {
        let (pair, named, own_id) = if text.trim_start().starts_with('{') {
            let jwk: Value =
                serde_json::from_str(text).map_err(|_| "it is neither PEM nor a JWK")?;
            let named = match jwk.get("alg").and_then(Value::as_str) {
                Some(name) => {
                    Some(Algorithm::named(name).ok_or("its alg is none we can sign with")?)
                }
                None => None,
            };
            let own_id = jwk.get("kid").and_then(Value::as_str).map(str::to_owned);
            (
                KeyPair::of_jwk(&jwk).ok_or("it is no private JWK we can sign with")?,
                named,
                own_id,
            )
        } else {
            let der = PrivateKeyDer::from_pem_slice(text.as_bytes());
            let der = der.map_err(|_| "it is neither a private key in PEM nor a JWK")?;
            (
                KeyPair::of_der(&der).ok_or("it is no RSA, EC or Ed25519 key we can sign with")?,
                None,
                None,
            )
        };
        let algorithm = algorithm
            .or(named)
            .unwrap_or_else(|| pair.usual_algorithm());
        if algorithm.key_type() != pair.key_type() {
            return Err("the algorithm is not for such a key");
        }
        Ok(Self {
            pair,
            algorithm,
            key_id: key_id.map(str::to_owned).or(own_id),
        })
    }

    /// A JWT with these claims; `None` only where the cryptography fails.
    pub(crate) fn jwt(&self, claims: &Value) -> Option<String> {
        let mut header = json!({ "alg": self.algorithm.name(), "typ": "JWT" });
        if let (Some(key_id), Some(members)) = (&self.key_id, header.as_object_mut()) {
            members.insert("kid".to_owned(), key_id.as_str().into());
        }
        let encoded = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encoded(&header), encoded(claims));
        let signature = self.sign(signed.as_bytes())?;
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match &self.pair {
            KeyPair::Ecdsa(_, pair) => Some(pair.sign(&random, message).ok()?.as_ref().to_vec()),
            KeyPair::Ed25519(pair) => Some(pair.sign(message).as_ref().to_vec()),
            KeyPair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(
                    rsa_encoding(self.algorithm)?,
                    &random,
                    message,
                    &mut signature,
                )
                .ok()?;
                Some(signature)
            }
        }
    }
}

impl KeyPair {
    fn of_der(der: &PrivateKeyDer<'_>) -> Option<Self> {
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
                // OpenSSL leaves the public half out.
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

    /// RFC 7518 §6, RFC 8037 §2.
    fn of_jwk(jwk: &Value) -> Option<Self> {
        let number = |name| URL_SAFE_NO_PAD.decode(jwk.get(name)?.as_str()?).ok();
        match jwk.get("kty")?.as_str()? {
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

    /// The curve is the one that the key lies on.
    fn of_curve(
        read: impl Fn(&'static EcdsaSigningAlgorithm) -> Option<EcdsaKeyPair>,
    ) -> Option<Self> {
        CURVES
            .into_iter()
            .find_map(|(curve, algorithm)| Some(Self::Ecdsa(curve, read(algorithm)?)))
    }

    fn key_type(&self) -> KeyType {
        match self {
            Self::Rsa(_) => KeyType::Rsa,
            Self::Ecdsa(curve, _) => *curve,
            Self::Ed25519(_) => KeyType::Ed25519,
        }
    }

    fn usual_algorithm(&self) -> Algorithm {
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

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::{
        AsBigEndian, AsDer, EcPrivateKeyBin, EcPrivateKeyRfc5915Der, Pkcs8V1Der,
    };
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::KeyPair as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn pem(label: &str, der: &[u8]) -> String {
        format!(
            "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
            STANDARD.encode(der)
        )
    }

    fn text(bytes: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The content of the element of DER that begins here, and what follows it.
    fn element(der: &[u8]) -> (&[u8], &[u8]) {
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

    /// The PKCS#1 inside of a PKCS#8: behind the version and the algorithm.
    fn pkcs1(pkcs8: &[u8]) -> &[u8] {
        let (_version, rest) = element(element(pkcs8).0);
        let (_algorithm, rest) = element(rest);
        element(rest).0
    }

    fn algorithm_of(key: &str) -> Result<&'static str, &'static str> {
        SigningKey::read(key, None, None).map(|key| key.algorithm.name())
    }

    #[test]
    fn an_elliptic_curve_key_is_read_from_every_form_it_is_written_in() {
        for ((_, curve), (name, algorithm)) in
            CURVES
                .into_iter()
                .zip([("P-256", "ES256"), ("P-384", "ES384"), ("P-521", "ES512")])
        {
            let pair = EcdsaKeyPair::generate(curve).unwrap();
            let private = pair.private_key();
            let number = AsBigEndian::<EcPrivateKeyBin<'_>>::as_be_bytes(&private).unwrap();
            let sec1 = AsDer::<EcPrivateKeyRfc5915Der<'_>>::as_der(&private).unwrap();
            let (x, y) = pair.public_key().as_ref()[1..].split_at(number.as_ref().len());
            let (x, y, d) = (text(x), text(y), text(number.as_ref()));
            let jwk = json!({ "kty": "EC", "crv": name, "x": x, "y": y, "d": d });
            for key in [
                pem("PRIVATE KEY", pair.to_pkcs8v1().unwrap().as_ref()),
                pem("EC PRIVATE KEY", sec1.as_ref()),
                format!(
                    "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n{}",
                    pem("EC PRIVATE KEY", sec1.as_ref())
                ),
                jwk.to_string(),
                format!("\n {jwk}\n"),
            ] {
                assert_eq!(algorithm_of(&key), Ok(algorithm), "{key}");
            }
        }
    }

    #[test]
    fn an_rsa_key_is_read_from_every_form_and_signs_by_every_algorithm_for_such_keys() {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let pkcs8 = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).unwrap();
        let pkcs1 = pkcs1(pkcs8.as_ref());
        let mut jwk = json!({ "kty": "RSA" });
        let (_version, mut rest) = element(element(pkcs1).0);
        for name in ["n", "e", "d", "p", "q", "dp", "dq", "qi"] {
            let (number, after) = element(rest);
            jwk[name] = text(number.strip_prefix(&[0]).unwrap_or(number)).into();
            rest = after;
        }
        for key in [
            pem("PRIVATE KEY", pkcs8.as_ref()),
            pem("RSA PRIVATE KEY", pkcs1),
            jwk.to_string(),
        ] {
            assert_eq!(algorithm_of(&key), Ok("RS256"));
        }
        jwk["alg"] = "PS384".into();
        assert_eq!(algorithm_of(&jwk.to_string()), Ok("PS384"));
        for algorithm in Algorithm::ALL {
            let key = SigningKey::read(&jwk.to_string(), Some(algorithm), None);
            assert_eq!(
                key.is_ok(),
                algorithm.key_type() == KeyType::Rsa,
                "{}",
                algorithm.name()
            );
        }
        jwk.as_object_mut().unwrap().remove("qi");
        assert_eq!(
            algorithm_of(&jwk.to_string()),
            Err("it is no private JWK we can sign with")
        );
    }

    #[test]
    fn an_ed25519_key_is_read_with_and_without_its_public_half() {
        let pair = Ed25519KeyPair::generate().unwrap();
        let seed = pair.seed().unwrap().as_be_bytes().unwrap();
        let with_public = pair.to_pkcs8().unwrap();
        let without_public = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).unwrap();
        let (d, x) = (text(seed.as_ref()), text(pair.public_key().as_ref()));
        let jwk =
            json!({ "kty": "OKP", "crv": "Ed25519", "d": d, "x": x, "kid": "k", "alg": "Ed25519" });
        for key in [
            pem("PRIVATE KEY", with_public.as_ref()),
            pem("PRIVATE KEY", without_public.as_ref()),
            jwk.to_string(),
        ] {
            assert_eq!(algorithm_of(&key), Ok("EdDSA"), "{key}");
        }
        let read = |key_id| {
            SigningKey::read(&jwk.to_string(), None, key_id)
                .unwrap()
                .key_id
        };
        assert_eq!(
            (read(None).as_deref(), read(Some("other")).as_deref()),
            (Some("k"), Some("other"))
        );
        assert!(!format!("{:?}", SigningKey::read(&jwk.to_string(), None, None)).contains(&d));
    }

    #[test]
    fn what_is_no_private_key_is_refused_and_not_shown() {
        for key in [
            "",
            "secret",
            "{",
            "{}",
            r#"{"kty":"oct","k":"c2VjcmV0"}"#,
            r#"{"kty":"EC","crv":"P-256","d":"AA","x":"AA","y":"AA"}"#,
            r#"{"kty":"OKP","crv":"Ed25519","d":"","x":""}"#,
            "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----",
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nc2VjcmV0\n-----END ENCRYPTED PRIVATE KEY-----",
            "-----BEGIN PUBLIC KEY-----\nc2VjcmV0\n-----END PUBLIC KEY-----",
        ] {
            let why = algorithm_of(key).expect_err(key);
            assert!(!why.contains("c2VjcmV0"));
        }
    }
}
