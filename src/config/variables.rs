//! Puts variables of the environment in their place in a configuration.

use std::ffi::OsString;

use serde::Deserialize;

use super::document::{Node, PathStep, shown, stand_in};
use super::issuers::in_variables;
use super::replay::{Mismatch, Replay};
use super::secret::variable;
use super::settings::Settings;
use crate::config_error::{ConfigProblem, Problems};

/// Reads the settings from a recorded configuration.
pub(super) fn typed(document: &Node) -> Result<Settings, Mismatch> {
    Settings::deserialize(Replay::new(document))
}

/// Reads the variables that the file names in place of texts. If one cannot be read, it is reported, and a placeholder
/// takes its place, so that the other values can still be checked.
pub(super) fn read_named(document: &mut Node, problems: &mut Problems) {
    let named = document.variables().into_iter();
    let named: Vec<_> = named.map(|(path, name)| (path, name.to_owned())).collect();
    for (path, name) in named {
        let field = shown(&path);
        match variable(&field, &name) {
            Ok(text) => match put(document, &path, Node::Given(text)) {
                Ok(()) => problems.set_by(field, name),
                Err(why) => {
                    problems.add(of_variable(&field, &name, why.to_string()));
                }
            },
            Err(problem) => {
                problems.add(problem);
                problems.leave_out(stand_in(&name));
            }
        }
    }
}

/// The outcome of [`override_fields`].
#[derive(Debug, Clone, Default)]
pub(super) struct Overrides {
    problems: Vec<ConfigProblem>,
    /// Fields, and the variables that set them.
    set: Vec<(String, String)>,
}

impl Overrides {
    pub(super) fn report(&self, problems: &mut Problems) {
        for problem in &self.problems {
            problems.add(problem.clone());
        }
        for (field, variable) in &self.set {
            problems.set_by(field.clone(), variable.clone());
        }
    }
}

/// Sets the fields that variables with this prefix name.
pub(super) fn override_fields(
    document: &mut Node,
    prefix: &str,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    overrides: &mut Overrides,
) {
    let variables = variables.into_iter();
    let mut variables: Vec<_> = variables
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value))
        .collect();
    variables.sort();
    for (name, value) in variables {
        let rest = name.strip_prefix(prefix);
        let Some(rest) = rest.and_then(|rest| rest.strip_prefix('_')) else {
            continue;
        };
        // A file may give its own variables the same prefix.
        if document.names(&name) {
            continue;
        }
        match override_field(document, &name, rest, value.clone()) {
            Ok(field) => overrides.set.push((field, name)),
            Err(problem) => {
                let meant = meant(document, rest, &value).map(|meant| {
                    let fix = format!("did you mean {prefix}_{meant}, with two underscores?");
                    of_variable(&rest.to_ascii_lowercase(), &name, fix)
                });
                overrides.problems.push(meant.unwrap_or(problem));
            }
        }
    }
}

/// The name that sets a field if one or two more of its underscores are doubled.
fn meant(document: &Node, rest: &str, value: &OsString) -> Option<String> {
    let once = doubled(rest);
    let twice = once.iter().flat_map(|name| doubled(name));
    once.iter()
        .cloned()
        .chain(twice)
        .find(|name| override_field(&mut document.clone(), name, name, value.clone()).is_ok())
}

/// The names in which one underscore that stands alone is doubled.
fn doubled(name: &str) -> Vec<String> {
    let parts = name.match_indices('_').map(|(at, _)| name.split_at(at));
    let alone = parts.filter(|(before, after)| !before.ends_with('_') && !after.starts_with("__"));
    alone
        .map(|(before, after)| format!("{before}_{after}"))
        .collect()
}

/// Sets the field that one variable names, and returns the field.
fn override_field(
    document: &mut Node,
    variable: &str,
    rest: &str,
    value: OsString,
) -> Result<String, ConfigProblem> {
    let path = path_of(document, variable, rest)?;
    let field = shown(&path);
    let wrong = |fix: &str| of_variable(&field, variable, fix);
    let text = value.into_string().map_err(|_| {
        let problem = ConfigProblem::unreadable(&*field, "it is not UTF-8: set it to text");
        problem.showing(place(variable))
    })?;
    let given = Node::Given(text);
    // If the field may have any name, it is in a table whose names the operator chooses.
    let is_free = (1..path.len()).any(|at| {
        let mut any = path.clone();
        let is_name_of_issuer =
            at == 1 && path.first() == Some(&PathStep::Field(ISSUERS.to_owned()));
        if let Some(step) = any.get_mut(at) {
            *step = PathStep::Field("\0".to_owned());
        }
        !is_name_of_issuer && put(&mut document.clone(), &any, given.clone()).is_ok()
    });
    if is_free {
        let fix =
            "this table has names of your own, which no variable can spell: set it in the file";
        return Err(wrong(fix));
    }
    put(document, &path, given).map_err(|why| {
        let takes_a_list = put(&mut document.clone(), &path, Node::List(Vec::new())).is_ok();
        match takes_a_list {
            true => wrong("no variable can set a list: set it in the file"),
            false => wrong(&why.to_string()),
        }
    })?;
    Ok(field)
}

const ISSUERS: &str = "issuers";

/// The path of the field that a variable names after its prefix: `ISSUERS__MAIN__JWKS_URI`.
fn path_of(document: &Node, variable: &str, rest: &str) -> Result<Vec<PathStep>, ConfigProblem> {
    let mut names: Vec<String> = rest.split("__").map(str::to_ascii_lowercase).collect();
    let field = names.join(".");
    if rest.bytes().any(|byte| byte.is_ascii_lowercase()) {
        return Err(of_variable(&field, variable, "write it in upper case"));
    }
    if let [table, name, _, ..] = names.as_mut_slice()
        && table == ISSUERS
    {
        let named = match document.get(ISSUERS) {
            Some(Node::Table(named)) => named.as_slice(),
            _ => &[],
        };
        let mut named = named.iter().map(|(written, _)| written);
        match named.find(|written| in_variables(written) == in_variables(name)) {
            Some(written) => name.clone_from(written),
            None => {
                let fix = format!(
                    "variables reach only issuers that the file names: write [issuers.{name}] there"
                );
                return Err(of_variable(&field, variable, fix));
            }
        }
    }
    Ok(names.into_iter().map(PathStep::Field).collect())
}

/// Puts a value in its place, if it is of the type of its field.
fn put(document: &mut Node, path: &[PathStep], value: Node) -> Result<(), Mismatch> {
    let mut changed = document.clone();
    if !changed.put(path, value) {
        return Err(Mismatch::no_such_field());
    }
    typed(&changed)?;
    *document = changed;
    Ok(())
}

/// The value is not shown: it may be a secret that was put into the wrong variable.
fn of_variable(field: &str, variable: &str, fix: impl Into<String>) -> ConfigProblem {
    ConfigProblem::not_allowed(field, fix).showing(place(variable))
}

fn place(variable: &str) -> String {
    format!("the variable {variable}")
}
