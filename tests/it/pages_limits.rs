//! The limits in `src/docs`, held against the source.
//!
//! The table of the limits that can be set is generated from `src/config/limits.rs`:
//! `RECORD=1 cargo test --test it pages_limits` writes it anew.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{env, fs};

const BEGIN: &str = "<!-- generated from src/config/limits.rs: see tests/it/pages_limits.rs -->\n";
const END: &str = "<!-- end -->\n";

/// Constants that are sizes or dates, and bound nothing that an operator could meet.
const NO_LIMITS: [&str; 19] = [
    "DROPPED_PART",
    "END_OF_9999",
    "ENTRY_OVERHEAD_BYTES",
    "FINGERPRINT_BYTES",
    "JWE_PARTS",
    "JWS_PARTS",
    "MAC_BYTES",
    "MAX_COMPARED",
    "MAX_KEY_BYTES",
    "MAX_PARTS",
    "MIB",
    "PASSED_ON",
    "PERIOD_BYTES",
    "SCOPE_OVERHEAD_BYTES",
    "SEAL_BYTES",
    "SECONDS_OF_A_DAY",
    "SLOTS",
    "SLOT_SECONDS",
    "USUAL_MEMBERS",
];

/// A limit of the `limits!` macro.
struct Settable {
    name: String,
    doc: String,
    default: f64,
}

#[test]
fn the_table_of_settable_limits_is_generated_from_their_declaration() {
    let page = read("src/docs/limits.md");
    let mut table = "\n| limit | default | what it limits |\n|---|---|---|\n".to_owned();
    for Settable { name, doc, default } in settable() {
        let (doc, default) = (doc.trim(), shown(&name, default));
        let end = format!(" Default {default}.");
        let doc = doc.strip_suffix(&end);
        let doc = doc.unwrap_or_else(|| panic!("the documentation of {name} ends with {end:?}"));
        table += &format!("| `{name}` | {default} | {doc} |\n");
    }
    table += "\n";
    let (before, rest) = page.split_once(BEGIN).expect("where the table begins");
    let (written, after) = rest.split_once(END).expect("where the table ends");
    if env::var_os("RECORD").is_some() {
        let page = [before, BEGIN, &table, END, after].concat();
        fs::write(path("src/docs/limits.md"), page).unwrap();
        return;
    }
    assert!(
        written == table,
        "src/config/limits.rs has changed: `RECORD=1 cargo test --test it pages_limits` renews src/docs/limits.md"
    );
}

#[test]
fn the_annotated_configuration_shows_the_default_of_every_limit() {
    let page = read("src/docs/configuration.md");
    for Settable { name, default, .. } in settable() {
        let line = format!("\n{name} = {default}\n");
        assert!(
            page.contains(&line),
            "{line:?} is not in src/docs/configuration.md"
        );
    }
}

#[test]
fn every_fixed_limit_is_on_the_page_with_its_value() {
    let page = read("src/docs/limits.md");
    let rows = page.lines().filter_map(|line| {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let name = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
        let is_constant = name
            .chars()
            .all(|letter| letter.is_ascii_uppercase() || letter == '_');
        Some((name.to_owned(), cells.next()?.to_owned())).filter(|_| is_constant)
    });
    let written: BTreeSet<(String, String)> = rows.collect();
    let declared = constants().into_iter();
    let declared: BTreeSet<(String, String)> = declared
        .filter(|(name, _)| !NO_LIMITS.contains(&name.as_str()))
        .collect();
    assert!(declared.len() > 40, "the constants are not found any more");
    let apart: Vec<_> = written.symmetric_difference(&declared).collect();
    assert!(
        apart.is_empty(),
        "src/docs/limits.md has a row for each constant in src that limits something, with its value: {apart:?}"
    );
}

fn settable() -> Vec<Settable> {
    let source = read("src/config/limits.rs");
    let (_, rest) = source.split_once("\nlimits! {\n").expect("the limits");
    let (body, _) = rest.split_once("\n}\n").expect("their end");
    let known = BTreeMap::from([("MIB".to_owned(), 1024.0 * 1024.0)]);
    let (mut found, mut doc) = (Vec::new(), String::new());
    for line in body.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(text) = line.strip_prefix("/// ") {
            doc = doc + text + " ";
        } else {
            let (name, value) = line.split_once(" = ").expect("a limit");
            let default = number(value.trim_end_matches(';'), &known).expect("a number");
            let doc = std::mem::take(&mut doc);
            found.push(Settable {
                name: name.to_owned(),
                doc,
                default,
            });
        }
    }
    assert!(found.len() > 10, "the limits are not found any more");
    found
}

/// The numeric constants of `src`, outside of tests and of the feature `testing`, with their values as the page shows them.
fn constants() -> Vec<(String, String)> {
    let mut files = Vec::new();
    collect(&path("src"), &mut files);
    let mut found = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let (code, _) = text
            .split_once("#[cfg(test)]\nmod tests {")
            .unwrap_or((&text, ""));
        let mut known = BTreeMap::from([("MAX_KEYS".to_owned(), 64.0)]);
        for line in code.lines() {
            let Some((_, declared)) = line.split_once("const ").filter(|_| !line.starts_with(' '))
            else {
                continue;
            };
            let Some((name, value)) = declared.trim_end_matches(';').split_once(": ") else {
                continue;
            };
            // Lists and texts may begin on the next line; numbers do not.
            let Some((kind, value)) = value.split_once(" = ") else {
                continue;
            };
            if let Some((least, most)) = value.split_once("..=") {
                found.push((name.to_owned(), format!("{least} to {most}")));
            } else if matches!(kind, "usize" | "u64" | "u32" | "i64" | "f64" | "Duration") {
                let value = number(value, &known).unwrap_or_else(|| panic!("{name} = {value}"));
                known.insert(name.to_owned(), value);
                let shown = match kind {
                    "Duration" => shown("_seconds", value),
                    _ => shown(&name.to_lowercase(), value),
                };
                found.push((name.to_owned(), shown));
            }
        }
    }
    found
}

fn collect(folder: &Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if !matches!(name, "testing" | "tests") {
                collect(&path, files);
            }
        } else if name.ends_with(".rs") && name != "tests.rs" {
            files.push(path);
        }
    }
}

/// A product or a quotient of numbers and of constants that are known.
fn number(text: &str, known: &BTreeMap<String, f64>) -> Option<f64> {
    let text = text.strip_prefix("Duration::from_secs(").unwrap_or(text);
    let mut words = text.trim_end_matches(')').split(' ');
    let value = |word: &str| {
        word.replace('_', "")
            .parse()
            .ok()
            .or(known.get(word).copied())
    };
    let mut result = value(words.next()?)?;
    while let Some(operator) = words.next() {
        let next = value(words.next()?)?;
        result = match operator {
            "*" => result * next,
            "/" => result / next,
            _ => return None,
        };
    }
    Some(result)
}

/// By its unit, which is in its name.
fn shown(name: &str, value: f64) -> String {
    let whole = value as u64;
    let in_unit = |size: u64| whole.is_multiple_of(size).then_some(whole / size);
    if name.contains("_bytes") {
        match (in_unit(1024 * 1024), in_unit(1024)) {
            (Some(number), _) => format!("{number} MiB"),
            (_, Some(number)) => format!("{number} KiB"),
            _ => format!("{whole} bytes"),
        }
    } else if name.ends_with("_seconds") {
        match (in_unit(3600), in_unit(60)) {
            (Some(hours), _) if hours > 24 => format!("{} days", hours / 24),
            (Some(hours), _) => format!("{hours} h"),
            (_, Some(minutes)) if minutes > 1 => format!("{minutes} min"),
            _ => format!("{whole} s"),
        }
    } else if whole >= 1000 {
        format!("{},{:03}", whole / 1000, whole % 1000)
    } else {
        value.to_string()
    }
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap()
}

fn path(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}
