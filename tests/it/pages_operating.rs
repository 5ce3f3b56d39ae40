//! `src/docs/operating.md`, held against what the gate logs and explains.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use toolgate::{Caller, ScopeMap};
use tracing_subscriber::fmt::format::{Format, Json, JsonFields};

use crate::logs::{Log, listen};
use crate::world::{World, call};

const PAGE: &str = include_str!("../../src/docs/operating.md");
const REFUSALS: &str = include_str!("../../src/refusal/reason.rs");
const LISTS: &str = include_str!("../../src/stream/listing/error.rs");
const DECIDED: &str = include_str!("../../src/events/decided.rs");
const EVENTS: [&str; 3] = [
    include_str!("../../src/events/issuers.rs"),
    include_str!("../../src/events/lifecycle.rs"),
    include_str!("../../src/events/tenants.rs"),
];

#[test]
fn every_reason_is_on_the_page_at_its_level_and_no_other() {
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
            let severity = words.nth(1)?;
            let (_, level) = levels.iter().find(|(name, _)| *name == severity)?;
            Some((code, *level))
        })
        .collect();
    assert!(declared.len() > 40, "the reasons are not found any more");
    let shown = rows("| `reason` | level | meaning, and what to look for |");
    let count = shown.len();
    let shown: BTreeMap<&str, &str> = shown
        .iter()
        .map(|cells| (cells[0].trim_matches('`'), cells[1]))
        .collect();
    assert_eq!(shown.len(), count, "a reason has two rows");
    assert_eq!(shown, declared);
}

#[test]
fn every_reason_to_withhold_a_response_is_on_the_page_and_no_other() {
    let literals = LISTS.split('"').skip(1).step_by(2);
    let mut declared: BTreeSet<&str> = literals.filter(|text| text.starts_with("list_")).collect();
    assert_eq!(declared.len(), 10, "the reasons are not found any more");
    declared.insert("session_id_unusable");
    let shown = rows("| `reason` | meaning |");
    let shown: BTreeSet<&str> = shown
        .iter()
        .map(|cells| cells[0].trim_matches('`'))
        .collect();
    assert_eq!(shown, declared);
}

#[test]
fn every_field_of_a_decision_is_on_the_page_and_no_other() {
    let (_, write) = DECIDED.split_once("fn write(").expect("the event");
    let (fields, _) = write.split_once("\n    }\n").expect("its end");
    let declared = fields
        .lines()
        .filter_map(|line| Some(line.trim().split_once(" = ")?.0))
        .collect();
    let (_, section) = PAGE.split_once("\n# The decision event\n").expect("it");
    let (section, _) = section.split_once("\n# ").expect("its end");
    assert_eq!(codes_in_first_cells(section), declared);
}

#[test]
fn every_field_of_the_start_up_event_is_on_the_page_and_no_other() {
    let (_, write) = EVENTS[1].split_once("impl GateBuilt").expect("the event");
    let (fields, _) = write.split_once("\"the gate is built\"").expect("its end");
    let declared = fields
        .lines()
        .filter_map(|line| Some(line.trim().split_once(" = ")?.0))
        .collect();
    let (_, section) = PAGE.split_once("`the gate is built`").expect("it");
    let (section, _) = section.split_once("\nA WARN").expect("its end");
    assert_eq!(codes_in_first_cells(section), declared);
}

#[test]
fn every_other_event_is_on_the_page_at_its_level_and_no_other() {
    let mut declared = BTreeSet::new();
    for source in EVENTS {
        let source = source.replace("\\\n", "");
        for event in source.split("tracing::").skip(1) {
            let (level, event) = event.split_once("!(").expect("a macro");
            let message = event.split('"').skip(1).step_by(2).find(|text| {
                !matches!(
                    *text,
                    "toolgate"
                        | "withhold"
                        | "the gate is built"
                        | "the gates stand side by side"
                        | "{}"
                )
            });
            // A response that is withheld says why in a variable.
            let Some(message) = message else { continue };
            let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
            let level = level.to_uppercase();
            if message.contains("{what}") {
                for what in ["keys", "introspection endpoint"] {
                    declared.insert((message.replace("{what}", what), level.clone()));
                }
            } else {
                declared.insert((message, level));
            }
        }
    }
    assert!(declared.len() > 8, "the events are not found any more");
    let mut shown = rows("| message | level | fields |");
    shown.extend(rows("| message | level | fields | meaning |"));
    for cells in &shown {
        let (message, level) = (cells[0].trim_matches('`'), cells[1]);
        assert!(
            declared
                .iter()
                .any(|(known, of)| known.starts_with(message) && of == level),
            "{message} at {level} is not in {declared:#?}"
        );
    }
    for (message, level) in &declared {
        let is_it = |cells: &&Vec<&str>| message.starts_with(cells[0].trim_matches('`'));
        assert!(shown.iter().any(|cells| is_it(&cells)), "{level} {message}");
    }
}

#[tokio::test]
async fn the_explanation_on_the_page_is_one() {
    let scopes = ScopeMap::deny_unlisted()
        .every_request("mcp:use")
        .tool("delete_file", "files:write");
    let world = World::with_scopes(scopes).await;
    let token = world.token().scope("mcp:use").mint();
    let body = call("tools/call", json!({ "name": "delete_file" }));
    let explanation = world.gate.explain(Caller::Token(&token), body).await;
    let explanation = explanation.to_string();
    let (_, block) = PAGE.split_once("```text\nok    ").expect("an explanation");
    let (block, _) = block.split_once("\n```").expect("its end");
    let block = format!("ok    {block}");
    for line in block.lines().filter(|line| *line != "…") {
        assert!(
            explanation.lines().any(|shown| shown == line),
            "{line}\nis not in\n{explanation}"
        );
    }
}

#[tokio::test]
async fn a_flat_event_has_two_targets_unless_that_of_tracing_is_left_out() {
    // It keeps the events open that no test listens to.
    drop(listen());
    let targets = async |format: Format<Json>| {
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt()
            .event_format(format)
            .fmt_fields(JsonFields::new())
            .with_max_level(tracing::Level::DEBUG)
            .with_writer(log.clone());
        let _guard = tracing::subscriber::set_default(subscriber.finish());
        let world = World::with_scopes(ScopeMap::allow_unlisted().tool("add", "mcp:use")).await;
        world.call_tool(&world.token().mint(), "add").await;
        let text = log.text();
        let line = text.lines().find(|line| line.contains("\"add\""));
        let line = line.expect("the decision").to_owned();
        (
            line.matches("\"target\":").count(),
            line.contains("\"target\":\"add\""),
        )
    };
    let flat = || Format::default().json().flatten_event(true);
    assert_eq!(targets(flat()).await, (2, true));
    assert_eq!(targets(flat().with_target(false)).await, (1, true));
}

/// The cells of all tables that begin with this line.
fn rows(head: &str) -> Vec<Vec<&'static str>> {
    let head = format!("\n{head}\n");
    let tables = PAGE.split(&head).skip(1);
    let lines = tables.flat_map(|table| {
        let lines = table.lines().skip(1);
        lines.take_while(|line| line.starts_with('|'))
    });
    let cells = |line: &'static str| line.split('|').map(str::trim).skip(1).collect();
    let rows: Vec<Vec<&str>> = lines.map(cells).collect();
    assert!(!rows.is_empty(), "no table {head}");
    rows
}

/// All words in code in the first cells of the rows.
fn codes_in_first_cells(section: &'static str) -> BTreeSet<&'static str> {
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect()
}
