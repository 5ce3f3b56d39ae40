//! The gate of a tenant from its first request to its end: its streams, and the state that outlives it.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use serde_json::{Value, json};
use tokio::sync::Notify;
use toolgate::testing::{Algorithm, AuthorizationServer, SigningKey};
use toolgate::{Gates, RequestBody, Revocation};
use tower::{Layer, ServiceExt, service_fn};

use crate::gates::{request_to, send};
use crate::logs::listen;
use crate::tenants::{
    Answer, BY_LABEL, Registry, ask, assert_not_found, assert_unavailable, get, server, token,
    trusting, url,
};
use crate::world::{PATIENCE, pass, until};

/// Opens a stream of events through these gates. The sender is the end of the inner service.
async fn open(
    gates: &Gates,
    here: &str,
    token: &str,
) -> (tokio::sync::mpsc::UnboundedSender<Bytes>, OpenBody) {
    let (events, receiver) = tokio::sync::mpsc::unbounded_channel::<Bytes>();
    let receiver = Arc::new(Mutex::new(Some(receiver)));
    let inner = service_fn(move |_: Request<RequestBody<Full<Bytes>>>| {
        let mut receiver = receiver.lock().unwrap().take().unwrap();
        let events = futures_util::stream::poll_fn(move |cx| {
            let next = receiver.poll_recv(cx);
            next.map(|next| next.map(|bytes| Ok::<_, Infallible>(Frame::data(bytes))))
        });
        let answer = Response::builder().header("content-type", "text/event-stream");
        let answer = answer.body(StreamBody::new(Box::pin(events) as EventStream));
        std::future::ready(Ok::<_, Infallible>(answer.unwrap()))
    });
    let mut request = get(here);
    let line = format!("Bearer {token}").parse().unwrap();
    request.headers_mut().insert("authorization", line);
    let accept = "text/event-stream".parse().unwrap();
    request.headers_mut().insert("accept", accept);
    let answer = gates.layer().layer(inner).oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let mut body = answer.into_body();
    events.send("data: hello\n\n".into()).unwrap();
    let first = body.frame().await.unwrap().unwrap();
    assert_eq!(first.into_data().unwrap(), "data: hello\n\n");
    (events, body)
}

type EventStream =
    std::pin::Pin<Box<dyn futures_util::Stream<Item = Result<Frame<Bytes>, Infallible>> + Send>>;
type OpenBody = toolgate::ResponseBody<StreamBody<EventStream>>;

async fn assert_over(mut body: OpenBody) {
    let end = tokio::time::timeout(PATIENCE, body.frame()).await;
    assert!(end.expect("an end").is_none());
}

#[tokio::test]
async fn the_streams_of_a_removed_tenant_end_without_a_request_and_those_of_others_go_on() {
    let (server, registry) = (server().await, Registry::new());
    let (logs, _guard) = listen();
    for name in ["acme", "globex"] {
        registry.tenant(name, trusting(&[&server]));
    }
    let gates = registry.gates(BY_LABEL);
    let (acme, globex) = (url("acme"), url("globex"));
    let good = token(&server, &acme);
    let (_events, of_acme) = open(&gates, &acme, &good).await;
    let (events, mut of_globex) = open(&gates, &globex, &token(&server, &globex)).await;
    registry.remove("acme");
    registry.clock.advance(Duration::from_secs(60));
    pass(Duration::from_secs(16)).await;
    assert_over(of_acme).await;
    assert_not_found(&ask(&gates, &acme, Some(&good)).await);
    events.send("data: still here\n\n".into()).unwrap();
    let next = of_globex.frame().await.unwrap().unwrap();
    assert_eq!(next.into_data().unwrap(), "data: still here\n\n");
    let events = logs.events();
    let removed =
        |event: &&Value| event["fields"]["message"] == "a tenant is removed, and its streams end";
    let removed: Vec<_> = events.iter().filter(removed).collect();
    assert_eq!(removed.len(), 1);
    assert_eq!(removed[0]["fields"]["resource"], acme);
    assert_eq!(removed[0]["level"], "INFO");

    // If it comes back, it is served, and a new stream stays open.
    registry.tenant("acme", trusting(&[&server]));
    gates.forget("acme");
    let (events, mut again) = open(&gates, &acme, &good).await;
    events.send("data: 2\n\n".into()).unwrap();
    assert!(again.frame().await.is_some());
}

#[tokio::test]
async fn a_tenant_that_is_forgotten_is_not_served_by_its_old_configuration() {
    let (server, registry) = (server().await, Registry::new());
    registry.tenant("acme", trusting(&[&server]));
    let gates = registry.gates(BY_LABEL);
    let (here, good) = (url("acme"), token(&server, &url("acme")));
    let (_events, stream) = open(&gates, &here, &good).await;
    registry.answer("acme", Answer::Failure);
    gates.forget("acme");
    until(|| registry.asked("acme") == 2).await;
    let seen = ask(&gates, &here, Some(&good)).await;
    assert_unavailable(&seen, "tenant_unavailable");

    let mut strict = trusting(&[&server]);
    strict["scopes"]["every_request"] = json!(["admin"]);
    registry.tenant("acme", strict);
    gates.forget("acme");
    // The stream is checked under the new configuration, without a request.
    assert_over(stream).await;
    let seen = ask(&gates, &here, Some(&good)).await;
    assert_eq!(seen.code, Some("insufficient_scope"));
    // A text that is no name is ignored.
    gates.forget("Acme!");
}

#[tokio::test]
async fn a_tenant_that_was_idle_for_long_is_not_served_before_the_resolver_is_asked() {
    let (server, registry) = (server().await, Registry::new());
    registry.tenant("acme", trusting(&[&server]));
    let gates = registry.gates(BY_LABEL);
    let (here, good) = (url("acme"), token(&server, &url("acme")));
    ask(&gates, &here, Some(&good))
        .await
        .assert_served_as(&here);
    registry.remove("acme");
    registry.clock.advance(Duration::from_secs(3600));
    assert_not_found(&ask(&gates, &here, Some(&good)).await);
}

#[tokio::test]
async fn all_streams_of_tenants_can_be_closed_for_a_shutdown() {
    let (server, registry) = (server().await, Registry::new());
    for name in ["acme", "globex"] {
        registry.tenant(name, trusting(&[&server]));
    }
    let gates = registry.gates(BY_LABEL);
    let (acme, globex) = (url("acme"), url("globex"));
    let (_events, stream) = open(&gates, &acme, &token(&server, &acme)).await;
    gates.close_streams();
    assert_over(stream).await;
    // A tenant that is built after that has none either.
    let mut request = get(&globex);
    let line = format!("Bearer {}", token(&server, &globex));
    let headers = request.headers_mut();
    headers.insert("authorization", line.parse().unwrap());
    headers.insert("accept", "text/event-stream".parse().unwrap());
    assert_unavailable(&send(&gates, request).await, "shutting_down");
    let called = ask(&gates, &globex, Some(&token(&server, &globex))).await;
    called.assert_served_as(&globex);
}

/// How the gate of a tenant comes to its end.
#[derive(Debug, Clone, Copy)]
enum End {
    Removed,
    Dropped,
}

/// Gates that keep one idle tenant.
async fn gates_with_acme(registry: &Registry, server: &AuthorizationServer) -> Gates {
    for name in ["acme", "globex"] {
        registry.tenant(name, trusting(&[server]));
    }
    let tenants = registry.tenants(BY_LABEL).max_idle(1);
    tenants.not_found_elsewhere([]).unwrap()
}

impl End {
    /// Ends the gate of acme. The next request builds another one.
    async fn of_acme(self, registry: &Registry, gates: &Gates, server: &AuthorizationServer) {
        let asked = registry.asked("acme");
        match self {
            Self::Removed => {
                registry.remove("acme");
                gates.forget("acme");
                until(|| registry.asked("acme") == asked + 1).await;
                assert!(gates.tenant("acme").await.unwrap().is_none());
                registry.tenant("acme", trusting(&[server]));
                gates.forget("acme");
                assert!(gates.tenant("acme").await.unwrap().is_some());
            }
            Self::Dropped => {
                let seen = ask(gates, &url("globex"), None).await;
                assert_eq!(seen.code, Some("no_token"));
                assert_eq!(registry.asked("acme"), asked);
                assert!(gates.tenant("acme").await.unwrap().is_some());
                assert_eq!(registry.asked("acme"), asked + 1, "it was dropped");
            }
        }
    }
}

#[tokio::test]
async fn a_revocation_holds_at_every_tenant_of_the_issuer_and_when_the_tenant_is_built_anew() {
    for end in [End::Removed, End::Dropped] {
        let (server, registry) = (server().await, Registry::new());
        let gates = gates_with_acme(&registry, &server).await;
        let acme = gates.tenant("acme").await.unwrap().expect("a tenant");
        assert_eq!(acme.resource(), url("acme"));
        let alice = Revocation::subject(server.issuer(), "alice");
        acme.revoke(alice, Duration::from_secs(3600)).await.unwrap();
        drop(acme);
        end.of_acme(&registry, &gates, &server).await;
        for name in ["acme", "globex"] {
            let good = token(&server, &url(name));
            let seen = ask(&gates, &url(name), Some(&good)).await;
            assert_eq!(seen.code, Some("revoked"), "{name}");
            assert_eq!(seen.challenge().get("error"), Some("invalid_token"));
        }
        assert!(gates.tenant("Acme").await.unwrap().is_none());
        registry.answer("down", Answer::Failure);
        let why = gates.tenant("down").await.unwrap_err();
        assert_eq!(why.code(), "tenant_unavailable");
    }
}

#[tokio::test]
async fn a_used_proof_and_a_session_outlive_the_gate_of_a_tenant() {
    for end in [End::Removed, End::Dropped] {
        let (server, registry) = (server().await, Registry::new());
        let gates = gates_with_acme(&registry, &server).await;
        let here = url("acme");
        let key = SigningKey::generate(Algorithm::Es256);
        let bound = server.token().audience(here.clone()).scope("mcp:use");
        let bound = bound.bound_to(&key).mint();
        let proof = server.proof(&key, "POST", &here).for_token(&bound).mint();
        let with_proof = || {
            let mut request = request_to(&here, None);
            let headers = request.headers_mut();
            let line = format!("DPoP {bound}");
            headers.insert("authorization", line.parse().unwrap());
            headers.insert("dpop", proof.parse().unwrap());
            request
        };
        send(&gates, with_proof()).await.assert_served_as(&here);

        let inner = service_fn(|_: Request<RequestBody<Full<Bytes>>>| async {
            let answer = Response::builder().header("mcp-session-id", "s1");
            Ok::<_, Infallible>(answer.body(Full::<Bytes>::default()).unwrap())
        });
        let good = token(&server, &here);
        let request = request_to(&here, Some(&good));
        let answer = gates.layer().layer(inner).oneshot(request).await.unwrap();
        let session = answer.headers()["mcp-session-id"].clone();
        drop(answer);

        end.of_acme(&registry, &gates, &server).await;
        let replayed = send(&gates, with_proof()).await;
        assert_eq!(replayed.code, Some("dpop_replayed"), "{end:?}");
        let mut request = request_to(&here, Some(&good));
        request.headers_mut().insert("mcp-session-id", session);
        let seen = send(&gates, request).await;
        seen.assert_served_as(&here);
        assert_eq!(seen.inner.unwrap().0["mcp-session-id"], "s1");
    }
}

#[tokio::test]
async fn a_tenant_with_an_open_stream_or_a_handle_is_not_idle() {
    let (server, registry) = (server().await, Registry::new());
    let gates = gates_with_acme(&registry, &server).await;
    let acme = url("acme");
    let (_events, stream) = open(&gates, &acme, &token(&server, &acme)).await;
    let handle = gates.tenant("globex").await.unwrap().unwrap();
    for number in 0..5 {
        let name = format!("t{number}");
        registry.tenant(&name, trusting(&[&server]));
        let seen = ask(&gates, &url(&name), None).await;
        assert_eq!(seen.code, Some("no_token"));
    }
    for name in ["acme", "globex"] {
        assert_eq!(ask(&gates, &url(name), None).await.code, Some("no_token"));
        assert_eq!(registry.asked(name), 1, "{name}");
    }
    drop((stream, handle));
    let seen = ask(&gates, &url("t0"), None).await;
    assert_eq!(seen.code, Some("no_token"));
    assert_eq!(registry.asked("t0"), 2);
    for name in ["acme", "globex"] {
        assert_eq!(ask(&gates, &url(name), None).await.code, Some("no_token"));
    }
    assert!(registry.asked("acme") + registry.asked("globex") > 2);
}

#[tokio::test]
async fn an_answer_from_before_the_tenant_was_forgotten_is_not_used() {
    let (server, registry) = (server().await, Registry::new());
    let arrives = Arc::new(Notify::new());
    let late = Answer::Late(trusting(&[&server]), arrives.clone());
    registry.answer("acme", late);
    let gates = registry.gates(BY_LABEL);
    let (here, good) = (url("acme"), token(&server, &url("acme")));
    let request = {
        let (gates, here, good) = (gates.clone(), here.clone(), good.clone());
        tokio::spawn(async move { ask(&gates, &here, Some(&good)).await })
    };
    until(|| registry.asked("acme") == 1).await;
    let mut strict = trusting(&[&server]);
    strict["scopes"]["every_request"] = json!(["admin"]);
    registry.tenant("acme", strict);
    gates.forget("acme");
    arrives.notify_one();
    let seen = request.await.unwrap();
    assert_eq!(seen.code, Some("insufficient_scope"));
    assert_eq!(registry.asked("acme"), 2);
}

#[tokio::test]
async fn a_tenant_that_keeps_its_configuration_is_an_event() {
    let (server, registry) = (server().await, Registry::new());
    registry.tenant("acme", trusting(&[&server]));
    let gates = registry.gates(BY_LABEL);
    let (here, good) = (url("acme"), token(&server, &url("acme")));
    ask(&gates, &here, Some(&good))
        .await
        .assert_served_as(&here);
    registry.tenant("acme", json!({}));
    registry.clock.advance(Duration::from_secs(60));
    let (logs, _guard) = listen();
    ask(&gates, &here, Some(&good))
        .await
        .assert_served_as(&here);
    let kept = || {
        let events = logs.events().into_iter();
        let mut events = events.filter(|event| event["fields"]["reason"] == "tenant_unusable");
        events.next()
    };
    until(|| kept().is_some()).await;
    let event = kept().unwrap();
    assert_eq!(
        (&event["level"], &event["fields"]["resource"]),
        (&json!("ERROR"), &json!(here))
    );
    let source = event["fields"]["source"].as_str().unwrap();
    assert!(
        source.contains("issuers") && source.contains("scopes"),
        "{source}"
    );
    ask(&gates, &here, Some(&good))
        .await
        .assert_served_as(&here);
}
