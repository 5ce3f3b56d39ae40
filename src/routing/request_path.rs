//! Reads the path of a request, if every server reads it in the same way.

use std::borrow::Cow;

use crate::refusal::{Reason, Refusal};

/// Returns the path, with its escapes in one spelling. A path that one server could read in another way than the next is
/// refused: with empty or dot segments, with a backslash, with an escape for a character that needs none or that would
/// divide the path, or with characters that no path has (RFC 3986 §3.3).
pub(crate) fn of(path: &str) -> Result<Cow<'_, str>, Refusal> {
    if !path.bytes().all(is_of_path) {
        return Err(ambiguous("a character that a path must escape"));
    }
    if has_empty_or_dot_segment(path) {
        return Err(ambiguous("an empty segment or a dot segment"));
    }
    if !path.contains('%') {
        return Ok(Cow::Borrowed(path));
    }
    escapes_in_one_spelling(path)
        .map(Cow::Owned)
        .ok_or_else(|| {
            ambiguous("an escape for a character that needs none, or that divides the path")
        })
}

/// The path of a configured URL, in the same spelling. `None` if requests with this path are refused.
pub(crate) fn configured(path: &str) -> Option<String> {
    let path = of(path).ok()?;
    decoded(&path).is_none().then(|| path.into_owned())
}

/// The path as a router reads it that decodes it: `%40` and `@` both have a place in a path, and need not mean the same. `None`
/// if there is no such escape.
pub(crate) fn decoded(path: &str) -> Option<String> {
    if !path.contains('%') {
        return None;
    }
    let mut pieces = path.split('%');
    let mut decoded = pieces.next()?.to_owned();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2)?;
        match u8::from_str_radix(digits, 16).ok()? {
            byte if byte != b'%' && is_of_path(byte) => decoded.push(char::from(byte)),
            _ => decoded.extend(["%", digits]),
        }
        decoded.push_str(rest);
    }
    (decoded != path).then_some(decoded)
}

fn has_empty_or_dot_segment(path: &str) -> bool {
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        if matches!(segment, "." | "..") || (segment.is_empty() && !is_last) {
            return true;
        }
    }
    false
}

fn escapes_in_one_spelling(path: &str) -> Option<String> {
    let mut pieces = path.split('%');
    let mut spelled = pieces.next()?.to_owned();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2)?;
        let byte = u8::from_str_radix(digits, 16).ok()?;
        // `from_str_radix` takes a sign too.
        if digits.starts_with('+') || is_unreserved(byte) || matches!(byte, b'/' | b'\\' | 0) {
            return None;
        }
        spelled.push('%');
        spelled.push_str(&digits.to_ascii_uppercase());
        spelled.push_str(rest);
    }
    Some(spelled)
}

/// RFC 3986 §2.3. An escape for one of these means the same as the character.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// The bytes of a path (RFC 3986 §3.3). Any other must be escaped, and some servers let them through.
fn is_of_path(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(
            byte,
            b'/' | b'%'
                | b':'
                | b'@'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
        )
}

pub(crate) fn ambiguous(got: &'static str) -> Refusal {
    Refusal::from(Reason::AmbiguousPath)
        .expected("a path that can be read in one way only")
        .got(got)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_two_readings_is_refused() {
        for path in [
            "//mcp",
            "/a//b",
            "/./mcp",
            "/a/../mcp",
            "/..",
            "/.",
            "/a/..",
            "/%6dcp",
            "/%2e%2e/mcp",
            "/%2Fmcp",
            "/a%2fb",
            "/a%5Cb",
            "/a\\b",
            "/a%00",
            "/%",
            "/%4",
            "/%zz",
            "/%+1",
            "/caf\u{e9}",
            "/a\"b",
        ] {
            let read = of(path).map_err(|refusal| refusal.reason());
            assert_eq!(read, Err(Reason::AmbiguousPath), "{path}");
        }
    }

    #[test]
    fn any_other_path_is_read_with_its_escapes_in_upper_case() {
        for (path, spelled) in [
            ("", ""),
            ("/", "/"),
            ("*", "*"),
            ("/mcp", "/mcp"),
            ("/mcp/", "/mcp/"),
            ("/MCP;v=1/a:b@c", "/MCP;v=1/a:b@c"),
            ("/caf%c3%a9", "/caf%C3%A9"),
            ("/a%20b", "/a%20b"),
            ("/...", "/..."),
        ] {
            assert_eq!(of(path).ok().as_deref(), Some(spelled), "{path}");
        }
    }

    #[test]
    fn an_escape_for_a_character_that_a_path_may_have_is_decoded_apart() {
        for (path, read) in [
            ("/%40a/b%3Bc", Some("/@a/b;c")),
            ("/%40%25", Some("/@%25")),
            ("/a%20b", None),
            ("/%2540", None),
            ("/@a", None),
        ] {
            assert_eq!(decoded(path).as_deref(), read, "{path}");
            assert_eq!(configured(path).is_some(), read.is_none(), "{path}");
        }
    }
}
