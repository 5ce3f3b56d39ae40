//! Escapes and truncates text that an attacker may have chosen, for the log.

use std::error::Error;

/// The length at which such text is truncated.
const MAX_LOGGED_BYTES: usize = 128;

/// The length at which the texts of an error and its causes are truncated. It is longer, because these texts come from this
/// crate and from libraries, and the last cause says most.
const MAX_CAUSES_BYTES: usize = 512;

/// The length at which each of these texts is truncated in an explanation, which is no line of the log.
const MAX_SHOWN_CAUSE_BYTES: usize = 2048;

/// The most names of a configuration or of the inner service that one event lists.
const MAX_LISTED_NAMES: usize = 20;

/// Collects the names in a call, up to the length that the log shows.
#[derive(Debug, Default)]
pub(crate) struct Names(String);

impl Names {
    pub(crate) fn push(&mut self, name: &str) {
        if self.0.len() <= MAX_LOGGED_BYTES && !name.is_empty() {
            if !self.0.is_empty() {
                self.0.push(' ');
            }
            self.0.push_str(name);
        }
    }

    /// Returns the names, escaped and truncated; `None` if there are none.
    pub(crate) fn cleaned(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| clean(&self.0))
    }
}

/// Escapes text, so that it cannot forge a line of the log, and truncates it.
pub(crate) fn clean(text: &str) -> String {
    // `escape_debug` would escape an apostrophe, but it ends no field in a line of the log.
    escaped(text, &['\''], MAX_LOGGED_BYTES)
}

/// Joins names, each escaped and truncated, and counts those that are too many; `None` if there are none.
pub(crate) fn listed<'n>(names: impl Iterator<Item = &'n String>) -> Option<String> {
    let mut names = names.fuse();
    let shown: Vec<String> = names
        .by_ref()
        .take(MAX_LISTED_NAMES)
        .map(|name| clean(name))
        .collect();
    let joined = shown.join(", ");
    match names.count() {
        _ if shown.is_empty() => None,
        0 => Some(joined),
        more => Some(format!("{joined} and {more} more")),
    }
}

/// Joins the texts of causes, escaped and truncated.
pub(crate) fn clean_causes(texts: &[String]) -> String {
    escaped(&texts.join(": "), &['\''], MAX_CAUSES_BYTES)
}

/// Escapes and truncates the text of a cause for an explanation. Some texts are escaped already, so their backslashes
/// stay single.
pub(crate) fn shown_cause(text: &str) -> String {
    escaped(text, &['\'', '"', '\\'], MAX_SHOWN_CAUSE_BYTES)
}

/// Joins the texts of an error and all of its [causes].
pub(crate) fn with_causes(error: &(dyn Error + 'static)) -> String {
    texts_of_causes(error).join(": ")
}

/// The texts of an error and of all of its [causes].
pub(crate) fn texts_of_causes(error: &(dyn Error + 'static)) -> Vec<String> {
    causes(error).map(ToString::to_string).collect()
}

/// Iterates over an error and its sources, from the outermost to the root.
pub(crate) fn causes<'e>(
    error: &'e (dyn Error + 'static),
) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// Escapes all characters that are not printable or that end a text in the log, except for the plain ones.
fn escaped(text: &str, plain: &[char], max_bytes: usize) -> String {
    let mut cleaned = String::new();
    for character in text.chars() {
        if cleaned.len() >= max_bytes {
            cleaned.push('…');
            break;
        }
        if plain.contains(&character) {
            cleaned.push(character);
        } else {
            cleaned.extend(character.escape_debug());
        }
    }
    cleaned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_in_a_log_stays_on_its_line_and_short() {
        assert_eq!(clean("a\r\nb\u{1b}[31m"), "a\\r\\nb\\u{1b}[31m");
        assert!(clean(&"x".repeat(10_000)).len() < MAX_LOGGED_BYTES + 10);
    }
}
