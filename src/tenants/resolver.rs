//! The resolver: the operator's own code, which knows the tenants.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::config::Config;

/// The time for one resolution.
pub(super) const RESOLUTION_TIME: Duration = Duration::from_secs(5);

/// An error of the operator's own code.
pub(super) type ResolverError = Box<dyn Error + Send + Sync>;

type Resolving = Pin<Box<dyn Future<Output = Result<Option<Config>, ResolverError>> + Send>>;

/// Finds the configuration of a tenant by its name.
pub(super) struct Resolver(Box<dyn Fn(String) -> Resolving + Send + Sync>);

/// The reason why there is no answer of the resolver.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum NotResolved {
    #[error("the resolver of tenants failed")]
    Failed(#[source] SharedError),
    #[error("the resolver of tenants did not answer within {0:?}")]
    TimedOut(Duration),
    #[error("the resolver of tenants panicked, or its runtime was shut down")]
    Lost,
    #[error("there is no Tokio runtime to ask the resolver of tenants")]
    NoRuntime,
}

/// An error for all requests that wait for it.
#[derive(Debug, Clone)]
pub(super) struct SharedError(Arc<dyn Error + Send + Sync>);

impl Resolver {
    pub(super) fn new<F>(resolve: impl Fn(String) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Option<Config>, ResolverError>> + Send + 'static,
    {
        Self(Box::new(move |name| Box::pin(resolve(name))))
    }

    /// Asks for the configuration of a tenant, for a limited time.
    pub(super) async fn ask(&self, name: &str) -> Result<Option<Config>, NotResolved> {
        match timeout(RESOLUTION_TIME, (self.0)(name.to_owned())).await {
            Ok(Ok(config)) => Ok(config),
            Ok(Err(why)) => Err(NotResolved::Failed(SharedError(why.into()))),
            Err(_) => Err(NotResolved::TimedOut(RESOLUTION_TIME)),
        }
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}

impl fmt::Display for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for SharedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}
