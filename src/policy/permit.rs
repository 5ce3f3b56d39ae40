//! Proofs of authorization: values that only policy can make.

use crate::grant::Grant;

/// Proof that the caller of this request meets the base rule, so that it is not checked again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Admitted(pub(super) ());

/// The grant of a caller that meets the base rule.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AdmittedGrant<'p>(pub(super) Grant<'p>);

/// The permission to hand a request over. No request reaches the inner service without one.
#[derive(Debug)]
pub(crate) struct Permit(pub(super) ());

impl Admitted {
    pub(crate) fn grant(self, grant: Grant<'_>) -> AdmittedGrant<'_> {
        AdmittedGrant(grant)
    }
}
