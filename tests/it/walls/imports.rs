//! Which source file imports which. A name that a door re-exports is that of the file behind it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::source::{Source, branches, is_word};

/// A file's place among the modules: `token/verify.rs` is `["token", "verify"]`, and a door is its room.
type Module = Vec<String>;

pub(super) struct Imports {
    files: HashMap<Module, String>,
    /// The re-exports of each door: from a name to its module.
    doors: HashMap<Module, HashMap<String, Module>>,
}

impl Imports {
    pub(super) fn of(sources: &[Source]) -> Self {
        let files = sources
            .iter()
            .map(|file| (module_of(&file.path), file.path.clone()))
            .collect();
        let doors = sources.iter().map(|file| {
            let module = module_of(&file.path);
            let exported = exports(&file.code).into_iter().filter_map(|path| {
                let name = path.last()?.clone();
                let local = path.strip_prefix(&["crate".to_owned()][..]);
                let place = local.map_or_else(|| [&module[..], &path].concat(), <[String]>::to_vec);
                Some((name, place))
            });
            let exported = exported.collect();
            (module, exported)
        });
        let doors = doors.collect();
        Self { files, doors }
    }

    /// Every pair of files of which one imports the other.
    pub(super) fn edges(&self, sources: &[Source]) -> BTreeMap<String, BTreeSet<String>> {
        let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for file in sources {
            let module = module_of(&file.path);
            let own = self.used_children(file, &module);
            let from_the_root = file.paths(&module);
            for path in from_the_root.into_iter().chain(own) {
                if let Some(there) = self.file_of(&path).filter(|there| **there != file.path) {
                    edges
                        .entry(file.path.clone())
                        .or_default()
                        .insert(there.clone());
                }
            }
        }
        edges
    }

    /// The file that a path from the root leads to.
    fn file_of(&self, path: &[String]) -> Option<&String> {
        let end = (0..=path.len())
            .rev()
            .find(|end| self.files.contains_key(&path[..*end]))?;
        let module = &path[..end];
        let exported = path
            .get(end)
            .and_then(|name| self.doors.get(module)?.get(name));
        match exported {
            Some(place) if place[..] != path[..=end] => self.file_of(place),
            _ => self.files.get(module),
        }
    }

    /// The files behind a door that it uses itself, besides its re-exports.
    fn used_children(&self, file: &Source, module: &[String]) -> Vec<Module> {
        let code = without_exports(&file.code);
        let mut used = Vec::new();
        for child in self
            .files
            .keys()
            .filter(|child| child.len() == module.len() + 1)
        {
            let Some((name, _)) = child.split_last().filter(|(_, parent)| *parent == module) else {
                continue;
            };
            let path = format!("{name}::");
            for (start, _) in code.match_indices(&path) {
                let before = code[..start].chars().next_back();
                if !before.is_some_and(|before| is_word(before) || before == ':') {
                    used.extend(
                        branches(&code[start..])
                            .into_iter()
                            .map(|path| [module, &path].concat()),
                    );
                }
            }
        }
        used
    }
}

pub(super) fn module_of(path: &str) -> Module {
    let path = path.strip_suffix(".rs").unwrap_or(path);
    let path = path.strip_suffix("/mod").unwrap_or(path);
    if path == "lib" {
        Vec::new()
    } else {
        path.split('/').map(str::to_owned).collect()
    }
}

/// The begin and the end of each `pub use` and `pub(crate) use`.
fn export_statements(code: &str) -> Vec<(usize, usize)> {
    let mut statements = Vec::new();
    for word in ["pub use ", "pub(crate) use ", "pub(super) use "] {
        for (start, _) in code.match_indices(word) {
            let end = code[start..]
                .find(';')
                .map_or(code.len(), |end| start + end);
            statements.push((start, end));
        }
    }
    statements
}

fn exports(code: &str) -> Vec<Module> {
    let statements = export_statements(code).into_iter();
    let paths = statements.filter_map(|(start, end)| {
        code[start..end]
            .split_once(" use ")
            .or_else(|| code[start..end].split_once("use "))
    });
    paths.flat_map(|(_, path)| branches(path)).collect()
}

fn without_exports(code: &str) -> String {
    let mut code = code.to_owned();
    for (start, end) in export_statements(&code.clone()) {
        code.replace_range(start..end, &" ".repeat(end - start));
    }
    code
}
