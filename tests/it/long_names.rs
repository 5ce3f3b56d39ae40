//! Names and URIs that are too long to be judged.

use serde_json::{Value, json};
use toolgate::ScopeMap;

use crate::world::{World, call, post};

#[tokio::test]
async fn all_uris_of_one_request_have_64_kib_at_most() {
    let world =
        World::with_scopes(ScopeMap::allow_unlisted().resource("db://{table}/x", "{table}")).await;
    let token = world.token().mint();
    let uri = |length: usize| format!("db://{}", "u".repeat(length - "db://".len()));
    let listen = |lengths: &[usize]| {
        let uris: Vec<_> = lengths.iter().map(|length| uri(*length)).collect();
        let params = json!({ "notifications": { "resourceSubscriptions": uris } });
        json!({ "jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": params })
    };
    let (half, rest) = (&[8192; 4][..], &[8192, 8192, 8192, 8186, 6][..]);
    for (message, fits) in [
        (listen(&[8192; 8]), true),
        (listen(&[&[8192; 8][..], &[6]].concat()), false),
        (json!([listen(half), listen(rest)]), true),
        (json!([listen(half), listen(rest), listen(&[6])]), false),
        // In a batch of two it would be as much text as the body may be long.
        (json!([listen(&[8192; 256]), listen(&[8192; 255])]), false),
    ] {
        let answer = world.send(post(&token, &message.to_string())).await;
        match fits {
            true => answer.assert_served(),
            false => answer.assert_rpc_error("name_too_long", -32600, &json!(1)),
        }
    }
}

#[tokio::test]
async fn a_name_of_more_than_256_bytes_and_a_uri_of_more_than_8_kib_are_refused_without_a_challenge()
 {
    let world = World::with_scopes(
        ScopeMap::allow_unlisted()
            .tool("*", "tool:{name}")
            .prompt("a", "a"),
    )
    .await;
    let token = world.token().mint();
    let uri = |length: usize| format!("db://{}", "u".repeat(length - "db://".len()));
    let listen =
        |uri: String| json!({ "notifications": { "resourceSubscriptions": ["db://a", uri] } });
    let named = |length: usize| {
        let name = "n".repeat(length);
        [
            ("tools/call", json!({ "name": name })),
            ("tools/preview", json!({ "name": name })),
            ("prompts/get", json!({ "name": name })),
            ("prompts/render", json!({ "name": name })),
            (
                "completion/complete",
                json!({ "ref": { "type": "ref/prompt", "name": name } }),
            ),
        ]
    };
    let located = |length: usize| {
        [
            ("resources/read", json!({ "uri": uri(length) })),
            ("resources/subscribe", json!({ "uri": uri(length) })),
            ("resources/directory/read", json!({ "uri": uri(length) })),
            (
                "completion/complete",
                json!({ "ref": { "type": "ref/resource", "uri": uri(length) } }),
            ),
            ("subscriptions/listen", listen(uri(length))),
        ]
    };
    let method = |length: usize| [(format!("m/{}", "x".repeat(length - 2)), json!({}))];
    let owned =
        |calls: [(&str, Value); 5]| calls.map(|(method, params)| (method.to_owned(), params));
    let fitting = owned(named(256))
        .into_iter()
        .chain(owned(located(8192)))
        .chain(method(256));
    for (method, params) in fitting {
        let answer = world.send(post(&token, &call(&method, params))).await;
        assert_ne!(answer.status.as_u16(), 400, "{method}");
    }
    let beyond = owned(named(257))
        .into_iter()
        .chain(owned(located(8193)))
        .chain(method(257));
    let far_beyond = owned(named(4_000_000))
        .into_iter()
        .chain(owned(located(4_000_000)))
        .chain(method(4_000_000));
    for (method, params) in beyond.chain(far_beyond) {
        let answer = world.send(post(&token, &call(&method, params))).await;
        answer.assert_rpc_error("name_too_long", -32600, &json!(1));
        let headers: usize = answer
            .headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum();
        assert!(
            headers + answer.body.len() < 1024,
            "{headers} bytes of headers"
        );
    }
}
