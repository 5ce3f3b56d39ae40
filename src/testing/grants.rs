use std::collections::{HashMap, HashSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::endpoint::error::OAuthError;
use super::logins::Login;
use super::random::random_text;
use crate::digest::sha256;

/// The grants of users, with the codes and tokens issued for them.
#[derive(Default)]
pub(super) struct Grants {
    /// The id of a grant is its index.
    grants: Vec<Grant>,
    vouchers: HashMap<String, Voucher>,
    access_tokens: HashMap<String, AccessToken>,
    /// Introspection responses that a test set.
    answers: HashMap<String, Value>,
    /// The `jti` of client assertions that were used: each works once.
    assertions: HashSet<String>,
}

/// The grant of one user to one client.
#[derive(Clone)]
pub(super) struct Grant {
    pub(super) client_id: String,
    pub(super) user: String,
    /// `None` if a client acts for itself.
    pub(super) login: Option<Login>,
    pub(super) scopes: Vec<String>,
    pub(super) resources: Vec<String>,
    /// Whether each token request must contain a DPoP proof.
    pub(super) needs_proof: bool,
    pub(super) revoked: bool,
}

pub(super) type GrantId = usize;

/// The sender of a token request.
#[derive(Clone, Copy)]
pub(super) struct Requester<'r> {
    pub(super) client_id: &'r str,
    /// The thumbprint of the DPoP key that it proved to have.
    pub(super) dpop_key: Option<&'r str>,
}

/// The values that the token request for a code must match.
#[derive(Clone)]
pub(super) struct CodeBinding {
    pub(super) redirect_uri: String,
    pub(super) challenge: String,
    /// The `dpop_jkt` of the authorization request (RFC 9449 §10).
    pub(super) dpop_key: Option<String>,
    pub(super) expires_at: i64,
}

/// An authorization code or a refresh token, which works once.
struct Voucher {
    grant: GrantId,
    spent: bool,
    /// The thumbprint of the DPoP key that it is bound to.
    dpop_key: Option<String>,
    /// `None` for a refresh token.
    code: Option<CodeBinding>,
}

struct AccessToken {
    /// `None` if a client acts for itself.
    grant: Option<GrantId>,
    claims: Map<String, Value>,
}

impl Grants {
    pub(super) fn is_first_use(&mut self, assertion: &str) -> bool {
        self.assertions.insert(assertion.to_owned())
    }

    pub(super) fn issue_code(&mut self, grant: Grant, binding: CodeBinding) -> String {
        let code = format!("code_{}", random_text::<24>());
        self.grants.push(grant);
        let voucher = Voucher {
            grant: self.grants.len() - 1,
            spent: false,
            dpop_key: binding.dpop_key.clone(),
            code: Some(binding),
        };
        self.vouchers.insert(code.clone(), voucher);
        code
    }

    /// The scopes that a user has allowed a client for these resources so far; `None` if they never did.
    pub(super) fn allowed(
        &self,
        client_id: &str,
        user: &str,
        resources: &[String],
    ) -> Option<HashSet<String>> {
        let mut grants = self
            .grants
            .iter()
            .filter(|grant| !grant.revoked && grant.client_id == client_id && grant.user == user)
            .filter(|grant| resources.iter().all(|one| grant.resources.contains(one)))
            .peekable();
        grants.peek()?;
        Some(
            grants
                .flat_map(|grant| grant.scopes.iter().cloned())
                .collect(),
        )
    }

    pub(super) fn issue_refresh_token(
        &mut self,
        grant: GrantId,
        dpop_key: Option<String>,
    ) -> String {
        let token = format!("refresh_{}", random_text::<24>());
        self.vouchers.insert(
            token.clone(),
            Voucher {
                grant,
                spent: false,
                dpop_key,
                code: None,
            },
        );
        token
    }

    /// The grant of a code, if this token request matches it. The code is not spent yet.
    pub(super) fn behind_code(
        &mut self,
        code: &str,
        requester: Requester<'_>,
        redirect_uri: Option<&str>,
        verifier: &str,
        now: i64,
    ) -> Result<(GrantId, Grant), OAuthError> {
        let grant = self.behind(code, requester)?;
        let binding = self
            .vouchers
            .get(code)
            .and_then(|voucher| voucher.code.as_ref());
        let binding = binding
            .ok_or_else(|| OAuthError::invalid_grant("this is not an authorization code"))?;
        if now >= binding.expires_at {
            return Err(OAuthError::invalid_grant("the code has expired"));
        }
        // OAuth 2.1 removed the parameter from the token request; OAuth 2.0 clients send it, and then it must
        // match.
        if redirect_uri.is_some_and(|redirect_uri| redirect_uri != binding.redirect_uri) {
            return Err(OAuthError::invalid_grant(
                "redirect_uri is not the one that the code was sent to",
            ));
        }
        if URL_SAFE_NO_PAD.encode(sha256(verifier.as_bytes())) != binding.challenge {
            return Err(OAuthError::invalid_grant(
                "code_verifier does not match the code_challenge",
            ));
        }
        Ok(grant)
    }

    /// The grant of a refresh token of this client. The token is not spent yet.
    pub(super) fn behind_refresh_token(
        &mut self,
        token: &str,
        requester: Requester<'_>,
    ) -> Result<(GrantId, Grant), OAuthError> {
        if self
            .vouchers
            .get(token)
            .is_some_and(|voucher| voucher.code.is_some())
        {
            return Err(OAuthError::invalid_grant("this is not a refresh token"));
        }
        self.behind(token, requester)
    }

    pub(super) fn spend(&mut self, voucher: &str) {
        if let Some(voucher) = self.vouchers.get_mut(voucher) {
            voucher.spent = true;
        }
    }

    pub(super) fn remember(
        &mut self,
        access_token: &str,
        claims: Map<String, Value>,
        grant: Option<GrantId>,
    ) {
        self.access_tokens
            .insert(access_token.to_owned(), AccessToken { grant, claims });
    }

    /// The claims of an access token that was issued here; none too where its grant was revoked.
    pub(super) fn claims_of(&self, access_token: &str) -> Option<Option<&Map<String, Value>>> {
        let token = self.access_tokens.get(access_token)?;
        let revoked = token.grant.is_some_and(|grant| self.grants[grant].revoked);
        Some((!revoked).then_some(&token.claims))
    }

    pub(super) fn revoke(&mut self, token: &str) {
        self.introspect_as(token, json!({ "active": false }));
    }

    pub(super) fn introspect_as(&mut self, token: &str, answer: Value) {
        self.answers.insert(token.to_owned(), answer);
    }

    pub(super) fn answer_for(&self, token: &str) -> Option<&Value> {
        self.answers.get(token)
    }

    fn behind(
        &mut self,
        voucher: &str,
        requester: Requester<'_>,
    ) -> Result<(GrantId, Grant), OAuthError> {
        let voucher = self
            .vouchers
            .get(voucher)
            .ok_or_else(|| OAuthError::invalid_grant("unknown code or token"))?;
        let grant = &mut self.grants[voucher.grant];
        if grant.client_id != requester.client_id {
            return Err(OAuthError::invalid_grant(
                "this was issued to another client",
            ));
        }
        match (&voucher.dpop_key, requester.dpop_key) {
            (Some(bound), Some(proved)) if bound != proved => {
                return Err(OAuthError::invalid_grant("this is bound to another key"));
            }
            (Some(_), None) => {
                return Err(OAuthError::invalid_dpop_proof(
                    "this is bound to a key, and the request has no DPoP header",
                ));
            }
            (None, None) if grant.needs_proof => {
                return Err(OAuthError::invalid_dpop_proof(
                    "the client has dpop_bound_access_tokens, and the request has no DPoP header",
                ));
            }
            _ => {}
        }
        if voucher.spent {
            // Two parties have it, so one of them stole it (OAuth 2.1 §4.1.3, §4.3.1): all tokens of the grant are revoked.
            grant.revoked = true;
        }
        if grant.revoked {
            return Err(OAuthError::invalid_grant(
                "this was used before, and everything issued for it is revoked",
            ));
        }
        Ok((voucher.grant, grant.clone()))
    }
}
