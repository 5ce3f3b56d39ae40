//! Where what stands in a JSON text. serde_json says where a value ends; this finds its way between them.

use std::borrow::Cow;
use std::ops::Range;

use serde::de::IgnoredAny;
use serde_json::Deserializer;

use super::message::Unclear;

/// Where a value stands.
pub(super) type Span = Range<usize>;

/// The only value of the text.
pub(super) fn whole(text: &str) -> Result<Span, Unclear> {
    let value = value(text, 0)?;
    let rest = text.get(value.end..).unwrap_or_default();
    if rest.trim_start_matches(WHITE_SPACE).is_empty() { Ok(value) } else { Err(Unclear::NotJson) }
}

/// The bracket, quote, digit or letter that a value begins with.
pub(super) fn first(text: &str, value: &Span) -> Option<u8> {
    text.as_bytes().get(value.start).copied()
}

/// The elements of an array.
pub(super) fn elements(text: &str, array: &Span) -> Result<Vec<Span>, Unclear> {
    let mut elements = Vec::new();
    let (mut token, mut at) = token(text, array.start + 1)?;
    if token == b']' {
        return Ok(elements);
    }
    at -= 1;
    loop {
        let element = value(text, at)?;
        (token, at) = self::token(text, element.end)?;
        elements.push(element);
        match token {
            b',' => {}
            b']' => return Ok(elements),
            _ => return Err(Unclear::NotJson),
        }
    }
}

/// The members of an object that have these keys. None may be there twice, in any spelling of escapes.
pub(super) fn members<const N: usize>(
    text: &str,
    object: &Span,
    keys: [&str; N],
) -> Result<[Option<Span>; N], Unclear> {
    let mut found = [const { None }; N];
    let (mut token, mut at) = token(text, object.start + 1)?;
    if token == b'}' {
        return Ok(found);
    }
    at -= 1;
    loop {
        let key = value(text, at)?;
        let (colon, behind) = self::token(text, key.end)?;
        let member = value(text, behind)?;
        (token, at) = self::token(text, member.end)?;
        let key = string(text, &key).ok_or(Unclear::NotJson)?;
        if let Some((_, place)) = keys.iter().zip(&mut found).find(|(wanted, _)| **wanted == key)
            && place.replace(member).is_some()
        {
            return Err(Unclear::DuplicateKey);
        }
        match (colon, token) {
            (b':', b',') => {}
            (b':', b'}') => return Ok(found),
            _ => return Err(Unclear::NotJson),
        }
    }
}

/// The text of a string, decoded; nothing where the value is another one.
pub(super) fn string<'t>(text: &'t str, value: &Span) -> Option<Cow<'t, str>> {
    let quoted = text.get(value.clone())?;
    let inside = quoted.strip_prefix('"')?.strip_suffix('"')?;
    if inside.contains('\\') {
        return serde_json::from_str(quoted).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(inside))
}

fn value(text: &str, from: usize) -> Result<Span, Unclear> {
    let rest = text.get(from..).ok_or(Unclear::NotJson)?;
    let start = from + rest.len() - rest.trim_start_matches(WHITE_SPACE).len();
    let mut values = Deserializer::from_str(rest).into_iter::<IgnoredAny>();
    match values.next() {
        Some(Ok(_)) => Ok(start..from + values.byte_offset()),
        Some(Err(_)) | None => Err(Unclear::NotJson),
    }
}

/// The next byte that is no white space, and the place behind it.
fn token(text: &str, from: usize) -> Result<(u8, usize), Unclear> {
    let rest = text.get(from..).ok_or(Unclear::NotJson)?;
    let found = rest.trim_start_matches(WHITE_SPACE);
    let token = found.as_bytes().first().ok_or(Unclear::NotJson)?;
    Ok((*token, from + rest.len() - found.len() + 1))
}

/// RFC 8259 §2.
const WHITE_SPACE: [char; 4] = [' ', '\t', '\n', '\r'];
