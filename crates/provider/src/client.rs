//! The model made of a target's connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::{
    BoxFuture, Clock, Completion, Failure, FailureKind, Model, Progress, Request, Seed, Sink,
};

use crate::http1::{self, Exchanged};
use crate::pool::Pool;
use crate::target::{Target, TargetError};
use crate::transport::Connector;

/// A remote model.
#[derive(Debug)]
pub struct Provider {
    target: Target,
    connector: Connector,
    pool: Pool,
    /// The request's head up to `x-request-id`, the same for every request.
    head: String,
    clock: Arc<dyn Clock>,
    stamped: AtomicBool,
}

impl Provider {
    /// A model at `target`. Nothing is sent yet.
    ///
    /// # Errors
    /// A [`TargetError`] where the target's settings cannot be used.
    pub fn new(target: Target, clock: Arc<dyn Clock>) -> Result<Self, TargetError> {
        target.check()?;
        let connector = Connector::new(&target, Arc::clone(&clock))?;
        let head = request_head(&target);
        let (pool, stamped) = (Pool::default(), AtomicBool::new(true));
        Ok(Self { target, connector, pool, head, clock, stamped })
    }

    /// The settings it was made from.
    #[must_use]
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// Whether every connection so far had the kernel's receive stamps.
    #[must_use]
    pub fn is_stamped(&self) -> bool {
        self.stamped.load(Ordering::Relaxed)
    }

    async fn send_with_retries(
        &self,
        request: &Request,
        sink: &mut dyn Sink,
    ) -> Result<Completion, Failure> {
        let body = dialect::encode_request(self.target.format, request, &self.target.options)
            .map_err(|error| Failure::new(FailureKind::Rejected, error.to_string()))?;
        let wire = self.wire(request, &body);
        let mut tried = 0;
        loop {
            let exchanged = self.try_once(&wire, sink).await;
            let failure = match exchanged.result {
                Ok(completion) => return Ok(completion),
                Err(failure) => self.redacted(failure),
            };
            let last = tried == self.target.retries.most;
            if last || !failure.retryable || exchanged.begun {
                return Err(failure);
            }
            let Some(pause) = back_off(&failure, tried, request) else { return Err(failure) };
            tokio::time::sleep(pause).await;
            sink.progress(Progress::Attempt);
            tried += 1;
        }
    }

    async fn try_once(&self, wire: &[u8], sink: &mut dyn Sink) -> Exchanged {
        let mut transport = match self.pool.take() {
            Some(transport) => transport,
            None => match self.connector.open().await {
                Ok((transport, cost)) => {
                    self.note_stamps(transport.is_stamped());
                    sink.progress(Progress::Connected(cost));
                    transport
                }
                Err(failure) => {
                    return Exchanged { result: Err(failure), reusable: false, begun: false };
                }
            },
        };
        let (format, timeouts) = (self.target.format, &self.target.timeouts);
        let exchanged =
            http1::exchange(&mut transport, wire, format, timeouts, &*self.clock, sink).await;
        if exchanged.reusable {
            self.pool.put(transport);
        }
        exchanged
    }

    fn note_stamps(&self, stamped: bool) {
        if !stamped {
            self.stamped.store(false, Ordering::Relaxed);
        }
    }

    fn wire(&self, request: &Request, body: &[u8]) -> Vec<u8> {
        use std::io::Write as _;
        let mut wire = Vec::with_capacity(self.head.len() + body.len() + 96);
        wire.extend_from_slice(self.head.as_bytes());
        write!(wire, "{}\r\ncontent-length: {}\r\n\r\n", request.id, body.len())
            .expect("writing to memory cannot fail");
        wire.extend_from_slice(body);
        wire
    }

    /// A server may quote the key it was sent in its complaint.
    fn redacted(&self, mut failure: Failure) -> Failure {
        if let Some(key) = &self.target.key {
            failure.message = key.redact(&failure.message);
        }
        failure
    }
}

impl Model for Provider {
    fn prepare(&self) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async {
            let (transport, _) = self.connector.open().await?;
            self.note_stamps(transport.is_stamped());
            self.pool.put(transport);
            Ok(())
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

/// The head of every request, up to the value of `x-request-id`.
fn request_head(target: &Target) -> String {
    let mut head = format!(
        "POST {}{} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\naccept: */*\r\n\
         user-agent: prony/{}\r\n",
        target.url.prefix,
        dialect::path(target.format),
        target.url.authority(),
        env!("CARGO_PKG_VERSION"),
    );
    let own = dialect::request_headers(target.format, target.key.as_ref());
    let given =
        |name: &str| target.headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
    for (name, value) in own.iter().filter(|(name, _)| !given(name)) {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    for (name, value) in &target.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("x-request-id: ");
    head
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
