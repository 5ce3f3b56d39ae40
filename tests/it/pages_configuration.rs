//! The annotated configuration in `src/docs/configuration.md`, held against the code.

use std::collections::BTreeSet;

use serde_json::Value;
use toolgate::Config;
use toolgate::testing::{Algorithm, SigningKey};

use crate::examples::File;
use crate::logs::listen;

const MINIMAL: &str = r#"
resource = "https://mcp.example.com/mcp"
[[issuers]]
issuer = "https://auth.example.com"
[scopes]
unlisted = "deny"
"#;

/// Each table of the file, and a text that puts an unknown field into it.
const TABLES: [(&str, &str); 19] = [
    ("", "x_ = 1"),
    ("issuers", "[[issuers]]\nx_ = 1"),
    ("issuers.unbound", "[[issuers]]\nunbound.x_ = 1"),
    ("issuers.clients", "[[issuers]]\nclients.x_ = 1"),
    ("issuers.introspection", "[[issuers]]\nintrospection.x_ = 1"),
    ("scopes", "[scopes]\nx_ = 1"),
    ("scopes.login", "[scopes.login]\nx_ = 1"),
    ("scopes.tools", "[scopes.tools]\nt.x_ = 1"),
    ("api_keys", "[api_keys]\nx_ = 1"),
    ("api_keys.keys", "[[api_keys.keys]]\nx_ = 1"),
    ("metadata", "[metadata]\nx_ = 1"),
    ("origins", "[origins]\nx_ = 1"),
    ("clients", "[clients]\nx_ = 1"),
    ("sessions", "[sessions]\nx_ = 1"),
    ("holder", "[holder]\nx_ = 1"),
    ("holder.certificate", "[holder]\ncertificate.x_ = 1"),
    ("peers", "[peers]\nx_ = 1"),
    ("limits", "[limits]\nx_ = 1"),
    ("issuers.claims", "[[issuers]]\nclaims.c.x_ = 1"),
];

#[test]
fn the_annotated_configuration_makes_a_gate_with_every_default() {
    assert_eq!(announced(&annotated()), announced(MINIMAL));
}

#[test]
fn the_annotated_configuration_makes_a_gate_with_everything_uncommented() {
    let key = SigningKey::generate(Algorithm::Es256);
    let keys = serde_json::json!({ "keys": [key.jwk()] });
    let keys = File::new("annotated-keys", &keys.to_string());
    let pem = File::new("annotated-pem", &key.to_pem());
    let none = File::new("annotated-api-keys", "keys = []");
    let text = uncommented()
        .replace("keys.toml", none.path())
        .replace("keys.json", keys.path())
        .replace("/run/secrets/introspection.pem", pem.path())
        // Variables that are set.
        .replace("RS_SECRET", "CARGO_PKG_NAME")
        .replace("SESSION_KEY", "CARGO_PKG_DESCRIPTION");
    let config: Config = toml::from_str(&text).expect("every field is one");
    let gate = config.into_builder().build().expect("it makes a gate");
    assert_eq!(gate.resource(), "https://mcp.example.com/mcp");
}

#[test]
fn the_annotated_configuration_shows_every_field() {
    let shown: Value = toml::from_str(&uncommented()).unwrap();
    for (table, text) in TABLES {
        let why = toml::from_str::<Config>(text).unwrap_err();
        let (_, expected) = why
            .message()
            .split_once("unknown field `x_`, expected ")
            .unwrap_or_else(|| panic!("{table}: {why}"));
        let fields: BTreeSet<&str> = expected.split('`').skip(1).step_by(2).collect();
        let mut shown: BTreeSet<&str> = fields_in(&shown, table).into_iter().collect();
        if table.is_empty() {
            // They make a file for several resources, which is on a page of its own.
            shown.extend(["resources", "unmatched"]);
        }
        assert_eq!(fields.difference(&shown).next(), None, "[{table}]");
    }
}

/// The names in all tables at this path; rules and requirements are tables with names of the operator's choosing.
fn fields_in<'a>(file: &'a Value, path: &str) -> Vec<&'a str> {
    let mut tables = vec![file];
    for name in path.split('.').filter(|name| !name.is_empty()) {
        let named = tables.into_iter().filter_map(|table| table.get(name));
        tables = named
            .flat_map(|value| match value {
                Value::Array(list) => list.iter().collect(),
                table => vec![table],
            })
            .collect();
    }
    if matches!(path, "scopes.tools" | "issuers.claims") {
        let rules = tables.into_iter().filter_map(Value::as_object);
        tables = rules.flat_map(serde_json::Map::values).collect();
    }
    let tables = tables.into_iter().filter_map(Value::as_object);
    tables
        .flat_map(|table| table.keys().map(String::as_str))
        .collect()
}

/// The start-up event of the gate of this configuration.
fn announced(text: &str) -> Value {
    let (log, _guard) = listen();
    let config: Config = toml::from_str(text).expect("it is a configuration");
    config.into_builder().build().expect("it makes a gate");
    let [event] = &log.events()[..] else {
        panic!("a gate with defaults only has nothing to warn of");
    };
    event["fields"].clone()
}

fn annotated() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/docs/configuration.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (_, rest) = page.split_once("\n```toml\n").expect("the file");
    rest.split_once("\n```").expect("its end").0.to_owned()
}

pub fn uncommented() -> String {
    annotated()
        .lines()
        .map(|line| line.strip_prefix("# ").unwrap_or(line).to_owned() + "\n")
        .collect()
}
