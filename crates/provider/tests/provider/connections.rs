//! Connections are kept, prepared and dropped as they should be.

use std::time::Duration;

use domain::Model as _;
use futures_util::future::join_all;
use testkit::{CollectingSink, Ending, FakeServer, Gate, Reply};

use crate::check::{Outcome, hello, provider, request, send, target};

/// Lets everything that is under way on the sockets come through; takes no time on a paused clock.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(10)).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_used_again_only_if_it_is_in_step() {
    let done = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n";
    for (first, reused) in [
        (hello(), true),
        (hello().framing(testkit::Framing::Length), true),
        (Reply::json(429, &[], "{}"), true),
        (Reply::json(200, &[], "no JSON"), true),
        (hello().header("connection", "keep-alive, close"), false),
        (hello().ending(Ending::Close), false),
        (hello().framing(testkit::Framing::UntilClose), false),
        (Reply::sse(&["data: {"]).ending(Ending::Stall), false),
        (Reply::raw(format!("{done}\r\n{{}}HTTP/1.1 200")), false),
        (Reply::raw("HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n{}"), false),
        (Reply::raw(format!("{done}connection: close\r\n\r\n{{}}")), false),
        (Reply::raw(format!("{done}\r\n{{}}")).pause(Duration::from_micros(1)).bytes("?"), false),
    ] {
        let shown = format!("{first:?}");
        let server = FakeServer::start([first, hello()]).await;
        let provider = provider(target(&server));
        let first = send(&provider, &request(0)).await;
        assert_eq!(first.connected(), 1);
        settle().await;
        let second = send(&provider, &request(1)).await;
        second.is_hello();
        assert_eq!(second.connected(), usize::from(!reused), "after {shown}");
        let connections: Vec<u64> =
            server.finish().iter().map(|received| received.connection).collect();
        assert_eq!(connections, [0, u64::from(!reused)]);
    }
}

#[tokio::test(start_paused = true)]
async fn prepared_connections_are_used_plain_and_secure() {
    for secure in [false, true] {
        let builder = FakeServer::builder().otherwise(hello().paced(Duration::from_millis(5)));
        let server = if secure { builder.tls() } else { builder }.start().await;
        let provider = provider(target(&server));
        for _ in 0..3 {
            provider.prepare().await.expect("it listens");
        }
        // Session tickets come after the handshake and must not make a connection look used.
        settle().await;
        for round in 0..2 {
            let requests = [request(round), request(round + 1), request(round + 2)];
            let sent = join_all(requests.iter().map(|request| send(&provider, request)));
            for outcome in sent.await {
                outcome.is_hello();
                assert_eq!(outcome.steps(), ["sent", "headers"], "secure: {secure}");
            }
        }
        assert_eq!(server.connections(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn idle_connections_that_the_server_closed_are_passed_over() {
    for secure in [false, true] {
        let builder = FakeServer::builder().hang_up(0).reply(hello().ending(Ending::Close));
        let builder = builder.reply(hello().ending(Ending::Close)).reply(hello());
        let server = if secure { builder.tls() } else { builder }.start().await;
        let provider = provider(target(&server));
        for index in 0..3 {
            let outcome: Outcome = send(&provider, &request(index)).await;
            outcome.is_hello();
            assert_eq!(outcome.connected(), 1);
            settle().await;
        }
        let _ = server.finish();
    }
}

#[tokio::test]
async fn a_request_that_is_dropped_closes_its_connection() {
    let gate = Gate::new();
    let held = Reply::sse(&["data: {\"choices\":[]}"]).hold(&gate);
    let server = FakeServer::start([held, hello()]).await;
    let provider = provider(target(&server));
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
    assert_eq!(next.connected(), 1);
}
