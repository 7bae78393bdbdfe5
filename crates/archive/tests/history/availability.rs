//! Availability, from the rounds of canaries.

use archive::history::{Availability, State};
use archive::{Archive, RoundKeeper};
use control::{LeftOut, Round, RoundOutcome, Tally};

use super::*;

const MINUTE: u64 = 60;
const HOUR: u64 = 3_600;
const DAY: u64 = 86_400;

struct Canary {
    archive: Archive,
    keeper: RoundKeeper,
    _folder: tempfile::TempDir,
}

impl Canary {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let opened = Archive::open(folder.path(), StoreSettings::default(), Arc::new(SystemClock));
        let (archive, _) = opened.expect("a store");
        let keeper = archive.round_keeper();
        Self { archive, keeper, _folder: folder }
    }

    /// A round at each of these seconds after the start, minutes apart.
    fn rounds(&self, schedule: &str, seconds: impl Iterator<Item = u64>, [good, failed]: [u64; 2]) {
        let tally = Tally { good, failed, excluded: 0 };
        for at in seconds {
            let outcome = RoundOutcome::Asked { tally, problem: None };
            self.keeper.keep(&round(schedule, at, outcome)).expect("there is room");
        }
    }

    fn at(&self, seconds: u64) -> Availability {
        let history = History::new(self.archive.reader().clone());
        let all = history.availability((START_S + seconds) * 1_000).expect("it is read");
        let [one] = <[_; 1]>::try_from(all).expect("there is one target");
        one
    }
}

fn round(schedule: &str, at: u64, outcome: RoundOutcome) -> Round {
    Round {
        schedule: schedule.into(),
        target: "gpt".into(),
        due_unix_nanos: (START_S + at) * 1_000_000_000,
        every: Duration::from_secs(MINUTE),
        objective: 0.999,
        outcome,
    }
}

fn minutes(from: u64, to: u64) -> impl Iterator<Item = u64> {
    (from..to).map(|minute| minute * MINUTE)
}

/// Seconds after the start.
fn second(unix_ms: u64) -> u64 {
    unix_ms / 1_000 - START_S
}

#[test]
fn shares_are_of_the_requests_of_each_window() {
    let canary = Canary::new();
    canary.rounds("canary", minutes(0, 90), [1, 0]);
    canary.rounds("canary", minutes(90, 96), [0, 1]);
    canary.rounds("canary", minutes(96, 120), [1, 0]);
    let found = canary.at(2 * HOUR);
    assert_eq!((&*found.target, found.objective, found.state), ("gpt", 0.999, State::Up));
    let windows: Vec<(u64, u64)> =
        found.windows.iter().map(|window| (window.answered.hits, window.answered.total)).collect();
    assert_eq!(windows, [(54, 60), (114, 120), (114, 120), (114, 120)]);
    let hour = found.windows[0];
    assert_eq!((hour.measured, hour.state(found.objective)), (1.0, State::Degraded));
    // A tenth failed where a thousandth may.
    let left = hour.budget_left(found.objective).expect("something was asked");
    assert!((left + 99.0).abs() < 1e-6, "{left}");
    let day = found.windows[1];
    assert!((day.measured - 2.0 / 24.0).abs() < 1e-9, "{}", day.measured);

    let [downtime] = &*found.downtimes else { panic!("{:?}", found.downtimes) };
    let to = downtime.to_unix_ms.map(second);
    assert_eq!((second(downtime.from_unix_ms), to, downtime.rounds), (5_400, Some(5_760), 6));
}

#[test]
fn hours_and_days_are_told_one_by_one() {
    let canary = Canary::new();
    canary.rounds("canary", minutes(0, 60), [1, 0]);
    canary.rounds("canary", minutes(60, 120), [0, 1]);
    canary.rounds("canary", minutes(1_440, 1_470), [1, 0]);
    let found = canary.at(DAY + 30 * MINUTE);
    assert_eq!((found.hours.len(), found.days.len()), (24, 30));
    let states = |periods: &[archive::history::Period]| -> Vec<State> {
        periods.iter().map(|period| period.state(found.objective)).collect()
    };
    // Of the first day's hours, the first lies 24 before the one that goes on.
    let hours = states(&found.hours);
    assert_eq!(hours[0], State::Down);
    assert!(hours[1..23].iter().all(|state| *state == State::Unmeasured), "{hours:?}");
    assert_eq!((hours[23], found.hours[23].measured), (State::Up, 1.0));
    assert_eq!(states(&found.days)[28..], [State::Degraded, State::Up]);
    assert_eq!(found.days[29].to_unix_ms, (START_S + DAY + 30 * MINUTE) * 1_000);
    assert_eq!(found.days[28].answered.total, 120);
}

#[test]
fn a_target_that_is_down_is_down_until_it_answers_or_nobody_asks() {
    let canary = Canary::new();
    canary.rounds("canary", minutes(50, 70), [0, 2]);
    let during = canary.at(70 * MINUTE);
    assert_eq!(during.state, State::Down);
    // Through the change of the hour, it is one.
    let [downtime] = &*during.downtimes else { panic!("{:?}", during.downtimes) };
    assert_eq!((downtime.to_unix_ms, downtime.rounds), (None, 20));

    let unwatched = canary.at(100 * MINUTE);
    assert_eq!(unwatched.state, State::Unmeasured);
    assert_eq!(unwatched.downtimes[0].to_unix_ms.map(second), Some(70 * MINUTE));

    // What was not seen is not taken for down.
    canary.rounds("canary", minutes(100, 101), [0, 2]);
    assert_eq!(canary.at(101 * MINUTE).downtimes.len(), 2);
}

#[test]
fn what_was_left_out_is_not_measured() {
    let canary = Canary::new();
    canary.rounds("canary", minutes(0, 30), [1, 0]);
    let left_out = RoundOutcome::LeftOut { rounds: 30, why: LeftOut::Benchmark };
    canary.keeper.keep(&round("canary", 30 * MINUTE, left_out)).expect("there is room");
    let tally = Tally { excluded: 1, ..Tally::default() };
    let stopped = RoundOutcome::Asked { tally, problem: None };
    canary.keeper.keep(&round("canary", 59 * MINUTE, stopped)).expect("there is room");
    let hour = canary.at(HOUR).windows[0];
    assert_eq!((hour.answered.hits, hour.answered.total, hour.excluded), (30, 30, 1));
    assert_eq!(hour.measured, 0.5);
    assert_eq!(canary.at(HOUR).state, State::Unmeasured);
}

#[test]
fn two_schedules_are_two_witnesses_of_the_same_time() {
    let canary = Canary::new();
    canary.rounds("a", minutes(0, 60), [1, 0]);
    canary.rounds("b", minutes(30, 60), [1, 1]);
    let found = canary.at(HOUR);
    let hour = found.windows[0];
    assert_eq!((hour.answered.hits, hour.answered.total, hour.measured), (90, 120, 1.0));
    assert_eq!((found.state, found.downtimes.len()), (State::Degraded, 0));
}

#[test]
fn rounds_are_kept_through_a_restart_within_the_hour() {
    let canary = Canary::new();
    canary.rounds("canary", minutes(0, 10), [1, 0]);
    let again = Canary { keeper: canary.archive.round_keeper(), ..canary };
    again.rounds("canary", minutes(10, 20), [1, 0]);
    assert_eq!(again.at(20 * MINUTE).windows[0].answered.total, 20);
}
