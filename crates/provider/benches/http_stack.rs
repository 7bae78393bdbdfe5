//! What reading a streamed answer costs over this crate's own HTTP/1.1 and over hyper: client CPU for
//! 1,000 answers of 32 tokens, and memory while connections wait for theirs. The same decoder reads
//! both; only here the kernel's stamps are taken as well.
//!
//! Each measurement has a process to itself, the server another. `cargo bench -p provider`

#![expect(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::error::Error;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dialect::AnswerDecoder;
use domain::{
    Model as _, Progress, Prompt, Request, RequestId, Sampling, Sink, SystemClock, WireFormat,
};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use provider::{BaseUrl, Provider, Target};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

type Fallible<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

const ROUNDS: usize = 7;
const CONNECTIONS: usize = 64;
const REQUESTS_EACH: usize = 125;
const TOKENS: u64 = 32;
const WAITING: usize = 4_000;

fn main() -> Fallible {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match arguments[..] {
        ["--client", stack, what, address] => {
            runtime.block_on(client(stack, what, address.parse()?))
        }
        _ => {
            raise_descriptors()?;
            runtime.block_on(compare())
        }
    }
}

/// The server needs a descriptor a connection, and the clients inherit the limit.
fn raise_descriptors() -> Fallible {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    Ok(())
}

async fn compare() -> Fallible {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let measured = tokio::task::spawn_blocking(move || measure(address));
    tokio::select! {
        served = serve(listener) => served,
        measured = measured => measured?,
    }
}

fn measure(address: SocketAddr) -> Fallible {
    println!("stack  CPU s per 1,000 streams: minimum, median   KiB a waiting connection");
    let mut costs = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (stack, costs) in ["own", "hyper"].into_iter().zip(&mut costs) {
            costs.push(ask(stack, "cpu", address)?);
        }
    }
    for (stack, mut costs) in ["own", "hyper"].into_iter().zip(costs) {
        costs.sort_by(f64::total_cmp);
        let memory = ask(stack, "memory", address)?;
        println!("{stack:5}  {:.4} {:.4}   {memory:.1}", costs[0], costs[ROUNDS / 2]);
    }
    Ok(())
}

fn ask(stack: &str, what: &str, address: SocketAddr) -> Fallible<f64> {
    let output = Command::new(std::env::current_exe()?)
        .args(["--client", stack, what, &address.to_string()])
        .stderr(Stdio::inherit())
        .output()?;
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

/// Measures one stack and prints the figure.
async fn client(stack: &str, what: &str, address: SocketAddr) -> Fallible {
    let stack = Stack::open(stack, address)?;
    let figure = match what {
        "cpu" => {
            stack.run(CONNECTIONS, 10, "go").await?;
            let before = cpu_seconds()?;
            stack.run(CONNECTIONS, REQUESTS_EACH, "go").await?;
            (cpu_seconds()? - before) * 1_000.0 / (CONNECTIONS * REQUESTS_EACH) as f64
        }
        _ => {
            let before = resident_kib()?;
            let waiting = async {
                tokio::time::sleep(Duration::from_secs(4)).await;
                resident_kib()
            };
            tokio::select! {
                ended = stack.run(WAITING, 1, "wait") => {
                    ended?;
                    return Err("the server answered where it was told to wait".into());
                }
                after = waiting => (after? - before) / WAITING as f64,
            }
        }
    };
    println!("{figure}");
    Ok(())
}

/// A client under test.
enum Stack {
    Own(Arc<Provider>),
    Hyper(SocketAddr),
}

impl Stack {
    fn open(name: &str, address: SocketAddr) -> Fallible<Self> {
        if name == "hyper" {
            return Ok(Self::Hyper(address));
        }
        let target =
            Target::new(BaseUrl::parse(&format!("http://{address}"))?, WireFormat::OpenAiChat);
        Ok(Self::Own(Arc::new(Provider::new(target, Arc::new(SystemClock))?)))
    }

    /// `users` at once, each with its requests one after another.
    async fn run(&self, users: usize, requests_each: usize, word: &'static str) -> Fallible {
        let mut tasks = JoinSet::new();
        for _ in 0..users {
            match self {
                Self::Own(provider) => {
                    tasks.spawn(own(Arc::clone(provider), requests_each, word));
                }
                Self::Hyper(address) => {
                    tasks.spawn(over_hyper(*address, requests_each, word));
                }
            }
        }
        while let Some(ended) = tasks.join_next().await {
            ended??;
        }
        Ok(())
    }
}

fn request(word: &str) -> Request {
    Request {
        id: RequestId { run: 1, index: 1 },
        model: "m".into(),
        prompt: Prompt::Text(word.into()),
        max_tokens: Some(TOKENS),
        ignore_eos: false,
        stream: true,
        sampling: Sampling::default(),
        stop: [].into(),
        tools: None,
    }
}

/// Counts the token-bearing chunks.
struct Count(u64);

impl Sink for Count {
    fn progress(&mut self, progress: Progress<'_>) {
        if let Progress::Chunk(chunk) = progress {
            self.0 += u64::from(chunk.kind.is_token());
        }
    }
}

async fn own(provider: Arc<Provider>, requests: usize, word: &'static str) -> Fallible {
    for _ in 0..requests {
        let mut count = Count(0);
        provider.send(&request(word), &mut count).await.map_err(|failure| failure.message)?;
        assert_eq!(count.0, TOKENS);
    }
    Ok(())
}

/// The same over hyper's HTTP/1.1 connection, read the way its users do: frame by frame.
async fn over_hyper(address: SocketAddr, requests: usize, word: &'static str) -> Fallible {
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(socket)).await?;
    let exchange = async {
        for _ in 0..requests {
            let format = WireFormat::OpenAiChat;
            let body = dialect::encode_request(format, &request(word), &Default::default())?;
            let asked = http::Request::post("/v1/chat/completions")
                .header("host", "127.0.0.1")
                .header("content-type", "application/json")
                .header("x-request-id", "00000000000000000000000000000001")
                .body(Full::new(Bytes::from(body)))?;
            let mut answer = sender.send_request(asked).await?.into_body();
            let mut decoder = AnswerDecoder::new(format);
            let mut tokens = 0;
            let mut on = |piece: dialect::Piece<'_>| tokens += u64::from(piece.kind.is_token());
            while let Some(frame) = answer.frame().await {
                if let Ok(data) = frame?.into_data() {
                    decoder.feed(&data, &mut on).map_err(|failure| failure.message)?;
                }
            }
            decoder.finish(&mut on).map_err(|failure| failure.message)?;
            assert_eq!(tokens, TOKENS);
        }
        Fallible::Ok(())
    };
    tokio::select! {
        ended = exchange => ended,
        closed = connection => {
            closed?;
            Err("the server closed the connection".into())
        }
    }
}

/// Answers every request with the same stream, in one write; to one that says `wait`, never.
async fn serve(listener: TcpListener) -> Fallible {
    let answer: Arc<[u8]> = answer().into_bytes().into();
    let mut connections = JoinSet::new();
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        connections.spawn(converse(socket, Arc::clone(&answer)));
        while connections.try_join_next().is_some() {}
    }
}

async fn converse(mut socket: TcpStream, answer: Arc<[u8]>) -> std::io::Result<()> {
    let mut buffer = Vec::with_capacity(1024);
    loop {
        buffer.clear();
        // A request ends with its body's closing brace, and no brace stands at the end of a piece
        // of it: both stacks send one whole.
        while !buffer.ends_with(b"}") {
            if socket.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
        if buffer.windows(6).any(|part| part == b"\"wait\"") {
            return std::future::pending().await;
        }
        socket.write_all(&answer).await?;
    }
}

fn answer() -> String {
    let mut body = String::new();
    let mut event = |data: &str| {
        let line = format!("data: {data}\n\n");
        write!(body, "{:x}\r\n{line}\r\n", line.len()).expect("a string takes everything");
    };
    for token in 0..TOKENS {
        event(&format!(
            r#"{{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{{"index":0,"delta":{{"content":" token{token}"}},"finish_reason":null}}]}}"#
        ));
    }
    event(
        r#"{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"length"}]}"#,
    );
    event("[DONE]");
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n\
         {body}0\r\n\r\n"
    )
}

/// What this process used, the kernel's share included.
fn cpu_seconds() -> Fallible<f64> {
    let used = getrusage(UsageWho::RUSAGE_SELF)?;
    Ok((used.user_time().num_microseconds() + used.system_time().num_microseconds()) as f64 / 1e6)
}

fn resident_kib() -> Fallible<f64> {
    #[expect(clippy::disallowed_methods, reason = "the kernel's own file about this process")]
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    Ok(line.split_whitespace().next().unwrap_or_default().parse()?)
}
