//! Drives one exchange over an HTTP/1.1 connection.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use domain::{Arrival, Clock, Completion, Failure, FailureKind, Progress, Sink, WireFormat};
use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, Sleep};

use crate::response::{Kept, ResponseReader};
use crate::target::Timeouts;
use crate::transport::Transport;

/// One read's worth of bytes. All connections of a thread share it: nothing is borrowed from it
/// across an await, so a connection that waits holds no buffer.
const READ_BYTES: usize = 64 * 1024;

thread_local! {
    static READ_BUFFER: RefCell<Box<[u8]>> =
        RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
}

/// How an exchange left its connection.
pub(crate) struct Exchanged {
    pub(crate) result: Result<Completion, Failure>,
    /// Whether the connection can carry another request.
    pub(crate) reusable: bool,
    /// Whether part of an answer had been handed on.
    pub(crate) begun: bool,
}

/// Sends `wire` and reads the answer into `sink`.
pub(crate) async fn exchange(
    transport: &mut Transport,
    wire: &[u8],
    format: WireFormat,
    timeouts: &Timeouts,
    clock: &dyn Clock,
    sink: &mut dyn Sink,
) -> Exchanged {
    let mut reader = ResponseReader::new(Some(format));
    let read = send_and_read(transport, wire, &mut reader, timeouts, clock, sink).await;
    let (reusable, begun) = (read.is_ok() && reader.keep_alive(), reader.begun);
    let unix_seconds = clock.unix_nanos() / 1_000_000_000;
    let result = read.and_then(|at| reader.finish(at, unix_seconds, sink));
    Exchanged { result, reusable, begun }
}

/// Sends `wire` and returns the answer as it comes, whatever its status.
pub(crate) async fn fetch(
    transport: &mut Transport,
    wire: &[u8],
    timeouts: &Timeouts,
    clock: &dyn Clock,
) -> Result<Kept, Failure> {
    let mut reader = ResponseReader::new(None);
    send_and_read(transport, wire, &mut reader, timeouts, clock, &mut Unwatched).await?;
    reader.into_kept().ok_or_else(|| Failure::new(FailureKind::Truncated, "the answer has no end"))
}

/// Whoever fetches wants the end, not the steps.
struct Unwatched;

impl Sink for Unwatched {
    fn progress(&mut self, _: Progress<'_>) {}
}

async fn send_and_read(
    transport: &mut Transport,
    wire: &[u8],
    reader: &mut ResponseReader,
    timeouts: &Timeouts,
    clock: &dyn Clock,
    sink: &mut dyn Sink,
) -> Result<Arrival, Failure> {
    let mut patience = Patience::new(timeouts);
    transport.write_all(wire).await.map_err(|error| broken(&error))?;
    transport.flush().await.map_err(|error| broken(&error))?;
    sink.progress(Progress::Sent(clock.now()));
    poll_fn(|context| read_answer(context, transport, reader, &mut patience, sink)).await
}

fn read_answer(
    context: &mut Context<'_>,
    transport: &mut Transport,
    reader: &mut ResponseReader,
    patience: &mut Patience,
    sink: &mut dyn Sink,
) -> Poll<Result<Arrival, Failure>> {
    READ_BUFFER.with_borrow_mut(|buffer| {
        loop {
            let length = match transport.poll_recv(context, buffer) {
                Poll::Ready(Ok(length)) => length,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(broken(&error))),
                Poll::Pending => return patience.poll(context, reader.has_head()).map(Err),
            };
            let at = transport.arrival();
            if length == 0 {
                return Poll::Ready(reader.take_end().map(|()| at));
            }
            patience.note_read();
            if let Err(failure) = reader.take(&buffer[..length], at, sink) {
                return Poll::Ready(Err(failure));
            }
            if reader.is_done() {
                return Poll::Ready(Ok(at));
            }
        }
    })
}

fn broken(error: &io::Error) -> Failure {
    let kind = match error.kind() {
        io::ErrorKind::InvalidData => FailureKind::Malformed,
        _ => FailureKind::Truncated,
    };
    Failure::new(kind, format!("the connection broke: {error}"))
}

/// The time limits of one exchange, on one timer that is set anew only when it fires: a token costs
/// a note of the time, not a timer.
struct Patience {
    timeouts: Timeouts,
    begun: Instant,
    last_read: Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    fn new(timeouts: &Timeouts) -> Self {
        let begun = Instant::now();
        Self { timeouts: *timeouts, begun, last_read: begun, timer: None }
    }

    fn note_read(&mut self) {
        if self.timeouts.between_bytes.is_some() {
            self.last_read = Instant::now();
        }
    }

    /// The next limit to pass, and what to say when it does.
    fn next(&self, has_head: bool) -> Option<(Instant, String)> {
        let total = self
            .timeouts
            .total
            .map(|limit| (self.begun + limit, format!("no end of the answer within {limit:?}")));
        let step = if has_head {
            self.timeouts.between_bytes.map(|limit| {
                (self.last_read + limit, format!("nothing came for {limit:?} inside the answer"))
            })
        } else {
            self.timeouts
                .first_byte
                .map(|limit| (self.begun + limit, format!("no answer began within {limit:?}")))
        };
        match (total, step) {
            (Some(total), Some(step)) => Some(if step.0 < total.0 { step } else { total }),
            (total, step) => total.or(step),
        }
    }

    /// Ready with the failure once a limit has passed.
    fn poll(&mut self, context: &mut Context<'_>, has_head: bool) -> Poll<Failure> {
        if self.timer.is_none() {
            let Some((deadline, _)) = self.next(has_head) else { return Poll::Pending };
            self.timer = Some(Box::pin(tokio::time::sleep_until(deadline)));
        }
        loop {
            let Some(timer) = &mut self.timer else { return Poll::Pending };
            ready!(timer.as_mut().poll(context));
            let Some((deadline, message)) = self.next(has_head) else { return Poll::Pending };
            if deadline <= Instant::now() {
                return Poll::Ready(Failure::new(FailureKind::Timeout, message));
            }
            if let Some(timer) = &mut self.timer {
                timer.as_mut().reset(deadline);
            }
        }
    }
}
