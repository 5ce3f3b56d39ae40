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

/// To whom sessions belong, and when streams of events end. For [`Builder::sessions`](crate::Builder::sessions).
///
/// The id of an MCP session is no login, but most servers act on it alone. So the gate seals it for the caller it is
/// given to, and takes it from nobody else: ids in `Mcp-Session-Id` are 44 bytes longer outside of the gate than they
/// are for the service inside. Nothing is remembered.
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

/// The answer to a call may come this long after its token was good.
const GRACE_SECONDS: u64 = 5 * 60;

impl Sessions {
    /// Binds session ids to their owner: (issuer, subject) for a user, (issuer, client) for a machine, whichever
    /// token they come with. Of a token that names neither, it is that token. This is the default.
    pub fn bound() -> Self {
        Self::default()
    }

    /// Passes session ids on as they are, and takes them from everybody: whoever learns one can use it with a good
    /// token of their own, unless the service inside sees to it.
    pub fn unbound() -> Self {
        Self(SessionsTable {
            binding: SessionBinding::Off,
            ..SessionsTable::default()
        })
    }

    /// Seals with this key: at least 32 random bytes, which everybody who can read it can seal with. Without one the
    /// gate makes one of its own that goes with it, so that sessions end with the process, and no other process
    /// knows them.
    ///
    /// Said several times, the first key seals and all of them open: to replace a key, put the new one second
    /// everywhere, then first, and leave the old one out when its sessions are over. They are read by `build()`, and by
    /// [`Toolgate::reload`](crate::Toolgate::reload).
    pub fn key(mut self, key: impl Into<Secret>) -> Self {
        self.0.keys.push(key.into());
        self
    }

    /// Lets streams of events be taken up again by `Last-Event-ID` alone, without a session. The gate cannot tell
    /// whose events these are: the service inside must.
    pub fn resume_without_session(mut self) -> Self {
        self.0.resumption = Resumption::WithoutSession;
        self
    }

    /// Says when streams of events end whose token is not good any more.
    pub fn streams(mut self, streams: Streams) -> Self {
        self.0.streams = streams;
        self
    }

    /// With [`Streams::FinishCalls`], the answer to a call may go on for this long after its token was good. Default 300.
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
