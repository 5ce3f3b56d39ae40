//! The checks on the path of a request, each of which a refusal or an explanation can name.

/// Declares the checks, in the order in which most requests come to them: variant, name.
macro_rules! steps {
    ($($step:ident $name:literal)*) => {
        /// A check. A reason that could belong to several is counted for the earliest, so that no check is shown as passed
        /// that may not have been reached.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Step { $($step),* }

        impl Step {
            pub(crate) const ALL: &[Self] = &[$(Self::$step),*];

            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$step => $name),* }
            }
        }
    };
}

steps! {
    Metadata    "metadata"
    Origin      "origin"
    Credentials "credentials"
    Form        "form"
    Issuer      "issuer"
    Header      "header"
    Signature   "signature"
    Claims      "claims"
    Audience    "audience"
    Time        "time"
    Usage       "usage"
    Profile     "profile"
    Revocation  "revocation"
    Binding     "binding"
    Caller      "caller"
    BaseScopes  "base scopes"
    Body        "body"
    Session     "session"
    Rules       "rules"
    Decision    "decision"
    Streams     "streams"
}
