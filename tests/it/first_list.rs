//! The first list of tools that passes is compared with the rules.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream;
use http::Response;
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, StreamBody};
use serde_json::{Value, json};
use toolgate::testing::AuthorizationServer;
use toolgate::{ResponseBody, ScopeMap, deny, without_token};

use crate::listing::through;
use crate::logs::{Log, listen};
use crate::world::{RESOURCE, World, call, post, post_without_token};

const MESSAGE: &str = "the rules for tools and the tools of the server do not fit each other";

fn map() -> ScopeMap {
    ScopeMap::deny_unlisted()
        .every_request("mcp:use")
        .tool("get_weather", "weather:read")
        .tool("delete_files", "files:write")
        .tool("admin_*", deny())
}

/// The list of a server whose `delete_file` the map has under another name.
const TOOLS: [&str; 3] = ["get_weather", "delete_file", "admin_wipe"];

fn list(tools: &[&str]) -> Value {
    let tools: Vec<_> = tools.iter().map(|name| json!({ "name": name })).collect();
    json!({ "jsonrpc": "2.0", "id": 1, "result": { "tools": tools } })
}

fn json_answer(body: impl ToString) -> Response<Full<Bytes>> {
    let answer = Response::builder().header("content-type", "application/json");
    answer.body(Full::from(body.to_string())).unwrap()
}

fn answer_in(
    content_type: &str,
    chunks: &[&str],
) -> Response<impl Body<Data = Bytes, Error = Infallible> + use<>> {
    let frames: Vec<_> = chunks
        .iter()
        .map(|chunk| Ok(Frame::data(Bytes::copy_from_slice(chunk.as_bytes()))))
        .collect();
    let answer = Response::builder().header("content-type", content_type);
    answer.body(StreamBody::new(stream::iter(frames))).unwrap()
}

/// Sends a `tools/list`, reads the answer, and returns its text.
async fn listed<R>(world: &World, answer: Response<R>) -> String
where
    R: Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    asked(world, &call("tools/list", json!({})), answer).await
}

async fn asked<R>(world: &World, request: &str, answer: Response<R>) -> String
where
    R: Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let (response, _) = through(world, post(&world.token().mint(), request), answer).await;
    text(response).await
}

async fn text<R: Body<Data = Bytes, Error = Infallible>>(
    response: Response<ResponseBody<R>>,
) -> String {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

/// The fields of each event about the comparison.
fn reviews(log: &Log) -> Vec<Value> {
    let events = log.events().into_iter();
    let reviews = events.filter(|event| event["fields"]["message"] == MESSAGE);
    let warned = reviews.inspect(|event| assert_eq!(event["level"], "WARN"));
    warned.map(|event| event["fields"].clone()).collect()
}

fn misfit() -> Value {
    json!({
        "message": MESSAGE, "resource": RESOURCE, "unlisted": "deny",
        "unused_rules": "delete_files", "tools_without_rule": "delete_file",
    })
}

#[tokio::test]
async fn the_first_list_of_tools_is_compared_once_in_json_and_in_events_filtered_or_not() {
    let whole = list(&TOOLS).to_string();
    let (first, second) = whole.split_at(whole.len() / 2);
    let event = format!("id: 1\r\ndata: {first}{second}\r\n\r\n");
    let (start, end) = event.split_at(40);
    for map in [map(), map().list_callable()] {
        for (content_type, chunks) in [
            ("application/json", &[whole.as_str()][..]),
            ("application/json; charset=utf-8", &[first, second]),
            (
                "text/event-stream",
                &[": ping\n\ndata:\n\n", &event, "data: {}\n\n"],
            ),
            ("text/event-stream", &[start, end]),
        ] {
            let (log, _guard) = listen();
            let world = World::with_scopes(map.clone()).await;
            for _ in 0..3 {
                let text = listed(&world, answer_in(content_type, chunks)).await;
                assert!(text.contains("get_weather") != map_filters(&map), "{text}");
                assert_eq!(reviews(&log), [misfit()], "{content_type} {chunks:?}");
            }
        }
    }
}

/// Whether the lists of a gate with this map show nothing to a caller with `mcp:use` alone.
fn map_filters(map: &ScopeMap) -> bool {
    format!("{map:?}").contains("listing: Callable")
}

#[tokio::test]
async fn a_list_that_fits_the_rules_is_compared_in_silence_and_once() {
    let (log, _guard) = listen();
    let world = World::with_scopes(map()).await;
    listed(
        &world,
        json_answer(list(&["get_weather", "delete_files", "admin_x"])),
    )
    .await;
    listed(&world, json_answer(list(&TOOLS))).await;
    assert_eq!(reviews(&log), Vec::<Value>::new());
}

#[tokio::test]
async fn an_answer_without_tools_is_not_the_first_list() {
    let (log, _guard) = listen();
    let world = World::with_scopes(map()).await;
    listed(&world, json_answer(list(&[]))).await;
    listed(
        &world,
        json_answer(json!({ "jsonrpc": "2.0", "id": 1, "error": {} })),
    )
    .await;
    listed(&world, json_answer("not JSON")).await;
    listed(&world, answer_in("text/html", &["<p>"])).await;
    let mut failed = json_answer(list(&TOOLS));
    *failed.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
    listed(&world, failed).await;
    let mut packed = json_answer(list(&TOOLS));
    packed
        .headers_mut()
        .insert("content-encoding", "gzip".parse().unwrap());
    listed(&world, packed).await;
    // The answer to another request, whatever is in it, is no list of the tools.
    asked(&world, &call("ping", json!({})), json_answer(list(&["x"]))).await;
    assert_eq!(reviews(&log), Vec::<Value>::new());
    listed(&world, json_answer(list(&TOOLS))).await;
    assert_eq!(reviews(&log), [misfit()]);
}

#[tokio::test]
async fn of_a_list_in_pages_only_tools_without_a_rule_are_told_and_of_its_first_page() {
    let page = |cursor: Value| {
        let mut page = list(&TOOLS);
        page["result"]["nextCursor"] = cursor;
        json_answer(page)
    };
    let (log, _guard) = listen();
    let world = World::with_scopes(map()).await;
    let later = call("tools/list", json!({ "cursor": "2" }));
    asked(&world, &later, json_answer(list(&["last"]))).await;
    assert_eq!(reviews(&log), Vec::<Value>::new());
    listed(&world, page(json!("2"))).await;
    let mut expected = misfit();
    expected.as_object_mut().unwrap().remove("unused_rules");
    assert_eq!(reviews(&log), [expected]);

    let (log, _guard) = listen();
    let world = World::with_scopes(map()).await;
    let first = call("tools/list", json!({ "cursor": null }));
    asked(&world, &first, page(json!(null))).await;
    assert_eq!(reviews(&log), [misfit()]);
}

#[tokio::test]
async fn a_reload_compares_the_next_list_again() {
    let server = AuthorizationServer::builder()
        .clock(crate::world::clock())
        .start()
        .await;
    let world = World::around(server, crate::world::clock(), |builder, server| {
        builder.issuer(server.issuer()).scopes(map())
    });
    let (log, _guard) = listen();
    listed(&world, json_answer(list(&TOOLS))).await;
    // It is on its way while the configuration is replaced, so it says nothing about the new one.
    let token = world.token().mint();
    let request = post(&token, &call("tools/list", json!({})));
    let (on_its_way, _) = through(&world, request, json_answer(list(&["old"]))).await;
    let file = format!(
        "resource = {RESOURCE:?}\n[[issuers]]\nissuer = {:?}\n[scopes]\nunlisted = \"allow\"\n[scopes.tools]\nnew = \"n\"",
        world.server.issuer()
    );
    world.gate.reload(toml::from_str(&file).unwrap()).unwrap();
    text(on_its_way).await;
    assert_eq!(reviews(&log), [misfit()]);
    listed(&world, json_answer(list(&TOOLS))).await;
    let again = json!({
        "message": MESSAGE, "resource": RESOURCE, "unlisted": "allow", "unused_rules": "new",
        "tools_without_rule": "admin_wipe, delete_file, get_weather",
    });
    assert_eq!(reviews(&log), [misfit(), again]);
}

#[tokio::test]
async fn where_all_tools_are_allowed_alike_there_is_nothing_to_compare() {
    let (log, _guard) = listen();
    let alike = ScopeMap::allow_unlisted().resource("file:///a", "a");
    let world = World::with_scopes(alike).await;
    listed(&world, json_answer(list(&TOOLS))).await;
    assert_eq!(reviews(&log), Vec::<Value>::new());
    let world = World::with_scopes(ScopeMap::deny_unlisted()).await;
    listed(&world, json_answer(list(&["b", "a"]))).await;
    assert_eq!(reviews(&log)[0]["tools_without_rule"], "a, b");
}

#[tokio::test]
async fn the_list_for_a_caller_without_a_token_is_compared_too() {
    let (log, _guard) = listen();
    let open = map().method("tools/list", without_token());
    let world = World::with_scopes(open).await;
    let request = post_without_token(&call("tools/list", json!({})));
    let (response, _) = through(&world, request, json_answer(list(&TOOLS))).await;
    text(response).await;
    assert_eq!(reviews(&log), [misfit()]);
}

#[tokio::test]
async fn names_are_escaped_and_cut_and_at_most_twenty_are_told() {
    let (log, _guard) = listen();
    let world = World::with_scopes(map()).await;
    let long = "x".repeat(10_000);
    let mut tools = vec!["\u{1b}[31m\nok".to_owned(), long];
    tools.extend((0..30).map(|number| format!("a{number:02}")));
    let tools: Vec<&str> = tools.iter().map(String::as_str).collect();
    listed(&world, json_answer(list(&tools))).await;
    let told = reviews(&log)[0]["tools_without_rule"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(told.starts_with(r"\u{1b}[31m\nok, a00, "), "{told}");
    assert!(told.ends_with("a18 and 12 more"), "{told}");

    let (log, _guard) = listen();
    let world = World::with_scopes(map()).await;
    listed(&world, json_answer(list(&tools[..2]))).await;
    let told = reviews(&log)[0]["tools_without_rule"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(told.len() < 300 && told.ends_with("x…"), "{told}");
}

#[tokio::test]
async fn a_list_that_is_too_long_is_given_up_and_passed_on() {
    const TOO_LONG: &str =
        "the rules for tools are not compared with the tools of the server: their list is too long";
    let padding = "x".repeat(1024 * 1024);
    let mut long = list(&TOOLS);
    long["result"]["padding"] = json!(padding);
    let long = long.to_string();
    let event = format!("data: {long}\n\n");
    for map in [map(), map().list_callable()] {
        for (content_type, whole) in [("application/json", &long), ("text/event-stream", &event)] {
            let (log, _guard) = listen();
            let world = World::with_scopes(map.clone()).await;
            let (first, second) = whole.split_at(1000);
            let text = listed(&world, answer_in(content_type, &[first, second])).await;
            assert!(text == *whole || map_filters(&map));
            listed(&world, json_answer(list(&TOOLS))).await;
            assert_eq!(reviews(&log), Vec::<Value>::new());
            let given_up = log.events().into_iter().filter(|event| {
                event["fields"]["message"] == TOO_LONG && event["level"] == "DEBUG"
            });
            assert_eq!(given_up.count(), 1, "{content_type}");
        }
    }
}

#[tokio::test]
async fn frames_pass_one_by_one_and_the_comparison_waits_until_they_are_passed_on() {
    let whole = list(&TOOLS).to_string();
    let (log, _guard) = listen();
    let world = World::with_scopes(map()).await;
    let token = world.token().mint();
    let request = post(&token, &call("tools/list", json!({})));
    let (response, _) = through(&world, request, json_answer(&whole)).await;
    assert!(!response.headers().contains_key("cache-control"));
    let mut body = response.into_body();
    assert_eq!(body.size_hint().exact(), Some(whole.len() as u64));
    assert!(!body.is_end_stream());
    let frame = body.frame().await.unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), whole);
    assert!(body.is_end_stream());
    assert_eq!(reviews(&log), Vec::<Value>::new());
    // A server that has sent all that was announced asks for no further frame.
    drop(body);
    assert_eq!(reviews(&log), [misfit()]);

    let (log, _guard) = listen();
    let world = World::with_scopes(map()).await;
    let half = &whole[..whole.len() / 2];
    let answer = answer_in("application/json", &[half, half]);
    let request = post(&world.token().mint(), &call("tools/list", json!({})));
    let (response, _) = through(&world, request, answer).await;
    let mut body = response.into_body();
    assert_eq!(
        body.frame().await.unwrap().unwrap().into_data().unwrap(),
        half
    );
    drop(body);
    assert_eq!(reviews(&log), Vec::<Value>::new(), "half a list is none");
    listed(&world, json_answer(&whole)).await;
    assert_eq!(reviews(&log), [misfit()]);
}

#[tokio::test]
async fn many_answers_that_are_not_read_are_not_all_held() {
    let (log, _guard) = listen();
    let world = World::with_scopes(map()).await;
    let mut unread = Vec::new();
    for _ in 0..8 {
        let request = post(&world.token().mint(), &call("tools/list", json!({})));
        let (response, _) = through(&world, request, json_answer(list(&TOOLS))).await;
        unread.push(response);
    }
    listed(&world, json_answer(list(&TOOLS))).await;
    assert_eq!(reviews(&log), Vec::<Value>::new());
    unread.pop();
    listed(&world, json_answer(list(&TOOLS))).await;
    assert_eq!(reviews(&log), [misfit()]);
    drop(unread);
    assert_eq!(reviews(&log).len(), 1);
}
