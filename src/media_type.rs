//! The media type in a `Content-Type` (RFC 9110 §8.3.1).
//!
//! This is the only reader of the header. Each room chooses how strict it is. The inner service reads the body of a request
//! once more, so its media type must leave no doubt. No other server reads the response of an issuer or of the inner service,
//! so a looser check is enough there.

use http::HeaderValue;

pub(crate) const JSON: &str = "application/json";
pub(crate) const EVENT_STREAM: &str = "text/event-stream";

/// One `Content-Type` field line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MediaType<'a> {
    line: &'a [u8],
}

/// The parameters that follow the media type in its line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parameters<'a> {
    text: &'a [u8],
}

impl<'a> MediaType<'a> {
    pub(crate) fn of(line: &'a HeaderValue) -> Self {
        Self {
            line: line.as_bytes().trim_ascii(),
        }
    }

    /// Returns the parameters if the line names this type. Case does not matter.
    pub(crate) fn parameters_of(self, name: &str) -> Option<Parameters<'a>> {
        let (start, rest) = self.line.split_at_checked(name.len())?;
        let rest = rest.trim_ascii_start();
        let ends = matches!(rest.first(), None | Some(b';'));
        (ends && start.eq_ignore_ascii_case(name.as_bytes())).then_some(Parameters { text: rest })
    }

    pub(crate) fn is(self, name: &str) -> bool {
        self.parameters_of(name).is_some()
    }

    /// Whether the line names exactly one type: it is not empty, and not two lines that a proxy joined by a comma (RFC 9110
    /// §5.3).
    pub(crate) fn is_single(self) -> bool {
        !self.line.contains(&b',') && !matches!(self.line.first(), None | Some(b';'))
    }
}

impl Parameters<'_> {
    /// Whether no parameter names a charset other than UTF-8. Parts that cannot be parsed as a parameter are ignored.
    pub(crate) fn name_no_other_charset(self) -> bool {
        self.text
            .split(|byte| *byte == b';')
            .map(<[u8]>::trim_ascii)
            .all(|parameter| {
                let end = parameter
                    .iter()
                    .position(|byte| *byte == b'=')
                    .unwrap_or(parameter.len());
                let (name, value) = parameter.split_at_checked(end).unwrap_or_default();
                let value = without_quotes(value.get(1..).unwrap_or_default());
                !name.eq_ignore_ascii_case(b"charset") || value.eq_ignore_ascii_case(b"utf-8")
            })
    }

    /// Whether every parameter can be parsed, and none names a charset other than UTF-8.
    pub(crate) fn are_surely_utf_8(self) -> bool {
        let mut rest = self.text;
        loop {
            rest = rest.trim_ascii_start();
            match rest.split_first() {
                None => return true,
                Some((b';', after)) => rest = after.trim_ascii_start(),
                Some(_) => return false,
            }
            // RFC 9110 §5.6.6 allows a semicolon with nothing after it.
            if matches!(rest.first(), None | Some(b';')) {
                continue;
            }
            let Some((name, value, after)) = parameter(rest) else {
                return false;
            };
            if name.eq_ignore_ascii_case(b"charset") && !value.eq_ignore_ascii_case(b"utf-8") {
                return false;
            }
            rest = after;
        }
    }
}

fn without_quotes(mut value: &[u8]) -> &[u8] {
    while let [b'"', rest @ ..] | [rest @ .., b'"'] = value {
        value = rest;
    }
    value
}

/// Splits `name=value` or `name="value"` from the front; a quoted value keeps its escapes.
fn parameter(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (name, rest) = text.split_at_checked(token_length(text))?;
    let rest = rest.strip_prefix(b"=")?;
    let (value, rest) = match rest.strip_prefix(b"\"") {
        None => rest.split_at_checked(token_length(rest))?,
        Some(quoted) => {
            let (value, rest) = quoted.split_at_checked(quoted_length(quoted)?)?;
            return Some((name, value, rest.strip_prefix(b"\"")?)).filter(|_| !name.is_empty());
        }
    };
    Some((name, value, rest)).filter(|_| !name.is_empty() && !value.is_empty())
}

/// The number of leading bytes that are `tchar`s (RFC 9110 §5.6.2).
fn token_length(text: &[u8]) -> usize {
    let is_tchar = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    text.iter().take_while(|byte| is_tchar(byte)).count()
}

/// The number of bytes before the closing quote.
fn quoted_length(text: &[u8]) -> Option<usize> {
    let mut escaped = false;
    text.iter().position(|byte| {
        let closes = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        closes
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_one_type_whole_and_in_any_case() {
        for (line, is_json, is_single) in [
            ("application/json", true, true),
            (" Application/JSON ;charset=utf-8", true, true),
            ("application/json;", true, true),
            ("application/json; x=\"a, b\"", true, false),
            ("application/jsonp", false, true),
            ("application/json x", false, true),
            ("application/json, text/plain", false, false),
            ("application/", false, true),
            ("; x=application/json", false, false),
            ("", false, false),
        ] {
            let value = HeaderValue::from_static(line);
            let media_type = MediaType::of(&value);
            assert_eq!(
                (media_type.is(JSON), media_type.is_single()),
                (is_json, is_single),
                "{line:?}"
            );
        }
    }

    #[test]
    fn parameters_are_held_against_utf_8_strictly_or_as_far_as_they_can_be_read() {
        for (line, sure, no_other) in [
            ("application/json", true, true),
            ("application/json; charset=UTF-8;", true, true),
            ("application/json; charset=\"utf-8\"; x=y", true, true),
            ("application/json; charset=utf-16", false, false),
            (
                "application/json; charset=utf-8; charset=utf-7",
                false,
                false,
            ),
            ("application/json; charset", false, false),
            ("application/json; charset=", false, false),
            ("application/json; charset =utf-16", false, true),
            ("application/json; charset=\"utf-8", false, true),
            ("application/json; x", false, true),
        ] {
            let value = HeaderValue::from_static(line);
            let parameters = MediaType::of(&value).parameters_of(JSON).unwrap();
            let read = (
                parameters.are_surely_utf_8(),
                parameters.name_no_other_charset(),
            );
            assert_eq!(read, (sure, no_other), "{line:?}");
        }
    }
}
