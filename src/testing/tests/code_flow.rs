use super::*;

fn builder() -> AuthorizationServerBuilder {
    AuthorizationServer::builder().scopes(["mcp:use", "files:read", "files:write"])
}

#[tokio::test]
async fn a_client_walks_from_registration_to_a_token_for_its_resource() {
    let walk = Walk::begin(builder()).await;
    let callback = walk.decide(&[], "bob", "allow").await;
    assert!(callback.0.as_str().starts_with(REDIRECT_URI));
    assert_eq!(callback.parameter("state").as_deref(), Some("st&te"));
    assert_eq!(
        callback.parameter("iss").as_deref(),
        Some(walk.server.issuer())
    );

    let response = walk.redeem(&callback.parameter("code").unwrap(), &[]).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    let tokens = body_of(response).await;
    assert_eq!(
        (&tokens["token_type"], &tokens["expires_in"]),
        (&json!("Bearer"), &json!(3600))
    );
    assert_eq!(tokens["scope"], "mcp:use files:read");
    assert!(tokens["refresh_token"].is_string());

    let access_token = tokens["access_token"].as_str().unwrap();
    let claims = claims_of(access_token);
    assert_eq!(
        (&claims["aud"], &claims["scope"]),
        (&json!(RESOURCE), &json!("mcp:use files:read"))
    );
    assert_eq!(
        (&claims["sub"], &claims["client_id"]),
        (&json!("bob"), &json!(walk.client_id))
    );
    assert_eq!(
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
        3600
    );
    assert_eq!(introspect(&walk.server, access_token).await["active"], true);
}

#[tokio::test]
async fn the_consent_page_names_the_client_and_its_scopes_and_says_that_it_is_no_real_server() {
    let walk = Walk::begin(builder()).await;
    let response = get(&walk.request(&[("scope", "")])).await;
    assert_eq!(response.headers()["x-frame-options"], "DENY");
    let policy = response.headers()["content-security-policy"]
        .to_str()
        .unwrap();
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("form-action"),
        "{policy}"
    );
    let page = response.text().await.unwrap();
    assert!(page.contains("<h1>Inspector wants access</h1>") && page.contains(RESOURCE));
    assert!(page.contains("everyone may log in as anyone"));
    let form = form_of(&page);
    let values = |name: &str| {
        let chosen = form.iter().filter(|(key, _)| key == name);
        chosen.map(|(_, value)| value.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(values("user"), ["alice"]);
    assert_eq!(
        values("scope"),
        ["mcp:use", "files:read", "files:write"],
        "all offered where none is named"
    );
    assert_eq!(values("resource"), [RESOURCE]);
    assert!(
        page.contains("action=\"/authorize\""),
        "the form stays with the name the browser knows us by"
    );
}

#[tokio::test]
async fn text_from_a_client_is_shown_and_never_run() {
    let server = AuthorizationServer::start().await;
    let metadata =
        json!({ "client_name": "<script>{{notice}}\"'&", "redirect_uris": [REDIRECT_URI] });
    let client_id = body_of(register(&server, &metadata).await).await["client_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let walk = Walk { server, client_id };
    let page = get(&walk.request(&[("state", "\"><script>")]))
        .await
        .text()
        .await
        .unwrap();
    assert!(page.contains("<h1>&lt;script&gt;{{notice}}&quot;&#39;&amp; wants access</h1>"));
    assert!(!page.contains("<script"));
    assert!(form_of(&page).contains(&("state".to_owned(), "\"><script>".to_owned())));
    let problem = get(&walk.request(&[("redirect_uri", "<script>")]))
        .await
        .text()
        .await
        .unwrap();
    assert!(problem.contains("&lt;script&gt;") && !problem.contains("<script"));
}

#[tokio::test]
async fn a_user_may_say_no_or_allow_less() {
    let walk = Walk::begin(builder()).await;
    let callback = walk.decide(&[], "alice", "deny").await;
    assert_eq!(
        callback.parameter("error").as_deref(),
        Some("access_denied")
    );
    assert_eq!(callback.parameter("state").as_deref(), Some("st&te"));
    assert_eq!(
        callback.parameter("iss").as_deref(),
        Some(walk.server.issuer())
    );

    let mut form = form_of(&get(&walk.request(&[])).await.text().await.unwrap());
    form.retain(|(_, value)| value != "files:read");
    form.push(("decision".to_owned(), "allow".to_owned()));
    let pairs: Vec<_> = form
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let callback = Callback::of(&post_form(&walk.server.url(Endpoint::Authorize), &pairs).await);
    let tokens = body_of(walk.redeem(&callback.parameter("code").unwrap(), &[]).await).await;
    assert_eq!(tokens["scope"], "mcp:use");
}

#[tokio::test]
async fn a_request_that_names_no_safe_way_back_is_a_page() {
    let walk = Walk::begin(builder()).await;
    for changes in [
        [("client_id", "unknown")],
        [("client_id", "")],
        [("redirect_uri", "http://127.0.0.1:3999/elsewhere")],
        [("redirect_uri", "http://127.0.0.1:3999/callback/")],
        [("redirect_uri", "https://127.0.0.1:3999/callback")],
        [("redirect_uri", "http://evil.example/callback")],
    ] {
        let response = get(&walk.request(&changes)).await;
        assert_eq!(response.status(), 400, "{changes:?}");
        assert_eq!(response.headers().get("location"), None);
        assert!(
            response
                .text()
                .await
                .unwrap()
                .contains("cannot be answered")
        );
    }
}

#[tokio::test]
async fn every_other_mistake_is_an_error_for_the_client() {
    let walk = Walk::begin(builder()).await;
    for (change, error) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("response_type", ""), "invalid_request"),
        (("code_challenge", ""), "invalid_request"),
        (("code_challenge", "short"), "invalid_request"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("code_challenge_method", ""), "invalid_request"),
        (("resource", "/mcp"), "invalid_target"),
        (
            ("resource", "http://127.0.0.1:3000/mcp#part"),
            "invalid_target",
        ),
        (("scope", "a\"b"), "invalid_scope"),
    ] {
        let callback = Callback::of(&get(&walk.request(&[change])).await);
        assert_eq!(
            callback.parameter("error").as_deref(),
            Some(error),
            "{change:?}"
        );
        assert_eq!(callback.parameter("state").as_deref(), Some("st&te"));
        assert_eq!(
            callback.parameter("iss").as_deref(),
            Some(walk.server.issuer())
        );
    }
}

#[tokio::test]
async fn the_port_of_a_loopback_redirect_may_be_another() {
    let walk = Walk::begin(builder()).await;
    let elsewhere = ("redirect_uri", "http://127.0.0.1:51234/callback");
    let callback = walk.decide(&[elsewhere], "alice", "allow").await;
    assert_eq!(callback.0.port(), Some(51234));
    let code = callback.parameter("code").unwrap();
    assert_eq!(
        status_and_error(walk.redeem(&code, &[]).await).await,
        (400, "invalid_grant".to_owned())
    );
    assert_eq!(walk.redeem(&code, &[elsewhere]).await.status(), 200);
}

#[tokio::test]
async fn a_page_elsewhere_cannot_answer_for_the_user() {
    let walk = Walk::begin(builder()).await;
    let mut form = form_of(&get(&walk.request(&[])).await.text().await.unwrap());
    form.push(("decision".to_owned(), "allow".to_owned()));
    let pairs: Vec<_> = form
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let own = walk.server.issuer().to_owned();
    for (origin, status) in [
        (own.as_str(), 303),
        ("http://evil.example", 400),
        ("http://127.0.0.1:1", 400),
        ("null", 400),
    ] {
        let request = http()
            .post(walk.server.url(Endpoint::Authorize))
            .header("origin", origin);
        assert_eq!(
            with_form(request, &pairs).send().await.unwrap().status(),
            status,
            "{origin}"
        );
    }
    let rebound = http().post(walk.server.url(Endpoint::Authorize));
    let rebound = rebound
        .header("origin", "http://evil.example")
        .header("host", "evil.example");
    assert_eq!(
        with_form(rebound, &pairs).send().await.unwrap().status(),
        400
    );
}

#[tokio::test]
async fn a_code_fits_one_client_one_verifier_and_one_minute() {
    let clock = still_clock();
    let walk = Walk::begin(builder().clock(clock.clone())).await;
    let other = json!({ "redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": "none" });
    let other = body_of(register(&walk.server, &other).await).await["client_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let code = walk.code(&[]).await;
    for (change, error) in [
        (
            (
                "code_verifier",
                "wrong-wrong-wrong-wrong-wrong-wrong-wrong-wrong",
            ),
            "invalid_grant",
        ),
        (
            ("redirect_uri", "http://127.0.0.1:3999/other"),
            "invalid_grant",
        ),
        (("client_id", other.as_str()), "invalid_grant"),
        (("client_id", "unknown"), "invalid_client"),
        (("code", "nonsense"), "invalid_grant"),
        (
            ("resource", "http://127.0.0.1:3000/other"),
            "invalid_target",
        ),
        (("grant_type", "password"), "unsupported_grant_type"),
        (("grant_type", "client_credentials"), "unauthorized_client"),
    ] {
        let status = if error == "invalid_client" { 401 } else { 400 };
        let answer = status_and_error(walk.redeem(&code, &[change]).await).await;
        assert_eq!(answer, (status, error.to_owned()), "{change:?}");
    }
    clock.advance(Duration::from_secs(59));
    assert_eq!(walk.redeem(&code, &[]).await.status(), 200);
    let late = walk.code(&[]).await;
    clock.advance(Duration::from_secs(60));
    assert_eq!(
        status_and_error(walk.redeem(&late, &[]).await).await,
        (400, "invalid_grant".to_owned())
    );
}

#[tokio::test]
async fn a_code_used_twice_revokes_what_came_of_it() {
    let walk = Walk::begin(builder()).await;
    let code = walk.code(&[]).await;
    let tokens = body_of(walk.redeem(&code, &[]).await).await;
    assert_eq!(
        status_and_error(walk.redeem(&code, &[]).await).await,
        (400, "invalid_grant".to_owned())
    );
    let inactive = json!({ "active": false });
    assert_eq!(
        introspect(&walk.server, tokens["access_token"].as_str().unwrap()).await,
        inactive
    );
    let refreshed = walk
        .refresh(tokens["refresh_token"].as_str().unwrap(), &[])
        .await;
    assert_eq!(
        status_and_error(refreshed).await,
        (400, "invalid_grant".to_owned())
    );
}

#[tokio::test]
async fn refresh_tokens_rotate_and_narrow_but_never_widen() {
    let walk = Walk::begin(builder()).await;
    let first = body_of(walk.redeem(&walk.code(&[]).await, &[]).await).await;
    let first = first["refresh_token"].as_str().unwrap();
    for (more, error) in [
        (("scope", "mcp:use files:write"), "invalid_scope"),
        (
            ("resource", "http://127.0.0.1:3000/other"),
            "invalid_target",
        ),
    ] {
        assert_eq!(
            status_and_error(walk.refresh(first, &[more]).await).await,
            (400, error.to_owned())
        );
    }
    let narrowed = body_of(
        walk.refresh(first, &[("scope", "mcp:use"), ("resource", RESOURCE)])
            .await,
    )
    .await;
    assert_eq!(narrowed["scope"], "mcp:use");
    let access_token = narrowed["access_token"].as_str().unwrap();
    assert_eq!(claims_of(access_token)["aud"], RESOURCE);
    let second = narrowed["refresh_token"].as_str().unwrap();
    let whole = body_of(walk.refresh(second, &[]).await).await;
    assert_eq!(
        whole["scope"], "mcp:use files:read",
        "the grant itself is as wide as before"
    );

    assert_eq!(
        status_and_error(walk.refresh(first, &[]).await).await,
        (400, "invalid_grant".to_owned())
    );
    let third = whole["refresh_token"].as_str().unwrap();
    assert_eq!(
        walk.refresh(third, &[]).await.status(),
        400,
        "a replayed refresh token revokes its successors"
    );
}

#[tokio::test]
async fn several_resources_are_an_array_and_none_is_no_audience() {
    let walk = Walk::begin(builder()).await;
    let both = [
        ("resource", RESOURCE),
        ("resource", "https://other.example/"),
    ];
    let tokens = body_of(
        walk.redeem(&walk.code(&both).await, &[("resource", "")])
            .await,
    )
    .await;
    let claims = claims_of(tokens["access_token"].as_str().unwrap());
    assert_eq!(claims["aud"], json!([RESOURCE, "https://other.example/"]));
    let tokens = body_of(walk.redeem(&walk.code(&both).await, &[]).await).await;
    assert_eq!(
        claims_of(tokens["access_token"].as_str().unwrap())["aud"],
        RESOURCE
    );

    let code = walk.code(&[("resource", "")]).await;
    let tokens = body_of(walk.redeem(&code, &[("resource", "")]).await).await;
    assert_eq!(
        claims_of(tokens["access_token"].as_str().unwrap()).get("aud"),
        None
    );
}

#[tokio::test]
async fn a_client_without_a_browser_can_be_approved_at_once() {
    let walk = Walk::begin(builder().approve_as("carol")).await;
    let callback = Callback::of(&get(&walk.request(&[])).await);
    let tokens = body_of(walk.redeem(&callback.parameter("code").unwrap(), &[]).await).await;
    assert_eq!(
        claims_of(tokens["access_token"].as_str().unwrap())["sub"],
        "carol"
    );

    let browser = http()
        .get(walk.request(&[]))
        .header("sec-fetch-site", "cross-site");
    assert_eq!(
        browser.send().await.unwrap().status(),
        200,
        "any page could send a browser here"
    );
}
