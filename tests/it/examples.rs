//! The examples, as the processes that people start.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Certificate, Client, Identity, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::ResolvesClientCert;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, SignatureScheme};
use toolgate::testing::{AuthorizationServer, Endpoint};

use crate::challenge::Challenge;
use crate::world::call;

pub const RESOURCE: &str = "http://127.0.0.1:3000/mcp";

#[tokio::test]
async fn a_server_made_from_a_file_serves_its_callers_and_stops_on_a_signal() {
    let authorization_server = AuthorizationServer::start().await;
    let issuer = format!("issuer = {:?}", authorization_server.issuer());
    let file = File::new("discovered", &config(RESOURCE, &issuer));
    let mut serve = Example::start("serve", &[file.path(), "--listen", "127.0.0.1:0"]);
    let mcp = format!("{}/mcp", serve.listening().await);
    let token = |scope: &str| {
        let token = authorization_server.token().audience(RESOURCE).scope(scope);
        token
            .subject("ada")
            .client_id("editor")
            .claim("jti", "t-1")
            .mint()
    };

    let refused = tool(&mcp, "whoami", json!({})).send().await.unwrap();
    assert_eq!(refused.status(), 401);
    let challenge = Challenge::of(refused.headers()).expect("a challenge");
    assert_eq!(challenge.scopes(), ["mcp:use"]);

    let whoami = tool(&mcp, "whoami", json!({})).bearer_auth(token("mcp:use"));
    let mut principal: Value = serde_json::from_str(&result(whoami).await).unwrap();
    assert!(principal["expires_at"].take().is_u64());
    assert_eq!(
        principal,
        json!({
            "issuer": authorization_server.issuer(), "subject": "ada", "client_id": "editor", "machine": false,
            "scopes": ["mcp:use"], "audience": [RESOURCE], "expires_at": null, "token_id": "t-1",
        })
    );

    let delete =
        |scope| tool(&mcp, "delete_file", json!({ "path": "/a" })).bearer_auth(token(scope));
    assert_eq!(delete("mcp:use").send().await.unwrap().status(), 403);
    assert!(
        result(delete("mcp:use files:write"))
            .await
            .starts_with("/a ")
    );

    assert_eq!(serve.stop().await.code(), Some(0));
}

#[tokio::test]
async fn a_server_with_keys_from_a_file_listens_at_its_resource_and_fetches_nothing() {
    let authorization_server = AuthorizationServer::start().await;
    let keys = File::new("keys", &authorization_server.jwks().to_string());
    let issuer = format!(
        "issuer = {:?}\njwks_file = {:?}",
        authorization_server.issuer(),
        keys.path()
    );
    let resource = format!("http://{}/tools", vacant_address().await);
    let file = File::new("static", &config(&resource, &issuer));
    let mut serve = Example::start("serve", &[file.path()]);
    assert_eq!(format!("{}/tools", serve.listening().await), resource);

    let token = authorization_server
        .token()
        .audience(&*resource)
        .scope("mcp:use")
        .mint();
    let add = tool(&resource, "add", json!({ "a": 1, "b": 2 })).bearer_auth(token);
    assert_eq!(result(add).await, "3");
    assert_eq!(authorization_server.hits(Endpoint::Jwks), 0);
    assert_eq!(serve.stop().await.code(), Some(0));
}

/// With handshake and without, in every revision.
#[tokio::test]
async fn a_server_follows_its_file_and_keeps_its_configuration_if_the_file_is_invalid() {
    let authorization_server = AuthorizationServer::start().await;
    let text = config(
        RESOURCE,
        &format!("issuer = {:?}", authorization_server.issuer()),
    );
    let file = File::new("followed", &text);
    let mut serve = Example::start("serve", &[file.path(), "--listen", "127.0.0.1:0"]);
    let mcp = format!("{}/mcp", serve.listening().await);
    let token = authorization_server
        .token()
        .audience(RESOURCE)
        .scope("mcp:use")
        .mint();
    let add = || tool(&mcp, "add", json!({ "a": 1, "b": 2 })).bearer_auth(&token);
    assert_eq!(result(add()).await, "3");

    fs::write(file.path(), text.replace("add = {}", "add = \"math\"")).unwrap();
    serve.line_with("reloaded").await;
    let refused = add().send().await.unwrap();
    let challenge = Challenge::of(refused.headers()).expect("a challenge");
    assert_eq!(challenge.scopes(), ["mcp:use", "math"]);

    fs::write(file.path(), "resource = 7").unwrap();
    #[cfg(unix)]
    serve.hang_up().await;
    assert_eq!(add().send().await.unwrap().status(), 403);

    fs::write(file.path(), &text).unwrap();
    serve.line_with("reloaded").await;
    assert_eq!(result(add()).await, "3");
    assert_eq!(serve.stop().await.code(), Some(0));
}

#[tokio::test]
async fn a_file_with_five_mistakes_has_all_of_them_printed_and_starts_no_server() {
    let file = File::new("five-mistakes", crate::config::FIVE_MISTAKES);
    let output = example("serve")
        .args([file.path(), "--listen", "127.0.0.1:0"])
        .output()
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    for field in [
        "resource",
        "limits.body_seconds",
        "scopes.every_request",
        "issuers[0].algorithms",
        "origins.allowed",
    ] {
        let is_named = said
            .lines()
            .any(|line| line.starts_with(&format!("`{field}` is ")));
        assert!(is_named, "{field} is missing in\n{said}");
    }
}

#[tokio::test]
async fn clients_of_every_revision_are_served() {
    let authorization_server = AuthorizationServer::start().await;
    let issuer = format!("issuer = {:?}", authorization_server.issuer());
    let file = File::new("revisions", &config(RESOURCE, &issuer));
    let mut serve = Example::start("serve", &[file.path(), "--listen", "127.0.0.1:0"]);
    let mcp = format!("{}/mcp", serve.listening().await);
    let token = authorization_server
        .token()
        .audience(RESOURCE)
        .scope("mcp:use");
    let (token, stranger) = (token.mint(), token.subject("mallory").mint());

    for revision in ["2025-03-26", "2025-06-18", "2025-11-25"] {
        let mut session = None;
        let in_session = |request: RequestBuilder, token: &str, session: &Option<String>| {
            let request = request
                .bearer_auth(token)
                .header("mcp-protocol-version", revision);
            match session {
                Some(id) => request.header("mcp-session-id", id),
                None => request,
            }
        };
        let hello = json!({
            "protocolVersion": revision, "capabilities": {}, "clientInfo": { "name": "test", "version": "1" },
        });
        let welcome = in_session(json_rpc(&mcp, call("initialize", hello)), &token, &session);
        let welcome = welcome.send().await.unwrap();
        assert_eq!(welcome.status(), 200, "{revision}");
        session = Some(
            welcome.headers()["mcp-session-id"]
                .to_str()
                .unwrap()
                .to_owned(),
        );
        assert_eq!(
            json_of(welcome).await["result"]["protocolVersion"],
            revision
        );
        let post = |body: String| in_session(json_rpc(&mcp, body), &token, &session);
        let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        assert_eq!(
            post(initialized.to_string()).send().await.unwrap().status(),
            202,
            "{revision}"
        );
        let tools = json_of(post(call("tools/list", json!({}))).send().await.unwrap()).await;
        assert_eq!(
            tools["result"]["tools"].as_array().unwrap().len(),
            7,
            "{revision}"
        );
        let echo = json!({ "name": "echo", "arguments": { "text": revision } });
        assert_eq!(result(post(call("tools/call", echo))).await, revision);
        let read = json!({ "uri": "file:///public/readme" });
        let read = json_of(post(call("resources/read", read)).send().await.unwrap()).await;
        assert_eq!(
            read["result"]["contents"][0]["uri"],
            "file:///public/readme"
        );
        let greet = json!({ "name": "greet", "arguments": { "name": "Ada" } });
        let greet = json_of(post(call("prompts/get", greet)).send().await.unwrap()).await;
        assert_eq!(greet["result"]["messages"][0]["role"], "user");

        // The session is hers who began it: to listen to, and to close.
        let stream = http().get(&mcp).header("accept", "text/event-stream");
        let stream = |token: &str| in_session(stream.try_clone().unwrap(), token, &session);
        let end = |token: &str| in_session(http().delete(&mcp), token, &session);
        for request in [stream(&stranger), end(&stranger)] {
            assert_eq!(request.send().await.unwrap().status(), 404, "{revision}");
        }
        assert_eq!(
            stream(&token).send().await.unwrap().status(),
            200,
            "{revision}"
        );
        assert_eq!(
            end(&token).send().await.unwrap().status(),
            202,
            "{revision}"
        );
    }

    let modern = tool(&mcp, "echo", json!({ "text": "hi" })).bearer_auth(&token);
    assert_eq!(result(modern).await, "hi");
}

#[tokio::test]
async fn two_processes_with_one_key_know_each_others_sessions() {
    let authorization_server = AuthorizationServer::start().await;
    let text = config(
        RESOURCE,
        &format!("issuer = {:?}", authorization_server.issuer()),
    );
    let with_key = |key: &str| format!("{text}\n[sessions]\nkeys = [{key:?}]");
    let file = File::new(
        "one-key",
        &with_key("one key, of more than 32 bytes, for both"),
    );
    let other = File::new(
        "another-key",
        &with_key("another key, of more than 32 bytes"),
    );
    let mut servers = Vec::new();
    for file in [&file, &file, &other] {
        let mut serve = Example::start("serve", &[file.path(), "--listen", "127.0.0.1:0"]);
        let mcp = format!("{}/mcp", serve.listening().await);
        servers.push((serve, mcp));
    }
    let token = |subject: &str| {
        authorization_server
            .token()
            .audience(RESOURCE)
            .scope("mcp:use")
            .subject(subject)
            .mint()
    };
    let (alice, bob) = (token("alice"), token("bob"));
    let hello = json!({
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "test", "version": "0" },
    });
    let welcome = json_rpc(&servers[0].1, call("initialize", hello))
        .bearer_auth(&alice)
        .send()
        .await
        .unwrap();
    let session = welcome.headers()["mcp-session-id"]
        .to_str()
        .unwrap()
        .to_owned();
    let turned_away = async |mcp: &str, token: &str| {
        let ping = json_rpc(mcp, call("ping", json!({})))
            .bearer_auth(token)
            .header("mcp-session-id", &session);
        let answer = ping.send().await.unwrap();
        // Behind its gate the second server says the same in its own words: it is the first one's session.
        (
            answer.status().as_u16(),
            answer
                .text()
                .await
                .unwrap()
                .contains("There is no such session"),
        )
    };
    assert_eq!(turned_away(&servers[1].1, &alice).await, (404, false));
    assert_eq!(turned_away(&servers[1].1, &bob).await, (404, true));
    assert_eq!(turned_away(&servers[2].1, &alice).await, (404, true));
    for (server, _) in servers {
        assert_eq!(server.stop().await.code(), Some(0));
    }
}

#[tokio::test]
async fn a_file_that_makes_no_gate_ends_the_program_with_the_field_that_is_wrong() {
    let good = config(RESOURCE, "issuer = \"http://127.0.0.1:4000\"");
    let spoilt = [
        (
            "resource = \"http",
            "resource = \"ftp",
            "`resource` is \"ftp://",
        ),
        ("[[issuers]]", "[[isuers]]", "unknown field `isuers`"),
        (
            "issuer = \"http:",
            "issuer = \"http//",
            "`issuers[0].issuer` is \"http//",
        ),
        ("unlisted = \"deny\"", "", "`scopes.unlisted`"),
        (
            "unlisted = \"deny\"",
            "unlisted = \"refuse\"",
            "unknown variant `refuse`",
        ),
        (
            "every_request = [\"mcp:use\"]",
            "every_request = [\"mcp use\"]",
            "`scopes.every_request`",
        ),
        (
            "= \"files:write\"",
            "= { al = [\"files:write\"] }",
            "unknown field `al`",
        ),
        (
            "resource =",
            "gate = { scopes = {} }\nresource =",
            "to read the table [gate], add --table gate",
        ),
    ];
    for (number, (before, after, complaint)) in spoilt.into_iter().enumerate() {
        assert!(good.contains(before), "{before}");
        let file = File::new(&format!("bad-{number}"), &good.replacen(before, after, 1));
        let output = example("serve").arg(file.path()).output();
        let output = timeout(PATIENCE, output).await.expect("it ends").unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(complaint), "{said}");
        assert!(said.contains(file.path()), "{said}");
        assert!(!said.contains("panicked"), "{said}");
        assert!(output.stdout.is_empty());
    }
}

#[tokio::test]
async fn a_server_without_a_file_says_how_to_use_it() {
    for arguments in [&[][..], &["a.toml", "b.toml"], &["--listen"], &["--help"]] {
        let output = timeout(PATIENCE, example("serve").args(arguments).output());
        let output = output.await.expect("it ends").unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(
            String::from_utf8(output.stderr)
                .unwrap()
                .contains("usage: serve CONFIG.toml")
        );
    }
}

#[tokio::test]
async fn the_lines_that_the_quickstart_prints_work_as_printed() {
    let mut quickstart = Example::start(
        "quickstart",
        &["--listen", "127.0.0.1:0", "--issuer", "127.0.0.1:0"],
    );
    let without_token = quickstart.next_command().await;
    let metadata = quickstart.next_command().await;
    let allowed = quickstart.next_command().await;
    let needs_more = quickstart.next_command().await;
    let denied = quickstart.next_command().await;
    let modern = quickstart.next_command().await;

    let answer = without_token.send().await;
    assert_eq!(answer.status(), 401);
    let challenge = Challenge::of(answer.headers()).expect("a challenge");
    assert_eq!(challenge.get("error"), None);
    assert_eq!(challenge.get("resource_metadata"), Some(&*metadata.url));

    let document = json_of(metadata.send().await).await;
    assert_eq!(document["resource"], without_token.url);
    assert!(document["authorization_servers"][0].is_string());

    let revisions = [
        None,
        Some("2025-03-26"),
        Some("2025-06-18"),
        Some("2025-11-25"),
    ];
    for revision in revisions {
        assert_eq!(
            result(allowed.request(revision)).await,
            "Sunny in Paris, 21 °C."
        );

        let answer = needs_more.request(revision).send().await.unwrap();
        assert_eq!(answer.status(), 403);
        let challenge = Challenge::of(answer.headers()).expect("a challenge");
        assert_eq!(challenge.get("error"), Some("insufficient_scope"));
        assert_eq!(challenge.scopes(), ["mcp:use", "files:write"]);

        let answer = denied.request(revision).send().await.unwrap();
        assert_eq!(answer.status(), 403);
        let challenge = Challenge::of(answer.headers()).expect("a challenge");
        assert_eq!(
            (challenge.get("error"), challenge.get("scope")),
            (None, None)
        );
    }

    assert_eq!(result(modern.request(None)).await, "Sunny in Paris, 21 °C.");
    for (name, _) in &modern.headers {
        if name.to_ascii_lowercase().starts_with("mcp-") {
            let contradicting = modern.request(None).build().unwrap();
            let (mut request, name) = (
                contradicting,
                http::HeaderName::from_bytes(name.as_bytes()).unwrap(),
            );
            request
                .headers_mut()
                .insert(name, "whoami".parse().unwrap());
            let answer = http().execute(request).await.unwrap();
            assert_eq!(answer.status(), 400);
        }
    }

    quickstart.line_with("Ctrl-C stops both servers.").await;
    assert_eq!(quickstart.stop().await.code(), Some(0));
}

#[tokio::test]
async fn the_quickstart_lists_only_what_can_be_called() {
    let mut quickstart = Example::start(
        "quickstart",
        &["--listen", "127.0.0.1:0", "--issuer", "127.0.0.1:0"],
    );
    let [_, _, with_token] = [
        quickstart.next_command().await,
        quickstart.next_command().await,
        quickstart.next_command().await,
    ];
    let mcp = with_token.url;
    let list = async |list: &str| {
        let request = json_rpc(&mcp, call(&format!("{list}/list"), json!({})));
        let answer = request.bearer_auth(&quickstart.token).send().await.unwrap();
        let mut answer = json_of(answer).await;
        let listed = answer["result"][list].take();
        let names = listed.as_array().expect("a list").iter();
        let names = names.map(|one| one["name"].as_str().expect("a name").to_owned());
        names.collect::<std::collections::BTreeSet<_>>()
    };
    // With the scopes that the text names for each.
    let tools = ["delete_file", "get_weather", "report_daily", "whoami"];
    assert!(list("tools").await.iter().eq(tools));
    assert!(list("resources").await.is_empty());
    assert!(list("prompts").await.is_empty());
}

#[tokio::test]
async fn the_quickstart_takes_other_ports_when_its_own_are_taken() {
    // The ports are taken, by this test or by another program.
    let _taken = (
        TcpListener::bind("127.0.0.1:3000").await,
        TcpListener::bind("127.0.0.1:4000").await,
    );
    let mut quickstart = Example::start("quickstart", &[]);
    let without_token = quickstart.next_command().await;
    assert!(
        !without_token.url.contains(":3000"),
        "{}",
        without_token.url
    );
    assert_eq!(without_token.send().await.status(), 401);
}

#[tokio::test]
async fn the_quickstart_says_loudly_that_its_authorization_server_is_for_development() {
    let mut quickstart = Example::start(
        "quickstart",
        &["--listen", "127.0.0.1:0", "--issuer", "127.0.0.1:0"],
    );
    quickstart.line_with(toolgate::testing::NOTICE).await;
}

#[tokio::test]
async fn the_bare_hyper_example_greets_the_caller() {
    let mut hyper = Example::start("hyper", &[]);
    assert_eq!(hyper.next_command().await.send().await.status(), 401);
    let answer = hyper.next_command().await.send().await;
    assert_eq!(answer.text().await.unwrap(), "Hello, alice.\n");
}

#[tokio::test]
async fn the_rmcp_example_knows_the_caller_inside_a_tool() {
    let mut rmcp = Example::start("rmcp", &[]);
    let command = rmcp.next_command().await;
    let answer = result(command.request(None)).await;
    assert!(answer.contains("alice"), "{answer}");
}

#[tokio::test]
async fn the_introspection_example_serves_an_opaque_token_until_it_is_revoked() {
    let mut introspection = Example::start("introspection", &[]);
    let command = introspection.next_command().await;
    assert!(
        !command
            .headers
            .iter()
            .any(|(_, value)| value.contains("eyJ")),
        "it is no JWT"
    );
    assert_eq!(
        result(command.request(None)).await,
        "Sunny in Paris, 21 °C."
    );
    let stdin = introspection.process.stdin.as_mut().unwrap();
    stdin.write_all(b"\n").await.unwrap();
    introspection.line_with("revoked: ").await;
    assert_eq!(command.send().await.status(), 401);
    assert_eq!(introspection.stop().await.code(), Some(0));
}

#[tokio::test]
async fn the_example_of_api_keys_serves_a_key_until_it_is_removed_from_the_file() {
    let mut api_keys = Example::start("api_keys", &[]);
    let command = api_keys.next_command().await;
    assert_eq!(
        result(command.request(None)).await,
        "Sunny in Paris, 21 °C."
    );
    let path = api_keys.line_with(".toml").await;
    let stored = fs::read_to_string(&path).unwrap();
    assert_eq!(stored.matches("[[keys]]").count(), 1);
    fs::write(&path, "keys = []\n").unwrap();
    // The gate looks at the file once a second.
    let refused = async { while command.send().await.status() != 401 {} };
    timeout(PATIENCE, refused)
        .await
        .expect("the key is refused");
    assert_eq!(api_keys.stop().await.code(), Some(0));
    assert!(!Path::new(&path).exists());
}

#[tokio::test]
async fn the_example_of_api_keys_prints_a_new_key_and_the_table_to_store() {
    let new = async |arguments: &[&str]| {
        let mut command = example("api_keys");
        command.arg("new").args(arguments).output().await.unwrap()
    };
    let time = "expires=2027-01-01T00:00:00Z";
    let output = new(&["ci", "mcp:use", time]).await;
    let printed = String::from_utf8(output.stdout).unwrap();
    let (key, table) = printed.split_once('\n').expect("two parts");
    let random = key.strip_prefix("tg_").expect("the prefix");
    assert_eq!(random.len(), 43, "32 bytes as base64url");
    let file: toml::Table = table.parse().unwrap();
    let stored = &file["keys"][0];
    assert_eq!(stored["name"].as_str(), Some("ci"));
    assert_eq!(stored["scopes"].as_array().unwrap().len(), 1);
    assert_eq!(stored["expires"].as_str(), Some("2027-01-01T00:00:00Z"));
    assert_eq!(stored["sha256"].as_str().unwrap().len(), 64);
    assert!(!table.contains(key));

    let wrong = new(&["two words"]).await;
    assert_eq!((wrong.status.code(), wrong.stdout.len()), (Some(1), 0));
}

/// A hang is a failure. Nothing here takes a second.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn the_explanation_of_a_request_is_printed_check_by_check() {
    let authorization_server = AuthorizationServer::start().await;
    let issuer = format!("issuer = {:?}", authorization_server.issuer());
    let file = File::new("explained", &config(RESOURCE, &issuer));
    let token = authorization_server
        .token()
        .audience(RESOURCE)
        .scope("mcp:use")
        .mint();
    let token_file = File::new("explained-token", &format!("{token}\n"));
    let body = File::new(
        "explained-body",
        &call("prompts/get", json!({ "name": "greet" })),
    );
    let explain = async |arguments: &[&str]| {
        let output = example("explain")
            .arg(file.path())
            .args(arguments)
            .output()
            .await
            .unwrap();
        assert!(!String::from_utf8_lossy(&output.stdout).contains(&token));
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    let with_token = ["--token-file", token_file.path()];
    let (code, text) = explain(&[&with_token[..], &["--call", "add"]].concat()).await;
    assert_eq!(
        (code, text.lines().last()),
        (Some(0), Some("allowed")),
        "{text}"
    );
    let (code, text) = explain(&[&with_token[..], &["--body", body.path()]].concat()).await;
    assert_eq!(
        (code, text.lines().last()),
        (Some(0), Some("allowed")),
        "{text}"
    );
    let (code, text) = explain(&[&with_token[..], &["--call", "delete_file"]].concat()).await;
    assert_eq!(
        (code, text.lines().last()),
        (Some(1), Some("refused: insufficient_scope")),
        "{text}"
    );
    assert!(
        text.contains("FAIL  rules         expects mcp:use files:write; got mcp:use"),
        "{text}"
    );
    let (code, text) = explain(&["--call", "add"]).await;
    assert_eq!(
        (code, text.lines().last()),
        (Some(1), Some("refused: no_token")),
        "{text}"
    );
    for wrong in [
        &[][..],
        &["--call"],
        &["--call", "add", "more"],
        &["--token-file", "/nowhere", "--call", "add"],
    ] {
        let (code, text) = explain(wrong).await;
        assert_eq!((code, text.as_str()), (Some(2), ""), "{wrong:?}");
    }
}

#[tokio::test]
async fn a_whole_request_is_read_from_a_file_as_a_proxy_shows_it() {
    let authorization_server = AuthorizationServer::start().await;
    let issuer = format!("issuer = {:?}", authorization_server.issuer());
    let config = File::new("explained-config", &config(RESOURCE, &issuer));
    let token = authorization_server
        .token()
        .audience(RESOURCE)
        .scope("mcp:use")
        .mint();
    let explain = async |text: &str| {
        let request = File::new("explained-request", text);
        let mut command = example("explain");
        command.args([config.path(), "--request", request.path()]);
        let output = command.output().await.unwrap();
        let told = [output.stdout, output.stderr].concat();
        let told = String::from_utf8(told).unwrap();
        assert!(!told.contains(&token), "{told}");
        (output.status.code(), told)
    };
    let body = call("tools/call", json!({ "name": "delete_file" }));
    let head =
        format!("Host: localhost\nAuthorization: Bearer {token}\nContent-Type: application/json\n");
    let length = format!("Content-Length: {}\n", body.len());
    let post = "POST /mcp HTTP/1.1\n";
    let whole = format!("{post}{head}{length}\n{body}\n");
    for text in [
        whole.clone(),
        whole.replace('\n', "\r\n"),
        format!("{post}{head}\n{body}\n\n"),
        format!("POST http://127.0.0.1/mcp HTTP/2\n{head}\n{body}"),
    ] {
        let (code, told) = explain(&text).await;
        assert_eq!(code, Some(1), "{told}");
        assert!(told.ends_with("\nrefused: insufficient_scope\n"), "{told}");
        assert!(told.contains("ok    metadata      got /mcp\n"), "{told}");
    }
    let get = format!("GET /mcp HTTP/1.1\n{head}\n");
    let (code, told) = explain(&get).await;
    assert_eq!(code, Some(0), "{told}");
    let (code, told) = explain(&get.replace("Host", "Origin: https://evil.example\nHost")).await;
    assert_eq!(code, Some(1), "{told}");
    assert!(told.ends_with("\nrefused: origin_not_allowed\n"), "{told}");
    for (wrong, why) in [
        (String::new(), "there is no empty line"),
        (format!("{post}{head}"), "there is no empty line"),
        (whole.replacen("HTTP/1.1", "HTTP/9", 1), "the first line"),
        (whole.replacen("/mcp", "/m cp", 1), "the first line"),
        (whole.replacen("POST", "PO(ST", 1), "the method"),
        (whole.replacen("Host:", "Host", 1), "a header has no colon"),
        (whole.replacen("Host:", "Host :", 1), "a header: "),
        (whole.replacen("Host:", " Host:", 1), "a header: "),
        (whole.replacen(": localhost", ": local\0host", 1), "host: "),
        (
            whole.replacen(&length, &format!("{length}{length}"), 1),
            "the Content-Length",
        ),
        (
            whole.replacen(&length, "Content-Length: x\n", 1),
            "the Content-Length",
        ),
        (
            whole.replacen(&length, "Content-Length: 9\n", 1),
            "the body is not",
        ),
        (
            whole.replacen(&length, "Content-Length: 9999\n", 1),
            "the body is not",
        ),
        (
            whole.replacen(&length, "Transfer-Encoding: chunked\n", 1),
            "write the body without a transfer encoding",
        ),
    ] {
        let (code, told) = explain(&wrong).await;
        assert_eq!(code, Some(2), "{wrong}\n{told}");
        assert!(told.contains(why), "{why} is not in {told}");
    }
    let mut command = example("explain");
    let arguments = [
        config.path(),
        "--token-file",
        config.path(),
        "--request",
        config.path(),
    ];
    let output = command.args(arguments).output().await.unwrap();
    assert_eq!(output.status.code(), Some(2));
}

/// An example that runs. It ends with the test, one way or the other.
pub struct Example {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// The value of `$TOKEN`, once it was printed.
    token: String,
}

impl Example {
    fn start(name: &str, arguments: &[&str]) -> Self {
        Self::start_with(name, arguments, &[])
    }

    /// With these variables besides the environment of the tests.
    pub fn start_with(name: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = example(name);
        // Shows errors, but no decisions.
        command
            .args(arguments)
            .env("RUST_LOG", "off")
            .envs(variables.iter().copied());
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self {
            process,
            lines,
            token: String::new(),
        }
    }

    async fn line(&mut self) -> String {
        let line = timeout(PATIENCE, self.lines.next_line())
            .await
            .expect("a line");
        line.unwrap().expect("it still runs")
    }

    async fn line_with(&mut self, text: &str) -> String {
        loop {
            let line = self.line().await;
            if line.contains(text) {
                return line;
            }
        }
    }

    /// The URL of `listening on …`.
    pub async fn listening(&mut self) -> String {
        let line = self.line().await;
        line.strip_prefix("listening on ").expect(&line).to_owned()
    }

    /// The next `curl` that is printed, with what was printed before it put in.
    async fn next_command(&mut self) -> Curl {
        loop {
            let mut line = self.line().await.trim_start().to_owned();
            if let Some(token) = line.strip_prefix("TOKEN=") {
                self.token = token.to_owned();
            }
            if line.starts_with("curl ") {
                while let Some(first) = line.strip_suffix('\\') {
                    line = format!("{first}{}", self.line().await);
                }
                return Curl::read(&line, &self.token);
            }
        }
    }

    #[cfg(unix)]
    async fn hang_up(&mut self) {
        let id = self.process.id().expect("it still runs").to_string();
        assert!(
            Command::new("kill")
                .args(["-HUP", &id])
                .status()
                .await
                .unwrap()
                .success()
        );
    }

    /// As a service manager does it.
    pub async fn stop(mut self) -> ExitStatus {
        let id = self.process.id().expect("it still runs").to_string();
        let told = Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .await
            .unwrap();
        assert!(told.success());
        timeout(PATIENCE, self.process.wait())
            .await
            .expect("it stops")
            .unwrap()
    }
}

pub fn example(name: &str) -> Command {
    let this = std::env::current_exe().unwrap();
    let profile = this
        .parent()
        .and_then(Path::parent)
        .expect("target/<profile>/deps");
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    // See examples/Cargo.toml: it is a program of its package, and the others are examples.
    let path = match name {
        "quickstart" => profile.join(file),
        _ => profile.join("examples").join(file),
    };
    assert!(
        path.exists(),
        "there is no {}: `cargo test` builds it, and so does `cargo build --bins --examples`",
        path.display()
    );
    let mut command = Command::new(path);
    command.env_remove("RUST_LOG").kill_on_drop(true);
    command
}

/// A printed command, to be sent without `curl`.
struct Curl {
    url: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
    /// The file of the authority that the server has its certificate from.
    authority: Option<String>,
    /// The file with a client certificate and its key.
    certificate: Option<String>,
}

impl Curl {
    fn read(line: &str, token: &str) -> Self {
        let mut words = shell_words(line, token).into_iter();
        assert_eq!(
            (words.next().as_deref(), words.next().as_deref()),
            (Some("curl"), Some("-i"))
        );
        let mut command = Self {
            url: words.next().expect("a URL"),
            headers: Vec::new(),
            body: None,
            authority: None,
            certificate: None,
        };
        while let Some(word) = words.next() {
            let value = words.next().expect("a value");
            match word.as_str() {
                "-H" => {
                    let (name, value) = value.split_once(": ").expect("a header line");
                    command.headers.push((name.to_owned(), value.to_owned()));
                }
                "-d" => command.body = Some(value),
                "--cacert" => command.authority = Some(value),
                "--cert" => command.certificate = Some(value),
                other => panic!("{other} is not understood here"),
            }
        }
        command
    }

    fn request(&self, revision: Option<&str>) -> RequestBuilder {
        let http = self.client();
        let mut request = match &self.body {
            Some(body) => http.post(&self.url).body(body.clone()),
            None => http.get(&self.url),
        };
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        match revision {
            Some(revision) => request.header("mcp-protocol-version", revision),
            None => request,
        }
    }

    fn client(&self) -> Client {
        let mut client = Client::builder().no_proxy();
        if let Some(file) = &self.authority {
            let pem = fs::read(file).unwrap();
            client = client.tls_certs_only([Certificate::from_pem(&pem).unwrap()]);
        }
        if let Some(file) = &self.certificate {
            let pem = fs::read(file).unwrap();
            client = client.identity(Identity::from_pem(&pem).unwrap());
        }
        client.build().unwrap()
    }

    async fn send(&self) -> Response {
        self.request(None).send().await.unwrap()
    }
}

/// Splits a line as a shell would, as far as it is used here: quotes of both kinds, and `$TOKEN`.
fn shell_words(line: &str, token: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for character in line.chars() {
        match (quote, character) {
            (None, '\'' | '"') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            (None, ' ') => words.push(String::new()),
            _ => words.last_mut().unwrap().push(character),
        }
    }
    assert_eq!(quote, None, "an open quote: {line}");
    words.retain(|word| !word.is_empty());
    words
        .iter()
        .map(|word| word.replace("$TOKEN", token))
        .collect()
}

fn http() -> Client {
    Client::builder().no_proxy().build().unwrap()
}

fn json_rpc(mcp: &str, body: String) -> RequestBuilder {
    let request = http().post(mcp).body(body);
    let request = request.header("content-type", "application/json");
    request.header("accept", "application/json, text/event-stream")
}

/// As clients of the 2026-07-28 revision call it, which has no sessions.
pub fn tool(mcp: &str, name: &str, arguments: Value) -> RequestBuilder {
    let call = call(
        "tools/call",
        json!({
            "name": name,
            "arguments": arguments,
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        }),
    );
    let request = json_rpc(mcp, call).header("mcp-protocol-version", "2026-07-28");
    request
        .header("mcp-method", "tools/call")
        .header("mcp-name", name)
}

/// The text a tool answers with.
pub async fn result(request: RequestBuilder) -> String {
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let answer = json_of(answer).await;
    let text = answer["result"]["content"][0]["text"].as_str();
    text.unwrap_or_else(|| panic!("{answer}")).to_owned()
}

async fn json_of(answer: Response) -> Value {
    let text = answer.text().await.unwrap();
    // In a session, the last of some events.
    let event = text
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("data: "));
    serde_json::from_str(event.unwrap_or(&text)).unwrap_or_else(|_| panic!("not JSON: {text}"))
}

async fn vacant_address() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

pub fn config(resource: &str, issuer: &str) -> String {
    format!(
        r#"
            resource = {resource:?}

            [[issuers]]
            {issuer}

            [scopes]
            every_request = ["mcp:use"]
            unlisted = "deny"
            [scopes.tools]
            whoami = {{}}
            add = {{}}
            echo = {{}}
            delete_file = "files:write"
            [scopes.resources]
            "file:///public/*" = {{}}
            [scopes.prompts]
            greet = {{}}
        "#
    )
}

/// A file that goes with the test.
pub struct File(PathBuf);

impl File {
    pub fn new(name: &str, content: &str) -> Self {
        let path = std::env::temp_dir().join(format!("toolgate-{}-{name}", std::process::id()));
        fs::write(&path, content).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &str {
        self.0.to_str().expect("UTF-8")
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[tokio::test]
async fn the_dpop_example_serves_the_holder_of_the_key_and_no_thief() {
    let output = example("dpop").output();
    let output = timeout(PATIENCE, output).await.expect("it ends").unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = text.lines().collect();
    for line in [
        "the client, with a new proof: 200 OK",
        "a thief of token and proof: 401 Unauthorized",
        "  the log says: dpop_replayed",
        "a thief of the token: 401 Unauthorized",
        "  the log says: dpop_wrong_key",
        "a thief who tries it as a bearer token: 401 Unauthorized",
        "  the log says: dpop_token_as_bearer",
    ] {
        assert!(lines.contains(&line), "{line:?} is not in {text}");
    }
}

#[tokio::test]
async fn the_example_of_a_tool_that_asks_for_a_scope_gets_the_challenge_for_it() {
    let output = example("handler_scopes").output();
    let output = timeout(PATIENCE, output).await.expect("it ends").unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for line in [
        "draft, with mcp:use docs:write: 200 OK",
        "contract, with mcp:use docs:write: 403 Forbidden",
        "contract, with mcp:use legal:write: 200 OK",
    ] {
        assert!(text.lines().any(|has| has == line), "{line:?}: {text}");
    }
    assert!(text.contains("scope=\"mcp:use legal:write\""), "{text}");
}

#[tokio::test]
async fn the_example_of_a_verifier_of_ones_own_shows_its_three_outcomes() {
    let output = example("own_verifier").output();
    let output = timeout(PATIENCE, output).await.expect("it ends").unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        text.lines().collect::<Vec<_>>(),
        [
            "a token of the authorization server: 200 OK",
            "a token of the database: 200 OK",
            "a token that the database does not know: 401 Unauthorized",
            "  verifier_refused",
            "any token during an outage: 503 Service Unavailable",
            "  verifier_unavailable",
        ]
    );
}

#[tokio::test]
async fn the_mutual_tls_example_serves_the_holder_of_the_certificate_and_no_thief_of_the_token() {
    let mut mutual_tls = Example::start("mutual_tls", &[]);
    let commands = [
        mutual_tls.next_command().await,
        mutual_tls.next_command().await,
        mutual_tls.next_command().await,
    ];
    let [client, thief, no_certificate] = &commands;
    // Each connection has a certificate of its own, so it is shown that one is not taken for another.
    for _ in 0..2 {
        let answer = client.send().await;
        assert_eq!(answer.text().await.unwrap(), "Hello, alice.\n");
        for stranger in [thief, no_certificate] {
            let answer = stranger.send().await;
            assert_eq!(answer.status(), 401);
            let challenge = Challenge::of(answer.headers()).expect("a challenge");
            assert_eq!(challenge.get("error"), Some("invalid_token"));
        }
    }
    // A certificate is no secret, so it is of no use without its key.
    assert!(
        greeting(client, client)
            .await
            .unwrap()
            .ends_with("Hello, alice.\n")
    );
    let refused = greeting(client, thief).await.unwrap_err();
    assert!(refused.to_string().contains("Decrypt"), "{refused}");
    let files = Path::new(client.authority.as_ref().unwrap()).parent();
    fs::remove_dir_all(files.unwrap()).unwrap();
}

/// Sends the command over a connection with its certificate, and with the key of another command.
async fn greeting(command: &Curl, key_of: &Curl) -> std::io::Result<String> {
    let pem = |file: &Option<String>| fs::read(file.as_ref().unwrap()).unwrap();
    let certificate = |file| CertificateDer::from_pem_slice(&pem(file)).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate(&command.authority)).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots);
    let key = PrivateKeyDer::from_pem_slice(&pem(&key_of.certificate)).unwrap();
    let key = config.crypto_provider().key_provider.load_private_key(key);
    let chain = vec![certificate(&command.certificate)];
    let presented = Presented(Arc::new(CertifiedKey::new(chain, key.unwrap())));
    let config = config.with_client_cert_resolver(Arc::new(presented));

    let url: http::Uri = command.url.parse().unwrap();
    let address = ("127.0.0.1", url.port_u16().unwrap());
    let stream = TcpStream::connect(address).await?;
    let name = "localhost".try_into().unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let mut stream = connector.connect(name, stream).await?;
    let (_, authorization) = &command.headers[0];
    let head = format!("GET /mcp HTTP/1.0\r\nauthorization: {authorization}\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let mut answer = Vec::new();
    // In TLS 1.3, a client learns here that the server did not believe it.
    match stream.read_to_end(&mut answer).await {
        // The server need not say that it closes the connection.
        Err(why) if why.kind() != std::io::ErrorKind::UnexpectedEof => Err(why),
        _ => Ok(String::from_utf8(answer).unwrap()),
    }
}

/// Presents a certificate, and a key that need not be its own.
#[derive(Debug)]
struct Presented(Arc<CertifiedKey>);

impl ResolvesClientCert for Presented {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn a_server_made_from_a_file_takes_the_certificate_that_a_listed_peer_forwards() {
    let authorization_server = AuthorizationServer::start().await;
    let issuer = format!("issuer = {:?}", authorization_server.issuer());
    let start = config(RESOURCE, &issuer);
    let file = |peer: &str| {
        let holder = r#"certificate = { header = "client-cert", format = "rfc9440" }"#;
        let text = format!("{start}\n[holder]\n{holder}\n[peers]\nlisted = [{peer:?}]\n");
        File::new(&format!("peers-{peer}"), &text)
    };
    let token = authorization_server
        .token()
        .audience(RESOURCE)
        .scope("mcp:use");
    let token = token.bound_to_certificate("a certificate").mint();
    let forwarded = ":YSBjZXJ0aWZpY2F0ZQ==:";
    let (listed, unlisted) = (file("127.0.0.1"), file("192.0.2.1"));
    for (file, line, status) in [
        (&listed, forwarded, 200),
        (&listed, ":AA==:", 401),
        (&listed, "a certificate", 400),
        (&unlisted, forwarded, 401),
    ] {
        let serve_file = [file.path(), "--listen", "127.0.0.1:0"];
        let mut serve = Example::start("serve", &serve_file);
        let mcp = format!("{}/mcp", serve.listening().await);
        let add = tool(&mcp, "add", json!({ "a": 1, "b": 2 })).bearer_auth(&token);
        let answer = add.header("client-cert", line).send().await.unwrap();
        assert_eq!(answer.status(), status, "{line}");
    }

    let body = call("tools/call", json!({ "name": "add" }));
    let head = format!("Authorization: Bearer {token}\nContent-Type: application/json");
    let whole = format!("POST /mcp HTTP/1.1\n{head}\nClient-Cert: {forwarded}\n\n{body}\n");
    let request = File::new("peers-request", &whole);
    for (peer, code, end) in [
        (Some("127.0.0.1"), 0, "\nallowed\n"),
        (Some("::ffff:127.0.0.1"), 0, "\nallowed\n"),
        (Some("192.0.2.1"), 1, "\nrefused: certificate_missing\n"),
        (None, 1, "\nrefused: certificate_missing\n"),
        (Some("proxy"), 2, ""),
    ] {
        let mut command = example("explain");
        command.args([listed.path(), "--request", request.path()]);
        if let Some(peer) = peer {
            command.args(["--peer", peer]);
        }
        let output = command.output().await.unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(code), "{told}");
        assert!(told.ends_with(end), "{told}");
    }
}

#[tokio::test]
async fn the_step_up_example_asks_for_a_better_login_and_takes_it() {
    let output = example("step_up").output();
    let output = timeout(PATIENCE, output).await.expect("it ends").unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = text.lines().collect();
    for line in [
        "read, with the token of this morning: 200 OK",
        "wipe, with the same token: 401 Unauthorized",
        "wipe, after a refresh: scopes, and the same login: 401 Unauthorized",
        "  the log says: login_too_weak",
        "wipe, after a login with a hardware key: 200 OK",
    ] {
        assert!(lines.contains(&line), "{line:?} is not in {text}");
    }
    assert!(
        text.contains("scope=\"mcp:use admin\", acr_values=\"phr\", max_age=\"300\""),
        "{text}"
    );
}
