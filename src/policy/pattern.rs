//! The pattern of a rule that is for several names: `files_*`, or `db://{table}/rows/*`.

/// A pattern, cut into its literal texts and placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    /// The text that the operator wrote.
    written: String,
    prefix: String,
    /// Each placeholder, with the literal text behind it.
    placeholders: Vec<Placeholder>,
    /// Whether it ends in `*`.
    open_ended: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Placeholder {
    name: String,
    then: String,
}

/// How braces in a name are read: only in URIs they are placeholders (RFC 6570).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syntax {
    UriTemplate,
    Plain,
}

/// The characters that end the value of a placeholder. Servers, too, take the text between two slashes as one value.
const ENDS: [char; 3] = ['/', '?', '#'];

impl Pattern {
    /// Reads a pattern; `None` for an exact name.
    pub(crate) fn read(written: &str, syntax: Syntax) -> Result<Option<Self>, &'static str> {
        let (literal, open_ended) = match written.split_once('*') {
            None => (written, false),
            Some((literal, "")) => (literal, true),
            Some(_) => return Err("a pattern has one `*`, at its end"),
        };
        let (prefix, placeholders) = match syntax {
            Syntax::Plain => (literal, Vec::new()),
            Syntax::UriTemplate => placeholders(literal, open_ended)?,
        };
        if placeholders.is_empty() && !open_ended {
            return Ok(None);
        }
        Ok(Some(Self {
            written: written.to_owned(),
            prefix: prefix.to_owned(),
            placeholders,
            open_ended,
        }))
    }

    pub(crate) fn written(&self) -> &str {
        &self.written
    }

    /// The text before the `*`, if the pattern has no placeholder.
    pub(crate) fn as_prefix(&self) -> Option<&str> {
        self.placeholders.is_empty().then_some(&self.prefix)
    }

    pub(crate) fn matches(&self, name: &str) -> bool {
        let Some(rest) = name.strip_prefix(self.prefix.as_str()) else {
            return false;
        };
        self.fill(rest, &mut |_, _| {})
    }

    /// The value of a placeholder in a name that matches.
    pub(crate) fn filled<'n>(&self, name: &'n str, placeholder: &str) -> Option<&'n str> {
        let mut found = None;
        let rest = name.strip_prefix(self.prefix.as_str())?;
        self.fill(rest, &mut |own, value| {
            if own == placeholder {
                found = Some(value);
            }
        });
        found
    }

    pub(crate) fn has(&self, placeholder: &str) -> bool {
        self.placeholders.iter().any(|own| own.name == placeholder)
    }

    /// The length of the literal text, by which the more specific pattern is found.
    pub(crate) fn literal_length(&self) -> usize {
        self.prefix.len()
            + self
                .placeholders
                .iter()
                .map(|placeholder| placeholder.then.len())
                .sum::<usize>()
    }

    /// Whether some name may match both patterns. Compares them piece by piece, and is true in doubt.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let (mut own, mut others) = (self.pieces(), other.pieces());
        loop {
            match (own.next(), others.next()) {
                (Some(one), Some(another)) if may_be_equal(one, another) => {}
                (Some(_), Some(_)) => return false,
                (None, None) => return true,
                (Some(_), None) => return other.open_ended,
                (None, Some(_)) => return self.open_ended,
            }
        }
    }

    fn pieces(&self) -> impl Iterator<Item = &str> {
        self.written.split('/')
    }

    fn fill<'n>(&self, mut rest: &'n str, found: &mut dyn FnMut(&str, &'n str)) -> bool {
        for Placeholder { name, then } in &self.placeholders {
            let length = rest.find(ENDS).unwrap_or(rest.len());
            let Some((value, behind)) = rest
                .split_at_checked(length)
                .filter(|(value, _)| !value.is_empty())
            else {
                return false;
            };
            let Some(behind) = behind.strip_prefix(then.as_str()) else {
                return false;
            };
            found(name, value);
            rest = behind;
        }
        self.open_ended || rest.is_empty()
    }
}

fn may_be_equal(one: &str, another: &str) -> bool {
    let literal = |piece: &str| {
        piece
            .find(['{', '*'])
            .map(|end| piece.get(..end).unwrap_or_default().to_owned())
    };
    match (literal(one), literal(another)) {
        (None, None) => one == another,
        (Some(start), None) => another.starts_with(&start),
        (None, Some(start)) => one.starts_with(&start),
        (Some(start), Some(other)) => start.starts_with(&other) || other.starts_with(&start),
    }
}

/// Splits a pattern into the literal text before the first placeholder, and each placeholder with the text behind it.
fn placeholders(literal: &str, open_ended: bool) -> Result<(&str, Vec<Placeholder>), &'static str> {
    let mut pieces = literal.split('{');
    let prefix = pieces.next().unwrap_or_default();
    let (mut found, mut before): (Vec<Placeholder>, _) = (Vec::new(), prefix);
    for piece in pieces {
        let (name, then) = piece.split_once('}').ok_or("a placeholder ends in `}`")?;
        if name.is_empty()
            || !name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        {
            return Err("a placeholder is one word in braces: letters, digits and `_`");
        }
        if found.iter().any(|earlier| earlier.name == name) {
            return Err("a placeholder is there twice: give the two different names");
        }
        let ends = then.starts_with(ENDS) || (then.is_empty() && !open_ended);
        if !before.ends_with('/') || !ends {
            return Err("a placeholder is all that stands between two slashes");
        }
        found.push(Placeholder {
            name: name.to_owned(),
            then: then.to_owned(),
        });
        before = then;
    }
    if prefix.contains('}')
        || found
            .iter()
            .any(|placeholder| placeholder.then.contains('}'))
    {
        return Err("a placeholder begins with `{`");
    }
    Ok((prefix, found))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(written: &str) -> Result<Option<Pattern>, &'static str> {
        Pattern::read(written, Syntax::UriTemplate)
    }

    #[test]
    fn a_placeholder_stands_for_what_is_between_two_slashes_and_not_for_nothing() {
        let rows = uri("db://{table}/rows/*").unwrap().unwrap();
        for (name, table) in [
            ("db://users/rows/7", Some("users")),
            ("db://users/rows/", Some("users")),
            ("db://a%2Fb/rows/7", Some("a%2Fb")),
            ("db:///rows/7", None),
            ("db://a/b/rows/7", None),
            ("db://users/rows", None),
            ("db://users?x/rows/7", None),
            ("dbs://users/rows/7", None),
        ] {
            assert_eq!(
                (rows.matches(name), rows.filled(name, "table")),
                (table.is_some(), table),
                "{name}"
            );
        }
        assert!(rows.has("table") && !rows.has("row"));

        let two = uri("test://{kind}/x/{id}").unwrap().unwrap();
        assert_eq!(two.filled("test://a/x/b", "id"), Some("b"));
        assert!(
            !two.matches("test://a/x/b/")
                && !two.matches("test://a/x/b?c")
                && !two.matches("test://a/x/")
        );
    }

    #[test]
    fn what_is_no_pattern_is_a_single_name_or_a_mistake() {
        assert_eq!(uri("db://users"), Ok(None));
        assert_eq!(Pattern::read("a{b}", Syntax::Plain), Ok(None));
        for mistake in [
            "db://{table",
            "db://table}",
            "db://{}/x",
            "db://{a b}/x",
            "db://{a}/{a}",
            "db://x{a}/b",
            "db://{a}b/c",
            "db://{a}*",
            "db://{a}{b}",
            "a*b",
            "**",
            "db://{a}/b}c",
            "db://{{a}}/b",
        ] {
            assert!(uri(mistake).is_err(), "{mistake}");
        }
    }

    #[test]
    fn patterns_overlap_where_some_name_matches_both() {
        let read = |written| uri(written).unwrap().unwrap();
        for (one, other, overlaps) in [
            ("a://{x}/b", "a://b/{y}", true),
            ("a://{x}/b", "a://{y}/c", false),
            ("a://{x}/b", "a://{y}/b/c/{z}", false),
            ("a://{x}/*", "a://{y}/b/{z}", true),
            ("a://x/*", "b://{y}/z", false),
            ("a://{x}/b*", "a://{y}/c*", false),
            ("a://{x}/b*", "a://{y}/bc", true),
            ("a://b*", "a://c*", false),
        ] {
            assert_eq!(read(one).overlaps(&read(other)), overlaps, "{one} {other}");
            assert_eq!(read(other).overlaps(&read(one)), overlaps, "{other} {one}");
        }
    }
}
