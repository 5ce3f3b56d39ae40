//! Finds out whether a list begins in a JSON text that is too long to be held, as the text comes. The text is a body,
//! or the data of an event.

use super::error::FilterError;
use crate::mcp::List;

/// The longest text of a key that is compared: the longest name of a list, with each letter as an escape.
const MAX_KEY_BYTES: usize = 128;

/// Follows a JSON text, and knows at every byte whether a list may begin here. It does not check that the text is JSON,
/// only how its brackets and strings are nested, as every reader of it must.
#[derive(Debug, Default)]
pub(super) struct Scan {
    depth: usize,
    /// The depth of the members of a message: 1, or 2 in a batch.
    message: Option<usize>,
    in_result: bool,
    in_string: bool,
    escaped: bool,
    /// The last string, with its escapes; `None` if it cannot be a key that matters.
    key: Option<Vec<u8>>,
    of_result: bool,
}

impl Scan {
    /// Reads on. Fails if a list begins in the text, or if that cannot be told: then the text must not be passed on.
    pub(super) fn read(&mut self, text: &[u8]) -> Result<(), FilterError> {
        let mut rest = text;
        while let Some((byte, behind)) = rest.split_first() {
            rest = behind;
            if self.in_string {
                rest = self.string(*byte, behind);
            } else {
                self.token(*byte)?;
            }
        }
        Ok(())
    }

    /// Reads this byte of a string, and the following ones up to the next quote or escape.
    fn string<'t>(&mut self, byte: u8, behind: &'t [u8]) -> &'t [u8] {
        match byte {
            _ if std::mem::take(&mut self.escaped) => {}
            b'\\' => self.escaped = true,
            b'"' => {
                self.in_string = false;
                return behind;
            }
            _ => {}
        }
        self.keep(&[byte]);
        let plain = if self.escaped {
            0
        } else {
            behind
                .iter()
                .take_while(|byte| !b"\\\"".contains(byte))
                .count()
        };
        let (plain, rest) = behind.split_at(plain);
        self.keep(plain);
        rest
    }

    fn keep(&mut self, bytes: &[u8]) {
        if let Some(key) = &mut self.key {
            key.extend_from_slice(
                bytes
                    .get(..bytes.len().min(MAX_KEY_BYTES + 1))
                    .unwrap_or_default(),
            );
            key.truncate(MAX_KEY_BYTES + 1);
        }
    }

    fn token(&mut self, byte: u8) -> Result<(), FilterError> {
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' => return Ok(()),
            b'"' => {
                // Only the keys of a message and of its result matter.
                let is_near = self.message.is_none_or(|message| self.depth <= message + 1);
                self.key = is_near.then(Vec::new);
                self.in_string = true;
                return Ok(());
            }
            b'{' | b'[' => self.open(byte)?,
            b'}' | b']' => {
                self.depth = self.depth.checked_sub(1).ok_or(FilterError::NotJson)?;
                self.in_result =
                    self.in_result && self.message.is_some_and(|message| self.depth > message);
            }
            b':' => self.colon()?,
            _ => {}
        }
        if byte != b':' {
            self.of_result = false;
        }
        self.key = None;
        Ok(())
    }

    fn open(&mut self, bracket: u8) -> Result<(), FilterError> {
        let at = self.depth;
        self.depth += 1;
        match (bracket, self.message) {
            (b'{', None) => self.message = Some(self.depth),
            // A batch inside a batch is not valid.
            (_, None) if at > 0 => return Err(FilterError::NoMessage),
            (_, None) => {}
            (b'{', Some(message)) if at == message => self.in_result = self.of_result,
            (b'[', Some(message)) if at + 1 == message && at > 0 => {
                return Err(FilterError::NoMessage);
            }
            _ => {}
        }
        Ok(())
    }

    fn colon(&mut self) -> Result<(), FilterError> {
        let Some(message) = self.message else {
            return Err(FilterError::NotJson);
        };
        if self.depth > message + 1 {
            return Ok(());
        }
        let key = self.key.take().ok_or(FilterError::NotJson)?;
        let is = |name: &str| {
            key == name.as_bytes()
                || (key.contains(&b'\\') && decoded(&key).as_deref() == Some(name))
        };
        if self.depth == message {
            self.of_result = is("result");
        } else if self.in_result && List::ALL.into_iter().any(|list| is(list.member())) {
            return Err(FilterError::TooLong);
        }
        Ok(())
    }
}

/// Decodes the escapes in a key.
fn decoded(key: &[u8]) -> Option<String> {
    serde_json::from_slice(&[b"\"", key, b"\""].concat()).ok()
}

/// The start of every line of data that has a value.
pub(super) const DATA: &[u8] = b"data:";

/// A line of an event whose data are scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScannedLine {
    /// This many bytes of [`DATA`] have been read.
    Beginning(usize),
    Data,
    Other,
}

impl ScannedLine {
    /// Reads on in a line, and scans its value if it is data.
    pub(super) fn read(&mut self, bytes: &[u8], scan: &mut Scan) -> Result<(), FilterError> {
        let mut rest = bytes;
        while let Self::Beginning(came) = self {
            let Some((byte, behind)) = rest.split_first() else {
                return Ok(());
            };
            match DATA.get(*came) {
                Some(wanted) if wanted == byte => *came += 1,
                _ => *self = Self::Other,
            }
            if *self == Self::Beginning(DATA.len()) {
                *self = Self::Data;
            }
            rest = behind;
        }
        if *self == Self::Data {
            scan.read(rest)
        } else {
            Ok(())
        }
    }
}
