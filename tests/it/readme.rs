//! What the README promises that can be held against the code.

use std::collections::BTreeMap;

const README: &str = include_str!("../../README.md");
const REFUSALS: &str = include_str!("../../src/refusal.rs");
const LISTS: &str = include_str!("../../src/stream/listing/error.rs");

#[test]
fn the_configuration_in_the_readme_makes_a_gate() {
    let file = blocks("toml").find(|block| block.starts_with("resource = "));
    let file = file.expect("the README shows a configuration");
    let config: toolgate::Config = toml::from_str(file).expect("it is one");
    let gate = config.into_builder().build().expect("it makes a gate");
    assert_eq!(gate.resource(), "https://mcp.example.com/mcp");

    // With what is commented out for being no default, but the file of keys, which is not there.
    let whole = file
        .lines()
        .filter(|line| !line.contains("jwks_file"))
        .map(|line| line.strip_prefix("# ").unwrap_or(line).to_owned() + "\n")
        .collect::<String>()
        // A variable that is there.
        .replace("RS_SECRET", "CARGO_PKG_NAME")
        .replace("SESSION_KEY", "CARGO_PKG_DESCRIPTION");
    let config: toolgate::Config = toml::from_str(&whole).expect("every field is one");
    config.into_builder().build().expect("it makes a gate");
}

#[test]
fn every_reason_is_in_the_readme_at_its_level_and_no_other() {
    let levels = [
        ("Routine", "INFO"),
        ("Suspicious", "WARN"),
        ("Outage", "ERROR"),
    ];
    let declared: BTreeMap<&str, &str> = REFUSALS
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace().skip(1);
            let code = words.next()?.strip_prefix('"')?.strip_suffix('"')?;
            let loudness = words.nth(1)?;
            let (_, level) = levels.iter().find(|(name, _)| *name == loudness)?;
            Some((code, *level))
        })
        .collect();
    let table = README
        .split_once("| `reason` | level |")
        .expect("the table of reasons")
        .1;
    let told: BTreeMap<&str, &str> = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            (cells[1].trim_matches('`'), cells[2])
        })
        .collect();
    assert!(
        declared.len() > 40,
        "the reasons in src/refusal.rs are not found any more"
    );
    assert_eq!(told, declared);
}

#[test]
fn every_reason_to_keep_a_list_back_is_in_the_readme_and_no_other() {
    let codes = |text: &'static str, before: &'static str, after: char| {
        let found = text.match_indices(before).map(|(at, _)| &text[at + 1..]);
        let codes = found
            .filter_map(move |code| code.split_once(after))
            .map(|(code, _)| code);
        codes.collect::<std::collections::BTreeSet<&str>>()
    };
    let declared = codes(LISTS, "\"list_", '"');
    assert_eq!(
        declared.len(),
        10,
        "the reasons in src/stream/listing/error.rs are not found any more"
    );
    let table = README
        .split_once("why a list was kept back")
        .expect("the table")
        .1
        .split_once("## Limits")
        .unwrap()
        .0;
    assert_eq!(codes(table, "`list_", '`'), declared);
}

fn blocks(language: &str) -> impl Iterator<Item = &'static str> {
    let fence = format!("\n```{language}\n");
    let pieces: Vec<_> = README.split(fence.as_str()).skip(1).collect();
    pieces
        .into_iter()
        .filter_map(|piece| Some(piece.split_once("\n```")?.0))
}
