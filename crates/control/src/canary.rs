//! Canaries: small loads that targets are put under again and again, to see whether they still answer.
//!
//! Each target of each schedule is asked in rounds of its own, whatever becomes of the others: one
//! that hangs keeps nobody from the rest. A round is a run as a benchmark's are, and so are its
//! figures. What could not be asked at its time is not asked later: it is told as not measured, which
//! is neither up nor down.

use std::collections::HashMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use domain::{FailureKind, Source, WallAnchor};
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use load::{Control, Load};
use pace::Time;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use crate::benchmark::Problem;
use crate::benchmarks::Benchmarks;
use crate::case::{Case, Place};
use crate::catalogue::{Catalogue, Target};
use crate::prompts::Asked;
use crate::protocol::Protocol;
use crate::recording::Records;
use crate::subject::Subject;
use crate::timetable::Timetable;
use crate::worker::{records_problem, unknown};

/// How long the requests in flight are awaited at the end of the process.
const GRACE: Duration = Duration::from_secs(1);
/// A round may begin late by this part of the interval. Behind that it has been missed.
const LATE_PART: u32 = 10;
/// How often the wall clock is looked at, which may be set while a round is awaited.
const LOOK: Duration = Duration::from_secs(30);

/// A target that is asked again and again.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// What it is called; several targets may have it in common.
    pub name: Arc<str>,
    /// Whom it asks.
    pub target: Arc<str>,
    /// What it asks.
    pub scenario: String,
    /// From one round to the next.
    pub every: Duration,
    /// How long a round may take; what is in flight then is given up, and has failed.
    pub timeout: Duration,
    /// How it asks.
    pub load: Load,
    /// What rounds have in common.
    pub protocol: Protocol,
    /// What it does about a benchmark that has the target under load.
    pub beside: Beside,
    /// The share of requests that the target is to answer well, 0 to 1.
    pub objective: f64,
}

/// What a canary does about a benchmark that has its target under load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Beside {
    /// It stays away, so that the benchmark measures its own load alone.
    #[default]
    Skip,
    /// It asks all the same.
    Run,
}

/// What became of a round, or of some that were left out one after another.
#[derive(Clone, Debug, PartialEq)]
pub struct Round {
    /// The schedule's name.
    pub schedule: Arc<str>,
    /// The target.
    pub target: Arc<str>,
    /// When it was due, in nanoseconds since 1970; the first of them.
    pub due_unix_nanos: u64,
    /// From one round to the next.
    pub every: Duration,
    /// The share of requests that are to be answered well.
    pub objective: f64,
    /// What became of it.
    pub outcome: RoundOutcome,
}

/// What became of a round.
#[derive(Clone, Debug, PartialEq)]
pub enum RoundOutcome {
    /// The target was asked.
    Asked {
        /// How its requests ended.
        tally: Tally,
        /// Why none was answered, where that is so.
        problem: Option<Problem>,
    },
    /// It was not: nothing is known of the target.
    LeftOut {
        /// How many rounds in succession.
        rounds: u64,
        /// Why.
        why: LeftOut,
    },
}

/// How the requests of a round ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// They were answered without error and in time.
    pub good: u64,
    /// They were not.
    pub failed: u64,
    /// Prony gave them up when it was stopped, or had no means to send them: not the target's fault.
    pub excluded: u64,
}

/// Why a round was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// A benchmark had the target under load.
    Benchmark,
    /// The round before was still under way, or this process did not get to it.
    Late,
    /// It could not take place, through no fault of the target's.
    Unable(Problem),
}

/// Makes the place where a round's records go.
pub type RoundRecords = Box<dyn Fn() -> Box<dyn Records> + Send + Sync>;

/// What canaries work with.
pub struct Canaries {
    /// What they do.
    pub schedules: Vec<Schedule>,
    /// Whom they may ask, and what.
    pub catalogue: Arc<Catalogue>,
    /// Those they may have to stay away from.
    pub benchmarks: Arc<Benchmarks>,
    /// Where this process stands on the map; empty where nobody said.
    pub region: Arc<str>,
    /// The time they take place in.
    pub time: Time,
    /// Where their records go, where they are kept.
    pub records: Option<RoundRecords>,
    /// Told of every round.
    pub note: Arc<dyn Fn(Round) + Send + Sync>,
}

impl fmt::Debug for Canaries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Canaries").field("schedules", &self.schedules).finish_non_exhaustive()
    }
}

impl Canaries {
    /// Asks every target at its times, until `stop`: then what is in flight is awaited for a moment.
    ///
    /// It runs on the caller's runtime: give it one that has nothing else to do, or what else it does
    /// is measured too.
    pub async fn work(&self, stop: &CancellationToken) {
        let mut opened: HashMap<Arc<str>, Arc<OnceCell<Subject>>> = HashMap::new();
        let lanes: Vec<Lane<'_>> = self
            .schedules
            .iter()
            .map(|schedule| {
                let subject = Arc::clone(opened.entry(Arc::clone(&schedule.target)).or_default());
                Lane { canaries: self, schedule, subject, asked: Asked::default() }
            })
            .collect();
        join_all(lanes.into_iter().map(|lane| lane.work(stop))).await;
    }

    /// Whether a benchmark has the target under load, or is about to.
    fn is_under_load(&self, target: &str) -> bool {
        self.benchmarks.running().into_iter().any(|(id, progress)| match progress.current {
            Some(current) => current.target == target,
            None => self
                .benchmarks
                .get(id)
                .is_some_and(|benchmark| benchmark.targets.iter().any(|name| name == target)),
        })
    }
}

/// One target of one schedule.
struct Lane<'a> {
    canaries: &'a Canaries,
    schedule: &'a Schedule,
    /// Kept open from round to round, and shared with the target's other schedules.
    subject: Arc<OnceCell<Subject>>,
    asked: Asked,
}

impl Lane<'_> {
    async fn work(mut self, stop: &CancellationToken) {
        let Schedule { target, every, protocol, .. } = self.schedule;
        let clock = self.canaries.time.clock();
        let table = Timetable::new(*every, protocol.seed.child(target));
        let late_max = nanos(*every / LATE_PART);
        let mut due = table.after(clock.unix_nanos());
        while stop.run_until_cancelled(self.until(due)).await.is_some() {
            let now = clock.unix_nanos();
            if now < due {
                // The clock was set back.
                due = table.after(now);
            } else if now - due > late_max {
                let rounds = 1 + table.times(due, now - late_max);
                self.note(due, RoundOutcome::LeftOut { rounds, why: LeftOut::Late }).await;
                due = table.after(now - late_max);
            } else {
                // A panic is a fault of this program's, and no reason to ask nobody any more.
                let outcome = AssertUnwindSafe(self.round(due, stop)).catch_unwind().await;
                self.note(due, outcome.unwrap_or_else(|_| unable(fault()))).await;
                due = table.after(due);
            }
        }
    }

    /// Waits until the wall clock says so, or is too far from it for that to be the next round.
    async fn until(&self, due_unix_nanos: u64) {
        let clock = self.canaries.time.clock();
        loop {
            let left = Duration::from_nanos(due_unix_nanos.saturating_sub(clock.unix_nanos()));
            if left.is_zero() || left > self.schedule.every {
                return;
            }
            tokio::time::sleep(left.min(LOOK)).await;
        }
    }

    /// Tells of a round where that may take its time.
    async fn note(&self, due_unix_nanos: u64, outcome: RoundOutcome) {
        let round = Round {
            schedule: Arc::clone(&self.schedule.name),
            target: Arc::clone(&self.schedule.target),
            due_unix_nanos,
            every: self.schedule.every,
            objective: self.schedule.objective,
            outcome,
        };
        let note = Arc::clone(&self.canaries.note);
        let noted = tokio::task::spawn_blocking(move || note(round)).await;
        noted.expect("nobody cancels it, and it does not panic");
    }

    async fn round(&mut self, due: u64, stop: &CancellationToken) -> RoundOutcome {
        let Schedule { target, scenario, beside, timeout, .. } = self.schedule;
        if *beside == Beside::Skip && self.canaries.is_under_load(target) {
            return RoundOutcome::LeftOut { rounds: 1, why: LeftOut::Benchmark };
        }
        let catalogue = &self.canaries.catalogue;
        let Some(target) = catalogue.target(target) else {
            return unable(unknown("target", target));
        };
        let Some(scenario) = catalogue.scenario(scenario) else {
            return unable(unknown("scenario", scenario));
        };
        let subject = Arc::clone(&self.subject);
        let opening = tokio::time::timeout(*timeout, subject.get_or_try_init(&*target.open));
        let subject = match stop.run_until_cancelled(opening).await {
            None => return unable(stopped()),
            Some(opened) => match opened.unwrap_or_else(|_| Err(slow(target))) {
                Ok(subject) => subject,
                Err(problem) => return self.unopened(problem),
            },
        };
        let case = Case {
            index: 0,
            group: self.schedule.protocol.seed.child(&target.name).nth(due),
            target,
            subject,
            scenario: &scenario,
            load: &self.schedule.load,
            protocol: &self.schedule.protocol,
            source: Source::Canary,
        };
        match self.ask(&case, stop).await {
            Ok(outcome) => outcome,
            Err(problem) => unable(problem),
        }
    }

    /// A target that cannot even be made ready answers none of the requests that it was to be sent.
    fn unopened(&self, problem: Problem) -> RoundOutcome {
        let failed = self.schedule.protocol.stop.requests.unwrap_or(1);
        let tally = Tally { failed, ..Tally::default() };
        RoundOutcome::Asked { tally, problem: Some(problem) }
    }

    /// Puts the target under the load.
    ///
    /// # Errors
    /// Where that cannot be done, or not be kept.
    async fn ask(
        &mut self,
        case: &Case<'_>,
        stop: &CancellationToken,
    ) -> Result<RoundOutcome, Problem> {
        let control = Control::default();
        let place = Place {
            region: &self.canaries.region,
            time: &self.canaries.time,
            anchor: WallAnchor::take(&*self.canaries.time.clock()),
            control: &control,
            spent: || None,
        };
        let mut trial = case.trial(self.asked, &place)?;
        trial.records = self.canaries.records.as_ref().map(|open| open());
        let live = Arc::clone(&trial.live);
        let run = trial.run();
        tokio::pin!(run);
        let (measured, is_stopped) = tokio::select! {
            biased;
            measured = &mut run => (measured, false),
            is_stopped = give_up(&control, self.schedule.timeout, stop) => (run.await, is_stopped),
        };
        let measured = measured.map_err(|error| case.unmade(&error))?;
        self.asked.add(measured.taken);
        if let Some(error) = &measured.records_error {
            return Err(records_problem(error));
        }
        measured.result.map_err(|error| case.unmade(&error))?;
        let tally = tally(live.succeeded(), &measured.failures, is_stopped);
        let is_down = tally.good == 0 && tally.failed > 0;
        let problem = is_down.then(|| case.unanswered(&measured.failures, tally.failed)).flatten();
        Ok(RoundOutcome::Asked { tally, problem })
    }
}

/// Ends a round that takes too long, or whose process is to end; says whether it was the latter.
async fn give_up(control: &Control, timeout: Duration, stop: &CancellationToken) -> bool {
    let is_stopped = tokio::time::timeout(timeout, stop.cancelled()).await.is_ok();
    control.stop.cancel();
    if is_stopped {
        tokio::time::sleep(GRACE).await;
    }
    control.abort.cancel();
    is_stopped
}

fn tally(good: u64, failures: &[(FailureKind, u64)], is_stopped: bool) -> Tally {
    let is_excluded = |kind| match kind {
        FailureKind::ClientResources => true,
        FailureKind::Cancelled => is_stopped,
        _ => false,
    };
    let mut tally = Tally { good, ..Tally::default() };
    for &(kind, count) in failures {
        if is_excluded(kind) {
            tally.excluded += count;
        } else {
            tally.failed += count;
        }
    }
    tally
}

const fn unable(problem: Problem) -> RoundOutcome {
    RoundOutcome::LeftOut { rounds: 1, why: LeftOut::Unable(problem) }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn slow(target: &Target) -> Problem {
    Problem {
        title: "The target is not ready".to_owned(),
        detail: format!("{} could not be made ready within the round's timeout", target.name),
        hint: "raise the schedule's timeout, or see why it loads so slowly".to_owned(),
    }
}

fn stopped() -> Problem {
    Problem {
        title: "The round was stopped".to_owned(),
        detail: "the server ended before the target was ready".to_owned(),
        hint: String::new(),
    }
}

fn fault() -> Problem {
    Problem {
        title: "Prony made a mistake".to_owned(),
        detail: "the round broke off through a fault of this program".to_owned(),
        hint: "report it with the program's output".to_owned(),
    }
}
