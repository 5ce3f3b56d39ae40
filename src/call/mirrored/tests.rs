use http::HeaderValue;

use super::super::Calls;
use super::super::tests::{post, reason};
use super::*;

const MODERN: (&str, &str) = ("mcp-protocol-version", "2026-07-28");

fn request(method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":"q-1","method":"{method}","params":{params}}}"#)
}

fn versioned(version: &str) -> String {
    format!(r#"{{"_meta":{{"io.modelcontextprotocol/protocolVersion":"{version}"}}}}"#)
}

/// Method, params, headers, and whether they go together.
type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], bool);

#[test]
fn a_modern_request_carries_its_method_and_its_name() {
    let cases: &[Case] = &[
        (
            "tools/call",
            r#"{"name":"add"}"#,
            &[("mcp-method", "tools/call"), ("mcp-name", "add")],
            true,
        ),
        (
            "tools/call",
            r#"{"name":"add"}"#,
            &[("MCP-METHOD", "tools/call"), ("mcp-name", "add")],
            true,
        ),
        (
            "tools/call",
            r#"{"name":"add"}"#,
            &[("mcp-method", " tools/call\t"), ("mcp-name", "  add ")],
            true,
        ),
        (
            "tools/call",
            r#"{"name":"a b"}"#,
            &[("mcp-method", "tools/call"), ("mcp-name", "a b")],
            true,
        ),
        (
            "tools/call",
            r#"{"name":""}"#,
            &[("mcp-method", "tools/call"), ("mcp-name", "")],
            true,
        ),
        (
            "tools/call",
            r#"{"name":"add"}"#,
            &[("mcp-method", "tools/call")],
            false,
        ),
        (
            "tools/call",
            r#"{"name":"add"}"#,
            &[("mcp-name", "add")],
            false,
        ),
        ("tools/call", r#"{"name":"add"}"#, &[], false),
        (
            "tools/call",
            r#"{"name":"add"}"#,
            &[("mcp-method", "tools/call"), ("mcp-name", "Add")],
            false,
        ),
        (
            "tools/call",
            r#"{"name":"add"}"#,
            &[("mcp-method", "Tools/Call"), ("mcp-name", "add")],
            false,
        ),
        (
            "tools/call",
            r#"{"name":"add"}"#,
            &[("mcp-method", "tools/list"), ("mcp-name", "add")],
            false,
        ),
        (
            "tools/call",
            r#"{"name":"add"}"#,
            &[("mcp-method", ""), ("mcp-name", "add")],
            false,
        ),
        ("tools/list", "{}", &[("mcp-method", "tools/list")], true),
        (
            "tools/list",
            "{}",
            &[("mcp-method", "tools/list"), ("mcp-name", "add")],
            true,
        ),
        ("tools/list", "{}", &[], false),
        ("server/discover", "{}", &[], false),
        ("initialize", "{}", &[], true),
        ("initialize", "{}", &[("mcp-method", "tools/call")], false),
        (
            "prompts/get",
            r#"{"name":"p"}"#,
            &[("mcp-method", "prompts/get"), ("mcp-name", "p")],
            true,
        ),
        (
            "prompts/get",
            r#"{"name":"p"}"#,
            &[("mcp-method", "prompts/get")],
            false,
        ),
        (
            "resources/read",
            r#"{"uri":"A:b"}"#,
            &[("mcp-method", "resources/read"), ("mcp-name", "A:b")],
            true,
        ),
        (
            "resources/read",
            r#"{"uri":"A:b"}"#,
            &[("mcp-method", "resources/read"), ("mcp-name", "a:b")],
            false,
        ),
        (
            "resources/read",
            r#"{"uri":"A:b"}"#,
            &[("mcp-method", "resources/read")],
            false,
        ),
        (
            "resources/subscribe",
            r#"{"uri":"a:b"}"#,
            &[("mcp-method", "resources/subscribe")],
            true,
        ),
        (
            "resources/dir",
            r#"{"uri":"a:b"}"#,
            &[("mcp-method", "resources/dir")],
            true,
        ),
        (
            "resources/dir",
            r#"{"uri":"a:b"}"#,
            &[("mcp-method", "resources/dir"), ("mcp-name", "a:c")],
            false,
        ),
        (
            "tasks/get",
            r#"{"taskId":"t"}"#,
            &[("mcp-method", "tasks/get"), ("mcp-name", "t")],
            true,
        ),
        (
            "tasks/get",
            r#"{"taskId":"t"}"#,
            &[("mcp-method", "tasks/get"), ("mcp-name", "u")],
            false,
        ),
        (
            "tasks/cancel",
            r#"{"taskId":"t"}"#,
            &[("mcp-method", "tasks/cancel")],
            false,
        ),
        ("tasks/list", "{}", &[("mcp-method", "tasks/list")], true),
        (
            "tasks/result",
            r#"{"taskId":"t"}"#,
            &[("mcp-method", "tasks/result")],
            true,
        ),
        (
            "tasks/result",
            r#"{"taskId":"t"}"#,
            &[("mcp-method", "tasks/result"), ("mcp-name", "u")],
            false,
        ),
        (
            "subscriptions/listen",
            r#"{"notifications":{"resourceSubscriptions":["a:b"]}}"#,
            &[("mcp-method", "subscriptions/listen")],
            true,
        ),
    ];
    for (method, params, lines, agrees) in cases {
        let body = request(method, params);
        let expected = Some(Reason::HeaderMismatch).filter(|_| !agrees);
        let modern: Vec<_> = [MODERN].iter().chain(*lines).copied().collect();
        assert_eq!(
            reason(&modern, &body),
            expected,
            "{method} {params} {lines:?}"
        );
    }
}

#[test]
fn a_name_may_come_in_base64_and_only_in_strict_base64() {
    for (written, name, agrees) in [
        ("=?base64?Zm9v?=", "foo", true),
        ("=?base64?Zm9vYg==?=", "foob", true),
        ("=?base64?w6Q=?=", "ä", true),
        ("=?base64??=", "", true),
        ("=?base64?PT9iYXNlNjQ/Wm05dj89?=", "=?base64?Zm9v?=", true),
        ("=?base64?Zm9v?=", "bar", false),
        ("=?base64?Zm9v?=", "=?base64?Zm9v?=", false),
        ("=?base64?Zm9vYg?=", "foob", false),
        ("=?base64?Zm9vYh==?=", "foob", false),
        ("=?base64?Zm9v====?=", "foo", false),
        ("=?base64? Zm9v?=", "foo", false),
        ("=?base64?-_-_?=", "\u{fffd}", false),
        ("=?base64?/w==?=", "\u{fffd}", false),
        ("=?BASE64?Zm9v?=", "foo", false),
        ("=?BASE64?Zm9v?=", "=?BASE64?Zm9v?=", true),
        ("=?base64?Zm9v", "=?base64?Zm9v", true),
        ("=?base64?=", "=?base64?=", true),
    ] {
        let body = request("tools/call", &format!(r#"{{"name":"{name}"}}"#));
        let lines = [MODERN, ("mcp-method", "tools/call"), ("mcp-name", written)];
        let expected = Some(Reason::HeaderMismatch).filter(|_| !agrees);
        assert_eq!(reason(&lines, &body), expected, "{written} {name}");
    }
}

#[test]
fn older_requests_may_leave_the_headers_out_but_not_get_them_wrong() {
    let body = request("tools/call", r#"{"name":"add"}"#);
    let versions = [
        None,
        Some("2025-03-26"),
        Some("2025-06-18"),
        Some("2025-11-25"),
        Some("2026-07-27"),
        Some("DRAFT"),
    ];
    for version in versions {
        let version = version.map(|version| ("mcp-protocol-version", version));
        for (line, agrees) in [
            (None, true),
            (Some(("mcp-method", "tools/call")), true),
            (Some(("mcp-name", "add")), true),
            (Some(("mcp-method", "tools/list")), false),
            (Some(("mcp-name", "other")), false),
            (Some(("mcp-name", "=?base64?%?=")), false),
        ] {
            let lines: Vec<_> = version.into_iter().chain(line).collect();
            let expected = Some(Reason::HeaderMismatch).filter(|_| !agrees);
            assert_eq!(reason(&lines, &body), expected, "{lines:?}");
        }
    }
}

#[test]
fn a_revision_is_modern_from_the_day_on_that_demanded_the_headers() {
    for (version, modern) in [
        ("2026-07-28", true),
        ("2026-08-01", true),
        ("2027-01-01", true),
        ("9999-99-99", true),
        ("2026-07-27", false),
        ("2025-11-25", false),
        ("", false),
        ("2026-7-28", false),
        ("2026/07/28", false),
        ("2026-07-28x", false),
        ("DRAFT-2026", false),
        ("zzzz-zz-zz", false),
    ] {
        assert_eq!(is_modern(version.as_bytes()), modern, "{version}");
    }
}

#[test]
fn the_versions_of_header_and_body_are_one() {
    for (header, body, agrees) in [
        (Some("2026-07-28"), Some("2026-07-28"), true),
        (Some("2026-07-28"), Some("2026-07-29"), false),
        (Some("2026-07-28"), Some("2025-11-25"), false),
        (Some("2025-11-25"), Some("2026-07-28"), false),
        (Some("2025-11-25"), Some("2025-11-25"), true),
        (Some("DRAFT"), Some("DRAFT"), true),
        (Some("DRAFT"), Some("draft"), false),
        (Some("2026-07-28"), None, true),
        (None, Some("2026-07-28"), false),
        (None, Some("2025-11-25"), true),
        (None, None, true),
    ] {
        let params = body.map_or("{}".to_owned(), versioned);
        let lines: Vec<_> = header
            .map(|version| ("mcp-protocol-version", version))
            .into_iter()
            .chain([("mcp-method", "ping")])
            .collect();
        let expected = Some(Reason::HeaderMismatch).filter(|_| !agrees);
        assert_eq!(
            reason(&lines, &request("ping", &params)),
            expected,
            "{header:?} {body:?}"
        );
    }
}

#[test]
fn notifications_and_responses_may_leave_the_headers_out_but_not_get_them_wrong() {
    let notification = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{}}"#;
    let response = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    for body in [notification, response] {
        assert_eq!(reason(&[MODERN], body), None, "{body}");
        assert_eq!(
            reason(&[MODERN, ("mcp-method", "x")], body),
            Some(Reason::HeaderMismatch),
            "{body}"
        );
    }
    assert_eq!(
        reason(
            &[MODERN, ("mcp-method", "notifications/cancelled")],
            notification
        ),
        None
    );
    let call = r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"a"}}"#;
    assert_eq!(reason(&[MODERN], call), None);
    assert_eq!(
        reason(&[MODERN, ("mcp-name", "b")], call),
        Some(Reason::HeaderMismatch)
    );
}

#[test]
fn a_second_line_is_refused_even_when_it_says_the_same() {
    let body = request("tools/call", r#"{"name":"add"}"#);
    for line in [MODERN, ("mcp-method", "tools/call"), ("mcp-name", "add")] {
        let all = [
            MODERN,
            ("mcp-method", "tools/call"),
            ("mcp-name", "add"),
            line,
        ];
        assert_eq!(
            reason(&all, &body),
            Some(Reason::DuplicateHeader),
            "{line:?}"
        );
    }
    let joined = [
        MODERN,
        ("mcp-method", "tools/call, tools/call"),
        ("mcp-name", "add"),
    ];
    assert_eq!(reason(&joined, &body), Some(Reason::HeaderMismatch));
}

#[test]
fn bytes_that_are_not_visible_ascii_match_nothing() {
    let body = request("tools/call", r#"{"name":"ä\u0007\t"}"#);
    for header in ["mcp-method", "mcp-name", "mcp-protocol-version"] {
        for bytes in ["ä\u{7}\t".as_bytes(), b"a\tb", b"\xff", "ä".as_bytes()] {
            let Ok(value) = HeaderValue::from_bytes(bytes) else {
                continue;
            };
            let mut parts = post(&[]);
            parts.headers.insert(header, value);
            let refusal = Calls::read(&Head::read(&parts.headers), body.as_bytes()).unwrap_err();
            assert_eq!(
                refusal.reason(),
                Reason::HeaderMismatch,
                "{header} {bytes:?}"
            );
        }
    }
}

#[test]
fn a_batch_agrees_with_a_header_only_as_a_whole() {
    let add = request("tools/call", r#"{"name":"add"}"#);
    let list = request("tools/list", "{}");
    for (line, batch, agrees) in [
        (("mcp-method", "tools/call"), format!("[{add},{add}]"), true),
        (
            ("mcp-method", "tools/call"),
            format!("[{add},{list}]"),
            false,
        ),
        (
            ("mcp-method", "tools/list"),
            format!("[{add},{list}]"),
            false,
        ),
        (("mcp-name", "add"), format!("[{add},{add}]"), true),
        (("mcp-name", "other"), format!("[{list},{add}]"), false),
    ] {
        let expected = Some(Reason::HeaderMismatch).filter(|_| !agrees);
        assert_eq!(reason(&[line], &batch), expected, "{line:?} {batch}");
    }
    let modern = request("ping", &versioned("2026-07-28"));
    assert_eq!(
        reason(&[], &format!("[{modern}]")),
        Some(Reason::HeaderMismatch)
    );
}

#[test]
fn a_mismatch_answers_the_request_by_its_id() {
    let lines = [MODERN, ("mcp-method", "tools/list")];
    let body = request("tools/call", r#"{"name":"add"}"#);
    let refusal = Calls::read(&Head::read(&post(&lines).headers), body.as_bytes()).unwrap_err();
    assert_eq!(refusal.request_id(), Some("\"q-1\""));
    let notification = r#"{"jsonrpc":"2.0","method":"x"}"#;
    let refusal =
        Calls::read(&Head::read(&post(&lines).headers), notification.as_bytes()).unwrap_err();
    assert_eq!(refusal.request_id(), None);
}
