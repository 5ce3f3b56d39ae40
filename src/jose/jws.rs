//! The compact serialisation of a signed token: three parts, strictly encoded (RFC 7515 §7.1).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::algorithm::{Algorithm, Algorithms};
use super::json::{Object, Unreadable};

/// A token that was split into its three parts, with the first one decoded.
pub(crate) struct Jws<'a> {
    header: Vec<u8>,
    /// The text that the signature covers: encoded header and payload.
    pub(crate) signed: &'a str,
    payload: &'a str,
    signature: &'a str,
}

impl<'a> Jws<'a> {
    /// Splits a token into its parts. `None` means opaque: it is not a JWT, so only its issuer can read it. Fails for an
    /// encrypted JWT.
    pub(crate) fn cut(token: &'a str) -> Result<Option<Self>, BadJws> {
        let mut parts = token.splitn(MAX_PARTS + 1, '.');
        let (Some(first), Some(payload), Some(signature)) =
            (parts.next(), parts.next(), parts.next())
        else {
            return Ok(None);
        };
        match JWS_PARTS + parts.count() {
            JWS_PARTS => {}
            JWE_PARTS => return Err(BadJws::Encrypted),
            _ => return Ok(None),
        }
        let Ok(header) = URL_SAFE_NO_PAD.decode(first) else {
            return Ok(None);
        };
        let signed = token
            .get(..first.len() + 1 + payload.len())
            .unwrap_or_default();
        Ok(Some(Self {
            header,
            signed,
            payload,
            signature,
        }))
    }

    /// Whether the token is a JWT, so that every defect in it is a reason to refuse it; if not, it is opaque. The header only
    /// has to look like an object: another parser may accept one that this crate cannot parse.
    pub(crate) fn is_jwt(&self) -> bool {
        let text = std::str::from_utf8(&self.header).unwrap_or_default().trim();
        text.starts_with('{') && text.ends_with('}')
    }

    /// Parses the header. `None` means opaque.
    pub(crate) fn header(&self) -> Result<Option<Object<'_>>, BadJws> {
        if !self.is_jwt() {
            return Ok(None);
        }
        let header = Object::read(&self.header).map_err(BadJws::Header)?;
        Ok(Some(header))
    }

    pub(crate) fn header_bytes(&self) -> &[u8] {
        &self.header
    }

    pub(crate) fn payload(&self) -> Result<Vec<u8>, BadJws> {
        decode(self.payload).ok_or(BadJws::EncodingOfClaims)
    }

    pub(crate) fn signature(&self) -> Result<Vec<u8>, BadJws> {
        decode(self.signature).ok_or(BadJws::EncodingOfSignature)
    }
}

/// The reason why a JWT cannot be used, before any key is looked at. The answer to it depends on where the JWT was found.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadJws {
    #[error("it is encrypted")]
    Encrypted,
    #[error("its header is unreadable")]
    Header(#[source] Unreadable),
    #[error("its claims are not base64url")]
    EncodingOfClaims,
    #[error("its signature is not base64url")]
    EncodingOfSignature,
    #[error("its `alg` is not allowed")]
    Algorithm { allowed: String, named: String },
    /// An extension that must be understood: the name of the member.
    #[error("it has an extension: `{0}`")]
    Extension(&'static str),
    #[error("its `kid` is not a text")]
    Kid,
}

const JWS_PARTS: usize = 3;
/// The parts of an encrypted token (RFC 7516 §7.1).
const JWE_PARTS: usize = 5;
const MAX_PARTS: usize = JWE_PARTS;

/// Decodes base64url strictly: with padding or stray bits one token would have several spellings (RFC 8725bis §3.14).
fn decode(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

/// The members of a header that are used. `jku`, `jwk`, `x5u` and `x5c` are never read, so they can neither cause a request nor
/// supply a key (RFC 8725bis §3.10).
#[derive(Debug)]
pub(crate) struct Header<'h> {
    pub(crate) algorithm: Algorithm,
    pub(crate) kid: Option<&'h str>,
}

impl<'h> Header<'h> {
    pub(crate) fn read(header: &'h Object<'_>, allowed: &Algorithms) -> Result<Self, BadJws> {
        let name = header.text_of("alg").unwrap_or_default();
        let algorithm = match Algorithm::named(name) {
            Some(algorithm) if allowed.allow(algorithm) => algorithm,
            _ => {
                return Err(BadJws::Algorithm {
                    allowed: allowed.to_string(),
                    named: name.to_owned(),
                });
            }
        };
        // RFC 7515 §4.1.11: an extension that is not understood must be refused, and none is understood here.
        if let Some(name) = ["crit", "b64"].into_iter().find(|name| header.has(name)) {
            return Err(BadJws::Extension(name));
        }
        let kid = header.text("kid").map_err(|_| BadJws::Kid)?;
        Ok(Self { algorithm, kid })
    }
}

/// Whether a `typ` is this media type. `application/` may be left out (RFC 7515 §4.1.9), and case does not matter.
pub(crate) fn is_type(typ: &str, name: &str) -> bool {
    let (start, end) = typ
        .split_at_checked("application/".len())
        .unwrap_or_default();
    let is_long_form = start.eq_ignore_ascii_case("application/") && end.eq_ignore_ascii_case(name);
    typ.eq_ignore_ascii_case(name) || is_long_form
}
