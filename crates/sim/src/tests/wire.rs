//! What is said, byte for byte.

use super::*;

async fn exchange(config: SimConfig, request: &str) -> (Reply, Vec<Served>) {
    let mut stage = Stage::new(config);
    let mut client = stage.connect();
    client.send(request).await;
    let reply = client.reply().await;
    drop(client);
    (reply, stage.finish().await)
}

/// Head and parts, a line of dashes between writes that came apart.
fn shown(reply: &Reply) -> String {
    let parts: Vec<&str> = reply.parts.iter().map(|(_, text)| text.trim_end()).collect();
    format!("{}\n----\n{}", reply.head.replace('\r', ""), parts.join("\n----\n"))
}

#[tokio::test(start_paused = true)]
async fn a_chat_answer_is_streamed() {
    let body = STREAMED.replace("true", r#"true,"stream_options":{"include_usage":true}"#);
    let (reply, log) = exchange(timed(), &post("/v1/chat/completions", &body)).await;
    assert!(reply.whole);
    insta::assert_snapshot!(shown(&reply), @r##"
    HTTP/1.1 200 OK
    content-type: text/event-stream; charset=utf-8
    cache-control: no-cache
    transfer-encoding: chunked
    x-request-id: req_0000000000000000
    ----
    data: {"id":"req_0000000000000000","object":"chat.completion.chunk","created":1767225600,"model":"sim","system_fingerprint":null,"choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null}
    ----
    data: {"id":"req_0000000000000000","object":"chat.completion.chunk","created":1767225600,"model":"sim","system_fingerprint":null,"choices":[{"index":0,"delta":{"content":"a"},"logprobs":null,"finish_reason":null}],"usage":null}
    ----
    data: {"id":"req_0000000000000000","object":"chat.completion.chunk","created":1767225600,"model":"sim","system_fingerprint":null,"choices":[{"index":0,"delta":{"content":" \"b\""},"logprobs":null,"finish_reason":null}],"usage":null}
    ----
    data: {"id":"req_0000000000000000","object":"chat.completion.chunk","created":1767225600,"model":"sim","system_fingerprint":null,"choices":[{"index":0,"delta":{"content":" c"},"logprobs":null,"finish_reason":null}],"usage":null}
    ----
    data: {"id":"req_0000000000000000","object":"chat.completion.chunk","created":1767225600,"model":"sim","system_fingerprint":null,"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null}

    data: {"id":"req_0000000000000000","object":"chat.completion.chunk","created":1767225600,"model":"sim","system_fingerprint":null,"choices":[],"usage":{"prompt_tokens":4,"completion_tokens":3,"total_tokens":7,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0}}}

    data: [DONE]
    "##);
    assert_eq!(log[0].request_id.as_deref(), Some("mine-1"));
    assert_eq!((log[0].status, log[0].prompt_tokens.count(), log[0].tokens.len()), (200, 4, 3));
}

#[tokio::test(start_paused = true)]
async fn a_message_is_streamed() {
    let body = STREAMED.replace("true", r#"true,"max_tokens":1"#);
    let (reply, _) = exchange(timed(), &post("/v1/messages", &body)).await;
    assert!(reply.whole);
    insta::assert_snapshot!(shown(&reply), @r##"
    HTTP/1.1 200 OK
    content-type: text/event-stream; charset=utf-8
    cache-control: no-cache
    transfer-encoding: chunked
    request-id: req_0000000000000000
    ----
    event: message_start
    data: {"type":"message_start","message":{"id":"req_0000000000000000","type":"message","role":"assistant","model":"sim","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}}
    ----
    event: content_block_start
    data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

    event: content_block_delta
    data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}
    ----
    event: content_block_stop
    data: {"type":"content_block_stop","index":0}

    event: message_delta
    data: {"type":"message_delta","delta":{"stop_reason":"max_tokens","stop_sequence":null},"usage":{"input_tokens":4,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}

    event: message_stop
    data: {"type":"message_stop"}
    "##);
}

#[tokio::test(start_paused = true)]
async fn a_completion_is_streamed() {
    let body = r#"{"model":"sim","stream":true,"prompt":"Say abc","max_tokens":9}"#;
    let (reply, _) = exchange(timed(), &post("/v1/completions", body)).await;
    assert!(reply.whole);
    insta::assert_snapshot!(shown(&reply), @r##"
    HTTP/1.1 200 OK
    content-type: text/event-stream; charset=utf-8
    cache-control: no-cache
    transfer-encoding: chunked
    x-request-id: req_0000000000000000
    ----
    data: {"id":"req_0000000000000000","object":"text_completion","created":1767225600,"model":"sim","system_fingerprint":null,"choices":[{"index":0,"text":"a","logprobs":null,"finish_reason":null}]}
    ----
    data: {"id":"req_0000000000000000","object":"text_completion","created":1767225600,"model":"sim","system_fingerprint":null,"choices":[{"index":0,"text":" \"b\"","logprobs":null,"finish_reason":null}]}
    ----
    data: {"id":"req_0000000000000000","object":"text_completion","created":1767225600,"model":"sim","system_fingerprint":null,"choices":[{"index":0,"text":" c","logprobs":null,"finish_reason":null}]}
    ----
    data: {"id":"req_0000000000000000","object":"text_completion","created":1767225600,"model":"sim","system_fingerprint":null,"choices":[{"index":0,"text":"","logprobs":null,"finish_reason":"stop"}]}

    data: [DONE]
    "##);
}

#[tokio::test(start_paused = true)]
async fn answers_come_in_one_piece() {
    let body = STREAMED.replace("true", "false");
    let (reply, log) = exchange(timed(), &post("/v1/chat/completions", &body)).await;
    assert!(reply.whole);
    assert_eq!(reply.times(), [ms(70)]);
    insta::assert_snapshot!(shown(&reply), @r##"
    HTTP/1.1 200 OK
    content-type: application/json
    content-length: 376
    x-request-id: req_0000000000000000
    ----
    {"id":"req_0000000000000000","object":"chat.completion","created":1767225600,"model":"sim","system_fingerprint":null,"choices":[{"index":0,"message":{"role":"assistant","content":"a \"b\" c","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":4,"completion_tokens":3,"total_tokens":7,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0}}}
    "##);
    assert!(!log[0].streamed && log[0].tokens.is_empty() && log[0].head.is_some());
    assert_eq!(log[0].output_tokens.count(), 3);
}

#[tokio::test(start_paused = true)]
async fn refusals_are_in_the_words_of_their_format() {
    async fn check(request: &str, status: u16, head: &str, body: &str) {
        let config = SimConfig { api_key: Some(domain::Secret::new("k-1")), ..timed() };
        let (reply, _) = exchange(config, request).await;
        assert!(reply.whole);
        assert_eq!(reply.status, status, "{request}");
        assert!(reply.head.contains(head), "{request}: {}", reply.head);
        assert!(reply.text().contains(body), "{request}: {}", reply.text());
    }
    let keyed = |request: String| request.replacen("host:", "x-api-key: k-1\r\nhost:", 1);
    check(&chat(), 401, "", r#""code":"invalid_api_key""#).await;
    check(&keyed(chat()), 200, "", "[DONE]").await;
    let bearer = chat().replacen("host:", "Authorization: Bearer k-1\r\nhost:", 1);
    check(&bearer, 200, "", "[DONE]").await;
    let other = keyed(post(
        "/v1/messages",
        r#"{"model":"no","max_tokens":1,"messages":[{"role":"user","content":"x"}]}"#,
    ));
    check(&other, 404, "", r#"{"type":"error","error":{"type":"not_found_error""#).await;
    let broken = keyed(post("/v1/completions", "{"));
    check(&broken, 400, "", r#""type":"invalid_request_error""#).await;
    check("GET /nowhere HTTP/1.1\r\n\r\n", 404, "connection: close", "error").await;
    let wrong = "GET /v1/messages HTTP/1.1\r\n\r\n";
    check(wrong, 405, "allow: POST", r#""type":"error""#).await;
    check("GET /health HTTP/1.0\r\n\r\n", 505, "connection: close", "error").await;
    let chunked = "POST /v1/completions HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    check(chunked, 411, "connection: close", "error").await;
    check("GET /health HTTP/1.1\r\n\r\n", 200, "", r#"{"status":"ok"}"#).await;
    check("GET /v1/models HTTP/1.1\r\n\r\n", 200, "", r#""id":"sim""#).await;
}

#[tokio::test(start_paused = true)]
async fn lengths_follow_the_request() {
    async fn check(settings: &str, tokens: usize, finish: &str) {
        let body = STREAMED.replace("true", &format!("true{settings}"));
        let (reply, log) = exchange(timed(), &post("/v1/chat/completions", &body)).await;
        assert_eq!(log[0].tokens.len(), tokens, "{settings}");
        assert!(reply.text().contains(&format!(r#""finish_reason":"{finish}""#)), "{settings}");
    }
    check("", 3, "stop").await;
    check(r#","max_tokens":2"#, 2, "length").await;
    check(r#","max_tokens":9"#, 3, "stop").await;
    check(r#","max_tokens":9,"ignore_eos":true"#, 9, "length").await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_serves_request_after_request() {
    let mut stage = Stage::new(timed());
    let mut client = stage.connect();
    // Both at once: the second waits for its turn.
    client.send(&(chat() + &chat())).await;
    assert!(client.reply().await.whole);
    assert!(client.reply().await.whole);
    // The head alone, then the body once the server asks for it.
    let last = chat().replacen("host:", "expect: 100-continue\r\nconnection: close\r\nhost:", 1);
    let (head, body) = last.split_at(last.len() - STREAMED.len());
    client.send(head).await;
    assert_eq!(client.take_until(b"\r\n\r\n").await.unwrap(), "HTTP/1.1 100 Continue");
    client.send(body).await;
    let reply = client.reply().await;
    assert!(reply.whole && reply.head.contains("connection: close"));
    assert!(client.ended().await);
    drop(client);
    let log = stage.finish().await;
    let seen: Vec<_> = log.iter().map(|served| (served.index, served.connection)).collect();
    assert_eq!(seen, [(0, 0), (1, 0), (2, 0)]);
}

#[tokio::test(start_paused = true)]
async fn tokens_and_events_are_grouped_as_set() {
    async fn check(tokens_per_chunk: u64, events_per_write: usize, chunks: usize, writes: usize) {
        let config = SimConfig {
            service: Service::Timetable(Timetable::NO_DELAY),
            tokens_per_chunk: tokens_per_chunk.try_into().unwrap(),
            events_per_write: events_per_write.try_into().unwrap(),
            ..timed()
        };
        let (reply, log) = exchange(config, &chat()).await;
        // Role, tokens, and the end of the answer.
        assert_eq!(reply.parts.len(), 2 + chunks);
        assert_eq!(log[0].tokens.len(), chunks);
        assert_eq!(log[0].writes, writes);
    }
    check(1, 1, 3, 5).await;
    check(2, 1, 2, 4).await;
    check(1, 2, 3, 3).await;
    check(1, 100, 3, 1).await;
}
