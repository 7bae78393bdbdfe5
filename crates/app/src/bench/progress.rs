//! Shows how far a run has come on standard error, four times a second where a person watches.

mod view;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use domain::{Clock, Exchange, Timestamp};
use load::{Control, Live, Plan};
use tokio::time::MissedTickBehavior;

use self::view::{Left, Measured, Stage, View};
use crate::output;
use crate::status::Status;

const INTERVAL: Duration = Duration::from_millis(250);
/// What rates are taken over.
const RATE_SPAN: Duration = Duration::from_secs(2);
/// How much of a run is needed to tell how long it takes.
const FORESIGHT_MIN: Duration = Duration::from_secs(1);

/// Tokens and chunks of the answers that have ended: as the run goes on only chunks are counted, and
/// a chunk may hold several tokens.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    tokens: AtomicU64,
    chunks: AtomicU64,
}

impl Tally {
    /// Counts an answer.
    pub(crate) fn add(&self, exchange: &Exchange) {
        if exchange.outcome.is_success() {
            self.tokens.fetch_add(exchange.usage.output.count(), Relaxed);
            self.chunks.fetch_add(exchange.timeline.chunks.len() as u64, Relaxed);
        }
    }

    fn tokens_per_chunk(&self) -> Option<f64> {
        let (tokens, chunks) = (self.tokens.load(Relaxed), self.chunks.load(Relaxed));
        (chunks > 0).then(|| tokens as f64 / chunks as f64)
    }
}

/// What a run is watched by.
pub(crate) struct Watch {
    pub(crate) live: Arc<Live>,
    pub(crate) tally: Arc<Tally>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) control: Control,
}

/// A run's progress on the screen.
pub(crate) struct Progress {
    status: RefCell<Status>,
    place: (u64, u64),
    name: String,
    watch: Watch,
    warmup: u64,
    requests: Option<u64>,
    duration: Option<Duration>,
}

impl Progress {
    /// The progress of `plan`, which is run `place.0` of `place.1` and called `name`. It is hidden
    /// where nobody watches or `is_hidden` says so.
    pub(crate) fn new(
        place: (u64, u64),
        name: String,
        plan: &Plan,
        watch: Watch,
        is_hidden: bool,
    ) -> Self {
        Self {
            status: RefCell::new(Status::new(is_hidden)),
            place,
            name,
            watch,
            warmup: plan.warmup,
            requests: plan.requests_max(),
            duration: plan.stop.duration,
        }
    }

    /// Redraws until it is dropped. Never returns.
    pub(crate) async fn show(&self) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut samples = Samples::default();
        loop {
            ticks.tick().await;
            let mut status = self.status.borrow_mut();
            if let Some(columns) = status.columns() {
                let stage = self.stage(&mut samples);
                let view = View { place: self.place, name: &self.name, stage };
                status.draw(&view.lines(columns));
            }
        }
    }

    /// Says `message` on a line of its own, above what is shown next.
    pub(crate) fn say(&self, message: &dyn Display) {
        self.status.borrow_mut().clear();
        output::talk(message);
    }

    fn stage(&self, samples: &mut Samples) -> Stage {
        let Watch { live, tally, clock, control } = &self.watch;
        let Some(start) = live.window_start() else {
            return match live.warming() {
                0 => Stage::Connecting,
                sent => Stage::Warming { sent, whole: self.warmup },
            };
        };
        let now = clock.now();
        let failed = live.failed();
        let done = live.succeeded() + failed;
        let (requests_per_s, chunks_per_s) = samples.rates(now, done, live.tokens());
        let elapsed = now.since(start);
        let is_over = self.duration.is_some_and(|whole| elapsed >= whole);
        let (share, left) = foresee(elapsed, done, self.requests, self.duration);
        Stage::Measuring(Measured {
            share,
            elapsed,
            left: if is_over || control.stop.is_cancelled() { Left::Draining } else { left },
            in_flight: live.in_flight(),
            requests_per_s,
            tokens_per_s: tally.tokens_per_chunk().map(|each| chunks_per_s * each),
            failed,
        })
    }
}

/// How much of a run is done and how long it still takes, where it ends after `requests` or
/// `duration`, whichever comes first.
fn foresee(
    elapsed: Duration,
    done: u64,
    requests: Option<u64>,
    duration: Option<Duration>,
) -> (f64, Left) {
    let by_requests = requests.map(|whole| done as f64 / whole.max(1) as f64);
    let by_time = duration.map(|whole| elapsed.as_secs_f64() / whole.as_secs_f64());
    let share = by_requests.into_iter().chain(by_time).fold(0.0, f64::max).min(1.0);
    let is_known = by_time == Some(share) || elapsed >= FORESIGHT_MIN;
    if share <= 0.0 || !is_known {
        return (share, Left::Unknown);
    }
    let left = elapsed.as_secs_f64() * (1.0 - share) / share;
    (share, Duration::try_from_secs_f64(left).map_or(Left::Unknown, Left::About))
}

/// Counts of the last moments.
#[derive(Debug, Default)]
struct Samples(VecDeque<(Timestamp, u64, u64)>);

impl Samples {
    /// How fast requests end and chunks come, a second each.
    fn rates(&mut self, now: Timestamp, done: u64, chunks: u64) -> (f64, f64) {
        self.0.push_back((now, done, chunks));
        while self.0.get(1).is_some_and(|(at, ..)| now.since(*at) >= RATE_SPAN) {
            self.0.pop_front();
        }
        let Some(&(then, done_then, chunks_then)) = self.0.front() else { return (0.0, 0.0) };
        let seconds = now.since(then).as_secs_f64();
        let rate = |count: u64, before: u64| {
            if seconds > 0.0 { count.saturating_sub(before) as f64 / seconds } else { 0.0 }
        };
        (rate(done, done_then), rate(chunks, chunks_then))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_ends_with_its_requests_or_its_time() {
        let second = Duration::from_secs(1);
        for (elapsed, done, requests, duration, share, left) in [
            (0, 0, Some(100), None, 0.0, Left::Unknown),
            (10, 25, Some(100), None, 0.25, Left::About(30 * second)),
            (10, 0, None, Some(60), 10.0 / 60.0, Left::About(50 * second)),
            (10, 90, Some(100), Some(60), 0.9, Left::About(10 * second / 9)),
            (70, 5, Some(100), Some(60), 1.0, Left::About(Duration::ZERO)),
        ] {
            let duration = duration.map(Duration::from_secs);
            let (got, time) = foresee(Duration::from_secs(elapsed), done, requests, duration);
            assert!((got - share).abs() < 1e-12, "{got} after {elapsed} s");
            match (time, left) {
                (Left::About(time), Left::About(left)) => {
                    assert!(time.abs_diff(left) < Duration::from_millis(1), "{time:?}");
                }
                (time, left) => assert_eq!(time, left, "after {elapsed} s"),
            }
        }
    }

    #[test]
    fn rates_are_of_the_last_moments() {
        let at = |millis: u64| Timestamp::from_nanos(millis * 1_000_000);
        let mut samples = Samples::default();
        assert_eq!(samples.rates(at(0), 0, 0), (0.0, 0.0));
        assert_eq!(samples.rates(at(500), 5, 100), (10.0, 200.0));
        for quarter in 3..40 {
            samples.rates(at(quarter * 250), 5, 100);
        }
        assert_eq!(samples.rates(at(10_000), 6, 100), (0.5, 0.0));
    }
}
