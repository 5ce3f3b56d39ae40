//! Reads what the user agreed to in detail (RFC 9396).

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::principal::{ClaimsError, Principal};

impl Principal {
    /// Deserialises those objects of the claim `authorization_details` that have this `type` (RFC 9396). Objects of
    /// other types are left out: a type that you do not know must not grant anything. Each call parses the claims anew.
    ///
    /// ```
    /// # use toolgate::Principal;
    /// #[derive(serde::Deserialize)]
    /// struct Payment {
    ///     creditor: String,
    /// }
    ///
    /// fn may_pay(principal: &Principal, creditor: &str) -> bool {
    ///     let payments = principal.authorization_details::<Payment>("payment_initiation");
    ///     payments.is_ok_and(|payments| payments.iter().any(|payment| payment.creditor == creditor))
    /// }
    /// ```
    ///
    /// # Errors
    /// If an object of this type does not fit the Rust type.
    pub fn authorization_details<T: DeserializeOwned>(
        &self,
        kind: &str,
    ) -> Result<Vec<T>, ClaimsError> {
        #[derive(Deserialize)]
        struct Detailed {
            #[serde(default)]
            authorization_details: Vec<Value>,
        }
        let Detailed {
            authorization_details,
        } = self.claims()?;
        let of_kind = authorization_details
            .into_iter()
            .filter(|detail| detail.get("type").and_then(Value::as_str) == Some(kind));
        of_kind
            .map(|detail| serde_json::from_value(detail).map_err(ClaimsError))
            .collect()
    }
}
