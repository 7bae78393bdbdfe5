//! The server over pipes in virtual time, and a client that accepts nothing but exact framing.

mod faults;
mod load;
mod timing;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use domain::Clock;
use testkit::VirtualClock;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinSet;

use crate::connection::Socket;
use crate::server::Server;
use crate::{Draw, Served, Service, SimConfig, Time, Timetable};

impl Socket for DuplexStream {
    fn reset_on_drop(&self) {}
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Answers of three tokens, the first after 50 ms, then one each 10 ms.
fn timed() -> SimConfig {
    SimConfig {
        service: Service::Timetable(Timetable {
            ttft: Draw::Fixed(ms(50)),
            itl: Draw::Fixed(ms(10)),
        }),
        output_tokens: Draw::Fixed(domain::Tokens(3)),
        vocabulary: ["a", " \"b\"", " c"].map(str::to_owned).to_vec(),
        ..SimConfig::default()
    }
}

/// The bytes of a request to `path`.
fn post(path: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: sim\r\nx-request-id: mine-1\r\ncontent-length: {}\r\n\r\n\
         {body}",
        body.len()
    )
}

const STREAMED: &str =
    r#"{"model":"sim","stream":true,"messages":[{"role":"user","content":"Say abc, please."}]}"#;

/// The bytes of a request for a streamed chat answer.
fn chat() -> String {
    post("/v1/chat/completions", STREAMED)
}

/// A server in virtual time.
struct Stage {
    server: Arc<Server>,
    clock: Arc<VirtualClock>,
    tasks: JoinSet<()>,
}

impl Stage {
    fn new(config: SimConfig) -> Self {
        let clock = Arc::new(VirtualClock::new());
        config.check().unwrap();
        let server = Server::new(config, &Time::Runtime(Arc::clone(&clock) as _)).unwrap();
        Self { server: Arc::new(server), clock, tasks: JoinSet::new() }
    }

    /// A client connected by a pipe that holds so many bytes.
    fn connect_narrow(&mut self, bytes: usize) -> Client<DuplexStream> {
        let (near, far) = tokio::io::duplex(bytes);
        self.tasks.spawn(Arc::clone(&self.server).serve(far));
        Client::new(near, Arc::clone(&self.clock))
    }

    fn connect(&mut self) -> Client<DuplexStream> {
        self.connect_narrow(64 * 1024)
    }

    /// Waits for every connection to end, and returns what was logged.
    async fn finish(mut self) -> Vec<Served> {
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
        self.server.log().take()
    }
}

/// A client that reads an answer byte for byte.
struct Client<S> {
    socket: S,
    clock: Arc<VirtualClock>,
    bytes: Vec<u8>,
}

/// An answer as it came.
#[derive(Debug, Default)]
struct Reply {
    status: u16,
    head: String,
    /// Each chunk of a chunked body, or the whole of another, with its time.
    parts: Vec<(Duration, String)>,
    /// Whether the body ended as its head said it would.
    whole: bool,
}

impl Reply {
    fn text(&self) -> String {
        self.parts.iter().map(|(_, text)| text.as_str()).collect()
    }

    fn times(&self) -> Vec<Duration> {
        self.parts.iter().map(|&(time, _)| time).collect()
    }
}

impl<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin> Client<S> {
    fn new(socket: S, clock: Arc<VirtualClock>) -> Self {
        Self { socket, clock, bytes: Vec::new() }
    }

    async fn send(&mut self, request: &str) {
        self.socket.write_all(request.as_bytes()).await.unwrap();
    }

    /// Reads once more; false at the end.
    async fn read(&mut self) -> bool {
        self.socket.read_buf(&mut self.bytes).await.is_ok_and(|count| count > 0)
    }

    /// The bytes up to and without `mark`, taken out with it; `None` at the end of the stream.
    async fn take_until(&mut self, mark: &[u8]) -> Option<String> {
        loop {
            let found = self.bytes.windows(mark.len()).position(|window| window == mark);
            if let Some(at) = found {
                let rest = self.bytes.split_off(at + mark.len());
                let mut taken = std::mem::replace(&mut self.bytes, rest);
                taken.truncate(at);
                return Some(String::from_utf8(taken).unwrap());
            }
            if !self.read().await {
                return None;
            }
        }
    }

    /// So many bytes, or those there were before the end of the stream.
    async fn take(&mut self, count: usize) -> Result<String, String> {
        while self.bytes.len() < count && self.read().await {}
        let whole = self.bytes.len() >= count;
        let rest = self.bytes.split_off(count.min(self.bytes.len()));
        let taken = String::from_utf8(std::mem::replace(&mut self.bytes, rest)).unwrap();
        if whole { Ok(taken) } else { Err(taken) }
    }

    /// Reads an answer.
    async fn reply(&mut self) -> Reply {
        let head = self.take_until(b"\r\n\r\n").await.expect("an answer");
        let status = head.strip_prefix("HTTP/1.1 ").unwrap()[..3].parse().unwrap();
        let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
        let mut reply = Reply { status, ..Reply::default() };
        if let Some(length) = header("content-length: ") {
            let body = self.take(length.parse().unwrap()).await;
            reply.whole = body.is_ok();
            reply.parts.push((self.clock.elapsed(), body.unwrap_or_else(|cut| cut)));
        } else {
            assert_eq!(header("transfer-encoding: "), Some("chunked"));
            while let Some(size) = self.take_until(b"\r\n").await {
                let count = usize::from_str_radix(&size, 16).unwrap();
                assert_eq!(size, format!("{count:x}"));
                let chunk = self.take(count + 2).await.unwrap();
                if count == 0 {
                    reply.whole = true;
                    break;
                }
                let event = chunk.strip_suffix("\r\n").unwrap();
                assert!(event.ends_with("\n\n"), "a chunk holds whole events");
                reply.parts.push((self.clock.elapsed(), event.to_owned()));
            }
        }
        reply.head = head;
        reply
    }

    /// Whether the server has ended the connection with nothing more to say.
    async fn ended(&mut self) -> bool {
        self.bytes.is_empty() && !self.read().await
    }
}
