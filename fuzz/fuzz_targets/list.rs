//! Any response of the inner service to a request for a list: it shows nothing secret, as plain parsers of JSON and of
//! event streams read it. The first byte says which of the two it is, and into what pieces it is cut.
#![no_main]

use std::convert::Infallible;
use std::sync::LazyLock;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, StreamBody};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tokio::runtime::Runtime;
use toolgate::testing::AuthorizationServer;
use toolgate::{Issuer, RequestBody, ScopeMap, Toolgate};
use tower::{Layer, ServiceExt, service_fn};

const RESOURCE: &str = "https://mcp.example.com/mcp";

static GATE: LazyLock<(Runtime, Toolgate, String)> = LazyLock::new(|| {
    let runtime = Runtime::new().unwrap();
    let server = runtime.block_on(AuthorizationServer::start());
    let token = server.token().audience(RESOURCE).scope("mcp:use");
    let scopes = ScopeMap::allow_unlisted()
        .tool("secret", "secret")
        .prompt("secret", "secret")
        .resource("file:///secret/*", "secret")
        .list_callable();
    let issuer = Issuer::new(server.issuer()).jwks(server.jwks().to_string());
    let gate = Toolgate::builder(RESOURCE).issuer(issuer).scopes(scopes);
    (
        runtime,
        gate.build().unwrap(),
        token.expires_in(1_000_000).mint(),
    )
});

fuzz_target!(|input: &[u8]| {
    let Some((choice, answer)) = input.split_first() else {
        return;
    };
    let (is_stream, piece) = (choice & 1 == 1, usize::from(choice >> 1) + 1);
    let (runtime, gate, token) = &*GATE;
    let pieces: Vec<Bytes> = answer.chunks(piece).map(Bytes::copy_from_slice).collect();
    let inner = service_fn(move |_: Request<RequestBody<Full<Bytes>>>| {
        let frames = pieces
            .clone()
            .into_iter()
            .map(|piece| Ok::<_, Infallible>(http_body::Frame::data(piece)));
        let body = StreamBody::new(futures_util::stream::iter(frames));
        let kind = if is_stream {
            "text/event-stream"
        } else {
            "application/json"
        };
        async move {
            Ok::<_, Infallible>(
                Response::builder()
                    .header("content-type", kind)
                    .body(body)
                    .unwrap(),
            )
        }
    });
    let request = Request::post("/mcp")
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {token}"))
        .body(Full::from(
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#,
        ))
        .unwrap();
    let shown = runtime.block_on(async {
        let answer = gate.layer().layer(inner).oneshot(request).await.unwrap();
        answer.into_body().collect().await.unwrap().to_bytes()
    });
    if is_stream {
        events(&String::from_utf8_lossy(&shown))
            .iter()
            .for_each(|data| assert_shows_nothing_secret(data));
    } else {
        assert_shows_nothing_secret(&String::from_utf8_lossy(&shown));
    }
});

/// The data of each event, as the HTML standard has it.
fn events(stream: &str) -> Vec<String> {
    let stream = stream.strip_prefix('\u{feff}').unwrap_or(stream);
    let (mut events, mut data) = (Vec::new(), Vec::new());
    for line in stream.replace("\r\n", "\n").replace('\r', "\n").split('\n') {
        match line.split_once(':').unwrap_or((line, "")) {
            ("", "") if line.is_empty() => events.push(std::mem::take(&mut data).join("\n")),
            ("data", value) => data.push(value.strip_prefix(' ').unwrap_or(value)),
            _ => {}
        }
    }
    events
}

fn assert_shows_nothing_secret(text: &str) {
    let Ok(message) = serde_json::from_str::<Value>(text) else {
        return;
    };
    let messages = message.as_array().cloned().unwrap_or_else(|| vec![message]);
    for message in messages {
        for (list, member) in [
            ("tools", "name"),
            ("prompts", "name"),
            ("resources", "uri"),
            ("resourceTemplates", "uriTemplate"),
        ] {
            for element in message["result"][list].as_array().into_iter().flatten() {
                let name = element[member].as_str().expect("what is listed has a name");
                assert!(
                    name != "secret" && !name.starts_with("file:///secret/"),
                    "{text}"
                );
            }
        }
    }
}
