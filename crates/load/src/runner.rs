//! Carries out a plan: prepares connections, warms up, starts each request when it is due, and
//! waits for the last answer.
//!
//! `prelude` is what comes before the measured window. In it, `closed_loop` and `open_loop` are
//! the two ways in which requests come; both ask here whether another one may be sent, and send it.

mod closed_loop;
mod open_loop;
mod prelude;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use domain::{Failure, Model, Request, RequestId, Timestamp, Tokenizer};
use pace::{Pacer, Time};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::flight::{Flight, Landing, Slot, Tower};
use crate::intake::Intake;
use crate::live::Live;
use crate::plan::{Load, Plan};
use crate::workload::Workload;

/// How long before a user joins its connection is opened: late enough that a server does not close
/// it as idle, early enough that it is there.
const PREPARE_AHEAD: Duration = Duration::from_secs(1);

/// How a run is stopped from outside.
#[derive(Clone, Debug, Default)]
pub struct Control {
    /// Sends nothing more and waits for what is in flight.
    pub stop: CancellationToken,
    /// Gives up what is in flight too.
    pub abort: CancellationToken,
}

/// Why a run sent no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopCause {
    /// It had sent all its requests.
    Requests,
    /// Its time was over.
    Duration,
    /// Too many requests had failed.
    Failures,
    /// It was told to stop.
    Interrupted,
    /// It was told to stop at once.
    Aborted,
}

/// What a finished run knows beside its records.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// When the first measured request was due.
    pub window_start: Timestamp,
    /// When measuring ended: with the planned time, or when the last request was due, or when the
    /// run was stopped.
    pub window_end: Timestamp,
    /// Measured requests that were started.
    pub requests: u64,
    /// Open loop: how many requests the schedule had due by the window's end, started or not.
    pub due: Option<u64>,
    /// Why no more were sent.
    pub cause: StopCause,
    /// Requests that were held back because records were not taken off fast enough.
    pub held_back: u64,
}

/// What a run drives and reports to.
pub struct Parts {
    /// The model under load.
    pub model: Arc<dyn Model>,
    /// What its requests ask.
    pub workload: Arc<Workload>,
    /// The time the run takes place in: its clock stamps everything, its timers wake the runner.
    pub time: Time,
    /// Takes the records.
    pub intake: Arc<Intake>,
    /// Takes the running counts.
    pub live: Arc<Live>,
    /// Counts tokens where the server does not.
    pub tokenizer: Option<Arc<dyn Tokenizer>>,
}

/// Why a run did not take place.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No connection could be opened before the start.
    #[error("no connection could be opened before the run: {0}")]
    Prepare(Failure),
    /// The system gave no timer.
    #[error("the system gave no timer: {0}")]
    Timer(#[from] io::Error),
}

/// Carries out `plan`. Must be called inside a runtime with I/O and time.
///
/// # Errors
/// Where nothing could be started: [`RunError`]. Failures of requests are in their records.
///
/// # Panics
/// Passes on a panic of the model.
pub async fn run(plan: Plan, parts: Parts, control: Control) -> Result<Report, RunError> {
    let pacer = Pacer::new(&parts.time)?;
    let run = Arc::new(Run::new(plan, parts, control, pacer.clone()));
    tokio::select! {
        report = run.carry_out() => report.map_err(RunError::Prepare),
        Err(error) = pacer.drive() => Err(RunError::Timer(error)),
    }
}

struct Run {
    plan: Plan,
    model: Arc<dyn Model>,
    workload: Arc<Workload>,
    tower: Arc<Tower>,
    pacer: Pacer,
    control: Control,
    /// Cancelled once no more is to be sent.
    over: CancellationToken,
    claimed: AtomicU64,
    /// When the last request claimed was due, in nanoseconds.
    last_due: AtomicU64,
    /// Why, and when, the offering of requests ended.
    ended: OnceLock<(StopCause, Timestamp)>,
}

impl Run {
    fn new(plan: Plan, parts: Parts, control: Control, pacer: Pacer) -> Self {
        let tower = Arc::new(Tower {
            intake: parts.intake,
            live: parts.live,
            tokenizer: parts.tokenizer,
            scenario: parts.workload.name(),
            clock: parts.time.clock(),
        });
        Self {
            plan,
            model: parts.model,
            workload: parts.workload,
            tower,
            pacer,
            over: control.stop.child_token(),
            control,
            claimed: AtomicU64::new(0),
            last_due: AtomicU64::new(0),
            ended: OnceLock::new(),
        }
    }

    async fn carry_out(self: &Arc<Self>) -> Result<Report, Failure> {
        // Where it is stopped here, warming up and offering end at once.
        if let Some(prepared) = self.unless_over(self.prepare_first()).await {
            prepared?;
        }
        self.warm_up().await;
        let start = self.now();
        self.tower.live.open_window(start);
        let mut tasks = JoinSet::new();
        let offer = async {
            match &self.plan.load {
                Load::Closed(closed) => self.offer_closed(closed, start, &mut tasks).await,
                Load::Open(open) => self.offer_open(open, start, &mut tasks).await,
            }
            while let Some(joined) = tasks.join_next().await {
                pass_on_panic(joined);
            }
        };
        let aborted = self.control.abort.run_until_cancelled(offer).await.is_none();
        if aborted {
            tasks.shutdown().await;
        }
        Ok(self.report(start, aborted))
    }

    fn now(&self) -> Timestamp {
        self.tower.clock.now()
    }

    /// Waits until `due`, or until the planned time is over.
    fn due_or_end(&self, due: Timestamp) -> impl Future<Output = ()> {
        self.pacer.until(self.end().map_or(due, |end| end.min(due)))
    }

    /// When the planned time is over, in a run that has one and has begun.
    fn end(&self) -> Option<Timestamp> {
        Some(self.tower.live.window_start()? + self.plan.stop.duration?)
    }

    /// The index of the request due at `planned`, or `None` where the run is over.
    fn claim(&self, planned: Timestamp) -> Option<u64> {
        if self.is_over() {
            return None;
        }
        if self.end().is_some_and(|end| planned >= end) {
            self.note_cause(StopCause::Duration);
            return None;
        }
        let index = self.claimed.fetch_add(1, Relaxed);
        if self.plan.stop.requests.is_some_and(|requests| index >= requests) {
            self.claimed.fetch_sub(1, Relaxed);
            return None;
        }
        self.last_due.fetch_max(planned.as_nanos(), Relaxed);
        if self.plan.stop.requests.is_some_and(|requests| index + 1 == requests) {
            self.note_cause(StopCause::Requests);
        }
        Some(index)
    }

    fn is_over(&self) -> bool {
        if self.control.stop.is_cancelled() {
            self.note_cause(StopCause::Interrupted);
        }
        let failed = self.tower.live.failed();
        if self.plan.stop.failures.is_some_and(|limit| failed >= limit) {
            self.note_cause(StopCause::Failures);
        }
        self.ended.get().is_some()
    }

    /// Waits for `awaited`; `None` where the run is over before, or is told to stop.
    async fn unless_over<T>(&self, awaited: impl Future<Output = T>) -> Option<T> {
        let done = self.over.run_until_cancelled(awaited).await;
        if done.is_none() {
            // Those who ended it noted why; whoever stopped it from outside did not.
            self.note_cause(StopCause::Interrupted);
        }
        done
    }

    fn note_cause(&self, cause: StopCause) {
        self.ended.get_or_init(|| (cause, self.now()));
        self.over.cancel();
    }

    /// Sends one request and waits for its end.
    async fn perform(&self, index: u64, slot: Slot) -> Landing {
        let draft = if slot.warmup {
            self.workload.warmup_draft(index)
        } else {
            self.workload.draft(index)
        };
        let template = &self.plan.template;
        let request = Request {
            id: RequestId {
                run: self.plan.run,
                index: if slot.warmup { index } else { self.plan.warmup + index },
            },
            model: Arc::clone(&template.model),
            prompt: draft.prompt,
            max_tokens: template.max_tokens.or(draft.max_tokens),
            ignore_eos: template.ignore_eos,
            stream: template.stream,
            sampling: template.sampling.clone(),
            stop: Arc::clone(&template.stop),
            tools: None,
        };
        let mut flight = Flight::begin(&self.tower, &request, slot, self.now());
        let result = self.model.send(&request, &mut flight).await;
        flight.land(result, &request.prompt, draft.input_tokens)
    }

    fn report(&self, start: Timestamp, aborted: bool) -> Report {
        let now = self.now();
        let (cause, at) = self.ended.get().copied().unwrap_or((StopCause::Requests, now));
        let cause = if aborted { StopCause::Aborted } else { cause };
        let window_end = match (cause, self.plan.stop.duration) {
            (StopCause::Requests, _) => {
                start.max(Timestamp::from_nanos(self.last_due.load(Relaxed)))
            }
            (StopCause::Duration, Some(duration)) => start + duration,
            _ => at,
        };
        Report {
            window_start: start,
            window_end,
            requests: self.tower.live.started(),
            due: self.due_by(start, window_end),
            cause,
            held_back: self.tower.intake.held_back(),
        }
    }
}

/// The task's result; a panic in it goes on here. `None` where it was cancelled.
fn pass_on_panic<T>(joined: Result<T, JoinError>) -> Option<T> {
    match joined {
        Ok(value) => Some(value),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => None,
    }
}
