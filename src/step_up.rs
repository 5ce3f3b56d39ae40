//! Noun: the way by which a handler asks for more scopes.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::scope::{Scope, Scopes};

/// Asks for more scopes while a call is handled. The gate puts it into the extensions of the request if
/// [`Builder::step_up_in_handlers`](crate::Builder::step_up_in_handlers) is set.
///
/// It is for what only the handler can find out, such as which project a document belongs to. Requirements that follow from
/// names belong into the [`ScopeMap`](crate::ScopeMap), and those that follow from arguments into a
/// [`Decide`](crate::Decide).
///
/// ```
/// use toolgate::{StepUp, StepUpError};
///
/// fn require_write(step_up: &StepUp) -> Result<(), StepUpError> {
///     // Whatever the handler returns then is dropped: the client gets the challenge.
///     step_up.need(["files:write"])
/// }
/// ```
#[derive(Clone)]
pub struct StepUp(Arc<Inside>);

struct Inside {
    state: Mutex<State>,
    asked: Notify,
}

enum State {
    Open,
    Asked(Vec<Scope>),
    Closed,
}

/// The reason why a handler cannot ask for more scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StepUpError {
    /// The head of the response was sent already, or the request is over. Return an error as the handler returns others.
    #[error("the head of the response was sent already")]
    TooLate,
    /// One of the scopes is not 1 to 128 bytes of `[A-Za-z0-9_.:/@~+-]`. It may contain text that the caller chose, and a
    /// challenge repeats no other.
    #[error("one of the scopes cannot be put into a challenge")]
    NotAScope,
}

impl StepUp {
    /// Asks for all of these scopes, besides those that the rules require. The client gets the challenge that it would
    /// have got if a rule had required them. The response of the handler is dropped, so call this before the first effect.
    ///
    /// If the token has all of them already, that is a bug in the handler, and the client gets 500: a challenge would send
    /// it round in circles. Further calls add scopes.
    ///
    /// # Errors
    /// [`StepUpError::TooLate`] if the head of the response was sent already.
    pub fn need<S: AsRef<str>>(
        &self,
        scopes: impl IntoIterator<Item = S>,
    ) -> Result<(), StepUpError> {
        let scopes = scopes
            .into_iter()
            .map(|scope| Scope::parse_plain(scope.as_ref()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| StepUpError::NotAScope)?;
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *state {
            State::Closed => return Err(StepUpError::TooLate),
            State::Open => *state = State::Asked(scopes),
            State::Asked(earlier) => earlier.extend(scopes),
        }
        self.0.asked.notify_one();
        Ok(())
    }

    pub(crate) fn new() -> Self {
        Self(Arc::new(Inside {
            state: Mutex::new(State::Open),
            asked: Notify::new(),
        }))
    }

    /// Completes once the handler has asked. For one waiter.
    pub(crate) async fn asked(&self) {
        self.0.asked.notified().await;
    }

    /// Takes what the handler asked for. From now on it is too late to ask.
    pub(crate) fn close(&self) -> Option<Scopes> {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *state, State::Closed) {
            State::Asked(scopes) => Some(scopes.into_iter().collect()),
            State::Open | State::Closed => None,
        }
    }
}

impl fmt::Debug for StepUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepUp").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_questions_add_scopes_and_none_counts_after_the_end() {
        let step_up = StepUp::new();
        assert_eq!(step_up.need(["a\"b"]), Err(StepUpError::NotAScope));
        assert_eq!(step_up.need(["a", "b"]), Ok(()));
        assert_eq!(step_up.need(["c"]), Ok(()));
        assert_eq!(step_up.close(), Some(Scopes::from_claim("a b c")));
        assert_eq!(step_up.need(["d"]), Err(StepUpError::TooLate));
        assert_eq!(step_up.close(), None);
    }
}
