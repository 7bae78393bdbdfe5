//! Watches one request and turns what it sees into the request's record.

use std::sync::Arc;
use std::time::Duration;

use dialect::AnswerText;
use domain::{
    Arrival, Chunks, Clock, Completion, CountSource, Exchange, Failure, FailureKind, Outcome,
    Payload, Progress, Prompt, Request, Sink, Timeline, Timestamp, Tokenizer, Tokens, Usage,
    Vantage, WireFormat,
};

use crate::intake::Intake;
use crate::live::Live;
use crate::transcript::Transcript;

/// What a flight needs from its run.
pub(crate) struct Tower {
    pub(crate) intake: Arc<Intake>,
    pub(crate) live: Arc<Live>,
    pub(crate) tokenizer: Option<Arc<dyn Tokenizer>>,
    pub(crate) scenario: Arc<str>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Who sends a request, and when it was due.
#[derive(Clone, Copy)]
pub(crate) struct Slot {
    pub(crate) user: u64,
    pub(crate) turn: u32,
    pub(crate) planned: Timestamp,
    /// How long it waited for a place in flight, where there are only so many.
    pub(crate) held: Option<Duration>,
    pub(crate) warmup: bool,
}

/// How a request's flight ended, for whoever sends the next one.
#[derive(Clone, Copy)]
pub(crate) struct Landing {
    /// When.
    pub(crate) at: Timestamp,
    /// Whether it never had a connection to go over.
    pub(crate) unconnected: bool,
}

/// A request in flight. Its record is handed in when it lands, or as cancelled when it is dropped
/// before that, so that no request that was started goes unrecorded.
pub(crate) struct Flight {
    tower: Arc<Tower>,
    exchange: Option<Exchange>,
    /// The answer, kept only where its tokens may have to be counted: there is a tokenizer, or it
    /// came in one piece.
    answer: Option<Kept>,
    /// What was said, where somebody keeps it.
    transcript: Option<Transcript>,
    usage: Option<Usage>,
}

/// An answer kept for its tokens to be counted.
#[derive(Default)]
struct Kept {
    text: AnswerText,
    /// The body of an answer that came in one piece, to be read only if nobody else counted.
    body: Option<(WireFormat, Box<[u8]>)>,
}

impl Kept {
    fn push(&mut self, payload: Payload<'_>, streamed: bool) {
        match payload {
            Payload::Text(text) => self.text.content.push_str(text),
            Payload::Wire { format, data } if streamed => read(format, data, &mut self.text),
            Payload::Wire { format, data } => self.body = Some((format, data.into())),
        }
    }

    /// All of its text.
    fn text(&self) -> String {
        let mut text = self.text.clone();
        if let Some((format, body)) = &self.body {
            read(*format, body, &mut text);
        }
        text.joined()
    }
}

fn read(format: WireFormat, data: &[u8], text: &mut AnswerText) {
    // What cannot be read was reported by the decoder already.
    let _ = dialect::decode_text(format, data, text);
}

impl Flight {
    pub(crate) fn begin(
        tower: &Arc<Tower>,
        request: &Request,
        slot: Slot,
        started: Timestamp,
    ) -> Self {
        tower.live.begin(slot.warmup);
        let chunks = request.max_tokens.unwrap_or(0).min(256);
        let exchange = Exchange {
            id: request.id,
            server_request_id: None,
            user: slot.user,
            turn: slot.turn,
            model: Arc::clone(&request.model),
            scenario: Arc::clone(&tower.scenario),
            vantage: Vantage::Client,
            warmup: slot.warmup,
            streamed: request.stream,
            failed_attempts: Vec::new(),
            timeline: Timeline {
                planned: slot.planned,
                held: slot.held,
                started,
                connection: None,
                sent: None,
                headers: None,
                chunks: Chunks::with_capacity(usize::try_from(chunks).unwrap_or(0)),
                finished: Arrival::at(started),
            },
            usage: Usage::default(),
            input_source: CountSource::Estimate,
            output_source: CountSource::Estimate,
            max_tokens: request.max_tokens.map(Tokens),
            outcome: Outcome::Failure(Failure::new(
                FailureKind::Cancelled,
                "given up before it was answered",
            )),
        };
        let answer = tower.tokenizer.is_some().then(Kept::default);
        let room = tower.intake.transcript_room();
        let transcript = room.and_then(|room| Transcript::begin(request, room));
        Self { tower: Arc::clone(tower), exchange: Some(exchange), answer, transcript, usage: None }
    }

    /// Completes the record and hands it in.
    pub(crate) fn land(
        mut self,
        result: Result<Completion, Failure>,
        prompt: &Prompt,
        known_input: Option<u64>,
    ) -> Landing {
        let now = self.tower.clock.now();
        let unconnected = matches!(
            &result,
            Err(Failure { kind: FailureKind::Connect(_) | FailureKind::ClientResources, .. })
        );
        let Some(mut exchange) = self.exchange.take() else {
            return Landing { at: now, unconnected };
        };
        exchange.timeline.finished = match &result {
            Ok(completion) => completion.finished,
            Err(_) => Arrival::at(now),
        };
        self.usage = result.as_ref().ok().and_then(|completion| completion.usage);
        exchange.outcome = result.into();
        self.count_tokens(&mut exchange, prompt, known_input);
        let at = exchange.timeline.finished.arrived;
        self.hand_in(exchange);
        Landing { at, unconnected }
    }

    fn hand_in(&mut self, exchange: Exchange) {
        self.tower.live.end(&exchange);
        if let Some(transcript) = self.transcript.take() {
            self.tower.intake.push_transcript(transcript);
        }
        self.tower.intake.push(exchange);
    }

    /// Fills in token counts, input and output each by itself: the server's, else the tokenizer's,
    /// else an estimate. A prompt or an answer of no tokens is none that was counted: servers that
    /// report only a part, or nothing but zeros, are not believed in the rest.
    fn count_tokens(&self, exchange: &mut Exchange, prompt: &Prompt, known_input: Option<u64>) {
        let usage = self.usage.unwrap_or_default();
        let tokenizer = self.tower.tokenizer.as_deref();
        if usage.input > Tokens(0) {
            let Usage { input, cache_read, cache_write, .. } = usage;
            exchange.usage = Usage { input, cache_read, cache_write, ..exchange.usage };
            exchange.input_source = CountSource::Server;
        } else {
            (exchange.usage.input, exchange.input_source) = match (known_input, tokenizer) {
                (Some(known), _) => (Tokens(known), CountSource::Tokenizer),
                (None, Some(tokenizer)) => {
                    (Tokens(tokenizer.count(&prompt.text()) as u64), CountSource::Tokenizer)
                }
                (None, None) => (text::estimate_tokens(&prompt.text()), CountSource::Estimate),
            };
        }
        let chunks = &exchange.timeline.chunks;
        if self.usage.is_some() && (usage.output > Tokens(0) || chunks.is_empty()) {
            let Usage { output, reasoning, .. } = usage;
            exchange.usage = Usage { output, reasoning, ..exchange.usage };
            exchange.output_source = CountSource::Server;
        } else {
            (exchange.usage.output, exchange.output_source) = match (&self.answer, tokenizer) {
                (Some(answer), Some(tokenizer)) => {
                    (Tokens(tokenizer.count(&answer.text()) as u64), CountSource::Tokenizer)
                }
                (Some(answer), None) => {
                    (text::estimate_tokens(&answer.text()), CountSource::Estimate)
                }
                (None, _) => (Tokens(chunks.len() as u64), CountSource::Estimate),
            };
        }
    }
}

impl Sink for Flight {
    fn progress(&mut self, progress: Progress<'_>) {
        let Some(exchange) = &mut self.exchange else { return };
        let timeline = &mut exchange.timeline;
        match progress {
            Progress::Attempt(failed) => {
                exchange.failed_attempts.push(failed);
                timeline.chunks.clear();
                (timeline.sent, timeline.headers) = (None, None);
                self.answer = self.tower.tokenizer.is_some().then(Kept::default);
                if let Some(transcript) = &mut self.transcript {
                    transcript.begin_again();
                }
            }
            Progress::Connected(connection) => timeline.connection = Some(connection),
            Progress::Sent(at) => timeline.sent = Some(at),
            Progress::Headers { at, server_request_id, streamed } => {
                timeline.headers = Some(at);
                exchange.streamed = streamed;
                if !streamed {
                    self.answer.get_or_insert_default();
                }
                exchange.server_request_id = server_request_id.map(Box::from);
            }
            Progress::Chunk(chunk) => {
                if chunk.kind.is_token() {
                    timeline.chunks.push(timeline.started, chunk.at);
                    self.tower.live.token();
                }
                if let Some(transcript) = &mut self.transcript {
                    transcript.push(chunk.payload);
                }
                if let Some(answer) = &mut self.answer {
                    answer.push(chunk.payload, exchange.streamed);
                }
            }
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let Some(mut exchange) = self.exchange.take() else { return };
        exchange.timeline.finished = Arrival::at(self.tower.clock.now());
        self.hand_in(exchange);
    }
}
