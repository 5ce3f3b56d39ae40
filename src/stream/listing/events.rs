//! Filters the lists in a stream of server-sent events, one event at a time.

use super::error::{FilterError, Withheld};
use super::filter::{ListFilter, MAX_LIST_BYTES};
use super::message::Lists;
use super::scan::{DATA, Scan, ScannedLine};
use crate::stream::lines::{Lines, Piece};

/// Splits a stream into events as the HTML standard does (§9.2.5 and 9.2.6). Text that may be part of a message is held
/// until the event is complete; everything else is passed on as it comes.
#[derive(Debug, Default)]
pub(super) struct EventFilter {
    reader: Lines,
    /// The lines of an event, from the first that may belong to a message, and the line that has not ended yet.
    held: Vec<u8>,
    /// The complete lines in `held`.
    lines: Vec<Line>,
    /// Whether the first line is over. Only at its start there may be a byte order mark.
    begun: bool,
    state: Treatment,
}

/// How the next bytes are treated.
#[derive(Debug, Default)]
enum Treatment {
    /// They are held.
    #[default]
    Holding,
    /// They are passed on: the rest of a line that belongs to no message.
    Passing,
    /// They are passed on until a list begins in them: the rest of an event that is too long to be held.
    Scanning { scan: Scan, line: ScannedLine },
    /// They are dropped: the rest of an event in which a list begins. `blank` tells whether the line is empty so far.
    Dropping { blank: bool },
}

#[derive(Debug, Clone, Copy)]
struct Line {
    start: usize,
    /// The index of the characters that end the line.
    end: usize,
    next: usize,
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl EventFilter {
    /// Appends to `out` all bytes that are certain by now.
    pub(super) fn feed(&mut self, mut chunk: &[u8], filter: &ListFilter, out: &mut Vec<u8>) {
        while let Some(piece) = self.reader.next(&mut chunk) {
            match piece {
                Piece::End { text, end } => {
                    self.text(text, filter, out);
                    self.end_line(end, filter, out);
                }
                Piece::Part(text) => self.text(text, filter, out),
                Piece::LateLineFeed => self.end_crlf(out),
            }
        }
    }

    /// Ends the stream. An incomplete event at its end counts for nothing, but some readers may read it, so it is
    /// filtered.
    pub(super) fn finish(&mut self, filter: &ListFilter, out: &mut Vec<u8>) {
        if !self.held.is_empty() {
            self.end_line(b"", filter, out);
        }
        if !self.held.is_empty() {
            self.end_event(filter, out);
        }
    }

    /// Takes a part of a line.
    fn text(&mut self, bytes: &[u8], filter: &ListFilter, out: &mut Vec<u8>) {
        match &mut self.state {
            Treatment::Holding => {
                self.held.extend_from_slice(bytes);
                if self.lines.is_empty() && !self.may_count() {
                    out.append(&mut self.held);
                    self.state = Treatment::Passing;
                } else if self.held.len() > MAX_LIST_BYTES {
                    self.scan_held(filter, out);
                }
            }
            Treatment::Passing => out.extend_from_slice(bytes),
            Treatment::Scanning { scan, line } => match line.read(bytes, scan) {
                Ok(()) => out.extend_from_slice(bytes),
                Err(why) => {
                    // The part that was passed on is closed as an event, so that the error is an event of its own.
                    out.extend_from_slice(b"\n\n");
                    self.drop_event(why, filter, out);
                }
            },
            Treatment::Dropping { blank } => *blank = *blank && bytes.is_empty(),
        }
    }

    /// Whether the first line that is held may be data, or the type of an event.
    fn may_count(&self) -> bool {
        let line = match self.held.strip_prefix(BYTE_ORDER_MARK) {
            Some(line) if !self.begun => line,
            None if !self.begun && BYTE_ORDER_MARK.starts_with(&self.held) => return true,
            _ => &self.held,
        };
        [DATA, b"event:"]
            .iter()
            .any(|field| line.starts_with(field) || field.starts_with(line))
    }

    /// Stops holding an event that is too long, if no list begins in it so far.
    fn scan_held(&mut self, filter: &ListFilter, out: &mut Vec<u8>) {
        if !filter.withholds() {
            // The rest of the event is no message to this filter, whichever lines of data follow.
            out.append(&mut self.held);
            self.lines.clear();
            self.begun = true;
            self.state = Treatment::Passing;
            return;
        }
        let mut scan = Scan::default();
        let mut line = ScannedLine::Beginning(0);
        let scanned = self.lines.iter().try_for_each(|line| {
            let text = self.held.get(line.start..line.end).unwrap_or_default();
            let mut line = ScannedLine::Beginning(0);
            line.read(text, &mut scan)?;
            scan.read(b"\n")
        });
        let rest = self.held.get(self.line_start()..).unwrap_or_default();
        let rest = if self.begun {
            rest
        } else {
            rest.strip_prefix(BYTE_ORDER_MARK).unwrap_or(rest)
        };
        match scanned.and_then(|()| line.read(rest, &mut scan)) {
            Ok(()) => {
                out.append(&mut self.held);
                self.lines.clear();
                self.begun = true;
                self.state = Treatment::Scanning { scan, line };
            }
            Err(why) => self.drop_event(why, filter, out),
        }
    }

    fn drop_event(&mut self, why: FilterError, filter: &ListFilter, out: &mut Vec<u8>) {
        self.held.clear();
        self.lines.clear();
        self.begun = true;
        self.state = Treatment::Dropping { blank: false };
        write_event(&filter.error(&why.into()), out);
    }

    /// Takes the LF that belongs to the line before it.
    fn end_crlf(&mut self, out: &mut Vec<u8>) {
        match self.lines.last_mut() {
            Some(line) => {
                self.held.push(b'\n');
                line.next += 1;
            }
            None if matches!(self.state, Treatment::Dropping { .. }) => {}
            None => out.push(b'\n'),
        }
    }

    fn end_line(&mut self, end: &[u8], filter: &ListFilter, out: &mut Vec<u8>) {
        match &mut self.state {
            Treatment::Holding => self.end_held_line(end, filter, out),
            Treatment::Passing => {
                out.extend_from_slice(end);
                self.begun = true;
                self.state = Treatment::Holding;
            }
            Treatment::Scanning { scan, line } => {
                out.extend_from_slice(end);
                match line {
                    ScannedLine::Beginning(0) => self.state = Treatment::Holding,
                    _ => {
                        // A line feed inside a string is not JSON to any reader, and elsewhere it is white space.
                        let _ = scan.read(b"\n");
                        *line = ScannedLine::Beginning(0);
                    }
                }
            }
            Treatment::Dropping { blank: true } => self.state = Treatment::Holding,
            Treatment::Dropping { blank } => *blank = true,
        }
    }

    fn end_held_line(&mut self, end: &[u8], filter: &ListFilter, out: &mut Vec<u8>) {
        let start = self.line_start();
        let mut line = Line {
            start,
            end: self.held.len(),
            next: self.held.len() + end.len(),
        };
        self.held.extend_from_slice(end);
        if !std::mem::replace(&mut self.begun, true) && self.held.starts_with(BYTE_ORDER_MARK) {
            line.start = BYTE_ORDER_MARK.len();
        }
        if self.lines.is_empty() && !matches!(self.field(&line).0, b"data" | b"event") {
            out.append(&mut self.held);
            return;
        }
        self.lines.push(line);
        if line.start == line.end {
            self.end_event(filter, out);
        }
    }

    fn line_start(&self) -> usize {
        self.lines.last().map_or(0, |line| line.next)
    }

    fn end_event(&mut self, filter: &ListFilter, out: &mut Vec<u8>) {
        match self.filtered_data(filter) {
            None => out.extend_from_slice(&self.held),
            Some(data) => self.write_with(&data, out),
        }
        self.held.clear();
        self.lines.clear();
    }

    /// The text that replaces the data of the event; `None` if it stays.
    fn filtered_data(&self, filter: &ListFilter) -> Option<String> {
        let mut data = Vec::new();
        let mut is_message = true;
        for (name, value) in self.lines.iter().map(|line| self.field(line)) {
            match name {
                b"data" => {
                    data.extend_from_slice(value);
                    data.push(b'\n');
                }
                b"event" => is_message = value.is_empty() || value == b"message",
                _ => {}
            }
        }
        if data.trim_ascii().is_empty() {
            return None;
        }
        let text = std::str::from_utf8(&data).map_err(|_| Withheld::from(FilterError::NotUtf8));
        // The line feed behind the last line is not part of the data.
        match text.and_then(|text| filter.filtered(text.strip_suffix('\n').unwrap_or(text))) {
            Ok(Lists::Absent | Lists::Whole) => None,
            Ok(Lists::Cut(text)) => Some(text),
            // An event of another type is not a message, and a reader that takes it for one finds none in it.
            Err(Withheld {
                why: FilterError::NotJson | FilterError::NoMessage,
                ..
            }) if !is_message => None,
            Err(_) if !filter.withholds() => None,
            Err(withheld) => Some(filter.error(&withheld)),
        }
    }

    fn field(&self, line: &Line) -> (&[u8], &[u8]) {
        let line = self.held.get(line.start..line.end).unwrap_or_default();
        match line.iter().position(|byte| *byte == b':') {
            Some(colon) => {
                let (name, rest) = line.split_at(colon);
                let value = rest.strip_prefix(b":").unwrap_or(rest);
                (name, value.strip_prefix(b" ").unwrap_or(value))
            }
            None => (line, b""),
        }
    }

    /// Writes the event with other data, in the place of its last line of data. Only there it is certain that the text
    /// behind it does not begin with the second half of a CRLF.
    fn write_with(&self, data: &str, out: &mut Vec<u8>) {
        let last = self
            .lines
            .iter()
            .rposition(|line| self.field(line).0 == b"data");
        let mut from = 0;
        for (position, line) in self.lines.iter().enumerate() {
            let is_data = self.field(line).0 == b"data";
            if !is_data {
                out.extend_from_slice(self.held.get(from..line.next).unwrap_or_default());
            } else if Some(position) == last {
                let end = self
                    .held
                    .get(line.end..line.next)
                    .filter(|end| !end.is_empty())
                    .unwrap_or(b"\n");
                for line in data.split('\n') {
                    out.extend_from_slice(b"data: ");
                    out.extend_from_slice(line.as_bytes());
                    out.extend_from_slice(end);
                }
            }
            from = line.next;
        }
    }
}

fn write_event(data: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(data.as_bytes());
    out.extend_from_slice(b"\n\n");
}
