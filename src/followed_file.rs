//! A file that may be replaced while the process runs. The last good content stays while a new one cannot be used.

use std::fmt::Display;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::current::Current;

/// The time limit for reading the file. A disk that takes longer is not worth waiting for.
const READ_TIME: Duration = Duration::from_secs(1);

/// A value that is made from the text of a file.
pub(crate) struct FollowedFile<T> {
    kind: FileKind,
    path: PathBuf,
    /// Whether a thread is reading the file. If that never ends, at least no other thread begins.
    is_being_read: Arc<AtomicBool>,
    make: Arc<Maker<T>>,
    last: Arc<Mutex<LastText>>,
    current: Current<T>,
}

/// How long the text of a file may be, and the event of a text that cannot be used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileKind {
    pub(crate) max_bytes: u64,
    pub(crate) not_replaced: fn(&Path, &dyn Display),
}

/// Makes a value from the text of a file.
type Maker<T> = dyn Fn(&str) -> Result<T, String> + Send + Sync;

struct LastText {
    /// The text of the value in use.
    text: String,
    /// Whether the file has this text. It keeps a bad file from being logged more than once.
    is_current: bool,
}

/// The text that was found in the file.
enum Found<T> {
    Same,
    New(String, Result<T, String>),
}

/// The reason why a file gives no value.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoValue {
    #[error("it cannot be read ({0})")]
    Unreadable(#[from] std::io::Error),
    #[error("{0}")]
    Unfit(String),
}

impl<T: Send + Sync + 'static> FollowedFile<T> {
    pub(crate) fn open(
        path: &Path,
        kind: FileKind,
        make: impl Fn(&str) -> Result<T, String> + Send + Sync + 'static,
    ) -> Result<Self, NoValue> {
        let text = read(path, kind.max_bytes)?;
        let value = make(&text).map_err(NoValue::Unfit)?;
        Ok(Self {
            kind,
            path: path.to_owned(),
            is_being_read: Arc::default(),
            make: Arc::new(make),
            last: Arc::new(Mutex::new(LastText {
                text,
                is_current: true,
            })),
            current: Current::new(Arc::new(value)),
        })
    }

    /// Reads the file, unless another thread is reading it already. Returns whether there is a new value.
    pub(crate) async fn read_again(&self) -> bool {
        if self.is_being_read.swap(true, Ordering::AcqRel) {
            return false;
        }
        let (path, max_bytes) = (self.path.clone(), self.kind.max_bytes);
        let (make, last) = (self.make.clone(), self.last.clone());
        let reading = ReadInProgress(self.is_being_read.clone());
        let find = move || {
            let _until_it_ends = reading;
            let text = read(&path, max_bytes)?;
            if text == lock(&last).text {
                return Ok(Found::Same);
            }
            let made = make(&text);
            Ok(Found::New(text, made))
        };
        // Reading a file blocks, if only for microseconds. Without a runtime there is nothing to hold up.
        let found = match Handle::try_current() {
            Err(_) => find(),
            Ok(_) => match timeout(READ_TIME, spawn_blocking(find)).await {
                Ok(found) => found.unwrap_or_else(|why| Err(std::io::Error::other(why))),
                Err(_) => Err(std::io::ErrorKind::TimedOut.into()),
            },
        };
        self.follow(found)
    }

    /// The value as it was made last, without I/O.
    pub(crate) fn value(&self) -> &Current<T> {
        &self.current
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes over what was found in the file. If it cannot be used, the last good value stays: a program that replaces a
    /// file may leave it empty for a moment.
    fn follow(&self, found: std::io::Result<Found<T>>) -> bool {
        let mut last = lock(&self.last);
        let why = match found {
            Ok(Found::Same) => {
                last.is_current = true;
                return false;
            }
            Ok(Found::New(text, Ok(value))) => {
                let is_current = true;
                *last = LastText { text, is_current };
                self.current.replace(Arc::new(value));
                return true;
            }
            Ok(Found::New(_, Err(why))) => why,
            Err(why) => why.to_string(),
        };
        if std::mem::take(&mut last.is_current) {
            (self.kind.not_replaced)(&self.path, &why);
        }
        false
    }
}

/// Marks that the file is being read, until it is dropped.
struct ReadInProgress(Arc<AtomicBool>);

impl Drop for ReadInProgress {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read(path: &Path, max_bytes: u64) -> std::io::Result<String> {
    let mut text = String::new();
    let length = File::open(path)?
        .take(max_bytes + 1)
        .read_to_string(&mut text)?;
    if length as u64 > max_bytes {
        let why = format!("it is longer than {max_bytes} bytes");
        return Err(std::io::Error::other(why));
    }
    Ok(text)
}
