//! Server-sent events: finding them in bytes that arrive in pieces of any size.

use memchr::memchr2;

/// The longest event taken, framing included, unless told otherwise.
pub const EVENT_BYTES_MAX: usize = 16 << 20;

/// One event that carries data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// Its name, from `event:`; empty where it has none.
    pub name: &'a [u8],
    /// Its `data:` lines, joined with line feeds.
    pub data: &'a [u8],
}

/// An event grew past the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event is longer than {limit_bytes} bytes")]
pub struct TooLong {
    /// The limit.
    pub limit_bytes: usize,
}

/// Splits a stream of bytes into events.
///
/// Follows the [HTML standard's rules][spec]: lines end with LF, CRLF or CR and nothing else; the
/// blank after a colon is optional; `data:` lines join with LF; lines that start with a colon are
/// comments; a byte order mark may lead. It departs in one thing: a last event without its blank
/// line counts, since servers leave it out.
///
/// An event that lies whole in the bytes fed is handed on without a copy. Else its bytes wait in a
/// buffer that is given back as soon as the event is complete, so that a reader between events holds
/// no memory.
///
/// [spec]: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
#[derive(Clone, Debug)]
pub struct Reader {
    /// The bytes of an unfinished event, from its first.
    pending: Vec<u8>,
    /// Whether the next byte begins a line.
    at_line_start: bool,
    /// Whether the last byte was a CR: an LF now would belong to it.
    after_cr: bool,
    /// Whether no event has been read yet, so that a byte order mark may stand.
    at_stream_start: bool,
    limit_bytes: usize,
}

impl Default for Reader {
    fn default() -> Self {
        Self::new(EVENT_BYTES_MAX)
    }
}

impl Reader {
    /// A reader that refuses events longer than `limit_bytes`.
    #[must_use]
    pub const fn new(limit_bytes: usize) -> Self {
        Self {
            pending: Vec::new(),
            at_line_start: true,
            after_cr: false,
            at_stream_start: true,
            limit_bytes,
        }
    }

    /// How many bytes the reader holds on the heap: none between events.
    #[must_use]
    pub const fn held_bytes(&self) -> usize {
        self.pending.capacity()
    }

    /// Takes in the next bytes and hands every event they complete to `on`.
    ///
    /// # Errors
    /// [`TooLong`] once an event passes the limit; the reader is of no use after that.
    pub fn feed(&mut self, bytes: &[u8], on: &mut impl FnMut(Event<'_>)) -> Result<(), TooLong> {
        let mut at = 0;
        if self.after_cr && !bytes.is_empty() {
            self.after_cr = false;
            at = usize::from(bytes[0] == b'\n');
        }
        // Where the event at hand begins in `bytes`, if it does not begin in `pending`.
        let mut start = at;
        while at < bytes.len() {
            if self.at_line_start && matches!(bytes[at], b'\n' | b'\r') {
                self.dispatch(&bytes[start..at], on)?;
                at = self.past_line_end(bytes, at);
                start = at;
            } else if let Some(length) = memchr2(b'\n', b'\r', &bytes[at..]) {
                at = self.past_line_end(bytes, at + length);
                self.at_line_start = true;
            } else {
                at = bytes.len();
                self.at_line_start = false;
            }
        }
        self.keep(&bytes[start..])
    }

    /// Ends the stream, and hands a last event that lacks its blank line to `on`.
    pub fn finish(mut self, on: &mut impl FnMut(Event<'_>)) {
        let pending = std::mem::take(&mut self.pending);
        let block = self.without_mark(&pending);
        read_block(block, on);
    }

    /// The place after the line end at `at`, which may be one byte or two.
    fn past_line_end(&mut self, bytes: &[u8], at: usize) -> usize {
        if bytes[at] == b'\n' {
            return at + 1;
        }
        match bytes.get(at + 1) {
            Some(b'\n') => at + 2,
            Some(_) => at + 1,
            None => {
                self.after_cr = true;
                at + 1
            }
        }
    }

    fn dispatch(&mut self, rest: &[u8], on: &mut impl FnMut(Event<'_>)) -> Result<(), TooLong> {
        if self.pending.is_empty() {
            self.check_length(rest.len())?;
            let block = self.without_mark(rest);
            read_block(block, on);
        } else {
            self.keep(rest)?;
            let pending = std::mem::take(&mut self.pending);
            let block = self.without_mark(&pending);
            read_block(block, on);
        }
        Ok(())
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        self.check_length(self.pending.len() + bytes.len())?;
        self.pending.extend_from_slice(bytes);
        Ok(())
    }

    const fn check_length(&self, length: usize) -> Result<(), TooLong> {
        if length > self.limit_bytes {
            return Err(TooLong { limit_bytes: self.limit_bytes });
        }
        Ok(())
    }

    fn without_mark<'a>(&mut self, block: &'a [u8]) -> &'a [u8] {
        if !std::mem::take(&mut self.at_stream_start) {
            return block;
        }
        block.strip_prefix(b"\xef\xbb\xbf").unwrap_or(block)
    }
}

/// Reads the lines of one event, and hands it on if it has data.
fn read_block(block: &[u8], on: &mut impl FnMut(Event<'_>)) {
    let mut name: &[u8] = b"";
    let mut data: Option<&[u8]> = None;
    let mut joined: Option<Vec<u8>> = None;
    let mut rest = block;
    while !rest.is_empty() {
        let line = take_line(&mut rest);
        if let Some(value) = field(line, b"data") {
            match (data, &mut joined) {
                (None, _) => data = Some(value),
                (Some(first), None) => joined = Some([first, b"\n", value].concat()),
                (Some(_), Some(all)) => {
                    all.push(b'\n');
                    all.extend_from_slice(value);
                }
            }
        } else if let Some(value) = field(line, b"event") {
            name = value;
        }
    }
    if let Some(data) = joined.as_deref().or(data) {
        on(Event { name, data });
    }
}

fn take_line<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let Some(length) = memchr2(b'\n', b'\r', rest) else {
        return std::mem::take(rest);
    };
    let (line, end) = rest.split_at(length);
    *rest = end.strip_prefix(b"\r\n").unwrap_or(&end[1..]);
    line
}

/// The value of `line` if it is the field `name`: after the colon and one optional blank, or empty
/// where the line is the bare name.
fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let rest = line.strip_prefix(name)?;
    match rest.split_first() {
        None => Some(rest),
        Some((b':', value)) => Some(value.strip_prefix(b" ").unwrap_or(value)),
        Some(_) => None,
    }
}
