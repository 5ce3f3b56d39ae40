//! What lets a request through.

/// The permission to hand a request over. Nothing else reaches the service, and only policy makes one.
#[derive(Debug)]
pub(crate) struct Permit(pub(super) ());
