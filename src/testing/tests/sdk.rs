use rmcp::transport::auth::{AuthorizationRequest, OAuthState};

use super::*;
use crate::testing::Fault;

#[tokio::test]
async fn the_rust_sdk_logs_in_and_refreshes() {
    let server = AuthorizationServer::builder()
        .scopes(["mcp:use"])
        .approve_as("alice")
        .start()
        .await;
    // Stands in for the MCP server: one endpoint hands out its metadata.
    let resource_server = AuthorizationServer::start().await;
    let resource = format!("{}/mcp", resource_server.issuer());
    let metadata = json!({ "resource": resource, "authorization_servers": [server.issuer()] });
    resource_server.fail(
        Endpoint::Jwks,
        Some(Fault::Body(metadata.to_string().into())),
    );
    let challenge = format!(
        "Bearer resource_metadata=\"{}\"",
        resource_server.url(Endpoint::Jwks)
    );

    let mut client = OAuthState::new(&resource, None).await.unwrap();
    let request = AuthorizationRequest::new(REDIRECT_URI)
        .with_scopes(["mcp:use"])
        .with_challenge(challenge);
    client.start_authorization(request).await.unwrap();
    let callback = Callback::of(&get(&client.get_authorization_url().await.unwrap()).await);
    client
        .handle_callback_url(callback.0.as_str())
        .await
        .unwrap();
    let client = client.into_authorization_manager().unwrap();
    let first = client.get_access_token().await.unwrap();
    assert_eq!(
        (&claims_of(&first)["aud"], &claims_of(&first)["scope"]),
        (&json!(resource), &json!("mcp:use"))
    );

    client.refresh_token().await.unwrap();
    let second = client.get_access_token().await.unwrap();
    assert_ne!(first, second);
    assert_eq!(claims_of(&second)["aud"], resource);
    let asked = String::from_utf8(server.requests(Endpoint::Token)[0].body.to_vec()).unwrap();
    assert!(asked.contains("resource="), "{asked}");
}
