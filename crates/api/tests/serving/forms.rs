//! What each endpoint answers, byte for byte.

use super::*;

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
    {"object":"list","data":[{"id":"tiny","object":"model","type":"model","created":1767225600,"created_at":"2026-01-01T00:00:00Z","owned_by":"prony","lifecycle":"active","display_name":"tiny","max_model_len":100,"max_input_tokens":100}],"has_more":false,"first_id":"tiny","last_id":"tiny"}
    "#);
    assert_snapshot!(server.get("/v1/models/tin%79").await.body, @r#"
    {"id":"tiny","object":"model","type":"model","created":1767225600,"created_at":"2026-01-01T00:00:00Z","owned_by":"prony","lifecycle":"active","display_name":"tiny","max_model_len":100,"max_input_tokens":100}
    "#);
    assert_eq!(server.get("/health").await.body, r#"{"status":"ok"}"#);
    let metrics = server.get("/metrics").await;
    assert_eq!(metrics.body, "requests_total 3\n");
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
}

#[tokio::test]
async fn counts_are_estimated_where_the_model_gives_none() {
    let server = Fixture::start(hello().usage(None)).await;
    let answer = server.post(COMPLETIONS, r#"{"model":"tiny","prompt":"12345"}"#).await.json();
    assert_eq!(answer["usage"]["prompt_tokens"], 2);
    assert_eq!(answer["usage"]["completion_tokens"], 2);
    // What came in one piece has more tokens than pieces.
    let body = r#"{"choices":[{"message":{"content":"123456789"}}]}"#;
    let whole = Script::tokens(0).wire(WireFormat::OpenAiChat, ChunkKind::Content, body);
    let server = Fixture::start(whole.whole().usage(None)).await;
    let answer = server.post(COMPLETIONS, r#"{"model":"tiny","prompt":"12345"}"#).await.json();
    assert_eq!(answer["usage"]["completion_tokens"], 3);
}

#[tokio::test]
async fn tools_reach_the_model_in_either_form() {
    let server = Fixture::start(hello()).await;
    let chat = r#""tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"required","#;
    let message = r#""tools":[{"name":"f","input_schema":{}}],"tool_choice":{"type":"any"},"#;
    for (path, tools) in [(CHAT, chat), (MESSAGES, message)] {
        assert_eq!(server.post(path, &conversation(tools)).await.status, 200);
    }
    for asked in server.model.asked() {
        let tools = asked.request.tools.expect("tools were offered");
        assert_eq!((&*tools.offered[0].name, &tools.choice), ("f", &ToolChoice::Required));
    }
    let bad = server.post(CHAT, &conversation(r#""tools":[{"type":"custom"}],"#)).await;
    assert_eq!((bad.status, bad.json()["error"]["param"].clone()), (400, "tools[0].type".into()));
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
