//! Events about the documents, keys and secrets of issuers, and about API keys.

use std::error::Error;
use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

use super::text::with_causes;

/// The outcome of fetching a document of an issuer.
pub(crate) struct DocumentFetch<'e> {
    pub(crate) issuer: &'e str,
    /// The name of the document in the log.
    pub(crate) what: &'static str,
}

impl DocumentFetch<'_> {
    pub(crate) fn succeeded(&self, lifetime: Option<Duration>) {
        let Self { issuer, what } = self;
        tracing::debug!(target: "toolgate", issuer, ?lifetime, "{what} fetched");
    }

    pub(crate) fn failed(&self, reason: &'static str, why: &(dyn Error + 'static)) {
        let Self { issuer, what } = self;
        let source = why.source().map(with_causes);
        tracing::error!(target: "toolgate", issuer, reason, error = %why, source, "{what} not fetched");
    }
}

/// Logs that a key of a key set cannot be used, and is left out.
pub(crate) fn key_skipped(position: usize, why: &str) {
    tracing::info!(target: "toolgate", position, why, "key skipped");
}

/// Logs that a file with API keys has changed, and that its keys are in force.
pub(crate) fn api_keys_replaced(path: &Path, keys: usize) {
    let path = path.display();
    tracing::info!(target: "toolgate", %path, keys, "API keys are replaced");
}

/// Logs that a file with API keys was replaced by one that cannot be used.
pub(crate) fn api_keys_not_replaced(path: &Path, why: &dyn Display) {
    let path = path.display();
    tracing::warn!(target: "toolgate", %path, error = %why, "API keys are not replaced: the last good ones stay");
}

/// Logs that a file with a secret was replaced by one that cannot be used.
pub(crate) fn secret_not_replaced(path: &Path, why: &dyn Display) {
    let path = path.display();
    tracing::warn!(target: "toolgate", %path, error = %why, "a secret is not replaced: the last good one stays");
}
