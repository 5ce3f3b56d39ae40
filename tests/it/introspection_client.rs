//! Client authentication at the introspection endpoint: every method, every source of secrets, and mistakes in them.

use std::fs;
use std::path::PathBuf;

use toolgate::testing::{Algorithm, AuthorizationServer, Endpoint, Recorded, SigningKey};
use toolgate::{Config, Introspection, Secret};

use crate::introspection::{around, asked};
use crate::logs::listen;
use crate::world::{World, clock};

/// Characters that are others in a form, in Base64 and in a header.
const AWKWARD: &str = "p+s s:%41&=/?\"\\~ä€";

async fn world(
    server: toolgate::testing::AuthorizationServerBuilder,
    introspection: Introspection,
) -> World {
    let clock = clock();
    around(
        server.clock(clock.clone()).start().await,
        clock,
        introspection,
    )
}

/// Asks about a new token, which must be told about, and returns the question.
async fn question(world: &World) -> Recorded {
    world
        .list_with(&world.server.mint_opaque(&world.token()))
        .await
        .assert_served();
    world
        .server
        .requests(Endpoint::Introspect)
        .pop()
        .expect("a question")
}

fn body(request: &Recorded) -> String {
    String::from_utf8(request.body.to_vec()).unwrap()
}

#[tokio::test]
async fn basic_form_encodes_id_and_secret_and_says_nothing_of_them_in_the_form() {
    let server = AuthorizationServer::builder().client("r:s ü", AWKWARD);
    let world = world(server, Introspection::basic("r:s ü", AWKWARD)).await;
    let question = question(&world).await;
    assert!(
        question.headers["authorization"]
            .to_str()
            .unwrap()
            .starts_with("Basic ")
    );
    assert!(!body(&question).contains("client_"), "{}", body(&question));
}

#[tokio::test]
async fn post_has_id_and_secret_in_the_form_and_no_header() {
    let server = AuthorizationServer::builder().client("r:s ü", AWKWARD);
    let world = world(server, Introspection::post("r:s ü", AWKWARD)).await;
    let question = question(&world).await;
    assert!(!question.headers.contains_key("authorization"));
    assert!(body(&question).contains("&client_id=r%3As+%C3%BC&client_secret=p%2Bs+s%3A%2541%26"));
}

#[tokio::test]
async fn a_bearer_secret_is_in_the_header() {
    let world = world(
        AuthorizationServer::builder(),
        Introspection::bearer("rs-secret"),
    )
    .await;
    assert_eq!(
        question(&world).await.headers["authorization"],
        "Bearer rs-secret"
    );
}

#[tokio::test]
async fn a_client_without_a_secret_only_says_its_name() {
    let world = world(
        AuthorizationServer::builder(),
        Introspection::unauthenticated("rs 1"),
    )
    .await;
    let token = world.server.mint_opaque(&world.token());
    // The development server wants a proof.
    world
        .list_with(&token)
        .await
        .assert_unavailable("introspection_unauthorized");
    let question = world.server.requests(Endpoint::Introspect).pop().unwrap();
    assert!(!question.headers.contains_key("authorization"));
    assert!(body(&question).ends_with("&client_id=rs+1"));
}

#[tokio::test]
async fn an_assertion_is_signed_anew_for_each_introspection_by_any_kind_of_key() {
    for algorithm in Algorithm::ALL {
        let key = SigningKey::generate(algorithm);
        let kid = key.kid().unwrap().to_owned();
        let server = AuthorizationServer::builder().client_key("rs", key.clone());
        let introspection = Introspection::private_key_jwt("rs", key.to_pem()).key_id(kid);
        let world = world(server, introspection.algorithm(algorithm.name())).await;
        // The server takes no assertion twice.
        let (first, second) = (question(&world).await, question(&world).await);
        assert_ne!(body(&first), body(&second));
        assert!(!first.headers.contains_key("authorization"));
    }
}

#[tokio::test]
async fn the_audience_of_an_assertion_is_the_issuer_or_the_configured_one() {
    let key = SigningKey::generate(Algorithm::Es256).without_kid();
    let builder = || AuthorizationServer::builder().client_key("rs", key.clone());
    let by_key = || Introspection::private_key_jwt("rs", key.to_pem());
    question(&world(builder(), by_key()).await).await;

    let clock = clock();
    let server = builder().clock(clock.clone()).start().await;
    let endpoint = server.url(Endpoint::Introspect);
    question(&around(
        server,
        clock,
        by_key().assertion_audience(endpoint),
    ))
    .await;

    let foreign = world(
        builder(),
        by_key().assertion_audience("https://other.example.com"),
    )
    .await;
    foreign
        .list_with("opaque")
        .await
        .assert_unavailable("introspection_unauthorized");
    let another =
        Introspection::private_key_jwt("rs", SigningKey::generate(Algorithm::Es256).to_pem());
    let unknown = world(builder(), another).await;
    unknown
        .list_with("opaque")
        .await
        .assert_unavailable("introspection_unauthorized");
}

#[tokio::test]
async fn a_secret_in_a_file_is_followed_and_the_last_good_one_kept() {
    let (log, _guard) = listen();
    let file = File::new("secret", "rs-secret\n");
    let introspection = Introspection::basic("rs", Secret::file(&file.0));
    let world = world(AuthorizationServer::builder(), introspection).await;
    question(&world).await;

    let ask = async || {
        world
            .list_with(&world.server.mint_opaque(&world.token()))
            .await
    };
    file.write("another");
    ask().await.assert_unavailable("introspection_unauthorized");
    file.write("rs-secret\r\n");
    ask().await.assert_served();
    // In the middle of being replaced, or gone.
    file.write("");
    ask().await.assert_served();
    ask().await.assert_served();
    fs::remove_file(&file.0).unwrap();
    ask().await.assert_served();
    let warned = log
        .events()
        .into_iter()
        .filter(|event| event["level"] == "WARN");
    let of_the_file =
        warned.filter(|event| event["fields"]["path"] == file.0.display().to_string());
    assert_eq!(of_the_file.count(), 1, "once, not once for each question");
    file.write("rs-secret");
    ask().await.assert_served();
    assert!(!log.text().contains("rs-secret"));
}

#[tokio::test]
async fn a_key_in_a_file_is_followed_too() {
    let (old, new) = (
        SigningKey::generate(Algorithm::Es256),
        SigningKey::generate(Algorithm::EdDsa),
    );
    let (old, new) = (old.without_kid(), new.without_kid());
    let file = File::new("key", &old.to_pem());
    let server = AuthorizationServer::builder().client_key("rs", new.clone());
    let world = world(
        server,
        Introspection::private_key_jwt("rs", Secret::file(&file.0)),
    )
    .await;
    let token = world.server.mint_opaque(&world.token());
    world
        .list_with(&token)
        .await
        .assert_unavailable("introspection_unauthorized");
    file.write(&new.to_pem());
    world.list_with(&token).await.assert_served();
    assert_eq!(asked(&world), 2);
}

#[tokio::test]
async fn a_table_in_a_file_introspects_like_the_same_settings_in_code() {
    let server = AuthorizationServer::start().await;
    let key = SigningKey::generate(Algorithm::Es256);
    let file = File::new("table", &key.to_pem());
    for (table, start) in [
        (
            r#"client_id = "rs", client_secret = "rs-secret""#.to_owned(),
            "Basic ",
        ),
        (
            r#"client_id = "rs", client_secret = { env = "CARGO_PKG_NAME" }"#.to_owned(),
            "Basic ",
        ),
        (
            r#"auth = "bearer", client_secret = "rs-secret""#.to_owned(),
            "Bearer ",
        ),
        (
            format!(
                r#"auth = "private_key_jwt", client_id = "rs", private_key = {{ file = "{}" }}, key_id = "k", algorithm = "ES256", assertion_audience = "x", when = "always", token_prefix = "t_", endpoint = "{}""#,
                file.0.display(),
                server.url(Endpoint::Introspect),
            ),
            "",
        ),
        (
            r#"auth = "post", client_id = "rs", client_secret = "rs-secret""#.to_owned(),
            "",
        ),
        (r#"auth = "none", client_id = "rs""#.to_owned(), ""),
    ] {
        let config = config(server.issuer(), &table).expect(&table);
        let world = World::around(server.clone(), clock(), |_, _| config.into_builder());
        let before = asked(&world);
        world.list_with("t_oken").await;
        let question = world
            .server
            .requests(Endpoint::Introspect)
            .pop()
            .expect("a question");
        assert_eq!(asked(&world), before + 1);
        let header = question
            .headers
            .get("authorization")
            .map_or("", |value| value.to_str().unwrap());
        assert!(
            header.starts_with(start) && header.is_empty() == start.is_empty(),
            "{table}: {header}"
        );
    }
}

#[test]
fn every_mistake_is_reported_with_its_field_and_a_fix_and_without_the_secret() {
    let (empty, key) = (
        File::new("empty", "\n"),
        SigningKey::generate(Algorithm::Es256).to_pem(),
    );
    let (key, empty_path) = (key.replace('\n', "\\n"), empty.0.display().to_string());
    let by_key = r#"auth = "private_key_jwt", client_id = "rs", private_key ="#;
    for (table, field, fix) in [
        ("".to_owned(), "client_id", "client id of this server"),
        (
            r#"client_id = """#.into(),
            "client_id",
            "client id of this server",
        ),
        (r#"client_id = "rs""#.into(), "client_secret", "needed"),
        (
            r#"client_id = "rs", client_secret = """#.into(),
            "client_secret",
            "empty",
        ),
        (
            r#"client_id = "rs", client_secret = { env = "NO_SUCH_VARIABLE_9" }"#.into(),
            "client_secret",
            "not set",
        ),
        (
            r#"client_id = "rs", client_secret = { file = "/nowhere/s3cret" }"#.into(),
            "client_secret",
            "cannot be read",
        ),
        (
            format!(r#"client_id = "rs", client_secret = {{ file = "{empty_path}" }}"#),
            "client_secret",
            "empty",
        ),
        (
            r#"client_id = "rs", client_secret = { path = "x" }"#.into(),
            "path",
            "env",
        ),
        (
            r#"client_id = "rs", client_secret = {}"#.into(),
            "client_secret",
            "one place",
        ),
        (
            r#"client_id = "rs", client_secret = { env = "A", file = "b" }"#.into(),
            "client_secret",
            "one place",
        ),
        (
            r#"client_id = "rs", client_secret = 7"#.into(),
            "client_secret",
            "a string",
        ),
        (
            r#"auth = "post", client_secret = "t0psecret""#.into(),
            "client_id",
            "client id of this server",
        ),
        (r#"auth = "bearer""#.into(), "client_secret", "needed"),
        (
            r#"auth = "none", client_id = "rs", client_secret = "t0psecret""#.into(),
            "client_secret",
            "leave it out",
        ),
        (
            r#"auth = "mtls", client_id = "rs""#.into(),
            "auth",
            "private_key_jwt",
        ),
        (
            r#"auth = "private_key_jwt", client_id = "rs""#.into(),
            "private_key",
            "needed",
        ),
        (format!(r#"{by_key} "t0psecret""#), "private_key", "neither"),
        (
            format!(r#"{by_key} "{{}}""#),
            "private_key",
            "not a private JWK",
        ),
        (
            format!(r#"{by_key} "{key}", algorithm = "RS256""#),
            "private_key",
            "does not fit this type of key",
        ),
        (
            format!(r#"{by_key} "{key}", algorithm = "HS256""#),
            "algorithm",
            "ES256",
        ),
        (
            r#"client_id = "rs", client_secret = "t0psecret", key_id = "k""#.into(),
            "key_id",
            "leave it out",
        ),
        (
            format!(r#"client_id = "rs", client_secret = "t0psecret", private_key = "{key}""#),
            "private_key",
            "leave it out",
        ),
        (
            r#"client_id = "rs", client_secret = "t0psecret", algorithm = "ES256""#.into(),
            "algorithm",
            "leave it out",
        ),
        (
            r#"client_id = "rs", client_secret = "t0psecret", assertion_audience = "x""#.into(),
            "assertion_audience",
            "leave it out",
        ),
        (
            r#"client_id = "rs", client_secret = "t0psecret", endpoint = "http://as.example/x""#
                .into(),
            "endpoint",
            "https",
        ),
        (
            r#"client_id = "rs", client_secret = "t0psecret", token_prefix = """#.into(),
            "token_prefix",
            "leave it out",
        ),
        (
            r#"client_id = "rs", client_secret = "t0psecret", when = "never""#.into(),
            "when",
            "always",
        ),
        (
            r#"client_id = "rs", client_secret = "t0psecret", cache = 7"#.into(),
            "cache",
            "token_prefix",
        ),
    ] {
        let error = match config("https://auth.example.com", &table) {
            Err(why) => why.to_string(),
            Ok(config) => {
                assert!(!format!("{config:?}").contains("t0psecret"), "{table}");
                let why = config.into_builder().build().expect_err(&table);
                assert_eq!(
                    why.problems()[0].field(),
                    format!("issuers[0].introspection.{field}"),
                    "{table}"
                );
                why.to_string()
            }
        };
        assert!(
            error.contains(field) && error.contains(fix),
            "{table}: {error}"
        );
        assert!(
            !error.contains("t0psecret") || error.contains("TOML"),
            "{table}: {error}"
        );
    }
    let by_name = config(
        "acme.com\"\njwks_uri = \"https://x/k\"\nadvertise = \"https://x",
        r#"auth = "none", client_id = "x""#,
    );
    let why = by_name.unwrap().into_builder().build().unwrap_err();
    assert_eq!(
        why.problems()[0].field(),
        "issuers[0].introspection.endpoint"
    );
}

#[test]
fn two_introspecting_issuers_must_have_different_token_prefixes() {
    let two = |one: &str, other: &str| {
        let issuer = |name: &str, prefix: &str| {
            format!(
                "[[issuers]]\nissuer = \"https://{name}.example.com\"\nintrospection = {{ auth = \"none\", client_id = \"rs\"{prefix} }}\n"
            )
        };
        let text = format!(
            "resource = \"https://mcp.example.com/mcp\"\n{}{}[scopes]\nunlisted = \"allow\"\n",
            issuer("one", one),
            issuer("other", other)
        );
        toml::from_str::<Config>(&text)
            .unwrap()
            .into_builder()
            .build()
            .map(drop)
            .map_err(|why| why.to_string())
    };
    let prefix = |text: &str| format!(", token_prefix = \"{text}\"");
    assert_eq!(two(&prefix("a_"), &prefix("b_")), Ok(()));
    for (one, other, field) in [
        (
            String::new(),
            String::new(),
            "issuers[0].introspection.token_prefix",
        ),
        (
            String::new(),
            prefix("b_"),
            "issuers[0].introspection.token_prefix",
        ),
        (
            prefix("a_"),
            String::new(),
            "issuers[1].introspection.token_prefix",
        ),
        (
            prefix("a_"),
            prefix("a_"),
            "issuers[1].introspection.token_prefix",
        ),
        (
            prefix("a_"),
            prefix("a_b_"),
            "issuers[1].introspection.token_prefix",
        ),
        (
            prefix("a_b_"),
            prefix("a_"),
            "issuers[1].introspection.token_prefix",
        ),
    ] {
        let why = two(&one, &other).expect_err("they cannot be told apart");
        assert!(why.contains(field), "{one} {other}: {why}");
    }
}

fn config(issuer: &str, table: &str) -> Result<Config, String> {
    let text = format!(
        "resource = \"https://mcp.example.com/mcp\"\n[[issuers]]\nissuer = \"{issuer}\"\n\
         introspection = {{ {table} }}\n[scopes]\nunlisted = \"allow\"\n"
    );
    toml::from_str(&text).map_err(|why| why.to_string())
}

/// A file of this test's own, gone when it is over.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let name = format!("toolgate-{name}-{}-{:p}", std::process::id(), text);
        let file = Self(std::env::temp_dir().join(name));
        file.write(text);
        file
    }

    fn write(&self, text: &str) {
        fs::write(&self.0, text).unwrap();
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
