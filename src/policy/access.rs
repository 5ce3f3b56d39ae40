//! The access to a tool, as a list of tools describes it, or as its handler finds out.

use super::judge::Policy;
use super::not_open::NotOpen;
use super::permit::AdmittedGrant;
use super::requirement::{Needed, Requirement};
use crate::call::{Call, Target};
use crate::mcp::List;
use crate::refusal::{Reason, Refusal};
use crate::scope::Scopes;

/// The access to a tool that something opens.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ToolAccess {
    /// It needs no token.
    Open,
    /// All scopes that it needs, those of every request included. Of alternatives it is the first one.
    Scopes(Scopes),
}

impl Policy {
    /// The refusal of a call that the rules allow, since its handler asks for more. `required` are all scopes that the rules
    /// require of it.
    pub(crate) fn refuse_handled(
        &self,
        grant: Option<AdmittedGrant<'_>>,
        required: &Scopes,
        asked: Scopes,
    ) -> Refusal {
        let Some(AdmittedGrant(grant)) = grant else {
            return NotOpen::ScopesDecided.into();
        };
        let named = asked.to_string();
        let (required, asked) = (Requirement::All(required.clone()), Requirement::All(asked));
        if self.has_scopes(&asked, grant.scopes) {
            return Refusal::from(Reason::StepUpMet).got(named);
        }
        let shortfall = self.shortfall(grant, |needed| {
            needed(Needed::from(&required));
            needed(Needed::from(&asked));
            Ok(())
        });
        shortfall.map_or_else(|refusal| refusal, Refusal::from)
    }

    /// The access to the tool with this name; `None` if nothing opens it.
    pub(crate) fn access_to(&self, tool: &str) -> Option<ToolAccess> {
        let call = Call::naming(List::Tools.entry_method(), Target::Tool(tool.into()));
        let mut open = true;
        let requirements =
            self.requirements(&call, &mut |needed| open = open && needed.scopes.is_open());
        requirements.ok()?;
        if open {
            return Some(ToolAccess::Open);
        }
        let (scopes, _) = self.sum(|needed| self.requirements(&call, needed)).ok()?;
        Some(ToolAccess::Scopes(scopes.into_iter().collect()))
    }
}
