use super::*;
use crate::testing::Fault;

#[tokio::test]
async fn a_registration_is_echoed_and_completed() {
    let server = AuthorizationServer::start().await;
    let metadata = json!({
        "client_name": "Editor",
        "client_uri": "https://editor.example",
        "redirect_uris": ["http://localhost/", "https://editor.example/cb", "cursor://editor/oauth"],
        "grant_types": ["authorization_code", "implicit"],
        "token_endpoint_auth_method": "client_secret_post",
    });
    let response = register(&server, &metadata).await;
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers()["cache-control"], "no-store");
    let client = body_of(response).await;
    for echoed in [
        "client_name",
        "client_uri",
        "redirect_uris",
        "token_endpoint_auth_method",
    ] {
        assert_eq!(client[echoed], metadata[echoed]);
    }
    assert_eq!(
        client["grant_types"],
        json!(["authorization_code", "refresh_token"])
    );
    assert!(client["client_id"].is_string() && client["client_secret"].is_string());
    assert_ne!(
        body_of(register(&server, &metadata).await).await["client_id"],
        client["client_id"]
    );
}

#[tokio::test]
async fn a_registration_that_cannot_work_is_refused_with_the_reason() {
    let server = AuthorizationServer::start().await;
    for (metadata, error) in [
        (json!([]), "invalid_client_metadata"),
        (json!({}), "invalid_redirect_uri"),
        (json!({ "redirect_uris": [] }), "invalid_redirect_uri"),
        (json!({ "redirect_uris": [7] }), "invalid_redirect_uri"),
        (
            json!({ "redirect_uris": ["http://example.com/cb"] }),
            "invalid_redirect_uri",
        ),
        (
            json!({ "redirect_uris": ["http://localhost.example.com/cb"] }),
            "invalid_redirect_uri",
        ),
        (
            json!({ "redirect_uris": ["https://example.com/cb#x"] }),
            "invalid_redirect_uri",
        ),
        (
            json!({ "redirect_uris": ["javascript:alert(1)"] }),
            "invalid_redirect_uri",
        ),
        (json!({ "redirect_uris": ["/cb"] }), "invalid_redirect_uri"),
        (
            json!({ "redirect_uris": ["https://example.com/a\r\nb"] }),
            "invalid_redirect_uri",
        ),
        (
            json!({ "redirect_uris": [REDIRECT_URI], "grant_types": ["implicit"] }),
            "invalid_client_metadata",
        ),
        (
            json!({ "redirect_uris": [REDIRECT_URI], "response_types": ["token"] }),
            "invalid_client_metadata",
        ),
        (
            json!({ "redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": "private_key_jwt" }),
            "invalid_client_metadata",
        ),
    ] {
        let answer = status_and_error(register(&server, &metadata).await).await;
        assert_eq!(answer, (400, error.to_owned()), "{metadata}");
    }
}

#[tokio::test]
async fn a_registered_secret_is_demanded_in_either_form() {
    let server = AuthorizationServer::start().await;
    let client =
        body_of(register(&server, &json!({ "redirect_uris": [REDIRECT_URI] })).await).await;
    assert_eq!(client["token_endpoint_auth_method"], "client_secret_basic");
    let (id, secret) = (
        client["client_id"].as_str().unwrap(),
        client["client_secret"].as_str().unwrap(),
    );
    let walk = Walk {
        server,
        client_id: id.to_owned(),
    };

    let code = walk.code(&[]).await;
    assert_eq!(walk.redeem(&code, &[]).await.status(), 401);
    assert_eq!(
        walk.redeem(&code, &[("client_secret", "wrong")])
            .await
            .status(),
        401
    );
    assert_eq!(
        walk.redeem(&code, &[("client_secret", secret)])
            .await
            .status(),
        200
    );

    let code = walk.code(&[]).await;
    let pairs = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("code_verifier", VERIFIER),
    ];
    let request = || {
        http()
            .post(walk.server.url(Endpoint::Token))
            .basic_auth(id, Some(secret))
    };
    let twice = [&pairs[..], &[("client_secret", secret)]].concat();
    let answer = with_form(request(), &twice).send().await.unwrap();
    assert_eq!(
        status_and_error(answer).await,
        (400, "invalid_request".to_owned())
    );
    assert_eq!(
        with_form(request(), &pairs).send().await.unwrap().status(),
        200
    );
}

#[tokio::test]
async fn a_registration_outlives_the_server_it_was_made_at() {
    let Walk { client_id, .. } = Walk::begin(AuthorizationServer::builder()).await;
    let walk = Walk {
        server: AuthorizationServer::start().await,
        client_id,
    };
    assert_eq!(walk.redeem(&walk.code(&[]).await, &[]).await.status(), 200);
}

#[tokio::test]
async fn the_trusted_client_has_tokens_of_its_own_but_not_in_a_browser() {
    let server = AuthorizationServer::builder()
        .scopes(["mcp:use"])
        .start()
        .await;
    let pairs = [("grant_type", "client_credentials"), ("resource", RESOURCE)];
    let request = || {
        http()
            .post(server.url(Endpoint::Token))
            .basic_auth("rs", Some("rs-secret"))
    };
    let tokens = body_of(with_form(request(), &pairs).send().await.unwrap()).await;
    assert_eq!(tokens.get("refresh_token"), None);
    let claims = claims_of(tokens["access_token"].as_str().unwrap());
    assert_eq!(
        (&claims["sub"], &claims["client_id"]),
        (&json!("rs"), &json!("rs"))
    );
    assert_eq!(
        (&claims["aud"], &claims["scope"]),
        (&json!(RESOURCE), &json!("mcp:use"))
    );

    let browser = with_form(request().header("origin", "http://evil.example"), &pairs)
        .send()
        .await
        .unwrap();
    assert_eq!(
        status_and_error(browser).await,
        (401, "invalid_client".to_owned())
    );
}

/// A server whose key set endpoint hands out a client's document instead, and the document's address.
async fn document_host(document: impl Fn(&str) -> String) -> (AuthorizationServer, String) {
    let host = AuthorizationServer::start().await;
    let address = host.url(Endpoint::Jwks);
    host.fail(Endpoint::Jwks, Some(Fault::Body(document(&address).into())));
    (host, address)
}

#[tokio::test]
async fn a_client_may_be_described_by_the_document_at_its_id() {
    let (_host, client_id) = document_host(|address| {
        json!({ "client_id": address, "client_name": "Documented", "redirect_uris": [REDIRECT_URI] })
            .to_string()
    })
    .await;
    let walk = Walk {
        server: AuthorizationServer::start().await,
        client_id,
    };
    let page = get(&walk.request(&[])).await.text().await.unwrap();
    assert!(page.contains("Documented wants access") && page.contains(&walk.client_id));
    let tokens = body_of(walk.redeem(&walk.code(&[]).await, &[]).await).await;
    assert_eq!(
        claims_of(tokens["access_token"].as_str().unwrap())["client_id"],
        walk.client_id
    );
    assert_eq!(
        get(&walk.request(&[("redirect_uri", "https://elsewhere.example/")]))
            .await
            .status(),
        400
    );
}

#[tokio::test]
async fn an_unusable_client_document_is_a_page_with_the_reason() {
    let sound = |address: &str| {
        json!({ "client_id": address, "redirect_uris": [REDIRECT_URI] }).to_string()
    };
    let (host, address) = document_host(sound).await;
    let walk = Walk {
        server: AuthorizationServer::start().await,
        client_id: address.clone(),
    };
    assert_eq!(get(&walk.request(&[])).await.status(), 200);

    let other_id =
        json!({ "client_id": "https://other.example/", "redirect_uris": [REDIRECT_URI] });
    let secret = json!({
        "client_id": address,
        "redirect_uris": [REDIRECT_URI],
        "token_endpoint_auth_method": "client_secret_post",
    });
    let unsafe_uri = json!({ "client_id": address, "redirect_uris": ["http://example.com/"] });
    for (fault, reason) in [
        (Fault::Body(other_id.to_string().into()), "not its own URL"),
        (Fault::Body(secret.to_string().into()), "is not none"),
        (
            Fault::Body(unsafe_uri.to_string().into()),
            "not on a loopback host",
        ),
        (Fault::Body("{}".into()), "missing field"),
        (Fault::Redirect(address.clone()), "the answer is 302"),
        (Fault::Huge(65 * 1024), "longer than"),
        (Fault::Reset, "cannot be fetched"),
    ] {
        host.fail(Endpoint::Jwks, Some(fault));
        let response = get(&walk.request(&[])).await;
        assert_eq!(response.status(), 400);
        let page = response.text().await.unwrap();
        assert!(page.contains(reason), "{reason}: {page}");
    }
}

#[tokio::test]
async fn only_a_safe_url_is_asked_for_a_document() {
    let walk = Walk {
        server: AuthorizationServer::start().await,
        client_id: String::new(),
    };
    for client_id in [
        "http://example.com/client.json",
        "https://user@example.com/client.json",
        "https://example.com",
        "https://example.com/",
        "https://example.com/a/../client.json",
        "https://example.com/client.json#x",
        "ftp://example.com/client.json",
    ] {
        let page = get(&walk.request(&[("client_id", client_id)]))
            .await
            .text()
            .await
            .unwrap();
        assert!(page.contains("neither registered nor"), "{client_id}");
    }
}
