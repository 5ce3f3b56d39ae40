//! Asks an operator's own verifier about a token, and keeps the last outcome.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::authority::{Authority, ToldClaims};
use super::verify_token::{TokenClaims, TokenVerdict, TokenVerifier, UnverifiedToken};
use crate::clock::{Clock, Timestamp};
use crate::issuer::{LastOutcome, NoOutcome};
use crate::jose::{Object, Unreadable};
use crate::refusal::{Reason, Refusal};

/// How long a verifier may take for one token.
const MAX_VERIFYING: Duration = Duration::from_secs(5);

/// An operator's own verifier, in use.
pub(crate) struct OwnVerification {
    verifier: Arc<dyn TokenVerifier>,
    clock: Clock,
    last: LastOutcome<VerifierFailure>,
}

impl OwnVerification {
    pub(super) fn new(verifier: Arc<dyn TokenVerifier>, clock: Clock) -> Self {
        Self {
            verifier,
            clock,
            last: LastOutcome::default(),
        }
    }

    /// Returns whether the verifier works as far as is known, and the last failure.
    pub(super) fn condition(&self) -> (bool, Option<Arc<dyn Error + Send + Sync>>) {
        let problem = self.last.problem(self.clock.now());
        let works = problem
            .as_ref()
            .is_none_or(|problem| !problem.is_an_outage());
        (works, problem.map(|problem| Arc::new(problem) as _))
    }

    /// Verifies a token. The inner error is the code with which the verifier refused it.
    async fn verify(
        &self,
        token: &str,
    ) -> Result<Result<ToldClaims, &'static str>, VerifierFailure> {
        let verifying = self.verifier.verify(UnverifiedToken::new(token));
        // The verifier is stopped here, and not only no longer waited for: one that hangs must leave its place to others.
        let verdict = timeout(MAX_VERIFYING, verifying)
            .await
            .map_err(|_| VerifierFailure::TooSlow)?
            .map_err(|why| VerifierFailure::Failed(why.into()))?;
        match verdict {
            TokenVerdict::Claims(claims) => read(claims).map(Ok),
            TokenVerdict::Refused(code) => Ok(Err(code)),
        }
    }
}

impl Authority for OwnVerification {
    async fn ask(
        &self,
        issuer: &str,
        token: &str,
        _: Timestamp,
    ) -> Result<Result<ToldClaims, Refusal>, Refusal> {
        let number = self.last.begin();
        let verdict = self.verify(token).await;
        self.last
            .end(number, verdict.as_ref().err().cloned(), self.clock.now());
        Ok(verdict?.map_err(|code| {
            Refusal::from(Reason::VerifierRefused).got(format!("{code}, by {issuer}"))
        }))
    }

    fn no_outcome(why: NoOutcome) -> Refusal {
        VerifierFailure::from(why).into()
    }

    fn no_runtime() -> Refusal {
        VerifierFailure::NoRuntime.into()
    }
}

fn read(claims: TokenClaims) -> Result<ToldClaims, VerifierFailure> {
    let text = claims.json.map_err(VerifierFailure::NotJson)?;
    Ok(ToldClaims {
        object: Object::read(text.as_bytes())?.into_owned(),
        text,
        remembered_for: claims.remembered_for,
    })
}

/// The reason why a verifier gave no usable verdict, for the operator.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum VerifierFailure {
    #[error("the verifier failed")]
    Failed(#[source] Arc<dyn Error + Send + Sync>),
    #[error("the verifier took longer than {} s", MAX_VERIFYING.as_secs())]
    TooSlow,
    #[error("the claims of the verifier are no JSON")]
    NotJson(#[source] Arc<serde_json::Error>),
    #[error("the claims of the verifier cannot be read")]
    Unreadable(#[source] Arc<Unreadable>),
    #[error("too many tokens are being verified, or it took too long")]
    Busy,
    #[error("the verifier ended without a verdict: it panicked, or its runtime was shut down")]
    Lost,
    #[error("there is no Tokio runtime here to verify on")]
    NoRuntime,
}

impl VerifierFailure {
    /// Whether it fails for every token. Claims that cannot be used may be those of the one token in the request.
    fn is_an_outage(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::TooSlow)
    }

    fn reason(&self) -> Reason {
        match self {
            Self::Failed(_) | Self::TooSlow | Self::Lost | Self::NoRuntime => {
                Reason::VerifierUnavailable
            }
            Self::NotJson(_) | Self::Unreadable(_) => Reason::VerifierUnusable,
            Self::Busy => Reason::VerifierBusy,
        }
    }
}

/// Makes a 503, and never a 401: the token may be valid.
impl From<VerifierFailure> for Refusal {
    fn from(why: VerifierFailure) -> Self {
        Refusal::from(why.reason()).because(why)
    }
}

impl From<NoOutcome> for VerifierFailure {
    fn from(why: NoOutcome) -> Self {
        match why {
            NoOutcome::Full => Self::Busy,
            NoOutcome::Lost => Self::Lost,
        }
    }
}

impl From<Unreadable> for VerifierFailure {
    fn from(why: Unreadable) -> Self {
        Self::Unreadable(Arc::new(why))
    }
}
