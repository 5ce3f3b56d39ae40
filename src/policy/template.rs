//! Scopes that contain the name they are for: `tool:{name}`.

use std::fmt;

use super::pattern::Pattern;
use crate::scope::{Scope, Scopes, is_plain};

/// Scopes with placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    /// Whether one of the scopes is enough.
    any: bool,
    scopes: Vec<Vec<TemplatePart>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum TemplatePart {
    Literal(String),
    /// The whole name.
    Name,
    /// The value of a placeholder in the pattern that led to the rule.
    Placeholder(String),
}

/// The values with which the scopes of a rule can be filled.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fillers<'a> {
    None,
    /// `{name}`: the name of the tool, prompt or method.
    Name,
    /// The placeholders of a URI's pattern; `None` if the rule is for an exact URI.
    Placeholders(Option<&'a Pattern>),
}

impl Template {
    /// Whether a scope has a placeholder to fill.
    pub(crate) fn is_one(text: &str) -> bool {
        text.contains(['{', '}'])
    }

    /// Whether one of the scopes is enough.
    pub(crate) fn is_any(&self) -> bool {
        self.any
    }

    pub(crate) fn read(any: bool, texts: &[String], fillers: Fillers<'_>) -> Result<Self, String> {
        let scopes = texts
            .iter()
            .map(|text| pieces(text, fillers))
            .collect::<Result<_, _>>()?;
        Ok(Self { any, scopes })
    }

    /// The scopes for this name. `None` if one of them would not be a scope, or not one that may be sent in a
    /// challenge.
    pub(crate) fn fill(&self, name: &str, pattern: Option<&Pattern>) -> Option<Scopes> {
        let fill = |pieces: &Vec<TemplatePart>| {
            let mut text = String::new();
            for piece in pieces {
                let filler = match piece {
                    TemplatePart::Literal(literal) => {
                        text.push_str(literal);
                        continue;
                    }
                    TemplatePart::Name => name,
                    TemplatePart::Placeholder(placeholder) => pattern?.filled(name, placeholder)?,
                };
                text.push_str(Some(filler).filter(|filler| is_plain(filler))?);
            }
            Scope::parse(&text).ok()
        };
        self.scopes.iter().map(fill).collect()
    }
}

fn pieces(text: &str, fillers: Fillers<'_>) -> Result<Vec<TemplatePart>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((literal, behind)) = rest.split_once('{') {
        let (placeholder, behind) = behind.split_once('}').ok_or("a placeholder ends in `}`")?;
        pieces.push(TemplatePart::Literal(literal.to_owned()));
        pieces.push(match fillers {
            Fillers::Name if placeholder == "name" => TemplatePart::Name,
            Fillers::Placeholders(Some(pattern)) if pattern.has(placeholder) => {
                TemplatePart::Placeholder(placeholder.to_owned())
            }
            Fillers::Name => {
                return Err(format!(
                    "{{{placeholder}}} has no value here: {{name}} has one"
                ));
            }
            Fillers::Placeholders(_) => {
                return Err(format!(
                    "{{{placeholder}}} has no value: the URI has no such placeholder"
                ));
            }
            Fillers::None => {
                return Err("no name fills a placeholder here".to_owned());
            }
        });
        rest = behind;
    }
    pieces.push(TemplatePart::Literal(rest.to_owned()));
    let literal = |piece: &TemplatePart| match piece {
        TemplatePart::Literal(literal) => literal.clone(),
        TemplatePart::Name | TemplatePart::Placeholder(_) => "x".to_owned(),
    };
    let filled: String = pieces.iter().map(literal).collect();
    if filled.contains('}') || Scope::parse(&filled).is_err() {
        return Err(
            "the text around its placeholders is not a scope: printable ASCII without space, '\"', '\\' and braces"
                .to_owned(),
        );
    }
    Ok(pieces)
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.any {
            f.write_str("any of ")?;
        }
        for (position, pieces) in self.scopes.iter().enumerate() {
            if position > 0 {
                f.write_str(" ")?;
            }
            for piece in pieces {
                match piece {
                    TemplatePart::Literal(literal) => f.write_str(literal)?,
                    TemplatePart::Name => f.write_str("{name}")?,
                    TemplatePart::Placeholder(placeholder) => write!(f, "{{{placeholder}}}")?,
                }
            }
        }
        Ok(())
    }
}
