//! The walls of the house: which part of `src/` may know of which, and of which crate.
//!
//! The compiler enforces none of this, and each wall is easily broken by one `use`. They are what makes
//! the crate readable room by room: `gates → builder → gate → layer → pipeline → policy → token → {issuer → jose, store} → nouns`,
//! and never back.

mod imports;
mod source;

use std::collections::{BTreeMap, BTreeSet};

use imports::Imports;
use source::{Source, exported_by_the_crate, is_named_in, sources};

/// Each room, and which others it may import. Nouns know none of these, and may know each other.
const ROOMS: &[(&str, &[&str])] = &[
    (
        "gates",
        &[
            "builder",
            "gate",
            "installed",
            "config",
            "layer",
            "address",
            "pipeline",
            "routing",
            "tenants",
        ],
    ),
    (
        "builder",
        &[
            "gate",
            "installed",
            "config",
            "answer",
            "issuer",
            "policy",
            "token",
        ],
    ),
    (
        "gate",
        &[
            "config",
            "explain",
            "installed",
            "layer",
            "metadata_service",
            "pipeline",
            "policy",
            "tenants",
            "token",
        ],
    ),
    (
        "tenants",
        &[
            "address",
            "answer",
            "config",
            "holder",
            "installed",
            "issuer",
            "pipeline",
            "policy",
            "routing",
        ],
    ),
    ("installed", &["config", "address", "pipeline", "routing"]),
    ("explain", &["pipeline", "policy", "token", "call"]),
    (
        "config",
        &[
            "pipeline", "answer", "stream", "policy", "holder", "token", "issuer", "jose", "call",
            "routing",
        ],
    ),
    (
        "layer",
        &["address", "pipeline", "stream", "tenants", "call"],
    ),
    ("metadata_service", &["address", "answer", "routing"]),
    ("address", &["pipeline", "answer", "routing"]),
    (
        "pipeline",
        &["answer", "stream", "policy", "holder", "token", "call"],
    ),
    ("policy", &["token", "call"]),
    ("holder", &["token", "jose"]),
    ("token", &["issuer", "jose", "store"]),
    ("issuer", &["jose"]),
    ("jose", &[]),
    ("store", &[]),
    ("routing", &[]),
    ("call", &[]),
    ("answer", &[]),
    ("stream", &[]),
];
const NOUNS: &[&str] = &[
    "binding",
    "client_certificate",
    "clock",
    "config_error",
    "current",
    "digest",
    "events",
    "fips",
    "followed_file",
    "grant",
    "header_name",
    "html",
    "log_facts",
    "login",
    "mcp",
    "media_type",
    "network",
    "peer",
    "refusal",
    "resource",
    "resource_name",
    "resource_uri",
    "revocation",
    "scheme",
    "scope",
    "seal",
    "secret_source",
    "step_up",
];

/// The rooms of which another room may use only a few names: (importing room, imported room, names).
const HANDED_ON: &[(&str, &str, &[&str])] = &[
    (
        "policy",
        "call",
        &["Call", "Calls", "Head", "MessageKind", "Target"],
    ),
    ("policy", "token", &["Principal"]),
];

/// A crate, where it may be named, and why only there.
type Wall<'a> = (&'a str, &'a dyn Fn(&Source) -> bool, &'a str);

/// Long enough to say one thing, short enough to read at once.
const MAX_LINES: usize = 350;

#[test]
fn a_crate_behind_a_wall_is_named_only_where_the_wall_has_its_door() {
    let in_jose = |file: &Source| file.is_in("jose");
    let does_cryptography = |file: &Source| {
        let beside = ["digest.rs", "fips.rs", "seal.rs", "token/fingerprint.rs"];
        file.is_in("jose") || beside.contains(&file.path.as_str())
    };
    let in_issuer = |file: &Source| file.is_in("issuer");
    // The public service of the document has a body of its own.
    let serves = |file: &Source| file.path == "metadata_service.rs";
    let reads_bodies = |file: &Source| {
        ["layer", "pipeline", "call", "stream"]
            .iter()
            .any(|door| file.is_in(door))
            || serves(file)
    };
    let writes_events = |file: &Source| file.is_in("events");
    let is_a_cache = |file: &Source| file.stem().contains("cache");
    let walls: [Wall; 7] = [
        ("jsonwebtoken", &in_jose, "only jose/ knows what a JWT is"),
        (
            "aws_lc_rs",
            &does_cryptography,
            "only jose/, and the few files listed here, do cryptography",
        ),
        (
            "reqwest",
            &in_issuer,
            "only issuer/ talks to authorization servers",
        ),
        (
            "moka",
            &is_a_cache,
            "only a file with `cache` in its name remembers",
        ),
        ("tracing", &writes_events, "only events/ writes to the log"),
        (
            "http_body",
            &reads_bodies,
            "only layer.rs, pipeline/, call/, stream/ and metadata_service.rs touch bodies",
        ),
        (
            "http_body_util",
            &reads_bodies,
            "only layer.rs, pipeline/, call/, stream/ and metadata_service.rs touch bodies",
        ),
    ];
    let mut broken = Vec::new();
    for (name, door, why) in walls {
        let uses = sources().into_iter().filter(|file| !file.is_in("testing"));
        let uses: Vec<_> = uses
            .filter_map(|file| Some((file.line_of(name)?, file)))
            .collect();
        if uses.is_empty() {
            broken.push(format!(
                "nothing in src/ names `{name}`: take down its wall in tests/it/walls.rs"
            ));
        }
        let outside = uses.iter().filter(|(_, file)| !door(file));
        broken.extend(
            outside.map(|(line, file)| format!("src/{}:{line} names `{name}`: {why}", file.path)),
        );
        if name == "reqwest" && uses.len() > 1 {
            let all: Vec<_> = uses
                .iter()
                .map(|(line, file)| format!("src/{}:{line}", file.path))
                .collect();
            broken.push(format!(
                "`reqwest` belongs in one file, and is named at {}",
                all.join(", ")
            ));
        }
    }
    assert_none(&broken);
}

#[test]
fn arrows_point_one_way_and_rooms_know_no_more_of_each_other_than_is_drawn() {
    let exported = exported_by_the_crate();
    let mut broken = Vec::new();
    for module in NOUNS.iter().chain(ROOMS.iter().map(|(room, _)| room)) {
        if !sources().iter().any(|file| file.is_in(module)) {
            broken.push(format!(
                "there is no src/{module}: redraw the walls in tests/it/walls.rs"
            ));
        }
    }
    let is_room = |module: &str| ROOMS.iter().any(|(room, _)| *room == module);
    for file in sources()
        .iter()
        .filter(|file| !["lib", "docs", "testing"].contains(&file.top()))
    {
        let here = file.top();
        let allowed = ROOMS
            .iter()
            .find(|(room, _)| *room == here)
            .map(|(_, allowed)| *allowed);
        if allowed.is_none() && !NOUNS.contains(&here) {
            broken.push(format!(
                "src/{} is drawn nowhere: draw it in tests/it/walls.rs",
                file.path
            ));
        }
        for (line, path) in file.paths_from_the_root() {
            let first = path.first().map_or("", String::as_str);
            let (there, item) = match exported.get(first) {
                Some(room) => (room.as_str(), Some(first)),
                None => (first, path.get(1).map(String::as_str)),
            };
            if there == here || !is_room(there) {
                continue;
            }
            let is_drawn = allowed.is_some_and(|allowed| allowed.contains(&there));
            let is_little = HANDED_ON
                .iter()
                .filter(|(to, from, _)| *to == here && *from == there);
            let is_known = is_little
                .clone()
                .any(|(_, _, names)| item.is_some_and(|item| names.contains(&item)));
            if !is_drawn || (is_little.count() > 0 && !is_known) {
                let item = item.map(|item| format!("::{item}")).unwrap_or_default();
                broken.push(format!(
                    "src/{}:{line} reaches from {here} to {there}{item}",
                    file.path
                ));
            }
        }
    }
    assert_none(&broken);
}

#[test]
fn no_two_files_import_each_other() {
    let sources: Vec<_> = sources()
        .into_iter()
        .filter(|file| !file.is_in("testing"))
        .collect();
    let edges = Imports::of(&sources).edges(&sources);
    assert!(
        edges.values().map(BTreeSet::len).sum::<usize>() > 300,
        "hardly an import was found: {edges:?}"
    );
    let mut broken = Vec::new();
    for (from, to) in &edges {
        let back = to
            .iter()
            .filter(|to| *from < **to && edges.get(*to).is_some_and(|to| to.contains(from)));
        broken.extend(back.map(|to| format!("src/{from} and src/{to} import each other")));
    }
    assert_none(&broken);
}

#[test]
fn no_file_but_the_table_of_methods_spells_the_name_of_one() {
    let sources = sources();
    let (table, others): (Vec<_>, Vec<_>) = sources.iter().partition(|file| file.is_in("mcp"));
    let names: BTreeSet<&str> = table
        .iter()
        .flat_map(|file| &file.texts)
        .map(|(_, text)| &**text)
        .collect();
    // The members that lists are in have the names of families, and those are the names of rules as well.
    let is_method = |name: &&str| name.contains('/') || ["initialize", "ping"].contains(name);
    let names: BTreeSet<&str> = names.into_iter().filter(is_method).collect();
    assert!(
        names.len() > 25,
        "hardly a method was found in src/mcp.rs: {names:?}"
    );
    let mut broken = Vec::new();
    for file in others
        .iter()
        .filter(|file| !["docs", "testing"].contains(&file.top()))
    {
        for (line, text) in file
            .texts
            .iter()
            .filter(|(_, text)| names.contains(&**text))
        {
            broken.push(format!(
                "src/{}:{line} spells `{text}`: ask src/mcp.rs",
                file.path
            ));
        }
    }
    assert_none(&broken);
}

#[test]
fn no_two_types_share_a_name() {
    let mut homes = BTreeMap::<String, Vec<String>>::new();
    for file in sources().iter().filter(|file| !file.is_in("testing")) {
        for (line, name) in file.types() {
            let home = format!("src/{}:{line}", file.path);
            homes.entry(name).or_default().push(home);
        }
    }
    assert!(homes.len() > 200, "hardly a type was found: {homes:?}");
    let shared = homes.iter().filter(|(_, homes)| homes.len() > 1);
    let broken = shared.map(|(name, homes)| format!("`{name}` is {}", homes.join(" and ")));
    assert_none(&broken.collect::<Vec<_>>());
}

#[test]
fn no_source_file_is_too_long_to_be_read_at_once() {
    let mut broken = Vec::new();
    for file in sources() {
        let lines = file.code.trim_end().lines().count();
        if lines > MAX_LINES {
            broken.push(format!(
                "src/{}:{lines} is beyond line {MAX_LINES}: split the file",
                file.path
            ));
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
                broken.push(format!(
                    "{at} has `{word}`: what fails must be a refusal or an error"
                ));
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
