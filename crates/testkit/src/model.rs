//! A model that plays scripts in virtual time and remembers what it was asked.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::{
    Arrival, BoxFuture, Chunk, ChunkKind, Clock, Completion, Connection, Failure, FailureKind,
    FinishReason, Model, Payload, Progress, Request, Sink, Timestamp, Tokens, Usage, WireFormat,
};
use tokio::time::{Instant, sleep_until};

use crate::{Gate, OwnedPayload};

/// How one request goes: what is told, when, and how it ends.
///
/// The head comes with the first chunk (or with the end), `ttft` after the request; chunk *i*
/// comes `itl · i` later, and the end with the last chunk.
#[derive(Clone, Debug)]
pub struct Script {
    connection: Option<Connection>,
    ttft: Duration,
    itl: Duration,
    read_lag: Duration,
    chunks: Vec<(ChunkKind, OwnedPayload)>,
    whole: bool,
    hold: Option<Gate>,
    ending: ScriptEnding,
}

#[derive(Clone, Debug)]
enum ScriptEnding {
    Success { finish: FinishReason, usage: Option<Usage> },
    Failure(Failure),
    Never,
}

impl Script {
    /// An answer of these tokens, at once, that ends with `Stop` and reports as many output tokens
    /// as it has chunks, and one input token.
    #[must_use]
    pub fn answer<T: Into<String>>(tokens: impl IntoIterator<Item = T>) -> Self {
        let chunks: Vec<_> = tokens
            .into_iter()
            .map(|token| (ChunkKind::Content, OwnedPayload::Text(token.into())))
            .collect();
        let output = Tokens(chunks.len() as u64);
        let usage = Usage { input: Tokens(1), output, ..Usage::default() };
        Self {
            connection: None,
            ttft: Duration::ZERO,
            itl: Duration::ZERO,
            read_lag: Duration::ZERO,
            chunks,
            whole: false,
            hold: None,
            ending: ScriptEnding::Success { finish: FinishReason::Stop, usage: Some(usage) },
        }
    }

    /// An answer of `count` tokens, `"t0 "`, `"t1 "` and so on.
    #[must_use]
    pub fn tokens(count: usize) -> Self {
        Self::answer((0..count).map(|index| format!("t{index} ")))
    }

    /// No answer but `failure`.
    #[must_use]
    pub fn failure(failure: Failure) -> Self {
        Self::tokens(0).failing(failure)
    }

    /// No answer but a failure of `kind`.
    #[must_use]
    pub fn failure_of(kind: FailureKind) -> Self {
        Self::failure(Failure::new(kind, "scripted"))
    }

    /// Sets the time to the first chunk, or to the end where there is none.
    #[must_use]
    pub fn ttft(mut self, ttft: Duration) -> Self {
        self.ttft = ttft;
        self
    }

    /// Sets the time between chunks.
    #[must_use]
    pub fn itl(mut self, itl: Duration) -> Self {
        self.itl = itl;
        self
    }

    /// Makes every arrival lie this long before its read.
    #[must_use]
    pub fn read_lag(mut self, read_lag: Duration) -> Self {
        self.read_lag = read_lag;
        self
    }

    /// Reports that a connection had to be opened, at this cost. It takes no virtual time.
    #[must_use]
    pub fn connection(mut self, connection: Connection) -> Self {
        self.connection = Some(connection);
        self
    }

    /// Appends a chunk of any kind.
    #[must_use]
    pub fn chunk(mut self, kind: ChunkKind, text: impl Into<String>) -> Self {
        self.chunks.push((kind, OwnedPayload::Text(text.into())));
        self
    }

    /// Appends a chunk as it would come over a wire.
    #[must_use]
    pub fn wire(mut self, format: WireFormat, kind: ChunkKind, data: impl Into<Vec<u8>>) -> Self {
        self.chunks.push((kind, OwnedPayload::Wire { format, data: data.into() }));
        self
    }

    /// Says that the answer comes in one piece, whatever was asked for.
    #[must_use]
    pub fn whole(mut self) -> Self {
        self.whole = true;
        self
    }

    /// Sets the token counts the answer reports; `None` reports none.
    ///
    /// # Panics
    /// On a script that does not succeed.
    #[must_use]
    pub fn usage(mut self, reported: Option<Usage>) -> Self {
        match &mut self.ending {
            ScriptEnding::Success { usage, .. } => *usage = reported,
            other => panic!("a script that ends in {other:?} reports no usage"),
        }
        self
    }

    /// Sets why the answer ends.
    ///
    /// # Panics
    /// On a script that does not succeed.
    #[must_use]
    pub fn finish(mut self, reason: FinishReason) -> Self {
        match &mut self.ending {
            ScriptEnding::Success { finish, .. } => *finish = reason,
            other => panic!("a script that ends in {other:?} has no finish reason"),
        }
        self
    }

    /// Ends in `failure` after the chunks.
    #[must_use]
    pub fn failing(mut self, failure: Failure) -> Self {
        self.ending = ScriptEnding::Failure(failure);
        self
    }

    /// Waits after the chunks, before the end, until the test opens `gate`.
    #[must_use]
    pub fn hold(mut self, gate: &Gate) -> Self {
        self.hold = Some(gate.clone());
        self
    }

    /// Never ends after the chunks: the caller must give up.
    #[must_use]
    pub fn hanging(mut self) -> Self {
        self.ending = ScriptEnding::Never;
        self
    }

    fn at(&self, origin: Instant, chunk: usize) -> Instant {
        let steps = u32::try_from(chunk).expect("scripts have few chunks");
        origin + self.ttft + self.itl * steps
    }
}

/// What the model was asked, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// The request.
    pub request: Request,
    /// When it came.
    pub at: Timestamp,
}

type Director = dyn FnMut(u64, &Request) -> Script + Send;

/// A [`Model`] that plays one [`Script`] a request.
pub struct ScriptedModel {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

struct State {
    director: Box<Director>,
    asked: Vec<Asked>,
    preparations: VecDeque<Result<(), Failure>>,
    prepared: u64,
    in_flight: u64,
    in_flight_max: u64,
    cancelled: u64,
}

impl ScriptedModel {
    /// A model whose every request goes as `director` says, given the request's place in the order
    /// of arrival (from zero) and the request.
    #[must_use]
    pub fn new(
        clock: Arc<dyn Clock>,
        director: impl FnMut(u64, &Request) -> Script + Send + 'static,
    ) -> Self {
        let state = State {
            director: Box::new(director),
            asked: Vec::new(),
            preparations: VecDeque::new(),
            prepared: 0,
            in_flight: 0,
            in_flight_max: 0,
            cancelled: 0,
        };
        Self { clock, state: Mutex::new(state) }
    }

    /// A model whose every request goes the same way.
    #[must_use]
    pub fn always(clock: Arc<dyn Clock>, script: Script) -> Self {
        Self::new(clock, move |_, _| script.clone())
    }

    /// A model that plays these scripts in order. One request more is a panic.
    #[must_use]
    pub fn in_order(clock: Arc<dyn Clock>, scripts: impl IntoIterator<Item = Script>) -> Self {
        let mut scripts: VecDeque<Script> = scripts.into_iter().collect();
        Self::new(clock, move |index, _| {
            scripts.pop_front().unwrap_or_else(|| panic!("no script for request {index}"))
        })
    }

    /// Lets the next calls of `prepare` end in these results; those after succeed.
    #[must_use]
    pub fn preparing(self, results: impl IntoIterator<Item = Result<(), Failure>>) -> Self {
        self.state().preparations.extend(results);
        self
    }

    /// What the model was asked, in the order it came.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.state().asked.clone()
    }

    /// How often `prepare` was called.
    #[must_use]
    pub fn prepared(&self) -> u64 {
        self.state().prepared
    }

    /// How many requests are under way.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.state().in_flight
    }

    /// The most requests that were ever under way at once.
    #[must_use]
    pub fn in_flight_max(&self) -> u64 {
        self.state().in_flight_max
    }

    /// How many requests were dropped before their end.
    #[must_use]
    pub fn cancelled(&self) -> u64 {
        self.state().cancelled
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, request: &Request) -> (u64, Script) {
        let mut state = self.state();
        let index = state.asked.len() as u64;
        let at = self.clock.now();
        state.asked.push(Asked { request: request.clone(), at });
        state.in_flight += 1;
        state.in_flight_max = state.in_flight_max.max(state.in_flight);
        let script = (state.director)(index, request);
        (index, script)
    }

    async fn play(&self, request: &Request, sink: &mut dyn Sink) -> Result<Completion, Failure> {
        let origin = Instant::now();
        let mut flight = Flight { model: self, landed: false };
        let (index, script) = self.begin(request);
        if let Some(connection) = script.connection {
            sink.progress(Progress::Connected(connection));
        }
        sink.progress(Progress::Sent(self.clock.now()));
        sleep_until(script.at(origin, 0)).await;
        if !script.chunks.is_empty() || matches!(script.ending, ScriptEnding::Success { .. }) {
            let at = self.arrival(&script);
            let id = format!("scripted-{index}");
            let streamed = request.stream && !script.whole;
            sink.progress(Progress::Headers { at, server_request_id: Some(&id), streamed });
        }
        for (chunk, (kind, payload)) in script.chunks.iter().enumerate() {
            sleep_until(script.at(origin, chunk)).await;
            let payload = match payload {
                OwnedPayload::Wire { format, data } => Payload::Wire { format: *format, data },
                OwnedPayload::Text(text) => Payload::Text(text),
            };
            let at = self.arrival(&script);
            sink.progress(Progress::Chunk(Chunk { at, kind: *kind, payload }));
        }
        if let Some(gate) = &script.hold {
            gate.pass().await;
        }
        let finished = self.arrival(&script);
        let result = match script.ending {
            ScriptEnding::Success { finish, usage } => Ok(Completion { finished, finish, usage }),
            ScriptEnding::Failure(failure) => Err(failure),
            ScriptEnding::Never => std::future::pending().await,
        };
        flight.landed = true;
        result
    }

    fn arrival(&self, script: &Script) -> Arrival {
        let read = self.clock.now();
        Arrival { arrived: read.before(script.read_lag), read }
    }
}

/// Counts a request out, also where its future is dropped.
struct Flight<'a> {
    model: &'a ScriptedModel,
    landed: bool,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let mut state = self.model.state();
        state.in_flight -= 1;
        state.cancelled += u64::from(!self.landed);
    }
}

impl Model for ScriptedModel {
    fn prepare(&self) -> BoxFuture<'_, Result<(), Failure>> {
        let mut state = self.state();
        state.prepared += 1;
        let result = state.preparations.pop_front().unwrap_or(Ok(()));
        Box::pin(std::future::ready(result))
    }

    fn send<'a>(
        &'a self,
        request: &'a Request,
        sink: &'a mut dyn Sink,
    ) -> BoxFuture<'a, Result<Completion, Failure>> {
        Box::pin(self.play(request, sink))
    }
}

impl fmt::Debug for ScriptedModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("ScriptedModel")
            .field("asked", &state.asked.len())
            .field("in_flight", &state.in_flight)
            .finish_non_exhaustive()
    }
}

/// A request for tests: one user message, streamed, at most 16 tokens.
#[must_use]
pub fn request(index: u64) -> Request {
    Request {
        id: domain::RequestId { run: 7, index },
        model: "scripted".into(),
        prompt: domain::Prompt::Text(format!("question {index}").into()),
        max_tokens: Some(16),
        ignore_eos: false,
        stream: true,
        sampling: domain::Sampling::default(),
        stop: Arc::from([]),
        tools: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CollectingSink, VirtualClock};

    const MS: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn a_script_plays_on_time() {
        let clock = Arc::new(VirtualClock::new());
        let script = Script::answer(["Hel", "lo"]).ttft(50 * MS).itl(10 * MS).read_lag(3 * MS);
        let model = ScriptedModel::always(clock.clone(), script);
        let mut sink = CollectingSink::new();
        let completion = model.send(&request(0), &mut sink).await.expect("it succeeds");

        assert_eq!(sink.text(), "Hello");
        assert_eq!(sink.server_request_id(), Some("scripted-0"));
        let arrivals = sink.token_arrivals();
        assert_eq!(arrivals[0].read, clock.moment(50 * MS));
        assert_eq!(arrivals[1].read, clock.moment(60 * MS));
        assert_eq!(arrivals[1].arrived, clock.moment(57 * MS));
        assert_eq!(completion.finished.read, clock.moment(60 * MS));
        assert_eq!(completion.usage.expect("reported").output, Tokens(2));
    }

    #[tokio::test(start_paused = true)]
    async fn flights_are_counted_and_dropped_ones_too() {
        let clock = Arc::new(VirtualClock::new());
        let model = ScriptedModel::in_order(
            clock.clone(),
            [
                Script::tokens(1).ttft(5 * MS),
                Script::tokens(1).hanging(),
                Script::failure_of(FailureKind::Overloaded),
            ],
        )
        .preparing([Err(Failure::new(FailureKind::Timeout, "slow"))]);
        assert!(model.prepare().await.is_err());
        assert!(model.prepare().await.is_ok());

        let (first, second, third) = (request(0), request(1), request(2));
        let (mut a, mut b, mut c) = <(CollectingSink, CollectingSink, CollectingSink)>::default();
        let hanging = tokio::time::timeout(20 * MS, model.send(&second, &mut b));
        let (one, two) = tokio::join!(model.send(&first, &mut a), hanging);
        assert!(one.is_ok() && two.is_err());
        assert_eq!(
            model.send(&third, &mut c).await.map_err(|failure| failure.kind),
            Err(FailureKind::Overloaded)
        );
        assert_eq!((model.in_flight(), model.in_flight_max(), model.cancelled()), (0, 2, 1));
        assert_eq!(model.prepared(), 2);
        assert_eq!(model.asked()[2].at, clock.moment(20 * MS));
        assert_eq!(c.kinds(), []);
    }
}
