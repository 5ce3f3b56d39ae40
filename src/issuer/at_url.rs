//! What was wrong at a URL, for the operator.

use std::error::Error;
use std::fmt;

use crate::resource_uri::HttpUrl;

/// A URL, and what was wrong there. It is shown without its query, which may hold a secret.
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

/// Cut where it is long. A URL that cannot be read is not shown: it may hold anything.
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

/// What was wrong is in the text already, so what is behind that is next.
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
