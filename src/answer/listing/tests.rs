//! The filter on texts and streams, and against the simplest thing that could do its work.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::events::Events;
use super::message::{Kept, Unclear};
use super::{ListFilter, MAX_LIST_BYTES};
use crate::list::{Asked, List};

/// Shows what has a `y` in its name.
fn shown(_: List, name: &str) -> bool {
    name.contains('y')
}

fn asking(asked: &[(&str, Option<List>)]) -> ListFilter {
    let asked: Asked = asked.iter().map(|(id, list)| ((*id).to_owned(), *list)).collect();
    ListFilter::new(asked, shown)
}

fn tools() -> ListFilter {
    asking(&[("1", Some(List::Tools))])
}

fn filtered(filter: &ListFilter, text: &str) -> String {
    filter.filtered(text).unwrap_or_else(|kept| panic!("{kept:?}: {text}")).unwrap_or_else(|| text.to_owned())
}

fn streamed(filter: &ListFilter, chunks: &[&[u8]]) -> Vec<u8> {
    let (mut events, mut out) = (Events::default(), Vec::new());
    chunks.iter().for_each(|chunk| events.feed(chunk, filter, &mut out));
    events.finish(filter, &mut out);
    out
}

#[test]
fn what_is_shown_keeps_every_byte_and_what_is_not_goes_with_its_comma() {
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
        assert_eq!(filtered(&tools(), &around(elements)), around(left));
    }
}

#[test]
fn each_list_is_judged_by_what_its_elements_are_called_by() {
    for (list, member, name) in [
        (List::Tools, "tools", "name"),
        (List::Prompts, "prompts", "name"),
        (List::Resources, "resources", "uri"),
        (List::ResourceTemplates, "resourceTemplates", "uriTemplate"),
    ] {
        let element =
            |name_of: &str| json!({ "name": "x", "uri": "x", "uriTemplate": "x", "title": 1, name: name_of });
        let answer = |elements: Value| json!({ "jsonrpc": "2.0", "id": 1, "result": { member: elements } });
        let judged = move |asked: List, called: &str| {
            assert_eq!(asked, list);
            called == "a"
        };
        let filter = ListFilter::new(vec![("1".into(), Some(list))], judged);
        let whole = answer(json!([element("a"), element("b")])).to_string();
        let left: Value = serde_json::from_str(&filtered(&filter, &whole)).unwrap();
        assert_eq!(left, answer(json!([element("a")])));
    }
}

#[test]
fn what_is_no_list_that_was_asked_for_passes_as_it_is() {
    let filter = asking(&[("1", Some(List::Tools)), ("2", None), (r#""a\"b""#, None)]);
    for text in [
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"no","data":{"tools":[{"name":"n"}]}}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"tools":[{"name":"n"}]}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{}}"#,
        r#"{"jsonrpc":"2.0","id":2,"result":{"tools":[{"name":"n"}]}}"#,
        r#"{"jsonrpc":"2.0","id":"a\u0022b","result":{"tools":[{"name":"n"}]}}"#,
        r#"{"jsonrpc":"2.0","id":7,"result":{"content":[{"tools":[{"name":"n"}]}]}}"#,
        r#"{"jsonrpc":"2.0","id":7,"result":[1]}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required"}}"#,
        "[]",
    ] {
        assert_eq!(filter.filtered(text), Ok(None), "{text}");
    }
}

#[test]
fn an_answer_whose_id_somebody_might_take_for_the_lists_is_judged_by_what_is_in_it() {
    for id in
        ["\"1\"", "1.0", "1e0", "null", "\" 1\"", "[1]", "7", "99999999999999999999999999999999999999999"]
    {
        let text = |inside: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"tools":[{inside}]}}}}"#);
        assert_eq!(filtered(&tools(), &text(r#"{"name":"n"}"#)), text(""), "{id}");
    }
    let nameless = r#"{"jsonrpc":"2.0","result":{"prompts":[{"name":"n"}]}}"#;
    assert_eq!(filtered(&asking(&[]), nameless), r#"{"jsonrpc":"2.0","result":{"prompts":[]}}"#);
    let shadowed = r#"{"id":1,"method":"x","error":{},"result":{"tools":[{"name":"n"}]}}"#;
    assert_eq!(filtered(&tools(), shadowed), r#"{"id":1,"method":"x","error":{},"result":{"tools":[]}}"#);
}

#[test]
fn in_a_batch_each_answer_is_filtered_for_itself() {
    let filter = asking(&[("1", Some(List::Tools)), ("\"p\"", Some(List::Prompts)), ("3", None)]);
    let text = r#"[ {"id":1,"result":{"tools":[{"name":"n"}]}}, {"id":3,"result":{"tools":[{"name":"n"}]}} ,{"id":"p","result":{"prompts":[{"name":"y"},{"name":"n"}]}},{"method":"x"}]"#;
    let left = r#"[ {"id":1,"result":{"tools":[]}}, {"id":3,"result":{"tools":[{"name":"n"}]}} ,{"id":"p","result":{"prompts":[{"name":"y"}]}},{"method":"x"}]"#;
    assert_eq!(filtered(&filter, text), left);
}

#[test]
fn a_list_for_one_caller_is_not_said_to_be_for_all() {
    for (hints, left) in [
        (r#""ttlMs":5,"cacheScope":"public","tools":[]"#, r#""ttlMs":5,"cacheScope":"private","tools":[]"#),
        (r#""tools":[],"cacheScope" : "private" "#, r#""tools":[],"cacheScope" : "private" "#),
        (r#""tools":[],"cacheScope":"pr\u0069vate""#, r#""tools":[],"cacheScope":"pr\u0069vate""#),
        (r#""tools":[],"cacheScope":null"#, r#""tools":[],"cacheScope":"private""#),
        (r#""tools":[],"cacheScope":["public"]"#, r#""tools":[],"cacheScope":"private""#),
        (r#""tools":[{"name":"n"}],"ttlMs":5"#, r#""cacheScope":"private","tools":[],"ttlMs":5"#),
        (r#""tools":[],"_meta":{"ttlMs":5}"#, r#""tools":[],"_meta":{"ttlMs":5}"#),
    ] {
        let around = |inside: &str| format!(r#"{{"id":1,"result":{{{inside}}}}}"#);
        assert_eq!(filtered(&tools(), &around(hints)), around(left));
    }
}

#[test]
fn what_cannot_be_filtered_with_certainty_is_kept_back() {
    let id = || Some("1".to_owned());
    for (text, why, id) in [
        ("", Unclear::NotJson, None),
        ("x", Unclear::NotJson, None),
        (r#"{"id":1,"result":{"tools":[]}}x"#, Unclear::NotJson, None),
        ("\u{feff}{}", Unclear::NotJson, None),
        (r#"{"id":1,"result":{"tools":[]},}"#, Unclear::NotJson, None),
        (r#"{"id":1,"result":{"tools":[{"name":"y"},]}}"#, Unclear::NotJson, None),
        (r#"{"id":1,"x\ud800":1,"result":{"tools":[]}}"#, Unclear::NotJson, None),
        (r#"{"id":1,"result":{"tools":[{"name":"y\ud800"}]}}"#, Unclear::NoName, id()),
        ("1", Unclear::NoMessage, None),
        ("[1]", Unclear::NoMessage, None),
        (r#"[[{"id":1,"result":{"tools":[]}}]]"#, Unclear::NoMessage, None),
        (r#"{"id":1,"result":null}"#, Unclear::NoList, id()),
        (r#"{"id":1,"result":[{"name":"n"}]}"#, Unclear::NoList, id()),
        (r#"{"id":1,"result":{}}"#, Unclear::NoList, id()),
        (r#"{"id":1,"result":{"Tools":[{"name":"n"}]}}"#, Unclear::NoList, id()),
        (r#"{"id":1,"result":{"prompts":[]}}"#, Unclear::NoList, id()),
        (r#"{"id":1,"result":{"tools":{"n":{"name":"n"}}}}"#, Unclear::NoList, id()),
        (r#"{"id":1,"result":{"tools":null}}"#, Unclear::NoList, id()),
        (r#"{"id":1,"result":{"tools":["n"]}}"#, Unclear::NoName, id()),
        (r#"{"id":1,"result":{"tools":[{}]}}"#, Unclear::NoName, id()),
        (r#"{"id":1,"result":{"tools":[{"name":7}]}}"#, Unclear::NoName, id()),
        (r#"{"id":1,"result":{"tools":[{"name":null}]}}"#, Unclear::NoName, id()),
        (r#"{"id":1,"result":{"tools":[{"name":"y","name":"n"}]}}"#, Unclear::DuplicateKey, id()),
        (r#"{"id":1,"result":{"tools":[{"name":"y","n\u0061me":"n"}]}}"#, Unclear::DuplicateKey, id()),
        (r#"{"id":1,"result":{"tools":[],"\u0074ools":[{"name":"n"}]}}"#, Unclear::DuplicateKey, id()),
        (
            r#"{"id":1,"result":{"tools":[],"cacheScope":"private","cacheScope":"public"}}"#,
            Unclear::DuplicateKey,
            id(),
        ),
        (r#"{"id":1,"id":2,"result":{"tools":[]}}"#, Unclear::DuplicateKey, None),
        (r#"{"id":1,"result":{"tools":[]},"result":{"tools":[{"name":"n"}]}}"#, Unclear::DuplicateKey, None),
    ] {
        assert_eq!(tools().filtered(text), Err(Kept { why, id }), "{text}");
    }
}

#[test]
fn depth_costs_no_stack() {
    let deep = format!("{}{}", "[".repeat(500_000), "]".repeat(500_000));
    let text = |inside: &str| format!(r#"{{"x":{deep},"id":1,"result":{{"tools":[{inside}]}}}}"#);
    let tool = format!(r#"{{"x":{deep},"name":"n"}}"#);
    assert_eq!(filtered(&tools(), &text(&tool)), text(""));
    assert_eq!(tools().filtered(&deep), Err(Unclear::NoMessage.into()));
}

const TOOLS: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"y"},{"name":"né"}]}}"#;
const LEFT: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"y"}]}}"#;

#[test]
fn events_are_filtered_wherever_the_stream_is_cut_and_all_others_keep_their_bytes() {
    for end in ["\n", "\r", "\r\n"] {
        let lines = |lines: &[&str]| lines.concat().replace('\n', end);
        for (stream, left) in [
            (lines(&["data: ", TOOLS, "\n\n"]), lines(&["data: ", LEFT, "\n\n"])),
            (lines(&["data:", TOOLS, "\n\n"]), lines(&["data: ", LEFT, "\n\n"])),
            (lines(&["data:", LEFT, "\n\n"]), lines(&["data:", LEFT, "\n\n"])),
            (
                lines(&["\u{feff}: hi\nid: 7\ndata: ", TOOLS, "\nevent: message\nretry: 3\n\n: ping\n\n"]),
                lines(&["\u{feff}: hi\nid: 7\ndata: ", LEFT, "\nevent: message\nretry: 3\n\n: ping\n\n"]),
            ),
            (lines(&["\u{feff}data: ", TOOLS, "\n\n"]), lines(&["data: ", LEFT, "\n\n"])),
            (
                lines(&["data: ", &TOOLS.replace(",{", "\ndata: ,\nid: 3\ndata: {"), "\n\n\n\ndata\n\n"]),
                lines(&["id: 3\ndata: ", &LEFT.replace(']', "\ndata: ]"), "\n\n\n\ndata\n\n"]),
            ),
            (
                lines(&["data: ", &TOOLS.replace("\"result\"", "\ndata:\"result\""), "\n\n"]),
                lines(&["data: ", &LEFT.replace("\"result\"", "\ndata: \"result\""), "\n\n"]),
            ),
            (lines(&["id: 1\ndata:\n\ndata: \n\n"]), lines(&["id: 1\ndata:\n\ndata: \n\n"])),
            (
                lines(&["event: endpoint\ndata: /é\n\nDATA: x\n data: y\ndatax: z\n\n"]),
                lines(&["event: endpoint\ndata: /é\n\nDATA: x\n data: y\ndatax: z\n\n"]),
            ),
            (lines(&["event: x\ndata: ", TOOLS, "\n\n"]), lines(&["event: x\ndata: ", LEFT, "\n\n"])),
            (
                lines(&["data: {\"method\":\"é\"}\n\ndata:{}\n\n\ndata: ", TOOLS, "\n\n"]),
                lines(&["data: {\"method\":\"é\"}\n\ndata:{}\n\n\ndata: ", LEFT, "\n\n"]),
            ),
        ] {
            let bytes = stream.as_bytes();
            let expect = |chunks: &[&[u8]], at: usize| {
                let out = String::from_utf8(streamed(&tools(), chunks)).unwrap();
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
        assert_eq!(String::from_utf8(streamed(&tools(), &[before, after])).unwrap(), left, "{at}");
    }
}

#[test]
fn an_event_is_passed_on_with_its_last_byte_and_not_before() {
    for end in ["\n", "\r", "\r\n"] {
        let (mut events, mut out) = (Events::default(), Vec::new());
        let event = format!("data: {TOOLS}{end}{end}");
        // After a CR nobody waits for an LF.
        let waits = event.len() - usize::from(end == "\r\n");
        for (position, byte) in event.bytes().enumerate() {
            assert_eq!(out.is_empty(), position < waits, "{end:?} {position}");
            events.feed(&[byte], &tools(), &mut out);
        }
        assert!(!out.is_empty());
    }
}

#[test]
fn an_event_that_cannot_be_filtered_becomes_an_error_and_the_next_one_passes() {
    let error = |id: &str| {
        let message = "The server's list cannot be shown";
        json!({ "jsonrpc": "2.0", "id": serde_json::from_str::<Value>(id).unwrap(), "error": { "code": -32603, "message": message } })
    };
    let after = format!("data: {LEFT}\n\n");
    let two = asking(&[("1", Some(List::Tools)), ("2", Some(List::Prompts))]);
    for (filter, data, id) in [
        (tools(), &b"{\"id\":1,\"result\":{\"tools\":[{}]}}"[..], "1"),
        (tools(), b"hello", "1"),
        (tools(), b"{\"id\":1,\"x\":\"\xff\",\"result\":{\"tools\":[]}}", "1"),
        (two, b"hello", "null"),
        (asking(&[("1", Some(List::Tools)), ("2", None)]), b"[{\"id\":1,\"result\":{}}]", "1"),
    ] {
        let stream = [b"id: 9\ndata: ", data, b"\nevent: message\n\n", after.as_bytes()].concat();
        let out = String::from_utf8(streamed(&filter, &[&stream])).unwrap();
        let (event, rest) =
            out.strip_prefix("id: 9\ndata: ").unwrap().split_once("\nevent: message\n\n").unwrap();
        assert_eq!((serde_json::from_str::<Value>(event).unwrap(), rest), (error(id), after.as_str()));
    }
}

#[test]
fn an_event_beyond_the_limit_becomes_an_error_at_once_and_the_next_one_passes() {
    for end in ["\n", "\r", "\r\n"] {
        let long = format!("data: {}{end}: x{end}{end}", "x".repeat(MAX_LIST_BYTES));
        let next = format!("data: {TOOLS}{end}{end}");
        for chunk in [7, 4096, usize::MAX] {
            let (mut events, mut out) = (Events::default(), Vec::new());
            long.as_bytes().chunks(chunk).for_each(|chunk| events.feed(chunk, &tools(), &mut out));
            let error = String::from_utf8(std::mem::take(&mut out)).unwrap();
            assert!(error.starts_with(r#"data: {"jsonrpc":"2.0","id":1,"error""#), "{error}");
            assert_eq!(error.lines().count(), 2 + usize::from(error.ends_with("\n\n\n")), "{error:?}");
            next.as_bytes().chunks(chunk).for_each(|chunk| events.feed(chunk, &tools(), &mut out));
            assert_eq!(String::from_utf8(out).unwrap(), format!("data: {LEFT}{end}{end}"));
        }
    }
}

#[test]
fn what_a_stream_breaks_off_with_is_judged_too() {
    let out = String::from_utf8(streamed(&tools(), &[format!("data: {TOOLS}").as_bytes()])).unwrap();
    assert_eq!(out, format!("data: {LEFT}\n"));
    assert_eq!(streamed(&tools(), &[b": ping"]), b": ping");
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
        let key = prop_oneof![Just("name"), Just("tools"), Just("result"), Just("uri"), Just("x\"]")];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..4).prop_map(|members| {
                Value::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
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
fn by_value(mut message: Value, asked: &[(i64, Option<&str>)]) -> Option<Value> {
    const LISTS: [(&str, &str); 4] =
        [("tools", "name"), ("prompts", "name"), ("resources", "uri"), ("resourceTemplates", "uriTemplate")];
    let id = message["id"].as_i64();
    let known = asked.iter().find(|(asked, _)| Some(*asked) == id);
    if let Some((_, None)) = known {
        return Some(message);
    }
    let expected = known.and_then(|(_, list)| *list);
    let Some(result) = message.get_mut("result") else { return Some(message) };
    let Some(result) = result.as_object_mut() else { return expected.is_none().then_some(message) };
    if expected.is_some_and(|list| !result.contains_key(list)) {
        return None;
    }
    let mut has_list = false;
    for (list, name) in LISTS {
        if let Some(elements) = result.get_mut(list) {
            has_list = true;
            let elements = elements.as_array_mut()?;
            if !elements.iter().all(|element| element.is_object() && element[name].is_string()) {
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

fn spaced(value: &Value, pretty: bool) -> String {
    if pretty { serde_json::to_string_pretty(value).unwrap() } else { value.to_string() }
}

proptest! {
    #[test]
    fn it_says_what_parsing_filtering_and_writing_anew_would_say(answer in answer(), pretty: bool) {
        let filter = asking(&[("1", Some(List::Tools)), ("2", Some(List::Prompts)), ("3", None)]);
        let text = spaced(&answer, pretty);
        let expected = by_value(answer, &[(1, Some("tools")), (2, Some("prompts")), (3, None)]);
        let got = filter.filtered(&text).map(|left| left.unwrap_or_else(|| text.clone()));
        let got = got.ok().map(|left| serde_json::from_str::<Value>(&left).unwrap());
        prop_assert_eq!(got, expected);
    }

    #[test]
    fn a_batch_is_its_answers_one_by_one(answers in prop::collection::vec(answer(), 1..4), pretty: bool) {
        let filter = asking(&[("1", Some(List::Tools)), ("2", Some(List::Prompts)), ("3", None)]);
        let asked = [(1, Some("tools")), (2, Some("prompts")), (3, None)];
        let text = spaced(&Value::from(answers.clone()), pretty);
        let expected: Option<Vec<Value>> = answers.into_iter().map(|answer| by_value(answer, &asked)).collect();
        let got = filter.filtered(&text).map(|left| left.unwrap_or_else(|| text.clone()));
        let got = got.ok().map(|left| serde_json::from_str::<Value>(&left).unwrap());
        prop_assert_eq!(got, expected.map(Value::from));
    }

    #[test]
    fn no_bytes_make_it_panic_or_let_a_list_through(bytes in prop::collection::vec(any::<u8>(), 0..64), at in 0..64_usize) {
        let stream = [&bytes[..], b"\n\ndata: ", TOOLS.as_bytes(), b"\n\n"].concat();
        let (before, after) = stream.split_at(at.min(stream.len()));
        let out = streamed(&tools(), &[before, after]);
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
        let filter = asking(&[("1", Some(List::Tools)), ("2", Some(List::Prompts)), ("3", None)]);
        let asked = [(1, Some("tools")), (2, Some("prompts")), (3, None)];
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
            answers.into_iter().map(|(answer, ..)| by_value(answer, &asked)).collect();
        let whole = streamed(&filter, &[stream.as_bytes()]);
        prop_assert_eq!(read(&whole), expected);
        for at in 0..stream.len() {
            let (before, after) = stream.as_bytes().split_at(at);
            prop_assert_eq!(&streamed(&filter, &[before, after]), &whole);
        }
        let bytes: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
        prop_assert_eq!(&streamed(&filter, &bytes), &whole);
    }
}

/// The messages of a stream, read as simply as can be; `None` for an error of ours.
fn read(stream: &[u8]) -> Vec<Option<Value>> {
    let text = String::from_utf8(stream.to_vec()).unwrap().replace("\r\n", "\n").replace('\r', "\n");
    let events = text.split("\n\n").filter(|event| !event.is_empty());
    let data = events.map(|event| {
        let lines = event.lines().filter_map(|line| line.strip_prefix("data: "));
        serde_json::from_str::<Value>(&lines.collect::<Vec<_>>().join("\n")).unwrap()
    });
    data.map(|message| Some(message).filter(|message| message["error"]["code"] != -32603)).collect()
}
