//! Noun: what a caller may do, as policy is told of it.

use crate::refusal::{Reason, Refusal};
use crate::scope::Scopes;

/// What a verified token grants.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grant<'p> {
    pub(crate) scopes: &'p Scopes,
}

/// What a caller lacks, and could get: everything the operation needs.
#[derive(Debug)]
pub(crate) struct Shortfall {
    pub(crate) scopes: Scopes,
}

impl From<Shortfall> for Refusal {
    fn from(shortfall: Shortfall) -> Self {
        Refusal::from(Reason::InsufficientScope).requiring(shortfall.scopes)
    }
}
