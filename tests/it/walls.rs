//! The walls of the house: which part of `src/` may know of which, and of which crate.
//!
//! The compiler enforces none of this, and each wall is easily broken by one `use`. They are what makes
//! the crate readable room by room: `layer → path → token, call, policy, answer → nouns`, and never back.

mod source;

use source::{Source, exported_by_the_crate, is_named_in, sources};

/// The rooms, and what stands above them. Nouns know none of these.
const ABOVE_THE_NOUNS: &[&str] =
    &["token", "call", "policy", "answer", "decision", "path", "layer", "explain", "gate", "config"];
const NOUNS: &[&str] =
    &["refusal", "scope", "resource_uri", "resource_name", "clock", "config_error", "current", "list"];

/// What a room yields, and another takes: (who takes it, from where, which names).
const HANDED_ON: &[(&str, &str, &[&str])] = &[
    ("policy", "call", &["Call", "Calls", "MessageKind", "Target"]),
    ("policy", "token", &["Principal"]),
    ("decision", "call", &["Calls", "Target"]),
    ("decision", "token", &["Known", "Principal"]),
];

/// A crate, where it may be named, and why only there.
type Wall<'a> = (&'a str, &'a dyn Fn(&Source) -> bool, &'a str);

/// Long enough to say one thing, short enough to read at once.
const MAX_LINES: usize = 350;

#[test]
fn a_crate_behind_a_wall_is_named_only_where_the_wall_has_its_door() {
    let in_token = |file: &Source| file.is_in("token");
    let reads_bodies =
        |file: &Source| ["layer", "path", "call", "answer"].iter().any(|door| file.is_in(door));
    let is_a_cache = |file: &Source| file.stem().contains("cache");
    let walls: [Wall; 6] = [
        ("jsonwebtoken", &in_token, "only token/ knows what a JWT is"),
        ("aws_lc_rs", &in_token, "only token/ does cryptography"),
        ("reqwest", &in_token, "only token/ talks to authorization servers"),
        ("moka", &is_a_cache, "only a file with `cache` in its name remembers"),
        ("http_body", &reads_bodies, "only layer.rs, path/, call/ and answer/ touch bodies"),
        ("http_body_util", &reads_bodies, "only layer.rs, path/, call/ and answer/ touch bodies"),
    ];
    let mut broken = Vec::new();
    for (name, door, why) in walls {
        let uses = sources().into_iter().filter(|file| !file.is_in("testing"));
        let uses: Vec<_> = uses.filter_map(|file| Some((file.line_of(name)?, file))).collect();
        if uses.is_empty() {
            broken.push(format!("nothing in src/ names `{name}`: take down its wall in tests/it/walls.rs"));
        }
        let outside = uses.iter().filter(|(_, file)| !door(file));
        broken.extend(outside.map(|(line, file)| format!("src/{}:{line} names `{name}`: {why}", file.path)));
        if name == "reqwest" && uses.len() > 1 {
            let all: Vec<_> = uses.iter().map(|(line, file)| format!("src/{}:{line}", file.path)).collect();
            broken.push(format!("`reqwest` belongs in one file, and is named at {}", all.join(", ")));
        }
    }
    assert_none(&broken);
}

#[test]
fn arrows_point_one_way_and_rooms_do_not_know_each_other() {
    let exported = exported_by_the_crate();
    let mut broken = Vec::new();
    for module in NOUNS.iter().chain(ABOVE_THE_NOUNS) {
        if !sources().iter().any(|file| file.is_in(module)) {
            broken.push(format!("there is no src/{module}: redraw the walls in tests/it/walls.rs"));
        }
    }
    for file in sources() {
        let here = file.top();
        let is_noun = NOUNS.contains(&here);
        if !is_noun && !["token", "call", "policy", "answer", "decision"].contains(&here) {
            continue;
        }
        for (line, path) in file.paths_from_the_root() {
            let first = path.first().map_or("", String::as_str);
            let (there, item) = match exported.get(first) {
                Some(room) => (room.as_str(), Some(first)),
                None => (first, path.get(1).map(String::as_str)),
            };
            if there == here || !ABOVE_THE_NOUNS.contains(&there) {
                continue;
            }
            let handed_on = HANDED_ON.iter().any(|(to, from, names)| {
                *to == here && *from == there && item.is_some_and(|item| names.contains(&item))
            });
            if !handed_on {
                let item = item.map(|item| format!("::{item}")).unwrap_or_default();
                let rule = if is_noun { "a noun knows no room" } else { "rooms do not know each other" };
                broken.push(format!("src/{}:{line} reaches from {here} to {there}{item}: {rule}", file.path));
            }
        }
    }
    assert_none(&broken);
}

#[test]
fn no_source_file_is_too_long_to_be_read_at_once() {
    let mut broken = Vec::new();
    for file in sources() {
        let lines = file.code.trim_end().lines().count();
        if lines > MAX_LINES {
            broken.push(format!("src/{}:{lines} is beyond line {MAX_LINES}: split the file", file.path));
        }
    }
    assert_none(&broken);
}

#[test]
fn nothing_outside_tests_and_the_testing_feature_is_unsafe_or_gives_up_by_panicking() {
    let mut broken = Vec::new();
    for file in sources().iter().filter(|file| !file.is_in("testing")) {
        for (line, text) in file.code.lines().enumerate() {
            let dense: String = text.split_whitespace().collect();
            let gives_up = [".unwrap()", ".expect(", "panic!", "todo!", "unimplemented!"];
            let at = format!("src/{}:{}", file.path, line + 1);
            for word in gives_up.iter().filter(|word| dense.contains(**word)) {
                broken.push(format!("{at} has `{word}`: what fails must be a refusal or an error"));
            }
            if is_named_in("unsafe", text) {
                broken.push(format!("{at} has `unsafe`: nothing here needs it"));
            }
        }
    }
    assert_none(&broken);
}

#[track_caller]
fn assert_none(broken: &[String]) {
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}
