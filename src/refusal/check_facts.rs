//! The facts of one check, as its room tells them for an explanation.

/// The values that a check accepts, and the one that a request had. The text is raw; the explanation escapes and
/// truncates it.
#[derive(Debug, Default)]
pub(crate) struct CheckFacts {
    pub(crate) expected: String,
    pub(crate) got: String,
}

impl CheckFacts {
    pub(crate) fn new(expected: impl Into<String>, got: impl Into<String>) -> Self {
        Self {
            expected: expected.into(),
            got: got.into(),
        }
    }
}
