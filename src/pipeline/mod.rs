//! The path of a request, and its way back.
//!
//! `request` is the path, on a `visit`, through the `rooms`, which a configuration makes. `response` is the
//! way back, `stream_watch` what ends it once the caller would be refused, and `closing` what ends it before the server
//! does. `origin`, `cors` and `session` are steps that are about HTTP, not about tokens or scopes; `incoming` is the
//! request's body on its way, `prepared` has the answers that do not change, `record` makes events of a visit, and
//! `announce` those of a gate that was built.

mod announce;
mod closing;
mod cors;
mod incoming;
mod origin;
mod prepared;
mod record;
mod request;
mod response;
mod rooms;
mod session;
mod stream_watch;
mod visit;

pub(crate) use cors::Cors;
pub(crate) use incoming::IncomingBody;
pub(crate) use origin::Origins;
pub(crate) use request::told;
pub(crate) use rooms::{GateState, Pipeline, PipelineSpec};
pub(crate) use session::{Resumption, SessionBinding, SessionsSpec};
pub(crate) use visit::Visit;
