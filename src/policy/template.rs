//! Scopes that follow the name they are for: `tool:{name}`.

use std::fmt;

use super::pattern::Pattern;
use crate::scope::{Scope, Scopes, is_plain};

/// Scopes with placeholders in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    /// Whether one of them is enough.
    any: bool,
    scopes: Vec<Vec<TemplatePart>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum TemplatePart {
    Literal(String),
    /// The whole name.
    Name,
    /// What stands for a placeholder in the pattern that led here.
    Of(String),
}

/// What the scopes of a rule may be filled with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fillers<'a> {
    None,
    /// `{name}`: the tool, prompt or method asked for.
    Name,
    /// The placeholders of a URI's pattern, if it is one.
    Of(Option<&'a Pattern>),
}

impl Template {
    /// Whether a scope is to be filled at all.
    pub(crate) fn is_one(text: &str) -> bool {
        text.contains(['{', '}'])
    }

    /// Whether one of its scopes is enough.
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

    /// What the rule demands for this name. `None` where no scope can be made of it, or only one that does not belong
    /// into a challenge.
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
                    TemplatePart::Of(placeholder) => pattern?.filled(name, placeholder)?,
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
            Fillers::Of(Some(pattern)) if pattern.has(placeholder) => {
                TemplatePart::Of(placeholder.to_owned())
            }
            Fillers::Name => {
                return Err(format!(
                    "{{{placeholder}}} stands for nothing here: {{name}} does"
                ));
            }
            Fillers::Of(_) => {
                return Err(format!(
                    "{{{placeholder}}} stands for nothing: the URI has no such placeholder"
                ));
            }
            Fillers::None => {
                return Err("there is no name here to fill a placeholder with".to_owned());
            }
        });
        rest = behind;
    }
    pieces.push(TemplatePart::Literal(rest.to_owned()));
    let literal = |piece: &TemplatePart| match piece {
        TemplatePart::Literal(literal) => literal.clone(),
        TemplatePart::Name | TemplatePart::Of(_) => "x".to_owned(),
    };
    let filled: String = pieces.iter().map(literal).collect();
    if filled.contains('}') || Scope::parse(&filled).is_err() {
        return Err(
            "around its placeholders it is no scope: printable ASCII without space, '\"', '\\' and braces"
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
                    TemplatePart::Of(placeholder) => write!(f, "{{{placeholder}}}")?,
                }
            }
        }
        Ok(())
    }
}
