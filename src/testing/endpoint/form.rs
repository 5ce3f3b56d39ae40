use bytes::Bytes;
use http::Request;
use http::header::CONTENT_TYPE;
use reqwest::Url;

use super::error::OAuthError;

/// The names and values of a query or a form body, in order.
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    pub(super) fn of_query(request: &Request<Bytes>) -> Self {
        Self::parse(request.uri().query().unwrap_or_default())
    }

    pub(super) fn of_body(request: &Request<Bytes>) -> Result<Self, OAuthError> {
        let media_type = request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        let media_type = media_type
            .and_then(|value| value.split(';').next())
            .unwrap_or_default()
            .trim();
        if !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(OAuthError::invalid_request(
                "the body must be application/x-www-form-urlencoded",
            ));
        }
        let text = std::str::from_utf8(request.body())
            .map_err(|_| OAuthError::invalid_request("the body is not UTF-8"))?;
        Ok(Self::parse(text))
    }

    fn parse(text: &str) -> Self {
        let mut url = blank_url();
        url.set_query(Some(text));
        Self(url.query_pairs().into_owned().collect())
    }

    /// Every value of a parameter that may be repeated. An empty value counts as absent (RFC 6749 §3.1).
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// The value of a parameter that may not be repeated.
    pub(super) fn optional<'a>(&'a self, name: &'a str) -> Result<Option<&'a str>, OAuthError> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            _ => Err(OAuthError::invalid_request(format!(
                "{name} is given more than once"
            ))),
        }
    }

    pub(super) fn required<'a>(&'a self, name: &'a str) -> Result<&'a str, OAuthError> {
        self.optional(name)?
            .ok_or_else(|| OAuthError::invalid_request(format!("{name} is missing")))
    }

    /// The scopes of all `scope` parameters, each once: a form sends one parameter for each ticked box.
    pub(super) fn scopes(&self) -> Vec<String> {
        let mut scopes = Vec::new();
        for scope in self.all("scope").flat_map(str::split_ascii_whitespace) {
            if !scopes.iter().any(|known| known == scope) {
                scopes.push(scope.to_owned());
            }
        }
        scopes
    }
}

/// Decodes one form-encoded value.
pub(super) fn decoded(value: &str) -> String {
    let pairs = Form::parse(&format!("value={}", value.replace('&', "%26")));
    pairs.all("value").next().unwrap_or_default().to_owned()
}

/// Appends these parameters to the query of `address`, and leaves the rest of it unchanged.
pub(super) fn with_parameters(address: &str, parameters: &[(&str, &str)]) -> String {
    let mut url = blank_url();
    url.query_pairs_mut().extend_pairs(parameters);
    let separator = if address.contains('?') { '&' } else { '?' };
    format!("{address}{separator}{}", url.query().unwrap_or_default())
}

fn blank_url() -> Url {
    Url::parse("http://form.invalid/").expect("a URL")
}
