use http::Request;
use http::request::Parts;

mod properties;

use super::*;
use crate::refusal::Reason;

pub(super) fn post(lines: &[(&str, &str)]) -> Parts {
    let mut request = Request::post("/mcp").header("content-type", "application/json");
    for (name, value) in lines {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

pub(super) fn reason(lines: &[(&str, &str)], body: &str) -> Option<Reason> {
    Calls::read(&Head::read(&post(lines).headers), body.as_bytes())
        .err()
        .map(|refusal| refusal.reason())
}

/// A request without headers of its own, its params being these.
fn target(method: &str, params: &str) -> Result<String, Reason> {
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
    match Calls::read(&Head::read(&post(&[]).headers), body.as_bytes()) {
        Ok(calls) => Ok(described(&calls.iter().next().unwrap().target)),
        Err(refusal) => Err(refusal.reason()),
    }
}

pub(super) fn described(target: &Target<'_>) -> String {
    match target {
        Target::None => "nothing".to_owned(),
        Target::Tool(name) => format!("tool {name}"),
        Target::Prompt(name) => format!("prompt {name}"),
        Target::Resources(names) => {
            let spellings: Vec<_> = names.iter().flat_map(|name| name.spellings()).collect();
            format!("resources {}", spellings.join(" "))
        }
    }
}

#[test]
fn a_request_is_read_with_its_method_its_target_and_its_id() {
    let body =
        br#" {"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"add","arguments":{"name":1}}} "#;
    let calls = Calls::read(&Head::read(&post(&[]).headers), body).unwrap();
    let [call] = calls.iter().collect::<Vec<_>>().try_into().unwrap();
    assert_eq!(
        (call.kind, call.method.as_ref()),
        (MessageKind::Request, "tools/call")
    );
    assert_eq!(call.target, Target::Tool("add".into()));
    assert_eq!(calls.request_id().unwrap(), "7");
}

#[test]
fn the_method_decides_which_param_is_the_target() {
    for (method, params, named) in [
        ("tools/call", r#"{"name":"a"}"#, "tool a"),
        ("tools/call", r#"{"name":"\u0061\"b"}"#, "tool a\"b"),
        ("tools/call", r#"{"name":"","uri":"file:///x"}"#, "tool "),
        ("tools/list", r#"{"cursor":"x","name":"a"}"#, "nothing"),
        ("tools/preview", r#"{"name":"a"}"#, "tool a"),
        ("tools/preview", "{}", "nothing"),
        ("prompts/get", r#"{"name":"p"}"#, "prompt p"),
        ("prompts/list", "null", "nothing"),
        ("prompts/render", r#"{"name":"p"}"#, "prompt p"),
        (
            "resources/read",
            r#"{"uri":"docs://a"}"#,
            "resources docs://a",
        ),
        (
            "resources/read",
            r#"{"uri":"DOCS://a"}"#,
            "resources DOCS://a docs://a",
        ),
        (
            "resources/subscribe",
            r#"{"uri":"docs://a"}"#,
            "resources docs://a",
        ),
        (
            "resources/unsubscribe",
            r#"{"uri":"docs://a"}"#,
            "resources docs://a",
        ),
        ("resources/unsubscribe", "{}", "nothing"),
        (
            "resources/directory/read",
            r#"{"uri":"docs://a"}"#,
            "resources docs://a",
        ),
        ("resources/list", r#"{"uri":5}"#, "nothing"),
        ("resources/templates/list", "{}", "nothing"),
        ("subscriptions/listen", "{}", "nothing"),
        (
            "subscriptions/listen",
            r#"{"notifications":null}"#,
            "nothing",
        ),
        (
            "subscriptions/listen",
            r#"{"notifications":{"toolsListChanged":true}}"#,
            "nothing",
        ),
        (
            "subscriptions/listen",
            r#"{"notifications":{"resourceSubscriptions":null}}"#,
            "nothing",
        ),
        (
            "subscriptions/listen",
            r#"{"notifications":{"resourceSubscriptions":[]}}"#,
            "nothing",
        ),
        (
            "subscriptions/listen",
            r#"{"notifications":{"resourceSubscriptions":["docs://a","docs://b"]}}"#,
            "resources docs://a docs://b",
        ),
        (
            "completion/complete",
            r#"{"ref":{"type":"ref/prompt","name":"p"}}"#,
            "prompt p",
        ),
        (
            "completion/complete",
            r#"{"ref":{"uri":"docs://{x}","type":"ref/resource"}}"#,
            "resources docs://{x}",
        ),
        (
            "initialize",
            r#"{"clientInfo":{"name":"x","Name":"y"}}"#,
            "nothing",
        ),
        (
            "vendor/checkout",
            r#"{"ref":"main","name":5,"notifications":true,"uri":[]}"#,
            "nothing",
        ),
        ("tasks/get", r#"{"taskId":"t"}"#, "nothing"),
        ("Tools/Call", r#"{"name":"a"}"#, "nothing"),
        ("", "{}", "nothing"),
    ] {
        assert_eq!(
            target(method, params).as_deref(),
            Ok(named),
            "{method} {params}"
        );
    }
}

#[test]
fn a_call_that_does_not_say_what_it_names_is_refused() {
    for (method, params) in [
        ("tools/call", "{}"),
        ("tools/call", "null"),
        ("tools/call", r#"{"name":null}"#),
        ("tools/call", r#"{"name":5}"#),
        ("tools/call", r#"{"name":["a"]}"#),
        ("tools/call", r#"{"name":{"name":"a"}}"#),
        ("tools/call", r#"{"uri":"a"}"#),
        ("tools/call", r#"["a"]"#),
        ("tools/call", r#""a""#),
        ("tools/preview", r#"{"name":true}"#),
        ("prompts/get", "{}"),
        ("resources/read", r#"{"name":"a"}"#),
        ("resources/directory/read", r#"{"uri":["a"]}"#),
        ("subscriptions/listen", r#"{"notifications":[]}"#),
        (
            "subscriptions/listen",
            r#"{"notifications":{"resourceSubscriptions":"docs://a"}}"#,
        ),
        (
            "subscriptions/listen",
            r#"{"notifications":{"resourceSubscriptions":["docs://a",null]}}"#,
        ),
        (
            "subscriptions/listen",
            r#"{"notifications":{"resourceSubscriptions":[["docs://a"]]}}"#,
        ),
        (
            "subscriptions/listen",
            r#"{"notifications":{"resourceSubscriptions":{"0":"docs://a"}}}"#,
        ),
        ("completion/complete", "{}"),
        ("completion/complete", r#"{"ref":"p"}"#),
        ("completion/complete", r#"{"ref":{"name":"p"}}"#),
        ("completion/complete", r#"{"ref":{"type":"ref/prompt"}}"#),
        (
            "completion/complete",
            r#"{"ref":{"type":"ref/tool","name":"p"}}"#,
        ),
        (
            "completion/complete",
            r#"{"ref":{"type":"ref/prompt","name":"p","uri":"docs://a"}}"#,
        ),
        (
            "completion/complete",
            r#"{"ref":{"type":"ref/resource","name":"p","uri":"docs://a"}}"#,
        ),
        ("completion/complete", r#"{"ref":["ref/prompt","p"]}"#),
    ] {
        assert_eq!(
            target(method, params),
            Err(Reason::BodyUnparsable),
            "{method} {params}"
        );
    }
}

#[test]
fn one_subscription_names_so_many_resources_and_no_more() {
    for (count, expected) in [
        (rpc::MAX_SUBSCRIPTIONS, true),
        (rpc::MAX_SUBSCRIPTIONS + 1, false),
    ] {
        let uris = vec!["\"docs://a\""; count].join(",");
        let params = format!(r#"{{"notifications":{{"resourceSubscriptions":[{uris}]}}}}"#);
        assert_eq!(
            target("subscriptions/listen", &params).is_ok(),
            expected,
            "{count}"
        );
    }
}

#[test]
fn a_message_with_a_method_is_that_call_regardless_of_its_other_members() {
    for (rest, kind) in [
        (r#","id":1"#, MessageKind::Request),
        (r#","id":"x","result":{},"error":{}"#, MessageKind::Request),
        (r#","result":{}"#, MessageKind::Notification),
        ("", MessageKind::Notification),
    ] {
        let body =
            format!(r#"{{"params":{{"name":"a"}},"jsonrpc":"2.0"{rest},"method":"tools/call"}}"#);
        let calls = Calls::read(&Head::read(&post(&[]).headers), body.as_bytes()).unwrap();
        let call = calls.iter().next().unwrap();
        assert_eq!(
            (call.kind, described(&call.target)),
            (kind, "tool a".to_owned()),
            "{rest}"
        );
    }
}

#[test]
fn a_message_without_method_answers_or_is_refused() {
    for (body, answers) in [
        (
            r#"{"jsonrpc":"2.0","id":1,"result":{"name":"a","Name":"b"}}"#,
            true,
        ),
        (
            r#"{"jsonrpc":"2.0","id":"x","error":{"code":-1,"message":""}}"#,
            true,
        ),
        (r#"{"jsonrpc":"2.0","id":null,"error":{}}"#, true),
        (r#"{"jsonrpc":"2.0","error":{}}"#, false),
        (r#"{"jsonrpc":"2.0","id":1}"#, false),
        (r#"{"jsonrpc":"2.0","id":1,"params":{}}"#, false),
        ("{}", false),
    ] {
        match Calls::read(&Head::read(&post(&[]).headers), body.as_bytes()) {
            Ok(calls) => {
                let call = calls.iter().next().unwrap();
                assert!(answers && call.kind == MessageKind::Response, "{body}");
                assert_eq!((call.method.as_ref(), &call.target), ("", &Target::None));
                assert_eq!(calls.request_id(), None);
            }
            Err(refusal) => assert!(
                !answers && refusal.reason() == Reason::BodyUnparsable,
                "{body}"
            ),
        }
    }
}

#[test]
fn an_id_is_repeated_as_json_when_it_is_short() {
    let long = "x".repeat(300);
    for (written, quoted) in [
        ("0", Some("0")),
        ("-9223372036854775808", Some("-9223372036854775808")),
        ("18446744073709551615", Some("18446744073709551615")),
        (r#""a\u0022\n\u00e4""#, Some("\"a\\\"\\nä\"")),
        (r#""""#, Some("\"\"")),
        (&format!("\"{long}\""), None),
        (&format!("\"{}\"", "\\u0001".repeat(100)), None),
    ] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":{written},"method":"ping"}}"#);
        let calls = Calls::read(&Head::read(&post(&[]).headers), body.as_bytes()).unwrap();
        assert_eq!(calls.request_id().as_deref(), quoted, "{written}");
    }
    for refused in [
        "null",
        "1.0",
        "1e2",
        "-0",
        "18446744073709551616",
        "true",
        "[1]",
        "{}",
    ] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":{refused},"method":"ping"}}"#);
        assert_eq!(
            reason(&[], &body),
            Some(Reason::BodyUnparsable),
            "{refused}"
        );
    }
}

#[test]
fn a_batch_is_for_clients_of_the_one_revision_that_had_them() {
    let batch = r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","method":"tools/call","params":{"name":"a"}}]"#;
    for lines in [&[][..], &[("mcp-protocol-version", "2025-03-26")]] {
        let calls = Calls::read(&Head::read(&post(lines).headers), batch.as_bytes()).unwrap();
        let members: Vec<_> = calls
            .iter()
            .map(|call| (call.kind, described(&call.target)))
            .collect();
        assert_eq!(
            members,
            [
                (MessageKind::Request, "nothing".to_owned()),
                (MessageKind::Notification, "tool a".to_owned())
            ]
        );
        assert_eq!(calls.request_id(), None);
    }
    for version in [
        "2025-06-18",
        "2025-11-25",
        "2026-07-28",
        "2024-11-05",
        "",
        "2025-03-26x",
    ] {
        let lines = [("mcp-protocol-version", version)];
        assert_eq!(
            reason(&lines, batch),
            Some(Reason::BatchNotAllowed),
            "{version}"
        );
        assert_eq!(
            reason(&lines, &format!(" \r\n\t{batch}")),
            Some(Reason::BatchNotAllowed),
            "{version}"
        );
    }
}

#[test]
fn a_batch_has_one_to_64_messages_and_each_is_checked() {
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let batch_of = |count| format!("[{}]", vec![ping; count].join(","));
    assert_eq!(reason(&[], &batch_of(64)), None);
    assert_eq!(reason(&[], &batch_of(65)), Some(Reason::BatchTooLong));
    for batch in [
        "[]",
        "[[]]",
        "[1]",
        "[null]",
        &format!("[[{ping}]]"),
        &format!("[{ping},{{}}]"),
    ] {
        assert_eq!(reason(&[], batch), Some(Reason::BodyUnparsable), "{batch}");
    }
    let twin = r#"{"jsonrpc":"2.0","id":1,"method":"ping","Method":"x"}"#;
    assert_eq!(
        reason(&[], &format!("[{ping},{twin}]")),
        Some(Reason::DuplicateKey)
    );
}
