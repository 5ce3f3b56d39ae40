use super::*;

const FORMS: [Endpoint; 3] = [
    Endpoint::Rfc8414,
    Endpoint::OidcInserted,
    Endpoint::OidcAppended,
];

#[tokio::test]
async fn all_three_forms_say_the_same_about_an_issuer_with_a_path() {
    let server = AuthorizationServer::builder()
        .issuer_path("/tenant1")
        .scopes(["mcp:use"])
        .start()
        .await;
    let origin = server.issuer().strip_suffix("/tenant1").unwrap();
    for (form, path) in FORMS.into_iter().zip([
        "/.well-known/oauth-authorization-server/tenant1",
        "/.well-known/openid-configuration/tenant1",
        "/tenant1/.well-known/openid-configuration",
    ]) {
        assert_eq!(server.url(form), format!("{origin}{path}"));
        let response = get(&server.url(form)).await;
        assert_eq!(response.headers()["access-control-allow-origin"], "*");
        let document = body_of(response).await;
        assert_eq!(document["issuer"], server.issuer());
        assert_eq!(document["jwks_uri"], format!("{}/jwks", server.issuer()));
        assert_eq!(document["scopes_supported"], json!(["mcp:use"]));
        assert_eq!(
            document["code_challenge_methods_supported"],
            json!(["S256"])
        );
        assert_eq!(document["client_id_metadata_document_supported"], true);
        assert_eq!(server.hits(form), 1);
    }
}

#[tokio::test]
async fn only_the_chosen_forms_exist_and_the_others_are_still_counted() {
    for chosen in FORMS {
        let server = AuthorizationServer::builder()
            .issuer_path("/tenant1")
            .discovery_forms([chosen])
            .start()
            .await;
        for form in FORMS {
            assert_eq!(
                get(&server.url(form)).await.status(),
                if form == chosen { 200 } else { 404 }
            );
            assert_eq!(server.hits(form), 1);
        }
    }
}

#[tokio::test]
async fn without_a_path_the_two_openid_forms_are_one() {
    let server = AuthorizationServer::builder()
        .discovery_forms([Endpoint::OidcAppended])
        .start()
        .await;
    assert_eq!(
        server.url(Endpoint::OidcAppended),
        server.url(Endpoint::OidcInserted)
    );
    assert_eq!(get(&server.url(Endpoint::OidcInserted)).await.status(), 200);
    assert_eq!(
        (
            server.hits(Endpoint::OidcAppended),
            server.hits(Endpoint::OidcInserted)
        ),
        (1, 1)
    );
    assert_eq!(get(&server.url(Endpoint::Rfc8414)).await.status(), 404);
}

#[tokio::test]
async fn an_issuer_may_end_in_a_slash() {
    let server = AuthorizationServer::builder()
        .issuer_path("/")
        .start()
        .await;
    assert!(server.issuer().ends_with('/'));
    let document = body_of(get(&server.url(Endpoint::Rfc8414)).await).await;
    assert_eq!(document["issuer"], server.issuer());
    assert_eq!(document["jwks_uri"], format!("{}jwks", server.issuer()));
}

#[tokio::test]
async fn the_key_set_carries_the_cache_control_it_was_given() {
    let server = AuthorizationServer::start().await;
    assert_eq!(
        get(&server.url(Endpoint::Jwks))
            .await
            .headers()
            .get("cache-control"),
        None
    );
    server.jwks_cache_control(Some("max-age=90"));
    assert_eq!(
        get(&server.url(Endpoint::Jwks)).await.headers()["cache-control"],
        "max-age=90"
    );
}

#[tokio::test]
async fn a_browser_may_send_a_preflight() {
    let server = AuthorizationServer::start().await;
    for endpoint in [
        Endpoint::Rfc8414,
        Endpoint::Jwks,
        Endpoint::Register,
        Endpoint::Token,
    ] {
        let request = http()
            .request(reqwest::Method::OPTIONS, server.url(endpoint))
            .header("origin", "http://localhost:6274")
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "authorization,mcp-protocol-version",
            );
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 204);
        assert_eq!(response.headers()["access-control-allow-origin"], "*");
        assert_eq!(
            response.headers()["access-control-allow-headers"],
            "authorization,mcp-protocol-version"
        );
    }
    let introspection = http().request(reqwest::Method::OPTIONS, server.url(Endpoint::Introspect));
    let introspection = introspection.send().await.unwrap();
    assert_eq!(introspection.status(), 405);
    assert_eq!(
        introspection.headers().get("access-control-allow-origin"),
        None
    );
}

#[tokio::test]
async fn requests_are_recorded_with_their_bodies() {
    let server = AuthorizationServer::start().await;
    post_form(&server.url(Endpoint::Token), &[("resource", RESOURCE)]).await;
    let requests = server.requests(Endpoint::Token);
    assert_eq!((requests.len(), server.hits(Endpoint::Token)), (1, 1));
    assert_eq!(requests[0].method, "POST");
    assert_eq!(requests[0].uri.path(), "/token");
    assert_eq!(
        requests[0].headers["content-type"],
        "application/x-www-form-urlencoded"
    );
    assert_eq!(
        requests[0].body,
        "resource=http%3A%2F%2F127.0.0.1%3A3000%2Fmcp"
    );
}

#[tokio::test]
async fn unknown_paths_and_methods_are_refused() {
    let server = AuthorizationServer::start().await;
    assert_eq!(
        get(&format!("{}/nowhere", server.issuer())).await.status(),
        404
    );
    let response = get(&server.url(Endpoint::Token)).await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["allow"]),
        (405, &"POST, OPTIONS".parse().unwrap())
    );
    let long = http()
        .post(server.url(Endpoint::Register))
        .body(vec![b' '; 300 * 1024])
        .send()
        .await;
    assert!(long.map_or(true, |response| response.status() == 413));
}

#[tokio::test]
async fn the_server_stops_with_its_last_handle_or_when_told() {
    let server = AuthorizationServer::start().await;
    let address = server.url(Endpoint::Jwks);
    drop(server.clone());
    assert_eq!(get(&address).await.status(), 200);
    server.stop().await;
    assert!(http().get(&address).send().await.unwrap_err().is_connect());

    let server = AuthorizationServer::start().await;
    let address = server.url(Endpoint::Jwks);
    let client = http();
    assert_eq!(client.get(&address).send().await.unwrap().status(), 200);
    drop(server);
    tokio::task::yield_now().await;
    assert!(client.get(&address).send().await.is_err());
}

#[tokio::test]
async fn the_start_up_text_says_that_it_is_for_development() {
    let server = AuthorizationServer::start().await;
    let text = server.to_string();
    assert!(
        text.contains(server.issuer()) && text.contains("everyone may log in as anyone"),
        "{text}"
    );
}

#[tokio::test]
#[should_panic(expected = "no loopback address")]
async fn it_listens_on_loopback_only() {
    AuthorizationServer::builder()
        .listen(([0, 0, 0, 0], 0).into())
        .start()
        .await;
}
