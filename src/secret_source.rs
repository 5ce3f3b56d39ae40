//! Secrets from a configuration, as text or in a file. They are never shown.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::events;

/// A secret, or a value made from one. One in a file is read again for each use.
pub(crate) enum SecretSource<T> {
    Given(Arc<T>),
    InFile(Arc<FileSecret<T>>),
}

/// The longest file that may contain a secret.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// The time limit for reading the file. A disk that takes longer is not worth waiting for.
const READ_TIME: Duration = Duration::from_secs(1);

/// A file that contains a secret, and may be replaced at any time.
pub(crate) struct FileSecret<T> {
    path: PathBuf,
    /// Whether a thread is reading the file. If that never ends, at least no other thread begins.
    is_being_read: Arc<AtomicBool>,
    make: Box<Maker<T>>,
    last: Mutex<LastGood<T>>,
}

/// Makes a secret from the text of a file.
type Maker<T> = dyn Fn(&str) -> Result<T, &'static str> + Send + Sync;

struct LastGood<T> {
    text: String,
    secret: Arc<T>,
    /// Whether the file has this text. It keeps a bad file from being logged more than once.
    is_current: bool,
}

/// The reason why a file gives no secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoSecret {
    #[error("it cannot be read ({0})")]
    Unreadable(#[from] std::io::Error),
    #[error("{0}")]
    Unfit(&'static str),
}

impl<T: Send + Sync + 'static> SecretSource<T> {
    /// Returns the current secret. The last good one stays in use while a file cannot be used.
    pub(super) async fn current(&self) -> Arc<T> {
        if let Self::InFile(file) = self
            && let Some(text) = file.text().await
        {
            file.follow(text);
        }
        self.last_read()
    }

    /// Returns the secret as it was read last, without I/O.
    pub(crate) fn last_read(&self) -> Arc<T> {
        match self {
            Self::Given(secret) => secret.clone(),
            Self::InFile(file) => file.last_good(),
        }
    }
}

impl<T> FileSecret<T> {
    pub(crate) fn open(
        path: &Path,
        make: impl Fn(&str) -> Result<T, &'static str> + Send + Sync + 'static,
    ) -> Result<Self, NoSecret> {
        let text = read(path)?;
        let secret = make(&text).map_err(NoSecret::Unfit)?.into();
        let last = Mutex::new(LastGood {
            text,
            secret,
            is_current: true,
        });
        Ok(Self {
            path: path.to_owned(),
            is_being_read: Arc::default(),
            make: Box::new(make),
            last,
        })
    }

    /// Reads the file. `None` if another thread is reading it already.
    async fn text(&self) -> Option<std::io::Result<String>> {
        if self.is_being_read.swap(true, Ordering::AcqRel) {
            return None;
        }
        let (path, reading) = (
            self.path.clone(),
            ReadInProgress(self.is_being_read.clone()),
        );
        // Reading a file blocks, if only for microseconds.
        let text = spawn_blocking(move || {
            let _until_it_ends = reading;
            read(&path)
        });
        let late = |_| std::io::Error::from(std::io::ErrorKind::TimedOut);
        Some(
            timeout(READ_TIME, text)
                .await
                .map_err(late)
                .and_then(|text| text.map_err(std::io::Error::other)?),
        )
    }

    /// Takes over the text of the file. If it cannot be used, the last good secret stays: a program that replaces a file may
    /// leave it empty for a moment.
    fn follow(&self, text: std::io::Result<String>) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match text {
            Ok(text) if text == last.text => last.is_current = true,
            Ok(text) => match (self.make)(&text) {
                Ok(secret) => {
                    *last = LastGood {
                        text,
                        secret: secret.into(),
                        is_current: true,
                    }
                }
                Err(why) => self.warn(&mut last, &why),
            },
            Err(why) => self.warn(&mut last, &why),
        }
    }

    fn last_good(&self) -> Arc<T> {
        self.last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .secret
            .clone()
    }

    fn warn(&self, last: &mut LastGood<T>, why: &dyn fmt::Display) {
        if std::mem::take(&mut last.is_current) {
            events::secret_not_replaced(&self.path, why);
        }
    }
}

/// Marks that the file is being read, until it is dropped.
struct ReadInProgress(Arc<AtomicBool>);

impl Drop for ReadInProgress {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let length = File::open(path)?
        .take(MAX_SECRET_BYTES + 1)
        .read_to_string(&mut text)?;
    if length as u64 > MAX_SECRET_BYTES {
        return Err(std::io::Error::other("it is longer than any secret"));
    }
    Ok(text)
}

impl<T> fmt::Debug for SecretSource<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretSource(…)")
    }
}
