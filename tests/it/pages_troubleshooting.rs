//! The log lines in `src/docs/troubleshooting.md`, held against those that the mistakes cause.

use std::fs;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use toolgate::testing::{Endpoint, Fault};
use toolgate::{Introspection, Issuer, ScopeMap, Sessions, base_only};

use crate::faults::{METADATA, fail};
use crate::introspection::asking_as;
use crate::logs::{Log, listen};
use crate::world::{World, bare, call, post};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/docs/troubleshooting.md");

/// The fields of a shortened line, in the order of the event.
const SHOWN: [&str; 7] = [
    "decision", "reason", "required", "granted", "expected", "got", "source",
];

#[tokio::test]
async fn a_token_for_something_else_is_logged_as_the_page_says() {
    let (log, _guard) = listen();
    let world = World::new().await;
    let page = Page::read(&world);

    let token = world.token().without("aud").mint();
    world.list_with(&token).await;
    page.assert_shows("The token has no audience", &log);

    for (section, audience) in [
        ("The audience is wrong", "account"),
        ("The client sends its ID token", "client-1"),
    ] {
        world
            .list_with(&world.token().audience(audience).mint())
            .await;
        page.assert_shows(section, &log);
    }

    let listing = World::with(|builder, server| {
        let issuer = Issuer::new(server.issuer()).audience("https://api.example.com");
        builder.issuer(issuer).scopes(ScopeMap::allow_unlisted())
    })
    .await;
    let with_slash = listing.token().audience("https://api.example.com/").mint();
    listing.list_with(&with_slash).await;
    Page::read(&listing).assert_shows("One slash too few or too many", &log);

    let id_token = world.token().header("typ", "JWT").claim("nonce", "n");
    world.list_with(&id_token.without("scope").mint()).await;
    page.assert_shows("The client sends its ID token", &log);
}

#[tokio::test]
async fn a_misspelled_issuer_is_logged_as_the_page_says() {
    let (log, _guard) = listen();
    let world = World::new().await;
    let page = Page::read(&world);
    let with_slash = format!("{}/", world.server.issuer());
    let token = world.token().claim("iss", with_slash.as_str()).mint();
    world.list_with(&token).await;
    page.assert_shows("The issuer is spelled differently", &log);

    let other = World::with(|builder, server| {
        let issuer = format!("{}/", server.issuer());
        builder.issuer(issuer).scopes(ScopeMap::allow_unlisted())
    })
    .await;
    other.gate.warm_up().await;
    Page::read(&other).assert_shows_event("The issuer is spelled differently", &last_error(&log));
}

#[tokio::test]
async fn keys_that_cannot_be_fetched_are_logged_as_the_page_says() {
    let (log, _guard) = listen();
    let world = World::new().await;
    fail(&world, METADATA, Some(&Fault::Status(404)));
    world.gate.warm_up().await;
    Page::read(&world).assert_shows_event("The keys cannot be fetched", &last_error(&log));
}

#[tokio::test]
async fn a_response_that_is_not_signed_is_logged_as_the_page_says() {
    let (log, _guard) = listen();
    let world = asking_as(Introspection::signed_responses).await;
    let unsigned = Fault::Body(r#"{"active":false}"#.into());
    world.server.fail(Endpoint::Introspect, Some(unsigned));
    world.list_with("opaque").await;
    Page::read(&world).assert_shows("The introspection response is not signed", &log);
}

#[tokio::test]
async fn a_token_that_is_opaque_lost_or_early_is_logged_as_the_page_says() {
    let (log, _guard) = listen();
    let world = World::new().await;
    let page = Page::read(&world);
    world.list_with("opaque").await;
    page.assert_shows("The token is opaque", &log);

    world.send(bare(Method::POST, "/mcp")).await;
    page.assert_shows("The token is lost on the way", &log);

    let now = 1_800_000_000;
    world
        .list_with(&world.token().claim("nbf", now + 300).mint())
        .await;
    page.assert_shows("A clock is wrong", &log);
}

#[tokio::test]
async fn a_path_that_a_proxy_cut_is_logged_as_the_page_says() {
    let (log, _guard) = listen();
    let world = World::new().await;
    world
        .send(bare(Method::GET, "/oauth-protected-resource/tools/mcp"))
        .await
        .assert_asks_for_a_token();
    Page::read(&world).assert_shows("A proxy cuts off a part of the path", &log);
}

#[tokio::test]
async fn a_foreign_origin_is_logged_as_the_page_says() {
    let (log, _guard) = listen();
    let world = World::new().await;
    let mut request = post(&world.token().mint(), &call("tools/list", json!({})));
    let origin = "https://playground.example.com".parse().unwrap();
    request.headers_mut().insert("origin", origin);
    world.send(request).await;
    Page::read(&world).assert_shows("The browser is refused", &log);
}

#[tokio::test]
async fn a_session_of_another_process_is_logged_as_the_page_says() {
    let (log, _guard) = listen();
    let world = World::new().await;
    let token = world.token().mint();
    let list = || post(&token, &call("tools/list", json!({})));
    world.answer_with("mcp-session-id", ["a"]);
    let begun = world.send(list()).await;
    let session = begun.headers["mcp-session-id"].clone();

    let (server, clock) = (world.server.clone(), world.clock.clone());
    let restarted = World::around(server, clock, |builder, server| {
        let builder = builder.issuer(server.issuer()).sessions(Sessions::bound());
        builder.scopes(ScopeMap::allow_unlisted())
    });
    let mut request = list();
    request.headers_mut().insert("mcp-session-id", session);
    restarted.send(request).await;
    Page::read(&world).assert_shows("The session is lost after a restart", &log);
}

#[tokio::test]
async fn scopes_that_are_not_found_are_logged_as_the_page_says() {
    let (log, _guard) = listen();
    let section = "The scopes are in another claim, or have a prefix";
    let world = World::with_scopes(ScopeMap::allow_unlisted().tool("read", "files:read")).await;
    let token = world.token().without("scope");
    let token = token.claim("permissions", json!(["files:read"])).mint();
    world.call_tool(&token, "read").await;
    Page::read(&world).assert_shows(section, &log);

    let scopes = ScopeMap::allow_unlisted().tool("read", "api://mcp/files:read");
    let world = World::with_scopes(scopes).await;
    let token = world.token().scope("files:read").mint();
    world.call_tool(&token, "read").await;
    Page::read(&world).assert_shows(section, &log);
}

#[tokio::test]
async fn a_login_that_is_never_new_is_logged_as_the_page_says() {
    let (log, _guard) = listen();
    let fresh = base_only().max_age(Duration::from_secs(300));
    let world = World::with_scopes(ScopeMap::allow_unlisted().tool("wipe", fresh)).await;
    world.call_tool(&world.token().mint(), "wipe").await;
    Page::read(&world).assert_shows("The login stays too old or too weak", &log);
}

#[test]
fn the_symptoms_lead_to_sections_and_reasons_that_exist() {
    let page = fs::read_to_string(PATH).unwrap();
    let reasons = include_str!("../../src/refusal/reason.rs");
    let headings = page.lines().filter_map(|line| line.strip_prefix("# "));
    let ids: Vec<String> = headings
        .map(|heading| heading.to_lowercase().replace(' ', "-").replace(',', ""))
        .collect();
    let (_, table) = page
        .split_once("| symptom | log | go to |")
        .expect("a table");
    for row in table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'))
    {
        let cells: Vec<&str> = row.split('|').collect();
        for code in cells[2].split('`').skip(1).step_by(2) {
            assert!(reasons.contains(&format!(" \"{code}\" ")), "{code}");
        }
        for link in cells[3].split("(#").skip(1) {
            let id = link.split(')').next().unwrap_or_default();
            assert!(ids.iter().any(|known| known == id), "{id}");
        }
    }
}

struct Page {
    text: String,
    issuer: String,
}

impl Page {
    fn read(world: &World) -> Self {
        Self {
            text: fs::read_to_string(PATH).unwrap(),
            issuer: world.server.issuer().to_owned(),
        }
    }

    /// The last decision is in this section, as a line of a log.
    #[track_caller]
    fn assert_shows(&self, section: &str, log: &Log) {
        self.assert_shows_event(section, &log.decision());
    }

    #[track_caller]
    fn assert_shows_event(&self, section: &str, event: &Value) {
        let mut line = format!("{} toolgate:", event["level"].as_str().unwrap());
        let is_shown = |name: &&str| *name != "granted" || event["fields"]["required"].is_string();
        for name in SHOWN.iter().filter(|name| is_shown(name)) {
            if let Some(value) = event["fields"][*name].as_str() {
                line += &format!(" {name}={value:?}");
            }
        }
        let line = line.replace(&self.issuer, "https://auth.example.com");
        let heading = format!("\n# {section}\n");
        let (_, rest) = self.text.split_once(&heading).expect("the section");
        let section = rest.split("\n# ").next().unwrap_or_default();
        assert!(
            section.contains(&format!("\n{line}\n")),
            "{line}\n{section}"
        );
    }
}

fn last_error(log: &Log) -> Value {
    let is_error = |event: &Value| event["level"] == "ERROR";
    log.events().into_iter().rfind(is_error).expect("an error")
}
