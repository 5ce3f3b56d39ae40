//! Rationing: it limits how often a refusal that anyone can cause at will is logged at its own level.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;

/// The time between two events with the same reason at their own level. Events in between are lowered to DEBUG, so that
/// strangers cannot fill the log.
const REPEAT_INTERVAL: Duration = Duration::from_secs(10);

/// For each reason: when it was last logged at its own level, and how many events were lowered since.
#[derive(Debug, Default)]
pub(super) struct Rations(Mutex<HashMap<&'static str, Ration>>);

#[derive(Debug)]
struct Ration {
    since: Timestamp,
    suppressed: u64,
}

impl Rations {
    /// Asks to log an event at its own level. Returns how many were lowered since the last such event, or `None` if this one
    /// is lowered too.
    pub(super) fn take_turn(&self, code: &'static str, now: Timestamp) -> Option<u64> {
        let mut rations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match rations.get_mut(code) {
            // After the clock was set back, the next event is logged at once.
            Some(ration) if ration.since <= now && now.since(ration.since) < REPEAT_INTERVAL => {
                ration.suppressed += 1;
                None
            }
            _ => {
                let fresh = Ration {
                    since: now,
                    suppressed: 0,
                };
                let before = rations.insert(code, fresh);
                Some(before.map_or(0, |ration| ration.suppressed))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_event_in_ten_seconds_is_logged_and_says_how_many_were_not() {
        let rations = Rations::default();
        let at = |seconds| Timestamp::from_seconds(seconds).unwrap();
        assert_eq!(rations.take_turn("a", at(100.0)), Some(0));
        assert_eq!(rations.take_turn("a", at(100.0)), None);
        assert_eq!(rations.take_turn("b", at(100.0)), Some(0));
        assert_eq!(rations.take_turn("a", at(109.9)), None);
        assert_eq!(rations.take_turn("a", at(110.0)), Some(2));
        assert_eq!(rations.take_turn("a", at(111.0)), None);
        assert_eq!(rations.take_turn("a", at(1.0)), Some(1), "set back");
    }
}
