//! What a call names: the part of it that rules are about.

use std::borrow::Cow;

use super::rpc::{Given, Params, Reference};
use crate::refusal::{Reason, Refusal};
use crate::resource_name::ResourceName;

/// The tool, prompt or resources that a call names.
#[derive(Debug, PartialEq)]
pub(crate) enum Target<'a> {
    None,
    Tool(Cow<'a, str>),
    Prompt(Cow<'a, str>),
    Resources(Vec<ResourceName<'a>>),
}

impl<'a> Target<'a> {
    /// A method that MCP does not define is judged like its family when it names something:
    /// `resources/directory/read` of a `uri` is no way around the rules for that resource. So is one that not all
    /// revisions define, `resources/subscribe`: where it is gone, the service inside says so.
    pub(super) fn of(method: &str, params: Params<'a>) -> Result<Self, Refusal> {
        match method {
            "tools/list" | "prompts/list" | "resources/list" | "resources/templates/list" => Ok(Self::None),
            "tools/call" => required(judgeable(params.name)?).map(Self::Tool),
            "prompts/get" => required(judgeable(params.name)?).map(Self::Prompt),
            "resources/read" => required(judgeable(params.uri)?).map(Self::resource),
            "completion/complete" => required(reference(params.reference)?),
            _ => {
                let named = match method.split_once('/').map(|(family, _)| family) {
                    Some("tools") => judgeable(params.name)?.map(Self::Tool),
                    Some("prompts") => judgeable(params.name)?.map(Self::Prompt),
                    Some("resources") => judgeable(params.uri)?.map(Self::resource),
                    Some("completion") => reference(params.reference)?,
                    Some("subscriptions") => subscriptions(params)?,
                    _ => None,
                };
                Ok(named.unwrap_or(Self::None))
            }
        }
    }

    fn resource(uri: Cow<'a, str>) -> Self {
        Self::Resources(vec![ResourceName::new(uri)])
    }
}

/// A reference of another type, or one that names both, could be taken for either.
fn reference(reference: Given<Box<Reference<'_>>>) -> Result<Option<Target<'_>>, Refusal> {
    let Some(reference) = judgeable(reference)? else {
        return Ok(None);
    };
    let Reference { kind, name, uri } = *reference;
    match (judgeable(kind)?.as_deref(), judgeable(name)?, judgeable(uri)?) {
        (Some("ref/prompt"), Some(name), None) => Ok(Some(Target::Prompt(name))),
        (Some("ref/resource"), None, Some(uri)) => Ok(Some(Target::resource(uri))),
        _ => Err(Reason::BodyUnparsable.into()),
    }
}

fn subscriptions(params: Params<'_>) -> Result<Option<Target<'_>>, Refusal> {
    let Some(notifications) = judgeable(params.notifications)? else {
        return Ok(None);
    };
    let names = judgeable(notifications.resource_subscriptions)?.unwrap_or_default();
    if names.is_empty() {
        return Ok(None);
    }
    Ok(Some(Target::Resources(names.into_iter().map(ResourceName::new).collect())))
}

fn judgeable<T>(given: Given<T>) -> Result<Option<T>, Refusal> {
    match given {
        Given::Null => Ok(None),
        Given::Is(wanted) => Ok(Some(wanted)),
        Given::Other => Err(Reason::BodyUnparsable.into()),
    }
}

fn required<T>(named: Option<T>) -> Result<T, Refusal> {
    named.ok_or_else(|| Reason::BodyUnparsable.into())
}
