//! Reads `src/` as the walls want it: code alone, without tests, comments and texts in quotes.
#![allow(
    clippy::expect_used,
    clippy::string_slice,
    reason = "it cuts where it found something, and a source it cannot read should fail the test"
)]

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A source file without its test modules, its comments and the insides of its strings. Lines keep their numbers.
pub(super) struct Source {
    /// Below `src/`.
    pub(super) path: String,
    pub(super) code: String,
    /// The texts in quotes, each with its line.
    pub(super) texts: Vec<(usize, String)>,
}

impl Source {
    /// The module directly below the crate's root that the file belongs to.
    pub(super) fn top(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    pub(super) fn stem(&self) -> &str {
        Path::new(&self.path)
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default()
    }

    pub(super) fn is_in(&self, module: &str) -> bool {
        self.top() == module
    }

    pub(super) fn line_of(&self, name: &str) -> Option<usize> {
        let found = self.code.lines().position(|line| is_named_in(name, line));
        found.map(|line| line + 1)
    }

    /// Every type and trait that is declared, with its line.
    pub(super) fn types(&self) -> Vec<(usize, String)> {
        let declared = |line: &str| {
            let mut words = line
                .split_whitespace()
                .skip_while(|word| word.starts_with("pub"));
            // Between them there may be a path: `pub(in crate::stream)`.
            let keyword = words.find(|word| !word.ends_with(')'))?;
            let name = words
                .next()
                .filter(|_| ["struct", "enum", "trait"].contains(&keyword))?;
            name.split(|character| !is_word(character))
                .next()
                .map(str::to_owned)
        };
        let lines = self.code.lines().zip(1..);
        lines
            .filter_map(|(line, number)| Some((number, declared(line)?)))
            .collect()
    }

    /// Every path that starts at the crate's root, by `crate::` or by enough `super::`, with its line.
    pub(super) fn paths_from_the_root(&self) -> Vec<(usize, Vec<String>)> {
        let depth = self.path.trim_end_matches("/mod.rs").split('/').count();
        let mut paths = Vec::new();
        for (start, _) in self
            .code
            .match_indices("crate::")
            .chain(self.code.match_indices("super::"))
        {
            let before = self.code[..start].chars().next_back();
            if before.is_some_and(|before| is_word(before) || before == ':') {
                continue;
            }
            let mut rest = &self.code[start..];
            let mut ups = 0;
            while let Some(tail) = rest.strip_prefix("super::") {
                (rest, ups) = (tail, ups + 1);
            }
            let from_the_root = match rest.strip_prefix("crate::") {
                Some(tail) if ups == 0 => Some(tail),
                _ => (ups == depth).then_some(rest),
            };
            let line = self.code[..start].matches('\n').count() + 1;
            paths.extend(
                from_the_root
                    .into_iter()
                    .flat_map(branches)
                    .map(|path| (line, path)),
            );
        }
        paths
    }
}

impl Source {
    /// Every path in the code from the crate's root, by `crate::`, `super::` or `self::`.
    pub(super) fn paths(&self, module: &[String]) -> Vec<Vec<String>> {
        let mut paths = Vec::new();
        for word in ["crate::", "super::", "self::"] {
            for (start, _) in self.code.match_indices(word) {
                let before = self.code[..start].chars().next_back();
                if before.is_some_and(|before| is_word(before) || before == ':') {
                    continue;
                }
                let (mut rest, mut ups) = (&self.code[start..], 0);
                while let Some(tail) = rest.strip_prefix("super::") {
                    (rest, ups) = (tail, ups + 1);
                }
                let base = match rest.strip_prefix("crate::") {
                    Some(tail) => {
                        rest = tail;
                        &[][..]
                    }
                    None => &module[..module.len().saturating_sub(ups)],
                };
                let rest = rest.strip_prefix("self::").unwrap_or(rest);
                paths.extend(
                    branches(rest)
                        .into_iter()
                        .map(|path| [base, &path].concat()),
                );
            }
        }
        paths
    }
}

/// `token::{Principal, keys::{A, B}}` is three paths. `*` counts as a name; `as` ends a path.
pub(super) fn branches(text: &str) -> Vec<Vec<String>> {
    let mut path = Vec::new();
    let mut rest = text.trim_start();
    loop {
        if let Some(group) = rest.strip_prefix('{') {
            let inner = &group[..closing(group)];
            return split_at_depth_0(inner)
                .flat_map(branches)
                .map(|branch| path.iter().cloned().chain(branch).collect())
                .collect();
        }
        let end = rest.find(|c| !is_word(c) && c != '*').unwrap_or(rest.len());
        path.push(rest[..end].to_owned());
        match rest[end..].strip_prefix("::") {
            Some(tail) => rest = tail.trim_start(),
            None => return vec![path],
        }
    }
}

fn split_at_depth_0(list: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0;
    let pieces = list.split(move |c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    });
    pieces.map(str::trim).filter(|piece| !piece.is_empty())
}

/// The position of the brace that closes the one opened just before.
fn closing(text: &str) -> usize {
    let mut depth = 1;
    for (position, c) in text.char_indices() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        if depth == 0 {
            return position;
        }
    }
    text.len()
}

pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

pub(super) fn is_named_in(name: &str, line: &str) -> bool {
    words(line).any(|word| word == name)
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c| !is_word(c))
}

/// `Principal` → `token`, and so on: what `lib.rs` re-exports is a way round a wall as well.
pub(super) fn exported_by_the_crate() -> HashMap<String, String> {
    let root = sources()
        .into_iter()
        .find(|file| file.path == "lib.rs")
        .expect("src/lib.rs");
    let exports = root
        .code
        .match_indices("pub use ")
        .flat_map(|(start, word)| branches(&root.code[start + word.len()..]));
    exports
        .filter_map(|mut path| Some((path.pop()?, path.into_iter().next()?)))
        .collect()
}

/// Every file below `src/` that is not a test.
pub(super) fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    let mut tests = HashSet::new();
    let mut found = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path).expect("a source file is UTF-8");
        let (code, texts) = without_comments_and_texts(&text);
        let (code, test_files) = without_tests(&code);
        let lines: Vec<_> = code.lines().collect();
        let is_code = |line: usize| lines.get(line - 1).is_some_and(|line| line.contains(BLANK));
        let texts = texts
            .into_iter()
            .filter(|(line, _)| is_code(*line))
            .collect();
        let module = if path.ends_with("mod.rs") || path.ends_with("lib.rs") {
            path.parent().expect("a file has a folder").to_owned()
        } else {
            path.with_extension("")
        };
        tests.extend(test_files.iter().map(|name| module.join(name)));
        found.push((path, code, texts));
    }
    found.retain(|(path, ..)| {
        !path
            .ancestors()
            .any(|part| tests.contains(&part.with_extension("")))
    });
    let below = |path: PathBuf| {
        path.strip_prefix(&root)
            .expect("it is below src/")
            .to_string_lossy()
            .replace('\\', "/")
    };
    let source = |(path, code, texts)| Source {
        path: below(path),
        code,
        texts,
    };
    let sources: Vec<_> = found.into_iter().map(source).collect();
    assert!(
        !sources.is_empty(),
        "no source was found below {}",
        root.display()
    );
    sources
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a source folder can be read") {
        let path = entry.expect("a folder entry can be read").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Blanks out `#[cfg(test)] mod … { … }`, and names the modules of `#[cfg(test)] mod …;`.
fn without_tests(code: &str) -> (String, Vec<String>) {
    const MARK: &str = "#[cfg(test)]";
    let (mut kept, mut elsewhere, mut rest) = (String::new(), Vec::new(), code);
    while let Some(start) = rest.find(MARK) {
        let after = &rest[start + MARK.len()..];
        let item = after.trim_start().trim_start_matches("pub(crate) ");
        let end = after.find(['{', ';']).map_or(after.len(), |end| end + 1);
        let end = if after[..end].ends_with('{') {
            end + closing(&after[end..]) + 1
        } else {
            end
        };
        if let Some(name) = item.strip_prefix("mod ") {
            let name = words(name).next().unwrap_or_default();
            elsewhere.extend(after[..end].ends_with(';').then(|| name.to_owned()));
        }
        kept.push_str(&rest[..start]);
        kept.extend(after[..end].chars().filter(|&c| c == '\n'));
        rest = &after[end..];
    }
    (kept + rest, elsewhere)
}

/// Stands in the place of a text in quotes.
const BLANK: &str = "\"\"";

/// Leaves every line where it is, of comments nothing, and of texts in quotes the quotes. Returns the texts beside it,
/// each with its line.
fn without_comments_and_texts(text: &str) -> (String, Vec<(usize, String)>) {
    let mut code = String::new();
    let mut texts = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let hashes = rest
            .strip_prefix('r')
            .map_or(0, |tail| tail.len() - tail.trim_start_matches('#').len());
        let raw = rest
            .get(1 + hashes..)
            .is_some_and(|tail| rest.starts_with('r') && tail.starts_with('"'));
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if raw && !code.ends_with(is_word) {
            let close = format!("\"{}", "#".repeat(hashes));
            let opened = hashes + 2;
            rest[opened..]
                .find(&close)
                .map_or(rest.len(), |end| opened + end + close.len())
        } else if c == '"' {
            quoted(rest, '"')
        } else if c == '\'' {
            // `'a` is a lifetime, `'a'` a character.
            let mut next = rest.chars().skip(1);
            match (next.next(), next.next()) {
                (Some('\\'), _) | (Some(_), Some('\'')) => quoted(rest, '\''),
                _ => 0,
            }
        } else {
            0
        };
        if skipped == 0 {
            code.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            let skipped_text = &rest[..skipped];
            if !skipped_text.starts_with(['/', '\'']) {
                let inside = skipped_text
                    .trim_start_matches('r')
                    .trim_matches('#')
                    .trim_matches('"');
                texts.push((code.matches('\n').count() + 1, inside.to_owned()));
                code.push_str(BLANK);
            }
            code.extend(skipped_text.chars().filter(|&c| c == '\n'));
            rest = &rest[skipped..];
        }
    }
    (code, texts)
}

/// The length of a text in quotes, both included.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (position, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return position + 1,
            _ => {}
        }
    }
    text.len()
}
