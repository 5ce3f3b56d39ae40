//! The order of the checks of a request.

use crate::refusal::Step;

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

/// All checks, in the order in which they are made for such a request. Without a token, a call that is not open gets
/// 401 before its session is checked, and a request without a call gets 401 before its body is checked.
pub(super) fn in_order(is_anonymous: bool, body: BodyUse) -> Vec<Step> {
    let mut steps = Step::ALL.to_vec();
    if is_anonymous {
        move_behind(&mut steps, Step::Session, Step::Decision);
    }
    if is_anonymous && body == BodyUse::None {
        move_behind(&mut steps, Step::Body, Step::Rules);
    }
    steps
}

fn move_behind(steps: &mut Vec<Step>, moved: Step, other: Step) {
    steps.retain(|step| *step != moved);
    let behind = steps.iter().position(|step| *step == other);
    steps.insert(behind.map_or(steps.len(), |place| place + 1), moved);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_has_its_place_and_those_that_depend_on_the_token_follow_it() {
        for is_anonymous in [false, true] {
            for body in [BodyUse::Call, BodyUse::None, BodyUse::Unread] {
                let steps = in_order(is_anonymous, body);
                let position = |wanted| steps.iter().position(|step| *step == wanted).unwrap();
                let is_before = |one, other| position(one) < position(other);
                assert_eq!(steps.len(), Step::ALL.len());
                assert!(Step::ALL.iter().all(|step| steps.contains(step)));
                assert!(is_before(Step::Origin, Step::Credentials));
                assert_eq!(is_before(Step::Session, Step::Rules), !is_anonymous);
                assert_eq!(
                    is_before(Step::Rules, Step::Body),
                    is_anonymous && body == BodyUse::None
                );
                assert!(is_before(Step::Body, Step::Session));
                assert!(is_before(Step::Session, Step::Streams));
            }
        }
    }
}
