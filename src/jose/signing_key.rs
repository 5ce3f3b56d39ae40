//! A private key of this resource server, which signs client assertions.

use std::fmt;

use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};

use super::algorithm::Algorithm;
use super::json::Object;
use super::key_pair::KeyPair;

/// A private key, with its algorithm and `kid`.
pub(crate) struct SigningKey {
    pair: KeyPair,
    algorithm: Algorithm,
    key_id: Option<String>,
}

impl SigningKey {
    /// Parses PEM (PKCS#8, PKCS#1 or SEC 1) or a private JWK. A given `algorithm` or `key_id` takes precedence over that in the
    /// JWK. The error says what is wrong with the text.
    pub(crate) fn read(
        text: &str,
        algorithm: Option<Algorithm>,
        key_id: Option<&str>,
    ) -> Result<Self, &'static str> {
        let (pair, named, own_id) = if text.trim_start().starts_with('{') {
            let jwk = Object::read(text.as_bytes()).map_err(|_| "it is neither PEM nor a JWK")?;
            let named = match jwk.text_of("alg") {
                Some(name) => {
                    Some(Algorithm::named(name).ok_or("its alg is not supported for signing")?)
                }
                None => None,
            };
            let own_id = jwk.text_of("kid").map(str::to_owned);
            (
                KeyPair::of_jwk(&jwk).ok_or("it is not a private JWK of a supported type")?,
                named,
                own_id,
            )
        } else {
            let der = PrivateKeyDer::from_pem_slice(text.as_bytes());
            let der = der.map_err(|_| "it is neither a private key in PEM nor a JWK")?;
            (
                KeyPair::of_der(&der).ok_or("it is not a supported RSA, EC or Ed25519 key")?,
                None,
                None,
            )
        };
        let algorithm = algorithm
            .or(named)
            .unwrap_or_else(|| pair.usual_algorithm());
        if algorithm.key_type() != pair.key_type() {
            return Err("the algorithm does not fit this type of key");
        }
        Ok(Self {
            pair,
            algorithm,
            key_id: key_id.map(str::to_owned).or(own_id),
        })
    }

    /// Signs a JWT with these claims. `None` only if the cryptography fails.
    pub(crate) fn jwt(&self, claims: &Value) -> Option<String> {
        let mut header = json!({ "alg": self.algorithm.name(), "typ": "JWT" });
        if let (Some(key_id), Some(members)) = (&self.key_id, header.as_object_mut()) {
            members.insert("kid".to_owned(), key_id.as_str().into());
        }
        let encoded = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encoded(&header), encoded(claims));
        let signature = self.pair.sign(self.algorithm, signed.as_bytes())?;
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// Makes a unique `jti`: 128 random bits. `None` only if the system has no randomness to give.
pub(crate) fn unique_id() -> Option<String> {
    let mut unique = [0; 16];
    rand::fill(&mut unique).ok()?;
    Some(URL_SAFE_NO_PAD.encode(unique))
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
    use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair};
    use base64::engine::general_purpose::STANDARD;

    use super::super::algorithm::KeyType;
    use super::super::key_pair::CURVES;
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
            Err("it is not a private JWK of a supported type")
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
