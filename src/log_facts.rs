//! The facts of a refusal that go to the log and never to the caller.

/// The facts of one refusal. The text is raw and may come from an attacker; the log escapes and truncates it.
#[derive(Debug, Clone, Default)]
pub(crate) struct LogFacts {
    pub(crate) expected: Option<String>,
    pub(crate) got: Option<String>,
    pub(crate) issuer: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) token_id: Option<String>,
}

/// Names one field of [`LogFacts`].
#[derive(Clone, Copy)]
pub(crate) enum Fact {
    Expected,
    Got,
    Issuer,
    Subject,
    ClientId,
    TokenId,
}

impl LogFacts {
    pub(crate) fn get(&self, fact: Fact) -> Option<&str> {
        match fact {
            Fact::Expected => &self.expected,
            Fact::Got => &self.got,
            Fact::Issuer => &self.issuer,
            Fact::Subject => &self.subject,
            Fact::ClientId => &self.client_id,
            Fact::TokenId => &self.token_id,
        }
        .as_deref()
    }

    /// Names the caller. Fields that are set already stay as they are.
    pub(crate) fn name_caller(
        &mut self,
        issuer: &str,
        subject: Option<&str>,
        client_id: Option<&str>,
    ) {
        for (fact, value) in [
            (&mut self.issuer, Some(issuer)),
            (&mut self.subject, subject),
            (&mut self.client_id, client_id),
        ] {
            *fact = fact.take().or_else(|| value.map(str::to_owned));
        }
    }

    /// Truncates every fact to about `max_bytes`, so that the facts can be kept in a cache.
    pub(crate) fn shorten(&mut self, max_bytes: usize) {
        let Self {
            expected,
            got,
            issuer,
            subject,
            client_id,
            token_id,
        } = self;
        for fact in [expected, got, issuer, subject, client_id, token_id]
            .into_iter()
            .flatten()
        {
            let end = (max_bytes..fact.len()).find(|at| fact.is_char_boundary(*at));
            fact.truncate(end.unwrap_or(fact.len()));
            fact.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_cut_between_characters() {
        let facts = |text: &str| {
            let mut facts = LogFacts {
                got: Some(text.to_owned()),
                ..LogFacts::default()
            };
            facts.shorten(4);
            facts.got.unwrap()
        };
        for (text, short) in [
            ("abc", "abc"),
            ("abcd", "abcd"),
            ("abcde", "abcd"),
            ("abcäe", "abcä"),
            ("ääää", "ää"),
        ] {
            assert_eq!(facts(text), short, "{text}");
        }
    }

    #[test]
    fn facts_about_the_caller_that_are_already_set_stay() {
        let mut facts = LogFacts::default();
        facts.name_caller("i", None, None);
        facts.name_caller("j", Some("s"), None);
        facts.name_caller("k", Some("t"), Some("c"));
        let named = [Fact::Issuer, Fact::Subject, Fact::ClientId].map(|fact| facts.get(fact));
        assert_eq!(named, [Some("i"), Some("s"), Some("c")]);
    }
}
