//! Streamed answers: one small stream for each way a server departs from the next.

use dialect::{Answer, AnswerDecoder, AnswerText, Part, WireFormat, decode_parts};
use domain::{ChunkKind, Failure, FailureKind, FinishReason, Tokens, Usage};
use proptest::prelude::*;

use WireFormat::{AnthropicMessages, OpenAiChat, OpenAiCompletions};

/// A [`Part`] to keep.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum OwnPart {
    Content(String),
    Reasoning(String),
    ToolCall { index: u32, id: String, name: String },
    Arguments { index: u32, text: String },
}

impl OwnPart {
    fn of(part: Part<'_>) -> Self {
        match part {
            Part::Content(text) => Self::Content(text.to_owned()),
            Part::Reasoning(text) => Self::Reasoning(text.to_owned()),
            Part::ToolCall { index, id, name } => {
                Self::ToolCall { index, id: id.to_owned(), name: name.to_owned() }
            }
            Part::Arguments { index, text } => Self::Arguments { index, text: text.to_owned() },
        }
    }

    pub(crate) fn borrow(&self) -> Part<'_> {
        match self {
            Self::Content(text) => Part::Content(text),
            Self::Reasoning(text) => Part::Reasoning(text),
            Self::ToolCall { index, id, name } => Part::ToolCall { index: *index, id, name },
            Self::Arguments { index, text } => Part::Arguments { index: *index, text },
        }
    }
}

/// The text of a whole answer.
pub(crate) fn text_of(format: WireFormat, body: &[u8]) -> AnswerText {
    let mut text = AnswerText::default();
    dialect::decode_text(format, body, &mut text).expect("the body can be read");
    text
}

/// Content, reasoning, and the tool calls run together.
pub(crate) fn texts(text: &AnswerText) -> [String; 3] {
    let calls = AnswerText { tool_calls: text.tool_calls.clone(), ..AnswerText::default() };
    [text.content.clone(), text.reasoning.clone(), calls.joined()]
}

/// What a stream gave: the kind of each event as a letter, its parts and the text they grow into,
/// and how it ended.
#[derive(Debug, PartialEq)]
pub(crate) struct Decoded {
    pub(crate) kinds: String,
    pub(crate) parts: Vec<OwnPart>,
    pub(crate) text: AnswerText,
    pub(crate) end: Result<Answer, Failure>,
}

pub(crate) fn decode(format: WireFormat, pieces: &[&[u8]]) -> Decoded {
    let mut kinds = String::new();
    let mut parts = Vec::new();
    let mut text = AnswerText::default();
    let mut on = |piece: dialect::Piece<'_>| {
        kinds.push(match piece.kind {
            ChunkKind::Content => 'c',
            ChunkKind::Reasoning => 'r',
            ChunkKind::ToolCall => 't',
            ChunkKind::Other => '.',
        });
        // What cannot be read has no text; the decoder itself reports it.
        let before = parts.len();
        let read = decode_parts(format, piece.data, &mut |part| {
            parts.push(OwnPart::of(part));
            text.push(part);
        });
        if read.is_ok() {
            assert_eq!(parts.len() > before, piece.kind.is_token(), "{piece:?}");
        }
    };
    let mut decoder = AnswerDecoder::new(format);
    let fed = pieces.iter().try_for_each(|piece| decoder.feed(piece, &mut on));
    let end = match fed {
        Ok(()) => decoder.finish(&mut on),
        Err(failure) => {
            assert_eq!(decoder.finish(&mut on), Err(failure.clone()), "a failure stays");
            Err(failure)
        }
    };
    Decoded { kinds, parts, text, end }
}

/// The stream of `events`, in OpenAI's framing, decoded at once and byte by byte.
fn stream(format: WireFormat, events: &[&str]) -> Decoded {
    let bytes: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    let whole = decode(format, &[bytes.as_bytes()]);
    let single: Vec<&[u8]> = bytes.as_bytes().chunks(1).collect();
    assert_eq!(decode(format, &single), whole, "byte by byte");
    whole
}

fn usage(input: u64, cache_read: u64, output: u64, reasoning: Option<u64>) -> Usage {
    Usage {
        input: Tokens(input),
        cache_read: Tokens(cache_read),
        cache_write: Tokens(0),
        output: Tokens(output),
        reasoning: reasoning.map(Tokens),
    }
}

fn answer(
    finish: FinishReason,
    usage: Option<Usage>,
    token_chunks: u64,
) -> Result<Answer, Failure> {
    Ok(Answer { finish, usage, token_chunks })
}

const A: &str = r#"{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}"#;
const STOP: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
const DONE: &str = "[DONE]";

#[test]
fn an_openai_chat_stream_is_role_text_end_usage_mark() {
    let got = stream(
        OpenAiChat,
        &[
            r#"{"choices":[{"delta":{"role":"assistant","content":"","refusal":null},"finish_reason":null}],"usage":null}"#,
            r#"{"choices":[{"delta":{"content":"Hi"},"finish_reason":null}],"usage":null,"obfuscation":"x"}"#,
            r#"{"choices":[{"delta":{"content":"\u00e9\n"},"finish_reason":null}],"usage":null,"obfuscation":"yz"}"#,
            r#"{"choices":[{"delta":{},"finish_reason":"length"}],"usage":null}"#,
            r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":7,"total_tokens":16,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":5}}}"#,
            DONE,
        ],
    );
    assert_eq!(got.kinds, ".cc...");
    assert_eq!(got.text.content, "Hié\n");
    // Cached tokens are part of the prompt, reasoning tokens part of the completion.
    assert_eq!(got.end, answer(FinishReason::Length, Some(usage(9, 4, 7, Some(5))), 2));
}

#[test]
fn counts_are_found_wherever_servers_put_them() {
    let check = |events: &[&str], expected: Usage| {
        let got = stream(OpenAiChat, events);
        assert_eq!(got.end.map(|answer| answer.usage), Ok(Some(expected)), "{events:?}");
    };
    // DeepSeek: on the finish event, with its own name for the cached part.
    check(
        &[
            A,
            r#"{"choices":[{"delta":{"content":""},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":1,"total_tokens":11,"prompt_cache_hit_tokens":6,"prompt_cache_miss_tokens":4}}"#,
            DONE,
        ],
        usage(10, 6, 1, None),
    );
    // Groq: inside x_groq, and beside it with times in seconds.
    check(
        &[
            r#"{"choices":[{"delta":{"role":"assistant","content":""}}],"x_groq":{"id":"req"}}"#,
            A,
            r#"{"choices":[{"delta":{},"finish_reason":"stop"}],"x_groq":{"id":"req","usage":{"queue_time":0.1,"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}}"#,
            DONE,
        ],
        usage(3, 0, 1, None),
    );
    // xAI: reasoning outside the completion, as the total shows.
    check(
        &[
            STOP,
            r#"{"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":2,"total_tokens":354,"completion_tokens_details":{"reasoning_tokens":340}}}"#,
            DONE,
        ],
        usage(12, 0, 342, Some(340)),
    );
    // SGLang: reasoning at the top.
    check(
        &[
            STOP,
            r#"{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":9,"total_tokens":14,"prompt_tokens_details":null,"reasoning_tokens":8}}"#,
        ],
        usage(5, 0, 9, Some(8)),
    );
    // vLLM with continuous counts: the last stands.
    check(
        &[
            r#"{"choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":5,"completion_tokens":1,"total_tokens":6}}"#,
            r#"{"choices":[{"delta":{"content":"b"},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}"#,
            r#"{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}"#,
            DONE,
        ],
        usage(5, 0, 2, None),
    );
}

#[test]
fn tokens_are_known_in_every_server_s_form() {
    let check = |format, events: &[&str], kinds: &str, text: [&str; 3]| {
        let got = stream(format, events);
        assert_eq!(got.kinds, kinds, "{events:?}");
        assert_eq!(texts(&got.text), text, "{events:?}");
    };
    // Azure leads with no choices at all.
    check(
        OpenAiChat,
        &[r#"{"choices":[],"id":"","model":"","prompt_filter_results":[]}"#, A],
        ".c",
        ["a", "", ""],
    );
    // llama.cpp's first content is null; TGI and Ollama repeat the role.
    check(
        OpenAiChat,
        &[
            r#"{"choices":[{"delta":{"role":"assistant","content":null}}]}"#,
            r#"{"choices":[{"delta":{"role":"assistant","content":"a"}}]}"#,
        ],
        ".c",
        ["a", "", ""],
    );
    // Reasoning under its old name, its new one, and both; then Mistral's parts.
    check(
        OpenAiChat,
        &[
            r#"{"choices":[{"delta":{"content":null,"reasoning_content":"x"}}]}"#,
            r#"{"choices":[{"delta":{"reasoning":"y"}}]}"#,
            r#"{"choices":[{"delta":{"reasoning":"z","reasoning_content":"z"}}]}"#,
            r#"{"choices":[{"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"w"}]}]}}]}"#,
            r#"{"choices":[{"delta":{"content":[{"type":"text","text":"a"}]}}]}"#,
        ],
        "rrrrc",
        ["a", "xyzw", ""],
    );
    // A tool call begins with its name; a refusal is an answer.
    check(
        OpenAiChat,
        &[
            r#"{"choices":[{"delta":{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":""}}]}}]}"#,
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":""}}]}}]}"#,
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}}]}"#,
            r#"{"choices":[{"delta":{"refusal":"no"}}]}"#,
        ],
        "t.tc",
        ["no", "", "f{}"],
    );
    // A legacy completion may end on the event that carries its last text.
    check(
        OpenAiCompletions,
        &[
            r#"{"choices":[{"text":" +","index":0,"logprobs":{"tokens":[" +"],"token_logprobs":[-0.1]},"finish_reason":null}]}"#,
            r#"{"choices":[{"text":"1","index":0,"logprobs":null,"finish_reason":"length"}]}"#,
            DONE,
        ],
        "cc.",
        [" +1", "", ""],
    );
    check(
        AnthropicMessages,
        &[
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"s"}}"#,
            r#"{"type": "ping"}"#,
            r#"{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"a"}       }"#,
            r#"{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}"#,
            r#"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":""}}"#,
            r#"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{}"}}"#,
            r#"{"type":"an_event_of_the_future","delta":{"text":"no"}}"#,
            // A server that has a call's input at once may send it with the block's start.
            r#"{"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"u","name":"g","input":{"a":1}}}"#,
            r#"{"type":"content_block_start","index":4,"content_block":{"type":"tool_use","id":"v","name":"h","input":{ }}}"#,
        ],
        ".r..ct.t.tt",
        ["a", "hm", r#"f{}g{"a":1}h"#],
    );
}

#[test]
fn thinking_that_is_hidden_is_a_token_without_text() {
    let event = r#"{"type":"content_block_start","index":0,"content_block":{"type":"redacted_thinking","data":"Zm9v"}}"#;
    let mut kinds = Vec::new();
    let mut decoder = AnswerDecoder::new(AnthropicMessages);
    let bytes = format!("data: {event}\n\n");
    decoder.feed(bytes.as_bytes(), &mut |piece| kinds.push(piece.kind)).unwrap();
    assert_eq!(kinds, [ChunkKind::Reasoning]);
    let mut on = |part: Part<'_>| panic!("{part:?} is no text");
    decode_parts(AnthropicMessages, event.as_bytes(), &mut on).unwrap();
}

#[test]
fn anthropic_counts_add_up_across_a_stream() {
    let check = |start: &str, delta: &str, expected: Usage| {
        let start = format!(r#"{{"type":"message_start","message":{{"usage":{start}}}}}"#);
        let delta = format!(
            r#"{{"type":"message_delta","delta":{{"stop_reason":"end_turn"}},"usage":{delta}}}"#
        );
        let got = stream(AnthropicMessages, &[&start, &delta, r#"{"type":"message_stop"}"#]);
        assert_eq!(got.end, answer(FinishReason::Stop, Some(expected), 0));
    };
    // What was read from or written to the cache comes on top of input_tokens.
    let cached = Usage { cache_write: Tokens(30), ..usage(4 + 1165 + 30, 1165, 221, None) };
    check(
        r#"{"input_tokens":4,"cache_creation_input_tokens":30,"cache_read_input_tokens":1165,"output_tokens":1}"#,
        r#"{"output_tokens":221}"#,
        cached,
    );
    // The end may correct the start.
    check(
        r#"{"input_tokens":43,"output_tokens":1}"#,
        r#"{"input_tokens":61,"output_tokens":2}"#,
        usage(61, 0, 2, None),
    );
}

#[test]
fn a_stream_ends_well_by_its_mark_or_its_reason() {
    let check = |format, events: &[&str], expected: Result<FinishReason, FailureKind>| {
        let got = stream(format, events).end;
        assert_eq!(got.map(|it| it.finish).map_err(|it| it.kind), expected, "{events:?}");
    };
    check(OpenAiChat, &[A, STOP, DONE], Ok(FinishReason::Stop));
    // Some servers close without the mark.
    check(OpenAiChat, &[A, STOP], Ok(FinishReason::Stop));
    // Some proxies send the mark without a reason.
    check(OpenAiChat, &[A, DONE], Ok(FinishReason::Other));
    check(OpenAiChat, &[A], Err(FailureKind::Truncated));
    check(OpenAiChat, &[], Err(FailureKind::Truncated));
    // An empty reason is none.
    let empty = r#"{"choices":[{"delta":{"content":"a"},"finish_reason":""}]}"#;
    check(OpenAiChat, &[empty], Err(FailureKind::Truncated));
    let reasons = [
        ("tool_calls", FinishReason::ToolCalls),
        ("function_call", FinishReason::ToolCalls),
        ("content_filter", FinishReason::ContentFilter),
        ("model_length", FinishReason::Length),
        ("abort", FinishReason::Other),
    ];
    for (word, reason) in reasons {
        let event = format!(r#"{{"choices":[{{"delta":{{}},"finish_reason":"{word}"}}]}}"#);
        check(OpenAiChat, &[&event], Ok(reason));
    }
    let reasons = [
        ("end_turn", FinishReason::Stop),
        ("stop_sequence", FinishReason::Stop),
        ("max_tokens", FinishReason::Length),
        ("model_context_window_exceeded", FinishReason::Length),
        ("tool_use", FinishReason::ToolCalls),
        ("refusal", FinishReason::ContentFilter),
        ("pause_turn", FinishReason::Other),
    ];
    for (word, reason) in reasons {
        let event = format!(r#"{{"type":"message_delta","delta":{{"stop_reason":"{word}"}}}}"#);
        check(AnthropicMessages, &[&event, r#"{"type":"message_stop"}"#], Ok(reason));
        check(AnthropicMessages, &[&event], Ok(reason));
    }
    check(AnthropicMessages, &[r#"{"type": "ping"}"#], Err(FailureKind::Truncated));
}

#[test]
fn the_end_mark_is_seen_and_what_follows_is_not_read() {
    let mut decoder = AnswerDecoder::new(OpenAiChat);
    let mut seen = 0;
    let mut on = |_: dialect::Piece<'_>| seen += 1;
    decoder.feed(format!("data: {STOP}\n\n").as_bytes(), &mut on).unwrap();
    assert!(!decoder.is_done());
    decoder.feed(b"data: [DONE]\n\ndata: rubbish\n\n", &mut on).unwrap();
    assert!(decoder.is_done());
    decoder.finish(&mut on).unwrap();
    assert_eq!(seen, 3);
}

#[test]
fn errors_inside_a_stream_keep_their_kind_and_message() {
    let check = |format, event: &str, kind, message: &str, retryable: bool| {
        let got = stream(format, &[A, event, DONE]);
        assert_eq!(got.kinds.len(), 2, "nothing is read after an error: {event}");
        let failure = got.end.expect_err(event);
        assert_eq!(
            (failure.kind, &*failure.message, failure.retryable, failure.status),
            (kind, message, retryable, Some(200)),
            "{event}"
        );
    };
    use FailureKind::{InStream, Overloaded, RateLimited};
    let openai = [
        (r#"{"error":{"message":"m","type":"server_error","code":null}}"#, InStream, true),
        (r#"{"error":{"message":"m","code":"rate_limit_exceeded"}}"#, RateLimited, true),
        (r#"{"error":{"message":"m","code":"insufficient_quota"}}"#, RateLimited, false),
        // vLLM, llama.cpp, TGI, SGLang.
        (r#"{"error":{"message":"m","type":"BadRequestError","code":400}}"#, InStream, false),
        (r#"{"error":{"code":503,"message":"m","type":"unavailable_error"}}"#, Overloaded, true),
        (r#"{"error":{"message":"m","http_status_code":422}}"#, InStream, false),
        (r#"{"error":{"object":"error","message":"m","code":500}}"#, InStream, true),
        (r#"{"object":"error","message":"m","type":"internal","code":500}"#, InStream, true),
        // OpenRouter, beside choices and inside one.
        (
            r#"{"error":{"code":429,"message":"m"},"choices":[{"delta":{"content":""}}]}"#,
            RateLimited,
            true,
        ),
        (
            r#"{"choices":[{"delta":{},"finish_reason":"error","error":{"code":502,"message":"m"}}]}"#,
            InStream,
            true,
        ),
        // Groq, and an error that is but text.
        (r#"{"choices":[],"x_groq":{"error":"m"}}"#, InStream, true),
        (r#"{"error":"m"}"#, InStream, true),
    ];
    for (event, kind, retryable) in openai {
        check(OpenAiChat, event, kind, "m", retryable);
        check(OpenAiCompletions, event, kind, "m", retryable);
    }
    let anthropic = [
        ("overloaded_error", Overloaded, true),
        ("rate_limit_error", RateLimited, true),
        ("api_error", InStream, true),
        ("timeout_error", InStream, true),
        ("invalid_request_error", InStream, false),
        ("authentication_error", InStream, false),
        ("permission_error", InStream, false),
        ("not_found_error", InStream, false),
        ("request_too_large", InStream, false),
        ("billing_error", InStream, false),
    ];
    for (label, kind, retryable) in anthropic {
        let event = format!(r#"{{"type":"error","error":{{"type":"{label}","message":"m"}}}}"#);
        check(AnthropicMessages, &event, kind, "m", retryable);
    }
    // An event named so is an error whatever it holds.
    let got = decode(AnthropicMessages, &[b"event: error\ndata: the backend went away\n\n"]);
    assert_eq!(got.end.unwrap_err().message, "the backend went away");
}

#[test]
fn what_is_no_json_is_malformed_but_a_cut_is_a_cut() {
    let check = |bytes: &str, expected: Result<FinishReason, FailureKind>| {
        let got = decode(OpenAiChat, &[bytes.as_bytes()]).end;
        assert_eq!(got.map(|it| it.finish).map_err(|it| it.kind), expected, "{bytes}");
    };
    check("data: {\"choices\":[{\"del\n\ndata: [DONE]\n\n", Err(FailureKind::Malformed));
    check("data: hello\n\n", Err(FailureKind::Malformed));
    check("data: []\n\n", Err(FailureKind::Malformed));
    check("data: {\"choices\":7}\n\n", Err(FailureKind::Malformed));
    check("data: {\"choices\":[{\"del", Err(FailureKind::Truncated));
    check(&format!("data: {STOP}\n\ndata: [DO"), Ok(FinishReason::Stop));
    // Data of nothing but blanks is a way to keep a connection open.
    check(&format!("data:\n\ndata: \n\ndata: {STOP}\n\n"), Ok(FinishReason::Stop));
    // A message quotes nothing of what could not be read.
    let failure = decode(OpenAiChat, &[b"data: {\"secret\"\n\n"]).end.unwrap_err();
    assert!(!failure.message.contains("secret"), "{failure}");
}

proptest! {
    /// Any cut of a stream's bytes gives the same pieces and the same end.
    #[test]
    fn cuts_change_nothing(
        texts in proptest::collection::vec(any::<String>(), 0..6),
        tail in 0_usize..40,
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..8),
    ) {
        for format in [OpenAiChat, OpenAiCompletions, AnthropicMessages] {
            let mut bytes = Vec::new();
            let mut encoder = dialect::AnswerEncoder::new(format, "i", "m", 0, true);
            encoder.begin(&mut bytes);
            texts.iter().for_each(|text| encoder.token(text, &mut bytes));
            encoder.end(FinishReason::Stop, Usage::default(), &mut bytes);
            bytes.truncate(bytes.len().saturating_sub(tail));
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
            prop_assert_eq!(decode(format, &pieces), decode(format, &[&bytes]));
        }
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for format in [OpenAiChat, OpenAiCompletions, AnthropicMessages] {
            decode(format, &[b"data: ", &bytes, b"\n\n"]);
        }
    }
}
