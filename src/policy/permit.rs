//! What lets a request go on, and what lets it through. Only policy makes either.

use crate::grant::Grant;

/// The base rule held for the caller of this request. So nothing after it need hold it again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Admitted(pub(super) ());

/// What a caller may do who is admitted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AdmittedGrant<'p>(pub(super) Grant<'p>);

/// The permission to hand a request over. Nothing else reaches the service.
#[derive(Debug)]
pub(crate) struct Permit(pub(super) ());

impl Admitted {
    pub(crate) fn grant(self, grant: Grant<'_>) -> AdmittedGrant<'_> {
        AdmittedGrant(grant)
    }
}
