//! Reads a configuration without printing a secret.

use toolgate::Config;

/// Reads a configuration. An error says what is wrong and where, but does not show the line, as toml's own `Display`
/// does: a secret may be on it.
pub(crate) fn read(text: &str) -> Result<Config, String> {
    toml::from_str(text).map_err(|why: toml::de::Error| {
        let before = why
            .span()
            .and_then(|span| text.get(..span.start))
            .unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before
            .rsplit('\n')
            .next()
            .unwrap_or_default()
            .chars()
            .count()
            + 1;
        format!("line {line}, column {column}: {}", why.message())
    })
}
