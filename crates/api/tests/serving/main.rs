//! The server over a real socket: what each endpoint answers, byte for byte, and what happens when
//! a request, the model, or the client is at fault.

mod faults;
mod forms;
mod life;
mod remote;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use api::{BindError, ModelServer, Served, Stopped};
use domain::{
    ChunkKind, ConnectStage, Failure, FailureKind, FinishReason, Model, ToolChoice, WireFormat,
};
use insta::assert_snapshot;
use testkit::{Gate, ManualClock, Script, ScriptedModel};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const CHAT: &str = "/v1/chat/completions";
const COMPLETIONS: &str = "/v1/completions";
const MESSAGES: &str = "/v1/messages";

/// Longer than any test.
const GRACE: Duration = Duration::from_secs(600);

/// A running server with one scripted model, `tiny`, whose context holds 100 tokens.
struct Fixture {
    address: SocketAddr,
    model: Arc<ScriptedModel>,
    stop: CancellationToken,
    tasks: JoinSet<Stopped>,
}

impl Fixture {
    async fn start(script: Script) -> Self {
        Self::start_with(script, GRACE).await
    }

    async fn start_with(script: Script, grace: Duration) -> Self {
        let clock = Arc::new(ManualClock::new());
        let model = Arc::new(ScriptedModel::always(clock.clone(), script));
        let served =
            Served { id: "tiny".to_owned(), model: model.clone(), context_length: Some(100) };
        let metrics = |out: &mut String| out.push_str("requests_total 3\n");
        let server = ModelServer::bind(any_port(), vec![served], metrics, clock)
            .await
            .expect("a port is free");
        let address = server.address();
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(server.run(stop.clone().cancelled_owned(), grace));
        Self { address, model, stop, tasks }
    }

    /// Waits until the model has this many requests in flight.
    async fn in_flight(&self, count: u64) {
        while self.model.in_flight() != count {
            tokio::task::yield_now().await;
        }
    }

    async fn stopped(&mut self) -> Stopped {
        self.stop.cancel();
        self.tasks.join_next().await.expect("one task").expect("no panic")
    }

    /// Connects and sends a request, and leaves the answer unread.
    async fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> TcpStream {
        let mut socket = TcpStream::connect(self.address).await.expect("it listens");
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n{headers}\
             content-length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        socket.write_all(request.as_bytes()).await.expect("it reads");
        socket
    }

    async fn get(&self, path: &str) -> Answer {
        Answer::read(self.send("GET", path, "", "").await).await
    }

    async fn post(&self, path: &str, body: &str) -> Answer {
        Answer::read(self.send("POST", path, "", body).await).await
    }
}

fn any_port() -> SocketAddr {
    "127.0.0.1:0".parse().expect("an address")
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    async fn read(mut socket: TcpStream) -> Self {
        let mut bytes = Vec::new();
        socket.read_to_end(&mut bytes).await.expect("it closes in order");
        let text = String::from_utf8(bytes).expect("UTF-8");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        let is_chunked = head.contains("transfer-encoding: chunked");
        let body = if is_chunked { dechunk(body) } else { body.to_owned() };
        let status = head[9..12].parse().expect("a status");
        Self { status, head: head.to_owned(), body }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (this, value) = line.split_once(": ")?;
            (this == name).then_some(value)
        })
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).expect("JSON")
    }
}

fn dechunk(mut body: &str) -> String {
    let mut whole = String::new();
    loop {
        let (size, rest) = body.split_once("\r\n").expect("a chunk size");
        let size = usize::from_str_radix(size, 16).expect("hexadecimal");
        if size == 0 {
            return whole;
        }
        whole.push_str(&rest[..size]);
        body = &rest[size + 2..];
    }
}

fn hello() -> Script {
    Script::answer(["Hel", "lo \"é\"\n"]).finish(FinishReason::Length)
}

/// A chat or messages request, after the members in `first`.
fn conversation(first: &str) -> String {
    let messages = r#""max_tokens":9,"messages":[{"role":"user","content":"Hi"}]"#;
    format!(r#"{{"model":"tiny",{first}{messages}}}"#)
}
