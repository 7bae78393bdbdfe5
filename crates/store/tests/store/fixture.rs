//! Exchanges small enough to check by hand.

use std::sync::Arc;
use std::time::Duration;

use analysis::Origin;
use domain::{
    Arrival, Chunks, Connection, CountSource, Exchange, FailedAttempt, Failure, FailureKind,
    FinishReason, Outcome, RequestId, Timeline, Timestamp, Tokens, Usage, Vantage, WallAnchor,
};
use store::RunLabel;

/// The wall clock stood at 1,700,000,000 s when the monotonic one stood at 1 s.
pub(crate) fn anchor() -> WallAnchor {
    WallAnchor::new(Timestamp::from_nanos(1_000_000_000), 1_700_000_000_000_000_000)
}

pub(crate) fn label(origin: Origin) -> RunLabel {
    RunLabel { run: 2, load: Arc::from("rate=5/s, burstiness=1"), origin }
}

fn at(micros: u64) -> Timestamp {
    Timestamp::from_nanos(1_000_000_000 + micros * 1_000)
}

fn lagging(arrived_micros: u64, lag_micros: u64) -> Arrival {
    Arrival { arrived: at(arrived_micros), read: at(arrived_micros + lag_micros) }
}

/// Due at 0, started at 1 ms, tokens at 51, 61 and 81 ms, ended at 82 ms.
pub(crate) fn success() -> Exchange {
    let started = at(1_000);
    let mut chunks = Chunks::default();
    for micros in [51_000, 61_000, 81_000] {
        chunks.push(started, lagging(micros, 20));
    }
    Exchange {
        id: RequestId { run: 0xabc, index: 7 },
        server_request_id: Some("req_\"1\"".into()),
        user: 3,
        turn: 1,
        model: Arc::from("smol"),
        scenario: Arc::from("short_queries"),
        vantage: Vantage::Client,
        warmup: false,
        streamed: true,
        failed_attempts: Vec::new(),
        timeline: Timeline {
            planned: at(0),
            held: None,
            started,
            connection: Some(Connection {
                resolve: Duration::from_micros(10),
                connect: Duration::from_micros(200),
                secure: None,
            }),
            sent: Some(at(1_100)),
            headers: Some(lagging(50_000, 30)),
            chunks,
            finished: lagging(82_000, 5),
        },
        usage: Usage {
            input: Tokens(12),
            cache_read: Tokens(4),
            cache_write: Tokens(0),
            output: Tokens(3),
            reasoning: None,
        },
        input_source: CountSource::Server,
        output_source: CountSource::Tokenizer,
        max_tokens: Some(Tokens(64)),
        outcome: Outcome::Success(FinishReason::Stop),
    }
}

/// Refused with status 429 before any token: held for 0.5 ms, refused with 503 at 3 ms and tried again
/// 20 ms later.
pub(crate) fn failure() -> Exchange {
    let success = success();
    let message = "slow down,\n\"please\"".to_owned();
    Exchange {
        id: RequestId { run: 0xabc, index: 8 },
        server_request_id: None,
        failed_attempts: vec![FailedAttempt {
            kind: FailureKind::Overloaded,
            status: Some(503),
            failed: at(3_000),
            pause: Duration::from_millis(20),
        }],
        timeline: Timeline {
            connection: None,
            held: Some(Duration::from_micros(500)),
            chunks: Chunks::default(),
            headers: Some(Arrival::at(at(40_000))),
            finished: Arrival::at(at(40_000)),
            ..success.timeline
        },
        usage: Usage { input: Tokens(12), ..Usage::default() },
        outcome: Outcome::Failure(Failure {
            kind: FailureKind::RateLimited,
            status: Some(429),
            message,
            retry_after: Some(Duration::from_millis(1_500)),
            retryable: true,
        }),
        ..success
    }
}
