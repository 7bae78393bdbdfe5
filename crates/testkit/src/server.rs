//! A strict fake provider on a real loopback socket.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::tls::Identity;
use crate::{Reply, http1, http2};

/// A request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The method, as in `POST`.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The headers in the order they came, names as they were written.
    pub headers: Vec<(String, String)>,
    /// The body, its framing taken off.
    pub body: Vec<u8>,
    /// The bytes of the head, its blank line included; empty over HTTP/2.
    pub raw_head: Vec<u8>,
    /// Which connection it came on, from zero.
    pub connection: u64,
}

impl Received {
    /// The first header called `name`, whatever its case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(this, _)| this.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The body as text.
    ///
    /// # Panics
    /// Where it is not UTF-8.
    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is UTF-8")
    }
}

/// How a fake server talks below its replies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Protocol {
    http2: bool,
    tls: bool,
}

/// What the server's tasks share with the test.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    script: Mutex<Script>,
    log: Mutex<Log>,
}

#[derive(Debug, Default)]
struct Script {
    routes: Vec<(String, String, Reply)>,
    replies: VecDeque<Reply>,
    otherwise: Option<Reply>,
    hang_ups: u64,
}

#[derive(Debug, Default)]
struct Log {
    received: Vec<Received>,
    violations: Vec<String>,
    connections: u64,
    abandoned: u64,
}

impl Shared {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a request and finds its reply: that of its route, else the next in line.
    pub(crate) fn answer(&self, received: Received) -> Reply {
        let mut script = self.script();
        let path = received.target.split('?').next().unwrap_or_default();
        let routed = script
            .routes
            .iter()
            .find(|(method, route, _)| *method == received.method && route == path)
            .map(|(_, _, reply)| reply.clone());
        let reply =
            routed.or_else(|| script.replies.pop_front()).or_else(|| script.otherwise.clone());
        drop(script);
        let reply = reply.unwrap_or_else(|| {
            self.violation(format!("no reply for {} {}", received.method, received.target));
            Reply::json(500, &[], r#"{"error":{"message":"no reply left","type":"fake"}}"#)
        });
        self.log().received.push(received);
        reply
    }

    /// Records that the client broke the rules.
    pub(crate) fn violation(&self, what: impl Into<String>) {
        self.log().violations.push(what.into());
    }

    /// Records that the client went away before its answer was whole.
    pub(crate) fn abandoned(&self) {
        self.log().abandoned += 1;
    }

    /// Counts a connection; `None` where the script hangs up on it.
    fn connected(&self) -> Option<u64> {
        let mut log = self.log();
        let number = log.connections;
        log.connections += 1;
        drop(log);
        let mut script = self.script();
        if script.hang_ups > 0 {
            script.hang_ups -= 1;
            return None;
        }
        Some(number)
    }
}

/// Sets up a [`FakeServer`].
#[derive(Debug, Default)]
pub struct FakeServerBuilder {
    script: Script,
    protocol: Protocol,
    lenient: bool,
}

impl FakeServerBuilder {
    /// Answers the next request that no route takes with `reply`.
    #[must_use]
    pub fn reply(mut self, reply: Reply) -> Self {
        self.script.replies.push_back(reply);
        self
    }

    /// Answers requests beyond the list with `reply`.
    #[must_use]
    pub fn otherwise(mut self, reply: Reply) -> Self {
        self.script.otherwise = Some(reply);
        self
    }

    /// Answers every request of this method and path with `reply`.
    #[must_use]
    pub fn on(mut self, method: &str, path: &str, reply: Reply) -> Self {
        self.script.routes.push((method.to_owned(), path.to_owned(), reply));
        self
    }

    /// Closes the first `connections` connections as soon as they are accepted.
    #[must_use]
    pub fn hang_up(mut self, connections: u64) -> Self {
        self.script.hang_ups = connections;
        self
    }

    /// Lets a test end well though the client broke the rules.
    #[must_use]
    pub fn lenient(mut self) -> Self {
        self.lenient = true;
        self
    }

    /// Speaks HTTP/2 alone, by prior knowledge or, over TLS, by ALPN.
    #[must_use]
    pub fn http2(mut self) -> Self {
        self.protocol.http2 = true;
        self
    }

    /// Speaks TLS, with a certificate of its own for `localhost` and `127.0.0.1`.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.protocol.tls = true;
        self
    }

    /// Binds a free port of 127.0.0.1 and serves on the current runtime.
    ///
    /// # Panics
    /// Where no port can be bound.
    pub async fn start(self) -> FakeServer {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared { script: Mutex::new(self.script), log: Mutex::default() });
        let wire = Wire::new(self.protocol, address);
        let certificate_pem = wire.certificate_pem();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::new(wire), Arc::clone(&shared)));
        FakeServer {
            address,
            tls: self.protocol.tls,
            certificate_pem,
            lenient: self.lenient,
            shared,
            _tasks: tasks,
        }
    }
}

/// A server that answers as it is told, byte by byte, and holds every request to the standard:
/// well-formed head, `host` that names it, one body with one length, JSON where it is POST, nothing
/// sent ahead of the answer.
///
/// It is bound to 127.0.0.1 and stops when dropped. Dropping it panics where the client broke a
/// rule or asked more than there are replies, unless it was built lenient.
///
/// Under tokio's paused time, a pause ends as soon as every task waits, by which time the client
/// has read what was written: paced pieces arrive one read each, in no real time.
#[derive(Debug)]
pub struct FakeServer {
    address: SocketAddr,
    tls: bool,
    certificate_pem: Option<String>,
    lenient: bool,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

impl FakeServer {
    /// Sets up a server.
    #[must_use]
    pub fn builder() -> FakeServerBuilder {
        FakeServerBuilder::default()
    }

    /// A plain HTTP/1.1 server with these replies, in order.
    pub async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        replies.into_iter().fold(Self::builder(), FakeServerBuilder::reply).start().await
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its base address, as in `http://127.0.0.1:40123`, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.address)
    }

    /// The certificate to trust, where it speaks TLS.
    #[must_use]
    pub fn certificate_pem(&self) -> Option<&str> {
        self.certificate_pem.as_deref()
    }

    /// Adds a reply to the end of the list.
    pub fn push(&self, reply: Reply) {
        self.shared.script().replies.push_back(reply);
    }

    /// The whole requests that came, in the order they came.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.shared.log().received.clone()
    }

    /// How many connections were accepted.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.shared.log().connections
    }

    /// How many answers the client did not wait to the end of.
    #[must_use]
    pub fn abandoned(&self) -> u64 {
        self.shared.log().abandoned
    }

    /// The rules the client broke, which are forgiven by asking.
    #[must_use]
    pub fn take_violations(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.log().violations)
    }

    /// Stops the server and returns what it received.
    ///
    /// # Panics
    /// Where the client broke a rule, or did not ask for every reply in the list.
    #[must_use]
    pub fn finish(self) -> Vec<Received> {
        let left = self.shared.script().replies.len();
        assert_eq!(left, 0, "{left} replies were never asked for");
        self.received()
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        let violations = self.take_violations();
        if !self.lenient && !std::thread::panicking() {
            assert!(violations.is_empty(), "the client broke the rules: {violations:#?}");
        }
    }
}

/// An address of this machine at which nothing listens.
///
/// # Panics
/// Where no port can be bound.
#[must_use]
pub fn unused_address() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it is bound")
}

/// What stands between the socket and the replies.
struct Wire {
    authorities: [String; 2],
    http2: bool,
    tls: Option<Identity>,
}

impl Wire {
    fn new(protocol: Protocol, address: SocketAddr) -> Self {
        Self {
            authorities: [address.to_string(), format!("localhost:{}", address.port())],
            http2: protocol.http2,
            tls: protocol.tls.then(|| Identity::new(protocol.http2)),
        }
    }

    fn certificate_pem(&self) -> Option<String> {
        self.tls.as_ref().map(|identity| identity.certificate_pem.clone())
    }

    async fn serve(&self, socket: TcpStream, connection: u64, shared: &Arc<Shared>) {
        if let Some(identity) = &self.tls {
            // A client that does not trust the certificate breaks off, which is its right.
            if let Ok(stream) = identity.acceptor.accept(socket).await {
                self.serve_http(stream, connection, shared).await;
            }
            return;
        }
        self.serve_http(socket, connection, shared).await;
    }

    async fn serve_http<S: http1::Stream>(&self, stream: S, connection: u64, shared: &Arc<Shared>) {
        if self.http2 {
            http2::serve(stream, connection, shared).await;
            return;
        }
        http1::serve(stream, connection, &self.authorities, shared).await;
    }
}

async fn accept(listener: TcpListener, wire: Arc<Wire>, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let (socket, _) = listener.accept().await.expect("a bound socket accepts");
        while connections.try_join_next().is_some() {}
        let Some(connection) = shared.connected() else { continue };
        socket.set_nodelay(true).expect("TCP has this option");
        let (wire, shared) = (Arc::clone(&wire), Arc::clone(&shared));
        connections.spawn(async move { wire.serve(socket, connection, &shared).await });
    }
}
