//! The error of a failed build: every value that is wrong, and how to fix it.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// The error of a failed build: every wrong value of the configuration.
///
/// Returned by [`Builder::build`](crate::Builder::build) and [`Toolgate::reload`](crate::Toolgate::reload). `Display`
/// and `Debug` show the same text, one line for each problem: the field as the configuration file names it, the value,
/// and how to fix it. No secret is shown.
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

/// One wrong value of a configuration.
///
/// Its [`source`](Error::source) is the underlying error, if there is one: a file could not be read, say, or an HTTP client
/// could not be built.
#[derive(Clone)]
pub struct ConfigProblem {
    field: String,
    value: Option<String>,
    kind: ConfigProblemKind,
    fix: String,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// The way in which a value is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConfigProblemKind {
    /// The value is required and absent.
    Missing,
    /// The value is not one of those allowed here.
    NotAllowed,
    /// The value is given twice.
    Duplicate,
    /// The value contradicts another one.
    Conflict,
    /// The value refers to something that cannot be read: a file, a variable, the system's source of randomness.
    Unreadable,
}

impl ConfigError {
    /// Every value that is wrong: always at least one, in the order in which they were found.
    pub fn problems(&self) -> &[ConfigProblem] {
        &self.problems
    }
}

impl ConfigProblem {
    /// The path of the field in a configuration, such as `issuers[0].algorithms` or `scopes.tools.delete_file`.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// The value, with any password of a URL left out. `None` if no value was given, or if it is a secret.
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }

    /// The way in which the value is wrong.
    pub fn kind(&self) -> ConfigProblemKind {
        self.kind
    }

    /// The way to fix the value, as a sentence for the operator.
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

    /// Adds the value to the text. Not for secrets.
    pub(crate) fn showing(self, value: impl Into<String>) -> Self {
        Self {
            value: Some(without_password(value.into())),
            ..self
        }
    }

    /// Adds the underlying error. Its text is shown too, and its `Debug` can be, so neither may contain a secret.
    pub(crate) fn because(self, source: impl Error + Send + Sync + 'static) -> Self {
        Self {
            source: Some(Arc::new(source)),
            ..self
        }
    }

    fn is_same_as(&self, other: &Self) -> bool {
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

/// Shows the same as [`Display`](fmt::Display), because a `main` that returns this error prints its `Debug`.
impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Has no `source()`: the text contains the underlying errors already, and each problem has its own `source()`.
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

/// Shows the same as [`Display`](fmt::Display).
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

/// Collects the problems of a configuration while the rest of it is still being read.
#[derive(Default)]
pub(crate) struct Problems {
    found: Vec<ConfigProblem>,
    /// Texts that stand in for values that could not be read.
    stand_ins: Vec<String>,
    /// Fields whose value is that of a variable, and the name of the variable.
    variables: Vec<(String, String)>,
    /// The table that has the fields of these names for now, in place of the top level.
    table: Option<(String, &'static [&'static str])>,
}

/// Takes the place of a value that could not be read. It proves that the problem was added to [`Problems`], which alone
/// can make one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flawed(());

impl Problems {
    /// Adds a problem, unless the same one was found already, or it is one of a text that stands in for a value.
    pub(crate) fn add(&mut self, mut problem: ConfigProblem) -> Flawed {
        problem.field = self.whole_path(problem.field);
        let is_of_stand_in = self.stand_ins.iter().any(|text| {
            let value = problem.value.as_ref();
            value.is_some_and(|value| value.contains(text)) || problem.fix.contains(text)
        });
        let mut variables = self.variables.iter();
        if let Some((_, name)) = variables.find(|(field, _)| *field == problem.field) {
            problem.fix += &format!(" (the value is that of the variable {name})");
        }
        if !is_of_stand_in && !self.found.iter().any(|held| held.is_same_as(&problem)) {
            self.found.push(problem);
        }
        Flawed(())
    }

    /// Adds no further problem that shows this text. It stands in for a value that could not be read, which is a problem
    /// already.
    pub(crate) fn leave_out(&mut self, stand_in: String) {
        self.stand_ins.push(stand_in);
    }

    /// Whether this text stands in for a value that could not be read.
    pub(crate) fn stands_in(&self, text: &str) -> Option<Flawed> {
        let mut stand_ins = self.stand_ins.iter();
        stand_ins
            .any(|stand_in| stand_in == text)
            .then_some(Flawed(()))
    }

    /// Whether this field has a problem already.
    pub(crate) fn of(&self, field: &str) -> Option<Flawed> {
        let field = self.whole_path(field.to_owned());
        let mut found = self.found.iter();
        found
            .any(|problem| problem.field == field)
            .then_some(Flawed(()))
    }

    /// Runs a check whose problems name these fields as fields of the table.
    pub(crate) fn within<T>(
        &mut self,
        table: String,
        fields: &'static [&'static str],
        check: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let outer = self.table.replace((table, fields));
        let checked = check(self);
        self.table = outer;
        checked
    }

    fn whole_path(&self, field: String) -> String {
        let first = field.split(['.', '[']).next().unwrap_or_default();
        match &self.table {
            Some((table, fields)) if fields.contains(&first) => format!("{table}.{field}"),
            _ => field,
        }
    }

    /// Names the variable in all further problems of this field.
    pub(crate) fn set_by(&mut self, field: String, variable: String) {
        self.variables.push((field, variable));
    }

    /// Adds the problem of a failed read; passes a successful one on.
    pub(crate) fn keep<T>(&mut self, read: Result<T, ConfigProblem>) -> Result<T, Flawed> {
        read.map_err(|problem| self.add(problem))
    }

    /// Adds the problems that were found elsewhere, and what they say about the values.
    pub(crate) fn extend(&mut self, other: Self) {
        self.stand_ins.extend(other.stand_ins);
        self.variables.extend(other.variables);
        self.found.extend(other.found);
    }

    /// Returns the value if no problem was found, and otherwise all of the problems.
    pub(crate) fn finish<T>(self, value: Result<T, Flawed>) -> Result<T, ConfigError> {
        match value {
            Ok(value) if self.found.is_empty() => Ok(value),
            _ => Err(ConfigError {
                problems: self.found,
            }),
        }
    }
}

/// Collects the values if all of them could be read. It reads every one of them even after a failure, so that all problems
/// are found.
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

/// Replaces the user and the password of a URL (RFC 3986 §3.2.1) by an ellipsis.
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
