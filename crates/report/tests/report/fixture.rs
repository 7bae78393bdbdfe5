//! Runs made up request by request, so that every figure can be worked out by hand.

use std::sync::Arc;
use std::time::Duration;

use analysis::{ArrivalClock, Convention, Origin, RunAccumulator, RunSpec, Slo};
use domain::{
    Arrival, Chunks, CountSource, Exchange, FailedAttempt, Failure, FailureKind, FinishReason,
    Outcome, RequestId, Timeline, Timestamp, Tokens, Usage, Vantage, WallAnchor,
};
use report::{Benchmark, Machine, ProcessUse, Run};

fn at(ms: u64) -> Timestamp {
    Timestamp::from_nanos(ms * 1_000_000)
}

fn stamped(ms: u64) -> Arrival {
    Arrival { arrived: at(ms), read: at(ms) + Duration::from_micros(20) }
}

/// A request started at `start`, its first of four tokens after `ttft` ms, one more every 10 ms.
fn exchange(index: u64, start: u64, ttft: u64) -> Exchange {
    let mut chunks = Chunks::default();
    for token in 0..4 {
        chunks.push(at(start), stamped(start + ttft + 10 * token));
    }
    Exchange {
        id: RequestId { run: 1, index },
        server_request_id: None,
        user: 0,
        turn: 0,
        model: Arc::from("smol"),
        scenario: Arc::from("short_queries"),
        vantage: Vantage::Client,
        warmup: false,
        streamed: true,
        failed_attempts: Vec::new(),
        timeline: Timeline {
            planned: at(start),
            held: None,
            started: at(start),
            connection: None,
            sent: Some(at(start)),
            headers: Some(stamped(start + ttft)),
            chunks,
            finished: stamped(start + ttft + 31),
        },
        usage: Usage { input: Tokens(12), output: Tokens(4), ..Usage::default() },
        input_source: CountSource::Server,
        output_source: CountSource::Server,
        max_tokens: Some(Tokens(4)),
        outcome: Outcome::Success(FinishReason::Length),
    }
}

fn spec(convention: Convention) -> RunSpec {
    RunSpec {
        origin: Origin::Started,
        window_start: at(0),
        window_end: None,
        ramp: Duration::ZERO,
        in_flight_max: None,
        slo: Some(Slo { ttft: Some(Duration::from_millis(100)), tpot: None, e2el: None }),
        convention,
        arrivals: ArrivalClock::Network,
        distinct_prompts: None,
        sent_before: 0,
        demands_lengths: false,
        asks_streams: false,
    }
}

fn run(model: &str, load: &str, accumulator: RunAccumulator, end: Timestamp) -> Run {
    Run {
        target: "http://127.0.0.1:8000 (chat)".to_owned(),
        model: model.to_owned(),
        scenario: "short_queries".to_owned(),
        load: load.to_owned(),
        summary: accumulator.finish(end),
        error: None,
        process: Some(ProcessUse {
            wall: Duration::from_secs(10),
            cpu: Duration::from_secs(2),
            memory_peak_bytes: 24 << 20,
        }),
    }
}

/// 2,000 requests, one every 5 ms, whose TTFT cycles through 50 to 69 ms.
pub(crate) fn healthy(model: &str, load: &str, convention: Convention) -> Run {
    let mut accumulator = RunAccumulator::new(spec(convention));
    for index in 0..2_000 {
        accumulator.record(&exchange(index, 5 * index, 50 + index * 7 % 20));
    }
    run(model, load, accumulator, at(9_900))
}

/// 30 requests of which every third is refused, with tokens counted by estimate.
pub(crate) fn ailing(model: &str, load: &str) -> Run {
    let mut accumulator = RunAccumulator::new(spec(Convention::Prony));
    for index in 0..30 {
        let mut exchange = exchange(index, 20 * index, 50 + 20 * index);
        exchange.output_source = CountSource::Estimate;
        if index % 3 == 2 {
            let message = "Rate limit reached for requests: try again in 20 s".to_owned();
            let failure =
                Failure { status: Some(429), ..Failure::new(FailureKind::RateLimited, message) };
            exchange.outcome = Outcome::Failure(failure);
            exchange.timeline.chunks.clear();
        }
        accumulator.record(&exchange);
    }
    run(model, load, accumulator, at(1_200))
}

/// `answers` sound ones, 40 ms apart, too few for the tail of the latencies.
pub(crate) fn small(answers: u64) -> Run {
    let mut accumulator = RunAccumulator::new(spec(Convention::Prony));
    (0..answers).for_each(|index| accumulator.record(&exchange(index, 40 * index, 50)));
    run("smol", "concurrency=2", accumulator, at(40 * answers))
}

/// An open loop of 25 requests, 40 ms apart and the first half of them ramp, in which much went other
/// than planned: two may be in flight, so that every second one waits for 60 ms, and every fifth was
/// refused at first and tried again 30 ms later. One answer has no token, and each has its last two
/// chunks in one read.
pub(crate) fn eventful() -> Run {
    let spec = RunSpec {
        origin: Origin::Planned,
        ramp: Duration::from_millis(500),
        in_flight_max: Some(2),
        ..spec(Convention::Prony)
    };
    let mut accumulator = RunAccumulator::new(spec);
    for index in 0..25 {
        let (due, wait) = (40 * index, 60 * (index % 2));
        let mut exchange = exchange(index, due + wait, 50);
        exchange.timeline.planned = at(due);
        exchange.timeline.held = Some(Duration::from_millis(wait));
        if index % 5 == 0 {
            exchange.failed_attempts.push(FailedAttempt {
                kind: FailureKind::Overloaded,
                status: Some(503),
                failed: at(due + wait + 10),
                pause: Duration::from_millis(30),
            });
        }
        let mut chunks = Chunks::default();
        for token in [50, 60, 80, 80] {
            chunks.push(at(due + wait), stamped(due + wait + token));
        }
        if index == 24 {
            chunks.clear();
            exchange.usage.output = Tokens(0);
        }
        exchange.timeline.chunks = chunks;
        accumulator.record(&exchange);
    }
    run("smol", "rate=25/s,max=2", accumulator, at(960))
}

/// Nothing but connections refused.
pub(crate) fn lost(model: &str, load: &str) -> Run {
    let mut accumulator = RunAccumulator::new(spec(Convention::Prony));
    let mut exchange = exchange(0, 0, 1);
    exchange.timeline.chunks.clear();
    let kind = FailureKind::Connect(domain::ConnectStage::Tcp);
    exchange.outcome = Outcome::Failure(Failure::new(kind, "connection refused"));
    accumulator.record(&exchange);
    run(model, load, accumulator, at(100))
}

pub(crate) fn benchmark(runs: Vec<Run>) -> Benchmark {
    Benchmark {
        version: "0.1.0".to_owned(),
        started_unix_nanos: 1_700_000_000_000_000_000,
        anchor: WallAnchor::new(at(0), 1_700_000_000_000_000_000),
        config: serde_json::json!({ "concurrency": [8] }),
        seed: 42,
        machine: Machine {
            system: "Linux 6.1".to_owned(),
            processor: "EPYC".to_owned(),
            cores: 2,
            memory_bytes: 8 << 30,
        },
        interrupted: false,
        runs,
    }
}
