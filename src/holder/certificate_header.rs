//! Reads the line in which a proxy forwards the client certificate of its connection. It is pure.
//!
//! A client can choose much of what is in its certificate, and a proxy may append its text to that of the client. So a
//! line is read only if it has one reading.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::digest::sha256;

/// The format in which a proxy forwards a client certificate. Pass it to
/// [`Holder::certificate_header`](crate::Holder::certificate_header).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CertificateFormat {
    /// RFC 9440: the certificate in base64 between colons, as HAProxy can write it.
    Rfc9440,
    /// Envoy's `x-forwarded-client-cert`: one element, of which the `Hash` counts. If there is a `Cert` too, it must be
    /// the same certificate.
    Xfcc,
    /// The certificate in PEM, percent-encoded, as nginx has it in `$ssl_client_escaped_cert`.
    NginxEscapedPem,
}

/// The fault of a line that does not have exactly one certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadCertificateLine {
    Several,
    Unreadable(&'static str),
}

use BadCertificateLine::{Several, Unreadable};

/// The SHA-256 of a certificate in DER.
type Thumbprint = [u8; 32];

/// The longest line that is read. A certificate has 1 to 4 KiB, and `xfcc` may have its chain beside it.
pub(super) const MAX_CERTIFICATE_LINE_BYTES: usize = 64 * 1024;

impl CertificateFormat {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rfc9440 => "rfc9440",
            Self::Xfcc => "xfcc",
            Self::NginxEscapedPem => "nginx_escaped_pem",
        }
    }

    /// Returns the thumbprint of the only certificate in the line; `None` if the proxy says that there was none.
    pub(super) fn read(self, line: &[u8]) -> Result<Option<Thumbprint>, BadCertificateLine> {
        if line.len() > MAX_CERTIFICATE_LINE_BYTES {
            return Err(Unreadable("a line that is too long"));
        }
        let line = line.trim_ascii();
        // HAProxy writes `::` for a connection without a certificate, unless it is told to write nothing.
        if line.is_empty() || (self == Self::Rfc9440 && line == b"::") {
            return Ok(None);
        }
        match self {
            Self::Rfc9440 => of_byte_sequence(line),
            Self::Xfcc => of_xfcc(line),
            Self::NginxEscapedPem => of_escaped_pem(line),
        }
        .map(Some)
    }
}

/// RFC 9440 §2.2: one byte sequence (RFC 8941 §3.3.5), and nothing behind it. Base64 without padding, which RFC 8941 says
/// that a parser should tolerate, is refused: no proxy writes it.
fn of_byte_sequence(line: &[u8]) -> Result<Thumbprint, BadCertificateLine> {
    if line.contains(&b',') {
        return Err(Several);
    }
    let inner = line.strip_prefix(b":");
    let inner = inner.and_then(|inner| inner.strip_suffix(b":"));
    let inner = inner.ok_or(Unreadable("no colons around it"))?;
    of_base64(inner)
}

fn of_escaped_pem(line: &[u8]) -> Result<Thumbprint, BadCertificateLine> {
    if line.contains(&b',') {
        return Err(Several);
    }
    of_pem(&percent_decoded(line)?)
}

fn percent_decoded(text: &[u8]) -> Result<Vec<u8>, BadCertificateLine> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => match (bytes.next().and_then(digit), bytes.next().and_then(digit)) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => return Err(Unreadable("a % without two hexadecimal digits")),
            },
            // Other formats of nginx have blanks in them.
            graphic if graphic.is_ascii_graphic() => *graphic,
            _ => return Err(Unreadable("a character that is not percent-encoded")),
        };
        decoded.push(byte);
    }
    Ok(decoded)
}

/// One block of PEM (RFC 7468 §5), and nothing around it.
fn of_pem(text: &[u8]) -> Result<Thumbprint, BadCertificateLine> {
    let inner = text.trim_ascii().strip_prefix(BEGIN);
    let inner = inner.and_then(|inner| inner.strip_suffix(END));
    let inner = inner.ok_or(Unreadable("no block of PEM"))?;
    if inner.windows(BEGIN.len()).any(|window| window == BEGIN) {
        return Err(Several);
    }
    let is_of_base64 = |byte: &u8| !matches!(byte, b'\r' | b'\n');
    let base64: Vec<u8> = inner.iter().copied().filter(is_of_base64).collect();
    of_base64(&base64)
}

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
const END: &[u8] = b"-----END CERTIFICATE-----";

fn of_base64(text: &[u8]) -> Result<Thumbprint, BadCertificateLine> {
    match STANDARD.decode(text) {
        Ok(der) if !der.is_empty() => Ok(sha256(&der)),
        Ok(_) => Err(Unreadable("no certificate")),
        Err(_) => Err(Unreadable("no base64")),
    }
}

/// Envoy's format: elements by comma, each of pairs `key=value` by semicolon. Values may be in double quotes, and then
/// have `\"` for a quote. Envoy writes the `Hash` before what the client chose: `Subject`, `URI` and `DNS`, of which the
/// last two have no quotes. A client that forges a pair in them makes two of it.
fn of_xfcc(line: &[u8]) -> Result<Thumbprint, BadCertificateLine> {
    let (mut hash, mut certificate) = (None, None);
    for pair in pairs(line)? {
        let at = pair.iter().position(|byte| *byte == b'=');
        let (key, value) = pair.split_at(at.ok_or(Unreadable("a pair without ="))?);
        let key = key.trim_ascii();
        let value = unquoted(value.get(1..).unwrap_or_default().trim_ascii())?;
        if key.is_empty() || !key.iter().all(u8::is_ascii_alphanumeric) {
            return Err(Unreadable("a key that is not a word"));
        }
        let earlier = if key.eq_ignore_ascii_case(b"hash") {
            hash.replace(thumbprint(value).ok_or(Unreadable("a Hash that is not SHA-256"))?)
        } else if key.eq_ignore_ascii_case(b"cert") {
            certificate.replace(of_pem(&percent_decoded(value)?)?)
        } else {
            None
        };
        if earlier.is_some() {
            return Err(Unreadable("a key that must be there once, twice"));
        }
    }
    match (hash, certificate) {
        (None, _) => Err(Unreadable("no Hash")),
        (Some(hash), Some(certificate)) if hash != certificate => {
            Err(Unreadable("a Hash and a Cert that differ"))
        }
        (Some(hash), _) => Ok(hash),
    }
}

/// Splits an element into its pairs.
fn pairs(line: &[u8]) -> Result<Vec<&[u8]>, BadCertificateLine> {
    let (mut quotes, mut has_comma) = (Quotes::default(), false);
    let pairs = line.split(|byte| {
        let is_outside = quotes.passes(*byte);
        has_comma |= is_outside && *byte == b',';
        is_outside && *byte == b';'
    });
    let pairs = pairs.collect();
    match quotes {
        Quotes { is_ambiguous, .. } if is_ambiguous => Err(Unreadable("an ambiguous quote")),
        Quotes { is_open, .. } if is_open => Err(Unreadable("a quote that does not end")),
        _ if has_comma => Err(Several),
        _ => Ok(pairs),
    }
}

/// The value of a pair. One that has quotes has them at both ends, and any others in it are escaped.
fn unquoted(value: &[u8]) -> Result<&[u8], BadCertificateLine> {
    let (mut quotes, inner) = match value.strip_prefix(b"\"") {
        None => (Quotes::default(), value),
        Some(rest) => (Quotes::opened(), rest.strip_suffix(b"\"").unwrap_or(rest)),
    };
    let was_open = quotes.is_open;
    let mut bytes = inner.iter();
    if bytes.all(|byte| quotes.passes(*byte) != was_open) {
        Ok(inner)
    } else {
        Err(Unreadable("a quote within a value"))
    }
}

/// Tells what is inside of quotes.
#[derive(Default)]
struct Quotes {
    is_open: bool,
    /// The number of backslashes right before the next byte.
    backslashes: usize,
    /// Whether one reader of `\\"` would see the end of the quote, and another an escaped quote.
    is_ambiguous: bool,
}

impl Quotes {
    fn opened() -> Self {
        Self {
            is_open: true,
            ..Self::default()
        }
    }

    /// Takes the next byte. Returns whether it is outside of quotes, or ends them.
    fn passes(&mut self, byte: u8) -> bool {
        if byte == b'"' {
            match self.backslashes {
                0 => self.is_open = !self.is_open,
                odd if odd % 2 == 1 => {}
                _ => self.is_ambiguous = true,
            }
        }
        self.backslashes = match byte {
            b'\\' if self.is_open => self.backslashes + 1,
            _ => 0,
        };
        !self.is_open
    }
}

/// Reads the 64 hexadecimal digits of a SHA-256.
fn thumbprint(text: &[u8]) -> Option<Thumbprint> {
    let mut thumbprint = [0; 32];
    let (digits, rest) = text.as_chunks::<2>();
    if digits.len() != thumbprint.len() || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in thumbprint.iter_mut().zip(digits) {
        *byte = digit(high)? << 4 | digit(low)?;
    }
    Some(thumbprint)
}

fn digit(byte: &u8) -> Option<u8> {
    let digit = char::from(*byte).to_digit(16)?;
    u8::try_from(digit).ok()
}

#[cfg(test)]
mod tests;
