//! A configuration is parsed once, and every mistake in it is named with how to fix it.

use std::error::Error;

use serde_json::json;
use toolgate::testing::AuthorizationServer;
use toolgate::{
    Config, ConfigError, ConfigProblemKind, Issuer, Limits, Metadata, ScopeMap, Toolgate,
};

const MINIMAL: &str = r#"
resource = "https://mcp.example.com/mcp"
[[issuers]]
issuer = "https://auth.example.com"
[scopes]
unlisted = "deny"
"#;

fn build(text: &str) -> Result<Toolgate, String> {
    let config: Config = toml::from_str(text).map_err(|why| why.to_string())?;
    config.into_builder().build().map_err(|why| why.to_string())
}

#[test]
fn the_smallest_configuration_makes_a_gate_without_any_request() {
    assert_eq!(
        build(MINIMAL).unwrap().resource(),
        "https://mcp.example.com/mcp"
    );
}

#[test]
fn every_documented_field_is_read() {
    let text = r#"
        resource = "http://127.0.0.1:3000/mcp"

        [[issuers]]
        issuer = "http://127.0.0.1:4000"
        preset = "keycloak"
        jwks_uri = "http://127.0.0.1:4000/jwks"
        algorithms = ["ES256", "RS256"]
        audiences = ["api://mcp"]
        profile = "rfc9068"
        scope_claims = ["scope", "scp"]
        leeway_seconds = 60
        scope_request_prefix = "api://mcp/"
        advertise = false
        [issuers.unbound]
        only_clients = ["client-1"]

        [[issuers]]
        issuer = "acme.com"
        jwks_uri = "https://acme.example/jwks"
        advertise = "https://acme.example"

        [scopes]
        every_request = ["mcp:use"]
        unlisted = "deny"
        initial = ["mcp:use"]
        wildcard_grants = false
        challenge = "operation"
        listing = "all"
        [scopes.implies]
        "files:write" = ["files:read"]
        [scopes.tools]
        get_weather = "weather:read"
        delete_file = { all = ["files:write", "admin"] }
        "report_*" = { any = ["reports:read", "admin"] }
        whoami = {}
        wipe = { deny = true }
        [scopes.resources]
        "file:///secret/*" = "files:secret"
        [scopes.prompts]
        [scopes.methods]

        [metadata]
        resource_name = "Example MCP server"
        scopes_supported = ["mcp:use"]
        root_copy = true
        legacy_authorization_server = "off"

        [origins]
        allowed = ["https://playground.example.com", "null", "vscode-webview://*"]
        cors_headers = true

        [sessions]
        binding = "owner"
        keys = ["a key of at least thirty-two bytes", { env = "CARGO_PKG_DESCRIPTION" }]
        resumption = "in_session"
        streams = "finish_calls"
        grace_seconds = 300

        [limits]
        max_body_bytes = 4194304
        body_seconds = 10
        jwks_min_seconds = 60
        jwks_default_seconds = 600
        jwks_max_seconds = 86400
        jwks_stale_seconds = 21600
        verified_cache_bytes = 33554432
        introspection_active_seconds = 60
        introspection_inactive_seconds = 10
        verified_seconds = 300
        unknown_kid_cooldown_seconds = 30
    "#;
    assert_eq!(build(text).unwrap().resource(), "http://127.0.0.1:3000/mcp");
}

/// Adds lines to the minimal file, or replaces a line of it.
fn changed(change: &str) -> String {
    match change.split_once(" => ") {
        Some((line, replacement)) => {
            assert!(MINIMAL.contains(line), "{line}");
            MINIMAL.replace(line, replacement)
        }
        None => format!("{MINIMAL}\n{change}"),
    }
}

#[test]
fn every_bad_value_is_named_with_its_field_and_how_to_fix_it() {
    let resource = r#"resource = "https://mcp.example.com/mcp" => resource = "#;
    let issuer = r#"issuer = "https://auth.example.com" => issuer = "#;
    let with = r#"[scopes] => "#;
    for (change, field, shown, fix) in [
        (
            format!("{resource}\"mcp\""),
            "resource",
            "\"mcp\"",
            "absolute URL",
        ),
        (
            format!("{resource}\"http://mcp.example.com/mcp\""),
            "resource",
            "http://",
            "https",
        ),
        (
            format!("{resource}\"https://mcp.example.com/mcp#x\""),
            "resource",
            "#x",
            "fragment",
        ),
        (
            format!("{resource}\"https://MCP.example.com/mcp\""),
            "resource",
            "MCP",
            "lower-case",
        ),
        (
            format!("{resource}\"https://a@mcp.example.com/\""),
            "resource",
            "a@",
            "user name",
        ),
        (format!("{resource}7"), "resource", "7", "string"),
        (
            format!("{issuer}\"http://auth.example.com\""),
            "issuers[0].issuer",
            "http://auth",
            "jwks_uri",
        ),
        (
            format!("{issuer}\"acme.com\""),
            "issuers[0].issuer",
            "acme.com",
            "jwks_uri",
        ),
        (
            format!("{issuer}\"acme.com\"\njwks_uri = \"https://acme.example/jwks\""),
            "issuers[0].advertise",
            "acme.com",
            "advertise = false",
        ),
        (format!("{issuer}\"\""), "issuers[0].issuer", "\"\"", "iss"),
        (
            format!("{issuer}\"https://auth.example.com\"\nadvertise = false"),
            "issuers",
            "",
            "advertise at least one",
        ),
        (
            format!("{with}jwks_uri = \"ftp://x\"\n[scopes]"),
            "issuers[0].jwks_uri",
            "ftp://x",
            "https",
        ),
        (
            format!("{with}jwks_file = \"/nowhere/keys.json\"\n[scopes]"),
            "issuers[0].jwks_file",
            "/nowhere/keys.json",
            "path",
        ),
        (
            format!("{with}jwks_file = \"Cargo.toml\"\n[scopes]"),
            "issuers[0].jwks_file",
            "Cargo.toml",
            "JWK set",
        ),
        (
            format!("{with}jwks_file = \"k\"\njwks_uri = \"https://x/k\"\n[scopes]"),
            "issuers[0].jwks_uri",
            "",
            "not several",
        ),
        (
            format!("{with}algorithms = [\"HS256\"]\n[scopes]"),
            "issuers[0].algorithms",
            "HS256",
            "asymmetric",
        ),
        (
            format!("{with}algorithms = [\"none\"]\n[scopes]"),
            "issuers[0].algorithms",
            "none",
            "asymmetric",
        ),
        (
            format!("{with}algorithms = []\n[scopes]"),
            "issuers[0].algorithms",
            "[]",
            "at least one",
        ),
        (
            format!("{with}preset = \"acme\"\n[scopes]"),
            "issuers[0].preset",
            "acme",
            "keycloak",
        ),
        (
            format!("{with}profile = \"strict\"\n[scopes]"),
            "profile",
            "strict",
            "rfc9068",
        ),
        (
            format!("{with}leeway_seconds = 86400\n[scopes]"),
            "issuers[0].leeway_seconds",
            "86400",
            "at most",
        ),
        (
            format!("{with}leeway_seconds = -1\n[scopes]"),
            "leeway_seconds",
            "-1",
            "u64",
        ),
        (
            format!("{with}scope_claims = []\n[scopes]"),
            "issuers[0].scope_claims",
            "[]",
            "at least one",
        ),
        (
            format!("{with}audiences = [\"\"]\n[scopes]"),
            "issuers[0].audiences",
            "",
            "leave it out",
        ),
        (
            format!("{with}unbound = {{ only_clients = [] }}\n[scopes]"),
            "issuers[0].unbound.only_clients",
            "[]",
            "at least one",
        ),
        (
            format!("{with}advertise = 7\n[scopes]"),
            "advertise",
            "7",
            "URL",
        ),
        (
            format!("{with}[[issuers]]\nissuer = \"https://auth.example.com\"\n[scopes]"),
            "issuers[1].issuer",
            "auth.example.com",
            "twice",
        ),
        (
            "unlisted = \"deny\" => ".into(),
            "scopes.unlisted",
            "",
            "\"deny\" or \"allow\"",
        ),
        (
            "unlisted = \"deny\" => unlisted = \"maybe\"".into(),
            "unlisted",
            "maybe",
            "deny",
        ),
        (
            "every_request = [\"a b\"]".into(),
            "scopes.every_request",
            "a b",
            "list",
        ),
        (
            "every_request = [\"é\"]".into(),
            "scopes.every_request",
            "é",
            "ASCII",
        ),
        (
            "every_request = [\"\"]".into(),
            "scopes.every_request",
            "",
            "ASCII",
        ),
        (
            "every_request = [\"offline_access\"]".into(),
            "scopes.every_request",
            "offline_access",
            "leave it out",
        ),
        (
            "initial = [\"files:*\"]".into(),
            "scopes.initial",
            "files:*",
            "single scopes",
        ),
        (
            "[scopes.implies]\na = [\"b\"]\nb = [\"a\"]".into(),
            "scopes.implies.",
            "",
            "circle",
        ),
        (
            "[scopes.tools]\nt = \"a b\"".into(),
            "scopes.tools.t",
            "a b",
            "list",
        ),
        (
            "[scopes.tools]\n\"a*b\" = \"x\"".into(),
            "scopes.tools.a*b",
            "a*b",
            "at its end",
        ),
        (
            "[scopes.tools]\nt = { all = [] }".into(),
            "scopes.tools.t",
            "",
            "at least one",
        ),
        (
            "[scopes.tools]\nt = { deny = false }".into(),
            "t",
            "deny = false",
            "{}",
        ),
        (
            "[scopes.tools]\nt = { all = [\"a\"], any = [\"b\"] }".into(),
            "t",
            "",
            "not several",
        ),
        (
            "[scopes.tools]\nt = { some = [\"a\"] }".into(),
            "some",
            "",
            "`all`, `any`",
        ),
        ("[scopes.tools]\nt = 7".into(), "t", "7", "a scope"),
        (
            "[scopes.resources]\n\"FILE:///x/*\" = \"a\"".into(),
            "scopes.resources.FILE:///x/*",
            "FILE",
            "file:///x/",
        ),
        (
            "[metadata]\nresource_documentation = \"docs\"".into(),
            "metadata.resource_documentation",
            "docs",
            "URL",
        ),
        (
            "[metadata]\nscopes_supported = [\"offline_access\"]".into(),
            "metadata.scopes_supported",
            "offline_access",
            "leave it out",
        ),
        (
            "[metadata]\nscopes_supported = [\"a:*\"]".into(),
            "metadata.scopes_supported",
            "a:*",
            "single",
        ),
        (
            "[metadata]\nresource_signing_alg_values_supported = [\"none\"]".into(),
            "metadata.resource_signing_alg_values_supported",
            "none",
            "leave it out",
        ),
        (
            "[metadata.extra]\ntls_client_certificate_bound_access_tokens = true".into(),
            "metadata.extra.tls_client_certificate_bound_access_tokens",
            "",
            "follows from the rest",
        ),
        (
            "[metadata.extra]\nresource = \"x\"".into(),
            "metadata.extra.resource",
            "",
            "set it there",
        ),
        (
            "[metadata.extra]\nx = []".into(),
            "metadata.extra.x",
            "[]",
            "leave empty",
        ),
        (
            "[metadata]\nlegacy_authorization_server = \"on\"".into(),
            "legacy_authorization_server",
            "on",
            "redirect",
        ),
        (
            "[origins]\nallowed = [\"*\"]".into(),
            "origins.allowed",
            "*",
            "\"any\"",
        ),
        (
            "[origins]\nallowed = [\"https://x/\"]".into(),
            "origins.allowed",
            "https://x/",
            "ends behind",
        ),
        (
            "[origins]\nallowed = \"all\"".into(),
            "allowed",
            "all",
            "any",
        ),
        (
            "[sessions]\nbinding = \"user\"".into(),
            "binding",
            "user",
            "`owner` or `off`",
        ),
        (
            "[sessions]\nresumption = \"any\"".into(),
            "resumption",
            "any",
            "`without_session`",
        ),
        (
            "[sessions]\nstreams = \"end\"".into(),
            "streams",
            "end",
            "`end_with_token`",
        ),
        (
            "[sessions]\ngrace_seconds = 99999999999".into(),
            "sessions.grace_seconds",
            "99999999999",
            "a year",
        ),
        ("[sessions]\nkey = \"x\"".into(), "key", "", "`keys`"),
        (
            "[sessions]\nkeys = [\"x\"]".into(),
            "sessions.keys[0]",
            "(given as text)",
            "at least 32",
        ),
        (
            "[limits]\nmax_body_bytes = 0".into(),
            "limits.max_body_bytes",
            "0",
            "at least 1",
        ),
        (
            "[limits]\nverified_seconds = 99999999999".into(),
            "limits.verified_seconds",
            "99999999999",
            "a year",
        ),
        (
            "[limits]\njwks_min_seconds = 700\njwks_default_seconds = 600".into(),
            "limits.jwks_min_seconds",
            "700",
            "jwks_default_seconds",
        ),
        (
            "[limits]\njwks_default_seconds = 90000\njwks_max_seconds = 86400".into(),
            "limits.jwks_default_seconds",
            "90000",
            "jwks_max_seconds",
        ),
        (
            "[limits]\nmax_body = 1".into(),
            "max_body",
            "",
            "max_body_bytes",
        ),
        ("[policy]".into(), "policy", "", "unknown field"),
        ("[scopes] => [scope]".into(), "scope", "", "unknown field"),
    ] {
        let text = changed(&change);
        let error = build(&text).expect_err(&text);
        for part in [field, shown, fix] {
            assert!(
                error.contains(part),
                "{part:?} is missing in the error of\n{text}\n{error}"
            );
        }
        assert!(!error.contains("s3cret"), "{error}");
    }
}

#[test]
fn mistakes_that_only_code_can_make_are_found_too() {
    let build = |builder: toolgate::Builder| builder.build().expect_err("an error").to_string();
    let start =
        || Toolgate::builder("https://mcp.example.com/mcp").issuer("https://auth.example.com");
    let error = build(start());
    assert!(
        error.contains("ScopeMap::deny_unlisted()") && error.contains("ScopeMap::allow_unlisted()"),
        "{error}"
    );
    let no_issuer =
        Toolgate::builder("https://mcp.example.com/mcp").scopes(ScopeMap::allow_unlisted());
    assert!(build(no_issuer).contains("`issuers`"));
    let twice = ScopeMap::allow_unlisted().tool("t", "a").tool("t", "b");
    assert!(build(start().scopes(twice)).contains("named twice"));
    let closed = ScopeMap::allow_unlisted().every_request(toolgate::deny());
    assert!(build(start().scopes(closed)).contains("scopes.every_request"));
    let keys = Issuer::new("x").jwks("{}").not_advertised();
    assert!(
        build(start().issuer(keys).scopes(ScopeMap::allow_unlisted())).contains("issuers[1].jwks")
    );
    let odd = Metadata::default().extra("x", f64::NAN);
    assert!(
        build(start().scopes(ScopeMap::allow_unlisted()).metadata(odd))
            .contains("metadata.extra.x")
    );
    let zero = Limits::default().body_seconds(0);
    assert!(
        build(start().scopes(ScopeMap::allow_unlisted()).limits(zero))
            .contains("limits.body_seconds")
    );
}

#[tokio::test]
async fn a_static_key_file_is_read_when_the_gate_is_built() {
    let server = AuthorizationServer::start().await;
    let path = std::env::temp_dir().join(format!("toolgate-keys-{}.json", std::process::id()));
    std::fs::write(&path, server.jwks().to_string()).unwrap();
    let file = json!(path.display().to_string());
    let text = MINIMAL.replace("[scopes]", &format!("jwks_file = {file}\n[scopes]"));
    let built = build(&text);
    std::fs::remove_file(&path).unwrap();
    built.unwrap();
}

/// Five tables, a mistake in each.
pub const FIVE_MISTAKES: &str = r#"
resource = "http://mcp.example.com/mcp"

[[issuers]]
issuer = "https://auth.example.com"
algorithms = ["HS256"]

[scopes]
unlisted = "deny"
every_request = ["a b"]

[origins]
allowed = ["https://page.example/"]

[limits]
body_seconds = 0
"#;

fn config_error(text: &str) -> ConfigError {
    toml::from_str::<Config>(text)
        .unwrap()
        .into_builder()
        .build()
        .expect_err(text)
}

#[test]
fn a_configuration_with_five_mistakes_gets_five_errors() {
    let error = config_error(FIVE_MISTAKES);
    let shown: Vec<_> = error
        .problems()
        .iter()
        .map(|wrong| (wrong.field(), wrong.value(), wrong.kind()))
        .collect();
    assert_eq!(
        shown,
        [
            (
                "resource",
                Some("http://mcp.example.com/mcp"),
                ConfigProblemKind::NotAllowed
            ),
            (
                "limits.body_seconds",
                Some("0"),
                ConfigProblemKind::NotAllowed
            ),
            (
                "scopes.every_request",
                Some("a b"),
                ConfigProblemKind::NotAllowed
            ),
            (
                "issuers[0].algorithms",
                Some("HS256"),
                ConfigProblemKind::NotAllowed
            ),
            (
                "origins.allowed",
                Some("https://page.example/"),
                ConfigProblemKind::NotAllowed
            ),
        ]
    );
    let text = error.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 6, "{text}");
    assert_eq!(lines[0], "5 values are wrong:");
    for (line, problem) in lines[1..].iter().zip(error.problems()) {
        assert!(!problem.fix().is_empty());
        for part in [problem.field(), problem.value().unwrap(), problem.fix()] {
            assert!(line.contains(part), "{part} is missing in {line}");
        }
    }
}

#[test]
fn the_debug_of_a_config_error_reads_like_its_display() {
    let one = config_error(&MINIMAL.replace("https://mcp", "http://mcp"));
    assert_eq!(one.problems().len(), 1);
    for error in [config_error(FIVE_MISTAKES), one] {
        assert_eq!(format!("{error:?}"), error.to_string());
        for problem in error.problems() {
            assert_eq!(format!("{problem:?}"), problem.to_string());
        }
    }
}

#[test]
fn no_mistake_hides_another_one_in_any_table() {
    let text = r#"
        resource = "mcp"

        [[issuers]]
        issuer = "https://auth.example.com"
        preset = "acme"
        jwks_uri = "ftp://x"
        leeway_seconds = 86400
        audiences = [""]
        scope_request_prefix = "a b"
        advertise = "x"
        [issuers.unbound]
        only_clients = []
        [issuers.clients]
        allowed = [""]
        denied_hosts = ["A", "b/c"]
        [issuers.claims]
        tenant = []
        [issuers.introspection]
        token_prefix = ""
        endpoint = "y"
        key_id = "k"

        [[issuers]]
        issuer = "https://auth.example.com"
        jwks_file = "/nowhere/keys.json"

        [scopes]
        every_request = ["a b", "offline_access"]
        initial = ["*"]
        [scopes.implies]
        "a b" = ["é"]
        [scopes.tools]
        "a*b" = "x"
        t = { all = [] }
        [scopes.resources]
        "FILE:///x/*" = "a"
        [scopes.prompts]
        p = "a b"
        [scopes.methods]
        m = "offline_access"

        [metadata]
        scopes_supported = ["b:*"]
        jwks_uri = "z"
        resource_signing_alg_values_supported = ["none"]
        legacy_authorization_server = "redirect"
        [metadata.extra]
        resource = "x"
        empty = []

        [origins]
        allowed = ["*", "https://x/"]

        [sessions]
        keys = ["short", { env = "TOOLGATE_TEST_NOT_SET" }]
        grace_seconds = 99999999999

        [limits]
        max_body_bytes = 0
        jwks_min_seconds = 700
        jwks_max_seconds = 600
    "#;
    let error = config_error(text);
    let mut fields: Vec<_> = error
        .problems()
        .iter()
        .map(|problem| problem.field())
        .collect();
    fields.sort_unstable();
    let expected = [
        "issuers[0].advertise",
        "issuers[0].audiences",
        "issuers[0].claims.tenant",
        "issuers[0].clients.allowed",
        "issuers[0].clients.denied_hosts",
        "issuers[0].clients.denied_hosts",
        "issuers[0].introspection.client_id",
        "issuers[0].introspection.client_secret",
        "issuers[0].introspection.endpoint",
        "issuers[0].introspection.key_id",
        "issuers[0].introspection.token_prefix",
        "issuers[0].jwks_uri",
        "issuers[0].leeway_seconds",
        "issuers[0].preset",
        "issuers[0].scope_request_prefix",
        "issuers[0].unbound.only_clients",
        "issuers[1].issuer",
        "issuers[1].jwks_file",
        "limits.jwks_min_seconds",
        "limits.max_body_bytes",
        "metadata.extra.empty",
        "metadata.extra.resource",
        "metadata.jwks_uri",
        "metadata.resource_signing_alg_values_supported",
        "metadata.scopes_supported",
        "origins.allowed",
        "origins.allowed",
        "resource",
        "scopes.every_request",
        "scopes.every_request",
        "scopes.implies.a b",
        "scopes.implies.a b",
        "scopes.initial",
        "scopes.methods.m",
        "scopes.prompts.p",
        "scopes.resources.FILE:///x/*",
        "scopes.tools.a*b",
        "scopes.tools.t",
        "scopes.unlisted",
        "sessions.grace_seconds",
        "sessions.keys[0]",
        "sessions.keys[1]",
    ];
    assert_eq!(fields, expected, "{error}");
}

#[test]
fn each_kind_of_mistake_can_be_matched() {
    use ConfigProblemKind::{Conflict, Duplicate, Missing, NotAllowed, Unreadable};
    for (change, kind) in [
        ("unlisted = \"deny\" => ", Missing),
        ("[metadata.extra]\nx = []", NotAllowed),
        (
            "[[issuers]]\nissuer = \"https://auth.example.com\"",
            Duplicate,
        ),
        (
            "[limits]\njwks_min_seconds = 700\njwks_max_seconds = 600",
            Conflict,
        ),
        (
            "[sessions]\nkeys = [{ file = \"/nowhere/key\" }]",
            Unreadable,
        ),
    ] {
        let error = config_error(&changed(change));
        let kinds: Vec<_> = error
            .problems()
            .iter()
            .map(|problem| problem.kind())
            .collect();
        assert_eq!(kinds, [kind], "{error}");
    }
}

#[test]
fn the_error_behind_a_problem_is_kept() {
    let missing =
        config_error(&MINIMAL.replace("[scopes]", "jwks_file = \"/nowhere/keys.json\"\n[scopes]"));
    let [problem] = missing.problems() else {
        panic!("{missing}")
    };
    let source = problem
        .source()
        .and_then(|source| source.downcast_ref::<std::io::Error>());
    assert_eq!(
        source.expect("the error of the file").kind(),
        std::io::ErrorKind::NotFound
    );
    assert!(
        missing.to_string().contains(&source.unwrap().to_string()),
        "{missing}"
    );

    let key = config_error(&changed("[sessions]\nkeys = [{ file = \"/nowhere/key\" }]"));
    assert!(
        key.problems()[0]
            .source()
            .is_some_and(|source| source.is::<std::io::Error>())
    );

    let no_keys =
        config_error(&MINIMAL.replace("[scopes]", "jwks_file = \"Cargo.toml\"\n[scopes]"));
    assert!(no_keys.problems()[0].source().is_some(), "{no_keys}");
}
