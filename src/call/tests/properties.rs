//! The room against a naive reader: random messages, written in random ways.

use http::HeaderValue;
use proptest::prelude::*;
use serde_json::Value;

use super::super::*;
use super::{described, post};

/// JSON that remembers what `Value` forgets: the order of members and that there were two.
#[derive(Debug, Clone)]
enum Json {
    Null,
    Bool(bool),
    Integer(i64),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    fn member(&self, key: &str) -> Option<&Json> {
        match self {
            Self::Object(members) => members
                .iter()
                .find(|(name, _)| name == key)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// Writes the same thing differently for every seed.
    fn write(&self, text: &mut String, seed: &mut u64) {
        space(text, seed);
        match self {
            Self::Null => text.push_str("null"),
            Self::Bool(value) => text.push_str(&value.to_string()),
            Self::Integer(value) => text.push_str(&value.to_string()),
            Self::Text(value) => write_text(value, text, seed),
            Self::Array(members) => {
                text.push('[');
                for (position, member) in members.iter().enumerate() {
                    text.push_str(if position > 0 { "," } else { "" });
                    member.write(text, seed);
                }
                text.push(']');
            }
            Self::Object(members) => {
                text.push('{');
                for (position, (key, value)) in members.iter().enumerate() {
                    text.push_str(if position > 0 { "," } else { "" });
                    space(text, seed);
                    write_text(key, text, seed);
                    space(text, seed);
                    text.push(':');
                    value.write(text, seed);
                }
                text.push('}');
            }
        }
        space(text, seed);
    }
}

fn dice(seed: &mut u64, sides: u64) -> u64 {
    *seed = seed
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) % sides
}

fn space(text: &mut String, seed: &mut u64) {
    if dice(seed, 6) == 0 {
        text.push([' ', '\t', '\n', '\r'][dice(seed, 4) as usize]);
    }
}

fn write_text(value: &str, text: &mut String, seed: &mut u64) {
    let escapes = dice(seed, 4) == 0;
    text.push('"');
    for character in value.chars() {
        if character < ' ' || matches!(character, '"' | '\\') || (escapes && dice(seed, 3) == 0) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                match dice(seed, 2) {
                    0 => text.push_str(&format!("\\u{unit:04x}")),
                    _ => text.push_str(&format!("\\u{unit:04X}")),
                }
            }
        } else {
            text.push(character);
        }
    }
    text.push('"');
}

type Read = (MessageKind, String, String);

/// Reads a message as a reader would who knows of no attacks, once all that is ambiguous is gone.
fn naive(json: &Json, value: &Value) -> Option<Read> {
    if ambiguous(json) || value.get("jsonrpc") != Some(&Value::from("2.0")) {
        return None;
    }
    let params = match value.get("params") {
        None | Some(Value::Null) => &Value::Null,
        Some(params) => Some(params).filter(|params| params.is_object())?,
    };
    let meta = &params["_meta"];
    if !meta.is_null() && !meta.is_object() {
        return None;
    }
    let version = &meta["io.modelcontextprotocol/protocolVersion"];
    if !version.is_null() && (!version.is_string() || version == "2026-07-28") {
        return None;
    }
    let id = value.get("id");
    let id_names = id.is_some_and(|id| id.is_string() || id.is_i64() || id.is_u64());
    let Some(method) = value.get("method") else {
        let answers = value.get("result").is_some() || value.get("error").is_some();
        let answered = id_names || id.is_some_and(Value::is_null);
        return (answers && answered)
            .then(|| (MessageKind::Response, String::new(), "nothing".to_owned()));
    };
    let method = method.as_str()?;
    let kind = match id {
        None => MessageKind::Notification,
        Some(_) if id_names => MessageKind::Request,
        Some(_) => return None,
    };
    Some((kind, method.to_owned(), naive_target(method, params)?))
}

fn naive_target(method: &str, params: &Value) -> Option<String> {
    let is_list = [
        "tools/list",
        "prompts/list",
        "resources/list",
        "resources/templates/list",
    ]
    .contains(&method);
    let named = |what: &str, key: &str| match &params[key] {
        Value::String(name) => Some(format!("{what} {name}")),
        Value::Null if !["tools/call", "prompts/get"].contains(&method) => {
            Some("nothing".to_owned())
        }
        _ => None,
    };
    if is_list {
        return Some("nothing".to_owned());
    }
    match method
        .split('/')
        .next()
        .filter(|family| family.len() < method.len())
    {
        Some("tools") => named("tool", "name"),
        Some("tasks") => Some("nothing".to_owned())
            .filter(|_| matches!(params["taskId"], Value::Null | Value::String(_))),
        Some("prompts") => named("prompt", "name"),
        Some("resources") => match &params["uri"] {
            Value::String(uri) => Some(resources([uri.as_str()])),
            Value::Null => (method != "resources/read").then(|| "nothing".to_owned()),
            _ => None,
        },
        Some("completion") => match (&params["ref"], &params["ref"]["type"]) {
            (Value::Object(of), kind) if kind == "ref/prompt" => {
                match (of.get("name"), of.get("uri")) {
                    (Some(Value::String(name)), None | Some(Value::Null)) => {
                        Some(format!("prompt {name}"))
                    }
                    _ => None,
                }
            }
            (Value::Object(of), kind) if kind == "ref/resource" => {
                match (of.get("uri"), of.get("name")) {
                    (Some(Value::String(uri)), None | Some(Value::Null)) => {
                        Some(resources([uri.as_str()]))
                    }
                    _ => None,
                }
            }
            _ => None,
        },
        Some("subscriptions") => match &params["notifications"] {
            Value::Null => Some("nothing".to_owned()),
            Value::Object(filter) => match filter.get("resourceSubscriptions") {
                None | Some(Value::Null) => Some("nothing".to_owned()),
                Some(Value::Array(uris)) if uris.is_empty() => Some("nothing".to_owned()),
                Some(Value::Array(uris)) => {
                    let uris: Option<Vec<_>> = uris.iter().map(Value::as_str).collect();
                    Some(resources(uris?))
                }
                _ => None,
            },
            _ => None,
        },
        _ => Some("nothing".to_owned()),
    }
}

fn resources<'u>(uris: impl IntoIterator<Item = &'u str>) -> String {
    use crate::resource_name::ResourceName;
    let names = uris
        .into_iter()
        .map(|uri| ResourceName::parse(uri.into()).unwrap())
        .collect();
    described(&Target::Resources(names))
}

fn ambiguous(message: &Json) -> bool {
    let params = message.member("params");
    let inside = |key| params.and_then(|params| params.member(key));
    twins(
        Some(message),
        &["jsonrpc", "id", "method", "params", "result", "error"],
    ) || twins(
        params,
        &["name", "uri", "taskId", "ref", "notifications", "_meta"],
    ) || twins(inside("ref"), &["type", "name", "uri"])
        || twins(inside("notifications"), &["resourceSubscriptions"])
        || twins(
            inside("_meta"),
            &["io.modelcontextprotocol/protocolVersion"],
        )
}

fn twins(object: Option<&Json>, deciding: &[&str]) -> bool {
    let Some(Json::Object(members)) = object else {
        return false;
    };
    deciding.iter().any(|name| {
        let alike = |key: &str| key.contains('\0') || plain(key) == plain(name);
        let exact = members.iter().filter(|(key, _)| key == name).count();
        exact > 1 || members.iter().any(|(key, _)| key != name && alike(key))
    })
}

fn plain(key: &str) -> String {
    let letters = [
        ('ſ', "s"),
        ('\u{212a}', "k"),
        ('ı', "i"),
        ('İ', "i"),
        ('ﬁ', "fi"),
    ];
    let key = letters.iter().fold(key.to_owned(), |key, (letter, plain)| {
        key.replace(*letter, plain)
    });
    key.to_lowercase().replace(['_', '-'], "")
}

fn text() -> impl Strategy<Value = Json> {
    prop_oneof![
        3 => prop::sample::select(vec!["a", "file:///x", "FILE:///a/../b", "ref/prompt", "2.0", ""])
            .prop_map(|text| Json::Text(text.to_owned())),
        1 => any::<String>().prop_map(Json::Text),
    ]
}

fn anything() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        any::<i64>().prop_map(Json::Integer),
        text(),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Json::Array),
            prop::collection::vec((key(), inner), 0..3).prop_map(Json::Object),
        ]
    })
}

/// A key that may or may not be meant to be another.
fn key() -> impl Strategy<Value = String> {
    let known = vec![
        "jsonrpc",
        "id",
        "method",
        "params",
        "result",
        "error",
        "name",
        "uri",
        "taskId",
        "ref",
        "type",
        "_meta",
        "notifications",
        "resourceSubscriptions",
        "arguments",
        "Method",
        "ıd",
        "param\u{17f}",
        "NAME",
        "na\0me",
        "tas\u{212a}id",
        "notiﬁcations",
        "_META",
        "urı",
        "io.modelcontextprotocol/protocolVersion",
        "io.modelcontextprotocol/ProtocolVersion",
        "x",
        "",
    ];
    prop_oneof![3 => prop::sample::select(known).prop_map(str::to_owned), 1 => any::<String>()]
}

/// Usually what belongs there, seldom anything else, sometimes nothing.
fn member(
    key: &'static str,
    usual: impl Strategy<Value = Json> + 'static,
) -> BoxedStrategy<Option<(String, Json)>> {
    prop_oneof![
        20 => usual.prop_map(move |value| Some((key.to_owned(), value))),
        1 => anything().prop_map(move |value| Some((key.to_owned(), value))),
        6 => Just(None),
    ]
    .boxed()
}

/// These members, others that are seldom there, in any order.
fn object(members: Vec<BoxedStrategy<Option<(String, Json)>>>) -> impl Strategy<Value = Json> {
    let others = prop_oneof![
        6 => Just(vec![]),
        1 => prop::collection::vec((key(), anything()), 1..3),
    ];
    (members, others)
        .prop_map(|(members, others)| {
            members
                .into_iter()
                .flatten()
                .chain(others)
                .collect::<Vec<_>>()
        })
        .prop_shuffle()
        .prop_map(Json::Object)
}

fn message() -> impl Strategy<Value = Json> {
    let fixed = |text: &str| Just(Json::Text(text.to_owned()));
    let methods = vec![
        "tools/call",
        "tools/list",
        "tools/x",
        "prompts/get",
        "prompts/x",
        "resources/read",
        "resources/subscribe",
        "resources/unsubscribe",
        "resources/list",
        "resources/dir",
        "subscriptions/listen",
        "completion/complete",
        "tasks/get",
        "ping",
        "initialize",
        "tools",
        "",
    ];
    let kinds = prop::sample::select(vec!["ref/prompt", "ref/resource"]);
    let reference = object(vec![
        member("type", kinds.prop_map(|kind| Json::Text(kind.to_owned()))),
        prop_oneof![member("name", text()), member("uri", text())].boxed(),
    ]);
    let uris = prop::collection::vec(text(), 0..3).prop_map(Json::Array);
    let params = object(vec![
        member("name", text()),
        member("uri", text()),
        member("ref", reference),
        member("taskId", text()),
        member(
            "notifications",
            object(vec![member("resourceSubscriptions", uris)]),
        ),
        member(
            "_meta",
            object(vec![member(
                "io.modelcontextprotocol/protocolVersion",
                fixed("2025-11-25"),
            )]),
        ),
    ]);
    let id = prop_oneof![any::<i64>().prop_map(Json::Integer), text()];
    let seldom = |key| prop_oneof![1 => member(key, anything()), 6 => Just(None)].boxed();
    object(vec![
        Just(Some(("jsonrpc".to_owned(), Json::Text("2.0".to_owned())))).boxed(),
        member("id", id),
        member(
            "method",
            prop::sample::select(methods).prop_map(|method| Json::Text(method.to_owned())),
        ),
        member("params", params),
        seldom("result"),
        seldom("error"),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn a_message_is_read_as_everyone_reads_it_or_not_at_all(json in message(), seed: u64) {
        let mut body = String::new();
        json.write(&mut body, &mut { seed });
        let value: Value = serde_json::from_str(&body).unwrap();
        let parts = post(&[]);
        let read = Calls::read(&Head::read(&parts.headers), body.as_bytes()).ok().map(|calls| {
            let call = calls.iter().next().unwrap();
            (call.kind, call.method.to_string(), described(&call.target))
        });
        prop_assert_eq!(read, naive(&json, &value), "{}", body);
    }

    #[test]
    fn no_bytes_and_no_headers_make_the_room_panic(
        bytes in prop_oneof![any::<Vec<u8>>(), fragments()],
        lines in prop::collection::vec((any::<prop::sample::Index>(), any::<Vec<u8>>()), 0..4),
        plain: bool,
    ) {
        let mut parts = post(&[]);
        if !plain {
            parts.headers.clear();
        }
        let names = ["content-type", "content-encoding", "mcp-name", "mcp-method", "mcp-protocol-version"];
        for (name, value) in lines {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                parts.headers.append(*name.get(&names), value);
            }
        }
        let read = Calls::read(&Head::read(&parts.headers), &bytes);
        if let Ok(calls) = read {
            prop_assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_ok());
            prop_assert!(calls.iter().count() > 0);
        }
    }
}

fn fragments() -> impl Strategy<Value = Vec<u8>> {
    let fragment = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"jsonrpc\":\"2.0\"",
        "\"id\":1",
        "\"method\":",
        "\"tools/call\"",
        "\"params\":",
        "\"name\"",
        "\"x\"",
        "1e400",
        "1.5",
        "-0",
        "null",
        "\\u0000",
        "\"\\ud800\"",
        " ",
        "\u{feff}",
        "\"$serde_json::private::Number\"",
    ]);
    prop::collection::vec(fragment, 0..12).prop_map(|fragments| fragments.concat().into_bytes())
}
