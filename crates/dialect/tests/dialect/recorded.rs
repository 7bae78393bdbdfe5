//! Answers recorded from real providers, with what they are known to hold. The recordings stand
//! outside the repository; where they are missing these tests say so and pass.

use dialect::failure::from_response;
use dialect::{WireFormat, decode_whole};
use domain::{FailureKind, FinishReason, Tokens, Usage};

use crate::stream::{decode, text_of, texts};
use FinishReason::{ContentFilter, Length, Stop, ToolCalls};
use WireFormat::{AnthropicMessages, OpenAiChat, OpenAiCompletions};

/// The body of a recording: a `.http` file has the request and the answer's head before it, a
/// `.chunks.txt` file only the data of each event.
#[expect(clippy::disallowed_methods, reason = "the recordings are files")]
fn body(name: &str) -> Option<String> {
    let path = testkit::shared_data(&format!("wire/{name}"))?;
    let text = std::fs::read_to_string(path).expect("a recording is text");
    if name.ends_with(".http") {
        let (_, body) = text.split_once("\n\n").expect("a blank line ends the head");
        return Some(body.to_owned());
    }
    if name.ends_with(".chunks.txt") {
        return Some(text.lines().map(|event| format!("data: {event}\n\n")).collect());
    }
    Some(text)
}

/// Input, cached input, output, and reasoning where it is told.
type Counts = (u64, u64, u64, Option<u64>);

fn counts(usage: Usage) -> Counts {
    let Usage { input, cache_read, output, reasoning, .. } = usage;
    (input.count(), cache_read.count(), output.count(), reasoning.map(Tokens::count))
}

#[test]
fn streams_hold_what_was_recorded() {
    /// Name, format, bytes of content, reasoning and tool calls, end, token events, counts.
    type Row = (&'static str, WireFormat, [usize; 3], FinishReason, u64, Option<Counts>);
    #[rustfmt::skip]
    let table: &[Row] = &[
        ("openai_chat_streaming.http", OpenAiChat, [213, 0, 0], Stop, 48, None),
        ("openai_chat_stream_text_usage.http", OpenAiChat, [32, 0, 0], Stop, 8, Some((78, 0, 9, Some(0)))),
        ("openai_chat_stream_tool_usage.http", OpenAiChat, [0, 0, 27], ToolCalls, 6, Some((53, 0, 15, Some(0)))),
        ("openai_chat_streaming_detailed_usage.http", OpenAiChat, [0, 0, 0], Length, 0, Some((12, 0, 100, Some(100)))),
        ("openai_chat_text.chunks.txt", OpenAiChat, [15, 0, 0], Stop, 4, Some((16, 0, 300, Some(0)))),
        ("openai_ratelimit_headers_stream.http", OpenAiChat, [17, 0, 0], Stop, 8, Some((24, 0, 8, Some(0)))),
        ("openai_completion_streaming_usage.http", OpenAiCompletions, [59, 0, 0], Length, 25, Some((31, 0, 25, None))),
        ("anthropic_sse_basic_response.txt", AnthropicMessages, [12, 0, 0], Stop, 3, Some((11, 0, 6, None))),
        ("anthropic_sse_refusal_response.txt", AnthropicMessages, [0, 0, 0], ContentFilter, 0, Some((20, 0, 0, None))),
        ("anthropic_sse_tool_use_response.txt", AnthropicMessages, [48, 0, 32], ToolCalls, 7, Some((377, 0, 65, None))),
        ("anthropic_sse_incomplete_partial_json_response.txt", AnthropicMessages, [135, 0, 158], Length, 9, Some((450, 0, 124, None))),
        ("anthropic_stream_cache_read.http", AnthropicMessages, [1016, 0, 0], Stop, 40, Some((1169, 1165, 221, None))),
        ("anthropic_stream_thinking.http", AnthropicMessages, [1021, 202, 0], Stop, 108, Some((43, 0, 282, None))),
        ("anthropic_text.chunks.txt", AnthropicMessages, [108, 0, 0], Stop, 6, Some((12, 0, 30, None))),
        ("anthropic_tool_no_args.chunks.txt", AnthropicMessages, [35, 0, 15], ToolCalls, 3, Some((565, 0, 48, None))),
        ("anthropic_message_delta_input_tokens.chunks.txt", AnthropicMessages, [4, 0, 0], Stop, 2, Some((61, 0, 2, None))),
    ];
    for &(name, format, bytes, finish, token_chunks, expected) in table {
        let Some(body) = body(name) else { return };
        for step in [body.len(), 7, 1] {
            let pieces: Vec<&[u8]> = body.as_bytes().chunks(step).collect();
            let got = decode(format, &pieces);
            let end = got.end.unwrap_or_else(|failure| panic!("{name}: {failure}"));
            let text = texts(&got.text).map(|text| text.len());
            assert_eq!(text, bytes, "{name}");
            assert_eq!((end.finish, end.token_chunks), (finish, token_chunks), "{name}");
            assert_eq!(end.usage.map(counts), expected, "{name}");
        }
    }
}

#[test]
fn whole_answers_hold_what_was_recorded() {
    #[rustfmt::skip]
    let table = [
        ("openai_chat_basic.http", OpenAiChat, [208, 0, 0], Stop, (8, 0, 377, Some(320))),
        ("openai_chat_detailed_usage.http", OpenAiChat, [0, 0, 0], Length, (12, 0, 100, Some(100))),
        ("openai_chat_reasoning.http", OpenAiChat, [140, 0, 0], Stop, (27, 0, 267, Some(192))),
        ("openai_chat_parallel_tools.http", OpenAiChat, [0, 0, 51], ToolCalls, (162, 0, 219, Some(192))),
        ("openai_completion_basic.http", OpenAiCompletions, [65, 0, 0], Length, (31, 0, 25, None)),
        ("ollama_openai_compat.http", OpenAiChat, [40, 508, 0], Stop, (136, 0, 15, None)),
        ("anthropic_text.json", AnthropicMessages, [105, 0, 0], Stop, (12, 0, 29, None)),
    ];
    for (name, format, bytes, finish, expected) in table {
        let Some(body) = body(name) else { return };
        let whole = decode_whole(format, body.as_bytes()).expect(name);
        let text = texts(&text_of(format, body.as_bytes())).map(|text| text.len());
        assert_eq!((text, whole.finish), (bytes, finish), "{name}");
        assert_eq!(whole.usage.map(counts), Some(expected), "{name}");
    }
}

#[test]
fn errors_say_what_was_recorded() {
    let table = [
        ("openai_chat_bad_request.http", 400, FailureKind::Rejected, false),
        ("openai_chat_unknown_model.http", 404, FailureKind::Rejected, false),
        ("openai_completion_bad_request.http", 400, FailureKind::Rejected, false),
        ("openai_error_400_unsupported_parameter.json", 400, FailureKind::Rejected, false),
        ("openai_error_insufficient_quota.json", 429, FailureKind::RateLimited, false),
        ("anthropic_error_400.http", 400, FailureKind::Rejected, false),
        ("anthropic_error_404.http", 404, FailureKind::Rejected, false),
    ];
    for (name, status, kind, retryable) in table {
        let Some(body) = body(name) else { return };
        let failure = from_response(status, |_| None, body.as_bytes(), 0);
        assert_eq!((failure.kind, failure.retryable), (kind, retryable), "{name}");
        let value: serde_json::Value = serde_json::from_str(&body).expect(name);
        let message = value["error"]["message"].as_str().expect(name);
        assert!(failure.message.starts_with(message), "{name}: {failure}");
    }
}
