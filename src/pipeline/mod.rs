//! The path of a request, and its way back.
//!
//! `request` is the path. It leads a `visit` through the `rooms`, which a configuration makes.
//! `response` is the way back. `stream_watch` ends a stream once a new request of its caller would be refused, and
//! `closing` ends all of them before a shutdown. `origin`, `cors` and `session` are steps about HTTP rather than tokens
//! or scopes. `incoming` is the body of the request, `refuse` answers refused requests, `awaited_step_up`
//! waits for a handler that may need more scopes, `prepared` holds answers that do not change, `record` makes
//! events of a visit (and `refused_logins` notices a challenge that was of no use), `announce` those of a gate that was
//! built, and `tools_review` compares its rules with the first list of tools (`first_list`). `neighbours` compares gates that
//! stand side by side, `ungated` prepares requests that are for none of them, and `unrouted` refuses
//! requests where there may be no gate yet.

mod announce;
mod awaited_step_up;
mod closing;
mod cors;
mod first_list;
mod incoming;
mod neighbours;
mod origin;
mod prepared;
mod record;
mod refuse;
mod refused_logins;
mod request;
mod response;
mod rooms;
mod session;
mod stream_watch;
mod tools_review;
mod ungated;
mod unrouted;
mod visit;

pub(crate) use cors::Cors;
pub(crate) use incoming::IncomingBody;
pub(crate) use neighbours::{check_neighbours, check_pair};
pub(crate) use origin::Origins;
pub(crate) use record::{causes_of, token_in_query};
pub(crate) use refuse::visible_refusal;
pub(crate) use rooms::{GateState, NameSpec, Pipeline, PipelineSpec, Pipelines};
pub(crate) use session::{Resumption, SessionBinding, SessionsSpec};
pub(crate) use ungated::strip;
pub(crate) use unrouted::Unrouted;
pub(crate) use visit::Visit;
