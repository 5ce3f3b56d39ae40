//! Refusals of JWTs that cannot be used. They are made before a key is looked up.

use crate::jose::{BadJws, Unreadable};
use crate::refusal::{Reason, Refusal};

/// The refusal of a token that is not a usable JWT. This is not a `From`, since JWTs that are not tokens get other
/// refusals.
pub(super) fn unusable(why: BadJws) -> Refusal {
    match why {
        BadJws::Encrypted => Refusal::from(Reason::EncryptedJwt).got("five parts"),
        BadJws::Header(why) => unreadable(
            why,
            "a header that is not a JSON object",
            "header: a member twice",
        ),
        BadJws::EncodingOfClaims => Refusal::from(Reason::BadBase64).got("the claims"),
        BadJws::EncodingOfSignature => Refusal::from(Reason::BadBase64).got("the signature"),
        BadJws::Algorithm { allowed, named } => Refusal::from(Reason::AlgNotAllowed)
            .expected(format!("alg: {allowed}"))
            .got(format!("alg: {named}")),
        BadJws::Extension(name) => Refusal::from(Reason::CritUnsupported).got(name),
        BadJws::Kid => Refusal::from(Reason::KeyUnusable).got("kid: not a text"),
    }
}

/// The refusal of a token whose claims cannot be read.
pub(super) fn unreadable_claims(why: Unreadable) -> Refusal {
    unreadable(
        why,
        "claims that are not a JSON object",
        "claims: a member twice",
    )
}

fn unreadable(why: Unreadable, no_object: &'static str, twice: &'static str) -> Refusal {
    let (reason, got) = match why {
        Unreadable::Duplicate(_) => (Reason::DuplicateClaim, twice),
        Unreadable::Encoding(_) | Unreadable::Syntax(_) | Unreadable::NotAnObject => {
            (Reason::BadJson, no_object)
        }
    };
    Refusal::from(reason).got(got).because(why)
}
