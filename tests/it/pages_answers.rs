//! The table of refusals in `src/docs/answers.md`, held against the record of what the gate answers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A row of the table.
struct Row {
    status: String,
    challenge: String,
    body: String,
}

#[test]
fn every_recorded_refusal_is_as_the_page_says() {
    let (rows, kinds) = (rows(), kinds());
    let record = read("tests/it/recorded.txt");
    let mut seen = BTreeSet::new();
    for answer in record.split("\n\n") {
        let mut lines = answer.lines().skip_while(|line| line.starts_with('#'));
        let Some((status, code)) = lines.next().and_then(|line| line.split_once(' ')) else {
            continue;
        };
        let Some(kind) = kinds.get(code) else {
            assert!(code.starts_with('-'), "{answer}");
            continue;
        };
        let Row {
            status: row_status,
            challenge,
            body,
        } = rows
            .get(kind)
            .unwrap_or_else(|| panic!("{kind} has no row"));
        seen.insert(kind);
        assert_eq!(row_status.get(..3), Some(status), "{answer}");
        assert_eq!(
            row_status.contains("Retry-After"),
            answer.contains("\nretry-after: "),
            "{answer}"
        );
        // The error is on the line of the scheme that was used.
        let headers = lines.filter_map(|line| line.strip_prefix("www-authenticate: "));
        let headers: Vec<&str> = headers.collect();
        let header = headers.iter().find(|header| header.contains("error="));
        let header = header.or(headers.first()).copied();
        assert_eq!(challenge == "none", header.is_none(), "{answer}");
        let error = |text: &str| {
            let (_, rest) = text.split_once("error=\"")?;
            Some(rest.split_once('"')?.0.to_owned())
        };
        assert_eq!(error(challenge), header.and_then(error), "{answer}");
        let written = answer.lines().last().unwrap_or_default();
        match written.split_once("\"code\":") {
            Some((_, rest)) => {
                let number: String = rest.chars().take_while(|c| *c != ',').collect();
                assert!(body.contains(&number.replace('-', "−")), "{answer}");
            }
            None => assert!(
                body.split('`')
                    .nth(1)
                    .is_some_and(|word| written.contains(&format!("\"error\":{word}"))),
                "{answer}"
            ),
        }
    }
    let unseen: Vec<_> = rows.keys().filter(|kind| !seen.contains(kind)).collect();
    // One takes ten seconds, and the other one needs a handler. Tests of their own hold them.
    assert_eq!(unseen, ["BodyTooSlow", "StepUpMet"]);
}

/// The rows of the page, by their kind.
fn rows() -> BTreeMap<String, Row> {
    let page = read("src/docs/answers.md");
    let (_, table) = page.split_once("| kind | situation |").expect("the table");
    let rows = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    rows.map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, kind, _, status, challenge, body, _] = cells[..] else {
            panic!("{line}");
        };
        let row = Row {
            status: status.to_owned(),
            challenge: challenge.to_owned(),
            body: body.to_owned(),
        };
        (kind.trim_matches('`').to_owned(), row)
    })
    .collect()
}

/// The kind of each reason code, as `src/refusal/reason.rs` declares it.
fn kinds() -> BTreeMap<String, String> {
    let source = read("src/refusal/reason.rs");
    let (_, declared) = source.split_once("\nreasons! {\n").expect("the reasons");
    let kinds: BTreeMap<String, String> = declared
        .lines()
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [_, code, kind, _, _] = words[..] else {
                return None;
            };
            Some((code.trim_matches('"').to_owned(), kind.to_owned()))
        })
        .collect();
    assert!(kinds.len() > 40, "the reasons are not found any more");
    kinds
}

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}
