//! Rollups: which second a request counts in, what comes late, and that nothing is lost on the way.

use std::collections::BTreeMap;

use analysis::rollup::{Delta, Flow, Resolution, Roller, Rollup, Window, coarsen};
use analysis::{ArrivalClock, Convention, Origin, RunAccumulator, RunSpec};
use domain::{FailureKind, WallAnchor};
use proptest::prelude::*;

use crate::sketch::{Sketch, ZERO, at};

/// [`ZERO`] falls on this second since 1970, which begins no longer window.
const ZERO_SECOND: u64 = 1_767_225_655;

const ANCHOR: WallAnchor = WallAnchor::new(ZERO, ZERO_SECOND * 1_000_000_000);

fn roller(requests: &[Sketch]) -> Roller {
    let mut roller = Roller::new(ANCHOR);
    requests.iter().for_each(|request| roller.record(&request.exchange(), Origin::Planned));
    roller
}

/// Each second's flow, as `second: started input+output tokens, busy ms`.
fn flows(deltas: &[Delta]) -> Vec<String> {
    let line = |Delta { window, rollup }: &Delta| {
        let Flow { started, input_tokens, cached_tokens, output_tokens, busy_nanos, .. } =
            rollup.flow;
        format!(
            "{:+}: {started} started, {input_tokens} in, {cached_tokens} cached, \
             {output_tokens} out, {} ms, {} ended",
            window.start_unix_seconds().cast_signed() - ZERO_SECOND.cast_signed(),
            busy_nanos as f64 / 1e6,
            rollup.ended.requests(),
        )
    };
    deltas.iter().map(line).collect()
}

/// What all deltas of each window add up to.
fn sums(deltas: impl IntoIterator<Item = Delta>) -> BTreeMap<Window, Rollup> {
    let mut sums: BTreeMap<Window, Rollup> = BTreeMap::new();
    for Delta { window, rollup } in deltas {
        sums.entry(window).or_default().merge(&rollup);
    }
    sums
}

#[test]
fn a_request_counts_in_the_seconds_it_lived_in() {
    let long = Sketch {
        planned: 700.0,
        started: 750.0,
        chunks: vec![1_500.0, 1_700.0, 1_999.0, 2_000.0, 4_100.0],
        finished: 4_200.0,
        input: 30,
        cached: 12,
        output: 7,
        ..Sketch::default()
    };
    // 7 tokens in 5 chunks: 4 until the third, 5 until the fourth.
    assert_eq!(
        flows(&roller(&[long]).drain()),
        [
            "+0: 1 started, 0 in, 0 cached, 0 out, 250 ms, 0 ended",
            "+1: 0 started, 30 in, 12 cached, 4 out, 1000 ms, 0 ended",
            "+2: 0 started, 0 in, 0 cached, 1 out, 1000 ms, 0 ended",
            "+3: 0 started, 0 in, 0 cached, 0 out, 1000 ms, 0 ended",
            "+4: 0 started, 0 in, 0 cached, 2 out, 200 ms, 1 ended",
        ]
    );
    let whole = Sketch {
        started: 100.0,
        finished: 1_300.0,
        input: 5,
        output: 9,
        streamed: false,
        ..Sketch::default()
    };
    let failed = Sketch { failure: Some((FailureKind::Timeout, String::new())), ..whole.clone() };
    let warmup = Sketch { warmup: true, ..whole.clone() };
    assert_eq!(
        flows(&roller(&[whole, failed, warmup]).drain()),
        [
            "+0: 2 started, 0 in, 0 cached, 0 out, 1800 ms, 0 ended",
            "+1: 0 started, 5 in, 0 cached, 9 out, 600 ms, 2 ended",
        ]
    );
}

#[test]
fn what_ends_late_amends_what_was_published() {
    let request = |finished| Sketch {
        started: 100.0,
        chunks: vec![200.0, finished],
        finished,
        output: 2,
        ..Sketch::default()
    };
    let mut roller = roller(&[request(900.0)]);
    assert_eq!(flows(&roller.drain()), ["+0: 1 started, 0 in, 0 cached, 2 out, 800 ms, 1 ended"]);
    roller.record(&request(1_400.0).exchange(), Origin::Planned);
    assert_eq!(
        flows(&roller.drain()),
        [
            "+0: 1 started, 0 in, 0 cached, 1 out, 900 ms, 0 ended",
            "+1: 0 started, 0 in, 0 cached, 1 out, 400 ms, 1 ended",
        ]
    );
    assert!(roller.drain().is_empty());
}

#[test]
fn most_in_flight_is_the_larger_of_what_was_seen() {
    let mut roller = Roller::new(ANCHOR);
    for (ms, count) in [(100.0, 3), (700.0, 5), (900.0, 4), (1_000.0, 1)] {
        roller.note_in_flight(at(ms), count);
    }
    let deltas = roller.drain();
    let seen = |deltas: &[Delta]| -> Vec<u64> {
        deltas.iter().map(|delta| delta.rollup.flow.in_flight_max).collect()
    };
    assert_eq!(seen(&deltas), [5, 1]);
    assert_eq!(seen(&coarsen(&deltas, Resolution::Minute)), [5]);
}

#[test]
fn an_absurd_time_counts_an_hour_back_at_most() {
    let ages_ago = Sketch {
        planned: -7e3,
        started: -7e3,
        chunks: vec![7_200_000.0],
        finished: 7_200_000.0,
        output: 1,
        ..Sketch::default()
    };
    let lines = flows(&roller(&[ages_ago]).drain());
    assert_eq!(lines.len(), 3_601);
    // All the time before this second, and the second itself.
    assert_eq!(lines[0], "+3600: 1 started, 0 in, 0 cached, 0 out, 3608000 ms, 0 ended");
    assert_eq!(lines[3_600], "+7200: 0 started, 0 in, 0 cached, 1 out, 0 ms, 1 ended");
}

/// Requests of a minute or less, some of which fail or come in one piece.
fn requests() -> impl Strategy<Value = Vec<Sketch>> {
    let request = (
        0.0..100_000.0,
        prop::collection::vec(0.0..5_000.0, 0..12),
        0.0..3_000.0,
        0_u64..500,
        any::<[bool; 2]>(),
    );
    let request = request.prop_map(|(started, gaps, rest, output, [is_cut, fails])| {
        let mut moment: f64 = started;
        let mut chunks = Vec::new();
        for gap in gaps {
            moment += gap;
            chunks.push(moment);
        }
        let failure = fails.then(|| (FailureKind::Truncated, String::new()));
        let (planned, finished) = (started - 1.0, moment + rest);
        let cached = output / 3;
        let input = output / 2;
        Sketch {
            planned,
            started,
            chunks,
            finished,
            input,
            cached,
            output,
            is_cut,
            failure,
            ..Sketch::default()
        }
    });
    prop::collection::vec(request, 0..20)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..Default::default() })]

    #[test]
    fn deltas_add_up_however_often_they_are_taken(requests in requests(), every in 1_usize..5) {
        let mut roller = Roller::new(ANCHOR);
        let mut deltas = Vec::new();
        for (request, nth) in requests.iter().rev().zip(1..) {
            roller.record(&request.exchange(), Origin::Planned);
            if nth % every == 0 {
                deltas.extend(roller.drain());
            }
        }
        deltas.extend(roller.drain());
        let at_once = self::roller(&requests).drain();
        prop_assert_eq!(sums(deltas.clone()), sums(at_once.clone()));

        let mut step_by_step = at_once.clone();
        for resolution in Resolution::ALL {
            step_by_step = coarsen(&step_by_step, resolution);
            prop_assert_eq!(&step_by_step, &coarsen(&deltas, resolution));
        }
    }

    #[test]
    fn nothing_is_lost_between_seconds(requests in requests()) {
        let mut all = Rollup::default();
        roller(&requests).drain().iter().for_each(|delta| all.merge(&delta.rollup));
        let came: Vec<&Sketch> = requests
            .iter()
            .filter(|request| !request.chunks.is_empty() || request.failure.is_none())
            .collect();
        let total = |tokens: fn(&Sketch) -> u64| came.iter().map(|request| tokens(request)).sum::<u64>();
        prop_assert_eq!(all.flow.started, requests.len() as u64);
        prop_assert_eq!(all.flow.output_tokens, total(|request| request.output));
        prop_assert_eq!(all.flow.input_tokens, total(|request| request.input));
        prop_assert_eq!(all.flow.cached_tokens, total(|request| request.cached));
        let busy = requests.iter().map(|request| {
            u128::from(at(request.finished).as_nanos() - at(request.started).as_nanos())
        });
        prop_assert_eq!(all.flow.busy_nanos, busy.sum::<u128>());
        prop_assert_eq!(all.ended.requests(), requests.len() as u64);
        prop_assert_eq!(all.ended.failed_after.len(), all.ended.failed.total());
    }

    #[test]
    fn figures_are_those_of_the_summary(requests in requests()) {
        let mut run = RunAccumulator::new(RunSpec {
            origin: Origin::Planned,
            window_start: at(-1_000.0),
            window_end: None,
            ramp: std::time::Duration::ZERO,
            in_flight_max: None,
            slo: None,
            convention: Convention::Prony,
            arrivals: ArrivalClock::Network,
            distinct_prompts: None,
            sent_before: 0,
            demands_lengths: false,
            asks_streams: false,
        });
        requests.iter().for_each(|request| run.record(&request.exchange()));
        let exact = run.finish(at(200_000.0));
        let mut all = Rollup::default();
        roller(&requests).drain().iter().for_each(|delta| all.merge(&delta.rollup));
        let pairs = [
            (exact.ttft, all.ended.ttft),
            (exact.e2e, all.ended.e2e),
            (exact.tpot, all.ended.tpot),
            (exact.itl, all.ended.itl),
        ];
        for (exact, sketch) in pairs {
            let Some(exact) = exact else {
                prop_assert!(sketch.is_empty());
                continue;
            };
            prop_assert_eq!(exact.n, sketch.len());
            for percentile in exact.percentiles {
                let got = sketch.quantile_ms(percentile.quantile.share()).unwrap();
                let error = (got - percentile.value).abs();
                prop_assert!(error <= 0.01 * percentile.value + 1e-3, "{got} for {percentile:?}");
            }
        }
    }
}
