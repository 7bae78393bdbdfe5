//! Has canaries ask targets on a thread of their own, keeps what they find, and tells of what changes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use archive::{AvailabilityBook, Recording};
use collect::Collector;
use collect::metrics::{Family, Kind, Sample, Value};
use control::{Benchmarks, Canaries, Catalogue, LeftOut, Records, Round, RoundOutcome, Schedule};
use domain::Clock;
use pace::Time;
use tokio_util::sync::CancellationToken;

use super::parts;
use crate::failure::UserError;
use crate::output;

/// What canaries are sent out with.
pub(super) struct Sending {
    pub(super) schedules: Vec<Schedule>,
    pub(super) benchmarks: Arc<Benchmarks>,
    pub(super) catalogue: Arc<Catalogue>,
    pub(super) collector: Arc<Collector>,
    pub(super) clock: Arc<dyn Clock>,
    /// Where this server stands.
    pub(super) region: Arc<str>,
    pub(super) observer: Arc<Observer>,
    pub(super) stop: CancellationToken,
}

impl Sending {
    /// Sends them out. The runtime is theirs alone: nothing else may make their requests late.
    pub(super) fn start(self) -> Result<JoinHandle<()>, UserError> {
        let runtime = parts::runtime()?;
        parts::thread("canaries", move || runtime.block_on(self.run()))
    }

    async fn run(self) {
        let Self { schedules, benchmarks, catalogue, collector, clock, region, observer, stop } =
            self;
        let records = move || {
            let recording = Recording::new(Arc::clone(&collector), Arc::clone(&clock), None);
            Box::new(recording) as Box<dyn Records>
        };
        let canaries = Canaries {
            schedules,
            catalogue,
            benchmarks,
            region,
            time: Time::Machine,
            records: Some(Box::new(records)),
            note: Arc::new(move |round| observer.note(&round)),
        };
        canaries.work(&stop).await;
    }
}

/// Takes in what canaries find.
pub(super) struct Observer {
    book: AvailabilityBook,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// By schedule and target.
    lanes: HashMap<(Arc<str>, Arc<str>), Lane>,
    /// Whether it was told that rounds cannot be kept.
    is_unkept: bool,
}

#[derive(Default)]
struct Lane {
    /// What was told last, so that it is told once.
    told: Option<String>,
    /// Rounds by what became of them, in the order of [`OUTCOMES`].
    rounds: [u64; OUTCOMES.len()],
}

/// What may become of a round, as metrics call it.
const OUTCOMES: [&str; 6] = ["up", "degraded", "down", "benchmark", "late", "unable"];

impl Observer {
    pub(super) fn new(book: AvailabilityBook) -> Self {
        Self { book, seen: Mutex::default() }
    }

    fn note(&self, round: &Round) {
        let kept = self.book.note(round);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = &kept
            && !seen.is_unkept
        {
            output::talk(&format!(
                "warning: what canaries find is not kept: {error}\n  help: {}",
                error.hint()
            ));
        }
        seen.is_unkept = kept.is_err();
        let key = (Arc::clone(&round.schedule), Arc::clone(&round.target));
        let lane = seen.lanes.entry(key).or_default();
        let (outcome, rounds) = outcome(&round.outcome);
        lane.rounds[outcome] += rounds;
        let news = news(round);
        if lane.told != news {
            match &news {
                Some(news) => output::talk(news),
                None => output::talk(&format!(
                    "canary {}: {} answers again",
                    round.schedule, round.target
                )),
            }
            lane.told = news;
        }
    }

    /// Rounds since this server began, by what became of them.
    pub(super) fn families(&self) -> Vec<Family> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lanes: Vec<_> = seen.lanes.iter().collect();
        lanes.sort_by_key(|(key, _)| *key);
        let samples = lanes.into_iter().flat_map(|((schedule, target), lane)| {
            let labels: collect::metrics::Labels =
                [("schedule", Arc::clone(schedule)), ("target", Arc::clone(target))].into();
            OUTCOMES.into_iter().zip(lane.rounds).map(move |(outcome, rounds)| Sample {
                labels: Arc::clone(&labels),
                own: Some(("outcome", outcome)),
                value: Value::Number(rounds as f64),
            })
        });
        vec![Family {
            name: "prony_canary_rounds_total",
            help: "Rounds of canaries, by what became of them.",
            kind: Kind::Counter,
            samples: samples.collect(),
        }]
    }
}

/// Its place among [`OUTCOMES`], and how many rounds.
fn outcome(outcome: &RoundOutcome) -> (usize, u64) {
    match outcome {
        RoundOutcome::Asked { tally, .. } => match (tally.good, tally.failed) {
            (0, 0) => (5, 1),
            (0, _) => (2, 1),
            (_, 0) => (0, 1),
            (..) => (1, 1),
        },
        RoundOutcome::LeftOut { rounds, why } => match why {
            LeftOut::Benchmark => (3, *rounds),
            LeftOut::Late => (4, *rounds),
            LeftOut::Unable(_) => (5, *rounds),
        },
    }
}

/// What there is to tell of a round; `None` where all is well.
fn news(round: &Round) -> Option<String> {
    let Round { schedule, target, .. } = round;
    match &round.outcome {
        RoundOutcome::Asked { problem: None, .. } => None,
        RoundOutcome::Asked { problem: Some(problem), .. } => Some(format!(
            "canary {schedule}: {target} is down: {}\n  help: {}",
            problem.detail, problem.hint
        )),
        RoundOutcome::LeftOut { why: LeftOut::Benchmark, .. } => Some(format!(
            "canary {schedule}: {target} is under a benchmark, and not asked meanwhile"
        )),
        RoundOutcome::LeftOut { rounds, why: LeftOut::Late } => {
            Some(format!("warning: canary {schedule}: {rounds} rounds for {target} were missed"))
        }
        RoundOutcome::LeftOut { why: LeftOut::Unable(problem), .. } => Some(format!(
            "warning: canary {schedule}: {target} cannot be asked: {}\n  help: {}",
            problem.detail, problem.hint
        )),
    }
}
