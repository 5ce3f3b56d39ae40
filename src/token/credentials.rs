//! Takes the token from `Authorization`. No token, a malformed one and several tokens are three different outcomes.

use std::fmt;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::refusal::{Reason, Refusal};
use crate::scheme::{Dpop, Scheme};

static PROOF: HeaderName = HeaderName::from_static("dpop");

/// The longest token that is accepted. Real ones stay below 4 KiB; a longer one is a cookie pasted by mistake, or an attempt
/// to waste our time.
pub(crate) const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// The credentials of a request. They are taken off its head, so that nothing else holds them from then on.
pub(crate) struct Credentials {
    line: HeaderValue,
    /// The position of the token in the line, and its length.
    start: usize,
    length: usize,
    scheme: Scheme,
    /// Boxed, since most requests have none.
    proof: Option<Box<PresentedLine>>,
    proof_use: ProofUse,
}

/// A bearer token as presented: a slice of its header, not longer than [`MAX_TOKEN_BYTES`].
#[derive(Clone, Copy)]
pub(crate) struct PresentedToken<'a>(&'a [u8]);

/// The effect of checking the proof of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProofUse {
    /// The proof is used up.
    Spend,
    /// The request is only explained, so its proof stays as it is.
    Look,
    /// The request is hypothetical. Its client is taken for one that can prove what its token needs.
    Assume,
}

/// The lines of a header that may occur once.
pub(crate) enum PresentedLine {
    One(HeaderValue),
    Several,
}

impl Credentials {
    /// Takes exactly one `Authorization: Bearer <token68>` (RFC 6750 §2.1) or, if it is on, `Authorization: DPoP <token68>`
    /// with its proof (RFC 9449 §7.1). Tokens in query, body, cookies and trailers are ignored (OAuth 2.1 §5.1). `None` is a
    /// request without any `Authorization`; an empty one is a refusal.
    pub(crate) fn take(headers: &mut HeaderMap, dpop: Dpop) -> Result<Option<Self>, Refusal> {
        // The proof is as secret as the token, so it leaves the head even if no token goes with it.
        let proof = match dpop {
            Dpop::Off => None,
            Dpop::Accepted | Dpop::Required => take_one(headers, &PROOF),
        };
        let line = match take_one(headers, &AUTHORIZATION) {
            None => return Ok(None),
            Some(PresentedLine::One(line)) => line,
            Some(PresentedLine::Several) => {
                return Err(Refusal::from(Reason::MultipleCredentials)
                    .expected("one Authorization line")
                    .got("several Authorization lines"));
            }
        };
        Self::read(line, proof, dpop).map(Some)
    }

    pub(crate) fn token(&self) -> PresentedToken<'_> {
        PresentedToken(
            self.line
                .as_bytes()
                .get(self.start..self.start + self.length)
                .unwrap_or_default(),
        )
    }

    pub(crate) fn scheme(&self) -> Scheme {
        self.scheme
    }

    pub(crate) fn proof(&self) -> Option<&PresentedLine> {
        self.proof.as_deref()
    }

    pub(crate) fn proof_use(&self) -> ProofUse {
        self.proof_use
    }

    /// Sets what checking the proof does; by default it is spent.
    pub(crate) fn set_proof_use(&mut self, proof_use: ProofUse) {
        self.proof_use = proof_use;
    }

    fn read(line: HeaderValue, proof: Option<PresentedLine>, dpop: Dpop) -> Result<Self, Refusal> {
        let (scheme, token) = read_line(line.as_bytes(), dpop)?;
        let length = token.0.len();
        let start = line.as_bytes().trim_ascii_end().len() - length;
        Ok(Self {
            line,
            start,
            length,
            scheme,
            proof: proof.map(Box::new),
            proof_use: ProofUse::Spend,
        })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
    }
}

impl<'a> PresentedToken<'a> {
    /// Wraps the text of a token that was presented and is [well-formed](Self::well_formed).
    pub(super) fn of_well_formed(text: &'a str) -> Self {
        Self(text.as_bytes())
    }

    pub(crate) fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Returns the token as text, if it is a `token68`. This looks at every byte, so it is done for tokens that are not in the
    /// cache only.
    pub(crate) fn well_formed(self) -> Result<&'a str, Refusal> {
        match std::str::from_utf8(self.0) {
            Ok(text) if is_token68(self.0) => Ok(text),
            _ if self.0.contains(&b',') => Err(joined_by_a_comma()),
            _ => Err(malformed("another text than one token after the scheme")),
        }
    }
}

impl fmt::Debug for PresentedToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PresentedToken(…)")
    }
}

/// Takes all lines of a header off the head.
fn take_one(headers: &mut HeaderMap, name: &HeaderName) -> Option<PresentedLine> {
    // The length counts every line, so that one look-up tells how many there were.
    let before = headers.len();
    let line = headers.remove(name)?;
    Some(match before - headers.len() {
        1 => PresentedLine::One(line),
        _ => PresentedLine::Several,
    })
}

fn read_line(line: &[u8], dpop: Dpop) -> Result<(Scheme, PresentedToken<'_>), Refusal> {
    let Some((scheme, credentials)) = behind_scheme(line, dpop) else {
        // A proxy that joins two `Authorization` lines leaves a comma between them.
        let joined = |piece: &[u8]| behind_scheme(piece.trim_ascii(), dpop).is_some();
        let hidden = line.split(|&byte| byte == b',').any(joined);
        return Err(if hidden {
            joined_by_a_comma()
        } else {
            wrong_scheme(line, dpop)
        });
    };
    let name = scheme.name();
    if credentials.first() == Some(&b'\t') {
        return Err(malformed(&format!("a tab after {name}")).presented_as(scheme));
    }
    let spaces = credentials.iter().take_while(|&&byte| byte == b' ').count();
    let token = credentials
        .get(spaces..)
        .unwrap_or_default()
        .trim_ascii_end();
    if token.is_empty() {
        return Err(Refusal::from(Reason::NoToken)
            .expected(format!("Authorization: {name}, and a token"))
            .got(format!("Authorization: {name}, and nothing behind it")));
    }
    if token.len() > MAX_TOKEN_BYTES {
        return Err(Refusal::from(Reason::TokenTooLarge)
            .expected(format!("at most {MAX_TOKEN_BYTES} bytes"))
            .got(format!("{} bytes", token.len()))
            .presented_as(scheme));
    }
    Ok((scheme, PresentedToken(token)))
}

fn joined_by_a_comma() -> Refusal {
    Refusal::from(Reason::MultipleCredentials)
        .expected("Authorization: a scheme, and one token")
        .got("Authorization: several credentials, joined by a comma")
}

fn malformed(got: &str) -> Refusal {
    Refusal::from(Reason::MalformedHeader)
        .expected("Authorization: a scheme, and one token")
        .got(format!("Authorization: {got}"))
}

/// The refusal of another scheme. It names the scheme only if it is a known one: a client that forgets `Bearer` writes its
/// token in that place.
fn wrong_scheme(line: &[u8], dpop: Dpop) -> Refusal {
    let is_boundary = |byte: Option<&u8>| byte.is_none_or(|byte| matches!(byte, b' ' | b'\t'));
    let scheme = SCHEMES.iter().find(|scheme| {
        let (start, rest) = line.split_at_checked(scheme.len()).unwrap_or_default();
        let ends_there = scheme.ends_with(':') || is_boundary(rest.first());
        ends_there && start.eq_ignore_ascii_case(scheme.as_bytes())
    });
    Refusal::from(Reason::WrongScheme)
        .expected(match dpop {
            Dpop::Off => "Authorization: Bearer, and one token",
            Dpop::Accepted => "Authorization: Bearer or DPoP, and one token",
            Dpop::Required => "Authorization: DPoP, and one token",
        })
        .got(match scheme {
            Some(scheme) => format!("Authorization: {scheme}"),
            None if line.is_empty() => "Authorization: nothing".to_owned(),
            None => "Authorization: an unknown scheme".to_owned(),
        })
}

/// Schemes that clients send by mistake: some of IANA's registry, and some that APIs without OAuth use.
const SCHEMES: &[&str] = &[
    "ApiKey",
    "Basic",
    "Bearer:",
    "Digest",
    "DPoP",
    "JWT",
    "Negotiate",
    "NTLM",
    "OAuth",
    "Token",
];

/// Returns the scheme, and the text after it, if it is one that this gate accepts.
fn behind_scheme(line: &[u8], dpop: Dpop) -> Option<(Scheme, &[u8])> {
    let bearer = || Some((Scheme::Bearer, behind(line, b"bearer")?));
    let proved = || Some((Scheme::Dpop, behind(line, b"dpop")?));
    bearer().or_else(|| proved().filter(|_| dpop != Dpop::Off))
}

/// Returns the text after the scheme, whose name is given in lower case. The scheme ends at the first blank. A tab is no valid
/// separator (RFC 9110 §11.4 has `1*SP`), but it must end the scheme here, or `Bearer<TAB>token` would read as another scheme.
fn behind<'a>(line: &'a [u8], scheme: &[u8]) -> Option<&'a [u8]> {
    let (named, credentials) = line.split_at_checked(scheme.len())?;
    let ends_there = matches!(credentials.first(), None | Some(b' ' | b'\t'));
    (ends_there && named.eq_ignore_ascii_case(scheme)).then_some(credentials)
}

/// Whether the bytes are a `token68` (RFC 9110 §11.2): `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`.
fn is_token68(token: &[u8]) -> bool {
    let padding = token.iter().rev().take_while(|&&byte| byte == b'=').count();
    let body = token.get(..token.len() - padding).unwrap_or_default();
    // Without an early exit the compiler can check many bytes at a time.
    !body.is_empty()
        && body
            .iter()
            .fold(true, |all, &byte| all & is_of_token68(byte))
}

/// Whether a `token68` may have this byte before its padding.
pub(crate) fn is_of_token68(byte: u8) -> bool {
    // The ASCII range from `+` to `9` contains `+`, `-`, `.`, `/`, the digits, and the comma, which is left out.
    let in_row = (byte.wrapping_sub(b'+') <= b'9' - b'+') & (byte != b',');
    let letter = (byte | 0x20).wrapping_sub(b'a') <= b'z' - b'a';
    in_row | letter | (byte == b'_') | (byte == b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Result<String, Reason> {
        read_with(Dpop::Off, lines).map(|(_, token)| token)
    }

    fn read_with(dpop: Dpop, lines: &[&str]) -> Result<(Scheme, String), Reason> {
        let mut request = http::Request::builder();
        for line in lines {
            request = request.header(
                AUTHORIZATION,
                http::HeaderValue::from_bytes(line.as_bytes()).unwrap(),
            );
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let taken = Credentials::take(&mut parts.headers, dpop);
        assert!(
            !parts.headers.contains_key(AUTHORIZATION),
            "whatever it is, it is taken"
        );
        let credentials = taken
            .map_err(|refusal| refusal.reason())?
            .ok_or(Reason::NoToken)?;
        credentials
            .token()
            .well_formed()
            .map(|token| (credentials.scheme(), token.to_owned()))
            .map_err(|refusal| refusal.reason())
    }

    #[test]
    fn with_dpop_on_its_scheme_is_read_as_strictly_as_the_other() {
        use Reason::*;
        for (line, read) in [
            ("DPoP abc", Ok((Scheme::Dpop, "abc".to_owned()))),
            ("dpop  abc", Ok((Scheme::Dpop, "abc".to_owned()))),
            ("Bearer abc", Ok((Scheme::Bearer, "abc".to_owned()))),
            ("DPoP", Err(NoToken)),
            ("DPoP\tabc", Err(MalformedHeader)),
            ("DPoP a b", Err(MalformedHeader)),
            ("DPoP:abc", Err(WrongScheme)),
            ("DPoP a,b", Err(MultipleCredentials)),
            ("Basic eDp5, DPoP b", Err(MultipleCredentials)),
            ("Bearer a, DPoP b", Err(MultipleCredentials)),
        ] {
            assert_eq!(read_with(Dpop::Accepted, &[line]), read, "{line}");
        }
    }

    #[test]
    fn a_bearer_token_is_read_whatever_the_case_of_the_scheme_and_the_number_of_spaces() {
        for line in [
            "Bearer abc",
            "bearer abc",
            "BEARER abc",
            "bEaReR   abc",
            "Bearer abc ",
        ] {
            assert_eq!(read(&[line]), Ok("abc".to_owned()), "{line}");
        }
        assert_eq!(read(&["Bearer a-._~+/9=="]), Ok("a-._~+/9==".to_owned()));
    }

    #[test]
    fn nothing_presented_is_not_the_same_as_something_malformed() {
        use Reason::*;
        for (lines, reason) in [
            (&[][..], NoToken),
            (&[""], WrongScheme),
            (&["Bearer"], NoToken),
            (&["Bearer  "], NoToken),
            (&["Basic eDp5"], WrongScheme),
            (&["Bearer:abc"], WrongScheme),
            (&["DPoP abc"], WrongScheme),
            (&["Bearer\tabc"], MalformedHeader),
            (&["Bearer\t"], MalformedHeader),
            (&["Bearer \tabc"], MalformedHeader),
            (&["Bearer a b"], MalformedHeader),
            (&["Bearer \"x\""], MalformedHeader),
            (&["Bearer =="], MalformedHeader),
            (&["Bearer a=b"], MalformedHeader),
            (&["Bearer ä"], MalformedHeader),
            (&["Bearer Bearer abc"], MalformedHeader),
            (&["Bearer a,b"], MultipleCredentials),
            (&["Bearer a, Bearer b"], MultipleCredentials),
            (&["Basic eDp5, Bearer b"], MultipleCredentials),
            (&["Bearer a", "Bearer a"], MultipleCredentials),
            (&["Bearer a", "DPoP b"], MultipleCredentials),
        ] {
            assert_eq!(read(lines), Err(reason), "{lines:?}");
        }
    }

    #[test]
    fn exactly_the_bytes_of_the_grammar_are_allowed() {
        for byte in u8::MIN..=u8::MAX {
            assert_eq!(
                is_of_token68(byte),
                byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte),
                "{byte}"
            );
        }
    }

    #[test]
    fn an_overlong_token_is_refused_unread() {
        assert_eq!(
            read(&[&format!("Bearer {}", "a".repeat(MAX_TOKEN_BYTES + 1))]),
            Err(Reason::TokenTooLarge)
        );
        assert!(read(&[&format!("Bearer {}", "a".repeat(MAX_TOKEN_BYTES))]).is_ok());
    }
}
