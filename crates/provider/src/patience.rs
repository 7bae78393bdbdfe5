//! The time limits of one try at a request.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use domain::{Failure, FailureKind};
use tokio::time::{Instant, Sleep};

use crate::target::Timeouts;

/// No limit is longer, so that every deadline is a moment a clock can show.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// When a limit that begins at `begun` has passed.
pub(crate) fn deadline(begun: Instant, limit: Duration) -> Instant {
    begun + limit.min(LONGEST)
}

/// How far an exchange has come, as far as time limits go.
///
/// | stage | `first_token` | `between_bytes` |
/// |---|---|---|
/// | Head | runs | |
/// | Preamble | runs | runs |
/// | Tokens | | runs |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// No byte of the answer's body has come.
    Head,
    /// The body has begun with what carries no token: a role, a ping. Servers send such at once and
    /// may stall behind it.
    Preamble,
    /// Tokens have come.
    Tokens,
}

/// The time limits of one try, on one timer that is set anew only when it fires: a token costs a
/// note of the time, not a timer.
pub(crate) struct Patience {
    timeouts: Timeouts,
    begun: Instant,
    last_read: Instant,
    /// Runs to the next limit as it stood when the timer was set, and the stage it was set in.
    timer: Option<(Stage, Pin<Box<Sleep>>)>,
}

impl Patience {
    pub(crate) fn new(timeouts: &Timeouts) -> Self {
        let begun = Instant::now();
        Self { timeouts: *timeouts, begun, last_read: begun, timer: None }
    }

    /// Notes that bytes came.
    pub(crate) fn note_read(&mut self) {
        if self.timeouts.between_bytes.is_some() {
            self.last_read = Instant::now();
        }
    }

    /// Waits for a step that comes before the body, for as long as the limits allow.
    pub(crate) async fn wait<T>(
        &mut self,
        mut step: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Result<T, Failure> {
        poll_fn(|context| match step(context) {
            Poll::Ready(value) => Poll::Ready(Ok(value)),
            Poll::Pending => self.poll(context, Stage::Head).map(Err),
        })
        .await
    }

    /// Ready with the failure once a limit has passed.
    ///
    /// Within a stage limits only move away, so the timer may fire early and never late; another
    /// stage has other limits.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>, stage: Stage) -> Poll<Failure> {
        loop {
            if !matches!(&self.timer, Some((set_in, _)) if *set_in == stage) {
                let Some((deadline, _)) = self.next(stage) else { return Poll::Pending };
                self.timer = Some((stage, Box::pin(tokio::time::sleep_until(deadline))));
            }
            let Some((_, timer)) = &mut self.timer else { return Poll::Pending };
            ready!(timer.as_mut().poll(context));
            self.timer = None;
            match self.next(stage) {
                Some((deadline, limit)) if deadline <= Instant::now() => {
                    return Poll::Ready(Failure::new(FailureKind::Timeout, limit.to_string()));
                }
                Some(_) | None => {}
            }
        }
    }

    /// The next limit to pass, and when.
    fn next(&self, stage: Stage) -> Option<(Instant, Limit)> {
        let Timeouts { total, first_token, between_bytes, .. } = self.timeouts;
        let first_token = first_token.filter(|_| stage != Stage::Tokens);
        let between_bytes = between_bytes.filter(|_| stage != Stage::Head);
        let total = total.map(|limit| (deadline(self.begun, limit), Limit::Total(limit)));
        let first = first_token.map(|limit| (deadline(self.begun, limit), Limit::First(limit)));
        let between =
            between_bytes.map(|limit| (deadline(self.last_read, limit), Limit::Between(limit)));
        [total, first, between].into_iter().flatten().min_by_key(|(deadline, _)| *deadline)
    }
}

/// A time limit that may have passed.
enum Limit {
    Total(Duration),
    First(Duration),
    Between(Duration),
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Total(limit) => write!(f, "no end of the answer within {limit:?}"),
            Self::First(limit) => write!(f, "no token came within {limit:?}"),
            Self::Between(limit) => write!(f, "nothing came for {limit:?} inside the answer"),
        }
    }
}
