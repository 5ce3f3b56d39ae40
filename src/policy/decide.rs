//! The operator's own decision about a call: what no rule about names can say.

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

/// Decides about calls by more than their names: their arguments, the time of day, a database.
///
/// It is asked when the scope map has let a call pass, once for each call of a batch, and both must agree. It
/// has a time limit. While it does not answer in time, fails or panics, callers get 503.
///
/// It is asked about messages with a method, which come in a body: requests and notifications. `GET`, `DELETE`,
/// `HEAD` and `OPTIONS` have none, so that streams are opened and sessions are closed without it; so are responses sent.
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
///         let home = format!("/home/{}/", principal.subject().unwrap_or_default());
///         Ok(if path.starts_with(&home) { Verdict::Allow } else { Verdict::need(["files:anywhere"]) })
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
    /// May this caller make this call?
    ///
    /// # Errors
    /// Where it cannot tell: the caller gets 503, and the error is for the log.
    fn decide(
        &self,
        principal: &Principal,
        call: &CallInfo<'_>,
    ) -> impl Future<Output = Result<Verdict, DecisionFailed>> + Send;

    /// May this call, which rules open to anyone ([`without_token`](crate::without_token)), be made by somebody who
    /// came without a token? Unless you answer this one, no; and who may not is told to get a token.
    ///
    /// # Errors
    /// Where it cannot tell: the caller gets 503, and the error is for the log.
    fn decide_without_token(
        &self,
        call: &CallInfo<'_>,
    ) -> impl Future<Output = Result<Verdict, DecisionFailed>> + Send {
        let _ = call;
        std::future::ready(Ok(Verdict::Deny("without_token")))
    }
}

/// Why a decision could not be made.
pub type DecisionFailed = Box<dyn Error + Send + Sync>;

/// What a [`Decide`] answers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// As far as it is concerned.
    Allow,
    /// With all of these scopes, which the caller may have already. If not, the challenge names them, besides
    /// those that rules demand.
    ///
    /// A scope may follow from what the caller wrote, and stands in a header that clients read with crude patterns.
    /// So it has 1 to 128 bytes of `[A-Za-z0-9_.:/@~+-]`; with any other, the call is refused whatever was granted.
    Need(Vec<String>),
    /// Whatever scopes there are. The code is for the log.
    Deny(&'static str),
}

impl Verdict {
    /// These scopes are needed.
    pub fn need<S: Into<String>>(scopes: impl IntoIterator<Item = S>) -> Self {
        Self::Need(scopes.into_iter().map(Into::into).collect())
    }
}

/// A call as a [`Decide`] sees it: judged by its names already, and with its arguments.
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

    /// The tool that is called.
    pub fn tool(&self) -> Option<&str> {
        match &self.call.target {
            Target::Tool(name) => Some(name),
            _ => None,
        }
    }

    /// The prompt that is asked for, or completed.
    pub fn prompt(&self) -> Option<&str> {
        match &self.call.target {
            Target::Prompt(name) => Some(name),
            _ => None,
        }
    }

    /// The resources that are asked for, as the client wrote them: a server may read them in another form.
    pub fn resources(&self) -> impl Iterator<Item = &str> {
        let resources = match &self.call.target {
            Target::Resources(resources) => resources.as_slice(),
            _ => &[],
        };
        resources.iter().map(|resource| resource.written.as_ref())
    }

    /// The arguments, read as a type of yours; none count as an empty object. No member is there twice, at any
    /// depth and in any case of letters: a Go server takes `Path` for `path`, and reads the same one. Where the client
    /// sends `Path` alone, it does so too, and you find no `path`: deny what lacks an argument that you decide by.
    ///
    /// # Errors
    /// Where they do not fit the type.
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

/// The arguments of a call do not fit the type they were asked for as.
#[derive(Debug, thiserror::Error)]
#[error("the arguments do not have the shape asked for")]
pub struct ArgumentsError(#[source] serde_json::Error);

impl serde::de::Error for ArgumentsError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(serde::de::Error::custom(message))
    }
}

/// The operator's decision, and how long it may take.
#[derive(Clone)]
pub(crate) struct OwnDecision {
    pub(crate) decider: Arc<dyn Decider>,
    pub(crate) time: Duration,
}

impl OwnDecision {
    /// The scopes that it wants besides those of the rules, for all of the calls together.
    pub(crate) async fn ask(
        &self,
        principal: Option<&Principal>,
        calls: &Calls<'_>,
        arguments: &[Option<Value>],
    ) -> Result<Scopes, Refusal> {
        // Read by two readers: if they do not count alike, a call would go unasked.
        if calls.iter().len() != arguments.len() {
            return Err(Refusal::from(Reason::BodyUnparsable)
                .got("another number of messages than was judged"));
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
            // A retry does not help, so it is no 503: the scope may follow from what the caller wrote.
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

    /// What it says of one call. A panic is caught: it would break the connection, and every other request on it.
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
            // Nothing of it is used after a panic.
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

/// Why nobody knows whether the call may be made.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("it failed: {0}")]
    Error(DecisionFailed),
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

/// The same trait, for one that is not known by its type.
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
