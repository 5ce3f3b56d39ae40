//! The filter on texts and streams, and against the simplest thing that could do its work.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::error::{FilterError, Withheld};
use super::events::EventFilter;
use super::filter::{ListFilter, MAX_LIST_BYTES};
use super::message::Lists;
use super::scan::Scan;
use crate::mcp::List;

/// Shows what has a `y` in its name.
fn shown(_: List, name: &str) -> bool {
    name.contains('y')
}

/// Of the answer to a call with the id 1.
fn filter() -> ListFilter {
    ListFilter::new(Some("1".into()), true, shown)
}

fn filtered(filter: &ListFilter, text: &str) -> String {
    match filter
        .filtered(text)
        .unwrap_or_else(|kept| panic!("{kept:?}: {text}"))
    {
        Lists::Absent | Lists::Whole => text.to_owned(),
        Lists::Cut(left) => left,
    }
}

fn streamed(filter: &ListFilter, chunks: &[&[u8]]) -> Vec<u8> {
    let (mut events, mut out) = (EventFilter::default(), Vec::new());
    chunks
        .iter()
        .for_each(|chunk| events.feed(chunk, filter, &mut out));
    events.finish(filter, &mut out);
    out
}

#[test]
fn shown_elements_keep_every_byte_and_hidden_ones_go_with_their_comma() {
    for (elements, left) in [
        (r#"{"name":"y"}"#, r#"{"name":"y"}"#),
        (r#"{"name":"n"}"#, ""),
        (" ", " "),
        ("", ""),
        (r#" {"name":"n"} , {"name":"n"} "#, ""),
        (r#"{"name":"n"},{"name":"y"}"#, r#"{"name":"y"}"#),
        (r#"{"name":"y"},{"name":"n"}"#, r#"{"name":"y"}"#),
        (
            "\n  {\"name\": \"y1\"},\n  {\"name\": \"n\"},\n  {\"z\":1.50,\"name\": \"y2\"}\n",
            "\n  {\"name\": \"y1\"},\n  {\"z\":1.50,\"name\": \"y2\"}\n",
        ),
        (
            r#"{"name":"n","x":[{"name":"y"},"],[{"],"y":"}"},{"b":1e400,"a":12345678901234567890123,"name":"\u0079"}"#,
            r#"{"b":1e400,"a":12345678901234567890123,"name":"\u0079"}"#,
        ),
    ] {
        let around = |inside: &str| {
            format!(
                "\t{{ \"result\" : {{\"nextCursor\":\"a\", \"tools\" :[{inside}] ,\"q\":0.10}} ,\"jsonrpc\":\"2.0\",\"id\": 1 }}\r\n"
            )
        };
        assert_eq!(filtered(&filter(), &around(elements)), around(left));
    }
}

#[test]
fn each_list_is_filtered_by_the_member_that_names_its_elements() {
    for (list, member, name) in [
        (List::Tools, "tools", "name"),
        (List::Prompts, "prompts", "name"),
        (List::Resources, "resources", "uri"),
        (List::ResourceTemplates, "resourceTemplates", "uriTemplate"),
    ] {
        let element = |name_of: &str| json!({ "name": "x", "uri": "x", "uriTemplate": "x", "title": 1, name: name_of });
        let answer =
            |elements: Value| json!({ "jsonrpc": "2.0", "id": 1, "result": { member: elements } });
        let judged = move |asked: List, called: &str| {
            assert_eq!(asked, list);
            called == "a"
        };
        let filter = ListFilter::new(None, true, judged);
        let whole = answer(json!([element("a"), element("b")])).to_string();
        let left: Value = serde_json::from_str(&filtered(&filter, &whole)).unwrap();
        assert_eq!(left, answer(json!([element("a")])));
    }
}

#[test]
fn a_response_without_a_list_passes_unchanged() {
    for text in [
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"no","data":{"tools":[{"name":"n"}]}}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"tools":[{"name":"n"}]}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{}}"#,
        r#"{"jsonrpc":"2.0","id":7,"result":{"content":[{"tools":[{"name":"n"}]}]}}"#,
        r#"{"jsonrpc":"2.0","id":7,"result":{"structuredContent":{"tools":[{"name":"n"}]}}}"#,
        r#"{"jsonrpc":"2.0","id":7,"result":[1]}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required"}}"#,
        r#"{"tools":[{"name":"n"}]}"#,
        "1",
        "[1]",
        "[[1]]",
        "[]",
        "",
        "hello",
    ] {
        assert_eq!(filter().filtered(text), Ok(Lists::Absent), "{text}");
    }
}

#[test]
fn a_response_is_filtered_by_its_content_and_not_by_its_request() {
    for id in [
        "1",
        "\"1\"",
        "1.0",
        "1e0",
        "null",
        "\" 1\"",
        "[1]",
        "7",
        "99999999999999999999999999999999999999999",
    ] {
        let text = |inside: &str| {
            format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"tools":[{inside}]}}}}"#)
        };
        assert_eq!(
            filtered(&filter(), &text(r#"{"name":"n"}"#)),
            text(""),
            "{id}"
        );
    }
    let nameless = r#"{"jsonrpc":"2.0","result":{"prompts":[{"name":"n"}]}}"#;
    assert_eq!(
        filtered(&filter(), nameless),
        r#"{"jsonrpc":"2.0","result":{"prompts":[]}}"#
    );
    let shadowed = r#"{"id":1,"method":"x","error":{},"result":{"tools":[{"name":"n"}]}}"#;
    assert_eq!(
        filtered(&filter(), shadowed),
        r#"{"id":1,"method":"x","error":{},"result":{"tools":[]}}"#
    );
    let several =
        r#"{"id":1,"result":{"tools":[{"name":"n"}],"prompts":[{"name":"n"},{"name":"y"}]}}"#;
    assert_eq!(
        filtered(&filter(), several),
        r#"{"id":1,"result":{"tools":[],"prompts":[{"name":"y"}]}}"#
    );
}

#[test]
fn each_response_in_a_batch_is_filtered_by_itself() {
    let text = r#"[ {"id":1,"result":{"tools":[{"name":"n"}]}}, {"id":3,"result":{"content":[{"name":"n"}]}} ,{"id":"p","result":{"prompts":[{"name":"y"},{"name":"n"}]}},{"method":"x"}]"#;
    let left = r#"[ {"id":1,"result":{"tools":[]}}, {"id":3,"result":{"content":[{"name":"n"}]}} ,{"id":"p","result":{"prompts":[{"name":"y"}]}},{"method":"x"}]"#;
    assert_eq!(filtered(&filter(), text), left);
}

#[test]
fn a_filtered_list_is_not_marked_as_public() {
    for (hints, left) in [
        (
            r#""ttlMs":5,"cacheScope":"public","tools":[]"#,
            r#""ttlMs":5,"cacheScope":"private","tools":[]"#,
        ),
        (
            r#""tools":[],"cacheScope" : "private" "#,
            r#""tools":[],"cacheScope" : "private" "#,
        ),
        (
            r#""tools":[],"cacheScope":"pr\u0069vate""#,
            r#""tools":[],"cacheScope":"pr\u0069vate""#,
        ),
        (
            r#""tools":[],"cacheScope":null"#,
            r#""tools":[],"cacheScope":"private""#,
        ),
        (
            r#""tools":[],"cacheScope":["public"]"#,
            r#""tools":[],"cacheScope":"private""#,
        ),
        (
            r#""tools":[{"name":"n"}],"ttlMs":5"#,
            r#""cacheScope":"private","tools":[],"ttlMs":5"#,
        ),
        (
            r#""tools":[],"_meta":{"ttlMs":5}"#,
            r#""tools":[],"_meta":{"ttlMs":5}"#,
        ),
    ] {
        let around = |inside: &str| format!(r#"{{"id":1,"result":{{{inside}}}}}"#);
        assert_eq!(filtered(&filter(), &around(hints)), around(left));
    }
}

#[test]
fn a_list_that_cannot_be_filtered_with_certainty_is_withheld() {
    let id = || Some("1".to_owned());
    for (text, why, id) in [
        ("{", FilterError::NotJson, None),
        ("x{}", FilterError::NotJson, None),
        (
            r#"{"id":1,"result":{"tools":[]}}x"#,
            FilterError::NotJson,
            None,
        ),
        ("\u{feff}{}", FilterError::NotJson, None),
        (
            r#"{"id":1,"result":{"tools":[]},}"#,
            FilterError::NotJson,
            None,
        ),
        (
            r#"{"id":1,"result":{"tools":[{"name":"y"},]}}"#,
            FilterError::NotJson,
            None,
        ),
        (
            r#"{"id":1,"x\ud800":1,"result":{"tools":[]}}"#,
            FilterError::NotJson,
            None,
        ),
        (
            r#"{"id":1,"result":{"tools":[{"name":"y\ud800"}]}}"#,
            FilterError::NoName,
            id(),
        ),
        (
            r#"[[{"id":1,"result":{"tools":[]}}]]"#,
            FilterError::NoMessage,
            None,
        ),
        (
            r#"{"id":1,"result":{"tools":{"n":{"name":"n"}}}}"#,
            FilterError::NoList,
            id(),
        ),
        (
            r#"{"id":1,"result":{"tools":null}}"#,
            FilterError::NoList,
            id(),
        ),
        (
            r#"{"id":1,"result":{"tools":["n"]}}"#,
            FilterError::NoName,
            id(),
        ),
        (
            r#"{"id":1,"result":{"tools":[{}]}}"#,
            FilterError::NoName,
            id(),
        ),
        (
            r#"{"id":1,"result":{"tools":[{"name":7}]}}"#,
            FilterError::NoName,
            id(),
        ),
        (
            r#"{"id":1,"result":{"tools":[{"name":null}]}}"#,
            FilterError::NoName,
            id(),
        ),
        (
            r#"{"id":1,"result":{"tools":[{"name":"y","name":"n"}]}}"#,
            FilterError::DuplicateKey,
            id(),
        ),
        (
            r#"{"id":1,"result":{"tools":[{"name":"y","n\u0061me":"n"}]}}"#,
            FilterError::DuplicateKey,
            id(),
        ),
        (
            r#"{"id":1,"result":{"tools":[],"\u0074ools":[{"name":"n"}]}}"#,
            FilterError::DuplicateKey,
            id(),
        ),
        (
            r#"{"id":1,"result":{"tools":[],"cacheScope":"private","cacheScope":"public"}}"#,
            FilterError::DuplicateKey,
            id(),
        ),
        (
            r#"{"id":1,"id":2,"result":{"tools":[]}}"#,
            FilterError::DuplicateKey,
            None,
        ),
        (
            r#"{"id":1,"result":{"tools":[]},"result":{"tools":[{"name":"n"}]}}"#,
            FilterError::DuplicateKey,
            None,
        ),
    ] {
        let kept = filter()
            .filtered(text)
            .map_err(|Withheld { why, id, .. }| (why, id));
        assert_eq!(kept, Err((why, id)), "{text}");
    }
}

#[test]
fn depth_costs_no_stack() {
    let deep = format!("{}{}", "[".repeat(500_000), "]".repeat(500_000));
    let text = |inside: &str| format!(r#"{{"x":{deep},"id":1,"result":{{"tools":[{inside}]}}}}"#);
    let tool = format!(r#"{{"x":{deep},"name":"n"}}"#);
    assert_eq!(filtered(&filter(), &text(&tool)), text(""));
    assert_eq!(
        filter().filtered(&deep.replace("[]", "[{}]")),
        Err(FilterError::NoMessage.into())
    );
}

const TOOLS: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"y"},{"name":"né"}]}}"#;
const LEFT: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"y"}]}}"#;

#[test]
fn events_are_filtered_wherever_the_stream_is_cut_and_all_others_keep_their_bytes() {
    for end in ["\n", "\r", "\r\n"] {
        let lines = |lines: &[&str]| lines.concat().replace('\n', end);
        for (stream, left) in [
            (
                lines(&["data: ", TOOLS, "\n\n"]),
                lines(&["data: ", LEFT, "\n\n"]),
            ),
            (
                lines(&["data:", TOOLS, "\n\n"]),
                lines(&["data: ", LEFT, "\n\n"]),
            ),
            (
                lines(&["data:", LEFT, "\n\n"]),
                lines(&["data:", LEFT, "\n\n"]),
            ),
            (
                lines(&[
                    "\u{feff}: hi\nid: 7\ndata: ",
                    TOOLS,
                    "\nevent: message\nretry: 3\n\n: ping\n\n",
                ]),
                lines(&[
                    "\u{feff}: hi\nid: 7\ndata: ",
                    LEFT,
                    "\nevent: message\nretry: 3\n\n: ping\n\n",
                ]),
            ),
            (
                lines(&["\u{feff}data: ", TOOLS, "\n\n"]),
                lines(&["data: ", LEFT, "\n\n"]),
            ),
            (
                lines(&[
                    "data: ",
                    &TOOLS.replace(",{", "\ndata: ,\nid: 3\ndata: {"),
                    "\n\n\n\ndata\n\n",
                ]),
                lines(&[
                    "id: 3\ndata: ",
                    &LEFT.replace(']', "\ndata: ]"),
                    "\n\n\n\ndata\n\n",
                ]),
            ),
            (
                lines(&[
                    "data: ",
                    &TOOLS.replace("\"result\"", "\ndata:\"result\""),
                    "\n\n",
                ]),
                lines(&[
                    "data: ",
                    &LEFT.replace("\"result\"", "\ndata: \"result\""),
                    "\n\n",
                ]),
            ),
            (
                lines(&["id: 1\ndata:\n\ndata: \n\n"]),
                lines(&["id: 1\ndata:\n\ndata: \n\n"]),
            ),
            (
                lines(&["event: endpoint\ndata: /é\n\nDATA: x\n data: y\ndatax: z\n\n"]),
                lines(&["event: endpoint\ndata: /é\n\nDATA: x\n data: y\ndatax: z\n\n"]),
            ),
            (
                lines(&["event: x\ndata: ", TOOLS, "\n\n"]),
                lines(&["event: x\ndata: ", LEFT, "\n\n"]),
            ),
            (
                lines(&[
                    "data: {\"method\":\"é\"}\n\ndata:{}\n\n\ndata: ",
                    TOOLS,
                    "\n\n",
                ]),
                lines(&[
                    "data: {\"method\":\"é\"}\n\ndata:{}\n\n\ndata: ",
                    LEFT,
                    "\n\n",
                ]),
            ),
        ] {
            let bytes = stream.as_bytes();
            let expect = |chunks: &[&[u8]], at: usize| {
                let out = String::from_utf8(streamed(&filter(), chunks)).unwrap();
                assert_eq!(out, left, "{stream:?} cut at {at}");
            };
            for at in 0..=bytes.len() {
                expect(&[&bytes[..at], &bytes[at..]], at);
            }
            expect(&bytes.chunks(1).collect::<Vec<_>>(), 1);
        }
    }
}

#[test]
fn ends_of_lines_of_all_kinds_may_stand_in_one_event() {
    let (start, rest) = TOOLS.split_at(10);
    let stream = format!("data:{start}\rdata:{rest}\n\nid: 1\n\r\ndata: {TOOLS}\n\r");
    let left = "data: {\"jsonrpc\"\ndata: :\"2.0\",\"id\":1,\"result\":{\"tools\":[{\"name\":\"y\"}]}}\n\nid: 1\n\r\n";
    let left = format!("{left}data: {LEFT}\n\r");
    for at in 0..=stream.len() {
        if !stream.is_char_boundary(at) {
            continue;
        }
        let (before, after) = stream.as_bytes().split_at(at);
        assert_eq!(
            String::from_utf8(streamed(&filter(), &[before, after])).unwrap(),
            left,
            "{at}"
        );
    }
}

#[test]
fn an_event_is_passed_on_with_its_last_byte_and_not_before() {
    for end in ["\n", "\r", "\r\n"] {
        let (mut events, mut out) = (EventFilter::default(), Vec::new());
        let event = format!("data: {TOOLS}{end}{end}");
        // After a CR, no LF is awaited.
        let waits = event.len() - usize::from(end == "\r\n");
        for (position, byte) in event.bytes().enumerate() {
            assert_eq!(out.is_empty(), position < waits, "{end:?} {position}");
            events.feed(&[byte], &filter(), &mut out);
        }
        assert!(!out.is_empty());
    }
}

#[test]
fn only_lines_that_may_be_part_of_a_message_are_held() {
    for (stream, passed) in [
        (":", ":"),
        (": ping", ": ping"),
        (": ping\n", ": ping\n"),
        (": ping\r", ": ping\r"),
        ("\n\r\r\n", "\n\r\r\n"),
        ("id: 1\nretry: 3\nid", "id: 1\nretry: 3\nid"),
        ("d", ""),
        ("dat\n", "dat\n"),
        ("datax", "datax"),
        ("data", ""),
        ("data\n", ""),
        ("data :", "data :"),
        (" data: {}\n", " data: {}\n"),
        ("DATA: {}\n", "DATA: {}\n"),
        ("even", ""),
        ("events: x", "events: x"),
        ("event: x\n", ""),
        ("\u{feff}", ""),
        ("\u{feff}: x", "\u{feff}: x"),
        ("\u{feff}da", ""),
        (": x\n\u{feff}da", ": x\n\u{feff}da"),
        ("id: 1\ndata: {}\n: ping\nid: 2\n", "id: 1\n"),
        ("data: {}\n\n: ping\ndata: {}", "data: {}\n\n: ping\n"),
    ] {
        for chunk in [1, usize::MAX] {
            let (mut events, mut out) = (EventFilter::default(), Vec::new());
            stream
                .as_bytes()
                .chunks(chunk)
                .for_each(|chunk| events.feed(chunk, &filter(), &mut out));
            assert_eq!(String::from_utf8(out).unwrap(), passed, "{stream:?}");
        }
    }
}

#[test]
fn an_event_too_long_to_be_held_passes_where_no_list_is_in_it_however_it_is_cut() {
    let long = "x\\\"".repeat(MAX_LIST_BYTES / 3 + 10);
    for end in ["\n", "\r", "\r\n"] {
        for (inside, passes) in [
            (
                format!(r#""content":["{long}",{{"tools":[1]}}],"x":{{"tools":[2]}}"#),
                true,
            ),
            (
                format!(r#""content":["{long}"]{end}data:,"tools" {end}data: :[{{"name":"n"}}]"#),
                false,
            ),
            (
                format!(r#""content":["{long}"],"\u0074ools":[{{"name":"n"}}]"#),
                false,
            ),
            (
                format!(r#""tools":[{{"name":"n"}}],"content":["{long}"]"#),
                false,
            ),
        ] {
            let event = format!(
                "id: 1{end}data:{{\"id\":1,\"result\":{{{inside}}}}}{end}: \"{end}datax{end}{end}"
            );
            let stream = format!("{event}: ping{end}{end}data: {TOOLS}{end}{end}");
            for chunk in [61, usize::MAX] {
                let (mut events, mut out) = (EventFilter::default(), Vec::new());
                stream
                    .as_bytes()
                    .chunks(chunk)
                    .for_each(|chunk| events.feed(chunk, &filter(), &mut out));
                let out = String::from_utf8(out).unwrap();
                let next = format!(": ping{end}{end}data: {LEFT}{end}{end}");
                assert!(
                    out.ends_with(&next) && !out.contains("\"n\""),
                    "{end:?} {chunk} {passes}"
                );
                assert_eq!(out.starts_with(&event), passes, "{end:?} {chunk}");
                assert_eq!(out.contains("-32603"), !passes, "{end:?} {chunk}");
            }
        }
    }
}

#[test]
fn an_event_that_cannot_be_filtered_becomes_an_error_and_the_next_one_passes() {
    let error = |id: &str| {
        let message = "The server's answer cannot be shown";
        json!({ "jsonrpc": "2.0", "id": serde_json::from_str::<Value>(id).unwrap(), "error": { "code": -32603, "message": message } })
    };
    let after = format!("data: {LEFT}\n\n");
    let nothing_known = ListFilter::new(None, false, shown);
    for (of, data, id) in [
        (
            filter(),
            &b"{\"id\":1,\"result\":{\"tools\":[{}]}}"[..],
            "1",
        ),
        (filter(), b"{hello", "1"),
        (
            filter(),
            b"{\"id\":1,\"x\":\"\xff\",\"result\":{\"tools\":[]}}",
            "1",
        ),
        (nothing_known, b"{hello", "null"),
        (filter(), b"[{\"id\":2,\"result\":{\"tools\":{}}}]", "2"),
    ] {
        let stream = [
            b"id: 9\ndata: ",
            data,
            b"\nevent: message\n\n",
            after.as_bytes(),
        ]
        .concat();
        let out = String::from_utf8(streamed(&of, &[&stream])).unwrap();
        let (event, rest) = out
            .strip_prefix("id: 9\ndata: ")
            .unwrap()
            .split_once("\nevent: message\n\n")
            .unwrap();
        assert_eq!(
            (serde_json::from_str::<Value>(event).unwrap(), rest),
            (error(id), after.as_str())
        );
    }
}

#[test]
fn an_event_beyond_the_limit_with_a_list_becomes_an_error_at_once_and_the_next_one_passes() {
    for end in ["\n", "\r", "\r\n"] {
        let list = format!(
            r#"{{"id":1,"result":{{"tools":[],"x":"{}"}}}}"#,
            "x".repeat(MAX_LIST_BYTES)
        );
        let long = format!("data: {list}{end}: x{end}{end}");
        let next = format!("data: {TOOLS}{end}{end}");
        for chunk in [7, 4096, usize::MAX] {
            let (mut events, mut out) = (EventFilter::default(), Vec::new());
            long.as_bytes()
                .chunks(chunk)
                .for_each(|chunk| events.feed(chunk, &filter(), &mut out));
            let error = String::from_utf8(std::mem::take(&mut out)).unwrap();
            assert!(
                error.starts_with(r#"data: {"jsonrpc":"2.0","id":1,"error""#),
                "{error}"
            );
            assert_eq!(
                error.lines().count(),
                2 + usize::from(error.ends_with("\n\n\n")),
                "{error:?}"
            );
            next.as_bytes()
                .chunks(chunk)
                .for_each(|chunk| events.feed(chunk, &filter(), &mut out));
            assert_eq!(
                String::from_utf8(out).unwrap(),
                format!("data: {LEFT}{end}{end}")
            );
        }
    }
}

#[test]
fn the_last_event_of_a_broken_stream_is_filtered_too() {
    let out =
        String::from_utf8(streamed(&filter(), &[format!("data: {TOOLS}").as_bytes()])).unwrap();
    assert_eq!(out, format!("data: {LEFT}\n"));
    assert_eq!(streamed(&filter(), &[b": ping"]), b": ping");
}

/// A value with names, lists and hints in places where they count and where they do not.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[ny\"\\\\,\\]}\u{e9}\n]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let key = prop_oneof![
            Just("name"),
            Just("tools"),
            Just("result"),
            Just("uri"),
            Just("x\"]")
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..4).prop_map(|members| {
                Value::Object(
                    members
                        .into_iter()
                        .map(|(key, value)| (key.to_owned(), value))
                        .collect(),
                )
            }),
        ]
    })
}

fn element() -> impl Strategy<Value = Value> {
    ("[ny,\"\\\\\\]\u{e9}]{0,5}", value(), 0..12).prop_map(|(name, other, odd)| match odd {
        0 => json!({ "title": other }),
        1 => other,
        _ => json!({ "name": name, "a": other, "uri": name }),
    })
}

fn answer() -> impl Strategy<Value = Value> {
    let scope = prop_oneof![Just(None), Just(Some("public")), Just(Some("private"))];
    let list = prop_oneof![Just("tools"), Just("prompts"), Just("resources"), Just("z")];
    let elements = prop::collection::vec(element(), 0..5);
    (0..5, list, elements, scope, any::<bool>(), value()).prop_map(
        |(id, list, elements, scope, ttl, other)| {
            let mut answer =
                json!({ "jsonrpc": "2.0", "id": id, "x": other, "result": { list: elements, "a": other } });
            let result = answer["result"].as_object_mut().unwrap();
            if let Some(scope) = scope {
                result.insert("cacheScope".into(), scope.into());
            }
            if ttl {
                result.insert("ttlMs".into(), 5.into());
            }
            match id {
                3 => answer["result"] = other,
                4 => drop(answer.as_object_mut().unwrap().remove("result")),
                _ => {}
            }
            answer
        },
    )
}

/// The same judgement, made on a parsed message: `None` where it is kept back.
fn by_value(mut message: Value) -> Option<Value> {
    const LISTS: [(&str, &str); 4] = [
        ("tools", "name"),
        ("prompts", "name"),
        ("resources", "uri"),
        ("resourceTemplates", "uriTemplate"),
    ];
    let Some(result) = message.get_mut("result") else {
        return Some(message);
    };
    let Some(result) = result.as_object_mut() else {
        return Some(message);
    };
    let mut has_list = false;
    for (list, name) in LISTS {
        if let Some(elements) = result.get_mut(list) {
            has_list = true;
            let elements = elements.as_array_mut()?;
            if !elements
                .iter()
                .all(|element| element.is_object() && element[name].is_string())
            {
                return None;
            }
            elements.retain(|element| shown(List::Tools, element[name].as_str().unwrap()));
        }
    }
    if has_list && (result.contains_key("cacheScope") || result.contains_key("ttlMs")) {
        result.insert("cacheScope".into(), "private".into());
    }
    Some(message)
}

/// The text as it is shown.
fn left(text: &str) -> Option<String> {
    filter().filtered(text).ok().map(|lists| {
        if let Lists::Cut(left) = lists {
            left
        } else {
            text.to_owned()
        }
    })
}

fn spaced(value: &Value, pretty: bool) -> String {
    if pretty {
        serde_json::to_string_pretty(value).unwrap()
    } else {
        value.to_string()
    }
}

proptest! {
    #[test]
    fn the_result_is_that_of_parsing_filtering_and_writing(answer in answer(), pretty: bool) {
        let text = spaced(&answer, pretty);
        let expected = by_value(answer);
        let got = left(&text).map(|left| serde_json::from_str::<Value>(&left).unwrap());
        prop_assert_eq!(got, expected);
    }

    #[test]
    fn a_scan_stops_where_parsing_finds_a_list_and_nowhere_else(
        answers in prop::collection::vec(answer(), 1..3),
        pretty: bool,
        single: bool,
        chunk in 1..9_usize,
    ) {
        let answers = if single { answers[0].clone() } else { Value::from(answers) };
        let has_list = |answer: &Value| {
            let result = answer["result"].as_object();
            result.is_some_and(|result| ["tools", "prompts", "resources"].iter().any(|list| result.contains_key(*list)))
        };
        let any = answers.as_array().map_or_else(|| has_list(&answers), |all| all.iter().any(has_list));
        let mut scan = Scan::default();
        let text = spaced(&answers, pretty);
        let scanned = text.as_bytes().chunks(chunk).try_for_each(|chunk| scan.read(chunk));
        prop_assert_eq!(scanned, if any { Err(FilterError::TooLong) } else { Ok(()) });
    }

    #[test]
    fn a_batch_is_its_answers_one_by_one(answers in prop::collection::vec(answer(), 1..4), pretty: bool) {
        let text = spaced(&Value::from(answers.clone()), pretty);
        let expected: Option<Vec<Value>> = answers.into_iter().map(by_value).collect();
        let got = left(&text).map(|left| serde_json::from_str::<Value>(&left).unwrap());
        prop_assert_eq!(got, expected.map(Value::from));
    }

    #[test]
    fn no_bytes_make_it_panic_or_let_a_list_through(bytes in prop::collection::vec(any::<u8>(), 0..64), at in 0..64_usize) {
        let stream = [&bytes[..], b"\n\ndata: ", TOOLS.as_bytes(), b"\n\n"].concat();
        let (before, after) = stream.split_at(at.min(stream.len()));
        let out = streamed(&filter(), &[before, after]);
        let leaked = String::from_utf8_lossy(&out).contains("\"n\u{e9}\"");
        prop_assert!(!leaked);
    }
}

proptest! {
    // Each case is cut everywhere.
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_stream_is_its_events_one_by_one_wherever_it_is_cut(
        answers in prop::collection::vec((answer(), any::<bool>(), 0..3_usize), 1..4),
    ) {
        let mut stream = String::new();
        for (answer, pretty, end) in &answers {
            let end = ["\n", "\r", "\r\n"][*end];
            stream.push_str(&format!(": comment{end}"));
            for line in spaced(answer, *pretty).lines() {
                stream.push_str(&format!("data: {line}{end}"));
            }
            stream.push_str(end);
        }
        let expected: Vec<Option<Value>> =
            answers.into_iter().map(|(answer, ..)| by_value(answer)).collect();
        let whole = streamed(&filter(), &[stream.as_bytes()]);
        prop_assert_eq!(read(&whole), expected);
        for at in 0..stream.len() {
            let (before, after) = stream.as_bytes().split_at(at);
            prop_assert_eq!(&streamed(&filter(), &[before, after]), &whole);
        }
        let bytes: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
        prop_assert_eq!(&streamed(&filter(), &bytes), &whole);
    }
}

/// The messages of a stream, read as simply as can be; `None` for an error of ours.
fn read(stream: &[u8]) -> Vec<Option<Value>> {
    let text = String::from_utf8(stream.to_vec())
        .unwrap()
        .replace("\r\n", "\n")
        .replace('\r', "\n");
    let events = text.split("\n\n").filter(|event| !event.is_empty());
    let data = events.map(|event| {
        let lines = event.lines().filter_map(|line| line.strip_prefix("data: "));
        serde_json::from_str::<Value>(&lines.collect::<Vec<_>>().join("\n")).unwrap()
    });
    data.map(|message| Some(message).filter(|message| message["error"]["code"] != -32603))
        .collect()
}
