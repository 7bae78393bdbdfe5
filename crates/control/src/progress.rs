//! How far a benchmark is.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::{Clock, Timestamp};
use load::{Live, Plan};
use serde::{Deserialize, Serialize};

/// The share from which on the time left is foretold from the time taken.
const SHARE_FORETELLING: f64 = 0.02;

/// How far a benchmark is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The share that is done, 0 to 1.
    pub share: f64,
    /// How many runs have ended.
    pub runs_done: usize,
    /// How many there are.
    pub runs_total: usize,
    /// The time it has taken.
    pub elapsed: Duration,
    /// The time it will take from now on; `None` where nothing says so yet.
    pub remaining: Option<Duration>,
    /// The run under way.
    pub current: Option<Current>,
    /// Measured requests that succeeded, in all runs.
    pub completed: u64,
    /// Measured requests that failed.
    pub failed: u64,
    /// Measured requests under way.
    pub in_flight: u64,
}

/// The run under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Current {
    /// The target it asks.
    pub target: String,
    /// The scenario of its prompts.
    pub scenario: String,
    /// Its load, in words.
    pub load: String,
}

impl Progress {
    /// Nothing done of so many runs.
    #[must_use]
    pub const fn none(runs_total: usize) -> Self {
        Self {
            share: 0.0,
            runs_done: 0,
            runs_total,
            elapsed: Duration::ZERO,
            remaining: None,
            current: None,
            completed: 0,
            failed: 0,
            in_flight: 0,
        }
    }
}

/// Follows a benchmark that is being carried out.
#[derive(Debug)]
pub struct Tracker {
    clock: Arc<dyn Clock>,
    began: Timestamp,
    runs_total: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    runs_done: usize,
    completed: u64,
    failed: u64,
    run: Option<Run>,
}

#[derive(Debug)]
struct Run {
    current: Current,
    live: Arc<Live>,
    requests: Option<u64>,
    duration: Option<Duration>,
}

impl Run {
    /// The share that is done: of the requests or of the time, whichever is further, since the
    /// first that is reached ends the run.
    fn share(&self, now: Timestamp) -> f64 {
        let ended = self.live.succeeded() + self.live.failed();
        let of_requests = self.requests.map(|most| ended as f64 / most.max(1) as f64);
        let of_time = self.duration.map(|whole| {
            let passed = self.live.window_start().map_or(Duration::ZERO, |start| now.since(start));
            passed.as_secs_f64() / whole.as_secs_f64().max(f64::MIN_POSITIVE)
        });
        of_requests.into_iter().chain(of_time).fold(0.0, f64::max).min(1.0)
    }
}

impl Tracker {
    /// Follows a benchmark of so many runs, which begins now.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, runs_total: usize) -> Self {
        let began = clock.now();
        Self { clock, began, runs_total, state: Mutex::default() }
    }

    /// Notes that a run begins.
    pub fn begin(&self, current: Current, plan: &Plan, live: Arc<Live>) {
        let (requests, duration) = (plan.requests_max(), plan.stop.duration);
        self.lock().run = Some(Run { current, live, requests, duration });
    }

    /// Notes that the run under way has ended.
    pub fn end(&self) {
        let mut state = self.lock();
        state.runs_done += 1;
        if let Some(run) = state.run.take() {
            state.completed += run.live.succeeded();
            state.failed += run.live.failed();
        }
    }

    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let state = self.lock();
        let now = self.clock.now();
        let live = state.run.as_ref().map(|run| &run.live);
        let count = |of: fn(&Live) -> u64| live.map_or(0, |live| of(live));
        let of_run = state.run.as_ref().map_or(0.0, |run| run.share(now));
        let share = (state.runs_done as f64 + of_run) / self.runs_total.max(1) as f64;
        let elapsed = now.since(self.began);
        let foretold = || elapsed.mul_f64((1.0 - share).max(0.0) / share);
        Progress {
            share: share.min(1.0),
            runs_done: state.runs_done,
            runs_total: self.runs_total,
            elapsed,
            remaining: (share >= SHARE_FORETELLING).then(foretold),
            current: state.run.as_ref().map(|run| run.current.clone()),
            completed: state.completed + count(Live::succeeded),
            failed: state.failed + count(Live::failed),
            in_flight: count(Live::in_flight),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
