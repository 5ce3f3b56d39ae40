//! Compares gates that stand side by side: no token that is good for one may be good for another.

use super::rooms::Pipeline;
use crate::config_error::{ConfigProblem, Problems};
use crate::events::Weakened;

/// A kind of token that two gates would both accept.
struct Common<'p> {
    issuer: &'p str,
    /// The position of the issuer in the configuration of the second gate.
    position: usize,
    audience: String,
    /// Whether both configurations say that this is so.
    is_declared: bool,
}

/// Reports each kind of token that two of these gates would both accept, unless both of them declare it.
pub(crate) fn check_neighbours(gates: &[&Pipeline], problems: &mut Problems) {
    for (position, gate) in gates.iter().enumerate() {
        for other in gates.iter().take(position) {
            check_pair(other, gate, problems);
        }
    }
}

/// Reports what these two gates may not have in common.
pub(crate) fn check_pair(one: &Pipeline, other: &Pipeline, problems: &mut Problems) {
    for common in one.in_common_with(other) {
        common.report(one, other, problems);
    }
    let are_named_for_root =
        one.well_known.is_named_for_root() && other.well_known.is_named_for_root();
    if are_named_for_root && one.has_origin_of(other) {
        let fix = format!(
            "{} has it already, and a host has one root: leave it out in one of them",
            one.resource.as_str()
        );
        let problem = ConfigProblem::duplicate("metadata.root_copy", fix);
        problems.add(problem.showing(other.resource.as_str()));
    }
}

impl Pipeline {
    fn in_common_with<'p>(&'p self, other: &'p Self) -> impl Iterator<Item = Common<'p>> {
        let issuers = other.verifier.issuers.iter().enumerate();
        issuers.filter_map(|(position, theirs)| {
            let own = self.verifier.issuers.iter();
            let own = own.into_iter().find(|own| own.name == theirs.name)?;
            let of_theirs = || {
                theirs
                    .accepted_audiences()
                    .find(|text| own.accepts_audience(text))
            };
            let of_own = || {
                own.accepted_audiences()
                    .find(|text| theirs.accepts_audience(text))
            };
            let unbound = || {
                let mut clients = own.rules.unbound_clients.iter();
                let both = clients.find(|client| theirs.rules.unbound_clients.contains(client))?;
                Some(format!("(none, for the client {both})"))
            };
            let audience = of_theirs()
                .or_else(of_own)
                .map(str::to_owned)
                .or_else(unbound)?;
            Some(Common {
                issuer: &theirs.name,
                position,
                audience,
                is_declared: own.rules.shared_audience && theirs.rules.shared_audience,
            })
        })
    }

    /// Whether both have a name at one origin.
    fn has_origin_of(&self, other: &Self) -> bool {
        let mut own = self.origins_of_names();
        own.any(|origin| other.origins_of_names().any(|theirs| theirs == origin))
    }

    fn origins_of_names(&self) -> impl Iterator<Item = String> {
        // Every issuer has all names of the resource.
        let issuer = self.verifier.issuers.first();
        let names = issuer.into_iter().flat_map(|issuer| issuer.names.iter());
        names.map(|name| name.browser_origin())
    }
}

impl Common<'_> {
    fn report(&self, one: &Pipeline, other: &Pipeline, problems: &mut Problems) {
        let (one, other) = (one.resource.as_str(), other.resource.as_str());
        if self.is_declared {
            Weakened::AudienceShared {
                issuer: self.issuer,
                audience: &self.audience,
                resources: &[one, other],
            }
            .write();
            return;
        }
        let fix = format!(
            "a token with this audience would be good at {one} and at {other}: give each an audience of its own, or \
             write shared_audience = true in both"
        );
        let field = format!("issuers[{}].audiences", self.position);
        problems.add(ConfigProblem::conflict(field, fix).showing(&self.audience));
    }
}
