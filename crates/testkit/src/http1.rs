//! The HTTP/1.1 side of the fake server, parsed as strictly as the standard allows.

use std::future::Future;
use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::reply::{Head, Piece};
use crate::server::Shared;
use crate::{Ending, Framing, Received, Reply};

/// A byte stream that rests on a TCP socket.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// The socket itself.
    fn socket(&self) -> &TcpStream;
}

impl Stream for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

/// Why no request came of what was read.
enum Broken {
    /// The client went away.
    Gone,
    /// The client broke this rule.
    Rule(String),
}

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

fn rule<T>(what: impl Into<String>) -> Result<T, Broken> {
    Err(Broken::Rule(what.into()))
}

/// Answers requests until either side ends the connection.
pub(crate) async fn serve<S: Stream>(
    mut stream: S,
    connection: u64,
    authorities: &[String],
    shared: &Shared,
) {
    let mut buffer = Vec::new();
    loop {
        let received = match read_request(&mut stream, &mut buffer, connection, authorities).await {
            Ok(received) => received,
            Err(Broken::Gone) => return,
            Err(Broken::Rule(what)) => {
                shared.violation(what);
                let refusal = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
                // The violation is recorded; whether the client still listens does not matter.
                let _ = stream.write_all(refusal).await;
                return;
            }
        };
        if !buffer.is_empty() {
            shared.violation("bytes came after the request, before its answer");
            return;
        }
        let reply = shared.answer(received);
        match play(&mut stream, &reply, shared).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(_) => {
                shared.abandoned();
                return;
            }
        }
    }
}

async fn read_request<S: Stream>(
    stream: &mut S,
    buffer: &mut Vec<u8>,
    connection: u64,
    authorities: &[String],
) -> Result<Received, Broken> {
    let head_length = loop {
        if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if buffer.len() > 64 * 1024 {
            return rule("a head of more than 64 KiB");
        }
        fill(stream, buffer).await?;
    };
    let raw_head: Vec<u8> = buffer.drain(..head_length).collect();
    let mut received = parse_head(raw_head, connection)?;
    check_head(&received, authorities)?;
    if received.header("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    received.body = read_body(stream, buffer, &received).await?;
    Ok(received)
}

async fn fill<S: Stream>(stream: &mut S, buffer: &mut Vec<u8>) -> Result<(), Broken> {
    if stream.read_buf(buffer).await? == 0 {
        return Err(Broken::Gone);
    }
    Ok(())
}

fn parse_head(raw_head: Vec<u8>, connection: u64) -> Result<Received, Broken> {
    if raw_head.iter().filter(|&&byte| byte == b'\n').count()
        != raw_head.windows(2).filter(|two| two == b"\r\n").count()
    {
        return rule("a line of the head ends in a bare line feed");
    }
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(&raw_head) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return rule("a blank line inside the head"),
        Err(error) => return rule(format!("a malformed head: {error}")),
    }
    if request.version != Some(1) {
        return rule("not HTTP/1.1");
    }
    let headers = request
        .headers
        .iter()
        .map(|header| match std::str::from_utf8(header.value) {
            Ok(value) => Ok((header.name.to_owned(), value.to_owned())),
            Err(_) => rule(format!("header {} is not UTF-8", header.name)),
        })
        .collect::<Result<_, _>>()?;
    Ok(Received {
        method: request.method.unwrap_or_default().to_owned(),
        target: request.path.unwrap_or_default().to_owned(),
        headers,
        body: Vec::new(),
        raw_head,
        connection,
    })
}

/// Headers that may stand at most once.
const SINGLE: [&str; 9] = [
    "host",
    "content-length",
    "transfer-encoding",
    "content-type",
    "authorization",
    "x-api-key",
    "x-request-id",
    "user-agent",
    "connection",
];

fn check_head(received: &Received, authorities: &[String]) -> Result<(), Broken> {
    if !["GET", "POST"].contains(&received.method.as_str()) {
        return rule(format!("method {}", received.method));
    }
    if !received.target.starts_with('/') {
        return rule(format!("target {} does not start with a slash", received.target));
    }
    for name in SINGLE {
        let count =
            received.headers.iter().filter(|(this, _)| this.eq_ignore_ascii_case(name)).count();
        if count > 1 {
            return rule(format!("header {name} stands {count} times"));
        }
    }
    match received.header("host") {
        Some(host) if authorities.iter().any(|authority| authority == host) => {}
        Some(host) => return rule(format!("host {host} is not {}", authorities.join(" or "))),
        None => return rule("no host header"),
    }
    if received.method == "POST"
        && received.header("content-type").and_then(|value| value.split(';').next())
            != Some("application/json")
    {
        return rule("a POST whose content-type is not application/json");
    }
    Ok(())
}

async fn read_body<S: Stream>(
    stream: &mut S,
    buffer: &mut Vec<u8>,
    received: &Received,
) -> Result<Vec<u8>, Broken> {
    match (received.header("content-length"), received.header("transfer-encoding")) {
        (Some(_), Some(_)) => rule("both content-length and transfer-encoding"),
        (None, Some(coding)) if coding.eq_ignore_ascii_case("chunked") => {
            read_chunks(stream, buffer).await
        }
        (None, Some(coding)) => rule(format!("transfer-encoding {coding}")),
        (Some(length), None) => {
            if length.is_empty() || !length.bytes().all(|byte| byte.is_ascii_digit()) {
                return rule(format!("content-length {length:?}"));
            }
            let length: usize = match length.parse() {
                Ok(length) => length,
                Err(_) => return rule(format!("content-length {length}")),
            };
            while buffer.len() < length {
                fill(stream, buffer).await?;
            }
            Ok(buffer.drain(..length).collect())
        }
        (None, None) if received.method == "POST" => rule("a POST without a length"),
        (None, None) => Ok(Vec::new()),
    }
}

async fn read_chunks<S: Stream>(stream: &mut S, buffer: &mut Vec<u8>) -> Result<Vec<u8>, Broken> {
    let mut body = Vec::new();
    loop {
        let (line, size) = loop {
            match httparse::parse_chunk_size(buffer) {
                Ok(httparse::Status::Complete((line, size))) => break (line, size),
                Ok(httparse::Status::Partial) => fill(stream, buffer).await?,
                Err(_) => return rule("a malformed chunk size"),
            }
        };
        let Ok(size) = usize::try_from(size) else { return rule("a chunk beyond memory") };
        while buffer.len() < line + size + 2 {
            fill(stream, buffer).await?;
        }
        body.extend_from_slice(&buffer[line..line + size]);
        if &buffer[line + size..line + size + 2] != b"\r\n" {
            return rule("a chunk whose end is not where its size says");
        }
        buffer.drain(..line + size + 2);
        if size == 0 {
            return Ok(body);
        }
    }
}

/// Plays `reply`. True where the connection takes another request.
async fn play<S: Stream>(stream: &mut S, reply: &Reply, shared: &Shared) -> io::Result<bool> {
    let chunked = reply.framing == Framing::Chunked;
    // The head goes out with the first piece, in one write.
    let mut write = encode_head(reply);
    for piece in &reply.body {
        match piece {
            Piece::Bytes(bytes) if chunked => {
                if !bytes.is_empty() {
                    write.extend_from_slice(format!("{:x}\r\n", bytes.len()).as_bytes());
                    write.extend_from_slice(bytes);
                    write.extend_from_slice(b"\r\n");
                }
            }
            Piece::Bytes(bytes) => write.extend_from_slice(bytes),
            Piece::Pause(_) | Piece::Hold(_) => {}
        }
        stream.write_all(&write).await?;
        stream.flush().await?;
        write.clear();
        match piece {
            Piece::Bytes(_) => {}
            Piece::Pause(pause) => wait(stream, tokio::time::sleep(*pause), shared).await?,
            Piece::Hold(gate) => wait(stream, gate.pass(), shared).await?,
        }
    }
    if chunked && matches!(reply.ending, Ending::KeepAlive | Ending::Close) {
        write.extend_from_slice(b"0\r\n\r\n");
    }
    stream.write_all(&write).await?;
    stream.flush().await?;
    end(stream, reply, shared).await
}

/// Ends the reply. True where the connection takes another request.
async fn end<S: Stream>(stream: &mut S, reply: &Reply, shared: &Shared) -> io::Result<bool> {
    match reply.ending {
        Ending::KeepAlive => {
            let raw = matches!(reply.head, Head::Raw);
            if raw || reply.framing != Framing::UntilClose {
                return Ok(true);
            }
            stream.shutdown().await?;
        }
        Ending::Close | Ending::Truncate => stream.shutdown().await?,
        Ending::Reset => stream.socket().set_zero_linger()?,
        Ending::Stall => wait(stream, std::future::pending(), shared).await?,
    }
    Ok(false)
}

/// The head's bytes, none where the body holds them.
fn encode_head(reply: &Reply) -> Vec<u8> {
    let Head::Message { status, headers } = &reply.head else { return Vec::new() };
    let mut head = format!("HTTP/1.1 {status} Scripted\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    match reply.framing {
        Framing::Length => {
            // A body that is cut off must have been promised longer.
            let missing = match reply.ending {
                Ending::KeepAlive | Ending::Close => 0,
                Ending::Truncate | Ending::Reset | Ending::Stall => 1,
            };
            head.push_str(&format!("content-length: {}\r\n", reply.body_length() + missing));
        }
        Framing::Chunked => head.push_str("transfer-encoding: chunked\r\n"),
        Framing::UntilClose => {}
    }
    head.push_str("\r\n");
    head.into_bytes()
}

/// Waits for `until`, or for the client to go away, which is an error.
async fn wait<S: Stream>(
    stream: &mut S,
    until: impl Future<Output = ()>,
    shared: &Shared,
) -> io::Result<()> {
    let mut byte = [0];
    tokio::select! {
        () = until => Ok(()),
        read = stream.read(&mut byte) => {
            if read? > 0 {
                shared.violation("bytes came before the answer was whole");
            }
            Err(io::ErrorKind::ConnectionAborted.into())
        }
    }
}
