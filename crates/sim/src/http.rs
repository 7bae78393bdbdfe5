//! HTTP/1.1 as a server needs it, without I/O: reads a request's head, writes an answer's.

use domain::{Secret, WireFormat};

/// The longest head that is read.
pub(crate) const HEAD_BYTES_MAX: usize = 64 * 1024;

/// The longest body that is read.
pub(crate) const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What a request wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// An answer in this format (POST).
    Answer(WireFormat),
    /// The list of models (GET).
    Models,
    /// Whether the server is up (GET).
    Health,
    /// Nothing that is there.
    Unknown,
    /// A path that is there, by another method.
    WrongMethod {
        /// The method to use.
        allow: &'static str,
        /// The form in which to say so.
        format: WireFormat,
    },
}

impl Route {
    fn of(method: &str, target: &str) -> Self {
        let path = target.split('?').next().unwrap_or(target);
        let (route, allow, format) = match path {
            "/health" => (Self::Health, "GET", WireFormat::OpenAiChat),
            dialect::models::PATH => (Self::Models, "GET", WireFormat::OpenAiChat),
            _ => match FORMATS.into_iter().find(|&format| path == dialect::path(format)) {
                Some(format) => (Self::Answer(format), "POST", format),
                None => return Self::Unknown,
            },
        };
        if method == allow { route } else { Self::WrongMethod { allow, format } }
    }
}

const FORMATS: [WireFormat; 3] =
    [WireFormat::OpenAiChat, WireFormat::OpenAiCompletions, WireFormat::AnthropicMessages];

/// A request's head, as far as it matters here.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) route: Route,
    /// The client's own `x-request-id`.
    pub(crate) request_id: Option<Box<str>>,
    pub(crate) key: Option<Secret>,
    pub(crate) body_bytes: usize,
    pub(crate) keep_alive: bool,
    pub(crate) expects_continue: bool,
}

/// A request that cannot be read. The connection is of no further use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HttpError {
    #[error("this is no HTTP/1.1 request")]
    Malformed,
    #[error("the request's head is too long")]
    HeadTooLong,
    #[error("the request's body is too long")]
    BodyTooLong,
    #[error("only HTTP/1.1 is spoken here")]
    Version,
    #[error("a request needs a content-length; chunked bodies are not read")]
    NoLength,
}

impl HttpError {
    pub(crate) const fn status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::NoLength => 411,
            Self::BodyTooLong => 413,
            Self::HeadTooLong => 431,
            Self::Version => 505,
        }
    }
}

/// Reads the head at the start of `bytes`. Returns it with its length, or `None` where there are not
/// bytes enough yet.
pub(crate) fn parse_head(bytes: &[u8]) -> Result<Option<(Head, usize)>, HttpError> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    let length = match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if bytes.len() > HEAD_BYTES_MAX => {
            return Err(HttpError::HeadTooLong);
        }
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(HttpError::HeadTooLong),
        Err(_) => return Err(HttpError::Malformed),
    };
    let (Some(method), Some(target)) = (request.method, request.path) else {
        return Err(HttpError::Malformed);
    };
    if request.version != Some(1) {
        return Err(HttpError::Version);
    }
    let mut head = Head {
        route: Route::of(method, target),
        request_id: None,
        key: None,
        body_bytes: 0,
        keep_alive: true,
        expects_continue: false,
    };
    for header in &*request.headers {
        read_header(&mut head, header)?;
    }
    if head.body_bytes > BODY_BYTES_MAX {
        return Err(HttpError::BodyTooLong);
    }
    Ok(Some((head, length)))
}

fn read_header(head: &mut Head, header: &httparse::Header<'_>) -> Result<(), HttpError> {
    let named = |name| header.name.eq_ignore_ascii_case(name);
    let value = || std::str::from_utf8(header.value).map(str::trim);
    if named("content-length") {
        let digits = value().map_err(|_| HttpError::Malformed)?;
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(HttpError::Malformed);
        }
        head.body_bytes = digits.parse().map_err(|_| HttpError::BodyTooLong)?;
    } else if named("transfer-encoding") {
        return Err(HttpError::NoLength);
    } else if named("connection") {
        let words = value().map_err(|_| HttpError::Malformed)?.to_ascii_lowercase();
        for word in words.split(',').map(str::trim) {
            match word {
                "close" => head.keep_alive = false,
                "keep-alive" => head.keep_alive = true,
                // Names of hop-by-hop headers, none of which matters here.
                _ => {}
            }
        }
    } else if named("expect") {
        head.expects_continue = header.value.eq_ignore_ascii_case(b"100-continue");
    } else if named("x-request-id") {
        head.request_id = Some(String::from_utf8_lossy(header.value).into());
    } else if named("x-api-key") {
        head.key = value().ok().map(Secret::new);
    } else if named("authorization") {
        let bearer = value().ok().and_then(|value| value.split_once(' '));
        if let Some((scheme, key)) = bearer
            && scheme.eq_ignore_ascii_case("bearer")
        {
            head.key = Some(Secret::new(key.trim()));
        }
    }
    Ok(())
}

/// How an answer's body ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Framing {
    /// After this many bytes.
    Length(usize),
    /// With an empty chunk.
    Chunked,
}

/// An answer's head.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AnswerHead<'a> {
    pub(crate) status: u16,
    pub(crate) framing: Framing,
    pub(crate) keep_alive: bool,
    /// The header that carries the server's own id of the request, and the id.
    pub(crate) server_id: Option<(&'a str, &'a str)>,
    pub(crate) retry_after_s: Option<u64>,
    pub(crate) allow: Option<&'a str>,
}

impl AnswerHead<'_> {
    /// The head of an answer with no body, after which the connection goes on.
    pub(crate) const fn of(status: u16) -> Self {
        Self {
            status,
            framing: Framing::Length(0),
            keep_alive: true,
            server_id: None,
            retry_after_s: None,
            allow: None,
        }
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let mut digits = itoa::Buffer::new();
        extend(out, &["HTTP/1.1 ", digits.format(self.status), " ", reason(self.status), "\r\n"]);
        match self.framing {
            Framing::Length(bytes) => {
                let length = digits.format(bytes);
                extend(out, &["content-type: application/json\r\ncontent-length: ", length]);
            }
            Framing::Chunked => extend(
                out,
                &[
                    "content-type: text/event-stream; charset=utf-8\r\n",
                    "cache-control: no-cache\r\ntransfer-encoding: chunked",
                ],
            ),
        }
        if let Some((name, id)) = self.server_id {
            extend(out, &["\r\n", name, ": ", id]);
        }
        if let Some(seconds) = self.retry_after_s {
            extend(out, &["\r\nretry-after: ", digits.format(seconds)]);
        }
        if let Some(method) = self.allow {
            extend(out, &["\r\nallow: ", method]);
        }
        if !self.keep_alive {
            extend(out, &["\r\nconnection: close"]);
        }
        extend(out, &["\r\n\r\n"]);
    }
}

fn extend(out: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
}

/// Appends `body` as one chunk of a chunked body. An empty one would end it, and is left out.
pub(crate) fn write_chunk(body: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    if body.is_empty() {
        return;
    }
    let digits = (usize::BITS - body.len().leading_zeros()).div_ceil(4);
    for digit in (0..digits).rev() {
        out.push(HEX[(body.len() >> (4 * digit)) & 0xf]);
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
    out.extend_from_slice(b"\r\n");
}

/// What ends a chunked body.
pub(crate) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// The words that go with a status; clients read the number.
const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        411 => "Length Required",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        529 => "Overloaded",
        _ => "Error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_matters_of_a_head() {
        let bytes = b"POST /v1/messages?beta=1 HTTP/1.1\r\nHost: x\r\nX-Request-Id: r-7\r\n\
            X-API-Key: k\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\
            Connection: TE, Close\r\n\r\n{}";
        for short in 0..bytes.len() - 2 {
            assert_eq!(parse_head(&bytes[..short]), Ok(None), "{short} bytes");
        }
        let (head, length) = parse_head(bytes).unwrap().unwrap();
        assert_eq!(length, bytes.len() - 2);
        assert_eq!(
            head,
            Head {
                route: Route::Answer(WireFormat::AnthropicMessages),
                request_id: Some("r-7".into()),
                key: Some(Secret::new("k")),
                body_bytes: 2,
                keep_alive: false,
                expects_continue: true,
            }
        );
    }

    #[test]
    fn routes_by_method_and_path() {
        fn check(line: &str, want: Route) {
            let head = format!("{line} HTTP/1.1\r\n\r\n");
            let (head, _) = parse_head(head.as_bytes()).unwrap().unwrap();
            assert_eq!((head.route, head.keep_alive), (want, true), "{line}");
        }
        check("GET /health", Route::Health);
        check("GET /v1/models", Route::Models);
        check("POST /v1/chat/completions", Route::Answer(WireFormat::OpenAiChat));
        check("POST /v1/completions", Route::Answer(WireFormat::OpenAiCompletions));
        let wrong = |allow, format| Route::WrongMethod { allow, format };
        check("GET /v1/messages", wrong("POST", WireFormat::AnthropicMessages));
        check("POST /health", wrong("GET", WireFormat::OpenAiChat));
        check("GET /", Route::Unknown);
    }

    #[test]
    fn bad_heads_are_told_apart() {
        fn check(bytes: &[u8], want: HttpError) {
            assert_eq!(parse_head(bytes), Err(want), "{:?}", String::from_utf8_lossy(bytes));
        }
        check(b"\x16\x03\x01\x02\x00", HttpError::Malformed);
        check(b"GET / HTTP/1.0\r\n\r\n", HttpError::Version);
        check(b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n", HttpError::Malformed);
        check(b"POST / HTTP/1.1\r\ncontent-length: 1e9\r\n\r\n", HttpError::Malformed);
        check(b"POST / HTTP/1.1\r\ncontent-length: 99999999999\r\n\r\n", HttpError::BodyTooLong);
        check(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n", HttpError::NoLength);
        let mut long = b"GET / HTTP/1.1\r\nx: ".to_vec();
        long.resize(HEAD_BYTES_MAX + 1, b'a');
        check(&long, HttpError::HeadTooLong);
    }

    #[test]
    fn chunks_carry_their_length_in_hexadecimal() {
        fn check(length: usize, want: &str) {
            let mut out = Vec::new();
            write_chunk(&vec![b'x'; length], &mut out);
            assert_eq!(out, format!("{want}\r\n{}\r\n", "x".repeat(length)).as_bytes());
        }
        check(1, "1");
        check(15, "f");
        check(16, "10");
        check(0x1a2b, "1a2b");
        let mut out = Vec::new();
        write_chunk(b"", &mut out);
        assert!(out.is_empty());
    }
}
