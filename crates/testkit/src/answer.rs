//! A short answer as servers stream it, for fakes to send.

use domain::WireFormat;

/// A streamed answer of two tokens, `Hel` and `lo`, with three tokens of prompt, in each format.
#[must_use]
pub const fn events(format: WireFormat) -> &'static [&'static str] {
    match format {
        WireFormat::OpenAiChat => &[
            r#"data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#,
            r#"data: {"choices":[{"index":0,"delta":{"content":"Hel"}}]}"#,
            r#"data: {"choices":[{"index":0,"delta":{"content":"lo"}}]}"#,
            r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
            r#"data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#,
            "data: [DONE]",
        ],
        WireFormat::OpenAiCompletions => &[
            r#"data: {"choices":[{"index":0,"text":"Hel","finish_reason":null}]}"#,
            r#"data: {"choices":[{"index":0,"text":"lo","finish_reason":"stop"}]}"#,
            r#"data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#,
            "data: [DONE]",
        ],
        WireFormat::AnthropicMessages => &[
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":\
             {\"input_tokens\":3,\"output_tokens\":1}}}",
            "event: ping\ndata: {\"type\":\"ping\"}",
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\
             \"delta\":{\"type\":\"text_delta\",\"text\":\"Hel\"}}",
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\
             \"delta\":{\"type\":\"text_delta\",\"text\":\"lo\"}}",
            "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":\
             {\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":2}}",
            "event: message_stop\ndata: {\"type\":\"message_stop\"}",
        ],
    }
}
