//! The places on the path where a request can end, in order.

use crate::refusal::Step;

/// A check of an explanation: one from the table of reasons, or one about HTTP that only a whole request has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Whether the gate itself serves the path.
    Metadata,
    Origin,
    At(Step),
    Session,
    /// Whether new streams may begin.
    Streams,
}

/// How the body of a request is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyUse {
    /// It is read for the calls in it.
    Call,
    /// There must be none.
    None,
    /// No rule depends on it.
    Unread,
}

impl Place {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Metadata => "metadata",
            Self::Origin => "origin",
            Self::At(step) => step.name(),
            Self::Session => "session",
            Self::Streams => "streams",
        }
    }

    /// All places, in the order in which such a request comes to them. Without a token, a call that is not open gets the
    /// 401 whatever its session is, and a request without a call whatever its body is.
    pub(super) fn in_order(is_anonymous: bool, body: BodyUse) -> Vec<Self> {
        let before_session = if is_anonymous {
            Step::Decision
        } else {
            Step::Body
        };
        let mut places = vec![Self::Metadata, Self::Origin];
        for step in Step::ALL {
            match step {
                Step::Rules if is_anonymous && body == BodyUse::None => {
                    places.insert(places.len() - 1, Self::At(step));
                }
                _ => places.push(Self::At(step)),
            }
            if step == before_session {
                places.push(Self::Session);
            }
        }
        places.push(Self::Streams);
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_has_its_place_and_those_that_depend_on_the_token_follow_it() {
        for is_anonymous in [false, true] {
            for body in [BodyUse::Call, BodyUse::None, BodyUse::Unread] {
                let places = Place::in_order(is_anonymous, body);
                let position = |wanted| places.iter().position(|place| *place == wanted).unwrap();
                let is_before = |one, other| position(one) < position(other);
                for step in Step::ALL {
                    assert!(is_before(Place::Origin, Place::At(step)), "{step:?}");
                }
                assert_eq!(places.len(), Step::ALL.len() + 4);
                let (body_at, rules) = (Place::At(Step::Body), Place::At(Step::Rules));
                assert_eq!(is_before(Place::Session, rules), !is_anonymous);
                assert_eq!(
                    is_before(rules, body_at),
                    is_anonymous && body == BodyUse::None
                );
                assert!(is_before(body_at, Place::Session));
            }
        }
    }
}
