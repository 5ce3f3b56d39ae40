//! Several resources in one file: `[[resources]]`, with shared issuers.

use http::StatusCode;
use serde_json::json;
use toolgate::testing::{AuthorizationServer, Endpoint};
use toolgate::{Config, ConfigError, Gates};

use crate::gates::{request_to, send};
use crate::world::{clock, until};

const A: &str = "https://h.example/a";
const B: &str = "https://h.example/b";

fn file(issuer: &str, unmatched: &str) -> String {
    format!(
        r#"
        unmatched = "{unmatched}"
        [[issuers]]
        issuer = "{issuer}"
        [[resources]]
        resource = "{A}"
        scopes.unlisted = "deny"
        scopes.every_request = ["a:use"]
        [[resources]]
        resource = "{B}"
        also_at = ["https://b.example/mcp"]
        scopes.unlisted = "allow"
        metadata.resource_name = "B"
        "#
    )
}

fn read(file: &str) -> Config {
    toml::from_str(file).expect("it is a configuration")
}

fn built(file: &str) -> Result<Gates, ConfigError> {
    read(file).into_gates(|builder| builder.clock(clock()))
}

#[track_caller]
fn wrong(file: &str) -> Vec<String> {
    let wrong = built(file).expect_err("it has mistakes");
    let problems = wrong.problems().iter();
    problems.map(|problem| problem.field().to_owned()).collect()
}

#[tokio::test]
async fn each_table_makes_a_gate_with_rules_of_its_own_and_shared_keys() {
    let server = AuthorizationServer::builder().clock(clock()).start().await;
    let gates = built(&file(server.issuer(), "refuse")).unwrap();
    let token = |audience: &str, scope: &str| server.token().audience(audience).scope(scope).mint();
    for (url, token, code) in [
        (A, token(A, "a:use"), None),
        (A, token(A, ""), Some("insufficient_scope")),
        (B, token(B, ""), None),
        ("https://b.example/mcp", token(B, ""), None),
        (B, token("https://b.example/mcp", ""), None),
        (A, token(B, "a:use"), Some("audience_mismatch")),
        (B, token(A, "a:use"), Some("audience_mismatch")),
    ] {
        assert_eq!(
            send(&gates, request_to(url, Some(&token))).await.code,
            code,
            "{url}"
        );
    }
    assert_eq!(server.hits(Endpoint::Jwks), 1);
    let elsewhere = "https://h.example/c";
    assert_eq!(
        send(&gates, request_to(elsewhere, None)).await.status,
        StatusCode::NOT_FOUND
    );
    let passing = built(&file(server.issuer(), "pass")).unwrap();
    assert_eq!(
        send(&passing, request_to(elsewhere, None)).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn every_mistake_names_the_table_that_it_is_in() {
    let good = file("https://auth.example.com", "refuse");
    let spoilt = good
        .replace("scopes.unlisted = \"allow\"", "seen_at = \"b\"")
        .replace(&format!("resource = \"{A}\""), "resource = \"a\"")
        .replace("[\"a:use\"]", "[\"a use\"]")
        .replace("b.example/mcp", "B.example/mcp")
        .replace("https://auth", "http://auth");
    assert_eq!(
        wrong(&spoilt),
        [
            "resources[0].resource",
            "resources[0].scopes.every_request",
            "issuers[0].issuer",
            "issuers[0].advertise",
            "resources[1].also_at[0]",
            "resources[1].seen_at",
            "resources[1].scopes",
        ]
    );
}

#[tokio::test]
async fn what_belongs_to_no_resource_or_to_two_is_a_mistake() {
    let good = file("https://auth.example.com", "refuse");
    let without = good.replace("unmatched = \"refuse\"", "");
    assert_eq!(wrong(&without), ["unmatched"]);
    let beside =
        format!("resource = \"{A}\"\nseen_at = \"/a\"\nscopes.unlisted = \"allow\"\n{good}");
    assert_eq!(wrong(&beside), ["resource", "seen_at", "scopes"]);
    assert_eq!(
        wrong(&good.replace(B, A)),
        ["resources", "issuers[0].audiences"]
    );
    let alone = format!(
        "unmatched = \"pass\"\nresource = \"{A}\"\nscopes.unlisted = \"allow\"\n[[issuers]]\nissuer = \"https://auth.example.com\""
    );
    assert_eq!(wrong(&alone), ["unmatched"]);
    let of_several = read(&good).into_builder().build().unwrap_err();
    assert_eq!(of_several.problems()[0].field(), "resources");
    let unknown = toml::from_str::<Config>("[[resources]]\nx_ = 1").unwrap_err();
    let told = "unknown field `x_`, expected one of `resource`, `seen_at`, `also_at`, `scopes`, `api_keys`, `metadata`, `sessions`, `clients`";
    assert_eq!(unknown.message(), told);
}

#[tokio::test]
async fn a_resource_may_have_clients_of_its_own_and_others_take_those_of_the_file() {
    let file = |own: &str| {
        format!(
            "unmatched = \"refuse\"\n[[issuers]]\nissuer = \"https://auth.example.com\"\n\
             [clients]\nchallenges = \"tool_result\"\ndescribe_security = true\n\
             [[resources]]\nresource = \"{A}\"\nscopes.unlisted = \"allow\"\n{own}\n\
             [[resources]]\nresource = \"{B}\"\nscopes.unlisted = \"allow\""
        )
    };
    let gates = built(&file("clients.challenges = \"http\"")).unwrap();
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}}"#;
    for (resource, status) in [(A, 401), (B, 200)] {
        let request = http::Request::post(resource)
            .header("content-type", "application/json")
            .body(http_body_util::Full::new(bytes::Bytes::from(call)))
            .unwrap();
        let inner = tower::service_fn(
            |_: http::Request<toolgate::RequestBody<http_body_util::Full<bytes::Bytes>>>| async {
                let body = http_body_util::Empty::<bytes::Bytes>::new();
                Ok::<_, std::convert::Infallible>(http::Response::new(body))
            },
        );
        let service = tower::Layer::layer(&gates.layer(), inner);
        let answer = tower::ServiceExt::oneshot(service, request).await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{resource}");
        let refusal = answer.extensions().get::<toolgate::Refusal>();
        assert_eq!(refusal.map(toolgate::Refusal::code), Some("no_token"));
    }
    let own = wrong(&file("clients.challenges = \"auto\""));
    assert_eq!(own, ["resources[0].clients.describe_security"]);
    let of_file = file("").replace("describe_security = true", "");
    let of_file = wrong(&of_file);
    assert!(
        of_file
            .iter()
            .all(|field| field == "clients.describe_security"),
        "{of_file:?}"
    );
}

#[tokio::test]
async fn a_reload_changes_all_resources_or_none() {
    let server = AuthorizationServer::builder().clock(clock()).start().await;
    let before = file(server.issuer(), "refuse");
    let gates = built(&before).unwrap();
    let with_scope = before.replace(
        "unlisted = \"allow\"",
        "unlisted = \"allow\"\nscopes.every_request = [\"b:use\"]",
    );
    let token = server.token().audience(B).scope("").mint();
    let code = async || send(&gates, request_to(B, Some(&token))).await.code;

    let spoilt = with_scope.replace("[\"a:use\"]", "[\"a use\"]");
    assert!(gates.reload(read(&spoilt)).is_err());
    assert_eq!(code().await, None);

    let other = with_scope.replace(A, "https://h.example/other");
    let refused = gates.reload(read(&other)).unwrap_err();
    assert_eq!(refused.problems()[0].field(), "resources");
    assert_eq!(code().await, None);

    let one_less = with_scope
        .split("[[resources]]")
        .take(2)
        .collect::<Vec<_>>()
        .join("[[resources]]");
    assert!(gates.reload(read(&one_less)).is_err());
    let renamed = with_scope.replace("b.example", "c.example");
    let refused = gates.reload(read(&renamed)).unwrap_err();
    assert_eq!(refused.problems()[0].field(), "resources[1].also_at");

    gates.reload(read(&with_scope)).unwrap();
    assert_eq!(code().await, Some("insufficient_scope"));
    // The key set is fetched anew, in the background, by the resource that was asked, and so for all of them.
    until(|| server.hits(Endpoint::Jwks) == 2).await;
}

#[tokio::test]
async fn a_file_with_one_resource_makes_one_gate() {
    let server = AuthorizationServer::builder().clock(clock()).start().await;
    let issuer = server.issuer();
    let file = format!(
        "resource = \"{A}\"\nscopes.unlisted = \"allow\"\n[[issuers]]\nissuer = \"{issuer}\""
    );
    let gates = built(&file).unwrap();
    let token = server.token().audience(A).scope("").mint();
    for url in [A, "https://other.example/anything"] {
        assert_eq!(send(&gates, request_to(url, Some(&token))).await.code, None);
    }
    assert_eq!(gates.gates().len(), 1);
    let json = json!({ "gates": format!("{gates:?}") }).to_string();
    assert!(!json.contains(issuer));
}
