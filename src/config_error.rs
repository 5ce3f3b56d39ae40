//! Why no gate could be built: every value that is wrong, and how to fix it.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// All the values that no gate can be made from.
///
/// Its text, and its `Debug` alike, has a line for each of them: the field as the configuration file names it, the
/// value, and how to fix it. It never shows a secret.
///
/// ```
/// use toolgate::{ScopeMap, Toolgate};
///
/// let wrong = Toolgate::builder("mcp").scopes(ScopeMap::allow_unlisted()).build().unwrap_err();
/// let fields: Vec<_> = wrong.problems().iter().map(|problem| problem.field()).collect();
/// assert_eq!(fields, ["resource", "issuers"]);
/// ```
#[derive(Clone)]
pub struct ConfigError {
    /// At least one.
    problems: Vec<ConfigProblem>,
}

/// One value that no gate can be made from.
///
/// Its [`source`](Error::source) is the error behind it, where there is one: of a file that cannot be read, of an HTTP
/// client that cannot be built.
#[derive(Clone)]
pub struct ConfigProblem {
    field: String,
    value: Option<String>,
    kind: ConfigProblemKind,
    fix: String,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// What is wrong with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConfigProblemKind {
    /// It is needed, and is not there.
    Missing,
    /// No gate can have this value.
    NotAllowed,
    /// It is there twice.
    Duplicate,
    /// It contradicts another value.
    Conflict,
    /// What it refers to cannot be read: a file, a variable, the system's randomness.
    Unreadable,
}

impl ConfigError {
    /// Every value that is wrong, at least one.
    pub fn problems(&self) -> &[ConfigProblem] {
        &self.problems
    }
}

impl ConfigProblem {
    /// The field, as `issuers[0].algorithms` or `scopes.tools.delete_file`.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// The value, without a password in it. `None` where there is none, or where it must not be shown.
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }

    /// What is wrong with it.
    pub fn kind(&self) -> ConfigProblemKind {
        self.kind
    }

    /// How to fix it, in a sentence for the operator.
    pub fn fix(&self) -> &str {
        &self.fix
    }

    pub(crate) fn missing(field: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(ConfigProblemKind::Missing, field, fix)
    }

    pub(crate) fn not_allowed(field: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(ConfigProblemKind::NotAllowed, field, fix)
    }

    pub(crate) fn duplicate(field: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(ConfigProblemKind::Duplicate, field, fix)
    }

    pub(crate) fn conflict(field: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(ConfigProblemKind::Conflict, field, fix)
    }

    pub(crate) fn unreadable(field: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(ConfigProblemKind::Unreadable, field, fix)
    }

    fn new(kind: ConfigProblemKind, field: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            value: None,
            kind,
            fix: fix.into(),
            source: None,
        }
    }

    /// Shows the value. Not for secrets.
    pub(crate) fn showing(self, value: impl Into<String>) -> Self {
        Self {
            value: Some(without_password(value.into())),
            ..self
        }
    }

    /// Keeps the error behind it. Its text is shown too, and its `Debug` can be: neither may have a secret in it.
    pub(crate) fn because(self, source: impl Error + Send + Sync + 'static) -> Self {
        Self {
            source: Some(Arc::new(source)),
            ..self
        }
    }

    fn says_the_same_as(&self, other: &Self) -> bool {
        (&self.field, &self.value, self.kind, &self.fix)
            == (&other.field, &other.value, other.kind, &other.fix)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [problem] = self.problems.as_slice() {
            return problem.fmt(f);
        }
        write!(f, "{} values are wrong:", self.problems.len())?;
        self.problems
            .iter()
            .try_for_each(|problem| write!(f, "\n{problem}"))
    }
}

/// As [`Display`](fmt::Display): it is what a `main` that returns this error prints.
impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// It has no `source()`: what is behind each of the problems is in the text already, and in their own `source()`.
impl Error for ConfigError {}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", on_one_line(&self.field))?;
        if let Some(value) = &self.value {
            write!(f, " is {value:?}")?;
        }
        let mut source = self.source();
        while let Some(cause) = source {
            write!(f, ": {}", on_one_line(&cause.to_string()))?;
            source = cause.source();
        }
        write!(f, ": {}", on_one_line(&self.fix))
    }
}

/// As [`Display`](fmt::Display).
impl fmt::Debug for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for ConfigProblem {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn Error + 'static))
    }
}

/// The problems found so far, while the rest is still looked at.
#[derive(Default)]
pub(crate) struct Problems(Vec<ConfigProblem>);

/// Stands for a value that could not be read, and whose problem is among the [`Problems`]. Only they make one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flawed(());

impl Problems {
    /// Keeps a problem. One that is found in two places is told once.
    pub(crate) fn add(&mut self, problem: ConfigProblem) -> Flawed {
        if !self.0.iter().any(|held| held.says_the_same_as(&problem)) {
            self.0.push(problem);
        }
        Flawed(())
    }

    /// Keeps what is wrong, or hands on what was read.
    pub(crate) fn keep<T>(&mut self, read: Result<T, ConfigProblem>) -> Result<T, Flawed> {
        read.map_err(|problem| self.add(problem))
    }

    /// The value that everything was read for, if nothing at all was wrong.
    pub(crate) fn finish<T>(self, value: Result<T, Flawed>) -> Result<T, ConfigError> {
        match value {
            Ok(value) if self.0.is_empty() => Ok(value),
            _ => Err(ConfigError { problems: self.0 }),
        }
    }
}

/// All of them, each read whether or not the ones before could be.
pub(crate) fn all<T, C: Default + Extend<T>>(
    read: impl Iterator<Item = Result<T, Flawed>>,
) -> Result<C, Flawed> {
    let mut held = Ok(C::default());
    for next in read {
        match next {
            Ok(next) => {
                if let Ok(held) = &mut held {
                    held.extend([next]);
                }
            }
            Err(flawed) => held = Err(flawed),
        }
    }
    held
}

fn on_one_line(text: &str) -> String {
    let mut line = String::new();
    for character in text.chars() {
        match character.is_control() {
            true => line.extend(character.escape_default()),
            false => line.push(character),
        }
    }
    line
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
