//! The lifetime of a fetched document, from its headers (RFC 9111 §4.2.1).

use std::time::Duration;

use http::HeaderMap;
use http::header::{AGE, CACHE_CONTROL, EXPIRES};

use crate::clock::Timestamp;

/// Returns the remaining lifetime; `None` if the headers have none that can be parsed.
pub(crate) fn lifetime(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let texts = |name| {
        headers
            .get_all(name)
            .into_iter()
            .filter_map(|value| value.to_str().ok())
    };
    let directives = || {
        texts(CACHE_CONTROL)
            .flat_map(|line| line.split(','))
            .map(str::trim)
    };
    if directives().any(|directive| {
        ["no-store", "no-cache"]
            .iter()
            .any(|forbids| directive.eq_ignore_ascii_case(forbids))
    }) {
        return Some(Duration::ZERO);
    }
    let max_age = directives().find_map(|directive| {
        let (name, value) = directive.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("max-age")
            .then(|| value.trim().trim_matches('"').parse().ok())?
    });
    if let Some(seconds) = max_age {
        return Some(Duration::from_secs(seconds).saturating_sub(age(headers)));
    }
    let expires = texts(EXPIRES).next()?;
    // RFC 9111 §5.3: a date that cannot be read, `0` above all, means already expired.
    Some(
        httpdate::parse_http_date(expires)
            .map_or(Duration::ZERO, |date| Timestamp::from(date).since(now)),
    )
}

/// Returns how long the document has been in a cache on the way (RFC 9111 §5.1).
pub(crate) fn age(headers: &HeaderMap) -> Duration {
    let seconds = headers
        .get(AGE)
        .and_then(|age| age.to_str().ok()?.trim().parse().ok());
    Duration::from_secs(seconds.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[(&'static str, &str)]) -> Option<u64> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        let now = Timestamp::from_seconds(784_111_777.0).unwrap(); // Sun, 06 Nov 1994 08:49:37 GMT
        lifetime(&headers, now).map(|lifetime| lifetime.as_secs())
    }

    #[test]
    fn max_age_wins_over_expires_and_loses_what_the_document_already_spent() {
        assert_eq!(of(&[]), None);
        assert_eq!(
            of(&[("cache-control", "public, max-age=600, must-revalidate")]),
            Some(600)
        );
        assert_eq!(of(&[("cache-control", "Max-Age=\"600\"")]), Some(600));
        assert_eq!(
            of(&[("cache-control", "max-age=600"), ("age", "590")]),
            Some(10)
        );
        assert_eq!(
            of(&[("cache-control", "max-age=600"), ("age", "9999")]),
            Some(0)
        );
        assert_eq!(of(&[("cache-control", "max-age=soon")]), None);
        assert_eq!(
            of(&[("cache-control", "max-age=600"), ("expires", "0")]),
            Some(600)
        );
        assert_eq!(of(&[("cache-control", "max-age=600, no-store")]), Some(0));
        assert_eq!(
            of(&[("cache-control", "private"), ("cache-control", "no-cache")]),
            Some(0)
        );
    }

    #[test]
    fn expires_is_a_date_or_long_past() {
        assert_eq!(
            of(&[("expires", "Sun, 06 Nov 1994 08:59:37 GMT")]),
            Some(600)
        );
        assert_eq!(of(&[("expires", "Sun, 06 Nov 1994 08:00:00 GMT")]), Some(0));
        assert_eq!(of(&[("expires", "0")]), Some(0));
    }
}
