//! Whole runs: what makes one valid, what puts one in doubt, and what must not matter.

use std::time::Duration;

use analysis::summary::{Settled, SteadyState};
use analysis::{
    ArrivalClock, Convention, DeliveryVerdict, Doubt, Origin, Proportion, Quantile, RunAccumulator,
    RunSpec, RunSummary, WarmUp,
};
use domain::Seed;
use proptest::prelude::*;

use crate::sketch::{Sketch, ZERO, at};

const WINDOW_MS: f64 = 20_000.0;
const REQUESTS: u64 = 2_000;

fn spec(origin: Origin) -> RunSpec {
    RunSpec {
        origin,
        window_start: ZERO,
        window_end: Some(at(WINDOW_MS)),
        ramp: Duration::ZERO,
        in_flight_max: Some(64),
        slo: None,
        convention: Convention::Prony,
        arrivals: ArrivalClock::Network,
        distinct_prompts: None,
        sent_before: 0,
        demands_lengths: false,
        asks_streams: false,
    }
}

/// A Poisson run at 100 requests/s against a server that answers in some 50 ms, each request changed
/// by `spoil` (given its place in the run) before it is recorded.
fn run(spoil: impl Fn(u64, &mut Sketch)) -> RunSummary {
    run_of_seed(3, spoil)
}

fn run_of_seed(seed: u64, spoil: impl Fn(u64, &mut Sketch)) -> RunSummary {
    let mut random = Seed(seed).child("run").random();
    let mut accumulator = RunAccumulator::new(spec(Origin::Planned));
    let mut planned = 0.0;
    for index in 0..REQUESTS {
        planned += random.exponential(WINDOW_MS / REQUESTS as f64 * 0.98);
        let first = planned + 40.0 + 20.0 * random.unit();
        let mut sketch = Sketch {
            planned,
            started: planned + 0.05,
            chunks: (0..10).map(|chunk| first + 10.0 * f64::from(chunk)).collect(),
            finished: first + 91.0,
            input: 100,
            output: 10,
            ..Sketch::default()
        };
        spoil(index, &mut sketch);
        accumulator.record(&sketch.exchange());
    }
    accumulator.finish(at(WINDOW_MS))
}

fn delay(sketch: &mut Sketch, ms: f64) {
    sketch.chunks.iter_mut().for_each(|chunk| *chunk += ms);
    sketch.finished += ms;
}

#[test]
fn a_healthy_run_is_valid() {
    let run = run(|_, _| {});
    assert!(run.verdict().is_valid(), "{:?}", run.verdict());
    assert!((run.request_throughput - 100.0).abs() < 5.0);
    assert!(matches!(run.steady.throughput, Settled::After(_)));
    let delivery = run.delivery.expect("an open loop has a plan");
    assert_eq!(delivery.verdict, DeliveryVerdict::OnPlan);
    let rates = delivery.rates.expect("there are many starts");
    assert!(rates.interval.expect("there are many gaps").contains(100.0), "{rates:?}");
    let ttft = run.ttft.expect("all succeeded");
    let interval = ttft.percentiles[0].interval.expect("there are many values");
    assert!(interval.contains(50.0) && interval.high - interval.low < 3.0, "{interval:?}");
}

/// A verdict that cries wolf is not read: of fifty healthy runs at most two are doubted.
#[test]
fn healthy_runs_are_seldom_doubted() {
    let verdicts: Vec<_> = (0..50).map(|seed| run_of_seed(seed, |_, _| {}).verdict()).collect();
    let doubted: Vec<_> = verdicts.iter().filter(|verdict| !verdict.is_valid()).collect();
    assert!(doubted.len() <= 2, "{doubted:?}");
}

/// Each trouble alone is named, and no other doubt with it.
#[test]
fn trouble_is_named() {
    fn check(expected: &[&str], spoil: impl Fn(u64, &mut Sketch)) {
        let verdict = run(spoil).verdict();
        let names: Vec<&str> = verdict.doubts().iter().map(Doubt::as_str).collect();
        assert_eq!(names, expected);
        assert!(verdict.doubts().iter().all(|doubt| !doubt.remedy().is_empty()));
    }
    // 20 ms late for one request in fifty: beyond the p99, and never three at once.
    check(&["schedule_lag"], |index, sketch| {
        if index % 50 == 0 {
            sketch.started += 20.0;
            delay(sketch, 20.0);
        }
    });
    // A stall of half a second, made up for afterwards.
    check(&["schedule_lag", "load_off_plan"], |_, sketch| {
        if (5_000.0..5_500.0).contains(&sketch.planned) {
            delay(sketch, 5_500.0 - sketch.planned);
            sketch.started = 5_500.0;
        }
    });
    // A server that falls further behind all the time.
    check(&["no_steady_state"], |_, sketch| delay(sketch, sketch.planned * 0.5));
    check(&["arrivals_from_reads"], |_, sketch| sketch.read_lag = 0.0);
    // Two in a hundred without a stamp are enough; the others' lag is seen all the same.
    check(&["arrivals_from_reads"], |index, sketch| {
        sketch.read_lag = if index % 50 == 0 { 0.0 } else { 0.1 };
    });
    check(&["read_lag", "arrivals_from_reads"], |index, sketch| {
        sketch.read_lag = if index % 3 == 0 { 20.0 } else { 0.0 };
    });
    // Chunks are 10 ms apart: a read 12 ms late took the next one with it.
    check(&["read_lag"], |index, sketch| {
        sketch.read_lag = if index % 20 == 0 { 12.0 } else { 0.1 };
    });
    // A client 2 ms late, which reads two chunks at once in one answer of four.
    let merge = |index: u64, sketch: &mut Sketch| {
        if index.is_multiple_of(4) {
            sketch.chunks[4] = sketch.chunks[5];
        }
    };
    check(&["arrivals_merged"], |index, sketch| {
        sketch.read_lag = 2.0;
        merge(index, sketch);
    });
    // A client on time was sent them together.
    check(&[], merge);
    check(&["read_lag"], |index, sketch| {
        sketch.read_lag = if index % 20 == 0 { 80.0 } else { 0.1 };
    });
    check(&["token_counts_estimated"], |index, sketch| {
        if index % 10 == 0 {
            sketch.source = domain::CountSource::Estimate;
        }
    });
    check(&["empty_answers"], |index, sketch| {
        if index % 50 == 0 {
            sketch.output = 0;
        }
    });
    check(&["retried"], |index, sketch| {
        if index % 50 == 0 {
            (sketch.failed, sketch.pause) = (vec![sketch.started], 5.0);
        }
    });
    // The limit in flight is no fault of the client, whose load was late by it.
    check(&["in_flight_limit"], |index, sketch| {
        sketch.held = Some(0.0);
        if index % 50 == 0 {
            sketch.held = Some(20.0);
            sketch.started += 20.0;
            delay(sketch, 20.0);
        }
    });
    check(&["errors"], |index, sketch| {
        if index % 50 == 0 {
            sketch.failure = Some((domain::FailureKind::Timeout, "too late".to_owned()));
        }
    });
}

/// A run is warmed up by answers: where most of its warm-up requests failed, it was not.
#[test]
fn a_warm_up_that_failed_is_told() {
    let doubts = |failed: u64, is_answered: bool| {
        let mut accumulator = RunAccumulator::new(spec(Origin::Started));
        let overloaded = || Some((domain::FailureKind::Overloaded, "busy".to_owned()));
        for index in 0..8 {
            let failure = if index < failed { overloaded() } else { None };
            let sketch = Sketch { warmup: true, failure, ..Sketch::default() };
            // Those before the window are counted apart, and handed over with it.
            if index % 2 == 0 {
                accumulator.record(&sketch.exchange());
            } else {
                let mut warmup = WarmUp::default();
                warmup.count(&sketch.exchange().outcome);
                accumulator.note_warmup(&warmup);
            }
        }
        for index in 0..100 {
            let planned = f64::from(index);
            let (chunks, finished) = (vec![planned + 5.0], planned + 6.0);
            let failure = if is_answered { None } else { overloaded() };
            let (started, output) = (planned, 1);
            let sketch =
                Sketch { planned, started, chunks, finished, failure, output, ..Sketch::default() };
            accumulator.record(&sketch.exchange());
        }
        let run = accumulator.finish(at(100.0));
        assert_eq!(run.warmup, 8);
        let verdict = run.verdict();
        let told = verdict.doubts().iter().map(|doubt| (doubt.as_str(), doubt.message()));
        told.collect::<Vec<_>>()
    };
    assert_eq!(doubts(4, true), []);
    let [(name, message)] = &doubts(5, true)[..] else { panic!("one doubt") };
    assert_eq!(*name, "warmup_failed");
    assert!(
        message.starts_with("5 of 8 warm-up requests failed, most of them: overloaded"),
        "{message}"
    );
    let [(name, _)] = &doubts(8, false)[..] else { panic!("nothing else is worth telling") };
    assert_eq!(*name, "all_failed");
}

/// Another tool's latencies begin when a request was sent, behind its wait for a place in flight.
#[test]
fn a_wait_is_said_to_be_in_latencies_where_it_is() {
    for (convention, told) in [
        (Convention::Prony, "which their latencies hold"),
        (Convention::Vllm, "which their latencies leave out"),
    ] {
        let mut accumulator = RunAccumulator::new(RunSpec { convention, ..spec(Origin::Planned) });
        for index in 0..REQUESTS {
            let planned = index as f64;
            let (started, wait) = (planned + 300.0, Some(300.0));
            let sketch = Sketch {
                planned,
                started,
                held: wait,
                chunks: vec![started + 10.0],
                finished: started + 11.0,
                output: 1,
                ..Sketch::default()
            };
            accumulator.record(&sketch.exchange());
        }
        let run = accumulator.finish(at(WINDOW_MS));
        let e2e = run.e2e.as_ref().expect("all succeeded").median();
        assert_eq!(e2e > 300.0, convention == Convention::Prony, "{e2e} ms");
        let verdict = run.verdict();
        let doubt = verdict.doubts().iter().find(|doubt| doubt.as_str() == "in_flight_limit");
        let message = doubt.expect("all waited").message();
        assert!(message.ends_with(told), "{message}");
        assert!(message.contains(" 100 % of requests"), "{message}");
    }
}

/// A share is rounded, but never to all where it is not.
#[test]
fn a_doubt_says_all_only_of_all() {
    let waited = |hits, total| {
        let waited = Proportion { hits, total };
        Doubt::InFlightLimit { most: 1, waited, p99_ms: 50.0, is_in_latencies: true }.message()
    };
    for (hits, total, told) in [
        (1, 11, "held 9.1 % of"),
        (997, 10_000, "held 10 % of"),
        (994, 1_000, "held 99 % of"),
        (996, 1_000, "held 99.6 % of"),
        (1_000, 1_000, "held 100 % of"),
    ] {
        assert!(waited(hits, total).contains(told), "{}", waited(hits, total));
    }
}

/// What a run is too small for puts its tail in doubt; only what is too small for anything is
/// doubted itself.
#[test]
fn a_small_run_reaches_less_far_into_the_tail() {
    for (answers, highest, lacking) in [
        (19, None, Some(Quantile::P50)),
        (20, Some(Quantile::P50), Some(Quantile::P90)),
        (199, Some(Quantile::P90), Some(Quantile::P95)),
        (999, Some(Quantile::P95), Some(Quantile::P99)),
        (1_000, Some(Quantile::P99), None),
        (10_000, Some(Quantile::P999), None),
    ] {
        let mut run = RunAccumulator::new(spec(Origin::Started));
        for index in 0..answers {
            let sent = index as f64 * WINDOW_MS / answers as f64;
            let chunks = vec![sent + 0.5, sent + 0.6];
            let finished = sent + 0.7;
            let sketch = Sketch {
                planned: sent,
                started: sent,
                chunks,
                finished,
                output: 2,
                ..Sketch::default()
            };
            run.record(&sketch.exchange());
        }
        let run = run.finish(at(WINDOW_MS));
        let reach = run.reach();
        assert_eq!((reach.answers, reach.highest, reach.lacking()), (answers, highest, lacking));
        let ttft = run.ttft.as_ref().expect("all were answered");
        assert_eq!(ttft.percentiles.iter().rfind(|p| p.supported).map(|p| p.quantile), highest);
        let verdict = run.verdict();
        let is_few = verdict.doubts() == [Doubt::TooFewSamples { n: answers }];
        assert!(if answers < 20 { is_few } else { verdict.is_valid() }, "{verdict:?}");
    }
}

/// A run that is too short to look for a steady state says so.
#[test]
fn a_short_run_has_no_steady_state_to_speak_of() {
    let steady = |window_ms: f64, requests: u64| {
        let spec = RunSpec { window_end: Some(at(window_ms)), ..spec(Origin::Started) };
        let mut run = RunAccumulator::new(spec);
        for index in 0..requests {
            let sent = index as f64 * window_ms / requests as f64;
            let (chunks, finished) = (vec![sent + 0.5, sent + 0.6], sent + 0.7);
            let sketch = Sketch {
                planned: sent,
                started: sent,
                chunks,
                finished,
                output: 2,
                ..Sketch::default()
            };
            run.record(&sketch.exchange());
        }
        run.finish(at(window_ms)).steady
    };
    let is_short =
        |steady: SteadyState| [steady.throughput, steady.latency] == [Settled::TooShort; 2];
    assert!(is_short(steady(9_999.0, 1_000)) && is_short(steady(60_000.0, 99)));
    assert!(!is_short(steady(10_000.0, 1_000)));
}

/// A run whose server warms up for four of its twenty seconds settles about then.
#[test]
fn a_slow_beginning_is_found() {
    let run = run(|_, sketch| delay(sketch, (4_000.0 - sketch.planned).max(0.0) * 0.2));
    let Settled::After(latency) = run.steady.latency else { panic!("{:?}", run.steady) };
    assert!((3.0..4.5).contains(&latency.as_secs_f64()), "settled after {latency:?}");
}

fn sketch() -> impl Strategy<Value = Sketch> {
    let times = (0.0..30_000.0, 0.0..50.0, prop::collection::vec(0.0..40.0, 0..20));
    (times, 0.0..5.0, 0_u64..200, prop::bool::weighted(0.1), prop::bool::weighted(0.1)).prop_map(
        |((planned, lag, gaps), read_lag, output, fails, warmup)| {
            let mut moment = planned + lag;
            let chunks: Vec<f64> = gaps
                .iter()
                .map(|gap| {
                    moment += gap;
                    moment
                })
                .collect();
            Sketch {
                planned,
                started: planned + lag,
                finished: moment + 1.0,
                chunks,
                read_lag,
                output,
                input: output / 2,
                failure: fails.then(|| (domain::FailureKind::Truncated, "ended".to_owned())),
                warmup,
                ..Sketch::default()
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    /// Requests finish in any order: a run's figures are those of its requests, not of their order.
    #[test]
    fn the_order_of_finishing_does_not_matter(
        sketches in prop::collection::vec(sketch(), 1..80),
        open in any::<bool>(),
    ) {
        let origin = if open { Origin::Planned } else { Origin::Started };
        let finish = |sketches: &[Sketch]| {
            let mut run = RunAccumulator::new(spec(origin));
            sketches.iter().for_each(|sketch| run.record(&sketch.exchange()));
            run.finish(at(WINDOW_MS))
        };
        let forwards = finish(&sketches);
        let backwards = finish(&sketches.iter().rev().cloned().collect::<Vec<_>>());
        prop_assert_eq!(&forwards.ttft, &backwards.ttft);
        prop_assert_eq!(&forwards.e2e, &backwards.e2e);
        prop_assert_eq!(&forwards.schedule_lag, &backwards.schedule_lag);
        prop_assert_eq!(&forwards.errors, &backwards.errors);
        prop_assert_eq!(&forwards.tokens, &backwards.tokens);
        prop_assert_eq!(&forwards.delivery, &backwards.delivery);
        prop_assert_eq!(forwards.request_throughput, backwards.request_throughput);
        // Sums of parts of tokens may differ in the last bits.
        let difference = forwards.output_throughput - backwards.output_throughput;
        prop_assert!(difference.abs() <= 1e-9 * forwards.output_throughput.max(1.0));
        prop_assert_eq!(forwards.verdict(), backwards.verdict());
    }

    /// Every request is in exactly one count, and no rate counts what did not happen.
    #[test]
    fn every_request_is_counted_once(sketches in prop::collection::vec(sketch(), 0..80)) {
        let mut run = RunAccumulator::new(spec(Origin::Planned));
        sketches.iter().for_each(|sketch| run.record(&sketch.exchange()));
        let run = run.finish(at(WINDOW_MS));
        let counted = run.completed + run.failed + run.outside + run.warmup;
        prop_assert_eq!(counted, sketches.len() as u64);
        prop_assert_eq!(run.errors.iter().map(|errors| errors.count).sum::<u64>(), run.failed);
        prop_assert_eq!(run.e2e.map_or(0, |summary| summary.n), run.completed);
        let seconds = WINDOW_MS / 1e3;
        let (mut requests, mut tokens) = (0.0, 0.0);
        sketches.iter().filter(|sketch| !sketch.warmup).for_each(|sketch| {
            requests += f64::from(u8::from(sketch.failure.is_none()));
            tokens += sketch.output as f64;
        });
        prop_assert!(run.request_throughput * seconds <= requests + 1e-9);
        prop_assert!(run.output_throughput * seconds <= tokens + 1e-6);
    }
}
