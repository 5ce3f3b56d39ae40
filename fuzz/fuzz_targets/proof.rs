//! DPoP proofs of any content, signed by the right key. A slow reader that shares no code with the gate must agree: it finds
//! good each proof that is let in, and the gate lets in each one that it finds plain.
#![no_main]

mod strict;
mod world;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderValue, Request};
use http_body_util::Full;
use libfuzzer_sys::fuzz_target;
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};
use toolgate::testing::{Algorithm, SigningKey};
use url::Url;
use world::{RESOURCE, WORLD};

const CLAIMS: [&str; 8] = ["jti", "htm", "htu", "iat", "ath", "nonce", "exp", "other"];
const PARAMETERS: [&str; 7] = ["typ", "alg", "jwk", "kid", "crit", "b64", "other"];

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::Es256));
static TOKEN: LazyLock<String> = LazyLock::new(|| {
    let token = WORLD.server.token().audience(RESOURCE).scope("mcp:use");
    token.expires_in(1_000_000).bound_to(&KEY).mint()
});
/// The `jti`s that were let in, each with its `iat`.
static USED: LazyLock<Mutex<HashMap<String, f64>>> = LazyLock::new(Mutex::default);

/// A member to change: its name by its place in a list, and the JSON to write; `None` takes it out.
type Change = (u8, Option<String>);
/// A place in a JSON text, how much of the text is taken out there, and the text that is put in its place.
type Splice = (u16, u8, String);

/// The changes to the header and to the claims, then to the texts of both; and another signature.
type Input = (Vec<Change>, Vec<Change>, Vec<Splice>, Vec<Splice>, Option<Vec<u8>>);

fuzz_target!(|input: Input| {
    let is_unchanged = input == Input::default();
    let (parameters, claims, header_splices, payload_splices, signature) = input;
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
    let written = proof.signing_input();
    if !header_splices.is_empty() {
        proof = proof.header_text(spliced(&written, 0, header_splices));
    }
    if !payload_splices.is_empty() {
        proof = proof.payload(spliced(&written, 1, payload_splices));
    }
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
    let is_let_in = WORLD.lets_in(request);
    assert!(is_let_in || !is_unchanged, "a proof as clients make it, and refused: {proof}");
    let read = read(&proof);
    if is_let_in {
        let read = read.unwrap_or_else(|| panic!("let in, and unreadable: {proof}"));
        assert!(is_good(&read), "let in, and not good: {proof}");
        let issued = read.issued();
        let earlier = USED.lock().unwrap().insert(read.text("jti"), issued);
        // A gate remembers a proof for 360 s after its `iat`.
        assert!(earlier.is_none_or(|earlier| earlier + 359.0 < now()), "let in twice: {proof}");
    } else if let Some(read) = read.filter(|read| is_plain(read, &proof)) {
        assert!(USED.lock().unwrap().contains_key(&read.text("jti")), "plain, and refused: {proof}");
    }
});

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

fn spliced(signing_input: &str, part: usize, splices: Vec<Splice>) -> String {
    let part = signing_input.split('.').nth(part).unwrap_or_default();
    let mut text = String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    for (from, length, inserted) in splices {
        let from = text.floor_char_boundary(usize::from(from) % (text.len() + 1));
        let to = text.floor_char_boundary((from + usize::from(length)).min(text.len()));
        text.replace_range(from..to.max(from), &inserted);
    }
    text
}

/// A proof whose signature holds, read by other code than the gate's.
struct Read {
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

impl Read {
    fn text(&self, name: &str) -> String {
        self.claims.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    fn issued(&self) -> f64 {
        self.claims.get("iat").and_then(Value::as_f64).unwrap_or(f64::INFINITY)
    }
}

fn read(proof: &str) -> Option<Read> {
    let parts: Vec<&str> = proof.split('.').collect();
    let [header, claims, signature] = parts[..] else {
        return None;
    };
    let signed = proof.strip_suffix(signature)?.strip_suffix('.')?;
    let part = |text: &str| strict::object(&URL_SAFE_NO_PAD.decode(text).ok()?);
    let (header, claims) = (part(header)?, part(claims)?);
    let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(header.get("jwk")?.get(name)?.as_str()?).ok();
    let point = [vec![4], coordinate("x")?, coordinate("y")?].concat();
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
    key.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).ok()?).ok()?;
    Some(Read { header, claims })
}

/// Whether a proof has all that RFC 9449 §4.3 demands. Where the RFC leaves a choice, this accepts all that any gate may.
fn is_good(read: &Read) -> bool {
    let Read { header, claims } = read;
    let typ = header.get("typ").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
    let own = KEY.jwk();
    let jwk = &header["jwk"];
    ["dpop+jwt", "application/dpop+jwt"].contains(&typ.as_str())
        && header.get("alg").is_some_and(|alg| alg == "ES256")
        && ["kty", "crv", "x", "y"].iter().all(|name| jwk.get(name) == own.get(name))
        && jwk.get("d").is_none()
        && !header.contains_key("crit")
        && !header.contains_key("b64")
        && (1..=256).contains(&read.text("jti").len())
        && read.text("htm") == "POST"
        && is_url_of_resource(&read.text("htu"))
        && (now() - read.issued()).abs() <= 301.0
        && read.text("ath") == ath()
        && claims.get("nonce").is_none_or(Value::is_string)
}

/// Whether a proof is one that no gate could refuse, unless its `jti` was used before.
fn is_plain(read: &Read, proof: &str) -> bool {
    let Read { header, claims } = read;
    let own = KEY.jwk();
    let public = ["kty", "crv", "x", "y"].map(|name| (name.to_owned(), own[name].clone()));
    let is_plain_header = header.iter().all(|(name, value)| match name.as_str() {
        "typ" => value == "dpop+jwt",
        "alg" => value == "ES256",
        "jwk" => *value == Value::from(Map::from_iter(public.clone())),
        _ => name == "other" && value.is_string(),
    });
    let is_plain_claim = |(name, value): (&String, &Value)| match name.as_str() {
        "jti" | "htm" | "htu" | "ath" | "nonce" => value.is_string(),
        "iat" => value.is_u64(),
        _ => value.is_string() || value.is_u64() || value.is_boolean(),
    };
    is_good(read)
        && proof.len() <= 8 * 1024
        && is_plain_header
        && claims.iter().all(is_plain_claim)
        && read.text("htu") == RESOURCE
        && (now() - read.issued()).abs() <= 299.0
}

/// Read as browsers read URLs, which is no stricter than RFC 3986 §6.2.2 for what is compared here.
fn is_url_of_resource(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else {
        return false;
    };
    let path = url.path().replace("%6D", "m").replace("%6d", "m");
    let path = path.replace("%63", "c").replace("%70", "p");
    url.scheme() == "https"
        && url.host_str() == Some("mcp.example.com")
        && url.port().is_none()
        && path == "/mcp"
}

fn ath() -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(TOKEN.as_bytes()))
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}
