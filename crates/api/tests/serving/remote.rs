//! A remote model's answers, served in another form than they came in.

use super::*;

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

/// A remote model that thinks, answers and calls two tools, streamed in OpenAI form.
fn thinking() -> Script {
    [
        (ChunkKind::Other, r#"{"role":"assistant","content":""}"#),
        (ChunkKind::Reasoning, r#"{"reasoning_content":"hmm"}"#),
        (ChunkKind::Content, r#"{"content":"Hello"}"#),
        (
            ChunkKind::ToolCall,
            r#"{"tool_calls":[{"index":0,"id":"c0","type":"function","function":{"name":"f","arguments":""}}]}"#,
        ),
        (
            ChunkKind::ToolCall,
            r#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":1}"}}]}"#,
        ),
        (
            ChunkKind::ToolCall,
            r#"{"tool_calls":[{"index":1,"id":"c1","type":"function","function":{"name":"g","arguments":"{}"}}]}"#,
        ),
    ]
    .into_iter()
    .fold(Script::tokens(0), |script, (kind, delta)| {
        let data = format!(r#"{{"choices":[{{"index":0,"delta":{delta}}}]}}"#);
        script.wire(WireFormat::OpenAiChat, kind, data)
    })
    .finish(FinishReason::ToolCalls)
}

/// The `delta` and `content_block` members of a stream's events.
fn deltas(answer: &Answer) -> String {
    let events = answer.body.lines().filter_map(|line| line.strip_prefix("data: "));
    let mut told = String::new();
    for event in events.filter_map(|data| serde_json::from_str::<serde_json::Value>(data).ok()) {
        let delta = &event["choices"][0]["delta"];
        let parts = [delta, &event["content_block"], &event["delta"]];
        for part in parts.into_iter().filter(|part| !part.is_null()) {
            told.push_str(&format!("{part}\n"));
        }
    }
    told
}

#[tokio::test]
async fn reasoning_and_tool_calls_are_streamed_in_every_form() {
    let server = Fixture::start(thinking()).await;
    let body = conversation(r#""stream":true,"#);
    assert_snapshot!(deltas(&server.post(MESSAGES, &body).await), @r#"
    {"signature":"","thinking":"","type":"thinking"}
    {"thinking":"hmm","type":"thinking_delta"}
    {"text":"","type":"text"}
    {"text":"Hello","type":"text_delta"}
    {"id":"c0","input":{},"name":"f","type":"tool_use"}
    {"partial_json":"{\"a\":1}","type":"input_json_delta"}
    {"id":"c1","input":{},"name":"g","type":"tool_use"}
    {"partial_json":"{}","type":"input_json_delta"}
    {"stop_reason":"tool_use","stop_sequence":null}
    "#);
    assert_snapshot!(deltas(&server.post(CHAT, &body).await), @r#"
    {"content":"","refusal":null,"role":"assistant"}
    {"reasoning_content":"hmm"}
    {"content":"Hello"}
    {"tool_calls":[{"function":{"arguments":"","name":"f"},"id":"c0","index":0,"type":"function"}]}
    {"tool_calls":[{"function":{"arguments":"{\"a\":1}"},"index":0}]}
    {"tool_calls":[{"function":{"arguments":"","name":"g"},"id":"c1","index":1,"type":"function"}]}
    {"tool_calls":[{"function":{"arguments":"{}"},"index":1}]}
    {}
    "#);
    let completion =
        server.post(COMPLETIONS, r#"{"model":"tiny","stream":true,"prompt":"Hi"}"#).await;
    assert_eq!(completion.body.matches(r#""text":"Hello""#).count(), 1);
    assert!(!completion.body.contains("hmm"), "a completion is text alone");
}

#[tokio::test]
async fn a_tool_call_without_a_name_ends_the_stream() {
    let bare = Script::answer(["a"]).chunk(ChunkKind::ToolCall, "{}");
    let late = thinking().wire(
        WireFormat::OpenAiChat,
        ChunkKind::ToolCall,
        r#"{"choices":[{"delta":{"tool_calls":[{"index":7,"function":{"arguments":"x"}}]}}]}"#,
    );
    for script in [bare, late] {
        let server = Fixture::start(script).await;
        let answer = server.post(MESSAGES, &conversation(r#""stream":true,"#)).await;
        assert!(answer.body.contains("a tool call that has no name"), "{}", answer.body);
        assert!(!answer.body.contains("message_stop"), "{}", answer.body);
    }
}

#[tokio::test]
async fn reasoning_and_tool_calls_come_whole_in_every_form() {
    let body = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"Hello",
        "reasoning":"hmm","tool_calls":[{"id":"c0","type":"function",
        "function":{"name":"f","arguments":"{\"a\":1}"}}]},"finish_reason":"tool_calls"}]}"#;
    let script = Script::tokens(0)
        .wire(WireFormat::OpenAiChat, ChunkKind::Content, body)
        .finish(FinishReason::ToolCalls);
    let server = Fixture::start(script).await;
    let message = server.post(MESSAGES, &conversation("")).await.json();
    assert_snapshot!(message["content"], @r#"[{"signature":"","thinking":"hmm","type":"thinking"},{"text":"Hello","type":"text"},{"id":"c0","input":{"a":1},"name":"f","type":"tool_use"}]"#);
    assert_eq!(message["stop_reason"], "tool_use");
    let chat = server.post(CHAT, &conversation("")).await.json();
    assert_snapshot!(chat["choices"][0]["message"], @r#"{"content":"Hello","reasoning_content":"hmm","refusal":null,"role":"assistant","tool_calls":[{"function":{"arguments":"{\"a\":1}","name":"f"},"id":"c0","type":"function"}]}"#);
    let completion = server.post(COMPLETIONS, r#"{"model":"tiny","prompt":"Hi"}"#).await.json();
    assert_eq!(completion["choices"][0]["text"], "Hello");
    // Bare text may be thought, too.
    let plain = Script::tokens(0).chunk(ChunkKind::Reasoning, "hm").chunk(ChunkKind::Content, "a");
    let server = Fixture::start(plain).await;
    let chat = server.post(CHAT, &conversation("")).await.json();
    let message = &chat["choices"][0]["message"];
    assert_eq!((&message["reasoning_content"], &message["content"]), (&"hm".into(), &"a".into()));
}

/// Servers may stream what was not to be streamed, and the other way round.
#[tokio::test]
async fn a_remote_model_may_answer_in_pieces_or_whole_as_it_likes() {
    let whole = [
        (
            WireFormat::OpenAiChat,
            r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},
            "finish_reason":"stop"}]}"#,
        ),
        (
            WireFormat::AnthropicMessages,
            r#"{"type":"message","content":[{"type":"text","text":"Hello"}],"stop_reason":"end_turn"}"#,
        ),
    ]
    .map(|(format, body)| Script::tokens(0).wire(format, ChunkKind::Content, body));
    let pieces = ["Hel", "lo"].into_iter().fold(Script::tokens(0), |script, text| {
        let event = format!(r#"{{"choices":[{{"index":0,"delta":{{"content":"{text}"}}}}]}}"#);
        script.wire(WireFormat::OpenAiChat, ChunkKind::Content, event)
    });
    for script in whole.into_iter().chain([pieces]) {
        let server = Fixture::start(script).await;
        let answer = server.post(COMPLETIONS, r#"{"model":"tiny","prompt":"Hi"}"#).await;
        assert_eq!(answer.json()["choices"][0]["text"], "Hello");
        let streamed = server.post(MESSAGES, &conversation(r#""stream":true,"#)).await;
        let texts: Vec<String> = streamed
            .body
            .lines()
            .filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok())
            .filter_map(|event: serde_json::Value| {
                event["delta"]["text"].as_str().map(str::to_owned)
            })
            .collect();
        assert_eq!(texts.concat(), "Hello");
    }
}
