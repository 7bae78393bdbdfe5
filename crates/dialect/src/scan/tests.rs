//! The scanner against the parser: on events of every shape, whole and broken.

use domain::{ChunkKind, WireFormat};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::{Scan, Scanner, parse, scan};

const FORMATS: [WireFormat; 3] =
    [WireFormat::OpenAiChat, WireFormat::OpenAiCompletions, WireFormat::AnthropicMessages];

const CONTENT: Scan = Scan::Token(ChunkKind::Content);
const REASONING: Scan = Scan::Token(ChunkKind::Reasoning);
const TOOL_CALL: Scan = Scan::Token(ChunkKind::ToolCall);

/// Events in OpenAI form, and what the scanner must make of them without parsing.
const OPENAI: &[(&str, Scan)] = &[
    // The role alone, with its content empty, null or absent.
    (r#"{"choices":[{"delta":{"role":"assistant","content":"","refusal":null}}]}"#, Scan::NotToken),
    (r#"{"choices":[{"delta":{"role":"assistant","content":null}}]}"#, Scan::NotToken),
    (r#"{"choices":[{"delta":{"role":"assistant"}}],"usage":null}"#, Scan::NotToken),
    (r#"{"choices":[{"delta":{},"finish_reason":null}]}"#, Scan::NotToken),
    // Azure's first event, and a list of choices that is empty or missing.
    (r#"{"id":"","model":"","choices":[],"prompt_filter_results":[{"a":{}}]}"#, Scan::NotToken),
    (r#"{"choices":null}"#, Scan::NotToken),
    ("{}", Scan::NotToken),
    // Text, in chat and completions form, spread over blanks, and beside a role (TGI, Ollama).
    (r#"{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}"#, CONTENT),
    (r#"{"choices":[{"text":" +","index":0,"logprobs":null}],"usage":null}"#, CONTENT),
    ("{ \"choices\" : [ { \"delta\" : { \"content\" : \"a\" } } ] }\r\n", CONTENT),
    (r#"{"choices":[{"delta":{"role":"assistant","content":"a"}}],"object":"chunk"}"#, CONTENT),
    (r#"{"choices":[{"delta":{"content":"\ud83d\ude00\u00e9\n"}}]}"#, CONTENT),
    // Text that looks like structure, and structure that looks like text.
    (r#"{"choices":[{"delta":{"content":"\"}],\"usage\":{},\"error\":1"}}]}"#, CONTENT),
    (r#"{"x":"\"content\":\"a\"","choices":[{"delta":{"content":""}}]}"#, Scan::NotToken),
    (
        r#"{"content":"a","choices":[{"content":"a","delta":{"d":{"content":"a"}}}]}"#,
        Scan::NotToken,
    ),
    // Reasoning under either name, or both.
    (r#"{"choices":[{"delta":{"content":null,"reasoning_content":"a"}}]}"#, REASONING),
    (r#"{"choices":[{"delta":{"reasoning":"a","content":""}}]}"#, REASONING),
    (r#"{"choices":[{"delta":{"reasoning":"a","reasoning_content":"a"}}]}"#, REASONING),
    (r#"{"choices":[{"delta":{"reasoning":"","reasoning_content":""}}]}"#, Scan::NotToken),
    // Several choices: one with tokens is enough, and text goes before reasoning.
    (r#"{"choices":[{"delta":{"content":""}},{"delta":{"content":"a"}}]}"#, CONTENT),
    (r#"{"choices":[{"delta":{"reasoning":"a"}},{"delta":{"content":"b"}}]}"#, CONTENT),
    // Members of no interest, however deep.
    (
        r#"{"timings":{"cache_n":0,"prompt_ms":-1.5e+3,"a":[[],{},[{"b":[true,false]}]]},
            "choices":[{"delta":{"content":"a"},"logprobs":{"content":[{"token":"a"}]}}]}"#,
        CONTENT,
    ),
    // Left to the parser: an end, counts, errors, tool calls, refusals, parts.
    (r#"{"choices":[{"text":"a","finish_reason":"length"}]}"#, Scan::Unsure),
    (r#"{"choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":1}}"#, Scan::Unsure),
    (r#"{"choices":[],"usage":{"prompt_tokens":1}}"#, Scan::Unsure),
    (r#"{"choices":[{"delta":{}}],"x_groq":{"usage":{}}}"#, Scan::Unsure),
    (r#"{"error":{"message":"m"}}"#, Scan::Unsure),
    (r#"{"object":"error","message":"m"}"#, Scan::Unsure),
    (r#"{"object":"err\u006fr","message":"m"}"#, Scan::Unsure),
    (r#"{"choices":[{"delta":{"tool_calls":[{"function":{"name":"f"}}]}}]}"#, Scan::Unsure),
    (r#"{"choices":[{"delta":{"refusal":"no"}}]}"#, Scan::Unsure),
    (r#"{"choices":[{"delta":{"content":[{"type":"text","text":"a"}]}}]}"#, Scan::Unsure),
    // Left to the parser: what is odd or broken.
    (r#"{"choices":[{"delta":{"c\u006fntent":"a"}}]}"#, Scan::Unsure),
    (r#"{"choices":[{"delta":{"content":"a","content":""}}]}"#, Scan::Unsure),
    (r#"{"choices":[{"delta":{"content":"\ud83d"}}]}"#, Scan::Unsure),
    (r#"{"choices":[{"delta":{"content":"a"}}]"#, Scan::Unsure),
    (r#"{"choices":[{"delta":{"content":"a"}}]}}"#, Scan::Unsure),
    (r#"{"choices":[{"delta":{"content":"a"}}],"created":01}"#, Scan::Unsure),
    (r#"{"choices":[{"delta":{"content":"a"}}],}"#, Scan::Unsure),
    (r#"{"choices":[{"delta":{"content":7}}]}"#, Scan::Unsure),
    ("{\"choices\":[{\"delta\":{\"content\":\"a\nb\"}}]}", Scan::Unsure),
    ("[DONE]", Scan::Unsure),
    ("[]", Scan::Unsure),
    ("", Scan::Unsure),
];

/// Events in Anthropic form, and what the scanner must make of them without parsing.
const ANTHROPIC: &[(&str, Scan)] = &[
    (
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}"#,
        CONTENT,
    ),
    (r#"{"delta":{"text":"a","type":"text_delta"},"type":"content_block_delta"     }"#, CONTENT),
    (r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":""}}"#, Scan::NotToken),
    (r#"{"type":"content_block_delta","delta":{"thinking":"a"}}"#, REASONING),
    (r#"{"type":"content_block_delta","delta":{"signature":"a"}}"#, Scan::NotToken),
    (r#"{"type":"content_block_delta","delta":{"partial_json":"{\"a"}}"#, TOOL_CALL),
    (r#"{"type":"content_block_delta","delta":{"partial_json":""}}"#, Scan::NotToken),
    (r#"{"type": "ping"}"#, Scan::NotToken),
    (r#"{"type":"content_block_stop","index":0          }"#, Scan::NotToken),
    // The same members in another event are no tokens.
    (r#"{"type":"content_block_stop","delta":{"text":"a"}}"#, Scan::NotToken),
    // Left to the parser.
    (r#"{"type":"content_block_start","content_block":{"type":"text","text":""}}"#, Scan::Unsure),
    (r#"{"type":"message_start","message":{"usage":{"input_tokens":1}}}"#, Scan::Unsure),
    (r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{}}"#, Scan::Unsure),
    (r#"{"type":"message_stop"}"#, Scan::Unsure),
    (r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#, Scan::Unsure),
    (r#"{"type":"not_known_yet"}"#, Scan::Unsure),
    ("{}", Scan::Unsure),
];

#[test]
fn the_scanner_knows_each_shape_and_leaves_the_rest() {
    for (format, table) in [
        (WireFormat::OpenAiChat, OPENAI),
        (WireFormat::OpenAiCompletions, OPENAI),
        (WireFormat::AnthropicMessages, ANTHROPIC),
    ] {
        for (event, expected) in table {
            assert_eq!(scan(format, event.as_bytes()), *expected, "{event}");
            agrees(format, event.as_bytes());
        }
    }
}

#[test]
fn a_template_knows_only_events_that_differ_in_text_and_padding() {
    let event = |text: &str, model: &str, padding: &str| {
        format!(
            r#"{{"choices":[{{"delta":{{"content":"{text}"}}}}],"model":"{model}","pad":"{padding}"}}"#
        )
    };
    let mut scanner = Scanner::new(WireFormat::OpenAiChat);
    assert_eq!(scanner.scan(event("one", "m", "x").as_bytes()), CONTENT);
    let check = |event: &str, known: Option<ChunkKind>| {
        assert_eq!(scanner.template.classify(event.as_bytes()), known, "{event}");
    };
    // `model` is the first string after the text, and so the one that may differ.
    check(&event("two \\\" words", "other", "x"), Some(ChunkKind::Content));
    check(&event("", "m", "x"), Some(ChunkKind::Other));
    check(&event("one", "m", "y"), None);
    check(&event("o\\qne", "m", "x"), None);
    check(&event("\\ud800", "m", "x"), None);
    check(&format!("{} ", event("one", "m", "x")), None);
    let whole = event("one", "m", "x");
    for end in 0..whole.len() {
        check(&whole[..end], None);
    }
}

/// What the scanner is sure of, the parser says too.
fn agrees(format: WireFormat, event: &[u8]) {
    let scanned = scan(format, event);
    if scanned != Scan::Unsure {
        assert_eq!(scanned, parse(format, event), "{}", String::from_utf8_lossy(event));
    }
}

/// A JSON value that may stand anywhere in an event, right or wrong there.
fn value() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        select(vec!["null", "\"\"", "\"a\"", "[]", "{}", "true", "-0.5e3", "12", "\"error\""])
            .prop_map(str::to_owned),
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        select(vec!["content_block_delta", "message_delta", "ping", "stop"])
            .prop_map(|word| format!("\"{word}\"")),
    ];
    scalar.prop_recursive(4, 24, 4, |inner| {
        let members = proptest::collection::vec((key(), inner.clone()), 0..4);
        prop_oneof![
            members.prop_map(|members| {
                let members: Vec<_> =
                    members.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
            proptest::collection::vec(inner, 0..3)
                .prop_map(|items| format!("[ {} ]", items.join(" , "))),
        ]
    })
}

fn key() -> impl Strategy<Value = &'static str> {
    select(vec![
        "choices",
        "delta",
        "content",
        "text",
        "reasoning",
        "reasoning_content",
        "finish_reason",
        "tool_calls",
        "function",
        "arguments",
        "usage",
        "error",
        "object",
        "type",
        "thinking",
        "partial_json",
        "stop_reason",
        "index",
        "c\\u006fntent",
        "other",
    ])
}

/// An event with its choices and delta in place and anything in them.
fn event() -> impl Strategy<Value = String> {
    let members = || {
        proptest::collection::vec((key(), value()), 0..4).prop_map(|members| {
            members.iter().map(|(key, value)| format!(",\"{key}\":{value}")).collect::<String>()
        })
    };
    prop_oneof![
        (members(), members(), members(), value()).prop_map(|(top, choice, delta, text)| format!(
            r#"{{"id":"i","choices":[{{"delta":{{"content":{text}{delta}}}{choice}}}]{top}}}"#
        )),
        (members(), members(), value()).prop_map(|(top, delta, text)| format!(
            r#"{{"type":"content_block_delta","delta":{{"type":"text_delta","text":{text}{delta}}}{top}}}"#
        )),
        select(OPENAI.iter().chain(ANTHROPIC).collect::<Vec<_>>())
            .prop_map(|(event, _)| (*event).to_owned()),
        value(),
    ]
}

/// A change to one place of an event.
#[derive(Clone, Debug)]
enum Mutation {
    Replace(Index, u8),
    Insert(Index, u8),
    Cut(Index, Index),
    Repeat(Index, Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let byte = || {
        prop_oneof![
            any::<u8>(),
            select(b"\"\\{}[]:, u\n\0\xc3\x280n".as_slice()).prop_map(|byte| byte)
        ]
    };
    let at = any::<Index>;
    prop_oneof![
        (at(), byte()).prop_map(|(at, byte)| Mutation::Replace(at, byte)),
        (at(), byte()).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        (at(), at()).prop_map(|(from, to)| Mutation::Cut(from, to)),
        (at(), at()).prop_map(|(from, to)| Mutation::Repeat(from, to)),
    ]
}

fn mutate(event: &mut Vec<u8>, mutation: &Mutation) {
    if event.is_empty() {
        return;
    }
    let span = |from: &Index, to: &Index, length| {
        let (from, to) = (from.index(length), to.index(length));
        from.min(to)..from.max(to)
    };
    match mutation {
        Mutation::Replace(at, byte) => {
            let at = at.index(event.len());
            event[at] = *byte;
        }
        Mutation::Insert(at, byte) => event.insert(at.index(event.len()), *byte),
        Mutation::Cut(from, to) => {
            event.drain(span(from, to, event.len()));
        }
        Mutation::Repeat(from, to) => {
            let span = span(from, to, event.len());
            let again = event[span.clone()].to_vec();
            event.splice(span.end..span.end, again);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_scanner_agrees_with_the_parser(
        event in event(),
        mutations in proptest::collection::vec(mutation(), 0..3),
    ) {
        let mut event = event.into_bytes();
        for format in FORMATS {
            agrees(format, &event);
        }
        for mutation in &mutations {
            mutate(&mut event, mutation);
            for format in FORMATS {
                agrees(format, &event);
            }
        }
    }

    /// One stream's events, like each other but for small changes, past one scanner: what it has
    /// seen before changes nothing.
    #[test]
    fn a_stream_s_scanner_agrees_with_the_parser(
        event in event(),
        mutations in proptest::collection::vec(proptest::option::weighted(0.8, mutation()), 1..12),
    ) {
        for format in FORMATS {
            let mut scanner = Scanner::new(format);
            let mut now = event.clone().into_bytes();
            for mutation in &mutations {
                let scanned = scanner.scan(&now);
                if scanned != Scan::Unsure {
                    prop_assert_eq!(scanned, parse(format, &now));
                }
                prop_assert!(scan(format, &now) == Scan::Unsure || scanned != Scan::Unsure);
                match mutation {
                    Some(mutation) => mutate(&mut now, mutation),
                    None => now = event.clone().into_bytes(),
                }
            }
        }
    }
}
