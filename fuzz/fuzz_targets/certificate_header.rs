//! Headers of a proxy with any content, and names in a certificate that its owner chooses. Only a header that has the
//! certificate of the token, and no other, lets a request in. Envoy's own form is never misread.
#![no_main]

#[allow(dead_code, reason = "the gate here is another one")]
mod world;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderValue, Request};
use http_body_util::Full;
use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};
use toolgate::{CertificateFormat, Holder, Peer};
use world::{RESOURCE, World, build_with};

const OWN: &[u8] = b"the certificate that the token is bound to";
const OTHER: &[u8] = b"the certificate of a thief";

static WORLDS: LazyLock<[(World, String); 3]> = LazyLock::new(|| {
    let formats = [
        CertificateFormat::Rfc9440,
        CertificateFormat::Xfcc,
        CertificateFormat::NginxEscapedPem,
    ];
    formats.map(|format| {
        let world = build_with(|builder| {
            let holder = Holder::default().certificate_header("client-cert", format);
            builder.holder(holder).listed_peer("127.0.0.1")
        });
        let token = world.server.token().audience(RESOURCE).scope("mcp:use");
        let token = token.expires_in(1_000_000).bound_to_certificate(OWN).mint();
        (world, token)
    })
});

/// A piece of a header: by its place in a list, or any text.
type Piece = Result<u8, String>;

fuzz_target!(|input: (u8, Vec<Piece>, String, String)| {
    let (format, pieces, subject, uri) = input;
    let format = usize::from(format) % 3;
    let known = [
        hex(OWN),
        hex(OTHER),
        STANDARD.encode(OWN),
        STANDARD.encode(OTHER),
        "Hash=".to_owned(),
        "Cert=\"".to_owned(),
        "Subject=\"".to_owned(),
        "-----BEGIN%20CERTIFICATE-----".to_owned(),
        "-----END%20CERTIFICATE-----".to_owned(),
    ];
    let texts = pieces.into_iter().map(|piece| match piece {
        Ok(place) => known[usize::from(place) % known.len()].clone(),
        Err(text) => text,
    });
    let line: String = texts.collect();
    if lets_in(format, &line) {
        let found = match format {
            1 => line.to_lowercase().contains(&hex(OWN)),
            _ => decoded(&line).contains(&STANDARD.encode(OWN)),
        };
        assert!(found, "{line}");
        // In Envoy's format, a value that does not count may be anything.
        assert!(format == 1 || !decoded(&line).contains(&STANDARD.encode(OTHER)), "{line}");
    }
    // As Envoy writes it for the thief: quotes and backslashes of the subject are escaped, those of a URI are not.
    let escaped = subject.replace('\\', "\\\\").replace('"', "\\\"");
    for forged in [hex(OWN), format!("{};A=", hex(OWN))] {
        let uri = uri.replace('#', &format!(";Hash={forged}"));
        let subject = escaped.replace('#', &format!(";Hash={forged}"));
        let line = format!("By=a;Hash={};Subject=\"{subject}\";URI={uri}", hex(OTHER));
        assert!(!lets_in(1, &line), "{line}");
    }
});

fn lets_in(format: usize, line: &str) -> bool {
    let (world, token) = &WORLDS[format];
    let Ok(line) = HeaderValue::from_bytes(line.as_bytes()) else {
        return false;
    };
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let mut request = Request::post("/mcp")
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {token}"))
        .header("client-cert", line)
        .body(Full::new(Bytes::from_static(body.as_bytes())))
        .unwrap();
    let peer = Peer::at(IpAddr::V4(Ipv4Addr::LOCALHOST));
    request.extensions_mut().insert(peer);
    world.lets_in(request)
}

/// The text without percent-encoding and ends of lines.
fn decoded(line: &str) -> String {
    let mut parts = line.split('%');
    let mut decoded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(digits.map_or('%', char::from));
        decoded += part.get(2..).unwrap_or_default();
    }
    decoded.replace(['\r', '\n'], "")
}

fn hex(der: &[u8]) -> String {
    Sha256::digest(der).iter().map(|byte| format!("{byte:02x}")).collect()
}
