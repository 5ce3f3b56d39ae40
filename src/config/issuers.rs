//! The issuers in a file: a list (`[[issuers]]`), or a table of named ones (`[issuers.main]`).

use std::fmt;

use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use super::document::as_written;
use super::issuer::Issuer;
use crate::config_error::{ConfigProblem, Problems};

/// Reads either form.
pub(super) fn listed_or_named<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Issuer>, D::Error> {
    struct IssuersVisitor;

    impl<'de> Visitor<'de> for IssuersVisitor {
        type Value = Vec<Issuer>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of issuers, or a table of named issuers")
        }

        fn visit_newtype_struct<D: Deserializer<'de>>(
            self,
            deserializer: D,
        ) -> Result<Vec<Issuer>, D::Error> {
            deserializer.deserialize_any(self)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<Issuer>, A::Error> {
            let mut issuers = Vec::new();
            while let Some(issuer) = list.next_element()? {
                issuers.push(issuer);
            }
            Ok(issuers)
        }

        fn visit_map<A: MapAccess<'de>>(self, mut named: A) -> Result<Vec<Issuer>, A::Error> {
            let mut issuers = Vec::new();
            while let Some((name, issuer)) = named.next_entry::<String, Issuer>()? {
                issuers.push(Issuer {
                    name: Some(name),
                    ..issuer
                });
            }
            Ok(issuers)
        }
    }

    as_written(deserializer, IssuersVisitor)
}

/// Checks that the names of issuers can be part of the names of variables, and that no two of them are the same there.
pub(super) fn check_names(issuers: &[Issuer], problems: &mut Problems) {
    let names: Vec<&str> = issuers
        .iter()
        .filter_map(|issuer| issuer.name.as_deref())
        .collect();
    for (at, name) in names.iter().enumerate() {
        let field = || format!("issuers.{name}");
        let is_sound = name
            .split(['-', '_'])
            .all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        if !is_sound {
            let fix = "name an issuer with letters and digits, and one `-` or `_` between them";
            problems.add(ConfigProblem::not_allowed(field(), fix));
        }
        let mut earlier = names.iter().take(at);
        if let Some(other) = earlier.find(|other| in_variables(other) == in_variables(name)) {
            let fix = format!("to a variable it has the same name as issuers.{other}: rename one");
            problems.add(ConfigProblem::duplicate(field(), fix));
        }
    }
}

/// The name of an issuer as variables spell it.
pub(super) fn in_variables(name: &str) -> String {
    name.to_ascii_uppercase().replace('-', "_")
}
