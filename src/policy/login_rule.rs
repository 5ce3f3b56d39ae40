//! Requirements of the login as an operator writes them, and the mistakes in them.

use std::time::Duration;

use serde::Deserialize;

use super::rule::{LoginRule, Need, Rule};
use crate::config_error::{ConfigProblem, Flawed, Problems};
use crate::login::RequiredLogin;
use crate::scope::fits_in_a_list;

/// The shortest `max_age`. A user who has just logged in still has to consent, and the client to fetch its token: below this,
/// no token would ever be fresh.
const MIN_MAX_AGE: Duration = Duration::from_secs(60);

/// The table `[scopes.login]`. A rule of the file has the same three fields.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct LoginTable {
    acr: Option<Vec<String>>,
    max_age_seconds: Option<u64>,
    amr: Option<Vec<String>>,
}

impl LoginRule {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Checks the requirement of a rule in this field. `base` is that of every request, if it could be read.
    pub(super) fn compile(
        field: &str,
        rule: &Rule,
        base: Option<&RequiredLogin>,
        problems: &mut Problems,
    ) -> Result<Option<RequiredLogin>, Flawed> {
        let login = &rule.login;
        if login.is_empty() {
            return Ok(None);
        }
        let mut sound = Ok(());
        let mut flawed = |problem| sound = Err(problems.add(problem));
        let of = |name: &str| format!("{field}.{name}");
        match rule.need {
            Need::Anonymous => flawed(ConfigProblem::conflict(
                field,
                "a request without a token has no login: leave out `without_token`, or `acr`, `amr` and `max_age_seconds`",
            )),
            Need::Denied => flawed(ConfigProblem::conflict(
                field,
                "a denied name is open to no login: leave out `deny`, or `acr`, `amr` and `max_age_seconds`",
            )),
            Need::Nothing | Need::All(_) | Need::Any(_) => {}
        }
        for (name, values) in [("acr", &login.acr), ("amr", &login.amr)] {
            if values.as_ref().is_some_and(Vec::is_empty) {
                let fix = format!("name at least one value, or leave out `{name}`");
                flawed(ConfigProblem::missing(of(name), fix));
            }
        }
        for value in login.acr.iter().flatten() {
            if !fits_in_a_list(value) {
                let fix = "an acr is sent in a list that has spaces between its values: write one value of printable \
                           ASCII without space, '\"' and '\\'";
                flawed(ConfigProblem::not_allowed(of("acr"), fix).showing(value));
            }
        }
        if login.amr.iter().flatten().any(String::is_empty) {
            let fix = "an authentication method has at least one character";
            flawed(ConfigProblem::not_allowed(of("amr"), fix).showing(""));
        }
        if login.amr.is_some() && login.acr.is_none() {
            let fix =
                "a challenge can ask for an `acr` only: name one whose logins use these methods";
            flawed(ConfigProblem::missing(of("acr"), fix));
        }
        if let Some(age) = login.max_age.filter(|age| *age < MIN_MAX_AGE) {
            let min = MIN_MAX_AGE.as_secs();
            let fix = format!("write at least {min}, or no token is ever fresh enough");
            let problem = ConfigProblem::not_allowed(of("max_age_seconds"), fix);
            flawed(problem.showing(age.as_secs_f64().to_string()));
        }
        let required = login.required();
        if let Some(base) = base.filter(|base| !base.is_impossible()) {
            let mut both = base.clone();
            both.add(&required);
            // An empty list is reported above.
            if both.is_impossible() && !required.is_impossible() {
                let every = base.acr.as_deref().unwrap_or_default().join(" ");
                let fix = format!(
                    "a login has one acr, and every request needs one of these: {every}: name one of them here too"
                );
                let values = required.acr.as_deref().unwrap_or_default().join(" ");
                flawed(ConfigProblem::conflict(of("acr"), fix).showing(values));
            }
        }
        sound.map(|()| Some(required))
    }

    fn required(&self) -> RequiredLogin {
        RequiredLogin {
            acr: self.acr.clone(),
            // A challenge has whole seconds.
            max_age: self.max_age.map(|age| Duration::from_secs(age.as_secs())),
            amr: self.amr.clone().unwrap_or_default(),
        }
    }
}

impl From<LoginTable> for LoginRule {
    fn from(table: LoginTable) -> Self {
        Self {
            acr: table.acr,
            max_age: table.max_age_seconds.map(Duration::from_secs),
            amr: table.amr,
        }
    }
}
