//! The manual: pages that concern more than one item.
//!
//! | page | answers |
//! |---|---|
//! | [`scopes`] | how to say which scopes each tool, resource, prompt and method needs |
//! | [`connecting`] | how to set up an authorization server, and the configuration that goes with it |
//! | [`opaque_tokens`] | how to accept tokens that only their issuer can read, and how to revoke tokens |
//! | [`own_verifier`] | how to accept tokens that only your own code can verify |
//! | [`api_keys`] | how to accept API keys of machines that cannot log in |
//! | [`proof_of_possession`] | how callers prove that a bound token is theirs (DPoP) |
//! | [`clients`] | which clients read refusals in another form, and how a handler asks for more scopes |
//! | [`step_up`] | how to ask for a recent or a strong login, for a tool or for every request |
//! | [`sessions`] | what binds a session to its owner, and when a stream of events ends |
//! | [`several_resources`] | how one process serves several resources, under several host names |
//! | [`axum`] | where the layer goes in an axum router |
//! | [`configuration`] | what a configuration file holds: every field, and its default |
//! | [`answers`] | what a client gets in each situation, and how it recovers |
//! | [`limits`] | which limits there are, and what happens beyond them |
//! | [`deploying`] | what changes with several replicas, a proxy, a probe, a shutdown or a reload |
//! | [`operating`] | what the log says, what every reason code means, and whether the issuers can be reached |
//! | [`troubleshooting`] | which mistake is behind a symptom, and how to fix it |
//! | [`testing`] | how to test your scope map and your server |
//! | [`design`] | why the gate works as it does, and what it does not check |

#[doc = include_str!("scopes.md")]
pub mod scopes {}

#[doc = include_str!("connecting.md")]
pub mod connecting {}

#[doc = include_str!("opaque_tokens.md")]
pub mod opaque_tokens {}

#[doc = include_str!("own_verifier.md")]
pub mod own_verifier {}

#[doc = include_str!("api_keys.md")]
pub mod api_keys {}

#[doc = include_str!("proof_of_possession.md")]
pub mod proof_of_possession {}

#[doc = include_str!("clients.md")]
pub mod clients {}

#[doc = include_str!("step_up.md")]
pub mod step_up {}

#[doc = include_str!("sessions.md")]
pub mod sessions {}

#[doc = include_str!("several_resources.md")]
pub mod several_resources {}

#[doc = include_str!("axum.md")]
pub mod axum {}

#[doc = include_str!("configuration.md")]
pub mod configuration {}

#[doc = include_str!("answers.md")]
pub mod answers {}

#[doc = include_str!("limits.md")]
pub mod limits {}

#[doc = include_str!("deploying.md")]
pub mod deploying {}

#[doc = include_str!("operating.md")]
pub mod operating {}

#[doc = include_str!("troubleshooting.md")]
pub mod troubleshooting {}

// The module is always there, so that links to it resolve. The page links to items of the feature, so it needs that.
#[cfg_attr(feature = "testing", doc = include_str!("testing.md"))]
#[cfg_attr(
    not(feature = "testing"),
    doc = "This page is empty because the documentation was built without the feature `testing`. In a clone of the Toolgate \
           repository, run `cargo doc --features testing --open`."
)]
pub mod testing {}

#[doc = include_str!("design.md")]
pub mod design {}
