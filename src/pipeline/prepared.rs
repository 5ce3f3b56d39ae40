//! Answers to unauthenticated callers, written beforehand. They do not change, and anyone can cause many of them.

use bytes::Bytes;
use http::header::ACCESS_CONTROL_ALLOW_ORIGIN;
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use super::cors::Cors;
use crate::answer::Answers;
use crate::refusal::{Reason, Refusal, RefusalKind};

/// The answers to callers without a verified token, one for each kind of refusal whose answer is always the same.
#[derive(Debug)]
pub(crate) struct PreparedAnswers(Vec<Prepared>);

/// The response that [`Answers`] would make, and the headers that [`Cors`] would add.
#[derive(Debug)]
pub(super) struct Prepared {
    kind: RefusalKind,
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

impl PreparedAnswers {
    pub(crate) fn new(answers: &Answers, cors: Cors) -> Self {
        let prepared = REASONS.map(|reason| Prepared::new(reason, answers, cors));
        Self(prepared.into())
    }

    /// The answer to a caller without a verified token; `None` for a kind that is not prepared.
    pub(super) fn of(&self, kind: RefusalKind) -> Option<&Prepared> {
        self.0.iter().find(|prepared| prepared.kind == kind)
    }
}

impl Prepared {
    fn new(reason: Reason, answers: &Answers, cors: Cors) -> Self {
        let (parts, body) = answers.refuse(reason.into(), None).into_parts();
        let readable = (cors == Cors::Ours).then(|| {
            let mut headers = parts.headers.clone();
            cors.make_readable(Some(HeaderValue::from_static("null")), &mut headers);
            headers
        });
        Self {
            kind: reason.kind(),
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
    use crate::scope::Scopes;

    #[test]
    fn a_prepared_answer_is_the_one_that_would_be_written() {
        let document = "https://mcp.example.com/.well-known/oauth-protected-resource";
        let answers = Answers::new(document.into(), Scopes::from_claim("a b"), "api://".into());
        let origin = HeaderValue::from_static("https://play.example");
        for cors in [Cors::Ours, Cors::LeftToOthers] {
            let prepared = PreparedAnswers::new(&answers, cors);
            for &reason in Reason::ALL {
                for origin in [None, Some(origin.clone())] {
                    let Some(prepared) = prepared.of(reason.kind()) else {
                        assert!(!REASONS.iter().any(|own| own.kind() == reason.kind()));
                        continue;
                    };
                    let quick = prepared.to_response(reason.into(), origin.clone());
                    let mut written = answers.refuse(reason.into(), None);
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
