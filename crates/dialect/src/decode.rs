//! A streamed answer, from the bytes of its body to how it ended.

use domain::{ChunkKind, Failure, FailureKind, FinishReason, Usage, WireFormat};

use crate::scan::{Scan, Scanner};
use crate::usage::Tally;
use crate::{event, failure, sse};

/// One event of a streamed answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// What it carries.
    pub kind: ChunkKind,
    /// Its data, as it came.
    pub data: &'a [u8],
}

/// How a streamed answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Why it ended.
    pub finish: FinishReason,
    /// The server's token counts, where it gave any.
    pub usage: Option<Usage>,
    /// How many events carried tokens; one may carry several.
    pub token_chunks: u64,
}

/// Decodes one streamed answer as its bytes come in, parsing JSON only where the scanner cannot
/// tell or an event says more than its text.
///
/// Between events it holds no more memory than one event of the stream takes, a few hundred bytes.
#[derive(Debug)]
pub struct AnswerDecoder {
    reader: sse::Reader,
    state: State,
}

#[derive(Debug)]
struct State {
    format: WireFormat,
    scanner: Scanner,
    finish: Option<FinishReason>,
    tally: Tally,
    token_chunks: u64,
    done: bool,
    failure: Option<Box<Failure>>,
}

impl AnswerDecoder {
    /// A decoder of one answer in `format`.
    #[must_use]
    pub const fn new(format: WireFormat) -> Self {
        let state = State {
            format,
            scanner: Scanner::new(format),
            finish: None,
            tally: Tally::None,
            token_chunks: 0,
            done: false,
            failure: None,
        };
        Self { reader: sse::Reader::new(sse::EVENT_BYTES_MAX), state }
    }

    /// Takes in the next bytes and hands every event with data to `on`, in order.
    ///
    /// # Errors
    /// What the server reports inside the stream, or
    /// [`Malformed`](domain::FailureKind::Malformed). The event at fault is still handed on; those
    /// after it are not, and every later call returns the same failure.
    pub fn feed(&mut self, bytes: &[u8], on: &mut dyn FnMut(Piece<'_>)) -> Result<(), Failure> {
        let Self { reader, state } = self;
        if state.failure.is_none()
            && let Err(error) = reader.feed(bytes, &mut |event| state.event(event, on))
        {
            state.fail(Failure::new(FailureKind::Malformed, error.to_string()));
        }
        state.failure.as_deref().cloned().map_or(Ok(()), Err)
    }

    /// Whether the stream's own end mark came, so that nothing more is to be expected: `[DONE]`, or
    /// Anthropic's `message_stop`.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.state.done
    }

    /// How many events carried tokens so far.
    #[must_use]
    pub const fn token_chunks(&self) -> u64 {
        self.state.token_chunks
    }

    /// Ends the stream, after handing on a last event that lacks its blank line.
    ///
    /// A stream is whole if its end mark came, or if it gave a reason for its end: llama.cpp and
    /// some gateways close without `[DONE]`, while no server says why it finished before it did.
    ///
    /// # Errors
    /// What [`feed`](Self::feed) returned, or [`Truncated`](domain::FailureKind::Truncated).
    pub fn finish(self, on: &mut dyn FnMut(Piece<'_>)) -> Result<Answer, Failure> {
        let Self { reader, mut state } = self;
        let failed_before = state.failure.is_some();
        if !failed_before {
            reader.finish(&mut |event| state.event(event, on));
        }
        match state.failure {
            // Half an event at the very end was cut off, not written wrong.
            Some(failure) if failed_before || failure.kind != FailureKind::Malformed => {
                return Err(*failure);
            }
            Some(_) | None => {}
        }
        if !state.done && state.finish.is_none() {
            return Err(Failure::new(
                FailureKind::Truncated,
                "the answer ended before its end mark and without a finish reason",
            ));
        }
        Ok(Answer {
            finish: state.finish.unwrap_or(FinishReason::Other),
            usage: state.tally.usage(),
            token_chunks: state.token_chunks,
        })
    }
}

impl State {
    fn event(&mut self, event: sse::Event<'_>, on: &mut dyn FnMut(Piece<'_>)) {
        if self.failure.is_some() {
            return;
        }
        let kind = self.read(event);
        self.token_chunks += u64::from(kind.is_token());
        on(Piece { kind, data: event.data });
    }

    fn read(&mut self, event: sse::Event<'_>) -> ChunkKind {
        if self.done {
            return ChunkKind::Other;
        }
        if event.name == b"error" {
            self.fail(failure::in_stream(event.data));
            return ChunkKind::Other;
        }
        match self.scanner.scan(event.data) {
            Scan::Token(kind) => kind,
            Scan::NotToken => ChunkKind::Other,
            Scan::Unsure => self.parse(event.data),
        }
    }

    fn parse(&mut self, data: &[u8]) -> ChunkKind {
        if data.trim_ascii().is_empty() {
            return ChunkKind::Other;
        }
        if event::is_end_mark(data) {
            self.done = true;
            return ChunkKind::Other;
        }
        match event::parse(self.format, data) {
            Ok(facts) => {
                self.finish = facts.finish.or(self.finish);
                if let Some(usage) = &facts.usage {
                    self.tally.add(usage);
                }
                if let Some(failure) = facts.error {
                    self.fail(failure);
                }
                self.done |= facts.last;
                facts.kind
            }
            Err(failure) => {
                self.fail(failure);
                ChunkKind::Other
            }
        }
    }

    fn fail(&mut self, failure: Failure) {
        self.failure = Some(Box::new(failure));
    }
}
