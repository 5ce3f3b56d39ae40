//! Text that an attacker may have chosen, made fit for a log.

use std::error::Error;

/// Such text is cut here.
const MAX_LOGGED_BYTES: usize = 128;

/// An error and its causes are cut here. They are texts of ours and of libraries, and the last cause is the most telling.
const MAX_CAUSES_BYTES: usize = 512;

/// Names of what is asked for, as far as the log shows them.
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

    /// `None` where there are none.
    pub(crate) fn cleaned(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| clean(&self.0))
    }
}

/// Escapes text, so that no line can be forged, and cuts it.
pub(crate) fn clean(text: &str) -> String {
    clean_to(text, MAX_LOGGED_BYTES)
}

/// An error and all of its causes, cleaned.
pub(crate) fn clean_causes(error: &(dyn Error + 'static)) -> String {
    clean_to(&with_causes(error), MAX_CAUSES_BYTES)
}

/// The texts of all [causes] in one.
pub(crate) fn with_causes(error: &(dyn Error + 'static)) -> String {
    let texts: Vec<String> = causes(error).map(ToString::to_string).collect();
    texts.join(": ")
}

/// An error and what is behind it, from the outermost to the root.
pub(crate) fn causes<'e>(
    error: &'e (dyn Error + 'static),
) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

fn clean_to(text: &str, max_bytes: usize) -> String {
    let mut cleaned = String::new();
    for character in text.chars() {
        if cleaned.len() >= max_bytes {
            cleaned.push('…');
            break;
        }
        match character {
            // It ends nothing in a line of the log.
            '\'' => cleaned.push(character),
            _ => cleaned.extend(character.escape_debug()),
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
