use reqwest::Url;

use super::error::OAuthError;
use super::form::Form;

/// The resources that a request names, as written (RFC 8707 §2).
pub(super) fn resources(form: &Form) -> Result<Vec<String>, OAuthError> {
    let mut resources = Vec::new();
    for resource in form.all("resource") {
        if Url::parse(resource).is_err() || resource.contains('#') {
            let description =
                format!("the resource {resource} is not an absolute URI without a fragment");
            return Err(OAuthError::new("invalid_target", description));
        }
        if !resources.iter().any(|known| known == resource) {
            resources.push(resource.to_owned());
        }
    }
    Ok(resources)
}

/// The scopes that a request names, if all of them are scope tokens (RFC 6749 §3.3).
pub(super) fn scopes(form: &Form) -> Result<Vec<String>, OAuthError> {
    let scopes = form.scopes();
    let is_scope_character = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    match scopes
        .iter()
        .find(|scope| !scope.bytes().all(is_scope_character))
    {
        Some(scope) => Err(OAuthError::new(
            "invalid_scope",
            format!("{scope} is not a scope"),
        )),
        None => Ok(scopes),
    }
}
