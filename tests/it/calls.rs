//! How the body is read: what cannot be read with certainty is refused, and what was judged is what arrives.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use serde_json::{Value, json};
use toolgate::{Limits, RefusalKind, RequestBody, ScopeMap};
use tower::{Layer, ServiceExt, service_fn};

use crate::world::{World, bare, call, post};

fn map() -> ScopeMap {
    ScopeMap::allow_unlisted()
        .tool("open", toolgate::base_only())
        .tool("secret", "secret")
}

async fn world() -> World {
    World::with_scopes(map()).await
}

#[tokio::test]
async fn the_inner_service_gets_the_bytes_that_were_checked() {
    let world = world().await;
    let token = world.token().mint();
    for body in [
        call(
            "tools/call",
            json!({ "name": "open", "arguments": { "ä": [1, 2.50, "\u{1f600}"] } }),
        ),
        "  {\"jsonrpc\":\"2.0\",\r\n\t\"id\":\"\\u0061\",\"method\":\"tools\\/list\" }\n "
            .to_owned(),
        json!([{ "jsonrpc": "2.0", "method": "notifications/initialized" }]).to_string(),
    ] {
        world.send(post(&token, &body)).await.assert_served();
        assert_eq!(world.reached().body, body.as_bytes());
    }
}

#[tokio::test]
async fn a_body_that_is_no_json_gets_a_json_rpc_parse_error() {
    let world = world().await;
    let token = world.token().mint();
    for body in [
        "",
        " ",
        "{",
        "{}}",
        "nonsense",
        "\u{feff}{}",
        "{\"a\":01}",
        "{\"jsonrpc\":\"2.0\",}",
        "'x'",
    ] {
        world.send(post(&token, body)).await.assert_rpc_error(
            "body_not_json",
            -32700,
            &Value::Null,
        );
    }
    let mut request = post(&token, "");
    *request.body_mut() = Full::new(Bytes::from_static(
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\xff\"}",
    ));
    world
        .send(request)
        .await
        .assert_rpc_error("body_not_json", -32700, &Value::Null);
}

#[tokio::test]
async fn a_body_that_two_readers_could_read_differently_is_refused() {
    let world = world().await;
    let token = world.token().scope("mcp:use secret").mint();
    let hostile = [
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call","params":{"name":"secret"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","meth\u006fd":"tools/call"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","Method":"tools/call"}"#,
        r#"{"jsonrpc":"2.0","id":1,"Method":"tools/call","params":{"name":"secret"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method\u0000":"tools/call","method":"tools/list"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"open","name":"secret"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"open","NAME":"secret"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"open"},"params":{"name":"secret"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"open"},"paramſ":{"name":"secret"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"task_id":"t"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":7}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"resource_subscriptions":["file:///x"]}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"tools/list"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":["secret"]}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":"secret"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":7}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":["secret"]}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":["tools/call"]}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
        r#"{"jsonrpc":"2.0","id":1}"#,
        r#"{"jsonrpc":"1.0","id":1,"method":"tools/list"}"#,
        r#"{"id":1,"method":"tools/list"}"#,
        r#"{"$serde_json::private::RawValue":"{}"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"$serde_json::private::RawValue":"{}"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":{"$serde_json::private::Number":"1"}}}"#,
        r#"["jsonrpc","2.0"]"#,
        r#"[]"#,
        r#"[[]]"#,
        r#"7"#,
        r#""text""#,
        r#"null"#,
    ];
    for body in hostile {
        let answer = world.send(post(&token, body)).await;
        assert_eq!(
            (answer.status, answer.kind),
            (StatusCode::BAD_REQUEST, Some(RefusalKind::UnreadableCall)),
            "{body}"
        );
        assert_eq!(answer.json()["error"]["code"], -32600, "{body}");
        assert!(!answer.text().contains("secret"), "{body}");
    }
    let deep = format!(
        "{}{}",
        r#"{"jsonrpc":"2.0","id":1,"method":"x","params":"#.to_owned() + &"[".repeat(100_000),
        ""
    );
    let answer = world.send(post(&token, &deep)).await;
    assert_eq!(answer.kind, Some(RefusalKind::UnreadableCall));
}

#[tokio::test]
async fn a_message_with_a_method_is_checked_as_that_call() {
    let world = world().await;
    let token = world.token().mint();
    for extra in [
        json!({ "result": {} }),
        json!({ "error": {} }),
        json!({ "result": {}, "error": {}, "x": 1 }),
    ] {
        let mut message: Value =
            serde_json::from_str(&call("tools/call", json!({ "name": "secret" }))).unwrap();
        message
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        world
            .send(post(&token, &message.to_string()))
            .await
            .assert_needs(&["secret"]);
    }
    let notification =
        json!({ "jsonrpc": "2.0", "method": "tools/call", "params": { "name": "secret" } });
    world
        .send(post(&token, &notification.to_string()))
        .await
        .assert_needs(&["secret"]);
}

#[tokio::test]
async fn responses_and_notifications_of_older_revisions_pass_with_the_base_scopes() {
    let world = World::with_scopes(map().every_request("mcp:use")).await;
    for body in [
        json!({ "jsonrpc": "2.0", "id": 7, "result": { "name": "secret" } }),
        json!({ "jsonrpc": "2.0", "id": "a", "error": { "code": 1, "message": "" } }),
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 7 } }),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized", "params": null }),
    ] {
        world
            .send(post(&world.token().mint(), &body.to_string()))
            .await
            .assert_served();
    }
}

#[tokio::test]
async fn a_batch_is_read_only_for_its_revision_and_up_to_64_members() {
    let world = world().await;
    let token = world.token().mint();
    let batch = |members: usize| {
        let one = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
        Value::Array(vec![one; members]).to_string()
    };
    let versioned = |version: &str, body: &str| {
        let mut request = post(&token, body);
        request
            .headers_mut()
            .insert("mcp-protocol-version", version.parse().unwrap());
        request
    };
    world.send(post(&token, &batch(64))).await.assert_served();
    world
        .send(versioned("2025-03-26", &batch(2)))
        .await
        .assert_served();
    world.send(post(&token, &batch(65))).await.assert_rpc_error(
        "batch_too_long",
        -32600,
        &Value::Null,
    );
    for version in ["2025-06-18", "2025-11-25", "2026-07-28", "x"] {
        let answer = world.send(versioned(version, &batch(2))).await;
        answer.assert_rpc_error("batch_not_allowed", -32600, &Value::Null);
    }
}

#[tokio::test]
async fn only_plain_json_is_read() {
    let world = world().await;
    let token = world.token().mint();
    let body = call("tools/list", json!({}));
    let with = |headers: &[(&'static str, &str)]| {
        let mut request = post(&token, &body);
        request.headers_mut().remove("content-type");
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        request
    };
    for good in [
        "application/json",
        "Application/JSON; charset=UTF-8",
        "application/json;charset=\"utf-8\"; x=y",
    ] {
        world
            .send(with(&[("content-type", good)]))
            .await
            .assert_served();
    }
    world
        .send(with(&[
            ("content-type", "application/json"),
            ("content-encoding", "identity"),
        ]))
        .await
        .assert_served();
    let refused: &[&[(&'static str, &str)]] = &[
        &[],
        &[("content-type", "text/plain")],
        &[("content-type", "application/json-rpc")],
        &[("content-type", "application/jsonx")],
        &[("content-type", "application/json; charset=utf-16")],
        &[("content-type", "application/json, text/plain")],
        &[
            ("content-type", "application/json"),
            ("content-type", "application/json"),
        ],
        &[("content-type", "application/x-www-form-urlencoded")],
        &[
            ("content-type", "application/json"),
            ("content-encoding", "gzip"),
        ],
        &[
            ("content-type", "application/json"),
            ("content-encoding", "identity, gzip"),
        ],
        &[
            ("content-type", "application/json"),
            ("content-encoding", "identity"),
            ("content-encoding", "br"),
        ],
    ];
    for headers in refused {
        let answer = world.send(with(headers)).await;
        assert_eq!(
            answer.status,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "{headers:?}"
        );
        assert_eq!(answer.challenge(), None);
        assert_eq!(answer.json()["error"], "unsupported_media_type");
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_not_read_to_its_end() {
    let world = World::with(|builder, server| {
        builder
            .issuer(server.issuer())
            .scopes(map())
            .limits(Limits::default().max_body_bytes(300))
    })
    .await;
    let token = world.token().mint();
    let padded = |length: usize| {
        let mut body = call("tools/list", json!({}));
        body.push_str(&" ".repeat(length - body.len()));
        body
    };
    world.send(post(&token, &padded(300))).await.assert_served();
    let answer = world.send(post(&token, &padded(301))).await;
    assert_eq!(
        (answer.status, answer.kind),
        (
            StatusCode::PAYLOAD_TOO_LARGE,
            Some(RefusalKind::BodyTooLarge)
        )
    );
    assert_eq!(answer.challenge(), None);
}

/// A body that never says how long it is, and yields spaces for ever or nothing at all.
struct Endless {
    polled: std::sync::Arc<std::sync::atomic::AtomicUsize>,
    silent: bool,
}

impl Body for Endless {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.silent {
            return Poll::Pending;
        }
        self.polled
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b' '; 1024])))))
    }
}

async fn send_endless(
    world: &World,
    silent: bool,
    token: Option<&str>,
) -> (http::Response<()>, usize) {
    let polled = std::sync::Arc::<std::sync::atomic::AtomicUsize>::default();
    let mut request = Request::post("/mcp").header("content-type", "application/json");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request = request
        .body(Endless {
            polled: polled.clone(),
            silent,
        })
        .unwrap();
    let inner = service_fn(|_: Request<RequestBody<Endless>>| async {
        Ok::<_, std::convert::Infallible>(http::Response::new(Empty::<Bytes>::new()))
    });
    let response = world
        .gate
        .layer()
        .layer(inner)
        .oneshot(request)
        .await
        .unwrap();
    (
        response.map(drop),
        polled.load(std::sync::atomic::Ordering::Relaxed),
    )
}

#[tokio::test]
async fn an_endless_body_costs_no_more_than_the_limit() {
    let world = World::with(|builder, server| {
        builder
            .issuer(server.issuer())
            .scopes(map())
            .limits(Limits::default().max_body_bytes(10_000))
    })
    .await;
    let (response, polled) = send_endless(&world, false, Some(&world.token().mint())).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    // Once more, to see whether the client is done sending.
    assert!(polled <= 12, "{polled}");
    for token in [None, Some("garbage")] {
        let (response, polled) = send_endless(&world, false, token).await;
        assert_eq!((response.status(), polled), (StatusCode::UNAUTHORIZED, 1));
    }
}

#[tokio::test]
async fn a_body_that_does_not_arrive_in_time_is_given_up() {
    let world = world().await;
    let token = world.token().mint();
    world.list_with(&token).await.assert_served();
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    let (response, _) = send_endless(&world, true, Some(&token)).await;
    assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
    assert_eq!(began.elapsed().as_secs(), 10);
    assert!(began.elapsed() < Duration::from_secs(11));
}

#[tokio::test]
async fn the_body_stays_unread_when_nothing_depends_on_it() {
    let world = World::with_scopes(ScopeMap::allow_unlisted()).await;
    let token = world.token().mint();
    world
        .send(post(&token, "anything at all"))
        .await
        .assert_served();
    assert_eq!(world.reached().body, "anything at all".as_bytes());
    let (response, polled) = send_endless(&world, false, Some(&token)).await;
    assert_eq!((response.status(), polled), (StatusCode::OK, 0));
}

#[tokio::test]
async fn only_get_head_delete_and_options_are_not_calls_and_they_have_no_body() {
    let world = world().await;
    let token = world.token().mint();
    let with = |method: &str, body: &str| {
        let mut request = post(&token, body);
        *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
        request
    };
    for method in ["GET", "HEAD", "DELETE", "OPTIONS"] {
        world.send(with(method, "")).await.assert_served();
        let answer = world
            .send(with(
                method,
                &call("tools/call", json!({ "name": "secret" })),
            ))
            .await;
        answer.assert_rpc_error("unexpected_body", -32600, &Value::Null);
    }
    // A stream may be empty although it does not say so beforehand.
    let empty = StreamBody::new(futures_util::stream::empty::<
        Result<Frame<Bytes>, std::io::Error>,
    >());
    let request = Request::get("/mcp")
        .header("authorization", format!("Bearer {token}"))
        .body(empty)
        .unwrap();
    let inner = service_fn(|_: Request<RequestBody<_>>| async {
        Ok::<_, std::convert::Infallible>(http::Response::new(Empty::<Bytes>::new()))
    });
    assert_eq!(
        world
            .gate
            .layer()
            .layer(inner)
            .oneshot(request)
            .await
            .unwrap()
            .status(),
        StatusCode::OK
    );
    for method in ["PUT", "PATCH", "QUERY", "BREW"] {
        world
            .send(with(
                method,
                &call("tools/call", json!({ "name": "secret" })),
            ))
            .await
            .assert_needs(&["secret"]);
    }
}

#[tokio::test]
async fn a_connection_that_could_carry_anything_unseen_is_not_upgraded() {
    let world = world().await;
    let mut request = bare(Method::GET, "/mcp");
    request.headers_mut().insert(
        "authorization",
        format!("Bearer {}", world.token().mint()).parse().unwrap(),
    );
    request
        .headers_mut()
        .insert("upgrade", "websocket".parse().unwrap());
    world
        .send(request)
        .await
        .assert_rpc_error("upgrade_refused", -32600, &Value::Null);
}

#[tokio::test]
async fn an_offer_to_go_on_in_http_2_is_declined_and_the_request_served() {
    let world = world().await;
    let mut request = post(&world.token().mint(), &call("tools/list", json!({})));
    for (name, value) in [
        ("connection", "Upgrade, HTTP2-Settings"),
        ("upgrade", "h2c"),
        ("http2-settings", "AAMAAABk"),
    ] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    world.send(request).await.assert_served();
    let headers = world.reached().headers;
    for name in ["connection", "upgrade", "http2-settings"] {
        assert!(!headers.contains_key(name), "{name}");
    }
}

/// A request of 2026-07-28 with these mirrored headers besides.
fn modern(token: &str, body: &str, headers: &[(&'static str, &str)]) -> Request<Full<Bytes>> {
    let mut request = post(token, body);
    request
        .headers_mut()
        .insert("mcp-protocol-version", "2026-07-28".parse().unwrap());
    for (name, value) in headers {
        request.headers_mut().append(*name, value.parse().unwrap());
    }
    request
}

#[tokio::test]
async fn mirrored_headers_must_agree_with_the_body() {
    let world = World::with_scopes(map().prompt("p", toolgate::base_only())).await;
    let token = world.token().mint();
    let open = call("tools/call", json!({ "name": "open" }));
    let list = call("tools/list", json!({}));
    let read = call("resources/read", json!({ "uri": "file:///ä" }));
    let encoded = "=?base64?ZmlsZTovLy/DpA==?=";
    for (body, headers) in [
        (&list, &[("mcp-method", "tools/list")][..]),
        (
            &list,
            &[("mcp-method", "tools/list"), ("mcp-name", "ignored")],
        ),
        (&open, &[("mcp-method", "tools/call"), ("mcp-name", "open")]),
        (
            &open,
            &[
                ("mcp-method", "tools/call"),
                ("mcp-name", "=?base64?b3Blbg==?="),
            ],
        ),
        (
            &open,
            &[("mcp-method", "tools/call"), ("mcp-name", " open ")],
        ),
        (
            &read,
            &[("mcp-method", "resources/read"), ("mcp-name", encoded)],
        ),
        (&call("initialize", json!({})), &[]),
    ] {
        world
            .send(modern(&token, body, headers))
            .await
            .assert_served();
    }
    for (body, headers) in [
        (&list, &[][..]),
        (&list, &[("mcp-method", "tools/call")]),
        (&list, &[("mcp-method", "Tools/List")]),
        (&list, &[("mcp-method", "")]),
        (&open, &[("mcp-method", "tools/call")]),
        (&open, &[("mcp-name", "open")]),
        (
            &open,
            &[("mcp-method", "tools/call"), ("mcp-name", "secret")],
        ),
        (&open, &[("mcp-method", "tools/call"), ("mcp-name", "Open")]),
        (
            &open,
            &[
                ("mcp-method", "tools/call"),
                ("mcp-name", "=?BASE64?b3Blbg==?="),
            ],
        ),
        (
            &open,
            &[
                ("mcp-method", "tools/call"),
                ("mcp-name", "=?base64?b3Blbg?="),
            ],
        ),
        (
            &open,
            &[
                ("mcp-method", "tools/call"),
                ("mcp-name", "=?base64?b3Blbh==?="),
            ],
        ),
        (&read, &[("mcp-method", "resources/read")]),
    ] {
        let answer = world.send(modern(&token, body, headers)).await;
        answer.assert_rpc_error("header_mismatch", -32020, &json!(1));
    }
    for name in ["mcp-method", "mcp-name", "mcp-protocol-version"] {
        let twice = [
            ("mcp-method", "tools/call"),
            ("mcp-name", "open"),
            (name, "open"),
        ];
        let answer = world.send(modern(&token, &open, &twice)).await;
        assert_eq!(
            (answer.status, answer.code),
            (StatusCode::BAD_REQUEST, Some("duplicate_header")),
            "{name}"
        );
    }
}

#[tokio::test]
async fn older_revisions_need_no_mirrored_headers_but_wrong_ones_are_wrong() {
    let world = world().await;
    let token = world.token().mint();
    let open = call("tools/call", json!({ "name": "open" }));
    for version in [
        None,
        Some("2025-03-26"),
        Some("2025-06-18"),
        Some("2025-11-25"),
        Some("nonsense"),
    ] {
        let with = |headers: &[(&'static str, &str)]| {
            let mut request = post(&token, &open);
            if let Some(version) = version {
                request
                    .headers_mut()
                    .insert("mcp-protocol-version", version.parse().unwrap());
            }
            for (name, value) in headers {
                request.headers_mut().insert(*name, value.parse().unwrap());
            }
            request
        };
        world.send(with(&[])).await.assert_served();
        world
            .send(with(&[("mcp-method", "tools/call")]))
            .await
            .assert_served();
        let answer = world.send(with(&[("mcp-method", "tools/list")])).await;
        answer.assert_rpc_error("header_mismatch", -32020, &json!(1));
    }
}

#[tokio::test]
async fn the_version_in_the_body_must_be_that_of_the_header() {
    let world = world().await;
    let token = world.token().mint();
    let body = |version: &str| {
        call(
            "tools/list",
            json!({ "_meta": { "io.modelcontextprotocol/protocolVersion": version } }),
        )
    };
    let method = [("mcp-method", "tools/list")];
    world
        .send(modern(&token, &body("2026-07-28"), &method))
        .await
        .assert_served();
    let answer = world
        .send(modern(&token, &body("2025-11-25"), &method))
        .await;
    answer.assert_rpc_error("header_mismatch", -32020, &json!(1));
    world
        .send(post(&token, &body("2026-07-28")))
        .await
        .assert_rpc_error("header_mismatch", -32020, &json!(1));
}

#[tokio::test]
async fn nothing_is_allowed_because_of_a_header() {
    let world = world().await;
    let secret = call("tools/call", json!({ "name": "secret" }));
    let headers = [("mcp-method", "tools/call"), ("mcp-name", "secret")];
    let token = world.token().mint();
    world
        .send(modern(&token, &secret, &headers))
        .await
        .assert_needs(&["secret"]);
    let lying = [("mcp-method", "tools/list")];
    let answer = world.send(modern(&token, &secret, &lying)).await;
    answer.assert_rpc_error("header_mismatch", -32020, &json!(1));
}

#[tokio::test]
async fn a_body_that_breaks_off_is_refused_and_leaks_no_cause() {
    let world = world().await;
    let token = world.token().mint();
    let broken = StreamBody::new(futures_util::stream::iter([
        Ok(Frame::data(Bytes::from_static(b"{\"jsonrpc\":"))),
        Err(std::io::Error::other("a cause that must not leak")),
    ]));
    let request = Request::post("/mcp").header("content-type", "application/json");
    let request = request
        .header("authorization", format!("Bearer {token}"))
        .body(broken)
        .unwrap();
    let inner = service_fn(|_: Request<RequestBody<_>>| async {
        Ok::<_, std::convert::Infallible>(http::Response::new(Empty::<Bytes>::new()))
    });
    let response = world
        .gate
        .layer()
        .layer(inner)
        .oneshot(request)
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(!String::from_utf8_lossy(&body).contains("must not leak"));
}
