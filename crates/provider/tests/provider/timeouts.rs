//! Each time limit ends a request that passes it, and no other.

use std::time::Duration;

use domain::{FailureKind, Prompt};
use provider::{HttpVersion, Timeouts};
use testkit::{Ending, FakeServer, Reply, VirtualClock};
use tokio::net::TcpListener;

use crate::check::{events, hello, provider, request, send, target, target_at};

const SECOND: Duration = Duration::from_secs(1);

fn stream() -> &'static [&'static str] {
    events(domain::WireFormat::OpenAiChat)
}

/// A head at once, and the first event after `pause`.
fn slow_first(pause: Duration) -> Reply {
    let reply = Reply::sse(&[]).pause(pause);
    stream().iter().fold(reply, |reply, event| reply.event(event))
}

/// A head and a role at once, and no token ever.
fn role_then_stall() -> Reply {
    Reply::sse(&stream()[..1]).ending(Ending::Stall)
}

#[tokio::test(start_paused = true)]
async fn each_limit_ends_the_request_that_passes_it() {
    let none = Timeouts { total: None, ..Timeouts::default() };
    let first_token = Timeouts { first_token: Some(SECOND), ..none };
    let between = Timeouts { between_bytes: Some(SECOND), ..none };
    let either = Timeouts { first_token: Some(2 * SECOND), ..between };
    let both = Timeouts { total: Some(600 * SECOND), ..between };
    let total = Timeouts { total: Some(2 * SECOND), ..none };
    let stalled = Reply::sse(&stream()[..2]).ending(Ending::Stall);
    for http in [HttpVersion::Http1, HttpVersion::Http2] {
        for (timeouts, reply, want) in [
            (first_token, slow_first(2 * SECOND), Some((1, "no token came within 1s"))),
            (first_token, slow_first(SECOND / 2), None),
            (first_token, role_then_stall(), Some((1, "no token came within 1s"))),
            (first_token, hello().paced(SECOND / 4), None),
            (either, role_then_stall(), Some((1, "nothing came for 1s inside"))),
            (between, slow_first(2 * SECOND), None),
            (between, hello().paced(SECOND / 2), None),
            (between, stalled.clone(), Some((1, "nothing came for 1s inside"))),
            (both, stalled.clone(), Some((1, "nothing came for 1s inside"))),
            (total, hello().paced(SECOND), Some((2, "no end of the answer within 2s"))),
            (total, hello().paced(SECOND / 5), None),
        ] {
            let mut builder = FakeServer::builder().reply(reply);
            if http == HttpVersion::Http2 {
                builder = builder.http2();
            }
            let server = builder.start().await;
            let mut target = target(&server);
            (target.timeouts, target.http) = (timeouts, http);
            let clock = VirtualClock::new();
            let outcome = send(&provider(target), &request(0)).await;
            match want {
                None => outcome.is_hello(),
                Some((seconds, part)) => {
                    let failure = outcome.failure();
                    assert_eq!(failure.kind, FailureKind::Timeout, "{failure}");
                    assert!(failure.message.contains(part), "{failure}");
                    assert_eq!(clock.elapsed().as_secs(), seconds, "{http:?} {failure}");
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_accepts_and_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    for (scheme, http, prompt_bytes, part) in [
        ("https", HttpVersion::Http1, 1, "no answer in TLS"),
        ("https", HttpVersion::Http2, 1, "no answer in TLS"),
        ("http", HttpVersion::Http2, 1, "no answer in HTTP/2"),
        // Its buffers full, the request cannot even be sent.
        ("http", HttpVersion::Http1, 16 << 20, "no end of the answer within 3s"),
    ] {
        let mut target = target_at(&format!("{scheme}://{address}"));
        target.http = http;
        target.timeouts =
            Timeouts { connect: SECOND, total: Some(3 * SECOND), ..Timeouts::default() };
        let mut request = request(0);
        request.prompt = Prompt::Text("x".repeat(prompt_bytes).into());
        let outcome = send(&provider(target), &request).await;
        let failure = outcome.failure();
        assert_eq!(failure.kind, FailureKind::Timeout, "{failure}");
        assert!(failure.message.contains(part), "{failure}");
        assert!(!outcome.steps().contains(&"sent"));
    }
}

#[tokio::test]
async fn limits_beyond_every_clock_are_no_limits() {
    let server = FakeServer::start([hello()]).await;
    let mut target = target(&server);
    let ever = Some(Duration::MAX);
    target.timeouts =
        Timeouts { connect: Duration::MAX, first_token: ever, between_bytes: ever, total: ever };
    send(&provider(target), &request(0)).await.is_hello();
}
