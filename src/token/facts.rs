//! The facts of the checks of a token, for explanations.

use super::api_keys::API_KEYS_ISSUER;
use super::credentials::PresentedToken;
use super::lookup::Lookups;
use super::own_verification::OwnVerification;
use super::principal::Principal;
use super::profile::TokenRules;
use super::unverified::Unverified;
use super::verify::Verifier;
use crate::clock::Timestamp;
use crate::refusal::{CheckFacts, Step};

/// A presented token, and its content, which may be unverified.
pub(crate) struct ExplainedToken<'a> {
    /// The content of a JWT; `None` for an opaque token.
    unverified: Option<Unverified>,
    is_api_key: bool,
    /// The verifier of the operator's own that is called for it, if one is.
    own_verifier: Option<&'a Lookups<OwnVerification>>,
    principal: Option<&'a Principal>,
}

impl ExplainedToken<'_> {
    fn is_jwt(&self) -> bool {
        self.unverified.is_some()
    }

    fn issuer(&self) -> Option<String> {
        let verified = self.principal.map(|caller| caller.issuer().to_owned());
        verified
            .or_else(|| Some(self.own_verifier?.issuer().name.to_string()))
            .or_else(|| self.unverified.as_ref()?.claim("iss"))
    }

    fn header(&self, name: &str) -> Option<String> {
        self.unverified.as_ref()?.header(name)
    }

    /// A claim, of the introspection response or of the token itself.
    fn claim(&self, name: &str) -> Option<String> {
        let verified = self
            .principal
            .and_then(|caller| Unverified::claim_of(caller, name));
        verified.or_else(|| self.unverified.as_ref()?.claim(name))
    }

    /// These members, each with its name, as far as they are present.
    fn named<const N: usize>(names: [&str; N], value: impl Fn(&str) -> Option<String>) -> String {
        let said = names
            .into_iter()
            .filter_map(|name| Some(format!("{name} {}", value(name)?)));
        said.collect::<Vec<_>>().join(", ")
    }
}

impl Verifier {
    /// `principal` is the caller, if the token was verified.
    pub(crate) fn explained<'a>(
        &'a self,
        text: &str,
        principal: Option<&'a Principal>,
    ) -> ExplainedToken<'a> {
        let token = PresentedToken::of_well_formed(text);
        let is_api_key = self
            .api_keys
            .as_ref()
            .is_some_and(|keys| keys.claims(token));
        let unverified = Unverified::read(text).filter(|_| !is_api_key);
        let own_verifier = match is_api_key {
            true => None,
            false => self.own_verifier_of(text, unverified.as_ref()),
        };
        ExplainedToken {
            // Only a JWT of an issuer has content that the gate reads, whatever another token looks like.
            unverified: unverified.filter(|_| own_verifier.is_none()),
            is_api_key,
            own_verifier,
            principal,
        }
    }

    /// The claims in which the gate looked for scopes, if it found none.
    pub(crate) fn claims_without_scopes(&self, principal: &Principal) -> Option<String> {
        let issuer = self.issuer_named(principal.issuer());
        let rules = &issuer.filter(|_| principal.scopes().is_empty())?.rules;
        let claims = rules.scope_claims.join(" ");
        Some(format!("no scope in the first of these claims: {claims}"))
    }

    /// The facts of a check of this token; `None` if the check does not apply to it.
    pub(crate) fn facts(&self, step: Step, token: &ExplainedToken<'_>) -> Option<CheckFacts> {
        if token.is_api_key {
            return self.facts_of_api_key(step, token);
        }
        let named = token.issuer();
        let issuer = named.as_deref().and_then(|name| self.issuer_named(name));
        let rules = issuer.map(|issuer| &issuer.rules);
        let claim = |name: &str| token.claim(name).unwrap_or_default();
        Some(match step {
            Step::Form if token.own_verifier.is_some() => {
                let form = "a token that a verifier of this gate claims";
                CheckFacts::new(form, form)
            }
            Step::Issuer if token.own_verifier.is_some() => {
                let issuer = named.unwrap_or_default();
                CheckFacts::new(issuer.clone(), issuer)
            }
            Step::Signature if token.own_verifier.is_some() => {
                CheckFacts::new("a token that its verifier accepts", "")
            }
            Step::Form => CheckFacts::new(
                match self.lookups.is_empty() {
                    true => "a JWT: no issuer has introspection",
                    false => "a JWT, or an opaque token that an issuer introspects",
                },
                if token.is_jwt() {
                    "a JWT"
                } else {
                    "an opaque token"
                },
            ),
            Step::Issuer => {
                let trusted: Vec<&str> = self.issuers.iter().map(|issuer| &*issuer.name).collect();
                CheckFacts::new(trusted.join(" "), named.unwrap_or_default())
            }
            Step::Header if token.is_jwt() => CheckFacts::new(
                rules.map(TokenRules::listed_algorithms).unwrap_or_default(),
                ExplainedToken::named(["alg", "typ", "kid"], |name| token.header(name)),
            ),
            Step::Signature if token.is_jwt() => CheckFacts::new(
                "a signature by a key of the issuer",
                token.header("kid").unwrap_or_else(|| "no kid".to_owned()),
            ),
            Step::Signature if self.lookups.is_empty() => {
                CheckFacts::new("a JWT: no issuer has introspection", "an opaque token")
            }
            Step::Signature => CheckFacts::new("a token that its issuer calls active", ""),
            Step::Claims => CheckFacts::new("claims of the right types", ""),
            Step::Audience => {
                let accepted: Vec<&str> = match issuer {
                    Some(issuer) => issuer.accepted_audiences().collect(),
                    // All issuers have the same resource.
                    None => self.resource_names().collect(),
                };
                CheckFacts::new(accepted.join(" "), claim("aud"))
            }
            Step::Time => {
                let now = self.clock.now();
                let time = |name: &str| token.claim(name).map(with_date);
                CheckFacts::new(
                    format!("not past and not ahead at {now}"),
                    ExplainedToken::named(["exp", "nbf", "iat"], time),
                )
            }
            Step::Usage => CheckFacts::new("an access token", claim("token_use")),
            Step::Profile if token.is_jwt() => {
                let profile = rules.map(|rules| format!("{:?}", rules.profile).to_lowercase());
                CheckFacts::new(profile.unwrap_or_default(), "")
            }
            Step::Revocation => CheckFacts::new("no revocation at this gate", ""),
            _ => return None,
        })
    }

    /// The verifier that is called for a token, as [`verify`](Self::verify) chooses it.
    fn own_verifier_of(
        &self,
        text: &str,
        jwt: Option<&Unverified>,
    ) -> Option<&Lookups<OwnVerification>> {
        let is_of_issuer = |jwt: &Unverified| {
            let named = jwt.claim("iss");
            let mut issuers = self.issuers.iter();
            issuers.any(|issuer| Some(&*issuer.name) == named.as_deref())
        };
        let is_claimed = match jwt {
            Some(jwt) => is_of_issuer(jwt),
            None => self.lookups.iter().any(|one| one.may_have_issued(text)),
        };
        let mut own = self.own_verifiers.iter();
        own.find(|own| own.has_prefix_of(text))
            .or_else(|| self.verifier_of_the_rest().filter(|_| !is_claimed))
            .map(|own| &**own)
    }

    fn facts_of_api_key(&self, step: Step, token: &ExplainedToken<'_>) -> Option<CheckFacts> {
        Some(match step {
            Step::Form => CheckFacts::new("the prefix of API keys", "the prefix of API keys"),
            Step::Issuer => CheckFacts::new(API_KEYS_ISSUER, API_KEYS_ISSUER),
            Step::Signature => CheckFacts::new("an API key of this gate", ""),
            Step::Time => {
                let now = self.clock.now();
                let time = |name: &str| token.claim(name).map(with_date);
                CheckFacts::new(
                    format!("not past at {now}"),
                    ExplainedToken::named(["exp"], time),
                )
            }
            Step::Revocation => CheckFacts::new("no revocation at this gate", ""),
            _ => return None,
        })
    }

    fn resource_names(&self) -> impl Iterator<Item = &str> {
        let names = self
            .issuers
            .iter()
            .take(1)
            .flat_map(|issuer| issuer.names.iter());
        names.map(|name| name.as_str())
    }
}

/// A time in a claim, also as a date.
fn with_date(seconds: String) -> String {
    let time = seconds.parse().ok().and_then(Timestamp::from_seconds);
    time.map_or(seconds.clone(), |time| format!("{seconds} ({time})"))
}

impl TokenRules {
    fn listed_algorithms(&self) -> String {
        let names = self.algorithms.iter().map(|algorithm| algorithm.name());
        names.collect::<Vec<_>>().join(" ")
    }
}
