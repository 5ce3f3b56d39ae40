//! Secrets from a configuration, as text or in a file. They are never shown.

use std::fmt;
use std::sync::Arc;

use crate::events;
use crate::followed_file::{FileKind, FollowedFile};

/// A secret, or a value made from one. One in a file is read again for each use.
pub(crate) enum SecretSource<T> {
    Given(Arc<T>),
    InFile(Arc<FollowedFile<T>>),
}

/// The longest file that may contain a secret.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// A file that contains a secret.
pub(crate) const SECRET_FILE: FileKind = FileKind {
    max_bytes: MAX_SECRET_BYTES,
    not_replaced: events::secret_not_replaced,
};

impl<T: Send + Sync + 'static> SecretSource<T> {
    /// Returns the current secret. The last good one stays in use while a file cannot be used.
    pub(super) async fn current(&self) -> Arc<T> {
        if let Self::InFile(file) = self {
            file.read_again().await;
        }
        self.last_read()
    }

    /// Returns the secret as it was read last, without I/O.
    pub(crate) fn last_read(&self) -> Arc<T> {
        match self {
            Self::Given(secret) => secret.clone(),
            Self::InFile(file) => file.value().get(),
        }
    }
}

impl<T> fmt::Debug for SecretSource<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretSource(…)")
    }
}
