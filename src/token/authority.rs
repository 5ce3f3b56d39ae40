//! The authority that knows whether a token is good, where no signature tells: its issuer, or a verifier of the operator's
//! own.

use std::future::Future;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::issuer::{IntrospectionFailure, Introspector, NoOutcome};
use crate::jose::Object;
use crate::refusal::{Reason, Refusal};

/// The authority on the tokens of one issuer.
pub(crate) trait Authority: Send + Sync + 'static {
    /// Asks about a token of this issuer. The inner error rejects the token; the outer one tells nothing about it.
    fn ask(
        &self,
        issuer: &str,
        token: &str,
        now: Timestamp,
    ) -> impl Future<Output = Result<Result<ToldClaims, Refusal>, Refusal>> + Send;

    /// The refusal of a request that got no answer about its token.
    fn no_outcome(why: NoOutcome) -> Refusal;

    /// The refusal of a request outside of a Tokio runtime.
    fn no_runtime() -> Refusal;
}

/// The claims of a token that its authority calls good.
pub(crate) struct ToldClaims {
    /// The claims, of which `text` is the source.
    pub(super) object: Object<'static>,
    pub(super) text: String,
    /// How long the answer counts, if the authority limits that.
    pub(super) remembered_for: Option<Duration>,
}

impl Authority for Introspector {
    async fn ask(
        &self,
        issuer: &str,
        token: &str,
        now: Timestamp,
    ) -> Result<Result<ToldClaims, Refusal>, Refusal> {
        let response = self.introspect(token, now).await?;
        if !response.is_active {
            let got = format!("not active, by {issuer}");
            return Ok(Err(Refusal::from(Reason::Inactive).got(got)));
        }
        Ok(Ok(ToldClaims {
            object: response.claims,
            text: response.text,
            remembered_for: None,
        }))
    }

    fn no_outcome(why: NoOutcome) -> Refusal {
        IntrospectionFailure::from(why).into()
    }

    fn no_runtime() -> Refusal {
        IntrospectionFailure::NoRuntime.into()
    }
}
