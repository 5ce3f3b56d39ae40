//! Why no gate could be built: which value is wrong, and how to mend it.

/// A value that no gate can be made from.
///
/// Its text names the field as the configuration file does, shows the value, and says how to mend it;
/// it never shows a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[error("`{field}`{}: {mend}", .value.as_ref().map(|value| format!(" is {value:?}")).unwrap_or_default())]
pub struct ConfigError {
    field: String,
    value: Option<String>,
    mend: String,
}

impl ConfigError {
    /// The field, as `issuers[0].algorithms` or `scopes.tools.delete_file`.
    pub fn field(&self) -> &str {
        &self.field
    }

    pub(crate) fn new(field: impl Into<String>, value: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { field: field.into(), value: Some(without_password(value.into())), mend: mend.into() }
    }

    /// For a value that is not there, or must not be shown.
    pub(crate) fn about(field: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { field: field.into(), value: None, mend: mend.into() }
    }
}

/// The value without what may be the user and the password of a URL (RFC 3986 §3.2.1).
fn without_password(value: String) -> String {
    let (scheme, rest) = match value.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), value.as_str()),
    };
    match rest.rsplit_once('@') {
        Some((user, host)) if user.contains(':') => format!("{scheme}…@{host}"),
        _ => value,
    }
}
