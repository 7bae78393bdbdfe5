//! The arrival of a chunk is when it reached this machine, however late the client reads it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use domain::{Clock, Model as _, Progress, Sink, SystemClock, Timestamp};
use provider::{HttpVersion, Provider};
use testkit::{FakeServer, FakeServerBuilder, Gate, Reply};

use crate::check::{events, provider, request, target};

/// How long the client is kept from reading.
const BUSY: Duration = Duration::from_millis(50);
/// How much of that a stamp may be late by; the rest is the server's way to its socket.
const LATE_MAX: Duration = Duration::from_millis(20);

/// Runs a server on a thread of its own, so that it writes while the client is busy.
fn elsewhere(builder: FakeServerBuilder) -> (FakeServer, mpsc::Sender<()>) {
    let (started, server) = mpsc::channel();
    let (stop, stopped) = mpsc::channel::<()>();
    std::thread::spawn(move || {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            started.send(builder.start().await).expect("the test waits");
            while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
    });
    (server.recv().expect("it starts"), stop)
}

/// Once the head has come, lets the server write the first token and keeps the client busy.
struct BusySink {
    gate: Gate,
    opened: Option<Timestamp>,
    tokens: Vec<domain::Arrival>,
}

impl Sink for BusySink {
    fn progress(&mut self, progress: Progress<'_>) {
        match progress {
            Progress::Headers { .. } => {
                self.opened = Some(SystemClock.now());
                self.gate.open();
                std::thread::sleep(BUSY);
            }
            Progress::Chunk(chunk) if chunk.kind.is_token() => self.tokens.push(chunk.at),
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_late_reader_does_not_make_the_answer_late() {
    let [role, first, rest @ ..] = events(domain::WireFormat::OpenAiChat) else {
        panic!("the answer has a role and tokens")
    };
    for (http, secure) in [
        (HttpVersion::Http1, false),
        (HttpVersion::Http1, true),
        (HttpVersion::Http2, false),
        (HttpVersion::Http2, true),
    ] {
        let gate = Gate::new();
        let reply = Reply::sse(&[role]).hold(&gate).event(first).pause(2 * BUSY);
        let reply = rest.iter().fold(reply, |reply, event| reply.event(event));
        let mut builder = FakeServer::builder().reply(reply);
        if http == HttpVersion::Http2 {
            builder = builder.http2();
        }
        let (server, stop) = elsewhere(if secure { builder.tls() } else { builder });
        let mut target = target(&server);
        target.http = http;
        let provider = provider(target);
        let mut sink = BusySink { gate, opened: None, tokens: Vec::new() };
        provider.send(&request(0), &mut sink).await.expect("an answer");
        if !provider.is_stamped() {
            println!("skipped: this system gives no receive stamps");
            return;
        }
        let opened = sink.opened.expect("a head came");
        let first = sink.tokens[0];
        assert!(first.arrived >= opened, "{http:?}, secure: {secure}");
        assert!(first.arrived.since(opened) < LATE_MAX, "{:?}", first.arrived.since(opened));
        assert!(first.read.since(opened) >= BUSY, "{:?}", first.read.since(opened));
        assert!(first.lag() > BUSY - LATE_MAX);
        drop(server);
        stop.send(()).expect("the server runs");
    }
}

/// Streams on one connection have each their own arrivals.
#[tokio::test]
async fn streams_of_one_connection_keep_their_arrivals_apart() {
    let builder = FakeServer::builder();
    let pause = Duration::from_millis(30);
    let events = events(domain::WireFormat::OpenAiChat);
    let paced = |reply: Reply| events.iter().fold(reply, |reply, event| reply.event(event));
    let early = paced(Reply::sse(&[]));
    let late = paced(Reply::sse(&[]).pause(pause));
    let server = builder.http2().reply(early).reply(late).start().await;
    let mut target = target(&server);
    target.http = HttpVersion::Http2;
    let provider = Arc::new(provider(target));
    let (first, second) = (request(0), request(1));
    let (first, second) =
        tokio::join!(crate::check::send(&provider, &first), crate::check::send(&provider, &second));
    assert_eq!(server.connections(), 1);
    let mut streams = [first.sink.token_arrivals(), second.sink.token_arrivals()];
    // Which of the two the server took first is its own affair.
    streams.sort_by_key(|arrivals| arrivals[0].arrived);
    let [early, late] = streams;
    assert_eq!((early.len(), late.len()), (2, 2));
    assert!(late[0].arrived.since(early[1].arrived) > pause / 2, "{early:?} {late:?}");
}

/// The system's clock, before each reading of which the thread loses its processor for a while once
/// it is armed, until the wall clock is read to place a stamp.
#[derive(Debug, Default)]
struct Interrupted(AtomicBool);

impl Clock for Interrupted {
    fn now(&self) -> Timestamp {
        if self.0.load(Ordering::Relaxed) {
            std::thread::sleep(BUSY);
        }
        SystemClock.now()
    }

    fn unix_nanos(&self) -> u64 {
        self.0.store(false, Ordering::Relaxed);
        SystemClock.unix_nanos()
    }
}

/// Arms the clock once there is a connection, and notes when the request was sent and answered.
struct OrderSink {
    clock: Arc<Interrupted>,
    sent: Option<Timestamp>,
    answered: Option<domain::Arrival>,
}

impl Sink for OrderSink {
    fn progress(&mut self, progress: Progress<'_>) {
        match progress {
            Progress::Connected(_) => self.clock.0.store(true, Ordering::Relaxed),
            Progress::Sent(at) => self.sent = Some(at),
            Progress::Headers { at, .. } => self.answered = Some(at),
            Progress::Attempt(_) | Progress::Chunk(_) => {}
        }
    }
}

#[tokio::test]
async fn no_answer_seems_to_come_before_its_request_was_sent() {
    let answer = Reply::sse(events(domain::WireFormat::OpenAiChat));
    let (server, stop) = elsewhere(FakeServer::builder().reply(answer));
    let clock = Arc::new(Interrupted::default());
    let provider = Provider::new(target(&server), Arc::clone(&clock) as Arc<dyn Clock>);
    let mut sink = OrderSink { clock, sent: None, answered: None };
    provider.expect("usable").send(&request(0), &mut sink).await.expect("an answer");
    let (sent, answered) = (sink.sent.expect("it was sent"), sink.answered.expect("a head came"));
    assert!(sent <= answered.arrived, "answered {:?} before", sent.since(answered.arrived));
    drop(server);
    stop.send(()).expect("the server runs");
}
