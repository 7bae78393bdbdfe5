//! One whole stream of each server, in every framing that is legal.

use dialect::WireFormat;
use domain::{FailureKind, FinishReason, Tokens, Usage};
use serde_json::Value;

use crate::stream::{OwnPart, decode, texts};
use FinishReason::{ContentFilter, Length, Stop, ToolCalls};
use WireFormat::{AnthropicMessages, OpenAiChat, OpenAiCompletions};

const DONE: &str = "[DONE]";

/// The same events framed in each way that the standard allows, each to be fed in pieces of several
/// sizes.
fn framings(events: &[&str]) -> Vec<String> {
    let each = |frame: &dyn Fn(&str) -> String| -> String {
        events.iter().map(|event| frame(event)).collect()
    };
    let named = each(&|event| {
        let kind = serde_json::from_str(event).map(|event: Value| event["type"].clone());
        let name = kind.ok().as_ref().and_then(Value::as_str).unwrap_or("message").to_owned();
        format!(
            ": comment\n\nevent: {name}\nid: 1\nretry: 5\ndata: {event}\n: more\n\nevent: ping\n\n"
        )
    });
    let spread = each(&|event| {
        let pretty = serde_json::from_str(event)
            .map_or_else(|_| event.to_owned(), |event: Value| format!("{event:#}"));
        let lines: String = pretty.lines().map(|line| format!("data: {line}\n")).collect();
        lines + "\n"
    });
    let plain = each(&|event| format!("data: {event}\n\n"));
    vec![
        each(&|event| format!("data:{event}\r\n\r\n")),
        each(&|event| format!("data: {event}\r\r")),
        // The last event without its blank line, after a byte order mark.
        format!("\u{feff}{}", plain.trim_end()),
        plain,
        named,
        spread,
    ]
}

/// Decodes `events` in every framing, fed whole and in small pieces; all must agree.
#[track_caller]
fn decode_all(format: WireFormat, events: &[&str]) -> crate::stream::Decoded {
    let mut all = Vec::new();
    for bytes in framings(events) {
        for step in [bytes.len(), 7, 1] {
            let pieces: Vec<&[u8]> = bytes.as_bytes().chunks(step).collect();
            all.push(decode(format, &pieces));
        }
    }
    let first = all.pop().expect("there are framings");
    for other in all {
        assert_eq!(other, first);
    }
    first
}

/// Input, cache reads, cache writes, output, and reasoning where it is told.
type Counts = (u64, u64, u64, u64, Option<u64>);

#[track_caller]
fn check(
    format: WireFormat,
    events: &[&str],
    kinds: &str,
    text: [&str; 3],
    finish: FinishReason,
    counts: Option<Counts>,
) {
    let got = decode_all(format, events);
    assert_eq!((&*got.kinds, texts(&got.text)), (kinds, text.map(str::to_owned)));
    let end = got.end.expect("it ends well");
    assert_eq!(end.finish, finish);
    let told = end.usage.map(|usage| {
        let Usage { input, cache_read, cache_write, output, reasoning } = usage;
        let reasoning = reasoning.map(Tokens::count);
        (input.count(), cache_read.count(), cache_write.count(), output.count(), reasoning)
    });
    assert_eq!(told, counts);
}

#[test]
fn openai() {
    // A tool call, and content that is null beside it.
    check(
        OpenAiChat,
        &[
            r#"{"id":"x","object":"chat.completion.chunk","created":1,"model":"m","service_tier":"default","choices":[{"index":0,"delta":{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":""}}],"refusal":null},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"a"}"#,
            r#"{"id":"x","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\""}}]},"finish_reason":null}],"usage":null,"obfuscation":"bc"}"#,
            r#"{"id":"x","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]},"finish_reason":null}],"usage":null}"#,
            r#"{"id":"x","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}],"usage":null}"#,
            r#"{"id":"x","choices":[],"usage":{"prompt_tokens":53,"completion_tokens":15,"total_tokens":68,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}"#,
            DONE,
        ],
        "ttt...",
        ["", "", r#"f{"a":1}"#],
        ToolCalls,
        Some((53, 0, 0, 15, Some(0))),
    );
    // All tokens spent on reasoning that is not shown.
    check(
        OpenAiChat,
        &[
            r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"finish_reason":null}],"usage":null}"#,
            r#"{"choices":[{"index":0,"delta":{},"finish_reason":"length"}],"usage":null}"#,
            r#"{"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":100,"total_tokens":112,"completion_tokens_details":{"reasoning_tokens":100}}}"#,
            DONE,
        ],
        "....",
        ["", "", ""],
        Length,
        Some((12, 0, 0, 100, Some(100))),
    );
    // Azure begins with what its filter made of the prompt, and cuts off.
    check(
        OpenAiChat,
        &[
            r#"{"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0,"content_filter_results":{"hate":{"filtered":false}}}]}"#,
            r#"{"choices":[{"content_filter_results":{},"delta":{"content":"a"},"finish_reason":null,"index":0}]}"#,
            r#"{"choices":[{"content_filter_results":{"hate":{"filtered":true}},"delta":{},"finish_reason":"content_filter","index":0}]}"#,
            DONE,
        ],
        ".c..",
        ["a", "", ""],
        ContentFilter,
        None,
    );
    check(
        OpenAiCompletions,
        &[
            r#"{"id":"c","object":"text_completion","choices":[{"text":"a\u2028","index":0,"logprobs":null,"finish_reason":null}],"usage":null}"#,
            r#"{"id":"c","object":"text_completion","choices":[{"text":"","index":0,"logprobs":null,"finish_reason":"stop"}],"usage":null}"#,
            r#"{"id":"c","object":"text_completion","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}"#,
            DONE,
        ],
        "c...",
        ["a\u{2028}", "", ""],
        Stop,
        Some((3, 0, 0, 1, None)),
    );
}

#[test]
fn vllm() {
    // Counts on every chunk, a stop reason of three types, several tokens in one chunk.
    check(
        OpenAiChat,
        &[
            r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"usage":{"prompt_tokens":5,"completion_tokens":0,"total_tokens":5}}"#,
            r#"{"choices":[{"index":0,"delta":{"reasoning":"hm"},"finish_reason":null,"stop_reason":null}],"usage":{"prompt_tokens":5,"completion_tokens":1,"total_tokens":6}}"#,
            r#"{"choices":[{"index":0,"delta":{"content":"a b c"},"finish_reason":null,"stop_reason":"x"}],"usage":{"prompt_tokens":5,"completion_tokens":4,"total_tokens":9}}"#,
            r#"{"choices":[{"index":0,"delta":{"content":""},"finish_reason":"stop","stop_reason":128009}],"usage":{"prompt_tokens":5,"completion_tokens":5,"total_tokens":10}}"#,
            r#"{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":5,"total_tokens":10,"prompt_tokens_details":{"cached_tokens":4}}}"#,
            DONE,
        ],
        ".rc...",
        ["a b c", "hm", ""],
        Stop,
        Some((5, 4, 0, 5, None)),
    );
}

#[test]
fn llama_cpp() {
    check(
        OpenAiChat,
        &[
            r#"{"choices":[{"finish_reason":null,"index":0,"delta":{"role":"assistant","content":null}}],"prompt_progress":{"total":20,"cache":0,"processed":20,"time_ms":31}}"#,
            r#"{"choices":[{"finish_reason":null,"index":0,"delta":{"reasoning_content":"hm"}}],"timings":{"cache_n":0,"prompt_n":20,"predicted_n":1}}"#,
            r#"{"choices":[{"finish_reason":null,"index":0,"delta":{"content":"a"}}],"timings":{"cache_n":0,"prompt_n":20,"predicted_n":2}}"#,
            r#"{"choices":[{"finish_reason":"length","index":0,"delta":{}}]}"#,
            r#"{"choices":[],"usage":{"completion_tokens":2,"prompt_tokens":20,"total_tokens":22},"timings":{"cache_n":0,"prompt_n":20,"prompt_ms":31.5,"prompt_per_token_ms":1.5,"prompt_per_second":634.9,"predicted_n":2,"predicted_ms":9.1,"predicted_per_token_ms":4.5,"predicted_per_second":219.7,"draft_n":3,"draft_n_accepted":1}}"#,
            DONE,
        ],
        ".rc...",
        ["a", "hm", ""],
        Length,
        Some((20, 0, 0, 2, None)),
    );
}

#[test]
fn ollama_and_tgi() {
    // The role with every delta, calls whole and all of number zero.
    let events = [
        r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":"","reasoning":"hm"},"finish_reason":null}],"system_fingerprint":"fp_ollama"}"#,
        r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":"","tool_calls":[{"id":"call_a","index":0,"type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]},"finish_reason":null}]}"#,
        r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":"","tool_calls":[{"id":"call_b","index":0,"type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":null}]}"#,
        r#"{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#,
        r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}}"#,
        DONE,
    ];
    let counts = Some((9, 0, 0, 4, None));
    check(OpenAiChat, &events, "rtt...", ["", "hm", r#"f{"a":1}f{}"#], ToolCalls, counts);
    let calls = decode_all(OpenAiChat, &events).text.tool_calls;
    let ids: Vec<&str> = calls.iter().map(|call| &*call.id).collect();
    assert_eq!(ids, ["call_a", "call_b"], "two calls, though both are number zero");
    check(
        OpenAiChat,
        &[
            r#"{"object":"chat.completion.chunk","id":"","choices":[{"index":0,"delta":{"role":"assistant","content":"a"},"logprobs":null,"finish_reason":null}],"usage":null}"#,
            r#"{"object":"chat.completion.chunk","id":"","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":"stop"}],"usage":null}"#,
            r#"{"object":"chat.completion.chunk","id":"","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#,
            DONE,
        ],
        "c...",
        ["a", "", ""],
        Stop,
        Some((1, 0, 0, 2, None)),
    );
}

#[test]
fn mistral_and_deepseek() {
    // Counts on the event that ends the answer; Mistral's calls are whole and have no number.
    let events = [
        r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"","tool_calls":[{"id":"a","function":{"name":"f","arguments":"{\"x\":1}"}},{"id":"b","function":{"name":"g","arguments":"{\"y\":2}"}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":8,"completion_tokens":20,"total_tokens":28}}"#,
        DONE,
    ];
    let counts = Some((8, 0, 0, 20, None));
    check(OpenAiChat, &events, ".t.", ["", "", r#"f{"x":1}g{"y":2}"#], ToolCalls, counts);
    let argument = |index, text: &str| OwnPart::Arguments { index, text: text.to_owned() };
    let parts = decode_all(OpenAiChat, &events).parts;
    assert_eq!([&parts[1], &parts[3]], [&argument(0, r#"{"x":1}"#), &argument(1, r#"{"y":2}"#)]);
    check(
        OpenAiChat,
        &[
            r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":null,"reasoning_content":""},"finish_reason":null}],"usage":null}"#,
            r#"{"choices":[{"index":0,"delta":{"content":null,"reasoning_content":"hm"},"finish_reason":null}],"usage":null}"#,
            r#"{"choices":[{"index":0,"delta":{"content":"a","reasoning_content":null},"finish_reason":null}],"usage":null}"#,
            r#"{"choices":[{"index":0,"delta":{"content":"","reasoning_content":null},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":3,"total_tokens":13,"prompt_tokens_details":{"cached_tokens":6},"completion_tokens_details":{"reasoning_tokens":1},"prompt_cache_hit_tokens":6,"prompt_cache_miss_tokens":4}}"#,
            DONE,
        ],
        ".rc..",
        ["a", "hm", ""],
        Stop,
        Some((10, 6, 0, 3, Some(1))),
    );
}

#[test]
fn openrouter() {
    // Comments between, counts with a price, and the finish reason of the model itself beside.
    check(
        OpenAiChat,
        &[
            r#"{"id":"gen","provider":"P","choices":[{"index":0,"delta":{"role":"assistant","content":"a"},"finish_reason":null,"native_finish_reason":null}]}"#,
            r#"{"id":"gen","provider":"P","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":"stop","native_finish_reason":"STOP"}]}"#,
            r#"{"id":"gen","provider":"P","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":{"prompt_tokens":4,"completion_tokens":2,"total_tokens":6,"cost":0.00014,"is_byok":false,"cost_details":{"upstream_inference_cost":null}}}"#,
            DONE,
        ],
        "c...",
        ["a", "", ""],
        Stop,
        Some((4, 0, 0, 2, None)),
    );
}

#[test]
fn anthropic() {
    // Thinking, text and a tool call; the end corrects what the start counted.
    check(
        AnthropicMessages,
        &[
            r#"{"type":"message_start","message":{"id":"msg","type":"message","role":"assistant","content":[],"model":"m","stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":4,"cache_creation_input_tokens":30,"cache_read_input_tokens":1165,"cache_creation":{"ephemeral_5m_input_tokens":30,"ephemeral_1h_input_tokens":0},"output_tokens":1,"service_tier":"standard"}}      }"#,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}           }"#,
            r#"{"type": "ping"}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}  }"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"s"}}"#,
            r#"{"type":"content_block_stop","index":0}"#,
            r#"{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}"#,
            r#"{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"a"}}"#,
            r#"{"type":"content_block_delta","index":1,"delta":{"type":"citations_delta","citation":{"type":"char_location","cited_text":"no"}}}"#,
            r#"{"type":"content_block_stop","index":1}"#,
            r#"{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}"#,
            r#"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":""}}"#,
            r#"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"a\": 1}"}}"#,
            r#"{"type":"content_block_stop","index":2}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"input_tokens":6,"cache_creation_input_tokens":0,"cache_read_input_tokens":1195,"output_tokens":40,"output_tokens_details":{"thinking_tokens":7}}}"#,
            r#"{"type":"message_stop"}"#,
        ],
        "...r...c..t.t...",
        ["a", "hm", r#"f{"a": 1}"#],
        ToolCalls,
        Some((1201, 1195, 0, 40, Some(7))),
    );
    // A refusal may have no block at all.
    check(
        AnthropicMessages,
        &[
            r#"{"type":"message_start","message":{"usage":{"input_tokens":20,"output_tokens":1}}}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"refusal","stop_sequence":null},"usage":{"output_tokens":0}}"#,
            r#"{"type":"message_stop"}"#,
        ],
        "...",
        ["", "", ""],
        ContentFilter,
        Some((20, 0, 0, 0, None)),
    );
    // At the token limit a block may lack its end, and a tool's input the rest of its JSON.
    let cut = [
        r#"{"type":"message_start","message":{"usage":{"input_tokens":2,"output_tokens":1}}}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"a"}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"max_tokens","stop_sequence":null},"usage":{"output_tokens":9}}"#,
        r#"{"type":"message_stop"}"#,
    ];
    let counts = Some((2, 0, 0, 9, None));
    check(AnthropicMessages, &cut, ".tt..", ["", "", "f{\"a"], Length, counts);
}

#[test]
fn a_failure_is_one_in_every_framing() {
    let check = |format, events: &[&str], kind| {
        assert_eq!(decode_all(format, events).end.map_err(|failure| failure.kind), Err(kind));
    };
    let text = r#"{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}"#;
    let delta =
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}"#;
    // vLLM ends the stream in order after an error, llama.cpp just closes.
    let vllm = r#"{"error":{"message":"m","type":"InternalServerError","param":null,"code":500}}"#;
    check(OpenAiChat, &[text, vllm, DONE], FailureKind::InStream);
    let llama_cpp = r#"{"error":{"code":503,"message":"m","type":"unavailable_error"}}"#;
    check(OpenAiChat, &[text, llama_cpp], FailureKind::Overloaded);
    let overloaded =
        r#"{"type":"error","error":{"type":"overloaded_error","message":"m"},"request_id":"r"}"#;
    check(AnthropicMessages, &[delta, overloaded], FailureKind::Overloaded);
    // No mark and no reason: cut off.
    check(OpenAiChat, &[text, text], FailureKind::Truncated);
    let counts = r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#;
    check(OpenAiChat, &[text, counts], FailureKind::Truncated);
    check(AnthropicMessages, &[delta], FailureKind::Truncated);
    let stop = r#"{"type":"content_block_stop","index":0}"#;
    check(AnthropicMessages, &[delta, stop], FailureKind::Truncated);
}
