//! `assert_gated` notices a layer in the wrong place.

use axum::Router;
use axum::routing::{get, post};
use toolgate::testing::assert_gated;
use toolgate::{ScopeMap, Toolgate};

fn gate() -> Toolgate {
    Toolgate::builder("https://mcp.example.com/mcp")
        .issuer("https://auth.example.com")
        .scopes(ScopeMap::allow_unlisted())
        .build()
        .unwrap()
}

fn bare() -> Router {
    Router::new().route("/mcp", post(|| async { "inner" }))
}

/// The message of the assertion, if it fails.
async fn complaint(app: Router) -> Option<String> {
    let asserted = tokio::spawn(async move { assert_gated(app, &gate()).await });
    let panic = asserted.await.err()?.into_panic();
    Some(*panic.downcast::<String>().expect("it says what is wrong"))
}

#[tokio::test]
async fn a_router_with_the_layer_in_its_place_is_gated() {
    assert_eq!(complaint(bare().layer(gate().layer())).await, None);
    let with_public = Router::new()
        .route("/health", get(|| async { "ok" }))
        .merge(bare().layer(gate().layer()));
    assert_eq!(complaint(with_public).await, None);
}

#[tokio::test]
async fn a_layer_in_the_wrong_place_is_noticed_from_outside() {
    let open = || async { "open" };
    let other = Toolgate::builder("https://other.example.com/mcp")
        .issuer("https://auth.example.com")
        .scopes(ScopeMap::allow_unlisted());
    let other = other.build().unwrap();
    for (app, told) in [
        (bare(), "without a token does not get the gate's 401"),
        (
            Router::new().nest("/api", bare().layer(gate().layer())),
            "without a token does not get the gate's 401",
        ),
        (bare().layer(other.layer()), "the challenge does not name"),
        (
            bare().route_layer(gate().layer()),
            "the metadata document is not served",
        ),
        (
            bare().layer(gate().layer()).fallback(open),
            "does not serve the gate's metadata document",
        ),
        (
            bare().layer(gate().layer()).route("/", get(open)),
            "`/` answers 200 OK",
        ),
    ] {
        let complaint = complaint(app).await.expect("it is not gated");
        assert!(complaint.contains(told), "{complaint}");
        assert!(complaint.contains("toolgate::docs::axum"), "{complaint}");
    }
}
