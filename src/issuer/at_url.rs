//! Adds the URL to an error, for the operator.

use std::error::Error;
use std::fmt;

use crate::resource_uri::HttpUrl;

/// An error with the URL at which it occurred. The URL is shown without its query, which may contain a secret.
#[derive(Debug)]
pub(crate) struct AtUrl<W> {
    url: String,
    pub(super) why: W,
}

impl<W> AtUrl<W> {
    pub(super) fn new(url: &str, why: W) -> Self {
        Self {
            url: shown(url),
            why,
        }
    }
}

/// Truncates a long URL. One that cannot be parsed is not shown, since it may contain anything.
fn shown(url: &str) -> String {
    const LONGEST: usize = 200;
    let parsed = HttpUrl::parse(url);
    let text = parsed.map_or("(no URL)".to_owned(), |url| {
        url.origin.to_owned() + url.path
    });
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => text.get(..end).unwrap_or_default().to_owned() + "…",
        None => text,
    }
}

impl<W: fmt::Display> fmt::Display for AtUrl<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.url, self.why)
    }
}

/// Skips the inner error, whose text is part of this one already, and continues with its source.
impl<W: Error> Error for AtUrl<W> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.why.source()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_what_may_be_secret_and_without_end() {
        assert_eq!(
            shown("https://as.example/k?key=secret#x"),
            "https://as.example/k"
        );
        assert_eq!(shown("https://user:secret@as.example/k"), "(no URL)");
        let long = shown(&format!("https://as.example/{}", "x".repeat(100_000)));
        assert_eq!(long.chars().count(), 201);
    }
}
