//! What is told where a request, the model, or the setup is at fault.

use super::*;

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
    {"error":{"message":"'messages' is required","type":"invalid_request_error","param":"messages","code":null}}

    POST /v1/messages 400
    {"type":"error","error":{"type":"invalid_request_error","message":"'max_tokens' is required"},"request_id":"18867251edfa0000-2"}

    POST /v1/completions 404
    {"error":{"message":"the model 'other' does not exist; served here: tiny","type":"invalid_request_error","param":null,"code":"model_not_found"}}

    POST /v1/messages 404
    {"type":"error","error":{"type":"not_found_error","message":"the model 'nobody' does not exist; served here: tiny"},"request_id":"18867251edfa0000-4"}

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
async fn errors_where_the_path_names_no_format_are_in_the_client_s() {
    let server = Fixture::start(hello()).await;
    let mut told = String::new();
    for headers in ["", "anthropic-version: 2023-06-01\r\n"] {
        for (method, path) in
            [("GET", "/v1/models/nobody"), ("POST", "/v1/models/tiny"), ("GET", "/v1/nothing")]
        {
            let answer = Answer::read(server.send(method, path, headers, "").await).await;
            let error = &answer.json()["error"];
            let allow = answer.header("allow").unwrap_or("-");
            told.push_str(&format!(
                "{} {allow} {} {}\n",
                answer.status, error["type"], error["code"]
            ));
        }
    }
    assert_snapshot!(told, @r#"
    404 - "invalid_request_error" "model_not_found"
    405 GET "invalid_request_error" null
    404 - "invalid_request_error" null
    404 - "not_found_error" null
    405 GET "invalid_request_error" null
    404 - "invalid_request_error" null
    "#);
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
