//! What a server's encoder writes, a client's decoder reads.

use dialect::failure::from_response;
use dialect::{AnswerEncoder, AnswerText, WireFormat, decode_whole, encode_error};
use domain::{FailureKind, FinishReason, Tokens, Usage};
use proptest::prelude::*;
use proptest::sample::select;

use crate::stream::decode;

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
    (0_u64..1_000_000, 0_u64..1_000_000, 0_u64..1_000_000, 0_u64..1_000_000).prop_map(
        |(fresh, cache_read, output, reasoning)| Usage {
            input: Tokens(fresh + cache_read),
            cache_read: Tokens(cache_read),
            cache_write: Tokens(0),
            output: Tokens(output + reasoning),
            reasoning: Some(Tokens(reasoning)),
        },
    )
}

/// The counts that `format` can carry.
fn carried(format: WireFormat, usage: Usage) -> Usage {
    match format {
        WireFormat::OpenAiChat | WireFormat::OpenAiCompletions => usage,
        WireFormat::AnthropicMessages => Usage { reasoning: None, ..usage },
    }
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
            let encoder = AnswerEncoder::new(format, "id-1", &model, 1_700_000_000, include_usage);
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
            prop_assert_eq!(answer.usage, asked.then_some(carried(format, usage)));
        }
    }

    #[test]
    fn a_whole_answer_reads_back(text in text(), finish in finish(), usage in usage()) {
        for format in FORMATS {
            let encoder = AnswerEncoder::new(format, "id-1", "m", 1_700_000_000, false);
            let whole = decode_whole(format, &encoder.whole(&text, finish, usage)).unwrap();
            let expected = AnswerText { content: text.clone(), ..AnswerText::default() };
            prop_assert_eq!(whole.text, expected);
            prop_assert_eq!((whole.finish, whole.usage), (finish, Some(carried(format, usage))));
        }
    }
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
            let body = encode_error(format, status, kind, "it \"broke\"\n");
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
