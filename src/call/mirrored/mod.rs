//! The headers that repeat parts of the body (SEP-2243). Proxies that do not read bodies believe them, so each must be
//! right if it is present. Nothing is ever allowed because of them.

use std::borrow::Cow;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::head::Head;
use super::one_call::{Call, MessageKind};
use super::rpc::{self, Messages};
use super::target::{Target, UriRoom};
use crate::mcp::{self, Presence, is_modern};
use crate::refusal::{Reason, Refusal};

/// The mirrored headers of a request, without surrounding white space.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mirrored<'h> {
    protocol_version: Option<&'h [u8]>,
    method: Option<&'h [u8]>,
    name: Option<&'h [u8]>,
}

impl<'h> Mirrored<'h> {
    pub(super) fn of(head: &Head<'h>) -> Result<Self, Refusal> {
        let trimmed = |line: &'h HeaderValue| line.as_bytes().trim_ascii();
        let protocol_version = head.protocol_version.only("MCP-Protocol-Version")?;
        Ok(Self {
            protocol_version: protocol_version.map(trimmed),
            method: head.method.only("Mcp-Method")?.map(trimmed),
            name: head.name.only("Mcp-Name")?.map(trimmed),
        })
    }

    pub(super) fn may_batch(&self) -> bool {
        mcp::has_batches(self.protocol_version)
    }

    /// Adds to the refusal of a batch the header by which it may not be one.
    pub(super) fn name_revision(&self, refusal: Refusal) -> Refusal {
        match self.protocol_version {
            Some(line) if refusal.reason() == Reason::BatchNotAllowed => {
                let name = mcp::written(&mcp::VERSION_HEADER);
                refusal.got(format!(
                    "an array beside {name}: {}",
                    String::from_utf8_lossy(line)
                ))
            }
            _ => refusal,
        }
    }

    pub(super) fn agree_with(&self, call: &Call<'_>) -> Result<(), Refusal> {
        let name = &mcp::VERSION_HEADER;
        let version = visible_ascii(name, self.protocol_version)?;
        match (version, call.protocol_version.as_deref()) {
            (Some(header), Some(body)) if header != body.as_bytes() => {
                return Err(mismatch(name, body, version));
            }
            (None, Some(body)) if is_modern(body.as_bytes()) => {
                return Err(mismatch(name, body, None));
            }
            _ => {}
        }
        // The handshake negotiates the version, so its client may not know yet that headers are required. For
        // notifications and responses the revision defines none.
        let required = version.is_some_and(is_modern)
            && call.kind == MessageKind::Request
            && call.method != mcp::INITIALIZE;
        let name = &mcp::METHOD_HEADER;
        match visible_ascii(name, self.method)? {
            Some(method) if method != call.method.as_bytes() => {
                return Err(mismatch(name, &call.method, Some(method)));
            }
            None if required => return Err(mismatch(name, &call.method, None)),
            _ => {}
        }
        let Some(mirrored) = mirrored_name(call) else {
            return Ok(());
        };
        let name = &mcp::NAME_HEADER;
        match visible_ascii(name, self.name)? {
            Some(written) => match decoded(written) {
                Some(decoded) if *decoded == *mirrored.name.as_bytes() => Ok(()),
                _ => Err(mismatch(name, mirrored.name, Some(written))),
            },
            None if required && mirrored.is_required => Err(mismatch(name, mirrored.name, None)),
            None => Ok(()),
        }
    }
}

/// The value that `Mcp-Name` must have. It is required only for the methods that the revision names: for others,
/// clients cannot know.
struct MirroredName<'c> {
    name: &'c str,
    is_required: bool,
}

fn mirrored_name<'c>(call: &'c Call<'_>) -> Option<MirroredName<'c>> {
    let presence = call.definition.in_header;
    if presence == Presence::Never {
        return None;
    }
    let name = match &call.target {
        Target::Tool(name) | Target::Prompt(name) => name,
        Target::Resources(names) => &names.first()?.written,
        Target::None => call.task_id.as_ref()?,
    };
    Some(MirroredName {
        name,
        is_required: presence == Presence::Required,
    })
}

/// The headers that a correct client sends with this body: those that its revision requires. There are none for a body
/// that cannot be read, and a value that no header can hold is left out.
pub(crate) fn mirroring(body: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let room = UriRoom::default();
    let Ok(calls) = rpc::read(body, true, |message| Call::of(message, &room)) else {
        return headers;
    };
    let mut versions = calls
        .as_slice()
        .iter()
        .filter_map(|call| call.protocol_version.as_deref());
    let Some(version) = versions.find(|version| is_modern(version.as_bytes())) else {
        return headers;
    };
    let mut write = |name: &HeaderName, text: &str| {
        if let Ok(value) = HeaderValue::from_bytes(text.as_bytes()) {
            headers.insert(name, value);
        }
    };
    write(&mcp::VERSION_HEADER, version);
    if let Messages::Single(call) = &calls {
        write(&mcp::METHOD_HEADER, &call.method);
        if let Some(mirrored) = mirrored_name(call) {
            write(&mcp::NAME_HEADER, &encoded(mirrored.name));
        }
    }
    headers
}

/// Encodes a name for [`decoded`]: in base64 if a header cannot hold it as it is, or if it would be decoded to another
/// one.
fn encoded(name: &str) -> Cow<'_, str> {
    let is_plain =
        name.bytes().all(|byte| matches!(byte, b' '..=b'~')) && name.trim_ascii() == name;
    if is_plain && !name.starts_with("=?base64?") {
        return Cow::Borrowed(name);
    }
    Cow::Owned(format!("=?base64?{}?=", BASE64_STANDARD.encode(name)))
}

fn visible_ascii<'h>(
    name: &HeaderName,
    line: Option<&'h [u8]>,
) -> Result<Option<&'h [u8]>, Refusal> {
    // Without an early exit, the compiler checks many bytes at a time.
    let is_visible = line
        .unwrap_or_default()
        .iter()
        .fold(true, |all, byte| all & matches!(byte, b' '..=b'~'));
    if is_visible {
        Ok(line)
    } else {
        Err(mismatch(name, "visible ASCII", line))
    }
}

/// The value inside `=?base64?…?=`. `None` if it cannot be decoded, so that it is not taken literally.
fn decoded(written: &[u8]) -> Option<Cow<'_, [u8]>> {
    match written
        .strip_prefix(b"=?base64?")
        .and_then(|rest| rest.strip_suffix(b"?="))
    {
        None => Some(Cow::Borrowed(written)),
        Some(encoded) => BASE64_STANDARD.decode(encoded).ok().map(Cow::Owned),
    }
}

/// The refusal of a header that is missing or differs from the body.
fn mismatch(name: &HeaderName, body: &str, line: Option<&[u8]>) -> Refusal {
    let name = mcp::written(name);
    Refusal::from(Reason::HeaderMismatch)
        .expected(format!("{name}: {body}"))
        .got(match line {
            Some(line) => format!("{name}: {}", String::from_utf8_lossy(line)),
            None => format!("no {name}"),
        })
}

#[cfg(test)]
mod tests;
