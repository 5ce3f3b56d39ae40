//! Noun: the resource that a request is for.

use std::fmt;
use std::sync::Arc;

use crate::resource_uri::ResourceUri;

/// The resource that a request is for, under the name by which the client reached it.
///
/// A layer that serves several URLs ([`Gates`](crate::Gates), [`Builder::also_at`](crate::Builder::also_at)) puts it into
/// the extensions of every request that it lets through. An inner service that serves several resources must choose by
/// it, and not by `Host`, because the token was checked for this resource. The layer of a gate with one URL takes it away.
///
/// ```
/// use toolgate::Resource;
///
/// fn is_for_billing<B>(request: &http::Request<B>) -> bool {
///     let resource = request.extensions().get::<Resource>();
///     resource.is_some_and(|resource| resource.as_str() == "https://mcp.example.com/billing")
/// }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Resource(Arc<ResourceUri>);

impl Resource {
    /// Returns the resource identifier, exactly as configured.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub(crate) fn new(uri: Arc<ResourceUri>) -> Self {
        Self(uri)
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Resource").field(&self.as_str()).finish()
    }
}
