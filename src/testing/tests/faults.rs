use std::error::Error as _;
use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::testing::Fault;

async fn failing(fault: Fault) -> AuthorizationServer {
    let server = AuthorizationServer::start().await;
    server.fail(Endpoint::Jwks, Some(fault));
    server
}

/// Everything one connection yields to one request for the key set.
async fn raw_answer(server: &AuthorizationServer) -> (String, std::io::Result<usize>) {
    let authority = server.issuer().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(authority).await.unwrap();
    let request = format!("GET /jwks HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let ended = stream.read_to_end(&mut bytes).await;
    (String::from_utf8(bytes).unwrap(), ended)
}

#[tokio::test]
async fn a_status_is_answered_until_it_is_cleared() {
    let server = failing(Fault::Status(503)).await;
    for _ in 0..2 {
        assert_eq!(get(&server.url(Endpoint::Jwks)).await.status(), 503);
    }
    assert_eq!(get(&server.url(Endpoint::Rfc8414)).await.status(), 200);
    server.fail(Endpoint::Jwks, None);
    assert_eq!(get(&server.url(Endpoint::Jwks)).await.status(), 200);
    assert_eq!(server.hits(Endpoint::Jwks), 3);
}

#[tokio::test]
async fn html_is_200_and_a_page() {
    let response = get(&failing(Fault::Html).await.url(Endpoint::Jwks)).await;
    assert_eq!(
        (
            response.status().as_u16(),
            &response.headers()["content-type"]
        ),
        (200, &"text/html; charset=utf-8".parse().unwrap())
    );
    assert!(
        response
            .text()
            .await
            .unwrap()
            .starts_with("<!doctype html>")
    );
}

#[tokio::test]
async fn a_hanging_endpoint_counts_and_never_answers() {
    let server = failing(Fault::Hang).await;
    let request = http()
        .get(server.url(Endpoint::Jwks))
        .timeout(Duration::from_millis(100));
    assert!(request.send().await.unwrap_err().is_timeout());
    assert_eq!(server.hits(Endpoint::Jwks), 1);
}

#[tokio::test]
async fn a_reset_is_a_reset() {
    let (text, ended) = raw_answer(&failing(Fault::Reset).await).await;
    assert_eq!(text, "");
    assert_eq!(
        ended.unwrap_err().kind(),
        std::io::ErrorKind::ConnectionReset
    );
}

#[tokio::test]
async fn a_truncated_answer_promises_all_and_sends_half() {
    let server = failing(Fault::Truncate).await;
    let whole = server.jwks().to_string();
    let (text, ended) = raw_answer(&server).await;
    assert!(ended.is_ok());
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(
        head.contains(&format!("content-length: {}", whole.len())),
        "{head}"
    );
    assert_eq!(body.len(), whole.len() / 2);
    assert!(whole.starts_with(body));
    assert!(
        get(&server.url(Endpoint::Jwks))
            .await
            .bytes()
            .await
            .unwrap_err()
            .source()
            .is_some()
    );
}

#[tokio::test]
async fn a_slow_answer_arrives_in_the_end() {
    let server = failing(Fault::Slow(Duration::from_micros(10))).await;
    let response = get(&server.url(Endpoint::Jwks)).await;
    assert_eq!(body_of(response).await, server.jwks());
}

#[tokio::test]
async fn a_delayed_answer_is_the_true_one() {
    let delay = Duration::from_millis(20);
    let server = failing(Fault::Delay(delay)).await;
    let start = Instant::now();
    assert_eq!(
        body_of(get(&server.url(Endpoint::Jwks)).await).await,
        server.jwks()
    );
    assert!(start.elapsed() >= delay);
}

#[tokio::test]
async fn a_redirect_leads_elsewhere() {
    let response = get(
        &failing(Fault::Redirect("https://other.example/jwks".into()))
            .await
            .url(Endpoint::Jwks),
    )
    .await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["location"]),
        (302, &"https://other.example/jwks".parse().unwrap())
    );
}

#[tokio::test]
async fn a_body_can_be_set() {
    let response = get(&failing(Fault::Body("[1,".into())).await.url(Endpoint::Jwks)).await;
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.text().await.unwrap(), "[1,");
}

#[tokio::test]
async fn a_huge_answer_is_valid_and_has_no_content_length() {
    let server = failing(Fault::Huge(1_000_000)).await;
    let response = get(&server.url(Endpoint::Jwks)).await;
    assert_eq!(response.headers().get("content-length"), None);
    let text = response.text().await.unwrap();
    assert_eq!(text.len(), 1_000_000);
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), server.jwks());
}

#[tokio::test]
async fn a_wrong_issuer_changes_nothing_else() {
    let server = AuthorizationServer::start().await;
    let mut truth = body_of(get(&server.url(Endpoint::Rfc8414)).await).await;
    server.fail(Endpoint::Rfc8414, Some(Fault::WrongIssuer));
    let document = body_of(get(&server.url(Endpoint::Rfc8414)).await).await;
    assert_ne!(document["issuer"], server.issuer());
    truth["issuer"] = document["issuer"].clone();
    assert_eq!(document, truth);
}
