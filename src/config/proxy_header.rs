//! The name of a header of a proxy's own.

use http::HeaderName;

use crate::config_error::ConfigProblem;
use crate::header_name::is_reserved;

/// Reads the name of the header in which a proxy forwards something.
pub(super) fn proxy_header(
    field: &str,
    text: Option<&str>,
    what: &str,
) -> Result<HeaderName, ConfigProblem> {
    let Some(text) = text else {
        let fix = format!("write the name of the header in which your proxy forwards {what}");
        return Err(ConfigProblem::missing(field, fix));
    };
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let not_allowed = |fix: &str| Err(ConfigProblem::not_allowed(field, fix).showing(text));
    match HeaderName::from_bytes(text.as_bytes()) {
        Ok(name) if is_reserved(name.as_str()) => {
            not_allowed("this name has another meaning: write a name such as client-cert")
        }
        // Proxies drop other names, or change them.
        Ok(name) if text.bytes().all(is_of_name) => Ok(name),
        _ => not_allowed("write a name of letters, digits and hyphens, such as client-cert"),
    }
}
