//! The recipes of `src/docs/connecting.md`, each held against tokens as that provider makes them, and against others
//! of its tokens that are no access tokens for this server.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use toolgate::testing::{Algorithm, AuthorizationServer, SigningKey};
use toolgate::{Config, Toolgate};

use crate::world::{RESOURCE, World, clock};

const PAGE: &str = include_str!("../../src/docs/connecting.md");
const NOW: i64 = 1_800_000_000;

/// A token of some provider's, and what is to be made of it.
struct Token {
    typ: Option<&'static str>,
    claims: Value,
    becomes: Becomes,
}

enum Becomes {
    /// Scopes, client, and whether it is a machine.
    Principal(&'static [&'static str], Option<&'static str>, bool),
    Refused(&'static str),
}
use Becomes::{Principal, Refused};

fn token(typ: impl Into<Option<&'static str>>, claims: Value, becomes: Becomes) -> Token {
    Token {
        typ: typ.into(),
        claims,
        becomes,
    }
}

/// The recipe below this heading, with the keys in a file instead of wherever they would be fetched.
fn recipe(heading: &str, keys: &std::path::Path) -> String {
    let section = PAGE
        .split_once(&format!("\n# {heading}\n"))
        .unwrap_or_else(|| panic!("no {heading}"))
        .1;
    let recipe = section
        .split_once("```toml\n")
        .expect("a recipe")
        .1
        .split_once("```")
        .unwrap()
        .0;
    let lines = recipe.lines().filter(|line| !line.starts_with("jwks_uri"));
    let keys = format!("jwks_file = {:?}", keys.display().to_string());
    let lines = lines.map(|line| {
        if line.starts_with("issuer = ") {
            format!("{line}\n{keys}")
        } else {
            line.into()
        }
    });
    format!(
        "resource = {RESOURCE:?}\n{}\n[scopes]\nunlisted = \"allow\"\n",
        lines.collect::<Vec<_>>().join("\n")
    )
}

/// Sends each token through a gate that is made by the recipe.
async fn assert_judges(heading: &str, tokens: Vec<Token>) {
    let key = SigningKey::generate(Algorithm::Es256);
    let file = KeyFile::new(heading, &json!({ "keys": [key.jwk()] }));
    let config: Config = toml::from_str(&recipe(heading, &file.0)).expect(heading);
    let gate: Toolgate = config.into_builder().clock(clock()).build().expect(heading);
    let server = AuthorizationServer::start().await;
    let world = World::of(server, gate);
    for Token {
        typ,
        mut claims,
        becomes,
    } in tokens
    {
        for (name, value) in [("iat", NOW - 10), ("exp", NOW + 3_600)] {
            claims
                .as_object_mut()
                .unwrap()
                .entry(name)
                .or_insert(value.into());
        }
        let token = world
            .server
            .token()
            .payload(claims.to_string())
            .signed_with(&key);
        let token = match typ {
            Some(typ) => token.header("typ", typ),
            None => token.without_header("typ"),
        };
        let answer = world.call_tool(&token.mint(), "whoami").await;
        match becomes {
            Refused(code) => assert_eq!(answer.code, Some(code), "{heading}: {claims}"),
            Principal(scopes, client, is_machine) => {
                assert_eq!(answer.code, None, "{heading}: {claims}");
                let principal = world.reached().principal.unwrap();
                assert_eq!(
                    principal.scopes().iter().collect::<Vec<_>>(),
                    scopes,
                    "{heading}: {claims}"
                );
                assert_eq!(
                    (principal.client_id(), principal.is_machine()),
                    (client, is_machine),
                    "{heading}: {claims}"
                );
            }
        }
    }
}

/// A file that goes with the test.
struct KeyFile(PathBuf);

impl KeyFile {
    fn new(name: &str, keys: &Value) -> Self {
        let name = name.replace(' ', "-");
        let path =
            std::env::temp_dir().join(format!("toolgate-{}-{name}.json", std::process::id()));
        fs::write(&path, keys.to_string()).unwrap();
        Self(path)
    }
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[tokio::test]
async fn every_recipe_makes_a_gate() {
    let key = SigningKey::generate(Algorithm::Es256);
    let file = KeyFile::new("all", &json!({ "keys": [key.jwk()] }));
    let headings = PAGE.lines().filter_map(|line| line.strip_prefix("# "));
    let with_recipe: Vec<&str> = headings
        .filter(|heading| *heading != "Google and GitHub")
        .collect();
    assert!(with_recipe.len() >= 13, "{with_recipe:?}");
    for heading in with_recipe {
        let config: Config = toml::from_str(&recipe(heading, &file.0)).expect(heading);
        config.into_builder().build().expect(heading);
    }
    // With what is only hinted at, too.
    for block in PAGE
        .split("```toml\n")
        .skip(1)
        .map(|piece| piece.split_once("```").unwrap().0)
    {
        let whole: String = block
            .lines()
            .map(|line| format!("{}\n", line.strip_prefix("# ").unwrap_or(line)))
            .collect();
        let text = format!("resource = {RESOURCE:?}\n{whole}\n[scopes]\nunlisted = \"allow\"\n");
        toml::from_str::<Config>(&text)
            .expect(&whole)
            .into_builder()
            .build()
            .expect(&whole);
    }
}

#[tokio::test]
async fn auth0() {
    let issuer = "https://your-tenant.eu.auth0.com/";
    let audience = json!([RESOURCE, "https://your-tenant.eu.auth0.com/userinfo"]);
    assert_judges(
        "Auth0",
        vec![
            token(
                "JWT",
                json!({ "iss": issuer, "sub": "auth0|123456", "aud": audience, "azp": "app",
                    "scope": "openid profile read", "permissions": ["write"] }),
                Principal(&["openid", "profile", "read"], Some("app"), false),
            ),
            token(
                "at+jwt",
                json!({ "iss": issuer, "sub": "auth0|123456", "aud": audience, "client_id": "app", "jti": "1", "scope": "read" }),
                Principal(&["read"], Some("app"), false),
            ),
            token(
                "JWT",
                json!({ "iss": issuer, "sub": "app@clients", "aud": RESOURCE, "azp": "app", "gty": "client-credentials" }),
                Principal(&[], Some("app"), true),
            ),
            // Of RBAC alone: what the user could have is not what was granted.
            token(
                "JWT",
                json!({ "iss": issuer, "sub": "auth0|1", "aud": RESOURCE, "azp": "app", "permissions": ["read"] }),
                Principal(&[], Some("app"), false),
            ),
            token(
                "JWT",
                json!({ "iss": issuer, "sub": "auth0|1", "aud": "https://your-tenant.eu.auth0.com/userinfo", "azp": "app" }),
                Refused("audience_mismatch"),
            ),
            token(
                "JWT",
                json!({ "iss": "https://your-tenant.eu.auth0.com", "sub": "auth0|1", "aud": RESOURCE, "azp": "app" }),
                Refused("issuer_mismatch"),
            ),
            token(
                "JWT",
                json!({ "iss": issuer, "sub": "auth0|1", "aud": RESOURCE, "nonce": "n" }),
                Refused("id_token"),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn entra() {
    let issuer = "https://login.microsoftonline.com/your-tenant-id/v2.0";
    assert_judges(
        "Microsoft Entra ID",
        vec![
            token(
                "JWT",
                json!({ "iss": issuer, "aud": "your-api-client-id", "azp": "app", "sub": "pairwise", "oid": "o", "tid": "t",
                    "scp": "read write", "ver": "2.0" }),
                Principal(&["read", "write"], Some("app"), false),
            ),
            // An app on its own holds roles, which are no scopes.
            token(
                "JWT",
                json!({ "iss": issuer, "aud": "your-api-client-id", "azp": "app", "sub": "service", "oid": "service",
                    "roles": ["read"], "ver": "2.0" }),
                Principal(&[], Some("app"), false),
            ),
            token(
                "JWT",
                json!({ "iss": "https://sts.windows.net/your-tenant-id/", "aud": "your-api-client-id", "appid": "app", "scp": "read" }),
                Refused("issuer_mismatch"),
            ),
            token(
                "JWT",
                json!({ "iss": "https://login.microsoftonline.com/another-tenant/v2.0", "aud": "your-api-client-id", "scp": "read" }),
                Refused("issuer_mismatch"),
            ),
            token(
                "JWT",
                json!({ "iss": issuer, "aud": "00000003-0000-0000-c000-000000000000", "azp": "app", "scp": "User.Read" }),
                Refused("audience_mismatch"),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn okta() {
    let issuer = "https://your-domain.okta.com/oauth2/your-server-id";
    assert_judges(
        "Okta",
        vec![
            token(
                None,
                json!({ "ver": 1, "jti": "AT.1", "iss": issuer, "aud": RESOURCE, "cid": "app", "uid": "00u",
                    "scp": ["read", "offline_access"], "sub": "ada@example.com" }),
                Principal(&["read", "offline_access"], Some("app"), false),
            ),
            token(
                None,
                json!({ "iss": issuer, "aud": RESOURCE, "cid": "app", "scp": ["read"], "sub": "app" }),
                Principal(&["read"], Some("app"), true),
            ),
            token(
                None,
                json!({ "iss": "https://your-domain.okta.com", "aud": "https://your-domain.okta.com", "cid": "app", "scp": ["read"] }),
                Refused("issuer_mismatch"),
            ),
            token(None, json!({ "iss": issuer, "aud": "api://default", "cid": "app" }), Refused("audience_mismatch")),
        ],
    )
    .await;
}

#[tokio::test]
async fn keycloak() {
    let issuer = "https://keycloak.example.com/realms/your-realm";
    assert_judges(
        "Keycloak",
        vec![
            token(
                "JWT",
                json!({ "iss": issuer, "aud": [RESOURCE, "account"], "sub": "f:1", "typ": "Bearer", "azp": "app",
                    "scope": "profile read", "realm_access": { "roles": ["mcp-user"] } }),
                Principal(&["profile", "read"], Some("app"), false),
            ),
            token(
                "JWT",
                json!({ "iss": issuer, "sub": "f:1", "typ": "Bearer", "azp": "app", "scope": "profile" }),
                Refused("audience_missing"),
            ),
            token(
                "JWT",
                json!({ "iss": issuer, "aud": "account", "sub": "f:1", "typ": "Bearer", "azp": "app" }),
                Refused("audience_mismatch"),
            ),
            token(
                "JWT",
                json!({ "iss": issuer, "aud": RESOURCE, "sub": "f:1", "typ": "ID", "azp": "app", "at_hash": "x" }),
                Refused("id_token"),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn cognito() {
    let issuer = "https://cognito-idp.your-region.amazonaws.com/your-pool-id";
    assert_judges(
        "Amazon Cognito",
        vec![
            token(
                None,
                json!({ "iss": issuer, "aud": RESOURCE, "sub": "u", "client_id": "app", "token_use": "access",
                    "scope": "mcp/read openid", "cognito:groups": ["g"] }),
                Principal(&["mcp/read", "openid"], Some("app"), false),
            ),
            token(
                None,
                json!({ "iss": issuer, "sub": "u", "client_id": "app", "token_use": "access", "scope": "mcp/read" }),
                Refused("audience_missing"),
            ),
            token(
                None,
                json!({ "iss": issuer, "aud": RESOURCE, "sub": "u", "token_use": "id" }),
                Refused("token_use_not_access"),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn workos() {
    let issuer = "https://your-subdomain.authkit.app";
    assert_judges(
        "WorkOS AuthKit",
        vec![
            token(
                "JWT",
                json!({ "iss": issuer, "aud": RESOURCE, "sub": "user_1", "scope": "openid profile", "jti": "1" }),
                Principal(&["openid", "profile"], None, false),
            ),
            token(
                "JWT",
                json!({ "iss": issuer, "aud": "client_01", "sub": "user_1", "scope": "openid" }),
                Refused("audience_mismatch"),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn clerk() {
    let issuer = "https://clerk.example.com";
    let access = |typ| {
        let claims = json!({ "iss": issuer, "aud": RESOURCE, "sub": "user_1", "client_id": "app", "scope": "profile read", "jti": "oat_1" });
        token(
            typ,
            claims,
            Principal(&["profile", "read"], Some("app"), false),
        )
    };
    assert_judges(
        "Clerk",
        vec![
            access("at+jwt"),
            access("application/at+jwt"),
            // A session token, and one of a template that was given this audience.
            token(
                "JWT",
                json!({ "iss": issuer, "sub": "user_1", "sid": "sess_1", "azp": "https://example.com" }),
                Refused("audience_missing"),
            ),
            token(
                "JWT",
                json!({ "iss": issuer, "aud": RESOURCE, "sub": "user_1", "azp": "https://example.com" }),
                Refused("wrong_typ"),
            ),
            token(None, json!({ "iss": issuer, "aud": RESOURCE, "sub": "mch_1" }), Refused("wrong_typ")),
        ],
    )
    .await;
}

#[tokio::test]
async fn descope() {
    let issuer = "https://api.descope.com/v1/apps/agentic/your-project-id/your-server-id";
    assert_judges(
        "Descope",
        vec![
            token(
                "JWT",
                json!({ "iss": issuer, "aud": [RESOURCE], "sub": "U1", "azp": "app", "scope": "mcp:read" }),
                Principal(&["mcp:read"], Some("app"), false),
            ),
            token(
                "JWT",
                json!({ "iss": issuer, "aud": RESOURCE, "sub": "U1", "client_id": "app", "scopes": ["mcp:read"] }),
                Principal(&["mcp:read"], Some("app"), false),
            ),
            // Another server of the project, by the same key.
            token(
                "JWT",
                json!({ "iss": "https://api.descope.com/v1/apps/agentic/your-project-id/another", "aud": RESOURCE, "scope": "mcp:read" }),
                Refused("issuer_mismatch"),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn scalekit() {
    let environment = "https://your-env.scalekit.com";
    let claims = |issuer: &str, audience: Value| json!({ "iss": issuer, "aud": audience, "sub": "usr_1", "client_id": "app", "scopes": ["read", "write"] });
    let good = || Principal(&["read", "write"], Some("app"), false);
    let of_resource = format!("{environment}/resources/your-resource-id");
    assert_judges(
        "Scalekit",
        vec![
            token(
                "JWT",
                claims(&of_resource, json!(["your-resource-id", RESOURCE])),
                good(),
            ),
            token(
                "JWT",
                claims(environment, json!(["your-resource-id"])),
                good(),
            ),
            token(
                "JWT",
                claims(environment, json!(["another-resource-id"])),
                Refused("audience_mismatch"),
            ),
            token(
                "JWT",
                claims(
                    &format!("{environment}/resources/another"),
                    json!([RESOURCE]),
                ),
                Refused("issuer_mismatch"),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn stytch() {
    let issuer = "https://your-project.customers.stytch.com";
    let claims = |audience: Value| {
        json!({ "iss": issuer, "aud": audience, "sub": "user-1", "client_id": "app", "nbf": NOW - 10, "jti": "1",
            "scope": "openid read" })
    };
    assert_judges(
        "Stytch Connected Apps",
        vec![
            token(
                "JWT",
                claims(json!(["project-1", RESOURCE])),
                Principal(&["openid", "read"], Some("app"), false),
            ),
            token(
                "JWT",
                claims(json!(["project-1"])),
                Refused("audience_mismatch"),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn fusionauth() {
    let access = json!({ "iss": "acme.com", "aud": "your-application-id", "applicationId": "your-application-id", "sub": "u",
        "scope": "openid read", "roles": ["user"], "authenticationType": "PASSWORD" });
    let id_token = json!({ "iss": "acme.com", "aud": "your-application-id", "sub": "u", "at_hash": "x", "nonce": "n" });
    assert_judges(
        "FusionAuth",
        vec![
            token("JWT", access, Principal(&["openid", "read"], None, false)),
            token("JWT", id_token, Refused("id_token")),
            token(
                "JWT",
                json!({ "iss": "acme.com", "aud": "another", "sub": "u", "scope": "read" }),
                Refused("audience_mismatch"),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn hydra() {
    let issuer = "https://hydra.example.com";
    assert_judges(
        "Ory Hydra",
        vec![
            token(
                "JWT",
                json!({ "iss": issuer, "aud": [RESOURCE], "sub": "u", "client_id": "app", "scp": ["read"], "ext": {} }),
                Principal(&["read"], Some("app"), false),
            ),
            token(
                "JWT",
                json!({ "iss": issuer, "aud": [], "sub": "u", "client_id": "app", "scp": ["read"] }),
                Refused("audience_missing"),
            ),
        ],
    )
    .await;
}
