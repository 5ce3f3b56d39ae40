//! Splits a stream of server-sent events into lines, however it is cut into chunks (HTML standard, §9.2.5).

/// Splits chunks at the ends of lines: CR, LF, or both.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Whether the last byte was a CR. An LF behind it belongs to it.
    after_cr: bool,
}

/// The next piece of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'c> {
    /// The end of a line: its last text, and the characters that end it.
    End { text: &'c [u8], end: &'c [u8] },
    /// A part of a line that has not ended.
    Part(&'c [u8]),
    /// The LF of a CRLF that came in two chunks.
    LateLineFeed,
}

impl Lines {
    /// Takes the next piece off the chunk; `None` once it is used up.
    pub(super) fn next<'c>(&mut self, chunk: &mut &'c [u8]) -> Option<Piece<'c>> {
        if chunk.is_empty() {
            return None;
        }
        if std::mem::take(&mut self.after_cr)
            && let Some(rest) = chunk.strip_prefix(b"\n")
        {
            *chunk = rest;
            return Some(Piece::LateLineFeed);
        }
        let Some(length) = chunk.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
            return Some(Piece::Part(std::mem::take(chunk)));
        };
        let (text, rest) = chunk.split_at(length);
        let (end, rest) = rest.split_at(if rest.starts_with(b"\r\n") { 2 } else { 1 });
        self.after_cr = rest.is_empty() && end == b"\r";
        *chunk = rest;
        Some(Piece::End { text, end })
    }
}
