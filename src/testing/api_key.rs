use crate::config::ApiKey;

/// Makes a new API key for a test: the key itself, and what a gate stores of it.
///
/// ```
/// use toolgate::{ApiKeys, testing::api_key};
///
/// let (key, stored) = api_key("tg_", "nightly-build");
/// let keys = ApiKeys::with_prefix("tg_").key(stored.scopes(["mcp:use"]));
/// # assert!(key.starts_with("tg_"));
/// ```
///
/// # Panics
/// If the system has no random bytes.
pub fn api_key(prefix: &str, name: &str) -> (String, ApiKey) {
    ApiKey::generate(prefix, name).expect("the system has random bytes")
}
