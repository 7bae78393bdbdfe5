//! How an answer gets from the engine's thread to the task that awaits it.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use domain::{
    Arrival, Chunk, ChunkKind, Clock, Completion, Failure, FailureKind, FinishReason, Payload,
    Progress, Sink, Timestamp, Usage,
};

/// How an answer ended.
#[derive(Clone, Debug)]
pub(crate) struct Ending {
    pub(crate) at: Timestamp,
    pub(crate) finish: FinishReason,
    pub(crate) usage: Usage,
}

/// Text on its way. It is bounded by the request's own longest answer, so pushing never waits.
#[derive(Debug, Default)]
struct Mail {
    text: String,
    /// Where each piece of `text` ends, and when it was drawn.
    pieces: Vec<(usize, Timestamp)>,
    /// How the answer ended, until it is taken out.
    ending: Option<Result<Ending, Failure>>,
    ended: bool,
    waker: Option<Waker>,
}

/// One request's mailbox: the engine puts pieces in, the caller's task takes them out.
#[derive(Debug)]
pub(crate) struct Mailbox {
    mail: Mutex<Mail>,
    cancelled: AtomicBool,
    /// Whether pieces are handed out as they come, or all at the end.
    stream: bool,
}

impl Mailbox {
    pub(crate) fn new(stream: bool) -> Self {
        Self { mail: Mutex::default(), cancelled: AtomicBool::new(false), stream }
    }

    /// Puts a piece in.
    pub(crate) fn push(&self, text: &str, at: Timestamp) {
        let waker = {
            let mut mail = self.lock();
            mail.text.push_str(text);
            let end = mail.text.len();
            mail.pieces.push((end, at));
            if self.stream { mail.waker.take() } else { None }
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Ends the answer. Only the first ending counts.
    pub(crate) fn end(&self, ending: Result<Ending, Failure>) {
        let waker = {
            let mut mail = self.lock();
            if mail.ended {
                return;
            }
            mail.ended = true;
            mail.ending = Some(ending);
            mail.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Says that nobody waits for the answer any more.
    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
    }

    /// Whether nobody waits for the answer any more.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    fn lock(&self) -> MutexGuard<'_, Mail> {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The engine's end of a mailbox. Dropped before the answer's end, the answer fails, so that nobody
/// waits for ever.
#[derive(Debug)]
pub(crate) struct Reply(pub(crate) Arc<Mailbox>);

impl Drop for Reply {
    fn drop(&mut self) {
        self.0.end(Err(Failure::new(FailureKind::ServerError, "the engine has stopped")));
    }
}

/// Awaits a mailbox's answer and hands its pieces to a sink.
pub(crate) struct Delivery<'a> {
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) sink: &'a mut dyn Sink,
    pub(crate) clock: &'a dyn Clock,
    /// The pieces being handed out, kept for its memory.
    pub(crate) text: String,
    pub(crate) pieces: Vec<(usize, Timestamp)>,
}

impl Delivery<'_> {
    /// Hands out what was taken. A piece arrived when it was drawn; what has passed since is the
    /// client's own lag.
    fn hand_out(&mut self) {
        if self.pieces.is_empty() {
            return;
        }
        let read = self.clock.now();
        if !self.mailbox.stream {
            let whole = self.pieces.pop().expect("there is a piece");
            self.pieces.clear();
            self.pieces.push(whole);
        }
        let mut start = 0;
        for &(end, arrived) in &self.pieces {
            self.sink.progress(Progress::Chunk(Chunk {
                at: Arrival { arrived, read },
                kind: ChunkKind::Content,
                payload: Payload::Text(&self.text[start..end]),
            }));
            start = end;
        }
        self.text.clear();
        self.pieces.clear();
    }
}

impl Future for Delivery<'_> {
    type Output = Result<Completion, Failure>;

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        let delivery = self.get_mut();
        let mailbox = Arc::clone(&delivery.mailbox);
        let ending = {
            let mut mail = mailbox.lock();
            let ending = mail.ending.take();
            if ending.is_none() {
                match &mut mail.waker {
                    Some(waker) => waker.clone_from(task.waker()),
                    none => *none = Some(task.waker().clone()),
                }
            }
            if mailbox.stream || ending.is_some() {
                std::mem::swap(&mut mail.text, &mut delivery.text);
                std::mem::swap(&mut mail.pieces, &mut delivery.pieces);
            }
            ending
        };
        delivery.hand_out();
        match ending {
            None => Poll::Pending,
            Some(ending) => Poll::Ready(ending.map(|ending| Completion {
                finished: Arrival { arrived: ending.at, read: delivery.clock.now() },
                finish: ending.finish,
                usage: Some(ending.usage),
            })),
        }
    }
}
