//! The model made of a target's connections.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::{
    BoxFuture, Clock, Completion, FailedAttempt, Failure, FailureKind, Model, Progress, Request,
    Seed, Sink,
};

use crate::answer::{Exchanged, Expect};
use crate::redact::Redactor;
use crate::request::RequestHead;
use crate::target::{Target, TargetError};
use crate::wire::{Call, Wire};

/// A remote model.
///
/// Every try at a request is told to the sink from `Connected` on; a further try begins with
/// `Attempt`, after the pause before it. Over HTTP/2 the requests that come together share a new
/// connection, and the one that opened it is told what that cost.
#[derive(Debug)]
pub struct Provider {
    target: Target,
    wire: Wire,
    redactor: Redactor,
    clock: Arc<dyn Clock>,
}

impl Provider {
    /// A model at `target`. Nothing is sent yet.
    ///
    /// # Errors
    /// A [`TargetError`] where the target's settings cannot be used.
    pub fn new(target: Target, clock: Arc<dyn Clock>) -> Result<Self, TargetError> {
        target.check()?;
        let wire = Wire::new(&target, &RequestHead::ask(&target), Arc::clone(&clock))?;
        let redactor = Redactor::new(&target);
        Ok(Self { target, wire, redactor, clock })
    }

    /// The settings it was made from.
    #[must_use]
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// Whether every connection so far had the kernel's receive stamps.
    #[must_use]
    pub fn is_stamped(&self) -> bool {
        self.wire.is_stamped()
    }

    async fn send_with_retries(
        &self,
        request: &Request,
        sink: &mut dyn Sink,
    ) -> Result<Completion, Failure> {
        let format = self.target.format;
        let body = dialect::encode_request(format, request, &self.target.options)
            .map_err(|error| Failure::new(FailureKind::Rejected, error.to_string()))?;
        let call = Call {
            id: Some(request.id),
            body: Bytes::from(body),
            expect: Expect::Answer { format, streamed: request.stream },
            timeouts: &self.target.timeouts,
            clock: &*self.clock,
        };
        let mut tried = 0;
        loop {
            let exchanged = self.wire.exchange(&call, sink).await;
            let (begun, result) = self.conclude(exchanged, sink);
            let failure = match result {
                Ok(completion) => return Ok(completion),
                Err(failure) => failure,
            };
            let last = tried == self.target.retries.most;
            if last || !failure.retryable || begun {
                return Err(failure);
            }
            let Some(pause) = back_off(&failure, tried, request) else { return Err(failure) };
            let failed = self.clock.now();
            tokio::time::sleep(pause).await;
            let Failure { kind, status, .. } = failure;
            let pause = self.clock.now().since(failed);
            sink.progress(Progress::Attempt(FailedAttempt { kind, status, failed, pause }));
            tried += 1;
        }
    }

    /// Whether tokens were handed on, and how the try ended.
    fn conclude(
        &self,
        exchanged: Exchanged,
        sink: &mut dyn Sink,
    ) -> (bool, Result<Completion, Failure>) {
        let unix_seconds = self.clock.unix_nanos() / 1_000_000_000;
        let begun = exchanged.begun();
        let result = exchanged.completion(unix_seconds, sink);
        (begun, result.map_err(|failure| self.redactor.redact(failure)))
    }
}

impl Model for Provider {
    fn prepare(&self) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async {
            self.wire.prepare().await.map_err(|failure| self.redactor.redact(failure))
        })
    }

    fn send<'a>(
        &'a self,
        request: &'a Request,
        sink: &'a mut dyn Sink,
    ) -> BoxFuture<'a, Result<Completion, Failure>> {
        Box::pin(self.send_with_retries(request, sink))
    }
}

/// How long to wait before try `tried + 1`: what the server asks for, up to two minutes (beyond
/// that, no retry), else half a second doubled each time up to eight, less up to a quarter at
/// random. The rule of the official client packages.
fn back_off(failure: &Failure, tried: u32, request: &Request) -> Option<Duration> {
    const LONGEST: Duration = Duration::from_secs(120);
    match failure.retry_after {
        Some(asked) if asked > LONGEST => None,
        Some(asked) if !asked.is_zero() => Some(asked),
        _ => {
            let base = 0.5 * f64::from(1_u32 << tried.min(4));
            let id = request.id;
            let mut random =
                Seed(id.run).nth(id.index).child("back-off").nth(tried.into()).random();
            Some(Duration::from_secs_f64(base.min(8.0) * (1.0 - 0.25 * random.unit())))
        }
    }
}
