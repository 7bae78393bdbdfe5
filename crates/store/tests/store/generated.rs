//! Exchanges of every shape.

use std::sync::Arc;
use std::time::Duration;

use analysis::Origin;
use domain::{
    Arrival, Chunks, Connection, CountSource, Exchange, FailedAttempt, Failure, FailureKind,
    FinishReason, Outcome, RequestId, Timeline, Timestamp, Tokens, Usage, Vantage,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use store::RunLabel;

/// Nanoseconds of about twelve days, well inside what a double holds exactly.
const NANOS_MAX: u64 = 1 << 50;

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{0,8}", "\\PC{0,12}", "[\\x00-\\x7f]{0,12}"]
}

fn words() -> impl Strategy<Value = Arc<str>> {
    text().prop_map(Arc::from)
}

fn duration() -> impl Strategy<Value = Duration> {
    (0..NANOS_MAX).prop_map(Duration::from_nanos)
}

fn timestamp() -> impl Strategy<Value = Timestamp> {
    (0..NANOS_MAX).prop_map(Timestamp::from_nanos)
}

fn arrival() -> impl Strategy<Value = Arrival> {
    (timestamp(), duration()).prop_map(|(arrived, lag)| Arrival { arrived, read: arrived + lag })
}

fn connection() -> impl Strategy<Value = Connection> {
    (duration(), duration(), option::of(duration()))
        .prop_map(|(resolve, connect, secure)| Connection { resolve, connect, secure })
}

fn timeline() -> impl Strategy<Value = Timeline> {
    let chunks = vec((0..NANOS_MAX, any::<u32>()), 0..40);
    (
        (timestamp(), option::of(duration())),
        timestamp(),
        option::of(connection()),
        option::of(timestamp()),
        option::of(arrival()),
        chunks,
        arrival(),
    )
        .prop_map(|((planned, held), started, connection, sent, headers, times, finished)| {
            let mut chunks = Chunks::default();
            for (nanos, lag) in times {
                let arrived = started + Duration::from_nanos(nanos);
                let read = arrived + Duration::from_nanos(lag.into());
                chunks.push(started, Arrival { arrived, read });
            }
            Timeline { planned, held, started, connection, sent, headers, chunks, finished }
        })
}

fn failed_attempt() -> impl Strategy<Value = FailedAttempt> {
    let kind = proptest::sample::select(&FailureKind::ALL[..]);
    (kind, option::of(any::<u16>()), timestamp(), duration())
        .prop_map(|(kind, status, failed, pause)| FailedAttempt { kind, status, failed, pause })
}

fn usage() -> impl Strategy<Value = Usage> {
    (any::<[u32; 4]>(), option::of(any::<u32>())).prop_map(|(counts, reasoning)| {
        let [input, cache_read, cache_write, output] = counts.map(|n| Tokens(n.into()));
        let reasoning = reasoning.map(|n| Tokens(n.into()));
        Usage { input, cache_read, cache_write, output, reasoning }
    })
}

fn source() -> impl Strategy<Value = CountSource> {
    prop_oneof![
        Just(CountSource::Server),
        Just(CountSource::Tokenizer),
        Just(CountSource::Estimate)
    ]
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let success = prop_oneof![
        Just(FinishReason::Stop),
        Just(FinishReason::Length),
        Just(FinishReason::ToolCalls),
        Just(FinishReason::ContentFilter),
        Just(FinishReason::Other),
    ];
    let failure = (
        proptest::sample::select(&FailureKind::ALL[..]),
        option::of(any::<u16>()),
        text(),
        option::of(duration()),
        any::<bool>(),
    )
        .prop_map(|(kind, status, message, retry_after, retryable)| Failure {
            kind,
            status,
            message,
            retry_after,
            retryable,
        });
    prop_oneof![success.prop_map(Outcome::Success), failure.prop_map(Outcome::Failure)]
}

pub(crate) fn exchange() -> impl Strategy<Value = Exchange> {
    let vantage = prop_oneof![Just(Vantage::Client), Just(Vantage::Gateway), Just(Vantage::Engine)];
    let names = (option::of(text()), words(), words());
    let numbers = (any::<[u64; 3]>(), any::<u32>(), any::<[bool; 2]>());
    let counts = (usage(), source(), source(), option::of(any::<u64>()));
    let attempts = vec(failed_attempt(), 0..3);
    (names, numbers, vantage, (attempts, timeline()), counts, outcome()).prop_map(
        |(names, numbers, vantage, (failed_attempts, timeline), counts, outcome)| {
            let (server_request_id, model, scenario) = names;
            let ([run, index, user], turn, [warmup, streamed]) = numbers;
            let (usage, input_source, output_source, max_tokens) = counts;
            Exchange {
                id: RequestId { run, index },
                server_request_id: server_request_id.map(String::into_boxed_str),
                user,
                turn,
                model,
                scenario,
                vantage,
                warmup,
                streamed,
                failed_attempts,
                timeline,
                usage,
                input_source,
                output_source,
                max_tokens: max_tokens.map(Tokens),
                outcome,
            }
        },
    )
}

pub(crate) fn label() -> impl Strategy<Value = RunLabel> {
    let origin = prop_oneof![Just(Origin::Planned), Just(Origin::Started)];
    (any::<u64>(), words(), origin).prop_map(|(run, load, origin)| RunLabel { run, load, origin })
}
