//! Finds the call that a refusal answers, if its client reads results of tools rather than a status.

use bytes::Bytes;
use http::request::Parts;
use http_body::Body;

use super::incoming::IncomingBody;
use super::rooms::Pipeline;
use super::visit::Visit;
use crate::answer::ToolResults;
use crate::call::{Calls, Head};
use crate::refusal::RefusalKind;

impl Pipeline {
    /// The id of the call that is refused by the result of its tool, as JSON text. `None` if it is refused by a status: if
    /// anything but a token or scopes is missing, if the body is not one call of a tool, and if it cannot be read.
    ///
    /// A body that was not read yet is read under the limits for callers without a token.
    pub(super) async fn refused_call<B>(
        &self,
        visible: RefusalKind,
        visit: &mut Visit,
        parts: &Parts,
        body: &mut IncomingBody<B>,
    ) -> Option<String>
    where
        B: Body<Data = Bytes> + Send + 'static,
    {
        // The rest of a body whose beginning could not be read is no message.
        if !ToolResults::can_have(visible) || matches!(body, IncomingBody::Begun(_)) {
            return None;
        }
        let bytes = body.read(&self.bodies, false).await.ok()?;
        let calls = Calls::read(&Head::read(&parts.headers), bytes).ok()?;
        let id = calls.tool_call_id()?;
        if visit.asked.is_none() {
            visit.note(&calls);
        }
        Some(id)
    }
}
