//! How often targets answered their canaries: over the last hour, day, week and month, hour by hour
//! and day by day, and when they did not.
//!
//! Benchmarks count in none of it, since overload is what they are for. Time in which nobody asked is
//! neither up nor down: it is told as not measured.

use std::collections::BTreeMap;

use analysis::Proportion;

use super::{History, HistoryError};
use crate::rounds::{self, HOUR_MS, Hour, Stretch};

/// The stretches of time that shares are told of, in seconds, up to now.
pub const WINDOWS_S: [u64; 4] = [3_600, 86_400, 7 * 86_400, 30 * 86_400];
/// How many hours are told one by one, with the one that has not ended.
pub const HOURS: u64 = 24;
/// How many days are.
pub const DAYS: u64 = 30;
/// The most times of failure that are listed.
pub const DOWNTIMES_MAX: usize = 100;
const DAY_MS: u64 = 24 * HOUR_MS;
/// Below this share a target counts as down, not as degraded.
const DOWN_BELOW: f64 = 0.5;

/// How often a target answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Availability {
    /// The target.
    pub target: String,
    /// The share of requests that it is to answer, 0 to 1.
    pub objective: f64,
    /// How it was found by the last rounds.
    pub state: State,
    /// Its shares over [`WINDOWS_S`].
    pub windows: Vec<Period>,
    /// Hour by hour, the last one up to now.
    pub hours: Vec<Period>,
    /// Day by day in UTC, the last one up to now.
    pub days: Vec<Period>,
    /// When no request of a round was answered, the latest first.
    pub downtimes: Vec<Downtime>,
}

/// How a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It answers as it is to.
    Up,
    /// It answers less often.
    Degraded,
    /// It answers less than half of the requests.
    Down,
    /// Nobody asked.
    Unmeasured,
}

impl State {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Up, Self::Degraded, Self::Down, Self::Unmeasured];

    /// The word used in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Degraded => "degraded",
            Self::Down => "down",
            Self::Unmeasured => "unmeasured",
        }
    }

    fn of(answered: Proportion, objective: f64) -> Self {
        match answered.share() {
            _ if answered.total == 0 => Self::Unmeasured,
            share if share >= objective => Self::Up,
            share if share >= DOWN_BELOW => Self::Degraded,
            _ => Self::Down,
        }
    }
}

/// How a target answered in a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Period {
    /// Its start, in milliseconds since 1970.
    pub from_unix_ms: u64,
    /// Its end.
    pub to_unix_ms: u64,
    /// The requests that were answered well, of those that count.
    pub answered: Proportion,
    /// Those that do not count: given up by this server, or never sent for want of its means.
    pub excluded: u64,
    /// The part of the time in which it was asked at its intervals, 0 to 1.
    pub measured: f64,
}

impl Period {
    /// How the target was.
    #[must_use]
    pub fn state(&self, objective: f64) -> State {
        State::of(self.answered, objective)
    }

    /// The part that is left of the failures that `objective` allows; negative where there were
    /// more, `None` where nothing was asked or no failure is allowed.
    #[must_use]
    pub fn budget_left(&self, objective: f64) -> Option<f64> {
        let allowed = 1.0 - objective;
        let is_known = self.answered.total > 0 && allowed > 0.0;
        is_known.then(|| 1.0 - (1.0 - self.answered.share()) / allowed)
    }
}

/// Rounds in succession in which no request was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Downtime {
    /// The schedule that found it.
    pub schedule: String,
    /// When the first of them was due.
    pub from_unix_ms: u64,
    /// When the next one was that was answered, or until when the last one stands; `None` where it
    /// goes on.
    pub to_unix_ms: Option<u64>,
    /// How many rounds.
    pub rounds: u64,
}

impl History {
    /// How often each target that canaries asked in the last month answered, by name.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn availability(&self, now_unix_ms: u64) -> Result<Vec<Availability>, HistoryError> {
        let longest_ms = WINDOWS_S[WINDOWS_S.len() - 1] * 1_000;
        let from_ms = (now_unix_ms.saturating_sub(longest_ms)).min(first_day(now_unix_ms));
        let mut targets: BTreeMap<String, BTreeMap<String, Vec<Hour>>> = BTreeMap::new();
        for hour in rounds::hours(&self.reader, from_ms, now_unix_ms)? {
            let schedules = targets.entry(hour.target.clone()).or_default();
            schedules.entry(hour.schedule.clone()).or_default().push(hour);
        }
        let told = targets.into_iter().map(|(target, schedules)| {
            let lanes: Vec<Lane<'_>> =
                schedules.values().map(|hours| Lane { hours, now_unix_ms }).collect();
            availability(target, &lanes, now_unix_ms)
        });
        Ok(told.collect())
    }
}

fn first_day(now_unix_ms: u64) -> u64 {
    (now_unix_ms / DAY_MS + 1).saturating_sub(DAYS) * DAY_MS
}

fn availability(target: String, lanes: &[Lane<'_>], now_unix_ms: u64) -> Availability {
    let period = |from_unix_ms: u64, to_unix_ms: u64| {
        let periods =
            lanes.iter().map(|lane| lane.period(from_unix_ms, to_unix_ms.min(now_unix_ms)));
        periods.reduce(joined).expect("a target is asked by a schedule at least")
    };
    let cells = |count: u64, length_ms: u64| {
        let end = now_unix_ms / length_ms + 1;
        let cell = |number: u64| period(number * length_ms, (number + 1) * length_ms);
        (end.saturating_sub(count)..end).map(cell).collect()
    };
    let window = |seconds: u64| period(now_unix_ms.saturating_sub(seconds * 1_000), now_unix_ms);
    let objective = lanes.iter().map(Lane::objective).fold(0.0, f64::max);
    let mut downtimes: Vec<Downtime> = lanes.iter().flat_map(Lane::downtimes).collect();
    downtimes.sort_by_key(|downtime| std::cmp::Reverse(downtime.from_unix_ms));
    downtimes.truncate(DOWNTIMES_MAX);
    let last = lanes.iter().filter_map(Lane::last_round);
    let last = last.fold(Proportion { hits: 0, total: 0 }, sum);
    Availability {
        target,
        objective,
        state: State::of(last, objective),
        windows: WINDOWS_S.into_iter().map(window).collect(),
        hours: cells(HOURS, HOUR_MS),
        days: cells(DAYS, DAY_MS),
        downtimes,
    }
}

fn sum(one: Proportion, other: Proportion) -> Proportion {
    Proportion { hits: one.hits + other.hits, total: one.total + other.total }
}

/// The same time as two schedules saw it.
fn joined(one: Period, other: Period) -> Period {
    Period {
        answered: sum(one.answered, other.answered),
        excluded: one.excluded + other.excluded,
        measured: one.measured.max(other.measured),
        ..one
    }
}

/// A target's rounds by one schedule.
struct Lane<'a> {
    /// In the order of time.
    hours: &'a [Hour],
    now_unix_ms: u64,
}

impl Lane<'_> {
    fn objective(&self) -> f64 {
        self.hours.last().map_or(0.0, |hour| hour.objective)
    }

    /// Rounds in which something was learned of the target.
    fn stretches(&self) -> impl Iterator<Item = &Stretch> {
        let stretches = self.hours.iter().flat_map(|hour| &hour.stretches);
        stretches.filter(|stretch| stretch.good + stretch.failed > 0)
    }

    fn period(&self, from_unix_ms: u64, to_unix_ms: u64) -> Period {
        let mut answered = Proportion { hits: 0, total: 0 };
        let (mut excluded, mut measured_ms) = (0, 0);
        let before = self.hours.partition_point(|hour| {
            hour.stretches.last().is_none_or(|last| last.to_unix_ms() <= from_unix_ms)
        });
        for stretch in self.hours[before..].iter().flat_map(|hour| &hour.stretches) {
            if stretch.from_unix_ms >= to_unix_ms {
                break;
            }
            let rounds = stretch.rounds_within(from_unix_ms, to_unix_ms);
            answered.hits += rounds * stretch.good;
            answered.total += rounds * (stretch.good + stretch.failed);
            excluded += rounds * stretch.excluded;
            if stretch.good + stretch.failed > 0 {
                measured_ms += rounds * stretch.every_ms;
            }
        }
        let span_ms = to_unix_ms.saturating_sub(from_unix_ms).max(1);
        let measured = (measured_ms as f64 / span_ms as f64).min(1.0);
        Period { from_unix_ms, to_unix_ms, answered, excluded, measured }
    }

    /// How the last round went, if it says anything of now.
    fn last_round(&self) -> Option<Proportion> {
        let last = self.stretches().last()?;
        last.stands(self.now_unix_ms)
            .then_some(Proportion { hits: last.good, total: last.good + last.failed })
    }

    fn downtimes(&self) -> Vec<Downtime> {
        let schedule = self.hours.first().map_or("", |hour| &hour.schedule);
        let mut downtimes: Vec<Downtime> = Vec::new();
        // The stretch of the latest downtime that was added to it last, while it may go on.
        let mut open: Option<&Stretch> = None;
        for stretch in self.stretches() {
            if let (Some(last), Some(downtime)) = (open, downtimes.last_mut()) {
                let goes_on = last.stands(stretch.from_unix_ms);
                if goes_on && stretch.good == 0 {
                    downtime.rounds += stretch.rounds;
                    open = Some(stretch);
                    continue;
                }
                let known_until = last.to_unix_ms();
                downtime.to_unix_ms =
                    Some(if goes_on { stretch.from_unix_ms } else { known_until });
                open = None;
            }
            if stretch.good == 0 {
                downtimes.push(Downtime {
                    schedule: schedule.to_owned(),
                    from_unix_ms: stretch.from_unix_ms,
                    to_unix_ms: None,
                    rounds: stretch.rounds,
                });
                open = Some(stretch);
            }
        }
        if let (Some(last), Some(downtime)) = (open, downtimes.last_mut())
            && !last.stands(self.now_unix_ms)
        {
            downtime.to_unix_ms = Some(last.to_unix_ms());
        }
        downtimes
    }
}

impl Stretch {
    /// How many of its rounds were due from one moment on and before another.
    fn rounds_within(&self, from_unix_ms: u64, to_unix_ms: u64) -> u64 {
        let before = |moment: u64| {
            let passed = moment.saturating_sub(self.from_unix_ms);
            passed.div_ceil(self.every_ms.max(1)).min(self.rounds)
        };
        before(to_unix_ms) - before(from_unix_ms)
    }

    /// Whether its last round still says how the target is: the next may be under way, and one may
    /// have been left out.
    const fn stands(&self, moment_unix_ms: u64) -> bool {
        moment_unix_ms <= self.to_unix_ms() + 2 * self.every_ms
    }
}
