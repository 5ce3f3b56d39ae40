//! One configuration for several stages: its texts in variables, its fields set by variables, its issuers named.
//!
//! A test that needs variables runs itself again, in a process that has them.

use std::env;
use std::process::Command;

use serde_json::json;
use toml::{Table, Value};
use toolgate::testing::{Algorithm, SigningKey};
use toolgate::{Config, ConfigProblemKind};

use crate::examples::{Example, File, RESOURCE, example};
use crate::pages_configuration::uncommented;

/// Whether this process has the variables. If not, the test runs again in one that has.
#[track_caller]
fn has_variables(test: &str, variables: &[(&str, &str)]) -> bool {
    const MARK: &str = "HAS_VARIABLES_OF_TEST";
    if env::var_os(MARK).is_some() {
        return true;
    }
    let output = Command::new(env::current_exe().unwrap())
        .args([&format!("config_stages::{test}"), "--exact", "--nocapture"])
        .envs(variables.iter().copied())
        .env(MARK, "yes")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    let has_passed = output.status.success() && said.contains("1 passed");
    assert!(has_passed, "{said}");
    false
}

fn config(text: &str) -> Config {
    toml::from_str(text).unwrap_or_else(|why| panic!("{why}\n{text}"))
}

/// The message of the format, with the line and the column.
fn format_error(text: &str) -> String {
    let why = toml::from_str::<Config>(text).expect_err(text);
    let before = &text[..why.span().expect("a position").start];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap().len() + 1;
    format!("{line}:{column}: {}", why.message())
}

/// The problems that `build()` reports, one line for each.
fn problems(config: Config) -> Vec<String> {
    match config.into_builder().build() {
        Ok(_) => Vec::new(),
        Err(error) => error.problems().iter().map(ToString::to_string).collect(),
    }
}

/// Everything that a builder was given.
fn settings(config: Config) -> String {
    format!("{:#?}", config.into_builder())
}

const NAMED: &str = r#"
resource = "https://mcp.example.com/mcp"

[issuers.main]
issuer = "https://auth.example.com"

[scopes]
unlisted = "deny"
"#;

/// Replaces every string in a file by a variable that holds it, except for secrets.
fn move_to_variables(value: &mut Value, variables: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) => {
            let name = format!("STRING_{}", variables.len());
            variables.push((name.clone(), std::mem::take(text)));
            *value = Value::Table(Table::from_iter([("env".to_owned(), name.into())]));
        }
        Value::Array(items) => {
            for item in items {
                move_to_variables(item, variables);
            }
        }
        Value::Table(table) => {
            let is_secret = table.contains_key("env") || table.contains_key("file");
            for (_, item) in table.iter_mut().filter(|_| !is_secret) {
                move_to_variables(item, variables);
            }
        }
        _ => {}
    }
}

#[test]
fn every_string_of_a_file_may_be_in_a_variable() {
    if let [Ok(text), Ok(moved)] = ["AS_TEXT", "IN_VARIABLES"].map(env::var) {
        assert_eq!(settings(config(&moved)), settings(config(&text)));
        assert_eq!(problems(config(&moved)), [""; 0]);
        return;
    }
    let key = SigningKey::generate(Algorithm::Es256);
    let keys = json!({ "keys": [key.jwk()] }).to_string();
    let (keys, pem, api_keys) = (
        File::new("stages-keys", &keys),
        File::new("stages-pem", &key.to_pem()),
        File::new("stages-api-keys", "keys = []"),
    );
    let text = uncommented()
        .replace("keys.json", keys.path())
        .replace("keys.toml", api_keys.path())
        .replace("/run/secrets/introspection.pem", pem.path())
        // Variables that are set.
        .replace("RS_SECRET", "CARGO_PKG_NAME")
        .replace("SESSION_KEY", "CARGO_PKG_DESCRIPTION");
    let mut moved = Value::Table(text.parse().unwrap());
    let mut variables = Vec::new();
    move_to_variables(&mut moved, &mut variables);
    let moved = toml::to_string(&moved).unwrap();
    assert!(variables.len() > 60, "{moved}");

    // They are not set here: each is a problem, and none has another one behind it.
    let unset = problems(config(&moved));
    assert_eq!(unset.len(), variables.len(), "{unset:#?}");
    for (name, _) in &variables {
        let end = format!(" is \"the variable {name}\": it is not set: set it, or name another");
        let named = unset.iter().filter(|line| line.ends_with(&end));
        assert_eq!(named.count(), 1, "{name} in {unset:#?}");
    }

    let mut set = vec![("AS_TEXT", text.as_str()), ("IN_VARIABLES", &moved)];
    set.extend(variables.iter().map(|(name, text)| (&**name, &**text)));
    has_variables("every_string_of_a_file_may_be_in_a_variable", &set);
}

#[test]
fn another_format_has_the_same_variables() {
    let file = json!({
        "resource": { "env": "CARGO_PKG_REPOSITORY" },
        "issuers": { "main": { "issuer": "https://auth.example.com", "audiences": [{ "env": "CARGO_PKG_NAME" }] } },
        "scopes": { "unlisted": "deny", "tools": { "t": { "env": "CARGO_PKG_NAME" }, "env": "a" } },
    });
    let texts: [Config; 2] = [
        serde_json::from_str(&file.to_string()).unwrap(),
        serde_json::from_value(file).unwrap(),
    ];
    for config in texts {
        let gate = config.clone().into_builder().build().unwrap();
        assert_eq!(gate.resource(), "https://github.com/toolgate/toolgate");
        let settings = settings(config);
        assert!(settings.contains("\"toolgate\""), "{settings}");
    }
}

#[test]
fn a_variable_that_is_not_set_is_named_beside_every_other_mistake() {
    let text = r#"
        resource = { env = "STAGES_NOT_SET" }

        [[issuers]]
        issuer = { env = "STAGES_NOT_SET_EITHER" }
        audiences = ["a", { env = "STAGES_NO_AUDIENCE" }]
        advertise = false
        [issuers.introspection]
        client_id = "x"
        client_secret = { env = "STAGES_NO_SECRET" }

        [[issuers]]
        issuer = "https://auth.example.com"
        algorithms = ["HS256"]

        [scopes]
        unlisted = { env = "STAGES_NO_WORD" }

        [limits]
        body_seconds = 0
    "#;
    let error = config(text).into_builder().build().unwrap_err();
    let not_set = "it is not set: set it, or name another";
    let expected = [
        format!(r#"`issuers[0].audiences[1]` is "the variable STAGES_NO_AUDIENCE": {not_set}"#),
        format!(r#"`issuers[0].issuer` is "the variable STAGES_NOT_SET_EITHER": {not_set}"#),
        format!(r#"`resource` is "the variable STAGES_NOT_SET": {not_set}"#),
        format!(r#"`scopes.unlisted` is "the variable STAGES_NO_WORD": {not_set}"#),
        r#"`limits.body_seconds` is "0": write at least 1"#.to_owned(),
        format!(r#"`issuers[0].introspection.client_secret` is "the variable STAGES_NO_SECRET": {not_set}"#),
        r#"`issuers[1].algorithms` is "HS256": use asymmetric signatures only: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA"#.to_owned(),
    ];
    assert_eq!(
        error.to_string(),
        format!("7 values are wrong:\n{}", expected.join("\n"))
    );
    let resource = &error.problems()[2];
    assert_eq!(resource.kind(), ConfigProblemKind::Unreadable);
    assert_eq!(resource.value(), Some("the variable STAGES_NOT_SET"));
}

#[test]
fn what_is_in_a_variable_is_checked_and_the_variable_is_named() {
    let moved = |from: &str, to: &str| {
        assert!(NAMED.contains(from));
        problems(config(&NAMED.replace(from, to)))
    };
    let resource = "\"https://mcp.example.com/mcp\"";
    assert_eq!(
        moved(resource, "{ env = \"CARGO_PKG_NAME\" }"),
        [
            "`resource` is \"toolgate\": write an absolute URL: https://host/path (the value is that \
             of the variable CARGO_PKG_NAME)"
        ]
    );
    assert_eq!(
        moved("\"deny\"", "{ env = \"CARGO_PKG_NAME\" }"),
        ["`scopes.unlisted` is \"the variable CARGO_PKG_NAME\": expected `deny` or `allow`"]
    );
    let issuer = "\"https://auth.example.com\"";
    let introspection = format!(
        "{issuer}\nintrospection = {{ client_id = \"x\", client_secret = \"y\", auth = {{ env = \"CARGO_PKG_NAME\" }} }}"
    );
    assert_eq!(
        moved(issuer, &introspection),
        [
            "`issuers.main.introspection.auth` is \"the variable CARGO_PKG_NAME\": expected `basic`, `post`, `bearer`, \
             `private_key_jwt` or `none`"
        ]
    );
}

#[test]
fn a_variable_is_read_when_the_gate_is_built_and_not_before() {
    let config = config(&NAMED.replace(
        "\"https://mcp.example.com/mcp\"",
        "{ env = \"STAGES_NOT_SET\" }",
    ));
    let shown = format!("{config:?}");
    assert!(
        shown.contains("resource: \"(the variable STAGES_NOT_SET)\""),
        "{shown}"
    );
}

#[test]
fn a_mistake_in_the_file_has_its_position_and_says_what_may_stand_there() {
    let after = NAMED.lines().count() + 2;
    for (added, expected) in [
        ("resourse = 1", None),
        ("[limits]\nbody_secs = 1", None),
        (
            "[scopes.tools]\nt = 7",
            Some(
                "2:5: invalid type: integer `7`, expected a scope, { all = [scopes] }, { any = [scopes] }, { deny = true }, { without_token = true } or {}",
            ),
        ),
        (
            "[metadata]\nresource_name = 7",
            Some("2:17: invalid type: integer `7`, expected a string"),
        ),
        (
            "[metadata]\nresource_name = { file = \"n\" }",
            Some("2:17: expected a string, or { env = \"NAME\" }"),
        ),
        (
            "[metadata]\nresource_name = { env = 7 }",
            Some("2:17: expected a string, or { env = \"NAME\" }"),
        ),
        (
            "[metadata]\nresource_name = { env = \"A\", or = \"b\" }",
            Some("2:17: expected a string, or { env = \"NAME\" }"),
        ),
        (
            "[metadata]\nresource_name = {}",
            Some("2:17: expected a string, or { env = \"NAME\" }"),
        ),
        (
            "[metadata]\nlegacy_authorization_server = \"on\"",
            Some("2:31: unknown variant `on`, expected `off` or `redirect`"),
        ),
        (
            "[metadata]\nlegacy_authorization_server = true",
            Some("2:31: invalid type: boolean `true`, expected `off` or `redirect`"),
        ),
        (
            "[metadata]\nlegacy_authorization_server = { off = 1 }",
            Some("2:31: expected `off` or `redirect`, or { env = \"NAME\" }"),
        ),
        (
            "[metadata]\nscopes_supported = { env = \"A\" }",
            Some("2:20: invalid type: map, expected a sequence"),
        ),
        (
            "[metadata]\nroot_copy = { env = \"A\" }",
            Some("2:13: invalid type: map, expected a boolean"),
        ),
        (
            "[limits]\nbody_seconds = { env = \"A\" }",
            Some("2:16: invalid type: map, expected u64"),
        ),
        (
            "[limits]\nbody_seconds = \"7\"",
            Some("2:16: invalid type: string \"7\", expected u64"),
        ),
        (
            "[origins]\nallowed = { env = \"A\" }",
            Some("2:11: invalid type: map, expected a list of origins, or \"any\""),
        ),
        (
            "[origins]\nallowed = \"all\"",
            Some("2:11: invalid value: string \"all\", expected a list of origins, or \"any\""),
        ),
        (
            "[origins]\nallowed = [7]",
            Some("2:12: invalid type: integer `7`, expected a string"),
        ),
        (
            "[sessions]\nbinding = { env = 7 }",
            Some("2:11: expected `owner` or `off`"),
        ),
        (
            "[sessions]\nkeys = { env = \"A\" }",
            Some(
                "2:8: expected a list of secrets, each a string, { env = \"NAME\" } or { file = \"path\" }",
            ),
        ),
    ] {
        let found = format_error(&format!("{NAMED}\n{added}"));
        let (line, rest) = found.split_once(':').unwrap();
        let found = format!("{}:{rest}", line.parse::<usize>().unwrap() - after + 1);
        match expected {
            Some(expected) => assert_eq!(found, expected, "{added}"),
            None => assert!(found.contains("unknown field `"), "{added}: {found}"),
        }
    }
}

#[test]
fn a_table_that_begins_like_a_variable_is_still_a_table() {
    let text = format!(
        "{NAMED}\n[metadata.extra]\nx_stage = {{ env = \"prod\", region = \"eu\" }}\nx_nested = {{ env = {{ name = 1 }} }}\n\
         [scopes.tools]\nenv = \"a\"\n[issuers.env]\nissuer = \"https://other.example.com\"\n[issuers.main.claims]\nenv = \"prod\""
    );
    let config = config(&text);
    assert_eq!(problems(config.clone()), [""; 0]);
    let settings = settings(config);
    for part in ["\"region\": String(\"eu\")", "\"name\": Number(1)"] {
        assert!(settings.contains(part), "{part} is missing in {settings}");
    }
}

#[test]
fn variables_set_fields_of_every_type() {
    let file = r#"
        resource = "http://127.0.0.1:1/mcp"
        [issuers.my-main_1]
        issuer = "https://auth.example.com"
        [issuers.my-main_1.introspection]
        client_id = "x"
        client_secret = { file = "/nowhere/secret" }
        [scopes]
        unlisted = "allow"
        [limits]
        max_body_bytes = 1
        [sessions]
        keys = [{ env = "STAGE_SESSION_KEY" }]
    "#;
    let variables = [
        ("STAGE_RESOURCE", "https://mcp.example.com/mcp"),
        (
            "STAGE_ISSUERS__MY_MAIN_1__JWKS_URI",
            "https://auth.example.com/jwks",
        ),
        ("STAGE_ISSUERS__MY_MAIN_1__LEEWAY_SECONDS", "30"),
        ("STAGE_ISSUERS__MY_MAIN_1__ADVERTISE", "true"),
        ("STAGE_ISSUERS__MY_MAIN_1__PROFILE", "rfc9068"),
        (
            "STAGE_ISSUERS__MY_MAIN_1__INTROSPECTION__CLIENT_SECRET",
            "s3cret",
        ),
        ("STAGE_SCOPES__UNLISTED", "deny"),
        ("STAGE_SCOPES__WILDCARD_GRANTS", "true"),
        ("STAGE_METADATA__RESOURCE_NAME", "Stage"),
        ("STAGE_ORIGINS__ALLOWED", "any"),
        ("STAGE_ORIGINS__CORS_HEADERS", "false"),
        ("STAGE_SESSIONS__STREAMS", "outlive_token"),
        ("STAGE_LIMITS__MAX_BODY_BYTES", "1024"),
        // It is no field, but the file names it.
        ("STAGE_SESSION_KEY", "a key of at least thirty-two bytes"),
        // Other prefixes.
        ("STAGES_RESOURCE", "x"),
        ("STAGE", "x"),
        ("stage_RESOURCE", "x"),
    ];
    if !has_variables("variables_set_fields_of_every_type", &variables) {
        return;
    }
    let expected = r#"
        resource = "https://mcp.example.com/mcp"
        [issuers.my-main_1]
        issuer = "https://auth.example.com"
        jwks_uri = "https://auth.example.com/jwks"
        leeway_seconds = 30
        profile = "rfc9068"
        [issuers.my-main_1.introspection]
        client_id = "x"
        client_secret = "s3cret"
        [scopes]
        unlisted = "deny"
        wildcard_grants = true
        [metadata]
        resource_name = "Stage"
        [origins]
        allowed = "any"
        cors_headers = false
        [limits]
        max_body_bytes = 1024
        [sessions]
        keys = [{ env = "STAGE_SESSION_KEY" }]
        streams = "outlive_token"
    "#;
    let set = config(file).with_env("STAGE");
    assert_eq!(settings(set.clone()), settings(config(expected)));
    assert!(!format!("{set:?}").contains("s3cret"));
    let gate = set.clone().into_builder().build().unwrap();
    assert_eq!(gate.resource(), "https://mcp.example.com/mcp");
    gate.reload(set).unwrap();
    // A field that no variable sets comes from the file.
    assert_eq!(
        config(file).into_builder().build().unwrap_err().problems()[0].field(),
        "issuers.my-main_1.introspection.client_secret"
    );
}

/// Each variable, and what is wrong with it.
const BAD_VARIABLES: &[(&str, &str, &str)] = &[
    (
        "A_RESOURCES",
        "x",
        "`resources` is \"the variable A_RESOURCES\": no variable can set a list: set it in the file",
    ),
    (
        "A_LIMITS_MAX_BODY_BYTES",
        "1",
        "`limits_max_body_bytes` is \"the variable A_LIMITS_MAX_BODY_BYTES\": did you mean A_LIMITS__MAX_BODY_BYTES, with \
         two underscores?",
    ),
    (
        "A_ORIGINS__CORS",
        "x",
        "`origins.cors` is \"the variable A_ORIGINS__CORS\": there is no such field here, only `allowed` or \
         `cors_headers`",
    ),
    (
        "A_RESOURCE__URL",
        "x",
        "`resource.url` is \"the variable A_RESOURCE__URL\": there is no such field",
    ),
    (
        "A_Resource",
        "x",
        "`resource` is \"the variable A_Resource\": write it in upper case",
    ),
    (
        "A_LIMITS__BODY_SECONDS",
        "4 MiB",
        "`limits.body_seconds` is \"the variable A_LIMITS__BODY_SECONDS\": expected a whole number",
    ),
    (
        "A_LIMITS__DECISION_SECONDS",
        "",
        "`limits.decision_seconds` is \"the variable A_LIMITS__DECISION_SECONDS\": expected a whole number",
    ),
    (
        "A_LIMITS__VERIFIED_SECONDS",
        "-1",
        "`limits.verified_seconds` is \"the variable A_LIMITS__VERIFIED_SECONDS\": expected a whole number",
    ),
    (
        "A_LIMITS",
        "1",
        "`limits` is \"the variable A_LIMITS\": expected a table",
    ),
    (
        "A_ORIGINS__CORS_HEADERS",
        "yes",
        "`origins.cors_headers` is \"the variable A_ORIGINS__CORS_HEADERS\": expected `true` or `false`",
    ),
    (
        "A_SCOPES__UNLISTED",
        "maybe",
        "`scopes.unlisted` is \"the variable A_SCOPES__UNLISTED\": expected `deny` or `allow`",
    ),
    (
        "A_SCOPES__EVERY_REQUEST",
        "mcp:use",
        "`scopes.every_request` is \"the variable A_SCOPES__EVERY_REQUEST\": no variable can set a list: set it in the \
         file",
    ),
    (
        "A_SCOPES__TOOLS__DELETE_FILE",
        "files:write",
        "`scopes.tools.delete_file` is \"the variable A_SCOPES__TOOLS__DELETE_FILE\": this table has names of your \
         own, which no variable can spell: set it in the file",
    ),
    (
        "A_SCOPES__TOOLS__DELETE_FILE__DENY",
        "true",
        "`scopes.tools.delete_file.deny` is \"the variable A_SCOPES__TOOLS__DELETE_FILE__DENY\": this table has names \
         of your own, which no variable can spell: set it in the file",
    ),
    (
        "A_METADATA__EXTRA__X",
        "y",
        "`metadata.extra.x` is \"the variable A_METADATA__EXTRA__X\": this table has names of your own, which no \
         variable can spell: set it in the file",
    ),
    (
        "A_ISSUERS__MAIN__CLAIMS__TENANT",
        "acme",
        "`issuers.main.claims.tenant` is \"the variable A_ISSUERS__MAIN__CLAIMS__TENANT\": this table has names of \
         your own, which no variable can spell: set it in the file",
    ),
    (
        "A_SESSIONS__KEYS",
        "s3cret",
        "`sessions.keys` is \"the variable A_SESSIONS__KEYS\": no variable can set a list: set it in the file",
    ),
    (
        "A_SESSIONS__BINDING",
        "s3cret",
        "`sessions.binding` is \"the variable A_SESSIONS__BINDING\": expected `owner` or `off`",
    ),
    (
        "A_SESSIONS__GRACE_SECONDS",
        "s3cret",
        "`sessions.grace_seconds` is \"the variable A_SESSIONS__GRACE_SECONDS\": expected a whole number",
    ),
    (
        "A_SESSIONS",
        "s3cret",
        "`sessions` is \"the variable A_SESSIONS\": expected a table",
    ),
    (
        "A_ISSUERS",
        "x",
        "`issuers` is \"the variable A_ISSUERS\": no variable can set a list: set it in the file",
    ),
    (
        "A_ISSUERS__MAIN",
        "x",
        "`issuers.main` is \"the variable A_ISSUERS__MAIN\": expected a table",
    ),
    (
        "A_ISSUERS__MIAN__JWKS_URI",
        "x",
        "`issuers.mian.jwks_uri` is \"the variable A_ISSUERS__MIAN__JWKS_URI\": variables reach only issuers that the \
         file names: write [issuers.mian] there",
    ),
    (
        "A_ISSUERS__0__JWKS_URI",
        "x",
        "`issuers.0.jwks_uri` is \"the variable A_ISSUERS__0__JWKS_URI\": variables reach only issuers that the file \
         names: write [issuers.0] there",
    ),
    (
        "A_ISSUERS__MAIN__AUDIENCES",
        "x",
        "`issuers.main.audiences` is \"the variable A_ISSUERS__MAIN__AUDIENCES\": no variable can set a list: set it \
         in the file",
    ),
    (
        "A_ISSUERS__MAIN__INTROSPECTION__CLIENT_SECERT",
        "s3cret",
        "`issuers.main.introspection.client_secert` is \"the variable A_ISSUERS__MAIN__INTROSPECTION__CLIENT_SECERT\": \
         there is no such field here, only `token_prefix`, `endpoint`, `client_id`, `client_secret`, `auth`, \
         `private_key`, `key_id`, `algorithm`, `assertion_audience`, `when` or `signed`",
    ),
    (
        "A_ISSUERS__MAIN__INTROSPECTION__AUTH",
        "s3cret",
        "`issuers.main.introspection.auth` is \"the variable A_ISSUERS__MAIN__INTROSPECTION__AUTH\": expected `basic`, \
         `post`, `bearer`, `private_key_jwt` or `none`",
    ),
    // The empty name, and what ends in a separator.
    (
        "A_",
        "x",
        "`` is \"the variable A_\": there is no such field here, only `resource`, `seen_at`, `also_at`, \
         `resources`, `unmatched`, `issuers`, `scopes`, `api_keys`, `metadata`, `origins`, `sessions`, `clients`, \
         `peers`, `holder` or `limits`",
    ),
    (
        "A_LIMITS__",
        "x",
        "`limits.` is \"the variable A_LIMITS__\": there is no such field here, only `max_body_bytes`, \
         `anonymous_body_bytes`, `body_seconds`, `arriving_bodies_bytes`, `decision_seconds`, `jwks_min_seconds`, \
         `jwks_default_seconds`, `jwks_max_seconds`, `jwks_stale_seconds`, `verified_cache_bytes`, `verified_seconds`, \
         `introspection_active_seconds`, `introspection_inactive_seconds` or `unknown_kid_cooldown_seconds`",
    ),
];

#[test]
fn every_bad_variable_is_named_and_what_is_in_it_is_not_shown() {
    let mut variables: Vec<_> = BAD_VARIABLES
        .iter()
        .map(|(name, value, _)| (*name, *value))
        .collect();
    variables.push(("A_LIMITS__JWKS_MIN_SECONDS", "0"));
    if !has_variables(
        "every_bad_variable_is_named_and_what_is_in_it_is_not_shown",
        &variables,
    ) {
        return;
    }
    let mut expected: Vec<_> = BAD_VARIABLES.to_vec();
    expected.sort_unstable();
    let mut expected: Vec<_> = expected
        .into_iter()
        .map(|(.., line)| line.to_owned())
        .collect();
    // It is a number, and so for `build()` to check, which names the variable too.
    expected.push(
        "`limits.jwks_min_seconds` is \"0\": write at least 1 (the value is that of the variable \
         A_LIMITS__JWKS_MIN_SECONDS)"
            .to_owned(),
    );
    let found = problems(config(NAMED).with_env("A"));
    assert_eq!(found, expected);
    assert!(!found.concat().contains("s3cret"));

    // A running gate refuses it as a whole.
    let gate = config(NAMED).into_builder().build().unwrap();
    assert!(gate.reload(config(NAMED).with_env("A")).is_err());

    // Issuers of a list have no names.
    let listed = NAMED.replace("[issuers.main]", "[[issuers]]");
    let found = problems(config(&listed).with_env("A"));
    assert!(
        found.contains(
            &"`issuers.main.audiences` is \"the variable A_ISSUERS__MAIN__AUDIENCES\": variables reach only issuers \
              that the file names: write [issuers.main] there"
                .to_owned()
        ),
        "{found:#?}"
    );
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_text_is_named() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    if env::var_os("B_RESOURCE").is_none() {
        let test = "config_stages::a_variable_that_is_not_text_is_named";
        let status = Command::new(env::current_exe().unwrap())
            .args([test, "--exact"])
            .env("B_RESOURCE", OsStr::from_bytes(b"\xff"))
            .status()
            .unwrap();
        assert!(status.success());
        return;
    }
    let found = problems(config(NAMED).with_env("B"));
    let not_text = "is \"the variable B_RESOURCE\": it is not UTF-8: set it to text";
    assert_eq!(found, [format!("`resource` {not_text}")]);
    let named = NAMED.replace("\"deny\"", "{ env = \"B_RESOURCE\" }");
    assert_eq!(
        problems(config(&named)),
        [format!("`scopes.unlisted` {not_text}")]
    );
}

#[test]
fn a_required_field_may_come_from_a_variable_alone() {
    let file = "issuers.main = {}\nscopes.unlisted = \"deny\"";
    let secret = "C_ISSUERS__MAIN__INTROSPECTION__CLIENT_SECRET__FILE";
    let variables = [
        ("C_RESOURCE", "https://mcp.example.com/mcp"),
        ("C_ISSUERS__MAIN__ISSUER", "https://auth.example.com"),
        ("C_ISSUERS__MAIN__INTROSPECTION__CLIENT_ID", "mcp"),
        (secret, "Cargo.toml"),
    ];
    assert_eq!(
        problems(config(file)),
        [
            "`resource`: write the URL that clients are given",
            "`issuers.main.issuer` is \"\": write the text of the `iss` claim"
        ]
    );
    if has_variables(
        "a_required_field_may_come_from_a_variable_alone",
        &variables,
    ) {
        assert_eq!(problems(config(file).with_env("C")), [""; 0]);
    }
}

#[test]
fn issuers_may_be_named_or_listed() {
    let rest = "jwks_uri = \"https://auth.example.com/jwks\"\nintrospection = { client_id = \"x\", client_secret = \"y\" }\n";
    let named = NAMED.replace("\n[scopes]", &format!("{rest}\n[scopes]"));
    let listed = named.replace("[issuers.main]", "[[issuers]]");
    let without_name = settings(config(&named)).replace(
        "name: Some(\n                    \"main\",\n                )",
        "name: None",
    );
    assert_eq!(without_name, settings(config(&listed)));

    let several = r#"
        resource = "https://mcp.example.com/mcp"
        [issuers.second]
        issuer = "https://2.example.com"
        [issuers.first]
        issuer = "https://1.example.com"
        [issuers.third]
        issuer = "https://3.example.com"
        [scopes]
        unlisted = "deny"
    "#;
    let order = |config: Config| -> Vec<String> {
        let gate = config.into_builder().build().unwrap();
        let health = gate.health();
        health
            .iter()
            .map(|issuer| issuer.issuer().to_owned())
            .collect()
    };
    // The crate `toml` sorts its tables; a format that keeps the order is followed.
    assert_eq!(
        order(config(several)),
        [
            "https://1.example.com",
            "https://2.example.com",
            "https://3.example.com"
        ]
    );
    let json = r#"{
        "resource": "https://mcp.example.com/mcp", "scopes": { "unlisted": "deny" },
        "issuers": { "b": { "issuer": "https://2.example.com" }, "a": { "issuer": "https://1.example.com" } }
    }"#;
    assert_eq!(
        order(serde_json::from_str(json).unwrap()),
        ["https://2.example.com", "https://1.example.com"]
    );
}

#[test]
fn the_mistakes_of_a_named_issuer_are_found_by_its_name() {
    let text = r#"
        resource = "https://mcp.example.com/mcp"
        [issuers.main]
        issuer = "https://auth.example.com"
        jwks_uri = "ftp://x"
        advertise = "x"
        [issuers.main.clients]
        allowed = [""]
        [issuers.main.claims]
        tenant = []
        [issuers.main.introspection]
        client_id = "x"
        client_secret = "y"
        [issuers.other]
        issuer = "https://auth.example.com"
        [issuers.other.introspection]
        client_id = "x"
        client_secret = { env = "STAGES_NOT_SET" }
        [scopes]
        unlisted = "deny"
    "#;
    let error = config(text).into_builder().build().unwrap_err();
    let mut fields: Vec<_> = error
        .problems()
        .iter()
        .map(|problem| problem.field())
        .collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            "issuers.main.advertise",
            "issuers.main.claims.tenant",
            "issuers.main.clients.allowed",
            "issuers.main.introspection.token_prefix",
            "issuers.main.jwks_uri",
            "issuers.other.introspection.client_secret",
            "issuers.other.introspection.token_prefix",
            "issuers.other.issuer",
        ]
    );
}

#[test]
fn an_issuer_has_a_name_that_variables_can_spell() {
    let with = |names: &[&str]| {
        let mut text =
            "resource = \"https://mcp.example.com/mcp\"\nscopes.unlisted = \"deny\"\n".to_owned();
        for (at, name) in names.iter().enumerate() {
            text += &format!("[issuers.{name:?}]\nissuer = \"https://{at}.example.com\"\n");
        }
        problems(config(&text))
    };
    assert_eq!(with(&["main", "a-b", "a_c", "Z9"]), [""; 0]);
    for name in ["", "a__b", "a-_b", "_a", "a-", "a.b", "é", "a b"] {
        let line = format!(
            "`issuers.{name}`: name an issuer with letters and digits, and one `-` or `_` between them"
        );
        assert_eq!(with(&[name]), [line]);
    }
    assert_eq!(
        with(&["a-b", "A_B"]),
        ["`issuers.a-b`: to a variable it has the same name as issuers.A_B: rename one"]
    );
}

#[test]
fn an_issuer_in_neither_form_is_told_both() {
    let issuers = |text: &str| format_error(&format!("resource = \"x\"\n{text}"));
    assert_eq!(
        issuers("[issuers]\nissuer = \"https://auth.example.com\""),
        "3:10: invalid type: string \"https://auth.example.com\", expected the table of an issuer, [[issuers]] or \
         [issuers.NAME]"
    );
    assert_eq!(
        issuers("issuers = \"https://auth.example.com\""),
        "2:11: invalid type: string \"https://auth.example.com\", expected a list of issuers, or a table of named issuers"
    );
    assert_eq!(
        problems(config(&NAMED.replace(
            "[issuers.main]\nissuer = \"https://auth.example.com\"",
            "[issuers]"
        ))),
        ["`issuers`: name at least one authorization server to trust"]
    );
}

#[test]
fn a_typo_is_an_error_even_in_a_configuration_that_is_flattened() {
    #[derive(Debug, serde::Deserialize)]
    struct Flattened {
        listen: String,
        #[serde(flatten)]
        gate: Config,
    }

    let file = format!("listen = \"127.0.0.1:3000\"\n{NAMED}");
    let good: Flattened = toml::from_str(&file).unwrap();
    assert_eq!(good.listen, "127.0.0.1:3000");
    assert_eq!(problems(good.gate), [""; 0]);
    for typo in ["[session]\nbinding = \"off\"", "[limits]\nbody_secs = 1"] {
        let why = toml::from_str::<Flattened>(&format!("{file}\n{typo}")).unwrap_err();
        assert!(why.message().starts_with("unknown field `"), "{why}");
    }
}

/// A file that is not the gate's alone.
fn application(tables: &str) -> String {
    format!(
        "listen = 7\n[gate]\nresource = {RESOURCE:?}\nscopes.unlisted = \"deny\"\n\
         [gate.issuers.main]\nissuer = \"http://127.0.0.1:4000\"\n{tables}\n[other]\nlimits = 7\n"
    )
}

#[tokio::test]
async fn the_examples_read_the_table_of_the_gate_in_a_bigger_file() {
    let file = File::new("stages-table", &application(""));
    let arguments = [file.path(), "--table", "gate"];
    let explained = example("explain")
        .args([&arguments[..], &["--call", "add"]].concat())
        .output()
        .await
        .unwrap();
    assert_eq!(explained.status.code(), Some(1), "{explained:?}");
    assert!(!explained.stdout.is_empty());
    let mut serve = Example::start_with(
        "serve",
        &[&arguments[..], &["--listen", "127.0.0.1:0"]].concat(),
        &[],
    );
    serve.listening().await;
    assert_eq!(serve.stop().await.code(), Some(0));
}

#[tokio::test]
async fn the_examples_name_what_is_wrong_with_the_table_and_where() {
    let good = application("");
    let typo = application("[gate.limits]\nbody_secs = 1");
    let wrong = application("[gate.limits]\nbody_seconds = 0");
    for (text, table, expected) in [
        (&good, Some("gates"), "the file has no table [gates]"),
        (
            &good,
            Some("gate.scopes"),
            "the file has no table [gate.scopes]",
        ),
        (
            &good,
            Some("listen"),
            "line 1, column 10: invalid type: integer `7`, expected the table of a gate",
        ),
        (&good, None, "line 2, column 2: unknown field `gate`"),
        (
            &typo,
            Some("gate"),
            "line 8, column 1: unknown field `body_secs`, expected one of",
        ),
        (
            &wrong,
            Some("gate"),
            "`limits.body_seconds` is \"0\": write at least 1",
        ),
        (
            &"[gate".to_owned(),
            Some("gate"),
            "line 1, column 6: unclosed table, expected `]`",
        ),
    ] {
        let file = File::new("stages-bad-table", text);
        let table = table.map(|table| ["--table", table]);
        for (name, more) in [
            ("serve", &["--listen", "127.0.0.1:0"]),
            ("explain", &["--call", "add"]),
        ] {
            let output = example(name)
                .arg(file.path())
                .args(table.iter().flatten().chain(more))
                .output()
                .await
                .unwrap();
            assert!(!output.status.success());
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(said.contains(expected), "{name}: {expected}\n{said}");
        }
    }
    for (name, usage) in [
        ("serve", "usage: serve CONFIG.toml [--table NAME]"),
        ("explain", "usage: explain CONFIG.toml [--table NAME]"),
    ] {
        let output = example(name)
            .args(["a.toml", "--table"])
            .output()
            .await
            .unwrap();
        assert!(String::from_utf8(output.stderr).unwrap().contains(usage));
    }
}
