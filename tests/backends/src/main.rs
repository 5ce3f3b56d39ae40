//! A program that uses jsonwebtoken itself and has a gate in front of it: neither may notice the other.
//!
//! The first argument says which of the two comes first, because jsonwebtoken settles on its backend at first use,
//! once for the whole process.

use std::convert::Infallible;
use std::error::Error;
use std::panic;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
#[cfg(not(feature = "version_11"))]
use jsonwebtoken as theirs;
#[cfg(feature = "version_11")]
use jsonwebtoken_11 as theirs;
use serde_json::{Value, json};
use theirs::jwk::Jwk;
use theirs::{DecodingKey, EncodingKey, Header, Validation, decode, encode};
use toolgate::testing::{Algorithm, AuthorizationServer, SigningKey};
use toolgate::{RequestBody, ScopeMap, Toolgate};
use tower::{Layer, ServiceExt, service_fn};

const RESOURCE: &str = "https://mcp.example.com/mcp";

/// How many backends their version has, and a part of the path of each of its source files.
#[cfg(not(feature = "version_11"))]
const THEIRS: (usize, &str) = (
    cfg!(feature = "aws_lc_rs") as usize + cfg!(feature = "rust_crypto") as usize,
    "jsonwebtoken-12.",
);
#[cfg(feature = "version_11")]
const THEIRS: (usize, &str) = (
    cfg!(feature = "version_11_aws_lc_rs") as usize
        + cfg!(feature = "version_11_rust_crypto") as usize,
    "jsonwebtoken-11.",
);
const BACKENDS: usize = THEIRS.0;

/// The places where any thread of the process panicked.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    panic::set_hook(Box::new(|panic| {
        let at = panic
            .location()
            .map_or_else(String::new, ToString::to_string);
        if BACKENDS == 1 || !at.contains(THEIRS.1) {
            eprintln!("{panic}");
        }
        PANICS
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(at);
    }));
    let server = AuthorizationServer::start().await;
    let keys = Algorithm::ALL.map(SigningKey::generate);
    server.publish(keys.iter().map(SigningKey::jwk).collect());

    match std::env::args().nth(1).as_deref() {
        Some("gate") => the_gate_serves(&server, &keys).await?,
        Some("decode") => {}
        _ => return Err("say what goes first: gate or decode".into()),
    }
    for _ in 0..2 {
        their_own_use_is_what_their_backends_make_of_it(&server, &keys)?;
        the_gate_serves(&server, &keys).await?;
    }
    their_own_use_is_what_their_backends_make_of_it(&server, &keys)
}

/// Tokens of every algorithm: the good one passes, the same with another's claims does not, and nothing panics.
async fn the_gate_serves(
    server: &AuthorizationServer,
    keys: &[SigningKey],
) -> Result<(), Box<dyn Error>> {
    // A new one each time, so that every key is read and every signature checked anew.
    let gate = Toolgate::builder(RESOURCE)
        .issuer(server.issuer())
        .scopes(ScopeMap::allow_unlisted().every_request("mcp:use"))
        .build()?;
    let inner = service_fn(|_: Request<RequestBody<Empty<Bytes>>>| async {
        Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
    });
    for key in keys {
        let good = token(server, key);
        let bobs = server
            .token()
            .audience(RESOURCE)
            .scope("mcp:use")
            .subject("bob")
            .signed_with(key);
        let signature = good.rsplit('.').next().ok_or("a token has dots")?;
        let tampered = format!("{}.{signature}", bobs.signing_input());
        for (token, expected) in [(good, StatusCode::OK), (tampered, StatusCode::UNAUTHORIZED)] {
            let request = Request::post("/mcp").header("authorization", format!("Bearer {token}"));
            let answer = gate
                .layer()
                .layer(inner)
                .oneshot(request.body(Empty::new())?)
                .await?;
            assert_eq!(answer.status(), expected, "{}", key.algorithm().name());
        }
    }
    assert_eq!(panics(), Vec::<String>::new(), "the gate panicked");
    println!("the gate serves {} algorithms", keys.len());
    Ok(())
}

/// With exactly one backend everything works. With none or both it is jsonwebtoken that gives up, in its own code.
fn their_own_use_is_what_their_backends_make_of_it(
    server: &AuthorizationServer,
    keys: &[SigningKey],
) -> Result<(), Box<dyn Error>> {
    if BACKENDS == 1 {
        they_sign_and_verify_with_keys_of_their_own()?;
        they_verify_the_tokens_that_the_gate_lets_pass(server, keys)?;
        assert_eq!(panics(), Vec::<String>::new());
        println!("their encode and decode work");
        return Ok(());
    }
    for attempt in [
        panic::catch_unwind(|| they_sign_and_verify_with_keys_of_their_own().is_ok()),
        panic::catch_unwind(panic::AssertUnwindSafe(|| {
            they_verify_the_tokens_that_the_gate_lets_pass(server, keys).is_ok()
        })),
    ] {
        assert!(
            !matches!(attempt, Ok(true)),
            "it works with {BACKENDS} backends: who turned one on?"
        );
    }
    let panics = panics();
    assert!(panics.iter().all(|at| at.contains(THEIRS.1)), "{panics:?}");
    println!("their encode and decode fail by themselves, as there are {BACKENDS} backends");
    Ok(())
}

fn they_sign_and_verify_with_keys_of_their_own() -> Result<(), Box<dyn Error>> {
    let random = SystemRandom::new();
    let p256 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)?;
    let point = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, p256.as_ref())?;
    let ed25519 = Ed25519KeyPair::generate_pkcs8(&random)?;
    let x = Ed25519KeyPair::from_pkcs8(ed25519.as_ref())?;
    for (algorithm, private, public) in [
        (
            theirs::Algorithm::ES256,
            EncodingKey::from_ec_der(p256.as_ref()),
            DecodingKey::from_ec_der(point.public_key().as_ref()),
        ),
        (
            theirs::Algorithm::EdDSA,
            EncodingKey::from_ed_der(ed25519.as_ref()),
            DecodingKey::from_ed_der(x.public_key().as_ref()),
        ),
    ] {
        let claims = json!({ "sub": "alice", "aud": RESOURCE, "exp": u32::MAX });
        let token = encode(&Header::new(algorithm), &claims, &private)?;
        they_verify(&token, &public)?;
    }
    Ok(())
}

fn they_verify_the_tokens_that_the_gate_lets_pass(
    server: &AuthorizationServer,
    keys: &[SigningKey],
) -> Result<(), Box<dyn Error>> {
    // jsonwebtoken has no ES512.
    for key in keys
        .iter()
        .filter(|key| key.algorithm() != Algorithm::Es512)
    {
        let jwk: Jwk = serde_json::from_value(key.jwk())?;
        they_verify(&token(server, key), &DecodingKey::from_jwk(&jwk)?)?;
    }
    Ok(())
}

fn they_verify(token: &str, key: &DecodingKey) -> Result<(), Box<dyn Error>> {
    let mut wanted = Validation::new(theirs::decode_header(token)?.alg);
    wanted.set_audience(&[RESOURCE]);
    assert_eq!(decode::<Value>(token, key, &wanted)?.claims["sub"], "alice");
    let (signed, signature) = token.rsplit_once('.').ok_or("a token has dots")?;
    let turned: String = signature.chars().rev().collect();
    assert!(decode::<Value>(format!("{signed}.{turned}"), key, &wanted).is_err());
    Ok(())
}

fn token(server: &AuthorizationServer, key: &SigningKey) -> String {
    server
        .token()
        .audience(RESOURCE)
        .scope("mcp:use")
        .signed_with(key)
        .mint()
}

/// The panics since the last call.
fn panics() -> Vec<String> {
    std::mem::take(&mut *PANICS.lock().unwrap_or_else(PoisonError::into_inner))
}
