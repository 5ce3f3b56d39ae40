use super::*;

#[tokio::test]
async fn a_minted_token_is_active_until_it_expires_or_is_revoked() {
    let clock = still_clock();
    let server = AuthorizationServer::builder()
        .clock(clock.clone())
        .start()
        .await;
    let token = server.token().audience(RESOURCE).scope("mcp:use").mint();
    let answer = introspect(&server, &token).await;
    assert_eq!(answer["active"], true);
    assert_eq!(answer["token_type"], "Bearer");
    assert_eq!(
        (&answer["aud"], &answer["scope"], &answer["sub"]),
        (&json!(RESOURCE), &json!("mcp:use"), &json!("alice"))
    );

    let inactive = json!({ "active": false });
    let revoked = server.token().mint();
    server.revoke(&revoked);
    assert_eq!(introspect(&server, &revoked).await, inactive);
    clock.advance(Duration::from_secs(300));
    assert_eq!(introspect(&server, &token).await, inactive);
}

#[tokio::test]
async fn tokens_of_others_are_inactive() {
    let server = AuthorizationServer::start().await;
    let other = AuthorizationServer::start().await;
    for token in [
        other.token().mint(),
        server.token().signed_with(&other.signing_key()).mint(),
        server.token().claim("iss", other.issuer()).mint(),
        server.token().mint_with_signature([]),
        "opaque".to_owned(),
    ] {
        assert_eq!(
            introspect(&server, &token).await,
            json!({ "active": false }),
            "{token}"
        );
    }
}

#[tokio::test]
async fn a_token_under_a_key_that_left_the_set_is_still_known() {
    let server = AuthorizationServer::start().await;
    let token = server.token().mint();
    server.rotate(crate::testing::SigningKey::generate(
        crate::testing::Algorithm::EdDsa,
    ));
    assert_eq!(introspect(&server, &token).await["active"], true);
}

#[tokio::test]
async fn an_answer_can_be_anything() {
    let server = AuthorizationServer::start().await;
    let answer = json!({ "active": "true", "aud": [RESOURCE, 7] });
    server.introspect_as("any+text/at=all", answer.clone());
    assert_eq!(introspect(&server, "any+text/at=all").await, answer);
}

#[tokio::test]
async fn introspection_is_for_the_resource_server_only() {
    let server = AuthorizationServer::builder()
        .client("r:s", "p+ss &%")
        .start()
        .await;
    let token = server.token().mint();
    let ask = async |authorization: Option<String>, more: &[(&str, &str)]| {
        let mut request = http().post(server.url(Endpoint::Introspect));
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let pairs = [&[("token", token.as_str())], more].concat();
        with_form(request, &pairs).send().await.unwrap()
    };
    let basic = |text: &str| {
        Some(format!(
            "Basic {}",
            base64::engine::general_purpose::STANDARD.encode(text)
        ))
    };

    let form_encoded = ask(basic("r%3As:p%2Bss+%26%25"), &[]).await;
    assert_eq!(body_of(form_encoded).await["active"], true);
    let posted = ask(None, &[("client_id", "r:s"), ("client_secret", "p+ss &%")]).await;
    assert_eq!(body_of(posted).await["active"], true);
    assert_eq!(
        body_of(ask(Some("Bearer p+ss &%".into()), &[]).await).await["active"],
        true
    );

    for refused in [
        ask(None, &[]).await,
        ask(basic("r%3As:wrong"), &[]).await,
        ask(basic("rs:rs-secret"), &[]).await,
        ask(Some("Bearer wrong".into()), &[]).await,
        ask(None, &[("client_id", "r:s")]).await,
    ] {
        assert!(refused.headers().contains_key("www-authenticate"));
        assert_eq!(
            status_and_error(refused).await,
            (401, "invalid_client".to_owned())
        );
    }
}

#[tokio::test]
async fn a_refresh_token_is_no_access_token() {
    let walk = Walk::begin(AuthorizationServer::builder().opaque_tokens()).await;
    let tokens = body_of(walk.redeem(&walk.code(&[]).await, &[]).await).await;
    let access_token = tokens["access_token"].as_str().unwrap();
    assert!(!access_token.contains('.'));
    let answer = introspect(&walk.server, access_token).await;
    assert_eq!(
        (&answer["active"], &answer["aud"]),
        (&json!(true), &json!(RESOURCE))
    );
    assert_eq!(answer["client_id"], walk.client_id);
    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    assert_eq!(
        introspect(&walk.server, refresh_token).await,
        json!({ "active": false })
    );
}
