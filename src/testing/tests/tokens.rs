use aws_lc_rs::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};

use super::*;
use crate::testing::{Algorithm, SigningKey};

#[tokio::test]
async fn a_token_of_every_algorithm_is_verified_by_the_published_key() {
    let server = AuthorizationServer::start().await;
    for algorithm in Algorithm::ALL {
        server.rotate(SigningKey::generate(algorithm));
        let token = server.token().audience(RESOURCE).mint();
        let published = body_of(get(&server.url(Endpoint::Jwks)).await).await;
        let jwk = &published["keys"][0];
        let (signing_input, signature) = token.rsplit_once('.').unwrap();
        let header: Value =
            serde_json::from_slice(&decoded(token.split('.').next().unwrap())).unwrap();
        assert_eq!(
            header,
            json!({ "typ": "at+jwt", "alg": algorithm.name(), "kid": jwk["kid"] })
        );
        assert_eq!(
            (&jwk["alg"], &jwk["use"]),
            (&json!(algorithm.name()), &json!("sig"))
        );
        assert!(
            verifies(jwk, signing_input.as_bytes(), &decoded(signature)),
            "{algorithm:?}"
        );
        assert!(
            !verifies(jwk, b"something else", &decoded(signature)),
            "{algorithm:?}"
        );
    }
}

#[tokio::test]
async fn a_token_is_sound_but_for_audience_and_scope() {
    let clock = still_clock();
    let server = AuthorizationServer::builder()
        .clock(clock.clone())
        .start()
        .await;
    let claims = claims_of(&server.token().mint());
    let now = clock.unix_seconds();
    assert_eq!(claims["iss"], server.issuer());
    assert_eq!(claims["sub"], "alice");
    assert_eq!(claims["client_id"], "test-client");
    assert_eq!(
        (&claims["iat"], &claims["exp"]),
        (&json!(now), &json!(now + 300))
    );
    assert!(
        claims["jti"].is_string() && claims.get("aud").is_none() && claims.get("scope").is_none()
    );
    assert_ne!(claims["jti"], claims_of(&server.token().mint())["jti"]);

    clock.advance(Duration::from_secs(10));
    assert_eq!(
        claims_of(&server.token().expires_in(-20).mint())["exp"],
        now - 10
    );
}

#[tokio::test]
async fn every_part_of_a_token_can_be_another() {
    let server = AuthorizationServer::start().await;
    let token = server
        .token()
        .audience(["a", "b"])
        .claim("exp", "soon")
        .without("sub")
        .header("kid", 7);
    let token = token.without_header("typ").mint();
    let header: Value = serde_json::from_slice(&decoded(token.split('.').next().unwrap())).unwrap();
    assert_eq!(header, json!({ "alg": "ES256", "kid": 7 }));
    let claims = claims_of(&token);
    assert_eq!(
        (&claims["aud"], &claims["exp"]),
        (&json!(["a", "b"]), &json!("soon"))
    );
    assert!(claims.get("sub").is_none());

    let raw = server
        .token()
        .header_text("{\"alg\":\"none\"}")
        .payload(b"\xff{")
        .mint_with_signature([]);
    assert_eq!(raw, "eyJhbGciOiJub25lIn0._3s.");
}

#[tokio::test]
async fn rotation_replaces_the_published_set_and_publishing_does_not_change_the_signing_key() {
    let server = AuthorizationServer::start().await;
    let second = SigningKey::generate(Algorithm::Es256).with_kid("second");
    server.rotate(second.clone());
    assert_eq!(server.jwks(), json!({ "keys": [second.jwk()] }));
    server.publish(vec![
        json!({ "kty": "nonsense" }),
        second.clone().without_kid().jwk(),
    ]);
    assert_eq!(
        body_of(get(&server.url(Endpoint::Jwks)).await).await,
        server.jwks()
    );
    assert_eq!(server.jwks()["keys"][1].get("kid"), None);
    assert_eq!(server.signing_key().kid(), Some("second"));
}

#[test]
fn debug_shows_no_private_key() {
    let shown = format!("{:?}", SigningKey::generate(Algorithm::Es256).with_kid("k"));
    assert_eq!(
        shown,
        "SigningKey { algorithm: Es256, kid: Some(\"k\"), .. }"
    );
}

fn verifies(jwk: &Value, message: &[u8], signature: &[u8]) -> bool {
    let member = |name: &str| decoded(jwk[name].as_str().unwrap());
    let algorithm = jwk["alg"].as_str().unwrap();
    let rsa = match algorithm {
        "RS256" => &signature::RSA_PKCS1_2048_8192_SHA256,
        "RS384" => &signature::RSA_PKCS1_2048_8192_SHA384,
        "RS512" => &signature::RSA_PKCS1_2048_8192_SHA512,
        "PS256" => &signature::RSA_PSS_2048_8192_SHA256,
        "PS384" => &signature::RSA_PSS_2048_8192_SHA384,
        "PS512" => &signature::RSA_PSS_2048_8192_SHA512,
        "EdDSA" => {
            return UnparsedPublicKey::new(&signature::ED25519, member("x"))
                .verify(message, signature)
                .is_ok();
        }
        _ => {
            let (curve, algorithm) = match algorithm {
                "ES256" => ("P-256", &signature::ECDSA_P256_SHA256_FIXED),
                "ES384" => ("P-384", &signature::ECDSA_P384_SHA384_FIXED),
                _ => ("P-521", &signature::ECDSA_P521_SHA512_FIXED),
            };
            assert_eq!(jwk["crv"], curve);
            let point = [vec![4], member("x"), member("y")].concat();
            return UnparsedPublicKey::new(algorithm, point)
                .verify(message, signature)
                .is_ok();
        }
    };
    assert_ne!(member("n")[0], 0, "RFC 7518 wants no leading zero");
    RsaPublicKeyComponents {
        n: member("n"),
        e: member("e"),
    }
    .verify(rsa, message, signature)
    .is_ok()
}

fn decoded(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}
