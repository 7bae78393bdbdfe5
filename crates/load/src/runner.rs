//! Carries out a plan: prepares connections, warms up, starts each request when it is due, and
//! waits for the last answer.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use domain::{Exchange, Failure, Model, Request, RequestId, Timestamp, Tokenizer};
use pace::{Pacer, Time};
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::flight::{Flight, Landing, Slot, Tower};
use crate::intake::Intake;
use crate::plan::{Closed, Load, Open, Plan};
use crate::schedule::{Schedule, join_offset};
use crate::workload::Workload;

/// How long before a user joins its connection is opened: late enough that a server does not close
/// it as idle, early enough that it is there.
const PREPARE_AHEAD: Duration = Duration::from_secs(1);
/// How many connections are opened at a time.
const PREPARE_AT_ONCE: u64 = 128;
/// How many connections an open loop opens beforehand at most.
const PREPARE_OPEN_MAX: u64 = 512;
/// How many warm-up requests are in flight at a time at most.
const WARMUP_AT_ONCE: u64 = 64;
/// After how many users that join at once those who did are let run.
const JOIN_AT_ONCE: u64 = 64;
/// How long a user waits after a request that got no connection, doubled with each further one: a
/// server that refuses connections at once must not make a closed loop spin.
const BACK_OFF_FIRST: Duration = Duration::from_millis(10);
/// How long it waits at most.
const BACK_OFF_MAX: Duration = Duration::from_secs(1);

/// How a run is stopped from outside.
#[derive(Clone, Debug, Default)]
pub struct Control {
    /// Sends nothing more and waits for what is in flight.
    pub stop: CancellationToken,
    /// Gives up what is in flight too.
    pub abort: CancellationToken,
}

/// Running counts, for whoever watches.
#[derive(Debug, Default)]
pub struct Live {
    window_start: OnceLock<Timestamp>,
    warming: AtomicU64,
    started: AtomicU64,
    succeeded: AtomicU64,
    failed: AtomicU64,
    tokens: AtomicU64,
}

impl Live {
    /// When the first measured request was due, once that is known.
    #[must_use]
    pub fn window_start(&self) -> Option<Timestamp> {
        self.window_start.get().copied()
    }

    /// Warm-up requests begun.
    #[must_use]
    pub fn warming(&self) -> u64 {
        self.warming.load(Relaxed)
    }

    /// Measured requests begun.
    #[must_use]
    pub fn started(&self) -> u64 {
        self.started.load(Relaxed)
    }

    /// Measured requests that succeeded.
    #[must_use]
    pub fn succeeded(&self) -> u64 {
        self.succeeded.load(Relaxed)
    }

    /// Measured requests that failed.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failed.load(Relaxed)
    }

    /// Measured requests in flight.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.started().saturating_sub(self.succeeded() + self.failed())
    }

    /// Token-bearing chunks that came, warm-up included.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.tokens.load(Relaxed)
    }

    pub(crate) fn begin(&self, warmup: bool) {
        let counter = if warmup { &self.warming } else { &self.started };
        counter.fetch_add(1, Relaxed);
    }

    pub(crate) fn token(&self) {
        self.tokens.fetch_add(1, Relaxed);
    }

    pub(crate) fn end(&self, exchange: &Exchange) {
        if exchange.warmup {
            return;
        }
        let counter = if exchange.outcome.is_success() { &self.succeeded } else { &self.failed };
        counter.fetch_add(1, Relaxed);
    }
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
        self.tower.live.window_start.get_or_init(|| start);
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

    /// Opens the connections of those who start within the first second.
    async fn prepare_first(&self) -> Result<(), Failure> {
        if !self.plan.prepare {
            return Ok(());
        }
        let wanted = match &self.plan.load {
            Load::Closed(closed) => self.users_joining_by(closed, PREPARE_AHEAD),
            Load::Open(open) => (open.rate_per_s.ceil() as u64)
                .clamp(1, PREPARE_OPEN_MAX)
                .min(open.in_flight_max.unwrap_or(u64::MAX)),
        };
        let wanted = wanted.min(self.plan.requests_max().unwrap_or(u64::MAX));
        let mut opened = 0;
        let mut opening = JoinSet::new();
        while opened < wanted {
            for _ in 0..PREPARE_AT_ONCE.min(wanted - opened) {
                let model = Arc::clone(&self.model);
                opening.spawn(async move { model.prepare().await });
                opened += 1;
            }
            let mut failed = None;
            while let Some(joined) = opening.join_next().await {
                failed = pass_on_panic(joined).and_then(Result::err).or(failed);
            }
            match failed {
                Some(failure) if opened <= PREPARE_AT_ONCE => return Err(failure),
                // A server that takes no more connections: that is for the requests to find out.
                Some(_) => break,
                None => {}
            }
        }
        Ok(())
    }

    fn users_joining_by(&self, closed: &Closed, offset: Duration) -> u64 {
        let joined = |user| join_offset(user, closed.users, self.plan.ramp) <= offset;
        let (mut low, mut high) = (0, closed.users);
        while low < high {
            let middle = low + (high - low) / 2;
            if joined(middle) { low = middle + 1 } else { high = middle }
        }
        low
    }

    async fn warm_up(self: &Arc<Self>) {
        let at_once = match &self.plan.load {
            Load::Closed(closed) => closed.users,
            Load::Open(open) => open.in_flight_max.unwrap_or(WARMUP_AT_ONCE),
        };
        let next = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        for user in 0..at_once.min(WARMUP_AT_ONCE).min(self.plan.warmup) {
            let (run, next) = (Arc::clone(self), Arc::clone(&next));
            tasks.spawn(async move {
                loop {
                    let index = next.fetch_add(1, Relaxed);
                    if index >= run.plan.warmup || run.control.stop.is_cancelled() {
                        break;
                    }
                    let planned = run.now();
                    let slot = Slot { user, turn: 0, planned, warmup: true };
                    run.perform(index, slot).await;
                }
            });
        }
        while let Some(joined) = self.control.abort.run_until_cancelled(tasks.join_next()).await {
            match joined {
                Some(joined) => pass_on_panic(joined),
                None => break,
            };
        }
    }

    /// Lets users join as the ramp says, their connections opened a second ahead; no more of them
    /// than there are requests to send.
    async fn offer_closed(
        self: &Arc<Self>,
        closed: &Closed,
        start: Timestamp,
        tasks: &mut JoinSet<()>,
    ) {
        let join = |user| start + join_offset(user, closed.users, self.plan.ramp);
        let users = closed.users.min(self.plan.requests_max().unwrap_or(u64::MAX));
        let mut prepared = self.users_joining_by(closed, PREPARE_AHEAD);
        for user in 0..users {
            while self.plan.prepare
                && prepared < users
                && join(prepared) <= join(user) + PREPARE_AHEAD
            {
                let model = Arc::clone(&self.model);
                tasks.spawn(async move {
                    // A failure here meets the user's first request too, and is recorded there.
                    let _ = model.prepare().await;
                });
                prepared += 1;
            }
            let joining = self.pacer.until(join(user));
            if self.unless_over(joining).await.is_none() || self.is_over() {
                break;
            }
            if user % JOIN_AT_ONCE == JOIN_AT_ONCE - 1 {
                tokio::task::yield_now().await;
            }
            let (run, closed) = (Arc::clone(self), closed.clone());
            let joined = join(user);
            tasks.spawn(async move { run.user(&closed, user, joined).await });
            while let Some(joined) = tasks.try_join_next() {
                pass_on_panic(joined);
            }
        }
    }

    /// One user: asks, waits for the answer, thinks, asks again. After a request that got no
    /// connection it does not become ready for the next before a while has passed.
    async fn user(&self, closed: &Closed, user: u64, joined: Timestamp) {
        let turns = closed
            .requests_per_user
            .map_or(u32::MAX, |each| u32::try_from(each).unwrap_or(u32::MAX));
        let mut planned = joined;
        let mut unconnected = 0;
        for turn in 0..turns {
            self.tower.intake.admit().await;
            let Some(index) = self.claim(planned) else { break };
            let slot = Slot { user, turn, planned, warmup: false };
            let landing = self.perform(index, slot).await;
            if turn + 1 == turns || self.is_over() {
                break;
            }
            unconnected = if landing.unconnected { unconnected + 1 } else { 0 };
            planned = landing.at + closed.think.max(back_off(unconnected));
            if self.unless_over(self.due_or_end(planned)).await.is_none() {
                break;
            }
        }
    }

    /// Waits until `due`, or until the planned time is over.
    fn due_or_end(&self, due: Timestamp) -> impl Future<Output = ()> {
        self.pacer.until(self.end().map_or(due, |end| end.min(due)))
    }

    /// When the planned time is over, in a run that has one and has begun.
    fn end(&self) -> Option<Timestamp> {
        Some(self.tower.live.window_start()? + self.plan.stop.duration?)
    }

    /// Starts requests when the schedule says, whatever became of earlier ones. Where only so many
    /// may be in flight, the next in line waits here for its turn, and those behind it in the
    /// schedule, so that a backlog takes no memory however long it grows.
    async fn offer_open(self: &Arc<Self>, open: &Open, start: Timestamp, tasks: &mut JoinSet<()>) {
        let slots = open.in_flight_max.map(|most| {
            let most = usize::try_from(most).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
            Arc::new(Semaphore::new(most))
        });
        for due in self.schedule(open, start) {
            if self.unless_over(self.due_or_end(due)).await.is_none() {
                break;
            }
            self.tower.intake.admit().await;
            let turn = match &slots {
                Some(slots) => {
                    let turn = self.unless_over(Arc::clone(slots).acquire_owned()).await;
                    let Some(Ok(turn)) = turn else { break };
                    Some(turn)
                }
                None => None,
            };
            let Some(index) = self.claim(due) else { break };
            let run = Arc::clone(self);
            let slot = Slot { user: index, turn: 0, planned: due, warmup: false };
            tasks.spawn(async move {
                run.perform(index, slot).await;
                drop(turn);
                // Whoever waits for the next one's time hears at once where this ended the run.
                run.is_over();
            });
            while let Some(joined) = tasks.try_join_next() {
                pass_on_panic(joined);
            }
        }
    }

    /// When each request of an open loop is due: no more than are to be sent, so that nobody waits
    /// for one that will not be.
    fn schedule(&self, open: &Open, start: Timestamp) -> impl Iterator<Item = Timestamp> + use<> {
        let most = self.plan.stop.requests.map_or(usize::MAX, |requests| requests as usize);
        let offsets = Schedule::new(open, self.plan.ramp, self.plan.seed).take(most);
        offsets.map(move |offset| start + offset)
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

    /// How many requests of an open loop were due by the end of its window. The schedule is drawn
    /// again, so that those nobody came to are counted too.
    fn due_by(&self, start: Timestamp, window_end: Timestamp) -> Option<u64> {
        let Load::Open(open) = &self.plan.load else { return None };
        // What is due at the end of the planned time is not sent.
        let planned = |due: &Timestamp| self.end().is_none_or(|end| *due < end);
        let due = self.schedule(open, start).take_while(planned);
        Some(due.take_while(|due| *due <= window_end).count() as u64)
    }
}

/// How long a user waits whose last `unconnected` requests got no connection.
fn back_off(unconnected: u32) -> Duration {
    match unconnected.checked_sub(1) {
        None => Duration::ZERO,
        Some(doublings) => {
            BACK_OFF_FIRST.saturating_mul(2_u32.saturating_pow(doublings)).min(BACK_OFF_MAX)
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
