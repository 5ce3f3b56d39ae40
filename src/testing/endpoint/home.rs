use bytes::Bytes;
use http::{Method, Response, StatusCode};

use super::method_not_allowed;
use super::page::{self, Html};
use crate::testing::shared::Shared;
use crate::testing::traffic::Endpoint;

/// The page for people who open the address of the server itself.
pub(in super::super) fn answer(shared: &Shared, method: &Method) -> Response<Bytes> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return method_not_allowed("GET, HEAD");
    }
    let mut content = Html::default();
    content
        .paragraph(
            "This server gives access tokens to MCP clients on this machine, for development and tests. It takes no \
             passwords: its consent page asks which user to be and what the client may do. It forgets everything \
             when it stops.",
        )
        .raw("<dl>")
        .described("Issuer", &shared.issuer)
        .raw("</dl>\n<h2>To look at</h2>\n<dl>");
    let documents = [
        ("Metadata (RFC 8414)", Endpoint::Rfc8414),
        ("OpenID metadata", Endpoint::OidcInserted),
        ("OpenID metadata", Endpoint::OidcAppended),
    ];
    for (term, form) in documents {
        // Without an issuer path two of them are one.
        if shared.serves_form(form) && shared.answering(form) == form {
            content.linked(term, &shared.url(form));
        }
    }
    content
        .linked("Keys", &shared.url(Endpoint::Jwks))
        .raw("</dl>\n<h2>For clients</h2>\n<dl>");
    for (term, endpoint) in [
        ("Authorization", Endpoint::Authorize),
        ("Tokens", Endpoint::Token),
        ("Registration", Endpoint::Register),
        ("Introspection", Endpoint::Introspect),
    ] {
        content.described(term, &shared.url(endpoint));
    }
    content.raw("</dl>\n");
    page::whole(StatusCode::OK, "Development authorization server", content)
}
