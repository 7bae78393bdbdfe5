//! HTTP/2, by prior knowledge and by ALPN: many requests on a connection.

use std::time::Duration;

use bytes::Bytes;
use domain::{FailureKind, Model as _, Prompt};
use futures_util::future::join_all;
use provider::{HttpVersion, Target};
use testkit::{CollectingSink, Ending, FakeServer, FakeServerBuilder, Gate, Reply};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::check::{FORMATS, events, hello, provider, request, send, target, target_at, whole};

fn builder(secure: bool) -> FakeServerBuilder {
    let builder = FakeServer::builder().http2();
    if secure { builder.tls() } else { builder }
}

fn http2(server: &FakeServer) -> Target {
    let mut target = target(server);
    target.http = HttpVersion::Http2;
    target
}

#[tokio::test(start_paused = true)]
async fn answers_come_through_in_every_format_and_split() {
    for secure in [false, true] {
        for format in FORMATS {
            for size in [1, 50, 100_000] {
                let streamed = Reply::sse(events(format)).cut(size);
                let plain = Reply::json(200, &[("x-request-id", "srv-1")], whole(format));
                let server = builder(secure).reply(streamed).reply(plain).start().await;
                let mut target = http2(&server);
                target.format = format;
                target.headers = vec![("X-Team".into(), "latency".into())];
                let provider = provider(target);
                let mut unstreamed = request(1);
                unstreamed.stream = false;
                let first = send(&provider, &request(0)).await;
                first.is_hello();
                assert_eq!(first.steps(), ["connected", "sent", "headers"]);
                assert_eq!(first.sink.token_arrivals().len(), 2);
                let second = send(&provider, &unstreamed).await;
                second.is_hello();
                assert_eq!(second.steps(), ["sent", "headers"]);
                assert_eq!(second.sink.server_request_id(), Some("srv-1"));
                let received = server.finish();
                assert_eq!(received[0].target, dialect::path(format));
                assert_eq!(received[1].header("x-request-id"), Some("00000000000000ab-1"));
                assert_eq!(received[0].header("content-type"), Some("application/json"));
                assert_eq!(received[0].header("x-team"), Some("latency"));
                let length = received[0].body.len().to_string();
                assert_eq!(received[0].header("content-length"), Some(&*length));
            }
        }
    }
}

#[tokio::test]
async fn a_prompt_longer_than_the_servers_window_is_sent_whole() {
    let server = builder(false).reply(hello()).start().await;
    let mut request = request(0);
    request.prompt = Prompt::Text("0123456789".repeat(200_000).into());
    send(&provider(http2(&server)), &request).await.is_hello();
    assert!(server.finish()[0].text().contains(&*request.prompt.text()));
}

#[tokio::test]
async fn requests_share_connections_up_to_the_limit() {
    for (streams_max, requests, connections) in [(100, 7, 1), (3, 7, 3), (1, 3, 3)] {
        for prepared in [false, true] {
            let gate = Gate::new();
            let held = Reply::sse(&[]).hold(&gate);
            let held = events(domain::WireFormat::OpenAiChat).iter().fold(held, |r, e| r.event(e));
            let server = builder(false).otherwise(held).start().await;
            let mut target = http2(&server);
            target.streams_max = streams_max;
            let provider = provider(target);
            if prepared {
                let opened = join_all((0..requests).map(|_| provider.prepare())).await;
                assert!(opened.iter().all(Result::is_ok));
                assert_eq!(server.connections(), connections);
            }
            for _ in 0..2 {
                let asked: Vec<_> = (0..requests).map(request).collect();
                let sending = join_all(asked.iter().map(|request| send(&provider, request)));
                let opening = async {
                    // All of them are in flight before the first is answered.
                    let before = server.received().len();
                    while server.received().len() < before + asked.len() {
                        tokio::task::yield_now().await;
                    }
                    asked.iter().for_each(|_| gate.open());
                };
                let (outcomes, ()) = tokio::join!(sending, opening);
                outcomes.iter().for_each(|outcome| outcome.is_hello());
                let cold: usize = outcomes.iter().map(|outcome| outcome.connected()).sum();
                assert!(!prepared || cold == 0, "prepared requests open nothing");
                assert_eq!(server.connections(), connections, "at most {streams_max} at once");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn failures_are_told_apart_and_leave_the_connection_to_others() {
    let part = &events(domain::WireFormat::OpenAiChat)[..2];
    let broken = Reply::sse(part).ending(Ending::Reset);
    let refused = Reply::json(429, &[("retry-after", "7")], r#"{"error":{"message":"slow"}}"#);
    let in_stream = Reply::sse(&[r#"data: {"error":{"message":"gpu lost"}}"#]);
    let server = builder(false)
        .reply(broken)
        .reply(refused)
        .reply(in_stream)
        .reply(Reply::sse(part))
        .reply(hello())
        .start()
        .await;
    let provider = provider(http2(&server));
    for (index, kind) in [
        (0, FailureKind::Truncated),
        (1, FailureKind::RateLimited),
        (2, FailureKind::InStream),
        (3, FailureKind::Truncated),
    ] {
        let outcome = send(&provider, &request(index)).await;
        assert_eq!(outcome.failure().kind, kind, "{:?}", outcome.failure());
        if kind == FailureKind::RateLimited {
            assert_eq!(outcome.failure().retry_after, Some(Duration::from_secs(7)));
        }
    }
    send(&provider, &request(4)).await.is_hello();
    assert_eq!(server.connections(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_connection_the_server_closes_is_replaced() {
    for secure in [false, true] {
        let server =
            builder(secure).reply(hello().ending(Ending::Close)).reply(hello()).start().await;
        let provider = provider(http2(&server));
        send(&provider, &request(0)).await.is_hello();
        tokio::time::sleep(Duration::from_millis(1)).await;
        let next = send(&provider, &request(1)).await;
        next.is_hello();
        assert_eq!(next.connected(), 1);
        let _ = server.finish();
    }
}

#[tokio::test]
async fn a_request_that_is_dropped_resets_its_stream_alone() {
    let gate = Gate::new();
    let held = Reply::sse(&["data: {\"choices\":[]}"]).hold(&gate);
    let server = builder(false).reply(held).reply(hello()).start().await;
    let provider = provider(http2(&server));
    let given_up = request(0);
    let mut sink = CollectingSink::new();
    {
        let mut sending = provider.send(&given_up, &mut sink);
        while server.received().is_empty() {
            let step = tokio::time::timeout(Duration::from_millis(1), &mut sending).await;
            assert!(step.is_err(), "it is held");
        }
    }
    while server.abandoned() == 0 {
        tokio::task::yield_now().await;
    }
    let next = send(&provider, &request(1)).await;
    next.is_hello();
    assert_eq!((next.connected(), server.connections()), (0, 1));
}

/// How a bare server treats each request.
#[derive(Clone, Copy)]
enum Treatment {
    /// Resets its stream.
    Reset(h2::Reason),
    /// Closes the connection.
    GoAway(h2::Reason),
    /// Never answers.
    Silence,
}

/// A server that lets `streams_max` requests onto a connection, and its address.
async fn bare(streams_max: u32, treatment: Treatment) -> (JoinSet<()>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (socket, _) = listener.accept().await.expect("a bound socket accepts");
            connections.spawn(async move {
                let mut builder = h2::server::Builder::new();
                let builder = builder.max_concurrent_streams(streams_max);
                let handshake = builder.handshake::<_, Bytes>(socket);
                let mut connection = handshake.await.expect("the client speaks HTTP/2");
                let mut held = Vec::new();
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    match treatment {
                        Treatment::Reset(reason) => respond.send_reset(reason),
                        Treatment::GoAway(reason) => connection.abrupt_shutdown(reason),
                        Treatment::Silence => held.push((request, respond)),
                    }
                }
            });
        }
    });
    (tasks, url)
}

#[tokio::test]
async fn each_code_has_its_kind() {
    use h2::Reason;
    for (treatment, kind, part) in [
        (Treatment::Reset(Reason::REFUSED_STREAM), FailureKind::Overloaded, "REFUSED_STREAM"),
        (Treatment::Reset(Reason::ENHANCE_YOUR_CALM), FailureKind::RateLimited, "CALM"),
        (Treatment::Reset(Reason::HTTP_1_1_REQUIRED), FailureKind::Rejected, "HTTP/1.1"),
        (Treatment::Reset(Reason::INTERNAL_ERROR), FailureKind::Truncated, "INTERNAL_ERROR"),
        (Treatment::GoAway(Reason::INTERNAL_ERROR), FailureKind::Truncated, "connection"),
    ] {
        let (_server, url) = bare(10, treatment).await;
        let mut target = target_at(&url);
        target.http = HttpVersion::Http2;
        let outcome = send(&provider(target), &request(0)).await;
        let failure = outcome.failure();
        assert_eq!(failure.kind, kind, "{failure}");
        assert!(failure.message.contains(part), "{failure}");
    }
}

#[tokio::test]
async fn the_servers_own_limit_on_streams_is_kept() {
    let (_server, url) = bare(2, Treatment::Silence).await;
    let mut target = target_at(&url);
    target.http = HttpVersion::Http2;
    target.timeouts.total = Some(Duration::from_millis(50));
    let provider = provider(target);
    let requests: Vec<_> = (0..5).map(request).collect();
    let outcomes = join_all(requests.iter().map(|request| send(&provider, request))).await;
    let opened: usize = outcomes.iter().map(|outcome| outcome.connected()).sum();
    assert_eq!(opened, 3, "two requests a connection");
    assert!(outcomes.iter().all(|outcome| outcome.failure().kind == FailureKind::Timeout));
}
