//! Locates values in JSON text without parsing the whole. serde_json finds the end of a value; this module finds its
//! way between values.

use std::borrow::Cow;
use std::ops::Range;

use serde::de::IgnoredAny;
use serde_json::Deserializer;

use super::error::FilterError;

/// The place of a value in its text.
pub(super) type Span = Range<usize>;

/// The first character of the next text or value that is not white space, and its place.
pub(super) fn first(text: &str, from: usize) -> Result<(u8, usize), FilterError> {
    token(text, from).map(|(token, behind)| (token, behind - 1))
}

/// The end of the value that begins here.
pub(super) fn end(text: &str, from: usize) -> Result<usize, FilterError> {
    value(text, from).map(|value| value.end)
}

/// Requires that only white space is left.
pub(super) fn nothing(text: &str, from: usize) -> Result<(), FilterError> {
    let rest = text.get(from..).ok_or(FilterError::NotJson)?;
    if rest.trim_start_matches(WHITE_SPACE).is_empty() {
        Ok(())
    } else {
        Err(FilterError::NotJson)
    }
}

/// Calls `read` with the start of each element of the array that begins here; it returns the element's end. Returns the
/// end of the array.
pub(super) fn elements<E: From<FilterError>>(
    text: &str,
    array: usize,
    mut read: impl FnMut(usize) -> Result<usize, E>,
) -> Result<usize, E> {
    let (mut token, mut at) = token(text, array + 1)?;
    if token == b']' {
        return Ok(at);
    }
    at -= 1;
    loop {
        let end = read(first(text, at)?.1)?;
        (token, at) = self::token(text, end)?;
        match token {
            b',' => {}
            b']' => return Ok(at),
            _ => return Err(FilterError::NotJson.into()),
        }
    }
}

/// The members with these keys of the object that begins here, and the object's end. Fails if one of the keys is there
/// twice, in any spelling of escapes.
pub(super) fn members<const N: usize>(
    text: &str,
    object: usize,
    keys: [&str; N],
) -> Result<([Option<Span>; N], usize), FilterError> {
    let mut found = [const { None }; N];
    let (mut token, mut at) = token(text, object + 1)?;
    if token == b'}' {
        return Ok((found, at));
    }
    at -= 1;
    loop {
        let key = value(text, at)?;
        let (colon, behind) = self::token(text, key.end)?;
        let member = value(text, behind)?;
        (token, at) = self::token(text, member.end)?;
        let key = string(text, &key).ok_or(FilterError::NotJson)?;
        if let Some((_, place)) = keys
            .iter()
            .zip(&mut found)
            .find(|(wanted, _)| **wanted == key)
            && place.replace(member).is_some()
        {
            return Err(FilterError::DuplicateKey);
        }
        match (colon, token) {
            (b':', b',') => {}
            (b':', b'}') => return Ok((found, at)),
            _ => return Err(FilterError::NotJson),
        }
    }
}

/// The members with these keys; `None` if no object begins here.
pub(super) fn object<const N: usize>(
    text: &str,
    from: usize,
    keys: [&str; N],
) -> Result<Option<[Option<Span>; N]>, FilterError> {
    if first(text, from)?.0 != b'{' {
        return Ok(None);
    }
    let (members, _) = members(text, from, keys)?;
    Ok(Some(members))
}

/// The decoded text of a string; `None` if the value is not a string.
pub(super) fn string<'t>(text: &'t str, value: &Span) -> Option<Cow<'t, str>> {
    let quoted = text.get(value.clone())?;
    let inside = quoted.strip_prefix('"')?.strip_suffix('"')?;
    if inside.contains('\\') {
        return serde_json::from_str(quoted).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(inside))
}

fn value(text: &str, from: usize) -> Result<Span, FilterError> {
    let rest = text.get(from..).ok_or(FilterError::NotJson)?;
    let start = from + rest.len() - rest.trim_start_matches(WHITE_SPACE).len();
    let mut values = Deserializer::from_str(rest).into_iter::<IgnoredAny>();
    match values.next() {
        Some(Ok(_)) => Ok(start..from + values.byte_offset()),
        Some(Err(_)) | None => Err(FilterError::NotJson),
    }
}

/// The next byte that is not white space, and the place behind it.
fn token(text: &str, from: usize) -> Result<(u8, usize), FilterError> {
    let rest = text.get(from..).ok_or(FilterError::NotJson)?;
    let found = rest.trim_start_matches(WHITE_SPACE);
    let token = found.as_bytes().first().ok_or(FilterError::NotJson)?;
    Ok((*token, from + rest.len() - found.len() + 1))
}

/// The white space of JSON (RFC 8259 §2).
const WHITE_SPACE: [char; 4] = [' ', '\t', '\n', '\r'];
