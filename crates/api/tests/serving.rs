//! The server over a real socket: what each endpoint answers, byte for byte, and what happens when
//! a request, the model, or the client is at fault.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use api::{BindError, ModelServer, Served, Stopped};
use domain::{ChunkKind, ConnectStage, Failure, FailureKind, FinishReason, Model, WireFormat};
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

#[tokio::test]
async fn chat_is_streamed_in_openai_form() {
    let server = Fixture::start(hello()).await;
    let options = r#""stream":true,"stream_options":{"include_usage":true},"stop":["END"],"#;
    let answer = server.post(CHAT, &conversation(options)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    assert_snapshot!(answer.body, @r#"
    data: {"id":"chatcmpl-18867251edfa0000-0","object":"chat.completion.chunk","created":1767225600,"model":"tiny","system_fingerprint":null,"choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null}

    data: {"id":"chatcmpl-18867251edfa0000-0","object":"chat.completion.chunk","created":1767225600,"model":"tiny","system_fingerprint":null,"choices":[{"index":0,"delta":{"content":"Hel"},"logprobs":null,"finish_reason":null}],"usage":null}

    data: {"id":"chatcmpl-18867251edfa0000-0","object":"chat.completion.chunk","created":1767225600,"model":"tiny","system_fingerprint":null,"choices":[{"index":0,"delta":{"content":"lo \"é\"\n"},"logprobs":null,"finish_reason":null}],"usage":null}

    data: {"id":"chatcmpl-18867251edfa0000-0","object":"chat.completion.chunk","created":1767225600,"model":"tiny","system_fingerprint":null,"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"length"}],"usage":null}

    data: {"id":"chatcmpl-18867251edfa0000-0","object":"chat.completion.chunk","created":1767225600,"model":"tiny","system_fingerprint":null,"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0}}}

    data: [DONE]
    "#);
    let asked = &server.model.asked()[0].request;
    assert_eq!((asked.max_tokens, asked.stream, &*asked.stop[0]), (Some(9), true, "END"));
    assert_eq!(asked.prompt.text(), "Hi");
}

#[tokio::test]
async fn completions_are_streamed_in_openai_form() {
    let server = Fixture::start(hello()).await;
    let answer = server.post(COMPLETIONS, r#"{"model":"tiny","stream":true,"prompt":"Hi"}"#).await;
    assert_snapshot!(answer.body, @r#"
    data: {"id":"cmpl-18867251edfa0000-0","object":"text_completion","created":1767225600,"model":"tiny","system_fingerprint":null,"choices":[{"index":0,"text":"Hel","logprobs":null,"finish_reason":null}]}

    data: {"id":"cmpl-18867251edfa0000-0","object":"text_completion","created":1767225600,"model":"tiny","system_fingerprint":null,"choices":[{"index":0,"text":"lo \"é\"\n","logprobs":null,"finish_reason":null}]}

    data: {"id":"cmpl-18867251edfa0000-0","object":"text_completion","created":1767225600,"model":"tiny","system_fingerprint":null,"choices":[{"index":0,"text":"","logprobs":null,"finish_reason":"length"}]}

    data: [DONE]
    "#);
}

#[tokio::test]
async fn messages_are_streamed_in_anthropic_form() {
    let server = Fixture::start(hello()).await;
    let answer = server.post(MESSAGES, &conversation(r#""stream":true,"#)).await;
    assert_snapshot!(answer.body, @r#"
    event: message_start
    data: {"type":"message_start","message":{"id":"msg_18867251edfa0000-0","type":"message","role":"assistant","model":"tiny","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}}

    event: content_block_start
    data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

    event: content_block_delta
    data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hel"}}

    event: content_block_delta
    data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"lo \"é\"\n"}}

    event: content_block_stop
    data: {"type":"content_block_stop","index":0}

    event: message_delta
    data: {"type":"message_delta","delta":{"stop_reason":"max_tokens","stop_sequence":null},"usage":{"input_tokens":1,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":2}}

    event: message_stop
    data: {"type":"message_stop"}
    "#);
}

#[tokio::test]
async fn whole_answers_come_in_every_form() {
    let server = Fixture::start(hello()).await;
    let chat = server.post(CHAT, &conversation("")).await;
    assert_eq!(chat.header("content-type"), Some("application/json"));
    assert_eq!(chat.header("content-length"), Some(&*chat.body.len().to_string()));
    let completion = server.post(COMPLETIONS, r#"{"model":"tiny","prompt":"Hi"}"#).await;
    let message = server.post(MESSAGES, &conversation("")).await;
    assert_snapshot!([chat.body, completion.body, message.body].join("\n\n"), @r#"
    {"id":"chatcmpl-18867251edfa0000-0","object":"chat.completion","created":1767225600,"model":"tiny","system_fingerprint":null,"choices":[{"index":0,"message":{"role":"assistant","content":"Hello \"é\"\n","refusal":null},"logprobs":null,"finish_reason":"length"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0}}}

    {"id":"cmpl-18867251edfa0000-1","object":"text_completion","created":1767225600,"model":"tiny","system_fingerprint":null,"choices":[{"index":0,"text":"Hello \"é\"\n","logprobs":null,"finish_reason":"length"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0}}}

    {"id":"msg_18867251edfa0000-2","type":"message","role":"assistant","model":"tiny","content":[{"type":"text","text":"Hello \"é\"\n"}],"stop_reason":"max_tokens","stop_sequence":null,"usage":{"input_tokens":1,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":2}}
    "#);
}

#[tokio::test]
async fn models_health_and_metrics_are_told() {
    let server = Fixture::start(hello()).await;
    assert_snapshot!(server.get("/v1/models").await.body, @r#"
    {"object":"list","data":[{"id":"tiny","object":"model","type":"model","created":1767225600,"created_at":"2026-01-01T00:00:00Z","owned_by":"prony","display_name":"tiny"}],"has_more":false,"first_id":"tiny","last_id":"tiny"}
    "#);
    assert_eq!(server.get("/health").await.body, r#"{"status":"ok"}"#);
    let metrics = server.get("/metrics").await;
    assert_eq!(metrics.body, "requests_total 3\n");
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
}

#[tokio::test]
async fn a_bad_request_is_told_what_is_wrong() {
    let server = Fixture::start(hello()).await;
    let mut told = String::new();
    let nobody = conversation("").replace("tiny", "nobody");
    for (method, path, body) in [
        ("POST", CHAT, "{not json"),
        ("POST", CHAT, r#"{"model":"tiny"}"#),
        ("POST", MESSAGES, r#"{"model":"tiny","messages":[{"role":"user","content":"Hi"}]}"#),
        ("POST", COMPLETIONS, r#"{"model":"other","prompt":"Hi"}"#),
        ("POST", MESSAGES, &nobody),
        ("POST", COMPLETIONS, r#"{"model":"tiny","prompt":"Hi","max_tokens":101}"#),
        ("GET", CHAT, ""),
        ("POST", "/v1/nothing", "{}"),
    ] {
        let answer = Answer::read(server.send(method, path, "", body).await).await;
        told.push_str(&format!("{method} {path} {}\n{}\n\n", answer.status, answer.body));
    }
    assert_snapshot!(told, @r#"
    POST /v1/chat/completions 400
    {"error":{"message":"the body cannot be read: it is no JSON (line 1, column 2)","type":"invalid_request_error","param":null,"code":null}}

    POST /v1/chat/completions 400
    {"error":{"message":"'messages' is required","type":"invalid_request_error","param":null,"code":null}}

    POST /v1/messages 400
    {"type":"error","error":{"type":"invalid_request_error","message":"'max_tokens' is required"}}

    POST /v1/completions 404
    {"error":{"message":"the model 'other' does not exist; served here: tiny","type":"invalid_request_error","param":null,"code":"model_not_found"}}

    POST /v1/messages 404
    {"type":"error","error":{"type":"not_found_error","message":"the model 'nobody' does not exist; served here: tiny"}}

    POST /v1/completions 400
    {"error":{"message":"'max_tokens' is 101, but the context of 'tiny' holds 100 tokens","type":"invalid_request_error","param":null,"code":null}}

    GET /v1/chat/completions 405
    {"error":{"message":"this path takes POST","type":"invalid_request_error","param":null,"code":null}}

    POST /v1/nothing 404
    {"error":{"message":"there is no /v1/nothing; there are /v1/chat/completions, /v1/completions, /v1/messages, /v1/models, /health and /metrics","type":"invalid_request_error","param":null,"code":null}}
    "#);
    assert_eq!(server.model.asked().len(), 0);
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused() {
    let server = Fixture::start(hello()).await;
    let mut socket = TcpStream::connect(server.address).await.expect("it listens");
    // One byte more than the limit; what is promised is enough to be refused.
    let head = "POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 33554433\r\n\r\n";
    socket.write_all(head.as_bytes()).await.expect("it reads");
    let mut status = [0; 12];
    socket.read_exact(&mut status).await.expect("it answers");
    assert_eq!(&status, b"HTTP/1.1 413");
}

#[tokio::test]
async fn a_failure_before_the_first_token_has_its_status() {
    let overloaded = Failure {
        retry_after: Some(Duration::from_millis(1_500)),
        ..Failure::new(FailureKind::Overloaded, "the queue is full")
    };
    let too_long =
        Failure { status: Some(422), ..Failure::new(FailureKind::Rejected, "too long a prompt") };
    let of = |kind| Failure::new(kind, "it broke");
    for (failure, openai, anthropic, error_type) in [
        (overloaded, 503, 529, "overloaded_error"),
        (too_long, 422, 422, "invalid_request_error"),
        (of(FailureKind::Rejected), 400, 400, "invalid_request_error"),
        (of(FailureKind::RateLimited), 429, 429, "rate_limit_error"),
        (of(FailureKind::Timeout), 504, 504, "timeout_error"),
        (of(FailureKind::Cancelled), 503, 529, "overloaded_error"),
        (of(FailureKind::ServerError), 500, 500, "api_error"),
        (of(FailureKind::Unauthorized), 502, 502, "api_error"),
        (of(FailureKind::Connect(ConnectStage::Tcp)), 502, 502, "api_error"),
        (of(FailureKind::Truncated), 502, 502, "api_error"),
    ] {
        let server = Fixture::start(Script::failure(failure.clone())).await;
        for stream in [r#""stream":true,"#, r#""stream":false,"#] {
            let answer = server.post(CHAT, &conversation(stream)).await;
            assert_eq!(answer.status, openai, "{failure}");
            assert_eq!(answer.json()["error"]["message"], *failure.message);
            let answer = server.post(MESSAGES, &conversation(stream)).await;
            assert_eq!(answer.status, anthropic, "{failure}");
            assert_eq!(answer.json()["error"]["type"], error_type, "{failure}");
            assert_eq!(answer.header("x-should-retry"), Some(&*failure.retryable.to_string()));
            let after = failure.retry_after.map(|_| ("2", "1500")).unzip();
            let told = (answer.header("retry-after"), answer.header("retry-after-ms"));
            assert_eq!(told, after);
        }
    }
}

#[tokio::test]
async fn a_failure_after_the_first_token_ends_the_stream_as_an_event() {
    let out_of_memory = Failure::new(FailureKind::Overloaded, "out of memory");
    let server = Fixture::start(Script::answer(["Hel"]).failing(out_of_memory)).await;
    let body = conversation(r#""stream":true,"prompt":"Hi","#);
    let mut last_events = String::new();
    for path in [CHAT, COMPLETIONS, MESSAGES] {
        let answer = server.post(path, &body).await;
        assert_eq!(answer.status, 200);
        let last = answer.body.trim_end().split("\n\n").last().expect("an event");
        last_events.push_str(last);
        last_events.push('\n');
    }
    assert_snapshot!(last_events, @r#"
    data: {"error":{"message":"out of memory","type":"server_error","param":null,"code":"overloaded"}}
    data: {"error":{"message":"out of memory","type":"server_error","param":null,"code":"overloaded"}}
    event: error
    data: {"type":"error","error":{"type":"overloaded_error","message":"out of memory"}}
    "#);
    let whole = server.post(CHAT, &conversation("")).await;
    assert_eq!(whole.status, 503, "half an answer is none");
}

#[tokio::test]
async fn counts_are_estimated_where_the_model_gives_none() {
    let server = Fixture::start(hello().usage(None)).await;
    let answer = server.post(COMPLETIONS, r#"{"model":"tiny","prompt":"12345"}"#).await.json();
    assert_eq!(answer["usage"]["prompt_tokens"], 2);
    assert_eq!(answer["usage"]["completion_tokens"], 2);
}

#[tokio::test]
async fn a_remote_models_events_are_served_in_another_form() {
    let script = [
        (ChunkKind::Other, r#"{"role":"assistant","content":""}"#),
        (ChunkKind::Reasoning, r#"{"reasoning_content":"hmm"}"#),
        (ChunkKind::Content, r#"{"content":"Hel"}"#),
        (ChunkKind::Content, r#"{"content":"lo"}"#),
    ]
    .into_iter()
    .fold(Script::tokens(0), |script, (kind, delta)| {
        let data = format!(r#"{{"choices":[{{"index":0,"delta":{delta}}}]}}"#);
        script.wire(WireFormat::OpenAiChat, kind, data)
    });
    let body = conversation(r#""stream":true,"#);
    let server = Fixture::start(script.clone()).await;
    let answer = server.post(MESSAGES, &body).await;
    let texts: Vec<&str> = answer.body.lines().filter(|line| line.contains("text_delta")).collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(texts[0].contains("\"Hel\"") && texts[1].contains("\"lo\""), "{texts:?}");

    let broken = script.wire(WireFormat::OpenAiChat, ChunkKind::Content, "{\"choices\":7}");
    let server = Fixture::start(broken).await;
    let answer = server.post(MESSAGES, &body).await;
    assert!(answer.body.contains("event: error\n"), "{}", answer.body);
    assert!(!answer.body.contains("message_stop"), "{}", answer.body);
}

#[tokio::test]
async fn a_remote_models_whole_answer_is_served_in_another_form() {
    let body = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},
        "finish_reason":"stop"}]}"#;
    let script = Script::tokens(0).wire(WireFormat::OpenAiChat, ChunkKind::Content, body);
    let server = Fixture::start(script).await;
    let answer = server.post(COMPLETIONS, r#"{"model":"tiny","prompt":"Hi"}"#).await;
    assert_eq!(answer.json()["choices"][0]["text"], "Hello");
}

#[tokio::test]
async fn a_request_keeps_its_id() {
    let server = Fixture::start(hello()).await;
    let body = r#"{"model":"tiny","prompt":"Hi"}"#;
    let id = "x-request-id: 00000000000000ff-12\r\n";
    let answer = Answer::read(server.send("POST", COMPLETIONS, id, body).await).await;
    assert_eq!(answer.header("x-request-id"), Some("00000000000000ff-12"));
    assert_eq!(answer.header("request-id"), Some("00000000000000ff-12"));
    assert_eq!(server.model.asked()[0].request.id.to_string(), "00000000000000ff-12");
    assert_eq!(answer.json()["id"], "cmpl-00000000000000ff-12");

    let made = server.post(COMPLETIONS, body).await;
    let id = server.model.asked()[1].request.id.to_string();
    assert_eq!(made.header("x-request-id"), Some(&*id));
}

#[tokio::test]
async fn a_client_that_leaves_cancels_its_request() {
    for script in [Script::tokens(1).hanging(), Script::tokens(0).hanging()] {
        let server = Fixture::start(script).await;
        for stream in [true, false] {
            let body = format!(r#"{{"model":"tiny","stream":{stream},"prompt":"Hi"}}"#);
            let socket = server.send("POST", COMPLETIONS, "", &body).await;
            server.in_flight(1).await;
            drop(socket);
            server.in_flight(0).await;
        }
        assert_eq!(server.model.cancelled(), 2);
    }
}

#[tokio::test]
async fn stopping_lets_answers_under_way_end() {
    let gate = Gate::new();
    let mut server = Fixture::start(Script::tokens(2).hold(&gate)).await;
    let body = r#"{"model":"tiny","stream":true,"prompt":"Hi"}"#;
    let socket = server.send("POST", COMPLETIONS, "", body).await;
    server.in_flight(1).await;
    server.stop.cancel();
    while TcpStream::connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    gate.open();
    assert!(Answer::read(socket).await.body.ends_with("data: [DONE]\n\n"));
    assert_eq!(server.stopped().await, Stopped { cut_off: 0 });
}

#[tokio::test]
async fn what_outlasts_the_grace_is_cut_off_and_counted() {
    let mut server = Fixture::start_with(Script::tokens(1).hanging(), Duration::ZERO).await;
    let body = r#"{"model":"tiny","stream":true,"prompt":"Hi"}"#;
    let mut socket = server.send("POST", COMPLETIONS, "", body).await;
    socket.read_u8().await.expect("it answers");
    assert_eq!(server.stopped().await, Stopped { cut_off: 1 });
    assert_eq!(server.model.cancelled(), 1);
    let mut rest = Vec::new();
    // Cut off in order or with a reset, but without an end mark.
    let _ = socket.read_to_end(&mut rest).await;
    assert!(!String::from_utf8_lossy(&rest).contains("[DONE]"));
}

#[tokio::test]
async fn what_cannot_be_served_is_refused_at_the_start() {
    let clock = Arc::new(ManualClock::new());
    let model: Arc<dyn Model> = Arc::new(ScriptedModel::always(clock.clone(), hello()));
    let served =
        |id: &str| Served { id: id.to_owned(), model: model.clone(), context_length: None };
    let taken = std::net::TcpListener::bind(any_port()).expect("a port is free");
    let taken_address = taken.local_addr().expect("it is bound");
    for (address, models, want) in [
        (any_port(), vec![], "there is no model to serve"),
        (any_port(), vec![served("a"), served("b"), served("a")], "two models are called \"a\""),
        (taken_address, vec![served("a")], "cannot listen on 127.0.0.1:"),
    ] {
        let bound = ModelServer::bind(address, models, |_| {}, clock.clone()).await;
        let error: BindError = bound.expect_err(want);
        assert!(error.to_string().starts_with(want), "{error}");
    }
}
