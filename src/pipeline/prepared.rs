//! Answers to unauthenticated callers, written once. They do not change, and anyone can cause many of them.

use std::sync::OnceLock;

use bytes::Bytes;
use http::header::ACCESS_CONTROL_ALLOW_ORIGIN;
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use super::cors::Cors;
use crate::answer::Answers;
use crate::refusal::{Reason, Refusal, RefusalKind};
use crate::scheme::Scheme;

/// The answers to callers without a verified token, one for each kind of refusal whose answer is always the same. Each is
/// written when it is first needed: all of them take 24 KiB, and most gates need few.
#[derive(Debug)]
pub(crate) struct PreparedAnswers {
    answers: Answers,
    cors: Cors,
    /// For each kind and each scheme.
    written: [[OnceLock<Prepared>; SCHEMES.len()]; REASONS.len()],
}

/// The response that [`Answers`] would make, and the headers that [`Cors`] would add.
#[derive(Debug)]
pub(super) struct Prepared {
    status: StatusCode,
    headers: HeaderMap,
    /// The headers for pages of an allowed origin, which are sent with its name; `None` if another layer writes them.
    readable: Option<HeaderMap>,
    body: Bytes,
}

/// One reason of each kind. All reasons of a kind have the same answer.
const REASONS: [Reason; 3] = [
    Reason::NoToken,
    Reason::MalformedHeader,
    Reason::BadSignature,
];

/// The challenges of an answer depend on the scheme by which the token was presented; `None` without a token, and with several.
const SCHEMES: [Option<Scheme>; 3] = [None, Some(Scheme::Bearer), Some(Scheme::Dpop)];

impl PreparedAnswers {
    pub(crate) fn new(answers: &Answers, cors: Cors) -> Self {
        Self {
            answers: answers.clone(),
            cors,
            written: Default::default(),
        }
    }

    /// The answer to a caller without a verified token, who presented one by this scheme; `None` if it is not prepared.
    pub(super) fn of(&self, kind: RefusalKind, scheme: Option<Scheme>) -> Option<&Prepared> {
        let of_kinds = REASONS.into_iter().zip(&self.written);
        let (reason, of_kind) = of_kinds.into_iter().find(|(it, _)| it.kind() == kind)?;
        let mut of_schemes = SCHEMES.iter().zip(of_kind);
        let (_, written) = of_schemes.find(|(of, _)| **of == scheme)?;
        Some(written.get_or_init(|| Prepared::new(reason, scheme, &self.answers, self.cors)))
    }
}

impl Prepared {
    fn new(reason: Reason, scheme: Option<Scheme>, answers: &Answers, cors: Cors) -> Self {
        let (parts, body) = answers.refuse(reason.into(), scheme, None).into_parts();
        let readable = (cors == Cors::Ours).then(|| {
            let mut headers = parts.headers.clone();
            cors.make_readable(Some(HeaderValue::from_static("null")), &mut headers);
            headers
        });
        Self {
            status: parts.status,
            headers: parts.headers,
            readable,
            body,
        }
    }

    pub(super) fn to_response(
        &self,
        refusal: Refusal,
        origin: Option<HeaderValue>,
    ) -> Response<Bytes> {
        let mut response = Response::new(self.body.clone());
        *response.status_mut() = self.status;
        *response.headers_mut() = match (origin, &self.readable) {
            (Some(origin), Some(readable)) => {
                let mut headers = readable.clone();
                // The value is replaced in place: an insertion would first make room for one more.
                if let Some(written) = headers.get_mut(ACCESS_CONTROL_ALLOW_ORIGIN) {
                    *written = origin;
                }
                headers
            }
            _ => self.headers.clone(),
        };
        response.extensions_mut().insert(refusal);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheme::{Dpop, Schemes};
    use crate::scope::Scopes;

    #[test]
    fn a_prepared_answer_is_the_one_that_would_be_written() {
        let document = "https://mcp.example.com/.well-known/oauth-protected-resource";
        let schemes = Schemes {
            dpop: Dpop::Accepted,
            proof_algorithms: "ES256".to_owned(),
        };
        let scopes = Scopes::from_claim("a b");
        let answers = Answers::new(document.into(), scopes, "api://".into(), schemes);
        let origin = HeaderValue::from_static("https://play.example");
        for cors in [Cors::Ours, Cors::LeftToOthers] {
            let prepared = PreparedAnswers::new(&answers, cors);
            let of_schemes = |reason| SCHEMES.map(|scheme| (reason, scheme));
            for (reason, scheme) in Reason::ALL.iter().copied().flat_map(of_schemes) {
                for origin in [None, Some(origin.clone())] {
                    let Some(prepared) = prepared.of(reason.kind(), scheme) else {
                        assert!(!REASONS.iter().any(|own| own.kind() == reason.kind()));
                        continue;
                    };
                    let quick = prepared.to_response(reason.into(), origin.clone());
                    let mut written = answers.refuse(reason.into(), scheme, None);
                    cors.make_readable(origin, written.headers_mut());
                    assert_eq!(quick.status(), written.status());
                    assert_eq!(quick.body(), written.body());
                    assert!(quick.headers().iter().eq(written.headers()), "{reason:?}");
                    let refusal = quick.extensions().get::<Refusal>();
                    assert_eq!(refusal.map(Refusal::reason), Some(reason));
                }
            }
        }
    }
}
