//! Compares the login behind a token with what rules require of it. It is pure: the time is a part of the grant.

use std::time::Duration;

use crate::grant::{Grant, LoginShortfall};
use crate::login::RequiredLogin;
use crate::refusal::{Reason, Refusal};

impl RequiredLogin {
    pub(super) fn is_met_by(&self, grant: Grant<'_>) -> bool {
        self.is_strong_enough(grant) && self.is_fresh_enough(grant)
    }

    fn is_strong_enough(&self, grant: Grant<'_>) -> bool {
        let held = grant.login.and_then(|login| login.acr.as_ref());
        let used = grant.login.map(|login| login.amr.as_slice());
        let accepts = |values: &Vec<String>| held.is_some_and(|acr| values.contains(acr));
        let uses = |method| used.is_some_and(|used| used.contains(method));
        self.acr.as_ref().is_none_or(accepts) && self.amr.iter().all(uses)
    }

    /// The leeway only covers an issuer whose clock is ahead. It never adds to the age: a rule of 300 s means 300 s.
    fn is_fresh_enough(&self, grant: Grant<'_>) -> bool {
        let Some(max_age) = self.max_age else {
            return true;
        };
        grant.login.is_some_and(|login| {
            login.auth_time.is_some_and(|time| {
                time <= grant.now.plus(login.leeway) && grant.now <= time.plus(max_age)
            })
        })
    }

    /// Adds the requirements of another rule. A login meets the sum if it meets both.
    pub(super) fn add(&mut self, other: &Self) {
        self.acr = match (self.acr.take(), &other.acr) {
            (Some(mut held), Some(other)) => {
                held.retain(|value| other.contains(value));
                Some(held)
            }
            (held, other) => held.or_else(|| other.clone()),
        };
        self.max_age = match (self.max_age, other.max_age) {
            (Some(held), Some(other)) => Some(held.min(other)),
            (held, other) => held.or(other),
        };
        for method in &other.amr {
            if !self.amr.contains(method) {
                self.amr.push(method.clone());
            }
        }
    }

    /// Whether no login meets the requirements: rules that were added up have no acr in common.
    pub(super) fn is_impossible(&self) -> bool {
        self.acr.as_ref().is_some_and(Vec::is_empty)
    }

    /// Compares the sum of all requirements with the login. `None` if it meets them. Fails if no new login would help: then a
    /// challenge would only start a loop.
    pub(super) fn shortfall(self, grant: Grant<'_>) -> Result<Option<LoginShortfall>, Refusal> {
        if self.is_met_by(grant) {
            return Ok(None);
        }
        let got = self.held_by(grant);
        if grant.is_machine || self.is_impossible() {
            let who = if grant.is_machine { "a machine: " } else { "" };
            return Err(Refusal::from(Reason::LoginImpossible)
                .expected(self.to_string())
                .got(format!("{who}{got}")));
        }
        let reason = if self.is_strong_enough(grant) {
            Reason::LoginTooOld
        } else {
            Reason::LoginTooWeak
        };
        Ok(Some(LoginShortfall {
            reason,
            required: self,
            got,
        }))
    }

    /// The time after which the login is too old for these requirements, in whole seconds. `None` if it never is, or is
    /// already.
    pub(super) fn time_left(&self, grant: Grant<'_>) -> Option<Duration> {
        let end = grant.login?.auth_time?.plus(self.max_age?);
        // At its very end it is still fresh.
        let left = end.seconds_since(grant.now).saturating_add(1);
        (grant.now <= end).then(|| Duration::from_secs(left))
    }

    /// The facts of a login that these requirements are about, for the log.
    pub(super) fn held_by(&self, grant: Grant<'_>) -> String {
        let mut facts = Vec::new();
        if self.acr.is_some() {
            let acr = grant.login.and_then(|login| login.acr.as_ref());
            facts.push(acr.map_or("no acr".to_owned(), |acr| format!("acr {acr}")));
        }
        if !self.amr.is_empty() {
            let amr = grant.login.map(|login| login.amr.join(" "));
            let amr = amr.filter(|amr| !amr.is_empty());
            facts.push(amr.map_or("no amr".to_owned(), |amr| format!("amr {amr}")));
        }
        if self.max_age.is_some() {
            let time = grant.login.and_then(|login| login.auth_time);
            facts.push(match time {
                None => "no auth_time".to_owned(),
                Some(time) if time > grant.now => {
                    let ahead = time.seconds_since(grant.now);
                    format!("a login {ahead} s ahead, at {time}")
                }
                Some(time) => {
                    let ago = grant.now.seconds_since(time);
                    format!("a login {ago} s ago, at {time}")
                }
            });
        }
        facts.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::Timestamp;
    use crate::log_facts::Fact;
    use crate::login::Login;
    use crate::refusal::RefusalKind;
    use crate::scope::Scopes;

    const NOW: f64 = 1_800_000_000.0;

    fn at(seconds: f64) -> Timestamp {
        Timestamp::from_seconds(seconds).unwrap()
    }

    fn texts(words: &str) -> Vec<String> {
        words.split_whitespace().map(str::to_owned).collect()
    }

    fn login(acr: &str, amr: &str, age: Option<f64>) -> Login {
        Login {
            acr: (!acr.is_empty()).then(|| acr.to_owned()),
            amr: texts(amr),
            auth_time: age.map(|age| at(NOW - age)),
            sid: None,
            leeway: Duration::from_secs(60),
        }
    }

    fn required(acr: Option<&str>, max_age: Option<u64>, amr: &str) -> RequiredLogin {
        RequiredLogin {
            acr: acr.map(texts),
            max_age: max_age.map(Duration::from_secs),
            amr: texts(amr),
        }
    }

    fn grant<'p>(scopes: &'p Scopes, login: Option<&'p Login>) -> Grant<'p> {
        Grant {
            login,
            now: at(NOW),
            ..Grant::of(scopes)
        }
    }

    #[test]
    fn a_login_meets_a_rule_by_its_acr_its_methods_and_its_age() {
        let scopes = Scopes::default();
        for (is_met, acr, max_age, amr, held) in [
            (true, None, None, "", login("", "", None)),
            (true, Some("phr phrh"), None, "", login("phrh", "", None)),
            (false, Some("phr"), None, "", login("PHR", "", None)),
            (false, Some("phr"), None, "", login("phr phrh", "", None)),
            (false, Some("phr"), None, "", login("", "phr", None)),
            (
                true,
                Some("a"),
                None,
                "pwd otp",
                login("a", "otp mfa pwd", None),
            ),
            (false, Some("a"), None, "pwd otp", login("a", "pwd", None)),
            (true, None, Some(300), "", login("", "", Some(0.0))),
            (true, None, Some(300), "", login("", "", Some(300.0))),
            (false, None, Some(300), "", login("", "", Some(300.5))),
            (false, None, Some(300), "", login("", "", Some(360.0))),
            (false, None, Some(300), "", login("a", "", None)),
            // The clock of the issuer may be ahead by the leeway.
            (true, None, Some(300), "", login("", "", Some(-60.0))),
            (false, None, Some(300), "", login("", "", Some(-61.0))),
            (false, None, Some(300), "", login("", "", Some(-1e300))),
            (false, None, Some(u64::MAX), "", login("", "", Some(-61.0))),
            (true, None, Some(u64::MAX), "", login("", "", Some(NOW))),
        ] {
            let required = required(acr, max_age, amr);
            let judged = required.is_met_by(grant(&scopes, Some(&held)));
            assert_eq!(judged, is_met, "{required:?} {held:?}");
        }
        assert!(required(None, None, "").is_met_by(grant(&scopes, None)));
        assert!(!required(Some("a"), None, "").is_met_by(grant(&scopes, None)));
        assert!(!required(None, Some(60), "").is_met_by(grant(&scopes, None)));
    }

    #[test]
    fn a_login_that_falls_short_is_told_with_its_values_and_a_machine_gets_no_challenge() {
        let scopes = Scopes::default();
        let both = required(Some("phr phrh"), Some(300), "hwk");
        let expected = "acr phr or phrh, amr hwk, a login at most 300 s ago";
        assert_eq!(both.to_string(), expected);
        let at_noon = "at 2027-01-15T07:50:00Z";
        for (held, reason, got) in [
            (
                login("phr", "hwk", Some(600.0)),
                Reason::LoginTooOld,
                format!("acr phr, amr hwk, a login 600 s ago, {at_noon}"),
            ),
            (
                login("phr", "pwd", Some(600.0)),
                Reason::LoginTooWeak,
                format!("acr phr, amr pwd, a login 600 s ago, {at_noon}"),
            ),
            (
                login("", "", None),
                Reason::LoginTooWeak,
                "no acr, no amr, no auth_time".to_owned(),
            ),
        ] {
            let caller = grant(&scopes, Some(&held));
            let shortfall = both.clone().shortfall(caller).unwrap().unwrap();
            assert_eq!((shortfall.reason, &*shortfall.got), (reason, &*got));
            assert_eq!(shortfall.required, both);
            let machine = Grant {
                is_machine: true,
                ..caller
            };
            let refusal = both.clone().shortfall(machine).unwrap_err();
            assert_eq!(refusal.reason(), Reason::LoginImpossible);
            assert_eq!(refusal.kind(), RefusalKind::Forbidden);
            assert_eq!(refusal.log_fact(Fact::Expected), Some(expected));
            let got = format!("a machine: {got}");
            assert_eq!(refusal.log_fact(Fact::Got), Some(&*got));
        }
        let ahead = login("", "", Some(-90.0));
        let shortfall = required(None, Some(60), "").shortfall(grant(&scopes, Some(&ahead)));
        let got = shortfall.unwrap().unwrap().got;
        assert_eq!(got, "a login 90 s ahead, at 2027-01-15T08:01:30Z");
    }

    #[test]
    fn rules_without_a_common_acr_get_no_challenge() {
        let scopes = Scopes::default();
        let mut sum = required(Some("a b"), None, "");
        sum.add(&required(Some("c"), Some(60), ""));
        assert!(sum.is_impossible());
        let held = login("a", "", Some(0.0));
        let refusal = sum.shortfall(grant(&scopes, Some(&held))).unwrap_err();
        assert_eq!(refusal.reason(), Reason::LoginImpossible);
    }

    #[test]
    fn the_time_that_is_left_ends_after_the_last_moment_at_which_the_login_is_fresh() {
        let scopes = Scopes::default();
        let left = |max_age, age| {
            let held = login("", "", age);
            required(None, max_age, "").time_left(grant(&scopes, Some(&held)))
        };
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(left(Some(300), Some(100.0)), seconds(201));
        assert_eq!(left(Some(300), Some(300.0)), seconds(1));
        assert_eq!(left(Some(300), Some(301.0)), None);
        assert_eq!(left(Some(u64::MAX), Some(0.0)), seconds(u64::MAX));
        assert_eq!(left(Some(300), None), None);
        assert_eq!(left(None, Some(100.0)), None);
    }

    fn values(all: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
        let some = proptest::sample::subsequence(all.to_vec(), 1..=all.len());
        some.prop_map(|values| values.into_iter().map(str::to_owned).collect())
    }

    fn any_required() -> impl Strategy<Value = RequiredLogin> {
        let acr = proptest::option::weighted(0.4, values(&["a", "b", "c"]));
        let max_age = proptest::option::of((60_u64..400).prop_map(Duration::from_secs));
        let amr = prop_oneof![3 => Just(Vec::new()), 1 => values(&["pwd", "otp"])];
        (acr, max_age, amr).prop_map(|(acr, max_age, amr)| RequiredLogin { acr, max_age, amr })
    }

    fn any_login() -> impl Strategy<Value = Login> {
        let acr = proptest::sample::select(vec!["", "a", "b", "c", "d"]);
        let amr = proptest::sample::select(vec!["", "pwd", "pwd otp mfa", "otp pwd"]);
        let age = proptest::option::weighted(0.9, -100.0..450.0);
        (acr, amr, age).prop_map(|(acr, amr, age)| login(acr, amr, age))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn a_login_meets_the_sum_exactly_if_it_meets_each_part_in_any_order(
            parts in proptest::collection::vec(any_required(), 0..4), held in any_login(),
        ) {
            let scopes = Scopes::default();
            let caller = grant(&scopes, Some(&held));
            let sum_of = |parts: &mut dyn Iterator<Item = &RequiredLogin>| {
                parts.fold(RequiredLogin::default(), |mut sum, part| {
                    sum.add(part);
                    sum
                })
            };
            let sum = sum_of(&mut parts.iter());
            let meets_each = parts.iter().all(|part| part.is_met_by(caller));
            prop_assert_eq!(sum.is_met_by(caller), meets_each);
            prop_assert_eq!(sum_of(&mut parts.iter().rev()).is_met_by(caller), meets_each);
            // A login that does all that the challenge of the sum asks for meets every part.
            if !sum.is_impossible() {
                let acr = sum.acr.as_ref().and_then(|acr| acr.first());
                let renewed = Login {
                    acr: acr.cloned(),
                    amr: sum.amr.clone(),
                    ..login("", "", Some(30.0))
                };
                let renewed = grant(&scopes, Some(&renewed));
                prop_assert!(parts.iter().all(|part| part.is_met_by(renewed)));
            }
        }
    }
}
