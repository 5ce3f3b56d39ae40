//! The facts in the events of refusals, besides the reason: enough for an operator to act on, and no secret.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};
use toolgate::testing::{Endpoint, Fault, TokenBuilder};
use toolgate::{
    CallInfo, Caller, Decide, DecisionFailed, Introspection, Issuer, Limits, Principal, Revocation,
    ScopeMap, Verdict, without_token,
};

use crate::introspection::asking_as;
use crate::logs::{Log, listen, listen_at};
use crate::world::{Answer, JKT, RESOURCE, World, bare, call, post, post_without_token};

/// `expected` and `got` of the last decision, where it has them.
#[track_caller]
fn assert_facts(
    log: &Log,
    answer: &Answer,
    reason: &str,
    expected: Option<&str>,
    got: Option<&str>,
) {
    assert_eq!(answer.code, Some(reason), "{}", answer.text());
    let fields = &log.decision()["fields"];
    let fact = |name| {
        fields
            .get(name)
            .map(|fact| fact.as_str().unwrap().to_owned())
    };
    assert_eq!(
        (fact("expected").as_deref(), fact("got").as_deref()),
        (expected, got),
        "{reason}"
    );
}

#[tokio::test]
async fn the_defect_of_a_token_is_logged_with_its_values() {
    let (log, _guard) = listen();
    let world = World::new().await;
    let issuer = world.server.issuer();
    let key = format!("an ES256 key of {issuer}");
    let mint = |spoil: fn(TokenBuilder) -> TokenBuilder| spoil(world.token()).mint();
    let with = |name: &str, value: Value| world.token().claim(name, value).mint();
    let good = world.token().mint();
    let parts: Vec<&str> = good.split('.').collect();
    let algorithms = "alg: RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA";
    let now = 1_800_000_000;
    for (token, reason, expected, got) in [
        (
            mint(|token| token.expires_in(-600)),
            "expired",
            None,
            "expired 600 s ago, at 2027-01-15T07:50:00Z",
        ),
        (
            with("nbf", json!(now + 90)),
            "not_yet_valid",
            None,
            "valid in 90 s, at 2027-01-15T08:01:30Z",
        ),
        (
            with("iat", json!(now + 301)),
            "issued_in_future",
            Some("issued at most 300 s ahead"),
            "issued 301 s ahead, at 2027-01-15T08:05:01Z",
        ),
        (
            mint(|token| token.header("alg", "HS256")),
            "alg_not_allowed",
            Some(algorithms),
            "alg: HS256",
        ),
        (
            mint(|token| token.header("typ", "dpop+jwt")),
            "wrong_typ",
            Some("typ: at+jwt or JWT"),
            "typ: dpop+jwt",
        ),
        (
            world
                .token()
                .header("kid", "old\nkey")
                .claim("iat", now - 120)
                .mint(),
            "kid_unknown",
            Some(&*key),
            "kid: old\\nkey",
        ),
        (
            mint(|token| token.claim("iss", "https://as.example/")),
            "issuer_mismatch",
            Some(issuer),
            "https://as.example/",
        ),
        (
            with("aud", json!(["https://a", "https://b"])),
            "audience_mismatch",
            Some(RESOURCE),
            "https://a https://b",
        ),
        (
            mint(|token| token.without("aud")),
            "audience_missing",
            Some(RESOURCE),
            "no audience",
        ),
        (
            mint(|token| token.without("exp")),
            "exp_missing",
            None,
            "no exp",
        ),
        (
            with("exp", json!("tomorrow")),
            "bad_claim",
            Some("`exp`: a number"),
            "`exp` of another type",
        ),
        (
            with("token_use", json!("refresh")),
            "token_use_not_access",
            Some("token_use: access"),
            "token_use: refresh",
        ),
        (
            mint(|token| token.header("typ", "JWT").claim("at_hash", "x")),
            "id_token",
            None,
            "a claim `at_hash`",
        ),
        (
            with("events", json!({})),
            "security_event",
            None,
            "a claim `events`",
        ),
        (
            mint(|token| token.header("crit", json!(["exp"]))),
            "crit_unsupported",
            None,
            "crit",
        ),
        (
            with("cnf", json!({ "jkt": JKT })),
            "dpop_token_as_bearer",
            Some("Authorization: DPoP, since the token has cnf: jkt"),
            "Authorization: Bearer",
        ),
        (
            with("cnf", json!({ "x5t#S256": JKT })),
            "certificate_off",
            Some("holder.certificate: tls, or a header"),
            "cnf: x5t#S256",
        ),
        (
            with("cnf", json!({ "secret": "x" })),
            "unknown_binding",
            Some("cnf: jkt, with 32 bytes in base64url"),
            "cnf: another value or member",
        ),
        (
            with("scope", json!("x".repeat(9000))),
            "scope_too_long",
            Some("at most 8192 bytes"),
            "`scope` of 9000 bytes",
        ),
        ("a.b.c.d.e".to_owned(), "encrypted_jwt", None, "five parts"),
        (
            "never-to-be-logged".to_owned(),
            "not_a_jwt",
            Some("a JWT"),
            "an opaque token of 18 bytes",
        ),
        (
            format!("{}.{}=.{}", parts[0], parts[1], parts[2]),
            "malformed_header",
            Some("Authorization: a scheme, and one token"),
            "Authorization: another text than one token after the scheme",
        ),
        (
            format!("{}.{}~.{}", parts[0], parts[1], parts[2]),
            "bad_base64",
            None,
            "the claims",
        ),
        (
            world.token().payload(b"[]").mint(),
            "bad_json",
            None,
            "claims that are not a JSON object",
        ),
        (
            world.token().payload(b"{\"a\":1,\"a\":2}").mint(),
            "duplicate_claim",
            None,
            "claims: a member twice",
        ),
    ] {
        let answer = world.list_with(&token).await;
        assert_facts(&log, &answer, reason, expected, Some(got));
    }
    let forged = world.token().mint_with_signature([0; 64]);
    let answer = world.list_with(&forged).await;
    let kid = world.server.jwks()["keys"][0]["kid"].clone();
    let got = format!("kid: {}", kid.as_str().unwrap());
    assert_facts(&log, &answer, "bad_signature", Some(&key), Some(&got));
    assert!(!log.text().contains("never-to-be-logged"));
}

#[tokio::test]
async fn the_prefixes_of_opaque_tokens_are_named_where_none_fits() {
    let (log, _guard) = listen();
    let world = asking_as(|introspection| introspection.token_prefix("as_")).await;
    let answer = world.list_with("xx_secret").await;
    let got = "an opaque token of 9 bytes";
    assert_facts(&log, &answer, "not_a_jwt", Some("a JWT or as_…"), Some(got));
}

#[tokio::test]
async fn a_wrong_header_is_named() {
    let (log, _guard) = listen();
    let world = World::with_scopes(ScopeMap::deny_unlisted().tool("t", "mcp:use")).await;
    let token = world.token().mint();
    let body = call("tools/call", json!({ "name": "t" }));
    let one_token = Some("Authorization: a scheme, and one token");
    for (lines, reason, expected, got) in [
        (
            &[("authorization", "Basic c2VjcmV0")][..],
            "wrong_scheme",
            Some("Authorization: Bearer or DPoP, and one token"),
            "Authorization: Basic",
        ),
        (
            &[("authorization", "bearer:c2VjcmV0")],
            "wrong_scheme",
            Some("Authorization: Bearer or DPoP, and one token"),
            "Authorization: Bearer:",
        ),
        (
            &[("authorization", "c2VjcmV0")],
            "wrong_scheme",
            Some("Authorization: Bearer or DPoP, and one token"),
            "Authorization: an unknown scheme",
        ),
        (
            &[("authorization", "c2VjcmV0 c2VjcmV0")],
            "wrong_scheme",
            Some("Authorization: Bearer or DPoP, and one token"),
            "Authorization: an unknown scheme",
        ),
        (
            &[("authorization", "")],
            "wrong_scheme",
            Some("Authorization: Bearer or DPoP, and one token"),
            "Authorization: nothing",
        ),
        (
            &[("authorization", "Bearer")],
            "no_token",
            Some("Authorization: Bearer, and a token"),
            "Authorization: Bearer, and nothing behind it",
        ),
        (
            &[("authorization", "Bearer\tc2VjcmV0")],
            "malformed_header",
            one_token,
            "Authorization: a tab after Bearer",
        ),
        (
            &[("authorization", "Bearer c2VjcmV0, Bearer c2VjcmV0")],
            "multiple_credentials",
            one_token,
            "Authorization: several credentials, joined by a comma",
        ),
        (
            &[
                ("authorization", "Bearer c2VjcmV0"),
                ("authorization", "Bearer c2VjcmV0"),
            ],
            "multiple_credentials",
            Some("one Authorization line"),
            "several Authorization lines",
        ),
        (
            &[("origin", "https://evil.example")],
            "origin_not_allowed",
            Some("Origin: https://mcp.example.com"),
            "Origin: https://evil.example",
        ),
        (
            &[
                ("origin", "https://mcp.example.com"),
                ("origin", "https://evil.example"),
            ],
            "duplicate_header",
            Some("one Origin line"),
            "several Origin lines",
        ),
        (
            &[("mcp-method", "tools/list")],
            "header_mismatch",
            Some("Mcp-Method: tools/call"),
            "Mcp-Method: tools/list",
        ),
        (
            &[("mcp-name", "u")],
            "header_mismatch",
            Some("Mcp-Name: t"),
            "Mcp-Name: u",
        ),
        (
            &[("mcp-protocol-version", "2026-07-28")],
            "header_mismatch",
            Some("Mcp-Method: tools/call"),
            "no Mcp-Method",
        ),
        (
            &[
                ("mcp-protocol-version", "2026-07-28"),
                ("mcp-method", "tools/call"),
            ],
            "header_mismatch",
            Some("Mcp-Name: t"),
            "no Mcp-Name",
        ),
        (
            &[("mcp-protocol-version", "1"), ("mcp-protocol-version", "2")],
            "duplicate_header",
            Some("one MCP-Protocol-Version line"),
            "several MCP-Protocol-Version lines",
        ),
        (
            &[("mcp-method", "a"), ("mcp-method", "b")],
            "duplicate_header",
            Some("one Mcp-Method line"),
            "several Mcp-Method lines",
        ),
        (
            &[("mcp-name", "a"), ("mcp-name", "b")],
            "duplicate_header",
            Some("one Mcp-Name line"),
            "several Mcp-Name lines",
        ),
        (
            &[("mcp-session-id", "secret"), ("mcp-session-id", "secret")],
            "duplicate_header",
            Some("one Mcp-Session-Id line"),
            "several Mcp-Session-Id lines",
        ),
        (
            &[("mcp-session-id", "secret")],
            "session_unknown",
            None,
            "Mcp-Session-Id: without a seal",
        ),
        (
            &[("last-event-id", "7")],
            "resumed_without_session",
            Some("Last-Event-ID beside Mcp-Session-Id"),
            "Last-Event-ID alone",
        ),
        (
            &[("content-type", "text/plain")],
            "unsupported_content_type",
            Some("Content-Type: application/json"),
            "Content-Type: text/plain",
        ),
        (
            &[("content-encoding", "gzip")],
            "unsupported_encoding",
            Some("no Content-Encoding"),
            "Content-Encoding: gzip",
        ),
        (
            &[("upgrade", "websocket")],
            "upgrade_refused",
            None,
            "Upgrade: websocket",
        ),
    ] {
        let mut request = post(&token, &body);
        let headers = request.headers_mut();
        lines
            .iter()
            .for_each(|(name, _)| drop(headers.remove(*name)));
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let answer = world.send(request).await;
        assert_facts(&log, &answer, reason, expected, Some(got));
    }
    let text = log.text();
    assert!(!text.contains("c2VjcmV0") && !text.contains("secret"));

    let version = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28" });
    let modern = call("tools/call", json!({ "name": "t", "_meta": version }));
    let answer = world.send(post(&token, &modern)).await;
    let expected = "MCP-Protocol-Version: 2026-07-28";
    let got = "no MCP-Protocol-Version";
    assert_facts(&log, &answer, "header_mismatch", Some(expected), Some(got));
}

#[tokio::test]
async fn the_defect_of_a_body_is_logged() {
    let (log, _guard) = listen();
    let world = World::with(|builder, server| {
        let limits = Limits::default().max_body_bytes(2000);
        let scopes = ScopeMap::deny_unlisted().tool("t:{name}", "mcp:use");
        builder
            .issuer(server.issuer())
            .scopes(scopes)
            .limits(limits)
    })
    .await;
    let token = world.token().mint();
    let long = format!("[{}0]", "0,".repeat(1500));
    for (body, reason, expected, got) in [
        ("{", "body_not_json", None, "not JSON at line 1, column 1"),
        ("[]", "body_unparsable", None, "an empty batch"),
        ("7", "body_unparsable", None, "not an object"),
        (
            "{\"jsonrpc\":\"1.0\"}",
            "body_unparsable",
            None,
            "jsonrpc: not 2.0",
        ),
        (
            "{\"jsonrpc\":\"2.0\",\"id\":1.5}",
            "body_unparsable",
            None,
            "a number that is not a 64-bit integer",
        ),
        (
            "{\"jsonrpc\":\"2.0\",\"method\":7}",
            "body_unparsable",
            None,
            "method: not a string",
        ),
        (
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{}}",
            "body_unparsable",
            None,
            "params: no target",
        ),
        (
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":7}}",
            "body_unparsable",
            None,
            "name: of the wrong type",
        ),
        (
            "{\"method\":\"a\",\"method\":\"b\"}",
            "duplicate_key",
            None,
            "method",
        ),
        (
            "{\"method\":\"a\",\"METHOD\":\"b\"}",
            "duplicate_key",
            None,
            "method",
        ),
        (
            &*long,
            "body_too_large",
            Some("at most 2000 bytes"),
            "3003 bytes",
        ),
    ] {
        let answer = world.send(post(&token, body)).await;
        assert_facts(&log, &answer, reason, expected, Some(got));
    }
    let mut request = post(&token, "[]");
    request.headers_mut().insert(
        "mcp-protocol-version",
        HeaderValue::from_static("2025-06-18"),
    );
    let answer = world.send(request).await;
    let got = "an array beside MCP-Protocol-Version: 2025-06-18";
    assert_facts(
        &log,
        &answer,
        "batch_not_allowed",
        Some("one message"),
        Some(got),
    );

    let mut request = post(&token, "{}");
    *request.method_mut() = Method::DELETE;
    let answer = world.send(request).await;
    assert_facts(
        &log,
        &answer,
        "unexpected_body",
        Some("no body"),
        Some("DELETE with a body"),
    );
}

#[tokio::test]
async fn a_claim_that_is_required_is_named_and_its_value_is_not() {
    let (log, _guard) = listen();
    let world = World::with(|builder, server| {
        let issuer = Issuer::new(server.issuer()).require_claim("team", ["blue"]);
        builder.issuer(issuer).scopes(ScopeMap::allow_unlisted())
    })
    .await;
    for (token, got) in [
        (world.token().mint(), "no such claim"),
        (world.token().claim("team", "hush").mint(), "another value"),
    ] {
        let answer = world.list_with(&token).await;
        let expected = "team is [\\\"blue\\\"]";
        assert_facts(&log, &answer, "claim_not_met", Some(expected), Some(got));
    }
    assert!(!log.text().contains("hush"));
}

#[tokio::test]
async fn the_kind_of_the_revocation_is_logged() {
    let (log, _guard) = listen();
    let world = World::new().await;
    let issuer = world.server.issuer();
    let hour = Duration::from_secs(3600);
    for (revocation, name, got) in [
        (Revocation::token(issuer, "j"), "jti", "revoked: this token"),
        (
            Revocation::client(issuer, "j"),
            "client_id",
            "revoked: all tokens of its client",
        ),
        (
            Revocation::subject(issuer, "j"),
            "sub",
            "revoked: all tokens of its subject",
        ),
    ] {
        world.gate.revoke(revocation, hour).await.unwrap();
        let answer = world
            .list_with(&world.token().claim(name, "j").mint())
            .await;
        assert_facts(&log, &answer, "revoked", None, Some(got));
    }
}

#[tokio::test]
async fn an_outage_is_logged_with_all_of_its_causes() {
    let (log, _guard) = listen();
    let world = World::new().await;
    let jwks = world.server.url(Endpoint::Jwks);
    world.server.fail(Endpoint::Jwks, Some(Fault::Reset));
    let answer = world.list_with(&world.token().mint()).await;
    answer.assert_unavailable("jwks_unavailable");
    let source = log.decision()["fields"]["source"].clone();
    let source = source.as_str().unwrap();
    let first = format!("its key set could not be fetched: {jwks}: ");
    assert!(source.starts_with(&first), "{source}");
    assert!(source.len() > first.len() + 20, "{source}");
}

#[tokio::test]
async fn a_refusal_without_a_token_says_why_it_was_not_open() {
    let (log, _guard) = listen();
    let closed = World::new().await;
    let open = World::with_scopes(
        ScopeMap::deny_unlisted()
            .tool("menu", without_token())
            .tool("order", "mcp:use")
            .tool("wipe", toolgate::deny()),
    )
    .await;
    let tool = |name: &str| post_without_token(&call("tools/call", json!({ "name": name })));
    let answer_to_server = json!({ "jsonrpc": "2.0", "id": 1, "result": {} }).to_string();
    let not = |what: &str| format!("not open without a token: {what}");
    for (world, request, source) in [
        (
            &closed,
            tool("menu"),
            "nothing is open without a token".to_owned(),
        ),
        (&open, tool("order"), not("tools/call order")),
        (&open, tool("wipe"), "refused: denied".to_owned()),
        (&open, tool("new"), "refused: tool_unmapped".to_owned()),
        (
            &open,
            bare(Method::GET, "/mcp"),
            not("a request that is no call"),
        ),
        (
            &open,
            post_without_token(&answer_to_server),
            not("a response to the server"),
        ),
        (
            &open,
            post_without_token("{"),
            "refused: body_not_json".to_owned(),
        ),
    ] {
        world.send(request).await.assert_asks_for_a_token();
        let fields = &log.decision()["fields"];
        assert_eq!(fields["reason"], "no_token");
        assert_eq!(fields["source"], source);
    }
    let answer = open.send(tool("wipe")).await;
    assert_facts(&log, &answer, "no_token", None, Some("wipe"));
    open.send(tool("menu")).await.assert_served();
}

#[tokio::test]
async fn a_token_in_the_query_is_noted_and_not_shown() {
    let (log, _guard) = listen();
    let world = World::new().await;
    let noted = "access_token in the query of the URL, where no token is read";
    for (uri, got) in [
        ("/mcp?access_token=hush", Some(noted)),
        ("/mcp?a=b&access_token", Some(noted)),
        ("/mcp?a=access_token", None),
        ("/mcp?access_tokens=hush", None),
        ("/mcp", None),
    ] {
        let answer = world.send(bare(Method::GET, uri)).await;
        answer.assert_asks_for_a_token();
        assert_facts(&log, &answer, "no_token", None, got);
        let explanation = world
            .gate
            .explain_request(bare(Method::GET, uri).map(|_| ""));
        let explanation = explanation.await.to_string();
        assert_eq!(explanation.contains(noted), got.is_some(), "{explanation}");
    }
    assert!(!log.text().contains("hush"));
}

#[tokio::test]
async fn the_claims_in_which_no_scope_was_found_are_named() {
    let (log, _guard) = listen();
    let world = World::new().await;
    let ping = call("ping", json!({}));
    for (token, got) in [
        (
            world.token().without("scope"),
            Some("no scope in the first of these claims: scope scp scopes"),
        ),
        (
            world.token().scope(""),
            Some("no scope in the first of these claims: scope scp scopes"),
        ),
        (world.token().scope("other"), None),
    ] {
        let token = token.mint();
        let answer = world.send(post(&token, &ping)).await;
        assert_facts(&log, &answer, "insufficient_scope", None, got);
        let explanation = world
            .gate
            .explain(Caller::Token(&token), ping.clone())
            .await;
        let explanation = explanation.to_string();
        assert_eq!(
            explanation.contains("these claims"),
            got.is_some(),
            "{explanation}"
        );
    }
}

#[tokio::test]
async fn every_refusal_logs_the_path_without_the_query() {
    let (log, _guard) = listen();
    let world = World::new().await;
    let token = world.token().mint();
    let long = format!("/{}", "a".repeat(300));
    let to = |uri: &str, authorization: Option<&str>| -> Request<Full<Bytes>> {
        let mut request = post(&token, &call("tools/list", json!({})));
        *request.uri_mut() = uri.parse().unwrap();
        let headers: &mut HeaderMap = request.headers_mut();
        headers.remove("authorization");
        if let Some(line) = authorization {
            headers.insert("authorization", line.parse().unwrap());
        }
        request
    };
    let bearer = format!("Bearer {token}");
    for (request, decision, path) in [
        (to("/mcp?access_token=hush", Some(&bearer)), "allow", "/mcp"),
        (to("/mcp/x?hush", None), "refuse", "/mcp/x"),
        (
            to("https://host.example/y?hush", Some("Basic x")),
            "refuse",
            "/y",
        ),
        (to("/z?hush", Some("Bearer garbage")), "refuse", "/z"),
    ] {
        world.send(request).await;
        let fields = &log.decision()["fields"];
        assert_eq!(
            (&fields["decision"], &fields["path"]),
            (&json!(decision), &json!(path))
        );
    }
    world.send(to(&long, None)).await;
    let path = log.decision()["fields"]["path"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(path.starts_with("/aaa") && path.len() < 140, "{path}");
    assert!(!log.text().contains("hush"));
}

#[tokio::test]
async fn the_target_is_logged_with_its_kind() {
    let (log, _guard) = listen();
    let world = World::with_scopes(ScopeMap::deny_unlisted().tool("t", "none")).await;
    let token = world.token().mint();
    let prompt = json!({ "ref": { "type": "ref/prompt", "name": "p" }, "argument": {} });
    let resources = json!({ "notifications": { "resourceSubscriptions": ["a:1", "a:2"] } });
    let batch = format!(
        "[{},{},{},{}]",
        call("tools/call", json!({ "name": "t" })),
        call("resources/read", json!({ "uri": "a:1" })),
        call("tools/call", json!({ "name": "u" })),
        call("tools/list", json!({})),
    );
    for (body, target, kind) in [
        (
            call("tools/call", json!({ "name": "t" })),
            json!("t"),
            json!("tool"),
        ),
        (
            call("resources/read", json!({ "uri": "a:1" })),
            json!("a:1"),
            json!("resource"),
        ),
        (
            call("prompts/get", json!({ "name": "p" })),
            json!("p"),
            json!("prompt"),
        ),
        (
            call("completion/complete", prompt),
            json!("p"),
            json!("prompt"),
        ),
        (
            call("subscriptions/listen", resources),
            json!("a:1 a:2"),
            json!("resource"),
        ),
        (call("tools/list", json!({})), Value::Null, Value::Null),
        (batch, json!("t a:1 u"), json!("tool resource")),
    ] {
        world.send(post(&token, &body)).await;
        let fields = &log.decision()["fields"];
        assert_eq!(
            (&fields["target"], &fields["target_kind"]),
            (&target, &kind),
            "{body}"
        );
        assert_eq!(fields.get("tool"), None);
    }
}

/// Denies the tool `never`.
struct Never;

impl Decide for Never {
    async fn decide(&self, _: &Principal, call: &CallInfo<'_>) -> Result<Verdict, DecisionFailed> {
        Ok(match call.tool() {
            Some("never") => Verdict::Deny("never"),
            _ => Verdict::Allow,
        })
    }
}

#[tokio::test]
async fn refusals_name_their_target_even_if_allowed_requests_are_not_logged() {
    let (log, _guard) = listen_at(tracing::Level::INFO);
    let scopes = || ScopeMap::allow_unlisted().tool("s", "s");
    let plain = World::with_scopes(scopes()).await;
    let deciding = World::with(|builder, server| {
        let builder = builder.issuer(server.issuer()).scopes(scopes());
        builder.decision(Never)
    })
    .await;
    for (world, tool, session, reason) in [
        (&plain, "s", None, "insufficient_scope"),
        (&plain, "t", Some("x"), "session_unknown"),
        (&deciding, "s", None, "insufficient_scope"),
        (&deciding, "never", None, "decision_denied"),
    ] {
        let body = call("tools/call", json!({ "name": tool }));
        let mut request = post(&world.token().mint(), &body);
        if let Some(id) = session {
            let headers = request.headers_mut();
            headers.insert("mcp-session-id", HeaderValue::from_static(id));
        }
        assert_eq!(world.send(request).await.code, Some(reason));
        let fields = &log.decision()["fields"];
        assert_eq!(fields["reason"], reason);
        assert_eq!(
            (&fields["method"], &fields["target"]),
            (&json!("tools/call"), &json!(tool))
        );
    }
    let before = log.events().len();
    for world in [&plain, &deciding] {
        world
            .call_tool(&world.token().mint(), "t")
            .await
            .assert_served();
    }
    assert_eq!(log.events().len(), before);
}

#[tokio::test]
async fn a_missing_claim_of_an_introspected_token_is_logged() {
    let (log, _guard) = listen();
    let world = asking_as(|introspection: Introspection| introspection).await;
    let issuer = world.server.issuer();
    let inactive = format!("not active, by {issuer}");
    for (answer, reason, expected, got) in [
        (json!({ "active": false }), "inactive", None, &*inactive),
        (
            json!({ "active": true, "aud": RESOURCE, "token_type": "refresh_token" }),
            "token_use_not_access",
            Some("token_type: Bearer, DPoP or access_token"),
            "token_type: refresh_token",
        ),
        (
            json!({ "active": true, "aud": RESOURCE, "token_type": "DPoP" }),
            "unknown_binding",
            Some("token_type: DPoP, and cnf: jkt"),
            "token_type: DPoP alone",
        ),
    ] {
        let token = format!("opaque-{reason}");
        world.server.introspect_as(&token, answer);
        // The second time it is remembered.
        for _ in 0..2 {
            let answer = world.list_with(&token).await;
            assert_facts(&log, &answer, reason, expected, Some(got));
        }
    }
}
