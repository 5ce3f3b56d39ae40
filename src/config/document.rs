//! A configuration as it was written: the values of a file, before they have types.

use serde::de::{Deserializer, Visitor};

/// A value of a configuration file. It has no `Debug`, since it may hold a secret.
#[derive(Clone, Default, PartialEq)]
pub(super) enum Node {
    #[default]
    Null,
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Text(String),
    /// The name of a variable that holds a text: `{ env = "NAME" }`.
    Variable(String),
    /// The text of a variable. It is read as the type of its field requires.
    Given(String),
    List(Vec<Node>),
    Table(Vec<(String, Node)>),
}

/// One step from a value to a value in it.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum PathStep {
    Field(String),
    Entry(usize),
}

/// The field of a table that names a variable.
pub(super) const ENV: &str = "env";

/// The placeholder for the text of a variable, until the variable is read.
pub(super) fn stand_in(variable: &str) -> String {
    format!("(the variable {variable})")
}

/// The path of a field as errors show it: `issuers[0].audiences[1]`.
pub(super) fn shown(path: &[PathStep]) -> String {
    let mut field = String::new();
    for step in path {
        match step {
            PathStep::Entry(position) => field += &format!("[{position}]"),
            PathStep::Field(name) if field.is_empty() => field += name,
            PathStep::Field(name) => field += &format!(".{name}"),
        }
    }
    field
}

/// The name by which a type requests to get its values as they are written: for this type, `{ env = "NAME" }` is a
/// table, and not a text.
const AS_WRITTEN: &str = "toolgate::AsWritten";

/// Reads a type that reads tables itself. Its visitor passes `visit_newtype_struct` on to `deserialize_any`.
pub(super) fn as_written<'de, D: Deserializer<'de>, V: Visitor<'de>>(
    deserializer: D,
    visitor: V,
) -> Result<V::Value, D::Error> {
    deserializer.deserialize_newtype_struct(AS_WRITTEN, visitor)
}

pub(super) fn is_as_written(name: &str) -> bool {
    name == AS_WRITTEN
}

impl Node {
    /// Every text that a variable holds: its path, and the name of the variable.
    pub(super) fn variables(&self) -> Vec<(Vec<PathStep>, &str)> {
        let mut found = Vec::new();
        self.visit(&mut Vec::new(), &mut |path, node| {
            if let Self::Variable(name) = node {
                found.push((path.to_vec(), name.as_str()));
            }
        });
        found
    }

    /// The fields whose text a variable holds.
    pub(super) fn variable_fields(&self) -> Vec<String> {
        let variables = self.variables().into_iter();
        variables.map(|(path, _)| shown(&path)).collect()
    }

    /// Whether the file itself names this variable, for a text or for a secret.
    pub(super) fn names(&self, variable: &str) -> bool {
        let mut is_named = false;
        self.visit(&mut Vec::new(), &mut |_, node| match node {
            Self::Variable(name) => is_named |= name == variable,
            Self::Table(members) => {
                if let [(key, Self::Text(name))] = members.as_slice() {
                    is_named |= key == ENV && name == variable;
                }
            }
            _ => {}
        });
        is_named
    }

    fn visit<'a>(&'a self, path: &mut Vec<PathStep>, seen: &mut impl FnMut(&[PathStep], &'a Self)) {
        seen(path, self);
        let mut enter = |step, node: &'a Self| {
            path.push(step);
            node.visit(path, seen);
            path.pop();
        };
        match self {
            Self::Table(members) => members
                .iter()
                .for_each(|(name, node)| enter(PathStep::Field(name.clone()), node)),
            Self::List(items) => items
                .iter()
                .enumerate()
                .for_each(|(at, node)| enter(PathStep::Entry(at), node)),
            _ => {}
        }
    }

    /// The field of a table. `None` if this is not a table, or has no such field.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        let Self::Table(members) = self else {
            return None;
        };
        let member = members.iter().find(|(key, _)| key == name);
        member.map(|(_, node)| node)
    }

    /// Puts a value at a path, in tables that it makes if they are missing. It returns `false` if the path leads
    /// through a value that is not a table.
    pub(super) fn put(&mut self, path: &[PathStep], value: Self) -> bool {
        let Some((step, rest)) = path.split_first() else {
            *self = value;
            return true;
        };
        match (self, step) {
            (Self::List(items), PathStep::Entry(at)) => {
                items.get_mut(*at).is_some_and(|node| node.put(rest, value))
            }
            (Self::Table(members), PathStep::Field(name)) => {
                if let Some((_, node)) = members.iter_mut().find(|(key, _)| key == name) {
                    return node.put(rest, value);
                }
                let mut node = Self::Null;
                let is_put = node.put(rest, value);
                members.push((name.clone(), node));
                is_put
            }
            (node @ Self::Null, PathStep::Field(_)) => {
                *node = Self::Table(Vec::new());
                node.put(path, value)
            }
            _ => false,
        }
    }
}
