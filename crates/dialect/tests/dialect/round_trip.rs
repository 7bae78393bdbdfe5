//! What a server's encoder writes, a client's decoder reads.

use dialect::failure::from_response;
use dialect::{
    AnswerEncoder, AnswerText, ErrorReport, OutOfOrder, Part, WireFormat, decode_whole,
    encode_error,
};
use domain::{FailureKind, FinishReason, Tokens, Usage};
use proptest::prelude::*;
use proptest::sample::select;

use crate::stream::{OwnPart, decode, text_of};

const FORMATS: [WireFormat; 3] =
    [WireFormat::OpenAiChat, WireFormat::OpenAiCompletions, WireFormat::AnthropicMessages];

/// Text with what JSON and event framing must escape.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[\"\\\\\n\r\t\u{0}-\u{1f}\u{7f}\u{2028}a😀]{0,12}"]
}

fn finish() -> impl Strategy<Value = FinishReason> {
    select(vec![
        FinishReason::Stop,
        FinishReason::Length,
        FinishReason::ToolCalls,
        FinishReason::ContentFilter,
    ])
}

fn usage() -> impl Strategy<Value = Usage> {
    let count = || 0_u64..1_000_000;
    (count(), count(), count(), count(), proptest::option::of(count())).prop_map(
        |(fresh, cache_read, cache_write, output, reasoning)| Usage {
            input: Tokens(fresh + cache_read + cache_write),
            cache_read: Tokens(cache_read),
            cache_write: Tokens(cache_write),
            output: Tokens(output + reasoning.unwrap_or(0)),
            reasoning: reasoning.map(Tokens),
        },
    )
}

/// A tool call: its id, its name, and its arguments as they come.
fn call() -> impl Strategy<Value = (String, String, Vec<String>)> {
    let object = prop_oneof![
        Just("{}".to_owned()),
        text().prop_map(|value| serde_json::json!({ "a": [value, 1], "b": {} }).to_string()),
        // No object: another value, one cut off by the token limit, or nothing.
        Just("\"text\"".to_owned()),
        Just("{\"a\": \"half".to_owned()),
        Just(String::new()),
    ];
    let cuts = proptest::collection::vec(any::<proptest::sample::Index>(), 0..3);
    ("[a-z0-9_]{1,8}", "[a-z_]{1,8}", object, cuts).prop_map(|(id, name, object, cuts)| {
        let letters: Vec<char> = object.chars().collect();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(letters.len() + 1)).collect();
        cuts.extend([0, letters.len()]);
        cuts.sort_unstable();
        cuts.dedup();
        let pieces = cuts.windows(2).map(|cut| letters[cut[0]..cut[1]].iter().collect()).collect();
        (id, name, pieces)
    })
}

/// The parts of an answer: runs of each kind in any order, calls numbered from zero.
fn parts() -> impl Strategy<Value = Vec<OwnPart>> {
    let texts =
        || proptest::collection::vec(text().prop_filter("empty", |it| !it.is_empty()), 1..3);
    let run = prop_oneof![
        texts().prop_map(|texts| texts.into_iter().map(OwnPart::Content).collect()),
        texts().prop_map(|texts| texts.into_iter().map(OwnPart::Reasoning).collect()),
        call().prop_map(|(id, name, pieces)| {
            let arguments = pieces.into_iter().map(|text| OwnPart::Arguments { index: 0, text });
            std::iter::once(OwnPart::ToolCall { index: 0, id, name }).chain(arguments).collect()
        }),
    ];
    proptest::collection::vec(run, 0..6)
        .prop_map(|runs: Vec<Vec<OwnPart>>| numbered(&runs.concat()))
}

/// `parts` with their calls numbered from zero: in Anthropic form they have the numbers of blocks.
fn numbered(parts: &[OwnPart]) -> Vec<OwnPart> {
    let mut calls = 0_u32;
    let renumber = |part: &OwnPart| match part {
        OwnPart::Content(_) | OwnPart::Reasoning(_) => part.clone(),
        OwnPart::ToolCall { id, name, .. } => {
            calls += 1;
            OwnPart::ToolCall { index: calls - 1, id: id.clone(), name: name.clone() }
        }
        OwnPart::Arguments { text, .. } => {
            OwnPart::Arguments { index: calls - 1, text: text.clone() }
        }
    };
    parts.iter().map(renumber).collect()
}

/// All parts in one, as `format` carries them whole.
fn gathered(format: WireFormat, parts: &[OwnPart]) -> AnswerText {
    let mut text = AnswerText::default();
    parts.iter().for_each(|part| text.push(part.borrow()));
    if format == WireFormat::OpenAiCompletions {
        return AnswerText { content: text.content, ..AnswerText::default() };
    }
    for call in &mut text.tool_calls {
        if call.arguments.is_empty() {
            "{}".clone_into(&mut call.arguments);
        }
    }
    text
}

proptest! {
    #[test]
    fn a_stream_reads_back(
        texts in proptest::collection::vec(text(), 0..8),
        model in text(),
        finish in finish(),
        usage in usage(),
        include_usage in any::<bool>(),
    ) {
        for format in FORMATS {
            let mut encoder =
                AnswerEncoder::new(format, "id-1", &model, 1_700_000_000, include_usage);
            let mut bytes = Vec::new();
            encoder.begin(&mut bytes);
            texts.iter().for_each(|text| encoder.token(text, &mut bytes));
            encoder.end(finish, usage, &mut bytes);
            let got = decode(format, &[&bytes]);
            let tokens = texts.iter().filter(|text| !text.is_empty()).count() as u64;
            prop_assert_eq!(got.text.content, texts.concat());
            let answer = got.end.unwrap();
            prop_assert_eq!((answer.finish, answer.token_chunks), (finish, tokens));
            let asked = include_usage || format == WireFormat::AnthropicMessages;
            prop_assert_eq!(answer.usage, asked.then_some(usage));
        }
    }

    #[test]
    fn the_parts_of_a_stream_read_back(parts in parts()) {
        for format in FORMATS {
            let mut encoder = AnswerEncoder::new(format, "id-1", "m", 0, false);
            let mut bytes = Vec::new();
            encoder.begin(&mut bytes);
            for part in &parts {
                prop_assert_eq!(encoder.part(part.borrow(), &mut bytes), Ok(()));
            }
            encoder.end(FinishReason::Stop, Usage::default(), &mut bytes);
            let got = decode(format, &[&bytes]);
            let expected = match format {
                // Calls without arguments are given an empty object at the end.
                WireFormat::OpenAiChat => {
                    let has_arguments = |own: u32| parts.iter().any(
                        |part| matches!(part, OwnPart::Arguments { index, .. } if *index == own),
                    );
                    let bare = parts.iter().filter_map(|part| match part {
                        OwnPart::ToolCall { index, .. } if !has_arguments(*index) => Some(
                            OwnPart::Arguments { index: *index, text: "{}".to_owned() },
                        ),
                        _ => None,
                    });
                    parts.iter().cloned().chain(bare).collect()
                }
                WireFormat::OpenAiCompletions => {
                    let is_content = |part: &&OwnPart| matches!(part, OwnPart::Content(_));
                    parts.iter().filter(is_content).cloned().collect()
                }
                WireFormat::AnthropicMessages => parts.clone(),
            };
            let read = if format == WireFormat::AnthropicMessages {
                numbered(&got.parts)
            } else {
                got.parts
            };
            prop_assert_eq!(&read, &expected, "{:?}", format);
            prop_assert_eq!(got.end.unwrap().token_chunks, expected.len() as u64);
        }
    }

    #[test]
    fn a_whole_answer_reads_back(parts in parts(), finish in finish(), usage in usage()) {
        for format in FORMATS {
            let encoder = AnswerEncoder::new(format, "id-1", "m", 1_700_000_000, false);
            let mut text = AnswerText::default();
            parts.iter().for_each(|part| text.push(part.borrow()));
            let body = encoder.whole(&text, finish, usage);
            let whole = decode_whole(format, &body).unwrap();
            let mut read = text_of(format, &body);
            prop_assert_eq!(whole.kind.is_token(), !read.is_empty());
            for (number, call) in (0..).zip(&mut read.tool_calls) {
                call.index = number;
            }
            prop_assert_eq!(read, gathered(format, &parts));
            prop_assert_eq!((whole.finish, whole.usage), (finish, Some(usage)));
        }
    }
}

/// The framing of Anthropic's blocks: each is started and stopped once, one after the other, and its
/// deltas stand between.
#[test]
fn blocks_follow_one_another() {
    let mut encoder = AnswerEncoder::new(WireFormat::AnthropicMessages, "i", "m", 0, false);
    let mut bytes = Vec::new();
    encoder.begin(&mut bytes);
    for part in [
        Part::Reasoning("hm"),
        Part::Content("a"),
        Part::Content("b"),
        Part::ToolCall { index: 7, id: "", name: "f" },
        Part::Arguments { index: 7, text: "{}" },
        Part::ToolCall { index: 8, id: "t", name: "g" },
    ] {
        encoder.part(part, &mut bytes).unwrap();
    }
    let before = bytes.len();
    let late = Part::Arguments { index: 7, text: "x" };
    assert_eq!(encoder.part(late, &mut bytes), Err(OutOfOrder::LeftCall));
    let nameless = Part::Arguments { index: 9, text: "x" };
    assert_eq!(encoder.part(nameless, &mut bytes), Err(OutOfOrder::Nameless));
    assert_eq!(bytes.len(), before);
    encoder.end(FinishReason::ToolCalls, Usage::default(), &mut bytes);
    let text = String::from_utf8(bytes).unwrap();
    let outline: Vec<String> = text
        .lines()
        .filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok())
        .map(|event: serde_json::Value| {
            let kind = event["type"].as_str().unwrap().replace("content_block_", "");
            let block = event["content_block"]["type"].as_str().unwrap_or_default();
            format!("{kind} {} {block}", event["index"]).replace(" null", "").trim().to_owned()
        })
        .collect();
    assert_eq!(
        outline,
        [
            "message_start",
            "start 0 thinking",
            "delta 0",
            "stop 0",
            "start 1 text",
            "delta 1",
            "delta 1",
            "stop 1",
            "start 2 tool_use",
            "delta 2",
            "stop 2",
            "start 3 tool_use",
            "stop 3",
            "message_delta",
            "message_stop",
        ]
    );
    assert!(text.contains(r#""id":"call_i_0","name":"f""#), "a call without an id is given one");
}

/// In OpenAI form calls may interleave, and are told apart by their numbers.
#[test]
fn interleaved_calls_are_told_apart_in_openai_form() {
    let mut encoder = AnswerEncoder::new(WireFormat::OpenAiChat, "i", "m", 0, false);
    let mut bytes = Vec::new();
    encoder.begin(&mut bytes);
    let begin = |name| Part::ToolCall { index: 0, id: name, name };
    for part in [
        begin("f"),
        Part::Arguments { index: 0, text: "{\"a\":" },
        Part::ToolCall { index: 4, id: "g", name: "g" },
        Part::Arguments { index: 0, text: "1}" },
        Part::Arguments { index: 4, text: "{\"b\":2}" },
        // The same number again, as of a server that gives none: another call.
        begin("h"),
        Part::Arguments { index: 0, text: "{\"c\":3}" },
    ] {
        encoder.part(part, &mut bytes).unwrap();
    }
    encoder.end(FinishReason::ToolCalls, Usage::default(), &mut bytes);
    let got = decode(WireFormat::OpenAiChat, &[&bytes]).text.tool_calls;
    let got: Vec<(u32, &str, &str)> =
        got.iter().map(|call| (call.index, &*call.name, &*call.arguments)).collect();
    assert_eq!(got, [(0, "f", r#"{"a":1}"#), (1, "g", r#"{"b":2}"#), (2, "h", r#"{"c":3}"#)]);
}

#[test]
fn an_error_reads_back() {
    let kinds = [
        (401, FailureKind::Unauthorized),
        (403, FailureKind::Unauthorized),
        (400, FailureKind::Rejected),
        (404, FailureKind::Rejected),
        (408, FailureKind::Timeout),
        (429, FailureKind::RateLimited),
        (500, FailureKind::ServerError),
        (503, FailureKind::Overloaded),
        (529, FailureKind::Overloaded),
    ];
    for format in FORMATS {
        for (status, kind) in kinds {
            let report = ErrorReport {
                kind,
                status: Some(status),
                message: "it \"broke\"\n",
                param: Some("p\"q"),
                request_id: Some("r\"s"),
            };
            let body = encode_error(format, &report);
            let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
            let told = [&value["error"]["param"], &value["request_id"]];
            let is_anthropic = format == WireFormat::AnthropicMessages;
            assert_eq!(told[usize::from(is_anthropic)], if is_anthropic { "r\"s" } else { "p\"q" });
            let failure = from_response(status, |_| None, &body, 0);
            assert_eq!(failure.kind, kind);
            assert!(failure.message.starts_with("it \"broke\""), "{failure}");
        }
        let read_event = |kind| {
            let mut event = Vec::new();
            AnswerEncoder::new(format, "i", "m", 0, true).error_event(kind, "gone", &mut event);
            decode(format, &[&event]).end.unwrap_err()
        };
        for kind in [FailureKind::RateLimited, FailureKind::Overloaded] {
            assert_eq!(read_event(kind).kind, kind);
        }
        let failure = read_event(FailureKind::ServerError);
        assert_eq!((failure.kind, &*failure.message), (FailureKind::InStream, "gone"));
    }
}
