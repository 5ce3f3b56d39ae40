//! No change keeps a proof good: of any byte of it, of the token, of the method or of the URL.

use http::{Method, Request, StatusCode};
use http_body_util::Full;
use serde_json::json;
use toolgate::testing::{Algorithm, SigningKey};

use crate::world::{RESOURCE, World, call, post_without_token};

struct Presented {
    method: Method,
    path: String,
    token: String,
    proof: String,
}

impl Presented {
    fn good(world: &World, key: &SigningKey) -> Self {
        let token = world.token().bound_to(key).mint();
        let proof = world.server.proof(key, "POST", RESOURCE);
        Self {
            method: Method::POST,
            path: "/mcp".to_owned(),
            proof: proof.for_token(&token).mint(),
            token,
        }
    }

    fn request(&self) -> Request<Full<bytes::Bytes>> {
        let mut request = post_without_token(&call("tools/list", json!({})));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.path.parse().expect("a path");
        let headers = request.headers_mut();
        let line = format!("DPoP {}", self.token);
        headers.insert("authorization", line.parse().unwrap());
        headers.insert("dpop", self.proof.parse().unwrap());
        request
    }
}

/// Every text that differs from this one in a single character, for three other characters at each place.
fn changed(text: &str) -> impl Iterator<Item = String> {
    (0..text.len()).flat_map(move |place| {
        [b'A', b'b', b'.'].into_iter().filter_map(move |byte| {
            let mut changed = text.as_bytes().to_vec();
            changed[place] = byte;
            let changed = String::from_utf8(changed).expect("ASCII");
            (changed != text).then_some(changed)
        })
    })
}

#[tokio::test]
async fn no_change_of_a_character_keeps_a_proof_good() {
    let world = World::new().await;
    let key = SigningKey::generate(Algorithm::Es256);
    let good = Presented::good(&world, &key);
    let mut tried = 0;
    for proof in changed(&good.proof) {
        let spoilt = Presented {
            proof,
            token: good.token.clone(),
            path: good.path.clone(),
            method: good.method.clone(),
        };
        let answer = world.send(spoilt.request()).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{}", spoilt.proof);
        tried += 1;
    }
    for token in changed(&good.token) {
        let proof = good.proof.clone();
        let spoilt = Presented {
            token,
            proof,
            path: good.path.clone(),
            method: good.method.clone(),
        };
        let answer = world.send(spoilt.request()).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{}", spoilt.token);
        tried += 1;
    }
    assert!(tried > 2_000, "{tried}");
    // It was good all the while, and none of the attempts used it up.
    world.send(good.request()).await.assert_served();
}

#[tokio::test]
async fn a_proof_is_good_for_no_other_method_and_no_other_path() {
    let world = World::new().await;
    let key = SigningKey::generate(Algorithm::Es256);
    let good = Presented::good(&world, &key);
    let methods = ["PUT", "PATCH", "QUERY", "post", "POSTX"];
    let methods = methods.map(|name| (name.to_owned(), "/mcp".to_owned()));
    let paths = changed("/mcp").filter(|path| path.starts_with('/'));
    let paths = paths.chain(["/", "/mcp/", "//mcp", "/mcp/x", "/MCP"].map(str::to_owned));
    let paths = paths.map(|path| ("POST".to_owned(), path));
    for (method, path) in methods.into_iter().chain(paths) {
        let spoilt = Presented {
            method: method.parse().expect("a method"),
            path,
            token: good.token.clone(),
            proof: good.proof.clone(),
        };
        let answer = world.send(spoilt.request()).await;
        assert_eq!(
            answer.code,
            Some("dpop_other_request"),
            "{method} {}",
            spoilt.path
        );
    }
    world.send(good.request()).await.assert_served();
}
