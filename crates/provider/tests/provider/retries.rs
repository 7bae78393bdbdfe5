//! Nothing is tried again unless asked for; then as the server wishes, and on the record.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use domain::{Clock, FailedAttempt, FailureKind};
use provider::{Provider, Retries};
use testkit::{FakeServer, Reply, Step, VirtualClock};

use crate::check::{Outcome, events, hello, provider, request, send, target};

fn refusal(status: u16, headers: &[(&str, &str)]) -> Reply {
    Reply::json(status, headers, r#"{"error":{"message":"later","type":"x"}}"#)
}

async fn ask(replies: Vec<Reply>, most: u32) -> (Outcome, Duration) {
    let server = FakeServer::start(replies).await;
    let mut target = target(&server);
    target.retries = Retries { most };
    let clock = Arc::new(VirtualClock::new());
    let provider = Provider::new(target, Arc::clone(&clock) as Arc<dyn Clock>).expect("usable");
    let outcome = send(&provider, &request(0)).await;
    let took = clock.elapsed();
    let _ = server.finish();
    (outcome, took)
}

fn failed_attempts(outcome: &Outcome) -> Vec<FailedAttempt> {
    outcome
        .sink
        .steps
        .iter()
        .filter_map(|step| match step {
            Step::Attempt(failed) => Some(*failed),
            _ => None,
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn nothing_is_retried_unasked() {
    let (outcome, took) = ask(vec![refusal(503, &[("retry-after", "1")])], 0).await;
    assert_eq!(outcome.failure().kind, FailureKind::Overloaded);
    assert_eq!(outcome.failure().retry_after, Some(Duration::from_secs(1)));
    assert_eq!(outcome.steps(), ["connected", "sent", "headers"]);
    assert!(took < Duration::from_millis(100), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn retries_are_recorded_and_pause_as_the_server_asks_or_longer_each_time() {
    let ms =
        |range: Range<u64>| Duration::from_millis(range.start)..Duration::from_millis(range.end);
    for (replies, pause) in [
        (vec![refusal(503, &[])], ms(375..510)),
        (vec![refusal(500, &[]), refusal(529, &[])], ms(1_125..1_520)),
        (vec![refusal(429, &[("retry-after", "3")])], ms(3_000..3_010)),
        (vec![refusal(429, &[("retry-after-ms", "1500")])], ms(1_500..1_510)),
        (vec![refusal(429, &[("retry-after", "0")])], ms(375..510)),
        (vec![Reply::sse(&events(domain::WireFormat::OpenAiChat)[..1])], ms(375..510)),
    ] {
        let tries = replies.len();
        let (outcome, took) = ask([replies, vec![hello()]].concat(), 2).await;
        outcome.is_hello();
        assert!(pause.contains(&took), "{took:?} is not in {pause:?}");
        let steps = outcome.steps();
        let attempts = steps.iter().filter(|&&step| step == "attempt").count();
        assert_eq!(attempts, tries, "{steps:?}");
        let pauses: Duration = failed_attempts(&outcome).iter().map(|failed| failed.pause).sum();
        assert!(pause.contains(&pauses), "{pauses:?} is not in {pause:?}");
        assert_eq!(&steps[..6], ["connected", "sent", "headers", "attempt", "sent", "headers"]);
    }
}

#[tokio::test(start_paused = true)]
async fn each_failed_try_is_told_with_what_came_of_it() {
    let replies = vec![refusal(503, &[]), refusal(429, &[("retry-after", "3")]), hello()];
    let (outcome, _) = ask(replies, 2).await;
    let failed = failed_attempts(&outcome);
    let told: Vec<_> = failed.iter().map(|failed| (failed.kind, failed.status)).collect();
    assert_eq!(told, [(FailureKind::Overloaded, Some(503)), (FailureKind::RateLimited, Some(429))]);
    assert!(failed[1].failed >= failed[0].failed + failed[0].pause);
}

#[tokio::test(start_paused = true)]
async fn retries_end() {
    let refused = |status, headers: &[(&str, &str)]| vec![refusal(status, headers)];
    for (replies, kind) in [
        // The tries are used up.
        (vec![refusal(503, &[]); 3], FailureKind::Overloaded),
        // It would not help.
        (refused(400, &[]), FailureKind::Rejected),
        // The server says so.
        (refused(503, &[("x-should-retry", "false")]), FailureKind::Overloaded),
        // It would take too long.
        (refused(429, &[("retry-after", "121")]), FailureKind::RateLimited),
        // Part of the answer has been handed on.
        (vec![Reply::sse(&events(domain::WireFormat::OpenAiChat)[..2])], FailureKind::Truncated),
    ] {
        let (outcome, _) = ask(replies, 2).await;
        assert_eq!(outcome.failure().kind, kind);
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_could_not_be_made_is_tried_again_too() {
    let server = FakeServer::builder().hang_up(1).reply(hello()).start().await;
    let mut target = target(&server);
    target.retries = Retries { most: 1 };
    let outcome = send(&provider(target), &request(0)).await;
    outcome.is_hello();
    assert_eq!(outcome.connected(), 2);
    assert_eq!(server.connections(), 2);
}
