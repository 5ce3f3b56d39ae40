//! Decides which refusals are sent as the result of a tool, for clients that react to nothing else.

use std::sync::Arc;

use http::header::USER_AGENT;
use http::request::Parts;
use http::{HeaderMap, Method};
use serde::Deserialize;

use crate::refusal::RefusalKind;

/// The way to refuse a call of a tool that lacks a token or scopes. See [`docs::clients`](crate::docs::clients).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Challenges {
    /// By a status and `WWW-Authenticate`, as MCP requires.
    #[default]
    Http,
    /// By an error in the result of the tool, with status 200, whatever the client is.
    ToolResult,
    /// By an error in the result of the tool for the clients of [`Builder::tool_results_for`](crate::Builder::tool_results_for),
    /// and by a status and `WWW-Authenticate` for all others.
    Auto,
}

/// The clients whose calls are refused by the result of a tool.
#[derive(Debug, Clone)]
pub(crate) struct ToolResults {
    challenges: Challenges,
    /// Their products in `User-Agent`.
    products: Arc<[String]>,
}

impl ToolResults {
    pub(crate) fn new(challenges: Challenges, products: Arc<[String]>) -> Self {
        Self {
            challenges,
            products,
        }
    }

    /// Whether the sender of this request reads results of tools rather than a status. The header is no proof: it only
    /// decides the form of a refusal.
    pub(crate) fn are_read_by(&self, parts: &Parts) -> bool {
        parts.method == Method::POST
            && match self.challenges {
                Challenges::Http => false,
                Challenges::ToolResult => true,
                Challenges::Auto => self.name_product_of(&parts.headers),
            }
    }

    /// Whether a refusal of this kind can be sent as a result: only one that lacks a token or scopes.
    pub(crate) fn can_have(kind: RefusalKind) -> bool {
        matches!(kind, RefusalKind::NoToken | RefusalKind::InsufficientScope)
    }

    /// Whether the first product of `User-Agent` is one of these (RFC 9110 §10.1.5), in any version.
    fn name_product_of(&self, headers: &HeaderMap) -> bool {
        let mut lines = headers.get_all(USER_AGENT).iter();
        let (Some(only), None) = (lines.next(), lines.next()) else {
            return false;
        };
        let mut parts = only
            .as_bytes()
            .trim_ascii()
            .split(|byte| matches!(byte, b'/' | b' ' | b'\t' | b'('));
        let product = parts.next().unwrap_or_default();
        self.products
            .iter()
            .any(|known| known.as_bytes().eq_ignore_ascii_case(product))
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn only_the_first_product_of_the_one_user_agent_counts() {
        let results = ToolResults::new(Challenges::Auto, Arc::new(["openai-mcp".to_owned()]));
        for (lines, read) in [
            (&["openai-mcp/1.0.0"][..], true),
            (&["OpenAI-MCP"], true),
            (&["openai-mcp (ChatGPT)"], true),
            (&["openai-mcp2/1.0.0"], false),
            (&["Mozilla/5.0 openai-mcp/1.0.0"], false),
            (&["(openai-mcp)"], false),
            (&["/openai-mcp"], false),
            (&["openai-mcp/1.0.0", "openai-mcp/1.0.0"], false),
            (&[""], false),
            (&[], false),
        ] {
            let mut request = Request::post("/mcp").body(()).unwrap();
            for line in lines {
                request
                    .headers_mut()
                    .append(USER_AGENT, line.parse().unwrap());
            }
            let (mut parts, ()) = request.into_parts();
            assert_eq!(results.are_read_by(&parts), read, "{lines:?}");
            parts.method = Method::GET;
            assert!(!results.are_read_by(&parts));
        }
    }
}
