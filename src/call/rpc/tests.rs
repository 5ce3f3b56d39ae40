use super::super::tests::{post, reason};
use super::super::{Calls, Head};
use crate::refusal::Reason;

fn refused(body: &str) -> Option<Reason> {
    reason(&[], body)
}

#[test]
fn a_body_that_is_not_json_in_utf_8_is_a_parse_error() {
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    for body in [
        "",
        " ",
        "{",
        "nul",
        "{'jsonrpc':\"2.0\"}",
        &format!("\u{feff}{call}"),
        &format!("\u{a0}{call}"),
        &format!("{call}{call}"),
        &format!("{call} x"),
        &format!("{call}\0"),
        &call.replace('}', ",}"),
        &call.replace("\"id\"", "id"),
        &call.replace("ping", "pi\nng"),
        &call.replace("ping", "\\ud800"),
        &call.replace("method", "method\\ud800"),
        &call.replace("ping", "\\x"),
        &call.replace('1', "01"),
        &call.replace('1', "NaN"),
        &format!("//\n{call}"),
        "[",
    ] {
        assert_eq!(refused(body), Some(Reason::BodyNotJson), "{body:?}");
    }
}

#[test]
fn invalid_utf_8_is_refused_wherever_it_is() {
    let valid = br#"{"jsonrpc":"2.0","id":1,"method":"ping","skipped":{"deep":["?"]}}"#;
    let parts = post(&[]);
    assert!(Calls::read(&Head::read(&parts.headers), valid).is_ok());
    let mut invalid = valid.to_vec();
    let position = invalid.iter().position(|byte| *byte == b'?').unwrap();
    for bytes in [&b"\xff"[..], b"\xc3", b"\xed\xa0\x80", b"\xc0\x80"] {
        invalid.splice(position..=position, bytes.iter().copied());
        let refusal = Calls::read(&Head::read(&parts.headers), &invalid).unwrap_err();
        assert_eq!(refusal.reason(), Reason::BodyNotJson, "{bytes:?}");
        invalid = valid.to_vec();
    }
}

#[test]
fn json_that_is_no_message_is_an_invalid_request() {
    for body in [
        "null",
        "1",
        "1.5",
        "true",
        "\"ping\"",
        r#"{"id":1,"method":"ping"}"#,
        r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
        r#"{"jsonrpc":2.0,"id":1,"method":"ping"}"#,
        r#"{"jsonrpc":2,"id":1,"method":"ping"}"#,
        r#"{"jsonrpc":null,"id":1,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":null}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":null,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":["ping"]}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":5}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":"x"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":1.5}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":false}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":[]}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":1}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"name":1.5}}"#,
    ] {
        assert_eq!(refused(body), Some(Reason::BodyUnparsable), "{body}");
    }
}

#[test]
fn a_deciding_key_is_given_once() {
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","uri":"x","ref":{},"taskId":"t","notifications":{},"_meta":{"io.modelcontextprotocol/protocolVersion":"x"}}}"#;
    for (once, twice) in [
        (r#""jsonrpc":"2.0""#, r#""jsonrpc":"2.0","jsonrpc":"2.0""#),
        (r#""id":1"#, r#""id":1,"id":1"#),
        (r#""method":"#, r#""method":"ping","method":"#),
        (r#""method":"#, r#""m\u0065thod":"ping","method":"#),
        (
            r#""method":"#,
            r#""\u006d\u0065\u0074\u0068\u006f\u0064":"ping","method":"#,
        ),
        (r#""params":"#, r#""params":null,"params":"#),
        (
            r#""params":"#,
            r#""result":1,"error":2,"result":3,"params":"#,
        ),
        (r#""name":"a""#, r#""name":"a","name":"b""#),
        (r#""name":"a""#, r#""name":null,"name":"b""#),
        (r#""name":"a""#, r#""name":"a","n\u0061me":"b""#),
        (r#""uri":"x""#, r#""uri":"x","uri":"x""#),
        (r#""ref":{}"#, r#""ref":{},"ref":{}"#),
        (r#""ref":{}"#, r#""ref":{"name":"a","name":"b"}"#),
        (r#""ref":{}"#, r#""ref":{"type":"a","type":"b"}"#),
        (r#""ref":{}"#, r#""ref":{"uri":"a","\u0075ri":"b"}"#),
        (r#""taskId":"t""#, r#""taskId":"t","taskId":"t""#),
        (
            r#""notifications":{}"#,
            r#""notifications":{},"notifications":{}"#,
        ),
        (
            r#""notifications":{}"#,
            r#""notifications":{"resourceSubscriptions":[],"resourceSubscriptions":[]}"#,
        ),
        (r#""_meta":"#, r#""_meta":{},"_meta":"#),
        (
            r#"{"io.modelcontextprotocol/protocolVersion":"x"}"#,
            r#"{"io.modelcontextprotocol/protocolVersion":"x","io.modelcontextprotocol\/protocolVersion":"x"}"#,
        ),
    ] {
        let body = call.replacen(once, twice, 1);
        assert_ne!(body, call, "{once}");
        assert_eq!(refused(&body), Some(Reason::DuplicateKey), "{body}");
    }
}

#[test]
fn a_key_that_some_server_takes_for_a_deciding_one_is_refused_even_alone() {
    for (key, twin) in [
        ("jsonrpc", "JSONRPC"),
        ("jsonrpc", "j\u{17f}onrpc"),
        ("id", "ID"),
        ("id", "\u{131}d"),
        ("id", "\u{130}d"),
        ("method", "Method"),
        ("method", "M\\u0045THOD"),
        ("method", "method\\u0000"),
        ("method", "met\\u0000hod"),
        ("method", "method\\u0000x"),
        ("params", "Params"),
        ("params", "param\\u017f"),
        ("params", "PARAM\u{17f}"),
        ("name", "NAME"),
        ("uri", "Uri"),
        ("uri", "ur\u{131}"),
        ("taskId", "taskid"),
        ("taskId", "tas\u{212a}Id"),
        ("taskId", "ta\u{17f}kId"),
        ("ref", "Ref"),
        ("type", "Type"),
        ("notifications", "noti\u{fb01}cations"),
        ("resourceSubscriptions", "resourcesubscriptions"),
        ("_meta", "_Meta"),
        (
            "io.modelcontextprotocol/protocolVersion",
            "io.modelcontextprotocol/protocolversion",
        ),
    ] {
        let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","uri":"x","ref":{"type":"t"},"taskId":"t","notifications":{"resourceSubscriptions":[]},"_meta":{"io.modelcontextprotocol/protocolVersion":"x"}}}"#;
        let beside = call.replacen(
            &format!("\"{key}\""),
            &format!("\"{twin}\":null,\"{key}\""),
            1,
        );
        let instead = call.replacen(&format!("\"{key}\""), &format!("\"{twin}\""), 1);
        for body in [beside, instead] {
            assert_ne!(body, call, "{key}");
            assert_eq!(refused(&body), Some(Reason::DuplicateKey), "{body}");
        }
    }
}

#[test]
fn keys_that_nothing_depends_on_may_be_anything() {
    for body in [
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","names":"b","nam":1,"é":2,"x":3,"x":4,"arguments":{"name":1,"Name":2,"name":3,"\u0000":4,"$serde_json::private::RawValue":"5"}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","extra":{"method":"x","Method":"y"},"type":"z","params":{"_meta":{"progressToken":1,"name":"n"},"type":1,"TYPE":2}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"method":"a","Method":"b"}}"#,
    ] {
        assert_eq!(refused(body), None, "{body}");
    }
}

#[test]
fn the_private_keys_of_serde_json_are_refused_where_they_could_stand_for_something() {
    for body in [
        r#"{"$serde_json::private::RawValue":"{}"}"#,
        r#"{"$serde_json::private::Number":"1"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","$serde_json::private::RawValue":"x"}"#,
        r#"{"jsonrpc":"2.0","id":{"$serde_json::private::Number":"1"},"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":{"$serde_json::private::RawValue":"\"ping\""}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"$serde_json::private::RawValue":"{}"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"\u0024serde_json::private::Number":"1"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"name":{"$serde_json::private::Number":"1"}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"ref":{"$serde_json::private::RawValue":"1"}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"notifications":{"resourceSubscriptions":{"$serde_json::private::Number":"1"}}}}"#,
    ] {
        assert_eq!(refused(body), Some(Reason::BodyUnparsable), "{body}");
    }
}

#[test]
fn depth_costs_no_stack_and_hides_nothing() {
    let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    let call = |name: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"x":{deep},"name":{name}}},"y":{deep}}}"#
        )
    };
    assert_eq!(refused(&call("\"a\"")), None);
    assert_eq!(refused(&call(&deep)), Some(Reason::BodyUnparsable));
    assert_eq!(
        refused(&call("\"a\",\"name\":\"b\"")),
        Some(Reason::DuplicateKey)
    );
    assert_eq!(refused(&deep), Some(Reason::BodyUnparsable));
    assert_eq!(refused(&"[".repeat(1_000_000)), Some(Reason::BodyNotJson));
}

#[test]
fn the_length_of_a_key_costs_no_stack() {
    for joiner in ["_", "-", "a"] {
        let key = joiner.repeat(3_000_000);
        assert_eq!(
            refused(&format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"ping","{key}":1}}"#
            )),
            None
        );
        let twin = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","{key}id":1}}"#);
        let expected = (joiner != "a").then_some(Reason::DuplicateKey);
        assert_eq!(refused(&twin), expected, "{joiner}");
    }
}
