//! Spreads exchanges over the seconds they belong to.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::{Exchange, Outcome, Timestamp, WallAnchor};

use super::{Delta, Ended, Flow, Resolution, Rollup, Window};
use crate::metrics::gaps_nanos;
use crate::{Convention, Figures, Origin};

/// How far before its end a request still amends windows. What happened earlier counts in the
/// earliest second it reaches, so that nothing is lost and an absurd time does no harm.
pub const REACH: Duration = Resolution::Hour.duration();

const SECOND_NANOS: u64 = 1_000_000_000;

/// Rolls up the exchanges of one series by the second.
#[derive(Clone, Debug)]
pub struct Roller {
    anchor: WallAnchor,
    /// By the second they belong to, counted since 1970.
    flows: BTreeMap<u64, Flow>,
    ended: BTreeMap<u64, Ended>,
}

impl Roller {
    /// One that has seen no request. The anchor says when a request's moments were.
    #[must_use]
    pub const fn new(anchor: WallAnchor) -> Self {
        Self { anchor, flows: BTreeMap::new(), ended: BTreeMap::new() }
    }

    /// Takes in a request that has ended, its latencies counted from `origin`.
    pub fn record(&mut self, exchange: &Exchange, origin: Origin) {
        if exchange.warmup {
            return;
        }
        let end = self.anchor.unix_nanos(exchange.timeline.finished.arrived);
        self.ended.entry(end / SECOND_NANOS).or_default().record(exchange, origin);
        let mut reach = Reach::until(end, &mut self.flows);
        let start = self.anchor.unix_nanos(exchange.timeline.started);
        reach.at(start).started += 1;
        reach.stay(start, end);
        reach.tokens(exchange, start, end);
    }

    /// Takes in that `count` requests were in flight at once.
    pub fn note_in_flight(&mut self, at: Timestamp, count: u64) {
        let second = self.anchor.unix_nanos(at) / SECOND_NANOS;
        let flow = self.flows.entry(second).or_default();
        flow.in_flight_max = flow.in_flight_max.max(count);
    }

    /// What is new since the last time, in order of time.
    #[must_use]
    pub fn drain(&mut self) -> Vec<Delta> {
        let mut rollups: BTreeMap<u64, Rollup> = BTreeMap::new();
        for (second, flow) in std::mem::take(&mut self.flows) {
            rollups.insert(second, Rollup { flow, ended: Ended::default() });
        }
        for (second, ended) in std::mem::take(&mut self.ended) {
            rollups.entry(second).or_default().ended = ended;
        }
        let window = |second| Window::holding(second, Resolution::Second);
        rollups
            .into_iter()
            .map(|(second, rollup)| Delta { window: window(second), rollup })
            .collect()
    }
}

impl Ended {
    fn record(&mut self, exchange: &Exchange, origin: Origin) {
        let timeline = &exchange.timeline;
        self.client_lag.record(nanos(timeline.client_lag()));
        self.retries += u64::from(exchange.attempts().saturating_sub(1));
        let figures = Figures::of(exchange, origin, Convention::Prony);
        if let Outcome::Failure(failure) = &exchange.outcome {
            self.failed.add(failure.kind, 1);
            self.failed_after.record(nanos_of_ms(figures.e2e_ms));
            return;
        }
        self.succeeded += 1;
        self.e2e.record(nanos_of_ms(figures.e2e_ms));
        if let Some(ms) = figures.ttft_ms {
            self.ttft.record(nanos_of_ms(ms));
        }
        if let Some(ms) = figures.tpot_ms {
            self.tpot.record(nanos_of_ms(ms));
        }
        if exchange.streamed {
            gaps_nanos(exchange).for_each(|nanos| self.itl.record(nanos));
        }
    }
}

/// The seconds that a request may count in.
struct Reach<'a> {
    flows: &'a mut BTreeMap<u64, Flow>,
    first: u64,
    last: u64,
}

impl<'a> Reach<'a> {
    fn until(end: u64, flows: &'a mut BTreeMap<u64, Flow>) -> Self {
        let last = end / SECOND_NANOS;
        Self { flows, first: last.saturating_sub(REACH.as_secs()), last }
    }

    /// The second of a moment.
    fn at(&mut self, unix_nanos: u64) -> &mut Flow {
        let second = (unix_nanos / SECOND_NANOS).clamp(self.first, self.last);
        self.flows.entry(second).or_default()
    }

    /// Adds the time from `start` to `end` to the seconds it falls into.
    fn stay(&mut self, start: u64, end: u64) {
        let mut from = start;
        while from < end {
            let second = (from / SECOND_NANOS).clamp(self.first, self.last);
            let until = (second + 1).saturating_mul(SECOND_NANOS).min(end);
            self.at(from).busy_nanos += u128::from(until - from);
            from = until;
        }
    }

    /// Adds a request's tokens to the seconds in which they came, whatever became of it afterwards.
    /// Of one that failed without a chunk nothing came.
    fn tokens(&mut self, exchange: &Exchange, start: u64, end: u64) {
        let chunks = exchange.timeline.chunks.arrived_nanos();
        if chunks.is_empty() && !exchange.outcome.is_success() {
            return;
        }
        let usage = &exchange.usage;
        let output = usage.output.count();
        let first = chunks.first().map_or(end, |nanos| start.saturating_add(*nanos));
        let flow = self.at(first);
        flow.input_tokens += usage.input.count();
        flow.cached_tokens += usage.cache_read.count();
        if chunks.is_empty() {
            flow.output_tokens += output;
        }
        // By the last chunk of each second: what came until then, without what was counted before.
        let (mut seen, mut counted) = (0, 0);
        while seen < chunks.len() {
            let arrived = start.saturating_add(chunks[seen]);
            let second = (arrived / SECOND_NANOS).clamp(self.first, self.last);
            let next = (second + 1).saturating_mul(SECOND_NANOS);
            let is_inside =
                |nanos: &u64| second == self.last || start.saturating_add(*nanos) < next;
            seen += match chunks.last() {
                Some(last) if is_inside(last) => chunks.len() - seen,
                _ => chunks[seen..].partition_point(is_inside).max(1),
            };
            let came = share(output, seen, chunks.len());
            self.at(arrived).output_tokens += came - counted;
            counted = came;
        }
    }
}

/// `whole × part / parts`, which is `whole` for the last part.
fn share(whole: u64, part: usize, parts: usize) -> u64 {
    let share = u128::from(whole) * part as u128 / parts as u128;
    u64::try_from(share).expect("a part is no more than the whole")
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A figure in nanoseconds; 0 where clocks made it negative.
fn nanos_of_ms(ms: f64) -> u64 {
    (ms * 1e6).round().max(0.0) as u64
}
