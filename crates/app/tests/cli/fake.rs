//! A server that answers as it is told, for what the simulated one does not do.

use testkit::{FakeServer, FakeServerBuilder, Reply};

/// A streamed chat answer of two tokens.
const HELLO: [&str; 6] = [
    r#"data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#,
    r#"data: {"choices":[{"index":0,"delta":{"content":"Hel"}}]}"#,
    r#"data: {"choices":[{"index":0,"delta":{"content":"lo"}}]}"#,
    r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
    r#"data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#,
    "data: [DONE]",
];

/// A streamed chat answer.
pub(crate) fn hello() -> Reply {
    Reply::sse(&HELLO)
}

/// A server that lists one model, `m`, and answers chats with `reply`.
pub(crate) fn chat(reply: Reply) -> FakeServerBuilder {
    let models = r#"{"object":"list","data":[{"id":"m","object":"model"}]}"#;
    FakeServer::builder().on("GET", "/v1/models", Reply::json(200, &[], models)).on(
        "POST",
        "/v1/chat/completions",
        reply,
    )
}
