//! The rights of a caller, as policy sees them, and the rights that it lacks.

use crate::refusal::{Reason, Refusal};
use crate::scope::Scopes;

/// The rights that a verified token grants.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grant<'p> {
    pub(crate) scopes: &'p Scopes,
}

/// The answer of policy to a caller that could get the rights it lacks: all scopes that the operation needs, held or not.
#[derive(Debug)]
pub(crate) struct Shortfall {
    pub(crate) scopes: Scopes,
}

impl From<Shortfall> for Refusal {
    fn from(shortfall: Shortfall) -> Self {
        Refusal::from(Reason::InsufficientScope).requiring(shortfall.scopes)
    }
}
