//! What a caller needs to call a tool, as a list of tools describes it.

use super::judge::Policy;
use crate::call::{Call, Target};
use crate::mcp::List;
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
