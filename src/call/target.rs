//! The target of a call: what it names, which rules are about.

use std::borrow::Cow;
use std::cell::Cell;

use super::rpc::{Field, Params, Reference};
use crate::mcp::{self, Method, Presence, Subject};
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

/// The longest name of a tool or a prompt, and the longest method, in bytes.
const MAX_NAME_BYTES: usize = 256;

/// The most bytes of all URIs that one request names. Each is checked in several spellings, which takes more time than
/// anything else that is done with its bytes.
const MAX_URI_BYTES_OF_ALL: usize = 64 * 1024;

impl<'a> Target<'a> {
    /// The number of kinds.
    pub(crate) const KINDS: usize = 3;

    /// The name of the kind in the log.
    pub(crate) fn kind(&self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Tool(_) => Some("tool"),
            Self::Prompt(_) => Some("prompt"),
            Self::Resources(_) => Some("resource"),
        }
    }

    /// A tool, unless its name is too long.
    pub(crate) fn tool(name: Cow<'a, str>) -> Result<Self, Refusal> {
        within_limit(name).map(Self::Tool)
    }

    /// A prompt, unless its name is too long.
    pub(crate) fn prompt(name: Cow<'a, str>) -> Result<Self, Refusal> {
        within_limit(name).map(Self::Prompt)
    }

    /// A resource, unless its URI is too long.
    pub(crate) fn resource(uri: Cow<'a, str>) -> Result<Self, Refusal> {
        UriRoom::default().resource(uri)
    }

    /// The target that the params name. A method that only some revisions define, such as `resources/subscribe`, is
    /// read in all of them: the inner service refuses it where it does not exist.
    pub(super) fn of(method: &Method, params: Params<'a>, room: &UriRoom) -> Result<Self, Refusal> {
        let named = match method.subject {
            Subject::Nothing | Subject::Task => None,
            Subject::Tool => judgeable("name", params.name)?
                .map(Self::tool)
                .transpose()?,
            Subject::Prompt => judgeable("name", params.name)?
                .map(Self::prompt)
                .transpose()?,
            Subject::Resource => judgeable("uri", params.uri)?
                .map(|uri| room.resource(uri))
                .transpose()?,
            Subject::Reference => reference(params.reference, room)?,
            Subject::Subscriptions => subscriptions(params, room)?,
        };
        match named {
            Some(target) => Ok(target),
            None if method.in_params == Presence::Required => Err(unparsable("params: no target")),
            None => Ok(Self::None),
        }
    }
}

/// The number of bytes that are left for the URIs of one request.
#[derive(Debug)]
pub(super) struct UriRoom(Cell<usize>);

impl UriRoom {
    fn resource<'a>(&self, uri: Cow<'a, str>) -> Result<Target<'a>, Refusal> {
        Ok(Target::Resources(vec![self.name(uri)?]))
    }

    fn name<'a>(&self, uri: Cow<'a, str>) -> Result<ResourceName<'a>, Refusal> {
        let Some(left) = self.0.get().checked_sub(uri.len()) else {
            let expected = format!("at most {MAX_URI_BYTES_OF_ALL} bytes of URIs in one request");
            return Err(Refusal::from(Reason::NameTooLong)
                .expected(expected)
                .got("more"));
        };
        self.0.set(left);
        ResourceName::parse(uri).map_err(|why| Refusal::from(Reason::NameTooLong).because(why))
    }
}

impl Default for UriRoom {
    fn default() -> Self {
        Self(Cell::new(MAX_URI_BYTES_OF_ALL))
    }
}

/// Refuses a name or a method that is too long.
pub(super) fn within_limit(name: Cow<'_, str>) -> Result<Cow<'_, str>, Refusal> {
    if name.len() > MAX_NAME_BYTES {
        let (expected, got) = (
            format!("at most {MAX_NAME_BYTES} bytes"),
            format!("{} bytes", name.len()),
        );
        return Err(Refusal::from(Reason::NameTooLong)
            .expected(expected)
            .got(got));
    }
    Ok(name)
}

/// The target of a reference. One of another type, or one that names both, could be taken for either, and is refused.
fn reference<'a>(
    reference: Field<Box<Reference<'a>>>,
    room: &UriRoom,
) -> Result<Option<Target<'a>>, Refusal> {
    let Some(reference) = judgeable("ref", reference)? else {
        return Ok(None);
    };
    let Reference { kind, name, uri } = *reference;
    match (
        judgeable("ref.type", kind)?.as_deref(),
        judgeable("ref.name", name)?,
        judgeable("ref.uri", uri)?,
    ) {
        (Some(mcp::PROMPT_REFERENCE), Some(name), None) => Target::prompt(name).map(Some),
        (Some(mcp::RESOURCE_REFERENCE), None, Some(uri)) => room.resource(uri).map(Some),
        _ => Err(unparsable("ref: neither one prompt nor one resource")),
    }
}

fn subscriptions<'a>(params: Params<'a>, room: &UriRoom) -> Result<Option<Target<'a>>, Refusal> {
    let Some(notifications) = judgeable("notifications", params.notifications)? else {
        return Ok(None);
    };
    let names = judgeable(
        "resourceSubscriptions",
        notifications.resource_subscriptions,
    )?
    .unwrap_or_default();
    if names.is_empty() {
        return Ok(None);
    }
    let names = names
        .into_iter()
        .map(|uri| room.name(uri))
        .collect::<Result<_, _>>()?;
    Ok(Some(Target::Resources(names)))
}

fn judgeable<T>(name: &str, given: Field<T>) -> Result<Option<T>, Refusal> {
    match given {
        Field::Absent => Ok(None),
        Field::Value(wanted) => Ok(Some(wanted)),
        Field::WrongType => Err(unparsable(&format!("{name}: of the wrong type"))),
    }
}

fn unparsable(got: &str) -> Refusal {
    Refusal::from(Reason::BodyUnparsable).got(got)
}
