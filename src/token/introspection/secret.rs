//! Secrets that an operator gave as text or in a file, and that show themselves nowhere.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::spawn_blocking;

/// A secret, or what was made of one: read once, or followed where it is in a file.
pub(crate) enum Secret<T> {
    Given(Arc<T>),
    InFile(Arc<FileSecret<T>>),
}

/// A file with a secret in it, which may be replaced at any time.
pub(crate) struct FileSecret<T> {
    path: PathBuf,
    read: Box<Reader<T>>,
    last: Mutex<LastGood<T>>,
}

/// What makes a secret of a file's text.
type Reader<T> = dyn Fn(&str) -> Result<T, &'static str> + Send + Sync;

struct LastGood<T> {
    text: String,
    secret: Arc<T>,
    /// So that a file that stays bad is warned of once.
    is_current: bool,
}

/// Why a file gives no secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoSecret {
    #[error("it cannot be read ({0})")]
    Unreadable(#[from] std::io::Error),
    #[error("{0}")]
    Unfit(&'static str),
}

impl<T: Send + Sync + 'static> Secret<T> {
    /// The secret as it is now.
    pub(super) async fn current(&self) -> Arc<T> {
        match self {
            Self::Given(secret) => secret.clone(),
            Self::InFile(file) => {
                let path = file.path.clone();
                // Files block, if only for microseconds.
                let text = spawn_blocking(move || std::fs::read_to_string(path)).await;
                file.follow(text.unwrap_or_else(|cancelled| Err(std::io::Error::other(cancelled))))
            }
        }
    }
}

impl<T> FileSecret<T> {
    pub(crate) fn open(
        path: &Path,
        read: impl Fn(&str) -> Result<T, &'static str> + Send + Sync + 'static,
    ) -> Result<Self, NoSecret> {
        let text = std::fs::read_to_string(path)?;
        let secret = read(&text).map_err(NoSecret::Unfit)?.into();
        let last = Mutex::new(LastGood { text, secret, is_current: true });
        Ok(Self { path: path.to_owned(), read: Box::new(read), last })
    }

    /// Takes over what the file has now. While it cannot be used the last good secret stays: whoever replaces
    /// a file may leave it empty for a moment.
    fn follow(&self, text: std::io::Result<String>) -> Arc<T> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match text {
            Ok(text) if text == last.text => last.is_current = true,
            Ok(text) => match (self.read)(&text) {
                Ok(secret) => *last = LastGood { text, secret: secret.into(), is_current: true },
                Err(why) => self.warn(&mut last, &why),
            },
            Err(why) => self.warn(&mut last, &why),
        }
        last.secret.clone()
    }

    fn warn(&self, last: &mut LastGood<T>, why: &dyn fmt::Display) {
        if std::mem::take(&mut last.is_current) {
            let path = self.path.display();
            tracing::warn!(target: "toolgate", %path, error = %why, "a secret is not replaced: the last good one stays");
        }
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
