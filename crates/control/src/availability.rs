//! What the rounds of canaries come to: how many of a target's requests were answered, over how much
//! of the time, and when it was down.
//!
//! Counts are kept by the minute a round was due in, for each target of each schedule apart. Time in
//! which nobody asked is not measured: it counts neither for a target nor against it.

use std::collections::BTreeMap;
use std::ops::{AddAssign, Range};
use std::sync::Arc;
use std::time::Duration;

use analysis::{Interval, Proportion};

use crate::canary::{Round, RoundOutcome};

/// The share of requests that a target is to answer well where nobody says: 43 minutes a month may
/// be missed.
pub const OBJECTIVE: f64 = 0.999;
/// How long counts and downtimes are kept.
pub const KEPT: Duration = Duration::from_secs(35 * DAY_S);
/// The most downtimes that are kept of a target of a schedule.
const DOWNTIMES_MAX: usize = 200;
const HOUR_S: u64 = 3_600;
const DAY_S: u64 = 24 * HOUR_S;
const NANOS: u64 = 1_000_000_000;

/// What was counted in some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Requests answered without error and in time.
    pub good: u64,
    /// Requests that were not.
    pub failed: u64,
    /// Requests that tell nothing of the target.
    pub excluded: u64,
    /// Rounds in which the target was asked.
    pub asked: u64,
    /// Rounds left out, or without a request that tells anything.
    pub left_out: u64,
    /// The time that the rounds stand for in which it was asked, in milliseconds.
    pub measured_ms: u64,
}

impl Count {
    fn of(round: &Round) -> Self {
        match &round.outcome {
            RoundOutcome::LeftOut { rounds, .. } => Self { left_out: *rounds, ..Self::default() },
            RoundOutcome::Asked { tally, .. } => {
                let is_telling = tally.good + tally.failed > 0;
                let every_ms = u64::try_from(round.every.as_millis()).unwrap_or(u64::MAX);
                Self {
                    good: tally.good,
                    failed: tally.failed,
                    excluded: tally.excluded,
                    asked: is_telling.into(),
                    left_out: (!is_telling).into(),
                    measured_ms: if is_telling { every_ms } else { 0 },
                }
            }
        }
    }

    /// The good requests of those that tell something.
    #[must_use]
    pub const fn proportion(&self) -> Proportion {
        Proportion { hits: self.good, total: self.good + self.failed }
    }
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.good += other.good;
        self.failed += other.failed;
        self.excluded += other.excluded;
        self.asked += other.asked;
        self.left_out += other.left_out;
        self.measured_ms += other.measured_ms;
    }
}

/// A time in which a target answered no round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Downtime {
    /// When the first round was due that it did not answer, in nanoseconds since 1970.
    pub from_unix_nanos: u64,
    /// When the next one was due that it answered; `None` where there was none yet.
    pub to_unix_nanos: Option<u64>,
    /// How many rounds it did not answer.
    pub rounds: u64,
    /// What became of the first one.
    pub problem: String,
}

/// The minutes of an hour in which rounds were due.
pub type Minutes = BTreeMap<u8, Count>;

/// A target of a schedule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId {
    /// The target.
    pub target: Arc<str>,
    /// The schedule.
    pub schedule: Arc<str>,
}

/// What is known of a target of a schedule.
#[derive(Clone, Debug, PartialEq)]
pub struct Lane {
    /// The share of requests that are to be answered well.
    pub objective: f64,
    /// Counts by hour since 1970.
    pub hours: BTreeMap<u64, Minutes>,
    /// Downtimes, the oldest first.
    pub downtimes: Vec<Downtime>,
}

impl Default for Lane {
    fn default() -> Self {
        Self { objective: OBJECTIVE, hours: BTreeMap::new(), downtimes: Vec::new() }
    }
}

/// What a round changed of a lane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The hour that it counts in, since 1970.
    pub hour: u64,
    /// Whether anything changed beside that hour's counts.
    pub is_lane_changed: bool,
    /// Hours that were forgotten.
    pub forgotten: Vec<u64>,
}

impl Lane {
    fn note(&mut self, round: &Round) -> Change {
        let due_s = round.due_unix_nanos / NANOS;
        let hour = due_s / HOUR_S;
        let minute = u8::try_from(due_s % HOUR_S / 60).expect("an hour has 60");
        let forgotten = if self.hours.contains_key(&hour) { Vec::new() } else { self.forget(hour) };
        *self.hours.entry(hour).or_default().entry(minute).or_default() += Count::of(round);
        let mut is_lane_changed = self.objective.to_bits() != round.objective.to_bits();
        self.objective = round.objective;
        if let RoundOutcome::Asked { tally, problem } = &round.outcome {
            is_lane_changed |= match (tally.good, tally.failed) {
                (0, 0) => false,
                (0, _) => {
                    let problem = problem.as_ref().map(|problem| problem.detail.clone());
                    self.go_down(round.due_unix_nanos, problem.unwrap_or_default());
                    true
                }
                _ => self.come_up(round.due_unix_nanos),
            };
        }
        Change { hour, is_lane_changed, forgotten }
    }

    /// Forgets what is too old at the begin of `hour`.
    fn forget(&mut self, hour: u64) -> Vec<u64> {
        let first = hour.saturating_sub(KEPT.as_secs() / HOUR_S);
        let kept = self.hours.split_off(&first);
        let first_nanos = first * HOUR_S * NANOS;
        self.downtimes.retain(|down| down.to_unix_nanos.is_none_or(|to| to >= first_nanos));
        std::mem::replace(&mut self.hours, kept).into_keys().collect()
    }

    fn go_down(&mut self, due: u64, problem: String) {
        match self.downtimes.last_mut().filter(|last| last.to_unix_nanos.is_none()) {
            Some(last) => last.rounds += 1,
            None => {
                if self.downtimes.len() == DOWNTIMES_MAX {
                    self.downtimes.remove(0);
                }
                self.downtimes.push(Downtime {
                    from_unix_nanos: due,
                    to_unix_nanos: None,
                    rounds: 1,
                    problem,
                });
            }
        }
    }

    /// Says whether it was down before.
    fn come_up(&mut self, due: u64) -> bool {
        let down = self.downtimes.last_mut().filter(|last| last.to_unix_nanos.is_none());
        down.map(|down| down.to_unix_nanos = Some(due)).is_some()
    }

    fn count(&self, minutes: &Range<u64>) -> Count {
        let mut whole = Count::default();
        for (hour, counts) in self.hours.range(minutes.start / 60..=minutes.end / 60) {
            for (minute, count) in counts {
                if minutes.contains(&(hour * 60 + u64::from(*minute))) {
                    whole += *count;
                }
            }
        }
        whole
    }
}

/// How available a target was in some time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Availability {
    /// When it begins, in seconds since 1970.
    pub from_unix_s: u64,
    /// When it ends.
    pub to_unix_s: u64,
    /// What was counted, of all the target's schedules.
    pub count: Count,
    /// The share of the time that was measured, by the schedule that measured most of it.
    pub measured: f64,
    /// The share of requests that were to be answered well.
    pub objective: f64,
}

/// What an availability amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The objective was met.
    Up,
    /// It was not.
    Degraded,
    /// Nothing was answered.
    Down,
    /// Nobody asked.
    Unmeasured,
}

impl Availability {
    /// The share of requests answered without error and in time; `None` where nobody asked.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        let proportion = self.count.proportion();
        (proportion.total > 0).then(|| proportion.share())
    }

    /// Where the true share lies; `None` where nobody asked.
    #[must_use]
    pub fn interval(&self) -> Option<Interval> {
        self.share().map(|_| self.count.proportion().interval())
    }

    /// What is left of the failures that the objective allows, as a share of them: 1 where there
    /// were none, below 0 where there were more. `None` where nobody asked.
    #[must_use]
    pub fn budget_left(&self) -> Option<f64> {
        self.share().map(|share| 1.0 - (1.0 - share) / (1.0 - self.objective))
    }

    /// What it amounts to.
    #[must_use]
    pub fn condition(&self) -> Condition {
        match self.share() {
            None => Condition::Unmeasured,
            Some(0.0) => Condition::Down,
            Some(share) if share < self.objective => Condition::Degraded,
            Some(_) => Condition::Up,
        }
    }
}

/// Every lane.
#[derive(Clone, Debug, Default)]
pub struct Ledger(BTreeMap<LaneId, Lane>);

impl Ledger {
    /// A lane, which is made where there is none.
    pub fn lane(&mut self, id: LaneId) -> &mut Lane {
        self.0.entry(id).or_default()
    }

    /// Counts a round, and returns what it changed.
    pub fn note(&mut self, round: &Round) -> (LaneId, &Lane, Change) {
        let id =
            LaneId { target: Arc::clone(&round.target), schedule: Arc::clone(&round.schedule) };
        let lane = self.0.entry(id.clone()).or_default();
        let change = lane.note(round);
        (id, lane, change)
    }

    fn of<'a>(&'a self, target: &'a str) -> impl Iterator<Item = (&'a LaneId, &'a Lane)> + Clone {
        self.0.iter().filter(move |(id, _)| *id.target == *target)
    }

    /// How available a target was in a window that ends at `now`; `None` where no schedule ever
    /// asked it. Windows begin with whole minutes.
    #[must_use]
    pub fn availability(&self, target: &str, window: Duration, now_s: u64) -> Option<Availability> {
        self.between(target, now_s.saturating_sub(window.as_secs())..now_s)
    }

    /// The same for each of the last `count` days in UTC, today's last.
    #[must_use]
    pub fn days(&self, target: &str, count: u64, now_s: u64) -> Vec<Availability> {
        let today = now_s / DAY_S;
        (today.saturating_sub(count.saturating_sub(1))..=today)
            .filter_map(|day| self.between(target, day * DAY_S..now_s.min((day + 1) * DAY_S)))
            .collect()
    }

    fn between(&self, target: &str, time: Range<u64>) -> Option<Availability> {
        let minutes = time.start / 60..time.end.div_ceil(60).max(time.start / 60 + 1);
        let lanes = self.of(target);
        // The strictest, where schedules differ.
        let objective = lanes.clone().map(|(_, lane)| lane.objective).reduce(f64::max)?;
        let (mut count, mut measured_ms) = (Count::default(), 0);
        for (_, lane) in lanes {
            let of_lane = lane.count(&minutes);
            measured_ms = measured_ms.max(of_lane.measured_ms);
            count += of_lane;
        }
        let length_ms = (time.end - time.start).max(1) as f64 * 1e3;
        let measured = (measured_ms as f64 / length_ms).min(1.0);
        Some(Availability {
            from_unix_s: time.start,
            to_unix_s: time.end,
            count,
            measured,
            objective,
        })
    }

    /// When a target was down, the latest first, each with the schedule that found it so.
    #[must_use]
    pub fn downtimes(&self, target: &str) -> Vec<(Arc<str>, Downtime)> {
        let mut all: Vec<_> = self
            .of(target)
            .flat_map(|(id, lane)| {
                lane.downtimes.iter().map(|down| (Arc::clone(&id.schedule), down.clone()))
            })
            .collect();
        all.sort_by_key(|(_, down)| std::cmp::Reverse(down.from_unix_nanos));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::Problem;
    use crate::canary::{LeftOut, Tally};

    /// The start of a day of 2026.
    const START_S: u64 = 1_767_225_600;
    const HOUR: Duration = Duration::from_secs(HOUR_S);

    fn round(minute: u64, outcome: RoundOutcome) -> Round {
        Round {
            schedule: "canary".into(),
            target: "gpt".into(),
            due_unix_nanos: (START_S + 60 * minute) * NANOS,
            every: Duration::from_secs(60),
            objective: 0.99,
            outcome,
        }
    }

    fn asked(minute: u64, good: u64, failed: u64) -> Round {
        let problem = Problem {
            title: "A run got no answer".to_owned(),
            detail: format!("at {minute}"),
            hint: String::new(),
        };
        let problem = (good == 0).then_some(problem);
        let tally = Tally { good, failed, excluded: 0 };
        round(minute, RoundOutcome::Asked { tally, problem })
    }

    #[test]
    fn what_was_asked_counts_and_what_was_not_is_not_measured() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.availability("gpt", HOUR, START_S), None);
        for minute in 0..30 {
            ledger.note(&asked(minute, 1, 0));
        }
        let why = LeftOut::Benchmark;
        ledger.note(&round(30, RoundOutcome::LeftOut { rounds: 20, why }));
        let excluded = Tally { excluded: 1, ..Tally::default() };
        ledger.note(&round(50, RoundOutcome::Asked { tally: excluded, problem: None }));
        for minute in 51..60 {
            ledger.note(&asked(minute, 0, 1));
        }
        let now = START_S + HOUR_S;
        let hour = ledger.availability("gpt", HOUR, now).expect("it was asked");
        let count = Count {
            good: 30,
            failed: 9,
            excluded: 1,
            asked: 39,
            left_out: 21,
            measured_ms: 39 * 60_000,
        };
        assert_eq!((hour.count, hour.measured, hour.objective), (count, 0.65, 0.99));
        assert_eq!((hour.share(), hour.condition()), (Some(30.0 / 39.0), Condition::Degraded));
        let interval = hour.interval().expect("it was asked");
        assert!(interval.contains(30.0 / 39.0) && interval.low > 0.6 && interval.high < 0.9);
        // 9 of 39 failed, where 1 in 100 may.
        let left = hour.budget_left().expect("it was asked");
        assert!((left - (1.0 - 9.0 / 39.0 / 0.01)).abs() < 1e-9, "{left}");
        let minutes = |count: u64| Duration::from_secs(60 * count);
        let last = |count| ledger.availability("gpt", minutes(count), now).expect("it was asked");
        assert_eq!(last(9).condition(), Condition::Down);
        assert_eq!(
            ledger.availability("gpt", minutes(5), now - 600).expect("a lane").share(),
            None
        );
        let first = ledger.availability("gpt", minutes(30), START_S + 1_800).expect("a lane");
        assert_eq!((first.condition(), first.measured), (Condition::Up, 1.0));
        assert_eq!(first.budget_left(), Some(1.0));
        assert_eq!(ledger.availability("other", HOUR, now), None);
    }

    #[test]
    fn a_downtime_lasts_until_a_round_is_answered() {
        let mut ledger = Ledger::default();
        let why = LeftOut::Late;
        let changes: Vec<bool> = [
            asked(0, 1, 0),
            asked(1, 0, 1),
            round(2, RoundOutcome::LeftOut { rounds: 1, why }),
            asked(3, 0, 1),
            asked(4, 1, 1),
            asked(5, 1, 0),
            asked(6, 0, 2),
        ]
        .iter()
        .map(|round| ledger.note(round).2.is_lane_changed)
        .collect();
        // The first one brings its objective.
        assert_eq!(changes, [true, true, false, true, true, false, true]);
        let told: Vec<_> = ledger
            .downtimes("gpt")
            .into_iter()
            .map(|(_, down)| {
                let minute = |nanos: u64| (nanos / NANOS - START_S) / 60;
                let (from, to) = (down.from_unix_nanos, down.to_unix_nanos);
                (minute(from), to.map(minute), down.rounds, down.problem)
            })
            .collect();
        assert_eq!(told, [(6, None, 1, "at 6".into()), (1, Some(4), 2, "at 1".into())]);
    }

    #[test]
    fn days_are_those_of_utc_and_what_is_old_is_forgotten() {
        let mut ledger = Ledger::default();
        ledger.note(&asked(0, 1, 0));
        ledger.note(&asked(1_439, 0, 1));
        ledger.note(&asked(1_440, 1, 0));
        let now = START_S + DAY_S + 120;
        let days = ledger.days("gpt", 3, now);
        let told: Vec<_> =
            days.iter().map(|day| (day.from_unix_s, day.to_unix_s, day.condition())).collect();
        assert_eq!(
            told,
            [
                (START_S - DAY_S, START_S, Condition::Unmeasured),
                (START_S, START_S + DAY_S, Condition::Degraded),
                (START_S + DAY_S, now, Condition::Up),
            ]
        );
        assert_eq!(days[2].measured, 0.5);

        let later = 35 * 24 * 60 + 60;
        let (_, lane, change) = ledger.note(&asked(later, 1, 0));
        assert_eq!(change.forgotten, [START_S / HOUR_S]);
        assert_eq!(lane.hours.len(), 3);
    }

    #[test]
    fn schedules_of_one_target_count_together() {
        let mut ledger = Ledger::default();
        ledger.note(&asked(0, 1, 0));
        let often = Round {
            schedule: "often".into(),
            every: Duration::from_secs(30),
            objective: 0.999,
            ..asked(0, 3, 1)
        };
        ledger.note(&often);
        let minute = Duration::from_secs(60);
        let both = ledger.availability("gpt", minute, START_S + 60).expect("it was asked");
        assert_eq!((both.share(), both.measured, both.objective), (Some(0.8), 1.0, 0.999));
    }
}
