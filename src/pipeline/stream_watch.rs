//! Watches over a stream: it ends as soon as a new request with its token would be refused.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::timeout;

use super::rooms::Pipeline;
use crate::current::Current;
use crate::events::{StreamEnded, clean};
use crate::log_facts::Fact;
use crate::refusal::{Reason, Refusal, RefusalKind};
use crate::token::{Credentials, Principal};

/// How often a stream is checked again, besides when its token expires, its login is too old for every request, something is
/// revoked here or the configuration changes. It notices a key that has left the gate's copy of the key set, and an
/// introspection response that is no longer cached.
const RECHECK_INTERVAL: Duration = Duration::from_secs(60);

/// Waits until a new request with this token would be refused. While this cannot be decided, the token counts as valid
/// until it expires, with the claims that were verified last. A stream whose lists are not filtered also ends when filtering
/// is switched on.
///
/// The check uses the configuration in force, and keeps no older one alive.
pub(super) async fn until_refused(
    current: Arc<Current<Pipeline>>,
    credentials: Credentials,
    mut principal: Principal,
    is_filtered: bool,
) {
    // Without a runtime there is no timer, and a stream must not stay open for ever.
    if Handle::try_current().is_err() {
        return;
    }
    // Revocations are kept when the configuration changes.
    let revocations = current.get().verifier.memory.revocations.clone();
    loop {
        // Subscribed before the check, so that no change during it is missed.
        let (replaced, revoked) = (current.replaced(), revocations.next());
        let now = current.get();
        if now.policy.filters_lists() && !is_filtered {
            return;
        }
        match check_again(&now, &credentials, &principal).await {
            Ok(verified) => principal = verified,
            Err(refusal) if refusal.kind() == RefusalKind::Unavailable => {
                // A login grows older in an outage too.
                if let Err(refusal) = now.admit(&principal, now.events.now()) {
                    return log_end(&refusal, &principal);
                }
            }
            Err(refusal) => return log_end(&refusal, &principal),
        }
        let of_token = now.verifier.time_left(&principal);
        let of_login = now
            .policy
            .login_time_left(principal.grant(now.events.now()));
        let left = [of_token, of_login, Some(RECHECK_INTERVAL)];
        let left = left.into_iter().flatten().min().unwrap_or_default();
        drop(now);
        let changed = async {
            tokio::select! {
                () = replaced => {}
                () = revoked => {}
            }
        };
        let _ = timeout(left, changed).await;
    }
}

/// Repeats steps 4 and 5, as for a new request.
async fn check_again(
    pipeline: &Pipeline,
    credentials: &Credentials,
    principal: &Principal,
) -> Result<Principal, Refusal> {
    let verified = pipeline
        .verifier
        .verify_again(credentials, principal)
        .await?;
    // The request that opened the stream proved possession, and no other is here to prove it anew. So the token must still be
    // bound to the same key, by the issuer's newest answer too.
    let binding = verified.principal.binding();
    pipeline.holders.check(binding, credentials.scheme())?;
    if binding != principal.binding() {
        return Err(Refusal::from(Reason::BindingChanged)
            .expected("the cnf with which the stream was opened")
            .got("another cnf"));
    }
    pipeline.admit(&verified.principal, pipeline.events.now())?;
    Ok(verified.principal)
}

fn log_end(refusal: &Refusal, principal: &Principal) {
    let fact = |fact| refusal.log_fact(fact).map(clean);
    StreamEnded {
        reason: refusal.code(),
        issuer: principal.issuer(),
        token_id: clean(&principal.logged_token_id()),
        expected: fact(Fact::Expected),
        got: fact(Fact::Got),
    }
    .write();
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use bytes::Bytes;
    use futures_util::{FutureExt, poll, stream};
    use http::{Request, Response};
    use http_body::Frame;
    use http_body_util::{BodyExt, Full, StreamBody};
    use tower::{Layer, ServiceExt, service_fn};

    use super::*;
    use crate::call::RequestBody;
    use crate::gate::Toolgate;
    use crate::policy::ScopeMap;
    use crate::testing::AuthorizationServer;

    const RESOURCE: &str = "https://mcp.example.com/mcp";

    #[tokio::test]
    async fn an_open_stream_keeps_no_configuration_that_was_replaced() {
        let server = AuthorizationServer::start().await;
        let scopes = ScopeMap::allow_unlisted().list_callable();
        let gate = Toolgate::builder(RESOURCE)
            .issuer(server.issuer())
            .scopes(scopes)
            .build()
            .unwrap();
        let file = format!(
            "resource = {RESOURCE:?}\n[[issuers]]\nissuer = {:?}\n[scopes]\nunlisted = \"allow\"\nlisting = \"callable\"",
            server.issuer()
        );
        let inner = service_fn(|_: Request<RequestBody<Full<Bytes>>>| async {
            let silent = stream::pending::<Result<Frame<Bytes>, Infallible>>();
            let answer = Response::builder().header("content-type", "text/event-stream");
            Ok::<_, Infallible>(answer.body(StreamBody::new(silent)).unwrap())
        });
        let token = server.token().audience(RESOURCE).mint();
        let request = Request::get("/mcp").header("authorization", format!("Bearer {token}"));
        let answer = gate
            .layer()
            .layer(inner)
            .oneshot(request.body(Full::default()).unwrap())
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        let mut body = answer.into_body();
        for _ in 0..3 {
            let replaced = Arc::downgrade(&gate.0.main.pipeline.get());
            gate.reload(toml::from_str(&file).unwrap()).unwrap();
            let waiting = std::pin::pin!(body.frame());
            assert!(poll!(waiting).is_pending(), "the stream goes on");
            // The check under the new configuration may wait for keys.
            until(|| replaced.strong_count() == 0).await;
        }
    }

    #[test]
    fn without_a_runtime_a_stream_of_a_token_ends_and_one_without_a_token_goes_on() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let server = runtime.block_on(AuthorizationServer::start());
        let gate = Toolgate::builder(RESOURCE)
            .issuer(crate::config::Issuer::new(server.issuer()).jwks(server.jwks().to_string()))
            .scopes(ScopeMap::allow_unlisted().tool("open", crate::policy::without_token()))
            .build()
            .unwrap();
        let inner = service_fn(|_: Request<RequestBody<Full<Bytes>>>| async {
            let event = Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"data: 1\n\n")));
            let answer = Response::builder().header("content-type", "text/event-stream");
            let body = StreamBody::new(stream::iter([event]));
            Ok::<_, Infallible>(answer.body(body).unwrap())
        });
        let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"open"}}"#;
        for (has_token, is_passed_on) in [(true, false), (false, true)] {
            let mut request = Request::post("/mcp").header("content-type", "application/json");
            if has_token {
                let token = server.token().audience(RESOURCE).mint();
                request = request.header("authorization", format!("Bearer {token}"));
            }
            let request = request.body(Full::from(call)).unwrap();
            let answer = gate.layer().layer(inner).oneshot(request);
            let answer = answer
                .now_or_never()
                .expect("nothing is waited for")
                .unwrap();
            assert_eq!(answer.status(), 200);
            let mut body = answer.into_body();
            let first = body.frame().now_or_never().expect("nothing is waited for");
            assert_eq!(first.is_some(), is_passed_on, "{has_token}");
        }
    }

    async fn until(mut holds: impl FnMut() -> bool) {
        for _ in 0..10_000 {
            if holds() {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("waited in vain");
    }
}
