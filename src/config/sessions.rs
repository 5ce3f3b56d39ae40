//! The `[sessions]` table.

use std::time::Duration;

use serde::de::{Deserialize, Deserializer};

use super::hushed::{Hushed, hushed, hushed_table};
use super::limits::MAX_SECONDS;
use super::secret::{Secret, secret_of, without_newline};
use crate::config_error::{ConfigProblem, Flawed, Problems, all};
use crate::pipeline::{Resumption, SessionBinding, SessionsSpec};
use crate::seal::SealingKey;
use crate::stream::{StreamPolicy, Streams};

/// Settings for binding sessions to their owners, and for the end of streams of events. Pass them to
/// [`Builder::sessions`](crate::Builder::sessions). See [`docs::sessions`](crate::docs::sessions).
///
/// The id of an MCP session is not a login, but most servers check nothing else. So the gate seals the id for the
/// caller that it is issued to, and accepts it from no other caller. Ids in `Mcp-Session-Id` are 44 bytes longer for
/// clients than for your server. The gate stores nothing for this.
///
/// ```
/// use toolgate::{Secret, Sessions};
///
/// // Several processes that serve one resource need one key.
/// let sessions = Sessions::bound().key(Secret::file("/run/secrets/sessions"));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Sessions(SessionsTable);

#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct SessionsTable {
    #[serde(default, deserialize_with = "hushed")]
    binding: SessionBinding,
    #[serde(default, deserialize_with = "hushed")]
    keys: Vec<Secret>,
    #[serde(default, deserialize_with = "hushed")]
    resumption: Resumption,
    #[serde(default, deserialize_with = "hushed")]
    streams: Streams,
    #[serde(default, deserialize_with = "hushed")]
    grace_seconds: Option<u64>,
}

/// The default of [`Sessions::grace_seconds`].
const GRACE_SECONDS: u64 = 5 * 60;

impl Sessions {
    pub(super) fn keys(&self) -> &[Secret] {
        &self.0.keys
    }

    /// Binds session ids to their owner: issuer and subject for a user, issuer and client for a machine. So the session
    /// continues with any token of its owner. If a token names neither a user nor a client, the owner is this one
    /// token. This is the default.
    pub fn bound() -> Self {
        Self::default()
    }

    /// Passes session ids on unchanged, and accepts them from any caller: the inner service must then check whether the
    /// caller owns the session. An event at start-up warns about it.
    pub fn unbound() -> Self {
        Self(SessionsTable {
            binding: SessionBinding::Off,
            ..SessionsTable::default()
        })
    }

    /// Seals session ids with this key: at least 32 random bytes. Keep it secret: it can be used to seal any id for any
    /// owner. Without a key the gate makes a random one, so that sessions end with the process and other processes do
    /// not accept them.
    ///
    /// May be called repeatedly: the first key makes new seals, and seals of all the keys are accepted. To replace a
    /// key, add the new key as the second one in all processes, then make it the first one, and remove the old key when
    /// its sessions are over. Keys are read by `build()` and by [`Toolgate::reload`](crate::Toolgate::reload).
    pub fn key(mut self, key: impl Into<Secret>) -> Self {
        self.0.keys.push(key.into());
        self
    }

    /// Allows a stream of events to be resumed by `Last-Event-ID` alone, outside of a session. The gate cannot tell
    /// whose events these are: the inner service must check it.
    pub fn resume_without_session(mut self) -> Self {
        self.0.resumption = Resumption::WithoutSession;
        self
    }

    /// Sets what happens to a stream of events when its token is no longer valid.
    pub fn streams(mut self, streams: Streams) -> Self {
        self.0.streams = streams;
        self
    }

    /// Sets how long the response to a call may continue after its token ceased to be valid, with
    /// [`Streams::FinishCalls`]. Default 300.
    pub fn grace_seconds(mut self, seconds: u64) -> Self {
        self.0.grace_seconds = Some(seconds);
        self
    }

    pub(super) fn stream_policy(&self) -> Result<StreamPolicy, ConfigProblem> {
        let seconds = self.0.grace_seconds.unwrap_or(GRACE_SECONDS);
        if seconds > MAX_SECONDS {
            let fix = format!("write at most {MAX_SECONDS}, a year");
            let problem = ConfigProblem::not_allowed("sessions.grace_seconds", fix);
            return Err(problem.showing(seconds.to_string()));
        }
        Ok(StreamPolicy {
            streams: self.0.streams,
            grace: Duration::from_secs(seconds),
        })
    }

    pub(super) fn spec(&self, problems: &mut Problems) -> Result<SessionsSpec, Flawed> {
        let keys = all(self.0.keys.iter().enumerate().map(|(position, key)| {
            let field = format!("sessions.keys[{position}]");
            let key = secret_of(&field, key, |text| SealingKey::read(without_newline(text)));
            Ok(problems.keep(key)?.last_read())
        }));
        Ok(SessionsSpec {
            binding: self.0.binding,
            resumption: self.0.resumption,
            keys: keys?,
        })
    }
}

impl<'de> Deserialize<'de> for Sessions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        hushed_table(deserializer).map(Self)
    }
}

impl Hushed for SessionBinding {
    const EXPECTED: &str = "`owner` or `off`";
}

impl Hushed for Resumption {
    const EXPECTED: &str = "`in_session` or `without_session`";
}

impl Hushed for Streams {
    const EXPECTED: &str = "`end_with_token`, `finish_calls` or `outlive_token`";
}
