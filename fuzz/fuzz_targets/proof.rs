//! DPoP proofs of any content, signed by the right key. A slow reader that shares no code must find good each one that is let in.
#![no_main]

mod world;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderValue, Request};
use http_body_util::Full;
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};
use toolgate::testing::{Algorithm, SigningKey};
use world::{RESOURCE, WORLD};

const CLAIMS: [&str; 8] = ["jti", "htm", "htu", "iat", "ath", "nonce", "exp", "other"];
const PARAMETERS: [&str; 7] = ["typ", "alg", "jwk", "kid", "crit", "b64", "other"];

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::Es256));
static TOKEN: LazyLock<String> = LazyLock::new(|| {
    let token = WORLD.server.token().audience(RESOURCE).scope("mcp:use");
    token.expires_in(1_000_000).bound_to(&KEY).mint()
});

/// A member to change: its name by its place in a list, and the JSON to write; `None` takes it out.
type Change = (u8, Option<String>);

fuzz_target!(|input: (Vec<Change>, Vec<Change>, Option<Vec<u8>>, Option<Vec<u8>>)| {
    let (parameters, claims, payload, signature) = input;
    let mut proof = WORLD.server.proof(&KEY, "POST", RESOURCE).for_token(&TOKEN);
    for (place, value) in parameters {
        let name = PARAMETERS[usize::from(place) % PARAMETERS.len()];
        proof = match value {
            Some(text) => proof.header(name, json(&text)),
            None => proof.without_header(name),
        };
    }
    for (place, value) in claims {
        let name = CLAIMS[usize::from(place) % CLAIMS.len()];
        proof = match value {
            Some(text) => proof.claim(name, json(&text)),
            None => proof.without(name),
        };
    }
    if let Some(payload) = payload {
        proof = proof.payload(payload);
    }
    let is_signed = signature.is_none();
    let proof = match signature {
        Some(signature) => proof.mint_with_signature(signature),
        None => proof.mint(),
    };
    let request = Request::post("/mcp").header("content-type", "application/json");
    let request = request.header("authorization", format!("DPoP {}", *TOKEN));
    let Ok(line) = HeaderValue::from_str(&proof) else {
        return;
    };
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let request = request.header("dpop", line);
    let request = request.body(Full::new(Bytes::from_static(body.as_bytes()))).unwrap();
    if WORLD.lets_in(request) {
        assert!(is_signed, "a signature that the key did not make");
        assert!(is_good(&proof), "{proof}");
    }
});

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

fn is_good(proof: &str) -> bool {
    let part = |at: usize| -> Option<Map<String, Value>> {
        let bytes = URL_SAFE_NO_PAD.decode(proof.split('.').nth(at)?).ok()?;
        serde_json::from_slice(&bytes).ok()
    };
    let (Some(header), Some(claims)) = (part(0), part(1)) else {
        return false;
    };
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let issued = claims.get("iat").and_then(Value::as_f64).unwrap_or(f64::NAN);
    let typ = header["typ"].as_str().unwrap_or_default().to_ascii_lowercase();
    let own = KEY.jwk();
    let jwk = &header["jwk"];
    let is_own_key = ["kty", "crv", "x", "y"].iter().all(|name| jwk[name] == own[name]);
    let (htu, _) = text("htu").split_at(text("htu").find(['?', '#']).unwrap_or(text("htu").len()));
    let htu = htu.to_ascii_lowercase().replace(":443/", "/").replace(":/", "/");
    ["dpop+jwt", "application/dpop+jwt"].contains(&typ.as_str())
        && header["alg"] == "ES256"
        && is_own_key
        && jwk.get("d").is_none()
        && header.get("crit").is_none()
        && header.get("b64").is_none()
        && (1..=256).contains(&text("jti").len())
        && text("htm") == "POST"
        // The spellings of a URL are the business of the tests in `src/holder`; here the gist is enough.
        && htu.starts_with("https") && htu.contains("mcp.example.com")
        && (now - issued).abs() <= 301.0
        && text("ath") == URL_SAFE_NO_PAD.encode(Sha256::digest(TOKEN.as_bytes()))
        && claims.get("nonce").is_none_or(Value::is_string)
}
