use std::fmt;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::token::{TokenVerdict, UnverifiedToken, VerificationFailed, VerifyToken};

/// A verifier for tests: it gives the answer that it was told last, and keeps the tokens that it was given. Clones are
/// the same verifier, so a test keeps one and hands the other to the gate.
///
/// ```
/// # use serde_json::json;
/// use toolgate::{OwnVerifier, testing::ScriptedVerifier};
///
/// let verifier = ScriptedVerifier::accepting(json!({ "sub": "alice", "aud": "https://mcp.example.com/mcp" }));
/// let own = OwnVerifier::new("urn:example:access-tokens", verifier.clone()).token_prefix("pat_");
/// // … build a gate with it, and send a token …
/// verifier.fail("the database is down");
/// assert_eq!(verifier.calls(), 0);
/// # let _ = own;
/// ```
#[derive(Clone)]
pub struct ScriptedVerifier(Arc<Mutex<Script>>);

struct Script {
    answer: ScriptedAnswer,
    tokens: Vec<String>,
}

#[derive(Clone)]
enum ScriptedAnswer {
    Verdict(TokenVerdict),
    Failure(&'static str),
    Panic,
    Never,
}

impl ScriptedVerifier {
    /// Accepts every token with these claims.
    pub fn accepting(claims: impl Serialize) -> Self {
        Self(Arc::new(Mutex::new(Script {
            answer: ScriptedAnswer::Verdict(TokenVerdict::claims(claims)),
            tokens: Vec::new(),
        })))
    }

    /// Gives this verdict from now on.
    pub fn answer(&self, verdict: TokenVerdict) {
        self.script().answer = ScriptedAnswer::Verdict(verdict);
    }

    /// Fails with this error from now on.
    pub fn fail(&self, why: &'static str) {
        self.script().answer = ScriptedAnswer::Failure(why);
    }

    /// Panics from now on.
    pub fn panic(&self) {
        self.script().answer = ScriptedAnswer::Panic;
    }

    /// Answers no more.
    pub fn hang(&self) {
        self.script().answer = ScriptedAnswer::Never;
    }

    /// How often it was called.
    pub fn calls(&self) -> usize {
        self.script().tokens.len()
    }

    /// The tokens that it was given, in the order of the calls.
    pub fn tokens(&self) -> Vec<String> {
        self.script().tokens.clone()
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl VerifyToken for ScriptedVerifier {
    async fn verify(&self, token: UnverifiedToken<'_>) -> Result<TokenVerdict, VerificationFailed> {
        let answer = {
            let mut script = self.script();
            script.tokens.push(token.expose().to_owned());
            script.answer.clone()
        };
        match answer {
            ScriptedAnswer::Verdict(verdict) => Ok(verdict),
            ScriptedAnswer::Failure(why) => Err(why.into()),
            ScriptedAnswer::Panic => panic!("the test told it to panic"),
            ScriptedAnswer::Never => pending().await,
        }
    }
}

/// Leaves the tokens out.
impl fmt::Debug for ScriptedVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedVerifier")
            .field("calls", &self.calls())
            .finish_non_exhaustive()
    }
}
