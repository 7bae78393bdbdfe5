//! HTTP/2, by prior knowledge and by ALPN: many requests on a connection.

use std::time::Duration;

use bytes::Bytes;
use domain::{FailureKind, Model as _, Prompt};
use futures_util::future::join_all;
use provider::{HttpVersion, Retries, Target};
use testkit::{CollectingSink, Ending, FakeServer, FakeServerBuilder, Gate, Reply};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
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

/// How a bare server treats a request.
#[derive(Clone, Copy)]
enum Treatment {
    /// Resets its stream.
    Reset(h2::Reason),
    /// Closes the connection.
    GoAway(h2::Reason),
    /// Begins to answer and says no more.
    Begin,
    /// Hangs up, without a word of HTTP/2.
    HangUp,
    /// Never answers.
    Silence,
    /// Answers.
    Answer,
}

/// A server that lets `streams_max` requests onto a connection, and its address. The last treatment
/// is that of all further requests of a connection.
async fn bare(streams_max: u32, treatments: &'static [Treatment]) -> (JoinSet<()>, String) {
    served(streams_max, 65_535, 0, treatments).await
}

/// As [`bare`], with the window in which a request's body may be sent, and as many connections that
/// are accepted but never spoken to.
async fn served(
    streams_max: u32,
    window_bytes: u32,
    mute: usize,
    treatments: &'static [Treatment],
) -> (JoinSet<()>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let (mut connections, mut muted) = (JoinSet::new(), Vec::new());
        loop {
            let (socket, _) = listener.accept().await.expect("a bound socket accepts");
            if muted.len() < mute {
                muted.push(socket);
                continue;
            }
            connections.spawn(async move {
                let mut builder = h2::server::Builder::new();
                builder.max_concurrent_streams(streams_max).initial_window_size(window_bytes);
                let handshake = builder.handshake::<_, Bytes>(socket);
                let mut connection = handshake.await.expect("the client speaks HTTP/2");
                let (mut held, mut begun) = (Vec::new(), Vec::new());
                let last = treatments.last().expect("there is one");
                let mut treatments = treatments.iter().chain(std::iter::repeat(last));
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    match treatments.next().expect("it repeats") {
                        Treatment::Reset(reason) => respond.send_reset(*reason),
                        Treatment::GoAway(reason) => connection.abrupt_shutdown(*reason),
                        Treatment::Begin => begun.push(answer(&mut respond, 2, false)),
                        Treatment::HangUp => return,
                        Treatment::Silence => held.push((request, respond)),
                        Treatment::Answer => drop(answer(&mut respond, usize::MAX, true)),
                    }
                }
            });
        }
    });
    (tasks, url)
}

/// Answers with the first `most` events, and with no more where they are the `last`.
fn answer(
    respond: &mut h2::server::SendResponse<Bytes>,
    most: usize,
    last: bool,
) -> h2::SendStream<Bytes> {
    let events = events(domain::WireFormat::OpenAiChat);
    let body: String = events.iter().take(most).map(|event| format!("{event}\n\n")).collect();
    let head = http::Response::builder().header("content-type", "text/event-stream");
    let head = head.body(()).expect("a legal head");
    let mut stream = respond.send_response(head, false).expect("the stream is open");
    stream.send_data(body.into(), last).expect("the stream is open");
    stream
}

fn bare_target(url: &str) -> Target {
    let mut target = target_at(url);
    target.http = HttpVersion::Http2;
    target
}

#[tokio::test]
async fn each_code_has_its_kind() {
    use h2::Reason;
    for (treatment, kind, part) in [
        (
            &[Treatment::Reset(Reason::REFUSED_STREAM)][..],
            FailureKind::Overloaded,
            "REFUSED_STREAM",
        ),
        (&[Treatment::Reset(Reason::ENHANCE_YOUR_CALM)][..], FailureKind::RateLimited, "CALM"),
        (&[Treatment::Reset(Reason::HTTP_1_1_REQUIRED)][..], FailureKind::Rejected, "HTTP/1.1"),
        (&[Treatment::Reset(Reason::INTERNAL_ERROR)][..], FailureKind::Truncated, "INTERNAL_ERROR"),
        (&[Treatment::GoAway(Reason::INTERNAL_ERROR)][..], FailureKind::Truncated, "connection"),
    ] {
        let (_server, url) = bare(10, treatment).await;
        let outcome = send(&provider(bare_target(&url)), &request(0)).await;
        let failure = outcome.failure();
        assert_eq!(failure.kind, kind, "{failure}");
        assert!(failure.message.contains(part), "{failure}");
    }
}

#[tokio::test]
async fn the_servers_own_limit_on_streams_is_kept() {
    let (_server, url) = bare(2, &[Treatment::Silence]).await;
    let mut target = bare_target(&url);
    target.timeouts.total = Some(Duration::from_millis(50));
    let provider = provider(target);
    let requests: Vec<_> = (0..5).map(request).collect();
    let outcomes = join_all(requests.iter().map(|request| send(&provider, request))).await;
    let opened: usize = outcomes.iter().map(|outcome| outcome.connected()).sum();
    assert_eq!(opened, 3, "two requests a connection");
    assert!(outcomes.iter().all(|outcome| outcome.failure().kind == FailureKind::Timeout));
}

/// A request that the server did not take may be sent again, if the user asks for that.
#[tokio::test]
async fn what_the_server_refused_is_tried_again_where_asked() {
    use h2::Reason;
    for (treatments, connections) in [
        (&[Treatment::Reset(Reason::REFUSED_STREAM), Treatment::Answer], 1),
        (&[Treatment::Reset(Reason::ENHANCE_YOUR_CALM), Treatment::Answer], 1),
    ] {
        let (_server, url) = bare(10, treatments).await;
        let mut target = bare_target(&url);
        target.retries = Retries { most: 1 };
        let outcome = send(&provider(target), &request(0)).await;
        outcome.is_hello();
        assert_eq!(outcome.connected(), connections);
        assert_eq!(outcome.steps().iter().filter(|&&step| step == "attempt").count(), 1);
    }
    let (_server, url) = bare(10, &[Treatment::GoAway(Reason::NO_ERROR)]).await;
    let mut target = bare_target(&url);
    target.retries = Retries { most: 1 };
    let outcome = send(&provider(target), &request(0)).await;
    assert_eq!(outcome.failure().kind, FailureKind::Truncated);
    assert!(outcome.failure().retryable, "{}", outcome.failure());
    assert_eq!(outcome.connected(), 2, "the second try is on a connection of its own");
}

#[tokio::test]
async fn a_connection_that_breaks_fails_each_request_on_it_and_no_other() {
    let treatments = &[Treatment::Begin, Treatment::Begin, Treatment::HangUp];
    let (_server, url) = bare(10, treatments).await;
    let provider = provider(bare_target(&url));
    for round in 0..2 {
        let requests: Vec<_> = (0..3).map(|index| request(3 * round + index)).collect();
        let outcomes = join_all(requests.iter().map(|request| send(&provider, request))).await;
        let opened: usize = outcomes.iter().map(|outcome| outcome.connected()).sum();
        assert_eq!(opened, 1, "the connection that broke is replaced by one");
        for outcome in &outcomes {
            assert_eq!(outcome.failure().kind, FailureKind::Truncated, "{}", outcome.failure());
        }
    }
}

#[tokio::test]
async fn a_server_that_takes_no_more_of_a_request_is_given_up() {
    let (_server, url) = served(10, 8, 0, &[Treatment::Silence]).await;
    let mut target = bare_target(&url);
    target.timeouts.total = Some(Duration::from_millis(50));
    let outcome = send(&provider(target), &request(0)).await;
    assert_eq!(outcome.failure().kind, FailureKind::Timeout, "{}", outcome.failure());
    assert_eq!(outcome.steps(), ["connected"], "its last byte was never sent");
}

#[tokio::test]
async fn a_reader_that_stalls_holds_up_neither_the_others_nor_itself_for_good() {
    // More than one stream's window, in events without tokens.
    let filler = format!(": {}\n\n", "x".repeat(100_000));
    let gate = Gate::new();
    let long = (0..30).fold(Reply::sse(&[]).hold(&gate), |reply, _| reply.bytes(filler.as_str()));
    let long = events(domain::WireFormat::OpenAiChat).iter().fold(long, |r, e| r.event(e));
    let server = builder(false).reply(long).reply(hello()).start().await;
    let provider = provider(http2(&server));
    let (first, second) = (request(0), request(1));
    let mut stalled = std::pin::pin!(send(&provider, &first));
    while server.received().is_empty() {
        let step = tokio::time::timeout(Duration::from_millis(1), &mut stalled).await;
        assert!(step.is_err(), "it is held");
    }
    gate.open();
    let other = send(&provider, &second).await;
    other.is_hello();
    assert_eq!(other.connected(), 0, "it shares the connection of the one that stalls");
    stalled.await.is_hello();
}

#[tokio::test]
async fn connections_are_opened_side_by_side() {
    let (_server, url) = served(10, 65_535, 1, &[Treatment::Answer]).await;
    let mut target = bare_target(&url);
    target.streams_max = 1;
    target.timeouts.connect = Duration::from_secs(1);
    let provider = provider(target);
    let requests: Vec<_> = (0..3).map(request).collect();
    let outcomes = join_all(requests.iter().map(|request| send(&provider, request))).await;
    let (answered, failed): (Vec<_>, Vec<_>) =
        outcomes.iter().partition(|outcome| outcome.result.is_ok());
    assert_eq!((answered.len(), failed.len()), (2, 1), "one met a server that says nothing");
    assert_eq!(failed[0].failure().kind, FailureKind::Timeout);
}

#[tokio::test]
async fn who_waits_for_a_connection_opens_one_when_its_opener_is_given_up() {
    let (_server, url) = served(10, 65_535, 1, &[Treatment::Answer]).await;
    let provider = provider(bare_target(&url));
    let (first, second) = (request(0), request(1));
    let mut waiting = std::pin::pin!(send(&provider, &second));
    {
        let mut opening = std::pin::pin!(send(&provider, &first));
        let pause = Duration::from_millis(20);
        let step = tokio::time::timeout(pause, async { tokio::join!(&mut opening, &mut waiting) });
        assert!(step.await.is_err(), "the server says nothing on its first connection");
    }
    let outcome = waiting.await;
    outcome.is_hello();
    assert_eq!(outcome.connected(), 1);
}

/// A server in bare frames. It answers what it is asked on the stream called `answered`; on every
/// other it begins an answer when the client has given up, as happens where the two cross.
async fn late(answered: u32) -> (JoinSet<()>, String) {
    const DATA: u8 = 0;
    const HEADERS: u8 = 1;
    const RST_STREAM: u8 = 3;
    const SETTINGS: u8 = 4;
    const PING: u8 = 6;
    const WINDOW_UPDATE: u8 = 8;
    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let (mut socket, _) = listener.accept().await.expect("a bound socket accepts");
        socket.read_exact(&mut [0; 24]).await.expect("the preface");
        let room = frame(WINDOW_UPDATE, 0, 0, &(1_u32 << 24).to_be_bytes());
        let hello = [frame(SETTINGS, 0, 0, &[]), room].concat();
        socket.write_all(&hello).await.expect("the client reads");
        let events = events(domain::WireFormat::OpenAiChat);
        let whole: String = events.iter().map(|event| format!("{event}\n\n")).collect();
        loop {
            let mut header = [0; 9];
            if socket.read_exact(&mut header).await.is_err() {
                return;
            }
            let [a, b, c, kind, flags, stream @ ..] = header;
            let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
            socket.read_exact(&mut payload).await.expect("a whole frame");
            let stream = u32::from_be_bytes(stream);
            // The only header is `:status: 200`, number 8 of the table every side knows.
            let begin = frame(HEADERS, 4, stream, &[0x88]);
            let reply = match kind {
                SETTINGS | PING if flags & 1 == 0 => {
                    let echoed = if kind == PING { &payload[..] } else { &[] };
                    frame(kind, 1, 0, echoed)
                }
                RST_STREAM => [begin, frame(DATA, 0, stream, b": late\n")].concat(),
                DATA if stream == answered => {
                    [begin, frame(DATA, 1, stream, whole.as_bytes())].concat()
                }
                _ => continue,
            };
            socket.write_all(&reply).await.expect("the client reads");
        }
    });
    (tasks, url)
}

/// What crosses with a reset is no fault of the server's, however often it happens.
#[tokio::test]
async fn many_requests_that_time_out_do_not_break_the_connection_of_others() {
    const GIVEN_UP: u32 = 1_500;
    let (_server, url) = late(2 * GIVEN_UP + 1).await;
    let mut target = bare_target(&url);
    target.streams_max = 10_000;
    target.timeouts.total = Some(Duration::from_millis(500));
    let provider = provider(target);
    let requests: Vec<_> = (0..GIVEN_UP.into()).map(request).collect();
    let outcomes = join_all(requests.iter().map(|request| send(&provider, request))).await;
    for outcome in &outcomes {
        assert_eq!(outcome.failure().kind, FailureKind::Timeout, "{}", outcome.failure());
    }
    let next = send(&provider, &request(GIVEN_UP.into())).await;
    next.is_hello();
    assert_eq!(next.connected(), 0, "the connection stands");
}
