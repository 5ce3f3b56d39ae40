//! The operator's own decision about a call, for what rules about names cannot express.

use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tokio::time::timeout;

use crate::call::{Call, Calls, MessageKind, Target};
use crate::refusal::{Reason, Refusal};
use crate::scope::{PLAIN_SCOPE, Scope, Scopes};
use crate::token::Principal;

/// Your own decision about calls. It can use more than names: the arguments, the time of day, or a database.
///
/// It is called after the scope map has allowed the whole request, once for each call in the body. A call is made only
/// if both allow it. If the decision fails, panics or does not answer within
/// [`Limits::decision_seconds`](crate::Limits::decision_seconds), the caller gets 503.
///
/// A call is a JSON-RPC request or notification. The decision is not called for responses from the client. It is also
/// not called for `GET`, `DELETE`, `HEAD` and `OPTIONS`, which have no body. So it does not decide whether a `GET` may
/// open a stream or a `DELETE` may close a session.
///
/// ```
/// use toolgate::{CallInfo, Decide, DecisionFailed, Principal, Verdict};
///
/// #[derive(serde::Deserialize)]
/// struct File {
///     path: String,
/// }
///
/// struct HomeOnly;
///
/// impl Decide for HomeOnly {
///     async fn decide(&self, principal: &Principal, call: &CallInfo<'_>) -> Result<Verdict, DecisionFailed> {
///         if call.tool() != Some("delete_file") {
///             return Ok(Verdict::Allow);
///         }
///         let Ok(File { path }) = call.arguments() else {
///             return Ok(Verdict::Deny("no_path"));
///         };
///         let Some(user) = principal.subject() else {
///             return Ok(Verdict::Deny("no_subject"));
///         };
///         let is_own = path.starts_with(&format!("/home/{user}/")) && !path.contains("..");
///         Ok(if is_own { Verdict::Allow } else { Verdict::need(["files:anywhere"]) })
///     }
/// }
/// # let gate = toolgate::Toolgate::builder("https://mcp.example.com/mcp")
/// #     .issuer("https://auth.example.com")
/// #     .scopes(toolgate::ScopeMap::allow_unlisted())
/// #     .decision(HomeOnly)
/// #     .build()
/// #     .unwrap();
/// ```
pub trait Decide: Send + Sync + 'static {
    /// Decides whether this caller may make this call.
    ///
    /// # Errors
    /// Return an error if it cannot be decided now. The caller gets 503, and the error is logged.
    fn decide(
        &self,
        principal: &Principal,
        call: &CallInfo<'_>,
    ) -> impl Future<Output = Result<Verdict, DecisionFailed>> + Send;

    /// Decides whether this call may be made without a token. It is called only for calls that a rule opens
    /// ([`without_token`](crate::without_token)).
    ///
    /// By default it denies the call. The caller then gets the usual 401 for a request without a token.
    ///
    /// # Errors
    /// Return an error if it cannot be decided now. The caller gets 503, and the error is logged.
    fn decide_without_token(
        &self,
        call: &CallInfo<'_>,
    ) -> impl Future<Output = Result<Verdict, DecisionFailed>> + Send {
        let _ = call;
        std::future::ready(Ok(Verdict::Deny("without_token")))
    }
}

/// The reason why a decision could not be made.
pub type DecisionFailed = Box<dyn Error + Send + Sync>;

/// The answer of a [`Decide`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Allows the call.
    Allow,
    /// Allows the call only with all of these scopes. If the caller lacks one, the challenge names them, besides those
    /// that rules require.
    ///
    /// A scope may contain text that the caller chose, and is sent in a header that clients search with simple regular
    /// expressions. So it has 1 to 128 bytes of `[A-Za-z0-9_.:/@~+-]`. With any other scope the call is refused,
    /// whatever was granted.
    Need(Vec<String>),
    /// Refuses the call, whatever was granted. The code is logged, and not sent to the caller.
    Deny(&'static str),
}

impl Verdict {
    /// Requires these scopes: [`Verdict::Need`].
    pub fn need<S: Into<String>>(scopes: impl IntoIterator<Item = S>) -> Self {
        Self::Need(scopes.into_iter().map(Into::into).collect())
    }
}

/// A call as a [`Decide`] sees it: its names, which the scope map has allowed already, and its arguments.
#[derive(Debug)]
pub struct CallInfo<'a> {
    call: &'a Call<'a>,
    arguments: Option<&'a Value>,
}

impl<'a> CallInfo<'a> {
    /// The JSON-RPC method, such as `tools/call`.
    pub fn method(&self) -> &str {
        &self.call.method
    }

    /// The name of the tool that is called; `None` if the call is not to a tool.
    pub fn tool(&self) -> Option<&str> {
        match &self.call.target {
            Target::Tool(name) => Some(name),
            _ => None,
        }
    }

    /// The name of the prompt that is requested or completed; `None` if there is none.
    pub fn prompt(&self) -> Option<&str> {
        match &self.call.target {
            Target::Prompt(name) => Some(name),
            _ => None,
        }
    }

    /// The URIs of the resources that are requested, as the client wrote them. A server may read them in another form.
    pub fn resources(&self) -> impl Iterator<Item = &str> {
        let resources = match &self.call.target {
            Target::Resources(resources) => resources.as_slice(),
            _ => &[],
        };
        resources.iter().map(|resource| resource.written.as_ref())
    }

    /// Deserializes the arguments. Missing arguments count as an empty object.
    ///
    /// No object in them, at any depth, has two members whose names differ only in case. A Go server reads `Path` as
    /// `path`: if both were there, it could use a different value than you do. If only `Path` is there, it uses that
    /// value, and you find no `path`. So deny a call that lacks an argument by which you decide.
    ///
    /// # Errors
    /// An error is returned if the arguments do not fit the type.
    pub fn arguments<T: Deserialize<'a>>(&self) -> Result<T, ArgumentsError> {
        match self.arguments {
            Some(arguments) => T::deserialize(arguments).map_err(ArgumentsError),
            None => T::deserialize(serde::de::value::MapDeserializer::new(std::iter::empty::<(
                &str,
                &str,
            )>())),
        }
    }
}

/// The arguments of a call do not fit the type that they were read as.
#[derive(Debug, thiserror::Error)]
#[error("the arguments do not have the shape asked for")]
pub struct ArgumentsError(#[source] serde_json::Error);

impl serde::de::Error for ArgumentsError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(serde::de::Error::custom(message))
    }
}

/// The operator's decision, and its time limit.
#[derive(Clone)]
pub(crate) struct OwnDecision {
    pub(crate) decider: Arc<dyn Decider>,
    pub(crate) time: Duration,
}

impl OwnDecision {
    /// Asks about all of the calls, and returns the scopes that the decision requires besides those of rules.
    pub(crate) async fn ask(
        &self,
        principal: Option<&Principal>,
        calls: &Calls<'_>,
        arguments: &[Option<Value>],
    ) -> Result<Scopes, Refusal> {
        // The body was read twice. If the two readings count differently, no call may pass undecided.
        if calls.iter().len() != arguments.len() {
            return Err(Refusal::from(Reason::BodyUnparsable)
                .got("another number of messages than the first reading"));
        }
        let all = async {
            let mut needed = Vec::new();
            for (call, arguments) in calls.iter().zip(arguments) {
                if call.kind == MessageKind::Response {
                    continue;
                }
                let asked = CallInfo {
                    call,
                    arguments: arguments.as_ref(),
                };
                match self.verdict(principal, &asked).await? {
                    Verdict::Allow => {}
                    Verdict::Need(scopes) => needed.extend(scopes),
                    Verdict::Deny(code) => {
                        return Err(Refusal::from(Reason::DecisionDenied).got(code));
                    }
                }
            }
            // A retry would not help, so this is not a 503: the scope may contain text that the caller wrote.
            let unfit = |scope| {
                Refusal::from(Reason::DecisionNoScope)
                    .expected(PLAIN_SCOPE)
                    .got(scope)
            };
            needed
                .into_iter()
                .map(|scope| Scope::parse_plain(&scope).map_err(|_| unfit(scope)))
                .collect()
        };
        timeout(self.time, all)
            .await
            .unwrap_or(Err(Failed::TooSlow.into()))
    }

    /// The verdict on one call. A panic is caught: it would break the connection, and with it every other request.
    async fn verdict(
        &self,
        principal: Option<&Principal>,
        asked: &CallInfo<'_>,
    ) -> Result<Verdict, Failed> {
        let mut deciding: Option<Deciding<'_>> = None;
        poll_fn(|context| {
            let poll = || {
                let deciding =
                    deciding.get_or_insert_with(|| self.decider.decide(principal, asked));
                deciding.as_mut().poll(context)
            };
            // The future is dropped after a panic, so no broken state of it is used.
            match catch_unwind(AssertUnwindSafe(poll)) {
                Ok(polled) => polled.map_err(Failed::Error),
                Err(_) => Poll::Ready(Err(Failed::Panicked)),
            }
        })
        .await
    }
}

impl fmt::Debug for OwnDecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnDecision")
            .field("time", &self.time)
            .finish_non_exhaustive()
    }
}

/// Why a decision could not be made.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("it failed")]
    Error(#[source] DecisionFailed),
    #[error("it took too long")]
    TooSlow,
    #[error("it panicked")]
    Panicked,
}

impl From<Failed> for Refusal {
    fn from(why: Failed) -> Self {
        Refusal::from(Reason::DecisionUnavailable).because(why)
    }
}

/// [`Decide`] as a trait object.
pub(crate) trait Decider: Send + Sync {
    fn decide<'a>(
        &'a self,
        principal: Option<&'a Principal>,
        call: &'a CallInfo<'a>,
    ) -> Deciding<'a>;
}

pub(crate) type Deciding<'a> =
    Pin<Box<dyn Future<Output = Result<Verdict, DecisionFailed>> + Send + 'a>>;

impl<D: Decide> Decider for D {
    fn decide<'a>(
        &'a self,
        principal: Option<&'a Principal>,
        call: &'a CallInfo<'a>,
    ) -> Deciding<'a> {
        match principal {
            Some(principal) => Box::pin(Decide::decide(self, principal, call)),
            None => Box::pin(self.decide_without_token(call)),
        }
    }
}
