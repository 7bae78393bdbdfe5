//! Reads one HTTP/1.1 answer from bytes and their arrivals, without I/O.

use domain::{Arrival, Failure, Sink};

use crate::answer::{Answer, Expect, Fields, Head, malformed, truncated};
use crate::body::{Chunked, Framing};
use crate::patience::Stage;

/// The longest head of an answer.
const HEAD_BYTES_MAX: usize = 64 * 1024;
const HEADERS_MAX: usize = 96;

#[derive(Debug)]
enum State {
    /// Reading the head; what came of it so far.
    Head(Vec<u8>),
    /// Reading the body.
    Body(Framing),
    /// The body ended.
    Ended,
}

/// One answer being read.
#[derive(Debug)]
pub(crate) struct ResponseReader {
    expect: Expect,
    state: State,
    answer: Option<Answer>,
    keep_alive: bool,
}

impl ResponseReader {
    pub(crate) const fn new(expect: Expect) -> Self {
        Self { expect, state: State::Head(Vec::new()), answer: None, keep_alive: true }
    }

    /// How far it has come.
    pub(crate) fn stage(&self) -> Stage {
        self.answer.as_ref().map_or(Stage::Head, Answer::stage)
    }

    /// Whether the whole answer came.
    pub(crate) const fn is_done(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// Whether the connection can carry another request.
    pub(crate) const fn keep_alive(&self) -> bool {
        self.keep_alive && self.is_done()
    }

    /// Lets the connection carry no other request, whatever the answer says.
    pub(crate) const fn refuse_reuse(&mut self) {
        self.keep_alive = false;
    }

    /// The answer, if its head came.
    pub(crate) fn into_answer(self) -> Option<Answer> {
        self.answer
    }

    /// Takes in the bytes of one read.
    pub(crate) fn take(
        &mut self,
        bytes: &[u8],
        at: Arrival,
        sink: &mut dyn Sink,
    ) -> Result<(), Failure> {
        let State::Head(partial) = &mut self.state else {
            return self.take_body(bytes, at, sink);
        };
        if partial.is_empty() {
            return self.take_head(bytes, at, sink);
        }
        partial.extend_from_slice(bytes);
        // A head that drips in is read again only when a line of it has ended.
        if !bytes.contains(&b'\n') && partial.len() <= HEAD_BYTES_MAX {
            return Ok(());
        }
        let all = std::mem::take(partial);
        self.take_head(&all, at, sink)
    }

    /// Takes in everything that came so far, of which the head is not known to be whole.
    fn take_head(&mut self, bytes: &[u8], at: Arrival, sink: &mut dyn Sink) -> Result<(), Failure> {
        match self.read_head(bytes, at, sink)? {
            Some(length) => self.take_body(&bytes[length..], at, sink),
            None => {
                self.state = State::Head(bytes.to_vec());
                Ok(())
            }
        }
    }

    /// Reads the head if it is whole, and returns its length. Interim answers (1xx) are skipped.
    fn read_head(
        &mut self,
        bytes: &[u8],
        at: Arrival,
        sink: &mut dyn Sink,
    ) -> Result<Option<usize>, Failure> {
        let mut start = 0;
        loop {
            let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
            let mut head = httparse::Response::new(&mut headers);
            match head.parse(&bytes[start..]) {
                Ok(httparse::Status::Complete(length)) => start += length,
                Ok(httparse::Status::Partial) if bytes.len() <= HEAD_BYTES_MAX => return Ok(None),
                Ok(httparse::Status::Partial) => return Err(too_long()),
                Err(error) => return Err(not_http1(bytes, error)),
            }
            if start > HEAD_BYTES_MAX {
                return Err(too_long());
            }
            let status = head.code.unwrap_or_default();
            if !(100..200).contains(&status) {
                let is_http11 = head.version == Some(1);
                let head = Head { status, fields: Fields::Http1(head.headers) };
                self.begin_body(&head, is_http11, at, sink)?;
                return Ok(Some(start));
            }
        }
    }

    fn begin_body(
        &mut self,
        head: &Head<'_>,
        is_http11: bool,
        at: Arrival,
        sink: &mut dyn Sink,
    ) -> Result<(), Failure> {
        let fields = head.fields;
        self.keep_alive = if is_http11 {
            !fields.mentions("connection", "close")
        } else {
            fields.mentions("connection", "keep-alive")
        };
        // RFC 9112, 6.3: what frames a body, in the order in which it counts.
        let framing = if matches!(head.status, 204 | 304) {
            Framing::Length(0)
        } else if fields.mentions("transfer-encoding", "chunked") {
            Framing::Chunked(Chunked::START)
        } else if let Some(length) = fields.get("content-length") {
            let length = length
                .parse()
                .map_err(|_| malformed("the answer's content-length is not a number"))?;
            Framing::Length(length)
        } else {
            self.keep_alive = false;
            Framing::UntilEnd
        };
        self.state = if framing.is_done() { State::Ended } else { State::Body(framing) };
        self.answer = Some(Answer::begin(head, self.expect, at, sink)?);
        Ok(())
    }

    fn take_body(
        &mut self,
        mut bytes: &[u8],
        at: Arrival,
        sink: &mut dyn Sink,
    ) -> Result<(), Failure> {
        if let (State::Body(framing), Some(answer)) = (&mut self.state, &mut self.answer) {
            while !bytes.is_empty() && !framing.is_done() {
                let (piece, rest) = framing
                    .split(bytes)
                    .map_err(|_| malformed("the answer's chunked framing is broken"))?;
                answer.take(piece, at, sink)?;
                bytes = rest;
            }
            if framing.is_done() {
                self.state = State::Ended;
            }
        }
        // Bytes behind the end of an answer were not asked for: the connection is out of step.
        self.keep_alive &= bytes.is_empty();
        Ok(())
    }

    /// Takes in the end of the connection. A body framed by it is whole; any other is cut off,
    /// which a stream may survive if it had said all it had to say.
    pub(crate) fn take_end(&mut self) -> Result<(), Failure> {
        self.keep_alive = false;
        match &self.state {
            State::Head(partial) if partial.is_empty() => {
                Err(truncated("the server closed the connection without answering"))
            }
            State::Head(_) => {
                Err(truncated("the server closed the connection inside the answer's head"))
            }
            State::Body(framing) => {
                let may_end = matches!(framing, Framing::UntilEnd)
                    || self.answer.as_ref().is_some_and(Answer::judges_its_end);
                if !may_end {
                    return Err(truncated(
                        "the server closed the connection before the answer's end",
                    ));
                }
                self.state = State::Ended;
                Ok(())
            }
            State::Ended => Ok(()),
        }
    }
}

fn too_long() -> Failure {
    malformed("the answer's head is longer than 64 KiB")
}

/// Says what it may be that is no HTTP/1.1 answer.
fn not_http1(bytes: &[u8], error: httparse::Error) -> Failure {
    match bytes {
        // A TLS alert or handshake record.
        [0x15 | 0x16, 3, ..] => {
            malformed("the server speaks TLS on this port; use https:// in the URL")
        }
        // An HTTP/2 SETTINGS frame, which opens every such connection.
        [0, 0, _, 4, ..] => malformed("the server speaks HTTP/2 alone on this port; choose HTTP/2"),
        _ => malformed(format!(
            "the answer is not HTTP/1.1 ({error}); is this the right port and scheme?"
        )),
    }
}

#[cfg(test)]
mod tests {
    use domain::{Progress, Timestamp};

    use super::*;

    #[derive(Default)]
    struct Heads(usize);

    impl Sink for Heads {
        fn progress(&mut self, progress: Progress<'_>) {
            self.0 += usize::from(matches!(progress, Progress::Headers { .. }));
        }
    }

    /// A head is found in whatever pieces it comes, and bytes that begin none are refused at once.
    #[test]
    fn a_head_may_drip_in() {
        let wire = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 429 Too Many\r\n\
            retry-after: 1\r\ncontent-length: 2\r\n\r\n{}";
        let at = Arrival::at(Timestamp::default());
        for step in 1..=wire.len() {
            let mut reader = ResponseReader::new(Expect::Anything);
            let mut heads = Heads::default();
            for piece in wire.chunks(step) {
                reader.take(piece, at, &mut heads).expect("it is legal");
            }
            assert!(reader.keep_alive(), "split every {step}");
            assert_eq!(heads.0, 1, "split every {step}");
        }
        for wire in [&b"\x15\x03\x01\x00\x02\x02\x46"[..], b"\0\0\x12\x04\0\0\0\0\0"] {
            let mut reader = ResponseReader::new(Expect::Anything);
            reader.take(wire, at, &mut Heads::default()).expect_err("no HTTP/1.1");
        }
    }

    #[test]
    fn a_head_without_end_is_given_up() {
        let at = Arrival::at(Timestamp::default());
        let mut reader = ResponseReader::new(Expect::Anything);
        let mut taken = 0;
        let begin = reader.take(b"HTTP/1.1 200 OK\r\nx: ", at, &mut Heads::default());
        begin.expect("it is legal so far");
        while reader.take(&[b'y'; 1_000], at, &mut Heads::default()).is_ok() {
            taken += 1_000;
            assert!(taken <= HEAD_BYTES_MAX, "{taken} bytes were kept");
        }
    }
}
