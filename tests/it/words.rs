//! Plain English in the source and its tests: words and turns of phrase that make a reader stop have been replaced, and
//! stay out.
//!
//! The test checks comments and texts in quotes. Code counts too: a name is read like a word.

use std::fs;
use std::path::{Path, PathBuf};

/// The folders that are checked, with all folders in them.
const CHECKED: &[&str] = &["src", "tests", "benches", "fuzz/fuzz_targets"];

/// Paths that are not checked: the manual, which `pages` checks, the lists of words, and programs of others.
const UNCHECKED: &[&str] = &[
    "src/docs",
    "tests/it/pages.rs",
    "tests/it/words.rs",
    "tests/interop/.venv",
    "tests/interop/node_modules",
];

/// Persons for machines, everyday words for terms, and vague words; each with a better one.
const WORDS: &[(&str, &str)] = &[
    ("all the same", "leave it out, or write `still`"),
    ("anybody", "anyone, or name the party"),
    ("asked about", "introspected"),
    ("everybody", "everyone, or name the party"),
    ("is none of", "is not"),
    ("mend", "fix"),
    ("nobody", "no caller, no request, `None`"),
    ("service inside", "inner service"),
    ("somebody", "another caller, another thread"),
    ("stands by", "confirms"),
    ("whoever", "name the party"),
    ("whomever", "name the party"),
];

/// Words that begin a relative clause in the place of a subject. A question may begin so.
const OPENINGS: &[&str] = &["Of what", "What", "Whatever", "Whichever", "Who", "Whom"];

/// Texts that must stay as they are, with their file.
const KEPT: &[(&str, &str)] = &[(
    // It is part of the MAC of every seal in use.
    "src/seal.rs",
    r#"OwnerKind::None => "nobody","#,
)];

#[test]
fn no_source_and_no_test_has_a_word_that_was_replaced() {
    let mut broken = Vec::new();
    for path in files() {
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        let lines = lines(&path);
        for (number, line) in &lines {
            let is_kept = |(file, text): &(&str, &str)| *file == name && line.trim() == *text;
            if KEPT.iter().any(is_kept) {
                continue;
            }
            for (word, better) in WORDS.iter().filter(|(word, _)| has(line, word)) {
                broken.push(format!("{name}:{number} has `{word}`: {better}"));
            }
        }
        for (number, sentence) in sentences(&lines) {
            let opening = OPENINGS
                .iter()
                .find(|opening| begins_with(&sentence, opening));
            if let Some(opening) = opening.filter(|_| !sentence.ends_with('?')) {
                broken.push(format!(
                    "{name}:{number} begins a sentence with `{opening}`: {sentence}"
                ));
            }
        }
    }
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files() -> Vec<PathBuf> {
    let mut left: Vec<PathBuf> = CHECKED.iter().map(|folder| root().join(folder)).collect();
    let mut files = Vec::new();
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let is_checked = UNCHECKED
                .iter()
                .all(|unchecked| path != root().join(unchecked));
            let is_source = path
                .extension()
                .is_some_and(|end| end == "rs" || end == "mjs");
            if path.is_dir() && is_checked {
                left.push(path);
            } else if path.is_file() && is_checked && is_source {
                files.push(path);
            }
        }
    }
    assert!(files.len() > 280, "hardly a source was found");
    files
}

/// The lines of a file, each with its number.
fn lines(path: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(path).unwrap();
    (1..).zip(text.lines().map(str::to_owned)).collect()
}

/// The sentences of the comments, each with the line on which its comment begins.
fn sentences(lines: &[(usize, String)]) -> Vec<(usize, String)> {
    let mut comments: Vec<(usize, String)> = Vec::new();
    let mut is_open = false;
    for (number, line) in lines {
        let comment = line
            .trim_start()
            .strip_prefix('/')
            .filter(|rest| rest.starts_with(['/', '*']))
            .map(|rest| rest.trim_matches(['/', '!', '*', ' ']))
            .filter(|comment| !comment.is_empty());
        match comment {
            Some(more) if is_open => {
                let comment = comments.last_mut().unwrap();
                comment.1.push(' ');
                comment.1.push_str(more);
            }
            Some(comment) => comments.push((*number, comment.to_owned())),
            None => {}
        }
        is_open = comment.is_some();
    }
    let of_comment = |(number, comment): (usize, String)| -> Vec<(usize, String)> {
        comment
            .split_inclusive(['.', '?'])
            .map(|sentence| (number, sentence.trim().to_owned()))
            .collect()
    };
    comments.into_iter().flat_map(of_comment).collect()
}

/// Whether a text has these words whole, in any case. Parts of names in camel case or with underscores count as words.
fn has(text: &str, words: &str) -> bool {
    let mut plain = String::from(" ");
    for character in text.chars() {
        if character.is_ascii_uppercase() {
            plain.push(' ');
        }
        plain.push(if character.is_alphanumeric() {
            character.to_ascii_lowercase()
        } else {
            ' '
        });
    }
    let plain: Vec<&str> = plain.split_whitespace().collect();
    format!(" {} ", plain.join(" ")).contains(&format!(" {words} "))
}

fn begins_with(sentence: &str, opening: &str) -> bool {
    sentence
        .strip_prefix(opening)
        .is_some_and(|rest| rest.starts_with(|next: char| !next.is_alphanumeric() && next != '\''))
}
