//! Reads one HTTP/1.1 answer from bytes and their arrivals, without I/O.

use dialect::{AnswerDecoder, Piece};
use domain::{
    Arrival, Chunk, ChunkKind, Completion, Failure, FailureKind, Payload, Progress, Sink,
    WireFormat,
};

use crate::body::{Chunked, Framing};

/// The longest head of an answer.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// The longest body that is kept whole: an unstreamed answer, or an error.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
const HEADERS_MAX: usize = 96;

/// What has been decided about an answer's body once its head was read.
#[derive(Debug)]
enum Body {
    /// Events, decoded as they come.
    Stream(WireFormat, Box<AnswerDecoder>),
    /// One JSON document, decoded at its end.
    Whole(WireFormat, Vec<u8>),
    /// The body of a refusal, or of an answer that no dialect is to read.
    Kept(Kept),
}

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Kept {
    /// The value of the header whose lower-case name is `name`.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The failure it stands for.
    pub(crate) fn failure(&self, unix_seconds: u64) -> Failure {
        let header = |name: &str| self.header(name);
        dialect::failure::from_response(self.status, header, &self.body, unix_seconds)
    }
}

#[derive(Debug)]
enum State {
    /// Reading the head; what came of it so far.
    Head(Vec<u8>),
    /// Reading the body.
    Body(Framing, Body),
    /// The body ended.
    Ended(Body),
}

/// One answer being read.
#[derive(Debug)]
pub(crate) struct ResponseReader {
    /// How to read a success; `None` keeps it as it is.
    format: Option<WireFormat>,
    state: State,
    keep_alive: bool,
    /// Whether a chunk was handed on: such an answer is never asked for again.
    pub(crate) begun: bool,
}

impl ResponseReader {
    pub(crate) const fn new(format: Option<WireFormat>) -> Self {
        Self { format, state: State::Head(Vec::new()), keep_alive: true, begun: false }
    }

    /// Whether the first byte of the body came.
    pub(crate) const fn has_head(&self) -> bool {
        !matches!(self.state, State::Head(_))
    }

    /// Whether the whole answer came.
    pub(crate) const fn is_done(&self) -> bool {
        matches!(self.state, State::Ended(_))
    }

    /// Whether the connection can carry another request.
    pub(crate) const fn keep_alive(&self) -> bool {
        self.keep_alive && self.is_done()
    }

    /// Takes in the bytes of one read.
    pub(crate) fn take(
        &mut self,
        mut bytes: &[u8],
        at: Arrival,
        sink: &mut dyn Sink,
    ) -> Result<(), Failure> {
        if let State::Head(partial) = &mut self.state {
            let begun = !partial.is_empty();
            if begun {
                partial.extend_from_slice(bytes);
                let whole = std::mem::take(partial);
                let length = self.read_head(&whole, at, sink)?;
                if length == 0 {
                    self.state = State::Head(whole);
                    return Ok(());
                }
                return self.take_body(&whole[length..], at, sink);
            }
            let length = self.read_head(bytes, at, sink)?;
            if length == 0 {
                self.state = State::Head(bytes.to_vec());
                return Ok(());
            }
            bytes = &bytes[length..];
        }
        self.take_body(bytes, at, sink)
    }

    /// Reads the head if it is whole; returns its length, or zero where more must come. Interim
    /// answers (1xx) are skipped.
    fn read_head(
        &mut self,
        bytes: &[u8],
        at: Arrival,
        sink: &mut dyn Sink,
    ) -> Result<usize, Failure> {
        let mut start = 0;
        loop {
            let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
            let mut head = httparse::Response::new(&mut headers);
            let length = match head.parse(&bytes[start..]) {
                Ok(httparse::Status::Complete(length)) => length,
                Ok(httparse::Status::Partial) if bytes.len() <= HEAD_BYTES_MAX => return Ok(0),
                Ok(httparse::Status::Partial) => {
                    return Err(malformed("the answer's head is longer than 64 KiB"));
                }
                Err(error) => {
                    return Err(malformed(&format!(
                        "the answer is not HTTP/1.1 ({error}); is this the right port and scheme?"
                    )));
                }
            };
            let status = head.code.unwrap_or_default();
            start += length;
            if (100..200).contains(&status) {
                continue;
            }
            self.begin_body(status, &head, at, sink)?;
            return Ok(start);
        }
    }

    fn begin_body(
        &mut self,
        status: u16,
        head: &httparse::Response<'_, '_>,
        at: Arrival,
        sink: &mut dyn Sink,
    ) -> Result<(), Failure> {
        let header = |name: &str| {
            head.headers
                .iter()
                .find(|header| header.name.eq_ignore_ascii_case(name))
                .and_then(|header| std::str::from_utf8(header.value).ok())
                .map(str::trim)
        };
        let names = |value: Option<&str>, token: &str| {
            value.is_some_and(|value| value.to_ascii_lowercase().contains(token))
        };
        self.keep_alive = match head.version {
            Some(1) => !names(header("connection"), "close"),
            _ => names(header("connection"), "keep-alive"),
        };
        let framing = if names(header("transfer-encoding"), "chunked") {
            Framing::Chunked(Chunked::START)
        } else if let Some(length) = header("content-length") {
            let length = length
                .parse()
                .map_err(|_| malformed("the answer's content-length is not a number"))?;
            Framing::Length(length)
        } else if status == 204 || status == 304 {
            Framing::Length(0)
        } else {
            self.keep_alive = false;
            Framing::UntilEnd
        };
        sink.progress(Progress::Headers {
            at,
            server_request_id: dialect::server_request_id(header),
        });
        let body = match self.format {
            Some(format)
                if (200..300).contains(&status)
                    && names(header("content-type"), "application/json") =>
            {
                Body::Whole(format, Vec::new())
            }
            Some(format) if (200..300).contains(&status) => {
                Body::Stream(format, Box::new(AnswerDecoder::new(format)))
            }
            _ => Body::Kept(Kept { status, headers: owned(head.headers), body: Vec::new() }),
        };
        let ended = framing.is_done();
        self.state = if ended { State::Ended(body) } else { State::Body(framing, body) };
        Ok(())
    }

    fn take_body(
        &mut self,
        mut bytes: &[u8],
        at: Arrival,
        sink: &mut dyn Sink,
    ) -> Result<(), Failure> {
        let State::Body(framing, body) = &mut self.state else {
            // Bytes behind the end of an answer were not asked for: the connection is out of step.
            self.keep_alive &= bytes.is_empty();
            return Ok(());
        };
        while !bytes.is_empty() && !framing.is_done() {
            let (piece, rest) = framing
                .split(bytes)
                .map_err(|_| malformed("the answer's chunked framing is broken"))?;
            bytes = rest;
            match body {
                Body::Stream(format, decoder) => {
                    let format = *format;
                    let begun = &mut self.begun;
                    decoder.feed(piece, &mut |piece| {
                        *begun |= piece.kind.is_token();
                        hand_on(piece, format, at, sink);
                    })?;
                }
                Body::Whole(_, kept) | Body::Kept(Kept { body: kept, .. }) => {
                    if kept.len() + piece.len() > BODY_BYTES_MAX {
                        return Err(malformed("the answer is longer than 64 MiB"));
                    }
                    kept.extend_from_slice(piece);
                }
            }
        }
        if framing.is_done() {
            self.keep_alive &= bytes.is_empty();
            self.end();
        }
        Ok(())
    }

    fn end(&mut self) {
        let state = std::mem::replace(&mut self.state, State::Head(Vec::new()));
        self.state = match state {
            State::Body(_, body) => State::Ended(body),
            other => other,
        };
    }

    /// Takes in the end of the connection. A body framed by it is whole; any other is cut off,
    /// which a stream may survive if it had said all it had to say.
    pub(crate) fn take_end(&mut self) -> Result<(), Failure> {
        self.keep_alive = false;
        match &self.state {
            State::Head(partial) => {
                let what = if partial.is_empty() { "without answering" } else { "inside the head" };
                Err(truncated(&format!("the server closed the connection {what}")))
            }
            State::Body(Framing::UntilEnd, _) | State::Body(_, Body::Stream(..)) => {
                self.end();
                self.keep_alive = false;
                Ok(())
            }
            State::Body(..) => {
                Err(truncated("the server closed the connection before the answer's end"))
            }
            State::Ended(_) => Ok(()),
        }
    }

    /// The outcome of an answer that is done. An unstreamed answer is handed on as one chunk.
    pub(crate) fn finish(
        self,
        at: Arrival,
        unix_seconds: u64,
        sink: &mut dyn Sink,
    ) -> Result<Completion, Failure> {
        let State::Ended(body) = self.state else {
            return Err(truncated("the answer has no end"));
        };
        match body {
            Body::Stream(format, decoder) => {
                let answer = decoder.finish(&mut |piece| hand_on(piece, format, at, sink))?;
                Ok(Completion { finished: at, finish: answer.finish, usage: answer.usage })
            }
            Body::Whole(format, body) => {
                let whole = dialect::decode_whole(format, &body)?;
                if !whole.text.is_empty() {
                    let payload = Payload::Text(&whole.text.joined());
                    sink.progress(Progress::Chunk(Chunk { at, kind: ChunkKind::Content, payload }));
                }
                Ok(Completion { finished: at, finish: whole.finish, usage: whole.usage })
            }
            Body::Kept(kept) => Err(kept.failure(unix_seconds)),
        }
    }

    /// The whole answer, where it was kept as it came.
    pub(crate) fn into_kept(self) -> Option<Kept> {
        match self.state {
            State::Ended(Body::Kept(kept)) => Some(kept),
            _ => None,
        }
    }
}

fn owned(headers: &[httparse::Header<'_>]) -> Vec<(String, String)> {
    headers
        .iter()
        .filter_map(|header| {
            let value = std::str::from_utf8(header.value).ok()?;
            Some((header.name.to_ascii_lowercase(), value.trim().to_owned()))
        })
        .collect()
}

fn hand_on(piece: Piece<'_>, format: WireFormat, at: Arrival, sink: &mut dyn Sink) {
    let payload = Payload::Wire { format, data: piece.data };
    sink.progress(Progress::Chunk(Chunk { at, kind: piece.kind, payload }));
}

fn malformed(message: &str) -> Failure {
    Failure::new(FailureKind::Malformed, message)
}

fn truncated(message: &str) -> Failure {
    Failure::new(FailureKind::Truncated, message)
}
